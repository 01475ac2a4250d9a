# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# The rows about whole jobs: the processor time, user and system, of all their processes. Each has a
# third of a minute, on all processors. Read by run.sh; needs table.sh, $build, $fence, $lib, $log,
# $pairs and $work.

# lacking PROGRAM…: why a job cannot be done, or nothing.
lacking() {
	for program; do
		command -v "$program" >/dev/null && continue
		echo "$program is not installed"
		return
	done
}

# in_turn WHAT TARGET BARE FENCED: the first round of several does not count.
in_turn() {
	held_pin=$pin
	pin=
	deadline=$(($(date +%s) + pairs / 2))
	if turns $((pairs / 2)) "$3" "$4"; then
		sed '1{$!d}' rounds >rest
		mv rest rounds
		result "$1" "$2" '$1' '$3'
	else
		failed "$1" "$2"
	fi
	deadline=
	pin=$held_pin
}

# job WHAT TARGET NEEDS [VARIABLES]: the script on standard input.
job() {
	{ echo set -e; cat; } >script
	# shellcheck disable=SC2086
	why=$(lacking $3)
	if [ "$why" ]; then
		skipped "$1" "$why"
	else
		command="$build/bench/job sh script"
		in_turn "$1" "$2" "$command" "$fence ${4:-} $command"
	fi
}

# served WHAT TARGET NEEDS: the script on standard input serves something, defines how to stop that,
# and asks for much. What the server took counts, and not who asked.
served() {
	{
		cat <<-END
			set -e
			serve() {
				trap 'stop && wait "\$server" && cat ns || exit 1' EXIT
				env \$FENCE $build/bench/job "\$@" >ns &
				server=\$!
			}
			ready() {
				for i in \$(seq 200); do
					! "\$@" >/dev/null 2>&1 || return 0
					sleep 0.05
				done
				return 1
			}
		END
		cat
	} >script
	# shellcheck disable=SC2086
	why=$(lacking $3)
	if [ "$why" ]; then
		skipped "$1" "$why"
	else
		in_turn "$1" "$2" "FENCE=LD_PRELOAD= sh script" "FENCE=$fence sh script"
	fi
}

# ---- what they work on ----

# 20 directories of 100 files of 4 KiB.
make_tree() {
	mkdir tree
	for d in $(seq 20); do
		mkdir "tree/$d"
		head -c 409600 /dev/urandom | split -a 2 -d -b 4096 - "tree/$d/"
	done
}

make_project() {
	mkdir project
	awk 'BEGIN {
		for (i = 0; i < 12; i++) {
			file = "project/" i ".c"
			print "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>" >file
			print "#include <sys/socket.h>\n#include <sys/stat.h>\n#include <unistd.h>" >file
			for (f = 0; f < 40; f++)
				printf "int f%d_%d(int n, char *to)\n{\n\tfor (int i = 0; i < n; i++)\n" \
					"\t\tsnprintf(to + i, 8, \"%%d\", i * %d);\n" \
					"\treturn n + (int)strlen(to);\n}\n", i, f, f >file
		}
		print "int main(void)\n{\n\treturn 0;\n}" >file
	}'
	cat >project/Makefile <<-'END'
		OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))
		program: $(OBJECTS); $(CC) -o $@ $^
		%.o: %.c; $(CC) -O1 -c -o $@ $<
	END
}

make_classes() {
	mkdir java
	for i in $(seq 8); do
		cat >java/C$i.java <<-END
			import java.util.*;
			import java.util.stream.*;
			class C$i {
				record Item(String name, int size) {}
				static Map<String, List<Item>> group(Collection<Item> items) {
					return items.stream().filter(i -> i.size() > $i)
						.collect(Collectors.groupingBy(Item::name, TreeMap::new, Collectors.toList()));
				}
			}
		END
	done
}

# 3000 commits, packed: each changes 5 of 300 files.
make_repository() {
	git init -q -b main repository
	awk 'BEGIN {
		srand(1998)
		for (c = 0; c < 3000; c++) {
			printf "commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 2\nc\n", 1e9 + c
			for (f = 0; f < (c ? 5 : 300); f++) {
				number = c ? int(rand() * 300) : f
				printf "M 644 inline %d/%d.c\ndata <<END\n", number % 20, number
				for (line = 0; line < 60; line++)
					print "\tline " line " is " (rand() < 0.1 ? c : 0)
				print "END"
			}
		}
	}' | git -C repository fast-import --quiet
	git -C repository gc -q
	git -C repository reset -q --hard main
}

# ---- the servers, none of which runs as root ----

pgbench_row() {
	what="pgbench, 2 clients, 1000 transactions each" as=
	PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | awk '{ print $NF }')
	mkdir pg
	if [ "$(id -u)" = 0 ]; then
		as="setpriv --reuid nobody --regid nogroup --clear-groups"
		chmod 711 .
		chown nobody:nogroup pg
		if ! $as env "$fence" "$build/bench/calls" preloaded 2>/dev/null; then
			skipped "$what" "nobody cannot read $lib"
			return
		fi
	fi
	if [ ! "$(lacking initdb)" ]; then
		$as initdb -N -A trust -U postgres -D pg >/dev/null 2>complaint || :
	fi
	served "$what" 1.02 "initdb postgres pgbench" <<-END
		stop() { kill -INT "\$(head -n 1 pg/postmaster.pid)"; }
		client="-h $work/pg -U postgres"
		serve $as postgres -D pg -k $work/pg -c listen_addresses= -c fsync=off -c autovacuum=off
		ready pg_isready \$client
		pgbench \$client -i -q postgres >/dev/null
		pgbench \$client -n -c 2 -t 1000 postgres >/dev/null
	END
}

redis_row() {
	served "redis, 200000 writes, and a BGSAVE" 1.02 "redis-server redis-cli redis-benchmark" <<-END
		redis() { redis-cli -s redis.socket "\$@"; }
		stop() { redis shutdown nosave; }
		saved() { redis info persistence | grep -q rdb_bgsave_in_progress:0; }
		rm -f dump.rdb
		serve redis-server --port 0 --unixsocket $work/redis.socket --save "" --logfile /dev/null
		ready redis ping
		redis-benchmark -s redis.socket -q -P 16 -n 200000 -r 200000 -d 100 -t set >/dev/null
		redis bgsave >/dev/null
		ready saved
	END
}

httpd_row() {
	port=$((20000 + $$ % 10000))
	cat >httpd.conf <<-END
		ServerRoot $work
		ServerName localhost
		Listen 127.0.0.1:$port
		LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
		LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
		PidFile $work/httpd.pid
		ErrorLog /dev/null
		DocumentRoot $work/tree
		MaxKeepAliveRequests 0
		User nobody
		Group nogroup
	END
	chmod 711 .
	served "apache httpd, 8000 requests of 2000 files" 1.02 "apache2 curl" <<-END
		stop() { kill "\$(cat httpd.pid)"; }
		serve apache2 -f $work/httpd.conf -DFOREGROUND
		ready curl -s http://127.0.0.1:$port/1/00
		for i in 1 2 3 4; do
			curl -fs "http://127.0.0.1:$port/[1-20]/[00-99]" >/dev/null
		done
	END
}

jobs_rows() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME="$work"
	python=$(python3 -c 'import sys; print(sys.executable)')
	make_tree
	make_project
	make_classes
	make_repository
	job "make -j2, gcc" 1.02 "make gcc" <<-END
		make -s -B -C project -j2 CC=gcc
	END
	job "make -j2, clang" 1.02 "make clang" <<-END
		make -s -B -C project -j2 CC=clang
	END
	job "  with a log" 1.02 "make clang" "$log" <<-END
		make -s -B -C project -j2 CC=clang
	END
	job "find | xargs cat, 5 times 2000 files" 1.02 "find xargs" <<-END
		for i in 1 2 3 4 5; do
			find tree -type f | xargs cat
		done
	END
	job "tar and untar of 2000 files, 10 times" 1.02 "tar" <<-END
		for i in \$(seq 10); do
			tar -cf - tree | tar -xOf -
		done
	END
	job "python, many imports, 4 times" 1.02 "python3" <<-END
		for i in 1 2 3 4; do
			$python -c 'import asyncio, concurrent.futures, ctypes, decimal, email.mime.text, json
			import http.server, logging.config, multiprocessing.pool, pydoc, sqlite3, ssl
			import unittest.mock, urllib.request, xml.dom.minidom, xmlrpc.client'
		done
	END
	job "javac of 8 files" 1.02 "javac" <<-END
		javac -d classes java/*.java
	END
	job "git log -p of 3000 commits" 1.02 "git" <<-END
		git -C repository log -p
	END
	job "300 times git status" 1.10 "git" <<-END
		for i in \$(seq 300); do
			git -C repository status
		done
	END
	job "stress-ng mmap, --mmap-mprotect, with a log" 1.10 "stress-ng" "$log" <<-END
		stress-ng -q --mmap 1 --mmap-bytes 192m --mmap-mprotect --mmap-ops 1
	END
	pgbench_row
	redis_row
	httpd_row
}
