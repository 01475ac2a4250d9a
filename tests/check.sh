#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh BUILD SUITE…: runs the suites and adds up what they say. A suite is the script
# tests/*/SUITE.sh, or a Criterion binary, build/tests/SUITE; each of its lines that begins with
# PASS, FAIL or SKIP is a test. It finds in MMFENCE_BUILD a copy of what was built, which every
# user may read and run, and in MMFENCE_TMP a directory for its files.
# FILTER is a pattern of tests, as Criterion's --filter. MMFENCE_KEEP=1 keeps the files.
# MMFENCE_OLD_KERNEL=3.10: to the programs of preload the kernel looks as old as that.
# What was skipped and what failed is named once more at the end. The last line is
# "N passed, N failed, N skipped"; exit status 1 when a test failed.
set -u

export LC_ALL=C
if [ ! -e /proc/self/exe ]; then
	echo "check.sh: there is no /proc here, which mmfence and the tests need: mount -t proc proc /proc" >&2
	exit 2
fi
tests=$(cd "$(dirname "$0")" && pwd)
built=$(cd "$1" && pwd)
shift
MMFENCE_TMP=$(mktemp -d "${TMPDIR:-/tmp}/mmfence-check.XXXXXX")
MMFENCE_SHM=$(mktemp -d /dev/shm/mmfence-check.XXXXXX 2>/dev/null) || unset MMFENCE_SHM
MMFENCE_BUILD=$MMFENCE_TMP/build
export MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM
limit=1500 ticker='' running=''
# Tests shorten it, and may be killed.
lease_time=/proc/sys/fs/lease-break-time
lease_time_was=$(cat $lease_time)
cleanup() {
	! [ -w $lease_time ] || echo "$lease_time_was" >$lease_time
	[ -z "$running" ] || kill -KILL -- "-$running"
	[ -z "$ticker" ] || kill "$ticker"
	[ -n "${MMFENCE_KEEP:-}" ] || rm -rf "$MMFENCE_TMP" "${MMFENCE_SHM:-$MMFENCE_TMP}"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# A checkout may be where no other user can go.
umask 022
chmod 755 "$MMFENCE_TMP"
mkdir -p "$MMFENCE_BUILD/tests" "$MMFENCE_BUILD/faults" "$MMFENCE_TMP/tests"
for part in bin lib lib32 lib64 man helpers examples torture faults/libmmfence.so \
	tests/unit tests/preload tests/guest tests/as_kernel tests/faults; do
	[ ! -e "$built/$part" ] || cp -a "$built/$part" "$MMFENCE_BUILD/$part"
done
cp -a "$tests/data" "$MMFENCE_TMP/tests/data"
chmod -R a+rX "$MMFENCE_BUILD" "$MMFENCE_TMP/tests"

count() { grep -c "^$1 " "$out"; }
so_far() { echo "$(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"; }

# A line every eight seconds, so that nobody takes a long suite for a hang.
tick() {
	seconds=0
	while sleep 8 </dev/null >/dev/null 2>&1; do
		seconds=$((seconds + 8))
		echo "... $1 $((seconds / 60)):$(printf %02d $((seconds % 60))): $(so_far)"
	done
}

run() {
	for script in "$tests"/*/"$1.sh"; do
		[ ! -f "$script" ] || exec timeout -k 10 "$limit" bash "$script"
	done
	exec timeout -k 10 "$limit" sh "$tests/criterion.sh" "$1"
}

# The lines of tests that passed would bury the others.
for suite; do
	echo "=== $suite"
	out=$MMFENCE_TMP/$suite.out
	: >"$out"
	tick "$suite" &
	ticker=$!
	# A suite is a group of processes, which ends with its first one: whoever is left, stopped
	# perhaps, is not waited for.
	run "$suite" >"$out" 2>&1 &
	running=$!
	tail -c +1 -f -s 0.2 --pid=$running "$out" | grep --line-buffered -v '^PASS '
	wait $running
	status=$?
	kill -KILL -- -$running 2>/dev/null
	running=
	kill "$ticker"
	ticker=
	if [ "$(count FAIL)" = 0 ]; then
		if [ "$status" = 124 ] || [ "$status" = 137 ]; then
			echo "FAIL $suite: not done in $limit seconds" >>"$out"
		elif [ "$status" != 0 ]; then
			echo "FAIL $suite: the suite ended with status $status" >>"$out"
		elif ! grep -q -e '^PASS ' -e '^SKIP ' "$out"; then
			echo "FAIL $suite: nothing ran" >>"$out"
		fi
	fi
	echo "$suite: $(so_far)"
	cat "$out" >>"$MMFENCE_TMP/all.out"
done

out=$MMFENCE_TMP/all.out
echo
sed -n 's/^SKIP [^:]*: /skipped: /p' "$out" | sort | uniq -c | sort -rn
sed -n 's/^FAIL /FAILED /p' "$out"
so_far
[ "$(count FAIL)" = 0 ]
