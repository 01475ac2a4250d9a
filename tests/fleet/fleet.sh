#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A2 across machines: the set-up in examples/fleet (tests/fleet/check.py).
set -u

mkdir "$MMFENCE_TMP/fleet"
tests=$(cd "$(dirname "$0")/.." && pwd)
env -u MMFENCE_BUILD -u MMFENCE_TMP -u MMFENCE_SHM \
	python3 "$tests/fleet/check.py" "$MMFENCE_BUILD" "$MMFENCE_TMP/fleet" 2>&1 ||
	echo "FAIL fleet: the check ended with $?"
