// SPDX-License-Identifier: GPL-2.0
/* XDP programs of the tests. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* How often each program ran, and how many frames each queue had. */
struct {
	__u64 ran_sockets, ran_sockets_too, ran_action;
	__u64 queue_frames[64];
} bss;

/* To the socket of the queue, if there is one. */
SEC("xdp")
int to_sockets(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&bss.ran_sockets, 1);
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

/* The same as another program, to replace the first. */
SEC("xdp")
int to_sockets_too(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&bss.ran_sockets_too, 1);
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

/* Counts and drops. */
SEC("xdp")
int count_queues(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&bss.queue_frames[ctx->rx_queue_index & 63], 1);
	return XDP_DROP;
}

/* Frames of EtherType 0x88b5 say themselves what becomes of them: the byte behind the header. */
SEC("xdp")
int action(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data, swap[6];
	void *end = (void *)(long)ctx->data_end;

	if ((void *)(data + ETH_HLEN + 1) > end || data[12] != 0x88 || data[13] != 0xb5)
		return XDP_PASS;
	__sync_fetch_and_add(&bss.ran_action, 1);
	switch (data[ETH_HLEN]) {
	case XDP_TX:
		__builtin_memcpy(swap, data, 6);
		__builtin_memcpy(data, data + 6, 6);
		__builtin_memcpy(data + 6, swap, 6);
		break;
	case XDP_REDIRECT:
		return bpf_redirect_map(&devices, 0, XDP_ABORTED);
	case 100:
		/* Grow to the front and pass: metadata and head room are there. */
		if (bpf_xdp_adjust_head(ctx, -4))
			return XDP_ABORTED;
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		if ((void *)(data + ETH_HLEN + 5) > end)
			return XDP_ABORTED;
		__builtin_memmove(data, data + 4, ETH_HLEN);
		*(__u32 *)(data + ETH_HLEN) = 0x67676767;
		return XDP_PASS;
	}
	return data[ETH_HLEN];
}
