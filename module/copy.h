/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies of payload.
 *
 * memcpy() is "rep movsb" on x86 processors with fsrm, and a loop of moves of 8 bytes on all others. These have had
 * "rep movsq" for long, which moves a cache line at a time once it runs, if both sides are aligned: 1,400 bytes
 * in 43 cycles instead of 75, 1,024 in 38 instead of 51, 512 in 35 instead of 26 (Sapphire Rapids, all in L1). Otherwise
 * it takes twice as long as the loop. Payload is aligned where applications and etran.ko put it; where a NIC puts
 * it, it mostly is not. Rejected: vector registers, which softirqs would have to save.
 */
#ifndef _ETRAN_COPY_H
#define _ETRAN_COPY_H

#include <linux/string.h>

#if defined(CONFIG_X86_64) && !defined(CONFIG_KASAN) && !defined(CONFIG_KMSAN)
#include <asm/cpufeature.h>

/* From here on it pays. */
#define ETRAN_COPY_LONG		768

static inline bool etran_copy_quadwords(const void *to, const void *from, size_t len)
{
	return len >= ETRAN_COPY_LONG && !(((unsigned long)to | (unsigned long)from) & 7) &&
	       !cpu_feature_enabled(X86_FEATURE_FSRM);
}

/**
 * etran_copy - copy payload
 * @to: where to
 * @from: where from; both do not overlap
 * @len: bytes
 */
static inline void etran_copy(void *to, const void *from, size_t len)
{
	size_t n = len / 8;

	if (!etran_copy_quadwords(to, from, len)) {
		memcpy(to, from, len);
		return;
	}
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
	memcpy(to, from, len & 7);
}
#else
static inline void etran_copy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}
#endif

#endif /* _ETRAN_COPY_H */
