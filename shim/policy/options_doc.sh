#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the option table of the README, in markdown, from options.def.
#	sh shim/policy/options_doc.sh shim/policy/options.def
set -eu

awk '
# The fields of OPTION(…), in order, without their quotation marks: commas in strings are text.
function fields(line, out,    n, rest, text) {
	n = 0
	rest = line
	sub(/^OPTION\(/, "", rest)
	while (rest != "") {
		if (substr(rest, 1, 1) == "\"") {
			match(rest, /^"([^"\\]|\\.)*"/)
			text = substr(rest, 2, RLENGTH - 2)
		} else {
			match(rest, /^[A-Za-z0-9_]+/)
			text = substr(rest, 1, RLENGTH)
		}
		out[++n] = text
		rest = substr(rest, RLENGTH + 1)
		sub(/^[ \t]*[,)][ \t]*/, "", rest)
	}
	return n
}

function variable(section, key,    name) {
	name = toupper("mmfence_" section "_" key)
	gsub(/[.-]/, "_", name)
	return name
}

# "`on`, `off`"
function choices(values) {
	gsub(/\|/, "`, `", values)
	return "`" values "`"
}

BEGIN {
	print "| option | environment | values | default | |"
	print "|---|---|---|---|---|"
}

/^OPTION\(/ {
	if (fields($0, f) != 9) {
		print FILENAME ":" FNR ": not nine fields" > "/dev/stderr"
		exit 1
	}
	values = f[4] == "CHOICE" ? choices(f[6]) : f[8]
	help = f[9]
	if (f[7] != "NULL")
		help = help " (`--" f[7] "`)"
	gsub(/\|/, "\\|", help)
	printf "| `%s.%s` | `%s` | %s | %s | %s |\n", f[1], f[2], variable(f[1], f[2]), values, \
		(f[5] == "" ? "" : "`" f[5] "`"), help
}
' "${1:-shim/policy/options.def}"
