#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# real.sh: real programs, bare and then fenced: the same output, the same exit status, and
# where they make files the same files. Needs MMFENCE_BUILD; says PASS, FAIL or SKIP for each.
set -u
export LC_ALL=C TZ=UTC

: "${MMFENCE_BUILD:?the absolute path of build/}"
build=$MMFENCE_BUILD
library="$build/\$LIB/libmmfence.so"
work=$(mktemp -d "${MMFENCE_TMP:-/tmp}/real.XXXXXX")
records=${MMFENCE_TMP:+$MMFENCE_TMP/records}
unset MMFENCE_BUILD MMFENCE_TMP MMFENCE_SHM MMFENCE_KEEP # the library would wonder what these options are
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
failures=0

pass() { echo "PASS $1"; }
skip() { echo "SKIP $1: $2"; }
fail() {
	echo "FAIL $1: $2"
	failures=$((failures + 1))
}

# FENCED=yes: the function's programs run under the shim. FIRST: and under this library, before it.
fence() {
	if [ "$FENCED" = yes ]; then
		LD_PRELOAD=${FIRST:+$FIRST:}$library MMFENCE_AUDIT_LOG=$work/log.jsonl timeout -k 5 240 "$@"
	else
		${FIRST:+env LD_PRELOAD="$FIRST"} timeout -k 5 240 "$@"
	fi
}

# in_copy NAME FENCED FUNCTION: runs it in a directory that has the same path both times, since
# programs write paths into what they make.
in_copy() {
	rm -rf here
	mkdir here
	(
		cd here || exit 1
		FENCED=$2
		"$3" >"../$1.$2.out" 2>"../$1.$2.err"
		echo "status $?" >>"../$1.$2.out"
	)
	rm -rf "$1.$2.files"
	mv here "$1.$2.files"
}

# log_is_whole: every line a JSON object, if there is something to look with. The records are kept
# for the schema.
log_is_whole() {
	[ -s log.jsonl ] || return 0
	[ -z "$records" ] || cat log.jsonl >>"$records"
	if command -v jq >/dev/null; then
		jq -e . <log.jsonl >/dev/null 2>&1
	elif command -v python3 >/dev/null; then
		python3 -c 'import json, sys
for line in sys.stdin: json.loads(line)' <log.jsonl
	fi
}

# same NAME PROGRAM FUNCTION [files] [EVENT]: the trial. With "files" what it left must be equal
# too; EVENT must be in the log, as a proof that the fence was there.
same() {
	local name=$1 program=$2 function=$3 files=${4:-} event=${5:-}
	if ! command -v "$program" >/dev/null; then
		skip "$name" "$program is not installed"
		return
	fi
	rm -f log.jsonl
	in_copy "$name" no "$function"
	in_copy "$name" yes "$function"
	if ! cmp -s "$name.no.out" "$name.yes.out"; then
		fail "$name" "other output: $(diff "$name.no.out" "$name.yes.out" | head -n 4 | tr '\n' ' ')$(tail -n 2 "$name.yes.err")"
	elif [ "$files" = files ] && ! diff -r "$name.no.files" "$name.yes.files" >diff.out; then
		fail "$name" "other files: $(head -n 3 diff.out | tr '\n' ' ')"
	elif grep -q 'status 1[2-9][0-9]$' "$name.no.out"; then
		skip "$name" "does not work bare either: $(tail -n 1 "$name.no.err")"
	elif ! log_is_whole; then
		fail "$name" "a line of the log is no JSON"
	elif [ -n "$event" ] && ! grep -q "\"action\":\"$event\"" log.jsonl; then
		fail "$name" "the log has no $event"
	else
		pass "$name"
	fi
	rm -rf "$name".*
}

# --- the programs ---

git_repository() {
	local i
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c
	export GIT_COMMITTER_EMAIL=c@example.org GIT_AUTHOR_DATE='1700000000 +0000'
	export GIT_COMMITTER_DATE='1700000000 +0000'
	fence git init -q -b main . || return
	for i in $(seq 1 25); do
		seq "$i" $((i * 40)) >"file$((i % 7))"
		mkdir -p "dir$i"
		seq "$i" $((i + 200)) >"dir$i/data"
		fence git add -A && fence git commit -q -m "commit $i" || return
	done
	fence git log --stat | cksum
	fence git gc -q && fence git repack -q -a -d -f && fence git fsck --full --strict
	fence git log -p | cksum
	fence git grep -c 3 | cksum
	fence git blame file3 | cksum
	fence git checkout -q HEAD~10 && fence git status --short
	fence git clone -q . ../git.clone && fence git -C ../git.clone log --oneline
	rm -rf ../git.clone
	fence git rev-parse HEAD
}

c_sources() {
	local i
	echo '#include <stdio.h>' >all.h
	for i in $(seq 1 12); do
		echo "int part$i(int);" >>all.h
		printf '#include "all.h"\nint part%d(int x) { return x * %d + printf("%%d\\n", x); }\n' \
			"$i" "$i" >"part$i.c"
	done
	{
		echo '#include "all.h"'
		echo 'int main(void) { int sum = 0;'
		seq -f 'sum += part%g(sum);' 1 12
		echo 'return sum & 63; }'
	} >main.c
}

build_with() {
	c_sources
	fence "$@" -O2 -g -c ./*.c || return
	fence "$@" -o program ./*.o || return
	fence ar rcsD parts.a part*.o && fence "$@" -o second main.o parts.a || return
	fence ./program
	echo "program: $?"
	fence "$@" -O1 -flto -o third ./*.c && fence ./third
	echo "third: $?"
}

with_gcc() { build_with gcc; }
with_clang() { build_with clang; }

gcc_errors() {
	echo 'int main(void) { return nothing; }' >wrong.c
	fence gcc -c wrong.c 2>&1
}

with_sqlite3() {
	{
		echo 'create table t(a integer primary key, b text);'
		echo 'begin;'
		seq -f "insert into t(b) values('row %g');" 1 3000
		echo 'commit; pragma mmap_size=268435456; select count(*), sum(length(b)) from t;'
		echo 'pragma journal_mode=wal; create index i on t(b);'
		echo "update t set b = b || '!' where a % 3 = 0; select sum(length(b)) from t;"
		echo 'vacuum; pragma integrity_check;'
	} | fence sqlite3 db
	fence sqlite3 db 'pragma mmap_size=268435456; select max(b) from t;'
}

with_python() {
	cat >script.py <<-'END'
		import hashlib, json, mmap, multiprocessing, os, subprocess, sys, tempfile, threading

		with open("data", "wb") as f:
		    f.write(bytes(range(256)) * 4096)
		def digest(m):
		    return hashlib.sha256(m).hexdigest()
		with open("data", "r+b") as f:
		    for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY, mmap.ACCESS_WRITE):
		        m = mmap.mmap(f.fileno(), 0, access=access)
		        if access != mmap.ACCESS_READ:
		            m[5:8] = b"xyz"
		            m.flush()
		        print(access, digest(m), m.find(b"xyz"), len(m))
		        m.close()
		    m = mmap.mmap(f.fileno(), 8192, flags=mmap.MAP_SHARED, offset=4096)
		    m.resize(16384)
		    print(len(m), digest(m))
		    m.close()
		m = mmap.mmap(-1, 1 << 20)
		m.write(b"anonymous")
		print(digest(m))
		def work(n):
		    with open("data", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as m:
		        return sum(m[n::1024])
		threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
		[t.start() for t in threads]
		[t.join() for t in threads]
		with multiprocessing.Pool(3) as pool:
		    print(pool.map(work, range(12)))
		print(subprocess.run([sys.executable, "-c", "print(6*7)"], capture_output=True, env={}).stdout)
		print(os.spawnv(os.P_WAIT, sys.executable, ["python3", "-c", "raise SystemExit(5)"]))
		with tempfile.TemporaryFile() as t:
		    t.write(b"t" * 10000)
		    t.flush()
		    print(digest(mmap.mmap(t.fileno(), 0)))
	END
	fence python3 script.py
}

with_perl() {
	cat >script.pl <<-'END'
		use strict; use warnings; use POSIX ();
		open(my $out, '>', 'data') or die; print $out "line $_\n" for 1 .. 5000; close $out;
		open(my $in, '<', 'data') or die; my $sum = 0; while (<$in>) { $sum += length } print "$sum\n";
		my $pid = fork; if (!$pid) { exec 'echo', 'child' } waitpid $pid, 0; print $? >> 8, "\n";
		print `printf piped`, "\n"; { local %ENV = (); print `/bin/echo no environment`; }
		open(my $pipe, '-|', 'seq 1 100') or die; print scalar(() = <$pipe>), "\n";
		POSIX::close($_) for 3 .. 64; open($in, '<', 'data') or die; print fileno($in), "\n";
	END
	fence perl script.pl
}

with_node() {
	cat >script.js <<-'END'
		const fs = require('fs'), { execFileSync, spawnSync } = require('child_process');
		const { Worker, isMainThread, parentPort } = require('worker_threads');
		if (!isMainThread) { let s = 0; for (let i = 0; i < 1e6; i++) s += i; parentPort.postMessage(s); }
		else {
		  fs.writeFileSync('data', Buffer.alloc(1 << 20, 'node'));
		  console.log(fs.readFileSync('data').length, execFileSync('echo', ['child']).toString());
		  console.log(spawnSync(process.execPath, ['-e', 'console.log(6*7)'], { env: {} }).stdout.toString());
		  let left = 4; for (let i = 0; i < 4; i++)
		    new Worker(__filename).on('message', m => { console.log(m); if (!--left) console.log('done'); });
		}
	END
	fence node script.js
}

with_java() {
	cat >Main.java <<-'END'
		import java.io.*; import java.nio.*; import java.nio.channels.*; import java.nio.file.*;
		public class Main {
		  static long sum(MappedByteBuffer b) { long s = 0; while (b.hasRemaining()) s += b.get() & 255; return s; }
		  public static void main(String[] a) throws Exception {
		    byte[] d = new byte[1 << 20]; for (int i = 0; i < d.length; i++) d[i] = (byte) (i * 7);
		    Files.write(Path.of("data"), d);
		    try (var c = FileChannel.open(Path.of("data"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
		      System.out.println(sum(c.map(FileChannel.MapMode.READ_ONLY, 0, d.length)));
		      var p = c.map(FileChannel.MapMode.PRIVATE, 4096, 8192); p.put(0, (byte) 1); System.out.println(sum(p));
		      var w = c.map(FileChannel.MapMode.READ_WRITE, 0, 4096); w.put(0, (byte) 9); w.force();
		      System.out.println(Files.readAllBytes(Path.of("data"))[0]);
		    }
		    var threads = new Thread[8];
		    for (int i = 0; i < 8; i++) { threads[i] = new Thread(() -> { var l = new java.util.ArrayList<byte[]>(); for (int j = 0; j < 2000; j++) { l.add(new byte[10000]); if (l.size() > 100) l.clear(); } }); threads[i].start(); }
		    for (var t : threads) t.join();
		    var p = new ProcessBuilder("echo", "child").start();
		    System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
		  }
		}
	END
	fence javac -g:none Main.java && fence java -Xshare:auto -Xmx256m Main
}

# It handles SIGBUS itself: what is read of a file that was cut is an exception of its own.
with_java_cut() {
	cat >Cut.java <<-'END'
		import java.nio.channels.*; import java.nio.file.*; import java.util.jar.JarFile;
		public class Cut {
		  public static void main(String[] a) throws Exception {
		    try (var jar = new JarFile("Cut.jar"); var c = FileChannel.open(Path.of("Cut.jar"), StandardOpenOption.WRITE)) {
		      c.truncate(100);
		      try { System.out.println(jar.getInputStream(jar.getEntry("Cut.java")).readAllBytes().length); }
		      catch (java.io.IOException e) { System.out.println(e); }
		    }
		    Files.write(Path.of("data"), new byte[1 << 20]);
		    try (var c = FileChannel.open(Path.of("data"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
		      var m = c.map(FileChannel.MapMode.READ_ONLY, 0, 1 << 20); c.truncate(5000); int s = 0;
		      try { for (int i = 0; i < 1 << 20; i++) s += m.get(i); System.out.println(s); }
		      catch (InternalError e) { System.out.println(e.getMessage()); }
		    }
		  }
		}
	END
	fence jar -c0f Cut.jar Cut.java && fence javac -g:none Cut.java && fence java -Xmx256m Cut
}

# So does this one, which then prints where it was, and aborts.
with_mono() {
	cat >Cut.cs <<-'END'
		using System; using System.IO; using System.IO.MemoryMappedFiles;
		class Cut {
		  static void Main() {
		    File.WriteAllBytes("data", new byte[1 << 20]);
		    var map = MemoryMappedFile.CreateFromFile("data", FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
		    var view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
		    using (var f = new FileStream("data", FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) f.SetLength(5000);
		    int s = 0; for (int i = 0; i < 1 << 20; i++) s += view.ReadByte(i); Console.WriteLine(s);
		  }
		}
	END
	fence mcs -r:System.Core.dll Cut.cs || return
	fence mono Cut.exe >out 2>&1
	echo "$? $(grep 'Got a SIG' out)"
}

# And this one, wherever its fault is. (For 32 bits it does not, with C in it: see mmfence(7).)
with_go() {
	local what
	cat >cut.go <<-'END'
		package main
		// #include <fcntl.h>
		// #include <sys/mman.h>
		// static char *view(void) { return mmap(0, 1 << 20, PROT_READ, MAP_SHARED, open("data", O_RDONLY), 0); }
		// static int touch(char *p) { return p[1 << 19]; }
		import "C"
		import ("fmt"; "os"; "runtime/debug"; "unsafe")
		func main() {
			os.WriteFile("data", make([]byte, 1<<20), 0600)
			p := C.view()
			os.Truncate("data", 5000)
			if os.Args[1] == "c" { fmt.Println(C.touch(p)) }
			if os.Args[1] == "recover" {
				debug.SetPanicOnFault(true)
				defer func() { fmt.Println(recover()) }()
			}
			fmt.Println(*(*byte)(unsafe.Add(unsafe.Pointer(p), 1<<19)))
		}
	END
	GOCACHE=$PWD/cache GO111MODULE=off go build -o cut cut.go || return
	for what in c go recover; do
		fence ./cut $what 2>errors
		echo "$what: $? $(grep -c SIGBUS errors)"
	done
}

# Its handler leaves the signal to the kernel and sends it again: the file was mapped when it started.
with_httpd() {
	local port server
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	chmod 711 . ..
	seq -f 'line %06g' 1 300000 >data
	{
		printf 'LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n' mpm_event mpm_event \
			authz_core authz_core filter filter deflate deflate file_cache file_cache
		printf '%s\n' "ServerRoot $PWD" "PidFile $PWD/pid" "Listen 127.0.0.1:$port" 'ServerName localhost' \
			'User nobody' 'Group nogroup' "DocumentRoot $PWD" 'ErrorLog /dev/stderr' 'StartServers 1' \
			"MMapFile $PWD/data" 'SetOutputFilter DEFLATE'
	} >httpd.conf
	coproc fence apache2 -f "$PWD/httpd.conf" -DFOREGROUND 2>&1
	server=$COPROC_PID
	grep -q -m 1 resuming <&"${COPROC[0]}" || return
	truncate -s 5000 data
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET /data HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n' >&3
	wc -c <&3
	grep -o -m 1 'exit signal Bus error' <&"${COPROC[0]}"
	kill "$(cat pid)"
	wait "$server"
	echo "ended: $?"
}

with_tar() {
	local i
	for i in $(seq 1 40); do
		mkdir -p "tree/d$((i % 5))"
		seq "$i" $((i * 300)) >"tree/d$((i % 5))/f$i"
	done
	ln -s d1 tree/link
	fence tar --sort=name --mtime=@0 --owner=0 --group=0 -cf tree.tar tree &&
		fence xz -T2 -k tree.tar && fence xz -t tree.tar.xz || return
	mkdir out
	fence tar -C out -xJf tree.tar.xz && fence diff -r tree out/tree
	cksum <tree.tar
	fence tar -cz tree --sort=name --mtime=@0 --owner=0 --group=0 | fence gzip -dc | cksum
}

with_find() {
	fence find /usr/include -name '*.h' -size -200k -print | fence sort | cksum
	fence find /usr/include/linux -type f -exec cat {} + | fence wc
	fence find . -maxdepth 1 -exec echo {} \;
	fence grep -r -l -F EXPORT /usr/include | fence sort | head -n 20
}

with_bash() {
	cat >script.bash <<-'END'
		set -u; shopt -s extglob
		f() { local x=$1; (( x < 2 )) && { echo "$x"; return; }; echo $(( $(f $((x-1))) + $(f $((x-2))) )); }
		f 9
		exec 7<>pipe.data 8>&1 9</dev/null; echo seven >&7; echo eight >&8; exec 7>&- 8>&- 9<&-
		while read -r a b; do echo "$b $a"; done < <(paste <(seq 1 20) <(seq 20 -1 1))
		env -i /bin/echo empty; ( exec -c /bin/echo cleared ); trap 'echo term' TERM; kill $$; wait
		for i in {1..30}; do ( exit $i ) & wait $!; printf '%d ' $?; done; echo
		cat <<-X | tr a-z A-Z
		here document
		X
		ulimit -n 64; exec 63</dev/null; cat /proc/self/fd/63; exec 63<&-; echo $((1/0)) 2>/dev/null; echo end
	END
	fence bash script.bash
}

with_file() { fence file /bin/ls /etc/passwd /usr/include/stdio.h /usr/lib/x86_64-linux-gnu/libc.so.6; }
with_man() { fence man -w ls; }
# shellcheck disable=SC2016
with_awk() { seq 1 20000 | fence awk '{ s += $1 * NR } END { printf "%.0f\n", s }'; }
with_make() {
	printf 'all: a b c\na b c:\n\t@echo $@; sleep 0; echo $@ > $@.out\n' >Makefile
	fence make -s -j1 && cat ./*.out
}
with_strace() { fence strace -f -e trace=none -o /dev/null /bin/echo traced; }

# The program reads the file "data", which is cut once it has printed something.
cut_while() {
	rm -f log.jsonl
	seq -f 'line %06g' 1 300000 >data
	{
		fence "$@" 2>/dev/null
		echo $? >cut.status
	} | {
		head -c 1 >/dev/null
		truncate -s 5000 data
		cat >/dev/null
	}
	cat cut.status
}

# Cuts "data" as soon as it is mapped, for programs that say nothing before they are through.
cutter() {
	gcc -shared -fPIC -D_GNU_SOURCE -x c -o "$work/cutter.so" - <<-'END'
		#include <dlfcn.h>
		#include <sys/mman.h>
		#include <unistd.h>
		void *mmap(void *at, size_t length, int prot, int flags, int fd, off_t offset)
		{
			__typeof__(mmap) *next = (__typeof__(mmap) *)dlsym(RTLD_NEXT, "mmap");
			void *view = next(at, length, prot, flags, fd, offset);
			if (fd >= 0 && flags & MAP_SHARED && truncate("data", 5000))
				_exit(98);
			return view;
		}
	END
}

# cut_test PROGRAM ARGUMENT…: bare it dies, fenced that is said, and with a rescue it goes on.
cut_test() {
	local name="${NAME:-$1} cut" status said
	if ! command -v "$1" >/dev/null; then
		skip "$name" "$1 is not installed"
		return
	fi
	FENCED=no status=$(cut_while "$@")
	if [ "$status" != 135 ]; then
		fail "$name" "bare it ends with $status"
		return
	fi
	FENCED=yes status=$(cut_while "$@")
	said=$(grep -c '"action":"mapping.sigbus"' log.jsonl)
	if [ "$status $said" != '135 1' ]; then
		fail "$name" "fenced it ends with $status, and $said records"
		return
	fi
	FENCED=yes status=$(MMFENCE_SIGBUS_RESCUE='**/data' cut_while "$@")
	said=$(grep -c '"action":"mapping.rescued"' log.jsonl)
	if [ "$status $said" != '0 1' ] || ! log_is_whole; then
		fail "$name" "rescued it ends with $status, and $said records"
	else
		pass "$name"
	fi
	rm -f data log.jsonl cut.status
}

stress() {
	local name=$1 ops=$2
	shift 2
	fence stress-ng "--$name" 1 "--$name-ops" "$ops" --verify --timeout 60 "$@" >/dev/null 2>errors
	echo "$name: $?"
}

# stress_test NAME OPS: bare first; what fails or is missing there says nothing about us.
stress_test() {
	local name=$1 ops=$2
	shift 2
	if ! command -v stress-ng >/dev/null; then
		skip "stress-ng $name${NOTE:-}" "stress-ng is not installed"
		return
	fi
	rm -rf here && mkdir here && cd here || return
	FENCED=no stress "$name" "$ops" "$@" >../bare
	FENCED=yes stress "$name" "$ops" "$@" >../fenced
	cd .. || return
	if [ "$(cat bare)" != "$name: 0" ]; then
		skip "stress-ng $name${NOTE:-}" "bare it ends with $(cat bare)"
	elif cmp -s bare fenced; then
		pass "stress-ng $name${NOTE:-}"
	else
		fail "stress-ng $name${NOTE:-}" "$(cat fenced): $(grep -i -e fail -e error here/errors | head -n 2)"
	fi
	rm -rf here log.jsonl
}

# The examples, which say themselves whether they saw what they should.
example() {
	local name=$1
	shift
	if [ ! -x "$build/examples/$name" ]; then
		skip "example $name" "is not built"
	elif (FENCED=yes fence "$build/examples/$name" "$@") >example.out 2>&1; then
		pass "example $name"
	else
		fail "example $name" "$(tail -n 2 example.out | tr '\n' ' ')"
	fi
}

same git git git_repository '' snapshot.create
same gcc gcc with_gcc files
same gcc-errors gcc gcc_errors
same clang clang with_clang files snapshot.create
same sqlite3 sqlite3 with_sqlite3
same python3 python3 with_python '' snapshot.create
same perl perl with_perl
same node node with_node
same java javac with_java '' snapshot.create
same java-cut javac with_java_cut
same mono-cut mcs with_mono
same go-cut go with_go
same httpd-cut apache2 with_httpd '' mapping.sigbus
same tar-and-xz xz with_tar
same find find with_find
same bash bash with_bash
same file file with_file '' snapshot.create
same man man with_man
same awk awk with_awk
same make make with_make
same strace strace with_strace

cut_test rg line data
cut_test look line data
cutter && FIRST=$work/cutter.so cut_test b3sum data
if /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
	NAME=numpy cut_test /usr/bin/python3 -c 'import numpy; a = numpy.memmap("data", mode="r")
print("x" * 200000, flush=True); print(a.sum())'
else
	skip "numpy cut" "numpy is not installed"
fi

stress_test mmap 20 --mmap-bytes 4M
stress_test mmapaddr 200
stress_test mmapfixed 30
stress_test mmapfork 2 --mmapfork-bytes 16M
stress_test mmaphuge 10
stress_test mmapmany 10000
stress_test mremap 60 --mremap-bytes 8M
stress_test remap 20
NOTE=" emulated" MMFENCE_NONLINEAR_EMULATE=always stress_test remap 20
stress_test madvise 20
stress_test mprotect 200
stress_test mlock 200
stress_test mincore 500
stress_test msync 200
stress_test munmap 20
stress_test shm 10 --shm-bytes 8M
stress_test memfd 20 --memfd-bytes 16M
stress_test vm 40 --vm-bytes 16M
stress_test vm-segv 20
stress_test fork 200
stress_test vfork 200
stress_test exec 50
stress_test clone 100
stress_test pthread 100
stress_test dup 200
stress_test open 5000
stress_test close 5000
stress_test procfs 2
stress_test dynlib 100
stress_test rmap 50
stress_test sigsegv 500
stress_test full 100

example private_reader --self
example nonlinear_window
example nonlinear_window --bench 256 32 2000
example selfmem_alias

[ $failures = 0 ]
