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
echo "=== begin"
/build/tests/preload "$@"
echo "=== end $?"
poweroff -f
