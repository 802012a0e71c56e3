/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parameters. They lie in .rodata, so a loader may change them before the object is loaded and
 * the verifier then removes what they switch off. Each says what it means; 'etranctl show' prints that.
 *
 * Names, units and defaults are HomaModule's where it has the same, so that peers of both kinds treat
 * each other alike. Software emulated machines are 20 to 50 times slower than the protocol's clock
 * expects: raise homa_tick_ns there and leave the tick counts alone.
 */
#ifndef _HOMA_TUNABLES_H
#define _HOMA_TUNABLES_H

/* RPCs at a time, of all links together, clients' and servers' both counted. */
#define HOMA_MAX_RPCS		16384
/* Endpoints at a time. */
#define HOMA_MAX_ENDPOINTS	16384
/* Segments of one message. */
#define HOMA_MAX_FRAMES		1024

/* Time and loss */
const volatile __u64 homa_tick_ns
	ETRAN_MEANING("one tick of the protocol's clock, ns") = 1000000;
const volatile __u32 homa_resend_ticks
	ETRAN_MEANING("silence after which a receiver asks for what is missing, ticks") = 5;
const volatile __u32 homa_timeout_ticks
	ETRAN_MEANING("silence after which a client gives an RPC up, or a server an incomplete request, ticks") = 100;
const volatile __u32 homa_response_timeout_ticks
	ETRAN_MEANING("silence after which a server gives up a response, ticks; HomaModule never does") = 500;
const volatile __u32 homa_request_ack_ticks
	ETRAN_MEANING("time after the last byte of a response until its ACK is asked for, ticks") = 2;
const volatile __u32 homa_reorder_bytes
	ETRAN_MEANING("bytes that must have arrived behind a gap before it counts as lost, not as late") = 10000;
const volatile __u32 homa_starved_bytes
	ETRAN_MEANING("bytes that are asked for again while the application has no buffers") = 10000;

/* Grants: see grant.h */
const volatile __u32 homa_unsched_bytes
	ETRAN_MEANING("bytes of a message that are sent without waiting for a grant") = 40000;
const volatile __u32 homa_max_incoming
	ETRAN_MEANING("bytes that one link may have granted and not received") = 400000;
const volatile __u32 homa_window
	ETRAN_MEANING("the same for one message; 0: homa_max_incoming divided by the number of active messages + 1") = 0;
const volatile __u32 homa_grant_step
	ETRAN_MEANING("bytes from which on a GRANT is worth a packet, but for the rest of a message") = 10000;
const volatile __u32 homa_max_overcommit
	ETRAN_MEANING("messages of a link that have grants at a time, 1 to 8") = 8;
const volatile __u32 homa_max_rpcs_per_peer
	ETRAN_MEANING("those of one peer among them, at least 1") = 8;
const volatile __u32 homa_max_sched_prio
	ETRAN_MEANING("highest priority of DATA that was granted, 0 to 7") = 3;
const volatile __u32 homa_grant_fifo_fraction
	ETRAN_MEANING("share of all that is granted that goes to the oldest message, 1/1000") = 50;
const volatile __u32 homa_fifo_grant_increment
	ETRAN_MEANING("bytes that it is granted at a time") = 50000;

/* Sending: see pacer.h */
const volatile __u32 homa_link_mbps
	ETRAN_MEANING("speed of the NIC, Mb/s; 0: packets are not paced") = 25000;
const volatile __u32 homa_max_link_usage
	ETRAN_MEANING("how much of that DATA may use, 1/100") = 99;
const volatile __u32 homa_max_nic_est_backlog_usecs
	ETRAN_MEANING("work that the NIC may have and still be given a packet by a sending application, us") = 5;
const volatile __u32 homa_max_nic_queue_usecs
	ETRAN_MEANING("work that the NIC may be given in all, us") = 40;
const volatile __u32 homa_defer_min_bytes
	ETRAN_MEANING("bytes at the end of a message that are sent whatever the NIC has to do") = 1000;
const volatile __u32 homa_pacer_fifo_fraction
	ETRAN_MEANING("share of packets that the oldest message sends, 1/1000") = 50;

/*
 * Priorities. What is longer than all cutoffs has priority 0. The map is for switches whose queues are
 * ranked otherwise, or are fewer.
 */
const volatile __u16 homa_cutoff_version
	ETRAN_MEANING("number of the set of cutoffs below, told in CUTOFFS; 0: peers are told none") = 1;
const volatile __u32 homa_unsched_cutoff_7
	ETRAN_MEANING("longest message to this host whose unscheduled DATA has priority 7, bytes") = 200;
const volatile __u32 homa_unsched_cutoff_6
	ETRAN_MEANING("the same for priority 6") = 2800;
const volatile __u32 homa_unsched_cutoff_5
	ETRAN_MEANING("the same for priority 5") = 15000;
const volatile __u32 homa_unsched_cutoff_4
	ETRAN_MEANING("the same for priority 4") = 1000000;
const volatile __u32 homa_unsched_cutoff_3
	ETRAN_MEANING("the same for priority 3") = 0;
const volatile __u32 homa_unsched_cutoff_2
	ETRAN_MEANING("the same for priority 2") = 0;
const volatile __u32 homa_unsched_cutoff_1
	ETRAN_MEANING("the same for priority 1") = 0;
const volatile __u8 homa_priority_map_0
	ETRAN_MEANING("upper three bits of TOS or traffic class in packets of priority 0, 0 to 7") = 0;
const volatile __u8 homa_priority_map_1
	ETRAN_MEANING("the same for priority 1") = 1;
const volatile __u8 homa_priority_map_2
	ETRAN_MEANING("the same for priority 2") = 2;
const volatile __u8 homa_priority_map_3
	ETRAN_MEANING("the same for priority 3") = 3;
const volatile __u8 homa_priority_map_4
	ETRAN_MEANING("the same for priority 4") = 4;
const volatile __u8 homa_priority_map_5
	ETRAN_MEANING("the same for priority 5") = 5;
const volatile __u8 homa_priority_map_6
	ETRAN_MEANING("the same for priority 6") = 6;
const volatile __u8 homa_priority_map_7
	ETRAN_MEANING("the same for priority 7") = 7;

#endif /* _HOMA_TUNABLES_H */
