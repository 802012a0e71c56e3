// SPDX-License-Identifier: GPL-2.0
/* The cases of interop.c over the link device of a NIC whose wire and offloads are not veth's. */
#define TCP_LINK	LINK_TESTNIC
#include "interop.c"
