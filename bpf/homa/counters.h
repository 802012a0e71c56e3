/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of the transport, in the form that bpf/README.md describes: a per-CPU array called
 * "counters" and an enum transport_counter whose members name its entries, so that user space can
 * print them without knowing this transport.
 */
#ifndef _HOMA_COUNTERS_H
#define _HOMA_COUNTERS_H

enum transport_counter {
	/* packets sent, by type; "resent": DATA in answer to RESEND, included in tx_data */
	COUNTER_tx_data,
	COUNTER_tx_data_resent,
	COUNTER_tx_grant,
	COUNTER_tx_resend,
	COUNTER_tx_rpc_unknown,
	COUNTER_tx_busy,
	COUNTER_tx_cutoffs,
	COUNTER_tx_need_ack,
	COUNTER_tx_ack,
	COUNTER_tx_unreachable,
	/* packets received, by type, well-formed ones */
	COUNTER_rx_data,
	COUNTER_rx_grant,
	COUNTER_rx_resend,
	COUNTER_rx_rpc_unknown,
	COUNTER_rx_busy,
	COUNTER_rx_cutoffs,
	COUNTER_rx_freeze,
	COUNTER_rx_need_ack,
	COUNTER_rx_ack,
	COUNTER_rx_unreachable,
	/* packets received and dropped: malformed */
	COUNTER_rx_short,		/* shorter than its type's header */
	COUNTER_rx_bad_type,
	COUNTER_rx_bad_port,		/* port 0 */
	COUNTER_rx_bad_id,		/* no RPC can have this id */
	COUNTER_rx_bad_addr,		/* source is no host's address */
	COUNTER_rx_bad_length,		/* DATA: message length, offset or size out of range */
	COUNTER_rx_length_changed,	/* DATA: not the message length of the first packet */
	COUNTER_rx_bad_icmp,
	/* packets received and not used: nothing wrong with them */
	COUNTER_rx_duplicate,		/* DATA that is here already */
	COUNTER_rx_straddle,		/* DATA that is partly here already */
	COUNTER_rx_too_many_gaps,	/* DATA that would need another gap */
	COUNTER_rx_wrong_state,		/* too early or too late for its RPC */
	COUNTER_rx_unknown_rpc,
	COUNTER_rx_finished,		/* part of a request that was acknowledged already */
	COUNTER_rx_no_server,		/* for a port without a server */
	COUNTER_rx_table_full,		/* a request, and no room for its RPC */
	COUNTER_rx_no_buffer,		/* the application gave no buffer */
	/* frames of applications that were dropped */
	COUNTER_req_bad_op,
	COUNTER_req_bad_id,
	COUNTER_req_invalid,		/* a length, offset, address or port out of range */
	COUNTER_req_unknown_rpc,	/* no such RPC, or not any more */
	COUNTER_req_not_next,		/* does not continue its message */
	COUNTER_req_table_full,
	COUNTER_req_not_held,		/* the module could not keep the frame */
	/* RPCs */
	COUNTER_rpc_client,		/* begun here */
	COUNTER_rpc_server,		/* begun by a peer */
	COUNTER_rpc_client_done,	/* response complete */
	COUNTER_rpc_server_done,	/* response acknowledged */
	COUNTER_rpc_failed,		/* ended with an error to the application */
	COUNTER_rpc_aborted,
	COUNTER_rpc_abandoned,		/* ended because its endpoint was closed */
	COUNTER_rpc_server_lost,	/* given up: request not completed, or response not acknowledged */
	/* inside */
	COUNTER_queue_full,		/* work queue or control queue; the timer repairs it */
	COUNTER_error_retry,		/* an error waits for the application to give a buffer */
	COUNTER_error_lost,		/* an error for which there was neither buffer nor RPC */
	COUNTER_tx_deferred,		/* DATA that waited for its turn or the link */
	COUNTER_resend_less,		/* a RESEND asked for less, as RESENDs of others took the budget */
	COUNTER_grant_waits,		/* a grant waits because homa_max_incoming is used up */
	COUNTER_grant_no_buffer,	/* a message waits because its endpoint has no receive buffers */
	COUNTER_grant_fifo,		/* the oldest message got its share */
	COUNTER_frame_stale,		/* a held frame was gone; must stay 0 */
	COUNTER_rx_hijacked,		/* packets in TCP's clothes */
	COUNTER_MAX,
};

#include "count.h"

#endif /* _HOMA_COUNTERS_H */
