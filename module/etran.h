/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of etran.ko share.
 *
 * Locks, outermost first:
 *   RTNL            link devices, their channel tables, channel set-up and teardown
 *   etran_mutex     transports and filters, opening and closing of endpoints
 *   channel.tx_lock one application's egress (bottom halves off)
 *   link.routes.lock changes of the next-hop table (bottom halves off)
 *   channel.rx_lock delivery into one application's rings (bottom halves off; innermost)
 * No lock of ours is held while a program runs, except tx_lock round egress: it serves one
 * application only, and nothing that a program can call takes it.
 *
 * Everything that the hot path follows (link, channel, endpoint, transport, ops) is freed after an
 * RCU grace period; the hot path runs with bottom halves off.
 */
#ifndef _ETRAN_H
#define _ETRAN_H

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/hrtimer.h>
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/jump_label.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/tcp.h>
#include <linux/tracepoint-defs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/ipv6.h>
#include <net/xdp.h>
#include <net/xdp_sock_drv.h>
#include "compat.h"
#include "etran_ops.h"
#include "counters.h"

/* Largest IP packet that fits a frame: one page less headers' room and skb_shared_info. */
#define ETRAN_MAX_MTU		1500
#define ETRAN_MIN_MTU		576
#define ETRAN_MAX_QUEUES	4096
#define ETRAN_BULK		32
#define ETRAN_MAX_CHANNELS	(1U << 16)
#define ETRAN_PAYLOAD_OFF	(XDP_PACKET_HEADROOM + ETRAN_HDR_LEN)
#define ETRAN_MAX_PAYLOAD	(PAGE_SIZE - ETRAN_PAYLOAD_OFF -			\
				 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))

struct etran_callers;
struct etran_channel;
struct etran_direct;
struct etran_link;
struct etran_queue;
struct etran_xmit;
struct seq_file;

/**
 * struct etran_routes - next hops of a link device, see route.c
 * @table: by destination
 * @list: all, those that were not used lately first; under @lock
 * @lock: changes
 * @count: how many; under @lock
 * @ready: @table exists
 * @closed: nothing may be added any more; under @lock
 * @waiting_since: the second in which @waiting are counted
 * @waiting: packets that were handed to the kernel to wait for a neighbour
 * @age_work: lets go of those that are not used
 */
struct etran_routes {
	struct rhashtable table;
	struct list_head list;
	spinlock_t lock;	/* see above */
	u32 count;
	bool ready;
	bool closed;
	unsigned long waiting_since;
	atomic_t waiting;
	struct delayed_work age_work;
};

/**
 * struct etran_ran - what ran of a transport on one CPU
 * @members: the last eight programs, enum etran_member plus 1, the latest in the lowest byte
 * @idle: calls of gen in a row that neither made a packet nor said stop
 * @since: jiffies at the first of them
 * @made: calls of gen that made packets, since @going
 * @going: jiffies when gen began to go on without saying stop, or it was looked at last; 0: it said stop
 * @turn: jiffies at the end of the last turn of gen that did not end with stop
 * @input: frames and packets that the transport had got at @going; or that they were not summed then
 */
struct etran_ran {
	u64 members;
	u32 idle;
	u32 made;
	unsigned long since;
	unsigned long going;
	unsigned long turn;
	u64 input;
};

/**
 * struct etran_transport - an attached transport
 * @id: for ETRAN_IOC_TRANSPORT; never reused
 * @ops: its programs; NULL before it is attached and once it is detached or ejected
 * @attached: the same until it is detached; under etran_mutex
 * @link: the BPF link
 * @counters: per CPU
 * @node: in etran_transports; RCU, changed under etran_mutex
 * @ref: one while attached, one an endpoint
 * @loaded_ns: CLOCK_BOOTTIME
 * @endpoints: endpoints that are not freed yet
 * @callers: machine code of its programs, see caller.c; RCU, changed under etran_mutex
 * @ran: per CPU, see there
 * @ejected: not 0 once it is being ejected, or was detached; who changes it writes @exit and @last
 * @exit: why it ended
 * @last: see struct etran_exit_record
 * @eject_work: detaches it
 * @watchdog: looks for frames that are held too long
 * @replaced_ns: when its programs were last replaced, CLOCK_BOOTTIME; under etran_mutex
 * @queues: copy of ops->queues
 * @queue_depth: copy of ops->queue_depth
 * @timeout_ms: copy of ops->timeout_ms; changed by replacement
 * @state_version: copy of ops->state_version
 * @flags: copy of ops->flags; changed by replacement
 * @ip_proto: copy of ops->ip_proto
 * @tcp_urgent: the same of this
 * @name: copy of ops->name
 * @queue: its packet queues
 * @queue_memory: what they consist of
 * @rcu: for freeing
 */
struct etran_transport {
	u32 id;
	struct etran_ops __rcu *ops;
	struct etran_ops *attached;
	struct bpf_link *link;
	struct etran_counter_set __percpu *counters;
	struct list_head node;
	struct kref ref;
	u64 loaded_ns;
	atomic_t endpoints;
	struct etran_callers __rcu *callers;
	struct etran_ran __percpu *ran;
	atomic_t ejected;
	struct etran_exit_info exit;
	char last[ETRAN_EXIT_LAST_LEN];
	struct work_struct eject_work;
	struct delayed_work watchdog;
	u64 replaced_ns;
	u32 queues;
	u32 queue_depth;
	u32 timeout_ms;
	u32 state_version;
	u32 flags;
	u8 ip_proto;
	u16 tcp_urgent;
	char name[ETRAN_NAME_LEN];
	struct etran_queue *queue;
	void *queue_memory;
	struct rcu_head rcu;
};

/**
 * struct etran_link - a link device (netdev_priv)
 * @dev: the device
 * @lower: the device underneath; NULL once either goes. RCU, changed under RTNL
 * @lower_tracker: our reference to @lower
 * @id: for programs and user space; never reused
 * @hash: in the table by lower device
 * @list: in etran_links; under RTNL
 * @counters: per CPU
 * @routes: next hops
 * @queue_hint: where the next search for a free queue begins
 * @bound: queues with a channel; under RTNL
 * @channels: by queue; RCU, changed under RTNL
 * @local4: an IPv4 address that was found to be the host's, and in the upper half the value of
 *	    etran_address_changes then; one word, so that both belong together
 * @direct: channels of sockets that are bound to the lower device itself; under RTNL
 * @backlog_lock: @backlog, @retries
 * @backlog: packets that the lower device had no room for
 * @backlog_len: how many
 * @retries: how often in a row it took none
 * @retry: tries again
 * @stopped: channels whose egress is to be called when there is room, the latest first
 * @turn: those of them whose turn it is, in their order; the retry timer's
 * @turn_end: the last one of these
 */
struct etran_link {
	struct net_device *dev;
	struct net_device __rcu *lower;
	netdevice_tracker lower_tracker;
	u32 id;
	struct hlist_node hash;
	struct list_head list;
	struct etran_counter_set __percpu *counters;
	struct etran_routes routes;
	u32 queue_hint;
	u32 bound;
	struct etran_channel __rcu **channels;
	u64 local4;
	struct list_head direct;
	spinlock_t backlog_lock;	/* see above */
	struct list_head backlog;
	u32 backlog_len;
	u32 retries;
	struct hrtimer retry;
	struct llist_head stopped;
	struct llist_node *turn;
	struct llist_node *turn_end;
};

/*
 * struct etran_frame.tag: generation, then bits, then the state. All of a frame's life is changes of
 * this one word by cmpxchg: who succeeds does the accounting. See frame.c.
 */
#define ETRAN_FRAME_STATE	7U
#define ETRAN_FRAME_FREE	0U	/* the application's, or on its way through egress */
#define ETRAN_FRAME_HELD	1U	/* a transport's, by handle */
#define ETRAN_FRAME_QUEUED	2U	/* in a packet queue; changed under the queue's lock */
#define ETRAN_FRAME_TIMED	3U	/* in a timing wheel; changed under the wheel's lock */
#define ETRAN_FRAME_LEAVING	4U	/* its packet is being sent */
#define ETRAN_FRAME_GOING	5U	/* the same, by the run of egress that has it */
#define ETRAN_FRAME_SENT	8U	/* it was sent at least once */
#define ETRAN_FRAME_DRIVER	16U	/* direct mode: the driver reads it */
#define ETRAN_FRAME_KEEP	32U	/* once sent it is HELD, not ended */
#define ETRAN_FRAME_BUILD	64U	/* egress is at work on it: its packet is not complete */
#define ETRAN_FRAME_SEND	128U	/* to be sent when it is */
#define ETRAN_FRAME_GEN_SHIFT	8
#define ETRAN_FRAME_GEN		(1U << ETRAN_FRAME_GEN_SHIFT)

/**
 * struct etran_timed - something that leaves at a time
 * @list: in a slot of a timing wheel, or among what is due; under the wheel's lock
 * @departure_ns: when, CLOCK_MONOTONIC
 * @channel: of @frame
 * @frame: the frame whose packet it is, of which this is a part; NULL: this is part of a page
 * @wheel: CPU of its wheel
 * @due: its time has come
 */
struct etran_timed {
	struct list_head list;
	u64 departure_ns;
	struct etran_channel *channel;
	struct etran_frame *frame;
	u16 wheel;
	bool due;
};

/**
 * struct etran_frame - what the kernel knows of one UMEM chunk
 * @tag: see above
 * @offset: where the payload begins in the chunk
 * @len: bytes of payload
 * @ep: whose; a reference is held while it is kept
 * @next: handle of the frame linked behind, 0 for none
 * @cookie: the transport's
 * @page: the packet that egress built of it, or NULL; whoever has it GOING or LEAVING may take that
 * @hdr_off: of that packet, as in struct etran_pkt; direct mode: in front of the payload
 * @hdr_len: of that packet; 0: egress built none
 * @touched: jiffies when the transport last used its handle, or it was sent, for the watchdog
 * @queue: while QUEUED: index of the packet queue
 * @slot: while QUEUED: its entry there
 * @send_ns: with SEND: when
 * @timed: while TIMED
 */
struct etran_frame {
	u32 tag;
	u16 offset;
	u16 len;
	struct etran_ep *ep;
	u64 next;
	u64 cookie;
	void *page;
	u16 hdr_off;
	u16 hdr_len;
	u32 touched;
	u32 queue;
	u32 slot;
	u64 send_ns;
	struct etran_timed timed;
};

/* Buffers that are taken from a fill ring at a time. */
#define ETRAN_RX_BATCH		8

/* How a channel's socket is bound. */
enum etran_channel_mode {
	ETRAN_LINK,		/* to a queue of a link device */
	ETRAN_DIRECT,		/* to a NIC's queue, zero-copy, through the AF_XDP hook */
	ETRAN_DIRECT_COPY,	/* the same with XDP_COPY: the module copies and sends */
	ETRAN_HUB,		/* no socket: the module's own frames, see hub.c */
};

/* Classes of kept frames: the gauges frames_held, frames_queued, frames_retained. */
enum etran_frame_class {
	ETRAN_CLASS_HELD,
	ETRAN_CLASS_QUEUED,
	ETRAN_CLASS_RETAINED,
	ETRAN_CLASS_NONE,
};

/**
 * struct etran_channel - an AF_XDP socket that the module serves, or memory of the module's own
 * @ref: one while bound, one a sleeper in ETRAN_IOC_WAIT_RELEASED or ETRAN_IOC_WAIT_RX
 * @mode: how it is bound
 * @link: the link device; direct: the one on top of the NIC; NULL once that is gone
 * @pool: the AF_XDP buffer pool; ETRAN_HUB: NULL
 * @umem: first byte of the first UMEM chunk; ETRAN_HUB: of the memory that is in its place
 * @id: part of every handle of its frames
 * @queue: which queue of @link, or of the NIC
 * @chunks: number of UMEM chunks
 * @chunk_shift: log2 of a chunk's size
 * @tx_lock: egress: AF_XDP's consumer side has no lock of its own
 * @frames: one a chunk
 * @status: first page of the mapping that applications read
 * @busy: one byte a chunk, in the same mapping: non-zero while kept
 * @map_size: bytes of the mapping
 * @kept: frames kept, by enum etran_frame_class
 * @wheel: CPU of the timing wheel that its frames wait in, while @timed is not 0
 * @timed: its frames that wait in a wheel
 * @accepted: frames taken
 * @transmitted: frames ended by being sent
 * @dropped: frames ended otherwise
 * @wait: whoever waits for frames to be given back
 * @stopped: egress waits for room in the link device's backlog
 * @stopped_node: in its list
 * @direct: for direct.c; NULL in link mode
 * @hub: ETRAN_HUB: for hub.c
 * @direct_node: in struct etran_link.direct; under RTNL
 * @rx_lock: delivery into one application's rings; @rx_buffers, @rx_count, status->delivered;
 *	     looking into the fill ring
 * @rx_room: bytes of payload that a buffer has room for
 * @rx_count: how many of @rx_buffers there are
 * @rx_buffers: link mode: taken from the fill ring in one go
 * @rx_wait: whoever sleeps in ETRAN_IOC_WAIT_RX
 * @delivered: records put into the RX ring
 * @undelivered: records that found no buffer or no room
 * @rxq: what AF_XDP knows the queue by
 * @free_work: frees it where that may sleep
 * @rcu: for freeing
 */
struct etran_channel {
	refcount_t ref;
	enum etran_channel_mode mode;
	struct etran_link *link;
	struct xsk_buff_pool *pool;
	void *umem;
	u32 id;
	u32 queue;
	u32 chunks;
	u32 chunk_shift;
	spinlock_t tx_lock;	/* see above */
	struct etran_frame *frames;
	struct etran_status *status;
	u8 *busy;
	size_t map_size;
	atomic_t kept[ETRAN_CLASS_NONE];
	int wheel;
	atomic_t timed;
	atomic64_t accepted;
	atomic64_t transmitted;
	atomic64_t dropped;
	wait_queue_head_t wait;
	unsigned long stopped;
	struct llist_node stopped_node;
	struct etran_direct *direct;
	struct etran_hub *hub;
	struct list_head direct_node;
	spinlock_t rx_lock ____cacheline_aligned_in_smp;	/* see above */
	u32 rx_room;
	u32 rx_count;
	struct xdp_buff *rx_buffers[ETRAN_RX_BATCH];
	wait_queue_head_t rx_wait;
	atomic64_t delivered;
	atomic64_t undelivered;
	struct xdp_rxq_info rxq;
	struct work_struct free_work;
	struct rcu_head rcu;
};

/**
 * struct etran_ep - an endpoint
 * @pub: the part that programs see
 * @ref: one for the file, one for each frame kept
 * @transport: its transport
 * @channel: its AF_XDP socket's queue; NULL once that is gone. RCU, changed under RTNL
 * @xsk_file: its AF_XDP socket: keeps the UMEM while frames of a closed endpoint are still to be sent; NULL: it is a hub's
 * @xs: the same
 * @hub: whose it is when it is no application's, see hub.c
 * @open: not closed by its application; deliveries are accepted
 * @dead: why it does not work any more, ETRAN_STATUS_*
 * @ready: see ETRAN_IOC_READY
 * @rx_short: its transport is to be told when there are more receive buffers; counted in
 *	      status->rx_short of @channel
 * @streams: its streams, by their numbers (stream.c)
 * @stream_users: what the application writes of them, by number; NULL before the first one
 * @share_mutex: none of these becomes a shared one, and none that is not goes (share.c)
 * @wait: whoever polls
 * @work: frees it in process context
 * @rcu: for freeing
 */
struct etran_ep {
	struct etran_endpoint pub;
	refcount_t ref;
	struct etran_transport *transport;
	struct etran_channel __rcu *channel;
	struct file *xsk_file;
	struct xdp_sock *xs;
	struct etran_hub *hub;
	bool open;
	u32 dead;
	u32 ready;
	u32 rx_short;
	struct xarray streams;
	struct etran_stream_user *stream_users;
	struct mutex share_mutex;
	wait_queue_head_t wait;
	struct work_struct work;
	struct rcu_head rcu;
};

extern struct mutex etran_mutex;
extern struct workqueue_struct *etran_wq;

/* trace.c */
DECLARE_TRACEPOINT(drop);
void etran_trace_drop(const struct etran_link *link, const struct etran_transport *t,
		      enum etran_counter_id id, u32 n);

/* Count an event for the module, and for a link and a transport where they are known. */
#define etran_add(link, transport, which, n)						\
	do {										\
		struct etran_link *__l = (link);					\
		struct etran_transport *__t = (transport);				\
		this_cpu_add(etran_module_counters.v[ETRAN_C_##which], n);		\
		if (__l)								\
			this_cpu_add(__l->counters->v[ETRAN_C_##which], n);		\
		if (__t)								\
			this_cpu_add(__t->counters->v[ETRAN_C_##which], n);		\
		if (ETRAN_IS_DROP_##which && tracepoint_enabled(drop))			\
			etran_trace_drop(__l, __t, ETRAN_C_##which, n);			\
	} while (0)
#define etran_count(link, transport, which)	etran_add(link, transport, which, 1)

/* The same for an event that is not known when this is compiled. */
static inline void etran_add_id(struct etran_link *link, struct etran_transport *t,
				enum etran_counter_id id, s64 n)
{
	this_cpu_add(etran_module_counters.v[id], n);
	if (link)
		this_cpu_add(link->counters->v[id], n);
	if (t)
		this_cpu_add(t->counters->v[id], n);
	if (tracepoint_enabled(drop) && etran_counter_drops(id))
		etran_trace_drop(link, t, id, n);
}

/* Frames of a socket that are kept, whatever for. */
static inline u32 etran_channel_kept(const struct etran_channel *ch)
{
	return READ_ONCE(ch->status->held);
}

/* Its buffers are not to be touched any more. Context: RCU read side. */
static inline bool etran_channel_dead(const struct etran_channel *ch)
{
	return READ_ONCE(ch->status->flags) & ETRAN_STATUS_DEVICE_GONE;
}

/**
 * etran_net_ctx_enter - give what runs now a redirect context of its own
 * @ctx: on the stack
 *
 * We may be called from within an XDP program's run, whose redirect state and flush lists must not
 * be touched, or from where there is none at all. bpf_net_ctx_set() would share the outer one.
 *
 * Return: for etran_net_ctx_leave(). Context: bottom halves off.
 */
static inline struct bpf_net_context *etran_net_ctx_enter(struct bpf_net_context *ctx)
{
	return etran_net_ctx_swap(ctx);
}

static inline void etran_net_ctx_leave(struct bpf_net_context *old)
{
	etran_net_ctx_restore(old);
}

/**
 * etran_redirect_to - have the redirect that follows go to an application, as from an XSKMAP
 * @ch: its channel
 * @xs: its AF_XDP socket
 *
 * Context: a redirect context is set.
 */
static inline void etran_redirect_to(const struct etran_channel *ch, struct xdp_sock *xs)
{
	struct bpf_redirect_info *ri = bpf_net_ctx_get_ri();

	ri->map_type = BPF_MAP_TYPE_XSKMAP;
	ri->tgt_value = xs;
	ri->tgt_index = ch->queue;
	ri->map_id = 1;
	ri->flags = 0;
}

/* caller.c */

/**
 * struct etran_current - what runs on this CPU
 * @transport: whose program; NULL when none of ours runs. Bottom halves off.
 */
struct etran_current {
	struct etran_transport *transport;
};

DECLARE_PER_CPU(struct etran_current, etran_current);

int etran_callers_add(struct etran_transport *t, const struct etran_ops *ops);
void etran_callers_free(struct etran_transport *t);
struct etran_transport *etran_caller(unsigned long ip);

/**
 * etran_running - the transport whose program the module runs on this CPU
 *
 * Return: it, NULL: none. init and exit can be interrupted by a run; a run cannot be here with bottom
 * halves on. Context: any; when it is not NULL: RCU read side, bottom halves off.
 */
static inline struct etran_transport *etran_running(void)
{
	return softirq_count() ? this_cpu_read(etran_current.transport) : NULL;
}

/**
 * etran_run_prog - run a program of a transport
 * @t: the transport
 * @member: which, enum etran_member
 * @prog: the program
 * @ctx: its arguments
 *
 * The struct_ops trampoline would take rcu_read_lock(), disable migration and set a run context.
 * The caller is an RCU reader with bottom halves off, which does not migrate; the run context is
 * for attach cookies and function addresses of tracing programs, which no helper of struct_ops
 * programs reads. Sleepable programs, which need more, are refused for all members that are run
 * like this. (Rejected: calling through the trampoline: some 100 instructions a call.)
 *
 * Return: what the program returned, unchecked. Context: RCU read side, bottom halves off.
 */
static __always_inline u32 etran_run_prog(struct etran_transport *t, enum etran_member member,
					  const struct bpf_prog *prog, const u64 *ctx)
{
	struct etran_transport *outer = this_cpu_read(etran_current.transport);
	u32 ret;

	this_cpu_write(etran_current.transport, t);
	this_cpu_write(t->ran->members, this_cpu_read(t->ran->members) << 8 | (member + 1));
	ret = bpf_prog_run(prog, ctx);
	this_cpu_write(etran_current.transport, outer);
	return ret;
}

/**
 * etran_run - run egress, ingress or gen
 * @prog: member of etran_ops.prog
 * @pkt: the packet; its kind and transport are set
 * @hdr: its headers
 *
 * Return: a verdict, unchecked. Context: RCU read side, bottom halves off.
 */
static __always_inline u32 etran_run(const struct bpf_prog *prog, struct etran_pkt *pkt,
				     struct etran_hdr *hdr)
{
	u64 ctx[2] = { (unsigned long)pkt, (unsigned long)hdr };

	return etran_run_prog(pkt->transport, pkt->kind - 1, prog, ctx);
}

/**
 * etran_run_endpoint - run endpoint_open, endpoint_bind, endpoint_close or endpoint_room
 * @t: the transport
 * @ops: its programs
 * @member: which; it exists
 * @ep: the endpoint
 *
 * Return: what the program returned, unchecked. Context: RCU read side, bottom halves off.
 */
static inline s32 etran_run_endpoint(struct etran_transport *t, const struct etran_ops *ops,
				     enum etran_member member, struct etran_endpoint *ep)
{
	u64 ctx[1] = { (unsigned long)ep };

	return etran_run_prog(t, member, ops->prog[member], ctx);
}

/**
 * etran_run_stream - run stream_open or stream_close
 * @t: the transport
 * @ops: its programs
 * @member: which; it exists
 * @st: the stream
 *
 * Return: what the program returned, unchecked. Context: RCU read side, bottom halves off.
 */
static inline s32 etran_run_stream(struct etran_transport *t, const struct etran_ops *ops,
				   enum etran_member member, struct etran_stream *st)
{
	u64 ctx[1] = { (unsigned long)st };

	return etran_run_prog(t, member, ops->prog[member], ctx);
}

/* ops.c */
extern struct list_head etran_transports;
int etran_ops_register(void);
void etran_transport_put(struct etran_transport *t);
void etran_ops_detach(struct etran_transport *t);
extern struct etran_transport __rcu *etran_by_proto[256];

/**
 * etran_transport_by_proto - the transport of an IP protocol
 * @proto: IP protocol
 *
 * Return: it or NULL. Context: RCU read side.
 */
static inline struct etran_transport *etran_transport_by_proto(u8 proto)
{
	return rcu_dereference(etran_by_proto[proto]);
}

/**
 * etran_tcp_marked - SYN and RST and nothing else?
 * @tcp: 20 bytes
 */
static inline bool etran_tcp_marked(const struct tcphdr *tcp)
{
	return ((const u8 *)tcp)[13] == 0x06;
}

struct etran_transport *etran_transport_dressed(const struct tcphdr *tcp);

bool etran_name_ok(const char *name);

/* filter.c */
DECLARE_STATIC_KEY_FALSE(etran_filter_ingress_key);
DECLARE_STATIC_KEY_FALSE(etran_filter_egress_key);
int etran_filter_register(void);
bool etran_filter_prog(const struct bpf_prog *prog);
bool etran_filter_run(u32 direction, struct etran_link *link, struct etran_transport *t,
		      u32 endpoint, void *ip, u32 len);
int etran_filter_get(struct etran_filter_info *q);

/**
 * etran_filter_ingress - may a received packet go on to its transport?
 * @link: the link device that it came by
 * @t: its transport
 * @ip: its IP header
 * @len: bytes of IP packet, checked
 *
 * Return: false when a filter dropped it. Context: RCU read side, bottom halves off.
 */
static inline bool etran_filter_ingress(struct etran_link *link, struct etran_transport *t,
					void *ip, u32 len)
{
	return !static_branch_unlikely(&etran_filter_ingress_key) ||
	       etran_filter_run(ETRAN_FILTER_INGRESS, link, t, 0, ip, len);
}

/**
 * etran_filter_egress - may a packet that is complete be sent?
 * @link: the link device that it leaves by
 * @t: its transport
 * @endpoint: id of the endpoint whose frame it is, 0 for none
 * @ip: its IP header
 * @len: bytes of IP packet
 *
 * Return: false when a filter dropped it. Context: RCU read side, bottom halves off.
 */
static inline bool etran_filter_egress(struct etran_link *link, struct etran_transport *t,
				       u32 endpoint, void *ip, u32 len)
{
	return !static_branch_unlikely(&etran_filter_egress_key) ||
	       etran_filter_run(ETRAN_FILTER_EGRESS, link, t, endpoint, ip, len);
}

/* eject.c */
__printf(4, 5) bool etran_eject(struct etran_transport *t, enum etran_exit_kind kind, s64 code,
				const char *fmt, ...);
void etran_bad_verdict(struct etran_link *link, struct etran_transport *t,
		       enum etran_member member, s64 value);
void etran_gen_runaway(struct etran_transport *t, struct etran_ran *ran);
int etran_program_error(struct etran_transport *t, s64 code, const char *msg, u32 size);
void etran_eject_init(struct etran_transport *t);
void etran_watchdog_start(struct etran_transport *t);
void etran_exit_settle(struct etran_transport *t);
void etran_exit_record(struct etran_transport *t, u64 frames);
int etran_exit_get(struct etran_exit_record *q);

void etran_gen_goes_on(struct etran_transport *t, u32 made);

/* More than this in a row are looked at, see eject.c. */
#define ETRAN_GEN_IDLE		(1U << 20)

/**
 * etran_gen_called - gen was called
 * @t: whose
 * @verdict: what it said
 *
 * Context: gen, RCU read side, bottom halves off.
 */
static inline void etran_gen_called(struct etran_transport *t, u32 verdict)
{
	struct etran_ran *ran = this_cpu_ptr(t->ran);

	if (verdict != ETRAN_CONSUME) {
		ran->idle = 0;
		if (verdict == ETRAN_DROP)
			ran->going = 0;
		return;
	}
	if (!ran->idle++)
		ran->since = jiffies;
	if (unlikely(ran->idle > ETRAN_GEN_IDLE))
		etran_gen_runaway(t, ran);
}

/* kfuncs.c */
int etran_kfuncs_register(void);
bool etran_ops_prog(const struct bpf_prog *prog);

/* Only BPF calls them; declared because they cannot be static. */
__u8 *bpf_etran_slice(struct etran_pkt *pkt, u32 off, const u32 rdwr_buf_size);
__u8 *bpf_etran_filter_slice(struct etran_filter_pkt *pkt, u32 off, const u32 rdonly_buf_size);
u64 bpf_etran_hold(struct etran_pkt *pkt, u64 prev, u64 cookie);
int bpf_etran_load(struct etran_pkt *pkt, u64 handle);
int bpf_etran_load_part(struct etran_pkt *pkt, u64 handle, u32 from, u32 len);
u64 bpf_etran_load_next(struct etran_pkt *pkt, u32 most);
u64 bpf_etran_next(u64 handle);
u64 bpf_etran_cookie(u64 handle);
int bpf_etran_release(u64 handle);
int bpf_etran_release_chain(u64 handle);
u64 bpf_etran_release_upto(u64 handle, u64 cookie);
int bpf_etran_send(u64 handle, u64 departure_ns, u32 flags);
int bpf_etran_queue_push(u32 queue, u64 handle, u64 rank, u32 flags, u64 *dropped);
u64 bpf_etran_queue_pop(u32 queue);
u64 bpf_etran_queue_peek(u32 queue, u64 *rank);
int bpf_etran_queue_len(u32 queue);
int bpf_etran_deliver(struct etran_pkt *pkt, struct etran_rec *rec, u32 rec__sz, u32 off, u32 len);
int bpf_etran_notify(struct etran_rec *rec, u32 rec__sz);
int bpf_etran_rx_room(u32 endpoint, u32 most, u32 least);
int bpf_etran_stream_set(u32 endpoint, u32 stream, u64 tag, u64 avail, u32 set);
int bpf_etran_path(u32 link, const void *daddr, u32 daddr__sz, void *path, u32 path__sz);
int bpf_etran_too_big(u32 link, const void *daddr, u32 daddr__sz, u32 mtu);
int bpf_etran_is_local(u32 link, const void *addr, u32 addr__sz);
int bpf_etran_tcp_checksum(struct etran_pkt *pkt);
u64 bpf_etran_random(void);
void bpf_etran_gen_kick(void);
int bpf_etran_error(s64 code, const char *msg, u32 msg__sz);
int bpf_etran_route(u32 link, const void *daddr, u32 daddr__sz);
int bpf_etran_rx(struct xdp_md *ctx);

/* link.c */
extern struct list_head etran_links;
int etran_link_init(void);
void etran_link_exit(void);
bool etran_is_link(const struct net_device *dev);
struct etran_link *etran_link_by_lower(const struct net_device *lower);
struct etran_link *etran_link_by_id(u32 id);
struct etran_link *etran_link_see(const struct net_device *lower);

/**
 * struct etran_link_seen - the lower device that this CPU last had a packet from
 * @lower: it, or NULL
 * @link: the link device on top of it
 */
struct etran_link_seen {
	const struct net_device *lower;
	struct etran_link *link;
};

DECLARE_PER_CPU(struct etran_link_seen, etran_link_seen);

/**
 * etran_link_on - etran_link_by_lower(), for each packet
 * @lower: the device
 *
 * Return: it or NULL. Context: RCU read side, bottom halves off.
 */
static inline struct etran_link *etran_link_on(const struct net_device *lower)
{
	return likely(this_cpu_read(etran_link_seen.lower) == lower) ?
	       this_cpu_read(etran_link_seen.link) : etran_link_see(lower);
}

void etran_links_purge(struct etran_transport *t);

/* channel.c */
extern struct etran_channel __rcu **etran_channels;
int etran_channel_init(void);
void etran_channel_exit(void);
int etran_channel_bind(struct etran_link *link, struct xsk_buff_pool *pool, u32 queue);
void etran_channel_put(struct etran_channel *ch);
void etran_channel_unbind(struct etran_link *link, u32 queue);
struct etran_channel *etran_channel_new(struct etran_link *link, u32 queue,
					enum etran_channel_mode mode, void *umem, u32 chunks,
					u32 chunk_shift);
void etran_channel_publish(struct etran_channel *ch);
struct etran_channel *etran_channel_make(struct etran_link *link, struct xsk_buff_pool *pool,
					 u32 queue, enum etran_channel_mode mode);
void etran_channel_kill(struct etran_channel *ch);
int etran_channel_deliver(struct etran_channel *ch, struct xdp_sock *xs,
			  const struct etran_rec *rec, const void *data, u32 len);
int etran_channel_redirect(struct etran_channel *ch, struct xdp_sock *xs, struct xdp_buff *xdp);
void etran_channel_wake(struct etran_channel *ch);
int etran_channel_buffers(struct etran_channel *ch, u32 most);

/* What ends a sleep in ETRAN_IOC_WAIT_RX was written before this. */
static inline void etran_channel_look(struct etran_channel *ch)
{
	if (wq_has_sleeper(&ch->rx_wait))
		wake_up_interruptible_all(&ch->rx_wait);
}

/**
 * etran_channel_by_id - the channel with this id
 * @id: below ETRAN_MAX_CHANNELS
 *
 * Return: it or NULL. Context: RCU read side.
 */
static inline struct etran_channel *etran_channel_by_id(u32 id)
{
	return rcu_dereference(etran_channels[id]);
}

/* egress.c */

/*
 * Descriptors that etran_egress() takes in one go, with bottom halves off: what else arrives on this CPU waits for that
 * long. A batch to the lower device; with two of them a short message's P99 beside long ones was half as long again.
 */
#define ETRAN_EGRESS_BUDGET	32

int etran_egress(struct etran_channel *ch);

/* frame.c */

/* Why a frame that was never sent ended. */
enum etran_frame_end {
	ETRAN_END_RELEASED,
	ETRAN_END_DEVICE,
	ETRAN_END_QUEUE,
	ETRAN_END_PACKET,
	ETRAN_END_VERDICT,
};

u64 etran_frame_hold(struct etran_pkt *pkt, u64 prev, u64 cookie);
struct etran_frame *etran_frame_wait(struct etran_pkt *pkt);
struct etran_frame *etran_frame_going(struct etran_pkt *pkt, bool keep);
void etran_frame_stays(struct etran_channel *ch, struct etran_frame *f);
bool etran_frame_built(struct etran_pkt *pkt, void *page);
int etran_frame_send(struct etran_transport *t, u64 handle, u64 departure_ns, bool keep);
struct etran_frame *etran_frame_leaving(struct etran_transport *t, u64 handle, bool keep,
					bool egress, struct etran_channel **chp, int *err);
void etran_frame_timed(struct etran_frame *f);
void etran_frame_due(struct etran_channel *ch, struct etran_frame *f, bool held);
void etran_frame_left(struct etran_channel *ch, struct etran_frame *f, bool sent, u32 bits);
bool etran_frame_undriven(struct etran_channel *ch, u32 chunk);
int etran_frame_payload(struct etran_pkt *pkt, u64 handle, u32 from, u32 n);
u64 etran_frame_append(struct etran_pkt *pkt, u32 most);
bool etran_frame_is(struct etran_transport *t, u64 handle);
int etran_frame_end(struct etran_transport *t, u64 handle, enum etran_frame_end why);
int etran_frame_release_chain(struct etran_transport *t, u64 handle);
u64 etran_frame_release_upto(struct etran_transport *t, u64 handle, u64 cookie);
u64 etran_frame_next(struct etran_transport *t, u64 handle);
u64 etran_frame_cookie(struct etran_transport *t, u64 handle);
void etran_frames_sent(struct etran_transport *t, u64 handle, u32 joined);
int etran_frame_enqueue(struct etran_transport *t, u64 handle, u32 queue, u32 slot);
void etran_frame_dequeue(struct etran_transport *t, u64 handle);
void etran_frame_waits(struct etran_channel *ch, struct etran_transport *t, bool waits);
void etran_frames_end_transport(struct etran_transport *t);
void etran_frames_end_channel(struct etran_channel *ch);
u32 etran_frames_oldest(struct etran_transport *t, u32 *queue);

/* queue.c */
int etran_queue_push(struct etran_transport *t, u32 index, u64 handle, u64 rank, u32 flags,
		     u64 *dropped);
u64 etran_queue_pop(struct etran_transport *t, u32 index);
u64 etran_queue_peek(struct etran_transport *t, u32 index, u64 *rank);
int etran_queue_len(struct etran_transport *t, u32 index);
void etran_queue_remove(struct etran_frame *f, u64 handle);
u32 etran_queue_served(const struct etran_transport *t, u32 index);
int etran_queues_init(struct etran_transport *t);
void etran_queues_exit(struct etran_transport *t);
void etran_queues_show(struct seq_file *s, struct etran_transport *t);

/* wheel.c */
int etran_wheel_init(void);
void etran_wheel_exit(void);
int etran_timed_add(struct etran_timed *t, u64 departure_ns, struct etran_channel *ch,
		    struct etran_frame *f);
void etran_timed_cancel(struct etran_channel *ch, struct etran_frame *f, u32 tag);
int etran_timed_release(int cpu, struct etran_xmit *x, int budget);
bool etran_timed_more(int cpu);
bool etran_timed_far(u64 departure_ns);
void etran_timed_purge(struct etran_transport *t);
void etran_wheels_show(struct seq_file *s);

/* xmit.c */

/**
 * struct etran_leave - what is to be told when a packet has left, or has not
 * @transport: whose
 * @channel: socket whose frame ends with it, or is @frame; NULL for none
 * @frame: its entry, GOING or LEAVING; NULL when the frame was never kept
 * @handle: gen: held frame whose payload the packet has, or 0
 * @joined: gen: and of so many frames that are linked behind it
 */
struct etran_leave {
	struct etran_transport *transport;
	struct etran_channel *channel;
	struct etran_frame *frame;
	u64 handle;
	u32 joined;
};

/**
 * struct etran_packet - what the kernel knows of a packet: in its page, behind struct xdp_frame
 * @timed: while it waits
 * @leave: see there
 * @link: id of the link device that it leaves by
 * @endpoint: egress: whose; otherwise 0
 * @hdr_off: as in struct etran_pkt, as the two behind it
 * @hdr_len: see there
 * @payload_len: see there
 * @headroom: while it waits in a backlog: as in struct etran_xmit
 */
struct etran_packet {
	struct etran_timed timed;
	struct etran_leave leave;
	u32 link;
	u32 endpoint;
	u16 hdr_off;
	u16 hdr_len;
	u16 payload_len;
	u16 headroom;
};

#define ETRAN_PACKET_OFF	ALIGN(sizeof(struct xdp_frame), 16)

static inline struct etran_packet *etran_packet_of(void *page)
{
	return page + ETRAN_PACKET_OFF;
}

static inline void *etran_page_of(struct etran_packet *p)
{
	return (void *)p - ETRAN_PACKET_OFF;
}

static inline void *etran_timed_page(struct etran_timed *t)
{
	return etran_page_of(container_of(t, struct etran_packet, timed));
}

/* What the module needs of @pkt once its program has run. */
static inline void etran_packet_fill(struct etran_packet *p, const struct etran_pkt *pkt,
				     struct etran_channel *ch, struct etran_frame *f)
{
	p->leave.transport = pkt->transport;
	p->leave.channel = ch;
	p->leave.frame = f;
	p->leave.handle = 0;
	p->leave.joined = 0;
	p->link = pkt->link;
	p->endpoint = pkt->endpoint;
	p->hdr_off = pkt->hdr_off;
	p->hdr_len = pkt->hdr_len;
	p->payload_len = pkt->payload_len;
}

/* Destinations that a CPU remembers. */
#define ETRAN_HOPS	16

/**
 * struct etran_hop - a destination, see hop.c
 * @link: link device that leads there; NULL: there is none in this entry
 * @route: entry of the next-hop table
 * @gone: etran_routes_gone() before that was looked up
 * @changes: etran_address_changes before that
 * @address_seq: sequence count of the neighbour's address
 * @mtu: of @link
 * @daddr: destination; of IPv4 the first word
 * @saddr: preferred source, likewise
 * @eth: Ethernet header
 */
struct etran_hop {
	struct etran_link *link;
	struct etran_route *route;
	s64 gone;
	u32 changes;
	u32 address_seq;
	u32 mtu;
	struct in6_addr daddr;
	struct in6_addr saddr;
	struct ethhdr eth;
};

/**
 * struct etran_xmit - packets on their way to one lower device, one a CPU
 * @link: the link device that all of them leave by
 * @n: how many
 * @hop: where the packet before went, good within one RCU read side: whoever begins to collect calls
 *	etran_xmit_begin(); the one behind the last of @hops: nowhere
 * @hops: those that the CPU sent to last
 * @frame: the packets
 * @leave: of each
 * @headroom: of each: bytes from struct xdp_frame to its Ethernet header, which a driver may move
 */
struct etran_xmit {
	struct etran_link *link;
	int n;
	struct etran_hop *hop;
	struct etran_hop hops[ETRAN_HOPS + 1];
	struct xdp_frame *frame[ETRAN_BULK];
	struct etran_leave leave[ETRAN_BULK];
	u16 headroom[ETRAN_BULK];
};

static inline struct etran_xmit *etran_xmit_begin(struct etran_xmit *x)
{
	x->hop = &x->hops[ETRAN_HOPS];
	return x;
}

DECLARE_PER_CPU(struct etran_xmit, etran_xmits);

int etran_xmit_init(void);
void etran_xmit_exit(void);
void *etran_page_alloc(void);
void etran_page_free(void *page);
void etran_page_put(void *page);
int etran_packet_complete(struct etran_xmit *x, struct etran_link *link, void *hdr,
			  const struct etran_packet *p, struct ethhdr **eth);
int etran_egress_complete(struct etran_xmit *x, struct etran_link *link, void *hdr,
			  const struct etran_pkt *pkt, struct ethhdr **eth);
void etran_xmit_now(struct etran_xmit *x, struct etran_link *link, void *page,
		    const struct etran_pkt *pkt, struct etran_frame *f);
void etran_xmit_add(struct etran_xmit *x, void *page);
void etran_xmit_later(struct etran_xmit *x, void *page, u64 departure_ns);
void etran_xmit_frame(struct etran_xmit *x, struct etran_channel *ch, struct etran_frame *f);
void etran_xmit_drop(void *page);
void etran_xmit_flush(struct etran_xmit *x);
enum hrtimer_restart etran_link_retry(struct hrtimer *timer);
void etran_link_drain(struct etran_link *link);
void etran_link_purge(struct etran_link *link, struct etran_transport *t);
void etran_link_stop(struct etran_link *link, struct etran_channel *ch);
bool etran_link_full(const struct etran_link *link);

/* direct.c */
bool etran_direct_possible(void);
struct etran_channel *etran_direct_attach(struct socket *sock, struct etran_link *link);
void etran_direct_send(struct etran_xmit *x, struct etran_channel *ch, struct etran_frame *f);
bool etran_direct_gen(struct etran_xmit *x, const struct etran_pkt *pkt, const void *hdr);
void etran_direct_complete(struct etran_channel *ch, u32 chunk);
int etran_direct_deliver(struct etran_channel *ch, struct xdp_sock *xs, const struct xdp_buff *xdp,
			 const struct etran_rec *rec, const void *data, u32 len);
int etran_direct_recycle(struct xdp_buff *xdp);
void etran_direct_egress(struct etran_channel *ch);
int etran_direct_kick(struct etran_channel *ch);
void etran_direct_link_gone(struct etran_link *link);
void etran_direct_forward(struct etran_channel *ch, struct etran_ep *ep,
			  bool (*take)(struct etran_ep *ep, const struct etran_rec *rec,
				       const void *data, u32 len));

/* hop.c */
int etran_hop_find(struct etran_xmit *x, struct etran_link *link, struct etran_transport *t,
		   const void *ip);

/* route.c */

/**
 * struct etran_route - a next hop
 * @node: in struct etran_routes.table
 * @daddr: destination; IPv4 as ::ffff:a.b.c.d
 * @cookie: for dst_check()
 * @used: a packet used it lately
 * @dst: the kernel's route; says when it is out of date
 * @neigh: the kernel's neighbour entry
 * @saddr: preferred source, as @daddr
 * @list: in struct etran_routes.list
 * @rcu: for freeing
 */
struct etran_route {
	struct rhash_head node;
	struct in6_addr daddr;
	u32 cookie;
	u8 used;
	struct dst_entry *dst;
	struct neighbour *neigh;
	struct in6_addr saddr;
	struct list_head list;
	struct rcu_head rcu;
};

extern atomic64_t etran_routes_taken;

/* How many entries were ever taken out of a table, or not put into it. To be read before an entry is looked up. Pairs with route_del(). */
static inline s64 etran_routes_gone(void)
{
	return atomic64_read_acquire(&etran_routes_taken);
}

/* Is an entry that was looked up when @gone was the count freed no sooner than this RCU read side ends? */
static inline bool etran_route_is_there(s64 gone)
{
	return etran_routes_gone() == gone;
}

/* Is it still what the kernel's tables say? */
static inline bool etran_route_good(const struct etran_route *r)
{
	return dst_check(r->dst, r->cookie) && !READ_ONCE(r->neigh->dead);
}

static inline void etran_route_use(struct etran_route *r)
{
	/* Read first, so that CPUs share the line. */
	if (!READ_ONCE(r->used))
		WRITE_ONCE(r->used, 1);
}

int etran_route_init(struct etran_link *link);
void etran_route_flush(struct etran_link *link);
void etran_route_exit(struct etran_link *link);
struct etran_route *etran_route_get(struct etran_link *link, struct net_device *lower,
				    const struct in6_addr *daddr);
struct etran_route *etran_route_too_big(struct etran_link *link, struct net_device *lower,
					const struct in6_addr *daddr, u32 mtu);
bool etran_route_may_wait(struct etran_link *link);

/* ip.c */
bool etran_ip_proto_ok(u8 proto);
bool etran_ip_check(const void *hdr, u32 len, u8 proto);
struct etran_route *etran_ip_route(struct etran_link *link, struct net_device *lower,
				   const void *hdr);
extern u32 etran_address_changes;
int etran_ip_init(void);
void etran_ip_exit(void);
bool etran_ip_is_local4(struct etran_link *link, struct net_device *lower, __be32 daddr);

/* Is this the address that etran_ip_is_local4() remembers? */
static inline bool etran_ip_is_known4(const struct etran_link *link, __be32 daddr)
{
	return READ_ONCE(link->local4) ==
	       ((u64)READ_ONCE(etran_address_changes) << 32 | (__force u32)daddr);
}

bool etran_ip_is_local6(struct net_device *lower, const struct in6_addr *daddr);
u8 etran_ip6_final(const struct ipv6hdr *ip, u32 len, bool *fragment);

/* gen.c */
int etran_gen_init(void);
void etran_gen_exit(void);
void etran_gen_kick(void);
void etran_gen_schedule(int cpu);

/* ingress.c */
int etran_ingress(struct xdp_buff *xdp);

/* endpoint.c */

/* An endpoint's id is a serial number and an index. */
#define ETRAN_EP_BITS		19
#define ETRAN_EP_MAX		(1U << ETRAN_EP_BITS)
#define ETRAN_EP_SERIALS	(1U << (32 - ETRAN_EP_BITS))
#define ETRAN_EP_PAGE		(PAGE_SIZE / sizeof(void *))
#define ETRAN_EP_PAGES		(ETRAN_EP_MAX / ETRAN_EP_PAGE)

extern struct etran_ep __rcu **etran_endpoint_pages[ETRAN_EP_PAGES];
long etran_endpoint_open(struct etran_endpoint_open __user *arg);
int etran_file_open(const char *name, const struct file_operations *fops, void *private, u32 flags,
		    void __user *to, const void *answer, size_t len);

/* stream.c */
void etran_streams_init(struct etran_ep *ep);
void etran_streams_free(struct etran_ep *ep);
void etran_streams_dead(struct etran_ep *ep);
int etran_streams_mmap(struct etran_ep *ep, struct vm_area_struct *vma);
long etran_stream_open(struct etran_ep *ep, struct etran_stream_open __user *arg);
int etran_stream_set(struct etran_ep *ep, u32 id, u64 tag, u64 avail, u32 set);

/* hub.c */
struct etran_hub;
void etran_hubs_link_gone(struct etran_link *link);
void etran_hubs_transport_gone(struct etran_transport *t);
void etran_hub_frame_back(struct etran_channel *ch, u32 chunk);
void etran_hub_room(struct etran_channel *ch);
void etran_hub_free(struct etran_hub *hub);

/* share.c */
long etran_stream_share(struct etran_ep *ep, struct etran_stream_share __user *arg);
long etran_stream_give(struct etran_ep *ep, struct etran_stream_give __user *arg);
int etran_share_deliver(struct etran_ep *ep, const struct etran_rec *rec, const void *data, u32 len);

/* endpoint.c, the rest */
struct etran_ep *etran_endpoint_new(void);
int etran_endpoint_enter(struct etran_ep *ep);
void etran_endpoint_close(struct etran_ep *ep);
long etran_endpoint_bind(struct etran_ep *ep, struct etran_endpoint_bind __user *arg, const u64 *tag);
void etran_endpoint_put(struct etran_ep *ep);
int etran_endpoint_room(struct etran_ep *ep, struct etran_channel *ch, u32 most, u32 least);
void etran_endpoints_dead_channel(struct etran_channel *ch);
void etran_endpoints_dead_transport(struct etran_transport *t);
int etran_endpoint_counters(struct etran_counters *q);
void etran_endpoint_exit(void);

/**
 * etran_endpoint_lookup - endpoint by id
 * @id: id
 *
 * Return: the endpoint, also a closed one whose frames are still kept; NULL.
 * Context: RCU read side; what is returned is valid until that ends.
 */
static inline struct etran_ep *etran_endpoint_lookup(u32 id)
{
	u32 index = id & (ETRAN_EP_MAX - 1);
	struct etran_ep __rcu **page;
	struct etran_ep *ep;

	/* Pairs with the release in etran_endpoint_enter(). */
	page = smp_load_acquire(&etran_endpoint_pages[index / ETRAN_EP_PAGE]);
	ep = page ? rcu_dereference(page[index % ETRAN_EP_PAGE]) : NULL;
	return ep && ep->pub.id == id ? ep : NULL;
}

/* device.c */
int etran_device_init(void);
void etran_device_uevent(char **env);
void etran_device_exit(void);

/* debugfs.c */
void etran_debugfs_init(void);
void etran_debugfs_exit(void);

#endif /* _ETRAN_H */
