#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh BUILD SUITE…: runs the suites unit, preload, real, attacked, torture, fleet and schema, and
# adds up what they say.
# FILTER is a pattern of tests, as Criterion's --filter. MMFENCE_KEEP=1 keeps the files.
# MMFENCE_OLD_KERNEL=1: the programs of preload see no PROCMAP_QUERY and no PAGEMAP_SCAN.
# What failed is named once more at the end. The last line is "N passed, N failed, N skipped"; exit
# status 1 when a test failed.
set -u

export LC_ALL=C
MMFENCE_BUILD=$(cd "$1" && pwd)
shift
MMFENCE_TMP=$(mktemp -d "${TMPDIR:-/tmp}/mmfence-check.XXXXXX")
chmod 755 "$MMFENCE_TMP"
MMFENCE_SHM=$(mktemp -d /dev/shm/mmfence-check.XXXXXX) || unset MMFENCE_SHM
export MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM
[ -n "${MMFENCE_KEEP:-}" ] || trap 'rm -rf "$MMFENCE_TMP" "${MMFENCE_SHM:-$MMFENCE_TMP}"' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0 skipped=0

# criterion SUITE: the report in TAP is for counting, what people read goes to the terminal.
criterion() {
	tap=$MMFENCE_TMP/$1.tap
	"$MMFENCE_BUILD/tests/$1" --jobs 2 --verbose=1 --color=never --tap="$tap" \
		${FILTER:+--filter "$FILTER"} >"$MMFENCE_TMP/$1.out" 2>&1
	status=$?
	# A line for each test that passed, or that the filter left out, would bury the others.
	grep -v -e '^\[RUN ' -e '^\[PASS\]' -e ': Test is disabled$' "$MMFENCE_TMP/$1.out"
	skips=$(grep '^ok - .* # SKIP' "$tap" | grep -c -v 'Test is disabled$')
	passes=$(grep '^ok - ' "$tap" | grep -c -v ' # SKIP')
	failures=$(grep -c '^not ok - ' "$tap")
	failed_tests="$failed_tests$(sed -n 's/^not ok - /FAILED /p' "$tap")
"
	# A runner that crashed has no report.
	if [ $status != 0 ] && [ "$failures" = 0 ]; then
		echo "$1: the runner ended with status $status"
		failures=1
	fi
}

# script NAME: a script whose lines begin with PASS, FAIL or SKIP.
script() {
	bash "$(dirname "$0")/preload/$1.sh" >"$MMFENCE_TMP/$1.out" 2>&1
	cat "$MMFENCE_TMP/$1.out"
	passes=$(grep -c '^PASS ' "$MMFENCE_TMP/$1.out")
	failures=$(grep -c '^FAIL ' "$MMFENCE_TMP/$1.out")
	failed_tests="$failed_tests$(sed -n 's/^FAIL /FAILED /p' "$MMFENCE_TMP/$1.out")
"
	skips=$(grep -c '^SKIP ' "$MMFENCE_TMP/$1.out")
	if [ "$passes" = 0 ] && [ "$failures" = 0 ] && [ "$skips" = 0 ]; then
		echo "$1: nothing ran"
		failures=1
	fi
}

# torture: one verdict on twenty seconds.
torture() {
	passes=0 failures=0 skips=0
	# shellcheck disable=SC2016
	if env -u MMFENCE_BUILD -u MMFENCE_TMP -u MMFENCE_SHM \
		"$MMFENCE_BUILD/torture/torture" --library "$MMFENCE_BUILD"'/$LIB/libmmfence.so' \
		--directory "$MMFENCE_TMP" --seconds 20; then
		passes=1
	else
		failures=1
		failed_tests="${failed_tests}FAILED torture
"
	fi
}

failed_tests=
for suite; do
	echo "=== $suite"
	case $suite in
	real | attacked | fleet | schema) script "$suite" ;;
	torture) torture ;;
	*) criterion "$suite" ;;
	esac
	passed=$((passed + passes)) failed=$((failed + failures)) skipped=$((skipped + skips))
done

echo
printf %s "$failed_tests" | grep -v '^$'
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
