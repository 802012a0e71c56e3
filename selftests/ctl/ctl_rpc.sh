#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rpc: what a transport's iterator tells, chosen by peer, port and state; transports that tell nothing; and
# that the pin comes and goes with the programs.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/rpcs.bpf.o" "$OBJ/next.bpf.o"
load_module
two_hosts
snapshot >"$WORK/before"

ctl rpc ctltest
expect "rpc of what is not loaded" 1 "no transport 'ctltest' is loaded"
ctl -j rpc
json "rpc of nothing" '. == []'
ctl load "$OBJ/rpcs.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "load" 0
check "the iterator is pinned" test -e $PIN/ctltest/show_rpcs
ctl -j show ctltest
json "it is no map" '[.maps[].name] | index("rpcs") and (index("show_rpcs") | not)'
ctl -j rpc
json "nothing is under way" '. == []'
ctl rpc
expect "as a table" 0 "^TRANSPORT +ID +ROLE +STATE +PEER +PORT +SENT +RECEIVED +AGE +QUIET$"

count_is()
{
	[ "$("$CTL" -j rpc "${@:2}" | jq length)" = "$1" ]
}
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 8
check "each is listed" wait_for count_is 8
ctl -j rpc ctltest
json "all that is told of one" 'map(select(.id == 3)) == [.[] | select(.id == 3) |
	{transport: "ctltest", id: 3, role: "server", state: "odd", peer: "10.9.0.2", peer_port: 1003, port: 500,
	 link: 0, endpoint: 0, sent: 3, send_length: 100000, received: 0, receive_length: 0,
	 age_ns: .age_ns, quiet_ns: 1500000, error: 0}] and (map(select(.id == 3)) | length) == 1'
json "IPv6 peers" '.[] | select(.id == 4) | .peer == "2001:db8::4" and .role == "client" and .state == "even"'
json "the oldest comes first" '([.[].age_ns] | . == (sort | reverse)) and all(.age_ns > 0)'
ctl rpc
expect "as text" 0 "^ctltest +3 +server +odd +10\.9\.0\.2:1003 +500 +3/100000 +- +[0-9.]+ (us|ms|s) +1\.50 ms$"
expect "IPv6 as text" 0 "^ctltest +4 +client +even +\[2001:db8::4\]:1004 "

ids()
{
	local what=$1 want=$2
	shift 2
	ctl -j rpc "$@"
	json "$what" "[.[].id] | sort == $want"
}
ids "by state" '[2, 4, 6, 8]' --state even
ids "by a state that none has" '[]' --state incoming
ids "by IPv4 peer" '[1, 2, 3, 5, 6, 7]' --peer 10.9.0.2
ids "by IPv6 peer" '[8]' --peer 2001:db8::8
ids "by the peer's port" '[5]' --port 1005
ids "by the port here" '[1, 2, 3, 4, 5, 6, 7, 8]' --port 500
ids "by all of them" '[2, 6]' ctltest --peer 10.9.0.2 --port 500 --state even
ctl rpc --peer 10.9.0.300
expect "no address" 2 "--peer 10.9.0.300 is no address; give"
ctl rpc --port 65536
expect "no port" 2 "--port 65536 is no port; give"

# More than one read of the kernel's takes.
sent=8
while [ $sent -lt 808 ]; do
	ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 20
	sent=$((sent + 20))
done
check "many are listed, each once" wait_for eval "[ \"\$('$CTL' -j rpc | jq 'map(.id) | unique | length')\" = 808 ]"
check "and not more" count_is 808

ctl replace "$OBJ/next.bpf.o"
expect "replaced by programs that do not tell" 0
check "the pin is gone" test ! -e $PIN/ctltest/show_rpcs
ctl -j rpc
json "rpc of all" '. == []'
ctl rpc ctltest
expect "rpc of that one" 1 "'ctltest' does not tell of its RPCs: .*show_rpcs; it has no such iterator"
ctl replace "$OBJ/rpcs.bpf.o"
expect "and by one that does" 0
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 3
check "they are listed" wait_for count_is 3
ctl replace "$OBJ/rpcs.bpf.o"
expect "and by itself" 0
check "those are still there" count_is 3
check "nothing else is pinned" sh -c "! ls $PIN/ctltest | grep new-"
ctl unload ctltest
expect "unload" 0
clean "nothing is left" "$WORK/before"
done_testing
