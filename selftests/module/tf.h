/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tf, the test filter: what its programs and the tests share. As with tt, the test says what the
 * programs return and reads what they saw. Many can be attached at once, each an object of its own;
 * all of them write down that they ran in one map.
 */
#ifndef TF_H
#define TF_H

#include <linux/types.h>

#define TF_SLICE	8
#define TF_TRACE	256
/* tf_trace.who: on egress, or'ed to the filter's number. */
#define TF_EGRESS	0x80

/* Of one filter. */
struct tf_state {
	__u32 in_verdict;	/* what to return; 0 drops */
	__u32 out_verdict;
	__u32 in;		/* calls */
	__u32 out;
	__u32 init;
	__u32 exit;
	__s32 init_result;
	__u32 slice_off;	/* take TF_SLICE bytes from here */
	/* the last packet */
	__u32 len;
	__u32 link;
	__u32 endpoint;
	__u32 direction;
	__u32 ip_proto;
	__u32 protocol;		/* of its IP header */
	__u32 sliced;		/* the slice was given */
	__u8 hdr[64];
	__u8 slice[TF_SLICE];
};

/* Of all filters: who ran, in order. */
struct tf_trace {
	__u32 n;
	__u8 who[TF_TRACE];
};

#endif /* TF_H */
