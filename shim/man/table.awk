# SPDX-License-Identifier: MIT
# Reads the tables of the library (options.def, presets.def, events.def) for whatever is made from
# them: the fields of NAME(…), in order, without their quotation marks.

function fields(line, out,    n, text) {
	n = 0
	sub(/^[A-Z]+\(/, "", line)
	while (line != "") {
		if (substr(line, 1, 1) == "\"") {
			match(line, /^"([^"\\]|\\.)*"/)
			text = substr(line, 2, RLENGTH - 2)
		} else {
			match(line, /^[A-Za-z0-9_]+/)
			text = substr(line, 1, RLENGTH)
		}
		if (RLENGTH < 1) {
			print FILENAME ":" FNR ": not understood" > "/dev/stderr"
			exit 1
		}
		out[++n] = text
		line = substr(line, RLENGTH + 1)
		sub(/^[ \t]*[,)][ \t]*/, "", line)
	}
	return n
}

# A row of the table NAME, which must have so many fields (or more, where that is below 0).
function row(name, count, out,    n) {
	if (index($0, name "(") != 1)
		return 0
	n = fields($0, out)
	if (n != count && (count >= 0 || n < -count)) {
		print FILENAME ":" FNR ": " n " fields" > "/dev/stderr"
		exit 1
	}
	return n
}

function variable(section, key,    name) {
	name = toupper("mmfence_" section "_" key)
	gsub(/[.-]/, "_", name)
	return name
}
