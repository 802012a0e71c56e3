/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a test of direct mode can run. */
#ifndef ETRAN_DIRECT_H
#define ETRAN_DIRECT_H

#include <stdbool.h>
#include <stdlib.h>
#include <etran.h>
#include <linux/etran.h>

/* Does this kernel have the AF_XDP hook, which direct mode needs? */
static inline bool kernel_has_direct(void)
{
	struct etran_version v = {};

	return !etran_kernel_version(&v) && v.features & ETRAN_FEATURE_DIRECT;
}

/* The same before the module is loaded, which is gone again then: who is to be skipped need not make hosts first. */
static inline bool kernel_would_have_direct(void)
{
	bool has;

	if (system("insmod \"$ETRAN_MODULE\" >&2"))
		return true;	/* what is wrong shows when the test begins */
	has = kernel_has_direct();
	return system("rmmod etran >&2") || has;
}

#endif /* ETRAN_DIRECT_H */
