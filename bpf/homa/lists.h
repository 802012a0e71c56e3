/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of messages for grant.h and pacer.h: of nodes in an array, linked by index, of which 0 is none.
 * Macros, as the arrays differ; @get(@array, @i) is a node, wherever @i came from. The lock is the
 * caller's, and nothing here calls anything, so that it may be a bpf_spin_lock.
 *
 *  - By length: a ring for each class of it, and a bitmap of the rings that have members (@list->classes,
 *    @list->head). So to find the shortest takes the same few steps however many there are.
 *  - By age: @list->oldest to @list->youngest.
 *  - Free ones: @array->free, behind which those from @array->fresh on were never used.
 */
#ifndef _HOMA_LISTS_H
#define _HOMA_LISTS_H

#define CLASSES		64

/* An index below @size, a power of two, so that the verifier sees it whatever the compiler knows. */
#define bounded(index, size)							\
({										\
	__u32 ___index = (index);						\
	barrier_var(___index);							\
	___index & ((size) - 1);						\
})

#define class_head(list, class)		((list)->head[bounded(class, CLASSES)])

/* Class of a length: 1 KiB steps up to 8 KiB, then eighths of powers of two. */
static __always_inline __u32 class_of(__u32 bytes)
{
	__u32 v = bytes >> 10, shift;

	if (v < 8)
		return v;
	shift = (v >= 16) + (v >= 32) + (v >= 64) + (v >= 128) + (v >= 256) + (v >= 512);
	return (8 + 8 * shift + (v >> shift & 7));
}

/* By the upper six bits of bit * DE_BRUIJN: its number. */
#define DE_BRUIJN	0x03f79d71b4cb0a89ULL
static const __u8 bit_number[64] = {
	0, 1, 48, 2, 57, 49, 28, 3, 61, 58, 50, 42, 38, 29, 17, 4,
	62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
	46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9, 13, 8, 7, 6,
};

/*
 * Number of the lowest bit that is set, of a word that is not 0: the best class of a bitmap. Without branches, of
 * which the verifier would follow each.
 */
static __always_inline __u32 lowest_bit(__u64 word)
{
	return bit_number[(word & -word) * DE_BRUIJN >> 58];
}

/* Behind the others of its class. */
#define class_add(list, class, i, get, array)					\
do {										\
	typeof(get(array, 0)) ___node = get(array, i), ___first;		\
	__u32 ___head = class_head(list, class);				\
										\
	if (!___head) {								\
		___node->next = (i);						\
		___node->prev = (i);						\
		class_head(list, class) = (i);					\
		(list)->classes |= 1ULL << ((class) & (CLASSES - 1));		\
	} else {								\
		___first = get(array, ___head);					\
		___node->next = ___head;					\
		___node->prev = ___first->prev;					\
		get(array, ___first->prev)->next = (i);				\
		___first->prev = (i);						\
	}									\
} while (0)

#define class_del(list, class, i, get, array)					\
do {										\
	typeof(get(array, 0)) ___node = get(array, i);				\
										\
	if (___node->next == (i)) {						\
		class_head(list, class) = 0;					\
		(list)->classes &= ~(1ULL << ((class) & (CLASSES - 1)));	\
	} else {								\
		get(array, ___node->prev)->next = ___node->next;		\
		get(array, ___node->next)->prev = ___node->prev;		\
		if (class_head(list, class) == (i))				\
			class_head(list, class) = ___node->next;		\
	}									\
} while (0)

#define age_add(list, i, get, array)						\
do {										\
	typeof(get(array, 0)) ___node = get(array, i);				\
										\
	___node->younger = 0;							\
	___node->older = (list)->youngest;					\
	if ((list)->youngest)							\
		get(array, (list)->youngest)->younger = (i);			\
	else									\
		(list)->oldest = (i);						\
	(list)->youngest = (i);							\
} while (0)

#define age_del(list, i, get, array)						\
do {										\
	typeof(get(array, 0)) ___node = get(array, i);				\
										\
	if (___node->younger)							\
		get(array, ___node->younger)->older = ___node->older;		\
	else									\
		(list)->youngest = ___node->older;				\
	if (___node->older)							\
		get(array, ___node->older)->younger = ___node->younger;		\
	else									\
		(list)->oldest = ___node->younger;				\
} while (0)

/* A node, 0 when all are in use. */
#define node_alloc(get, array)							\
({										\
	__u32 ___i = (array)->free;						\
										\
	if (___i)								\
		(array)->free = get(array, ___i)->next;				\
	else if ((array)->fresh < HOMA_MAX_RPCS - 1)				\
		___i = ++(array)->fresh;					\
	___i;									\
})

#define node_free(i, get, array)						\
do {										\
	get(array, i)->next = (array)->free;					\
	(array)->free = (i);							\
} while (0)

#endif /* _HOMA_LISTS_H */
