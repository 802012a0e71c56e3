/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * TCP: what the library and tcp.bpf.o tell each other.
 *
 * An endpoint is a door for any number of listeners and connections, each of which has an id. What needs an
 * answer at once (listen, connect) is a call of ETRAN_IOC_BIND; what goes with data (send, read, close) is a
 * frame; what happens is told in records. Rejected: an endpoint for each connection, as its file,
 * mapping and AF_XDP socket cost a hundred times what a connection does.
 *
 * Bytes of a stream are counted from 0 in each direction, in 64 bits; sequence numbers are the transport's
 * business. A frame is a segment: the library cuts the stream at the segment size that it is told, the
 * transport keeps the frame until the peer has acknowledged all of it, and sends it as often as it
 * must, whether the application runs or not. Received bytes are delivered as they arrive, also behind a gap, and
 * some perhaps twice: the library puts them in order by their offsets.
 *
 * The window that the peer is told is what the application said that it has read, plus its receive
 * buffer, but not more than it has given AF_XDP buffers for. Nothing of that is trusted: an application that lies
 * loses its own bytes.
 */
#ifndef _UAPI_ETRAN_TCP_H
#define _UAPI_ETRAN_TCP_H

#include <linux/types.h>
#include <linux/etran.h>

/* Most bytes of payload in a frame to be sent. */
#define ETRAN_TCP_MAX_SEGMENT		1984U
/* Most bytes of payload in a received segment: what a frame of libetran has room for. */
#define ETRAN_TCP_MAX_RECEIVED	1728U
/* Most bytes of a stream. */
#define ETRAN_TCP_MAX_STREAM		(1ULL << 47)

/* enum etran_tcp_cc_id, in etran_tcp_options() */
#define ETRAN_TCP_CC_SYSTEM		0U	/* the tunable tcp_cc says */
#define ETRAN_TCP_CC_NEWRENO		1U
#define ETRAN_TCP_CC_DCTCP		2U
#define ETRAN_TCP_CC_CUBIC		3U

/* etran_endpoint_bind.arg[2], the upper half, of ETRAN_TCP_LISTEN */
#define ETRAN_TCP_LISTEN_REUSEPORT	(1U << 0)	/* others of the same user may be at the port, if they say so, too */
#define ETRAN_TCP_LISTEN_SPARE		(1U << 1)	/* ETRAN_TCP_SPARE is 1 from the beginning */

/* arg[1] of ETRAN_TCP_CONNECT, beside etran_tcp_options(): nothing is sent before ETRAN_TCP_OP_PUSH */
#define ETRAN_TCP_CONNECT_LATER		(1ULL << 63)

/**
 * enum etran_tcp_control - etran_endpoint_bind.arg[0], the lower half, with ETRAN_IOC_BIND
 * @ETRAN_TCP_LISTEN: begin to listen at addr (all zero: any; of IPv4 any: ::ffff:0.0.0.0) and port, 0 for a free one.
 *	arg[1]: etran_tcp_options(); arg[2]: how many connections may wait to be accepted, those whose
 *	handshake is under way included, and in its upper half ETRAN_TCP_LISTEN_*; arg[3]: token of a listener at that
 *	port, whoever's, to listen beside, or 0.
 *	Answer: port; arg[0]: the listener's id; arg[1]: its token, which is arg[3] if that was given.
 *	Connections are spread over the listeners at a port; whoever listens beside spare listeners of that token, and
 *	is not itself, has those reset that wait at them.
 *	Errors: EADDRINUSE, EADDRNOTAVAIL (addr is none of this host), EACCES (port needs CAP_NET_BIND_SERVICE,
 *	ip_unprivileged_port_start), ENOENT (no listener has that token), ENOMEM (too many listeners), EINVAL.
 * @ETRAN_TCP_UNLISTEN: arg[1]: a listener's id. Connections that were not accepted are reset. Errors: ENOENT.
 * @ETRAN_TCP_CONNECT: connect to addr and port. arg[0], upper half: local port, 0 for a free one; arg[1]:
 *	etran_tcp_options(); arg[2], arg[3]: local address as 16 bytes, all zero for the route's choice.
 *	Answer: arg[0]: the connection's id; arg[1]: local port; arg[2], arg[3]: local address. The outcome is
 *	told by ETRAN_TCP_REC_OPENED or ETRAN_TCP_REC_ERROR.
 *	Errors: EADDRINUSE (that connection exists), EADDRNOTAVAIL (no port is free, or the local address is none of
 *	this host), EACCES (local port, as of ETRAN_TCP_LISTEN), ENETUNREACH, EHOSTUNREACH, ENOMEM (too many connections),
 *	EINVAL.
 * @ETRAN_TCP_SET: arg[0], upper half: enum etran_tcp_option; arg[1]: a connection's id, or a listener's, whose
 *	connections begin with that; arg[2]: value. Errors: ENOENT, ENOPROTOOPT (no such option), EINVAL (value).
 * @ETRAN_TCP_INFO: arg[0], upper half: a part of struct etran_conn_record (etran/conn.h): 0 for its first
 *	ETRAN_TCP_INFO_PART bytes, and so on; arg[1]: a connection's id. Answer: that part: 32 bytes in arg, 16 in addr. Each
 *	is of one moment or two. Errors: ENOENT, EINVAL (no such part).
 *
 * On the file of a shared stream there are ETRAN_TCP_SET and ETRAN_TCP_INFO; EPERM: the others.
 */
enum etran_tcp_control {
	ETRAN_TCP_LISTEN	= 1,
	ETRAN_TCP_UNLISTEN	= 2,
	ETRAN_TCP_CONNECT	= 3,
	ETRAN_TCP_SET		= 4,
	ETRAN_TCP_INFO		= 5,
};

#define ETRAN_TCP_INFO_PART	48U

/**
 * enum etran_tcp_option - of ETRAN_TCP_SET; 0 always is what a connection begins with
 * @ETRAN_TCP_KEEPALIVE: 1: ask a peer that is silent whether it lives
 * @ETRAN_TCP_KEEPALIVE_IDLE: after how long, ms; 0: the tunable tcp_keepalive_idle_ms
 * @ETRAN_TCP_KEEPALIVE_INTERVAL: and how often, ms; 0: tcp_keepalive_interval_ms
 * @ETRAN_TCP_KEEPALIVE_COUNT: give up after so many without answer, at most 127; 0: tcp_keepalive_count
 * @ETRAN_TCP_USER_TIMEOUT: give up when data got no acknowledgement for so long, ms (RFC 5482's local value); it counts for
 *	handshakes and keepalive, too; 0: tunables
 * @ETRAN_TCP_CONGESTION: ETRAN_TCP_CC_*; the congestion window stays
 * @ETRAN_TCP_SPARE: of listeners only: 1: others at its port that are not spare get all connections; 0: it gets its share
 */
enum etran_tcp_option {
	ETRAN_TCP_KEEPALIVE		= 1,
	ETRAN_TCP_KEEPALIVE_IDLE	= 2,
	ETRAN_TCP_KEEPALIVE_INTERVAL	= 3,
	ETRAN_TCP_KEEPALIVE_COUNT	= 4,
	ETRAN_TCP_USER_TIMEOUT		= 5,
	ETRAN_TCP_CONGESTION		= 6,
	ETRAN_TCP_SPARE			= 7,
	ETRAN_TCP_OPTIONS,
};

/**
 * etran_tcp_options() - etran_endpoint_bind.arg[1]
 * @rcvbuf: bytes that the peer may send before the application reads any; 0: the tunable tcp_rcvbuf
 * @cc: ETRAN_TCP_CC_*
 */
static inline __u64 etran_tcp_options(__u32 rcvbuf, __u32 cc)
{
	return (__u64)cc << 32 | rcvbuf;
}

/**
 * enum etran_tcp_op - struct etran_req.op
 * @ETRAN_TCP_OP_SEND: payload is the next bytes of the stream, at most the segment size; @offset says which. With
 *	ETRAN_TCP_REQ_FIN nothing comes behind it; payload may be empty then.
 * @ETRAN_TCP_OP_READ: no payload: the application has read up to @read. The first one accepts a connection.
 * @ETRAN_TCP_OP_CLOSE: no payload: the application forgets the connection. What it has submitted is still sent, then
 *	FIN; RST at once if it left received bytes unread.
 * @ETRAN_TCP_OP_ABORT: no payload: the application forgets the connection, the peer gets RST.
 * @ETRAN_TCP_OP_PUSH: no payload: nothing that was submitted waits for more any longer, nor the SYN of a connection that
 *	was begun with ETRAN_TCP_CONNECT_LATER.
 */
enum etran_tcp_op {
	ETRAN_TCP_OP_SEND	= ETRAN_STREAM_OP_SEND,
	ETRAN_TCP_OP_READ	= ETRAN_STREAM_OP_READ,
	ETRAN_TCP_OP_CLOSE	= 3,
	ETRAN_TCP_OP_ABORT	= 4,
	ETRAN_TCP_OP_PUSH	= ETRAN_STREAM_OP_PUSH,
};

/* struct etran_tcp_req.flags */
#define ETRAN_TCP_REQ_FIN		ETRAN_STREAM_REQ_FIN	/* ETRAN_TCP_OP_SEND: end of the stream */
/*
 * ETRAN_TCP_OP_SEND: what does not fill a segment may wait, until the next frame says otherwise, ETRAN_TCP_OP_PUSH or the end
 * of the stream. With NAGLE: while another such segment is not acknowledged (RFC 9293, 3.7.4). With MORE: until the
 * segment is full, but not for longer than a retransmission timeout.
 */
#define ETRAN_TCP_REQ_NAGLE		ETRAN_STREAM_REQ_NAGLE
#define ETRAN_TCP_REQ_MORE		ETRAN_STREAM_REQ_MORE

/**
 * struct etran_tcp_req - struct etran_req.data
 * @conn: the connection's id
 * @offset: ETRAN_TCP_OP_SEND: of the first byte of payload in the stream to the peer
 * @read: the application has read the stream from the peer up to here, exclusive; counts with every op
 * @flags: ETRAN_TCP_REQ_*
 * @reserved: 0
 *
 * Frames of a connection that is not the endpoint's, or not any more, are dropped. Laid out as struct etran_stream_req.
 */
struct etran_tcp_req {
	__u64 conn;
	__u64 offset;
	__u64 read;
	__u32 flags;
	__u32 reserved[7];
};

/**
 * enum etran_tcp_rec_type - struct etran_rec.type
 * @ETRAN_TCP_REC_OPENED: struct etran_tcp_rec_opened: a connection was established, by ETRAN_TCP_CONNECT or of a listener
 * @ETRAN_TCP_REC_DATA: struct etran_tcp_rec, payload: bytes of the stream. With ETRAN_TCP_RECV_FIN the stream ends behind them.
 * @ETRAN_TCP_REC_ERROR: struct etran_tcp_rec: the connection ended; nothing more comes from it. It stays known until
 *	ETRAN_TCP_OP_CLOSE.
 */
enum etran_tcp_rec_type {
	ETRAN_TCP_REC_OPENED	= 1,
	ETRAN_TCP_REC_DATA	= 2,
	ETRAN_TCP_REC_ERROR	= 3,
};

/* struct etran_tcp_rec.flags */
#define ETRAN_TCP_RECV_FIN		(1U << 0)	/* the stream ends at offset + len */

/**
 * struct etran_tcp_rec - ETRAN_TCP_REC_DATA, ETRAN_TCP_REC_ERROR
 * @conn: the connection's id
 * @offset: of the first byte of payload in the stream from the peer
 * @len: bytes of payload
 * @flags: ETRAN_TCP_RECV_*
 * @error: ETRAN_TCP_REC_ERROR: positive errno: ECONNREFUSED, ECONNRESET, ETIMEDOUT
 * @stream: number of the connection's file in the endpoint, 0: it has none
 * @reserved: 0
 *
 * Laid out as struct etran_stream_rec.
 */
struct etran_tcp_rec {
	__u64 conn;
	__u64 offset;
	__u32 len;
	__u32 flags;
	__u32 error;
	__u32 stream;
	__u32 reserved[6];
};

/**
 * struct etran_tcp_rec_opened - ETRAN_TCP_REC_OPENED
 * @conn: the connection's id
 * @listener: of a listener: its id; else 0
 * @mss: payload of a full segment to the peer, options deducted
 * @port: local, host byte order
 * @peer_port: the peer's, host byte order
 * @reserved: 0
 * @addr: local address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @peer: the peer's, likewise
 * @reserved2: 0
 */
struct etran_tcp_rec_opened {
	__u64 conn;
	__u32 listener;
	__u16 mss;
	__u16 port;
	__u16 peer_port;
	__u16 reserved;
	__be32 addr[4];
	__be32 peer[4];
	__u32 reserved2;
};

#endif /* _UAPI_ETRAN_TCP_H */
