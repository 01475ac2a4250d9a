# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# The rows on guarded snapshots: what a lease costs instead of a copy, and what its break does.
# Read by run.sh; needs table.sh, $build, $fence, $pairs and $pin.

sizes="1M 16M 256M 4G"
fenced_bench() { echo "$fence $build/bench/$*"; }

# numbered DIRECTORY COUNT SIZE: sparse files named by numbers.
numbered() {
	mkdir "$1"
	n=0
	while [ "$n" -lt "$2" ]; do
		truncate -s "$3" "$1/$n"
		n=$((n + 1))
	done
}

# snapshots WHERE: a file of each size in turn, mapped anew; columns 1-8 are the bare ones.
# shellcheck disable=SC2086
snapshots() {
	if ! turns $((pairs / 2)) "$build/bench/guard allowance $sizes" \
		"$(fenced_bench guard snapshot $sizes)"; then
		failed "guarded snapshot$1" 0.95
		return
	fi
	n=0
	for size in $sizes; do
		n=$((n + 1))
		result "guarded snapshot$1, $size (bare: mmap + 4 leases)" 0.95 "\$$n" "\$$((n + 8))"
	done
	result "  its munmap, 4G (bare: of a plain mapping)" 1.3 "\$8" "\$16"
	awk '{ least = most = $9
		for (i = 10; i <= 12; i++) {
			if ($i < least) least = $i
			if ($i > most) most = $i
		}
		print least, most }' rounds >spread
	mv spread rounds
	result "  the fastest of these sizes and the slowest" 1.2
}

# Bookkeeping is there; pages are not: at most one page a snapshot.
grown() {
	what="  RSS + Shmem of a guarded snapshot, 4G"
	# shellcheck disable=SC2046
	if kib=$(env $(fenced_bench guard growth 4G) 2>complaint); then
		judge "$kib" 4
		row "$what" - "$kib KiB" - "4 KiB" "$verdict"
	else
		failed "$what" 4
	fi
}

first() {
	what="fork, first snapshot, exit and wait"
	if turns $((pairs / 2)) "$build/bench/first bare 100 small/0" \
		"$(fenced_bench first fenced 100 small/0)"; then
		result "$what" 2.5 '$1' '$3'
		fenced=$(awk '{ print $4 }' rounds | middle)
		judge "$fenced" 30000
		row "  the parent's processor in that wait" "$(human "$(awk '{ print $2 }' rounds | middle)")" \
			"$(human "$fenced")" - "30 us" "$verdict"
	else
		failed "$what" 2.5
	fi
}

# wakeups PROCESS: how often its threads have gone to sleep so far.
wakeups() { awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }' /proc/"$1"/task/*/status; }

# A process with a guarded snapshot and a log that waits for its input.
idle() {
	what="  wakeups in 10 s of such a process, idle"
	mkfifo idle.input
	: >idle.ready
	# shellcheck disable=SC2046
	env $log $(fenced_bench writer hold memory small/0) <idle.input >idle.ready 2>complaint &
	exec 9>idle.input
	while kill -0 $! 2>/dev/null && [ ! -s idle.ready ]; do
		sleep 0.1
	done
	if before=$(wakeups $!) && sleep 10 && after=$(wakeups $!); then
		judge $((after - before)) 0
		row "$what" - $((after - before)) - 0 "$verdict"
	else
		failed "$what" 0
	fi
	exec 9>&-
	wait $! || :
	rm -f idle.input idle.ready log.jsonl
}

# many WHAT KIND: what one munmap and mmap take at 100 and at 10,000.
many() {
	measure "$1" 2 $((pairs / 4)) "$(fenced_bench many "$2" 100 small)" \
		"$(fenced_bench many "$2" 10000 small)"
}

# waited WHAT TARGET ROUNDS KIND FILE
waited() {
	# shellcheck disable=SC2086
	if $pin "$build/bench/writer" "$4" "$3" "$5" "$fence" >rounds 2>complaint; then
		result "$1" "$2"
	else
		failed "$1" "$2"
	fi
}

# instead WHAT TARGET COUNT KIND FILE: a snapshot instead of a copy of the whole.
instead() {
	measure "$1" "$2" "$3" "$build/bench/whole $4 $5" "$(fenced_bench whole snapshot "$5")"
}

# As much as this machine has room for: the file and two copies of it.
largest() {
	memory=$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)
	disk=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
	for gib in 4 2 1; do
		if [ "$memory" -ge $((gib * 3)) ] && [ "$disk" -ge $((gib * 3)) ]; then
			echo $gib
			return
		fi
	done
	return 1
}

against_copies() {
	if ! gib=$(largest); then
		skipped "a guarded snapshot instead of a copy" "less than 3 GiB of memory or disk"
		return
	fi
	head -c "${gib}G" /dev/zero >large
	instead "guarded, the first, $gib GiB (bare: cp + mmap)" 0.001 2 cp large
	instead "guarded, the first, $gib GiB (bare: MAP_POPULATE)" 0.001 3 populate large
	rm large
}

# An XFS of our own, for clones: its directory, or why not.
xfs_make() {
	[ "$(id -u)" = 0 ] || { echo "not root"; return 1; }
	command -v mkfs.xfs >/dev/null || { echo "mkfs.xfs is not installed"; return 1; }
	truncate -s 3G xfs.image && mkfs.xfs -q -m reflink=1 xfs.image >/dev/null 2>&1 &&
		mkdir xfs || { echo "mkfs.xfs failed"; return 1; }
	mount -o loop xfs.image xfs 2>/dev/null || { echo "no loop mount of XFS"; return 1; }
	head -c 1G /dev/zero >xfs/file && sync -f xfs/file || { echo "XFS is full"; return 1; }
}

against_clones() {
	if why=$(xfs_make); then
		waited "break, clone, 1 GiB (bare: O_TMPFILE, FICLONE, mmap)" 1.5 "$pairs" clone xfs/file
		instead "guarded, the first, 1 GiB (bare: cp --reflink + mmap)" 1 5 reflink xfs/file
	else
		skipped "break, clone" "$why"
		skipped "guarded instead of cp --reflink" "$why"
	fi
	guard_clean
}

# Also when run.sh ends early.
guard_clean() {
	if mountpoint -q xfs 2>/dev/null; then
		umount xfs || umount -l xfs
	fi
	rm -f xfs.image
}

guard_rows() {
	for size in $sizes; do
		numbered "$size" 32 "$size"
	done
	numbered small 1016 64K
	head -c 64M /dev/zero >read
	head -c 8M /dev/zero >getc
	head -c 256M /dev/zero >copied

	snapshots ""
	held_pin=$pin
	pin=
	snapshots " unpinned"
	pin=$held_pin
	grown
	idle
	measure "reading 64 MiB through it" 1.02 $((pairs / 2)) \
		"$build/bench/use read bare read 1M/0" "$(fenced_bench use read fenced read 1M/0)"
	measure "getc, a byte, after the first snapshot" 1.03 "$pairs" \
		"$build/bench/use getc bare getc 1M/0" "$(fenced_bench use getc fenced getc 1M/0)"
	measure "fork, 100 guarded files (bare: fork + 100 leases)" 1.5 $((pairs / 2)) \
		"$build/bench/forks bare 100 40 small" "$(fenced_bench forks fenced 100 40 small)"
	measure "fork, no guards, with a log" 1.10 $((pairs / 2)) \
		"$build/bench/forks bare 0 200 small" "$log $(fenced_bench forks bare 0 200 small)"
	measure "a guarded file, mapped again and unmapped (bare: plain)" 2 $((pairs / 4)) \
		"$build/bench/many plain 100 small" "$(fenced_bench many shared 100 small)"
	first
	many "of 10000 snapshots one anew (bare: of 100)" shared
	many "  and another, with a new lease (bare: of 100)" new
	waited "break, memfd, 256 MiB (bare: sendfile to a memfd)" 1.111 $((pairs / 4)) memory copied
	rm -f copied read getc
	against_copies
	against_clones
}
