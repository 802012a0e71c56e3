/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every received packet: its common header is checked here, the rest where its type is handled.
 * Homa packets over IPv4 are never passed to the kernel, which would answer with "protocol unreachable", and
 * at that a peer gives up all RPCs with this host.
 */
#ifndef _HOMA_INGRESS_H
#define _HOMA_INGRESS_H

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

SEC("struct_ops/ingress")
__u32 BPF_PROG(ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct received r = {};
	__u32 len = pkt->len, need;
	__u64 sender_id;

	/* To the kernel, which then says that nobody here speaks this over IPv6. */
	if (get8(hdr, 0) >> 4 != 4)
		return ETRAN_PASS;
	if (len >= IP_LEN && get8(hdr, 9) == ICMP_PROTOCOL)
		return ingress_icmp(pkt, hdr);
	if (len < IP_LEN + sizeof(struct homa_common_hdr)) {
		count(COUNTER_rx_short);
		return ETRAN_DROP;
	}
	r.type = get8(hdr, IP_LEN + 11);
	need = header_len(r.type);
	if (!need) {
		count(COUNTER_rx_bad_type);
		return ETRAN_DROP;
	}
	if (len < IP_LEN + need) {
		count(COUNTER_rx_short);
		return ETRAN_DROP;
	}
	r.key.link = pkt->link;
	r.key.peer = get32(hdr, 12);
	r.local = get32(hdr, 16);
	r.key.peer_port = bpf_ntohs(get16(hdr, IP_LEN));
	r.key.port = bpf_ntohs(get16(hdr, IP_LEN + 2));
	sender_id = (__u64)bpf_ntohl(get32(hdr, IP_LEN + 20)) << 32 |
		    bpf_ntohl(get32(hdr, IP_LEN + 24));
	r.key.id = sender_id ^ 1;
	if (!r.key.peer_port || !r.key.port) {
		count(COUNTER_rx_bad_port);
		return ETRAN_DROP;
	}
	if (!is_host_address(r.key.peer) || !is_host_address(r.local)) {
		count(COUNTER_rx_bad_addr);
		return ETRAN_DROP;
	}
	if (sender_id < 2) {
		count(COUNTER_rx_bad_id);
		return ETRAN_DROP;
	}
	r.now = bpf_ktime_get_ns();

	switch (r.type) {
	case HOMA_DATA:
		return ingress_data(pkt, hdr, &r);
	case HOMA_GRANT:
		count(COUNTER_rx_grant);
		return ingress_grant(hdr, &r);
	case HOMA_RESEND:
		count(COUNTER_rx_resend);
		return ingress_resend(hdr, &r);
	case HOMA_RPC_UNKNOWN:
		count(COUNTER_rx_rpc_unknown);
		return ingress_rpc_unknown(&r);
	case HOMA_BUSY:
		count(COUNTER_rx_busy);
		return ingress_busy(&r);
	case HOMA_CUTOFFS:
		count(COUNTER_rx_cutoffs);
		return ingress_cutoffs(hdr, &r);
	case HOMA_NEED_ACK:
		count(COUNTER_rx_need_ack);
		return ingress_need_ack(&r);
	case HOMA_ACK:
		count(COUNTER_rx_ack);
		return ingress_ack(hdr, &r);
	default:
		/* FREEZE is a debugging aid of HomaModule. */
		count(COUNTER_rx_freeze);
		return ETRAN_CONSUME;
	}
}

#endif /* _HOMA_INGRESS_H */
