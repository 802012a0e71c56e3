// SPDX-License-Identifier: GPL-2.0
/*
 * Timed release: packets that leave at a time, in a timing wheel for each CPU (after Carousel,
 * SIGCOMM 2017).
 *
 * Two levels: 4096 slots of 4.096 us, and 256 slots of 16.8 ms that are spread over the first level
 * when their time comes. So putting a packet in and taking it out costs the same for any number of
 * packets, flows and times. The horizon is 4.27 s: what is further ahead is refused, for a packet
 * that far away is a mistake (a rate of nearly 0), and one that waits without limit would hold its
 * buffer for ever.
 *
 * A packet is released when its time has come and at most a slot later, plus what the timer and the
 * CPU are late; never earlier. Packets in one slot leave in the order in which they came, and all
 * packets of one socket that wait at a time are in one wheel, so the order of a flow is kept when
 * its times are in order.
 *
 * One hrtimer a wheel, set for the first slot that has packets. It does nothing but schedule the
 * CPU's generation NAPI (gen.c), which sends what is due: in batches, within its budget, and in
 * a context where pages can be recycled. (Rejected: sending in the timer's own softirq: no budget.
 * Rejected: one timer a flow, which costs more than all of the rest. Rejected: BPF timers alone, for
 * the same reason; they keep working beside this.)
 *
 * A wheel belongs to a CPU so that CPUs do not meet at its lock; any CPU may put packets in, arm the
 * timer, and run its NAPI.
 */
#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>
#include "etran.h"

#define SLOT_SHIFT	12			/* 4.096 us */
#define FINE_BITS	12
#define FINE		(1U << FINE_BITS)	/* slots of the first level */
#define COARSE		256U			/* of the second */
#define NEVER		U64_MAX
/* A block less than there are, for the first one has begun; and times are rounded up to slots. */
#define HORIZON_NS	(((u64)(COARSE - 1) << (FINE_BITS + SLOT_SHIFT)) - (1 << SLOT_SHIFT))
/* Packets that wait in one wheel: each holds a page or a chunk. */
#define WHEEL_MAX	(1U << 18)

/**
 * struct wheel - packets that wait on one CPU
 * @lock: all of it; bottom halves off
 * @cpu: whose
 * @now: slots before this one are empty; an absolute number, time >> SLOT_SHIFT
 * @count: packets in slots
 * @armed: for when the timer is set, ns; NEVER
 * @due: packets whose time has come
 * @due_count: how many
 * @fine: slots of the block that @now is in
 * @coarse: slots of the blocks after it
 * @fine_words: which words of @fine_map are not 0
 * @fine_map: which slots have packets
 * @coarse_map: the same
 * @timer: schedules the CPU's generation
 */
struct wheel {
	spinlock_t lock;	/* see above */
	int cpu;
	u64 now;
	u32 count;
	u64 armed;
	struct list_head due;
	u32 due_count;
	struct list_head *fine;
	struct list_head *coarse;
	unsigned long fine_words;
	unsigned long fine_map[FINE / BITS_PER_LONG];
	DECLARE_BITMAP(coarse_map, COARSE);
	struct hrtimer timer;
};

static DEFINE_PER_CPU(struct wheel, wheels);

/* ---- slots ---- */

static void fine_add(struct wheel *w, struct list_head *node, u64 slot)
{
	u32 i = slot & (FINE - 1);

	list_add_tail(node, &w->fine[i]);
	__set_bit(i, w->fine_map);
	__set_bit(i / BITS_PER_LONG, &w->fine_words);
}

static void coarse_add(struct wheel *w, struct list_head *node, u64 block)
{
	u32 i = block & (COARSE - 1);

	list_add_tail(node, &w->coarse[i]);
	__set_bit(i, w->coarse_map);
}

/* The first slot with packets from @now on in its block, or NEVER. */
static u64 fine_first(const struct wheel *w)
{
	u32 i = w->now & (FINE - 1), word = i / BITS_PER_LONG;
	unsigned long bits = w->fine_map[word] & (~0UL << (i % BITS_PER_LONG));

	if (!bits) {
		/* Twice, because a shift by 64 is none. */
		unsigned long words = w->fine_words & (~0UL << word << 1);

		if (!words)
			return NEVER;
		word = __ffs(words);
		bits = w->fine_map[word];
	}
	return (w->now & ~(u64)(FINE - 1)) + word * BITS_PER_LONG + __ffs(bits);
}

/* The first later block with packets, or NEVER. */
static u64 coarse_first(const struct wheel *w)
{
	u64 block = w->now >> FINE_BITS;
	u32 from = (block + 1) & (COARSE - 1), i;

	i = find_next_bit(w->coarse_map, COARSE, from);
	if (i == COARSE) {
		i = find_first_bit(w->coarse_map, COARSE);
		if (i == COARSE)
			return NEVER;
	}
	return block + 1 + ((i - from) & (COARSE - 1));
}

/* @now enters a block: its packets go to the first level. */
static void enter_block(struct wheel *w)
{
	u32 i = (w->now >> FINE_BITS) & (COARSE - 1);
	struct etran_timed *t, *n;

	if (!__test_and_clear_bit(i, w->coarse_map))
		return;
	list_for_each_entry_safe(t, n, &w->coarse[i], list) {
		list_del(&t->list);
		fine_add(w, &t->list, DIV_ROUND_UP_ULL(t->departure_ns, 1 << SLOT_SHIFT));
	}
}

/* Move what is due to the list. */
static void advance(struct wheel *w, u64 now_ns)
{
	u64 target = now_ns >> SLOT_SHIFT, slot, block;
	struct etran_timed *t;

	while (w->now <= target) {
		slot = w->count ? fine_first(w) : NEVER;
		if (slot <= target) {
			u32 i = slot & (FINE - 1);

			list_for_each_entry(t, &w->fine[i], list) {
				t->due = true;
				w->count--;
				w->due_count++;
			}
			list_splice_tail_init(&w->fine[i], &w->due);
			__clear_bit(i, w->fine_map);
			if (!w->fine_map[i / BITS_PER_LONG])
				__clear_bit(i / BITS_PER_LONG, &w->fine_words);
			w->now = slot + 1;
			if (!(w->now & (FINE - 1)))
				enter_block(w);
			continue;
		}
		/* Nothing due in this block; the packets that it has are later. */
		if (slot != NEVER) {
			w->now = target + 1;
			break;
		}
		block = w->count ? coarse_first(w) : NEVER;
		w->now = block == NEVER ? target + 1 : min(block << FINE_BITS, target + 1);
		enter_block(w);
	}
}

/* ---- timer ---- */

static enum hrtimer_restart expired(struct hrtimer *timer)
{
	struct wheel *w = container_of(timer, struct wheel, timer);

	etran_gen_schedule(w->cpu);
	return HRTIMER_NORESTART;
}

/* Set the timer for the first slot that has packets. Context: w->lock held. */
static void arm(struct wheel *w)
{
	u64 slot = NEVER, block;

	if (w->count) {
		slot = fine_first(w);
		if (slot == NEVER) {
			block = coarse_first(w);
			if (block != NEVER)
				slot = block << FINE_BITS;
		}
	}
	if (slot == NEVER) {
		w->armed = NEVER;
		return;
	}
	w->armed = slot << SLOT_SHIFT;
	hrtimer_start(&w->timer, ns_to_ktime(w->armed), HRTIMER_MODE_ABS_PINNED);
}

/* ---- in and out ---- */

/* Put @t where it belongs. Return: 0; 1 when it is due; -ERANGE. Context: w->lock held. */
static int insert(struct wheel *w, struct etran_timed *t, u64 now_ns)
{
	u64 slot = DIV_ROUND_UP_ULL(t->departure_ns, 1 << SLOT_SHIFT), ahead;

	if (w->count + w->due_count >= WHEEL_MAX || t->departure_ns > now_ns + HORIZON_NS)
		return -ERANGE;
	if (!w->count)
		w->now = now_ns >> SLOT_SHIFT;
	else if (t->departure_ns <= now_ns ||
		 (slot >> FINE_BITS) - (w->now >> FINE_BITS) >= COARSE)
		/* Nothing happened here for long; or the timer is late, and those before go first. */
		advance(w, now_ns);
	/* Those of the slot that is not over yet wait; who comes behind them waits too. */
	t->due = slot < w->now || (!w->count && t->departure_ns <= now_ns);
	if (t->due) {
		list_add_tail(&t->list, &w->due);
		w->due_count++;
		return 1;
	}
	ahead = (slot >> FINE_BITS) - (w->now >> FINE_BITS);
	if (ahead >= COARSE)
		return -ERANGE;
	if (ahead)
		coarse_add(w, &t->list, slot >> FINE_BITS);
	else
		fine_add(w, &t->list, slot);
	w->count++;
	return 0;
}

static struct wheel *wheel_of(struct etran_channel *ch)
{
	int cpu = smp_processor_id();

	if (!ch)
		return this_cpu_ptr(&wheels);
	/* Where its packets wait already; else here. */
	if (atomic_inc_return(&ch->timed) == 1)
		WRITE_ONCE(ch->wheel, cpu);
	return per_cpu_ptr(&wheels, READ_ONCE(ch->wheel));
}

/**
 * etran_timed_add - let a packet wait for its time
 * @t: in a page, or in a frame's entry
 * @departure_ns: when; 0, or a time that has passed: as soon as possible
 * @ch: socket whose frame it is, LEAVING; NULL for a packet without frame
 * @f: the frame or NULL
 *
 * Return: 0, or -ERANGE when it is past the horizon or too many wait; then the caller still has it.
 * Context: RCU read side, bottom halves off.
 */
int etran_timed_add(struct etran_timed *t, u64 departure_ns, struct etran_channel *ch,
		    struct etran_frame *f)
{
	struct wheel *w = wheel_of(ch);
	u64 now_ns = ktime_get_ns();
	int ret;

	t->departure_ns = departure_ns;
	t->channel = ch;
	t->frame = f;
	t->wheel = w->cpu;
	spin_lock(&w->lock);
	ret = insert(w, t, now_ns);
	if (ret >= 0) {
		if (f)
			etran_frame_timed(f);
		if (!ret && departure_ns < w->armed)
			arm(w);
	}
	spin_unlock(&w->lock);
	if (ret == 1)
		etran_gen_schedule(w->cpu);
	else if (ret < 0 && ch)
		atomic_dec(&ch->timed);
	return min(ret, 0);
}

/**
 * etran_timed_far - is a time beyond the horizon?
 * @departure_ns: CLOCK_MONOTONIC
 */
bool etran_timed_far(u64 departure_ns)
{
	return departure_ns && departure_ns > ktime_get_ns() + HORIZON_NS;
}

static void take_out(struct wheel *w, struct etran_timed *t)
{
	list_del(&t->list);
	if (t->due)
		w->due_count--;
	else
		w->count--;
}

/**
 * etran_timed_cancel - take a TIMED frame out of the wheel that it waits in
 * @ch: its channel
 * @f: the frame; it may wait no more
 * @tag: as the caller saw it, TIMED
 *
 * Its bit in the map may stay: the slot is found empty. The entry may be another frame by now, that
 * waits as well: nobody would end what was taken out in vain, so the generation is compared where it
 * cannot change. Context: RCU read side, bottom halves off. The caller looks at the frame again.
 */
void etran_timed_cancel(struct etran_channel *ch, struct etran_frame *f, u32 tag)
{
	const u32 what = -ETRAN_FRAME_GEN | ETRAN_FRAME_STATE;
	u16 cpu = READ_ONCE(f->timed.wheel);
	struct wheel *w;

	if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
		return;
	w = per_cpu_ptr(&wheels, cpu);
	spin_lock(&w->lock);
	if (!((READ_ONCE(f->tag) ^ tag) & what) && READ_ONCE(f->timed.wheel) == cpu) {
		take_out(w, &f->timed);
		etran_frame_due(ch, f, true);
		atomic_dec(&ch->timed);
	}
	spin_unlock(&w->lock);
}

/**
 * etran_timed_release - send what is due
 * @cpu: of which wheel
 * @x: where packets go
 * @budget: how many at most
 *
 * Return: how many. Context: RCU read side, bottom halves off.
 */
int etran_timed_release(int cpu, struct etran_xmit *x, int budget)
{
	struct wheel *w = per_cpu_ptr(&wheels, cpu);
	struct etran_timed *t, *next;
	struct list_head list;
	int n = 0;

	/* A timer that ran for packets which were taken back must be known not to be armed. */
	if (!READ_ONCE(w->count) && !READ_ONCE(w->due_count) && READ_ONCE(w->armed) == NEVER)
		return 0;
	INIT_LIST_HEAD(&list);
	spin_lock(&w->lock);
	if (w->count)
		advance(w, ktime_get_ns());
	while (n < budget && w->due_count) {
		t = list_first_entry(&w->due, struct etran_timed, list);
		w->due_count--;
		n++;
		if (t->frame)
			etran_frame_due(t->channel, t->frame, false);
		list_move_tail(&t->list, &list);
	}
	arm(w);
	spin_unlock(&w->lock);

	list_for_each_entry_safe(t, next, &list, list) {
		prefetch(next);
		if (t->frame) {
			atomic_dec(&t->channel->timed);
			etran_xmit_frame(x, t->channel, t->frame);
		} else {
			etran_xmit_add(x, etran_timed_page(t));
		}
	}
	return n;
}

/* Whether packets are due that a poll's budget left. */
bool etran_timed_more(int cpu)
{
	return READ_ONCE(per_cpu_ptr(&wheels, cpu)->due_count);
}

static void purge_list(struct wheel *w, struct list_head *from, struct etran_transport *t,
		       struct list_head *to)
{
	struct etran_timed *p, *next;

	list_for_each_entry_safe(p, next, from, list) {
		if (p->frame || etran_packet_of(etran_timed_page(p))->leave.transport != t)
			continue;
		take_out(w, p);
		list_add_tail(&p->list, to);
	}
}

/**
 * etran_timed_purge - drop a transport's packets that wait without being a frame's
 * @t: detached
 *
 * Context: process, may sleep.
 */
void etran_timed_purge(struct etran_transport *t)
{
	struct etran_timed *p, *next;
	LIST_HEAD(list);
	int cpu;
	u32 i;

	for_each_possible_cpu(cpu) {
		struct wheel *w = per_cpu_ptr(&wheels, cpu);

		for (i = 0; i <= FINE + COARSE && READ_ONCE(w->count); i++) {
			spin_lock_bh(&w->lock);
			if (i < FINE)
				purge_list(w, &w->fine[i], t, &list);
			else if (i < FINE + COARSE)
				purge_list(w, &w->coarse[i - FINE], t, &list);
			spin_unlock_bh(&w->lock);
		}
		spin_lock_bh(&w->lock);
		purge_list(w, &w->due, t, &list);
		spin_unlock_bh(&w->lock);
	}
	local_bh_disable();
	rcu_read_lock();
	list_for_each_entry_safe(p, next, &list, list)
		etran_xmit_drop(etran_timed_page(p));
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * etran_wheels_show - for debugfs
 * @s: where to
 *
 * Context: process.
 */
void etran_wheels_show(struct seq_file *s)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct wheel *w = per_cpu_ptr(&wheels, cpu);

		spin_lock_bh(&w->lock);
		if (w->count || w->due_count)
			seq_printf(s, "CPU %d: %u packets wait, %u are due, timer at %lld ns from now\n",
				   cpu, w->count, w->due_count,
				   w->armed == NEVER ? -1LL : (s64)(w->armed - ktime_get_ns()));
		spin_unlock_bh(&w->lock);
	}
}

void etran_wheel_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct wheel *w = per_cpu_ptr(&wheels, cpu);

		if (!w->fine)
			continue;
		hrtimer_cancel(&w->timer);
		WARN_ON(w->count || w->due_count);
		kvfree(w->fine);
		w->fine = NULL;
	}
}

int etran_wheel_init(void)
{
	int cpu;
	u32 i;

	BUILD_BUG_ON(FINE / BITS_PER_LONG > BITS_PER_LONG);
	for_each_possible_cpu(cpu) {
		struct wheel *w = per_cpu_ptr(&wheels, cpu);

		memset(w, 0, sizeof(*w));
		spin_lock_init(&w->lock);
		w->cpu = cpu;
		w->armed = NEVER;
		INIT_LIST_HEAD(&w->due);
		hrtimer_init(&w->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED);
		w->timer.function = expired;
		w->fine = kvmalloc_node((FINE + COARSE) * sizeof(*w->fine), GFP_KERNEL,
					cpu_to_node(cpu));
		if (!w->fine) {
			etran_wheel_exit();
			return -ENOMEM;
		}
		w->coarse = w->fine + FINE;
		for (i = 0; i < FINE + COARSE; i++)
			INIT_LIST_HEAD(&w->fine[i]);
	}
	return 0;
}
