#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh VERSION: Debian packages in build/deb, for amd64, and the library for i386 where the
# compiler has 32 bits. What dpkg-buildpackage wants as debian/ is shim/debian, since the top of
# the repository is fixed; maintainer, version and date are put in here.
set -eu
version=$1
top=$(pwd)
out=$top/build/deb
source=$out/mmfence-$version
maintainer=${DEBFULLNAME:-mmfence}
maintainer="$maintainer <${DEBEMAIL:-mmfence@$(hostname -f 2>/dev/null || hostname)}>"

rm -rf "$out"
mkdir -p "$source"
tar -C "$top" --exclude=./build --exclude=./.git -cf - . | tar -C "$source" -xf -
cp -r "$top/shim/debian" "$source/debian"
cd "$source/debian"
sed -i "s|@VERSION@|$version|; s|@MAINTAINER@|$maintainer|; s|@DATE@|$(date -R)|" changelog control
sed 's/^$/./; s/^/ /' "$top/LICENSE" >license
sed -i -e '/@LICENSE@/{r license' -e 'd}' copyright
rm license build.sh
cd "$source"
dpkg-buildpackage -us -uc -b
if echo 'int main(void) { return 0; }' | gcc -m32 -x c -o /dev/null - 2>/dev/null; then
	dpkg-buildpackage -us -uc -B -d -a i386
fi
cd "$out"
rm -rf "$source"
! command -v lintian >/dev/null || lintian --allow-root --suppress-tags bogus-mail-host-in-debian-changelog,bogus-mail-host,initial-upload-closes-no-bugs ./*.changes
ls ./*.deb
