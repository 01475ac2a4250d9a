#!/bin/sh
# SPDX-License-Identifier: MIT
#
# units.sh BUILD: systemd takes the units of examples/systemd without a word, also each percent sign.
set -eu
build=$(cd "${1:?usage: units.sh BUILD}" && pwd)
examples=$(cd "$(dirname "$0")/../../examples/systemd" && pwd)
if ! command -v systemd-analyze >/dev/null; then
	echo "units: SKIP: there is no systemd-analyze here"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for unit in "$examples"/*.service "$examples"/*.timer; do
	sed "s|=mmfence |=$build/bin/mmfence |" "$unit" >"$work/${unit##*/}"
done
mkdir "$work/example.service.d"
cp "$examples/mmfence.conf" "$work/example.service.d"
printf '[Service]\nUser=daemon\nExecStart=/bin/true\n' >"$work/example.service"
SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no "$work"/*.service "$work"/*.timer 2>&1 |
	sed 's/^/units: /' | grep . && exit 1

# The alert: what was found again is not told again.
sed -n "/^ExecStart=/,/'\$/p" "$examples/mmfence-alert.service" | sed "s/.*-c '//; s/'\$//; s/\\$\\$/\$/" >"$work/alert"
printf '#!/bin/sh\ncat journal\n' >"$work/journalctl"
printf '#!/bin/sh\ncat >>alerts\n' >"$work/systemd-cat"
chmod +x "$work/journalctl" "$work/systemd-cat"
told() {
	echo "$1" >"$work/journal"
	(cd "$work" && PATH=$work:$PATH sh ./alert)
	[ "$(tr '\n' ' ' <"$work/alerts")" = "$2" ] || {
		echo "units: $1 was found, and told: $(cat "$work/alerts")"
		exit 1
	}
}
told one "one "
told one "one "
told two "one two "
echo "units: systemd finds nothing wrong with examples/systemd"
