// SPDX-License-Identifier: GPL-2.0
/*
 * TCP for hosts with very many connections: 262,144 at a time instead of 16,384, for some 200 MB of memory instead of
 * 13. All the rest is the same, also its name: 'etranctl load tcp_large'.
 */
#define TCP_MAX_CONNS	262144
#include "tcp.bpf.c"
