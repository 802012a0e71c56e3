/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building packets. Every store has a constant offset in struct etran_hdr, as the verifier demands:
 * the IPv4 header begins at WIRE_IP, so that DATA's Homa header ends with the buffer, as headers in
 * front of payload must; and at WIRE_IP_ACK in ACK and CUTOFFS, which are longer.
 */
#ifndef _HOMA_WIRE_H
#define _HOMA_WIRE_H

#define IP_LEN		20
#define WIRE_IP		180
#define WIRE_IP_ACK	156

_Static_assert(WIRE_IP + IP_LEN + sizeof(struct homa_data_hdr) == ETRAN_HDR_LEN, "DATA fits");
_Static_assert(WIRE_IP_ACK + IP_LEN + sizeof(struct homa_ack_hdr) == ETRAN_HDR_LEN, "ACK fits");
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

#define HOMA_OFF(type, field)	(WIRE_IP + IP_LEN + __builtin_offsetof(struct type, field))

/* What stands for a priority in TOS. */
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

/* The IPv4 header at @at. tot_len, id, frag_off and check are the module's. */
static __always_inline void put_ip(struct etran_hdr *hdr, __u32 at, __u8 protocol, __u8 priority,
				   __be32 saddr, __be32 daddr)
{
	put32(hdr, at, bpf_htonl(0x45000000 | (__u32)priority_tos(priority) << 16));
	put32(hdr, at + 4, 0);
	put32(hdr, at + 8, bpf_htonl(64 << 24 | (__u32)protocol << 16));
	put32(hdr, at + 12, saddr);
	put32(hdr, at + 16, daddr);
}

/**
 * struct head - what every Homa packet begins with
 * @id: sender_id, host byte order
 * @saddr: network byte order
 * @daddr: network byte order
 * @sport: host byte order
 * @dport: host byte order
 */
struct head {
	__u64 id;
	__be32 saddr;
	__be32 daddr;
	__u16 sport;
	__u16 dport;
	__u32 zero;
};

static __always_inline void head_of_rpc(struct head *head, const struct rpc *rpc)
{
	head->id = rpc->key.id;
	head->saddr = rpc->local;
	head->daddr = rpc->key.peer;
	head->sport = rpc->key.port;
	head->dport = rpc->key.peer_port;
}

/* IPv4 header at @at and the common header behind it. */
static __always_inline void put_common(struct etran_hdr *hdr, __u32 at, const struct head *head,
				       __u8 type, __u8 doff, __u8 priority, __u32 sequence)
{
	put_ip(hdr, at, HOMA_IPPROTO, priority, head->saddr, head->daddr);
	at += IP_LEN;
	put16(hdr, at, bpf_htons(head->sport));
	put16(hdr, at + 2, bpf_htons(head->dport));
	put32(hdr, at + 4, bpf_htonl(sequence));
	/* ack[3] and type; doff, flags, window; checksum, urgent */
	put32(hdr, at + 8, bpf_htonl(type));
	put32(hdr, at + 12, bpf_htonl((__u32)doff << 24 | HOMA_FLAGS << 16));
	put32(hdr, at + 16, bpf_htonl(HOMA_URGENT));
	/* sender_id in halves, as it is aligned to 4 bytes only */
	put32(hdr, at + 20, bpf_htonl(head->id >> 32));
	put32(hdr, at + 24, bpf_htonl((__u32)head->id));
}

/* A control packet whose own fields, if any, the caller adds. @len: of the Homa header. */
static __always_inline void put_control(struct etran_pkt *pkt, struct etran_hdr *hdr, __u32 at,
					const struct head *head, __u8 type, __u16 len)
{
	pkt->hdr_off = at;
	pkt->hdr_len = IP_LEN + len;
	put_common(hdr, at, head, type, HOMA_DOFF_CONTROL, PRIORITY_CONTROL, 0);
}

/**
 * struct data - what a DATA packet says
 * @head: see there
 * @offset: of the payload in the message
 * @message_length: bytes
 * @incoming: bytes that are sent without further grants
 * @cutoff_version: network byte order
 * @retransmit: 1 in answer to RESEND
 * @priority: 0..7
 */
struct data {
	struct head head;
	__u32 offset;
	__u32 message_length;
	__u32 incoming;
	__be16 cutoff_version;
	__u8 retransmit;
	__u8 priority;
};

static __always_inline void put_data(struct etran_pkt *pkt, struct etran_hdr *hdr,
				     const struct data *data)
{
	pkt->hdr_off = WIRE_IP;
	pkt->hdr_len = ETRAN_HDR_LEN - WIRE_IP;
	/* The offset in both places: whichever a receiver looks at is right. */
	put_common(hdr, WIRE_IP, &data->head, HOMA_DATA, HOMA_DOFF_DATA, data->priority,
		   data->offset);
	put32(hdr, HOMA_OFF(homa_data_hdr, message_length), bpf_htonl(data->message_length));
	put32(hdr, HOMA_OFF(homa_data_hdr, incoming), bpf_htonl(data->incoming));
	put32(hdr, HOMA_OFF(homa_data_hdr, ack), 0);
	put32(hdr, HOMA_OFF(homa_data_hdr, ack) + 4, 0);
	put16(hdr, HOMA_OFF(homa_data_hdr, ack) + 8, 0);
	put16(hdr, HOMA_OFF(homa_data_hdr, cutoff_version), data->cutoff_version);
	put32(hdr, HOMA_OFF(homa_data_hdr, retransmit), bpf_htonl(data->retransmit << 24));
	put32(hdr, HOMA_OFF(homa_data_hdr, offset), bpf_htonl(data->offset));
}

#endif /* _HOMA_WIRE_H */
