#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example filters do what they say: monitor, acl, ratelimit. Traffic is the example transport's,
# from host a (A) to host b (B and C), over IPv4 and over IPv6. Both are one kernel, so each packet passes
# a filter twice: on egress with its destination as peer, on ingress with its source.

. "$(dirname -- "$0")/lib.sh"

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

# peer ADDRESS MEMBER: what monitor counted for it, 0 if it has not seen it
peer()
{
	local key

	key=$(octets "$1")
	[ "$(wc -w <<<"$key")" = 16 ] || key="0 0 0 0 0 0 0 0 0 0 255 255 $key"
	bpftool -j map dump pinned $PINS/filter/monitor/peers | jq --arg k "$key" "
		[.[].formatted | select(.key.b == (\$k | split(\" \") | map(tonumber))) | .value.$2] | add // 0"
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
	add monitor && listen && send_to $B 100 50 && received 100 &&
		send_to $C 20 1000 && received 120 || return
	same "packets to b" "$(peer $B out_packets)" 100 &&
		same "bytes to b" "$(peer $B out_bytes)" $((100 * (50 + HEADERS))) &&
		same "packets to b's other address" "$(peer $C out_packets)" 20 &&
		same "bytes to it" "$(peer $C out_bytes)" $((20 * (1000 + HEADERS))) &&
		same "packets from a" "$(peer $A in_packets)" 120 &&
		same "bytes from a" "$(peer $A in_bytes)" $((100 * (50 + HEADERS) + 20 * (1000 + HEADERS))) &&
		same "packets from b" "$(peer $B in_packets)" 0 &&
		same "packets to a" "$(peer $A out_packets)" 0 || return
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

# list ADDRESS N VERDICT: a prefix for acl, all but the last N bits of the address
list()
{
	local o

	o=$(octets "$1")
	# shellcheck disable=SC2086
	bpftool map update pinned $PINS/filter/acl/prefixes$V \
		key $(($(wc -w <<<"$o") * 8 - $2)) 0 0 0 $o value $3 0 0 0
}

unlist()
{
	local o

	o=$(octets "$1")
	# shellcheck disable=SC2086
	bpftool map delete pinned $PINS/filter/acl/prefixes$V key $(($(wc -w <<<"$o") * 8)) 0 0 0 $o
}

acl_denies()
{
	local before

	add acl && listen && send_to $C 5 && received 5 || return
	list $C 0 0 && before=$(counter packet_filtered) || return
	send_to $C 10 && send_to $B 10 && received 15 || return
	same "packets dropped on egress" "$(of acl egress_dropped)" 10 &&
		same "packets dropped on ingress" "$(of acl ingress_dropped)" 0 &&
		same "packet_filtered" $(($(counter packet_filtered) - before)) 10 || return
	# On ingress it is the source that counts.
	unlist $C && list $A 0 0 && before=$(counter rx_filtered) || return
	send_to $C 10 && send_to $B 10 && received 15 || return
	same "packets dropped on ingress" "$(of acl ingress_dropped)" 20 &&
		same "rx_filtered" $(($(counter rx_filtered) - before)) 20
}

acl_takes_the_longest_prefix()
{
	listen && unlist $A && list ${A%1}0 8 0 && list $B 1 1 && list $C 0 0 &&
		list $A 0 1 || return
	send_to $B 10 && send_to $C 10 && received 10
}

acl_allows()
{
	add acl --set acl_default=ACL_DENY && listen && send_to $B 10 && received 0 || return
	list $A 0 1 && list $B 0 1 || return
	send_to $B 10 && send_to $C 10 && received 10
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
	send_to $B 400 $((500 - HEADERS)) || return
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
		listen && send_to $B 20 $((500 - HEADERS)) && received 10 &&
		send_to $C 20 $((500 - HEADERS)) && received 10 || return
	end_test ratelimit
	add ratelimit --set rate=1 --set burst=5000 --set ingress=false &&
		listen && send_to $B 20 $((500 - HEADERS)) && received 10 &&
		send_to $C 20 $((500 - HEADERS)) && received 20
}

together()
{
	local f

	add monitor && add acl && add ratelimit && listen && list $C 0 0 || return
	same "the order" "$("$CTL" -j filter list | jq -c 'map(.name)')" '["acl","ratelimit","monitor"]' || return
	send_to $B 10 && send_to $C 10 && received 10 || return
	# What one has dropped the others do not see.
	same "what monitor saw" "$(of monitor egress_packets)" 10 &&
		same "what ratelimit saw" "$(of ratelimit egress_packets)" 10 &&
		same "what acl saw" "$(of acl egress_packets)" 20
}

begin
transport >/dev/null || exit 1
tap_plan 17
for V in 4 6; do
	family $V
	ok monitor_counts_packets_and_bytes_of_each_peer_v$V monitor_counts
	end_test monitor
	ok acl_drops_exactly_what_is_denied_v$V acl_denies
	listen_end
	ok acl_takes_the_longest_prefix_v$V acl_takes_the_longest_prefix
	end_test acl
	ok acl_that_denies_by_default_passes_what_is_allowed_v$V acl_allows
	end_test acl
	ok ratelimit_holds_the_rate_on_egress_v$V ratelimit_egress
	end_test ratelimit
	ok ratelimit_holds_the_rate_on_ingress_v$V ratelimit_ingress
	end_test ratelimit
	ok ratelimit_is_for_each_peer_or_for_all_v$V ratelimit_shared
	end_test ratelimit
	ok filters_work_together_v$V together
	listen_end
	for f in monitor acl ratelimit; do
		"$CTL" filter del $f >/dev/null
	done
done
ok counters_add_up sums_hold
tap_end
