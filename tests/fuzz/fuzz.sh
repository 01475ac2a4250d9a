#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The readers of fuzz.c under libFuzzer, SECONDS_EACH (6) each, two at a time, from the corpus here.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
unset MAKEFLAGS MFLAGS MAKELEVEL
build=$root/build/fuzz
found=$build/found

if ! echo 'int LLVMFuzzerTestOneInput(const char *d, long n); int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n; }' |
	clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null; then
	echo "SKIP fuzz: clang has no libFuzzer here"
	exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! make -s -C "$root" -j"$(nproc)" B=build/fuzz WARN=-w CC=clang \
	CFLAGS='-g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' build/fuzz/tests/fuzz >"$log" 2>&1; then
	tail -20 "$log"
	echo "FAIL fuzz: the build"
	exit 1
fi

# read_by READER: in rounds, as the model of a log is never given back.
read_by() {
	local end=$((SECONDS + ${SECONDS_EACH:-6}))

	mkdir -p "$build/corpus/$1" "$found"
	while [ "$SECONDS" -lt "$end" ]; do
		MMFENCE_FUZZ=$1 ASAN_OPTIONS=detect_leaks=0 "$build/tests/fuzz" -max_total_time=$((end - SECONDS)) \
			-runs="$([ "$1" = log ] && echo 5000 || echo 1000000)" -timeout=10 -rss_limit_mb=2000 \
			-max_len=16384 -artifact_prefix="$found/$1." \
			"$build/corpus/$1" "$root/tests/fuzz/corpus/$1" >"$found/$1.log" 2>&1 && continue
		tail -40 "$found/$1.log"
		echo "FAIL fuzz $1: $(grep -m 1 -o 'SUMMARY: .*' "$found/$1.log"), kept in $found"
		return
	done
	echo "PASS fuzz $1"
}

for reader in ${FUZZ:-option globs ini inject target log lines maps program names}; do
	read_by "$reader" &
	[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
done
wait
