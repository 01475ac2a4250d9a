# SPDX-License-Identifier: MIT
#
# Readers whose every byte is known, against writers that do all that can be done to a file.
#	make torture [TORTURE_SECONDS=120] [TORTURE_DIR=/tmp] [TORTURE_OPTIONS='--seed 1']
#	make torture TORTURE_UNDER='systemd-run --scope -p MemoryMax=200M -p CPUQuota=100%'
#	make torture-short		20 seconds of it

TORTURE_SECONDS ?= 120
TORTURE_DIR     ?= $(or $(TMPDIR),/tmp)
TORTURE_SRC     := $(sort $(wildcard tests/torture/*.c))
TORTURE_CFLAGS  := -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O2 -g $(WARN)
TORTURE_RUN      = $(TORTURE_UNDER) $(B)/torture/torture --library '$(abspath $(B))/$$LIB/libmmfence.so' \
	--directory $(TORTURE_DIR) $(TORTURE_OPTIONS)

$(B)/torture/torture: $(TORTURE_SRC) tests/torture/torture.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(TORTURE_CFLAGS) -m64 -o $@ $(TORTURE_SRC) -pthread

$(B)/torture/torture32: $(TORTURE_SRC) tests/torture/torture.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(TORTURE_CFLAGS) -m32 -o $@ $(TORTURE_SRC) -pthread

.PHONY: torture torture-short torture-build
torture-build: all $(B)/torture/torture $(call 32BIT,$(B)/torture/torture32)

torture: torture-build
	$(TORTURE_RUN) --seconds $(TORTURE_SECONDS)

torture-short: torture-build
	$(TORTURE_RUN) --seconds 20
