#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh: Homa RPCs between two hosts, and kernel TCP beside them. `make demo` runs it in the
# lab; on a machine of one's own: run it as root, with nothing that uses etran loaded.
#
# The hosts are two network namespaces joined by a veth pair. One has an echo server, the other
# two clients that run at the same time. Exit status 0: every RPC was done, every byte was right,
# the counters add up and nothing was left behind.
#
# Environment: O (build directory), ETRAN_MODULE (etran.ko), ETRAN_DEMO_SIZES (size:count,...).

set -u
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
TOP=$(cd -- "$HERE/../.." && pwd -P)
O=${O:-$TOP/build}
MODULE=${ETRAN_MODULE:-$O/module/$(uname -r)/etran.ko}
CTL=$O/bin/etranctl
HOMA=$O/bpf/homa.bpf.o
BIN=$O/selftests/demo
SIZES=${ETRAN_DEMO_SIZES:-32:200,1024:200,10240:100,102400:20,1000000:5}
CLIENTS=2
A=etran-demo-a
B=etran-demo-b
ADDR_A=10.99.0.1
ADDR_B=10.99.0.2
T0=$(date +%s)
TMP=
SERVER=
LOADED=
STATS=
FAILED=0

say()
{
	printf '[%3ds] %s\n' "$(($(date +%s) - T0))" "$*"
}

fail()
{
	printf 'demo: %s\n' "$*" >&2
	FAILED=1
}

die()
{
	fail "$@"
	exit 1
}

# With the arguments of the cleanup at the end, or of the trap: both only once.
cleanup()
{
	local i

	trap '' INT TERM
	trap - EXIT
	# The clients first: what they wait for goes away.
	for i in $(jobs -p); do
		kill "$i" 2>/dev/null
	done
	wait 2>/dev/null
	if [ -n "$LOADED" ]; then
		"$CTL" unload --all >/dev/null || fail "etranctl unload --all failed"
	fi
	ip netns del $A 2>/dev/null
	ip netns del $B 2>/dev/null
	if [ -n "$LOADED" ]; then
		# The last references go a moment after what they belonged to.
		for i in $(seq 50); do
			rmmod etran 2>/dev/null && break
			sleep 0.1
		done
		[ -d /sys/module/etran ] && fail "the module etran cannot be removed: $(rmmod etran 2>&1)"
	fi
	[ -n "$TMP" ] && rm -rf "$TMP"
}

finish()
{
	local status=$?

	cleanup
	[ $FAILED = 0 ] || status=1
	exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

check_ready()
{
	local f

	[ "$(id -u)" = 0 ] || die "needs root; try: make demo (it brings its own machine)"
	for f in "$MODULE" "$CTL" "$HOMA" "$BIN/rpc_echo_client" "$BIN/rpc_echo_server" \
		 "$BIN/tcp_pingpong"; do
		[ -e "$f" ] || die "$f is missing; build it first: make"
	done
	for f in ip insmod rmmod; do
		command -v $f >/dev/null || die "the command $f is missing; install iproute2 and kmod"
	done
	[ ! -d /sys/module/etran ] || die "the module etran is loaded already; this demo wants its own: etranctl unload --all; rmmod etran"
	TMP=$(mktemp -d) || die "no temporary directory"
}

make_hosts()
{
	modprobe veth 2>/dev/null
	if ! { ip netns add $A && ip netns add $B &&
	       ip link add veth0 netns $A type veth peer name veth0 netns $B &&
	       ip -n $A addr add $ADDR_A/24 dev veth0 &&
	       ip -n $B addr add $ADDR_B/24 dev veth0 &&
	       ip -n $A link set lo up && ip -n $B link set lo up &&
	       ip -n $A link set veth0 up && ip -n $B link set veth0 up; }; then
		die "cannot make two network namespaces joined by veth"
	fi
}

# start_server LOG COMMAND...: returns when it says "ready"
start_server()
{
	local log=$1 i

	shift
	ip netns exec $B "$@" >"$log" 2>&1 &
	SERVER=$!
	for i in $(seq 100); do
		grep -q '^ready' "$log" && return 0
		kill -0 $SERVER 2>/dev/null || break
		sleep 0.1
	done
	cat "$log" >&2
	die "the server did not start: $*"
}

stop_server()
{
	kill -TERM $SERVER 2>/dev/null
	wait $SERVER || fail "the server failed (exit status $?)"
	SERVER=
}

# run_clients NAME COMMAND...: all clients at the same time; the results are $TMP/NAME.*
run_clients()
{
	local name=$1 i pids=

	shift
	for i in $(seq $CLIENTS); do
		timeout 120 ip netns exec $A "$@" -i "$i" -m -s "$SIZES" \
			-r "$TMP/$name.raw.$i" $ADDR_B >"$TMP/$name.out.$i" 2>"$TMP/$name.err.$i" &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i" || fail "a $name client failed (exit status $?)"
	done
	cat "$TMP/$name".err.* >&2
}

# summary NAME: of all clients together, a line each size: size done verified median p99 (us).
# Few processes: in an emulated machine each one costs more than a hundred RPCs.
summary()
{
	sort -k1,1n -k2,2n "$TMP/$1".raw.* >"$TMP/$1.raw"
	awk '
		function at(p) { return t[int((n * p + 99) / 100)] / 1000 }
		function flush() {
			if (n)
				print size, done[size], ok[size], at(50), at(99)
			n = 0
		}
		FILENAME ~ /raw$/ {
			if ($1 != size)
				flush()
			size = $1
			t[++n] = $2
			next
		}
		{
			for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] }
			done[v["size"]] += v["done"]
			ok[v["size"]] += v["verified"]
		}
		END { flush() }' "$TMP/$1".out.* "$TMP/$1.raw" >"$TMP/$1.sum"
}

# The table, and whether all that was asked for was done and right: "size:count,..." a client.
table()
{
	awk -v sizes="$SIZES" -v clients=$CLIENTS '
		BEGIN {
			printf "%26s | %27s | %27s\n", "", "Homa on etran", "kernel TCP"
			printf "%8s %7s %9s | %13s %13s | %13s %13s\n", "bytes", "RPCs", "verified",
			       "median us", "P99 us", "median us", "P99 us"
		}
		FILENAME ~ /tcp/ { tcp_ok[$1] = $3; median[$1] = $4; p99[$1] = $5; next }
		{ homa_ok[$1] = $3; line[$1] = sprintf("%8d %7d %9d | %13.1f %13.1f", $1, $2, $3, $4, $5) }
		END {
			n = split(sizes, item, ",")
			for (i = 1; i <= n; i++) {
				split(item[i], step, ":")
				want = step[2] * clients
				printf "%s | %13.1f %13.1f\n", line[step[1]], median[step[1]], p99[step[1]]
				bad += homa_ok[step[1]] != want || tcp_ok[step[1]] != want
			}
			exit bad != 0
		}' "$TMP/homa.sum" "$TMP/tcp.sum"
}

# Reads the counters when nothing is held any more: Homa releases the last frames a little after
# the programs have gone, when the peer's acknowledgement has come.
read_stats()
{
	local i

	for i in $(seq 20); do
		STATS=$("$CTL" -j stats --all | tr -d ' \n')
		grep -q '"frames_held":0[,}]' <<<"$STATS" &&
			grep -q '"frames_retained":0[,}]' <<<"$STATS" && return
		sleep 0.1
	done
}

# conservation SUM TOTAL PART...: of the whole module, at rest
conservation()
{
	local sum=$1 json

	# The module's is the first; those of transports and links follow.
	json=$(grep -o "\"$sum\":{[^}]*}" <<<"$STATS" | head -n 1)
	[ -n "$json" ] || { fail "etranctl stats has no sum '$sum'"; return; }
	awk -v json="$json" -v names="${*:2}" '
		function value(name) {
			if (!match(json, "\"" name "\":-?[0-9]+")) { bad = 1; return 0 }
			return substr(json, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
		}
		BEGIN {
			n = split(names, name, " ")
			line = sprintf("%s %d", name[1], value(name[1]))
			for (i = 2; i <= n; i++) {
				s += value(name[i])
				line = line (i == 2 ? " = " : " + ") name[i] " " value(name[i])
			}
			print "  " line (s == value(name[1]) && !bad ? "" : "   WRONG")
			exit s != value(name[1]) || bad
		}' </dev/null || fail "the counters of $sum do not add up"
}

check_ready
say "two hosts: network namespaces $A ($ADDR_A) and $B ($ADDR_B), joined by veth"
make_hosts

say "insmod etran.ko, on Linux $(uname -r)"
insmod "$MODULE" || die "insmod failed; see dmesg and: $CTL check"
LOADED=1
# Homa gives a silent peer up after 100 ticks of 1 ms. An emulated processor is 20 to 50 times
# slower than that is meant for.
SET=
EMULATED=
grep -q '^model name.*QEMU TCG' /proc/cpuinfo && EMULATED=1 && SET="--set homa_tick_ns=20000000"
say "etranctl load homa.bpf.o --dev $A/veth0 --dev $B/veth0 $SET"
[ -z "$EMULATED" ] || say "       (--set: Homa's clock, slowed down to fit an emulated processor)"
# shellcheck disable=SC2086
"$CTL" load "$HOMA" --dev $A/veth0 --dev $B/veth0 $SET || die "etranctl load failed"
"$CTL" list

say "Homa: an echo server in $B, $CLIENTS clients in $A, sizes $SIZES each"
start_server "$TMP/homa.server" "$BIN/rpc_echo_server"
run_clients homa "$BIN/rpc_echo_client"
stop_server

say "kernel TCP: the same over the same devices"
start_server "$TMP/tcp.server" "$BIN/tcp_pingpong" server
run_clients tcp "$BIN/tcp_pingpong" client
stop_server

summary homa
summary tcp
echo
table || fail "not all RPCs were done and right"
echo
echo "Time from the first byte given to the kernel to the last one received, one RPC at a time a client,"
echo "$CLIENTS clients, each byte compared."
[ -z "$EMULATED" ] || cat <<END
QEMU emulates this machine, so these are no times of real hardware. 'make demo' gives it a clock
that counts instructions: 1 us is 1000 instructions of both hosts together. With any other clock
they say next to nothing.
END
echo
read_stats
echo "Every frame ended exactly once:"
conservation frames frames_accepted frames_transmitted frames_dropped frames_held \
	frames_queued frames_retained
conservation packets packets_built packets_sent packets_dropped

say "etranctl unload --all, rmmod etran"
cleanup
trap - INT TERM
if [ $FAILED != 0 ]; then
	say "demo FAILED"
	exit 1
fi
cat <<END

What to try next:
  make check                   the test suite
  make lab                     a shell in this machine, with everything built
  build/bin/etranctl check     is the machine that you sit at ready for etran?
  man userlib/man/etran.7      how programs use it; selftests/demo/rpc_echo_client.c is one
END
say "demo passed: each byte of $SIZES RPCs, by $CLIENTS clients, was right"
