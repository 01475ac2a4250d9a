#!/bin/sh
# SPDX-License-Identifier: MIT
# events.def on the command line to include/mmfence.schema.json on standard output: JSON Schema,
# draft 2020-12. Nothing is allowed in a record that is not named there or below.
set -eu

def=$1

# Lines of events.def as tab-separated values: EVENT id action category type doc, FIELD id name type doc.
rows() {
	sed -n 's/\\/\\\\/g
s/^EVENT(\([A-Z_]*\), "\([^"]*\)", "\([^"]*\)", "\([^"]*\)", "\([^"]*\)")$/EVENT	\1	\2	\3	\4	\5/p
s/^FIELD(\([A-Z_]*\), "\([^"]*\)", \([a-z]*\), "\([^"]*\)")$/FIELD	\1	\2	\3	\4/p' "$def"
}

# What all records have: ! before the name of what may not be missing.
common() {
	cat <<'END'
!@timestamp	"$ref": "#/$defs/timestamp"
!ecs.version	"const": "8.11.0"
!event.kind	"const": "event"
!event.outcome	"enum": ["success", "failure", "unknown"]
!event.sequence	"type": "integer", "minimum": 1
!process.pid	"type": "integer", "minimum": 1
!process.thread.id	"type": "integer", "minimum": 1
!process.name	"type": "string"
process.executable	"type": "string"
mmfence.call	"type": "string"
mmfence.stack	"type": "array", "items": { "$ref": "#/$defs/address" }, "maxItems": 32
mmfence.modules	"type": "array", "items": { "$ref": "#/$defs/module" }
mmfence.raw	"type": "object", "additionalProperties": { "$ref": "#/$defs/bytes" }
mmfence.truncated	"const": true
END
}

if [ "$(rows | wc -l)" != "$(grep -c '^\(EVENT\|FIELD\)(' "$def")" ]; then
	echo "$def: a line that is neither EVENT nor FIELD as it should be" >&2
	exit 1
fi

{
	common | sed 's/^/COMMON	/'
	rows
} | awk -F '\t' '
function indent(depth,    text) {
	text = ""
	while (depth-- > 0)
		text = text "\t"
	return text
}

# The object whose members names begin with prefix, from the fields 1..count of one event.
function object(prefix, depth,    i, rest, part, seen, first, needed, line) {
	line = indent(depth)
	printf "{\n%s\t\"type\": \"object\",\n%s\t\"properties\": {", line, line
	first = 1
	needed = ""
	for (i = 1; i <= count; i++) {
		if (substr(name[i], 1, length(prefix)) != prefix)
			continue
		rest = substr(name[i], length(prefix) + 1)
		part = rest
		sub(/\..*/, "", part)
		if (part in seen)
			continue
		seen[part] = 1
		printf "%s\n%s\t\t\"%s\": ", (first ? "" : ","), line, part
		first = 0
		if (part == rest)
			printf "{ %s }", text[i]
		else
			object(prefix part ".", depth + 2)
		if (is_needed(prefix part))
			needed = needed (needed == "" ? "" : ", ") "\"" part "\""
	}
	printf "\n%s\t},\n", line
	if (needed != "")
		printf "%s\t\"required\": [%s],\n", line, needed
	printf "%s\t\"additionalProperties\": false\n%s}", line, line
}

function is_needed(path,    i) {
	for (i = 1; i <= count; i++)
		if (required[i] && (name[i] == path || index(name[i], path ".") == 1))
			return 1
	return 0
}

function add(field, schema, must) {
	name[++count] = field
	text[count] = schema
	required[count] = must
}

function schema_of(type) {
	return type == "address" ? "\"$ref\": \"#/$defs/address\"" : "\"type\": \"" type "\""
}

$1 == "COMMON" {
	must = sub(/^!/, "", $2)
	common_name[++commons] = $2
	common_text[commons] = $3
	common_must[commons] = must
}

$1 == "EVENT" {
	order[++events] = $2
	action[$2] = $3; category[$2] = $4; type[$2] = $5; doc[$2] = $6
}

$1 == "FIELD" {
	n = ++fields[$2]
	field_name[$2, n] = $3
	field_text[$2, n] = schema_of($4) ", \"description\": \"" $5 "\""
}

END {
	print "{\n\t\"$schema\": \"https://json-schema.org/draft/2020-12/schema\","
	print "\t\"title\": \"A record of the audit log of mmfence\","
	print "\t\"type\": \"object\",\n\t\"required\": [\"event\"],\n\t\"properties\": {\n\t\t\"event\": {"
	print "\t\t\t\"type\": \"object\",\n\t\t\t\"required\": [\"action\"],\n\t\t\t\"properties\": {"
	printf "\t\t\t\t\"action\": { \"enum\": ["
	for (e = 1; e <= events; e++)
		printf "%s\"%s\"", (e > 1 ? ", " : ""), action[order[e]]
	print "] }\n\t\t\t}\n\t\t}\n\t},\n\t\"allOf\": ["
	for (e = 1; e <= events; e++)
		printf "\t\t{ \"if\": { \"properties\": { \"event\": { \"properties\": { \"action\": { \"const\": \"%s\" } } } } }, \"then\": { \"$ref\": \"#/$defs/%s\" } }%s\n", \
			action[order[e]], action[order[e]], (e < events ? "," : "")
	print "\t],\n\t\"$defs\": {"
	print "\t\t\"timestamp\": { \"type\": \"string\", \"pattern\": \"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\\\.[0-9]{6}Z$\" },"
	print "\t\t\"address\": { \"type\": \"string\", \"pattern\": \"^0x[0-9a-f]+$\" },"
	print "\t\t\"bytes\": { \"type\": \"string\", \"pattern\": \"^([0-9a-f]{2})*$\" },"
	count = 0
	add("path", "\"type\": \"string\"", 1)
	add("start", schema_of("address"), 1)
	add("bias", schema_of("address"), 1)
	add("build_id", "\"$ref\": \"#/$defs/bytes\"", 0)
	add("raw", "\"$ref\": \"#/$defs/bytes\"", 0)
	printf "\t\t\"module\": "
	object("", 2)
	for (e = 1; e <= events; e++) {
		id = order[e]
		count = 0
		for (i = 1; i <= commons; i++) {
			add(common_name[i], common_text[i], common_must[i])
			if (common_name[i] != "event.kind")
				continue
			add("event.action", "\"const\": \"" action[id] "\", \"description\": \"" doc[id] "\"", 1)
			add("event.category", "\"const\": [\"" category[id] "\"]", 1)
			add("event.type", "\"const\": [\"" type[id] "\"]", 1)
		}
		for (i = 1; i <= fields[id]; i++)
			add(field_name[id, i], field_text[id, i], 0)
		printf ",\n\t\t\"%s\": ", action[id]
		object("", 2)
	}
	print "\n\t}\n}"
}'
