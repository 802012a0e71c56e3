/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses of hosts are the same for all transports; this is what Homa has besides. */
#ifndef _HOMA_ADDRESS_H
#define _HOMA_ADDRESS_H

#include "addresses.h"

/* IP protocol of packets in TCP's clothes */
#define HOMA_TCP_PROTOCOL	6

#endif /* _HOMA_ADDRESS_H */
