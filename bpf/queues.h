/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF queues with the number of their entries, or of those that they will have soon, beside them (QUEUE_entries, a
 * volatile __u64): gen looks at several for each packet, and finds most of them empty.
 */
#ifndef _ETRAN_QUEUES_H
#define _ETRAN_QUEUES_H

/* Push to, or pop from, a queue: 0 or a negative errno. */
#define queue_push(queue, entry)						\
({										\
	long ___err;								\
										\
	__sync_fetch_and_add(&queue##_entries, 1);				\
	___err = bpf_map_push_elem(&queue, entry, BPF_ANY);			\
	if (___err)								\
		__sync_fetch_and_sub(&queue##_entries, 1);			\
	___err;									\
})

#define queue_pop(queue, entry)							\
({										\
	long ___err = -ENOENT;							\
										\
	if (queue##_entries) {							\
		___err = bpf_map_pop_elem(&queue, entry);			\
		if (!___err)							\
			__sync_fetch_and_sub(&queue##_entries, 1);		\
	}									\
	___err;									\
})

#endif /* _ETRAN_QUEUES_H */
