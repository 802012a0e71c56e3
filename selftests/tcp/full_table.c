// SPDX-License-Identifier: GPL-2.0
/*
 * A table that is full but for some slots: there is a place in the index for each connection, also for those whose bucket has
 * more than its share, which some are with any checksum (bpf/tcp/table.h).
 */
#define OBJECT		"tcp"
/* Both ends of each are in the table, which has 16,384 slots. */
#define CONNS_USUALLY	8150
#include "scale.c"
