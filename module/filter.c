// SPDX-License-Identifier: GPL-2.0
/*
 * struct etran_filter_ops: programs that see all packets of all transports, and may drop them.
 *
 * Filters run around the transports, in the order of their priority: on received packets after the
 * module's own checks and before the transport, on packets to be sent once they are complete. So a
 * filter sees on both sides what is, or would be, on the wire. It can only say yes or no: what it
 * let through is exactly what the transport built or the peer sent. (Rejected: letting it write, if
 * only the DSCP field. A packet would have to be checked again after each filter, and whoever wants
 * to mark packets has the transport and tc.)
 *
 * Each direction has an array of programs, under RCU and made anew whenever a filter comes, goes or
 * is replaced: a packet costs one load and the calls, and no filter at all costs a patched-out
 * branch. (Rejected: BPF's own prog arrays with tail calls: no order, no counters, and one faulty
 * program is the end of the chain.)
 *
 * Programs are run directly, not through the trampolines that the BPF core makes, as those of
 * transports are: see etran_run_prog() for why that is allowed and ops.c for how they are found.
 *
 * A filter that returns what is no verdict is ejected: the packet is dropped, and a work item
 * detaches the filter's BPF link. Until that has run, further bad verdicts drop packets too.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/timekeeping.h>
#include "etran.h"

/**
 * struct filter_counters - one CPU's share of a filter's counters
 * @packets: seen, by enum etran_filter_member
 * @dropped: of these, dropped
 * @bad_verdicts: of the dropped ones, for a bad verdict
 */
struct filter_counters {
	u64 packets[ETRAN_FILTER_OPS_RUN];
	u64 dropped[ETRAN_FILTER_OPS_RUN];
	u64 bad_verdicts;
};

/**
 * struct filter - an attached filter
 * @id: for ETRAN_IOC_FILTER; never reused
 * @ops: its programs; under etran_mutex
 * @link: the BPF link; valid while in @filters
 * @counters: per CPU
 * @node: in @filters, empty once detached; under etran_mutex
 * @ref: one while attached, one while @eject is queued
 * @loaded_ns: CLOCK_BOOTTIME
 * @eject: detaches it after a bad verdict
 * @verdict: the value that was none
 * @direction: which program returned it
 * @faulty: the ops that it belongs to; only compared
 * @ejected: 1 while @eject is queued, which then owns the three above
 */
struct filter {
	u32 id;
	struct etran_filter_ops *ops;
	struct bpf_link *link;
	struct filter_counters __percpu *counters;
	struct list_head node;
	struct kref ref;
	u64 loaded_ns;
	struct work_struct eject;
	u32 verdict;
	u32 direction;
	struct etran_filter_ops *faulty;
	atomic_t ejected;
};

/**
 * struct filter_array - what runs on the packets of one direction
 * @rcu: for freeing
 * @n: number of programs
 * @run: a filter, and the ops and program that it had when the array was made, in the order of
 *	 running
 */
struct filter_array {
	struct rcu_head rcu;
	u32 n;
	struct {
		struct filter *filter;
		struct etran_filter_ops *ops;
		struct bpf_prog *prog;
	} run[] __counted_by(n);
};

DEFINE_STATIC_KEY_FALSE(etran_filter_ingress_key);
DEFINE_STATIC_KEY_FALSE(etran_filter_egress_key);

/* In the order of running; under etran_mutex. */
static LIST_HEAD(filters);
/* By enum etran_filter_member. */
static struct filter_array __rcu *arrays[ETRAN_FILTER_OPS_RUN];
static u32 next_filter;

/* Set by the BPF core when it has taken our type from the module's BTF. */
static const struct btf *module_btf;

BTF_ID_LIST(filter_type_ids)
BTF_ID(struct, etran_filter_ops)
BTF_ID(struct, etran_filter_pkt)

/**
 * etran_filter_prog - is this a program of a filter?
 * @prog: a struct_ops program
 */
bool etran_filter_prog(const struct bpf_prog *prog)
{
	return prog->aux->attach_btf == module_btf &&
	       prog->aux->attach_btf_id == filter_type_ids[0];
}

static void filter_free(struct kref *ref)
{
	struct filter *f = container_of(ref, struct filter, ref);

	free_percpu(f->counters);
	kfree(f);
}

/* ---- packets ---- */

static void bad_verdict(struct filter *f, struct etran_filter_ops *ops, u32 direction, u32 verdict)
{
	this_cpu_inc(f->counters->bad_verdicts);
	if (atomic_xchg(&f->ejected, 1))
		return;
	f->verdict = verdict;
	f->direction = direction;
	f->faulty = ops;
	/* It is in an array that RCU keeps, so it has the reference of being attached. */
	kref_get(&f->ref);
	queue_work(etran_wq, &f->eject);
}

/**
 * etran_filter_run - run the filters of one direction on a packet
 * @direction: ETRAN_FILTER_INGRESS or ETRAN_FILTER_EGRESS
 * @link: the link device
 * @t: the packet's transport
 * @endpoint: id of the endpoint whose frame it is, 0 for none
 * @ip: IP header
 * @len: bytes of IP packet
 *
 * Programs may read ETRAN_HDR_LEN bytes whatever the length, and of a shorter packet nobody knows
 * what lies behind it: perhaps the end of a UMEM. So those are copied.
 *
 * Return: false when the packet shall be dropped. Context: RCU read side, bottom halves off.
 */
bool etran_filter_run(u32 direction, struct etran_link *link, struct etran_transport *t,
		      u32 endpoint, void *ip, u32 len)
{
	u32 member = direction == ETRAN_FILTER_INGRESS ? ETRAN_FILTER_OPS_INGRESS :
							 ETRAN_FILTER_OPS_EGRESS;
	struct etran_filter_pkt pkt = {
		.len = len,
		.link = link->id,
		.endpoint = endpoint,
		.direction = direction,
		.ip_proto = t->ip_proto,
		.data = ip,
	};
	struct filter_array *a = rcu_dereference(arrays[member]);
	u64 ctx[2] = { (unsigned long)&pkt };
	struct etran_hdr copy;
	u32 verdict, i;

	if (!a)
		return true;
	if (len < sizeof(copy)) {
		memcpy(copy.b, ip, len);
		memset(copy.b + len, 0, sizeof(copy) - len);
		pkt.data = &copy;
	}
	ctx[1] = (unsigned long)pkt.data;
	for (i = 0; i < a->n; i++) {
		struct filter *f = a->run[i].filter;

		this_cpu_inc(f->counters->packets[member]);
		verdict = bpf_prog_run(a->run[i].prog, ctx);
		if (likely(verdict == ETRAN_PASS))
			continue;
		this_cpu_inc(f->counters->dropped[member]);
		if (verdict != ETRAN_DROP)
			bad_verdict(f, a->run[i].ops, direction, verdict);
		return false;
	}
	return true;
}

/* ---- attaching ---- */

/* Makes one direction's array. Return: it, NULL when it is empty, or an error pointer. */
static struct filter_array *make_array(enum etran_filter_member member, gfp_t gfp)
{
	struct filter_array *a;
	struct filter *f;
	u32 n = 0;

	list_for_each_entry(f, &filters, node)
		n += !!f->ops->prog[member];
	if (!n)
		return NULL;
	a = kvzalloc(struct_size(a, run, n), gfp);
	if (!a)
		return ERR_PTR(-ENOMEM);
	a->n = n;
	n = 0;
	list_for_each_entry(f, &filters, node) {
		if (!f->ops->prog[member])
			continue;
		a->run[n].filter = f;
		a->run[n].ops = f->ops;
		a->run[n].prog = f->ops->prog[member];
		n++;
	}
	return a;
}

static void publish(enum etran_filter_member member, struct filter_array *a,
		    struct static_key_false *key)
{
	struct filter_array *old;

	old = rcu_replace_pointer(arrays[member], a, lockdep_is_held(&etran_mutex));
	if (a)
		static_branch_enable(key);
	else
		static_branch_disable(key);
	if (old)
		kvfree_rcu(old, rcu);
}

/*
 * Has packets see the filters as they are now. Return: 0 or -ENOMEM, in which case nothing was
 * changed; never with __GFP_NOFAIL.
 */
static int rebuild(gfp_t gfp)
{
	struct filter_array *ingress, *egress;

	ingress = make_array(ETRAN_FILTER_OPS_INGRESS, gfp);
	if (IS_ERR(ingress))
		return PTR_ERR(ingress);
	egress = make_array(ETRAN_FILTER_OPS_EGRESS, gfp);
	if (IS_ERR(egress)) {
		kvfree(ingress);
		return PTR_ERR(egress);
	}
	publish(ETRAN_FILTER_OPS_INGRESS, ingress, &etran_filter_ingress_key);
	publish(ETRAN_FILTER_OPS_EGRESS, egress, &etran_filter_egress_key);
	return 0;
}

/* Puts @f behind all that run before it. */
static void insert(struct filter *f)
{
	struct filter *other;

	list_for_each_entry(other, &filters, node)
		if (other->ops->priority > f->ops->priority ||
		    (other->ops->priority == f->ops->priority && other->id > f->id))
			break;
	list_add_tail(&f->node, &other->node);
}

static int call_init(struct etran_filter_ops *ops)
{
	int err = ops->init ? ops->init() : 0;

	return err > 0 || err < -MAX_ERRNO ? -EINVAL : err;
}

static void eject(struct work_struct *work)
{
	struct filter *f = container_of(work, struct filter, eject);
	struct bpf_link *link = NULL;

	mutex_lock(&etran_mutex);
	/* While it is attached its link cannot have been freed. */
	if (!list_empty(&f->node) && f->ops == f->faulty) {
		link = bpf_link_inc_not_zero(f->link);
		if (IS_ERR(link))
			link = NULL;
		else
			pr_err("filter %s ejected: its %s program returned %u, which is no verdict of a filter (ETRAN_PASS or ETRAN_DROP); correct it and add it again\n",
			       f->ops->name,
			       f->direction == ETRAN_FILTER_EGRESS ? "egress" : "ingress",
			       f->verdict);
	}
	/* If it was replaced meanwhile, its successor shall answer for itself. */
	if (!link)
		atomic_set(&f->ejected, 0);
	mutex_unlock(&etran_mutex);
	/* This takes a lock of BPF that is outside of etran_mutex, and calls filter_unreg(). */
	if (link) {
		link->ops->detach(link);
		bpf_link_put(link);
	}
	kref_put(&f->ref, filter_free);
}

static int filter_reg(void *kdata, struct bpf_link *link)
{
	struct etran_filter_ops *ops = kdata;
	struct filter *f, *other;
	int err;

	if (!link)
		return -EOPNOTSUPP;
	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	kref_init(&f->ref);
	INIT_WORK(&f->eject, eject);
	f->ops = ops;
	f->link = link;
	f->loaded_ns = ktime_get_boottime_ns();
	err = -ENOMEM;
	f->counters = alloc_percpu(struct filter_counters);
	if (!f->counters)
		goto free;

	mutex_lock(&etran_mutex);
	err = -EEXIST;
	list_for_each_entry(other, &filters, node)
		if (!strcmp(other->ops->name, ops->name))
			goto unlock;
	err = call_init(ops);
	if (err)
		goto unlock;
	f->id = ++next_filter;
	insert(f);
	err = rebuild(GFP_KERNEL);
	if (err) {
		list_del(&f->node);
		if (ops->exit)
			ops->exit();
		goto unlock;
	}
	mutex_unlock(&etran_mutex);
	pr_info("filter %s attached, priority %d\n", ops->name, ops->priority);
	return 0;
unlock:
	mutex_unlock(&etran_mutex);
free:
	kref_put(&f->ref, filter_free);
	return err;
}

static struct filter *find_filter(const struct etran_filter_ops *ops)
{
	struct filter *f;

	list_for_each_entry(f, &filters, node)
		if (f->ops == ops)
			return f;
	return NULL;
}

static void filter_unreg(void *kdata, struct bpf_link *link)
{
	struct etran_filter_ops *ops = kdata;
	struct filter *f;

	mutex_lock(&etran_mutex);
	f = find_filter(ops);
	if (WARN_ON_ONCE(!f)) {
		mutex_unlock(&etran_mutex);
		return;
	}
	list_del_init(&f->node);
	/* Detaching cannot fail. */
	rebuild(GFP_KERNEL | __GFP_NOFAIL);
	synchronize_rcu();
	if (ops->exit)
		ops->exit();
	mutex_unlock(&etran_mutex);
	pr_info("filter %s detached\n", ops->name);
	kref_put(&f->ref, filter_free);
}

static int filter_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct etran_filter_ops *ops = kdata, *old = old_kdata;
	struct filter *f;
	int err;

	mutex_lock(&etran_mutex);
	f = find_filter(old);
	err = f ? 0 : -ENOENT;
	if (!err && strcmp(ops->name, old->name))
		err = -EINVAL;
	if (!err)
		err = call_init(ops);
	if (err)
		goto unlock;
	list_del(&f->node);
	f->ops = ops;
	insert(f);
	err = rebuild(GFP_KERNEL);
	if (err) {
		list_del(&f->node);
		f->ops = old;
		insert(f);
		old = ops;
	}
	/* Whichever of both is not used any more. */
	synchronize_rcu();
	if (old->exit)
		old->exit();
unlock:
	mutex_unlock(&etran_mutex);
	return err;
}

/**
 * etran_filter_get - see ETRAN_IOC_FILTER
 * @q: in: @q->id; out: all of it
 *
 * Return: 0 or -ENOENT. Context: process, may sleep.
 */
int etran_filter_get(struct etran_filter_info *q)
{
	struct filter *f, *found = NULL;
	u32 id = q->id;
	int cpu;

	mutex_lock(&etran_mutex);
	list_for_each_entry(f, &filters, node)
		if (f->id >= id && (!found || f->id < found->id))
			found = f;
	if (!found) {
		mutex_unlock(&etran_mutex);
		return -ENOENT;
	}
	memset(q, 0, sizeof(*q));
	q->id = found->id;
	q->priority = found->ops->priority;
	q->directions = (found->ops->ingress ? ETRAN_FILTER_INGRESS : 0) |
			(found->ops->egress ? ETRAN_FILTER_EGRESS : 0);
	q->ops_version = found->ops->version;
	/* The link's id is settled after it was attached. */
	q->link_id = READ_ONCE(found->link->id);
	q->loaded_ns = found->loaded_ns;
	strscpy(q->name, found->ops->name);
	for_each_possible_cpu(cpu) {
		const struct filter_counters *c = per_cpu_ptr(found->counters, cpu);

		q->ingress_packets += READ_ONCE(c->packets[ETRAN_FILTER_OPS_INGRESS]);
		q->ingress_dropped += READ_ONCE(c->dropped[ETRAN_FILTER_OPS_INGRESS]);
		q->egress_packets += READ_ONCE(c->packets[ETRAN_FILTER_OPS_EGRESS]);
		q->egress_dropped += READ_ONCE(c->dropped[ETRAN_FILTER_OPS_EGRESS]);
		q->bad_verdicts += READ_ONCE(c->bad_verdicts);
	}
	mutex_unlock(&etran_mutex);
	return 0;
}

/* ---- struct_ops ---- */

static int filter_init(struct btf *btf)
{
	const struct btf_type *t = btf_type_by_id(btf, filter_type_ids[1]);

	if (!t || t->size != sizeof(struct etran_filter_pkt))
		return -EINVAL;
	module_btf = btf;
	return 0;
}

static int filter_check_member(const struct btf_type *t, const struct btf_member *member,
			       const struct bpf_prog *prog)
{
	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct etran_filter_ops, init):
	case offsetof(struct etran_filter_ops, exit):
		return 0;
	}
	/* The others run with bottom halves off. */
	return etran_prog_sleepable(prog) ? -EINVAL : 0;
}

/* As in ops.c, whose head says why. */
static int take_prog(struct etran_filter_ops *ops, const struct etran_filter_ops *user, u32 member)
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
static int check_progs(const struct etran_filter_ops *ops, const struct etran_filter_ops *user)
{
	u32 i;

	if (memchr_inv(user->prog_id, 0, sizeof(user->prog_id)))
		return -EINVAL;
	for (i = 0; i < ETRAN_FILTER_OPS_RUN; i++)
		if (((unsigned long *)user)[i] != ops->prog_id[i])
			return -EBADF;
	return 1;
}

static int filter_init_member(const struct btf_type *t, const struct btf_member *member,
			      void *kdata, const void *udata)
{
	const struct etran_filter_ops *user = udata;
	u32 offset = __btf_member_bit_offset(t, member) / 8;
	struct etran_filter_ops *ops = kdata;

	if (offset < ETRAN_FILTER_OPS_RUN * sizeof(void *))
		return take_prog(ops, user, offset / sizeof(void *));
	switch (offset) {
	case offsetof(struct etran_filter_ops, version):
		if (user->version != ETRAN_FILTER_VERSION) {
			pr_warn("filter refused: built for etran_filter_ops version %u, this is %u; rebuild it against this module's bpf/etran.bpf.h\n",
				user->version, ETRAN_FILTER_VERSION);
			return -EINVAL;
		}
		ops->version = user->version;
		return 1;
	case offsetof(struct etran_filter_ops, flags):
		if (user->flags)
			return -EINVAL;
		return 1;
	case offsetof(struct etran_filter_ops, priority):
		ops->priority = user->priority;
		return 1;
	case offsetof(struct etran_filter_ops, name):
		if (!etran_name_ok(user->name)) {
			pr_warn("filter refused: its name must be 1 to %d of A-Z a-z 0-9 - _\n",
				ETRAN_NAME_LEN - 1);
			return -EINVAL;
		}
		strscpy(ops->name, user->name);
		return 1;
	case offsetof(struct etran_filter_ops, prog):
		return memchr_inv(user->prog, 0, sizeof(user->prog)) ? -EINVAL : 1;
	case offsetof(struct etran_filter_ops, prog_id):
		return check_progs(ops, user);
	}
	return 0;
}

static int filter_validate(void *kdata)
{
	struct etran_filter_ops *ops = kdata;

	if (ops->ingress || ops->egress)
		return 0;
	pr_warn("filter %s refused: it has neither ingress nor egress; give it one\n", ops->name);
	return -EINVAL;
}

static int filter_struct_access(struct bpf_verifier_log *log, const struct bpf_reg_state *reg,
				int off, int size)
{
	bpf_log(log, "etran: write of %d bytes at offset %d: filters can only read\n", size, off);
	return -EACCES;
}

static bool filter_is_valid_access(int off, int size, enum bpf_access_type type,
				   const struct bpf_prog *prog, struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_func_proto *filter_get_func_proto(enum bpf_func_id id,
							  const struct bpf_prog *prog)
{
	return etran_base_func_proto(id, prog);
}

static const struct bpf_verifier_ops verifier_ops = {
	.is_valid_access = filter_is_valid_access,
	.btf_struct_access = filter_struct_access,
	.get_func_proto = filter_get_func_proto,
};

/* Never called: the BPF core reads the members' types from them and wants them for CFI. */
static u32 etran_filter_ops__ingress(struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

static u32 etran_filter_ops__egress(struct etran_filter_pkt *pkt, struct etran_hdr *hdr)
{
	return ETRAN_DROP;
}

static s32 etran_filter_ops__init(void)
{
	return 0;
}

static void etran_filter_ops__exit(void)
{
}

static struct etran_filter_ops stubs = {
	.ingress = etran_filter_ops__ingress,
	.egress = etran_filter_ops__egress,
	.init = etran_filter_ops__init,
	.exit = etran_filter_ops__exit,
};

static struct bpf_struct_ops struct_ops = {
	.verifier_ops = &verifier_ops,
	.init = filter_init,
	.check_member = filter_check_member,
	.init_member = filter_init_member,
	.validate = filter_validate,
	.reg = filter_reg,
	.unreg = filter_unreg,
	.update = filter_update,
	.cfi_stubs = &stubs,
	.name = "etran_filter_ops",
	.owner = THIS_MODULE,
};

/**
 * etran_filter_register - make struct etran_filter_ops known to BPF
 *
 * Return: 0; -ENOENT when the module's BTF was not taken: registering succeeds then, and does
 * nothing. Context: module init.
 */
int etran_filter_register(void)
{
	int err = register_bpf_struct_ops(&struct_ops, etran_filter_ops);

	if (err)
		return err;
	return module_btf ? 0 : -ENOENT;
}
