# SPDX-License-Identifier: MIT
# The table of costs. BENCH_PAIRS: how often each thing is measured bare and fenced; BENCH_PARTS:
# which rows (run.sh).

BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))

$(B)/bench/%: tests/bench/%.c tests/bench/clock.h tests/bench/guarded.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $<

$(B)/bench/loop: tests/bench/loop.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $< -ljansson

# What every preload library costs.
$(B)/bench/empty.so:
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -o $@ -x c /dev/null

-include $(BENCH:=.d)

.PHONY: bench-report bench-build
bench-report: all $(B)/bench/loop $(B)/bench/job
	@sh tests/bench/report.sh $(B)

bench-build: all $(BENCH) $(B)/bench/empty.so

bench-run: bench-build
	@sh tests/bench/run.sh $(B)
	@sh tests/bench/report.sh $(B)
