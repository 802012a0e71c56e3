/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DSACK, RFC 2883: the next ACK's first block says what came twice. One range at a time is remembered, the newest.
 * Duplicates are rare: they cost a second locking, and the common way has nothing to do with them.
 */
#ifndef _TCP_DSACK_H
#define _TCP_DSACK_H

/* The segment has something that is here already; an ACK of it is due. 4.1, 4.2 */
__noinline int segment_duplicate(struct segment *s, struct after *a)
{
	__s64 start, end, behind;
	struct conn *c;

	if (!s || !a)
		return 0;
	c = conn_at(s->slot);
	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	start = pos_of(s->seq, c->irs, c->rcv_nxt);
	end = start + s->len;
	if (c->generation == a->generation && c->sack_ok && start >= 1) {
		behind = ranges_skip(c->ooo, RCV_RANGES, start);
		if (start < (__s64)c->rcv_nxt) {
			c->dsack_start = start;
			c->dsack_end = min64(end, c->rcv_nxt);
		} else if (behind > start) {
			/* The block that it lies in comes next: 4, (4). */
			ranges_add(c->ooo, RCV_RANGES, start, behind);
			c->dsack_start = start;
			c->dsack_end = min64(end, behind);
		}
	}
	bpf_spin_unlock(&c->lock);
	return 0;
}

#endif /* _TCP_DSACK_H */
