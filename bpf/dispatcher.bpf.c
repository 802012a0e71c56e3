// SPDX-License-Identifier: GPL-2.0
/*
 * The XDP program that etranctl attaches to a link's lower device: it gives every frame to
 * etran.ko, which passes on what no transport claims. One serves all transports. It runs beside
 * other XDP programs through libxdp's dispatcher: its XDP_PASS lets the next one run.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <xdp/xdp_helpers.h>

extern int bpf_etran_rx(struct xdp_md *ctx) __ksym;

struct {
	__uint(priority, 40);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(etran_rx);

SEC("xdp")
int etran_rx(struct xdp_md *ctx)
{
	return bpf_etran_rx(ctx);
}

char LICENSE[] SEC("license") = "GPL";
