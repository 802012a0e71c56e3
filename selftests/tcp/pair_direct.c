// SPDX-License-Identifier: GPL-2.0
/* The cases of pair.c with the sockets of both hosts on queues of the NICs themselves, zero-copy. */
#define TCP_LINK	LINK_DIRECT
#include "pair.c"
