// SPDX-License-Identifier: GPL-2.0
/*
 * The cases of wire.c with the kernel's TCP in etran's place: one that the kernel fails is looked at twice. Those that it does
 * fail, for a reason, stand below with that; they are expected to, so that one which it fails no more is seen.
 */
#include "kernel.h"
#include "wire.c"
#include "wire_nagle.c"

#define KERNEL_CASES(test)							\
	XFAIL_ADD(wire, ipv4, test)						\
	XFAIL_ADD(wire, ipv6, test)

/* About etran alone: its options, its unit of time for them (the kernel counts seconds), and what it tells. */
KERNEL_CASES(options_are_checked)
KERNEL_CASES(info)
KERNEL_CASES(keepalive_asks)
KERNEL_CASES(keepalive_gives_up)
KERNEL_CASES(keepalive_of_a_listener)
KERNEL_CASES(no_keepalive_with_data_under_way)

/* With DCTCP its SYN is ECN-capable, which RFC 3168, 6.1.1 forbids and RFC 8257 does not mention. */
KERNEL_CASES(syn_offers_everything)
/* A backlog of 8 has room for 9. */
KERNEL_CASES(syn_flood)
/* Rounding to what the window scale can say takes a few bytes of the window back. */
KERNEL_CASES(window_closes_and_opens)
/* It fills a window with a part of a segment. */
KERNEL_CASES(keeps_to_the_window)
KERNEL_CASES(small_window_is_used_in_the_end)
/* What was too big is cut anew, across the old segments. */
KERNEL_CASES(too_big_is_sent_in_parts)
/* For less than the least the route's MTU is locked and routers may fragment (IPv4), or it is not believed (IPv6). */
KERNEL_CASES(too_big_has_a_least)
/* An ACK of what was never sent is dropped; RFC 9293, 3.10.7.4, fifth, wants an answer. */
KERNEL_CASES(blind_data)
KERNEL_CASES(ESTABLISHED_ack_of_unsent)
/* In TIME-WAIT little of a connection is left: segments are not looked at in order and answered one by one. */
KERNEL_CASES(TIME_WAIT_reset_asked_back)
KERNEL_CASES(TIME_WAIT_ack_of_unsent)
KERNEL_CASES(TIME_WAIT_no_ack_flag)
/* The second segment is acknowledged at once only if the window need not become smaller for it. */
KERNEL_CASES(delayed_ack)
KERNEL_CASES(old_and_overlapping_data)
KERNEL_CASES(dsack_of_a_duplicate)
KERNEL_CASES(dsack_and_a_gap)
KERNEL_CASES(dsack_of_a_part)
/* Data behind FIN is dropped without a word. */
KERNEL_CASES(data_behind_fin)
/* The ACK of a FIN is delayed. */
KERNEL_CASES(fin_with_data)
/* The user timeout is looked at when another timer goes off, not for SYNs, and also ends who is told of a closed window. */
KERNEL_CASES(user_timeout)
KERNEL_CASES(user_timeout_of_a_handshake)
KERNEL_CASES(user_timeout_and_closed_window)
/* ICMP ends a handshake, soft or not; it is believed one byte beyond what was sent; SO_ERROR tells soft errors. */
KERNEL_CASES(host_unreachable_in_syn_sent)
KERNEL_CASES(icmp_of_no_segment)
KERNEL_CASES(too_big_of_no_segment)
KERNEL_CASES(unreachable_when_established)
/* While it sends cookies it drops an ACK that has none. */
KERNEL_CASES(cookie_forged)
/* PRR, RFC 6937: while the window is reduced, and in recovery, about one is sent for each that arrived. */
KERNEL_CASES(tail_probe_begins_recovery)
KERNEL_CASES(dctcp_sender)
/* What SACK does not show to be lost is not sent again in recovery: rules 3 and 4 of NextSeg() in RFC 6675, 4. */
KERNEL_CASES(sack_recovery_in_front_of_what_is_there)
KERNEL_CASES(three_short_ranges_tell_of_loss)
KERNEL_CASES(rescue_retransmission)
/* Small segments go again as one up to what SACK shows to be there, not beyond. */
KERNEL_CASES(small_segments_go_again_as_one)
/* Only BBR and sockets that ask for it are paced. */
KERNEL_CASES(pacing)

TCP_MAIN(1500, "KERNEL_WIRE", "")
