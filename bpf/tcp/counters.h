/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of the transport, in the form that bpf/README.md describes: a per-CPU array called
 * "counters" and an enum transport_counter whose members name its entries.
 */
#ifndef _TCP_COUNTERS_H
#define _TCP_COUNTERS_H

enum transport_counter {
	/* segments sent */
	COUNTER_tx_syn,
	COUNTER_tx_synack,
	COUNTER_tx_data,
	COUNTER_tx_ack,			/* without payload */
	COUNTER_tx_fin,
	COUNTER_tx_rst,
	COUNTER_tx_probe,		/* into a closed window */
	COUNTER_tx_keepalive,
	COUNTER_tx_cookie,		/* SYN and ACK for whose connection nothing is kept */
	COUNTER_tx_tail_probe,		/* of data: for the loss of the last segments */
	COUNTER_tx_rescue,		/* of data, again: the last of a flight, on suspicion alone (RFC 6675) */
	COUNTER_tx_paced,		/* of data: not at once */
	COUNTER_tx_dsack,		/* ACKs that say what came twice */
	COUNTER_tx_retransmit,		/* of these: data, SYN or FIN again */
	/* segments received for etran's connections and listeners, well-formed ones */
	COUNTER_rx_segments,
	COUNTER_rx_predicted,		/* of these: what was to be expected next (predict.h) */
	COUNTER_rx_data,		/* with payload that was delivered */
	COUNTER_rx_ce,			/* marked by the network */
	/* received and dropped: malformed */
	COUNTER_rx_bad_offset,		/* data offset too small, or beyond the segment */
	COUNTER_rx_bad_checksum,
	COUNTER_rx_bad_address,		/* source is no host's address, or port 0 */
	COUNTER_rx_bad_options,		/* an option's length is impossible; what follows is ignored */
	/* received and not used */
	COUNTER_rx_paws,		/* timestamp older than one seen before */
	COUNTER_rx_out_of_window,
	COUNTER_rx_duplicate,		/* payload that is here already */
	COUNTER_rx_no_ack,		/* neither ACK, SYN nor RST */
	COUNTER_rx_ack_invalid,		/* acknowledges what was not sent, or is ancient */
	COUNTER_rx_after_close,		/* payload for an application that has closed */
	COUNTER_rx_no_buffer,		/* the application gave no buffer */
	COUNTER_rx_no_connection,	/* for a listener's port, of no connection */
	COUNTER_rx_syn_dropped,		/* backlog or table full */
	COUNTER_rx_cookie,		/* ACK that brought a cookie back */
	COUNTER_rx_cookie_dropped,	/* likewise, and there was no room for its connection */
	COUNTER_rx_busy,		/* another CPU has the connection's handshake in hand */
	COUNTER_rx_icmp,		/* ICMP error about a segment that is on its way */
	COUNTER_rx_too_big,		/* likewise: it was too long for the path */
	COUNTER_rx_icmp_invalid,	/* about another one of a connection */
	/* what attacks look like */
	COUNTER_challenge_ack,
	COUNTER_challenge_limited,	/* not sent, as there were too many */
	COUNTER_rst_received,		/* that ended a connection */
	/* recovery */
	COUNTER_fast_recovery,
	COUNTER_rto,
	COUNTER_cwr,			/* the window was reduced for ECN */
	/* connections */
	COUNTER_conn_active,		/* begun here */
	COUNTER_conn_passive,		/* begun by a peer, and established */
	COUNTER_conn_reset,		/* by us, unread data or aborted */
	COUNTER_conn_timeout,
	COUNTER_conn_refused,
	COUNTER_time_wait_ended,	/* before its time: for its slot, or its port */
	/* frames of applications that were dropped */
	COUNTER_req_bad_op,
	COUNTER_req_no_connection,
	COUNTER_req_not_next,		/* not the next bytes of the stream, or too many */
	COUNTER_req_bad_state,		/* not established, or behind FIN */
	COUNTER_req_not_held,		/* the module could not keep the frame */
	/* inside */
	COUNTER_queue_full,		/* gen's queue; the timer repairs it */
	COUNTER_report_retry,		/* a record waits for the application to give a buffer */
	COUNTER_frame_stale,		/* a kept frame was gone; must stay 0 */
	COUNTER_MAX,
};

#include "count.h"

#endif /* _TCP_COUNTERS_H */
