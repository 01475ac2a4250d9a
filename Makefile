# SPDX-License-Identifier: MIT
#
# make            the libraries (64 and 32 bit; BITS=64: 64 alone) and build/bin/mmfence
# make demo       three real programs and the examples, bare and fenced
# make check      the tests          make check-all  with those that need a browser, a JVM, …
# make bench      the tables of costs
# make torture    readers against writers, for two minutes
# make lint       formatting, exports, forbidden calls
# make install PREFIX=/usr/local DESTDIR=

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.2.0
B       := build
# make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf "  %-7s %s\n" $(1) $@)

# What the compiler can build.
ifeq ($(origin BITS),undefined)
BITS := 64 $(shell echo 'int main(void) { return 0; }' | \
	$(CC) -m32 -x c -o /dev/null - 2>/dev/null && echo 32)
NOTE := $(if $(filter 32,$(BITS)),,64 bit alone: $(CC) builds no 32-bit programs here (Debian: gcc-multilib))
endif
32BIT = $(if $(filter 32,$(BITS)),$(1))
# Both processors at once, unless a number was given.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
SUB_MAKE = $(MAKE) --no-print-directory $(PARALLEL)

# Where the dynamic linker's $LIB leads: Debian, then Fedora's and Arch's names for it.
LIB64   := lib/x86_64-linux-gnu
LIB32   := lib32
ALIAS64 := lib64
ALIAS32 := lib/i386-linux-gnu

# WERROR=-Werror: what this project's own checks ask for. Other compilers may warn of other things.
WERROR  ?=
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CFLAGS  ?= -O2 -g
COMMON  := -std=gnu17 -D_GNU_SOURCE -DMMFENCE_VERSION='"$(VERSION)"' -Iinclude -Ishim $(WARN) -MMD -MP

# The library. No stack protector: part of it runs on a thread that has no TLS to hold a canary.
# No plt, hidden by default: what is exported is named in calls.def alone.
SHIM_CFLAGS  := $(COMMON) -fPIC -fvisibility=hidden -fno-stack-protector -ftls-model=initial-exec \
	-fasynchronous-unwind-tables -fno-strict-aliasing -U_FORTIFY_SOURCE -Wno-psabi
SHIM_LDFLAGS := -shared -static-libgcc -Wl,--version-script=$(B)/symbols.map \
	-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,nopack-relative-relocs -Wl,--hash-style=gnu -Wl,-O1 -Wl,--as-needed \
	-Wl,-soname,libmmfence.so

SHIM_SRC := $(sort $(wildcard shim/interpose/*.c shim/kernel/*.c shim/policy/*.c shim/snapshot/*.c \
	shim/nonlinear/*.c shim/selfmem/*.c shim/sigbus/*.c shim/mapping/*.c shim/inject/*.c shim/audit/*.c shim/pages/*.c shim/support/*.c))
SHIM_OBJ64 := $(SHIM_SRC:%.c=$(B)/obj64/%.o)
SHIM_OBJ32 := $(SHIM_SRC:%.c=$(B)/obj32/%.o)

# The command shares with the library the option table, what decides about mappings, what tells files
# and file systems apart, system calls and areas, the page census and the text builder.
CLI_SRC := $(sort $(wildcard shim/cli/*.c shim/cli/*/*.c)) $(sort $(wildcard shim/policy/*.c)) \
	$(addprefix shim/snapshot/,decide.c live.c places.c) shim/support/text.c $(addprefix shim/kernel/,file.c filesystem.c) \
	$(addprefix shim/kernel/,guarded.c home.c lease.c proc_text.c symbol.c unnamed.c vma.c) \
	$(addprefix shim/support/,arena.c auxiliary.c error.c lock.c place.c scratch.c sys.c) shim/audit/json.c \
	$(filter-out shim/pages/exit.c,$(sort $(wildcard shim/pages/*.c)))
CLI_OBJ := $(CLI_SRC:%.c=$(B)/cli/%.o)

EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

LIBS := $(B)/$(LIB64)/libmmfence.so $(call 32BIT,$(B)/$(LIB32)/libmmfence.so)
ALIASES := $(B)/$(ALIAS64)/libmmfence.so $(call 32BIT,$(B)/$(ALIAS32)/libmmfence.so)

.PHONY: all deps demo check check-all bench bench-run lint lint-run format install clean examples note FORCE
all: $(if $(NOTE),note) $(LIBS) $(ALIASES) $(B)/bin/mmfence examples include/EVENTS.md include/mmfence.schema.json

note:
	@echo "$(NOTE)"

# What objects are made with: another compiler or other flags make them anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS)' >$@

# These are what the compiler would call.
%/shim/support/string.o: SHIM_CFLAGS += -fno-builtin

$(B)/obj64/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(SHIM_CFLAGS) -m64 -c -o $@ $<

$(B)/obj32/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(SHIM_CFLAGS) -m32 -c -o $@ $<

$(B)/cli/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -c -o $@ $<

$(B)/symbols.map: shim/interpose/symbols.map.in shim/interpose/calls.def
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -Ishim -o $@ $<

$(B)/$(LIB64)/libmmfence.so: $(SHIM_OBJ64) $(B)/symbols.map
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -m64 $(SHIM_LDFLAGS) $(LDFLAGS) -o $@ $(SHIM_OBJ64)

$(B)/$(LIB32)/libmmfence.so: $(SHIM_OBJ32) $(B)/symbols.map
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) -m32 $(SHIM_LDFLAGS) $(LDFLAGS) -o $@ $(SHIM_OBJ32)

$(B)/$(ALIAS64)/libmmfence.so: | $(B)/$(LIB64)/libmmfence.so
	@mkdir -p $(@D)
	$(Q)ln -sf ../$(LIB64)/libmmfence.so $@

$(B)/$(ALIAS32)/libmmfence.so: | $(B)/$(LIB32)/libmmfence.so
	@mkdir -p $(@D)
	$(Q)ln -sf ../../$(LIB32)/libmmfence.so $@

$(B)/bin/mmfence: $(CLI_OBJ)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(CLI_OBJ) -ljansson -ldw -lelf -lm

$(B)/examples/%: examples/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $<

examples: $(EXAMPLES)

include/EVENTS.md: shim/audit/events.def shim/audit/events_doc.sh
	$(Q)sh shim/audit/events_doc.sh shim/audit/events.def > $@

include/mmfence.schema.json: shim/audit/events.def shim/audit/schema.sh
	$(Q)sh shim/audit/schema.sh shim/audit/events.def > $@.new
	$(Q)mv $@.new $@

-include $(SHIM_OBJ64:.o=.d) $(SHIM_OBJ32:.o=.d) $(CLI_OBJ:.o=.d)

deps:
	@sh .ci/deps check

demo:
	@QUIET=1 sh .ci/deps demo
	@sh .ci/quiet "Compiling" $(SUB_MAKE) all
	@sh examples/demo.sh

check check-all:
	@sh .ci/deps $(@:check-%=%)
	@$(SUB_MAKE) $(if $(filter check-all,$@),WERROR=-Werror) check-build
	@$(MAKE) --no-print-directory $@-run

bench:
	@sh .ci/deps all
	@$(SUB_MAKE) bench-build
	@$(MAKE) --no-print-directory bench-run

lint:
	@sh .ci/deps lint
	@$(SUB_MAKE) WERROR=-Werror lint-run

SOURCES := $(shell find shim include examples tests -name '*.[ch]' 2>/dev/null)

lint-run: all
	sh tests/lint/format.sh $(SOURCES)
	sh tests/lint/exports.sh $(B)
	sh tests/lint/forbidden.sh $(B)
	sh tests/lint/rooms.sh
	sh tests/lint/needed.sh $(B)
	sh tests/lint/shipped.sh $(B)
	sh tests/lint/readme.sh

format:
	clang-format-14 -i $(SOURCES)

install: all
	install -D -m 755 $(B)/bin/mmfence $(DESTDIR)$(PREFIX)/bin/mmfence
	install -D -m 755 $(B)/$(LIB64)/libmmfence.so $(DESTDIR)$(PREFIX)/$(LIB64)/libmmfence.so
	$(call 32BIT,install -D -m 755 $(B)/$(LIB32)/libmmfence.so $(DESTDIR)$(PREFIX)/$(LIB32)/libmmfence.so)
	install -D -m 755 $(B)/$(LIB64)/libmmfence.so $(DESTDIR)$(PREFIX)/$(ALIAS64)/libmmfence.so
	$(call 32BIT,install -D -m 755 $(B)/$(LIB32)/libmmfence.so $(DESTDIR)$(PREFIX)/$(ALIAS32)/libmmfence.so)
	install -D -m 644 include/mmfence.h $(DESTDIR)$(PREFIX)/include/mmfence.h
	install -D -m 644 include/EVENTS.md $(DESTDIR)$(PREFIX)/share/doc/mmfence/EVENTS.md
	install -D -m 644 include/mmfence.schema.json $(DESTDIR)$(PREFIX)/share/mmfence/mmfence.schema.json
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/mmfence/README.md

clean:
	rm -rf $(B)

include tests/tests.mk
