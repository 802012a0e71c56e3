# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What homa/hosts.sh and tcp/hosts.sh share: two network namespaces, NAME_a (10.NET.0.1, fdNET::1) and NAME_b (.2, ::2),
# joined by a veth pair whose ends are both called v0, or by testnic's, tn0 and tn1, whose names stay different for its
# settings to be found by them. Who sources this has set
#
#   NAME, NET	of the namespaces, of their addresses
#   OBJECT	the transport's: OBJECT.bpf.o
#   DEVICE	veth or testnic
#   QUEUES	of testnic
#
# and calls hosts_new, hosts_pair, then what it wants of hosts_address, hosts_wire, hosts_up_links.

HOSTS_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
BUILD=${ETRAN_BUILD:-${HOSTS_DIR%/*}/build}
CTL=$BUILD/bin/etranctl
OBJ=$BUILD/bpf/$OBJECT.bpf.o
MODULE=${ETRAN_MODULE:-$BUILD/module/$(uname -r)/etran.ko}
TESTNIC=${ETRAN_TESTNIC:-$BUILD/selftests/testnic/$(uname -r)/testnic.ko}
A=${NAME}_a
B=${NAME}_b
if [ "$DEVICE" = testnic ]; then
	DEV_A=tn0 DEV_B=tn1
else
	DEV_A=v0 DEV_B=v0
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

# The namespaces; fails, with a sentence, where something is missing or in the way.
hosts_new()
{
	local f

	[ "$(id -u)" = 0 ] || { hosts_fail "needs root"; return; }
	for f in "$CTL" "$OBJ" "$MODULE"; do
		[ -e "$f" ] || { hosts_fail "$f is missing: run make"; return; }
	done
	[ ! -d /sys/module/etran ] ||
		{ hosts_fail "etran is loaded already: etranctl unload --all; rmmod etran"; return; }
	ip netns add "$A" && ip netns add "$B"
}

# hosts_pair MTU: the devices, down and without addresses
hosts_pair()
{
	local mtu=$1

	HOSTS_MTU=$mtu
	if [ "$DEVICE" = testnic ]; then
		insmod "$TESTNIC" &&
		ip link add tn0 mtu "$mtu" numrxqueues "${QUEUES:-1}" numtxqueues "${QUEUES:-1}" type testnic &&
		ip link set tn0 netns "$A" && ip link set tn1 netns "$B"
	else
		modprobe -q veth
		ip link add v0 netns "$A" mtu "$mtu" type veth peer name v0 mtu "$mtu" netns "$B"
	fi
}

# hosts_address NAMESPACE DEVICE NUMBER
hosts_address()
{
	ip -n "$1" addr add "10.$NET.0.$3/24" dev "$2" || return
	# There is no IPv6 below this.
	[ "$HOSTS_MTU" -lt 1280 ] || ip -n "$1" addr add "fd$NET::$3/64" dev "$2" nodad
}

# The second host is a wire's end without addresses, where a test speaks by hand.
hosts_wire()
{
	ip -n "$A" neigh add "10.$NET.0.2" lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
	ip -n "$A" neigh add "fd$NET::2" lladdr 02:00:00:00:00:02 nud permanent dev v0 &&
	ip -n "$B" link set v0 address 02:00:00:00:00:02 arp off promisc on &&
	ip netns exec "$B" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
}

# veth drops XDP frames for a peer that has neither an XDP program nor GRO.
hosts_gro()
{
	ip netns exec "$B" ethtool -K v0 gro on
}

hosts_up_links()
{
	ip -n "$A" link set lo up && ip -n "$B" link set lo up &&
	ip -n "$A" link set $DEV_A up && ip -n "$B" link set $DEV_B up
}

hosts_down()
{
	"$CTL" unload --all >/dev/null
	ip netns del "$A"
	ip netns del "$B"
	wait_until 10 rmmod etran || hosts_fail "the module cannot be removed: $(rmmod etran 2>&1)" || return
	[ "$DEVICE" != testnic ] || wait_until 10 rmmod testnic ||
		hosts_fail "testnic cannot be removed: $(rmmod testnic 2>&1)"
}
