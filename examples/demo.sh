#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Three real programs and the examples, each bare and then fenced, in a line or two each.
# Called by `make demo`, when everything is built. Ends with a verdict; exit status 1 when a
# fenced run did not do as promised. All files are in a temporary directory, removed at the end.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
work=$(mktemp -d "${TMPDIR:-/tmp}/mmfence-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT PIPE TERM
cd "$work"
ulimit -c 0
export LC_ALL=C HOME="$work" GIT_CONFIG_NOSYSTEM=1
broken=0

title() { printf '\n%s\n' "$1"; }
line() { printf '  %-8s%s\n' "$1" "$2"; }

# promise WHAT TEST-EXPRESSION…: something that must hold of a fenced run.
promise() {
	what=$1
	shift
	if ! test "$@"; then
		line "" "NOT AS PROMISED: $what"
		broken=$((broken + 1))
	fi
}

# ending STATUS: the shell's exit status in words.
ending() {
	if [ "$1" -gt 128 ]; then
		echo "killed by SIG$(kill -l "$(($1 - 128))")"
	else
		echo "exit status $1"
	fi
}

# run LOG COMMAND…: under mmfence, or bare when LOG is -. Never hangs.
run() {
	log=$1
	shift
	if [ "$log" = - ]; then
		timeout 60 "$@"
	else
		timeout 60 "$build/bin/mmfence" run -q --log "$log" -- "$@"
	fi
}

# events ACTION LOG: how many records of this kind.
events() { grep -c "\"action\":\"$1\"" "$2" || true; }

# calls LOG: how many calls of remap_file_pages all sites made together.
calls() {
	sed -n 's/.*"action":"nonlinear.total".*"kind":"remap","calls":\([0-9]*\).*/\1/p' "$1" |
		awk '{ n += $1 } END { print n + 0 }'
}

# nonlinear LOG: the calls and call sites, in words.
nonlinear() {
	sites=$(events nonlinear.total "$1")
	[ "$sites" = 1 ] && sites="1 call site" || sites="$sites call sites"
	echo "the log has $(calls "$1") calls of remap_file_pages from $sites"
}

# meddled LOG COMMAND…: runs a program that maps ./data, says a line when it has, and waits for
# one. In between the first half of the file is overwritten and the second cut off. Leaves the
# program's last line in $said and its exit status in $status.
meddled() {
	cp original data
	rm -f go ready
	mkfifo go ready
	run "$@" <go >ready 2>complaint &
	exec 3>go 4<ready
	if read -r said <&4; then
		tr '\0' x </dev/zero | dd of=data bs=4096 count="$half" iflag=fullblock \
			conv=notrunc status=none
		truncate -s $((half * 4096)) data
		echo go on >&3 || true
		said=$(tail -n 1 <&4)
	fi
	exec 3>&- 4<&-
	status=0
	wait $! 2>/dev/null || status=$?
}

title "git log -p: held up by its pager while the pack that it has mapped is truncated"
repository() {
	n=0
	while [ $n -lt 200 ]; do
		n=$((n + 1))
		head -c 16000 /dev/urandom | base64 >blob
		printf 'commit refs/heads/main\ncommitter demo <demo@example.org> %d +0000\n' $((n * 60))
		printf 'data <<END\nChange %d\nEND\nM 644 inline file\ndata %d\n' $n "$(wc -c <blob)"
		cat blob
		echo
	done
}
git init -q --bare repo
git -C repo config core.packedGitWindowSize 1g
repository | git -C repo fast-import --quiet
pack=$(echo repo/objects/pack/*.pack)
chmod u+w "$pack"
cp "$pack" pack
git -C repo log -p main >right

# The pager: when the first page is out, the pack is cut to nothing; then it reads on. Git is
# never further ahead of it than a pipe holds.
pager() {
	head -c 4096
	: >"$pack"
	cat
}
held_up() {
	cat pack >"$pack"
	{
		status=0
		run "$1" git -C repo log -p main 2>complaint || status=$?
		echo $status >status
	} 2>/dev/null | pager >out
	status=$(cat status)
	said="$(wc -c <out) of $(wc -c <right) bytes"
	if [ "$status" -le 128 ] && [ -s complaint ]; then
		said="$said: $(tail -n 1 complaint)"
	fi
}
held_up -
line bare: "$(ending "$status") after $said"
held_up git.jsonl
line fenced: "$(ending "$status") after $said"
promise "exit status 0" "$status" = 0
promise "the output is right" "$(cksum <out)" = "$(cksum <right)"

half=64
head -c $((2 * half * 4096)) /dev/urandom >original

title "python3 mmap.ACCESS_COPY: the file overwritten and cut by another process"
cat >reader.py <<'END'
import mmap, sys

with open("data", "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
before = bytes(view)
print("mapped", flush=True)
sys.stdin.readline()
half = len(before) // 2
old = "the old" if view[:half] == before[:half] else "other"
print(f"python read {old} bytes in the first half", end="", flush=True)
old = "the old" if view[half:] == before[half:] else "other"
print(f" and {old} bytes in the second", flush=True)
END
meddled - python3 reader.py
line bare: "$said ($(ending $status))"
meddled python.jsonl python3 reader.py
line fenced: "$said ($(ending $status))"
promise "exit status 0" "$status" = 0
promise "python read the old bytes" "$said" = \
	"python read the old bytes in the first half and the old bytes in the second"

title "selfmem_alias: a second, writable view of one's own memory through /proc/self/mem"
status=0
run - "$build/examples/selfmem_alias" >bare 2>&1 || status=$?
line bare: "$(sed -n 2p bare)"
line "" "$(sed -n 3p bare) ($(ending $status))"
status=0
run alias.jsonl "$build/examples/selfmem_alias" >fenced 2>&1 || status=$?
line fenced: "the same ($(ending $status)); the log has $(events selfmem.open alias.jsonl)\
 selfmem.open and $(events selfmem.map alias.jsonl) selfmem.map"
promise "exit status 0" "$status" = 0
promise "the program sees what it saw bare" "$(sed 1d bare)" = "$(sed 1d fenced)"
promise "the open is recorded" "$(events selfmem.open alias.jsonl)" = 1
promise "the mapping is recorded" "$(events selfmem.map alias.jsonl)" = 1

title "nonlinear_window: a window over a larger file, filled with remap_file_pages"
status=0
run - "$build/examples/nonlinear_window" >bare 2>&1 || status=$?
line bare: "$(sed -n 1p bare)"
line "" "$(sed -n 2p bare)"
status=0
run window.jsonl "$build/examples/nonlinear_window" >fenced 2>&1 || status=$?
line fenced: "the same ($(ending $status)); $(nonlinear window.jsonl)"
promise "exit status 0" "$status" = 0
promise "the program sees what it saw bare" "$(cat bare)" = "$(cat fenced)"
promise "every call is counted" "$(calls window.jsonl)" = 10000

title "private_reader: a private mapping, while another program overwrites and cuts the file"
meddled - "$build/examples/private_reader" data
line bare: "$said ($(ending $status))"
meddled reader.jsonl "$build/examples/private_reader" data
line fenced: "$said ($(ending $status))"
promise "exit status 0" "$status" = 0

title "stress-ng --remap: a stress test of nonlinear mappings, with verification"
status=0
run - stress-ng --remap 1 --remap-ops 20 --verify >bare 2>&1 || status=$?
line bare: "$(ending $status)"
status=0
run stress.jsonl stress-ng --remap 1 --remap-ops 20 --verify >fenced 2>&1 || status=$?
line fenced: "$(ending $status); $(nonlinear stress.jsonl)"
promise "exit status 0" "$status" = 0
promise "calls are recorded" "$(calls stress.jsonl)" -gt 0

if [ $broken = 0 ]; then
	printf '\nEvery fenced run did as promised.\n'
	printf 'Now a program of yours: build/bin/mmfence run -- COMMAND…\n'
	exit 0
fi
printf '\n%d promise(s) were not kept.\n' $broken
exit 1
