#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The unit suite with the address and the undefined behaviour sanitizer, what several threads share
# with the thread sanitizer, and a part of preload with a library that traps where behaviour is
# undefined or a lock is dropped that nobody holds, and with a sanitized command. Built in
# build/sanitize, where it stays.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
unset MAKEFLAGS MFLAGS MAKELEVEL
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=0

# built NAME FLAGS TARGET…: warnings are the plain build's matter.
built() {
	local name=$1 flags=$2
	shift 2
	make -s -C "$root" -j"$(nproc)" B="build/sanitize/$name" WARN=-w \
		UNSANITIZED="${UNSANITIZED:-}" CC="gcc -g -fno-omit-frame-pointer $flags" "${@/#/build/sanitize/$name/}" >"$MMFENCE_TMP/$name.make" 2>&1 && return
	tail -20 "$MMFENCE_TMP/$name.make"
	echo "FAIL sanitize: the build $name"
	return 1
}

# Redzones make frames large, and so that test does not hold; strings are read by words, also past
# their end.
if UNSANITIZED=%/string.o built address "-fsanitize=address,undefined -fno-sanitize-recover=all" tests/unit bin/mmfence; then
	MMFENCE_BUILD=$root/build/sanitize/address FILTER='!(trace/uses_little_stack)' \
		sh "$root/tests/criterion.sh" unit address
fi

if built thread -fsanitize=thread tests/rooms; then
	# The sanitizer of GCC 12 cannot live with addresses that are too random.
	if ROOMS_LOG=$MMFENCE_TMP/rooms.jsonl setarch -R "$root/build/sanitize/thread/tests/rooms"; then
		echo "PASS rooms (thread)"
	else
		echo "FAIL rooms (thread)"
	fi
fi

libraries=lib/x86_64-linux-gnu/libmmfence.so
[ ! -f "$MMFENCE_BUILD/lib32/libmmfence.so" ] || libraries="$libraries lib32/libmmfence.so"
# shellcheck disable=SC2086
if built trap "-DMMFENCE_TEST_TRAPS -fsanitize=undefined -fsanitize-undefined-trap-on-error" $libraries; then
	sanitized=$MMFENCE_TMP/sanitized
	cp -a "$MMFENCE_BUILD" "$sanitized"
	for library in $libraries; do
		cp "$root/build/sanitize/trap/$library" "$sanitized/$library"
	done
	cp "$root/build/sanitize/address/bin/mmfence" "$sanitized/bin/"
	# The sanitized command cannot run with a preload, as doctor's probes do, nor in little memory
	# or without /proc.
	MMFENCE_BUILD=$sanitized \
		FILTER='!(@(N4|P3|page|places)/*|command/@(doctor|preload_of|run_within|end_is_known)*|report/memory_*|*/without_proc*|*/*_@(large_files|fortify|32_bit))' \
		sh "$root/tests/criterion.sh" preload trap
	rm -rf "$sanitized"
fi
