#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example filters do what they say: monitor, acl, ratelimit. Traffic is the example transport's,
# from host a (10.0.0.1) to host b (10.0.0.2 and 10.0.0.3). Both are one kernel, so each packet passes
# a filter twice: on egress with its destination as peer, on ingress with its source.

. "$(dirname -- "$0")/lib.sh"

# Bytes of the IP packet of a datagram: headers of IPv4 and dgram.
HEADERS=28

# add FILTER [ARGUMENT...]
add()
{
	"$CTL" filter add "$BPF/$1.bpf.o" "${@:2}"
}

# of FILTER MEMBER: what the module counted
of()
{
	"$CTL" -j filter list | jq --arg n "$1" ".[] | select(.name == \$n) | .$2"
}

# peer A.B.C.D MEMBER: what monitor counted for it, 0 if it has not seen it
peer()
{
	bpftool -j map dump pinned $PINS/filter/monitor/peers | jq --arg a "$1" "
		[.[].formatted | select(.key.b == [0,0,0,0,0,0,0,0,0,0,255,255] +
			(\$a | split(\".\") | map(tonumber))) | .value.$2] | add // 0"
}

# same WHAT GOT WANTED
same()
{
	[ "$2" = "$3" ] && return
	echo "$1 is $2, not $3"
	return 1
}

monitor_counts()
{
	add monitor && listen && send_to 10.0.0.2 100 50 && received 100 &&
		send_to 10.0.0.3 20 1000 && received 120 || return
	same "packets to b" "$(peer 10.0.0.2 out_packets)" 100 &&
		same "bytes to b" "$(peer 10.0.0.2 out_bytes)" $((100 * (50 + HEADERS))) &&
		same "packets to b's other address" "$(peer 10.0.0.3 out_packets)" 20 &&
		same "bytes to it" "$(peer 10.0.0.3 out_bytes)" $((20 * (1000 + HEADERS))) &&
		same "packets from a" "$(peer 10.0.0.1 in_packets)" 120 &&
		same "bytes from a" "$(peer 10.0.0.1 in_bytes)" $((100 * (50 + HEADERS) + 20 * (1000 + HEADERS))) &&
		same "packets from b" "$(peer 10.0.0.2 in_packets)" 0 &&
		same "packets to a" "$(peer 10.0.0.1 out_packets)" 0 || return
	# It lets everything pass, and the module counted the same.
	same "packets that egress saw" "$(of monitor egress_packets)" 120 &&
		same "packets that ingress saw" "$(of monitor ingress_packets)" 120 &&
		same "packets dropped" "$(of monitor egress_dropped)" 0
}

# The next tests' packets are counted by nobody else.
end_test()
{
	listen_end
	"$CTL" filter del "$1" >/dev/null
}

# list A.B.C.D LENGTH VERDICT: a prefix for acl
list()
{
	bpftool map update pinned $PINS/filter/acl/prefixes4 key $2 0 0 0 ${1//./ } value $3 0 0 0
}

unlist()
{
	bpftool map delete pinned $PINS/filter/acl/prefixes4 key $2 0 0 0 ${1//./ }
}

acl_denies()
{
	local before

	add acl && listen && send_to 10.0.0.3 5 && received 5 || return
	list 10.0.0.3 32 0 && before=$(counter packet_filtered) || return
	send_to 10.0.0.3 10 && send_to 10.0.0.2 10 && received 15 || return
	same "packets dropped on egress" "$(of acl egress_dropped)" 10 &&
		same "packets dropped on ingress" "$(of acl ingress_dropped)" 0 &&
		same "packet_filtered" $(($(counter packet_filtered) - before)) 10 || return
	# On ingress it is the source that counts.
	unlist 10.0.0.3 32 && list 10.0.0.1 32 0 && before=$(counter rx_filtered) || return
	send_to 10.0.0.3 10 && send_to 10.0.0.2 10 && received 15 || return
	same "packets dropped on ingress" "$(of acl ingress_dropped)" 20 &&
		same "rx_filtered" $(($(counter rx_filtered) - before)) 20
}

acl_takes_the_longest_prefix()
{
	listen && unlist 10.0.0.1 32 && list 10.0.0.0 24 0 && list 10.0.0.2 31 1 && list 10.0.0.3 32 0 &&
		list 10.0.0.1 32 1 || return
	send_to 10.0.0.2 10 && send_to 10.0.0.3 10 && received 10
}

acl_allows()
{
	add acl --set acl_default=ACL_DENY && listen && send_to 10.0.0.2 10 && received 0 || return
	list 10.0.0.1 32 1 && list 10.0.0.2 32 1 || return
	send_to 10.0.0.2 10 && send_to 10.0.0.3 10 && received 10
}

# Milliseconds of a clock that the hosts share.
ms()
{
	local up

	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# limited COUNTED-BY: 400 datagrams of 500 bytes as fast as they go, against 20000 bytes a second and
# a burst of 10000
limited()
{
	local from most n

	listen || return
	from=$(ms)
	send_to 10.0.0.2 400 $((500 - HEADERS)) || return
	# What passed did so between these two moments; the clock has a granularity of 10 ms.
	most=$(((10000 + 20 * ($(ms) - from + 20)) / 500))
	sleep 0.3
	n=$(got)
	[ "$n" -le "$most" ] || { echo "$n passed, at most $most may"; return 1; }
	[ "$n" -ge 20 ] || { echo "$n passed, the burst alone is 20"; return 1; }
	same "datagrams that arrived or were dropped" $((n + $(of ratelimit $1))) 400 || return
	[ "$n" -lt 400 ] || { echo "nothing was dropped"; return 1; }
	# The receiver misses those, by their numbers.
	tail -n 1 "$WORK/got"
}

ratelimit_egress()
{
	add ratelimit --set rate=20000 --set burst=10000 --set ingress=false &&
		limited egress_dropped && same "dropped on ingress" "$(of ratelimit ingress_dropped)" 0
}

ratelimit_ingress()
{
	add ratelimit --set rate=20000 --set burst=10000 --set egress=false &&
		limited ingress_dropped && same "dropped on egress" "$(of ratelimit egress_dropped)" 0
}

# A bucket for both peers is emptied by one; buckets of their own are not.
ratelimit_shared()
{
	add ratelimit --set rate=1 --set burst=5000 --set ingress=false --set per_peer=false &&
		listen && send_to 10.0.0.2 20 $((500 - HEADERS)) && received 10 &&
		send_to 10.0.0.3 20 $((500 - HEADERS)) && received 10 || return
	end_test ratelimit
	add ratelimit --set rate=1 --set burst=5000 --set ingress=false &&
		listen && send_to 10.0.0.2 20 $((500 - HEADERS)) && received 10 &&
		send_to 10.0.0.3 20 $((500 - HEADERS)) && received 20
}

together()
{
	local f

	add monitor && add acl && add ratelimit && listen && list 10.0.0.3 32 0 || return
	same "the order" "$("$CTL" -j filter list | jq -c 'map(.name)')" '["acl","ratelimit","monitor"]' || return
	send_to 10.0.0.2 10 && send_to 10.0.0.3 10 && received 10 || return
	# What one has dropped the others do not see.
	same "what monitor saw" "$(of monitor egress_packets)" 10 &&
		same "what ratelimit saw" "$(of ratelimit egress_packets)" 10 &&
		same "what acl saw" "$(of acl egress_packets)" 20
}

begin
transport >/dev/null || exit 1
tap_plan 9
ok monitor_counts_packets_and_bytes_of_each_peer monitor_counts
end_test monitor
ok acl_drops_exactly_what_is_denied acl_denies
listen_end
ok acl_takes_the_longest_prefix acl_takes_the_longest_prefix
end_test acl
ok acl_that_denies_by_default_passes_what_is_allowed acl_allows
end_test acl
ok ratelimit_holds_the_rate_on_egress ratelimit_egress
end_test ratelimit
ok ratelimit_holds_the_rate_on_ingress ratelimit_ingress
end_test ratelimit
ok ratelimit_is_for_each_peer_or_for_all ratelimit_shared
end_test ratelimit
ok filters_work_together together
listen_end
ok counters_add_up sums_hold
tap_end
