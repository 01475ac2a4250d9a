#!/bin/bash
# SPDX-License-Identifier: MIT
#
# P7: the unit tests, and a few of each promise, on older kernels as preload/filter.c plays them.
# MMFENCE_OLD_KERNEL=3.10 make test-preload runs all of them on one.
here=$(cd "$(dirname "$0")" && pwd)

some='@(S1/snapshot_survives_@(o_trunc|punch_hole|truncate|unlink)|S4/memory_calls_return_what_they_do_bare'
some="$some|S6/@(parent_exits_first|grandchildren|raw_clone_is_noticed|raw_clone_by_hand)|S10/@(fate_is_preserved|proven_without_writer)|S11/break_is_recorded|N1/every_call|N2/@(closed|locked|children)"
some="$some|M1/opened_by_@(self|bind_mount|fopen)|M2/*|M3/*|A2/killed_processes_lose_nothing|A3/*_survives_close*"
some="$some|P1/*_calls_return_what_they_do_bare|P4/@(closes_everything|drops_privileges)|P5/@(guard_*|lease_thread_*|no_*|record_locks_stay|unshare_works))_@(plain|32_bit)"

for kernel in 3.10 4.18 5.4 5.10 6.1; do
	RUNNER="$MMFENCE_BUILD/tests/as_kernel $kernel $MMFENCE_BUILD/tests/unit" \
		sh "$here/../criterion.sh" unit "Linux $kernel" || status=1
	MMFENCE_OLD_KERNEL=$kernel FILTER=${FILTER:-$some} sh "$here/../criterion.sh" preload "Linux $kernel" || status=1
done
exit "${status:-0}"
