#!/bin/bash
# SPDX-License-Identifier: MIT
#
# P6: the examples and the tests of the promises in a userland of 2021, Debian 11 (glibc 2.31,
# libdl and libpthread apart), 64 and 32 bit. The helpers are built against it; the runner brings
# the libraries of the host. The root is made by debootstrap, and kept in
# ${XDG_CACHE_HOME:-/var/cache}/mmfence. Runs in a mount namespace of its own.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
root=${XDG_CACHE_HOME:-/var/cache}/mmfence/debian-11
build=$MMFENCE_TMP/userland
promises='@(S[1-6]|M[1-3]|N[12]|A[1-3]|P[1-4])/*'

skip() {
	echo "SKIP userland: $1"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can make a root and enter it"

if [ "${1:-}" != inside ]; then
	command -v debootstrap >/dev/null || skip "debootstrap is not installed"
	if [ ! -d "$root" ]; then
		mkdir -p "${root%/*}" && new=$(mktemp -d "$root.XXXXXX") || skip "$root cannot be made"
		echo "debootstrap makes $root, once"
		if ! debootstrap --variant=minbase --include=libc6-dev,libc6-dev-i386,lib32gcc-s1 bullseye "$new" \
			>"$MMFENCE_TMP/debootstrap.out" 2>&1; then
			tail -n 3 "$MMFENCE_TMP/debootstrap.out"
			rm -rf "$new"
			skip "Debian 11 cannot be fetched"
		fi
		rm -f "$new"/var/cache/apt/archives/*.deb
		# Links to /lib would lead the compiler, which is outside, astray.
		find "$new/usr/lib" "$new/usr/lib32" "$new/usr/lib64" -type l -lname '/*' | while read -r link; do
			ln -srf "$new$(readlink "$link")" "$link"
		done
		chmod 755 "$new"
		mv -T "$new" "$root" || rm -rf "$new"
	fi
	unshare -m true 2>/dev/null || skip "no mount namespace can be made"
	exec unshare -m bash "$0" inside
fi

# --- what runs there ---

variants="plain large fortify"
[ ! -d "$MMFENCE_BUILD/helpers/m32" ] || variants="$variants m32"
mkdir -p "$build/tests"
cp -a "$MMFENCE_BUILD"/lib* "$build"
cp -a "$MMFENCE_BUILD/tests/guest" "$build/tests"

# The host's compiler, with the root's headers and libraries before its own. Functions that this libc
# has not, the helpers find in our library.
compiler=$build/cc
# Below what -B names gcc looks in 32 for crt1.o, which runs constructors as this libc has it.
mkdir -p "$build/start"
ln -sfn "$root/usr/lib32" "$build/start/32"
cat >"$compiler" <<END
#!/bin/bash
usr=$root/usr lib=lib/x86_64-linux-gnu
start=\$usr/\$lib
[[ " \$* " != *" -m32 "* ]] || { lib=lib32 start=$build/start; }
exec gcc --sysroot=$root -B\$start -L\$usr/\$lib -isystem \$usr/include/x86_64-linux-gnu -I$top/shim \\
	-include $top/tests/userland/userland.h -Wl,-z,lazy -Wl,-z,dynamic-undefined-weak "\$@"
END
chmod +x "$compiler"
targets=$build/helpers/plain/early.so
for variant in $variants; do
	for source in "$top"/tests/helpers/*.c; do
		targets="$targets $build/helpers/$variant/$(basename "$source" .c)"
	done
	case $variant in
	plain | m32) targets="$targets $build/helpers/$variant/chain_gnu.so $build/helpers/$variant/chain_sysv.so $build/helpers/$variant/pidfd_spawn.so" ;;
	esac
done
# One that uses what this libc has not is left out, and its tests are skipped.
# shellcheck disable=SC2086
make -s -k -C "$top" -j2 H="$build/helpers" CC="$compiler" WARN=-w $targets >"$MMFENCE_TMP/userland.make" 2>&1
missing=0
for target in $targets; do
	[ -f "$target" ] || missing=$((missing + 1))
done
grep 'error:' "$MMFENCE_TMP/userland.make" | sort -u | head
if [ $missing -gt 12 ]; then
	echo "FAIL userland: $missing helpers cannot be built against $root"
	exit 1
fi

# --- in the root ---

# All that a test needs has the same name inside as outside; the host's libraries are in /host.
mkdir -p "$root$MMFENCE_TMP" "$root/host"
trap 'umount -R "$root"; rmdir "$root$MMFENCE_TMP"' EXIT
mount --bind "$root" "$root" && mount --bind "$MMFENCE_TMP" "$root$MMFENCE_TMP" && mount --rbind /dev "$root/dev" &&
	mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --bind /usr/lib "$root/host" || exit

# example BITS NAME ARGUMENT...
example() {
	local bits=$1 name=$2 program=$build/examples/$2.$1
	shift 2
	mkdir -p "$build/examples"
	if "$compiler" -m"$bits" -std=gnu17 -D_GNU_SOURCE -O2 -w -I"$top/include" -o "$program" "$top/examples/$name.c" \
		>"$MMFENCE_TMP/example.out" 2>&1 &&
		chroot "$root" env LD_PRELOAD="$build/\$LIB/libmmfence.so" MMFENCE_AUDIT_LOG="$build/log.jsonl" \
			"$program" "$@" >"$MMFENCE_TMP/example.out" 2>&1 && [ -s "$build/log.jsonl" ]; then
		echo "PASS example $name (Debian 11, $bits bit)"
	else
		echo "FAIL example $name (Debian 11, $bits bit): $(tail -n 2 "$MMFENCE_TMP/example.out" | tr '\n' ' ')"
	fi
	rm -f "$build/log.jsonl"
}

case $variants in
*m32*)
	if "$MMFENCE_BUILD/helpers/m32/noop"; then
		sizes="64 32"
	else
		sizes=64
		echo "SKIP examples (Debian 11, 32 bit): this kernel runs no 32-bit programs"
	fi
	;;
*) sizes=64 ;;
esac
for bits in $sizes; do
	example "$bits" private_reader --self
	example "$bits" nonlinear_window
	example "$bits" selfmem_alias
done
cat >"$build/tests/preload" <<END
#!/bin/sh
exec chroot $root $build/tests/guest "\$@"
END
chmod +x "$build/tests/preload"
export MMFENCE_BUILD=$build MMFENCE_USERLAND=1 FILTER=${FILTER:-$promises}
sh "$top/tests/criterion.sh" preload "Debian 11"
