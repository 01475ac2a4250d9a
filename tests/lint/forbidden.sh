#!/bin/sh
# SPDX-License-Identifier: MIT
#
# forbidden.sh BUILD: the rooms below interpose/ must not call what interpose/ wraps (it would
# come back to us), nor anything that allocates, locks or needs a thread libc knows about. Nor do
# they make a system call without its prototype (support/sys.h).
set -eu
build=${1:?usage: forbidden.sh BUILD}
export LC_ALL=C
rooms='kernel policy mapping snapshot nonlinear selfmem sigbus pages inject audit support'

# Names, as patterns of a whole line.
forbidden='malloc|calloc|realloc|reallocarray|free|memalign|aligned_alloc|posix_memalign|valloc
strdup|strndup|asprintf|vasprintf|getline|getdelim|open_memstream
v?f?printf|v?d?printf|v?sn?printf|puts|fputs|putchar|fwrite|fread|f?scanf|perror|__.*printf_chk|__.*printf
pthread_.*|call_once|mtx_.*|sem_.*
dlopen|dlsym|dlclose|dladdr|dl_iterate_phdr
getenv|setenv|putenv|unsetenv|syslog|exit|abort|atexit|__cxa_atexit|system|popen|fork|vfork
localtime|localtime_r|gmtime|strftime|setlocale|strerror|qsort
__stack_chk_fail|__tls_get_addr|___tls_get_addr'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -D --defined-only "$build/lib/x86_64-linux-gnu/libmmfence.so" | awk '{ print $NF }' |
	sed 's/@.*//' >"$work/wrapped"
{
	printf '%s\n' "$forbidden" | tr '|' '\n' | sed 's/\./\\./g; s/\\\.\*/.*/g'
	cat "$work/wrapped"
} | sed 's/.*/^& /' >"$work/patterns"

for bits in 64 32; do
	for room in $rooms; do
		for object in "$build/obj$bits/shim/$room"/*.o; do
			# An object whose source is gone is no longer linked.
			[ ! -f "$object" ] || [ ! -f "shim/$room/$(basename "$object" .o).c" ] || echo "$object"
		done
	done
done >"$work/objects"
objects=$(wc -l <"$work/objects")
status=0
# "name object" of all at once: processes for each object took 22 seconds where a fork is slow.
if xargs nm -A -u <"$work/objects" | sed 's/^\([^:]*\): *[a-zA-Z] \([^@]*\).*/\2 \1/' |
	grep -E -f "$work/patterns" >"$work/found"; then
	sed 's/\(.*\) \(.*\)/\2 must not use \1/' "$work/found"
	status=1
fi
if grep -n 'sys_call(' $(find shim -name '*.[ch]' ! -path 'shim/support/*' ! -path 'shim/interpose/*'); then
	echo "by number alone: interpose/ hands such calls on, nobody else makes them"
	status=1
fi
if [ $objects = 0 ]; then
	echo "forbidden.sh: no objects in $build" >&2
	exit 1
fi
[ $status = 0 ] && echo "forbidden: $objects objects below interpose/ use nothing they must not"
exit $status
