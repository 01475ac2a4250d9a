#!/bin/busybox sh
# SPDX-License-Identifier: MIT
#
# The first process of the virtual machine.
/bin/busybox --install -s /bin
export PATH=/bin:/build/bin LC_ALL=C HOME=/tmp MMFENCE_BUILD=/build MMFENCE_TMP=/tmp/check
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts /etc
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp /dev/shm
mkdir "$MMFENCE_TMP"
ip link set lo up
set --
while read -r argument; do
	set -- "$@" "$argument"
done </arguments
# After cmpxchg8b and a page fault, an emulated 32-bit program can have flags that no program has, and
# die of them, by SIGTRAP most often. The kernel tells, and the tests are run once more.
echo 1 >/proc/sys/kernel/print-fatal-signals
for try in 1 2 3 4; do
	/build/tests/preload "$@" >/tmp/output 2>&1
	status=$?
	[ $status != 0 ] && dmesg -c | grep 'EFLAGS: ' | grep -qvE ': 00[02][01]0[02468ace]..$' || break
done
echo "=== begin"
cat /tmp/output
echo "=== end $status"
poweroff -f
