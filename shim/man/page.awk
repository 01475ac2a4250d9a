# SPDX-License-Identifier: MIT
# The tables, and then a page in mdoc: see page.sh.

# Text, a sentence a line, and none longer than mandoc wants it.
function text(words,    n, i, word, line, out) {
	gsub(/\\/, "\\e", words)
	out = line = ""
	n = split(words, word, " ")
	for (i = 1; i <= n; i++) {
		if (line != "" && length(line) + length(word[i]) > 72) {
			out = out guarded(line) "\n"
			line = ""
		}
		line = line (line == "" ? "" : " ") word[i]
		if (i < n && word[i] ~ /[.!?]\)?$/) {
			out = out guarded(line) "\n"
			line = ""
		}
	}
	return out guarded(line)
}

# A line of text that looks like a macro is none.
function guarded(line) {
	return line ~ /^[.']/ ? "\\&" line : line
}

# A line of the page itself, which knows what it is doing.
function folded(line,    at, out) {
	out = ""
	while (length(line) > 79) {
		for (at = 79; at > 1 && substr(line, at, 1) != " "; at--)
			;
		if (at == 1)
			break
		out = out substr(line, 1, at - 1) "\n"
		line = substr(line, at + 1)
	}
	return out guarded(line)
}

function choices(values) {
	gsub(/\|/, " | ", values)
	return values
}

row("PRESET", -3, f) {
	n = row("PRESET", -3, f)
	presets = presets ".It Cm " f[1] "\n" text(f[2]) ":\n"
	for (i = 3; i <= n; i++)
		presets = presets ".Cm " f[i] (i < n ? "" : " .") "\n"
}

row("OPTION", 9, f) {
	if (f[1] != section)
		options = options (section == "" ? "" : ".El\n") ".Ss Section " f[1] "\n.Bl -tag -width Ds\n"
	section = f[1]
	options = options ".It Cm " f[2] " = " (f[4] == "CHOICE" ? "Cm " choices(f[6]) : "Ar " f[8]) "\n"
	f[9] = toupper(substr(f[9], 1, 1)) substr(f[9], 2)
	options = options text(f[9] ".") "\n"
	if (f[5] != "")
		options = options "Default:\n.Cm " f[5] " .\n"
	if (f[7] != "NULL")
		options = options "Flag:\n.Fl -" f[7] " .\n"
	options = options "Variable:\n.Ev " variable(f[1], f[2]) " .\n"
}

row("EVENT", 5, f) {
	if (events != "")
		events = events ".El\n"
	events = events ".Ss " f[2] "\n" text(f[5]) "\n.Va event.category\n.Li " f[3] " ,\n.Va event.type\n.Li " f[4] " .\n.Bl -tag -width Ds\n"
}

row("FIELD", 4, f) {
	events = events ".It Va " f[2] " Pq " f[3] "\n" text(f[4]) "\n"
}

FILENAME ~ /\.def$/ { next }
/^@PRESETS@$/ { printf "%s", presets; next }
/^@OPTIONS@$/ { printf "%s.El\n", options; next }
/^@EVENTS@$/ { printf "%s.El\n", events; next }
/^\.Bd/ { literal = 1 }
/^\.Ed/ { literal = 0 }
literal || /^[.@\\]/ || length($0) < 80 { print; next }
{ print folded($0) }
