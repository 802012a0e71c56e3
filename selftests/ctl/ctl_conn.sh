#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# conn: what a transport's iterator tells of its connections, chosen by peer, port and state; transports that tell
# nothing; and that the pin comes and goes with the programs.

. "$(dirname -- "$0")/lib.sh"
need_files "$OBJ/rpcs.bpf.o" "$OBJ/next.bpf.o"
load_module
two_hosts
snapshot >"$WORK/before"

ctl conn ctltest
expect "conn of what is not loaded" 1 "no transport 'ctltest' is loaded"
ctl -j conn
json "conn of nothing" '. == []'
ctl load "$OBJ/rpcs.bpf.o" --dev ctl_a/veth0 --dev ctl_b/veth0
expect "load" 0
check "the iterator is pinned" test -e $PIN/ctltest/show_conns
ctl -j show ctltest
json "it is no map" '[.maps[].name] | index("conns") and (index("show_conns") | not)'
ctl -j conn
json "there is no connection" '. == []'
ctl conn
expect "as a table" 0 "^TRANSPORT +STATE +RECV-Q +SEND-Q +LOCAL +PEER +CC +CWND +SSTHRESH +ALPHA +RTT-MS +RTO-MS +RETRANS +RATE$"

count_is()
{
	[ "$("$CTL" -j conn "${@:2}" | jq length)" = "$1" ]
}
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 8
check "each is listed" wait_for count_is 8
ctl -j conn ctltest
json "what is told of one" 'map(select(.id == 3)) | length == 1 and (.[0] |
	.transport == "ctltest" and .state == "ESTAB" and .local == "10.9.0.1" and .port == 500 and
	.peer == "10.9.0.2" and .peer_port == 1003 and .passive and .ecn and (.sack | not) and
	.congestion == "dctcp" and .cwnd == 12000 and .ssthresh == 2147483647 and .alpha == 0.5 and
	.srtt_us == 1500 and .rttvar_us == 250 and .rto_us == 200000 and .retransmits == 3 and
	.pacing_rate == 12500000 and .sent == 5000 and .acked == 3000 and .unsent == 500 and .unread == 77 and
	.age_ns > 0)'
json "IPv6 peers" '.[] | select(.id == 4) | .peer == "2001:db8::4" and .state == "TIME-WAIT" and (.passive | not)'
json "by ports" '[.[].peer_port] | . == sort'
ctl conn
expect "as text" 0 "^ctltest +ESTAB +77 +2500 +10\.9\.0\.1:500 +10\.9\.0\.2:1003 +dctcp +12 +- +0\.500 +1\.500/0\.250 +200 +3 +100\.0 Mbit/s$"
expect "IPv6 as text" 0 "^ctltest +TIME-WAIT .* \[2001:db8::4\]:1004 "

ids()
{
	local what=$1 want=$2
	shift 2
	ctl -j conn "$@"
	json "$what" "[.[].id] | sort == $want"
}
ids "by state" '[2, 4, 6, 8]' --state TIME-WAIT
ids "by state, in small letters" '[1, 3, 5, 7]' --state estab
ids "by a state that none has" '[]' --state LAST-ACK
ids "by IPv4 peer" '[1, 2, 3, 5, 6, 7]' --peer 10.9.0.2
ids "by the peer's port" '[5]' --port 1005
ids "by the port here" '[1, 2, 3, 4, 5, 6, 7, 8]' --port 500
ids "by all of them" '[2, 6]' ctltest --peer 10.9.0.2 --port 500 --state time-wait
ctl conn --peer 10.9.0.300
expect "no address" 2 "--peer 10.9.0.300 is no address; give"
ctl conn --port 65536
expect "no port" 2 "--port 65536 is no port; give"
ctl conn a b
expect "two names" 2 "conn takes the name of one transport"

ctl replace "$OBJ/next.bpf.o"
expect "replaced by programs that do not tell" 0
check "the pin is gone" test ! -e $PIN/ctltest/show_conns
ctl conn ctltest
expect "conn of that one" 1 "'ctltest' does not tell of its connections: .*show_conns; it has no such iterator"
ctl replace "$OBJ/rpcs.bpf.o"
expect "and by one that does" 0
check "packets come" ip netns exec ctl_b "$OBJ/send_proto" 10.9.0.1 253 3
check "they are listed" wait_for count_is 3
ctl unload ctltest
expect "unload" 0
clean "nothing is left" "$WORK/before"
done_testing
