#!/bin/sh
# SPDX-License-Identifier: MIT
#
# instructions.sh BUILD: what a call that is none of our business costs stays within its budget, in
# instructions of the library's own, which are the same on every machine. Each call is made N and 2N
# times under callgrind, and the difference counts: what the start of a process takes falls out.
# A call that got dearer by intent gets a new budget here, some percent above what it takes.
set -eu
build=$(cd "${1:?usage: instructions.sh BUILD}" && pwd)
calls=1000 # and twice that is as long a word: the library looks at the arguments

# call budget
budgets() {
	cat <<-'END'
	open 80
	close 32
	mmap 116
	munmap 81
	mprotect 87
	END
}

skip() {
	echo "instructions: SKIP: $1"
	exit 0
}
command -v valgrind >/dev/null || skip "valgrind is not installed"
library=$build/lib/x86_64-linux-gnu/libmmfence.so
# As for the format: every compiler makes other code.
readelf -p .comment "$library" | grep -q 'GCC: .* 12\.' || skip "the budgets are those of gcc 12"
grep -q -e -O2 "$build/flags" || skip "the budgets are those of -O2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/file"

# counted KIND COUNT: the instructions of one run that were the library's.
counted() {
	env LD_PRELOAD="$library" valgrind --tool=callgrind \
		--compress-strings=no --compress-pos=no --callgrind-out-file="$work/profile" \
		"$build/bench/counted" "$1" "$2" "$work/file" >"$work/said" 2>&1 || {
		tail -n 5 "$work/said" >&2
		return 1
	}
	# The line after calls= is the sum of what was called.
	awk '/^ob=/ { ours = /libmmfence\.so/ }
		/^calls=/ { getline; next }
		ours && /^[0-9]/ { sum += $2 }
		END { print sum + 0 }' "$work/profile"
}

status=0
budgets >"$work/budgets"
while read -r name budget; do
	once=$(counted "$name" $calls)
	twice=$(counted "$name" $((2 * calls)))
	each=$(((twice - once) / calls))
	if [ "$each" -le 0 ] || [ "$each" -gt "$budget" ]; then
		echo "instructions: $name takes $each of the library's, and its budget is $budget"
		status=1
	fi
	found="${found:-} $name $each"
done <"$work/budgets"
[ $status = 0 ] && echo "instructions: within budget:$found"
exit $status
