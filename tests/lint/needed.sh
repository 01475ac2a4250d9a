#!/bin/sh
# SPDX-License-Identifier: MIT
#
# needed.sh BUILD: both libraries load wherever there is glibc 2.5 or later. They need no newer
# version of a name and no library but libc and the dynamic linker, nothing that an old dynamic
# linker has not heard of, and of libc no function but these: any other may be interposed by what
# the lease thread cannot be in, or be younger somewhere else than here.
set -eu
build=${1:?usage: needed.sh BUILD}
export LC_ALL=C
newest=2.5
allowed='__cxa_finalize|__environ|environ|__errno_location|__register_atfork|__libc_stack_end|_r_debug
abort|fclose|fileno|__gmon_start__|_ITM_deregisterTMCloneTable|_ITM_registerTMCloneTable'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$allowed" | tr '|' '\n' >"$work/allowed"

# complaints LIBRARY
complaints() {
	readelf --version-info --wide "$1" | grep -o 'Name: [A-Za-z_]*[0-9.]*' | cut -d' ' -f2 | sort -u |
		while read -r version; do
			case $version in
			lib* | ld-*) continue ;; # the library of the versions that follow
			GLIBC_[0-9]*)
				highest=$(printf '%s\n' "${version#GLIBC_}" "$newest" | sort -V | tail -n 1)
				[ "$highest" = "$newest" ] && continue
				;;
			esac
			echo "needs the version $version"
		done
	readelf --dynamic --wide "$1" >"$work/dynamic"
	sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" |
		grep -v -x -e libc.so.6 -e ld-linux-x86-64.so.2 -e ld-linux.so.2 |
		sed 's/^/needs the library /'
	grep -o 'RELR' "$work/dynamic" | head -n 1 | sed 's/^/is relocated by /'
	grep -q GNU_HASH "$work/dynamic" || echo "has no GNU hash table"
	readelf --file-header "$1" | grep -q 'OS/ABI: *UNIX - System V' || echo "is for a newer OS/ABI"
	nm -D -u "$1" | awk '{ print $NF }' | sed 's/@.*//' | grep -v -x -f "$work/allowed" |
		sed "s/^/calls libc's /"
}

status=0
for library in "$build/lib/x86_64-linux-gnu/libmmfence.so" "$build/lib32/libmmfence.so"; do
	[ -f "$library" ] || continue
	complaints "$library" | sort -u | sed "s|^|$library |" >"$work/found"
	if [ -s "$work/found" ]; then
		cat "$work/found"
		status=1
	fi
done
[ $status = 0 ] && echo "needed: the libraries load in glibc $newest, and use nothing of libc that can be interposed"
exit $status
