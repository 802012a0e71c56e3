#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One of two machines, NUMBER 1 or 2. Its addresses: 10.99.0.NUMBER and fd99::NUMBER on eth0, 10.98.0.NUMBER on eth1.
#
#   machine.sh control NUMBER		eth1 works
#   machine.sh up NUMBER MTU OBJECT|none [--set VAR=VALUE]...	eth0 works, that transport is loaded on it
#   machine.sh down			as before
#   machine.sh idle			waits until transports know of no RPC and of no connection but in TIME-WAIT, the
#					module of no frame, and the kernel of no connection on eth0
#   machine.sh agent			the second machine: waits for commands

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
BUILD=${ETRAN_BUILD:-$HERE/../../build}
CTL=$BUILD/bin/etranctl
MODULE=${ETRAN_MODULE:-$BUILD/module/$(uname -r)/etran.ko}

control()
{
	ip addr replace "10.98.0.$1/24" dev eth1 && ip link set eth1 up
}

up()
{
	local number=$1 mtu=$2 object=$3

	shift 3
	# Duplicate address detection takes a second in which the address cannot be used.
	sysctl -qw net.ipv6.conf.eth0.accept_dad=0 &&
	ip link set eth0 mtu "$mtu" up &&
	ip addr replace "10.99.0.$number/24" dev eth0 &&
	ip addr replace "fd99::$number/64" dev eth0 || return
	[ "$object" = none ] || { insmod "$MODULE" && "$CTL" load "$BUILD/bpf/$object.bpf.o" --dev eth0 "$@"; }
}

down()
{
	[ ! -d /sys/module/etran ] || { "$CTL" unload --all >/dev/null && rmmod etran; } || return
	ip addr flush dev eth0 && ip link set eth0 down mtu 1500
}

idle()
{
	local _ rpcs='[]' frames=0 conns=0 kernels

	for _ in $(seq 200); do
		if [ -d /sys/module/etran ]; then
			rpcs=$("$CTL" rpc -j | tr -d ' \n')
			conns=$("$CTL" conn | awk 'NR > 1 && $2 != "TIME-WAIT"' | wc -l)
			frames=$("$CTL" stats | awk '$1 ~ /^frames_(held|queued|retained)$/ { n += $2 } END { print n + 0 }')
		fi
		kernels=$(ss -Htn | grep -cE '10\.99\.0\.|fd99::')
		[ "$rpcs,$conns,$frames,$kernels" = "[],0,0,0" ] && return
		sleep 0.1
	done
	echo "RPCs: $rpcs, connections: $conns, frames: $frames, connections of the kernel: $kernels" >&2
	return 1
}

case ${1:-} in
control|up) "$@" ;;
down|idle) "$1" ;;
agent) control 2 && exec "$BUILD/selftests/machines/agent" 10.98.0.2 7777 ;;
*) echo "usage: machine.sh control|up|down|idle|agent ..." >&2; exit 2 ;;
esac
