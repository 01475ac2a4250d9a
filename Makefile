# SPDX-License-Identifier: MIT
#
# make            the libraries (64 and 32 bit; BITS=64: 64 alone) and build/bin/mmfence
# make demo       three real programs and the examples, bare and fenced
# make check      the tests          make check-all  with those that need a browser, a JVM, …
# make bench      the tables of costs
# make torture    readers against writers, for two minutes
# make lint       formatting, exports, forbidden calls, the manual, budgets of instructions
# make install PREFIX=/usr/local DESTDIR= [LIBDIR= LIBDIR32=] MANDIR=      make uninstall
# make deb        Debian packages, in build/deb           make rpm  those of RPM, in build/rpm

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
MANDIR  ?= $(PREFIX)/share/man
# Where a distribution has its libraries, such as /usr/lib64: that of 64 bits alone goes there, and
# that of 32 bits to LIBDIR32. Otherwise both go wherever the dynamic linker may look under PREFIX.
LIBDIR   ?=
LIBDIR32 ?=
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
64BIT = $(if $(filter 64,$(BITS)),$(1))
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

# The command, which reads what others wrote: all that the compiler has against mistakes. FORTIFY
# wants an optimiser.
CLI_CFLAGS  := $(COMMON) -fPIE -fstack-protector-strong -fcf-protection \
	$(if $(filter -O0,$(CFLAGS)),,$(if $(findstring -O,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3))
CLI_LDFLAGS := -pie -Wl,-z,relro -Wl,-z,now

# The library. No stack protector: part of it runs on a thread that has no TLS to hold a canary.
# No CET marks: Debian's crti.o has none, so that the linker would drop them; where a program runs
# with a shadow stack (glibc's tunable x86_shstk), glibc goes on without.
# Each area and each page that is touched is paid for at every start of a program: few of the first,
# and what is large, and seldom used, apart (LARGE in support/sys.h).
# No plt, hidden by default: what is exported is named in calls.def alone.
SHIM_CFLAGS  := $(COMMON) -fPIC -fvisibility=hidden -fno-stack-protector -ftls-model=initial-exec \
	-fasynchronous-unwind-tables -fno-strict-aliasing -U_FORTIFY_SOURCE -Wno-psabi
SHIM_LDFLAGS := -shared -static-libgcc -Wl,--version-script=$(B)/symbols.map \
	-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,nopack-relative-relocs -Wl,--hash-style=gnu -Wl,-O1 -Wl,--as-needed \
	-Wl,-soname,libmmfence.so -Wl,--sort-section=name -Wl,-z,noseparate-code

SHIM_SRC := $(sort $(wildcard shim/interpose/*.c shim/kernel/*.c shim/policy/*.c shim/snapshot/*.c \
	shim/nonlinear/*.c shim/selfmem/*.c shim/sigbus/*.c shim/mapping/*.c shim/inject/*.c shim/audit/*.c shim/pages/*.c shim/support/*.c))
SHIM_OBJ64 := $(SHIM_SRC:%.c=$(B)/obj64/%.o)
SHIM_OBJ32 := $(SHIM_SRC:%.c=$(B)/obj32/%.o)

# The command shares with the library the option table, the names of file systems, the search for who
# writes to a file, system calls and areas, the page census and the text builder.
CLI_SRC := $(sort $(wildcard shim/cli/*.c shim/cli/*/*.c)) $(sort $(wildcard shim/policy/*.c)) \
	shim/sigbus/writer.c shim/support/text.c \
	$(addprefix shim/kernel/,filesystem.c guarded.c home.c proc_text.c program.c symbol.c unnamed.c vma.c) \
	$(addprefix shim/support/,arena.c error.c lock.c place.c sys.c) shim/audit/json.c \
	$(filter-out shim/pages/exit.c,$(sort $(wildcard shim/pages/*.c)))
CLI_LIBS := -ljansson -lyajl -lsmartcols -ldw -lelf -lm
CLI_OBJ := $(CLI_SRC:%.c=$(B)/cli/%.o)

EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

LIBS := $(call 64BIT,$(B)/$(LIB64)/libmmfence.so) $(call 32BIT,$(B)/$(LIB32)/libmmfence.so)
ALIASES := $(B)/$(ALIAS64)/libmmfence.so $(call 32BIT,$(B)/$(ALIAS32)/libmmfence.so)

# One page of the manual each; what the tables say is put in.
MANUAL := $(patsubst shim/man/%,$(B)/man/%,$(wildcard shim/man/*.[1-9]))

.PHONY: all library deb rpm deps demo check check-all bench bench-run lint lint-run format install uninstall clean examples note FORCE
all: $(if $(NOTE),note) $(LIBS) $(ALIASES) $(B)/bin/mmfence examples $(MANUAL) include/mmfence.schema.json

library: $(LIBS)

note:
	@echo "$(NOTE)"

# What objects are made with: another compiler or other flags make them anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(strip $(CC) $(CPPFLAGS) $(CFLAGS))' >$@.now
	@cmp -s $@.now $@ || cp $@.now $@
$(B)/cli-flags: $(B)/flags
	@echo '$(filter-out $(WERROR),$(CLI_CFLAGS))' >$@.now
	@cmp -s $@.now $@ || cp $@.now $@

# These are what the compiler would call.
%/shim/support/string.o: SHIM_CFLAGS += -fno-builtin

$(B)/obj64/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(SHIM_CFLAGS) -m64 -c -o $@ $<

$(B)/obj32/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(SHIM_CFLAGS) -m32 -c -o $@ $<

$(B)/cli/%.o: %.c $(B)/flags $(B)/cli-flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CLI_CFLAGS) -c -o $@ $<

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
	$(Q)$(CC) $(CLI_LDFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJ) $(CLI_LIBS)

$(B)/examples/%: examples/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -o $@ $<

examples: $(EXAMPLES)

$(B)/man/%: shim/man/% shim/man/page.sh $(wildcard shim/man/*.awk) shim/policy/options.def shim/policy/presets.def shim/audit/events.def
	@mkdir -p $(@D)
	$(Q)sh shim/man/page.sh $< >$@.new
	$(Q)mv $@.new $@

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

lint-run: all $(B)/bench/counted
	sh tests/lint/format.sh $(SOURCES)
	sh tests/lint/exports.sh $(B)
	sh tests/lint/forbidden.sh $(B)
	sh tests/lint/rooms.sh
	sh tests/lint/needed.sh $(B)
	sh tests/lint/shipped.sh $(B)
	sh tests/lint/hardened.sh $(B)
	sh tests/lint/manual.sh $(B)
	bash tests/lint/complete.sh $(B)
	sh tests/lint/units.sh $(B)
	python3 tests/lint/readme.py $(B)
	sh tests/lint/instructions.sh $(B)

format:
	clang-format-14 -i $(SOURCES)

# What is installed where: mode, what, where.
define INSTALLED
755 $(B)/bin/mmfence $(PREFIX)/bin/mmfence
$(if $(LIBDIR),644 $(B)/$(LIB64)/libmmfence.so $(LIBDIR)/libmmfence.so
$(if $(LIBDIR32),644 $(B)/$(LIB32)/libmmfence.so $(LIBDIR32)/libmmfence.so),
644 $(B)/$(LIB64)/libmmfence.so $(PREFIX)/$(LIB64)/libmmfence.so
644 $(B)/$(LIB64)/libmmfence.so $(PREFIX)/$(ALIAS64)/libmmfence.so
$(call 32BIT,644 $(B)/$(LIB32)/libmmfence.so $(PREFIX)/$(LIB32)/libmmfence.so
644 $(B)/$(LIB32)/libmmfence.so $(PREFIX)/$(ALIAS32)/libmmfence.so))
644 include/mmfence.h $(PREFIX)/include/mmfence.h
644 include/mmfence.schema.json $(PREFIX)/share/mmfence/mmfence.schema.json
644 README.md $(PREFIX)/share/doc/mmfence/README.md
644 $(B)/mmfence.pc $(PREFIX)/share/pkgconfig/mmfence.pc
644 shim/complete/mmfence.bash $(PREFIX)/share/bash-completion/completions/mmfence
644 shim/complete/_mmfence $(PREFIX)/share/zsh/site-functions/_mmfence
$(foreach page,$(MANUAL),644 $(page) $(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))
)
endef
export INSTALLED

$(B)/mmfence.pc: shim/mmfence.pc.in FORCE
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' $< >$@

install: all $(B)/mmfence.pc
	$(Q)echo "$$INSTALLED" | while read -r mode what where; do \
		[ -z "$$what" ] || install -D -m "$$mode" "$$what" "$(DESTDIR)$$where" || exit 1; done

uninstall:
	$(Q)echo "$$INSTALLED" | while read -r mode what where; do \
		[ -z "$$what" ] || rm -f "$(DESTDIR)$$where"; done
	$(Q)rmdir "$(DESTDIR)$(PREFIX)/share/mmfence" "$(DESTDIR)$(PREFIX)/share/doc/mmfence" 2>/dev/null || :

deb:
	@sh .ci/deps deb
	@sh shim/debian/build.sh $(VERSION)

# Debian has no database of RPM that could say what is there to build with.
rpm:
	@sh .ci/deps rpm
	$(Q)rm -rf $(B)/rpm && mkdir -p $(B)/rpm/SOURCES
	$(Q)tar --exclude=./build --exclude=./.git --transform 's|^\.|mmfence-$(VERSION)|' \
		-czf $(B)/rpm/SOURCES/mmfence-$(VERSION).tar.gz .
	rpmbuild -ba --nodeps --define '_topdir $(CURDIR)/$(B)/rpm' \
		--define 'release_of_mmfence $(VERSION)' shim/rpm/mmfence.spec

clean:
	rm -rf $(B)

include tests/tests.mk
