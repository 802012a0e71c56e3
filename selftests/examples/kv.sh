#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The example application kv: every answer is right, with several threads at both ends, short and long values, a full
# server and none; the server's count of its memory ends at 0 when all is deleted.

. "$(dirname -- "$0")/../lib.sh"
KV=$O/examples
W=$(mktemp -d)

tap_plan 21

trap server_cleanup EXIT

server()
{
	server_start "$KV/kv_server" "$@"
}

server_ends()
{
	kill -TERM "$SERVER"
	wait "$SERVER"
	SERVER_STATUS=$?
	SERVER=
}

# load STATUS PATTERN OPTION...: kv_load ends so, and says so
load()
{
	local want=$1 pattern=$2 rc

	shift 2
	ip netns exec $HOST_A "$KV/kv_load" "$@" "${ADDRESS:-10.0.0.2}" >"$W/load" 2>&1
	rc=$?
	[ $rc = "$want" ] && grep -q -- "$pattern" "$W/load" && return 0
	echo "exit status $rc, not $want, or not '$pattern':"
	tail -n 5 "$W/load"
	return 1
}

usage()
{
	"$@" >"$W/load" 2>&1
	[ $? = 2 ] && grep -q "^usage: " "$W/load"
}

ok "usage of the server" usage "$KV/kv_server" x
ok "usage of the load generator" usage "$KV/kv_load"
ok "a value that is too long" usage "$KV/kv_load" -v 1000000 10.0.0.2
ok "module" module_load
ok "hosts" hosts_up
ok "homa" "$CTL" load "$O/bpf/homa.bpf.o" --dev $HOST_A/veth0 --dev $HOST_B/veth0
ok "no server" load 1 "Transport endpoint is not connected; is a kv_server there?" -c 1

server -t 3
ok "a server" ready
ok "one thread" load 0 "^operations 500 wrong 0 failed 0" -c 500 -k 50 -g 50
server_ends
ok "it served as many" grep -q "^served 500, " "$W/server"
ok "and ended well" test $SERVER_STATUS = 0

ok "IPv6 addresses" sh -c "ip -n $HOST_A addr add fd00::1/64 dev veth0 nodad && ip -n $HOST_B addr add fd00::2/64 dev veth0 nodad"
server -t 3
ok "a server that knows no key" ready
ADDRESS=fd00::2
ok "IPv6" load 0 "^operations 100 wrong 0 failed 0" -c 100 -k 50 -g 50
unset ADDRESS
server_ends

# Keys are other threads' now, so that it must be another server: what is there would be wrong.
server -t 3
ok "another server" ready
ok "threads, values of many packets" load 0 "^operations 300 wrong 0 failed 0" -t 3 -c 300 -k 30 -v 50000 -g 60
ok "wrong answers are found: others have changed the keys" load 1 "^operations 300 wrong [1-9]" -c 300 -k 30
server_ends
server -m 1
ok "a server with little memory" ready
ok "is full, and that is no right answer" load 1 "^operations 20 wrong [1-9][0-9]* failed 0" -c 20 -k 20 -v 900000 -g 0
server_ends
ok "and keeps to its memory" awk '/^served/ { exit !($3 <= 1048576) }' "$W/server"
ok "it served all" grep -q "^served 20, " "$W/server"
tap_end
