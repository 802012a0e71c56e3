// SPDX-License-Identifier: GPL-2.0
/* The test filter: see tf.h. */
#include "etran.bpf.h"
#include "tf.h"

#define ADD(what)	__sync_fetch_and_add(&(what), 1)

const volatile __u32 tf_number;
volatile struct tf_state tf;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tf_trace);
} tf_trace SEC(".maps");

static void saw(struct etran_filter_pkt *pkt, struct etran_hdr *hdr, __u8 flag)
{
	__u32 key = 0, n, i;
	struct tf_trace *t = bpf_map_lookup_elem(&tf_trace, &key);
	__u8 *p;

	if (t) {
		n = ADD(t->n);
		if (n < TF_TRACE)
			t->who[n] = tf_number | flag;
	}
	tf.len = pkt->len;
	tf.link = pkt->link;
	tf.endpoint = pkt->endpoint;
	tf.direction = pkt->direction;
	tf.ip_proto = pkt->ip_proto;
	tf.protocol = hdr->b[9];
	for (i = 0; i < sizeof(tf.hdr); i++)
		tf.hdr[i] = hdr->b[i];
	p = bpf_etran_filter_slice(pkt, tf.slice_off, TF_SLICE);
	tf.sliced = !!p;
	for (i = 0; p && i < TF_SLICE; i++)
		tf.slice[i] = p[i];
}

SEC("struct_ops/tf_ingress")
__u32 BPF_PROG(tf_ingress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	saw(pkt, hdr, 0);
	ADD(tf.in);
	return tf.in_verdict;
}

SEC("struct_ops/tf_egress")
__u32 BPF_PROG(tf_egress, struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	saw(pkt, hdr, TF_EGRESS);
	ADD(tf.out);
	return tf.out_verdict;
}

SEC("struct_ops.s/tf_init")
__s32 BPF_PROG(tf_init)
{
	ADD(tf.init);
	return tf.init_result;
}

SEC("struct_ops.s/tf_exit")
void BPF_PROG(tf_exit)
{
	ADD(tf.exit);
}

SEC(".struct_ops.link")
struct etran_filter_ops tf_ops = {
	.ingress = (void *)tf_ingress,
	.egress = (void *)tf_egress,
	.init = (void *)tf_init,
	.exit = (void *)tf_exit,
	.version = ETRAN_FILTER_VERSION,
	.name = "tf",
};

char LICENSE[] SEC("license") = "GPL";
