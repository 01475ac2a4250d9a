#!/bin/bash
# SPDX-License-Identifier: MIT
#
# spin on family.pml: all that can happen, in several sizes; and with each guard taken out, where
# the property that it is for must fail. Two at a time, 2 GB together. MODEL=PATTERN: these alone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v spin >/dev/null; then
	echo "SKIP model: there is no spin"
	exit 0
fi

small="WRITES=1 EVENTS=1 MAPS=1 N=2 WIDE=0 PLACES=2 CHAIN=0"

# search NAME VALUES…: the last of each name counts. 0: nothing failed; 1: something did.
search() {
	local defines
	at=$work/${1// /_}
	shift
	# shellcheck disable=SC2086
	defines=$(printf '%s\n' PROPERTY=0 FAULT=0 $small "$@" |
		awk -F= '{ value[$1] = $2 } END { for (name in value) print "-D" name "=" value[name] }')
	mkdir "$at" && cd "$at" || return 2
	# shellcheck disable=SC2086
	spin $defines -a "$here/family.pml" >log 2>&1 &&
		gcc -O1 -w -DSAFETY -DNOREDUCE -DCOLLAPSE -DMEMLIM=1500 -o pan pan.c >>log 2>&1 || return 2
	# -E: a program that has nothing more to do is no deadlock; World asks what is left.
	./pan -E -m20000 >>log 2>&1
	if grep -q 'errors: 0$' log && ! grep -q 'not completed\|too small' log; then
		return 0
	fi
	grep -q 'assertion violated' log && return 1
	return 2
}

# holds NAME VALUES…
holds() {
	[[ $1 == ${MODEL:-*} ]] || return
	search "$@"
	case $? in
	0) echo "PASS model: $1, $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$at/log") states" ;;
	*)
		cat "$at/log"
		echo "FAIL model: $1"
		;;
	esac
	rm -rf "$at"
}

# fails FAULT PROPERTY VALUES…
fails() {
	local fault=$1 property=$2
	shift 2
	[[ $fault == ${MODEL:-*} ]] || return
	search "$fault" "FAULT=$fault" "PROPERTY=$property" "$@"
	case $? in
	1) echo "PASS model: $fault breaks $property" ;;
	0) echo "FAIL model: $fault does not break $property" ;;
	*)
		cat "$at/log"
		echo "FAIL model: $fault"
		;;
	esac
	rm -rf "$at"
}

slot() {
	[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
	"$@" &
}

slot holds "three processes" N=3
slot holds "mapped twice" WRITES=2 MAPS=2
slot holds "two events and growth" EVENTS=2 WIDE=1
slot holds "one place" EVENTS=2 PLACES=1
slot holds "three generations" N=3 CHAIN=1 EVENTS=0 WIDE=1
slot fails ANY_OFFER READERS WRITES=2 MAPS=2
slot fails GRANTED_BEFORE READERS WRITES=2 MAPS=2
slot fails OFFERED_AFTER READERS WRITES=2 MAPS=2
slot fails UNCHECKED READERS WRITES=2 MAPS=2
slot fails RELEASED_BEFORE READERS
slot fails UNLEASED_CHILD READERS
slot fails FIRST_UNSEEN READERS
slot fails PLACE_REUSED READERS N=3 PLACES=1 WIDE=1
slot fails BORROWED_GROWN READERS WIDE=1
slot fails ADOPTED_UNSEEN WRITERS
slot fails PATIENT WRITERS
slot fails IMPATIENT ONCE
slot fails NOT_KEPT ONCE
slot fails MEMBER_KEPT CHARGES
slot fails ANYBODY_RETURNS CHARGES
slot fails FAILED_CHARGED CHARGES
slot fails NEVER_DROPPED CHARGES
wait
