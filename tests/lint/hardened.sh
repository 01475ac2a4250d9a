#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hardened.sh BUILD: the command is at a random address, nothing of its tables or the libraries' can
# be written once they are loaded, and its functions look after their stacks and buffers.
set -eu
build=${1:?usage: hardened.sh BUILD}
export LC_ALL=C
status=0

# has FILE READELF-OPTION PATTERN WHAT
has() {
	readelf -W "$2" "$1" | grep -q -e "$3" || {
		echo "hardened: $1: $4"
		status=1
	}
}

for file in "$build"/bin/mmfence "$build"/lib/*/libmmfence.so "$build"/lib32/libmmfence.so; do
	[ -f "$file" ] || continue
	has "$file" -l GNU_RELRO "no RELRO"
	has "$file" -d 'BIND_NOW\|FLAGS_1.*NOW' "not bound at once"
	has "$file" -l 'GNU_STACK.* RW ' "an executable stack"
done
command=$build/bin/mmfence
has "$command" -d 'FLAGS_1.*PIE' "no PIE"
has "$command" --dyn-syms ' __stack_chk_fail' "no stack protector"
has "$command" --dyn-syms '_chk@' "no FORTIFY"
[ $status = 0 ] && echo "hardened: the command and the libraries"
exit $status
