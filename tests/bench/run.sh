#!/bin/sh
# SPDX-License-Identifier: MIT
#
#	run.sh BUILD-DIRECTORY
#
# What mmfence costs, in one table. Each thing is measured bare and fenced in turn, many times;
# a row has the medians, and as ratio the median of the ratios of each two that were measured
# one after the other: a machine that is slow for a while is slow for both. Times differ between
# machines, ratios hardly. Exit status 0 also when a target is missed: the table says it.
set -eu

build=$(cd "$1" && pwd)
pairs=${BENCH_PAIRS:-41}
work=$(mktemp -d "${TMPDIR:-/tmp}/mmfence-bench.XXXXXX")
here=$(cd "$(dirname "$0")" && pwd)
trap 'cd "$work" && guard_clean; cd / && rm -rf "$work"' EXIT
trap 'exit 130' HUP INT PIPE TERM
cd "$work"
unset LD_PRELOAD
export LC_ALL=C
lib=$build/lib/x86_64-linux-gnu/libmmfence.so
fence="LD_PRELOAD=$lib"
empty="LD_PRELOAD=$build/bench/empty.so"
. "$here/table.sh"
. "$here/guard.sh"
. "$here/pages.sh"
. "$here/remap.sh"
. "$here/jobs.sh"

# All on one processor, where that can be had: moving about is the largest noise.
pin=
last=$(($(nproc) - 1))
if taskset -c "$last" true 2>/dev/null; then
	pin="taskset -c $last"
fi

if ! env "$fence" "$build/bench/calls" preloaded; then
	echo "bench: $lib was not loaded; nothing measured" >&2
	exit 1
fi

# call WHAT TARGET KIND [VARIABLES]
call() {
	command="$build/bench/calls $3 20 file"
	measure "$1" "$2" "$pairs" "$command" "$fence ${4:-} $command"
}

# call_beside_empty WHAT TARGET KIND [VARIABLES]
call_beside_empty() {
	command="$build/bench/calls $3 20 file"
	if turns "$pairs" "$empty $command" "$command" "$fence ${4:-} $command"; then
		beside_empty "$1" "$2"
	else
		failed "$1" "$2"
	fi
}

# A file for which the file system has allocated nothing yet: told from memory by a second call.
opened_fresh() {
	head -c $((1024 * 4096)) /dev/zero >fresh
	command="$build/bench/calls open 20 fresh"
	measure "  of a file that was just written" - "$pairs" "$command" "$fence $command"
	rm fresh
}

# copied MIB ROUNDS
copied() {
	head -c $(($1 * 1048576)) /dev/urandom >copied
	measure "copy of $1 MiB (bare: sendfile to a memfd)" 1.15 $((pairs / 3)) \
		"$build/bench/copy plain $2 copied" \
		"$fence MMFENCE_SNAPSHOT_COPY_LIMIT=1G MMFENCE_SNAPSHOT_MEMORY=4G
		$build/bench/copy snapshot $2 copied"
	rm -f copied
}

# started WHAT TARGET VARIABLES
started() {
	# shellcheck disable=SC2086
	$pin "$build/bench/start" $((pairs * 8)) "$build/bench/nothing" "$empty" "" "$3" >rounds
	rm -f log.jsonl
	beside_empty "$1" "$2"
}

# Views of the program's own memory, where there is room for 1 GiB twice.
alias_rows() {
	views="$fence MMFENCE_SELFMEM_MAP=emulate $build/bench/alias"
	if [ "$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)" -lt 3 ]; then
		skipped "alias of 1 GiB" "less than 3 GiB of memory"
		return
	fi
	measure "alias of 1 GiB (bare: memcpy into a memfd mapping)" 1.25 $((pairs / 5)) \
		"$build/bench/alias memcpy 1024" "$views first 1024"
	measure "second alias, 1 GiB (bare: of 1 MiB)" 1.2 $((pairs / 5)) \
		"$views second 1" "$views second 1024"
	measure "loads and stores through it, 64 MiB" 1.05 $((pairs / 2)) \
		"$build/bench/alias plain 64" "$views view 64"
}

# What is open and mapped is a file that is on disk, as most are.
head -c $((1024 * 4096)) /dev/urandom >file
sync file
log="MMFENCE_AUDIT_LOG=$work/log.jsonl"

calls_rows() {
	started "a process that does nothing" 1.05 "$fence"
	started "  with a log" - "$fence $log"
	command="$build/bench/calls anonymous 20 file"
	measure "  noise: bare and bare once more" - "$pairs" "$command" "$command"
	call_beside_empty "anonymous mmap + munmap" 1.03 anonymous
	call_beside_empty "open + close" 1.02 open
	call_beside_empty "  with a log" 1.08 open "$log"
	opened_fresh
	call_beside_empty "shared writable file mmap + munmap" 1.05 shared
	call_beside_empty "shared read-only file mmap + munmap" 1.05 readonly
	call "sigaction" 1.10 sigaction
	call "  the same of SIGBUS, set to SIG_DFL, with a log" - sigbus "$log"
}

copy_rows() {
	copied 1 50
	copied 16 8
	copied 64 4
}

row "what" bare fenced ratio target ""
for part in ${BENCH_PARTS:-calls remap copy guard alias pages jobs}; do
	"${part}_rows"
done
echo "$met of $targets targets met"
