// SPDX-License-Identifier: GPL-2.0
/* Nothing but the dispatcher: an XDP program that needs the module. */
#include "etran.bpf.h"

SEC("xdp")
int rx(struct xdp_md *ctx)
{
	return bpf_etran_rx(ctx);
}

char LICENSE[] SEC("license") = "GPL";
