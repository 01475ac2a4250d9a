#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints a manual page: long lines are folded, and these lines replaced by what the tables say:
#	@PRESETS@ @OPTIONS@ @EVENTS@
#	sh shim/man/page.sh shim/man/mmfence.conf.5
set -eu
here=$(dirname "$0")

awk -f "$here/table.awk" -f "$here/page.awk" "$here/../policy/presets.def" \
	"$here/../policy/options.def" "$here/../audit/events.def" "$1"
