// SPDX-License-Identifier: GPL-2.0
/* The cases of interop.c with etran's socket on queues of the NIC itself, zero-copy. */
#define TCP_LINK	LINK_DIRECT
#include "interop.c"
