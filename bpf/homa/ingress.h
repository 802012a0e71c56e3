/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every received packet: its common header is checked here, the rest where its type is handled.
 * Homa packets are never passed to the kernel, which would answer with "protocol unreachable", and
 * at that a peer gives up all RPCs with this host.
 */
#ifndef _HOMA_INGRESS_H
#define _HOMA_INGRESS_H

SEC("struct_ops/ingress")
__u32 BPF_PROG(ingress, struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	struct received r = {};
	__u32 len = pkt->len, need;
	struct etran_hdr *homa;
	__u64 sender_id;
	__u8 protocol;
	bool good;
	int i;

	if (get8(hdr, 0) >> 4 == 4) {
		if (len >= IP4_LEN && get8(hdr, 9) == ICMP4_PROTOCOL)
			return ingress_icmp4(pkt, hdr);
		r.ip_len = IP4_LEN;
		protocol = get8(hdr, 9);
		r.work.key.peer = address_of_ipv4(get32(hdr, 12));
		r.local = address_of_ipv4(get32(hdr, 16));
		good = is_host_ipv4(r.work.key.peer.a[3]) && is_host_ipv4(r.local.a[3]);
		homa = header_at(hdr, IP4_LEN);
	} else {
		if (len >= IP6_LEN && get8(hdr, 6) == ICMP6_PROTOCOL)
			return ingress_icmp6(pkt, hdr);
		r.ip_len = IP6_LEN;
		protocol = get8(hdr, 6);
#pragma unroll
		for (i = 0; i < 4; i++) {
			r.work.key.peer.a[i] = get32(hdr, 8 + 4 * i);
			r.local.a[i] = get32(hdr, 24 + 4 * i);
		}
		good = is_host_ipv6(&r.work.key.peer) && is_host_ipv6(&r.local);
		homa = header_at(hdr, IP6_LEN);
	}
	if (len < r.ip_len + sizeof(struct homa_common_hdr)) {
		count(COUNTER_rx_short);
		return ETRAN_DROP;
	}
	r.type = get8(homa, 11);
	need = header_len(r.type);
	if (!need) {
		count(COUNTER_rx_bad_type);
		return ETRAN_DROP;
	}
	if (len < r.ip_len + need) {
		count(COUNTER_rx_short);
		return ETRAN_DROP;
	}
	r.work.key.link = pkt->link;
	r.work.key.peer_port = bpf_ntohs(get16(homa, 0));
	r.work.key.port = bpf_ntohs(get16(homa, 2));
	sender_id = (__u64)bpf_ntohl(get32(homa, 20)) << 32 | bpf_ntohl(get32(homa, 24));
	r.work.key.id = sender_id ^ 1;
	if (!r.work.key.peer_port || !r.work.key.port) {
		count(COUNTER_rx_bad_port);
		return ETRAN_DROP;
	}
	if (!good) {
		count(COUNTER_rx_bad_addr);
		return ETRAN_DROP;
	}
	if (sender_id < 2) {
		count(COUNTER_rx_bad_id);
		return ETRAN_DROP;
	}
	if (protocol != HOMA_IPPROTO)
		count(COUNTER_rx_hijacked);
	if (protocol != HOMA_IPPROTO || dressed_any || homa_hijack_tcp)
		peer_wears(r.work.key.link, &r.work.key.peer, protocol);
	r.now = bpf_ktime_get_ns();

	switch (r.type) {
	case HOMA_DATA:
		return ingress_data(pkt, hdr, homa, &r);
	case HOMA_GRANT:
		count(COUNTER_rx_grant);
		return ingress_grant(homa, &r);
	case HOMA_RESEND:
		count(COUNTER_rx_resend);
		return ingress_resend(hdr, homa, &r);
	case HOMA_RPC_UNKNOWN:
		count(COUNTER_rx_rpc_unknown);
		return ingress_rpc_unknown(&r);
	case HOMA_BUSY:
		count(COUNTER_rx_busy);
		return ingress_busy(&r);
	case HOMA_CUTOFFS:
		count(COUNTER_rx_cutoffs);
		return ingress_cutoffs(homa, &r);
	case HOMA_NEED_ACK:
		count(COUNTER_rx_need_ack);
		return ingress_need_ack(&r);
	case HOMA_ACK:
		count(COUNTER_rx_ack);
		return ingress_ack(homa, &r);
	default:
		/* FREEZE is a debugging aid of HomaModule. */
		count(COUNTER_rx_freeze);
		return ETRAN_CONSUME;
	}
}

#endif /* _HOMA_INGRESS_H */
