#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What libetran says and does when something is missing, wrong or goes away, on a real kernel:
# the same client is run on a machine that gets ready step by step. Prints TAP.

set -u
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
BUILD=${ETRAN_BUILD:-$(cd -- "$HERE/../.." && pwd -P)/build}
CTL=$BUILD/bin/etranctl
MODULE=${ETRAN_MODULE:-$BUILD/module/$(uname -r)/etran.ko}
CLIENT="$BUILD/selftests/demo/rpc_echo_client -m -s 100:1,5000:1"
SERVER=$BUILD/selftests/demo/rpc_echo_server
A=lib_a
B=lib_b
TESTS=0
FAILURES=0
TMP=$(mktemp -d)

cleanup()
{
	local i

	for i in $(jobs -p); do
		kill "$i" 2>/dev/null
	done
	wait
	[ -d /sys/module/etran ] && "$CTL" unload --all >/dev/null 2>&1
	ip netns del $A 2>/dev/null
	ip netns del $B 2>/dev/null
	for i in $(seq 50); do
		[ -d /sys/module/etran ] || break
		rmmod etran 2>/dev/null || sleep 0.1
	done
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

result()
{
	local ok=$1 what=$2

	TESTS=$((TESTS + 1))
	if [ "$ok" = 0 ]; then
		echo "ok $TESTS - $what"
	else
		FAILURES=$((FAILURES + 1))
		echo "not ok $TESTS - $what"
		sed 's/^/# /' "$TMP/out"
	fi
}

# refused WHAT PATTERN COMMAND...: it fails and says something that has PATTERN in it
refused()
{
	local what=$1 pattern=$2 rc

	shift 2
	timeout 60 "$@" >"$TMP/out" 2>&1
	rc=$?
	[ $rc = 1 ] && grep -q -- "$pattern" "$TMP/out"
	result $? "$what"
}

works()
{
	local what=$1

	shift
	timeout 60 "$@" >"$TMP/out" 2>&1
	result $? "$what"
}

in_a="ip netns exec $A"
in_b="ip netns exec $B"

# start_server: in B; its process is $PID, its output $TMP/server
start_server()
{
	local i

	$in_b "$SERVER" >"$TMP/server" 2>&1 &
	PID=$!
	for i in $(seq 100); do
		grep -q ready "$TMP/server" && return
		sleep 0.1
	done
	cp "$TMP/server" "$TMP/out"
	result 1 "the server starts"
}

# ended WHAT PATTERN: the server failed and said something that has PATTERN in it
ended()
{
	local i

	for i in $(seq 100); do
		kill -0 "$PID" 2>/dev/null || break
		sleep 0.1
	done
	kill -0 "$PID" 2>/dev/null && kill "$PID"
	wait "$PID"
	[ $? = 1 ] && grep -q -- "$2" "$TMP/server"
	i=$?
	cp "$TMP/server" "$TMP/out"
	result $i "$1"
}

echo "TAP version 13"
modprobe -q veth
if ! { ip netns add $A && ip netns add $B &&
       ip link add v0 netns $A type veth peer name v0 netns $B &&
       ip -n $A addr add 10.78.0.1/24 dev v0 && ip -n $B addr add 10.78.0.2/24 dev v0 &&
       ip -n $A link set v0 up && ip -n $B link set v0 up; }; then
	echo "Bail out! no hosts"
	exit 1
fi

# shellcheck disable=SC2086
{
refused "without the module" "modprobe etran" $in_a $CLIENT 10.78.0.2
insmod "$MODULE" || { echo "Bail out! insmod failed"; exit 1; }
refused "without a link device" "no etran link device in this network namespace" \
	$in_a $CLIENT 10.78.0.2
ip -n $A link add etran0 link v0 type etran && ip -n $A link set etran0 up
refused "without a transport" "transport 'homa' is not loaded (loaded: none)" \
	$in_a $CLIENT 10.78.0.2
ip -n $A link del etran0
# The emulated machine is slower than Homa's clock expects.
"$CTL" load "$BUILD/bpf/homa.bpf.o" --dev $A/v0 --dev $B/v0 --set homa_tick_ns=20000000 \
	>"$TMP/out" 2>&1 || { cat "$TMP/out"; echo "Bail out! etranctl load failed"; exit 1; }

start_server
works "a client" $in_a $CLIENT 10.78.0.2
works "the link device by name" $in_a env ETRAN_DEV=etran0 $CLIENT 10.78.0.2
works "by the name of the device underneath" $in_a env ETRAN_DEV=v0 $CLIENT 10.78.0.2
works "few frames" $in_a env ETRAN_TX_FRAMES=64 ETRAN_RX_FRAMES=64 $CLIENT 10.78.0.2
works "many frames" $in_a env ETRAN_TX_FRAMES=65536 ETRAN_RX_FRAMES=65536 $CLIENT 10.78.0.2
refused "a device that is not there" "no network device 'nosuch'" \
	$in_a env ETRAN_DEV=nosuch $CLIENT 10.78.0.2
refused "a device that is no link device" "'lo' is no etran link device" \
	$in_a env ETRAN_DEV=lo $CLIENT 10.78.0.2
for n in 100 32 131072 x -1; do
	refused "ETRAN_TX_FRAMES=$n" "ETRAN_TX_FRAMES must be a power of two in 64..65536" \
		$in_a env ETRAN_TX_FRAMES=$n $CLIENT 10.78.0.2
done
refused "more bytes than the frames hold" "set ETRAN_TX_FRAMES higher" \
	$in_a env ETRAN_TX_FRAMES=64 $BUILD/selftests/demo/rpc_echo_client -s 1000000:1 10.78.0.2
refused "without CAP_NET_RAW" "CAP_NET_RAW" \
	$in_a setpriv --bounding-set -net_raw --inh-caps -net_raw $CLIENT 10.78.0.2
refused "a user who may not open the device" "/dev/etran may not be opened" \
	$in_a setpriv --reuid 65534 --regid 65534 --clear-groups $CLIENT 10.78.0.2
refused "without memory to pin" "RLIMIT_MEMLOCK is 65536" \
	$in_a setpriv --bounding-set -ipc_lock,-sys_resource --inh-caps -ipc_lock,-sys_resource \
	bash -c "ulimit -l 64; $CLIENT 10.78.0.2"
refused "a port that a server has" "port 4000 is in use" $in_b $SERVER
refused "a peer without that port" "failed: Transport endpoint is not connected" \
	$in_a $CLIENT -p 4001 10.78.0.2
refused "a peer that is not there" "failed: \(No route to host\|Connection timed out\)" \
	$in_a $CLIENT 10.78.0.77
refused "a network that is not there" "failed: Network is unreachable" \
	$in_a $CLIENT 203.0.113.1

# One after the other, each killed where it stands: queues come free a little late.
ok=0
for i in $(seq 20); do
	$in_a "$BUILD/selftests/demo/rpc_echo_client" -s 1000:1000000 10.78.0.2 >/dev/null 2>&1 &
	sleep 0.05
	kill -KILL $!
	wait $! 2>/dev/null
	timeout 60 $in_a $CLIENT 10.78.0.2 >"$TMP/out" 2>&1 || ok=1
done
result $ok "sockets right after others were killed"

"$CTL" unload homa >/dev/null 2>&1
ended "a server whose transport is unloaded" "transport 'homa' was unloaded"
"$CTL" load "$BUILD/bpf/homa.bpf.o" --dev $A/v0 --dev $B/v0 --set homa_tick_ns=20000000 \
	>"$TMP/out" 2>&1
start_server
works "a client after the transport came back" $in_a $CLIENT 10.78.0.2
ip -n $B link del v0
ended "a server whose device is removed" "link device of this socket"
}

echo "1..$TESTS"
[ $FAILURES = 0 ]
