#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two hosts for TCP tests: network namespaces tcp_a (10.78.0.1, fd78::1), where etran's TCP is loaded, and tcp_b
# (10.78.0.2, fd78::2), joined by a veth pair whose ends are both called v0. The C programs run it:
#
#   hosts.sh up MTU KERNEL|WIRE|BOTH [--set VAR=VALUE]...
#   hosts.sh down
#
# KERNEL: tcp_b has the kernel's TCP and nothing of etran.
# WIRE: tcp_b has no address either: a test speaks to the wire there itself.
# BOTH: etran is on both.
# TCP_DEVICE=testnic: the hosts are joined by testnic's pair, tn0 and tn1, whose wire has faults, a rate and
# a queue (selftests/testnic/README.md, link.h). Not for WIRE.

TCP_BUILD=${ETRAN_BUILD:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)/build}
TCP_CTL=$TCP_BUILD/bin/etranctl
TCP_OBJ=$TCP_BUILD/bpf/tcp.bpf.o
TCP_MODULE=${ETRAN_MODULE:-$TCP_BUILD/module/$(uname -r)/etran.ko}
TCP_TESTNIC=${ETRAN_TESTNIC:-$TCP_BUILD/selftests/testnic/$(uname -r)/testnic.ko}
if [ "${TCP_DEVICE:-veth}" = testnic ]; then
	TCP_DEV_A=tn0 TCP_DEV_B=tn1
else
	TCP_DEV_A=v0 TCP_DEV_B=v0
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

devices_up()
{
	local mtu=$1 which=$2 ns

	if [ "$TCP_DEV_A" = tn0 ]; then
		insmod "$TCP_TESTNIC" && ip link add tn0 mtu "$mtu" type testnic &&
		ip link set tn0 netns tcp_a && ip link set tn1 netns tcp_b || return
	else
		modprobe -q veth
		ip link add v0 netns tcp_a mtu "$mtu" type veth peer name v0 mtu "$mtu" netns tcp_b ||
			return
		# veth drops XDP frames for a peer that has neither an XDP program nor GRO.
		ip netns exec tcp_b ethtool -K v0 gro on || return
	fi
	ip -n tcp_a addr add 10.78.0.1/24 dev $TCP_DEV_A &&
	ip -n tcp_a addr add fd78::1/64 dev $TCP_DEV_A nodad || return
	if [ "$which" = WIRE ]; then
		# GRO, but no two segments made one.
		ip -n tcp_b link set v0 gro_max_size 100 || return
		# What the kernel sends itself is complete, too.
		ip netns exec tcp_a ethtool -K v0 tx off >/dev/null || return
		ip -n tcp_a neigh add 10.78.0.2 lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
		ip -n tcp_a neigh add fd78::2 lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
		ip -n tcp_b link set v0 address 02:00:00:00:00:02 arp off promisc on &&
		ip netns exec tcp_b sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || return
	else
		ip -n tcp_b addr add 10.78.0.2/24 dev $TCP_DEV_B &&
		ip -n tcp_b addr add fd78::2/64 dev $TCP_DEV_B nodad || return
	fi
	for ns in tcp_a tcp_b; do
		ip -n $ns link set lo up || return
	done
	ip -n tcp_a link set $TCP_DEV_A up && ip -n tcp_b link set $TCP_DEV_B up
}

hosts_up()
{
	local mtu=$1 which=$2 f

	shift 2
	[ "$(id -u)" = 0 ] || { hosts_fail "needs root"; return; }
	for f in "$TCP_CTL" "$TCP_OBJ" "$TCP_MODULE"; do
		[ -e "$f" ] || { hosts_fail "$f is missing: run make"; return; }
	done
	[ ! -d /sys/module/etran ] ||
		{ hosts_fail "etran is loaded already: etranctl unload --all; rmmod etran"; return; }
	ip netns add tcp_a && ip netns add tcp_b && devices_up "$mtu" "$which" &&
		insmod "$TCP_MODULE" || return
	if [ "$which" = BOTH ]; then
		"$TCP_CTL" load "$TCP_OBJ" --dev tcp_a/$TCP_DEV_A --dev tcp_b/$TCP_DEV_B "$@"
	else
		"$TCP_CTL" load "$TCP_OBJ" --dev tcp_a/$TCP_DEV_A "$@"
	fi
}

hosts_down()
{
	"$TCP_CTL" unload --all >/dev/null
	ip netns del tcp_a
	ip netns del tcp_b
	wait_until 10 rmmod etran || hosts_fail "the module cannot be removed: $(rmmod etran 2>&1)" || return
	[ "$TCP_DEV_A" != tn0 ] || wait_until 10 rmmod testnic ||
		hosts_fail "testnic cannot be removed: $(rmmod testnic 2>&1)"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case ${1:-} in
	up) shift; hosts_up "$@" ;;
	down) hosts_down ;;
	*) echo "usage: hosts.sh up|down ..." >&2; exit 2 ;;
	esac
fi
