/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers that are silent. Keepalive (RFC 9293, 3.8.4): who asked for it has a peer that said nothing for some time asked with
 * an empty segment in front of what it expects, which it must answer; after some without answer the connection is reset.
 * Only where nothing is under way: else there are timers that find out.
 *
 * User timeout (RFC 9293, 3.8.3; RFC 5482's local value): how long data may be without acknowledgement, a handshake
 * without answer, or a peer without answer to keepalive.
 */
#ifndef _TCP_KEEPALIVE_H
#define _TCP_KEEPALIVE_H

static __always_inline __u64 keepalive_idle_ns(const struct conn *c)
{
	return ms_ns(c->opt.keep_idle_ms ? c->opt.keep_idle_ms : etran_bounded(tcp_keepalive_idle_ms));
}

/* Under the lock: how long may @otherwise ms be, as the application or the system wants it? */
static __always_inline __u64 user_timeout_ns(const struct conn *c, __u32 otherwise)
{
	return ms_ns(c->opt.user_timeout_ms ? c->opt.user_timeout_ms : otherwise);
}

/* Under the lock: the handshake is complete, or what was asked for has changed. */
static __always_inline void keepalive_start(struct conn *c, struct after *a, __u64 now)
{
	c->keep_at = c->opt.keepalive ? max64(c->last_ns + keepalive_idle_ns(c), now + 1) : 0;
	c->keep_probes = 0;
	conn_due(c, a, now);
}

/* Under the lock: something came. */
static __always_inline void keepalive_heard(struct conn *c, __u64 now)
{
	c->last_ns = now;
	if (c->keep_probes)
		c->keep_probes = 0;
}

/* Under the lock: @keep_at has come. */
static __always_inline void keepalive_expired(struct conn *c, struct after *a, __u64 now)
{
	__u64 idle = keepalive_idle_ns(c), silent = now - c->last_ns;
	__u32 most = c->opt.keep_count ? c->opt.keep_count : etran_bounded(tcp_keepalive_count);
	__u32 interval = c->opt.keep_interval_ms ? c->opt.keep_interval_ms :
					       etran_bounded(tcp_keepalive_interval_ms);

	if (c->state != CONN_ESTABLISHED && c->state != CONN_CLOSE_WAIT && c->state != CONN_FIN_WAIT_2) {
		c->keep_at = 0;
		return;
	}
	if (c->una < c->nxt || c->nxt < c->queued) {
		c->keep_probes = 0;
		c->keep_at = now + idle;
		return;
	}
	if (!c->keep_probes && silent < idle) {
		c->keep_at = c->last_ns + idle;
		return;
	}
	if (c->keep_probes && (c->opt.user_timeout_ms ? silent >= ms_ns(c->opt.user_timeout_ms) :
						    c->keep_probes >= most)) {
		conn_reset(c, a, ETIMEDOUT, now);
		return;
	}
	c->keep_probes++;
	c->keep_at = now + ms_ns(interval);
	work_add(c, a, PENDING_KEEPALIVE);
}

#endif /* _TCP_KEEPALIVE_H */
