/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parameters. They lie in .rodata, so a loader may change them before the object is loaded and
 * the verifier then removes what they switch off. Names without unit are bytes.
 *
 * The defaults are HomaModule's, so that peers of both kinds treat each other alike. Software
 * emulated machines are 20 to 50 times slower than the protocol's clock expects: raise
 * homa_tick_ns there and leave the tick counts alone.
 */
#ifndef _HOMA_TUNABLES_H
#define _HOMA_TUNABLES_H

/* RPCs at a time, of all links together, clients' and servers' both counted. */
#define HOMA_MAX_RPCS		16384
/* Endpoints at a time. */
#define HOMA_MAX_ENDPOINTS	16384
/* Segments of one message. */
#define HOMA_MAX_FRAMES		1024

/* One tick of the protocol's clock. */
const volatile __u64 homa_tick_ns = 1000000;
/* Silence after which a receiver asks for what is missing, ticks. */
const volatile __u32 homa_resend_ticks = 5;
/* Silence after which a client gives an RPC up, or a server a request that is incomplete, ticks. */
const volatile __u32 homa_timeout_ticks = 100;
/* Silence after which a server gives up a response, ticks. HomaModule never does. */
const volatile __u32 homa_response_timeout_ticks = 500;
/* Time after the last byte of a response was sent until its ACK is asked for, ticks. */
const volatile __u32 homa_request_ack_ticks = 2;
/* Bytes of a message that are sent without waiting for a grant. */
const volatile __u32 homa_unsched_bytes = 40000;
/* Bytes that one link may have granted and not received. */
const volatile __u32 homa_max_incoming = 400000;
/*
 * Bytes that one message may have granted and not received; 0: homa_max_incoming, divided by one more
 * than there are active messages.
 */
const volatile __u32 homa_window = 0;
/* Messages of a link that have grants at a time, 1 to 8. */
const volatile __u32 homa_max_overcommit = 8;
/* Those of one peer among them, at least 1. */
const volatile __u32 homa_max_rpcs_per_peer = 8;
/* Highest priority of DATA that was granted. */
const volatile __u32 homa_max_sched_prio = 3;
/* Share of all that is granted that goes to the oldest message, 1/1000. */
const volatile __u32 homa_grant_fifo_fraction = 50;
/* Bytes that it is granted at a time. */
const volatile __u32 homa_fifo_grant_increment = 50000;
/* A GRANT is worth a packet from this many bytes on, or for the rest of the message. */
const volatile __u32 homa_grant_step = 10000;
/* Bytes that must have arrived behind a gap before it counts as lost, not as late. */
const volatile __u32 homa_reorder_bytes = 10000;
/* Bytes that are asked for again while the application has no buffers. */
const volatile __u32 homa_starved_bytes = 10000;

/*
 * What peers are told in CUTOFFS, and echo in DATA: 0: nothing, and all that they send unscheduled has
 * the priority below the highest. Another number whenever the cutoffs below are others.
 */
const volatile __u16 homa_cutoff_version = 1;
/*
 * The longest message whose unscheduled DATA has priority 7, 6 ... 1, of DATA to this host. The rest has
 * priority 0.
 */
const volatile __u32 homa_unsched_cutoff_7 = 200;
const volatile __u32 homa_unsched_cutoff_6 = 2800;
const volatile __u32 homa_unsched_cutoff_5 = 15000;
const volatile __u32 homa_unsched_cutoff_4 = 1000000;
const volatile __u32 homa_unsched_cutoff_3 = 0;
const volatile __u32 homa_unsched_cutoff_2 = 0;
const volatile __u32 homa_unsched_cutoff_1 = 0;

/*
 * The upper three bits of DSCP that packets of priority 0, 1 ... 7 have: IPv4's TOS or IPv6's traffic
 * class is 32 times that. For switches whose queues are ranked otherwise, or fewer.
 */
const volatile __u8 homa_priority_map_0 = 0;
const volatile __u8 homa_priority_map_1 = 1;
const volatile __u8 homa_priority_map_2 = 2;
const volatile __u8 homa_priority_map_3 = 3;
const volatile __u8 homa_priority_map_4 = 4;
const volatile __u8 homa_priority_map_5 = 5;
const volatile __u8 homa_priority_map_6 = 6;
const volatile __u8 homa_priority_map_7 = 7;

#endif /* _HOMA_TUNABLES_H */
