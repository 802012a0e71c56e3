// SPDX-License-Identifier: GPL-2.0
/*
 * struct etran_ops: the struct_ops type, and the transports that are attached.
 *
 * A transport is attached by a BPF link and detached when that is closed, unpinned or told to
 * detach; a link update replaces its programs under traffic. The BPF core frees the programs after
 * unreg() returned, so unreg() first makes sure that nobody calls them: the pointer to them is
 * cleared and an RCU grace period awaited.
 *
 * The module runs programs directly (etran_run()), so it needs the programs that the BPF core makes
 * trampolines for. init_member sees the same file descriptor as the core does a moment later, but
 * only the core's reference lasts as long as the kernel's copy of the ops: nothing tells us when a
 * copy that was never attached is freed, so we cannot hold one of our own. In between, the loader
 * could put another program under that number. Therefore the program's id is kept as well, and
 * compared with the one that the core wrote back, when the last member is looked at.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/ctype.h>
#include <linux/timekeeping.h>
#include "etran.h"

DEFINE_MUTEX(etran_mutex);
LIST_HEAD(etran_transports);
/* Changed under etran_mutex. */
struct etran_transport __rcu *etran_by_proto[256];
static u32 next_transport;

/* Set by the BPF core when it has taken our type from the module's BTF. */
static const struct btf *module_btf;
static const struct btf_type *pkt_type, *hdr_type, *endpoint_type, *stream_type;

BTF_ID_LIST(etran_type_ids)
BTF_ID(struct, etran_pkt)
BTF_ID(struct, etran_hdr)
BTF_ID(struct, etran_endpoint)
BTF_ID(struct, etran_ops)
BTF_ID(struct, etran_exit_info)
BTF_ID(struct, etran_stream)

/**
 * etran_ops_prog - is this a program of a transport?
 * @prog: a struct_ops program
 */
bool etran_ops_prog(const struct bpf_prog *prog)
{
	return prog->aux->attach_btf == module_btf &&
	       prog->aux->attach_btf_id == etran_type_ids[3];
}

static void transport_free(struct kref *ref)
{
	struct etran_transport *t = container_of(ref, struct etran_transport, ref);

	free_percpu(t->counters);
	free_percpu(t->ran);
	kfree_rcu(t, rcu);
}

/**
 * etran_transport_put - give up a reference
 * @t: the transport
 *
 * Context: any but hardirq; the last one after an RCU grace period since it was detached.
 */
void etran_transport_put(struct etran_transport *t)
{
	kref_put(&t->ref, transport_free);
}

/* ---- struct_ops ---- */

static int ops_init(struct btf *btf)
{
	pkt_type = btf_type_by_id(btf, etran_type_ids[0]);
	hdr_type = btf_type_by_id(btf, etran_type_ids[1]);
	endpoint_type = btf_type_by_id(btf, etran_type_ids[2]);
	stream_type = btf_type_by_id(btf, etran_type_ids[5]);
	if (!pkt_type || pkt_type->size != sizeof(struct etran_pkt) ||
	    !hdr_type || hdr_type->size != sizeof(struct etran_hdr) ||
	    !endpoint_type || endpoint_type->size != sizeof(struct etran_endpoint) ||
	    !stream_type || stream_type->size != sizeof(struct etran_stream) ||
	    !btf_type_by_id(btf, etran_type_ids[4]))
		return -EINVAL;
	module_btf = btf;
	return 0;
}

static int ops_check_member(const struct btf_type *t, const struct btf_member *member,
			    const struct bpf_prog *prog)
{
	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct etran_ops, init):
	case offsetof(struct etran_ops, exit):
		return 0;
	}
	/* The others run with bottom halves off. */
	return etran_prog_sleepable(prog) ? -EINVAL : 0;
}

/**
 * etran_transport_dressed - whose is a TCP segment that has no business to exist?
 * @tcp: its header, all 20 bytes of it
 *
 * A walk through the list is for SYN and RST in one segment only. What is TCP's ends before it.
 * Return: the transport, or NULL. Context: RCU read side.
 */
struct etran_transport *etran_transport_dressed(const struct tcphdr *tcp)
{
	struct etran_transport *t;

	if (likely(!etran_tcp_marked(tcp)))
		return NULL;
	list_for_each_entry_rcu(t, &etran_transports, node)
		if (t->tcp_urgent && t->tcp_urgent == ntohs(tcp->urg_ptr))
			return t;
	return NULL;
}

/**
 * etran_name_ok - may a transport or filter be called so?
 * @name: ETRAN_NAME_LEN bytes
 */
bool etran_name_ok(const char *name)
{
	size_t len = strnlen(name, ETRAN_NAME_LEN), i;

	if (!len || len == ETRAN_NAME_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum(name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return true;
}

/* Remember the program that a function pointer is to be. See the top of this file. */
static int take_prog(struct etran_ops *ops, const struct etran_ops *user, u32 member)
{
	unsigned long fd = ((unsigned long *)user)[member];
	struct bpf_prog *prog;

	if (!fd)
		return 0;
	prog = bpf_prog_get_type_dev((int)fd, BPF_PROG_TYPE_STRUCT_OPS, false);
	if (IS_ERR(prog))
		return PTR_ERR(prog);
	ops->prog[member] = prog;
	ops->prog_id[member] = prog->aux->id;
	bpf_prog_put(prog);
	return 0;
}

/* The function pointers of @user are ids now, written by the BPF core. */
static int check_progs(const struct etran_ops *ops, const struct etran_ops *user)
{
	u32 i;

	if (memchr_inv(user->prog_id, 0, sizeof(user->prog_id)))
		return -EINVAL;
	for (i = 0; i < ETRAN_NR_MEMBERS; i++)
		if (((unsigned long *)user)[i] != ops->prog_id[i])
			return -EBADF;
	return 1;
}

static int ops_init_member(const struct btf_type *t, const struct btf_member *member,
			   void *kdata, const void *udata)
{
	const struct etran_ops *user = udata;
	u32 offset = __btf_member_bit_offset(t, member) / 8;
	struct etran_ops *ops = kdata;

	if (offset < ETRAN_NR_MEMBERS * sizeof(void *))
		return take_prog(ops, user, offset / sizeof(void *));
	switch (offset) {
	case offsetof(struct etran_ops, version):
		if (user->version != ETRAN_OPS_VERSION) {
			pr_warn("transport refused: built for etran_ops version %u, this is %u; rebuild it against this module's bpf/etran.bpf.h\n",
				user->version, ETRAN_OPS_VERSION);
			return -EINVAL;
		}
		ops->version = user->version;
		return 1;
	case offsetof(struct etran_ops, flags):
		if (user->flags & ~ETRAN_OPS_FLAGS) {
			pr_warn("transport refused: flags 0x%x are not known to this module\n",
				user->flags & ~ETRAN_OPS_FLAGS);
			return -EINVAL;
		}
		ops->flags = user->flags;
		return 1;
	case offsetof(struct etran_ops, ip_proto):
		ops->ip_proto = user->ip_proto;
		return 1;
	case offsetof(struct etran_ops, name):
		if (!etran_name_ok(user->name)) {
			pr_warn("transport refused: its name must be 1 to %d of A-Z a-z 0-9 - _\n",
				ETRAN_NAME_LEN - 1);
			return -EINVAL;
		}
		strscpy(ops->name, user->name);
		return 1;
	case offsetof(struct etran_ops, queues):
		ops->queues = user->queues;
		return 1;
	case offsetof(struct etran_ops, queue_depth):
		ops->queue_depth = user->queue_depth;
		return 1;
	case offsetof(struct etran_ops, timeout_ms):
		ops->timeout_ms = user->timeout_ms;
		return 1;
	case offsetof(struct etran_ops, state_version):
		ops->state_version = user->state_version;
		return 1;
	case offsetof(struct etran_ops, tcp_urgent):
		ops->tcp_urgent = user->tcp_urgent;
		return 1;
	case offsetof(struct etran_ops, prog):
		return memchr_inv(user->prog, 0, sizeof(user->prog)) ? -EINVAL : 1;
	case offsetof(struct etran_ops, prog_id):
		return check_progs(ops, user);
	}
	return 0;
}

static int check_numbers(const struct etran_ops *ops)
{
	if (ops->queues > ETRAN_MAX_PKT_QUEUES) {
		pr_warn("transport %s refused: %u queues, there can be %u\n", ops->name,
			ops->queues, ETRAN_MAX_PKT_QUEUES);
		return -EINVAL;
	}
	if (ops->queue_depth > ETRAN_MAX_QUEUE_DEPTH) {
		pr_warn("transport %s refused: queue_depth %u, it can be %u\n", ops->name,
			ops->queue_depth, ETRAN_MAX_QUEUE_DEPTH);
		return -EINVAL;
	}
	if (!ops->queues != !ops->queue_depth) {
		pr_warn("transport %s refused: %u queues of %u frames; give both numbers or none\n",
			ops->name, ops->queues, ops->queue_depth);
		return -EINVAL;
	}
	if ((u64)ops->queues * ops->queue_depth > ETRAN_MAX_QUEUED) {
		pr_warn("transport %s refused: %u queues of %u frames, all together can have %u\n",
			ops->name, ops->queues, ops->queue_depth, ETRAN_MAX_QUEUED);
		return -EINVAL;
	}
	if (ops->timeout_ms > ETRAN_MAX_TIMEOUT_MS) {
		pr_warn("transport %s refused: timeout_ms %u, it can be %u, a day\n", ops->name,
			ops->timeout_ms, ETRAN_MAX_TIMEOUT_MS);
		return -EINVAL;
	}
	return 0;
}

static int ops_validate(void *kdata)
{
	struct etran_ops *ops = kdata;

	/* The BPF core skips init_member for nothing, but 0 is no version. */
	if (ops->version != ETRAN_OPS_VERSION)
		return -EINVAL;
	if (!ops->egress || !ops->ingress) {
		pr_warn("transport %s refused: it has no %s, which is mandatory\n", ops->name,
			ops->egress ? "ingress" : "egress");
		return -EINVAL;
	}
	if (!etran_ip_proto_ok(ops->ip_proto)) {
		pr_warn("transport %s refused: ip_proto %u cannot be taken\n", ops->name,
			ops->ip_proto);
		return -EINVAL;
	}
	if (ops->tcp_urgent && ops->ip_proto == IPPROTO_TCP) {
		pr_warn("transport %s refused: tcp_urgent is for transports of other IP protocols than TCP's\n",
			ops->name);
		return -EINVAL;
	}
	return check_numbers(ops);
}

/*
 * Programs for all to run. What they say of themselves may differ from what those before them said.
 * Context: etran_mutex held.
 */
static void publish(struct etran_transport *t, struct etran_ops *ops)
{
	WRITE_ONCE(t->flags, ops->flags);
	WRITE_ONCE(t->timeout_ms, ops->timeout_ms);
	t->attached = ops;
	rcu_assign_pointer(t->ops, ops);
	/* Pairs with the cmpxchg in etran_eject(), which clears the pointer afterwards. */
	smp_mb();
	if (atomic_read(&t->ejected))
		RCU_INIT_POINTER(t->ops, NULL);
	etran_watchdog_start(t);
}

static int run_init(const struct etran_ops *ops)
{
	int err = ops->init ? ops->init() : 0;

	return err > 0 || err < -MAX_ERRNO ? -EINVAL : err;
}

static int ops_reg(void *kdata, struct bpf_link *link)
{
	struct etran_transport *t, *other;
	struct etran_ops *ops = kdata;
	int err;

	if (!link)
		return -EOPNOTSUPP;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	kref_init(&t->ref);
	t->link = link;
	t->ip_proto = ops->ip_proto;
	t->queues = ops->queues;
	t->queue_depth = ops->queue_depth;
	t->state_version = ops->state_version;
	t->tcp_urgent = ops->tcp_urgent;
	t->flags = ops->flags;
	t->loaded_ns = ktime_get_boottime_ns();
	strscpy(t->name, ops->name);
	etran_eject_init(t);
	err = -ENOMEM;
	t->counters = alloc_percpu(struct etran_counter_set);
	t->ran = alloc_percpu(struct etran_ran);
	if (!t->counters || !t->ran || etran_queues_init(t))
		goto free;

	mutex_lock(&etran_mutex);
	err = -EEXIST;
	list_for_each_entry(other, &etran_transports, node) {
		if (other->ip_proto == t->ip_proto || !strcmp(other->name, t->name))
			goto unlock;
		if (t->tcp_urgent && other->tcp_urgent == t->tcp_urgent) {
			pr_warn("transport %s refused: %s has tcp_urgent 0x%x already; unload it first\n",
				t->name, other->name, t->tcp_urgent);
			goto unlock;
		}
	}
	err = etran_callers_add(t, ops);
	if (err)
		goto unlock;
	/* In the list without ops: init may call functions that ask who calls. */
	t->id = next_transport + 1;
	list_add_tail_rcu(&t->node, &etran_transports);
	err = run_init(ops);
	/* init can say why not by bpf_etran_error(). */
	if (!err && atomic_read(&t->ejected))
		err = -ECANCELED;
	next_transport++;
	if (err) {
		list_del_rcu(&t->node);
		synchronize_rcu();
		if (atomic_read(&t->ejected))
			etran_exit_record(t, 0);
		etran_queues_exit(t);
		etran_callers_free(t);
		mutex_unlock(&etran_mutex);
		etran_transport_put(t);
		return err;
	}
	publish(t, ops);
	rcu_assign_pointer(etran_by_proto[t->ip_proto], t);
	mutex_unlock(&etran_mutex);
	pr_info("transport %s attached, IP protocol %u\n", t->name, t->ip_proto);
	return 0;
unlock:
	mutex_unlock(&etran_mutex);
free:
	etran_queues_exit(t);
	free_percpu(t->counters);
	free_percpu(t->ran);
	kfree(t);
	return err;
}

static struct etran_transport *find_transport(struct etran_ops *ops, struct bpf_link *link)
{
	struct etran_transport *t;

	list_for_each_entry(t, &etran_transports, node)
		if (t->attached == ops && t->link == link)
			return t;
	return NULL;
}

/* Frames that it keeps, in whatever state. */
static u64 frames_kept(struct etran_transport *t)
{
	u64 kept = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct etran_counter_set *c = per_cpu_ptr(t->counters, cpu);

		kept += READ_ONCE(c->v[ETRAN_C_frames_held]) +
			READ_ONCE(c->v[ETRAN_C_frames_queued]) +
			READ_ONCE(c->v[ETRAN_C_frames_retained]);
	}
	return kept;
}

/* Context: etran_mutex held. */
static void detach(struct etran_transport *t)
{
	struct etran_ops *ops = t->attached;
	u64 kept;

	RCU_INIT_POINTER(etran_by_proto[t->ip_proto], NULL);
	RCU_INIT_POINTER(t->ops, NULL);
	t->attached = NULL;
	list_del_rcu(&t->node);
	synchronize_rcu();
	etran_exit_settle(t);
	kept = frames_kept(t);
	etran_endpoints_dead_transport(t);
	etran_hubs_transport_gone(t);
	etran_timed_purge(t);
	etran_frames_end_transport(t);
	/* What a poll had taken from a wheel is sent or in a backlog by then. */
	synchronize_rcu();
	etran_links_purge(t);
	synchronize_rcu();
	etran_queues_exit(t);
	if (ops->exit)
		ops->exit(&t->exit);
	etran_callers_free(t);
	etran_exit_record(t, kept);
	pr_info("transport %s detached\n", t->name);
	etran_transport_put(t);
}

/**
 * etran_ops_detach - detach a transport whose BPF link cannot be
 * @t: the transport, with a reference
 *
 * Context: process, may sleep.
 */
void etran_ops_detach(struct etran_transport *t)
{
	mutex_lock(&etran_mutex);
	if (t->attached)
		detach(t);
	mutex_unlock(&etran_mutex);
}

static void ops_unreg(void *kdata, struct bpf_link *link)
{
	struct etran_transport *t;

	mutex_lock(&etran_mutex);
	/* None: etran_ops_detach() was here. */
	t = find_transport(kdata, link);
	if (t)
		detach(t);
	mutex_unlock(&etran_mutex);
}

/* May programs take the place of others? What they find must be what they expect. */
static int check_successor(const struct etran_transport *t, const struct etran_ops *ops)
{
	if (ops->ip_proto != t->ip_proto || strcmp(ops->name, t->name)) {
		pr_warn("transport %s not replaced: by %s for IP protocol %u, not %u; unload it and load that one\n",
			t->name, ops->name, ops->ip_proto, t->ip_proto);
		return -EINVAL;
	}
	if (ops->tcp_urgent != t->tcp_urgent) {
		pr_warn("transport %s not replaced: its tcp_urgent is 0x%x, the new programs' is 0x%x; unload it first\n",
			t->name, t->tcp_urgent, ops->tcp_urgent);
		return -EINVAL;
	}
	if (ops->state_version != t->state_version) {
		pr_warn("transport %s not replaced: its state is of version %u, the new programs' is %u; unload it first\n",
			t->name, t->state_version, ops->state_version);
		return -EINVAL;
	}
	if (ops->queues != t->queues || ops->queue_depth != t->queue_depth) {
		pr_warn("transport %s not replaced: it has %u queues of %u frames, the new programs want %u of %u; unload it first\n",
			t->name, t->queues, t->queue_depth, ops->queues, ops->queue_depth);
		return -EINVAL;
	}
	return 0;
}

static int ops_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct etran_exit_info info = { .kind = ETRAN_EXIT_REPLACE };
	struct etran_ops *ops = kdata, *old = old_kdata;
	struct etran_transport *t;
	int err = -ENOENT;

	mutex_lock(&etran_mutex);
	t = find_transport(old, link);
	if (t)
		err = check_successor(t, ops) ?: etran_callers_add(t, ops) ?: run_init(ops);
	if (!err) {
		publish(t, ops);
		synchronize_rcu();
		info.when_ns = ktime_get_boottime_ns();
		t->replaced_ns = info.when_ns;
		if (old->exit)
			old->exit(&info);
		pr_info("transport %s replaced\n", t->name);
	}
	mutex_unlock(&etran_mutex);
	return err;
}

/* ---- what the verifier asks ---- */

static bool range_in(int off, int size, size_t from, size_t to)
{
	return off >= (int)from && off + size <= (int)to;
}

static int ops_struct_access(struct bpf_verifier_log *log, const struct bpf_reg_state *reg,
			     int off, int size)
{
	const struct btf_type *t = btf_type_by_id(reg->btf, reg->btf_id);

	if (t == hdr_type && range_in(off, size, 0, ETRAN_HDR_LEN))
		return 0;
	if (t == pkt_type && range_in(off, size, offsetof(struct etran_pkt, hdr_off),
				      offsetofend(struct etran_pkt, departure_ns)))
		return 0;
	if (t == endpoint_type && range_in(off, size, offsetof(struct etran_endpoint, addr),
					   offsetofend(struct etran_endpoint, arg)))
		return 0;
	if (t == stream_type && range_in(off, size, offsetof(struct etran_stream, segment),
					 sizeof(struct etran_stream)))
		return 0;
	bpf_log(log, "etran: write of %d bytes at offset %d: only struct etran_hdr, hdr_off, hdr_len, link and departure_ns of struct etran_pkt, addr, port and arg of struct etran_endpoint, and segment and sent of struct etran_stream can be written\n",
		size, off);
	return -EACCES;
}

static bool ops_is_valid_access(int off, int size, enum bpf_access_type type,
				const struct bpf_prog *prog, struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_func_proto *ops_get_func_proto(enum bpf_func_id id,
						       const struct bpf_prog *prog)
{
	return etran_base_func_proto(id, prog);
}

static const struct bpf_verifier_ops verifier_ops = {
	.is_valid_access = ops_is_valid_access,
	.btf_struct_access = ops_struct_access,
	.get_func_proto = ops_get_func_proto,
};

/* Never called: the BPF core reads the members' types from them and wants them for CFI. */
static u32 etran_ops__egress(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

static u32 etran_ops__ingress(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

static u32 etran_ops__gen(struct etran_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

static s32 etran_ops__endpoint_open(struct etran_endpoint *ep)
{
	return 0;
}

static s32 etran_ops__endpoint_bind(struct etran_endpoint *ep)
{
	return 0;
}

static void etran_ops__endpoint_close(struct etran_endpoint *ep)
{
}

static void etran_ops__endpoint_room(struct etran_endpoint *ep)
{
}

static s32 etran_ops__stream_open(struct etran_stream *st)
{
	return 0;
}

static void etran_ops__stream_close(struct etran_stream *st)
{
}

static s32 etran_ops__stream_share(struct etran_stream *st)
{
	return 0;
}

static s32 etran_ops__init(void)
{
	return 0;
}

static void etran_ops__exit(struct etran_exit_info *info)
{
}

static struct etran_ops stubs = {
	.egress = etran_ops__egress,
	.ingress = etran_ops__ingress,
	.gen = etran_ops__gen,
	.endpoint_open = etran_ops__endpoint_open,
	.endpoint_bind = etran_ops__endpoint_bind,
	.endpoint_close = etran_ops__endpoint_close,
	.endpoint_room = etran_ops__endpoint_room,
	.stream_open = etran_ops__stream_open,
	.stream_close = etran_ops__stream_close,
	.stream_share = etran_ops__stream_share,
	.init = etran_ops__init,
	.exit = etran_ops__exit,
};

static struct bpf_struct_ops struct_ops = {
	.verifier_ops = &verifier_ops,
	.init = ops_init,
	.check_member = ops_check_member,
	.init_member = ops_init_member,
	.validate = ops_validate,
	.reg = ops_reg,
	.unreg = ops_unreg,
	.update = ops_update,
	.cfi_stubs = &stubs,
	.name = "etran_ops",
	.owner = THIS_MODULE,
};

/**
 * etran_ops_register - make struct etran_ops known to BPF
 *
 * Return: 0; -ENOENT when the module's BTF was not taken: registering succeeds then, and does
 * nothing. Context: module init.
 */
int etran_ops_register(void)
{
	int err = register_bpf_struct_ops(&struct_ops, etran_ops);

	if (err)
		return err;
	return module_btf ? 0 : -ENOENT;
}
