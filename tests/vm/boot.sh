#!/bin/sh
# SPDX-License-Identifier: MIT
#
# boot.sh ARGUMENTS: runs build/tests/preload with these in a virtual machine with MMFENCE_KERNEL, by
# MMFENCE_ACCELERATOR (kvm or tcg), and ends with its status. All that the machine has is in memory:
# busybox, what was built, and the shared libraries that it needs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d "$MMFENCE_TMP/vm.XXXXXX")
trap 'rm -rf "$root"' EXIT

# copied LIBRARY…: at the same place, what is there.
copied() {
	for library; do
		[ -e "$library" ] || continue
		mkdir -p "$root/$(dirname "$library")"
		cp -L "$library" "$root/$library"
	done
}

# with_libraries FILE…: copies what they are linked with.
with_libraries() {
	# shellcheck disable=SC2046
	copied $(ldd "$@" 2>/dev/null | sed -n 's|.* \(/[^ ]*\) (0x.*|\1|p;s|^\t\(/[^ ]*\) (0x.*|\1|p' | sort -u)
}

mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/tmp" "$root/build/tests"
cp "$(command -v busybox)" "$root/bin/busybox"
for part in bin lib lib32 lib64 helpers/plain helpers/large helpers/fortify helpers/m32 helpers/static examples tests/preload; do
	[ -e "$MMFENCE_BUILD/$part" ] || continue # built for 64 bit alone
	mkdir -p "$root/build/$(dirname "$part")"
	cp -a "$MMFENCE_BUILD/$part" "$root/build/$part"
done
with_libraries "$root/build/tests/preload" "$root/build/bin/mmfence" "$root"/build/helpers/plain/* \
	"$root"/build/helpers/m32/* "$root"/build/lib/x86_64-linux-gnu/*.so "$root"/build/lib32/*.so
# ldd asks the dynamic linker, which runs here only if 32-bit programs do.
copied /lib/ld-linux.so.2 /lib32/libc.so.6 /lib32/libm.so.6 /usr/lib32/libgcc_s.so.1
# Looked for at run time.
for library in /usr/lib/x86_64-linux-gnu/libunwind.so.8 /usr/lib/x86_64-linux-gnu/libinih.so.1; do
	[ -e "$library" ] || continue
	copied "$library"
	with_libraries "$library"
done
echo 'root:x:0:0:root:/tmp:/bin/sh' >"$root/etc/passwd"
for argument; do
	printf '%s\n' "$argument"
done >"$root/arguments"
cp "$here/init.sh" "$root/init"
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) >"$root.cpio"
trap 'rm -rf "$root" "$root.cpio"' EXIT

: >"$root/console" # tail gives up on a file that is not there
timeout --foreground "${VM_SECONDS:-540}" qemu-system-x86_64 -machine "q35,accel=$MMFENCE_ACCELERATOR" -cpu max -smp 2 -m 1536 \
	-display none -vga std -serial stdio -monitor none -no-reboot -nic none \
	-kernel "$MMFENCE_KERNEL" -initrd "$root.cpio" -append 'console=ttyS0 quiet loglevel=3 panic=-1' \
	</dev/null 2>"$root/qemu" | sed -u 's/\r$//' >"$root/console" &
tail --pid=$! -n +1 -f "$root/console" 2>/dev/null | sed -u -n '/^=== begin$/,/^=== end/p' | sed -u '/^===/d'
wait
status=$(sed -n 's/^=== end \([0-9]*\)$/\1/p' "$root/console")
[ -n "$status" ] || { cat "$root/qemu"; tail -n 20 "$root/console"; }
exit "${status:-124}"
