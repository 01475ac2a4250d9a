# SPDX-License-Identifier: MIT
#
# The tests. `make check` builds and runs what a contributor needs, `make check-all` all; a part:
#	make test-SUITE [FILTER='S1/*']
#
# A suite is the script tests/*/SUITE.sh, or a Criterion binary (tests/check.sh).
#
# Helper programs are built four times: plain; with large files; with FORTIFY, which calls
# other names of libc's; and for 32 bits. Some more are built in one special way.

CHECK_SUITES := unit preload real attacked torture
# What needs more than compilers and small programs.
MORE_SUITES  := builds sanitize fuzz model userland fleet kernels vm
# Last: it looks at what the others recorded.
LAST_SUITES  := schema

H := $(B)/helpers
T := $(B)/tests

HELPERS := $(basename $(notdir $(wildcard tests/helpers/*.c)))
# Much is called back, with what it does not look at.
TEST_CFLAGS := -g -Wno-unused-parameter
HELPER_CFLAGS := -std=gnu17 -D_GNU_SOURCE $(WARN) $(TEST_CFLAGS) -MMD -MP

HELPER_plain   := -O1 -m64
HELPER_large   := -O1 -m64 -D_FILE_OFFSET_BITS=64 -D_LARGEFILE64_SOURCE
HELPER_fortify := -O2 -m64 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
HELPER_m32     := -O1 -m32

HELPER_PROGRAMS := $(foreach v,plain large fortify $(call 32BIT,m32),$(HELPERS:%=$(H)/$(v)/%)) \
	$(H)/plain/early.so $(H)/plain/unwinder $(H)/plain/window $(H)/static/noop $(H)/fixed/holes \
	$(H)/plain/chain_gnu.so $(H)/plain/chain_sysv.so $(H)/plain/pidfd_spawn.so $(foreach h,ended noop sigbus rescue,$(H)/tsan/$(h)) \
	$(call 32BIT,$(H)/m32/early.so $(H)/m32/selfmem_alias $(H)/m32/chain_gnu.so $(H)/m32/chain_sysv.so \
		$(H)/m32/pidfd_spawn.so) \
	$(foreach v,asan asan_static,$(foreach h,overwrite storm sigbus rescue,$(H)/$(v)/$(h)))

define helper_rule
$(H)/$(1)/%: tests/helpers/%.c $(B)/flags
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(CC) $$(HELPER_CFLAGS) $$(HELPER_$(1)) -o $$@ $$< -pthread -ldl
endef
$(foreach v,plain large fortify m32,$(eval $(call helper_rule,$(v))))

$(H)/plain/early.so: tests/helpers/lib/early.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -fPIC -shared -o $@ $<

$(H)/m32/early.so: tests/helpers/lib/early.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -m32 -fPIC -shared -o $@ $<

define pidfd_spawn_rule
$(H)/$(1)/pidfd_spawn.so: tests/helpers/lib/pidfd_spawn.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(CC) $$(HELPER_CFLAGS) $$(HELPER_$(1)) -fPIC -shared -o $$@ $$< -ldl
endef
$(foreach v,plain m32,$(eval $(call pidfd_spawn_rule,$(v))))

# A preload library, with one of the two hash tables.
define chain_rule
$(H)/$(1)/chain_%.so: tests/helpers/lib/chain.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(CC) $$(HELPER_CFLAGS) $$(HELPER_$(1)) -fPIC -shared -Wl,--hash-style=$$* -DCHAIN='"$$*"' -o $$@ $$< -ldl
endef
$(foreach v,plain m32,$(eval $(call chain_rule,$(v))))

$(H)/m32/selfmem_alias: examples/selfmem_alias.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -m32 -o $@ $<

$(H)/plain/unwinder: tests/helpers/special/unwinder.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -o $@ $< -lunwind

$(H)/plain/window: tests/helpers/special/window.cc
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CXX) -Wall -Wextra $(WERROR) -g -O1 -Wl,--build-id -o $@ $<

$(H)/static/%: tests/helpers/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -static -o $@ $<

# At the address it was linked for.
$(H)/fixed/%: tests/helpers/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -no-pie -o $@ $< -pthread

# gcc's runtime is a library, clang's is linked into the program. Neither has to be there.
define sanitizer_rule
$(H)/$(1)/%: tests/helpers/%.c
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)! echo 'int main(void) { return 0; }' | $(2) -fsanitize=$(3) -x c -o /dev/null - 2>/dev/null || \
		$(2) $$(HELPER_CFLAGS) -O1 -fsanitize=$(3) -o $$@ $$< -pthread -ldl
endef
$(eval $(call sanitizer_rule,asan,gcc,address))
$(eval $(call sanitizer_rule,asan_static,clang,address))
$(eval $(call sanitizer_rule,tsan,gcc,thread))

# Criterion binaries. Unit tests are linked with the rooms below interpose/ and, like the library,
# with an unwinder of their own (-lunwind would take the place of libgcc's); preload tests
# are linked with nothing of ours.
UNIT_ROOMS := support kernel policy audit snapshot nonlinear selfmem sigbus inject pages mapping
UNIT_OBJ := $(filter-out $(UNSANITIZED),$(filter $(UNIT_ROOMS:%=$(B)/obj64/shim/%/%.o),$(SHIM_OBJ64)))
# Of the command, what needs nothing else of it.
UNIT_CLI := $(addprefix $(B)/cli/shim/cli/,model/scan.o text/text.o text/value.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(T)/obj/unit/%.o,$(sort $(wildcard tests/unit/*.c)))
PRELOAD_TESTS := $(patsubst tests/preload/%.c,$(T)/obj/preload/%.o,$(sort $(wildcard tests/preload/*.c)))

$(T)/obj/unit/%.o: tests/unit/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 $(COMMON) $(TEST_CFLAGS) -c -o $@ $<

$(T)/obj/preload/%.o: tests/preload/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 $(COMMON) $(TEST_CFLAGS) -c -o $@ $<

# The tests that stand in helpers (tests/preload/test_promises.c).
$(T)/promises.h: $(wildcard tests/helpers/*.c) tests/tests.mk
	@mkdir -p $(@D)
	$(Q)for helper in $(basename $(notdir $(filter %.c,$^))); do \
		printf '#ifndef WITH_%s\n#define WITH_%s\n#endif\n' $$helper $$helper; \
		sed -nE "s/^PROMISE\((\w+, \w+).*/PROMISED(EACH_VARIANT, \1, $$helper)/p; \
			s/^PROMISE_WIDTHS\((\w+, \w+).*/PROMISED(EACH_WIDTH, \1, $$helper)/p" \
			tests/helpers/$$helper.c; \
	done >$@

$(T)/obj/preload/test_promises.o: $(T)/promises.h
$(T)/obj/preload/test_promises.o: COMMON += -I$(T)

$(T)/obj/shm.o: tests/shm.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 $(COMMON) $(TEST_CFLAGS) -c -o $@ $<

$(T)/unit: $(T)/obj/shm.o $(UNIT_TESTS) $(UNIT_OBJ) $(UNIT_CLI)
	$(call say,LD)
	$(Q)$(CC) -static-libgcc $(LDFLAGS) -o $@ $^ -lcriterion -ljansson -lyajl -ldl

$(T)/rooms: tests/sanitize/rooms.c $(UNIT_OBJ)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 -g $(COMMON) -static-libgcc -o $@ $^ -pthread -ldl

# As a guest in another userland, to which it brings the host's libraries.
GUEST := /host/x86_64-linux-gnu
$(T)/guest: $(T)/obj/shm.o $(PRELOAD_TESTS)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ -lcriterion -ljansson -Wl,--disable-new-dtags,-rpath,$(GUEST) \
		-Wl,--dynamic-linker,$(GUEST)/ld-linux-x86-64.so.2

$(T)/preload: $(T)/obj/shm.o $(PRELOAD_TESTS)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ -lcriterion -ljansson

$(T)/as_kernel: tests/kernels/as_kernel.c tests/preload/filter.c tests/preload/filter.h
	@mkdir -p $(@D)
	$(CC) -O1 $(COMMON) $(TEST_CFLAGS) -o $@ $(filter %.c,$^)

.PHONY: check-build check-run check-all-run mutate
check-build: all $(HELPER_PROGRAMS) $(T)/unit $(T)/preload $(T)/guest $(T)/as_kernel torture-build

check-run: check-build
	@sh tests/check.sh $(B) $(CHECK_SUITES) $(LAST_SUITES)

check-all-run: check-build
	@sh tests/check.sh $(B) $(CHECK_SUITES) $(MORE_SUITES) $(LAST_SUITES)

# Would a test notice? ARGS='--seed 7 --count 20 --folder snapshot'
mutate:
	@python3 tests/mutate/mutate.py $(ARGS)

# Debian's own kernel in a virtual machine.
.PHONY: check-vm
check-vm: test-vm

test-%: check-build
	@FILTER='$(FILTER)' sh tests/check.sh $(B) $*

-include $(HELPER_PROGRAMS:=.d) $(UNIT_TESTS:.o=.d) $(PRELOAD_TESTS:.o=.d)
include tests/bench/bench.mk
include tests/fuzz/fuzz.mk
include tests/faults/faults.mk
include tests/torture/torture.mk
