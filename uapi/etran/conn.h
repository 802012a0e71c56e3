/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What a transport says of each of its connections: its iterator to 'etranctl conn', and the transport itself to the
 * application that has the connection (ETRAN_TCP_INFO). bpf/README.md says how a transport offers the first.
 */
#ifndef _UAPI_ETRAN_CONN_H
#define _UAPI_ETRAN_CONN_H

#include <linux/types.h>

#define ETRAN_CONN_NAME_LEN	16

/* etran_conn_record.flags */
#define ETRAN_CONN_PASSIVE	(1U << 0)	/* it was begun by the peer */
#define ETRAN_CONN_DETACHED	(1U << 1)	/* its application has let go of it */
#define ETRAN_CONN_TIMESTAMPS	(1U << 2)	/* negotiated, as the next three */
#define ETRAN_CONN_SACK		(1U << 3)
#define ETRAN_CONN_WSCALE	(1U << 4)
#define ETRAN_CONN_ECN		(1U << 5)
#define ETRAN_CONN_KEEPALIVE	(1U << 6)	/* asked for */
#define ETRAN_CONN_RECOVERY	(1U << 7)	/* fast recovery is going on */
#define ETRAN_CONN_TIMEOUT	(1U << 8)	/* a retransmission timer went off, and not all of that is repaired */

/**
 * struct etran_conn_record - one connection
 * @size: sizeof(struct etran_conn_record) where the transport was built: what comes behind it is the next record
 * @flags: ETRAN_CONN_*
 * @id: as the transport calls it
 * @addr: local address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @peer: the peer's, likewise
 * @port: local, host byte order
 * @peer_port: host byte order
 * @link: id of the link device
 * @endpoint: id of the application's endpoint
 * @error: positive errno that the application has still to be told, 0 for none
 * @snd_wscale: shift of the windows that the peer tells
 * @rcv_wscale: shift of those that it is told
 * @backoff: how often the retransmission timeout was doubled
 * @probes: keepalive probes without answer
 * @mss: payload of a full segment to the peer
 * @rcv_mss: the same from the peer, as it was told
 * @cwnd: congestion window, bytes
 * @ssthresh: where slow start ends, bytes
 * @alpha: DCTCP's share of marked bytes, of 1024
 * @srtt_us: smoothed round trip time, 0: none was measured
 * @rttvar_us: its variation
 * @rto_us: retransmission timeout, backoff included
 * @retransmits: segments that were sent again
 * @user_timeout_ms: how long data may go without acknowledgement
 * @rcvbuf: what the peer may send beyond what was read
 * @pacing_rate: bytes a second, 0: not paced
 * @sent: bytes of the stream that were sent, at least once
 * @acked: of these, acknowledged
 * @unsent: submitted and not sent
 * @received: bytes of the stream that are here without a gap in front
 * @unread: of these, not read
 * @out_of_order: bytes that are here behind a gap
 * @send_window: what the peer's window allows, bytes from the first that is not acknowledged
 * @receive_window: what it was told, bytes
 * @age_ns: since it began
 * @quiet_ns: since something came from the peer
 * @state: of RFC 9293, as a word: "ESTAB", NUL-terminated
 * @cc: congestion control, likewise
 */
struct etran_conn_record {
	__u32 size;
	__u32 flags;
	__u64 id;
	__be32 addr[4];
	__be32 peer[4];
	__u16 port;
	__u16 peer_port;
	__u32 link;
	__u32 endpoint;
	__u32 error;
	__u8 snd_wscale;
	__u8 rcv_wscale;
	__u8 backoff;
	__u8 probes;
	__u16 mss;
	__u16 rcv_mss;
	__u32 cwnd;
	__u32 ssthresh;
	__u32 alpha;
	__u32 srtt_us;
	__u32 rttvar_us;
	__u32 rto_us;
	__u32 retransmits;
	__u32 user_timeout_ms;
	__u32 rcvbuf;
	__u32 reserved;
	__u64 pacing_rate;
	__u64 sent;
	__u64 acked;
	__u64 unsent;
	__u64 received;
	__u64 unread;
	__u64 out_of_order;
	__u64 send_window;
	__u64 receive_window;
	__u64 age_ns;
	__u64 quiet_ns;
	char state[ETRAN_CONN_NAME_LEN];
	char cc[ETRAN_CONN_NAME_LEN];
};

#endif /* _UAPI_ETRAN_CONN_H */
