#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# complete.sh BUILD: what bash is offered where.
set -u
build=${1:?usage: complete.sh BUILD}
. "$(dirname "$0")/../../shim/complete/mmfence.bash"
status=0

# offers WORD WORD… -- PART…: the line, and some of what must be offered for its last word.
offers() {
	COMP_WORDS=("$build/bin/mmfence") COMPREPLY=()
	while [[ $1 != -- ]]; do
		COMP_WORDS+=("$1")
		shift
	done
	shift
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_mmfence "$build/bin/mmfence" 2>/dev/null
	for word; do
		if [[ " ${COMPREPLY[*]} " != *" $word "* ]]; then
			echo "complete: ${COMP_WORDS[*]:1}: $word is not offered, but: ${COMPREPLY[*]}"
			status=1
		fi
	done
}

offers '' -- run check log report pages doctor help
offers help p -- pages
offers run --s -- --snapshot --snapshot-shared
offers check --f -- --fail-on
offers run --preset = k -- keep-alive
offers run --preset '' -- audit keep-alive compat
offers run -o sel -- selfmem.open= selfmem.map= selfmem.fork=
offers run -o selfmem.map = '' -- refuse emulate-readonly emulate
offers check --fail-on '' -- all none sigbus gap
offers pages --sort '' -- file private address
offers log --color '' -- auto always never

# zsh: behind -- it is the command's turn, and the programs there are must be in sight.
if command -v zsh >/dev/null; then
	seen=$(zsh -fc '_normal() { echo $CURRENT $words $+commands[sh]; }
		words=(mmfence run -- gre) CURRENT=4; . "$1"' - "$(dirname "$0")/../../shim/complete/_mmfence")
	[ "$seen" = "1 gre 1" ] || { echo "complete: zsh sees behind --: $seen"; status=1; }
fi
[ $status = 0 ] && echo "complete: bash is offered what --help says"
exit $status
