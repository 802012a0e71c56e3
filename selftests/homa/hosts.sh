#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Two hosts for Homa tests: network namespaces homa_a (10.77.0.1, fd77::1) and homa_b (10.77.0.2, fd77::2),
# joined by a veth pair whose ends are both called v0; etran.ko loaded, homa.bpf.o on the devices.
# The C programs run it:
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

# shellcheck source=selftests/transport_hosts.sh
NAME=homa NET=77 OBJECT=${HOMA_OBJECT:-homa} DEVICE=${HOMA_DEVICE:-veth} QUEUES=${HOMA_QUEUES:-}
. "$(dirname -- "${BASH_SOURCE[0]}")/../transport_hosts.sh"

# devices_up MTU WHICH
devices_up()
{
	local which=$2

	hosts_pair "$1" && hosts_address "$A" $DEV_A 1 || return
	if [ "$which" = A ]; then
		hosts_wire && hosts_gro || return
	else
		hosts_address "$B" $DEV_B 2 || return
	fi
	[ "$which" != PEER ] || hosts_gro || return
	hosts_up_links
}

load_homa()
{
	local which=$1

	shift
	if [ "$which" = A ]; then
		# Who speaks to the wire sees at once what was acknowledged. What waits is wire_acks' business.
		"$CTL" load "$OBJ" --dev "$A/v0" --set ack_defer_bytes=0 "$@"
	elif [ "$which" = PEER ]; then
		"$CTL" load "$OBJ" --dev "$A/v0" "$@"
	else
		"$CTL" load "$OBJ" --dev "$A/$DEV_A" --dev "$B/$DEV_B" "$@"
	fi
}

up()
{
	local mtu=$1 which=$2

	shift 2
	hosts_new && devices_up "$mtu" "$which" && insmod "$MODULE" || return
	[ "$which" != PEER ] || insmod "$ETRAN_HOMA_KO" ||
		{ hosts_fail "$ETRAN_HOMA_KO cannot be loaded: is it built for this kernel?"; return; }
	[ "$which" = BARE ] || load_homa "$which" "$@"
}

down()
{
	[ ! -d /sys/module/homa ] || wait_until 10 rmmod homa ||
		hosts_fail "the other Homa cannot be removed: $(rmmod homa 2>&1)"
	hosts_down
}

case ${1:-} in
up) shift; up "$@" ;;
load) shift; load_homa "$@" ;;
veth) shift; devices_up "$@" ;;
down) down ;;
*) echo "usage: hosts.sh up|load|veth|down ..." >&2; exit 2 ;;
esac
