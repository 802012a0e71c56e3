/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Choices without branches. The verifier follows each way through a loop of comparisons, and all that comes behind it, for each
 * outcome of each; a mask makes no ways. A processor does not mind, either.
 */
#ifndef _ETRAN_MASKS_H
#define _ETRAN_MASKS_H

/* All ones if @a < @b, else 0; both below 2^63. The compiler must not see that, or it makes a branch of what is done with it. */
static __always_inline __u64 mask_below(__u64 a, __u64 b)
{
	__s64 mask = (__s64)(a - b) >> 63;

	barrier_var(mask);
	return mask;
}

/* @mask ? @a : @b, for what mask_below() returned. */
static __always_inline __u64 mask_choose(__u64 mask, __u64 a, __u64 b)
{
	return b ^ ((a ^ b) & mask);
}

#endif /* _ETRAN_MASKS_H */
