// SPDX-License-Identifier: GPL-2.0
/*
 * Streams: a file for each connection or listener of an endpoint.
 *
 * An endpoint has one file for all that an application does with a transport. Programs that know nothing of etran want one
 * for each connection, with which poll, epoll, dup and close work: the kernel's own. A stream is such a file. It has
 * no data, which goes through the endpoint's rings as ever; it knows how far what the transport delivered goes
 * (@avail), and what became of the connection.
 *
 * Is there something to read? The transport knows what it delivered, under its own lock; the application knows
 * what it has read, and says so in memory that both see (struct etran_stream_user). poll() compares. So being readable
 * needs no system call when the last byte is read, nobody has to empty the ring for poll() to be right, and
 * there is no moment at which both are wrong: a level-triggered epoll asks again when it returns, an edge-triggered one
 * is woken by each delivery. Rejected: an eventfd that the library writes, as it is silent while no thread of
 * the application looks into the ring; an ioctl that says what was read, a system call for each emptied socket.
 *
 * An application that lies in that memory deceives its own poll().
 *
 * The last close of the last copy, by exit too, tells the transport (stream_close). A stream can have a kernel's socket beside
 * it, of which poll() tells as well: a listener also takes connections of the kernel's TCP. Only sockets, whose
 * poll() asks no other file: a chain of streams would be a recursion without end.
 *
 * A stream that is shared has left its endpoint: see share.c.
 */
#include <linux/file.h>
#include <linux/net.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "stream.h"

#define STREAM_STICKY	(ETRAN_STREAM_CONNECTED | ETRAN_STREAM_FIN | ETRAN_STREAM_ENDED | \
			 ETRAN_STREAM_ERROR)

#define USER_BYTES	PAGE_ALIGN(ETRAN_STREAMS_MAX * sizeof(struct etran_stream_user))

/* What the application writes of all streams of an endpoint. NULL without memory. Context: process. */
static struct etran_stream_user *users_get(struct etran_ep *ep)
{
	struct etran_stream_user *users = READ_ONCE(ep->stream_users), *other;

	if (users)
		return users;
	users = vmalloc_user(USER_BYTES);
	if (!users)
		return NULL;
	other = cmpxchg(&ep->stream_users, NULL, users);
	if (!other)
		return users;
	vfree(users);
	return other;
}

/**
 * etran_streams_init - an endpoint begins
 * @ep: it
 */
void etran_streams_init(struct etran_ep *ep)
{
	xa_init_flags(&ep->streams, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
}

/**
 * etran_streams_free - an endpoint without streams is gone
 * @ep: it
 *
 * Context: process, may sleep.
 */
void etran_streams_free(struct etran_ep *ep)
{
	xa_destroy(&ep->streams);
	vfree(ep->stream_users);
}

/**
 * etran_streams_mmap - map what the application writes of its streams
 * @ep: the endpoint
 * @vma: as asked for, from ETRAN_MMAP_STREAMS on
 *
 * Return: 0, -ENOMEM, -EINVAL.
 */
int etran_streams_mmap(struct etran_ep *ep, struct vm_area_struct *vma)
{
	struct etran_stream_user *users = users_get(ep);

	if (!users)
		return -ENOMEM;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	return remap_vmalloc_range(vma, users,
				   vma->vm_pgoff - (ETRAN_MMAP_STREAMS >> PAGE_SHIFT));
}

/**
 * etran_streams_dead - nothing comes from an endpoint any more
 * @ep: it
 *
 * Context: any but hardirq.
 */
void etran_streams_dead(struct etran_ep *ep)
{
	struct etran_st *st;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&ep->streams, id, st) {
		if (!ep->hub)
			etran_share_orphan(st);
		wake_up_poll(&st->wait, STREAM_ALL);
	}
	rcu_read_unlock();
}

/* Context: RCU read side. */
static bool is_readable(const struct etran_st *st, struct etran_share *share)
{
	if (share)
		return etran_share_readable(share);
	return (u64)atomic64_read(&st->avail) > READ_ONCE(st->ep->stream_users[st->id].read);
}

/* Context: RCU read side. */
static __poll_t stream_mask(const struct etran_st *st)
{
	struct etran_share *share = share_of(st);
	const struct etran_stream_user *u = share ? &share->user : &st->ep->stream_users[st->id];
	const struct etran_ep *ep = share ? etran_hub_endpoint(share->hub) : st->ep;
	u32 state = atomic_read(&st->state), said = READ_ONCE(u->flags);
	bool in_shut = state & ETRAN_STREAM_FIN || said & ETRAN_STREAM_SHUT_RD;
	__poll_t mask = 0;

	if (is_readable(st, share))
		mask |= STREAM_IN;
	if (in_shut)
		mask |= STREAM_IN | EPOLLRDHUP;
	if (in_shut && said & ETRAN_STREAM_SHUT_WR)
		mask |= EPOLLHUP;
	if (state & ETRAN_STREAM_CONNECTED &&
	    (said & ETRAN_STREAM_SHUT_WR || !READ_ONCE(u->blocked)))
		mask |= STREAM_OUT;
	if (state & ETRAN_STREAM_ENDED)
		mask |= STREAM_IN | STREAM_OUT | EPOLLRDHUP | EPOLLHUP;
	if (state & ETRAN_STREAM_ERROR && !(said & ETRAN_STREAM_TOLD))
		mask |= EPOLLERR;
	if (READ_ONCE(ep->dead) || !READ_ONCE(ep->open))
		mask |= STREAM_IN | STREAM_OUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
	return mask;
}

static __poll_t stream_poll(struct file *file, struct poll_table_struct *wait)
{
	struct etran_st *st = file->private_data;
	__poll_t mask;

	poll_wait(file, &st->wait, wait);
	/* We see what is delivered, or whoever delivers sees that we wait; pairs with etran_stream_tell(). */
	smp_mb();
	rcu_read_lock();
	mask = stream_mask(st);
	rcu_read_unlock();
	if (st->beside)
		mask |= vfs_poll(st->beside, wait);
	return mask;
}

/* ETRAN_IOC_STREAM_INFO */
static long stream_info(struct etran_st *st, struct etran_stream_info __user *arg)
{
	struct etran_stream_info info = { .tag = st->pub.tag };
	u32 state = atomic_read(&st->state);
	const struct etran_ep *ep;
	struct etran_share *share;

	rcu_read_lock();
	share = share_of(st);
	ep = share ? etran_hub_endpoint(share->hub) : st->ep;
	info.flags = share ? READ_ONCE(share->user.flags) : READ_ONCE(ep->stream_users[st->id].flags);
	info.endpoint = ep->pub.id;
	strscpy(info.transport, ep->transport->name);
	rcu_read_unlock();
	if (share)
		etran_share_info(share, &info);
	if (state & ETRAN_STREAM_CONNECTED)
		info.state |= ETRAN_STREAM_IS_OPEN;
	if (state & ETRAN_STREAM_FIN)
		info.state |= ETRAN_STREAM_IS_FIN;
	if (state & ETRAN_STREAM_ENDED)
		info.state |= ETRAN_STREAM_IS_ENDED;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct etran_st *st = file->private_data;

	switch (cmd) {
	case ETRAN_IOC_STREAM_WAKE:
		/* What the application has written there may be news to its other threads. */
		smp_mb();
		rcu_read_lock();
		wake_up_poll(&st->wait, stream_mask(st));
		rcu_read_unlock();
		return 0;
	case ETRAN_IOC_STREAM_INFO:
		return stream_info(st, (void __user *)arg);
	}
	return etran_share_ioctl(file, cmd, (void __user *)arg);
}

/**
 * etran_stream_leave - the endpoint that opened a stream has nothing to do with it any more
 * @st: the stream; does nothing the second time
 *
 * Context: any but hardirq.
 */
void etran_stream_leave(struct etran_st *st)
{
	struct etran_ep *ep = xchg(&st->ep, NULL);

	if (!ep)
		return;
	/* Before another gets the number. */
	memset(&ep->stream_users[st->id], 0, sizeof(ep->stream_users[0]));
	xa_erase_bh(&ep->streams, st->id);
	etran_endpoint_put(ep);
}

static void stream_put(struct etran_st *st, struct etran_transport *t)
{
	etran_count(NULL, t, streams_closed);
	etran_stream_leave(st);
	if (st->beside)
		fput(st->beside);
	kfree_rcu(st, rcu);
}

static void run_close(struct etran_st *st, struct etran_ep *ep, const struct etran_stream_user *u)
{
	struct etran_transport *t = ep->transport;
	struct etran_ops *ops;

	st->pub.read = READ_ONCE(u->read);
	st->pub.flags = READ_ONCE(u->flags);
	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(t->ops);
	if (READ_ONCE(ep->open) && ops && ops->prog[ETRAN_STREAM_CLOSE])
		etran_run_stream(t, ops, ETRAN_STREAM_CLOSE, &st->pub);
	rcu_read_unlock();
	local_bh_enable();
}

/* The last close. Context: process, may sleep. */
static void stream_end(struct etran_st *st)
{
	struct etran_share *share = NULL;
	struct etran_ep *ep;

	/* One that is not shared has a reference of its endpoint until here. */
	rcu_read_lock();
	ep = READ_ONCE(st->ep);
	if (ep && !refcount_inc_not_zero(&ep->ref))
		ep = NULL;
	rcu_read_unlock();
	if (ep) {
		/* It is shared by now, or nobody finds it any more who would do that. */
		mutex_lock(&ep->share_mutex);
		share = share_of(st);
		if (!share) {
			run_close(st, ep, &ep->stream_users[st->id]);
			stream_put(st, ep->transport);
		}
		mutex_unlock(&ep->share_mutex);
		etran_endpoint_put(ep);
		if (!share)
			return;
	}
	share = share ?: share_of(st);
	ep = etran_hub_endpoint(share->hub);
	run_close(st, ep, &share->user);
	/* Its hub is there until etran_share_close(), and with that the transport. */
	etran_count(NULL, ep->transport, streams_closed);
	etran_stream_leave(st);
	etran_share_close(st);
	kfree_rcu(st, rcu);
}

static int stream_release(struct inode *inode, struct file *file)
{
	stream_end(file->private_data);
	return 0;
}

static const struct file_operations stream_fops = {
	.owner = THIS_MODULE,
	.release = stream_release,
	.poll = stream_poll,
	.read_iter = etran_share_read,
	.write_iter = etran_share_write,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
	.unlocked_ioctl = stream_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int run_open(struct etran_st *st)
{
	struct etran_transport *t = st->ep->transport;
	struct etran_ops *ops;
	int err = -ESHUTDOWN;

	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(t->ops);
	if (READ_ONCE(st->ep->open) && ops) {
		err = -EOPNOTSUPP;
		if (ops->prog[ETRAN_STREAM_OPEN])
			err = etran_run_stream(t, ops, ETRAN_STREAM_OPEN, &st->pub);
		if (err > 0 || err < -MAX_ERRNO) {
			etran_bad_verdict(NULL, t, ETRAN_STREAM_OPEN, err);
			err = -EINVAL;
		}
	}
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/* The socket of @fd, NULL for -1. */
static struct file *beside_get(int fd)
{
	struct file *file;

	if (fd == -1)
		return NULL;
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (sock_from_file(file))
		return file;
	fput(file);
	return ERR_PTR(-ENOTSOCK);
}

/**
 * etran_stream_open - ETRAN_IOC_STREAM_OPEN
 * @ep: the endpoint
 * @arg: question and answer
 *
 * Return: a file descriptor or a negative errno, see struct etran_stream_open.
 * Context: process, may sleep.
 */
long etran_stream_open(struct etran_ep *ep, struct etran_stream_open __user *arg)
{
	struct etran_stream_open o;
	struct file *beside;
	struct etran_st *st;
	int fd, err;

	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	if (o.flags & ~(O_CLOEXEC | O_NONBLOCK) || memchr_inv(o.reserved, 0, sizeof(o.reserved)))
		return -EINVAL;
	if (!users_get(ep))
		return -ENOMEM;
	beside = beside_get(o.beside);
	if (IS_ERR(beside))
		return PTR_ERR(beside);
	st = kzalloc(sizeof(*st), GFP_KERNEL_ACCOUNT);
	if (!st) {
		if (beside)
			fput(beside);
		return -ENOMEM;
	}
	st->ep = ep;
	st->beside = beside;
	st->pub.endpoint = ep->pub.id;
	st->pub.tag = o.tag;
	init_waitqueue_head(&st->wait);
	err = xa_alloc_bh(&ep->streams, &st->id, st, XA_LIMIT(1, ETRAN_STREAMS_MAX - 1),
			  GFP_KERNEL_ACCOUNT);
	if (err) {
		if (beside)
			fput(beside);
		kfree(st);
		return err == -EBUSY ? -ENFILE : err;
	}
	st->pub.id = st->id;
	refcount_inc(&ep->ref);
	etran_count(NULL, ep->transport, streams_opened);
	err = run_open(st);
	if (err)
		goto put;
	o.id = st->id;
	fd = etran_file_open("[etran-stream]", &stream_fops, st, o.flags, arg, &o, sizeof(o));
	if (fd >= 0)
		return fd;
	stream_end(st);
	return fd;
put:
	mutex_lock(&ep->share_mutex);
	stream_put(st, ep->transport);
	mutex_unlock(&ep->share_mutex);
	return err;
}

/**
 * etran_stream_tell - wake those who wait for one of some events
 * @st: the stream
 * @events: EPOLL*, or 0
 *
 * Context: any but hardirq.
 */
void etran_stream_tell(struct etran_st *st, __poll_t events)
{
	/* With the barrier that stream_poll() pairs with. */
	if (events && wq_has_sleeper(&st->wait))
		wake_up_poll(&st->wait, events);
}

/* Streams that no frame was left for. */
static void tell_starved(struct etran_ep *ep)
{
	struct etran_st *st;
	unsigned long id;

	xa_for_each(&ep->streams, id, st)
		if (READ_ONCE(ep->stream_users[id].blocked) && xchg(&ep->stream_users[id].blocked, 0))
			etran_stream_tell(st, STREAM_OUT);
}

/**
 * etran_stream_set - see bpf_etran_stream_set()
 * @ep: the endpoint
 * @id: of the stream there
 * @tag: its tag
 * @avail: how far deliveries go
 * @set: ETRAN_STREAM_*
 *
 * Return: 0 or -ENOENT. Context: RCU read side, bottom halves off.
 */
int etran_stream_set(struct etran_ep *ep, u32 id, u64 tag, u64 avail, u32 set)
{
	struct etran_st *st = xa_load(&ep->streams, id);
	struct etran_stream_user *u;
	__poll_t events = 0;
	s64 was;
	u32 news;

	/* The number may have gone to another by now. */
	if (!st || st->pub.tag != tag)
		return -ENOENT;
	if (ep->hub)
		etran_share_news(st->share, avail, set);
	was = atomic64_read(&st->avail);
	while (avail > (u64)was)
		if (atomic64_try_cmpxchg(&st->avail, &was, avail)) {
			events |= STREAM_IN;
			break;
		}
	news = set & STREAM_STICKY & ~atomic_read(&st->state);
	if (news)
		news &= ~atomic_fetch_or(news, &st->state);
	if (news & ETRAN_STREAM_CONNECTED)
		events |= STREAM_OUT;
	if (news & ETRAN_STREAM_FIN)
		events |= STREAM_IN | EPOLLRDHUP;
	if (news & (ETRAN_STREAM_ENDED | ETRAN_STREAM_ERROR))
		events |= STREAM_ALL;
	if (set & ETRAN_STREAM_ROOM) {
		/* What was given back is seen, or that somebody waits for it. */
		smp_mb();
		u = ep->hub ? &st->share->user : &ep->stream_users[id];
		if (READ_ONCE(u->blocked) && xchg(&u->blocked, 0))
			events |= STREAM_OUT;
		/* Of a hub, frames tell that themselves. */
		if (!ep->hub && READ_ONCE(ep->stream_users[0].blocked) && xchg(&ep->stream_users[0].blocked, 0))
			tell_starved(ep);
	}
	etran_stream_tell(st, events);
	return 0;
}
