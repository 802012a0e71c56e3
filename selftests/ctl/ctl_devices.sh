#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Devices that will not do, each with its reason, and that a load which fails leaves nothing behind.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/ok.bpf.o"
load_module
two_hosts
modprobe -q dummy
modprobe -q bonding max_bonds=0
ip netns exec ctl_a ip link add dummy0 type dummy
# A bond has native XDP when what it bonds has, but this one cannot transmit with it: the other end
# of the veth pair that it bonds has no NAPI.
ip -n ctl_a link add bond0 type bond
ip -n ctl_a link add bonded type veth peer name bonded1
ip -n ctl_a link set bonded master bond0
snapshot >"$WORK/before"

refused()
{
	local what=$1 status=$2 pattern=$3
	shift 3

	# The good device comes first: what was done on it must be undone.
	ctl load "$OBJ/ok.bpf.o" --dev ctl_b/veth0 "$@"
	expect "$what" "$status" "$pattern"
}

# One that fails late, when the transport is attached and the good device enabled.
undone()
{
	refused "$@"
	clean "$1: nothing is left" "$WORK/before"
}
refused "an unknown device" 1 "no device 'ctl_a/nosuch'" --dev ctl_a/nosuch
refused "an unknown device here" 1 "no device 'nosuch'" --dev nosuch
refused "an unknown network namespace" 1 "network namespace.*ip netns list" --dev nosuch/veth0
refused "a name that is none" 2 "not a device name" --dev ctl_a/
refused "a name that is too long" 2 "not a device name" --dev averyveryverylongname
refused "a loopback device" 1 "loopback" --dev ctl_a/lo
refused "a device without native XDP" 1 "dummy0' has no native XDP" --dev ctl_a/dummy0
undone "a device that cannot transmit" 1 "bond0' has native XDP but cannot transmit .*; use" --dev ctl_a/bond0
ip -n ctl_a link set veth0 mtu 500
refused "an MTU that is too small" 1 "MTU of 'ctl_a/veth0' is 500, too small; .*mtu 1500" --dev ctl_a/veth0
clean "nothing is left of all these" "$WORK/before"
ip -n ctl_a link set veth0 mtu 9000
undone "an MTU that is too large for XDP" 1 "MTU is too large" --dev ctl_a/veth0
ip -n ctl_a link set veth0 mtu 1500
ctl check ctl_a/dummy0
NO_SENTENCE=1 expect "check of a device without native XDP" 1
ctl check ctl_a/nosuch
expect "check of an unknown device" 1 "no device"
ctl -j check ctl_a/veth0 ctl_a/dummy0
json "check says which one fails" '[.checks[] | select(.verdict == "fail") | .check] == ["device ctl_a/dummy0"]'

# Direct mode: the kernel's part by its symbols, the device's with a NIC that has zero-copy, too.
hook_verdict
ctl -j check ctl_a/veth0
json "check tells whether the kernel has the AF_XDP hook" "any(.checks[]; .check == \"direct mode\" and $HOOK)"
json "check tells that veth has no zero-copy" 'any(.checks[]; .check == "direct mode on ctl_a/veth0" and
	.verdict == "warn" and (.text | test("veth has no AF_XDP zero-copy")) and (.cure | length > 0))'
json "that is no failure" .ready
TESTNIC=${ETRAN_TESTNIC:-$BUILD/selftests/testnic/$(uname -r)/testnic.ko}
need_files "$TESTNIC"
check "a NIC with zero-copy" insmod "$TESTNIC"
at_exit rmmod testnic
ip -n ctl_a link add ctlnic0 type testnic
ctl -j check ctl_a/ctlnic0
json "check tells that it has zero-copy" 'any(.checks[]; .check == "direct mode on ctl_a/ctlnic0" and
	.verdict == "ok" and (.text | test("has AF_XDP zero-copy")) and .cure == null)'
ctl check ctl_a/ctlnic0
expect "the same as text" 0 "^ok +direct mode on ctl_a/ctlnic0: driver testnic has AF_XDP zero-copy"
ip -n ctl_a link del ctlnic0

ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0
expect "load on one end of a veth pair" 0
check "a warning: the other end cannot receive" grep -q "warning: 'ctl_a/veth0' cannot transmit.*gro on" <<<"$ERR"
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/etran0
expect "a link device as the device underneath" 1 "loaded already|link device itself"
ctl unload ctltest
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0 -j
ctl -j check ctl_a/veth0
json "both ends enabled: it can transmit" '[.checks[] | select(.check == "device ctl_a/veth0")][0].verdict == "ok"'
ctl unload ctltest

if ip netns exec ctl_b ethtool -K veth0 gro on 2>"$WORK/ethtool"; then
	ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0
	expect "with GRO on at the other end" 0
	check "there is no warning" test -z "$ERR"
	ctl unload ctltest
	ip netns exec ctl_b ethtool -K veth0 gro off
else
	skip_case "with GRO on at the other end" "$(head -n 1 "$WORK/ethtool")"
fi

# A link device that was there already is used, and stays.
ip -n ctl_a link add link veth0 name mine type etran
ctl -j load "$OBJ/ok.bpf.o" --dev ctl_a/veth0
json "a link device of somebody else is used" '.devices[0].link == "mine" and (.devices[0].created | not)'
ctl unload ctltest
check "it stays" ip -n ctl_a link show mine
check "the dispatcher does not" sh -c "! ip -n ctl_a link show veth0 | grep -q xdp"
ip -n ctl_a link del mine
clean "nothing is left but that" "$WORK/before"

# The same device twice in one call, and a path as the namespace's name.
ctl -j load "$OBJ/ok.bpf.o" --dev ctl_a/veth0 --dev /run/netns/ctl_a/veth0
expect "one device by two names" 0
json "one link device" '[.devices[].link_id] | unique | length == 1'
ctl unload ctltest
clean "nothing is left of one device by two names" "$WORK/before"

ip -n ctl_a link set veth0 down
ctl load "$OBJ/ok.bpf.o" --dev ctl_a/veth0
expect "a device that is down" 0
check "a warning: it is down" grep -q "is down; .*up" <<<"$ERR"
ctl unload ctltest
clean "nothing is left on it" "$WORK/before"
done_testing
