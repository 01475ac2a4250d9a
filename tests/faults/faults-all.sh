#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The suite faults, and no call left out.
MMFENCE_FAULTS=1 sh "$(dirname "$0")/../criterion.sh" faults "every call"
