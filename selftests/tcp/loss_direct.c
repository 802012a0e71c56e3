// SPDX-License-Identifier: GPL-2.0
/* The cases of loss.c with etran's socket on queues of the NIC itself: what is sent again is the driver's, too. */
#define TCP_LINK	LINK_DIRECT
#include "loss.c"
