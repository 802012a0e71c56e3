/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters: for every frame, every packet and every reason to drop one.
 *
 * One list gives the enum, the name and the sentence that etranctl prints. Each event is counted
 * for the module, the link device and the transport (per CPU, no lock). The counters of one AF_XDP
 * socket are atomics in its channel: per-CPU memory for thousands of sockets would cost more than it
 * saves.
 */
#ifndef _ETRAN_COUNTERS_H
#define _ETRAN_COUNTERS_H

#include <linux/percpu.h>
#include <linux/etran.h>

#define ETRAN_COUNTER_LIST(C, D, G)								\
	C(frames_accepted, "frames taken from applications")					\
	C(frames_transmitted, "frames that ended by being sent")				\
	C(frames_dropped, "frames that ended unsent, for one of the frame_ reasons")		\
	D(frame_short, "frame shorter than its request record")					\
	D(frame_long, "frame with more payload than a packet can carry")			\
	D(frame_multi, "frame in several descriptors, which is not supported")			\
	D(frame_endpoint, "request for an endpoint that is not of this socket, or closed")	\
	D(frame_busy, "descriptor for a chunk that the kernel still keeps")			\
	D(frame_transport, "frame for a transport that was unloaded")				\
	D(frame_memory, "no page for the frame's copy")						\
	D(frame_verdict, "frame dropped by its transport")					\
	D(frame_packet, "frame whose packet could not be sent, see the packet_ reasons")	\
	D(frame_released, "kept frame given back by its transport without being sent")		\
	D(frame_device, "kept frame of a device or transport that went away")			\
	D(frame_queue, "kept frame dropped because its queue was full of better ones")		\
	D(frame_offset, "frame with too little room for headers before its payload")		\
	C(packets_built, "packets built by egress and gen")					\
	C(packets_sent, "packets that the lower device took")					\
	C(packets_waiting, "of these, handed to the kernel to wait for their neighbour")	\
	C(packets_timed, "packets that waited for their time")					\
	C(packets_dropped, "packets not sent, for one of the packet_ reasons")			\
	D(packet_header, "packet with an impossible header offset or length")			\
	D(packet_ip, "packet that is no IP packet of its transport")				\
	D(packet_stale, "generated packet whose held frame had ended")				\
	D(packet_mtu, "packet larger than the device's MTU")					\
	D(packet_link, "packet for a link device that does not exist")				\
	D(packet_route, "packet without a route over its link device")				\
	D(packet_neighbour, "packet that found too many waiting for their neighbours")	\
	D(packet_filtered, "packet dropped by a filter")					\
	D(packet_device, "packet for a lower device that is down")				\
	D(packet_horizon, "packet for a time too far ahead, or one too many that waits")	\
	D(packet_refused, "packet that the lower device had no room for or refused")		\
	C(gen_polls, "polls for generated packets")						\
	C(gen_packets, "packets that gen made")							\
	C(gen_memory, "polls that ended for want of a page")					\
	C(rx_packets, "received packets given to a transport")					\
	C(rx_delivered, "received packets delivered to an application")				\
	C(rx_consumed, "received packets used up by their transport")				\
	C(rx_passed, "received packets that their transport left to the kernel")		\
	C(rx_dropped, "received packets dropped, for one of the rx_ reasons")			\
	D(rx_truncated, "received packet shorter than its IP header says")			\
	D(rx_checksum, "received packet with a wrong IP header checksum")			\
	D(rx_options, "received packet with IP options, extension headers, or a wrong version") \
	D(rx_fragment, "received fragment")							\
	D(rx_filtered, "received packet dropped by a filter")					\
	D(rx_verdict, "received packet dropped by its transport")				\
	C(deliver_failed, "deliveries that failed, for one of the deliver_ reasons")		\
	D(deliver_buffers, "delivery to an application that gave no buffers or does not read")	\
	D(deliver_endpoint, "delivery to an endpoint that does not exist or is closed")		\
	D(deliver_size, "delivery larger than the application's buffers")			\
	D(deliver_device, "delivery to an application whose device is gone")			\
	C(notified, "records without payload delivered to applications")			\
	D(bad_verdict, "value returned by a program that is not a verdict there")		\
	G(frames_held, "frames held by transports, not sent yet")				\
	G(frames_queued, "frames in packet queues, or waiting for their time")			\
	G(frames_retained, "frames that were sent and are kept until acknowledged")		\
	C(streams_opened, "files of connections and listeners that were opened")		\
	C(streams_closed, "of these, closed: the last copy of each")				\
	C(streams_shared, "of these, whose data went through their files")			\
	G(endpoints, "open endpoints")								\
	G(channels, "AF_XDP sockets bound to link devices")

enum etran_counter_id {
#define C(n, t) ETRAN_C_##n,
	ETRAN_COUNTER_LIST(C, C, C)
#undef C
	ETRAN_NR_COUNTERS
};

/* Whether a counter tells a reason for dropping, as a constant. */
enum {
#define C(n, t) ETRAN_IS_DROP_##n = 0,
#define D(n, t) ETRAN_IS_DROP_##n = 1,
	ETRAN_COUNTER_LIST(C, D, C)
#undef C
#undef D
};

/**
 * struct etran_counter_set - one CPU's share
 * @v: running totals; for gauges the difference that this CPU made, so only the sum means anything
 */
struct etran_counter_set {
	u64 v[ETRAN_NR_COUNTERS];
};

DECLARE_PER_CPU(struct etran_counter_set, etran_module_counters);

const char *etran_counter_name(enum etran_counter_id id);
bool etran_counter_drops(enum etran_counter_id id);
int etran_counters_fill(struct etran_counter_set __percpu *set, struct etran_counters *q);

#endif /* _ETRAN_COUNTERS_H */
