# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Shared by the shell tests: TAP, the module, two hosts. A test sources this and calls
# tap_plan, ok NAME COMMAND..., and tap_end at its end.
#
# Environment: ETRAN_BUILD (build directory), ETRAN_MODULE (etran.ko). Both are found without it.

LIB_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
O=${ETRAN_BUILD:-$LIB_DIR/../build}
MODULE=${ETRAN_MODULE:-$O/module/$(uname -r)/etran.ko}
CTL=$O/bin/etranctl
HOST_A=etran-test-a
HOST_B=etran-test-b
TAP_N=0
TAP_FAILED=0
SERVER=

# tap_plan N: how many tests there are
tap_plan()
{
	echo "TAP version 13"
	echo "1..$1"
	TAP_PLAN=$1
}

# ok NAME COMMAND...: a test that passes when the command succeeds; its output is a comment
ok()
{
	local name=$1 out

	shift
	TAP_N=$((TAP_N + 1))
	if out=$("$@" 2>&1); then
		echo "ok $TAP_N $name"
	else
		[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok $TAP_N $name"
		TAP_FAILED=$((TAP_FAILED + 1))
	fi
}

# tap_end: exits; 0 only if all that were planned have passed
tap_end()
{
	[ "$TAP_N" = "$TAP_PLAN" ] || echo "# $TAP_PLAN tests were planned, $TAP_N were run"
	echo "# Totals: pass:$((TAP_N - TAP_FAILED)) fail:$TAP_FAILED xfail:0 xpass:0 skip:0 error:0"
	[ "$TAP_FAILED" = 0 ] && [ "$TAP_N" = "$TAP_PLAN" ]
	exit
}

# wait_for COMMAND...: until it succeeds, at most five seconds
wait_for()
{
	local i

	for i in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "in vain for five seconds: $*"
	return 1
}

module_load()
{
	insmod "$MODULE" "$@"
}

# References go a moment after what they belonged to.
module_unload()
{
	wait_for rmmod etran
}

module_gone()
{
	[ ! -e /sys/module/etran ] && [ ! -e /dev/etran ]
}

# log_mark: what log_has looks at begins here
log_mark()
{
	LOG_MARK="etran selftest mark $$.$RANDOM$RANDOM"
	echo "$LOG_MARK" >/dev/kmsg
}

# log_has TEXT: the kernel has said so since log_mark
log_has()
{
	dmesg | sed "1,/$LOG_MARK/d" | grep -qF -- "$1" && return 0
	echo "the kernel's log does not say: $1"
	dmesg | sed "1,/$LOG_MARK/d" | tail -n 5
	return 1
}

# Two hosts joined by a veth pair: 10.0.0.1 and 10.0.0.2 on veth0.
hosts_up()
{
	modprobe -q veth
	ip netns add $HOST_A && ip netns add $HOST_B &&
	ip link add veth0 netns $HOST_A type veth peer name veth0 netns $HOST_B &&
	ip -n $HOST_A addr add 10.0.0.1/24 dev veth0 &&
	ip -n $HOST_B addr add 10.0.0.2/24 dev veth0 &&
	ip -n $HOST_A link set veth0 up && ip -n $HOST_B link set veth0 up
}

hosts_down()
{
	ip -n $HOST_A link del veth0 2>/dev/null
	ip netns del $HOST_A 2>/dev/null
	ip netns del $HOST_B 2>/dev/null
}

# Nothing of ours is left: namespaces, link devices, pins, module.
nothing_left()
{
	local found

	found=$(ip netns list | grep -E "^($HOST_A|$HOST_B)\b"; ip -br link show type etran 2>/dev/null
		ls -d /sys/fs/bpf/etran/* 2>/dev/null; ls -d /sys/module/etran /dev/etran 2>/dev/null)
	[ -z "$found" ] && return 0
	echo "left: $found"
	return 1
}

# A server on the second host. The test makes $W, a directory; what the server prints is in $W/server.

# server_start COMMAND...
server_start()
{
	# Here, not behind the fork: ready() must not see what the server before said.
	: >"$W/server"
	ip netns exec $HOST_B "$@" >>"$W/server" 2>&1 &
	SERVER=$!
}

# ready: it has said so
ready()
{
	wait_for grep -q '^ready' "$W/server" || { cat "$W/server"; return 1; }
}

# server_cleanup: for a test's end, whatever was begun
server_cleanup()
{
	[ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null
	"$CTL" unload --all >/dev/null 2>&1
	hosts_down
	[ ! -d /sys/module/etran ] || module_unload
	rm -rf "$W"
}
