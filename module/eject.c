// SPDX-License-Identifier: GPL-2.0
/*
 * Ejection: a transport that does wrong is detached by the module, and it is kept on record why.
 *
 * What ejects, whoever finds it, wherever (mostly in the middle of a packet): a value that is no
 * verdict, a generation that never ends, a misused queue, a frame that nobody releases, and the
 * program itself by bpf_etran_error(). The first error wins, by cmpxchg; what follows from it is not
 * looked at. The pointer to the programs is cleared on the spot, so from the next packet on
 * received ones go to the kernel and frames are dropped; the rest sleeps and is left to a work item.
 * That detaches the BPF link like bpf_link_detach() from user space: who polls the link hears of it,
 * and frames are freed and endpoints told by the same lines as after an orderly unload.
 *
 * At once, without a second chance: a program that returned garbage once has an error, and nobody
 * looks for it while traffic still flows. (Rejected: a limit a second; it hides the error on quiet
 * machines and keeps a broken transport on busy ones.)
 *
 * Runaway generation:
 * - More than ETRAN_GEN_IDLE calls of gen on one CPU, over more than a second, all of which returned
 *   ETRAN_CONSUME. One that throws a backlog away ends before the second does.
 * - gen that makes packets and does not say stop on one CPU for GEN_ALONE seconds, while its transport got
 *   neither a frame nor a packet: it answers nobody and carries nobody's data. However busy a transport
 *   is, it is busy with somebody, who is heard within that time; and one that paces itself says stop and
 *   is kicked by a timer.
 * One that goes on for ever while frames or packets do come is not found: nothing that the module sees tells
 * it from a busy one. (Rejected: a limit of packets for each frame or packet received: what a program
 * makes of them is its business. Rejected: the kernel's own measure, CPU time: it depends on the
 * load.) It is budgeted and served in turns (gen.c), so that it costs bandwidth and nothing else.
 *
 * The watchdog (timeout_ms) looks for frames about which a transport does nothing, by where they are:
 * - Held or retained: since a function was last called for its handle, or its packet left.
 * - In a packet queue: since it was pushed, or somebody last popped or peeked there, whichever is later.
 *   Frames of a queue that is served but in which better ones overtake them for ever are the
 *   transport's policy, as is a handle that it asks for every second and does nothing with.
 * - Waiting for its time: never. The transport said when, the wheel's horizon says how long at most, and
 *   that it leaves then is the module's affair. From then on it is as if touched. (Rejected: to count
 *   that time too: timeout_ms could not be shorter than the longest pacing delay.)
 * - On its way to the device: never; a device that takes nothing loses its backlog (xmit.c).
 *
 * The last ETRAN_EXITS records are kept, of orderly unloads too: "it is gone" is what an
 * administrator finds first.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/kobject.h>
#include <linux/timekeeping.h>
#include "etran.h"
#include "trace.h"

#define ETRAN_EXITS		16
/* Seconds; see above. */
#define GEN_ALONE		10
/* What a transport got was not summed yet. */
#define GEN_NOT_ASKED		U64_MAX

/* The latest at the end; under etran_mutex. */
static struct etran_exit_record records[ETRAN_EXITS];
static u32 nr_records, last_record;

static const char * const member_names[ETRAN_NR_MEMBERS] = {
	[ETRAN_EGRESS] = "egress",
	[ETRAN_INGRESS] = "ingress",
	[ETRAN_GEN] = "gen",
	[ETRAN_ENDPOINT_OPEN] = "endpoint_open",
	[ETRAN_ENDPOINT_BIND] = "endpoint_bind",
	[ETRAN_ENDPOINT_CLOSE] = "endpoint_close",
	[ETRAN_ENDPOINT_ROOM] = "endpoint_room",
	[ETRAN_STREAM_OPEN] = "stream_open",
	[ETRAN_STREAM_CLOSE] = "stream_close",
	[ETRAN_STREAM_SHARE] = "stream_share",
	[ETRAN_INIT] = "init",
	[ETRAN_EXIT] = "exit",
};

static const char *kind_name(u32 kind)
{
	switch (kind) {
	case ETRAN_EXIT_UNLOAD:
		return "unload";
	case ETRAN_EXIT_PROGRAM:
		return "program";
	case ETRAN_EXIT_VERDICT:
		return "verdict";
	case ETRAN_EXIT_GEN:
		return "gen";
	case ETRAN_EXIT_QUEUE:
		return "queue";
	case ETRAN_EXIT_WATCHDOG:
		return "watchdog";
	}
	return "unknown";
}

/* "CPU 1: gen ingress ingress" - the latest first; this CPU, then the others while there is room. */
static int describe_cpu(struct etran_transport *t, int cpu, char *to, size_t size)
{
	u64 ran = READ_ONCE(per_cpu_ptr(t->ran, cpu)->members);
	int n;

	if (!ran)
		return 0;
	n = scnprintf(to, size, "CPU %d:", cpu);
	for (; ran; ran >>= 8)
		n += scnprintf(to + n, size - n, " %s",
			       member_names[((ran & 0xff) - 1) % ETRAN_NR_MEMBERS]);
	return n;
}

static void describe_last(struct etran_transport *t)
{
	size_t size = sizeof(t->last);
	int cpu, here = raw_smp_processor_id(), n;

	n = describe_cpu(t, here, t->last, size);
	for_each_online_cpu(cpu) {
		if (cpu == here || n + 1 >= size)
			continue;
		if (n && READ_ONCE(per_cpu_ptr(t->ran, cpu)->members))
			n += scnprintf(t->last + n, size - n, "; ");
		n += describe_cpu(t, cpu, t->last + n, size - n);
	}
}

/**
 * etran_eject - detach a transport for an error
 * @t: the transport
 * @kind: what kind of error
 * @code: kept with it
 * @fmt: one sentence for the administrator, as for printf
 *
 * Does nothing when it is being ejected already. Return: whether this call did it.
 * Context: RCU read side, any but hardirq.
 */
bool etran_eject(struct etran_transport *t, enum etran_exit_kind kind, s64 code,
		 const char *fmt, ...)
{
	va_list ap;

	if (atomic_read(&t->ejected) || atomic_cmpxchg(&t->ejected, 0, 1))
		return false;
	/* Read after a grace period, or by the work that is queued below. */
	t->exit.kind = kind;
	t->exit.code = code;
	t->exit.when_ns = ktime_get_boottime_ns();
	va_start(ap, fmt);
	vscnprintf(t->exit.msg, sizeof(t->exit.msg), fmt, ap);
	va_end(ap);
	describe_last(t);
	trace_eject(t->name, kind, code, t->exit.msg);
	/* Whoever sets it looks at @ejected afterwards, see publish() in ops.c. */
	RCU_INIT_POINTER(t->ops, NULL);
	if (kref_get_unless_zero(&t->ref))
		queue_work(etran_wq, &t->eject_work);
	return true;
}

/**
 * etran_bad_verdict - a program returned what it must not
 * @link: the link device, or NULL
 * @t: its transport
 * @member: the program
 * @value: what it returned
 *
 * Counts, and ejects the transport. Context: as etran_eject().
 */
void etran_bad_verdict(struct etran_link *link, struct etran_transport *t,
		       enum etran_member member, s64 value)
{
	const char *name = member_names[member];

	etran_count(link, t, bad_verdict);
	if (member == ETRAN_EGRESS && value == ETRAN_HOLD)
		etran_eject(t, ETRAN_EXIT_VERDICT, value,
			    "%s returned ETRAN_HOLD without a handle from bpf_etran_hold()", name);
	else if (member == ETRAN_EGRESS && value == (ETRAN_TX | ETRAN_RETAIN))
		etran_eject(t, ETRAN_EXIT_VERDICT, value,
			    "%s returned ETRAN_RETAIN without a handle from bpf_etran_hold()",
			    name);
	else if (member == ETRAN_INGRESS && value == ETRAN_DELIVER)
		etran_eject(t, ETRAN_EXIT_VERDICT, value,
			    "%s returned ETRAN_DELIVER, but bpf_etran_deliver() delivered nothing",
			    name);
	else if (member == ETRAN_ENDPOINT_OPEN || member == ETRAN_ENDPOINT_BIND)
		etran_eject(t, ETRAN_EXIT_VERDICT, value,
			    "%s returned %lld, which is neither 0 nor a negative errno", name,
			    value);
	else
		etran_eject(t, ETRAN_EXIT_VERDICT, value,
			    "%s returned %lld, which is no verdict there", name, value);
}

/**
 * etran_gen_runaway - gen was called ETRAN_GEN_IDLE times for nothing
 * @t: the transport
 * @ran: its counts on this CPU
 *
 * Context: gen, RCU read side, bottom halves off.
 */
void etran_gen_runaway(struct etran_transport *t, struct etran_ran *ran)
{
	u32 ms;

	if (time_before_eq((unsigned long)jiffies, ran->since + HZ))
		return;
	ms = jiffies_to_msecs(jiffies - ran->since);
	etran_eject(t, ETRAN_EXIT_GEN, ran->idle,
		    "gen was called %u times in %u ms without making a packet or saying stop",
		    ran->idle, ms);
}

/* All that others gave to a transport. */
static u64 input_of(const struct etran_transport *t)
{
	u64 n = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct etran_counter_set *set = per_cpu_ptr(t->counters, cpu);

		n += READ_ONCE(set->v[ETRAN_C_frames_accepted]) +
		     READ_ONCE(set->v[ETRAN_C_rx_packets]);
	}
	return n;
}

/**
 * etran_gen_goes_on - gen's turn ended, and it did not say stop
 * @t: the transport
 * @made: calls of it in this turn
 *
 * Context: gen, RCU read side, bottom halves off.
 */
void etran_gen_goes_on(struct etran_transport *t, u32 made)
{
	struct etran_ran *ran = this_cpu_ptr(t->ran);
	unsigned long now = jiffies;
	u64 input;

	/* It was not called for long: it may have been told to stop (no page, no room) instead. */
	if (time_after(now, ran->turn + HZ))
		ran->going = 0;
	ran->turn = now;
	ran->made += made;
	/* Most say stop in one of the next turns: for them the counters are not summed. */
	input = GEN_NOT_ASKED;
	if (ran->going) {
		if (time_before(now, ran->going + (ran->input == input ? HZ : GEN_ALONE * HZ)))
			return;
		input = input_of(t);
		if (input == ran->input)
			etran_eject(t, ETRAN_EXIT_GEN, ran->made,
				    "gen was called %u times in %u ms and never said stop, while no frame and no packet came in",
				    ran->made, jiffies_to_msecs(now - ran->going));
	}
	ran->input = input;
	ran->made = 0;
	/* 0 says that it does not. */
	ran->going = now ?: 1;
}

/**
 * etran_program_error - see bpf_etran_error()
 * @t: whose program
 * @code: the program's
 * @msg: text, not necessarily terminated
 * @size: bytes at @msg
 *
 * Return: 0; -EINVAL (not printable, or too long), -EALREADY. Context: RCU read side.
 */
int etran_program_error(struct etran_transport *t, s64 code, const char *msg, u32 size)
{
	u32 len = strnlen(msg, size), i;

	if (len >= ETRAN_EXIT_MSG_LEN)
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (!isascii(msg[i]) || !isprint(msg[i]))
			return -EINVAL;
	return etran_eject(t, ETRAN_EXIT_PROGRAM, code, "%.*s", (int)len, msg) ? 0 : -EALREADY;
}

static void tell_user_space(struct etran_transport *t)
{
	char *env[] = {
		"ETRAN_EVENT=eject",
		kasprintf(GFP_KERNEL, "TRANSPORT=%s", t->name),
		kasprintf(GFP_KERNEL, "KIND=%s", kind_name(t->exit.kind)),
		kasprintf(GFP_KERNEL, "CODE=%lld", t->exit.code),
		kasprintf(GFP_KERNEL, "MESSAGE=%s", t->exit.msg),
		NULL
	};
	int i;

	if (env[1] && env[2] && env[3] && env[4])
		etran_device_uevent(env);
	for (i = 1; i < ARRAY_SIZE(env) - 1; i++)
		kfree(env[i]);
}

static void eject(struct work_struct *work)
{
	struct etran_transport *t = container_of(work, struct etran_transport, eject_work);
	struct bpf_link *link = NULL;

	pr_err("transport %s ejected: %s (%s, code %lld; last programs: %s)\n", t->name,
	       t->exit.msg, kind_name(t->exit.kind), t->exit.code, *t->last ? t->last : "none");

	/* The link lives as long as it is attached; its detaching takes the mutex itself. */
	mutex_lock(&etran_mutex);
	if (t->attached)
		link = bpf_link_inc_not_zero(t->link);
	mutex_unlock(&etran_mutex);
	if (!IS_ERR_OR_NULL(link)) {
		/* Kernels before 6.11 cannot: the link stays, attached to nothing. */
		if (link->ops->detach)
			link->ops->detach(link);
		else
			etran_ops_detach(t);
		bpf_link_put(link);
	}
	tell_user_space(t);
	etran_transport_put(t);
}

static void watch(struct work_struct *work)
{
	struct etran_transport *t = container_of(to_delayed_work(work), struct etran_transport,
						 watchdog);
	u32 timeout_ms = READ_ONCE(t->timeout_ms), ms, queue;

	if (!timeout_ms || atomic_read(&t->ejected))
		return;
	ms = etran_frames_oldest(t, &queue);
	if (ms > timeout_ms) {
		rcu_read_lock();
		if (queue == U32_MAX)
			etran_eject(t, ETRAN_EXIT_WATCHDOG, ms,
				    "a frame was held for %u ms without being touched, timeout_ms is %u",
				    ms, timeout_ms);
		else
			etran_eject(t, ETRAN_EXIT_WATCHDOG, ms,
				    "a frame waited %u ms in packet queue %u, which nobody served, timeout_ms is %u",
				    ms, queue, timeout_ms);
		rcu_read_unlock();
		return;
	}
	queue_delayed_work(etran_wq, &t->watchdog, msecs_to_jiffies(timeout_ms) / 2 + 1);
}

/**
 * etran_eject_init - make a transport ready to be ejected
 * @t: the transport
 */
void etran_eject_init(struct etran_transport *t)
{
	INIT_WORK(&t->eject_work, eject);
	INIT_DELAYED_WORK(&t->watchdog, watch);
}

/**
 * etran_watchdog_start - look after the transport's frames from now on
 * @t: the transport; its timeout_ms is set, or has changed
 *
 * Context: etran_mutex held.
 */
void etran_watchdog_start(struct etran_transport *t)
{
	if (t->timeout_ms)
		mod_delayed_work(etran_wq, &t->watchdog, msecs_to_jiffies(t->timeout_ms) / 2 + 1);
}

/**
 * etran_exit_settle - decide what the end of a transport is called
 * @t: the transport; nothing of it has run for a grace period
 *
 * Unless it was ejected it is an orderly unload. Context: etran_mutex held.
 */
void etran_exit_settle(struct etran_transport *t)
{
	cancel_delayed_work_sync(&t->watchdog);
	if (atomic_cmpxchg(&t->ejected, 0, 1))
		return;
	t->exit.kind = ETRAN_EXIT_UNLOAD;
	t->exit.when_ns = ktime_get_boottime_ns();
	describe_last(t);
}

/**
 * etran_exit_record - keep on record how a transport ended
 * @t: the transport, after etran_exit_settle()
 * @frames: how many frames it kept
 *
 * Context: etran_mutex held.
 */
void etran_exit_record(struct etran_transport *t, u64 frames)
{
	struct etran_exit_record *r;

	if (nr_records == ETRAN_EXITS)
		memmove(records, records + 1, (ETRAN_EXITS - 1) * sizeof(*records));
	else
		nr_records++;
	r = &records[nr_records - 1];
	memset(r, 0, sizeof(*r));
	r->id = ++last_record;
	r->transport = t->id;
	r->kind = t->exit.kind;
	r->ip_proto = t->ip_proto;
	r->code = t->exit.code;
	r->loaded_ns = t->loaded_ns;
	r->ended_ns = t->exit.when_ns;
	r->frames = frames;
	strscpy(r->name, t->name);
	strscpy(r->msg, t->exit.msg);
	strscpy(r->last, t->last);
}

/**
 * etran_exit_get - ETRAN_IOC_EXIT
 * @q: question and answer
 *
 * Return: 0 or -ENOENT. Context: process, may sleep.
 */
int etran_exit_get(struct etran_exit_record *q)
{
	int err = -ENOENT;
	u32 i;

	mutex_lock(&etran_mutex);
	for (i = 0; i < nr_records; i++) {
		if (records[i].id < q->id)
			continue;
		*q = records[i];
		err = 0;
		break;
	}
	mutex_unlock(&etran_mutex);
	return err;
}
