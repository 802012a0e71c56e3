// SPDX-License-Identifier: GPL-2.0
/* The test transport's successor: the same, with another version. */
#define TT_VERSION 2
#include "tt.bpf.c"
