// SPDX-License-Identifier: GPL-2.0
/* The test transport once more, with an IP protocol and a name of its own: two at once. */
#define TT_NAME		"tt-other"
#define TT_PROTO	254
#include "tt.bpf.c"
