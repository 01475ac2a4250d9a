# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# How things are measured in pairs and how a row is printed. Read by run.sh; needs $pin.

met=0
targets=0

# row WHAT BARE FENCED RATIO TARGET VERDICT
row() { printf '%-54s | %9s | %9s | %7s | %6s | %s\n' "$@"; }

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

# result WHAT TARGET: the row for ./pairs, two numbers of ns a line.
result() {
	bare=$(awk '{ print $1 }' pairs | middle)
	fenced=$(awk '{ print $2 }' pairs | middle)
	ratio=$(awk '{ print $2 / $1 }' pairs | middle)
	judge "$ratio" "$2"
	shown=$(awk -v r="$ratio" 'BEGIN { printf r < 0.001 ? "%.0e" : "%.3f", r }')
	row "$1" "$(human "$bare")" "$(human "$fenced")" "$shown" "$2" "$verdict"
}

# failed WHAT TARGET: the row for what could not be measured. A target that cannot be is missed.
failed() {
	word=MISSED
	if [ "$2" = - ]; then
		word=SKIP
	else
		targets=$((targets + 1))
	fi
	row "$1" - - - "$2" "$word: $(tail -n 1 complaint | cut -c 1-60)"
}

# skipped WHAT WHY
skipped() { row "$1" - - - - "SKIP: $2"; }

# pair COUNT BARE FENCED: two commands that print ns, run in turn, into ./pairs. FENCED starts with
# variables for env(1). Complaints go to ./complaint. Fails when either command does.
pair() {
	count=$1 bare_command=$2 fenced_command=$3
	: >pairs
	while [ "$count" -gt 0 ]; do
		# shellcheck disable=SC2086
		a=$($pin env $bare_command 2>complaint) || return 1
		# shellcheck disable=SC2086
		b=$($pin env $fenced_command 2>complaint) || return 1
		echo "$a $b" >>pairs
		rm -f log.jsonl trace
		count=$((count - 1))
	done
}

# measure WHAT TARGET COUNT BARE FENCED
measure() {
	if pair "$3" "$4" "$5"; then
		result "$1" "$2"
	else
		failed "$1" "$2"
	fi
}

# columns WHAT TARGET BARE FENCED: the row for two columns (awk expressions) of ./all.
columns() {
	awk "{ print $3, $4 }" all >pairs
	result "$1" "$2"
}
