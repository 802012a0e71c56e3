/* SPDX-License-Identifier: GPL-2.0 */
/*
 * load, the transport that makes trouble: what its BPF programs and the tests here share.
 *
 * Where the test transport (../module/tt.h) does one thing that a test asks for, this one does all
 * things at once: a request names one of the ways in which a frame can live, and whatever is asked
 * the header that leaves is built from the module's copy of the request and sealed with a sum. The
 * XDP program at the receiver looks at each packet before anything of etran does, so a header that
 * is not the one that was checked cannot go unseen.
 *
 * With load_state.garbage its programs return nonsense from every hook instead.
 */
#ifndef LOAD_H
#define LOAD_H

#include <linux/types.h>

#define LOAD_NAME	"load"
#define LOAD_PROTO	253	/* RFC 3692: for experiments */
#define LOAD_QUEUES	4
#define LOAD_SLOTS	8
#define LOAD_MAGIC	0x6c6f6164

/* How a frame lives; load_req.what modulo LOAD_WAYS */
enum load_way {
	LOAD_TX,
	LOAD_DROP,
	LOAD_RETAIN,		/* sent and kept in a slot; what was there is released */
	LOAD_AGAIN,		/* the same, and gen sends what was there once more */
	LOAD_HOLD,		/* kept unsent; what was there is sent by bpf_etran_send() */
	LOAD_TIMED,		/* sent up to 2 ms later */
	LOAD_QUEUE,		/* into a packet queue by rank; the first of it is sent */
	LOAD_LATE,		/* held, then sent up to 2 ms later */
	LOAD_WAYS
};

/* struct etran_req.data */
struct load_req {
	__u32 what;
	__u32 seq;
	__u32 daddr;		/* network byte order; 0: load_state.daddr */
	__u32 random;		/* slot, queue, rank, time */
};

/* On the wire, behind the IPv4 header; host byte order: both ends are one machine. */
struct load_hdr {
	__u32 magic;
	__u32 endpoint;		/* who sent it */
	__u32 seq;
	__u32 len;		/* payload */
	__u32 sum;		/* load_sum() */
};

#define LOAD_HDRS	(20 + sizeof(struct load_hdr))

/* Chunks of the UMEM are never seen in it: it is made from what the program was told. */
static inline __u32 load_sum(__u32 endpoint, __u32 seq, __u32 len)
{
	__u32 x = LOAD_MAGIC;

	x = (x ^ endpoint) * 0x9e3779b1;
	x = (x ^ x >> 15 ^ seq) * 0x85ebca6b;
	x = (x ^ x >> 13 ^ len) * 0xc2b2ae35;
	return x ^ x >> 16;
}

/* struct etran_rec.data */
struct load_rec {
	__u32 seq;
	__u32 len;
};

/* Read and written by both sides. */
struct load_state {
	__u64 slot[LOAD_SLOTS];	/* handles */
	__u64 again[LOAD_SLOTS];
	__u64 seed;		/* of garbage */
	__u32 garbage;		/* nonsense; what ejects so often as a random number has none of these bits */
	__u32 daddr;		/* network byte order */
	__u32 from, to;		/* what endpoint @from sends is delivered to @to */
	__u32 gen_next;
	__u32 egress;		/* calls */
	__u32 ingress;
	__u32 gen;
	__u32 exit_kind;
	/* What the XDP program saw; it looks only at what comes from @watch. */
	__u8 watch[6];		/* MAC */
	__u8 peer[6];
	__u64 good;
	__u64 bad;
	__u32 bad_why;		/* of the first bad one */
	__u32 bad_len;
	__u8 bad_bytes[64];
};

#endif /* LOAD_H */
