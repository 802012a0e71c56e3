// SPDX-License-Identifier: GPL-2.0
/*
 * Which transport calls? For the functions that take a handle, an endpoint or a queue by number.
 *
 * Programs that the module runs leave their transport in a per-CPU record: bottom halves are off, so
 * nothing but another run of ours can come in between (a driver's ndo_xdp_xmit may lead to the
 * peer's ingress), and that puts the record back.
 *
 * But functions are called from timer callbacks too, which the BPF core runs, and from init and
 * exit. There the return address tells: it lies in the machine code of one of the transport's
 * programs or of their subprograms. A timer of a replaced program goes on with the old code, so old
 * ranges stay until the transport goes, with a reference to the program: memory that is free could
 * become another transport's code. A program that is reached by tail call from a timer callback is
 * none of the transport's members and so unknown. (Rejected: the transport as an argument that the
 * verifier fills in, as bpf_prog_aux pointers are from 6.16 on: not on the kernels that we run on.
 * Rejected: believing a number that the program gives.)
 */
#include <linux/bsearch.h>
#include <linux/sort.h>
#include "etran.h"

DEFINE_PER_CPU(struct etran_current, etran_current);

/**
 * struct code - machine code of one program or subprogram
 * @start: first byte
 * @end: behind the last one
 */
struct code {
	unsigned long start;
	unsigned long end;
};

/**
 * struct etran_callers - the programs of a transport, those that were replaced included
 * @progs: with a reference to each
 * @nr_progs: number of @progs
 * @nr_code: number of @code
 * @code: sorted by address
 */
struct etran_callers {
	struct bpf_prog **progs;
	u32 nr_progs;
	u32 nr_code;
	struct code code[] __counted_by(nr_code);
};

static int cmp_code(const void *a, const void *b)
{
	const struct code *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int cmp_ip(const void *key, const void *elt)
{
	unsigned long ip = (unsigned long)key;
	const struct code *c = elt;

	return ip < c->start ? -1 : ip >= c->end;
}

static u32 count_code(const struct bpf_prog *prog)
{
	return etran_prog_functions(prog) ?: 1;
}

/* Subprograms are compiled each for itself; the first of them is the program. */
static u32 add_code(struct code *to, const struct bpf_prog *prog)
{
	const struct bpf_prog *func;
	u32 i, n = count_code(prog);

	for (i = 0; i < n; i++) {
		func = etran_prog_functions(prog) ? prog->aux->func[i] : prog;
		to[i].start = (unsigned long)func->bpf_func;
		to[i].end = to[i].start + func->jited_len;
	}
	return n;
}

/* Context: nobody reads @c any more; may sleep. */
static void callers_free(struct etran_callers *c)
{
	u32 i;

	if (!c)
		return;
	for (i = 0; i < c->nr_progs; i++)
		bpf_prog_put(c->progs[i]);
	kfree(c->progs);
	kvfree(c);
}

/**
 * etran_callers_add - programs of a transport that may call from here on
 * @t: the transport
 * @ops: they
 *
 * Return: 0 or -ENOMEM. Context: etran_mutex held, may sleep.
 */
int etran_callers_add(struct etran_transport *t, const struct etran_ops *ops)
{
	struct etran_callers *old, *c;
	u32 nr_progs = 0, nr_code = 0, i;

	old = rcu_dereference_protected(t->callers, lockdep_is_held(&etran_mutex));
	if (old) {
		nr_progs = old->nr_progs;
		nr_code = old->nr_code;
	}
	for (i = 0; i < ETRAN_NR_MEMBERS; i++)
		if (ops->prog[i])
			nr_code += count_code(ops->prog[i]);

	c = kvzalloc(struct_size(c, code, nr_code), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->nr_code = nr_code;
	c->progs = kcalloc(nr_progs + ETRAN_NR_MEMBERS, sizeof(*c->progs), GFP_KERNEL);
	if (!c->progs) {
		kvfree(c);
		return -ENOMEM;
	}
	nr_code = 0;
	if (old) {
		nr_code = old->nr_code;
		memcpy(c->code, old->code, nr_code * sizeof(*c->code));
		memcpy(c->progs, old->progs, nr_progs * sizeof(*c->progs));
	}
	for (i = 0; i < ETRAN_NR_MEMBERS; i++) {
		if (!ops->prog[i])
			continue;
		bpf_prog_inc(ops->prog[i]);
		c->progs[nr_progs++] = ops->prog[i];
		nr_code += add_code(&c->code[nr_code], ops->prog[i]);
	}
	c->nr_progs = nr_progs;
	sort(c->code, c->nr_code, sizeof(*c->code), cmp_code, NULL);
	rcu_assign_pointer(t->callers, c);
	if (old) {
		synchronize_rcu();
		/* Its references are the new one's. */
		kfree(old->progs);
		kvfree(old);
	}
	return 0;
}

/**
 * etran_callers_free - forget the programs of a transport
 * @t: not in etran_transports for a grace period
 *
 * Context: process, may sleep.
 */
void etran_callers_free(struct etran_transport *t)
{
	callers_free(rcu_replace_pointer(t->callers, NULL, true));
}

/**
 * etran_caller - the transport whose program called a function of the module
 * @ip: _RET_IP_ of that function
 *
 * Return: it, or NULL: called by a program of none that is attached.
 * Context: RCU read side, before the function itself turns bottom halves off.
 */
struct etran_transport *etran_caller(unsigned long ip)
{
	struct etran_transport *t = etran_running();
	struct etran_callers *c;

	if (t)
		return t;
	list_for_each_entry_rcu(t, &etran_transports, node) {
		c = rcu_dereference(t->callers);
		if (c && bsearch((void *)ip, c->code, c->nr_code, sizeof(*c->code), cmp_ip))
			return t;
	}
	return NULL;
}
