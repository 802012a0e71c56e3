#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# homa_bench: what client and server say of the same RPCs, in text, CSV, JSON and raw, fits together; every
# RPC is verified; failures are told and counted.

. "$(dirname -- "$0")/../lib.sh"
BENCH=$O/bin/homa_bench
export HOMA_BENCH_WORKLOADS=$LIB_DIR/../tools/homa_bench/workloads
W=$(mktemp -d)

tap_plan 77

trap server_cleanup EXIT

# exits STATUS COMMAND...: its output is in $W/out and $W/err
exits()
{
	local want=$1 rc

	shift
	"$@" >"$W/out" 2>"$W/err"
	rc=$?
	[ $rc = "$want" ] && return 0
	echo "exit status $rc, not $want: $*"
	tail -n 5 "$W/out" "$W/err"
	return 1
}

# refuses TEXT COMMAND...: wrong usage, for a reason that is told
refuses()
{
	local text=$1

	shift
	exits 2 "$@" || return
	grep -q -- "$text" "$W/err" && return 0
	echo "did not say '$text': $(<"$W/err")"
	return 1
}

# server OPTION...: starts one on the other host
server()
{
	server_start "$BENCH" server "$@"
}

server_ends()
{
	kill "-$1" "$SERVER"
	wait "$SERVER"
	SERVER_STATUS=$?
	SERVER=
}

# served REQUESTS: the server that ended answered so many
served()
{
	[ $SERVER_STATUS = 0 ] && grep -qx "requests $1 responses $1 failed 0" "$W/server" && return 0
	echo "exit status $SERVER_STATUS; not $1 requests: $(<"$W/server")"
	return 1
}

client()
{
	ip netns exec $HOST_A "$BENCH" client 10.0.0.2 "$@"
}

# json FILTER: is true of the JSON of the last run, which is one value
json()
{
	jq -s -e "length == 1 and (.[0] | $1)" "$W/json" >"$W/jq" 2>&1 && return 0
	cat "$W/jq"
	head -c 2000 "$W/json"
	return 1
}

# measure OPTION...: a run in which every RPC must succeed, with all forms of results
measure()
{
	rm -f "$W/csv" "$W/json" "$W/raw"
	exits 0 client "$@" --csv "$W/csv" --json "$W/json" --raw "$W/raw"
}

# What must be true of every run in which all went well.
consistent()
{
	json '.sent == .done and .verified == .done and .failed == 0 and .lost == 0 and .errors == {}' &&
	json '.all.rpcs == .done and ([.deciles[].rpcs] | add) == .done' &&
	json '[.all, .deciles[]] | all(.min_us > 0 and .min_us <= .p50_us and .p50_us <= .p99_us and
		.p99_us <= .p999_us and .p999_us <= .max_us and .min_us <= .mean_us and .mean_us <= .max_us)' &&
	json '[.deciles[].min_us] | min' && json '([.deciles[].max_us] | max) == .all.max_us' &&
	json '([.deciles[].min_us] | min) == .all.min_us' &&
	json '.deciles as $d | all(range(1; $d | length); $d[. - 1].max_size <= $d[.].min_size)' &&
	json '(.elapsed_s * .rpcs_per_s - .done | fabs) < 0.01 * .done' &&
	json '(.request_mbps * .elapsed_s * 1e6 / 8 - .request_bytes | fabs) < 0.01 * .request_bytes' &&
	json '.elapsed_s * 1e6 >= .all.max_us' &&
	raw_fits && csv_fits
}

# Each single RPC adds up to what is told of all.
raw_fits()
{
	local n sum p50 p99

	n=$(wc -l <"$W/raw")
	sum=$(awk '{ s += $1 } END { printf "%d", s }' "$W/raw")
	p50=$(awk '{ print $2 }' "$W/raw" | sort -n | sed -n "$(((n + 1) / 2))p")
	p99=$(awk '{ print $2 }' "$W/raw" | sort -n | sed -n "$(((n * 99 + 99) / 100))p")
	awk '$1 < 1 || $1 > 1000000 || $2 < 1 { exit 1 }' "$W/raw" || { echo "bad line in raw"; return 1; }
	json ".done == $n and .request_bytes == $sum and (.all.p50_us * 1000 | round) == $p50 and
		(.all.p99_us * 1000 | round) == $p99"
}

csv_fits()
{
	local header=decile,min_size,max_size,rpcs,p50_us,p99_us,p999_us,slowdown_p50,slowdown_p99,slowdown_p999

	[ "$(head -n 1 "$W/csv")" = $header ] || { head -n 1 "$W/csv"; return 1; }
	awk -F, 'NF != 10 { exit 1 }' "$W/csv" || { cat "$W/csv"; return 1; }
	tail -n +2 "$W/csv" | awk -F, '{ print $2, $3, $4 }' >"$W/a"
	jq -r '.deciles[] | "\(.min_size) \(.max_size) \(.rpcs)"' "$W/json" >"$W/b"
	diff "$W/a" "$W/b"
}

ok "help" exits 0 "$BENCH" --help
ok "help names the commands" grep -q "client ADDRESS" "$W/out"
ok "help of the server" exits 0 "$BENCH" server --help
ok "help of the client" exits 0 "$BENCH" client --help
ok "version" exits 0 "$BENCH" --version
ok "no command" refuses "no command" "$BENCH"
ok "no such command" refuses "no command 'frob'" "$BENCH" frob
ok "no address" refuses "address is missing" "$BENCH" client
ok "no address of either kind" refuses "neither an IPv4 nor an IPv6 address" "$BENCH" client ten
ok "two addresses" refuses "too many arguments" "$BENCH" client 10.0.0.2 10.0.0.3
ok "no such workload" refuses "cannot read W6" "$BENCH" client 10.0.0.2 -w W6
ok "a length that is too large" refuses "1 to 1000000 bytes" "$BENCH" client 10.0.0.2 -w 1000001
ok "load and rate" refuses "say the same" "$BENCH" client 10.0.0.2 -l 5 -r 5
ok "no load" refuses "not a number above 0" "$BENCH" client 10.0.0.2 -l 0
ok "no port" refuses "from 1 to 32767" "$BENCH" server -p 32768
ok "ports past the last" refuses "ports of servers end" "$BENCH" server -p 32767 -n 2
ok "more threads than requests" refuses "more threads than requests" "$BENCH" client 10.0.0.2 -t 2 -c 1
ok "something behind the server" refuses "too many arguments" "$BENCH" server x
printf '100,0.5\n50,1\n' >"$W/bad.csv"
ok "a workload that goes back" refuses "bad.csv:2: out of range or order" "$BENCH" client 10.0.0.2 -w "$W/bad.csv"
printf '100,0.5\n' >"$W/bad.csv"
ok "a workload that ends early" refuses "the points end too early" "$BENCH" client 10.0.0.2 -w "$W/bad.csv"
printf '100;1\n' >"$W/bad.csv"
ok "a workload of another form" refuses "bad.csv:1: not understood" "$BENCH" client 10.0.0.2 -w "$W/bad.csv"
ok "the man page has no warnings" test -z \
	"$(man --warnings -E UTF-8 -l "$LIB_DIR/../tools/homa_bench/man/homa_bench.1" 2>&1 >/dev/null)"
ok "without the module" exits 1 "$BENCH" client 10.0.0.2

ok "module" module_load
ok "hosts" hosts_up
ok "homa" "$CTL" load "$O/bpf/homa.bpf.o" --dev $HOST_A/veth0 --dev $HOST_B/veth0

ok "nobody is there" exits 1 client -c 5
ok "and it says so" grep -q "no response from port 4000: .*; is a homa_bench server there" "$W/err"
ok "nobody is there, unloaded times are not asked for" exits 1 client -c 5 -u 0 -W 0 --json "$W/json"
ok "each failure is counted" json '.sent == 5 and .done == 0 and .failed == 5 and .errors == {ENOTCONN: 5}'

server
ok "a server" ready
ok "32 bytes, one at a time" measure -c 200
ok "text tells it" grep -q "^RPCs  *200 sent, 200 done, 200 verified, 0 failed, 0 lost, 0 sent late" "$W/out"
ok "its figures fit" consistent
ok "they are what was asked for" json '.done == 200 and .wanted == 200 and .request_bytes == 6400 and
	.response_bytes == 6400 and .mode == "closed" and .outstanding == 1 and (.deciles | length) == 1 and
	.all.min_size == 32 and .all.max_size == 32 and (.unloaded | length) == 1 and .all.slowdown_p50 > 0'
server_ends TERM
# Those of the warm-up, and twelve for the unloaded time.
ok "the server saw as many, and those before" served 222

server -n 3 -t 2 -p 5000
ok "a server with ports and threads" ready
ok "W3, threads, ports, many outstanding" measure -p 5000 -n 3 -t 3 -o 8 -w W3 -c 300 -W 0 -u 2
ok "its figures fit" consistent
ok "there are deciles" json '(.deciles | length) == 10 and all(.deciles[]; .rpcs == 30) and
	(.mean_size - 2777 | fabs) < 1 and .threads == 3 and .ports == 3 and (.unloaded | length) > 5'
ok "open loop, W2" measure -p 5000 -n 3 -t 2 -w W2 -r 500 -c 200 -u 2
ok "its figures fit" consistent
ok "it was an open loop" json '.mode == "open" and .outstanding == 0 and .done == 200 and
	(.load_mbps - 500 * .mean_size * 8 / 1e6 | fabs) < 0.001'
ok "for some time, at a load" measure -p 5000 -n 3 -w W1 -l 1 -d 1 -u 0
ok "its figures fit" consistent
ok "without unloaded times there is no slowdown" json '(.all | has("slowdown_p50") | not) and .unloaded == [] and
	.wanted == 0 and (.mean_size - 196 | fabs) < 1 and .done > 0'
ok "the longest message" measure -p 5000 -n 3 -w 1000000 -o 2 -c 4 -u 1 -W 0
ok "its figures fit" consistent
printf '# none\n10,0.5\n\n20,1\n' >"$W/own.csv"
ok "a workload of one's own" measure -p 5000 -n 3 -w "$W/own.csv" -c 100 --seed 7
ok "has its lengths" json '.all.min_size >= 10 and .all.max_size <= 20 and .mean_size == 12.5'
cp "$W/raw" "$W/raw1"
ok "again" measure -p 5000 -n 3 -w "$W/own.csv" -c 100 --seed 7
ok "the same seed, the same lengths" test "$(cut -d' ' -f1 "$W/raw")" = "$(cut -d' ' -f1 "$W/raw1")"
ok "results on stdout" exits 0 client -p 5000 -n 3 -c 10 -q --json -
ok "are JSON alone" jq -s -e 'length == 1 and .[0].done == 10' "$W/out"
ok "results cannot be written" exits 1 client -p 5000 -n 3 -c 10 --csv /nonexistent/csv

# It goes in the middle: every RPC ends, one way or the other.
client -p 5000 -n 3 -w 1000 -o 4 -t 2 -d 2 -u 0 --json "$W/json" >"$W/out" 2>"$W/err" &
sleep 0.7
server_ends KILL
wait $!
CLIENT_STATUS=$?
ok "a server that goes away" test $CLIENT_STATUS = 1
ok "every RPC is accounted for" json '.sent == .done + .failed + .lost and .failed > 0 and .done > 0 and
	.done == .verified and .lost == 0 and .all.rpcs == .done'

server -a 100
ok "a server with short answers" ready
ok "client of that" measure -a 100 -w 500 -c 20
ok "bytes of both ways" json '.verified == 20 and .request_bytes == 10000 and .response_bytes == 2000'
server_ends TERM

server -z -t 2
ok "a server that does not copy" ready
ok "nor does the client, W4" measure -z -w W4 -t 2 -o 4 -c 100 -u 2
ok "its figures fit" consistent
ok "one that does not, the longest message" measure -z -w 1000000 -c 2 -u 0 -W 0
ok "one that copies" measure -w 20000 -o 8 -c 40 -u 0 -W 0
server_ends INT
ok "the server counted all" test "$SERVER_STATUS" = 0

server -b 8 -t 2
ok "a server whose answers leave together" ready
ok "requests that do, a closed loop" measure -b 16 -o 32 -t 2 -c 400 -u 2
ok "its figures fit" consistent
ok "an open one" measure -b 16 -r 200 -c 100 -u 0
ok "all of them" json '.done == 100 and .lost == 0 and .failed == 0'
server_ends TERM

ok "IPv6 addresses" sh -c "ip -n $HOST_A addr add fd00::1/64 dev veth0 nodad && ip -n $HOST_B addr add fd00::2/64 dev veth0 nodad"
server -6
ok "a server for both versions of IP" ready
ok "IPv6" exits 0 ip netns exec $HOST_A "$BENCH" client fd00::2 -w 5000 -o 4 -c 50 --json "$W/json"
ok "its RPCs are there" json '.done == 50 and .verified == 50'
ok "IPv4" measure -w 5000 -o 4 -c 50
ok "its figures fit" consistent
server_ends TERM
tap_end
