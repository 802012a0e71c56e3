// SPDX-License-Identifier: GPL-2.0
/* The test transport with queues that drop their worst frame for a better one. */
#define TT_OPS_FLAGS ETRAN_OPS_DROP_WORST
#include "tt.bpf.c"
