/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building packets. Every store has a constant offset in struct etran_hdr, as the verifier demands:
 * the Homa header begins at WIRE_HOMA, so that DATA's ends with the buffer, as headers in front of payload
 * must; and at WIRE_HOMA_LONG in ACK and CUTOFFS, which are longer. The IP header ends there, so that only
 * where it begins depends on whether it is IPv4's or IPv6's.
 *
 * All packets bear TCP's flags and urgent pointer, so one in TCP's clothes differs by its IP protocol alone. Its
 * checksum is the module's.
 */
#ifndef _HOMA_WIRE_H
#define _HOMA_WIRE_H

#define WIRE_HOMA	200
#define WIRE_HOMA_LONG	176

_Static_assert(WIRE_HOMA + sizeof(struct homa_data_hdr) == ETRAN_HDR_LEN, "DATA fits");
_Static_assert(WIRE_HOMA_LONG + sizeof(struct homa_ack_hdr) == ETRAN_HDR_LEN, "ACK fits");
_Static_assert(sizeof(struct homa_common_hdr) == 28, "wire format");
_Static_assert(sizeof(struct homa_data_hdr) == 56, "wire format");
_Static_assert(sizeof(struct homa_grant_hdr) == 33, "wire format");
_Static_assert(sizeof(struct homa_resend_hdr) == 37, "wire format");
_Static_assert(sizeof(struct homa_cutoffs_hdr) == 62, "wire format");
_Static_assert(sizeof(struct homa_ack_hdr) == 80, "wire format");
_Static_assert(sizeof(struct homa_req) <= ETRAN_REC_DATA, "fits the record");
_Static_assert(sizeof(struct homa_rec) <= ETRAN_REC_DATA, "fits the record");

/* Priority of control packets and of DATA in answer to RESEND: the highest. */
#define PRIORITY_CONTROL	7
/* Of unscheduled DATA to a peer that sent no CUTOFFS. */
#define PRIORITY_UNSCHEDULED	6
#define PRIORITIES		8

#define put8(hdr, off, value)	(*(__u8 *)((hdr)->b + (off)) = (value))
#define put16(hdr, off, value)	(*(__u16 *)((hdr)->b + (off)) = (value))
#define put32(hdr, off, value)	(*(__u32 *)((hdr)->b + (off)) = (value))
#define get8(hdr, off)		(*(__u8 *)((hdr)->b + (off)))
#define get16(hdr, off)		(*(__u16 *)((hdr)->b + (off)))
#define get32(hdr, off)		(*(__u32 *)((hdr)->b + (off)))

#define HOMA_OFF(type, field)	(WIRE_HOMA + __builtin_offsetof(struct type, field))

/* What stands for a priority in TOS or traffic class. */
static __always_inline __u8 priority_tos(__u8 priority)
{
	switch (priority) {
	case 0:
		return homa_priority_map_0 << 5;
	case 1:
		return homa_priority_map_1 << 5;
	case 2:
		return homa_priority_map_2 << 5;
	case 3:
		return homa_priority_map_3 << 5;
	case 4:
		return homa_priority_map_4 << 5;
	case 5:
		return homa_priority_map_5 << 5;
	case 6:
		return homa_priority_map_6 << 5;
	default:
		return homa_priority_map_7 << 5;
	}
}

/* Length of the Homa header of a packet type, 0 for unknown types. */
static __always_inline __u32 header_len(__u8 type)
{
	switch (type) {
	case HOMA_DATA:
		return sizeof(struct homa_data_hdr);
	case HOMA_GRANT:
		return sizeof(struct homa_grant_hdr);
	case HOMA_RESEND:
		return sizeof(struct homa_resend_hdr);
	case HOMA_CUTOFFS:
		return sizeof(struct homa_cutoffs_hdr);
	case HOMA_ACK:
		return sizeof(struct homa_ack_hdr);
	case HOMA_RPC_UNKNOWN:
	case HOMA_BUSY:
	case HOMA_FREEZE:
	case HOMA_NEED_ACK:
		return sizeof(struct homa_common_hdr);
	}
	return 0;
}

/**
 * struct carrier - what the IP header says
 * @saddr: source; none: the route's choice
 * @daddr: destination
 * @protocol: of what follows
 * @priority: 0..7
 */
struct carrier {
	const struct address *saddr;
	const struct address *daddr;
	__u8 protocol;
	__u8 priority;
};

/*
 * The IP header that ends at @at, in front of @len bytes of other headers. IPv4's tot_len, id, frag_off
 * and check and IPv6's payload_len are the module's.
 */
static __always_inline void put_ip(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 at, __u32 len,
				   const struct carrier *c)
{
	__u32 tos = priority_tos(c->priority);

	if (address_is_ipv4(c->daddr)) {
		pkt->hdr_off = at - IP4_LEN;
		pkt->hdr_len = IP4_LEN + len;
		put32(hdr, at - 20, bpf_htonl(0x45000000 | tos << 16));
		put32(hdr, at - 16, 0);
		put32(hdr, at - 12, bpf_htonl(64 << 24 | (__u32)c->protocol << 16));
		put32(hdr, at - 8, c->saddr->a[3]);
		put32(hdr, at - 4, c->daddr->a[3]);
		return;
	}
	pkt->hdr_off = at - IP6_LEN;
	pkt->hdr_len = IP6_LEN + len;
	put32(hdr, at - 40, bpf_htonl(0x60000000 | tos << 20));
	put32(hdr, at - 36, bpf_htonl((__u32)c->protocol << 8 | 64));
	put32(hdr, at - 32, c->saddr->a[0]);
	put32(hdr, at - 28, c->saddr->a[1]);
	put32(hdr, at - 24, c->saddr->a[2]);
	put32(hdr, at - 20, c->saddr->a[3]);
	put32(hdr, at - 16, c->daddr->a[0]);
	put32(hdr, at - 12, c->daddr->a[1]);
	put32(hdr, at - 8, c->daddr->a[2]);
	put32(hdr, at - 4, c->daddr->a[3]);
}

/* The common header at @at. */
static __always_inline void put_common(struct etran_hdr *hdr, __u32 at, const struct rpc_key *key,
				       __u8 type, __u8 doff, __u32 sequence)
{
	put16(hdr, at, bpf_htons(key->port));
	put16(hdr, at + 2, bpf_htons(key->peer_port));
	put32(hdr, at + 4, bpf_htonl(sequence));
	/* ack[3] and type; doff, flags, window; checksum, urgent */
	put32(hdr, at + 8, bpf_htonl(type));
	put32(hdr, at + 12, bpf_htonl((__u32)doff << 24 | HOMA_FLAGS << 16));
	put32(hdr, at + 16, bpf_htonl(HOMA_URGENT));
	/* sender_id in halves, as it is aligned to 4 bytes only */
	put32(hdr, at + 20, bpf_htonl(key->id >> 32));
	put32(hdr, at + 24, bpf_htonl((__u32)key->id));
}

/* See peer.h. */
static __always_inline __u8 peer_protocol(const struct rpc_key *key);

/* A control packet about an RPC. Its own fields, if any, are the caller's. */
static __always_inline void put_control(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 at,
					const struct rpc_key *key, const struct address *local,
					__u8 type)
{
	struct carrier c = {
		.saddr = local,
		.daddr = &key->peer,
		.protocol = peer_protocol(key),
		.priority = PRIORITY_CONTROL,
	};

	pkt->link = key->link;
	put_ip(pkt, hdr, at, header_len(type), &c);
	put_common(hdr, at, key, type, HOMA_DOFF_CONTROL, 0);
}

/* An acknowledgement at @at, in halves of words, which is how it is aligned. */
static __always_inline void put_ack(struct etran_hdr *hdr, __u32 at, const struct finished_rpc *ack)
{
	put16(hdr, at, bpf_htons(ack->id >> 48));
	put16(hdr, at + 2, bpf_htons(ack->id >> 32));
	put16(hdr, at + 4, bpf_htons(ack->id >> 16));
	put16(hdr, at + 6, bpf_htons(ack->id));
	put16(hdr, at + 8, bpf_htons(ack->port));
}

/**
 * struct data - what a DATA packet says
 * @local: its source
 * @offset: of the payload in the message
 * @message_length: bytes
 * @incoming: bytes that are sent without further grants
 * @cutoff_version: network byte order
 * @retransmit: 1 in answer to RESEND
 * @priority: 0..7
 */
struct data {
	struct address local;
	__u32 offset;
	__u32 message_length;
	__u32 incoming;
	__be16 cutoff_version;
	__u8 retransmit;
	__u8 priority;
};

/* @ack: acknowledges this, too; id 0 for nothing. */
static __always_inline void put_data(struct etran_pkt *pkt, struct etran_hdr *hdr,
				     const struct rpc_key *key, const struct data *data,
				     const struct finished_rpc *ack)
{
	struct carrier c = {
		.saddr = &data->local,
		.daddr = &key->peer,
		.protocol = peer_protocol(key),
		.priority = data->priority,
	};

	put_ip(pkt, hdr, WIRE_HOMA, sizeof(struct homa_data_hdr), &c);
	/* The offset in both places: whichever a receiver looks at is right. */
	put_common(hdr, WIRE_HOMA, key, HOMA_DATA, HOMA_DOFF_DATA, data->offset);
	put32(hdr, HOMA_OFF(homa_data_hdr, message_length), bpf_htonl(data->message_length));
	put32(hdr, HOMA_OFF(homa_data_hdr, incoming), bpf_htonl(data->incoming));
	put32(hdr, HOMA_OFF(homa_data_hdr, ack), bpf_htonl(ack->id >> 32));
	put32(hdr, HOMA_OFF(homa_data_hdr, ack) + 4, bpf_htonl((__u32)ack->id));
	put16(hdr, HOMA_OFF(homa_data_hdr, ack) + 8, bpf_htons(ack->port));
	put16(hdr, HOMA_OFF(homa_data_hdr, cutoff_version), data->cutoff_version);
	put32(hdr, HOMA_OFF(homa_data_hdr, retransmit), bpf_htonl(data->retransmit << 24));
	put32(hdr, HOMA_OFF(homa_data_hdr, offset), bpf_htonl(data->offset));
}

#endif /* _HOMA_WIRE_H */
