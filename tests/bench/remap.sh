# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# The rows about nonlinear mappings. Read by run.sh; needs $build, $fence, $log, $pairs.

# traced WHAT TOOL OPTIONS…: the remap loop bare, and under another tool instead of mmfence.
traced() {
	what="  $1 instead of mmfence"
	shift
	if command -v "$1" >/dev/null; then
		command="$build/bench/calls remap 100 file"
		measure "$what" - 3 "$command" "$* $command"
	else
		skipped "$what" "$1 is not installed"
	fi
}

# bpftrace writes a line for each call and has the command as one argument.
bpftraced() {
	what="  bpftrace instead of mmfence"
	if ! command -v bpftrace >/dev/null; then
		skipped "$what" "bpftrace is not installed"
		return
	fi
	cat >under_bpftrace <<-'END'
		#!/bin/sh
		exec bpftrace -q -o trace -c "$*" -e 'tracepoint:syscalls:sys_enter_remap_file_pages
			{ printf("%d %lx %lu %lu %s\n", pid, args->start, args->size, args->pgoff, ustack(8)); }'
	END
	chmod 755 under_bpftrace
	if BPFTRACE_STRLEN=64 ./under_bpftrace /bin/true >/dev/null 2>complaint; then
		traced bpftrace ./under_bpftrace
	else
		skipped "$what" "$(tail -n 1 complaint | cut -c 1-50)"
	fi
}

# A record costs as much in a process with many areas: the differences between fenced and bare.
areas_row() {
	few="$build/bench/remap 60 20 file" many="$build/bench/remap 60000 20 file"
	every="$fence $log MMFENCE_AUDIT_NONLINEAR=every"
	what="  what recording costs, 60000 areas (bare: 60)"
	if turns $((pairs / 4 + 1)) "$few" "$every $few" "$many" "$every $many"; then
		result "$what" 1.50 '$2 - $1' '$4 - $3'
	else
		failed "$what" 1.50
	fi
}

remap_rows() {
	call "remap_file_pages, audit.nonlinear=sites" 1.03 remap "$log MMFENCE_AUDIT_NONLINEAR=sites"
	call "remap_file_pages, audit.nonlinear=every" 1.60 remap "$log MMFENCE_AUDIT_NONLINEAR=every"
	call "remap_file_pages, emulated" 1.15 remap "MMFENCE_NONLINEAR_EMULATE=always"
	call "  the same with a log" - remap "$log MMFENCE_NONLINEAR_EMULATE=always"
	call "mmap(MAP_SHARED|MAP_FIXED) into a window, with a log" - rewire "$log"
	areas_row
	command="$build/bench/calls write 20 file"
	measure "  a record's write(2) alone (bare: the call itself)" - "$pairs" \
		"$build/bench/calls remap 20 file" "$command"
	traced "strace -f" strace -f -e trace=remap_file_pages -o trace
	traced "strace -k" strace -f -k -e trace=remap_file_pages -o trace
	traced ltrace ltrace -e remap_file_pages -o trace
	traced "perf trace" perf trace -e remap_file_pages -o trace
	bpftraced
}
