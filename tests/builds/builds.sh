#!/bin/sh
# SPDX-License-Identifier: MIT
#
# builds.sh: other compilers, other optimisation and 64 bit alone build without a warning; what they
# build fences, and reports the same. -O0 is where a write to a frame that is gone shows.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
built=$MMFENCE_BUILD work=$MMFENCE_TMP/builds
unset MAKEFLAGS MFLAGS MAKELEVEL MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM
mkdir "$work"
cd "$work" || exit 1

report() { "$1/bin/mmfence" report "$top/tests/data/two_hosts.log"; }

# trial BUILD: what is wrong with it.
trial() {
	report "$built" >wanted
	if ! report "$1" >said || ! cmp -s wanted said; then
		echo "report says something else"
	elif ! "$1/bin/mmfence" run -q --log "$1.jsonl" -- "$1/examples/private_reader" --self >said 2>&1; then
		echo "a fenced program: $(tail -n 1 said)"
	elif ! grep -q '"action":"snapshot.preserve"' "$1.jsonl"; then
		echo "nothing was preserved"
	fi
}

# build NAME VARIABLE…
build() {
	name=$1
	shift
	if ! make -s -C "$top" -j "$(nproc)" B="$work/$name" WERROR=-Werror "$@" all >out 2>&1; then
		echo "FAIL builds $name: $(grep -m 1 -e error -e '\*\*\*' out)"
	elif trial "$work/$name" >wrong && [ -s wrong ]; then
		echo "FAIL builds $name: $(cat wrong)"
	else
		echo "PASS builds $name"
	fi
	rm -rf "${work:?}/$name"
}

for level in 0 1 3; do
	build "O$level" CFLAGS="-O$level"
done
if command -v clang >/dev/null; then
	build clang CC=clang
else
	echo "SKIP builds clang: clang is not installed"
fi
if make -s -C "$top" -j "$(nproc)" B="$work/64" BITS=64 DESTDIR="$work/root" install >out 2>&1 &&
	[ -f root/usr/local/lib/x86_64-linux-gnu/libmmfence.so ] && [ ! -e root/usr/local/lib32 ]; then
	echo "PASS builds 64 bit alone, and installs that"
else
	echo "FAIL builds 64 bit alone: $(tail -n 1 out)"
fi
