// SPDX-License-Identifier: GPL-2.0
/*
 * The functions that BPF programs call. Documented for their users in bpf/etran.bpf.h.
 *
 * Which program may call which is decided when it is loaded, by the member of etran_ops that it is
 * for; what a program holds by value (handles, ids, lengths) is checked at each call.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/random.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/ip6_checksum.h>
#include "copy.h"
#include "etran.h"

__bpf_kfunc_start_defs();

/**
 * bpf_etran_slice - pointer to bytes of the packet beyond struct etran_hdr
 * @pkt: the packet
 * @off: egress, gen: from where the payload begins; ingress: from the IP header
 * @rdwr_buf_size: how many bytes; the verifier wants this name and a constant
 *
 * Return: pointer or NULL. Context: egress, gen, ingress.
 */
__bpf_kfunc __u8 *bpf_etran_slice(struct etran_pkt *pkt, u32 off, const u32 rdwr_buf_size)
{
	u32 len = pkt->kind == ETRAN_PKT_INGRESS ? pkt->len : pkt->payload_len;

	if (off > len || rdwr_buf_size > len - off)
		return NULL;
	if (pkt->kind != ETRAN_PKT_INGRESS && !pkt->copied) {
		etran_copy(pkt->data, pkt->umem, pkt->payload_len);
		/* Its frame may have ended, and the chunk hold something else. */
		if (pkt->kind == ETRAN_PKT_GEN && !etran_frame_is(pkt->transport, pkt->handle))
			return NULL;
		pkt->copied = 1;
	}
	return pkt->data + off;
}

/**
 * bpf_etran_filter_slice - filters: pointer to bytes of the packet, to read
 * @pkt: the packet
 * @off: bytes from the IP header
 * @rdonly_buf_size: how many; the verifier wants this name and a constant
 *
 * Return: pointer or NULL. Context: ingress and egress of a filter.
 */
__bpf_kfunc __u8 *bpf_etran_filter_slice(struct etran_filter_pkt *pkt, u32 off,
					 const u32 rdonly_buf_size)
{
	if (off > pkt->len || rdonly_buf_size > pkt->len - off)
		return NULL;
	return pkt->data + off;
}

/**
 * bpf_etran_hold - egress: take this frame by handle
 * @pkt: the frame
 * @prev: handle of the frame that it follows, or 0
 * @cookie: kept with the frame, not 0
 *
 * Return: handle; 0 when @prev is stale or the frame is held already.
 */
__bpf_kfunc u64 bpf_etran_hold(struct etran_pkt *pkt, u64 prev, u64 cookie)
{
	if (pkt->kind != ETRAN_PKT_EGRESS)
		return 0;
	return etran_frame_hold(pkt, prev, cookie);
}

/**
 * bpf_etran_load - gen: give this packet the payload of a held frame
 * @pkt: an empty packet
 * @handle: the frame
 *
 * Return: 0, -ESTALE, -EINVAL.
 */
__bpf_kfunc int bpf_etran_load(struct etran_pkt *pkt, u64 handle)
{
	if (pkt->kind != ETRAN_PKT_GEN || pkt->handle)
		return -EINVAL;
	return etran_frame_payload(pkt, handle, 0, 0);
}

/**
 * bpf_etran_load_part - gen: give this packet a part of the payload of a held frame
 * @pkt: an empty packet
 * @handle: the frame
 * @from: where it begins, bytes from the beginning of the payload
 * @len: bytes; 0: all behind @from
 *
 * Return: 0, -ESTALE, -EINVAL.
 */
__bpf_kfunc int bpf_etran_load_part(struct etran_pkt *pkt, u64 handle, u32 from, u32 len)
{
	if (pkt->kind != ETRAN_PKT_GEN || pkt->handle)
		return -EINVAL;
	return etran_frame_payload(pkt, handle, from, len);
}

/**
 * bpf_etran_load_next - gen: append the payload of the frame that is linked behind this packet's last one
 * @pkt: a packet that was loaded
 * @most: bytes of payload that it may have afterwards
 *
 * Return: handle of the frame; 0: nothing was appended.
 */
__bpf_kfunc u64 bpf_etran_load_next(struct etran_pkt *pkt, u32 most)
{
	if (pkt->kind != ETRAN_PKT_GEN || !pkt->handle)
		return 0;
	return etran_frame_append(pkt, most);
}

/*
 * Do @call as transport @t, the caller's; its value, or @none when the caller is no transport's. A program
 * that the module runs is an RCU reader with bottom halves off, and on record; a timer's callback and others
 * have to be found out.
 */
#define as_caller(t, call, none)							\
({											\
	struct etran_transport *t = etran_running();					\
	typeof(none) __ret = (none);							\
											\
	if (likely(t)) {								\
		__ret = (call);								\
	} else {									\
		rcu_read_lock();							\
		t = etran_caller(_RET_IP_);						\
		local_bh_disable();							\
		if (t)									\
			__ret = (call);							\
		local_bh_enable();							\
		rcu_read_unlock();							\
	}										\
	__ret;										\
})

/**
 * bpf_etran_next - the held frame that was linked behind this one
 * @handle: a held frame
 *
 * Return: handle or 0.
 */
__bpf_kfunc u64 bpf_etran_next(u64 handle)
{
	return as_caller(t, etran_frame_next(t, handle), 0ULL);
}

/**
 * bpf_etran_cookie - cookie of a held frame
 * @handle: a held frame
 *
 * Return: cookie or 0.
 */
__bpf_kfunc u64 bpf_etran_cookie(u64 handle)
{
	return as_caller(t, etran_frame_cookie(t, handle), 0ULL);
}

/**
 * bpf_etran_release - give a held frame back to its application
 * @handle: a held frame
 *
 * Return: 0, -ESTALE or -EPERM.
 */
__bpf_kfunc int bpf_etran_release(u64 handle)
{
	return as_caller(t, etran_frame_end(t, handle, ETRAN_END_RELEASED), -EPERM);
}

/**
 * bpf_etran_release_chain - release a frame and all that were linked behind it
 * @handle: the first
 *
 * Return: how many, or -ESTALE or -EPERM.
 */
__bpf_kfunc int bpf_etran_release_chain(u64 handle)
{
	return as_caller(t, etran_frame_release_chain(t, handle), -EPERM);
}

/**
 * bpf_etran_release_upto - release frames of a chain whose cookies are small enough
 * @handle: the first
 * @cookie: the greatest that is
 *
 * Return: handle of the first that is left, 0: none.
 */
__bpf_kfunc u64 bpf_etran_release_upto(u64 handle, u64 cookie)
{
	return as_caller(t, etran_frame_release_upto(t, handle, cookie), handle);
}

/**
 * bpf_etran_send - send a held frame with the packet that egress built of it
 * @handle: a held frame
 * @departure_ns: when, CLOCK_MONOTONIC; 0: now
 * @flags: ETRAN_SEND_RETAIN: it stays held afterwards
 *
 * Return: 0, -ESTALE, -EBUSY, -ENODATA, -ERANGE, -ENOBUFS, -EINVAL, -EPERM.
 */
__bpf_kfunc int bpf_etran_send(u64 handle, u64 departure_ns, u32 flags)
{
	if (flags & ~ETRAN_SEND_RETAIN)
		return -EINVAL;
	return as_caller(t, etran_frame_send(t, handle, departure_ns, flags & ETRAN_SEND_RETAIN),
			 -EPERM);
}

/* A queue that the transport has? A program that uses another one is in error: it is ejected. */
static bool queue_ok(struct etran_transport *t, u32 queue)
{
	if (likely(queue < t->queues))
		return true;
	etran_eject(t, ETRAN_EXIT_QUEUE, queue, "packet queue %u was used, there are %u", queue,
		    t->queues);
	return false;
}

static int queue_push(struct etran_transport *t, u32 queue, u64 handle, u64 rank, u32 flags,
		      u64 *dropped)
{
	int ret;

	if (!queue_ok(t, queue))
		return -EINVAL;
	ret = etran_queue_push(t, queue, handle, rank, flags, dropped);
	if (unlikely(ret == -EINVAL))
		etran_eject(t, ETRAN_EXIT_QUEUE, flags,
			    "bpf_etran_queue_push() was given unknown flags 0x%x", flags);
	return ret;
}

/**
 * bpf_etran_queue_push - put a held frame into a packet queue
 * @queue: index of the queue
 * @handle: a held frame that is in no queue
 * @rank: with ETRAN_QUEUE_RANK: lowest first
 * @flags: ETRAN_QUEUE_TAIL, ETRAN_QUEUE_FRONT or ETRAN_QUEUE_RANK
 * @dropped: the frame that was ended to make room, when 1 is returned
 *
 * Return: 0, 1, -ENOBUFS, -ESTALE, -EBUSY, -EINVAL, -EPERM.
 */
__bpf_kfunc int bpf_etran_queue_push(u32 queue, u64 handle, u64 rank, u32 flags, u64 *dropped)
{
	return as_caller(t, queue_push(t, queue, handle, rank, flags, dropped), -EPERM);
}

/**
 * bpf_etran_queue_pop - take the first frame out of a packet queue
 * @queue: index of the queue
 *
 * Return: its handle, or 0.
 */
__bpf_kfunc u64 bpf_etran_queue_pop(u32 queue)
{
	return as_caller(t, queue_ok(t, queue) ? etran_queue_pop(t, queue) : 0, 0ULL);
}

/**
 * bpf_etran_queue_peek - the first frame of a packet queue, which stays there
 * @queue: index of the queue
 * @rank: its rank
 *
 * Return: its handle, or 0.
 */
__bpf_kfunc u64 bpf_etran_queue_peek(u32 queue, u64 *rank)
{
	*rank = 0;
	return as_caller(t, queue_ok(t, queue) ? etran_queue_peek(t, queue, rank) : 0, 0ULL);
}

/**
 * bpf_etran_queue_len - how many frames are in a packet queue?
 * @queue: index of the queue
 *
 * Return: frames, -EINVAL or -EPERM.
 */
__bpf_kfunc int bpf_etran_queue_len(u32 queue)
{
	return as_caller(t, etran_queue_len(t, queue), -EPERM);
}

/* An open endpoint of this transport, or NULL. Context: RCU read side. */
static struct etran_ep *own_endpoint(struct etran_transport *t, u32 id)
{
	struct etran_ep *ep = etran_endpoint_lookup(id);

	return ep && READ_ONCE(ep->open) && ep->transport == t ? ep : NULL;
}

static int deliver(struct etran_transport *t, const struct xdp_buff *xdp,
		   const struct etran_rec *rec, const void *data, u32 len)
{
	struct etran_channel *ch = NULL;
	struct etran_ep *ep;
	int err;

	ep = own_endpoint(t, rec->endpoint);
	if (!ep) {
		etran_count(NULL, t, deliver_endpoint);
		etran_count(NULL, t, deliver_failed);
		return -ENOENT;
	}
	ch = rcu_dereference(ep->channel);
	if (!ch)
		err = -ENETDOWN;
	else if (unlikely(ch->mode == ETRAN_HUB))
		err = etran_share_deliver(ep, rec, data, len);
	else if (ch->direct)
		err = etran_direct_deliver(ch, ep->xs, xdp, rec, data, len);
	else
		err = etran_channel_deliver(ch, ep->xs, rec, data, len);
	if (!err)
		return 0;
	etran_count(ch ? ch->link : NULL, t, deliver_failed);
	if (err == -ENETDOWN) {
		etran_count(ch ? ch->link : NULL, t, deliver_device);
	} else if (err == -EMSGSIZE) {
		etran_count(ch->link, t, deliver_size);
	} else {
		etran_count(ch->link, t, deliver_buffers);
		atomic64_inc(&ch->undelivered);
	}
	return err;
}

/**
 * bpf_etran_deliver - ingress: give payload of this packet to an application
 * @pkt: the packet
 * @rec: receive record; its endpoint field says to whom
 * @rec__sz: its size
 * @off: where the payload begins, bytes from the IP header
 * @len: bytes of payload
 *
 * Return: 0, -ENOENT, -ENOBUFS, -EMSGSIZE, -EINVAL, -ENETDOWN.
 */
__bpf_kfunc int bpf_etran_deliver(struct etran_pkt *pkt, struct etran_rec *rec, u32 rec__sz,
				  u32 off, u32 len)
{
	int err;

	if (pkt->kind != ETRAN_PKT_INGRESS || rec__sz != sizeof(*rec) || off > pkt->len ||
	    len > pkt->len - off)
		return -EINVAL;
	err = deliver(pkt->transport, pkt->xdp, rec, pkt->data + off, len);
	if (!err)
		pkt->delivered = 1;
	return err;
}

static int notify(struct etran_transport *t, const struct etran_rec *rec)
{
	int err = deliver(t, NULL, rec, NULL, 0);

	if (!err)
		etran_count(NULL, t, notified);
	return err;
}

/**
 * bpf_etran_notify - give an application a receive record without payload
 * @rec: receive record; its endpoint field says to whom
 * @rec__sz: its size
 *
 * Return: 0, -ENOENT, -ENOBUFS, -EINVAL, -ENETDOWN, -EPERM.
 */
__bpf_kfunc int bpf_etran_notify(struct etran_rec *rec, u32 rec__sz)
{
	if (rec__sz != sizeof(*rec))
		return -EINVAL;
	return as_caller(t, notify(t, rec), -EPERM);
}

/* How far bpf_etran_rx_room() counts. */
#define ETRAN_RX_ROOM_MAX	65536U

static int rx_room(struct etran_transport *t, u32 endpoint, u32 most, u32 least)
{
	struct etran_channel *ch;
	struct etran_ep *ep;

	if (!most || most > ETRAN_RX_ROOM_MAX || least > most)
		return -EINVAL;
	ep = own_endpoint(t, endpoint);
	if (!ep)
		return -ENOENT;
	ch = rcu_dereference(ep->channel);
	return ch ? etran_endpoint_room(ep, ch, most, least) : -ENETDOWN;
}

/**
 * bpf_etran_rx_room - how many receive buffers has an application given?
 * @endpoint: id of its endpoint
 * @most: do not count further; 1 to 65536
 * @least: with fewer than so many, have endpoint_room called when there may be more; 0: do not
 *
 * Return: buffers, -ENOENT, -ENETDOWN, -EINVAL, -EOPNOTSUPP, -EPERM.
 */
__bpf_kfunc int bpf_etran_rx_room(u32 endpoint, u32 most, u32 least)
{
	return as_caller(t, rx_room(t, endpoint, most, least), -EPERM);
}

static int stream_set(struct etran_transport *t, u32 endpoint, u32 stream, u64 tag, u64 avail,
		      u32 set)
{
	struct etran_ep *ep = own_endpoint(t, endpoint);

	if (set & ~ETRAN_STREAM_FLAGS & ((1U << ETRAN_STREAM_ERRNO_SHIFT) - 1) ||
	    set >> ETRAN_STREAM_ERRNO_SHIFT > MAX_ERRNO)
		return -EINVAL;
	return ep ? etran_stream_set(ep, stream, tag, avail, set) : -ENOENT;
}

/**
 * bpf_etran_stream_set - tell a stream's file what became of it
 * @endpoint: id of its endpoint
 * @stream: id of the stream
 * @tag: its tag
 * @avail: how far deliveries go; less than before changes nothing
 * @set: ETRAN_STREAM_*, and above ETRAN_STREAM_ERRNO_SHIFT a positive errno
 *
 * Return: 0, -ENOENT, -EINVAL, -EPERM.
 */
__bpf_kfunc int bpf_etran_stream_set(u32 endpoint, u32 stream, u64 tag, u64 avail, u32 set)
{
	return as_caller(t, stream_set(t, endpoint, stream, tag, avail, set), -EPERM);
}

/**
 * bpf_etran_gen_kick - have gen called soon, on this CPU
 */
__bpf_kfunc void bpf_etran_gen_kick(void)
{
	local_bh_disable();
	etran_gen_kick();
	local_bh_enable();
}

/**
 * bpf_etran_error - have the transport ejected
 * @code: kept with it
 * @msg: text, printable, kept with it
 * @msg__sz: its size
 *
 * Return: 0, -EINVAL, -EALREADY, -EPERM.
 */
__bpf_kfunc int bpf_etran_error(s64 code, const char *msg, u32 msg__sz)
{
	struct etran_transport *t;
	int err;

	rcu_read_lock();
	t = etran_caller(_RET_IP_);
	err = t ? etran_program_error(t, code, msg, msg__sz) : -EPERM;
	rcu_read_unlock();
	return err;
}

/* An address as programs give it. */
static int address_of(struct in6_addr *addr, const void *given, u32 len)
{
	if (len == sizeof(struct in_addr))
		ipv6_addr_set_v4mapped(get_unaligned((const __be32 *)given), addr);
	else if (len == sizeof(*addr))
		memcpy(addr, given, sizeof(*addr));
	else
		return -EINVAL;
	return 0;
}

/*
 * The way to an address: 0, and what bpf_etran_path() tells unless @path is NULL; or why there is none. @mtu: it takes no
 * more than this, 0: nobody said so.
 */
static int look_up(u32 link, const void *daddr, u32 daddr_len, u32 mtu, struct etran_path *path)
{
	struct net_device *lower = NULL;
	struct etran_route *r;
	struct in6_addr addr;
	struct etran_link *l;
	int err = -EINVAL;

	if (address_of(&addr, daddr, daddr_len))
		return -EINVAL;
	local_bh_disable();
	rcu_read_lock();
	l = etran_link_by_id(link);
	if (l)
		lower = rcu_dereference(l->lower);
	if (lower) {
		r = mtu ? etran_route_too_big(l, lower, &addr, mtu) : etran_route_get(l, lower, &addr);
		err = PTR_ERR_OR_ZERO(r);
		if (!err && path) {
			memcpy(path->saddr, &r->saddr, sizeof(path->saddr));
			path->mtu = min_t(u32, READ_ONCE(l->dev->mtu), dst_mtu(r->dst));
		}
	}
	rcu_read_unlock();
	local_bh_enable();
	return err;
}

/**
 * bpf_etran_route - is there a way to this destination?
 * @link: id of the link device
 * @daddr: IPv4 or IPv6 address, network byte order
 * @daddr__sz: its size, 4 or 16 bytes
 *
 * Return: 0, -ENETUNREACH, -EHOSTUNREACH, -EINVAL.
 */
__bpf_kfunc int bpf_etran_route(u32 link, const void *daddr, u32 daddr__sz)
{
	return look_up(link, daddr, daddr__sz, 0, NULL);
}

/**
 * bpf_etran_path - what is known of the way to a destination
 * @link: id of the link device
 * @daddr: IPv4 or IPv6 address, network byte order
 * @daddr__sz: its size, 4 or 16 bytes
 * @path: out: struct etran_path
 * @path__sz: its size
 *
 * Return: 0; errors as of bpf_etran_route(), and -EINVAL for another size of @path.
 */
__bpf_kfunc int bpf_etran_path(u32 link, const void *daddr, u32 daddr__sz, void *path,
			       u32 path__sz)
{
	return path__sz == sizeof(struct etran_path) ? look_up(link, daddr, daddr__sz, 0, path) : -EINVAL;
}

/**
 * bpf_etran_too_big - packets to a destination were too long for somebody on the way
 * @link: id of the link device
 * @daddr: IPv4 or IPv6 address, network byte order
 * @daddr__sz: its size, 4 or 16 bytes
 * @mtu: what that one takes, bytes, IP header included
 *
 * Return: the path's MTU from here on; errors as of bpf_etran_route(), and -ENOMEM.
 */
__bpf_kfunc int bpf_etran_too_big(u32 link, const void *daddr, u32 daddr__sz, u32 mtu)
{
	struct etran_path path;
	int err = mtu ? look_up(link, daddr, daddr__sz, mtu, &path) : -EINVAL;

	return err ?: path.mtu;
}

/**
 * bpf_etran_is_local - has this host that address?
 * @link: id of the link device
 * @addr: IPv4 or IPv6 address, network byte order
 * @addr__sz: its size, 4 or 16 bytes
 *
 * Return: 0, -EADDRNOTAVAIL, -EINVAL.
 */
__bpf_kfunc int bpf_etran_is_local(u32 link, const void *addr, u32 addr__sz)
{
	struct net_device *lower;
	struct etran_link *l;
	struct in6_addr a;
	bool local = false;

	if (address_of(&a, addr, addr__sz))
		return -EINVAL;
	local_bh_disable();
	rcu_read_lock();
	l = etran_link_by_id(link);
	lower = l ? rcu_dereference(l->lower) : NULL;
	if (lower && ipv6_addr_v4mapped(&a))
		local = etran_ip_is_local4(l, lower, a.s6_addr32[3]);
	else if (lower)
		local = etran_ip_is_local6(lower, &a);
	rcu_read_unlock();
	local_bh_enable();
	return lower ? local ? 0 : -EADDRNOTAVAIL : -EINVAL;
}

/**
 * bpf_etran_tcp_checksum - ingress: is the checksum of a TCP segment right?
 * @pkt: the packet, of IP protocol 6
 *
 * Return: 0, 1 (there is none yet: only the pseudo header's sum), -EBADMSG, -EINVAL.
 */
__bpf_kfunc int bpf_etran_tcp_checksum(struct etran_pkt *pkt)
{
	const struct iphdr *ip = pkt->data;
	const struct ipv6hdr *ip6 = pkt->data;
	const struct tcphdr *tcp;
	__sum16 pseudo;
	u32 len;

	if (pkt->kind != ETRAN_PKT_INGRESS)
		return -EINVAL;
	if (ip->version == 4) {
		if (pkt->len < sizeof(*ip))
			return -EINVAL;
		len = pkt->len - sizeof(*ip);
		tcp = (const void *)(ip + 1);
		if (ip->protocol != IPPROTO_TCP)
			return -EINVAL;
		pseudo = csum_tcpudp_magic(ip->saddr, ip->daddr, len, IPPROTO_TCP, 0);
	} else {
		if (pkt->len < sizeof(*ip6) || ip6->nexthdr != IPPROTO_TCP)
			return -EINVAL;
		len = pkt->len - sizeof(*ip6);
		tcp = (const void *)(ip6 + 1);
		pseudo = csum_ipv6_magic(&ip6->saddr, &ip6->daddr, len, IPPROTO_TCP, 0);
	}
	if (len < sizeof(*tcp))
		return -EINVAL;
	if (!csum_fold(csum_partial(tcp, len, ~csum_unfold(pseudo))))
		return 0;
	return tcp->check == (__force __sum16)~(__force u16)pseudo ? 1 : -EBADMSG;
}

/**
 * bpf_etran_random - a number that nobody can predict
 *
 * Return: 64 random bits, of the kernel's own generator.
 */
__bpf_kfunc u64 bpf_etran_random(void)
{
	return get_random_u64();
}

/**
 * bpf_etran_rx - XDP: hand a received frame to the transports
 * @ctx: the frame
 *
 * Return: XDP action.
 */
__bpf_kfunc int bpf_etran_rx(struct xdp_md *ctx)
{
	return etran_ingress((struct xdp_buff *)ctx);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(etran_ops_kfuncs)
BTF_ID_FLAGS(func, bpf_etran_slice, KF_TRUSTED_ARGS | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_etran_filter_slice, KF_TRUSTED_ARGS | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_etran_hold, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_load, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_load_part, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_load_next, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_next)
BTF_ID_FLAGS(func, bpf_etran_cookie)
BTF_ID_FLAGS(func, bpf_etran_release)
BTF_ID_FLAGS(func, bpf_etran_release_chain)
BTF_ID_FLAGS(func, bpf_etran_release_upto)
BTF_ID_FLAGS(func, bpf_etran_send)
BTF_ID_FLAGS(func, bpf_etran_queue_push)
BTF_ID_FLAGS(func, bpf_etran_queue_pop)
BTF_ID_FLAGS(func, bpf_etran_queue_peek)
BTF_ID_FLAGS(func, bpf_etran_queue_len)
BTF_ID_FLAGS(func, bpf_etran_deliver, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_notify)
BTF_ID_FLAGS(func, bpf_etran_rx_room)
BTF_ID_FLAGS(func, bpf_etran_stream_set)
BTF_ID_FLAGS(func, bpf_etran_gen_kick)
BTF_ID_FLAGS(func, bpf_etran_error)
BTF_ID_FLAGS(func, bpf_etran_route)
BTF_ID_FLAGS(func, bpf_etran_path)
BTF_ID_FLAGS(func, bpf_etran_too_big)
BTF_ID_FLAGS(func, bpf_etran_is_local)
BTF_ID_FLAGS(func, bpf_etran_tcp_checksum, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_etran_random)
BTF_KFUNCS_END(etran_ops_kfuncs)

BTF_KFUNCS_START(etran_xdp_kfuncs)
BTF_ID_FLAGS(func, bpf_etran_rx)
BTF_KFUNCS_END(etran_xdp_kfuncs)

BTF_ID_LIST(member_kfuncs)
BTF_ID(func, bpf_etran_hold)
BTF_ID(func, bpf_etran_load)
BTF_ID(func, bpf_etran_deliver)
BTF_ID(func, bpf_etran_load_part)
BTF_ID(func, bpf_etran_load_next)

/* The only one that filters call, and only they. */
BTF_ID_LIST_SINGLE(filter_kfunc, func, bpf_etran_filter_slice)

static u32 member_of(u32 kfunc_id)
{
	if (kfunc_id == member_kfuncs[0])
		return offsetof(struct etran_ops, egress);
	if (kfunc_id == member_kfuncs[1] || kfunc_id == member_kfuncs[3] ||
	    kfunc_id == member_kfuncs[4])
		return offsetof(struct etran_ops, gen);
	if (kfunc_id == member_kfuncs[2])
		return offsetof(struct etran_ops, ingress);
	return U32_MAX;
}

static int ops_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	u32 member;

	if (!btf_id_set8_contains(&etran_ops_kfuncs, kfunc_id))
		return 0;
	if (etran_filter_prog(prog))
		return kfunc_id == filter_kfunc[0] ? 0 : -EACCES;
	if (!etran_ops_prog(prog) || kfunc_id == filter_kfunc[0])
		return -EACCES;
	member = member_of(kfunc_id);
	/* Members are function pointers up to exit, so the index gives the offset. */
	if (member != U32_MAX && prog->expected_attach_type * sizeof(void *) != member)
		return -EACCES;
	return 0;
}

static const struct btf_kfunc_id_set ops_set = {
	.owner = THIS_MODULE,
	.set = &etran_ops_kfuncs,
	.filter = ops_filter,
};

static const struct btf_kfunc_id_set xdp_set = {
	.owner = THIS_MODULE,
	.set = &etran_xdp_kfuncs,
};

/**
 * etran_kfuncs_register - offer the functions to BPF
 *
 * Return: 0; -ENOENT when the module's BTF was not taken: without it registering succeeds and does
 * nothing. Context: module init.
 */
int etran_kfuncs_register(void)
{
	int err;

	if (!etran_ops_kfuncs.cnt || !etran_xdp_kfuncs.cnt)
		return -ENOENT;
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &ops_set);
	return err ?: register_btf_kfunc_id_set(BPF_PROG_TYPE_XDP, &xdp_set);
}
