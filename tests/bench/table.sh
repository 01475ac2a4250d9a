# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# How things are measured in turn and how a row is printed. Read by run.sh; needs $pin.

met=0
targets=0

# row WHAT BARE FENCED RATIO TARGET VERDICT
row() { printf '%-56s | %9s | %9s | %7s | %6s | %s\n' "$@"; }

# The median of one number a line.
middle() {
	sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# human NS
human() {
	echo "$1" | awk '$1 < 100 { printf "%.2f ns", $1 }
		$1 >= 100 && $1 < 1e4 { printf "%.0f ns", $1 }
		$1 >= 1e4 && $1 < 1e7 { printf "%.1f us", $1 / 1e3 }
		$1 >= 1e7 { printf "%.1f ms", $1 / 1e6 }'
}

# at_most NUMBER LIMIT
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }

# verdict RATIO TARGET: sets $verdict, and counts. TARGET - is none.
judge() {
	verdict=
	[ "$2" != - ] || return 0
	targets=$((targets + 1))
	verdict=MISSED
	if at_most "$1" "$2"; then
		verdict=met
		met=$((met + 1))
	fi
}

# result WHAT TARGET [BARE FENCED]: the row for two columns (awk expressions; the first two) of
# ./rounds, which are ns.
result() {
	bare=$(awk "{ print ${3:-\$1} }" rounds | middle)
	fenced=$(awk "{ print ${4:-\$2} }" rounds | middle)
	ratio=$(awk "{ print (${4:-\$2}) / (${3:-\$1}) }" rounds | middle)
	judge "$ratio" "$2"
	shown=$(awk -v r="$ratio" 'BEGIN { printf r < 0.001 ? "%.0e" : "%.3f", r }')
	row "$1" "$(human "$bare")" "$(human "$fenced")" "$shown" "$2" "$verdict"
}

# beside_empty WHAT TARGET: the rows for an empty library, bare and fenced: ./rounds in that order.
# The fair comparison is with the empty one: it moves what lies in memory as any library does.
beside_empty() {
	result "$1 (bare: empty preload)" "$2" '$1' '$3'
	result "  beside nothing" - '$2' '$3'
}

# failed WHAT TARGET: the row for what could not be measured. A target that cannot be is missed.
failed() {
	word=MISSED
	if [ "$2" = - ]; then
		word=SKIP
	else
		targets=$((targets + 1))
	fi
	row "$1" - - - "$2" "$word: $(tail -n 2 complaint | paste -s -d " " | cut -c 1-70)"
}

# skipped WHAT WHY
skipped() { row "$1" - - - - "SKIP: $2"; }

# turns COUNT COMMAND…: commands that print ns, run in turn, each round a line of ./rounds. They may
# start with variables for env(1). Complaints go to ./complaint. Fails when a command does. Also
# ends at $deadline, in seconds of the clock.
turns() {
	count=$1
	shift
	: >rounds
	while [ "$count" -gt 0 ] && [ "$(date +%s)" -lt "${deadline:-9999999999}" ]; do
		for command; do
			# shellcheck disable=SC2086
			$pin env $command 2>complaint || return 1
		done >round
		paste -s -d ' ' round >>rounds
		rm -f log.jsonl trace
		count=$((count - 1))
	done
}

# measure WHAT TARGET COUNT BARE FENCED
measure() {
	if turns "$3" "$4" "$5"; then
		result "$1" "$2"
	else
		failed "$1" "$2"
	fi
}
