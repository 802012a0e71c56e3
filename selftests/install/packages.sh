#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian packages: installed, they carry Homa; an upgrade and a downgrade with a transport loaded take nothing
# away; purged, they leave nothing. Triggers of other packages (man-db's is slow) are not run.

. "$(dirname -- "$0")/lib.sh"
DEB=$PREPARED/deb
export DEBIAN_FRONTEND=noninteractive
PACKAGES="etran-dkms etran-tools libetran0 libetran-dev"
ETRANCTL=/usr/sbin/etranctl

tap_plan 36

cleanup()
{
	server_cleanup
	# shellcheck disable=SC2086
	dpkg --purge --force-depends --no-triggers $PACKAGES >/dev/null 2>&1
	rm -rf /var/lib/dkms/etran
	modules_end
}
trap cleanup EXIT

lintian_clean()
{
	grep -qx 'lintian: exit status 0' "$PREPARED/lintian.log" && ! grep '^[EW]: ' "$PREPARED/lintian.log"
}

# dpkg_install DIR: all of them, from there
dpkg_install()
{
	local p debs=()

	for p in $PACKAGES; do
		debs+=("$1/$p"[_.]*deb)
	done
	dpkg -i --no-triggers --force-unsafe-io,downgrade "${debs[@]}" >"$W/dpkg" 2>&1 || { cat "$W/dpkg"; return 1; }
}

version_is()
{
	# shellcheck disable=SC2086
	[ "$(dpkg-query -W -f '${Status} ${Version}\n' $PACKAGES | sort -u)" = "install ok installed $1" ]
}

# DKMS has the source; what it makes of it was built on the host (see prepare), here is no compiler's place.
dkms_install()
{
	cp -r "$PREPARED/tree/etran/$VERSION/$RELEASE" "/var/lib/dkms/etran/$VERSION/" &&
		dkms install -m etran -v "$VERSION" -k "$RELEASE"
}

program()
{
	cat > "$W/version.c" <<-END
	#include <etran.h>
	#include <homa.h>
	#include <linux/etran.h>
	#include <stdio.h>
	int main(void)
	{
		puts(etran_library_version());
		return 0;
	}
	END
	# shellcheck disable=SC2046
	gcc -o "$W/version" "$W/version.c" $(pkg-config --cflags --libs libetran) &&
		[ "$(LD_LIBRARY_PATH='' "$W/version")" = "$VERSION" ]
}

# completes WORD...: what bash offers for the last one
completes()
{
	(
		. /usr/share/bash-completion/completions/etranctl
		COMP_WORDS=("$ETRANCTL" "$@")
		COMP_CWORD=$#
		_etranctl_complete "$ETRANCTL"
		echo "${COMPREPLY[*]}"
	) 2>/dev/null
}

loaded()
{
	"$ETRANCTL" -j list | grep -q '"name":"homa"' && rpcs "[0-9]*"
}

leaves_nothing()
{
	local left

	left=$(dpkg-query -W -f '${Package} ${Status}\n' $PACKAGES 2>/dev/null | grep -v not-installed
		grep -E '^(/usr/(src|lib|sbin|bin|include|share)/.*(etran|homa)|/etc/.*etran)' "$W/files" |
			while read -r f; do [ ! -e "$f" ] || echo "$f"; done
		ls -d /var/lib/dkms/etran /usr/src/etran-* /usr/lib/etran /etc/*/*etran* 2>/dev/null)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

ok "modules of few" modules_begin
mv "$MODULES/build" "$W/build"
ok "lintian has no error and no warning" lintian_clean
ok "dpkg -i, where no kernel's headers are" dpkg_install "$DEB"
ok "all installed" version_is "$VERSION"
# shellcheck disable=SC2086
dpkg -L $PACKAGES > "$W/files"
ok "DKMS has the source" fails 0 "^etran/$VERSION: added$" dkms status -m etran
ok "there is a group for /dev/etran" getent group etran
ok "and a rule that gives it to that" grep -qx 'SUBSYSTEM=="misc", KERNEL=="etran", GROUP="etran", MODE="0660"' \
	/usr/lib/udev/rules.d/60-etran.rules
ok "manual pages" man -w 8 etranctl 1 homa_bench 3 homa_send 7 etran
ok "a program is built with libetran-dev, and runs with libetran0" program
ok "bash completes a command" test "$(completes unl)" = unload
ok "an option of it" test "$(completes unload --f)" = --force
ok "and a transport" test "$(completes load hom)" = "homa homa_large"
mv "$W/build" "$MODULES/build"
ok "dkms install" dkms_install
uses_it "$ETRANCTL" homa

ok "hosts again" hosts_up
ok "etranctl load again" "$ETRANCTL" load homa --dev $HOST_A/veth0 --dev $HOST_B/veth0
server_start "$O/examples/kv_server"
ok "a server" ready
mv "$MODULES/build" "$W/build"
ok "upgrade under a transport" dpkg_install "$DEB/new"
ok "says what to do" grep -q "etranctl unload --all; rmmod etran; modprobe etran" "$W/dpkg"
ok "the new ones are there" version_is "$VERSION.1"
ok "the transport is, too, and works" loaded
ok "downgrade under a transport" dpkg_install "$DEB"
ok "the old ones are there" version_is "$VERSION"
ok "the transport is, too, and works" loaded
ok "removing etranctl under a transport says how to be rid of that" \
	fails 0 "install etran-tools$" dpkg --remove --no-triggers etran-tools
ok "and leaves it" rpcs "[0-9]*"
ok "that is so" dpkg_install "$DEB"
ok "etranctl unload --all" "$ETRANCTL" unload --all
wait "$SERVER" 2>/dev/null
SERVER=
hosts_down
ok "rmmod" wait_for rmmod etran
# shellcheck disable=SC2086
ok "purge" dpkg --purge --no-triggers $PACKAGES
ok "leaves nothing but the group" leaves_nothing
tap_end
