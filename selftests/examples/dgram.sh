#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example transport, by its application: datagrams arrive with their numbers, ports have one owner,
# and a rate is kept. Over IPv4 and over IPv6.

. "$(dirname -- "$0")/lib.sh"

in_order()
{
	listen 50 && send_to $B 50 100 && all_received || return
	grep -E '^[0-9]+ from' "$WORK/got" | awk '{ print $1 }' | diff - <(seq 50) &&
		grep -q "^1 from $MAPPED$A port [0-9]*: 100 bytes$" "$WORK/got" &&
		grep -q '^received 50 datagrams, 5000 bytes, 0 lost' "$WORK/got" && return
	tail -n 2 "$WORK/got"
	return 1
}

sizes()
{
	local s

	for s in 0 1 1400; do
		listen 1 && send_to $B 1 $s && all_received || return
		grep -q ": $s bytes" "$WORK/got" || { cat "$WORK/got"; return 1; }
	done
}

# To somebody else's port, and to none.
other_port()
{
	listen && ip netns exec $HOST_A "$DGRAM" send $B 8 10 && send_to $B 10 && received 10
}

port_in_use()
{
	listen || return
	ip netns exec $HOST_B "$DGRAM" recv 7 >"$WORK/second" 2>&1 && { echo "a second one got it"; return 1; }
	grep -q "Address already in use" "$WORK/second" || { cat "$WORK/second"; return 1; }
	# Its end gives it back.
	listen_end
	listen && send_to $B 3 && received 3
}

# 40 packets of 500 bytes, headers included, at 100000 bytes a second take 39 * 5 ms from the first to the last.
paced()
{
	local s

	transport --set rate=100000 >/dev/null || return
	listen 40 && send_to $B 40 $((500 - HEADERS)) && all_received || return
	s=$(sed -n 's/^received 40 .* in \([0-9.]*\) s$/\1/p' "$WORK/got")
	# None leaves before its time; later is a matter of the machine, for the first one too.
	awk -v s="$s" 'BEGIN { exit !(s >= 39 * 0.005 * 0.8) }' && return
	echo "40 packets of 5 ms each took $s s"
	return 1
}

# Whoever sends faster for long loses what is more than half a second ahead.
too_fast()
{
	local n

	transport --set rate=10000 >/dev/null || return
	listen && send_to $B 40 $((500 - HEADERS)) || return
	sleep 1
	n=$(got)
	# 50 ms each: 11 within half a second, and what time allowed while they were sent.
	[ "$n" -ge 11 ] && [ "$n" -lt 40 ] && return
	echo "$n of 40 arrived"
	return 1
}

begin
transport >/dev/null || exit 1
tap_plan 13
for v in 4 6; do
	family $v
	ok datagrams_arrive_in_order_with_their_numbers_v$v in_order
	ok datagrams_of_all_sizes_arrive_v$v sizes
	ok datagrams_go_to_their_port_v$v other_port
	listen_end
	ok port_has_one_owner_v$v port_in_use
	listen_end
	ok rate_is_kept_v$v paced
	listen_end
	ok sender_far_ahead_of_the_rate_is_dropped_v$v too_fast
	listen_end
	transport >/dev/null || exit 1
done
ok counters_add_up sums_hold
tap_end
