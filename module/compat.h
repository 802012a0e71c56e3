/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the kernels that etran is built for differ: the one place that looks at versions. Each shim
 * makes an older kernel look like Linux 6.12, and says where it ends, with the commit that ends it.
 *
 * Linux 6.6 is meant with patches/6.6, which bring what no shim can: struct_ops types of modules, links that
 * can be detached and polled, so that a transport is ejected and its loader told as on 6.12, the hook of direct
 * mode, and a verifier that follows static functions under a lock. Transports find nothing missing. What differs:
 * - A page that a driver is done with goes back by way of its pool's ring, not straight into the CPU's cache.
 * - What the program that we are called from has redirected may leave with what is ours, before it has ended.
 *
 * Versions in between have the shims that they need, and were not tried.
 */
#ifndef ETRAN_COMPAT_H
#define ETRAN_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#error etran needs Linux 6.6 with module/patches, or 6.12 or newer
#endif

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/compiler.h>
#include <linux/filter.h>
#include <linux/kernel.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/ip6_fib.h>
#include <net/page_pool/helpers.h>

/* 391145ba2acc ("bpf: Add __bpf_kfunc_{start,end}_defs macros") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0) && !defined(__bpf_kfunc_start_defs)
#define __bpf_kfunc_start_defs()						\
	__diag_push();								\
	__diag_ignore_all("-Wmissing-declarations",				\
			  "kfuncs are called by BPF programs");			\
	__diag_ignore_all("-Wmissing-prototypes",				\
			  "kfuncs are called by BPF programs")
#define __bpf_kfunc_end_defs()	__diag_pop()
#endif

/* 6f3189f38a3e ("bpf: treewide: Annotate BPF kfuncs in BTF") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0) && !defined(BTF_KFUNCS_START)
#define BTF_KFUNCS_START(name)	BTF_SET8_START(name)
#define BTF_KFUNCS_END(name)	BTF_SET8_END(name)
#endif

/*
 * How many functions a program is compiled to, itself included; 0 if it is the only one.
 * 335d1c5b5452 ("bpf: Implement support for adding hidden subprogs")
 */
static inline u32 etran_prog_functions(const struct bpf_prog *prog)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return prog->aux->func_cnt;
#else
	return prog->aux->real_func_cnt;
#endif
}

/* 66c8473135c6 ("bpf: move sleepable flag from bpf_prog_aux to bpf_prog") */
static inline bool etran_prog_sleepable(const struct bpf_prog *prog)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return prog->aux->sleepable;
#else
	return prog->sleepable;
#endif
}

/* bbc1d24724e1 ("bpf: Take into account BPF token when fetching helper protos") */
static inline const struct bpf_func_proto *etran_base_func_proto(enum bpf_func_id id,
								 const struct bpf_prog *prog)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	return bpf_base_func_proto(id);
#else
	return bpf_base_func_proto(id, prog);
#endif
}

/*
 * e6584c3964f2 ("string: Allow 2-argument strscpy()"),
 * 8366d124ec93 ("string: Allow 2-argument strscpy_pad()")
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define etran_strscpy_2(to, from)		(strscpy)(to, from, sizeof(to) + __must_be_array(to))
#define etran_strscpy_3(to, from, size)		(strscpy)(to, from, size)
#define etran_strscpy_pad_2(to, from)		(strscpy_pad)(to, from, sizeof(to) + __must_be_array(to))
#define etran_strscpy_pad_3(to, from, size)	(strscpy_pad)(to, from, size)
#define strscpy(...)		CONCATENATE(etran_strscpy_, COUNT_ARGS(__VA_ARGS__))(__VA_ARGS__)
#define strscpy_pad(...)	CONCATENATE(etran_strscpy_pad_, COUNT_ARGS(__VA_ARGS__))(__VA_ARGS__)
#endif

/* 2b0cfa6e4956 ("net: add generic percpu page_pool allocator"); see above. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define page_pool_create_percpu(params, cpu)	page_pool_create(params)
#endif

/* e8dfd42c17fa ("ipv6: introduce dst_rt6_info() helper") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0) && !defined(dst_rt6_info)
#define dst_rt6_info(dst)	container_of(dst, struct rt6_info, dst)
#endif

/*
 * For gen's NAPIs, which have no device of their own.
 * c661050f93d3 ("net: create a dummy net_device allocator")
 */
static inline struct net_device *etran_dummy_alloc(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
#else
	return alloc_netdev_dummy(0);
#endif
}

static inline void etran_dummy_free(struct net_device *dev)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	kfree(dev);
#else
	free_netdev(dev);
#endif
}

/* 2c92ca849fcc ("tracing/treewide: Remove second parameter of __assign_str()") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define etran_assign_str(field, value)	__assign_str(field, value)
#else
#define etran_assign_str(field, value)	__assign_str(field)
#endif

/*
 * The state of a redirect: of the task from 6.11 on, 401cb7dae813 ("net: Reference
 * bpf_redirect_info via task_struct on PREEMPT_RT."), of the CPU before. There, what the program that we are
 * called from has set is kept on the stack; its flush lists are shared, and what it has in them
 * leaves with what is ours, a little earlier than it would.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
struct bpf_net_context {
	struct bpf_redirect_info ri;
};

static inline struct bpf_redirect_info *bpf_net_ctx_get_ri(void)
{
	return this_cpu_ptr(&bpf_redirect_info);
}

static inline struct bpf_net_context *etran_net_ctx_swap(struct bpf_net_context *ctx)
{
	struct bpf_redirect_info *ri = bpf_net_ctx_get_ri();

	ctx->ri = *ri;
	ri->kern_flags = 0;
	return ctx;
}

static inline void etran_net_ctx_restore(struct bpf_net_context *old)
{
	*bpf_net_ctx_get_ri() = old->ri;
}
#else
static inline struct bpf_net_context *etran_net_ctx_swap(struct bpf_net_context *ctx)
{
	struct bpf_net_context *old = current->bpf_net_context;

	ctx->ri.kern_flags = 0;
	current->bpf_net_context = ctx;
	return old;
}

static inline void etran_net_ctx_restore(struct bpf_net_context *old)
{
	current->bpf_net_context = old;
}
#endif

/* 5f60d5f6bbc1 ("move asm/unaligned.h to linux/unaligned.h") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

#endif /* ETRAN_COMPAT_H */
