#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two hosts for TCP tests: network namespaces tcp_a (10.78.0.1, fd78::1), where etran's TCP is loaded, and tcp_b
# (10.78.0.2, fd78::2), joined by a veth pair whose ends are both called v0. The C programs run it:
#
#   hosts.sh up MTU KERNEL|WIRE|KERNEL_WIRE|BOTH [--set VAR=VALUE]...
#   hosts.sh down
#
# KERNEL: tcp_b has the kernel's TCP and nothing of etran.
# WIRE: tcp_b has no address either: a test speaks to the wire there itself.
# KERNEL_WIRE: the same, and tcp_a has the kernel's TCP, with what etran's does by default, and no transport.
# BOTH: etran is on both.
# TCP_OBJECT=tcp_large in the environment loads that instead.
# TCP_DEVICE=testnic: the hosts are joined by testnic's pair, tn0 and tn1, whose wire has faults, a rate and
# a queue (selftests/testnic/README.md, link.h), with TCP_QUEUES queues each. Not for WIRE.

# shellcheck source=selftests/transport_hosts.sh
NAME=tcp NET=78 OBJECT=${TCP_OBJECT:-tcp} DEVICE=${TCP_DEVICE:-veth} QUEUES=${TCP_QUEUES:-}
. "$(dirname -- "${BASH_SOURCE[0]}")/../transport_hosts.sh"

# devices_up MTU WHICH
devices_up()
{
	local which=$2

	hosts_pair "$1" && { [ "$DEVICE" = testnic ] || hosts_gro; } && hosts_address "$A" $DEV_A 1 || return
	if [ "$which" = WIRE ] || [ "$which" = KERNEL_WIRE ]; then
		# GRO, but no two segments made one; and what the kernel sends itself is complete, too.
		ip -n "$B" link set v0 gro_max_size 1 &&
		ip netns exec "$A" ethtool -K v0 tx off >/dev/null && hosts_wire || return
	else
		hosts_address "$B" $DEV_B 2 || return
	fi
	hosts_up_links
}

# What is as etran has it: DCTCP, ECN, loss by duplicate ACKs (with RACK beside them where a case has a tail loss probe); and no answer is left out for being one too many, or put off.
kernel_settings()
{
	modprobe -q tcp_dctcp
	# Segments are not held back to be sent as one with later ones.
	ip netns exec "$A" ethtool -K v0 gso off >/dev/null && ip -n "$A" link set v0 gso_max_segs 1 || return
	# Only the first namespace says what others may choose.
	sysctl -qw net.ipv4.tcp_allowed_congestion_control="reno cubic dctcp" &&
	ip netns exec "$A" sysctl -qw net.ipv4.tcp_congestion_control=dctcp net.ipv4.tcp_ecn=1 net.ipv4.tcp_early_retrans=0 \
		net.ipv4.tcp_recovery=0 net.ipv4.tcp_invalid_ratelimit=0 net.ipv4.tcp_comp_sack_nr=0 net.ipv4.tcp_autocorking=0 \
		net.ipv4.tcp_syn_linear_timeouts=0 \
		net.ipv4.ip_local_port_range="61000 65535"
}

up()
{
	local which=$2

	hosts_new && devices_up "$1" "$which" && insmod "$MODULE" || return
	shift 2
	if [ "$which" = KERNEL_WIRE ]; then
		kernel_settings
	elif [ "$which" = BOTH ]; then
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
