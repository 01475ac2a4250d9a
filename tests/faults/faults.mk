# SPDX-License-Identifier: MIT
#
# A second build of the library, in which tests make calls fail and hold threads (shim/support/fault.h);
# and the tests that do, a suite of its own.

CHECK_SUITES += faults
MORE_SUITES  += faults-all
check-build: faults-build

FAULT_SRC := $(SHIM_SRC) tests/faults/fault.c
FAULT_OBJ := $(FAULT_SRC:%.c=$(B)/faults/obj/%.o)
FAULT_HELPERS := $(patsubst tests/faults/helpers/%.c,$(H)/faults/%,$(wildcard tests/faults/helpers/*.c))
FAULT_TESTS := $(patsubst tests/faults/%.c,$(T)/obj/faults/%.o,$(sort $(wildcard tests/faults/test_*.c))) \
	$(filter-out $(T)/obj/preload/test_%,$(PRELOAD_TESTS)) $(T)/obj/preload/test_guard_stage.o

$(B)/faults/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(SHIM_CFLAGS) -DMMFENCE_TEST_FAULTS -m64 -c -o $@ $<

$(B)/faults/libmmfence.so: $(FAULT_OBJ) $(B)/symbols.map
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -m64 $(SHIM_LDFLAGS) $(LDFLAGS) -o $@ $(FAULT_OBJ)

$(H)/faults/%: tests/faults/helpers/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HELPER_CFLAGS) -Itests/helpers -O1 -m64 -o $@ $< -pthread -ldl

$(T)/obj/faults/%.o: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) -O1 $(COMMON) $(TEST_CFLAGS) -Itests/preload -c -o $@ $<

$(T)/faults: $(T)/obj/shm.o $(FAULT_TESTS)
	$(call say,LD)
	$(Q)$(CC) -o $@ $^ -lcriterion -ljansson

# Frames with a personality, as C++ has them.
$(T)/obj/unit/test_unwind.o: COMMON += -fexceptions

faults-build: $(B)/faults/libmmfence.so $(FAULT_HELPERS) $(T)/faults

.PHONY: faults-build

-include $(FAULT_OBJ:.o=.d) $(FAULT_HELPERS:=.d) $(FAULT_TESTS:.o=.d)
