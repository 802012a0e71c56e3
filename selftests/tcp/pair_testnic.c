// SPDX-License-Identifier: GPL-2.0
/* The cases of pair.c over the link devices of two NICs. */
#define TCP_LINK	LINK_TESTNIC
#include "pair.c"
