/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * etran: extensible kernel transport - interface between etran.ko and user space.
 *
 * A program reaches a transport in four steps:
 *
 *   1. open("/dev/etran") and ask with ETRAN_IOC_LINK for a link device and a free queue of it;
 *   2. make an AF_XDP socket, register a UMEM (aligned chunks), bind it with XDP_ZEROCOPY to that
 *      queue;
 *   3. ETRAN_IOC_ENDPOINT_OPEN with the transport's name and the AF_XDP socket: the answer is a new
 *      file descriptor, the endpoint. It can be polled, duplicated and passed on; its last close
 *      ends what the transport knows of it;
 *   4. mmap() the endpoint read-only: struct etran_status, then one byte a UMEM chunk.
 *
 * Data moves through the AF_XDP rings. Each TX descriptor names one frame in the UMEM: a struct
 * etran_req, then at most one packet's payload, no header. Each RX descriptor names a struct
 * etran_rec, then payload. All fields are in host byte order unless their type says otherwise.
 *
 * A completion says that the kernel has read the descriptor, not that the chunk may be reused: a
 * transport may keep the frame until its peer has acknowledged it. The byte of the chunk in the
 * status mapping tells: non-zero while kept. A descriptor whose chunk is still kept is dropped.
 */
#ifndef _UAPI_LINUX_ETRAN_H
#define _UAPI_LINUX_ETRAN_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Version of this file: raised when a structure below changes its meaning. */
#define ETRAN_ABI_VERSION	5
/* Version of struct etran_ops; a BPF object states the one that it was built for. */
#define ETRAN_OPS_VERSION	2
/* Version of struct etran_filter_ops, likewise. */
#define ETRAN_FILTER_VERSION	1

#define ETRAN_NAME_LEN		16
#define ETRAN_IFNAME_LEN	16
#define ETRAN_REC_DATA		56
#define ETRAN_EXIT_MSG_LEN	128
#define ETRAN_EXIT_LAST_LEN	128

/**
 * struct etran_req - request record: the first bytes of each transmitted frame
 * @endpoint: id of an endpoint that is attached to this AF_XDP socket
 * @op: the transport's operation
 * @reserved: zero
 * @data: the transport's own part, for example struct homa_req
 *
 * The kernel works on its own copy. A frame shorter than this is dropped (req_short), one for an
 * endpoint of another socket too (req_endpoint).
 */
struct etran_req {
	__u32 endpoint;
	__u16 op;
	__u16 reserved;
	__u8 data[ETRAN_REC_DATA];
};

/**
 * struct etran_rec - receive record: the first bytes of each received frame
 * @endpoint: id of the endpoint that it is for
 * @type: the transport's kind of record
 * @reserved: zero
 * @data: the transport's own part, for example struct homa_rec
 */
struct etran_rec {
	__u32 endpoint;
	__u16 type;
	__u16 reserved;
	__u8 data[ETRAN_REC_DATA];
};

/* struct etran_status.flags */
#define ETRAN_STATUS_DEVICE_GONE	(1U << 0)	/* link device or its lower device removed */
#define ETRAN_STATUS_NO_TRANSPORT	(1U << 1)	/* the transport was unloaded */

/**
 * struct etran_status - first page of an endpoint's read-only mapping
 * @flags: ETRAN_STATUS_*: why nothing moves any more; such an endpoint polls EPOLLERR | EPOLLHUP
 * @mtu: current MTU of the lower device, bytes of IP packet
 * @released: frames of this AF_XDP socket that the transport gave back so far; wraps
 * @held: frames of this AF_XDP socket that the kernel keeps now
 * @chunks: number of bytes at @chunk_offset, one a UMEM chunk
 * @chunk_offset: where they begin in this mapping
 * @delivered: calls of ETRAN_IOC_WAKE so far; on a link device, and records put into the RX ring of this AF_XDP
 *	       socket, after which it changes. Wraps.
 * @rx_short: not 0: a transport lets senders wait until this AF_XDP socket's fill ring has more
 *	      buffers. Who has put some there calls ETRAN_IOC_ROOM, on each endpoint of the socket;
 *	      sleeping in ETRAN_IOC_WAIT_RX and poll() do the same.
 */
struct etran_status {
	__u32 flags;
	__u32 mtu;
	__u32 released;
	__u32 held;
	__u32 chunks;
	__u32 chunk_offset;
	__u32 delivered;
	__u32 rx_short;
};

/**
 * struct etran_version - answer of ETRAN_IOC_VERSION
 * @abi: ETRAN_ABI_VERSION of the module
 * @ops: ETRAN_OPS_VERSION of the module
 * @module: version of the module, text
 * @features: ETRAN_FEATURE_*
 * @reserved: zero
 */
struct etran_version {
	__u32 abi;
	__u32 ops;
	char module[32];
	__u32 features;
	__u32 reserved;
};

/* struct etran_version.features */
#define ETRAN_FEATURE_DIRECT	(1U << 0)	/* the kernel has the AF_XDP hook: direct mode works */

/* struct etran_link_info.flags (in) */
#define ETRAN_LINK_ALL_NETNS	(1U << 0)	/* needs CAP_NET_ADMIN in the first user namespace */

/**
 * struct etran_link_info - question and answer of ETRAN_IOC_LINK
 * @id: in: find the first link device whose id is at least this; out: its id
 * @flags: in: ETRAN_LINK_*; without them only the caller's network namespace is looked at
 * @ifindex: in: non-zero asks for exactly this device of the caller's namespace; out
 * @lower_ifindex: out: the device underneath, in its own namespace. 0 when gone, or, without
 *		   ETRAN_LINK_ALL_NETNS, when that is another than the caller's
 * @netns: out: inode number of the network namespace
 * @queues: out: number of queues
 * @queues_bound: out: how many of them have an AF_XDP socket
 * @free_queue: out: a queue that was free when asked, @queues when none was. Another program may
 *              be quicker: on EBUSY from bind() ask again.
 * @mtu: out: bytes of IP packet
 * @lower_netns: out: inode number of the network namespace of the device underneath, 0 like
 *		 @lower_ifindex
 * @name: out: name of the link device
 * @lower_name: out: name of the device underneath; empty like @lower_ifindex
 *
 * Errors: ENODEV (no such link device), EPERM.
 */
struct etran_link_info {
	__u32 id;
	__u32 flags;
	__u32 ifindex;
	__u32 lower_ifindex;
	__u32 netns;
	__u32 queues;
	__u32 queues_bound;
	__u32 free_queue;
	__u32 mtu;
	__u32 lower_netns;
	char name[ETRAN_IFNAME_LEN];
	char lower_name[ETRAN_IFNAME_LEN];
};

/*
 * Flag of struct etran_ops: a full packet queue drops its worst frame for a better one, instead of
 * refusing that.
 */
#define ETRAN_OPS_DROP_WORST	(1U << 0)
/*
 * Flag of struct etran_ops: the transport takes some packets of its IP protocol only, the kernel's own stack
 * has the others. What the program is not shown (IP options, extension headers, fragments, wrong lengths
 * or header checksums) goes there too, instead of being dropped. ICMP errors about that protocol it is shown
 * as other transports are, and passes on what is not about its own packets.
 */
#define ETRAN_OPS_SHARED	(1U << 1)

/**
 * struct etran_transport_info - question and answer of ETRAN_IOC_TRANSPORT
 * @id: in: find the first transport whose id is at least this; out: its id
 * @ip_proto: out: the IP protocol that it handles
 * @ops_version: out
 * @endpoints: out: open endpoints, those included that are closed but still being drained
 * @link_id: out: id of the BPF link that attaches it
 * @flags: out: ETRAN_OPS_*
 * @queues: out: its packet queues
 * @queue_depth: out: frames that each of them can take
 * @timeout_ms: out: the watchdog's, ms, 0 for none
 * @state_version: out: what programs that replace it must have, too
 * @tcp_urgent: out: urgent pointer of its packets in TCP's clothes, host byte order, 0 for none
 * @reserved: out: 0
 * @loaded_ns: out: when it was attached, CLOCK_BOOTTIME, ns
 * @replaced_ns: out: when its programs were last replaced, 0 for never
 * @name: out
 *
 * Errors: ENOENT when there is none.
 */
struct etran_transport_info {
	__u32 id;
	__u32 ip_proto;
	__u32 ops_version;
	__u32 endpoints;
	__u32 link_id;
	__u32 flags;
	__u32 queues;
	__u32 queue_depth;
	__u32 timeout_ms;
	__u32 state_version;
	__u32 tcp_urgent;
	__u32 reserved;
	__u64 loaded_ns;
	__u64 replaced_ns;
	char name[ETRAN_NAME_LEN];
};

/**
 * enum etran_exit_kind - why a transport's programs do not run any more
 * @ETRAN_EXIT_NONE: they do
 * @ETRAN_EXIT_UNLOAD: its BPF link was closed, unpinned or detached
 * @ETRAN_EXIT_REPLACE: others took their place by a link update
 * @ETRAN_EXIT_PROGRAM: ejected: a program called bpf_etran_error()
 * @ETRAN_EXIT_VERDICT: ejected: a program returned what is no verdict there
 * @ETRAN_EXIT_GEN: ejected: gen went on for ever
 * @ETRAN_EXIT_QUEUE: ejected: a packet queue was misused
 * @ETRAN_EXIT_WATCHDOG: ejected: a frame was held, or was in a packet queue that nobody served, for longer
 *	than timeout_ms and nothing was done about it
 *
 * From 64 on the module ejected the transport for an error.
 */
enum etran_exit_kind {
	ETRAN_EXIT_NONE,
	ETRAN_EXIT_UNLOAD,
	ETRAN_EXIT_REPLACE,
	ETRAN_EXIT_PROGRAM = 64,
	ETRAN_EXIT_VERDICT,
	ETRAN_EXIT_GEN,
	ETRAN_EXIT_QUEUE,
	ETRAN_EXIT_WATCHDOG,
};

/* struct etran_filter_info.directions, struct etran_filter_pkt.direction */
#define ETRAN_FILTER_INGRESS	(1U << 0)
#define ETRAN_FILTER_EGRESS	(1U << 1)

/**
 * struct etran_filter_info - question and answer of ETRAN_IOC_FILTER
 * @id: in: find the first filter whose id is at least this; out: its id. Ids grow in the order in
 *      which filters were attached.
 * @priority: out: filters run in the order of priority, lowest first, then of id
 * @directions: out: ETRAN_FILTER_*: which programs it has
 * @ops_version: out
 * @link_id: out: id of the BPF link that attaches it
 * @reserved: zero
 * @loaded_ns: out: when it was attached, CLOCK_BOOTTIME, ns
 * @ingress_packets: out: received packets that its program saw
 * @ingress_dropped: out: of these, dropped by it
 * @egress_packets: out: packets to be sent that its program saw
 * @egress_dropped: out: of these, dropped by it
 * @bad_verdicts: out: of the dropped ones, those for a value that is no verdict. The first one has
 *                the filter detached.
 * @name: out
 *
 * Errors: ENOENT when there is none.
 */
struct etran_filter_info {
	__u32 id;
	__s32 priority;
	__u32 directions;
	__u32 ops_version;
	__u32 link_id;
	__u32 reserved;
	__u64 loaded_ns;
	__u64 ingress_packets;
	__u64 ingress_dropped;
	__u64 egress_packets;
	__u64 egress_dropped;
	__u64 bad_verdicts;
	char name[ETRAN_NAME_LEN];
};

/**
 * struct etran_exit_record - question and answer of ETRAN_IOC_EXIT: how a transport ended
 * @id: in: find the oldest record whose id is at least this; out: its id. The module keeps the
 *	latest 16.
 * @transport: out: the id that the transport had
 * @kind: out: enum etran_exit_kind
 * @ip_proto: out: its IP protocol
 * @code: out: with ETRAN_EXIT_PROGRAM what the program gave to bpf_etran_error(), with
 *	  ETRAN_EXIT_VERDICT the value that it returned, with ETRAN_EXIT_GEN the calls in question,
 *	  with ETRAN_EXIT_QUEUE the index or the flags, with ETRAN_EXIT_WATCHDOG the age of the
 *	  frame in ms; otherwise 0
 * @loaded_ns: out: when it was attached, CLOCK_BOOTTIME, ns
 * @ended_ns: out: when it ended, the same clock
 * @frames: out: frames that it held, queued or retained then, and that their applications have back
 * @name: out
 * @msg: out: one sentence, empty for an orderly unload
 * @last: out: the programs that ran last on each CPU, the latest first, beginning with the CPU on
 *	  which it ended: "CPU 1: gen ingress; CPU 0: egress"
 *
 * Errors: ENOENT when there is none.
 */
struct etran_exit_record {
	__u32 id;
	__u32 transport;
	__u32 kind;
	__u32 ip_proto;
	__s64 code;
	__u64 loaded_ns;
	__u64 ended_ns;
	__u64 frames;
	char name[ETRAN_NAME_LEN];
	char msg[ETRAN_EXIT_MSG_LEN];
	char last[ETRAN_EXIT_LAST_LEN];
};

enum etran_counter_scope {
	ETRAN_COUNTERS_MODULE,		/* everything since the module was loaded; @id unused */
	ETRAN_COUNTERS_TRANSPORT,	/* @id of struct etran_transport_info */
	ETRAN_COUNTERS_LINK,		/* @id of struct etran_link_info */
	ETRAN_COUNTERS_ENDPOINT,	/* endpoint id; the counters of its AF_XDP socket */
};

/* struct etran_counter.flags */
#define ETRAN_COUNTER_GAUGE	(1U << 0)	/* a level, not a running total */
#define ETRAN_COUNTER_DROP	(1U << 1)	/* a reason why frames or packets were dropped */

/**
 * struct etran_counter - one self-describing counter
 * @name: short name, [a-z0-9_]
 * @text: one sentence in English
 * @flags: ETRAN_COUNTER_*
 * @reserved: zero
 * @value: value
 */
struct etran_counter {
	char name[32];
	char text[80];
	__u32 flags;
	__u32 reserved;
	__u64 value;
};

/**
 * struct etran_counters - question and answer of ETRAN_IOC_COUNTERS
 * @scope: in: enum etran_counter_scope
 * @id: in: whose
 * @count: in: room at @buf, in counters; out: how many there are (never more than @count are written)
 * @reserved: zero
 * @buf: in: address of an array of struct etran_counter
 *
 * Frames obey, at any instant at which no frame is on its way through a program:
 * frames_accepted = frames_transmitted + frames_dropped + frames_held + frames_queued +
 * frames_retained; packets, but for those that wait: packets_built = packets_sent + packets_dropped.
 * Errors: ENOENT (no such @id), EINVAL (@scope), EFAULT.
 */
struct etran_counters {
	__u32 scope;
	__u32 id;
	__u32 count;
	__u32 reserved;
	__u64 buf;
};

/**
 * struct etran_endpoint_open - question and answer of ETRAN_IOC_ENDPOINT_OPEN
 * @transport: in: name of a loaded transport, NUL terminated
 * @xsk_fd: in: AF_XDP socket, bound with XDP_ZEROCOPY to a queue of an etran link device; or, for
 *	direct mode, to a queue of a NIC that has one on top of it. There frames need 256 bytes of their
 *	chunk before the payload, and a descriptor is completed when its frame has ended. A socket
 *	stays in direct mode until it is closed.
 * @flags: in: O_CLOEXEC or O_NONBLOCK or 0
 * @id: out: the endpoint's id, for struct etran_req
 * @link: out: id of the link device
 * @addr: in and out: local address, IPv6 or IPv4 as ::ffff:a.b.c.d; all zero for any
 * @port: in: port in host byte order, 0 lets the transport choose; out: the port it has
 * @reserved: zero
 * @arg: in and out: the transport's own
 *
 * Return: a file descriptor.
 * Errors: ENOENT (no such transport), EBADF, ENOTSOCK, EINVAL (xsk_fd no AF_XDP socket, or not
 * bound to an etran link device), ENXIO (link device gone), ENFILE, ESHUTDOWN (the transport is being
 * ejected), what the transport's endpoint_open returned (EADDRINUSE, EAFNOSUPPORT: it does not know
 * IPv6, ...). Direct mode: EOPNOTSUPP (the kernel has no AF_XDP hook, or the UMEM has unaligned
 * chunks), ENODEV (no link device on that NIC), EBUSY (the buffer pool is shared with another
 * socket, or descriptors are in flight).
 */
struct etran_endpoint_open {
	char transport[ETRAN_NAME_LEN];
	__s32 xsk_fd;
	__u32 flags;
	__u32 id;
	__u32 link;
	__be32 addr[4];
	__u16 port;
	__u16 reserved[3];
	__u64 arg[4];
};

/**
 * struct etran_endpoint_bind - question and answer of ETRAN_IOC_BIND (on an endpoint)
 * @addr: in and out: local address, as in struct etran_endpoint_open
 * @port: in: port in host byte order; out: the port it has now
 * @reserved: zero
 * @arg: in and out: the transport's own
 *
 * Errors: EOPNOTSUPP (the transport has no such op), what its endpoint_bind returned.
 */
struct etran_endpoint_bind {
	__be32 addr[4];
	__u16 port;
	__u16 reserved[3];
	__u64 arg[4];
};

/**
 * struct etran_wait - question and answer of ETRAN_IOC_WAIT_RELEASED (on an endpoint)
 * @released: in: the value of struct etran_status.released that was seen; out: the new one
 * @timeout_ms: in: give up after this; -1 waits for ever
 *
 * Sleeps until the transport has given frames back. A signal without handler is not told, and has the
 * timeout begin again. Errors: EAGAIN (timeout), EINTR, ENODEV
 * (nothing will be given back: see struct etran_status.flags).
 */
struct etran_wait {
	__u32 released;
	__s32 timeout_ms;
};

/* struct etran_wait_rx.flags */
#define ETRAN_WAIT_KICK		(1U << 0)	/* first as ETRAN_IOC_KICK; how that went is not told */
#define ETRAN_WAIT_UNREADY	(1U << 1)	/* what ETRAN_IOC_READY said ends no sleep */

/**
 * struct etran_wait_rx - question of ETRAN_IOC_WAIT_RX (on an endpoint)
 * @delivered: the value of struct etran_status.delivered that was read *before* the RX ring was
 *	       found empty; in direct mode its sum with the RX ring's producer index, as that was then
 * @flags: ETRAN_WAIT_*
 * @timeout_ms: give up after this; -1 waits for ever, 0 does not sleep
 * @reserved: zero
 * @producer: direct mode: where the calling process has the producer index of the RX ring, an aligned address of it; on a
 *	      link device zero
 *
 * Sleeps until something was delivered to the AF_XDP socket, whichever endpoint of it that is for;
 * until ETRAN_IOC_READY or ETRAN_IOC_WAKE. Costs less than poll(), which asks the driver, too, and looks at no record: whoever
 * takes some from the ring must read @delivered first. Errors: EAGAIN (timeout; nothing was there and
 * the endpoint's descriptor has O_NONBLOCK), EINTR (as of struct etran_wait), ENODEV (nothing will come any more: see struct
 * etran_status.flags; a device that is being removed says so here first), EINVAL, EFAULT.
 */
struct etran_wait_rx {
	__u32 delivered;
	__u32 flags;
	__s32 timeout_ms;
	__u32 reserved;
	__u64 producer;
};

/* Streams that an endpoint can have, and their numbers: 1 to ETRAN_STREAMS_MAX - 1. */
#define ETRAN_STREAMS_MAX	16384U
/* Offset of the mapping of an endpoint with struct etran_stream_user for each number, to be read and written. */
#define ETRAN_MMAP_STREAMS	(1ULL << 30)

/* struct etran_stream_user.flags */
#define ETRAN_STREAM_SHUT_RD	(1U << 0)	/* the application wants no more data */
#define ETRAN_STREAM_SHUT_WR	(1U << 1)	/* it sends no more */
#define ETRAN_STREAM_TOLD	(1U << 2)	/* it knows of the error: no EPOLLERR any more */
#define ETRAN_STREAM_ABORT	(1U << 3)	/* the last close is to be an abort */
/* The same, of shared streams only: ETRAN_IOC_STREAM_SET, and what was there at ETRAN_STREAM_GIVEN */
#define ETRAN_STREAM_NODELAY	(1U << 4)	/* what is less than a segment does not wait for an acknowledgment */
#define ETRAN_STREAM_CORK	(1U << 5)	/* it waits for more */

/**
 * struct etran_stream_user - what an application says of one of its streams, for poll() on it
 * @read: how far it has read, in the transport's unit; readable while the transport delivered more
 * @flags: ETRAN_STREAM_*
 * @blocked: not 0: nothing can be sent. The kernel makes it 0, and wakes who waits for EPOLLOUT, when the
 *	transport has given back frames of the stream. Set it, then look once more, with a full barrier
 *	between. Number 0, which is no stream: not 0: some stream had no frame although it has none under way;
 *	all with @blocked are woken then when frames of any are given back.
 *
 * Zero when the stream is opened.
 */
struct etran_stream_user {
	__u64 read;
	__u32 flags;
	__u32 blocked;
};

/**
 * struct etran_stream_open - question and answer of ETRAN_IOC_STREAM_OPEN (on an endpoint)
 * @tag: in: what the transport knows it by, its own
 * @flags: in: O_CLOEXEC, O_NONBLOCK or 0
 * @beside: in: a socket of which poll() on the stream tells as well, or -1
 * @id: out: the stream's number
 * @reserved: zero
 *
 * The answer is a file of a connection or listener, to be polled; EPOLLIN: the transport delivered more than
 * struct etran_stream_user says was read; EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLOUT as with sockets. Data goes through the
 * endpoint's AF_XDP socket. Its last close, of the last copy, ends what the transport has under @tag. When
 * endpoint, device or transport are gone, it reports EPOLLERR | EPOLLHUP.
 *
 * Return: a file descriptor.
 * Errors: EOPNOTSUPP (the transport has no streams), ENFILE (too many), ENOMEM, EBADF, ENOTSOCK (@beside), EINVAL,
 * EMFILE, ESHUTDOWN, what the transport's stream_open returned (ENOENT: no such @tag; EBUSY: it has one).
 */
struct etran_stream_open {
	__u64 tag;
	__u32 flags;
	__s32 beside;
	__u32 id;
	__u32 reserved[3];
};

/* Most bytes of struct etran_stream_shared.room. */
#define ETRAN_STREAM_ROOM_MAX	(16U << 20)

/**
 * struct etran_stream_shared - one of the streams of ETRAN_IOC_STREAM_SHARE
 * @id: in: its number
 * @error: out: 0, or positive errno: why it goes on as before
 * @room: in: bytes that the peer may send beyond what was read, 1 to ETRAN_STREAM_ROOM_MAX
 * @reserved: zero
 * @read: in: how far the application has read
 *
 * Errors: ENOENT (no such stream), EBUSY (it is shared already), EOPNOTSUPP (the transport has no shared streams), ENOMEM,
 * EINVAL, ENETDOWN (the device is gone), what the transport's stream_share returned (ENOTCONN: no listeners, and nothing before
 * the handshake is over).
 */
struct etran_stream_shared {
	__u32 id;
	__u32 error;
	__u32 room;
	__u32 reserved;
	__u64 read;
};

/**
 * struct etran_stream_share - question of ETRAN_IOC_STREAM_SHARE (on an endpoint)
 * @streams: address of an array of struct etran_stream_shared
 * @count: its entries, 1 to ETRAN_STREAMS_MAX
 * @reserved: zero
 *
 * From here on data goes through the streams' files, by read(), write(), and ETRAN_IOC_STREAM_RECV and _SEND: for
 * whoever has them, in whichever process. What the endpoint put into its TX ring for them and had not read by
 * the kernel is dropped, so send it first. What was received, and not read, is then to be handed over with
 * ETRAN_IOC_STREAM_GIVE: what the application has in memory of its own, and what it finds in the RX ring now. Nothing more is
 * delivered there. Until then whoever reads waits; when the endpoint is closed before, the stream has ended with ECONNRESET.
 *
 * Errors of the whole: EINVAL, EFAULT, ENOMEM, EINTR.
 */
struct etran_stream_share {
	__u64 streams;
	__u32 count;
	__u32 reserved;
};

/* struct etran_stream_give.flags */
#define ETRAN_STREAM_GIVEN	(1U << 0)	/* that was all: the endpoint has nothing to do with the stream any more */
#define ETRAN_STREAM_LOST	(1U << 1)	/* with GIVEN: not all of it could be had; the stream has ended with ECONNRESET */

/**
 * struct etran_stream_give - question of ETRAN_IOC_STREAM_GIVE (on an endpoint): received bytes of a stream that is shared now
 * @id: its number
 * @flags: ETRAN_STREAM_*
 * @offset: of the first byte in the stream
 * @buf: address of the bytes
 * @len: how many; may be 0
 * @reserved: zero
 *
 * In pieces and in any order. With ETRAN_STREAM_GIVEN the flags of struct etran_stream_user count on.
 * Errors: ENOENT (no such stream, it is not shared, or all was given), EINVAL (bytes that it has no room for), ENOMEM, EFAULT.
 */
struct etran_stream_give {
	__u32 id;
	__u32 flags;
	__u64 offset;
	__u64 buf;
	__u32 len;
	__u32 reserved;
};

/* struct etran_stream_io.flags */
#define ETRAN_STREAM_DONTWAIT	(1U << 0)	/* as with O_NONBLOCK */
#define ETRAN_STREAM_PEEK	(1U << 1)	/* RECV: the bytes stay */
#define ETRAN_STREAM_MORE	(1U << 2)	/* SEND: more follows soon */
#define ETRAN_STREAM_NOSIGNAL	(1U << 3)	/* SEND: EPIPE without SIGPIPE */

/**
 * struct etran_stream_io - question of ETRAN_IOC_STREAM_RECV and ETRAN_IOC_STREAM_SEND (on a shared stream)
 * @buf: address of the bytes
 * @len: how many
 * @flags: ETRAN_STREAM_*
 *
 * As read() and write() on it, but for @flags. Return: bytes; 0 of RECV: the stream has ended, or @len is 0.
 * Errors: EAGAIN, EINTR, EPIPE (SEND), the connection's error, once, EOPNOTSUPP (it is not shared), ENOTCONN (it is a listener's),
 * ENETDOWN (device or transport are gone), ENOMEM, EFAULT, EINVAL.
 */
struct etran_stream_io {
	__u64 buf;
	__u32 len;
	__u32 flags;
};

/**
 * struct etran_stream_set - question and answer of ETRAN_IOC_STREAM_SET (on a shared stream)
 * @set: in: ETRAN_STREAM_* of the stream that are so from here on
 * @clear: in: those that are not any more; what was shut down is that for ever
 * @flags: out: all of them
 * @reserved: zero
 *
 * ETRAN_STREAM_SHUT_WR sends the end of the stream behind all that was written; ETRAN_STREAM_TOLD cannot be set.
 * Errors: EOPNOTSUPP (it is not shared), EINVAL, EFAULT, ENETDOWN.
 */
struct etran_stream_set {
	__u32 set;
	__u32 clear;
	__u32 flags;
	__u32 reserved;
};

/* struct etran_stream_info.state */
#define ETRAN_STREAM_IS_SHARED	(1U << 0)	/* data goes through the file */
#define ETRAN_STREAM_IS_OPEN	(1U << 1)	/* connected, or was */
#define ETRAN_STREAM_IS_FIN	(1U << 2)	/* the peer sends no more */
#define ETRAN_STREAM_IS_ENDED	(1U << 3)	/* the transport is through with it */

/**
 * struct etran_stream_info - answer of ETRAN_IOC_STREAM_INFO (on any stream)
 * @tag: what the transport knows it by
 * @readable: shared: bytes that can be read
 * @unacked: shared: bytes that the peer has not acknowledged; segments count as full
 * @sent: shared: bytes that were written to it
 * @state: ETRAN_STREAM_IS_*
 * @flags: struct etran_stream_user.flags
 * @error: positive errno that nobody was told of, or 0; stays
 * @endpoint: id of the endpoint that it belongs to; of shared ones a number that no application has
 * @transport: its name, NUL terminated
 * @reserved: zero
 */
struct etran_stream_info {
	__u64 tag;
	__u64 readable;
	__u64 unacked;
	__u64 sent;
	__u32 state;
	__u32 flags;
	__u32 error;
	__u32 endpoint;
	char transport[ETRAN_NAME_LEN];
	__u32 reserved[4];
};

/**
 * struct etran_stream_req - struct etran_req.data of requests that the module makes for a shared stream
 * @tag: what the transport knows it by
 * @offset: ETRAN_STREAM_OP_SEND: of the first byte of payload in the stream to the peer
 * @read: the stream from the peer was read up to here, exclusive
 * @flags: ETRAN_STREAM_REQ_*
 * @reserved: zero
 *
 * As applications of such a transport make them; ops are numbered so, too.
 */
struct etran_stream_req {
	__u64 tag;
	__u64 offset;
	__u64 read;
	__u32 flags;
	__u32 reserved[7];
};

/* struct etran_req.op of these */
#define ETRAN_STREAM_OP_SEND	1U	/* payload follows in the stream; or nothing and ETRAN_STREAM_REQ_FIN */
#define ETRAN_STREAM_OP_READ	2U	/* no payload: @read counts */
#define ETRAN_STREAM_OP_PUSH	5U	/* no payload: nothing waits for more any longer */

#define ETRAN_STREAM_REQ_FIN	(1U << 0)	/* nothing comes behind it */
#define ETRAN_STREAM_REQ_NAGLE	(1U << 1)	/* less than a segment may wait for an acknowledgment */
#define ETRAN_STREAM_REQ_MORE	(1U << 2)	/* it may wait for more */

/**
 * struct etran_stream_rec - struct etran_rec.data of payload for a shared stream
 * @tag: what the transport knows it by
 * @offset: of the first byte in the stream from the peer
 * @len: bytes
 * @flags: the transport's own
 * @error: likewise
 * @stream: the stream's number in the endpoint that the record names
 * @reserved: zero
 */
struct etran_stream_rec {
	__u64 tag;
	__u64 offset;
	__u32 len;
	__u32 flags;
	__u32 error;
	__u32 stream;
	__u32 reserved[6];
};

#define ETRAN_IOC_MAGIC		0xe7
/* on /dev/etran */
#define ETRAN_IOC_VERSION	_IOR(ETRAN_IOC_MAGIC, 0, struct etran_version)
#define ETRAN_IOC_LINK		_IOWR(ETRAN_IOC_MAGIC, 1, struct etran_link_info)
#define ETRAN_IOC_TRANSPORT	_IOWR(ETRAN_IOC_MAGIC, 2, struct etran_transport_info)
#define ETRAN_IOC_COUNTERS	_IOWR(ETRAN_IOC_MAGIC, 3, struct etran_counters)
#define ETRAN_IOC_ENDPOINT_OPEN	_IOWR(ETRAN_IOC_MAGIC, 4, struct etran_endpoint_open)
#define ETRAN_IOC_EXIT		_IOWR(ETRAN_IOC_MAGIC, 6, struct etran_exit_record)
#define ETRAN_IOC_FILTER	_IOWR(ETRAN_IOC_MAGIC, 8, struct etran_filter_info)
/* on an endpoint */
#define ETRAN_IOC_BIND		_IOWR(ETRAN_IOC_MAGIC, 16, struct etran_endpoint_bind)
/*
 * Non-zero: poll() reports EPOLLIN although the RX ring is empty, because the library holds a
 * complete message back that it found there. Zero takes that back.
 */
#define ETRAN_IOC_READY		_IOW(ETRAN_IOC_MAGIC, 17, __u32)
#define ETRAN_IOC_WAIT_RELEASED	_IOWR(ETRAN_IOC_MAGIC, 18, struct etran_wait)
#define ETRAN_IOC_WAIT_RX	_IOW(ETRAN_IOC_MAGIC, 19, struct etran_wait_rx)
/*
 * Sends what is in the TX ring, as sendto() on the AF_XDP socket, but until the ring is empty or the
 * lower device has no room; in that case the module goes on by itself, and this is no error. In direct mode, zero-copy,
 * it has the driver look at the ring, even one that says by XDP_RING_NEED_WAKEUP that it looks by itself.
 * Errors: ENETDOWN (the device is down), ENODEV (it is gone), EAGAIN (16,384 descriptors were read
 * and there are more: call again).
 */
#define ETRAN_IOC_KICK		_IO(ETRAN_IOC_MAGIC, 20)
/*
 * Ends each sleep in ETRAN_IOC_WAIT_RX on this AF_XDP socket. Errors: ENODEV (the device is gone, and
 * nobody sleeps).
 */
#define ETRAN_IOC_WAKE		_IO(ETRAN_IOC_MAGIC, 21)
/*
 * The fill ring has more buffers than when the transport was last told: see struct etran_status.rx_short.
 * Does nothing when the transport does not wait for any. No errors.
 */
#define ETRAN_IOC_ROOM		_IO(ETRAN_IOC_MAGIC, 22)
#define ETRAN_IOC_STREAM_OPEN	_IOWR(ETRAN_IOC_MAGIC, 23, struct etran_stream_open)
/*
 * On a stream: wakes who polls it, as what the application wrote into struct etran_stream_user may be news to
 * other threads of it. No errors.
 */
#define ETRAN_IOC_STREAM_WAKE	_IO(ETRAN_IOC_MAGIC, 24)
#define ETRAN_IOC_STREAM_SHARE	_IOW(ETRAN_IOC_MAGIC, 25, struct etran_stream_share)
#define ETRAN_IOC_STREAM_GIVE	_IOW(ETRAN_IOC_MAGIC, 26, struct etran_stream_give)
/*
 * On a stream. ETRAN_IOC_BIND can be had of a shared one, too, where the transport allows it: arg[1] is its tag. FIONREAD
 * (shared) is what can be read.
 */
#define ETRAN_IOC_STREAM_RECV	_IOW(ETRAN_IOC_MAGIC, 27, struct etran_stream_io)
#define ETRAN_IOC_STREAM_SEND	_IOW(ETRAN_IOC_MAGIC, 28, struct etran_stream_io)
#define ETRAN_IOC_STREAM_SET	_IOWR(ETRAN_IOC_MAGIC, 29, struct etran_stream_set)
#define ETRAN_IOC_STREAM_INFO	_IOR(ETRAN_IOC_MAGIC, 30, struct etran_stream_info)
/* Of a shared stream: the error that nobody was told of, positive errno, which is told now; or 0. */
#define ETRAN_IOC_STREAM_ERROR	_IOR(ETRAN_IOC_MAGIC, 31, __u32)

#endif /* _UAPI_LINUX_ETRAN_H */
