# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the tests of the examples: two hosts with the example transport, and its application.
# Sourced.

. "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"
DGRAM=$O/selftests/examples/dgram
BPF=$O/bpf
PINS=/sys/fs/bpf/etran
# Small ones: memory takes long to set up in an emulated machine.
export ETRAN_TX_FRAMES=256 ETRAN_RX_FRAMES=512
WORK=$(mktemp -d)

cleanup()
{
	listen_end
	"$CTL" unload --all >/dev/null 2>&1
	hosts_down
	module_unload >/dev/null 2>&1
	rm -rf "$WORK"
}

# begin: the module and the hosts, host b with a second address
begin()
{
	trap cleanup EXIT
	hosts_up && ip -n $HOST_B addr add 10.0.0.3/24 dev veth0 &&
		ip -n $HOST_A addr add fd00::1/64 nodad dev veth0 &&
		ip -n $HOST_B addr add fd00::2/64 nodad dev veth0 &&
		ip -n $HOST_B addr add fd00::3/64 nodad dev veth0 && module_load || exit 1
}

# family 4|6: the addresses of the hosts that the tests use from now on: A, B, and C, which is b's, too.
# MAPPED: what dgram prints in front of them; HEADERS: bytes of those of IP and dgram.
family()
{
	if [ "$1" = 4 ]; then
		A=10.0.0.1 B=10.0.0.2 C=10.0.0.3 MAPPED=::ffff: HEADERS=28
	else
		A=fd00::1 B=fd00::2 C=fd00::3 MAPPED='' HEADERS=48
	fi
}

# octets ADDRESS: its 4 or 16 bytes, decimal
octets()
{
	case $1 in
	*:*)	# fd00::N
		echo 253 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "${1##*:}" ;;
	*)	echo "${1//./ }" ;;
	esac
}

# transport [--set VAR=VALUE]: the example transport on both hosts, anew
transport()
{
	"$CTL" unload dgram >/dev/null 2>&1
	"$CTL" load "$BPF/dgram.bpf.o" --dev $HOST_A/veth0 --dev $HOST_B/veth0 "$@"
}

# Whoever receives is known by a file: ok() runs its command in a subshell.

receiver_ended()
{
	! kill -0 "$(<"$WORK/receiver")" 2>/dev/null
}

# listen [COUNT]: host b receives on port 7; what it says is in $WORK/got
listen()
{
	: >"$WORK/got"
	: >"$WORK/listening"
	ip netns exec $HOST_B "$DGRAM" recv 7 "$@" >"$WORK/got" 2>"$WORK/listening" </dev/null &
	echo $! >"$WORK/receiver"
	wait_for grep -q listening "$WORK/listening" && return
	cat "$WORK/listening"
	return 1
}

# all_received: the receiver has had its COUNT
all_received()
{
	wait_for receiver_ended && grep -q '^received' "$WORK/got" && return
	echo "received $(got)"
	return 1
}

listen_end()
{
	[ -s "$WORK/receiver" ] || return 0
	kill "$(<"$WORK/receiver")" 2>/dev/null
	wait_for receiver_ended
	rm -f "$WORK/receiver"
}

# send_to ADDR COUNT [SIZE]: from host a
send_to()
{
	ip netns exec $HOST_A "$DGRAM" send "$1" 7 "${@:2}"
}

# How many have been received.
got()
{
	grep -cE '^[0-9]+ from' "$WORK/got"
}

got_is()
{
	[ "$(got)" = "$1" ]
}

# received N: N have been, and not more a moment later
received()
{
	wait_for got_is "$1" || { echo "received $(got), not $1"; return 1; }
	sleep 0.2
	got_is "$1" || { echo "received $(got), more than $1"; return 1; }
}

# counter NAME: of the module
counter()
{
	"$CTL" -j stats --all | jq --arg n "$1" '.module.counters[] | select(.name == $n) | .value'
}

# sums_hold: of everything that was counted
sums_hold()
{
	"$CTL" -j stats | jq -e '[.. | .holds? | values] | length > 0 and all' >/dev/null && return
	echo "the counters do not add up"
	"$CTL" stats
	return 1
}
