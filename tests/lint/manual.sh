#!/bin/sh
# SPDX-License-Identifier: MIT
#
# manual.sh BUILD: mandoc finds nothing wrong with the pages, each page of ours that one names is
# there, and the page of a command has every flag that the command has.
set -eu
build=${1:?usage: manual.sh BUILD}
export LC_ALL=C
status=0

cd "$build/man"
if command -v mandoc >/dev/null; then
	# Whether pages of others are installed is not our matter.
	mandoc -T lint -W style -- *.[1-9] 2>/dev/null | grep -v 'STYLE: referenced manual not found' &&
		status=1
else
	echo "manual: SKIP: there is no mandoc here to look at the pages"
fi
sed -n 's/^\.Xr \(mmfence[a-z.-]*\) \([0-9]\).*/\1.\2/p' -- *.[1-9] | sort -u | while read -r page; do
	[ -f "$page" ] || echo "$page is named, and not there"
done | grep . && status=1
for command in run check log report pages doctor; do
	"../bin/mmfence" $command --help | grep -o '^  *\(-., \)\?--[a-z-]*' | sed 's/.*--/-/' |
		grep -v -x -e -help -e -usage -e -version | while read -r flag; do
		grep -q -e "Fl $flag\b" "mmfence-$command.1" || echo "mmfence-$command.1 has no -$flag"
	done
done | grep . && status=1
"../bin/mmfence" help | sed -n '/^ Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | while read -r command; do
	[ -f "mmfence-$command.1" ] || echo "mmfence-$command.1 is not there"
done | grep . && status=1
[ $status = 0 ] && echo "manual: $(ls | wc -l) pages"
exit $status
