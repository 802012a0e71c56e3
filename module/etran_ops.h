/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's view of what BPF programs see. Names and meaning of the public fields are documented
 * where transports find them, in bpf/etran.bpf.h; both files change together.
 */
#ifndef _ETRAN_OPS_H
#define _ETRAN_OPS_H

#include <linux/types.h>
#include <linux/etran.h>

#define ETRAN_HDR_LEN	256

enum etran_verdict {
	ETRAN_DROP,
	ETRAN_TX,
	ETRAN_HOLD,
	ETRAN_PASS,
	ETRAN_CONSUME,
	ETRAN_DELIVER,
	ETRAN_RETAIN = 0x100,
};

#define ETRAN_VERDICT_MASK	0xff

struct etran_hdr {
	__u8 b[ETRAN_HDR_LEN];
};

enum etran_pkt_kind {
	ETRAN_PKT_INGRESS = 1,
	ETRAN_PKT_EGRESS,
	ETRAN_PKT_GEN,
};

/**
 * struct etran_pkt - context of egress, ingress and gen
 * @len: see bpf/etran.bpf.h, as for all up to @req
 * @payload_len: see there
 * @hdr_off: see there
 * @hdr_len: see there
 * @link: see there
 * @endpoint: see there
 * @cookie: see there
 * @req: see there
 * @kind: enum etran_pkt_kind; kfuncs check that they run where they may
 * @held: egress: bpf_etran_hold() took the frame
 * @copied: egress: the payload was copied from the UMEM
 * @delivered: ingress: bpf_etran_deliver() succeeded at least once
 * @data: ingress: IP header; otherwise: where the payload begins, ETRAN_HDR_LEN behind the headers
 * @umem: egress: the payload in the UMEM, which the application can write at any time
 * @channel: egress: the frame's channel; gen: of the loaded frame
 * @transport: whose program runs
 * @chunk: egress: UMEM chunk of the frame
 * @handle: egress, once held
 *
 * Lives on the stack of whoever calls the program. Programs may write hdr_off, hdr_len and link.
 */
struct etran_pkt {
	__u32 len;
	__u32 payload_len;
	__u16 hdr_off;
	__u16 hdr_len;
	__u32 link;
	__u32 endpoint;
	__u64 cookie;
	struct etran_req req;
	/* private: not in bpf/etran.bpf.h */
	__u8 kind;
	__u8 held;
	__u8 copied;
	__u8 delivered;
	__u32 chunk;
	void *data;
	const void *umem;
	struct etran_channel *channel;
	struct etran_transport *transport;
	__u64 handle;
};

/* See bpf/etran.bpf.h. */
struct etran_endpoint {
	__u32 id;
	__u32 link;
	__be32 addr;
	__u16 port;
	__u64 arg[4];
};

/* See bpf/etran.bpf.h, which documents each member. */
struct etran_ops {
	u32 (*egress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	u32 (*ingress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	u32 (*gen)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	s32 (*endpoint_open)(struct etran_endpoint *ep);
	s32 (*endpoint_bind)(struct etran_endpoint *ep);
	void (*endpoint_close)(struct etran_endpoint *ep);
	s32 (*init)(void);
	void (*exit)(void);
	u32 version;
	u32 flags;
	u8 ip_proto;
	char name[ETRAN_NAME_LEN];
};

#endif /* _ETRAN_OPS_H */
