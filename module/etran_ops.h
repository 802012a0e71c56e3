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

/* The function pointers of struct etran_ops, in their order. */
enum etran_member {
	ETRAN_EGRESS,
	ETRAN_INGRESS,
	ETRAN_GEN,
	ETRAN_ENDPOINT_OPEN,
	ETRAN_ENDPOINT_BIND,
	ETRAN_ENDPOINT_CLOSE,
	ETRAN_ENDPOINT_ROOM,
	ETRAN_STREAM_OPEN,
	ETRAN_STREAM_CLOSE,
	ETRAN_STREAM_SHARE,
	ETRAN_INIT,
	ETRAN_EXIT,
	ETRAN_NR_MEMBERS
};

/* Which program sees the packet, plus one. */
enum etran_pkt_kind {
	ETRAN_PKT_EGRESS = ETRAN_EGRESS + 1,
	ETRAN_PKT_INGRESS = ETRAN_INGRESS + 1,
	ETRAN_PKT_GEN = ETRAN_GEN + 1,
};

/**
 * struct etran_pkt - context of egress, ingress and gen
 * @len: see bpf/etran.bpf.h, as for all up to @req
 * @payload_len: see there
 * @hdr_off: see there
 * @hdr_len: see there
 * @link: see there
 * @departure_ns: see there
 * @endpoint: see there
 * @reserved: keeps what follows aligned
 * @cookie: see there
 * @req: see there
 * @kind: enum etran_pkt_kind; kfuncs check that they run where they may
 * @held: egress: bpf_etran_hold() took the frame
 * @copied: egress: the payload was copied from the UMEM
 * @delivered: ingress: bpf_etran_deliver() succeeded at least once
 * @part: gen: the packet has something else than all of one frame
 * @joined: gen: frames whose payload was appended
 * @data: ingress: IP header; otherwise: where the payload begins, ETRAN_HDR_LEN behind the headers
 * @umem: egress, gen: the payload in the UMEM, which the application can write at any time
 * @channel: egress: the frame's channel; gen: of the loaded frame
 * @transport: whose program runs
 * @ep: egress: whose frame
 * @chunk: egress, gen: UMEM chunk of the frame
 * @umem_off: egress, gen: where the payload begins in it
 * @handle: egress, once held; gen: of the loaded frame
 * @last: gen: of the last frame that the packet has payload of
 * @xdp: ingress: the frame
 *
 * Each CPU has one for each kind. Programs may write hdr_off, hdr_len, link and
 * departure_ns.
 */
struct etran_pkt {
	__u32 len;
	__u32 payload_len;
	__u16 hdr_off;
	__u16 hdr_len;
	__u32 link;
	__u64 departure_ns;
	__u32 endpoint;
	__u32 reserved;
	__u64 cookie;
	struct etran_req req;
	/* private: not in bpf/etran.bpf.h */
	__u8 kind;
	__u8 held;
	__u8 copied;
	__u8 delivered;
	__u8 part;
	__u8 joined;
	__u16 umem_off;
	__u32 chunk;
	void *data;
	const void *umem;
	struct etran_channel *channel;
	struct etran_transport *transport;
	struct etran_ep *ep;
	__u64 handle;
	__u64 last;
	const struct xdp_buff *xdp;
};

/* bpf_etran_queue_push(): where to. See bpf/etran.bpf.h. */
enum etran_queue_place {
	ETRAN_QUEUE_TAIL,
	ETRAN_QUEUE_FRONT,
	ETRAN_QUEUE_RANK,
};

/* bpf_etran_send() */
#define ETRAN_SEND_RETAIN	1U

/* See bpf/etran.bpf.h. */
struct etran_endpoint {
	__u32 id;
	__u32 link;
	__u32 uid;
	__be32 addr[4];
	__u16 port;
	__u16 port_least;
	__u64 arg[4];
	__u32 flags;
};

/* See bpf/etran.bpf.h. */
#define ETRAN_ENDPOINT_SHARED	(1U << 0)

/* See bpf/etran.bpf.h. */
struct etran_stream {
	__u32 id;
	__u32 endpoint;
	__u64 tag;
	__u64 read;
	__u32 flags;
	__u32 to_endpoint;
	__u32 to_id;
	__u32 segment;
	__u64 sent;
};

/* bpf_etran_stream_set(): what is so from now on. See bpf/etran.bpf.h. */
#define ETRAN_STREAM_CONNECTED	(1U << 0)
#define ETRAN_STREAM_FIN	(1U << 1)
#define ETRAN_STREAM_ENDED	(1U << 2)
#define ETRAN_STREAM_ERROR	(1U << 3)
#define ETRAN_STREAM_ROOM	(1U << 4)
#define ETRAN_STREAM_FLAGS	((1U << 5) - 1)
#define ETRAN_STREAM_ERRNO_SHIFT	16

/* See bpf/etran.bpf.h. */
struct etran_path {
	__be32 saddr[4];
	__u32 mtu;
};

/* The flags that there are. */
#define ETRAN_OPS_FLAGS		(ETRAN_OPS_DROP_WORST | ETRAN_OPS_SHARED)

#define ETRAN_MAX_PKT_QUEUES	65536
#define ETRAN_MAX_QUEUE_DEPTH	(1U << 20)
/* All queues of one transport together. */
#define ETRAN_MAX_QUEUED	(1U << 22)
#define ETRAN_MAX_TIMEOUT_MS	(24U * 3600 * 1000)

/* See bpf/etran.bpf.h. */
struct etran_exit_info {
	__u32 kind;
	__u32 reserved;
	__s64 code;
	__u64 when_ns;
	char msg[ETRAN_EXIT_MSG_LEN];
};

struct bpf_prog;

/**
 * struct etran_ops - see bpf/etran.bpf.h, which documents each public member
 * @prog: private, and zero in what the loader gives: the program behind each function pointer, by
 *	  enum etran_member. The pointers lead to trampolines, of which only those of init and exit
 *	  are used; see etran_run().
 * @prog_id: private and zero as well: their ids
 */
struct etran_ops {
	u32 (*egress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	u32 (*ingress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	u32 (*gen)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	s32 (*endpoint_open)(struct etran_endpoint *ep);
	s32 (*endpoint_bind)(struct etran_endpoint *ep);
	void (*endpoint_close)(struct etran_endpoint *ep);
	void (*endpoint_room)(struct etran_endpoint *ep);
	s32 (*stream_open)(struct etran_stream *st);
	void (*stream_close)(struct etran_stream *st);
	s32 (*stream_share)(struct etran_stream *st);
	s32 (*init)(void);
	void (*exit)(struct etran_exit_info *info);
	u32 version;
	u32 flags;
	u8 ip_proto;
	char name[ETRAN_NAME_LEN];
	u32 queues;
	u32 queue_depth;
	u32 timeout_ms;
	u32 state_version;
	u16 tcp_urgent;
	/* private: not in bpf/etran.bpf.h */
	struct bpf_prog *prog[ETRAN_NR_MEMBERS];
	u32 prog_id[ETRAN_NR_MEMBERS];
};

/**
 * struct etran_filter_pkt - context of filters
 * @len: see bpf/etran.bpf.h, as for all up to @ip_proto
 * @link: see there
 * @endpoint: see there
 * @direction: see there
 * @ip_proto: see there
 * @data: the IP header
 *
 * Lives on the stack of whoever runs the filters. Programs may only read it.
 */
struct etran_filter_pkt {
	__u32 len;
	__u32 link;
	__u32 endpoint;
	__u8 direction;
	__u8 ip_proto;
	/* private: not in bpf/etran.bpf.h */
	void *data;
};

/* The function pointers of struct etran_filter_ops that packets run through, in their order. */
enum etran_filter_member {
	ETRAN_FILTER_OPS_INGRESS,
	ETRAN_FILTER_OPS_EGRESS,
	ETRAN_FILTER_OPS_RUN
};

struct bpf_prog;

/**
 * struct etran_filter_ops - see bpf/etran.bpf.h, which documents each public member
 * @prog: private, and zero in what the loader gives: the program behind each of the first function
 *	  pointers, by enum etran_filter_member
 * @prog_id: private and zero as well: their ids
 */
struct etran_filter_ops {
	u32 (*ingress)(struct etran_filter_pkt *pkt, struct etran_hdr *hdr);
	u32 (*egress)(struct etran_filter_pkt *pkt, struct etran_hdr *hdr);
	s32 (*init)(void);
	void (*exit)(void);
	u32 version;
	u32 flags;
	s32 priority;
	char name[ETRAN_NAME_LEN];
	/* private: not in bpf/etran.bpf.h */
	struct bpf_prog *prog[ETRAN_FILTER_OPS_RUN];
	u32 prog_id[ETRAN_FILTER_OPS_RUN];
};

#endif /* _ETRAN_OPS_H */
