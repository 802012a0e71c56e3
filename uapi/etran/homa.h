/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * Homa: wire format, and the records between the library and homa.bpf.o.
 *
 * Wire format: HomaModule (Linux Homa) since 2025-07, IP protocol 146, or 6 in TCP's clothes. Every multi-byte field of a
 * packet is in network byte order. All structures are packed to 4 bytes: a Homa header begins at a
 * multiple of 4 behind an IP header of 20 or 40 bytes.
 */
#ifndef _UAPI_ETRAN_HOMA_H
#define _UAPI_ETRAN_HOMA_H

#include <linux/types.h>
#include <linux/etran.h>

#define HOMA_IPPROTO			146
#define HOMA_MAX_MESSAGE_LENGTH		1000000
/* Ports below are servers', chosen with homa_bind(); clients get one from here on. */
#define HOMA_MIN_DEFAULT_PORT		0x8000

enum homa_packet_type {
	HOMA_DATA		= 0x10,
	HOMA_GRANT		= 0x11,
	HOMA_RESEND		= 0x12,
	HOMA_RPC_UNKNOWN	= 0x13,
	HOMA_BUSY		= 0x14,
	HOMA_CUTOFFS		= 0x15,
	HOMA_FREEZE		= 0x16,
	HOMA_NEED_ACK		= 0x17,
	HOMA_ACK		= 0x18,
};

#define HOMA_DOFF_DATA		0xe0
#define HOMA_DOFF_CONTROL	0x50
#define HOMA_FLAGS		0x06
#define HOMA_URGENT		0xb97d
/* homa_data_hdr.offset: "the offset is in homa_common_hdr.sequence" */
#define HOMA_OFFSET_IN_SEQUENCE	0xffffffffU
/* homa_resend_hdr.length: "nothing arrived, send again whatever was sent" */
#define HOMA_RESEND_ALL		0xffffffffU
#define HOMA_MAX_ACKS		5

/**
 * struct homa_common_hdr - how every Homa packet begins; overlays a TCP header
 * @sport: port of the sender
 * @dport: port of the receiver
 * @sequence: DATA: offset in the message of the first byte of payload; else 0
 * @ack: 0
 * @type: enum homa_packet_type
 * @doff: HOMA_DOFF_*
 * @flags: HOMA_FLAGS
 * @window: 0
 * @checksum: not looked at; 0, or TCP's with IP protocol 6
 * @urgent: HOMA_URGENT
 * @sender_id: the RPC's id at the sender: even from the client, odd from the server
 */
struct homa_common_hdr {
	__be16 sport;
	__be16 dport;
	__be32 sequence;
	__u8 ack[3];
	__u8 type;
	__u8 doff;
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
	__be64 sender_id;
} __attribute__((packed, aligned(4)));

/**
 * struct homa_ack - says that the client has the response of an RPC
 * @client_id: its id at the client, even; 0 for none
 * @server_port: the server's port
 */
struct homa_ack {
	__be64 client_id;
	__be16 server_port;
} __attribute__((packed, aligned(2)));

/**
 * struct homa_data_hdr - DATA
 * @common: common header
 * @message_length: bytes of the whole message, 1..HOMA_MAX_MESSAGE_LENGTH
 * @incoming: bytes that the sender sends without further grants
 * @ack: a finished RPC of the sender
 * @cutoff_version: version of the last CUTOFFS received from the destination, 0 for none
 * @retransmit: 1 in an answer to RESEND
 * @pad: 0
 * @offset: offset in the message of the payload, or HOMA_OFFSET_IN_SEQUENCE
 */
struct homa_data_hdr {
	struct homa_common_hdr common;
	__be32 message_length;
	__be32 incoming;
	struct homa_ack ack;
	__be16 cutoff_version;
	__u8 retransmit;
	__u8 pad[3];
	__be32 offset;
} __attribute__((packed, aligned(4)));

/**
 * struct homa_grant_hdr - GRANT
 * @common: common header
 * @offset: the sender may send up to here, exclusive
 * @priority: for that DATA, 0..7
 */
struct homa_grant_hdr {
	struct homa_common_hdr common;
	__be32 offset;
	__u8 priority;
} __attribute__((packed));

/**
 * struct homa_resend_hdr - RESEND
 * @common: common header
 * @offset: first missing byte
 * @length: how many, or HOMA_RESEND_ALL
 * @priority: for the DATA sent again
 */
struct homa_resend_hdr {
	struct homa_common_hdr common;
	__be32 offset;
	__be32 length;
	__u8 priority;
} __attribute__((packed));

/**
 * struct homa_cutoffs_hdr - CUTOFFS
 * @common: common header
 * @unsched_cutoffs: entry i: largest message that uses priority i
 * @cutoff_version: to be echoed in DATA
 */
struct homa_cutoffs_hdr {
	struct homa_common_hdr common;
	__be32 unsched_cutoffs[8];
	__be16 cutoff_version;
} __attribute__((packed));

/**
 * struct homa_ack_hdr - ACK
 * @common: common header; its sender_id is acknowledged too
 * @num_acks: entries in @acks, at most HOMA_MAX_ACKS
 * @acks: finished RPCs
 */
struct homa_ack_hdr {
	struct homa_common_hdr common;
	__be16 num_acks;
	struct homa_ack acks[HOMA_MAX_ACKS];
} __attribute__((packed));

/* ---- library and transport ---- */

/* struct etran_req.op */
enum homa_op {
	HOMA_OP_REQUEST		= 1,	/* a segment of a request; payload */
	HOMA_OP_RESPONSE	= 2,	/* a segment of a response; payload */
	HOMA_OP_ABORT		= 3,	/* forget a client's RPC; no payload */
};

/**
 * struct homa_req - struct etran_req.data
 * @id: the RPC's id at this host: even for REQUEST and ABORT (0 with ABORT: all of this endpoint),
 *	odd for RESPONSE, as received
 * @msg_len: bytes of the whole message, 1..HOMA_MAX_MESSAGE_LENGTH, the same in every segment
 * @offset: where this segment begins; segments of a message are submitted in order without gaps
 * @addr: the peer's address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @port: the peer's port, host byte order
 * @flags: 0
 * @reserved: 0
 *
 * Request ids of an endpoint are chosen by the library: it starts at etran_endpoint_open.arg[0] and
 * adds 2 each. A segment that does not continue its message is dropped and, for a request, the
 * RPC fails with EINVAL.
 */
struct homa_req {
	__u64 id;
	__u32 msg_len;
	__u32 offset;
	__be32 addr[4];
	__u16 port;
	__u16 flags;
	__u32 reserved;
};

/* struct etran_rec.type */
enum homa_rec_type {
	HOMA_REC_DATA		= 1,	/* payload: bytes of a message */
	HOMA_REC_ERROR		= 2,	/* the RPC ended without a response; no payload */
};

/**
 * struct homa_rec - struct etran_rec.data
 * @id: the RPC's id at this host: odd: part of a request, even: part of the response
 * @msg_len: bytes of the whole message
 * @offset: where this payload belongs
 * @addr: the peer's address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @port: the peer's port, host byte order
 * @flags: 0
 * @error: positive errno: ETIMEDOUT, ENOTCONN (peer has no such port), ECONNRESET (peer lost its
 *	   state), EHOSTUNREACH, ENETUNREACH, EINVAL
 * @len: bytes of payload
 * @generation: tells the RPC from an earlier one of the same id and peer, whose host has started anew
 *
 * The same bytes may be delivered more than once; the library keeps what it has.
 */
struct homa_rec {
	__u64 id;
	__u32 msg_len;
	__u32 offset;
	__be32 addr[4];
	__u16 port;
	__u16 flags;
	__u32 error;
	__u32 len;
	__u32 generation;
};

#endif /* _UAPI_ETRAN_HOMA_H */
