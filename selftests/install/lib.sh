# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the tests of installing: a kernel's module directory that can be written, and what an
# installed etran must do. Sourced.

. "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
W=$(mktemp -d)
RELEASE=$(uname -r)
MODULES=/lib/modules/$RELEASE
KDIR=$(readlink -f "$MODULES/build")
PREPARED=${ETRAN_TEST_BUILD:-$O/selftests/install}
VERSION=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$ETRAN_TOP/dkms.conf")

# The lab binds the kernel's modules read-only. Over them comes a directory in memory with those that the
# tests need: depmod unpacks each module that there is, and thousands take long in an emulated machine.
modules_begin()
{
	mkdir "$W/modules" && cp "$MODULES"/modules.builtin* "$MODULES/modules.order" "$W/modules/" || return 1
	local m path

	for m in veth dummy bonding; do
		path=$(modinfo -n $m) || return 1
		[ -f "$path" ] || continue	# (builtin)
		mkdir -p "$W/modules/${path#"$MODULES/"}"
		rmdir "$W/modules/${path#"$MODULES/"}"
		cp "$path" "$W/modules/${path#"$MODULES/"}" || return 1
	done
	ln -s "$KDIR" "$W/modules/build"
	mount --bind "$W/modules" "$MODULES" && depmod "$RELEASE"
}

modules_end()
{
	mountpoint -q "$MODULES" && umount "$MODULES"
	rm -rf "$W/modules"
}

installed_module()
{
	find "$MODULES/updates" -name 'etran.ko*' 2>/dev/null | grep .
}

not_installed()
{
	! installed_module && ! modinfo -n etran >/dev/null 2>&1
}

# fails STATUS PATTERN COMMAND...: it ends with that status and says so
fails()
{
	local want=$1 pattern=$2 rc

	shift 2
	"$@" >"$W/said" 2>&1
	rc=$?
	[ $rc = "$want" ] && grep -qE -- "$pattern" "$W/said" && return 0
	echo "$*: exit status $rc, not $want, or not '$pattern':"
	tail -n 20 "$W/said"
	return 1
}

# rpcs [WRONG]: requests and answers between the two hosts. To a server that was asked before, values may be
# wrong: what it has is an earlier client's.
rpcs()
{
	ip netns exec $HOST_A "$O/examples/kv_load" -c 50 -k 10 -g 50 10.0.0.2 >"$W/load" 2>&1
	grep -q "^operations 50 wrong ${1:-0} failed 0" "$W/load" || { tail -n 5 "$W/load"; return 1; }
}

# uses_it ETRANCTL OBJECT: six tests: the installed module carries Homa
uses_it()
{
	CTL=$1
	ok "modprobe" modprobe etran
	ok "hosts" hosts_up
	ok "etranctl load" "$CTL" load "$2" --dev $HOST_A/veth0 --dev $HOST_B/veth0
	server_start "$O/examples/kv_server"
	ok "a server" ready
	ok "RPCs" rpcs
	kill "$SERVER" && wait "$SERVER"
	SERVER=
	ok "etranctl unload" "$CTL" unload homa
	hosts_down
}
