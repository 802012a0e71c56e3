/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a test of direct mode can run. */
#ifndef ETRAN_DIRECT_H
#define ETRAN_DIRECT_H

#include <stdbool.h>
#include <etran.h>
#include <linux/etran.h>

/* Does this kernel have the AF_XDP hook, which direct mode needs? */
static inline bool kernel_has_direct(void)
{
	struct etran_version v = {};

	return !etran_kernel_version(&v) && v.features & ETRAN_FEATURE_DIRECT;
}

#endif /* ETRAN_DIRECT_H */
