/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of one NIC, per CPU: `ethtool -S` and the file counters in debugfs print them under
 * these names. Every one is added to with bottom halves off.
 *
 * For each direction, when nothing is on the way:
 *	tx_packets + wire_duplicated = wire_lost + wire_queue_full + wire_memory + wire_down +
 *		the peer's (rx_packets + rx_no_buffer + rx_too_long + rx_down)
 * and for each NIC
 *	rx_packets = rx_pass + rx_xdp_drop + rx_xdp_aborted + rx_xdp_tx + rx_xdp_redirect +
 *		rx_redirect_failed + rx_memory + rx_flushed
 */
#ifndef TESTNIC_COUNTERS_H
#define TESTNIC_COUNTERS_H

#define TESTNIC_COUNTERS(C)									\
	C(tx_packets, "frames put on the wire")							\
	C(tx_bytes, "their bytes, Ethernet header included")					\
	C(tx_zerocopy, "of these, from AF_XDP zero-copy descriptors")				\
	C(tx_xdp, "of these, from ndo_xdp_xmit and XDP_TX")					\
	C(tx_refused, "frames that ndo_xdp_xmit gave back: setting refuse")			\
	C(tx_too_short, "not sent: no Ethernet header")						\
	C(tx_too_long, "not sent: longer than the MTU allows")					\
	C(tx_no_peer, "not sent: the peer is gone")						\
	C(rx_packets, "frames taken from the receive rings")					\
	C(rx_bytes, "their bytes")								\
	C(rx_zerocopy, "of these, in buffers of AF_XDP sockets")				\
	C(rx_no_buffer, "lost: no buffer in the receive ring")					\
	C(rx_too_long, "lost: longer than a buffer")						\
	C(rx_down, "lost: the queue was down")							\
	C(rx_flushed, "lost: in the receive ring as the queue went down")			\
	C(rx_pass, "given to the stack")							\
	C(rx_memory, "lost: no skb")								\
	C(rx_xdp_drop, "XDP_DROP")								\
	C(rx_xdp_aborted, "XDP_ABORTED and returned values that are no action")			\
	C(rx_xdp_tx, "XDP_TX")									\
	C(rx_xdp_redirect, "XDP_REDIRECT that succeeded")					\
	C(rx_redirect_failed, "lost: XDP_REDIRECT that failed")					\
	C(wire_lost, "fault: loss")								\
	C(wire_duplicated, "fault: duplication; counts the second copies")			\
	C(wire_corrupted, "fault: corruption")							\
	C(wire_reordered, "fault: packets held back for others")				\
	C(wire_marked, "ECN: CE set")								\
	C(wire_trimmed, "trimmed to headers")							\
	C(wire_queue_full, "lost: the wire's queue was full")					\
	C(wire_memory, "lost: no memory for a packet on the way")				\
	C(wire_down, "lost: on the way as the sender went down")

enum testnic_counter {
#define C(n, t) TESTNIC_##n,
	TESTNIC_COUNTERS(C)
#undef C
	TESTNIC_COUNTER_COUNT
};

struct testnic_counters {
	u64 v[TESTNIC_COUNTER_COUNT];
};

#endif /* TESTNIC_COUNTERS_H */
