#!/bin/sh
# SPDX-License-Identifier: MIT
#
# shipped.sh BUILD: of what tests can do to their own build of the library (shim/support/fault.h)
# nothing is in those that are installed.
set -eu
build=${1:?usage: shipped.sh BUILD}
export LC_ALL=C
traces() { { nm "$1"; strings "$1"; } | grep -e fault_before -e fault_here -e fault_point -e FENCE_TEST_PAGE; }

status=0
for library in "$build/lib/x86_64-linux-gnu/libmmfence.so" "$build/lib32/libmmfence.so"; do
	if traces "$library"; then
		echo "$library: built for tests"
		status=1
	fi
done
if [ -f "$build/faults/libmmfence.so" ] && ! traces "$build/faults/libmmfence.so" >/dev/null; then
	echo "shipped.sh: does not know a test build when it sees one"
	status=1
fi
[ $status = 0 ] && echo "shipped: nothing of the test build"
exit $status
