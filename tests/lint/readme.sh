#!/bin/sh
# SPDX-License-Identifier: MIT
#
# readme.sh: the table of options in README.md is the one that options.def makes, and every event
# of events.def is named there.
set -eu
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh shim/policy/options_doc.sh shim/policy/options.def >"$work/wanted"
sed -n '/^| option | environment |/,/^$/p' README.md | sed '/^$/d' >"$work/there"
if ! diff "$work/wanted" "$work/there"; then
	echo "README.md: the table of options is out of date"
	exit 1
fi
sed -n 's/^EVENT([A-Z_]*, "\([a-z.]*\)".*/\1/p' shim/audit/events.def | while read -r action; do
	grep -q "\`$action\`" README.md || {
		echo "README.md: the event $action is not there"
		exit 1
	}
done
echo "readme: all options and events are in README.md"
