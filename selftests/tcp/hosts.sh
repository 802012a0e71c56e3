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
# TCP_OBJECT=tcp_large in the environment loads that instead.
# TCP_DEVICE=testnic: the hosts are joined by testnic's pair, tn0 and tn1, whose wire has faults, a rate and
# a queue (selftests/testnic/README.md, link.h). Not for WIRE.

# shellcheck source=selftests/transport_hosts.sh
NAME=tcp NET=78 OBJECT=${TCP_OBJECT:-tcp} DEVICE=${TCP_DEVICE:-veth} QUEUES=
. "$(dirname -- "${BASH_SOURCE[0]}")/../transport_hosts.sh"

# devices_up MTU WHICH
devices_up()
{
	local which=$2

	hosts_pair "$1" && { [ "$DEVICE" = testnic ] || hosts_gro; } && hosts_address "$A" $DEV_A 1 || return
	if [ "$which" = WIRE ]; then
		# GRO, but no two segments made one; and what the kernel sends itself is complete, too.
		ip -n "$B" link set v0 gro_max_size 100 &&
		ip netns exec "$A" ethtool -K v0 tx off >/dev/null && hosts_wire || return
	else
		hosts_address "$B" $DEV_B 2 || return
	fi
	hosts_up_links
}

up()
{
	local which=$2

	hosts_new && devices_up "$1" "$which" && insmod "$MODULE" || return
	shift 2
	if [ "$which" = BOTH ]; then
		"$CTL" load "$OBJ" --dev "$A/$DEV_A" --dev "$B/$DEV_B" "$@"
	else
		"$CTL" load "$OBJ" --dev "$A/$DEV_A" "$@"
	fi
}

case ${1:-} in
up) shift; up "$@" ;;
down) hosts_down ;;
*) echo "usage: hosts.sh up|down ..." >&2; exit 2 ;;
esac
