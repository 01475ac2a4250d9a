#!/bin/sh
# SPDX-License-Identifier: MIT
#
# criterion.sh BINARY [NOTE]: runs build/tests/BINARY and says PASS, FAIL or SKIP for each test, with
# NOTE behind its name; what a failed test complained of stands before its line.
# FILTER is a pattern of tests, as Criterion's --filter. RUNNER is a command that runs the binary
# somewhere else, with the arguments that it is given.
set -u
note=${2:+ ($2)}

{
	# shellcheck disable=SC2086
	${RUNNER:-"$MMFENCE_BUILD/tests/$1"} --jobs 2 --verbose=1 --color=never ${FILTER:+--filter "$FILTER"} 2>&1
	echo $? >"$MMFENCE_TMP/ended"
} | sed -u -n -e '/^\[RUN \]/d' -e '/^\[SKIP\] .*: Test is disabled$/d' \
	-e "s|^\[PASS\] \([^ ]*\): .*|PASS \1$note|p;t" -e "s|^\[FAIL\] \([^ ]*\): (.*)$|FAIL \1$note|p;t" \
	-e "s|^\[FAIL\] \([^ ]*\): \(.*\)|FAIL \1$note: \2|p;t" \
	-e "s|^\[SKIP\] \([^ ]*\): \(.*\)|SKIP \1$note: \2|p;t" -e '/^\[====\] Running /d' \
	-e p
exit "$(cat "$MMFENCE_TMP/ended")"
