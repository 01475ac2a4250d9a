#!/bin/bash
# SPDX-License-Identifier: MIT
#
# M5, and a few of each promise, on Debian's own kernel in a virtual machine: this one may have no
# /dev/mem, and no PCI device whose memory can be mapped.
here=$(cd "$(dirname "$0")" && pwd)
export MMFENCE_KERNEL

skip() {
	echo "SKIP vm: $1"
	exit 0
}

for tool in qemu-system-x86_64 busybox cpio dpkg-deb apt-get; do
	command -v $tool >/dev/null || skip "no $tool"
done

# The kernel, kept for the next time. Nothing of it is installed.
cache=${XDG_CACHE_HOME:-/var/cache}/mmfence
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache=$MMFENCE_TMP
package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: *//p' | head -n 1)
[ -n "$package" ] || skip "no package of a kernel is known here (linux-image-amd64)"
MMFENCE_KERNEL=$cache/$package
if [ ! -s "$MMFENCE_KERNEL" ]; then
	fetched=$(mktemp -d "$MMFENCE_TMP/kernel.XXXXXX")
	(cd "$fetched" && apt-get download -q "$package") >"$fetched/log" 2>&1 ||
		skip "$package cannot be downloaded: $(tail -n 1 "$fetched/log")"
	dpkg-deb --fsys-tarfile "$fetched"/*.deb | tar -x -O --wildcards './boot/vmlinuz-*' >"$MMFENCE_KERNEL.new" &&
		mv "$MMFENCE_KERNEL.new" "$MMFENCE_KERNEL" || skip "$package has no kernel"
	rm -r "$fetched"
fi

export MMFENCE_ACCELERATOR=tcg
# With KVM a kernel is at its end in a second: without a file system it panics, and so ends.
if timeout 15 qemu-system-x86_64 -machine q35,accel=kvm -cpu host -display none -serial stdio -monitor none \
	-no-reboot -nic none -kernel "$MMFENCE_KERNEL" -append 'console=ttyS0 panic=-1' </dev/null 2>/dev/null |
	grep -q 'Linux version'; then
	MMFENCE_ACCELERATOR=kvm
fi

# What a kernel decides, 64 and 32 bit.
some='@(M5/*|M1/dev_*|bare/device|M3/*|S1/snapshot_survives_@(o_trunc|truncate|write|punch_hole)|S6/@(parent_exits_first|raw_clone_is_noticed)'
some="$some|N1/every_call|N2/@(closed|children)|A2/killed_processes_lose_nothing|A3/log_survives_close"
some="$some|P1/mmap_calls_return_what_they_do_bare|P4/drops_privileges|P5/unshare_works)_@(plain|32_bit)"
FILTER=${FILTER:-$some} RUNNER="sh $here/boot.sh" sh "$here/../criterion.sh" preload \
	"${package#linux-image-}, $MMFENCE_ACCELERATOR"
