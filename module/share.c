// SPDX-License-Identifier: GPL-2.0
/*
 * Shared streams: data that goes through the file, for whoever has it.
 *
 * An application's payload lies in its own memory and goes through rings that it alone has, which is what makes it
 * cheap. So nobody else can use its connections: no child of fork(), no program that is exec'ed, no process that was sent the
 * descriptor. ETRAN_IOC_STREAM_SHARE gives that up for single streams: from then on what is received lies here, and what
 * is sent is copied into frames of the module's own (hub.c), by read(), write(), splice() and two ioctls with flags, as with
 * the kernel's own sockets. To transport and peer nothing changes; the transport only learns of another endpoint. The way
 * back is not offered: nobody knows who else has the file.
 *
 * Rejected: that whoever uses a connection first has it moved to its own endpoint. It would need the help of who has had
 * it, for bytes that are in its memory, and that one may be waiting for its child. Rejected: memory for payload that processes
 * share. A child with fewer rights could write its parent's.
 *
 * What was received when a stream becomes shared is in the application, or in its RX ring. So first the transport learns of the
 * new endpoint; after a grace period nothing is put into the ring any more for it; then the application hands over what it
 * has (ETRAN_IOC_STREAM_GIVE). Meanwhile packets arrive, and are put where they belong: a gap is closed by what is given. Who
 * reads waits until all of that is here. The transport knows how far there is no gap, and what it acknowledged has a place
 * here, as a delivery that finds none fails and counts as lost.
 *
 * Received bytes lie in pages of packets' own pool (etran_page_alloc()), each made when the first byte comes and given back
 * when the last one was read: an idle stream has none. Of all streams together there are at most an eighth of the host's.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <linux/termios.h>
#include <linux/uaccess.h>
#include "stream.h"

/* What a transport's window can be more than it says, as it is told in units. */
#define ROOM_SLACK	4096U

/* Of struct etran_stream_user.flags, what applications say. */
#define SETTABLE	(ETRAN_STREAM_SHUT_RD | ETRAN_STREAM_SHUT_WR | ETRAN_STREAM_ABORT | \
			 ETRAN_STREAM_NODELAY | ETRAN_STREAM_CORK)

static atomic_long_t pages_used;

/* ---- what was received ---- */

static void *page_take(void)
{
	void *page = NULL;

	if (atomic_long_inc_return(&pages_used) <= (long)(totalram_pages() / 8))
		page = etran_page_alloc();
	/* Should an application not give what the transport says is here, nobody reads what was there before. */
	if (page)
		clear_page(page);
	else
		atomic_long_dec(&pages_used);
	return page;
}

static void page_give(void *page)
{
	etran_page_put(page);
	atomic_long_dec(&pages_used);
}

/* Bytes of the stream from @offset on have arrived. Context: lock held. Return: 0, -ENOBUFS. */
static int put(struct etran_share *share, u64 offset, const void *data, u32 len)
{
	u64 read = share->user.read, end = offset + len;

	if (end < offset || end > read + share->room)
		return -ENOBUFS;
	if (offset < read) {
		if (end <= read)
			return 0;
		data += read - offset;
		offset = read;
	}
	while (offset < end) {
		u32 at = offset & (PAGE_SIZE - 1), n = min_t(u64, PAGE_SIZE - at, end - offset);
		void **page = &share->page[offset >> PAGE_SHIFT & (share->pages - 1)];

		if (!*page) {
			*page = page_take();
			if (!*page)
				return -ENOBUFS;
		}
		memcpy(*page + at, data, n);
		data += n;
		offset += n;
	}
	return 0;
}

/**
 * etran_share_deliver - a transport delivers to a hub
 * @ep: the hub's endpoint
 * @rec: the record
 * @data: payload
 * @len: bytes of it
 *
 * Return: 0, -ENOENT, -ENOBUFS. Context: RCU read side, bottom halves off.
 */
int etran_share_deliver(struct etran_ep *ep, const struct etran_rec *rec, const void *data, u32 len)
{
	const struct etran_stream_rec *r = (const void *)rec->data;
	struct etran_st *st;
	int err;

	/* What else there is to be told bpf_etran_stream_set() tells. */
	if (!len)
		return 0;
	st = xa_load(&ep->streams, r->stream);
	if (!st || st->pub.tag != r->tag)
		return -ENOENT;
	spin_lock(&st->share->lock);
	err = put(st->share, r->offset, data, len);
	spin_unlock(&st->share->lock);
	return err;
}

/**
 * etran_share_news - a transport says how far deliveries to a hub go
 * @share: the stream's data
 * @avail: how far; FIN counts as a byte
 * @set: ETRAN_STREAM_*
 *
 * Before the stream's own state changes: who sees that looks here. Context: RCU read side, bottom halves off.
 */
void etran_share_news(struct etran_share *share, u64 avail, u32 set)
{
	bool fin = set & ETRAN_STREAM_FIN;

	spin_lock(&share->lock);
	if (fin && avail)
		avail--;
	/* Nothing comes behind a failure: what is there may have a gap in front, see lost(). */
	if (avail > share->have && !share->fin && !share->failed)
		share->have = avail;
	if (fin && !share->failed)
		share->fin = true;
	if (set & ETRAN_STREAM_ERROR && !share->failed) {
		share->failed = true;
		WRITE_ONCE(share->error, set >> ETRAN_STREAM_ERRNO_SHIFT ?: ECONNRESET);
	}
	spin_unlock(&share->lock);
}

/* Bytes that can be read. */
static u64 readable(struct etran_share *share)
{
	u64 n;

	spin_lock_bh(&share->lock);
	n = share->given ? share->have - share->user.read : 0;
	spin_unlock_bh(&share->lock);
	return n;
}

/**
 * etran_share_readable - is there something to read?
 * @share: the stream's data
 *
 * Context: any but hardirq.
 */
bool etran_share_readable(struct etran_share *share)
{
	return readable(share);
}

/*
 * Copy @n bytes from where reading has got to. Return: how many could be; -ECONNRESET: an application has not given what it
 * had. Context: rx held.
 */
static ssize_t copy_out(struct etran_share *share, struct iov_iter *to, size_t n)
{
	u64 from = share->user.read;
	size_t done = 0, part, copied;

	while (done < n) {
		void *page = READ_ONCE(share->page[from >> PAGE_SHIFT & (share->pages - 1)]);
		u32 at = from & (PAGE_SIZE - 1);

		if (!page)
			return done ?: -ECONNRESET;
		/* Nothing in front of @have changes as long as it is not read. */
		part = min_t(size_t, PAGE_SIZE - at, n - done);
		copied = copy_to_iter(page + at, part, to);
		done += copied;
		from += copied;
		if (copied < part)
			break;
	}
	return done ?: -EFAULT;
}

/* @n bytes were read. Context: rx held. */
static void advance(struct etran_share *share, size_t n)
{
	u64 from = share->user.read, to = from + n, at;

	spin_lock_bh(&share->lock);
	WRITE_ONCE(share->user.read, to);
	for (at = from & PAGE_MASK; at + PAGE_SIZE <= to; at += PAGE_SIZE) {
		void **page = &share->page[at >> PAGE_SHIFT & (share->pages - 1)];

		page_give(*page);
		*page = NULL;
	}
	spin_unlock_bh(&share->lock);
}

/* The transport learns how far was read when that is worth a request. Context: rx held. */
static void tell_read(struct etran_st *st, struct etran_share *share)
{
	struct etran_stream_req req = { .tag = st->pub.tag, .read = share->user.read };

	if (share->user.read - share->told < share->room / 4)
		return;
	share->told = share->user.read;
	etran_hub_ask(share->hub, ETRAN_STREAM_OP_READ, &req);
}

/* The connection's error, which is told now: positive errno, or 0. */
static int take_error(struct etran_share *share)
{
	int error = xchg(&share->error, 0);

	if (error) {
		spin_lock_bh(&share->lock);
		share->user.flags |= ETRAN_STREAM_TOLD;
		spin_unlock_bh(&share->lock);
	}
	return error;
}

/* Why does nothing come any more? Return: true, and *@err: 0 or a negative errno. */
static bool over(struct etran_st *st, struct etran_share *share, int *err)
{
	/* First: what came before that is in @have then. */
	u32 state = atomic_read_acquire(&st->state);
	bool fin, more;

	*err = 0;
	if (READ_ONCE(share->user.flags) & ETRAN_STREAM_SHUT_RD)
		return true;
	spin_lock_bh(&share->lock);
	more = share->have != share->user.read;
	fin = share->fin;
	spin_unlock_bh(&share->lock);
	if (more)
		return false;
	if (fin)
		return true;
	if (state & ETRAN_STREAM_ENDED) {
		*err = -take_error(share);
		return true;
	}
	if (etran_hub_alive(share->hub))
		return false;
	*err = -ENETDOWN;
	return true;
}

static bool may_read(struct etran_st *st, struct etran_share *share)
{
	return READ_ONCE(share->given) &&
	       (readable(share) || READ_ONCE(share->user.flags) & ETRAN_STREAM_SHUT_RD ||
		READ_ONCE(share->fin) || atomic_read(&st->state) & ETRAN_STREAM_ENDED ||
		!etran_hub_alive(share->hub));
}

static ssize_t receive(struct etran_st *st, struct etran_share *share, struct iov_iter *to, u32 flags)
{
	size_t n, len = iov_iter_count(to);
	ssize_t done;
	int err;

	if (!len)
		return 0;
	for (;;) {
		if (mutex_lock_interruptible(&share->rx))
			return -ERESTARTSYS;
		n = min_t(u64, readable(share), len);
		if (n) {
			done = copy_out(share, to, n);
			if (done > 0 && !(flags & ETRAN_STREAM_PEEK)) {
				advance(share, done);
				tell_read(st, share);
			}
			mutex_unlock(&share->rx);
			return done;
		}
		mutex_unlock(&share->rx);
		if (READ_ONCE(share->given) && over(st, share, &err))
			return err;
		/* Something may have come since. */
		if (flags & ETRAN_STREAM_DONTWAIT && !may_read(st, share))
			return -EAGAIN;
		if (wait_event_interruptible(st->wait, may_read(st, share)))
			return -ERESTARTSYS;
	}
}

/* ---- what is sent ---- */

static u32 waits_of(struct etran_share *share, u32 flags)
{
	u32 said = READ_ONCE(share->user.flags);
	u32 waits = said & ETRAN_STREAM_NODELAY ? 0 : ETRAN_STREAM_REQ_NAGLE;

	if (said & ETRAN_STREAM_CORK || flags & ETRAN_STREAM_MORE)
		waits |= ETRAN_STREAM_REQ_MORE;
	return waits;
}

/* Why can nothing be sent any more? Return: 0 or a negative errno. */
static int broken(struct etran_st *st, struct etran_share *share)
{
	int error;

	if (!etran_hub_alive(share->hub))
		return -ENETDOWN;
	error = take_error(share);
	if (error)
		return -error;
	if (READ_ONCE(share->user.flags) & ETRAN_STREAM_SHUT_WR ||
	    atomic_read(&st->state) & ETRAN_STREAM_ENDED)
		return -EPIPE;
	return 0;
}

/* Fill frames. Return: bytes in them; 0: the application's memory is not there. */
static size_t fill(struct etran_share *share, struct iov_iter *from, const u32 *chunks, u32 *len, u32 *n)
{
	size_t done = 0;
	u32 i;

	for (i = 0; i < *n && iov_iter_count(from); i++) {
		size_t want = min_t(size_t, share->segment, iov_iter_count(from));

		len[i] = copy_from_iter(etran_hub_payload(share->hub, chunks[i]), want, from);
		if (!len[i])
			break;
		done += len[i];
		if (len[i] < want) {
			i++;
			break;
		}
	}
	etran_hub_drop(share->hub, chunks + i, *n - i);
	*n = i;
	return done;
}

/* Send what there are frames for. Return: bytes, 0: there are none just now; negative errno. Context: tx held. */
static ssize_t send_some(struct etran_st *st, struct etran_share *share, struct iov_iter *from, u32 waits)
{
	struct etran_stream_req req = { .tag = st->pub.tag, .offset = share->sent };
	u32 chunks[ETRAN_HUB_BATCH], len[ETRAN_HUB_BATCH], n;
	size_t done;

	if (!etran_hub_has_room(share->hub, share))
		return 0;
	n = DIV_ROUND_UP(min_t(size_t, iov_iter_count(from), ETRAN_HUB_BATCH * share->segment),
			 share->segment);
	n = etran_hub_take(share->hub, chunks, n);
	if (!n)
		return 0;
	done = fill(share, from, chunks, len, &n);
	if (!n)
		return -EFAULT;
	req.read = READ_ONCE(share->user.read);
	req.flags = waits;
	share->waits = waits;
	share->sent += done;
	atomic_add(n, &share->out);
	/* The connection ended meanwhile: what is lost could not have been sent. */
	if (etran_hub_send(share->hub, share, &req, chunks, len, n) != n &&
	    !(atomic_read(&st->state) & ETRAN_STREAM_ENDED))
		return -EPIPE;
	return done;
}

/* Nothing can be sent now, and poll() is to say so; or can it by now? */
static bool blocked(struct etran_share *share)
{
	WRITE_ONCE(share->user.blocked, 1);
	/* Pairs with etran_stream_set(). */
	smp_mb();
	if (!etran_hub_has_room(share->hub, share))
		return true;
	WRITE_ONCE(share->user.blocked, 0);
	return false;
}

static bool may_write(struct etran_st *st, struct etran_share *share)
{
	return !blocked(share) || !etran_hub_alive(share->hub) ||
	       READ_ONCE(share->user.flags) & ETRAN_STREAM_SHUT_WR ||
	       atomic_read(&st->state) & ETRAN_STREAM_ENDED;
}

static ssize_t transmit(struct etran_st *st, struct etran_share *share, struct iov_iter *from, u32 flags)
{
	size_t done = 0;
	ssize_t n = 0;
	int err = 0;

	while (iov_iter_count(from)) {
		if (mutex_lock_interruptible(&share->tx)) {
			err = -ERESTARTSYS;
			break;
		}
		err = broken(st, share);
		n = err ?: send_some(st, share, from, waits_of(share, flags));
		mutex_unlock(&share->tx);
		if (n < 0) {
			err = n;
			break;
		}
		done += n;
		if (n || !blocked(share))
			continue;
		if (flags & ETRAN_STREAM_DONTWAIT) {
			err = -EAGAIN;
			break;
		}
		if (wait_event_interruptible(st->wait, may_write(st, share))) {
			err = -ERESTARTSYS;
			break;
		}
	}
	if (done)
		return done;
	if (err == -EPIPE && !(flags & ETRAN_STREAM_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);
	return err;
}

/* ---- the file ---- */

static u32 flags_of(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT || iocb->ki_filp->f_flags & O_NONBLOCK ?
	       ETRAN_STREAM_DONTWAIT : 0;
}

/**
 * etran_share_read - read() on a stream
 * @iocb: how
 * @to: where to
 *
 * Return: bytes, or a negative errno: -EINVAL when it is not shared. Context: process, may sleep.
 */
ssize_t etran_share_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct etran_st *st = iocb->ki_filp->private_data;
	struct etran_share *share = share_of(st);

	return share ? receive(st, share, to, flags_of(iocb)) : -EINVAL;
}

/**
 * etran_share_write - write() on a stream
 * @iocb: how
 * @from: where from
 *
 * Return: bytes, or a negative errno: -EINVAL when it is not shared. Context: process, may sleep.
 */
ssize_t etran_share_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct etran_st *st = iocb->ki_filp->private_data;
	struct etran_share *share = share_of(st);

	return share ? transmit(st, share, from, flags_of(iocb)) : -EINVAL;
}

static long share_io(struct file *file, struct etran_share *share, bool sends,
		     const struct etran_stream_io __user *arg)
{
	u32 known = ETRAN_STREAM_DONTWAIT |
		    (sends ? ETRAN_STREAM_MORE | ETRAN_STREAM_NOSIGNAL : ETRAN_STREAM_PEEK);
	struct etran_st *st = file->private_data;
	struct etran_stream_io io;
	struct iov_iter iter;
	int err;

	if (copy_from_user(&io, arg, sizeof(io)))
		return -EFAULT;
	if (io.flags & ~known)
		return -EINVAL;
	if (file->f_flags & O_NONBLOCK)
		io.flags |= ETRAN_STREAM_DONTWAIT;
	io.len = min_t(u32, io.len, MAX_RW_COUNT);
	err = import_ubuf(sends ? ITER_SOURCE : ITER_DEST, u64_to_user_ptr(io.buf), io.len, &iter);
	if (err)
		return err;
	return sends ? transmit(st, share, &iter, io.flags) : receive(st, share, &iter, io.flags);
}

/* What was shut down is behind all that was written. Context: tx held. */
static long shut(struct etran_st *st, struct etran_share *share)
{
	struct etran_stream_req req = {
		.tag = st->pub.tag,
		.offset = share->sent,
		.read = READ_ONCE(share->user.read),
		.flags = ETRAN_STREAM_REQ_FIN,
	};

	return etran_hub_ask(share->hub, ETRAN_STREAM_OP_SEND, &req) ? 0 : -ENETDOWN;
}

static long share_set(struct etran_st *st, struct etran_share *share, struct etran_stream_set __user *arg)
{
	struct etran_stream_req req = { .tag = st->pub.tag };
	struct etran_stream_set s;
	long err = 0;
	u32 was;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	if ((s.set | s.clear) & ~SETTABLE || s.set & s.clear || s.reserved ||
	    s.clear & (ETRAN_STREAM_SHUT_RD | ETRAN_STREAM_SHUT_WR))
		return -EINVAL;
	mutex_lock(&share->tx);
	spin_lock_bh(&share->lock);
	was = share->user.flags;
	WRITE_ONCE(share->user.flags, (was | s.set) & ~s.clear);
	s.flags = share->user.flags;
	spin_unlock_bh(&share->lock);
	if (s.flags & ~was & ETRAN_STREAM_SHUT_WR) {
		err = shut(st, share);
	} else if ((s.flags & ~was & ETRAN_STREAM_NODELAY || was & ~s.flags & ETRAN_STREAM_CORK) &&
		   share->waits) {
		share->waits = 0;
		req.read = READ_ONCE(share->user.read);
		if (!etran_hub_ask(share->hub, ETRAN_STREAM_OP_PUSH, &req))
			err = -ENETDOWN;
	}
	mutex_unlock(&share->tx);
	etran_stream_tell(st, STREAM_ALL);
	if (!err && copy_to_user(arg, &s, sizeof(s)))
		err = -EFAULT;
	return err;
}

/**
 * etran_share_info - ETRAN_IOC_STREAM_INFO, what a shared stream has to say
 * @share: its data
 * @info: gets that
 *
 * Context: process.
 */
void etran_share_info(struct etran_share *share, struct etran_stream_info *info)
{
	info->state |= ETRAN_STREAM_IS_SHARED;
	info->readable = readable(share);
	info->unacked = (u64)atomic_read(&share->out) * share->segment;
	info->sent = READ_ONCE(share->sent);
	info->unacked = min(info->unacked, info->sent);
	info->error = READ_ONCE(share->error);
}

/**
 * etran_share_ioctl - ioctl() on a stream: what there is of shared ones
 * @file: the stream's
 * @cmd: ETRAN_IOC_*, FIONREAD
 * @arg: its argument
 *
 * Return: 0 or more, or a negative errno. Context: process, may sleep.
 */
long etran_share_ioctl(struct file *file, unsigned int cmd, void __user *arg)
{
	struct etran_st *st = file->private_data;
	struct etran_share *share = share_of(st);

	switch (cmd) {
	case ETRAN_IOC_STREAM_RECV:
	case ETRAN_IOC_STREAM_SEND:
	case ETRAN_IOC_STREAM_SET:
	case ETRAN_IOC_STREAM_ERROR:
	case ETRAN_IOC_BIND:
	case FIONREAD:
		if (share)
			break;
		return -EOPNOTSUPP;
	default:
		return -ENOTTY;
	}
	switch (cmd) {
	case ETRAN_IOC_STREAM_RECV:
	case ETRAN_IOC_STREAM_SEND:
		return share_io(file, share, cmd == ETRAN_IOC_STREAM_SEND, arg);
	case ETRAN_IOC_STREAM_SET:
		return share_set(st, share, arg);
	case ETRAN_IOC_STREAM_ERROR:
		return put_user((u32)take_error(share), (u32 __user *)arg);
	case ETRAN_IOC_BIND:
		return etran_endpoint_bind(etran_hub_endpoint(share->hub), arg, &st->pub.tag);
	}
	return put_user((int)min_t(u64, readable(share), INT_MAX), (int __user *)arg);
}

/* ---- how a stream becomes shared, and how it ends ---- */

static void share_free(struct rcu_head *rcu)
{
	struct etran_share *share = container_of(rcu, struct etran_share, rcu);
	u32 i;

	for (i = 0; i < share->pages; i++)
		if (share->page[i])
			page_give(share->page[i]);
	kvfree(share);
}

/**
 * etran_share_put - give up a reference
 * @share: a stream's data
 *
 * Context: any but hardirq.
 */
void etran_share_put(struct etran_share *share)
{
	/* Deliveries may have found it. */
	if (refcount_dec_and_test(&share->ref))
		call_rcu(&share->rcu, share_free);
}

/**
 * etran_share_close - the last descriptor of a shared stream was closed
 * @st: the stream
 *
 * Context: process, may sleep.
 */
void etran_share_close(struct etran_st *st)
{
	struct etran_share *share = st->share;
	struct etran_hub *hub = share->hub;

	xa_erase_bh(&etran_hub_endpoint(hub)->streams, share->id);
	etran_share_put(share);
	etran_hub_put(hub);
}

static struct etran_share *share_new(const struct etran_stream_shared *s, struct etran_hub *hub)
{
	u32 pages = roundup_pow_of_two(DIV_ROUND_UP(s->room + ROOM_SLACK, PAGE_SIZE) + 1);
	struct etran_share *share = kvzalloc(struct_size(share, page, pages), GFP_KERNEL_ACCOUNT);

	if (!share)
		return NULL;
	refcount_set(&share->ref, 1);
	mutex_init(&share->tx);
	mutex_init(&share->rx);
	spin_lock_init(&share->lock);
	share->hub = hub;
	share->user.read = s->read;
	share->told = s->read;
	share->have = s->read;
	share->room = s->room + ROOM_SLACK;
	share->pages = pages;
	return share;
}

static int run_share(struct etran_st *st, struct etran_ep *ep)
{
	struct etran_transport *t = ep->transport;
	struct etran_ops *ops;
	int err = -ENETDOWN;

	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(t->ops);
	if (READ_ONCE(ep->open) && ops) {
		err = -EOPNOTSUPP;
		if (ops->prog[ETRAN_STREAM_SHARE])
			err = etran_run_stream(t, ops, ETRAN_STREAM_SHARE, &st->pub);
		if (err > 0 || err < -MAX_ERRNO ||
		    (!err && (!st->pub.segment ||
			      st->pub.segment > ETRAN_HUB_FRAME - sizeof(struct etran_req)))) {
			etran_bad_verdict(NULL, t, ETRAN_STREAM_SHARE, err);
			err = -EINVAL;
		}
	}
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/* Context: share_mutex of @ep held. Return: 0 or a negative errno. */
static int share_one(struct etran_ep *ep, const struct etran_stream_shared *s)
{
	struct etran_st *st = xa_load(&ep->streams, s->id);
	struct etran_ep *hub_ep;
	struct etran_share *share;
	struct etran_hub *hub;
	int err;

	/* None that is there goes meanwhile. */
	if (!st)
		return -ENOENT;
	if (st->shared)
		return -EBUSY;
	if (!s->room || s->room > ETRAN_STREAM_ROOM_MAX || s->reserved)
		return -EINVAL;
	hub = etran_hub_get(ep);
	if (IS_ERR(hub))
		return PTR_ERR(hub);
	hub_ep = etran_hub_endpoint(hub);
	share = share_new(s, hub);
	if (!share) {
		etran_hub_put(hub);
		return -ENOMEM;
	}
	/* Who finds it in the hub knows nothing else of it. */
	st->share = share;
	err = xa_alloc_bh(&hub_ep->streams, &share->id, st, XA_LIMIT(1, ETRAN_EP_MAX), GFP_KERNEL_ACCOUNT);
	if (err)
		goto put;
	st->pub.read = s->read;
	st->pub.flags = READ_ONCE(ep->stream_users[st->id].flags);
	st->pub.to_endpoint = hub_ep->pub.id;
	st->pub.to_id = share->id;
	st->pub.segment = 0;
	st->pub.sent = 0;
	err = run_share(st, ep);
	if (err) {
		xa_erase_bh(&hub_ep->streams, share->id);
		goto put;
	}
	share->segment = st->pub.segment;
	share->sent = st->pub.sent;
	st->pub.endpoint = hub_ep->pub.id;
	st->pub.id = share->id;
	etran_count(NULL, ep->transport, streams_shared);
	/* Pairs with share_of(). */
	smp_store_release(&st->shared, true);
	return 0;
put:
	/* Nobody but deliveries could have found it, and stream_set. */
	synchronize_rcu();
	st->share = NULL;
	etran_share_put(share);
	etran_hub_put(hub);
	return err;
}

/* What the application saw taken from its TX ring has been through egress: not after the stream is another endpoint's. */
static void egress_wait(struct etran_ep *ep)
{
	struct etran_channel *ch;

	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch) {
		spin_lock_bh(&ch->tx_lock);
		spin_unlock_bh(&ch->tx_lock);
	}
	rcu_read_unlock();
}

/* A record that was delivered before. Return: false: it is of no shared stream. Context: RCU read side, bottom halves off. */
static bool take_mail(struct etran_ep *ep, const struct etran_rec *rec, const void *data, u32 len)
{
	const struct etran_stream_rec *r = (const void *)rec->data;
	struct etran_share *share;
	struct etran_st *st;
	unsigned long id;

	/* Its file may have been opened since, so the number in it says nothing. */
	xa_for_each(&ep->streams, id, st) {
		share = st->pub.tag == r->tag ? share_of(st) : NULL;
		if (!share)
			continue;
		spin_lock(&share->lock);
		/* What finds no room is missing, and who reads is told. */
		put(share, r->offset, data, len);
		spin_unlock(&share->lock);
		return true;
	}
	return false;
}

static void mail_forward(struct etran_ep *ep)
{
	struct etran_channel *ch;

	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch && ch->mode == ETRAN_DIRECT)
		etran_direct_forward(ch, ep, take_mail);
	rcu_read_unlock();
}

/**
 * etran_stream_share - ETRAN_IOC_STREAM_SHARE
 * @ep: the endpoint
 * @arg: question and answer
 *
 * Return: 0 or a negative errno, see struct etran_stream_share. Context: process, may sleep.
 */
long etran_stream_share(struct etran_ep *ep, struct etran_stream_share __user *arg)
{
	struct etran_stream_shared __user *to;
	struct etran_stream_share s;
	struct etran_stream_shared one;
	u32 i, done = 0;
	long err = 0;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	if (!s.count || s.count > ETRAN_STREAMS_MAX || s.reserved)
		return -EINVAL;
	to = u64_to_user_ptr(s.streams);
	egress_wait(ep);
	for (i = 0; i < s.count && !err; i++) {
		if (copy_from_user(&one, &to[i], sizeof(one))) {
			err = -EFAULT;
			break;
		}
		mutex_lock(&ep->share_mutex);
		one.error = -share_one(ep, &one);
		mutex_unlock(&ep->share_mutex);
		done += !one.error;
		if (put_user(one.error, &to[i].error))
			err = -EFAULT;
	}
	/*
	 * What was delivered to the endpoint is in its RX ring then, or waits for its driver. Who forks waits for this, so it is
	 * not left to the next grace period that comes by itself.
	 */
	if (done) {
		synchronize_rcu_expedited();
		mail_forward(ep);
	}
	return err;
}

/* All was given that there was. Context: RCU read side. */
static void given(struct etran_st *st, u32 flags)
{
	struct etran_share *share = st->share;

	spin_lock_bh(&share->lock);
	share->user.flags |= flags;
	if (flags & ETRAN_STREAM_TOLD)
		WRITE_ONCE(share->error, 0);
	share->given = true;
	spin_unlock_bh(&share->lock);
	etran_stream_leave(st);
	etran_stream_tell(st, STREAM_ALL);
}

/* What was received before is lost: nothing else may be read as if it came behind that. Context: RCU read side. */
static void lost(struct etran_st *st)
{
	struct etran_share *share = st->share;

	spin_lock_bh(&share->lock);
	if (!share->failed)
		WRITE_ONCE(share->error, ECONNRESET);
	share->failed = true;
	share->have = share->user.read;
	share->fin = false;
	spin_unlock_bh(&share->lock);
	atomic_or(ETRAN_STREAM_ENDED | ETRAN_STREAM_ERROR, &st->state);
	given(st, ETRAN_STREAM_ABORT);
}

/* A stream that is shared and not given yet, with a reference to its data. */
static struct etran_share *share_find(struct etran_ep *ep, u32 id)
{
	struct etran_share *share = NULL;
	struct etran_st *st;

	rcu_read_lock();
	st = xa_load(&ep->streams, id);
	if (st)
		share = share_of(st);
	if (share && !refcount_inc_not_zero(&share->ref))
		share = NULL;
	rcu_read_unlock();
	return share;
}

static long give(struct etran_share *share, const struct etran_stream_give *g)
{
	const void __user *from = u64_to_user_ptr(g->buf);
	void *page = (void *)__get_free_page(GFP_KERNEL);
	u32 done = 0, n;
	long err = 0;

	if (!page)
		return -ENOMEM;
	for (; !err && done < g->len; done += n) {
		n = min_t(u32, g->len - done, PAGE_SIZE);
		if (copy_from_user(page, from + done, n)) {
			err = -EFAULT;
			break;
		}
		spin_lock_bh(&share->lock);
		err = put(share, g->offset + done, page, n);
		spin_unlock_bh(&share->lock);
	}
	free_page((unsigned long)page);
	return err == -ENOBUFS ? -EINVAL : err;
}

/**
 * etran_stream_give - ETRAN_IOC_STREAM_GIVE
 * @ep: the endpoint
 * @arg: question
 *
 * Return: 0 or a negative errno, see struct etran_stream_give. Context: process, may sleep.
 */
long etran_stream_give(struct etran_ep *ep, struct etran_stream_give __user *arg)
{
	struct etran_stream_give g;
	struct etran_share *share;
	struct etran_st *st;
	long err = 0;

	if (copy_from_user(&g, arg, sizeof(g)))
		return -EFAULT;
	if (g.flags & ~(ETRAN_STREAM_GIVEN | ETRAN_STREAM_LOST) || g.flags == ETRAN_STREAM_LOST ||
	    g.reserved)
		return -EINVAL;
	share = share_find(ep, g.id);
	if (!share)
		return -ENOENT;
	if (g.len)
		err = give(share, &g);
	if (!err && g.flags & ETRAN_STREAM_GIVEN) {
		rcu_read_lock();
		st = xa_load(&ep->streams, g.id);
		if (st && share_of(st) == share && g.flags & ETRAN_STREAM_LOST)
			lost(st);
		else if (st && share_of(st) == share)
			given(st, READ_ONCE(ep->stream_users[g.id].flags) & (SETTABLE | ETRAN_STREAM_TOLD));
		rcu_read_unlock();
	}
	etran_share_put(share);
	return err;
}

/**
 * etran_share_orphan - the endpoint that a stream is to be given by is gone
 * @st: the stream
 *
 * Context: RCU read side.
 */
void etran_share_orphan(struct etran_st *st)
{
	if (share_of(st))
		lost(st);
}
