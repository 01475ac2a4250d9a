#!/bin/sh
# SPDX-License-Identifier: MIT
#
#	report.sh BUILD-DIRECTORY
#
# `mmfence report` on a log of a million records, beside a bare loop of jansson over the same lines,
# and jq. Three times each, in turn; the medians. Memory: the most that was resident.
set -eu

build=$(cd "$1" && pwd)
records=${BENCH_RECORDS:-1000000}
work=$(mktemp -d "${TMPDIR:-/tmp}/mmfence-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT PIPE TERM
cd "$work"
unset LD_PRELOAD
export LC_ALL=C

# 10000 records of a real run, as often as needed.
"$build/bin/mmfence" run -q --log once.jsonl -o audit.nonlinear=every -- \
	"$build/examples/nonlinear_window" >/dev/null
lines=$(wc -l <once.jsonl)
i=0
while [ $i -lt "$records" ]; do
	cat once.jsonl
	i=$((i + lines))
done >log.jsonl
head -n "$((records / 10))" log.jsonl >tenth.jsonl

# seconds COMMAND…: of processor time, since other things run on the machine too, and KiB.
seconds() {
	"$build/bench/job" "$@" | awk '{ printf "%.2f %d\n", $1 / 1e9, $2 }'
}

median() {
	sort -n | sed -n 2p
}

report() { seconds "$build/bin/mmfence" report "${1:-log.jsonl}" >>report; }
for round in 1 2 3; do
	report
	seconds "$build/bench/loop" log.jsonl >>parse
	if command -v jq >/dev/null; then
		seconds jq -c .event.action log.jsonl >>jq
	fi
done
seconds "$build/bin/mmfence" report tenth.jsonl >tenth

time_of() { cut -d' ' -f1 "$1" | median; }
memory_of() { cut -d' ' -f2 "$1" | sort -n | tail -n 1; }
took=$(time_of report)
printf '%s records, %s MiB: report %s s, %s KiB resident (a tenth of them: %s KiB)\n' \
	"$(wc -l <log.jsonl)" $(($(stat -c %s log.jsonl) >> 20)) "$took" "$(memory_of report)" \
	"$(memory_of tenth)"
awk -v report="$took" -v parse="$(time_of parse)" 'BEGIN {
	ratio = report / parse
	printf "  bare loop of jansson %s s: %.2f of it; target 2.00: %s\n", parse, ratio,
		(ratio <= 2 ? "met" : "MISSED") }'
if [ -s jq ]; then
	awk -v report="$took" -v jq="$(time_of jq)" 'BEGIN {
		ratio = jq / report
		printf "  jq -c .event.action %s s: %.2f times faster; target 3.00: %s\n", jq, ratio,
			(ratio >= 3 ? "met" : "MISSED") }'
else
	echo "  jq: SKIP, it is not installed"
fi
