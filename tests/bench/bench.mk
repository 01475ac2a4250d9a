# SPDX-License-Identifier: MIT
# The table of costs. BENCH_PAIRS: how often each thing is measured bare and fenced.

BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))

$(B)/bench/%: tests/bench/%.c tests/bench/clock.h tests/bench/guarded.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $<

$(B)/bench/loop: tests/bench/loop.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $< -ljansson

.PHONY: bench-report bench-build
bench-report: all $(B)/bench/loop
	@sh tests/bench/report.sh $(B)

bench-build: all $(BENCH)

bench-run: bench-build
	@sh tests/bench/run.sh $(B)
	@sh tests/bench/report.sh $(B)
