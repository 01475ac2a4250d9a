#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# attacked.sh: S1, S2, S7 with real programs whose file somebody replaces in place while they read
# it from a mapping. Bare each is seen to break, fenced it does what it would have done alone.
# Needs MMFENCE_BUILD; says PASS, FAIL or SKIP for each. Steps are kept in order by pipes.
set -u
export LC_ALL=C

: "${MMFENCE_BUILD:?the absolute path of build/}"
library="$MMFENCE_BUILD/\$LIB/libmmfence.so"
work=$(mktemp -d "${MMFENCE_TMP:-/tmp}/attacked.XXXXXX")
unset MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM MMFENCE_KEEP
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ulimit -c 0

# attack NAME MODE FUNCTION: MODE alone (nobody attacks), bare or fenced. What the program says is
# in MODE.out. FUNCTION makes the file, starts the program by `start`, waits for it with `ready`,
# and then calls `change` for what is done to the file; `go` lets the program go on.
attack() {
	rm -rf here
	mkdir here
	(
		cd here || exit 1
		MODE=$2
		mkfifo ready go
		"$3" >"../$2.out" 2>"../$2.err"
		echo "status $?" >>"../$2.out"
	)
}

start() {
	if [ "$MODE" = fenced ]; then
		LD_PRELOAD=$library MMFENCE_AUDIT_LOG=$work/log.jsonl \
			MMFENCE_SNAPSHOT_SHARED="$work/**" timeout -k 5 120 "$@" &
	else
		timeout -k 5 120 "$@" &
	fi
}

ready() { timeout 60 head -c 1 ready >/dev/null; }
go() { timeout 60 sh -c 'echo go >go'; }
change() { [ "$MODE" = alone ] || "$@"; }

# cut FILE BYTES: waits for the reader's lease, as truncate(1) does not, which fails then.
cut() { dd if=/dev/null of="$1" bs="$2" seek=1 count=0 status=none; }

# survives NAME PROGRAM FUNCTION
survives() {
	local name="attacked: $1"
	if ! command -v "$2" >/dev/null; then
		echo "SKIP $name: $2 is not installed"
		return
	fi
	rm -f log.jsonl
	attack "$1" alone "$3"
	attack "$1" bare "$3"
	attack "$1" fenced "$3"
	if ! grep -q 'status 0$' alone.out; then
		echo "SKIP $name: does not work alone either: $(tail -n 1 alone.err)"
	elif cmp -s alone.out bare.out; then
		echo "FAIL $name: the attack was not noticed bare: it proves nothing"
	elif ! cmp -s alone.out fenced.out; then
		echo "FAIL $name: $(tail -n 1 fenced.out) $(tail -n 2 fenced.err | tr '\n' ' ')"
	elif ! grep -q '"action":"snapshot.preserve"' log.jsonl; then
		echo "FAIL $name: the log has no snapshot.preserve"
	else
		echo "PASS $name"
	fi
}

# --- clang: the source that it compiles ---

clang_source() {
	local i
	echo '#include "go"'
	for i in $(seq 4000); do
		echo "int function$i(int x) { return x * $i + (x >> 3); } /* $(printf '%040d' "$i") */"
	done
}

# The first line includes a pipe, which holds the compiler while the file is mapped.
clang_truncated() {
	clang_source >large.c
	start clang -S -O1 -o large.s large.c
	exec 3>go # opens when the compiler has come to the first line
	change cut large.c 1
	exec 3>&-
	wait $! && cksum <large.s
}

# --- python: a model file ---

python_model() {
	head -c 3000000 /dev/zero | tr '\0' m >model
	start python3 -c '
import mmap, zlib
with open("model", "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
first = zlib.crc32(view[:4096])
with open("ready", "w") as pipe: pipe.write("!")
with open("go") as pipe: pipe.read()
print(first, zlib.crc32(view), len(view))
'
	ready
	change "$1"
	go
	wait $!
}

replace_model() { head -c 3000000 /dev/zero | tr '\0' w | dd of=model conv=notrunc status=none; }
cut_model() { cut model 5000; }
python_replaced() { python_model replace_model; }
python_cut() { python_model cut_model; }

# --- java: the file with all its classes, and a jar ---

java_sources() {
	cat >Late.java <<-'END'
		import java.io.*;
		import java.util.*;
		public class Late {
			public static void main(String[] arguments) throws Exception {
				try (Writer ready = new FileWriter("ready")) { ready.write("!"); }
				try (Reader go = new FileReader("go")) { go.read(); }
				/* None of these was needed before. */
				var text = new java.text.DecimalFormat("0.000").format(3.14159);
				var map = new java.util.concurrent.ConcurrentSkipListMap<String, String>();
				map.put(text, java.time.LocalDate.of(2020, 2, 29).plusYears(1).toString());
				var pattern = java.util.regex.Pattern.compile("(\\d+)-(?<month>\\d+)");
				System.out.println(map + " " + pattern.matcher("12-34").replaceAll("${month}"));
				System.out.println(new java.math.BigDecimal("1").divide(
					new java.math.BigDecimal("7"), new java.math.MathContext(60)));
				System.out.println(String.join(",", new TreeSet<>(List.of("b", "a"))));
			}
		}
	END
}

java_make() {
	java_sources && javac -d .. Late.java &&
		jlink --add-modules java.base --compress=2 --output ../runtime --no-header-files \
			--no-man-pages
}

# What is compressed in the image is read from the mapping; the rest the JVM gets by pread, which
# no mapping can help.
java_image() {
	[ -d ../runtime ] || java_make >&2 || return
	cp -r ../runtime ../Late.class . && chmod u+w runtime/lib/modules || return
	start runtime/bin/java -XX:TieredStopAtLevel=1 -XX:-CreateCoredumpOnCrash \
		-XX:ErrorFile=/dev/null -cp . Late
	ready
	change "$1"
	go
	wait $!
}

zero_image() {
	local size
	size=$(stat -c %s runtime/lib/modules)
	head -c "$size" /dev/zero | dd of=runtime/lib/modules bs=1M conv=notrunc status=none
}
cut_image() { cut runtime/lib/modules 4096; }
java_image_replaced() { java_image zero_image; }
java_image_cut() { java_image cut_image; }

survives "clang, its source truncated" clang clang_truncated
survives "python, its model replaced" python3 python_replaced
survives "python, its model cut off" python3 python_cut
survives "java, its classes replaced" jlink java_image_replaced
survives "java, its classes cut off" jlink java_image_cut
