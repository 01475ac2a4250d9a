#!/bin/sh
# SPDX-License-Identifier: MIT
#
# rooms.sh: a room of the library includes what lies below it, and the rooms that do something for
# the program (snapshot, selfmem, nonlinear, sigbus, …) do not know each other: interpose/ asks them
# in turn.
set -eu
cd "$(dirname "$0")/../../shim"
below='support kernel policy mapping audit'
status=0

# room ROOM MAY…: the folders that it may include beside itself.
room() {
	name=$1
	shift
	for other in */; do
		other=${other%/}
		case " $name $* " in *" $other "*) continue ;; esac
		if grep -rn "^#include \"$other/" "$name" | grep -v '"interpose/calls.def"'; then
			echo "rooms.sh: $name/ includes $other/"
			status=1
		fi
	done
}

room support
room kernel support
room mapping support
room policy support kernel
room audit support kernel policy
for name in snapshot selfmem nonlinear sigbus inject pages; do
	# shellcheck disable=SC2086
	room "$name" $below
done
exit $status
