/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parameters: default, least and greatest value, unit, meaning, as 'etranctl show' prints them. All can be
 * changed while Homa runs, and count from the next time that they are looked at: messages keep what they
 * were begun with, timers that are armed go off once more as they were.
 *
 * Rejected: keeping those constants that hardly change. The verifier could then drop the test whether
 * packets are paced at all, and little else: BPF programs load a constant of .rodata from memory just as
 * they load these. What had to be a constant is a macro below.
 *
 * A value may change between two reads. Where two must agree, or where a value that etranctl would refuse
 * does harm (a timer that never rests, a queue that stands still, a length beyond a message), the
 * programs read it once, with etran_bounded(); everywhere else any value is as good as another.
 *
 * Names, units and defaults are HomaModule's where it has the same, so that peers of both kinds treat
 * each other alike. Software emulated machines are 20 to 50 times slower than the protocol's clock
 * expects: raise homa_tick_ns there and leave the tick counts alone.
 */
#ifndef _HOMA_TUNABLES_H
#define _HOMA_TUNABLES_H

/* RPCs at a time, of all links together, clients' and servers' both counted: a power of two. */
#ifndef HOMA_MAX_RPCS
#define HOMA_MAX_RPCS		16384
#endif
/* Endpoints at a time. */
#define HOMA_MAX_ENDPOINTS	16384
/* Segments of one message. */
#define HOMA_MAX_FRAMES		2048

/* Time and loss */
ETRAN_LIVE(__u64, homa_tick_ns, 1000000, 10000, 1000000000, "ns",
	   "one tick of the protocol's clock");
ETRAN_LIVE(__u32, homa_resend_ticks, 5, 1, 100000, "ticks",
	   "silence after which a receiver asks for what is missing");
ETRAN_LIVE(__u32, homa_timeout_ticks, 100, 1, 1000000, "ticks",
	   "silence after which a client gives an RPC up, or a server an incomplete request");
ETRAN_LIVE(__u32, homa_response_timeout_ticks, 500, 1, 1000000, "ticks",
	   "silence after which a server gives up a response; HomaModule never does");
ETRAN_LIVE(__u32, homa_request_ack_ticks, 2, 1, 100000, "ticks",
	   "time after the last byte of a response until its ACK is asked for");
ETRAN_LIVE(__u32, homa_finished_ticks, 100, 0, 1000000, "ticks",
	   "time for which parts of a request that is over are recognised; HomaModule: never");
ETRAN_LIVE(__u32, homa_ack_defer_bytes, 15000, 0, 1000000, "bytes",
	   "longest response whose ACK waits for the next message to that host; HomaModule: all");
ETRAN_LIVE(__u32, homa_reorder_bytes, 10000, 0, 1000000, "bytes",
	   "what must have arrived behind a gap before it counts as lost, not as late");
ETRAN_LIVE(__u32, homa_starved_bytes, 10000, 1, 1000000, "bytes",
	   "what is asked for again while the application has no buffers");

/* Grants: see grant.h */
ETRAN_LIVE(__u32, homa_unsched_bytes, 40000, 1, 1000000, "bytes",
	   "how much of a message is sent without waiting for a grant");
ETRAN_LIVE(__u32, homa_unsched_reserve, 8, 0, 1000, "messages",
	   "for how many such beginnings grants leave an application's receive buffers free");
ETRAN_LIVE(__u32, homa_max_incoming, 400000, 10000, 1000000000, "bytes",
	   "what one link may have granted and not received");
ETRAN_LIVE(__u32, homa_window, 0, 0, 1000000, "bytes",
	   "the same for one message; 0: homa_max_incoming divided by the number of active messages + 1");
ETRAN_LIVE(__u32, homa_grant_step, 10000, 1, 1000000, "bytes",
	   "from how much on a GRANT is worth a packet, but for the rest of a message or a smaller window");
ETRAN_LIVE(__u32, homa_max_overcommit, 8, 1, 8, "messages",
	   "how many of a link have grants at a time");
ETRAN_LIVE(__u32, homa_max_rpcs_per_peer, 8, 1, 8, "messages",
	   "those of one peer among them");
ETRAN_LIVE(__u32, homa_max_sched_prio, 3, 0, 7, "",
	   "highest priority of DATA that was granted");
ETRAN_LIVE(__u32, homa_grant_fifo_fraction, 50, 0, 1000, "1/1000",
	   "share of all that is granted that goes to the oldest message");
ETRAN_LIVE(__u32, homa_fifo_grant_increment, 50000, 1, 1000000, "bytes",
	   "what it is granted at a time");

/* IP protocol: see peer.h */
ETRAN_LIVE(__u8, homa_hijack_tcp, 0, 0, 1, "",
	   "1: a peer of which nothing is known is sent TCP segments (IP protocol 6); others get what they send");

/* Sending: see pacer.h */
ETRAN_LIVE(__u32, homa_link_mbps, 25000, 0, 4000000, "Mb/s",
	   "speed of the NIC; 0: packets are not paced");
ETRAN_LIVE(__u32, homa_max_link_usage, 99, 1, 100, "1/100",
	   "how much of that DATA may use");
ETRAN_LIVE(__u32, homa_max_nic_est_backlog_usecs, 5, 0, 100000, "us",
	   "work that the NIC may have and still be given a packet by a sending application");
ETRAN_LIVE(__u32, homa_max_nic_queue_usecs, 40, 1, 100000, "us",
	   "work that the NIC may be given in all");
ETRAN_LIVE(__u32, homa_defer_min_bytes, 1000, 0, 1000000, "bytes",
	   "end of a message that is sent whatever the NIC has to do");
ETRAN_LIVE(__u32, homa_pacer_fifo_fraction, 50, 0, 1000, "1/1000",
	   "share of packets that the oldest message sends");

/*
 * Priorities. What is longer than all cutoffs has priority 0. Peers are told the cutoffs once for each
 * version, so who changes them changes the version too, last. The map is for switches whose queues are
 * ranked otherwise, or are fewer.
 */
ETRAN_LIVE(__u32, homa_unsched_cutoff_7, 200, 0, 1000000, "bytes",
	   "longest message to this host whose unscheduled DATA has priority 7");
ETRAN_LIVE(__u32, homa_unsched_cutoff_6, 2800, 0, 1000000, "bytes",
	   "the same for priority 6");
ETRAN_LIVE(__u32, homa_unsched_cutoff_5, 15000, 0, 1000000, "bytes",
	   "the same for priority 5");
ETRAN_LIVE(__u32, homa_unsched_cutoff_4, 1000000, 0, 1000000, "bytes",
	   "the same for priority 4");
ETRAN_LIVE(__u32, homa_unsched_cutoff_3, 0, 0, 1000000, "bytes",
	   "the same for priority 3");
ETRAN_LIVE(__u32, homa_unsched_cutoff_2, 0, 0, 1000000, "bytes",
	   "the same for priority 2");
ETRAN_LIVE(__u32, homa_unsched_cutoff_1, 0, 0, 1000000, "bytes",
	   "the same for priority 1");
ETRAN_LIVE(__u16, homa_cutoff_version, 1, 0, 65535, "",
	   "number of the set of cutoffs above, told in CUTOFFS; 0: peers are told none");
ETRAN_LIVE(__u8, homa_priority_map_0, 0, 0, 7, "",
	   "upper three bits of TOS or traffic class in packets of priority 0");
ETRAN_LIVE(__u8, homa_priority_map_1, 1, 0, 7, "",
	   "the same for priority 1");
ETRAN_LIVE(__u8, homa_priority_map_2, 2, 0, 7, "",
	   "the same for priority 2");
ETRAN_LIVE(__u8, homa_priority_map_3, 3, 0, 7, "",
	   "the same for priority 3");
ETRAN_LIVE(__u8, homa_priority_map_4, 4, 0, 7, "",
	   "the same for priority 4");
ETRAN_LIVE(__u8, homa_priority_map_5, 5, 0, 7, "",
	   "the same for priority 5");
ETRAN_LIVE(__u8, homa_priority_map_6, 6, 0, 7, "",
	   "the same for priority 6");
ETRAN_LIVE(__u8, homa_priority_map_7, 7, 0, 7, "",
	   "the same for priority 7");

/* So many ticks, at least one: a timer must rest between two rounds. */
static __always_inline __u64 ticks_ns(__u32 ticks)
{
	return (ticks ? ticks : 1) * etran_bounded(homa_tick_ns);
}

#endif /* _HOMA_TUNABLES_H */
