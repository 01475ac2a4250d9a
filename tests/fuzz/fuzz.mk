# SPDX-License-Identifier: MIT
#
# `make fuzz`: each reader for SECONDS (60). FUZZ=log: that one alone. What makes one fail is left in
# build/fuzz/found; put it into tests/fuzz/corpus/READER once it is mended.
FUZZ_FLAGS := fuzzer,address,undefined
FUZZ_OBJ := $(filter-out %/cli/main.o %/report/symbols.o,$(CLI_OBJ))

$(T)/fuzz: tests/fuzz/fuzz.c shim/cli/main.c $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(CLI_CFLAGS) -fno-sanitize=all -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -Dmain=command_main -o $@ $^ $(CLI_LIBS)

.PHONY: fuzz
fuzz:
	@sh .ci/deps all
	@FUZZ='$(FUZZ)' SECONDS_EACH='$(or $(SECONDS),60)' bash tests/fuzz/fuzz.sh
