#!/bin/sh
# SPDX-License-Identifier: MIT
#
# torture.sh: one verdict on twenty seconds of torture.
set -u
build=$MMFENCE_BUILD directory=$MMFENCE_TMP
unset MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM
# shellcheck disable=SC2016
if "$build/torture/torture" --library "$build"'/$LIB/libmmfence.so' --directory "$directory" \
	--seconds 20; then
	echo "PASS torture"
else
	echo "FAIL torture: ended with $?"
fi
