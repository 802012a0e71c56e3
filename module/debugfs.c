// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/etran: what transports keep, for people who look for what is stuck.
 *
 *	frames	every kept frame: where, whose, its state, how long nobody has touched it
 *	queues	every packet queue that is not empty
 *	wheels	every timing wheel that is not empty
 *
 * For reading, not for programs: the format may change. (Rejected: BPF iterators: a kernel must
 * have them, and whoever wants to look must write a program first.)
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include "etran.h"

#define CHUNK_BITS	20

static struct dentry *dir;

/* The kept frame at @pos or the next one after it. Context: RCU read side. */
static struct etran_frame *frame_from(loff_t *pos, struct etran_channel **chp)
{
	u32 id = *pos >> CHUNK_BITS, chunk = *pos & ((1U << CHUNK_BITS) - 1);
	struct etran_channel *ch;

	for (; id < ETRAN_MAX_CHANNELS; id++, chunk = 0) {
		ch = etran_channel_by_id(id);
		if (!ch || !etran_channel_kept(ch))
			continue;
		for (; chunk < ch->chunks; chunk++) {
			if (!(READ_ONCE(ch->frames[chunk].tag) & ETRAN_FRAME_STATE))
				continue;
			*pos = (u64)id << CHUNK_BITS | chunk;
			*chp = ch;
			return &ch->frames[chunk];
		}
	}
	return NULL;
}

static void *frames_start(struct seq_file *s, loff_t *pos)
	__acquires(RCU)
{
	struct etran_channel *ch;

	rcu_read_lock();
	/* The position is all that show needs. */
	return frame_from(pos, &ch) ? pos : NULL;
}

static void *frames_next(struct seq_file *s, void *v, loff_t *pos)
{
	struct etran_channel *ch;

	++*pos;
	return frame_from(pos, &ch) ? pos : NULL;
}

static void frames_stop(struct seq_file *s, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

static int frames_show(struct seq_file *s, void *v)
{
	static const char * const state[] = { "free", "held", "queued", "timed", "leaving", "leaving" };
	loff_t pos = *(loff_t *)v;
	struct etran_channel *ch;
	struct etran_frame *f;
	struct etran_link *link;
	struct etran_ep *ep;
	u32 tag;

	f = frame_from(&pos, &ch);
	if (!f)
		return 0;
	tag = READ_ONCE(f->tag);
	ep = READ_ONCE(f->ep);
	link = READ_ONCE(ch->link);
	if (!ep || (tag & ETRAN_FRAME_STATE) >= ARRAY_SIZE(state))
		return 0;
	seq_printf(s, "%s %s queue %u chunk %u: endpoint %u %s%s%s%s, %u bytes, cookie %#llx, untouched for %u ms\n",
		   ep->transport->name, link ? link->dev->name : "-", ch->queue,
		   (u32)(pos & ((1U << CHUNK_BITS) - 1)), ep->pub.id, state[tag & ETRAN_FRAME_STATE],
		   tag & ETRAN_FRAME_SENT ? " sent" : "",
		   tag & ETRAN_FRAME_DRIVER ? " driver" : "", f->page ? " packet" : "", f->len,
		   f->cookie, jiffies_to_msecs((u32)jiffies - f->touched));
	return 0;
}

static const struct seq_operations frames_sops = {
	.start = frames_start,
	.next = frames_next,
	.stop = frames_stop,
	.show = frames_show,
};
DEFINE_SEQ_ATTRIBUTE(frames);

static int queues_show(struct seq_file *s, void *v)
{
	struct etran_transport *t;

	mutex_lock(&etran_mutex);
	list_for_each_entry(t, &etran_transports, node)
		etran_queues_show(s, t);
	mutex_unlock(&etran_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static int wheels_show(struct seq_file *s, void *v)
{
	etran_wheels_show(s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(wheels);

void etran_debugfs_init(void)
{
	dir = debugfs_create_dir("etran", NULL);
	debugfs_create_file("frames", 0400, dir, NULL, &frames_fops);
	debugfs_create_file("queues", 0400, dir, NULL, &queues_fops);
	debugfs_create_file("wheels", 0400, dir, NULL, &wheels_fops);
}

void etran_debugfs_exit(void)
{
	debugfs_remove_recursive(dir);
}
