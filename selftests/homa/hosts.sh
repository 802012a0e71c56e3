#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two hosts for Homa tests: network namespaces homa_a (10.77.0.1, fd77::1) and homa_b (10.77.0.2, fd77::2),
# joined by a veth pair whose ends are both called v0; etran.ko loaded, homa.bpf.o on the devices.
# Scripts source this; the C programs run it:
#
#   hosts.sh up MTU BOTH|A|PEER|BARE [--set VAR=VALUE]...
#   hosts.sh load BOTH|A [--set VAR=VALUE]...
#   hosts.sh veth MTU BOTH|A		after the pair was deleted
#   hosts.sh down
#
# A: homa_b has neither etran nor an address. A test speaks to the wire there itself, and a kernel
# with an address would answer Homa packets with "protocol unreachable".
# PEER: homa_b has another Homa, the kernel module $ETRAN_HOMA_KO (selftests/homa-interop).
# BARE: only the module is loaded.
# HOMA_OBJECT=homa_large in the environment loads that instead.
# HOMA_DEVICE=testnic: the hosts are joined by testnic's pair, tn0 and tn1, whose wire has faults, a rate and
# a queue (selftests/testnic/README.md, link.h). Only for BOTH. HOMA_QUEUES=N: with so many queues.

HOMA_BUILD=${ETRAN_BUILD:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)/build}
HOMA_CTL=$HOMA_BUILD/bin/etranctl
HOMA_OBJ=$HOMA_BUILD/bpf/${HOMA_OBJECT:-homa}.bpf.o
HOMA_MODULE=${ETRAN_MODULE:-$HOMA_BUILD/module/$(uname -r)/etran.ko}
HOMA_TESTNIC=${ETRAN_TESTNIC:-$HOMA_BUILD/selftests/testnic/$(uname -r)/testnic.ko}
if [ "${HOMA_DEVICE:-veth}" = testnic ]; then
	HOMA_DEV_A=tn0 HOMA_DEV_B=tn1
else
	HOMA_DEV_A=v0 HOMA_DEV_B=v0
fi

hosts_fail()
{
	echo "hosts: $*" >&2
	return 1
}

# wait_until SECONDS COMMAND...
wait_until()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

veth_up()
{
	local mtu=$1 which=$2 ns

	ip link add v0 netns homa_a mtu "$mtu" type veth peer name v0 mtu "$mtu" netns homa_b &&
	ip -n homa_a addr add 10.77.0.1/24 dev v0 &&
	ip -n homa_a addr add fd77::1/64 dev v0 nodad || return
	if [ "$which" = A ]; then
		# veth drops XDP frames for a peer that has neither an XDP program nor GRO.
		ip -n homa_a neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
		ip -n homa_a neigh add fd77::2 lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
		ip -n homa_b link set v0 address 02:00:00:00:00:02 arp off promisc on &&
		ip netns exec homa_b sysctl -qw net.ipv6.conf.all.disable_ipv6=1 &&
		ip netns exec homa_b ethtool -K v0 gro on || return
	else
		ip -n homa_b addr add 10.77.0.2/24 dev v0 &&
		ip -n homa_b addr add fd77::2/64 dev v0 nodad || return
	fi
	if [ "$which" = PEER ]; then
		ip netns exec homa_b ethtool -K v0 gro on || return
	fi
	for ns in homa_a homa_b; do
		ip -n $ns link set lo up && ip -n $ns link set v0 up || return
	done
}

testnic_up()
{
	local mtu=$1

	# The names stay different: testnic's settings are found by them.
	insmod "$HOMA_TESTNIC" &&
	ip link add tn0 mtu "$mtu" numrxqueues "${HOMA_QUEUES:-1}" numtxqueues "${HOMA_QUEUES:-1}" type testnic &&
	ip link set tn0 netns homa_a && ip link set tn1 netns homa_b &&
	ip -n homa_a addr add 10.77.0.1/24 dev tn0 &&
	ip -n homa_b addr add 10.77.0.2/24 dev tn1 &&
	ip -n homa_a addr add fd77::1/64 dev tn0 nodad &&
	ip -n homa_b addr add fd77::2/64 dev tn1 nodad &&
	ip -n homa_a link set lo up && ip -n homa_b link set lo up &&
	ip -n homa_a link set tn0 up && ip -n homa_b link set tn1 up
}

devices_up()
{
	if [ "$HOMA_DEV_A" = tn0 ]; then
		testnic_up "$1"
	else
		modprobe -q veth
		veth_up "$@"
	fi
}

load_homa()
{
	local which=$1

	shift
	if [ "$which" = A ]; then
		# Who speaks to the wire sees at once what was acknowledged. What waits is wire_acks' business.
		"$HOMA_CTL" load "$HOMA_OBJ" --dev homa_a/v0 --set ack_defer_bytes=0 "$@"
	elif [ "$which" = PEER ]; then
		"$HOMA_CTL" load "$HOMA_OBJ" --dev homa_a/v0 "$@"
	else
		"$HOMA_CTL" load "$HOMA_OBJ" --dev homa_a/$HOMA_DEV_A --dev homa_b/$HOMA_DEV_B "$@"
	fi
}

hosts_up()
{
	local mtu=$1 which=$2 f

	shift 2
	[ "$(id -u)" = 0 ] || { hosts_fail "needs root"; return; }
	for f in "$HOMA_CTL" "$HOMA_OBJ" "$HOMA_MODULE"; do
		[ -e "$f" ] || { hosts_fail "$f is missing: run make"; return; }
	done
	[ ! -d /sys/module/etran ] ||
		{ hosts_fail "etran is loaded already: etranctl unload --all; rmmod etran"; return; }
	ip netns add homa_a && ip netns add homa_b && devices_up "$mtu" "$which" &&
		insmod "$HOMA_MODULE" || return
	[ "$which" != PEER ] || insmod "$ETRAN_HOMA_KO" ||
		{ hosts_fail "$ETRAN_HOMA_KO cannot be loaded: is it built for this kernel?"; return; }
	[ "$which" = BARE ] || load_homa "$which" "$@"
}

hosts_down()
{
	"$HOMA_CTL" unload --all >/dev/null
	ip netns del homa_a
	ip netns del homa_b
	[ ! -d /sys/module/homa ] || wait_until 10 rmmod homa ||
		hosts_fail "the other Homa cannot be removed: $(rmmod homa 2>&1)"
	wait_until 10 rmmod etran || hosts_fail "the module cannot be removed: $(rmmod etran 2>&1)" || return
	[ "$HOMA_DEV_A" != tn0 ] || wait_until 10 rmmod testnic ||
		hosts_fail "testnic cannot be removed: $(rmmod testnic 2>&1)"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case ${1:-} in
	up) shift; hosts_up "$@" ;;
	load) shift; load_homa "$@" ;;
	veth) shift; veth_up "$@" ;;
	down) hosts_down ;;
	*) echo "usage: hosts.sh up|load|veth|down ..." >&2; exit 2 ;;
	esac
fi
