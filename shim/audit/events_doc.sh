#!/bin/sh
# SPDX-License-Identifier: MIT
# events.def on the command line to include/EVENTS.md on standard output.
set -eu

def=$1

# Lines of events.def as tab-separated values: EVENT id action category type doc, FIELD id name type doc.
rows() {
	sed -n 's/|/\\|/g
s/^EVENT(\([A-Z_]*\), "\([^"]*\)", "\([^"]*\)", "\([^"]*\)", "\([^"]*\)")$/EVENT	\1	\2	\3	\4	\5/p
s/^FIELD(\([A-Z_]*\), "\([^"]*\)", \([a-z]*\), "\([^"]*\)")$/FIELD	\1	\2	\3	\4/p' "$def"
}

# A line that only looks like one would be left out unseen.
if [ "$(rows | wc -l)" != "$(grep -c '^\(EVENT\|FIELD\)(' "$def")" ]; then
	echo "$def: a line that is neither EVENT nor FIELD as it should be" >&2
	exit 1
fi

cat <<'END'
<!-- SPDX-License-Identifier: MIT -->
<!-- Made from shim/audit/events.def by `make include/EVENTS.md`. -->

# The events in mmfence's log

The log is JSON Lines: one object a line, in the terms of the
[Elastic Common Schema](https://www.elastic.co/guide/en/ecs/8.11/index.html); what that has no name for is
under `mmfence`. Dotted names below are nested objects in the log. An `address` is a string `0x…`, because
many readers lose the low bits of a 64-bit number. A field that has nothing to say is absent.

    jq -r 'select(.event.action == "snapshot.unprotected") | .file.path' LOG

Each record is written with one call of the kernel before the call that caused it returns, so those of several
processes may share a file. [mmfence.schema.json](mmfence.schema.json) is the JSON Schema of a record. When the log cannot be written (full disk, closed pipe, missing directory) the
program goes on; the records are counted, and the next one that can be written follows a `log.dropped`. A
disk that fills up in the middle of a record leaves a line that is no JSON, and an empty line may follow it;
readers skip both. A log that is renamed or deleted is opened anew under its name within a second, so
logrotate needs no signal.

File names are bytes and JSON is UTF-8. Where a string is no UTF-8, U+FFFD stands for what is not, and
`mmfence.raw` has the exact bytes:

    {"file":{"path":"/srv/caf\ufffd"},"mmfence":{"raw":{"file.path":"2f7372762f636166e9"}}}

## Fields of every record

| field | type | what it holds |
|---|---|---|
| `@timestamp` | string | When the record was made: UTC, with microseconds. |
| `ecs.version` | string | 8.11.0 |
| `event.kind` | string | event |
| `event.action` | string | Which event: the names below. |
| `event.category` | array | One string: file or process. |
| `event.type` | array | One string. |
| `event.outcome` | string | success, failure or unknown: what became of the program's call. |
| `event.sequence` | integer | Numbers the records of a process from 1, in the order in which they were begun. Records that could not be written leave gaps. A child of vfork goes on with the numbers of its parent (`mmfence.memory_of` in its `process.start`). |
| `process.pid` | integer | The process. |
| `process.thread.id` | integer | The thread whose call it was; mmfence's own where it acted by itself. |
| `process.name` | string | As in /proc/PID/comm when the process wrote its first record. |
| `process.executable` | string | The program's file, as in /proc/PID/exe; absent where that could not be read. |
| `mmfence.call` | string | The function that the program called, where several lead to the event. |
| `mmfence.stack` | array | Where the program's call came from: return addresses, as strings `0x…`, the innermost first, at most 32. Only in records that a call caused. |
| `mmfence.modules` | array | The modules that these addresses lie in: `path`, `start` (the first mapped byte), `bias` (an address minus this is the address in the file), `build_id` if it has one. The vdso is `[vdso]`. `raw`: the bytes of a path that is no UTF-8, in hexadecimal. |
| `mmfence.raw` | object | The dotted names of the strings that are no UTF-8, and their bytes in hexadecimal. |
| `mmfence.truncated` | boolean | true where something did not fit: a string that was cut ends in `…`, other fields are missing. |

## Events

| `event.action` | what it says |
|---|---|
END
rows | awk -F '\t' '$1 == "EVENT" { link = $3; gsub(/\./, "", link); print "| [`" $3 "`](#" link ") | " $6 " |" }'

rows | awk -F '\t' '
$1 == "EVENT" {
	print "\n### " $3 "\n\n" $6 "\n"
	print "`event.category` `" $4 "`, `event.type` `" $5 "`.\n"
	print "| field | type | what it holds |\n|---|---|---|"
}
$1 == "FIELD" { print "| `" $3 "` | " $4 " | " $5 " |" }'
