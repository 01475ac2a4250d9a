#!/bin/sh
# SPDX-License-Identifier: MIT
#
# exports.sh BUILD: no sibling forgotten. For every family of functions that the shim wraps,
# each name that this machine's libc exports must be exported by the library too, or stand in
# the list of exceptions with its reason. And the library exports what shim/interpose/calls.def names.
set -eu
build=${1:?usage: exports.sh BUILD}
export LC_ALL=C

# A name belongs to a family when it begins so, underscores left out: a sibling that libc gets
# next year is noticed.
families='^_*(mmap|munmap|mremap|mprotect|pkey_mprotect|madvise|posix_madvise|remap_file_pages|open|creat|fopen|freopen|close|dup|exec|fexec|posix_spawn|pidfd_spawn|syscall)'
# These are named whole: much begins as they do that changes no signal's action.
signals='^_*(sigaction|signal|ssignal|bsd_signal|sysv_signal|sigset|sigignore|siginterrupt|sigvec)$'

# name reason
exceptions() {
	cat <<-'END'
	dup a copy of a descriptor is judged when it is mapped, and its number is never one of ours
	duplocale locales
	__duplocale locales
	opendir a directory shows no memory
	create_module kernel modules, and long gone
	closedir the descriptor of a DIR is the program's
	openlog the system log
	closelog the system log
	openpty terminals
	open_memstream no descriptor
	open_wmemstream no descriptor
	fopencookie no descriptor
	open_by_handle_at procfs and devices give out no handles
	open_tree a place, not an open file
	__open_catalog message catalogues, made by libc's own open
	posix_spawn_file_actions_addchdir_np only collects
	posix_spawn_file_actions_addclose only collects
	posix_spawn_file_actions_addclosefrom_np only collects
	posix_spawn_file_actions_adddup2 only collects
	posix_spawn_file_actions_addfchdir_np only collects
	posix_spawn_file_actions_addopen only collects
	posix_spawn_file_actions_addtcsetpgrp_np only collects
	posix_spawn_file_actions_destroy only collects
	posix_spawn_file_actions_init only collects
	posix_spawnattr_destroy only collects
	posix_spawnattr_getcgroup_np only collects
	posix_spawnattr_getflags only collects
	posix_spawnattr_getpgroup only collects
	posix_spawnattr_getschedparam only collects
	posix_spawnattr_getschedpolicy only collects
	posix_spawnattr_getsigdefault only collects
	posix_spawnattr_getsigmask only collects
	posix_spawnattr_init only collects
	posix_spawnattr_setcgroup_np only collects
	posix_spawnattr_setflags only collects
	posix_spawnattr_setpgroup only collects
	posix_spawnattr_setschedparam only collects
	posix_spawnattr_setschedpolicy only collects
	posix_spawnattr_setsigdefault only collects
	posix_spawnattr_setsigmask only collects
	sigignore shows nothing, and what is ignored is none of ours
	sigvec only in binaries of 4.2BSD, and libc's own sigaction
	END
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exceptions | cut -d' ' -f1 | sort >"$work/exceptions"
tr -d ' \t' <"$build/symbols.map" | tr ';' '\n' | grep -E '^\w+$' | sort >"$work/table"

# names FILE: what a shared library exports. Names that only glibc's own libraries may use
# (GLIBC_PRIVATE) are no concern of a program's.
names() {
	nm -D --defined-only "$1" | awk '$NF !~ /GLIBC_PRIVATE/ && $(NF-1) != "A" { print $NF }' |
		sed 's/@.*//' | sort -u
}

# check BITS LIBRARY LIBC
check() {
	names "$2" >"$work/ours"
	names "$3" >"$work/libc"
	grep -E -e "$families" -e "$signals" "$work/libc" | sort >"$work/wanted"
	comm -23 "$work/wanted" "$work/ours" | comm -23 - "$work/exceptions" >"$work/forgotten"
	sed "s|^|$1 bit: forgotten: |" "$work/forgotten"
	comm -3 "$work/ours" "$work/table" >"$work/strange"
	sed "s|^|$1 bit: not both in calls.def and in the library: |" "$work/strange"
	[ ! -s "$work/forgotten" ] && [ ! -s "$work/strange" ]
}

libc64=$(gcc -m64 -print-file-name=libc.so.6)
status=0
check 64 "$build/lib/x86_64-linux-gnu/libmmfence.so" "$libc64" || status=1
if [ ! -e "$build/lib32/libmmfence.so" ]; then
	echo "exports: there is no 32-bit library here"
	exit $status
fi
cp "$work/ours" "$work/ours64"
check 32 "$build/lib32/libmmfence.so" "$(gcc -m32 -print-file-name=libc.so.6)" || status=1
if ! cmp -s "$work/ours64" "$work/ours"; then
	echo "the two libraries do not export the same:"
	comm -3 "$work/ours64" "$work/ours"
	status=1
fi
[ $status = 0 ] && echo "exports: $(wc -l <"$work/ours") names in both libraries, none forgotten"
exit $status
