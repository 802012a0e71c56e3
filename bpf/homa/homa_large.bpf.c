// SPDX-License-Identifier: GPL-2.0
/*
 * Homa for hosts with very many RPCs: 262,144 at a time instead of 16,384, and 16,384 peers, for some 200 MB
 * of memory instead of 13. All the rest is the same, also its name: 'etranctl load homa_large'.
 */
#define HOMA_MAX_RPCS	262144
#include "homa.bpf.c"
