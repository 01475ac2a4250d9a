#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A1: every record that the suites before this one made, against the schema, and the schema's names
# against ECS's (tests/schema/check.py).
set -u

tests=$(cd "$(dirname "$0")/.." && pwd)
python=python3
$python -c 'import jsonschema, fastjsonschema' 2>/dev/null || python=/usr/bin/python3
if ! $python -c 'import jsonschema, fastjsonschema' 2>/dev/null; then
	echo "SKIP schema: python3-jsonschema or python3-fastjsonschema is not installed"
	exit 0
fi
mapfile -t logs < <(find "$MMFENCE_TMP" -maxdepth 1 \( -name records -o -name '*.jsonl' \))
$python "$tests/schema/check.py" "$tests/../include/mmfence.schema.json" \
	"$tests/schema/ecs-8.11.tsv" "$MMFENCE_BUILD/man/mmfence-events.5" "${logs[@]}" 2>&1 ||
	echo "FAIL schema: the check ended with $?"
