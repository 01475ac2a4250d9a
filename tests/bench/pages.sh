# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# The rows of `mmfence pages', beside programs that only read the page table. Read by run.sh.

# Ends the target: it stays until its input does.
pages_end() { exec 9>&-; }

# pages_rows: 16 GiB in 10,000 areas.
pages_rows() {
	mkfifo pages.input
	: >pages.ready
	"$build/bench/pages" target pages.data <pages.input >pages.ready 2>complaint &
	target=$!
	exec 9>pages.input
	while ! grep -q ready pages.ready; do
		if ! kill -0 "$target" 2>/dev/null; then
			failed "pages" 1.30
			return 0
		fi
		sleep 0.1
	done
	command="$build/bench/pages run $build/bin/mmfence $target"
	what="mmfence pages, 16 GiB in 10,000 areas"
	if $build/bench/pages once "$target" >/dev/null 2>complaint; then
		measure "$what (bare: a PAGEMAP_SCAN each)" 1.30 "$pages_pairs" \
			"$build/bench/pages scan $target" "$command"
		measure "  bare: all as if it were one area" 1.30 "$pages_pairs" \
			"$build/bench/pages once $target" "$command"
	else
		skipped "$what" "this kernel has no PAGEMAP_SCAN"
	fi
	measure "  bare: pagemap page by page" 0.20 3 "$build/bench/pages each $target" "$command"
	pages_end
	wait "$target" || :
	rm -f pages.input pages.ready pages.data
}
pages_pairs=$((pairs / 2))
