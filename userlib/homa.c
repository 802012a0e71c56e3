// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Homa's calls.
 *
 * A socket is the descriptor of an endpoint, which the kernel knows, and a struct homa_sock,
 * which it does not; a table finds the one from the other. Rejected: a pointer instead of the
 * descriptor, which no poll() could wait for and no program written for Homa has.
 *
 * Locks: table_lock, then homa_sock.lock; neither is held while sleeping.
 *
 * From the descriptor to the socket. Each call does that, so it takes no lock: it reads the entry,
 * takes a reference, and reads the entry again. Other threads may make, close and lose sockets
 * meanwhile. That is safe, because
 * - the memory of a socket is never freed, only made another socket (spare_socks), and so is always a
 *   counter that may be looked at: 0 while it is no socket, and then no reference is taken;
 * - a table that became too small stays where it is, and is not changed any more;
 * - an entry owns a reference, which is given up after the entry was changed. So when the second
 *   look, at the table of then, finds the same socket, the reference was taken while it was in the
 *   table under that number. That look sees the change if the memory is another socket by now: the
 *   entry was changed before the old one's references were given up, these before the new one's
 *   count was set (release), and that before the reference was taken (acquire);
 * - between two sockets of one number the table has nothing, or "ending", a socket without references;
 * - when it finds another, the reference belongs to a socket which somebody else may be closing. It is
 *   given back like any other, and if it was the last, the socket ends here.
 * A call that runs beside homa_close() for the same number may still find the socket. It then sees
 * @closing under the socket's lock, or comes first, as with a lock on the table.
 * fork(): writers hold table_lock, which the forking thread takes first, so the child's table is whole.
 * References of the parent's other threads stay in the child's counts: no count there comes to 0, and
 * nothing of the parent's sockets is ever ended or used again in the child.
 * Rejected: a lock on the table (two lock and two unlock operations each call, on a cache line
 * that all threads share); RCU in user space, which needs a library or a barrier in each thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "error.h"
#include "fork.h"
#include "homa_sock.h"

#define RX_BYTES	(256UL << 20)
#define MIN_RX_BYTES	(1UL << 20)

/**
 * struct table - sockets by descriptor
 * @size: how many entries
 * @small: the one before it, which a reader may still look into
 * @sock: the entries; changed under table_lock
 */
struct table {
	unsigned int size;
	struct table *small;
	struct homa_sock *sock[];
};

/* A fork() takes a copy, whose lock its handlers keep usable. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct table *table;
/* Memory of sockets that ended; under table_lock. */
static struct homa_sock *spare_socks;
/*
 * In the table from homa_close() until the descriptor is closed, which calls that are under way may put off. It has no
 * references.
 */
static struct homa_sock ending;

static void before_fork(void)
{
	pthread_mutex_lock(&table_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&table_lock);
}

static void __attribute__((constructor)) homa_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

bool homa_nonblocking(const struct homa_sock *s)
{
	int flags = fcntl(s->fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}

/* What the table says now. */
static struct homa_sock *look(int fd)
{
	struct table *t = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	if (!t || (unsigned int)fd >= t->size)
		return NULL;
	return __atomic_load_n(&t->sock[fd], __ATOMIC_ACQUIRE);
}

/* Memory for a socket, with its lock. */
static struct homa_sock *alloc_sock(void)
{
	const size_t kept = offsetof(struct homa_sock, fd);
	struct homa_sock *s;

	pthread_mutex_lock(&table_lock);
	s = spare_socks;
	if (s)
		spare_socks = s->spare;
	pthread_mutex_unlock(&table_lock);
	if (!s)
		return calloc(1, sizeof(*s));
	memset((char *)s + kept, 0, sizeof(*s) - kept);
	return s;
}

static void spare_sock(struct homa_sock *s)
{
	pthread_mutex_lock(&table_lock);
	s->spare = spare_socks;
	spare_socks = s;
	pthread_mutex_unlock(&table_lock);
}

/* The last reference: nothing else knows the socket any more. */
static void end_sock(struct homa_sock *s)
{
	int fd = s->fd;

	/* Descriptors that the kernel left for later; when this process is gone, nobody asks. */
	if (etran_endpoint_status(s->ch))
		etran_tx_kick(s->ch);
	etran_channel_close(s->ch);
	homa_rpc_free_all(s);
	lending_end(&s->lending);
	while (s->evfd_count)
		close(s->evfds[--s->evfd_count]);
	pthread_mutex_lock(&table_lock);
	if (table->sock[fd] == &ending)
		__atomic_store_n(&table->sock[fd], NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table_lock);
	spare_sock(s);
}

static void put_sock(struct homa_sock *s)
{
	int err;

	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	err = errno;
	end_sock(s);
	errno = err;
}

static struct homa_sock *no_sock(int fd, const struct homa_sock *s)
{
	if (s == &ending)
		etran_fail(EBADF, "socket %d was closed", fd);
	else if (fcntl(fd, F_GETFD) < 0)
		etran_fail(EBADF, "%d is not an open descriptor", fd);
	else
		etran_fail(ENOTSOCK, "descriptor %d was not made by homa_socket()", fd);
	return NULL;
}

static struct homa_sock *get_sock(int fd)
{
	struct homa_sock *s;
	unsigned int refs;

	for (;;) {
		s = look(fd);
		if (!s || s == &ending)
			return no_sock(fd, s);
		refs = __atomic_load_n(&s->refs, __ATOMIC_RELAXED);
		while (refs && !__atomic_compare_exchange_n(&s->refs, &refs, refs + 1, true,
							    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			;
		if (!refs)
			continue;
		if (look(fd) == s)
			break;
		put_sock(s);
	}
	if (s->forks == etran_forks())
		return s;
	put_sock(s);
	etran_fail(EBADF, "socket %d belongs to the parent process; make one after fork()", fd);
	return NULL;
}

static struct homa_sock *lock_sock(int fd)
{
	struct homa_sock *s = get_sock(fd);

	if (s)
		mutex_lock(&s->lock);
	return s;
}

static void unlock_sock(struct homa_sock *s)
{
	homa_rx_tell(s);
	mutex_unlock(&s->lock);
	put_sock(s);
}

/* A table with room for @fd. Context: table_lock held. */
static struct table *table_for(unsigned int fd)
{
	unsigned int size = table ? table->size : 64;
	struct table *t;

	if (table && fd < table->size)
		return table;
	while (size <= fd)
		size *= 2;
	t = calloc(1, sizeof(*t) + size * sizeof(t->sock[0]));
	if (!t)
		return NULL;
	t->size = size;
	t->small = table;
	if (table)
		memcpy(t->sock, table->sock, table->size * sizeof(t->sock[0]));
	__atomic_store_n(&table, t, __ATOMIC_RELEASE);
	return t;
}

/*
 * @s, which nobody else has seen, gets its reference and its number. @old: what was in the table under
 * that: a socket ended by close() instead of ours. Return: 0, -ENOMEM.
 */
static int table_set(int fd, struct homa_sock *s, struct homa_sock **old)
{
	struct table *t;

	pthread_mutex_lock(&table_lock);
	t = table_for(fd);
	if (t) {
		*old = t->sock[fd] == &ending ? NULL : t->sock[fd];
		__atomic_store_n(&s->refs, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&t->sock[fd], s, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&table_lock);
	return t ? 0 : -ENOMEM;
}

static int rx_limit(size_t *limit)
{
	const char *env = getenv("ETRAN_RX_BYTES");
	unsigned long n;
	char *end;

	*limit = RX_BYTES;
	if (!env || !*env)
		return 0;
	n = strtoul(env, &end, 0);
	if (*end || n < MIN_RX_BYTES)
		return etran_fail(EINVAL, "ETRAN_RX_BYTES must be a number of bytes from %lu on, not '%s'",
				  MIN_RX_BYTES, env);
	*limit = n;
	return 0;
}

static int spin_wanted(uint32_t *ns)
{
	const char *env = getenv("ETRAN_SPIN_US");
	unsigned long n;
	char *end;

	if (!env || !*env)
		return 0;
	n = strtoul(env, &end, 0);
	if (*end || n > HOMA_MAX_SPIN_US)
		return etran_fail(EINVAL, "ETRAN_SPIN_US must be a number of microseconds in 0..%u, not '%s'",
				  HOMA_MAX_SPIN_US, env);
	*ns = n * 1000;
	return 0;
}

static int open_endpoint(struct homa_sock *s, int flags)
{
	struct etran_endpoint_open arg = {
		.transport = "homa",
		.flags = flags & SOCK_NONBLOCK ? O_NONBLOCK : 0,
	};

	/* Any address, of IPv4 alone or of both. */
	if (s->domain == AF_INET)
		arg.addr[2] = htonl(0xffff);
	s->fd = etran_endpoint_attach(s->ch, &arg);
	if (s->fd < 0)
		return -1;
	s->endpoint = arg.id;
	memcpy(s->local.addr, arg.addr, sizeof(arg.addr));
	s->local.port = arg.port;
	s->next_id = arg.arg[0];
	if (!s->next_id || s->next_id & 1)
		return etran_fail(EPROTO, "transport 'homa' gave %llu as first id; load the one of this release",
				  (unsigned long long)s->next_id);
	return 0;
}

int homa_socket(int domain, int flags)
{
	struct homa_sock *s, *old;
	int err;

	if (domain != AF_INET && domain != AF_INET6)
		return etran_fail(EAFNOSUPPORT, "homa_socket() knows AF_INET and AF_INET6 only");
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return etran_fail(EINVAL, "homa_socket() knows the flags SOCK_NONBLOCK and SOCK_CLOEXEC only");
	s = alloc_sock();
	if (!s)
		return etran_fail(ENOMEM, "no memory for a socket");
	list_init(&s->ready);
	list_init(&s->lru);
	list_init(&s->tx);
	list_init(&s->tx_waiters[0]);
	list_init(&s->tx_waiters[1]);
	list_init(&s->waiters);
	lending_init(&s->lending);
	s->domain = domain;
	s->batch = 1;
	s->forks = etran_forks();
	if (homa_rpc_table(s)) {
		etran_fail(ENOMEM, "no memory for a socket");
		goto fail;
	}
	if (rx_limit(&s->rx_limit) || spin_wanted(&s->spin_most_ns))
		goto fail;
	s->ch = etran_channel_open(NULL);
	if (!s->ch)
		goto fail;
	s->request_limit = etran_channel_tx_frames(s->ch) / 4 * 3;
	if (open_endpoint(s, flags))
		goto fail;
	if (table_set(s->fd, s, &old)) {
		etran_fail(ENOMEM, "no memory for a socket");
		goto fail;
	}
	if (old) {
		/* Its user ended it with close(); the number is ours now. */
		etran_endpoint_lost(old->ch);
		put_sock(old);
	}
	return s->fd;
fail:
	err = errno;
	etran_channel_close(s->ch);
	homa_rpc_free_all(s);
	spare_sock(s);
	errno = err;
	return -1;
}

int homa_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	struct etran_endpoint_bind arg = {};
	struct homa_sock *s = lock_sock(fd);
	struct homa_peer local;
	int ret = -1;

	if (!s)
		return -1;
	if (homa_addr_get(s, addr, addrlen, &local) || homa_tx_dead(s))
		goto out;
	ret = 0;
	memcpy(arg.addr, local.addr, sizeof(arg.addr));
	arg.port = local.port;
	if (!arg.port)
		goto out;
	if (arg.port >= HOMA_MIN_DEFAULT_PORT) {
		ret = etran_fail(EINVAL, "port %u: servers have ports 1..%u", arg.port,
				 HOMA_MIN_DEFAULT_PORT - 1);
		goto out;
	}
	ret = etran_endpoint_bind_port(s->ch, &arg);
	if (!ret) {
		memcpy(s->local.addr, arg.addr, sizeof(arg.addr));
		s->local.port = arg.port;
	}
out:
	unlock_sock(s);
	return ret;
}

int homa_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct homa_sock *s;
	int ret = 0;

	if (!addr || !addrlen)
		return etran_fail(EFAULT, "addr or addrlen is NULL");
	s = lock_sock(fd);
	if (!s)
		return -1;
	if (*addrlen < homa_addr_size(s))
		ret = etran_fail(EINVAL, "room for %u bytes, this socket's addresses have %u", *addrlen,
				 homa_addr_size(s));
	else
		*addrlen = homa_addr_put(s, &s->local, addr);
	unlock_sock(s);
	return ret;
}

int homa_set_spin(int fd, unsigned int usecs)
{
	struct homa_sock *s = lock_sock(fd);
	int ret = 0;

	if (!s)
		return -1;
	if (usecs > HOMA_MAX_SPIN_US)
		ret = etran_fail(EINVAL, "spinning for %u us; at most %u", usecs, HOMA_MAX_SPIN_US);
	else
		__atomic_store_n(&s->spin_most_ns, usecs * 1000, __ATOMIC_RELAXED);
	unlock_sock(s);
	return ret;
}

int homa_set_batch(int fd, unsigned int messages)
{
	struct homa_sock *s = lock_sock(fd);
	int ret = 0;

	if (!s)
		return -1;
	if (!messages || messages > HOMA_MAX_BATCH) {
		ret = etran_fail(EINVAL, "a batch of %u messages; 1..%u", messages, HOMA_MAX_BATCH);
	} else {
		s->batch = messages;
		if (s->batched >= messages)
			ret = homa_tx_flush(s);
	}
	unlock_sock(s);
	return ret;
}

int homa_flush(int fd)
{
	struct homa_sock *s = lock_sock(fd);
	int ret = -1;

	if (!s)
		return -1;
	if (!homa_tx_dead(s))
		ret = homa_tx_flush(s);
	unlock_sock(s);
	return ret;
}

/* Return: bytes of the message, -1. */
static ssize_t check_message(const struct iovec *iov, int iovcnt)
{
	size_t len = 0;
	int i;

	if (iovcnt < 1 || iovcnt > IOV_MAX)
		return etran_fail(EINVAL, "%d pieces; a message has 1..%d", iovcnt, IOV_MAX);
	if (!iov)
		return etran_fail(EFAULT, "iov is NULL");
	for (i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > HOMA_MAX_MESSAGE_LENGTH - len)
			return etran_fail(EINVAL, "a message has at most %d bytes",
					  HOMA_MAX_MESSAGE_LENGTH);
		if (!iov[i].iov_base && iov[i].iov_len)
			return etran_fail(EFAULT, "the message is at NULL");
		len += iov[i].iov_len;
	}
	if (!len)
		return etran_fail(EINVAL, "a message of 0 bytes; it has at least 1");
	return len;
}

int homa_sendv(int fd, const struct iovec *iov, int iovcnt, const struct sockaddr *dest,
	       uint32_t addrlen, uint64_t *id, uint64_t completion_cookie, int flags)
{
	struct homa_sock *s = lock_sock(fd);
	struct homa_peer peer;
	struct homa_rpc *rpc;
	ssize_t len;
	int seg, ret = -1;

	if (!s)
		return -1;
	if (flags & ~(HOMA_SENDMSG_PRIVATE | MSG_DONTWAIT)) {
		etran_fail(EINVAL, "homa_send() knows the flags HOMA_SENDMSG_PRIVATE and MSG_DONTWAIT only");
		goto out;
	}
	if (flags & HOMA_SENDMSG_PRIVATE && !id) {
		etran_fail(EINVAL, "a private RPC needs id: without it nobody can receive the response");
		goto out;
	}
	len = check_message(iov, iovcnt);
	if (len < 0)
		goto out;
	if (homa_addr_get(s, dest, addrlen, &peer))
		goto out;
	if (homa_peer_is_any(&peer) || !peer.port) {
		etran_fail(EINVAL, "the destination needs an address and a port");
		goto out;
	}
	seg = homa_tx_frames(s, &peer, len, false, flags & MSG_DONTWAIT);
	if (seg < 0)
		goto out;
	rpc = homa_rpc_new(s, s->next_id, &peer);
	if (!rpc) {
		etran_fail(ENOMEM, "no memory for an RPC");
		goto out;
	}
	s->next_id += 2;
	rpc->private = flags & HOMA_SENDMSG_PRIVATE;
	rpc->cookie = completion_cookie;
	if (id)
		*id = rpc->id;
	homa_tx_message(s, rpc, HOMA_OP_REQUEST, iov, len, seg);
	ret = 0;
out:
	unlock_sock(s);
	return ret;
}

int homa_send(int fd, const void *buf, size_t len, const struct sockaddr *dest, uint32_t addrlen,
	      uint64_t *id, uint64_t completion_cookie, int flags)
{
	const struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return homa_sendv(fd, &iov, 1, dest, addrlen, id, completion_cookie, flags);
}

ssize_t homa_replyv(int fd, const struct iovec *iov, int iovcnt, const struct sockaddr *dest,
		    uint32_t addrlen, uint64_t id)
{
	struct homa_sock *s = lock_sock(fd);
	struct homa_rpc *rpc = NULL;
	struct homa_peer peer;
	ssize_t len, ret = -1;
	int seg;

	if (!s)
		return -1;
	len = check_message(iov, iovcnt);
	if (len < 0)
		goto out;
	if (homa_addr_get(s, dest, addrlen, &peer))
		goto out;
	if (id & 1)
		rpc = homa_rpc_find(s, id, &peer);
	if (!rpc || rpc->state != RPC_SERVICE) {
		etran_fail(EINVAL, "RPC %llu is no request of that peer that waits for its answer",
			   (unsigned long long)id);
		goto out;
	}
	/* While this thread waits for frames, no other must answer the same request. */
	rpc->state = RPC_REPLYING;
	seg = homa_tx_frames(s, &peer, len, true, false);
	if (seg < 0) {
		rpc->state = RPC_SERVICE;
		goto out;
	}
	rpc->state = RPC_REPLIED;
	homa_tx_message(s, rpc, HOMA_OP_RESPONSE, iov, len, seg);
	ret = 0;
out:
	unlock_sock(s);
	return ret;
}

ssize_t homa_reply(int fd, const void *buf, size_t len, const struct sockaddr *dest,
		   uint32_t addrlen, uint64_t id)
{
	const struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return homa_replyv(fd, &iov, 1, dest, addrlen, id);
}

/*
 * Hands a message to the caller: copied, or the frames in which it lies. Return: 0; -1 with errno, and the message
 * is as it was.
 */
static int hand_out(struct homa_sock *s, struct homa_rpc *rpc, struct homa_target *t, size_t len)
{
	int room, n;

	if (t->iov) {
		room = *t->iovcnt;
		*t->iovcnt = homa_pages_count(rpc);
		if (*t->iovcnt > room)
			return etran_fail(EMSGSIZE, "the message lies in %d pieces, there is room for %d; call again with more",
					  *t->iovcnt, room);
		n = homa_pages_lend(s, rpc, t->iov);
		return n < 0 ? -1 : 0;
	}
	if (len > t->room)
		return etran_fail(EMSGSIZE, "the message has %zu bytes, the buffer %zu; call again with more room",
				  len, t->room);
	if (rpc->pages.len)
		homa_pages_copy(rpc, t->buf);
	else if (!t->direct)
		memcpy(t->buf, rpc->in.buf, len);
	return 0;
}

/* Hands a complete RPC to the caller of homa_recv(). Return: as homa_recv(). */
static ssize_t deliver(struct homa_sock *s, struct homa_rpc *rpc, struct homa_target *t,
		       struct sockaddr *src, size_t *addrlen, uint64_t *id, size_t *msglen,
		       uint64_t *cookie)
{
	size_t len = t->direct ? t->direct : homa_rpc_len(rpc);
	int error = rpc->error;

	if (src)
		*addrlen = homa_addr_put(s, &rpc->peer, src);
	if (cookie)
		*cookie = rpc->cookie;
	if (msglen)
		*msglen = len;
	*id = rpc->id;
	if (error) {
		homa_rpc_end(s, rpc);
		return etran_fail(error, "RPC %llu failed: %s", (unsigned long long)*id,
				  strerror(error));
	}
	if (hand_out(s, rpc, t, len)) {
		/* It was complete already, or it is now, for whoever comes next. */
		if (list_empty(&rpc->ready) && !rpc->private && !rpc->claimed)
			list_add_tail(&rpc->ready, &s->ready);
		return -1;
	}
	if (rpc->id & 1) {
		homa_rpc_drop_message(s, rpc);
		list_del(&rpc->ready);
		rpc->state = RPC_SERVICE;
	} else {
		homa_rpc_end(s, rpc);
	}
	return len;
}

static struct homa_rpc *claim(struct homa_sock *s, uint64_t id)
{
	struct homa_rpc *rpc = id & 1 ? NULL : homa_rpc_find(s, id, NULL);

	if (!rpc) {
		etran_fail(EINVAL, "RPC %llu was not started on this socket or is over",
			   (unsigned long long)id);
		return NULL;
	}
	if (rpc->claimed) {
		etran_fail(EINVAL, "another thread waits for RPC %llu", (unsigned long long)id);
		return NULL;
	}
	return rpc;
}

/* homa_recv() to wherever @t says. */
static ssize_t receive(int fd, struct homa_target *t, int flags, struct sockaddr *src,
		       size_t *addrlen, uint64_t *id, size_t *msglen, uint64_t *completion_cookie)
{
	const int known = HOMA_RECV_REQUEST | HOMA_RECV_RESPONSE | HOMA_RECV_NONBLOCKING |
			  MSG_DONTWAIT;
	struct homa_rpc *rpc, *mine = NULL;
	struct homa_sock *s;
	ssize_t ret = -1;
	int err = 0;

	t->want.id = *id;
	t->want.flags = flags;
	*id = 0;
	s = lock_sock(fd);
	if (!s)
		return -1;
	if (t->iov && lending_begin(&s->lending, s->ch))
		goto out;
	if (flags & ~known || (!t->want.id && !(flags & (HOMA_RECV_REQUEST | HOMA_RECV_RESPONSE)))) {
		etran_fail(EINVAL, "homa_recv() needs HOMA_RECV_REQUEST, HOMA_RECV_RESPONSE or an id, and knows HOMA_RECV_NONBLOCKING and MSG_DONTWAIT besides");
		goto out;
	}
	if (src && (!addrlen || *addrlen < homa_addr_size(s))) {
		etran_fail(EINVAL, "no room for the peer's address");
		goto out;
	}
	if (t->want.id) {
		mine = claim(s, t->want.id);
		if (!mine)
			goto out;
	}
	for (;;) {
		rpc = homa_rx_next(s, t);
		if (rpc)
			break;
		if (homa_tx_dead(s))
			goto out;
		if (t->want.hangup) {
			/* Only a device that goes says so before its status does. */
			etran_fail(ENETDOWN, "the link device of this socket is being removed; make a new socket");
			goto out;
		}
		/* The last look above was after the sleep: a signal loses no message. */
		if (err == -EINTR) {
			etran_fail(EINTR, "interrupted by a signal");
			goto out;
		}
		if (err && err != -EAGAIN) {
			etran_fail(-err, "cannot wait: %s", strerror(-err));
			goto out;
		}
		if (err == -EAGAIN || flags & (HOMA_RECV_NONBLOCKING | MSG_DONTWAIT)) {
			if (s->batched)
				homa_tx_flush(s);
			if (t->want.full)
				etran_fail(ENOBUFS, "the application has %u pages, nothing is received until it gives some back with homa_release_pages()",
					   s->lending.lent);
			else
				etran_fail(EAGAIN, "no message is there");
			goto out;
		}
		if (mine)
			mine->claimed = true;
		err = homa_rx_sleep(s, &t->want);
		if (mine) {
			/* homa_abort() may have ended it. */
			mine = homa_rpc_find(s, t->want.id, NULL);
			if (!mine) {
				etran_fail(EINVAL, "RPC %llu was aborted meanwhile",
					   (unsigned long long)t->want.id);
				goto out;
			}
			mine->claimed = false;
		}
	}
	ret = deliver(s, rpc, t, src, addrlen, id, msglen, completion_cookie);
out:
	homa_rx_hand_over(s);
	unlock_sock(s);
	return ret;
}

ssize_t homa_recv(int fd, void *buf, size_t len, int flags, struct sockaddr *src, size_t *addrlen,
		  uint64_t *id, size_t *msglen, uint64_t *completion_cookie)
{
	struct homa_target t = { .buf = buf, .room = len };

	if (!id || (!buf && len))
		return etran_fail(EFAULT, "id or buf is NULL");
	return receive(fd, &t, flags, src, addrlen, id, msglen, completion_cookie);
}

ssize_t homa_recv_pages(int fd, struct iovec *iov, int *iovcnt, int flags, struct sockaddr *src,
			size_t *addrlen, uint64_t *id, size_t *msglen,
			uint64_t *completion_cookie)
{
	struct homa_target t = { .iov = iov, .iovcnt = iovcnt };

	if (!id || !iov || !iovcnt)
		return etran_fail(EFAULT, "id, iov or iovcnt is NULL");
	if (*iovcnt < 0) {
		*id = 0;
		return etran_fail(EINVAL, "room for %d pieces", *iovcnt);
	}
	return receive(fd, &t, flags, src, addrlen, id, msglen, completion_cookie);
}

int homa_release_pages(int fd, const struct iovec *iov, int iovcnt)
{
	struct homa_sock *s;
	int ret = -1;

	if (!iov && iovcnt)
		return etran_fail(EFAULT, "iov is NULL");
	s = lock_sock(fd);
	if (!s)
		return -1;
	if (iovcnt < 0)
		etran_fail(EINVAL, "%d pieces", iovcnt);
	else
		ret = homa_pages_release(s, iov, iovcnt);
	unlock_sock(s);
	return ret;
}

/* @error 0: nobody shall hear of it, but a thread that waits for it must wake. */
static void abort_rpc(struct homa_sock *s, struct homa_rpc *rpc, int error)
{
	if (!error && !rpc->claimed) {
		homa_rpc_end(s, rpc);
		return;
	}
	homa_rpc_drop_message(s, rpc);
	rpc->error = error ? error : ECANCELED;
	if (rpc->state != RPC_COMPLETE)
		homa_rx_complete(s, rpc);
}

static int abort_all(struct homa_sock *s, int error)
{
	const struct homa_peer none = {};
	struct homa_rpc *rpc, *next;
	uint32_t i;

	if (homa_tx_abort(s, 0, &none))
		return -1;
	for (i = 0; i <= s->mask; i++) {
		for (rpc = s->buckets[i]; rpc; rpc = next) {
			next = rpc->hash;
			if (!(rpc->id & 1) && rpc->state == RPC_INCOMING)
				abort_rpc(s, rpc, error);
		}
	}
	return 0;
}

int homa_abort(int fd, uint64_t id, int error)
{
	struct homa_rpc *rpc = NULL;
	struct homa_sock *s = lock_sock(fd);
	int ret = -1;

	if (!s)
		return -1;
	if (error < 0 || error > 4095) {
		etran_fail(EINVAL, "error %d is no errno", error);
		goto out;
	}
	if (homa_tx_dead(s))
		goto out;
	if (!id) {
		ret = abort_all(s, error);
		goto out;
	}
	if (!(id & 1))
		rpc = homa_rpc_find(s, id, NULL);
	if (!rpc) {
		etran_fail(EINVAL, "RPC %llu was not started on this socket or is over",
			   (unsigned long long)id);
		goto out;
	}
	if (rpc->state == RPC_INCOMING && homa_tx_abort(s, id, &rpc->peer))
		goto out;
	abort_rpc(s, rpc, error);
	ret = 0;
out:
	unlock_sock(s);
	return ret;
}

int homa_close(int fd)
{
	struct homa_sock *s;
	bool foreign = false;

	pthread_mutex_lock(&table_lock);
	s = look(fd);
	if (s && s != &ending) {
		foreign = s->forks != etran_forks();
		__atomic_store_n(&table->sock[fd], foreign ? NULL : &ending, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&table_lock);
	if (!s || s == &ending) {
		no_sock(fd, s);
		return -1;
	}
	if (foreign) {
		/*
		 * The child's copies of the descriptors keep the parent's socket open. The rest is
		 * left alone: another thread may have been changing it when the parent forked.
		 */
		etran_channel_close(s->ch);
		return 0;
	}
	mutex_lock(&s->lock);
	s->closing = true;
	homa_rx_wake_all(s);
	mutex_unlock(&s->lock);
	put_sock(s);
	return 0;
}
