/* SPDX-License-Identifier: GPL-2.0 */
/* What the suite "frames" and its BPF programs share. */
#ifndef FRAMES_H
#define FRAMES_H

#include <linux/types.h>

#define FR_NAME		"bench"
#define FR_PROTO	253	/* RFC 3692: for experiments */
#define FR_HDRS		28	/* IP header, and 8 bytes that stand for a transport's */
#define FR_FRAME	64	/* bytes on the wire */
#define FR_PAYLOAD	(FR_FRAME - 14 - FR_HDRS)
#define FR_DELIVERED	64	/* bytes that an application gets */

#define FR_SOCKETS	4096	/* a power of two */

#define FR_QUEUE_DEPTH	(1 << 17)
#define FR_PAIRS	16	/* that one frame makes its program pop and push */

/* struct etran_req.op of the transports that hold and queue */
enum fr_op {
	FR_SEND,
	FR_HOLD,	/* keep the frame */
	FR_CYCLE,	/* release the one before, keep this one */
	FR_RELEASE,	/* release the one before */
	FR_PUSH,	/* keep the frame in the packet queue */
	FR_POP_PUSH,	/* pop the first of the queue and push it with another rank, FR_PAIRS times */
	FR_RANKS,	/* the same without pop and push */
};

/* struct etran_req.data */
struct fr_req {
	__u32 daddr;	/* network byte order */
	__u16 dport;
	__u16 reserved;
};

/* What a lookup finds. */
struct fr_peer {
	__u32 daddr;
	__u32 saddr;
	__u64 packets;
};

/* Read and written by both sides. */
struct fr_state {
	__u32 link;		/* id of the link device */
	__u32 daddr;
	__u32 endpoint;		/* deliver there */
	__u32 redirect;		/* ifindex that the sender sends to */
	__u32 make;		/* packets that one kick makes gen send */
	__u32 due;		/* packets that gen is to send now */
	__u32 endpoints;	/* how many of endpoint_of there are */
	__u32 next;		/* whose turn it is */
	__u32 failed;		/* deliveries and holds that failed */
	__u64 cycle;		/* handle of the frame that FR_CYCLE released last */
	__u64 generated;
	__u64 random;		/* state of a linear congruential generator */
	__u64 rank;		/* about what was popped last */
	__u64 rank_step;	/* by which it grows with each frame */
	__u64 timed;		/* when the first frames leave, ns; 0: at once */
	__u64 timed_spread;	/* and the last ones so much later, below 2^32 ns */
	__u32 endpoint_of[FR_SOCKETS];
};

#endif /* FRAMES_H */
