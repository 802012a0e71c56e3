// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints: what an application has of a transport, as a file of the kernel.
 *
 * Because it is a real file, poll, epoll, fork, dup, SCM_RIGHTS and exit are the kernel's business,
 * and the last close of the last copy is what ends an endpoint. It holds its AF_XDP socket's file
 * too, and lives on while its transport keeps frames of it: so data that was sent before close()
 * or exit still arrives.
 *
 * Whoever waits for nothing but deliveries has ETRAN_IOC_WAIT_RX beside poll(), which goes through two
 * files, their wait queues and the AF_XDP socket's driver. It sleeps until a number in the status
 * mapping changes; the module does not look at the RX ring, whose layout is AF_XDP's own business. In
 * direct mode drivers put records there, after the module has seen them: no number of ours could be right. There it
 * sleeps on the AF_XDP socket's wait queue as well, and the number is the ring's own producer index, of which the
 * application says where it has it. An application that lies about that wakes too often or never, as it likes.
 *
 * A transport that is faster than its application can let senders wait until there are buffers again
 * (bpf_etran_rx_room()). The application gives buffers by writing into a ring, which nobody is told; so
 * the status mapping tells it that somebody wants to be. (Rejected: a timer that looks. It is late when the
 * application is quick, and wakes for nothing when it is not.)
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/rtnetlink.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <net/xdp_sock.h>
#include "etran.h"

/* By index, to give out indices and to walk over all; changed under etran_mutex or by the worker. */
static DEFINE_XARRAY_ALLOC1(endpoints);
static u32 next_index;	/* under etran_mutex, as the two behind it */
static u32 serial;
static u32 nr_endpoints;

/* By index, to look them up for each packet: two loads. */
struct etran_ep __rcu **etran_endpoint_pages[ETRAN_EP_PAGES];

/*
 * As the kernel has it for its own sockets (inet_port_requires_bind_service()), and in the AF_XDP socket's network namespace as
 * for these: in one of its own, with a user namespace of its own, everybody may have any port.
 */
static u16 port_least(const struct etran_ep *ep)
{
	struct net *net;

	/* Nobody asks a hub for ports. */
	if (!ep->xs)
		return U16_MAX;
	net = sock_net(&ep->xs->sk);
	if (ns_capable(net->user_ns, CAP_NET_BIND_SERVICE))
		return 0;
#ifdef CONFIG_SYSCTL
	return min_t(u32, READ_ONCE(net->ipv4.sysctl_ip_prot_sock), U16_MAX);
#else
	return PROT_SOCK;
#endif
}

/**
 * etran_endpoint_enter - give an endpoint an id: index, and a number that changes each time
 * @ep: it
 *
 * Indices go round in a range that is larger than the number of endpoints, so an old id does not fit its successor for long.
 * Return: 0 or a negative errno. Context: etran_mutex held.
 */
int etran_endpoint_enter(struct etran_ep *ep)
{
	u32 max = clamp(2 * nr_endpoints, 4095U, ETRAN_EP_MAX - 1), index;
	struct etran_ep __rcu ***page;
	int err;

	err = xa_alloc_cyclic(&endpoints, &index, ep, XA_LIMIT(1, max), &next_index, GFP_KERNEL);
	if (err < 0)
		return err == -EBUSY ? -ENFILE : err;
	page = &etran_endpoint_pages[index / ETRAN_EP_PAGE];
	if (!*page) {
		struct etran_ep __rcu **new = (void *)get_zeroed_page(GFP_KERNEL);

		if (!new) {
			xa_erase(&endpoints, index);
			return -ENOMEM;
		}
		/* Readers come to it by an id that was not given out yet. */
		smp_store_release(page, new);
	}
	serial = (serial + 1) & (ETRAN_EP_SERIALS - 1);
	ep->pub.id = serial << ETRAN_EP_BITS | index;
	ep->pub.uid = from_kuid(&init_user_ns, current_euid());
	ep->pub.port_least = port_least(ep);
	nr_endpoints++;
	rcu_assign_pointer((*page)[index % ETRAN_EP_PAGE], ep);
	return 0;
}

/* Nobody finds it any more. Context: etran_mutex held. */
static void forget_locked(struct etran_ep *ep)
{
	u32 index = ep->pub.id & (ETRAN_EP_MAX - 1);

	RCU_INIT_POINTER(etran_endpoint_pages[index / ETRAN_EP_PAGE][index % ETRAN_EP_PAGE], NULL);
	xa_erase(&endpoints, index);
	nr_endpoints--;
}

/* The same. Context: may sleep. */
static void forget(struct etran_ep *ep)
{
	mutex_lock(&etran_mutex);
	forget_locked(ep);
	mutex_unlock(&etran_mutex);
}

static void endpoint_free(struct work_struct *work)
{
	struct etran_ep *ep = container_of(work, struct etran_ep, work);
	struct etran_transport *t = ep->transport;

	forget(ep);
	if (ep->xsk_file) {
		fput(ep->xsk_file);
		atomic_dec(&t->endpoints);
		etran_add(NULL, t, endpoints, -1);
	}
	/* Readers may still follow ep->transport. */
	synchronize_rcu();
	if (ep->hub)
		etran_hub_free(ep->hub);
	etran_transport_put(t);
	etran_streams_free(ep);
	kfree(ep);
}

/**
 * etran_endpoint_put - give up a reference: the file's or a kept frame's
 * @ep: the endpoint
 *
 * Context: any but hardirq.
 */
void etran_endpoint_put(struct etran_ep *ep)
{
	if (refcount_dec_and_test(&ep->ref))
		queue_work(etran_wq, &ep->work);
}

static void mark_dead(struct etran_ep *ep, struct etran_channel *ch, u32 why)
{
	WRITE_ONCE(ep->dead, ep->dead | why);
	wake_up_poll(&ep->wait, EPOLLERR | EPOLLHUP | EPOLLIN | EPOLLOUT);
	etran_streams_dead(ep);
	if (ch)
		etran_channel_look(ch);
}

/**
 * etran_endpoints_dead_channel - tell the endpoints of a socket whose device goes
 * @ch: the channel
 *
 * Context: RTNL held, may sleep.
 */
void etran_endpoints_dead_channel(struct etran_channel *ch)
{
	struct etran_ep *ep;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&endpoints, id, ep) {
		if (rcu_access_pointer(ep->channel) != ch)
			continue;
		RCU_INIT_POINTER(ep->channel, NULL);
		mark_dead(ep, ch, ETRAN_STATUS_DEVICE_GONE);
	}
	rcu_read_unlock();
}

/**
 * etran_endpoints_dead_transport - tell the endpoints of a transport that it goes
 * @t: the transport
 *
 * Context: etran_mutex held, may sleep.
 */
void etran_endpoints_dead_transport(struct etran_transport *t)
{
	struct etran_channel *ch;
	struct etran_ep *ep;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&endpoints, id, ep) {
		if (ep->transport != t)
			continue;
		WRITE_ONCE(ep->open, false);
		ch = rcu_dereference(ep->channel);
		if (ch) {
			WRITE_ONCE(ch->status->flags,
				   ch->status->flags | ETRAN_STATUS_NO_TRANSPORT);
			wake_up_interruptible_all(&ch->wait);
		}
		mark_dead(ep, ch, ETRAN_STATUS_NO_TRANSPORT);
	}
	rcu_read_unlock();
}

/* Stop waiting for buffers. Return: whether its transport did. */
static bool take_short(struct etran_ep *ep)
{
	struct etran_channel *ch;

	if (!READ_ONCE(ep->rx_short) || !xchg(&ep->rx_short, 0))
		return false;
	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch)
		atomic_dec((atomic_t *)&ch->status->rx_short);
	rcu_read_unlock();
	return true;
}

/**
 * etran_endpoint_room - see bpf_etran_rx_room()
 * @ep: the endpoint
 * @ch: its channel
 * @most: not 0
 * @least: with fewer than so many, its transport is told when there may be more
 *
 * Return: buffers, or -EOPNOTSUPP. Context: RCU read side, bottom halves off.
 */
int etran_endpoint_room(struct etran_ep *ep, struct etran_channel *ch, u32 most, u32 least)
{
	int n = etran_channel_buffers(ch, most);

	if (n < 0 || n >= least)
		return n;
	if (!xchg(&ep->rx_short, 1))
		atomic_inc((atomic_t *)&ch->status->rx_short);
	/*
	 * Either we see what the application gives, or it sees that we wait, and the same of closing;
	 * pairs with tell_room() and endpoint_close().
	 */
	smp_mb();
	if (!READ_ONCE(ep->open))
		take_short(ep);
	return etran_channel_buffers(ch, most);
}

/* There may be buffers that a transport waits for. Context: process. */
static void tell_room(struct etran_ep *ep)
{
	struct etran_ops *ops;

	/* What the application wrote into its ring was before; pairs with etran_endpoint_room(). */
	smp_mb();
	if (!take_short(ep))
		return;
	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(ep->transport->ops);
	if (READ_ONCE(ep->open) && ops && ops->prog[ETRAN_ENDPOINT_ROOM])
		etran_run_endpoint(ep->transport, ops, ETRAN_ENDPOINT_ROOM, &ep->pub);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * etran_endpoint_close - an endpoint is its application's no more
 * @ep: it; the reference of its file is given up
 *
 * Context: process, may sleep.
 */
void etran_endpoint_close(struct etran_ep *ep)
{
	struct etran_ops *ops;

	mutex_lock(&etran_mutex);
	local_bh_disable();
	rcu_read_lock();
	WRITE_ONCE(ep->open, false);
	/* Pairs with etran_endpoint_room(). */
	smp_mb();
	take_short(ep);
	ops = rcu_dereference(ep->transport->ops);
	if (ops && ops->prog[ETRAN_ENDPOINT_CLOSE])
		etran_run_endpoint(ep->transport, ops, ETRAN_ENDPOINT_CLOSE, &ep->pub);
	rcu_read_unlock();
	local_bh_enable();
	mutex_unlock(&etran_mutex);
	etran_streams_dead(ep);
	etran_endpoint_put(ep);
}

static int endpoint_release(struct inode *inode, struct file *file)
{
	etran_endpoint_close(file->private_data);
	return 0;
}

static __poll_t endpoint_poll(struct file *file, struct poll_table_struct *wait)
{
	struct etran_ep *ep = file->private_data;
	__poll_t mask;

	poll_wait(file, &ep->wait, wait);
	tell_room(ep);
	/* The AF_XDP socket knows its rings; polling it also sends what is in the TX ring. */
	mask = vfs_poll(ep->xsk_file, wait);
	if (READ_ONCE(ep->ready))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(ep->dead))
		mask |= EPOLLERR | EPOLLHUP;
	return mask;
}

/* The endpoint's channel, not to be freed before etran_channel_put(); NULL when it is gone. */
static struct etran_channel *channel_get(struct etran_ep *ep)
{
	struct etran_channel *ch;

	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch && !refcount_inc_not_zero(&ch->ref))
		ch = NULL;
	rcu_read_unlock();
	return ch;
}

static int endpoint_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct etran_ep *ep = file->private_data;
	struct etran_channel *ch;
	int err = -ENODEV;

	if (vma->vm_pgoff >= ETRAN_MMAP_STREAMS >> PAGE_SHIFT)
		return etran_streams_mmap(ep, vma);
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE);
	/* Not under RTNL: whoever holds that may fault in user memory. */
	ch = channel_get(ep);
	if (ch) {
		err = remap_vmalloc_range(vma, ch->status, vma->vm_pgoff);
		etran_channel_put(ch);
	}
	return err;
}

/**
 * etran_endpoint_bind - ETRAN_IOC_BIND
 * @ep: the endpoint
 * @arg: question and answer
 * @tag: NULL, or what arg[1] has to be
 *
 * Return: 0 or a negative errno, see struct etran_endpoint_bind. Context: process, may sleep.
 */
long etran_endpoint_bind(struct etran_ep *ep, struct etran_endpoint_bind __user *arg, const u64 *tag)
{
	struct etran_endpoint_bind b;
	struct etran_endpoint old;
	struct etran_ops *ops;
	long err = -ESHUTDOWN;

	if (copy_from_user(&b, arg, sizeof(b)))
		return -EFAULT;
	if (memchr_inv(b.reserved, 0, sizeof(b.reserved)) || (tag && b.arg[1] != *tag))
		return -EINVAL;
	mutex_lock(&etran_mutex);
	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(ep->transport->ops);
	if (ops) {
		old = ep->pub;
		memcpy(ep->pub.addr, b.addr, sizeof(b.addr));
		ep->pub.port = b.port;
		memcpy(ep->pub.arg, b.arg, sizeof(b.arg));
		err = -EOPNOTSUPP;
		if (ops->prog[ETRAN_ENDPOINT_BIND])
			err = etran_run_endpoint(ep->transport, ops, ETRAN_ENDPOINT_BIND,
						 &ep->pub);
		if (err > 0 || err < -MAX_ERRNO) {
			etran_bad_verdict(NULL, ep->transport, ETRAN_ENDPOINT_BIND, err);
			err = -EINVAL;
		}
		memcpy(b.addr, ep->pub.addr, sizeof(b.addr));
		b.port = ep->pub.port;
		memcpy(b.arg, ep->pub.arg, sizeof(b.arg));
		if (err)
			ep->pub = old;
	}
	rcu_read_unlock();
	local_bh_enable();
	mutex_unlock(&etran_mutex);
	if (!err && copy_to_user(arg, &b, sizeof(b)))
		err = -EFAULT;
	return err;
}

static long endpoint_ready(struct etran_ep *ep, u32 __user *arg)
{
	struct etran_channel *ch;
	u32 ready;

	if (get_user(ready, arg))
		return -EFAULT;
	WRITE_ONCE(ep->ready, ready);
	if (!ready)
		return 0;
	wake_up_poll(&ep->wait, EPOLLIN | EPOLLRDNORM);
	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch)
		etran_channel_look(ch);
	rcu_read_unlock();
	return 0;
}

static long endpoint_wait(struct etran_ep *ep, struct etran_wait __user *arg)
{
	struct etran_channel *ch;
	struct etran_wait w;
	long left, timeout;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	timeout = w.timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(w.timeout_ms);

	ch = channel_get(ep);
	if (!ch)
		return -ENODEV;
	left = wait_event_interruptible_timeout(ch->wait,
			READ_ONCE(ch->status->released) != w.released ||
			READ_ONCE(ch->status->flags), timeout);
	w.released = READ_ONCE(ch->status->released);
	if (left > 0)
		left = READ_ONCE(ch->status->flags) ? -ENODEV : 0;
	else if (!left)
		left = -EAGAIN;
	etran_channel_put(ch);
	if (!left && copy_to_user(arg, &w, sizeof(w)))
		return -EFAULT;
	/* As poll(): a signal without handler, which another thread's child may cause, is not told. */
	return left == -ERESTARTSYS ? -ERESTARTNOHAND : left;
}

/* For how many descriptors one call stays in the kernel. */
#define KICK_ROUNDS	(16384 / ETRAN_EGRESS_BUDGET)

static long endpoint_kick(struct etran_ep *ep)
{
	struct etran_channel *ch;
	long err = -EAGAIN;
	int i;

	for (i = 0; i < KICK_ROUNDS && err == -EAGAIN; i++) {
		if (i)
			cond_resched();
		rcu_read_lock();
		ch = rcu_dereference(ep->channel);
		if (!ch)
			err = -ENODEV;
		else if (ch->mode != ETRAN_LINK)
			err = etran_direct_kick(ch);
		else if (!netif_running(ch->link->dev))
			err = -ENETDOWN;
		else
			err = etran_egress(ch);
		rcu_read_unlock();
	}
	return err == -EBUSY ? 0 : err;
}

static bool rx_over(const struct etran_ep *ep, const struct etran_channel *ch,
		    const struct etran_wait_rx *w)
{
	u32 delivered = READ_ONCE(ch->status->delivered), produced;

	if (ch->mode != ETRAN_LINK) {
		/* About to sleep, so it must not fault: the mapping, which was there, is gone. */
		if (copy_from_user_nofault(&produced, u64_to_user_ptr(w->producer), sizeof(produced)))
			return true;
		delivered += produced;
	}
	return delivered != w->delivered || READ_ONCE(ep->dead) ||
	       (!(w->flags & ETRAN_WAIT_UNREADY) && READ_ONCE(ep->ready));
}

/* As wait_event_interruptible_timeout() of rx_over(), on two queues: ours, and that which AF_XDP wakes. */
static long sleep_direct(struct etran_ep *ep, struct etran_channel *ch, const struct etran_wait_rx *w,
			 long timeout)
{
	/* The endpoint's file has the socket's. */
	wait_queue_head_t *ring = sk_sleep(&ep->xs->sk);
	DEFINE_WAIT(of_channel);
	DEFINE_WAIT(of_ring);

	for (;;) {
		prepare_to_wait(&ch->rx_wait, &of_channel, TASK_INTERRUPTIBLE);
		prepare_to_wait(ring, &of_ring, TASK_INTERRUPTIBLE);
		if (rx_over(ep, ch, w)) {
			timeout = 1;
			break;
		}
		if (signal_pending(current)) {
			timeout = -ERESTARTSYS;
			break;
		}
		if (!timeout)
			break;
		timeout = schedule_timeout(timeout);
	}
	finish_wait(ring, &of_ring);
	finish_wait(&ch->rx_wait, &of_channel);
	return timeout;
}

static long endpoint_wait_rx(struct etran_ep *ep, struct etran_wait_rx __user *arg, bool nonblock)
{
	struct etran_channel *ch;
	struct etran_wait_rx w;
	long left = 0, timeout;
	/* Only whether it can be read matters. */
	u32 __maybe_unused produced;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	if (w.flags & ~(ETRAN_WAIT_KICK | ETRAN_WAIT_UNREADY) || w.reserved || w.producer % sizeof(u32))
		return -EINVAL;
	ch = channel_get(ep);
	if (!ch)
		return -ENODEV;
	if (ch->mode == ETRAN_LINK)
		left = w.producer ? -EINVAL : 0;
	else if (get_user(produced, (u32 __user *)u64_to_user_ptr(w.producer)))
		left = -EFAULT;
	if (left) {
		etran_channel_put(ch);
		return left;
	}
	if (w.flags & ETRAN_WAIT_KICK)
		endpoint_kick(ep);
	tell_room(ep);
	timeout = w.timeout_ms < 0 ? MAX_SCHEDULE_TIMEOUT : msecs_to_jiffies(w.timeout_ms);
	if (nonblock)
		left = rx_over(ep, ch, &w);
	else if (ch->mode == ETRAN_LINK)
		left = wait_event_interruptible_timeout(ch->rx_wait, rx_over(ep, ch, &w), timeout);
	else
		left = sleep_direct(ep, ch, &w, timeout);
	etran_channel_put(ch);
	if (READ_ONCE(ep->dead))
		return -ENODEV;
	if (left > 0)
		return 0;
	return left ? -ERESTARTNOHAND : -EAGAIN;
}

static long endpoint_wake(struct etran_ep *ep)
{
	struct etran_channel *ch;
	long err = -ENODEV;

	rcu_read_lock();
	ch = rcu_dereference(ep->channel);
	if (ch) {
		etran_channel_wake(ch);
		err = 0;
	}
	rcu_read_unlock();
	return err;
}

static long endpoint_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct etran_ep *ep = file->private_data;
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case ETRAN_IOC_KICK:
		return endpoint_kick(ep);
	case ETRAN_IOC_WAIT_RX:
		return endpoint_wait_rx(ep, p, file->f_flags & O_NONBLOCK);
	case ETRAN_IOC_BIND:
		return etran_endpoint_bind(ep, p, NULL);
	case ETRAN_IOC_READY:
		return endpoint_ready(ep, p);
	case ETRAN_IOC_WAIT_RELEASED:
		return endpoint_wait(ep, p);
	case ETRAN_IOC_WAKE:
		return endpoint_wake(ep);
	case ETRAN_IOC_ROOM:
		tell_room(ep);
		return 0;
	case ETRAN_IOC_STREAM_OPEN:
		return etran_stream_open(ep, p);
	case ETRAN_IOC_STREAM_SHARE:
		return etran_stream_share(ep, p);
	case ETRAN_IOC_STREAM_GIVE:
		return etran_stream_give(ep, p);
	}
	return -ENOTTY;
}

static const struct file_operations endpoint_fops = {
	.owner = THIS_MODULE,
	.release = endpoint_release,
	.poll = endpoint_poll,
	.mmap = endpoint_mmap,
	.unlocked_ioctl = endpoint_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* The channel of an AF_XDP socket. Context: RTNL held, may sleep. */
static struct etran_channel *channel_of(struct file *file)
{
	struct socket *sock = sock_from_file(file);
	struct xdp_sock *xs = (struct xdp_sock *)sock->sk;
	struct etran_channel *ch;
	struct etran_link *link;

	if (READ_ONCE(xs->state) == XSK_UNBOUND)
		return ERR_PTR(-ENXIO);
	if (READ_ONCE(xs->state) != XSK_BOUND || !xs->rx || !xs->tx)
		return ERR_PTR(-EINVAL);
	if (!etran_is_link(xs->dev)) {
		rcu_read_lock();
		link = etran_link_by_lower(xs->dev);
		rcu_read_unlock();
		return link ? etran_direct_attach(sock, link) : ERR_PTR(-ENODEV);
	}
	link = netdev_priv(xs->dev);
	if (xs->queue_id >= link->dev->num_rx_queues)
		return ERR_PTR(-EINVAL);
	ch = rtnl_dereference(link->channels[xs->queue_id]);
	/* A socket that was bound with XDP_COPY has a queue, but the module was not told. */
	if (!ch || ch->pool != xs->pool)
		return ERR_PTR(-EINVAL);
	return ch;
}

static struct etran_transport *transport_by_name(const char *name)
{
	struct etran_transport *t;

	list_for_each_entry(t, &etran_transports, node)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

/* Context: RTNL and etran_mutex held. */
static int endpoint_make(struct etran_ep *ep, struct etran_endpoint_open *o)
{
	struct etran_transport *t = transport_by_name(o->transport);
	struct etran_channel *ch = channel_of(ep->xsk_file);
	struct etran_ops *ops;
	int err;

	if (!t)
		return -ENOENT;
	if (IS_ERR(ch))
		return PTR_ERR(ch);
	ep->transport = t;
	ep->pub.link = ch->link->id;
	memcpy(ep->pub.addr, o->addr, sizeof(o->addr));
	ep->pub.port = o->port;
	memcpy(ep->pub.arg, o->arg, sizeof(o->arg));
	rcu_assign_pointer(ep->channel, ch);
	err = etran_endpoint_enter(ep);
	if (err)
		return err;

	local_bh_disable();
	rcu_read_lock();
	ops = rcu_dereference(t->ops);
	WRITE_ONCE(ep->open, true);
	err = ops ? 0 : -ESHUTDOWN;
	if (ops && ops->prog[ETRAN_ENDPOINT_OPEN])
		err = etran_run_endpoint(t, ops, ETRAN_ENDPOINT_OPEN, &ep->pub);
	if (err > 0 || err < -MAX_ERRNO) {
		etran_bad_verdict(NULL, t, ETRAN_ENDPOINT_OPEN, err);
		err = -EINVAL;
	}
	rcu_read_unlock();
	local_bh_enable();
	if (err) {
		WRITE_ONCE(ep->open, false);
		forget_locked(ep);
		synchronize_rcu();
		return err;
	}
	kref_get(&t->ref);
	atomic_inc(&t->endpoints);
	etran_count(NULL, t, endpoints);
	o->id = ep->pub.id;
	o->link = ep->pub.link;
	memcpy(o->addr, ep->pub.addr, sizeof(o->addr));
	o->port = ep->pub.port;
	memcpy(o->arg, ep->pub.arg, sizeof(o->arg));
	return 0;
}

/**
 * etran_file_open - give the calling process a file for something of ours, and an answer
 * @name: of the file
 * @fops: what it does
 * @private: private_data, which is the file's from here on if it was made
 * @flags: O_CLOEXEC, O_NONBLOCK or 0
 * @to: where the answer goes
 * @answer: it
 * @len: its bytes
 *
 * The answer first: a file that cannot be told of would have to be closed, and its owner would not know by whom.
 *
 * Return: a file descriptor, or a negative errno, and then @private is still the caller's.
 * Context: process, may sleep.
 */
int etran_file_open(const char *name, const struct file_operations *fops, void *private, u32 flags,
		    void __user *to, const void *answer, size_t len)
{
	int fd = get_unused_fd_flags(flags & O_CLOEXEC), err = -EFAULT;
	struct file *file;

	if (fd < 0)
		return fd;
	if (copy_to_user(to, answer, len))
		goto put_fd;
	file = anon_inode_getfile(name, fops, private, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put_fd;
	}
	/* Nothing in it has a position. */
	if (fops->read_iter) {
		stream_open(file_inode(file), file);
		file->f_mode |= FMODE_NOWAIT;
	}
	fd_install(fd, file);
	return fd;
put_fd:
	put_unused_fd(fd);
	return err;
}

/**
 * etran_endpoint_new - an endpoint with nothing in it
 *
 * Return: it, with one reference; kfree() is all that it needs until it was entered. NULL without memory.
 * Context: process, may sleep.
 */
struct etran_ep *etran_endpoint_new(void)
{
	struct etran_ep *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return NULL;
	refcount_set(&ep->ref, 1);
	init_waitqueue_head(&ep->wait);
	mutex_init(&ep->share_mutex);
	etran_streams_init(ep);
	INIT_WORK(&ep->work, endpoint_free);
	return ep;
}

/**
 * etran_endpoint_open - ETRAN_IOC_ENDPOINT_OPEN
 * @arg: question and answer
 *
 * Return: a file descriptor or a negative errno, see struct etran_endpoint_open.
 * Context: process, may sleep.
 */
long etran_endpoint_open(struct etran_endpoint_open __user *arg)
{
	struct etran_endpoint_open o;
	struct file *xsk_file;
	struct socket *sock;
	struct etran_ep *ep;
	int fd, err;

	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	if (o.flags & ~(O_CLOEXEC | O_NONBLOCK) ||
	    memchr_inv(o.reserved, 0, sizeof(o.reserved)) ||
	    strnlen(o.transport, sizeof(o.transport)) == sizeof(o.transport))
		return -EINVAL;
	xsk_file = fget(o.xsk_fd);
	if (!xsk_file)
		return -EBADF;
	sock = sock_from_file(xsk_file);
	err = -ENOTSOCK;
	if (!sock)
		goto put_file;
	err = -EINVAL;
	if (!sock->sk || sock->sk->sk_family != PF_XDP)
		goto put_file;

	err = -ENOMEM;
	ep = etran_endpoint_new();
	if (!ep)
		goto put_file;
	ep->xsk_file = xsk_file;
	ep->xs = (struct xdp_sock *)sock->sk;

	rtnl_lock();
	mutex_lock(&etran_mutex);
	err = endpoint_make(ep, &o);
	mutex_unlock(&etran_mutex);
	rtnl_unlock();
	if (err) {
		kfree(ep);
		goto put_file;
	}

	/* From here on the file, or its failure, ends the endpoint. */
	fd = etran_file_open("[etran]", &endpoint_fops, ep, o.flags, arg, &o, sizeof(o));
	if (fd < 0)
		etran_endpoint_close(ep);
	return fd;
put_file:
	fput(xsk_file);
	return err;
}

/**
 * etran_endpoint_counters - ETRAN_IOC_COUNTERS for an endpoint's AF_XDP socket
 * @q: the question
 *
 * Return: 0, -ENOENT, -EFAULT. Context: process, may sleep.
 */
int etran_endpoint_counters(struct etran_counters *q)
{
	struct etran_counter c[] = {
		{ "frames_accepted", "frames taken from the application", 0, 0, 0 },
		{ "frames_transmitted", "frames that ended by being sent", 0, 0, 0 },
		{ "frames_dropped", "frames that ended unsent", 0, 0, 0 },
		{ "frames_held", "frames held by the transport, not sent yet",
		  ETRAN_COUNTER_GAUGE, 0, 0 },
		{ "frames_queued", "frames in packet queues, or waiting for their time",
		  ETRAN_COUNTER_GAUGE, 0, 0 },
		{ "frames_retained", "frames that were sent and are kept until acknowledged",
		  ETRAN_COUNTER_GAUGE, 0, 0 },
		{ "delivered", "records put into the RX ring", 0, 0, 0 },
		{ "undelivered", "records that found no buffer or no room", ETRAN_COUNTER_DROP,
		  0, 0 },
	};
	struct etran_channel *ch;
	struct etran_ep *ep;
	u32 n, i;

	rcu_read_lock();
	ep = etran_endpoint_lookup(q->id);
	ch = ep ? rcu_dereference(ep->channel) : NULL;
	if (ch) {
		c[0].value = atomic64_read(&ch->accepted);
		c[1].value = atomic64_read(&ch->transmitted);
		c[2].value = atomic64_read(&ch->dropped);
		for (i = 0; i < ETRAN_CLASS_NONE; i++)
			c[3 + i].value = atomic_read(&ch->kept[i]);
		c[6].value = atomic64_read(&ch->delivered);
		c[7].value = atomic64_read(&ch->undelivered);
	}
	rcu_read_unlock();
	if (!ch)
		return -ENOENT;
	n = min_t(u32, q->count, ARRAY_SIZE(c));
	q->count = ARRAY_SIZE(c);
	if (copy_to_user(u64_to_user_ptr(q->buf), c, n * sizeof(c[0])))
		return -EFAULT;
	return 0;
}

void etran_endpoint_exit(void)
{
	u32 i;

	xa_destroy(&endpoints);
	for (i = 0; i < ETRAN_EP_PAGES; i++)
		free_page((unsigned long)etran_endpoint_pages[i]);
}
