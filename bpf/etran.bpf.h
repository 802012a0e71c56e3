/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a BPF transport is written against: the context of its programs, struct etran_ops and the
 * kfuncs of etran.ko. The module's own view of the same types is module/etran_ops.h; BTF relocates
 * field offsets at load, so a program keeps working when the module adds fields.
 *
 * Programs see packets from the IP header on. The module adds and strips the Ethernet header,
 * resolves next hops and neighbours, fills in lengths and the IPv4 header checksum. A packet is IPv4
 * or IPv6 by its version, the upper four bits of its first byte.
 */
#ifndef _ETRAN_BPF_H
#define _ETRAN_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/etran.h>

/*
 * What a tunable (a `const volatile` global) means, its unit included: 'etranctl show' prints it.
 *
 *	const volatile __u32 rate ETRAN_MEANING("packets a second") = 1000;
 */
#define ETRAN_MEANING(text)	__attribute__((btf_decl_tag("meaning:" text)))

#define __ETRAN_UNIT(unit)	__attribute__((btf_decl_tag("unit:" unit)))
#define __ETRAN_TAG(what, value)	__attribute__((btf_decl_tag(what ":" #value)))

/*
 * A tunable that 'etranctl set' can change while the transport is loaded, with all that 'etranctl
 * show' prints: default, least and greatest value (numbers), unit, and meaning, as one sentence. Units
 * that are known by name can be mixed: ns, us, ms, bytes, Mb/s, 1/100, 1/1000.
 *
 *	ETRAN_LIVE(__u32, rate, 1000, 1, 1000000, "packets/s", "how much each flow may send");
 *
 * It is a volatile global that may change between any two reads, so read it once into a variable where
 * two must agree. etranctl keeps to the range; a program that would do harm with a value outside
 * of it, or that is to satisfy the verifier, reads it with etran_bounded().
 *
 * The price beside a constant: the same load, but branches that depend on it stay.
 */
#define ETRAN_LIVE(type, name, value, least, most, unit, text)				\
	enum name##_range { name##_min = least, name##_max = most };			\
	volatile type name SEC(".data.tunables")						\
	__ETRAN_TAG("default", value) __ETRAN_TAG("min", least)				\
	__ETRAN_TAG("max", most) __ETRAN_UNIT(unit) ETRAN_MEANING(text) = value

/* The same of one that is a constant once loaded: the verifier removes what it switches off. */
#define ETRAN_AT_LOAD(type, name, value, least, most, unit, text)			\
	enum name##_range { name##_min = least, name##_max = most };			\
	const volatile type name								\
	__ETRAN_TAG("default", value) __ETRAN_TAG("min", least)				\
	__ETRAN_TAG("max", most) __ETRAN_UNIT(unit) ETRAN_MEANING(text) = value

/* What a tunable says, read once and brought into its range. */
#define etran_bounded(name)									\
({												\
	typeof((name) + 0) __v = (name);							\
	__v < name##_min ? name##_min : __v > name##_max ? name##_max : __v;			\
})

/* Room for headers, on egress and gen in front of the payload, on ingress from the IP header on. */
#define ETRAN_HDR_LEN	256

/*
 * Verdicts.
 *                egress                          ingress                      gen
 * ETRAN_DROP     ends the frame                  ends the packet              stop, nothing more
 * ETRAN_TX       send                            -                            send, call again
 * ETRAN_HOLD     keep, unsent (after hold)       -                            -
 * ETRAN_PASS     -                               to the kernel's own stack    -
 * ETRAN_CONSUME  -                               used up, all is well         skip, call again
 * ETRAN_DELIVER  -                               bpf_etran_deliver() did it   -
 * ETRAN_RETAIN   flag on ETRAN_TX: send a copy, keep the frame (after bpf_etran_hold())
 * Filters: ETRAN_PASS goes on, ETRAN_DROP ends the packet.
 * Everything else counts as bad_verdict, drops, and has the transport ejected: detached, its frames
 * freed, received packets passed to the kernel. So has bpf_etran_error().
 */
enum etran_verdict {
	ETRAN_DROP,
	ETRAN_TX,
	ETRAN_HOLD,
	ETRAN_PASS,
	ETRAN_CONSUME,
	ETRAN_DELIVER,
	ETRAN_RETAIN = 0x100,
};

struct etran_hdr {
	__u8 b[ETRAN_HDR_LEN];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Contexts of iterators: see bpf/README.md on 'etranctl rpc'. */
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

/**
 * struct etran_pkt - context of egress, ingress and gen
 * @len: ingress: length of the IP packet, bytes, checked against the frame. Otherwise 0.
 * @payload_len: egress, and gen after bpf_etran_load(): bytes of payload behind the headers
 * @hdr_off: egress, gen; writable: where the IP header begins in struct etran_hdr, at least 16
 * @hdr_len: egress, gen; writable: bytes of all headers, IP header included. With a payload,
 *	     @hdr_off + @hdr_len must be ETRAN_HDR_LEN, so that both are contiguous.
 * @link: id of the link device. gen: writable, where to send; bpf_etran_load() sets it.
 * @departure_ns: egress, gen; writable: when the packet shall leave, CLOCK_MONOTONIC
 *	     (bpf_ktime_get_ns()); 0 or a time that has passed: now. It leaves at that time or up to
 *	     some 10 us later, never earlier, and packets of one socket in the order of their times,
 *	     equal ones in the order of egress. At most 4 s ahead; more drops it (packet_horizon).
 * @endpoint: egress: id of the sending endpoint, checked. Otherwise 0.
 * @cookie: gen after bpf_etran_load(): what the program gave to bpf_etran_hold()
 * @req: egress: the module's copy of the application's request record. Content not checked.
 */
struct etran_pkt {
	__u32 len;
	__u32 payload_len;
	__u16 hdr_off;
	__u16 hdr_len;
	__u32 link;
	__u64 departure_ns;
	__u32 endpoint;
	__u64 cookie;
	struct etran_req req;
};

/**
 * struct etran_endpoint - context of endpoint_open, endpoint_bind, endpoint_close and endpoint_room
 * @id: the endpoint's id; never reused while anything refers to it
 * @link: id of the link device
 * @uid: effective user id of who opened it, in the first user namespace
 * @addr: local address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d, all zero for any;
 *	  writable in open and bind
 * @port: host byte order; in: asked for (0: choose one); writable in open and bind: what it got
 * @port_least: the lowest port that who opened it may have, where the transport's ports are the host's as those of TCP are:
 *	  net.ipv4.ip_unprivileged_port_start, or with CAP_NET_BIND_SERVICE 0; host byte order
 * @arg: the transport's own; in: from the library, out: to the library; writable in open and bind
 * @flags: ETRAN_ENDPOINT_*
 */
struct etran_endpoint {
	__u32 id;
	__u32 link;
	__u32 uid;
	__be32 addr[4];
	__u16 port;
	__u16 port_least;
	__u64 arg[4];
	__u32 flags;
};

/* struct etran_endpoint.flags */
#define ETRAN_ENDPOINT_SHARED	(1U << 0)	/* of shared streams; endpoint_bind: arg[1] is the tag of the one that asks */

/**
 * struct etran_stream - context of stream_open, stream_close and stream_share
 * @id: number of the stream, in its endpoint
 * @endpoint: id of the endpoint
 * @tag: the transport's own, as the library gave it
 * @read: stream_close: how far the application says that it has read
 * @flags: stream_close: ETRAN_STREAM_* of struct etran_stream_user, as the application wrote them
 * @to_endpoint: stream_share: the endpoint that it has from here on
 * @to_id: stream_share: its number there
 * @segment: stream_share, out: most bytes of payload in one frame, at least 1
 * @sent: stream_share, out: bytes of the stream to the peer that were submitted
 */
struct etran_stream {
	__u32 id;
	__u32 endpoint;
	__u64 tag;
	__u64 read;
	__u32 flags;
	__u32 to_endpoint;
	__u32 to_id;
	__u32 segment;
	__u64 sent;
};

/* bpf_etran_stream_set(): what is so from now on; only the last can be said again. */
#define ETRAN_STREAM_CONNECTED	(1U << 0)	/* data can be sent */
#define ETRAN_STREAM_FIN	(1U << 1)	/* the peer sends no more */
#define ETRAN_STREAM_ENDED	(1U << 2)	/* nothing can be sent or comes any more */
#define ETRAN_STREAM_ERROR	(1U << 3)	/* there is an error to be told */
#define ETRAN_STREAM_ROOM	(1U << 4)	/* frames of it were given back */
/* With ETRAN_STREAM_ERROR: positive errno, for those whose data goes through the file. */
#define ETRAN_STREAM_ERRNO_SHIFT	16

/**
 * struct etran_exit_info - context of exit
 * @kind: enum etran_exit_kind
 * @code: what bpf_etran_error() was given, or the value that was no verdict; otherwise 0
 * @when_ns: CLOCK_BOOTTIME
 * @msg: one sentence, NUL terminated; empty for an orderly unload
 */
struct etran_exit_info {
	__u32 kind;
	__u32 reserved;
	__s64 code;
	__u64 when_ns;
	char msg[ETRAN_EXIT_MSG_LEN];
};

/**
 * struct etran_ops - a transport. struct_ops type of etran.ko, attached by a BPF link.
 *
 * Give it as SEC(".struct_ops.link") struct etran_ops NAME = { ... }.
 */
struct etran_ops {
	/**
	 * @egress: an application submitted a frame (mandatory)
	 * @pkt: the frame; @pkt->req says what is asked, the payload lies behind the headers
	 * @hdr: build the headers here, IP first, ending at ETRAN_HDR_LEN; set hdr_off, hdr_len
	 *
	 * IPv4 fields to set: version/ihl 0x45, tos, ttl, protocol, daddr; the module fills
	 * tot_len, id, frag_off and check. IPv6: version 6, traffic class, flow label, nexthdr,
	 * hop_limit, daddr; the module fills payload_len. saddr 0 takes the preferred source of
	 * the route. The protocol must be the transport's, or ICMP (ICMPv6, whose checksum is
	 * the program's), or TCP as @tcp_urgent says; no options, no extension headers. A TCP
	 * checksum is the module's.
	 * Return: ETRAN_TX, ETRAN_TX | ETRAN_RETAIN, ETRAN_HOLD or ETRAN_DROP.
	 * Context: bottom halves off, in the sender's system call; not two at once for one AF_XDP
	 * socket, but concurrent with everything else.
	 */
	__u32 (*egress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	/**
	 * @ingress: a packet of this IP protocol arrived (mandatory)
	 * @pkt: the packet
	 * @hdr: its first 256 bytes from the IP header on; behind @pkt->len they are undefined.
	 *	 Look at the version first. No IP options, no extension headers, no fragments (the
	 *	 module drops those). Also ICMP destination unreachable, and ICMPv6 destination
	 *	 unreachable, packet too big and unrecognized next header, that quote a packet of this
	 *	 protocol.
	 *
	 * Return: ETRAN_DELIVER, ETRAN_CONSUME, ETRAN_DROP or ETRAN_PASS.
	 * Context: softirq (NAPI), any CPU, several at once.
	 */
	__u32 (*ingress)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	/**
	 * @gen: make a packet that no application sends now (optional)
	 * @pkt: an empty packet; bpf_etran_load() gives it the payload of a held frame
	 * @hdr: as in egress; set @pkt->link too unless bpf_etran_load() did
	 *
	 * Called again and again from a NAPI poll that bpf_etran_gen_kick() scheduled, until it
	 * returns ETRAN_DROP or the budget is used up (then it is called again in the next poll).
	 * Return: ETRAN_TX, ETRAN_CONSUME or ETRAN_DROP.
	 * Context: softirq, any CPU, several at once.
	 */
	__u32 (*gen)(struct etran_pkt *pkt, struct etran_hdr *hdr);
	/**
	 * @endpoint_open: an application opens an endpoint (optional)
	 * Return: 0, or a negative errno that its system call gets.
	 * Context: process, bottom halves off.
	 */
	__s32 (*endpoint_open)(struct etran_endpoint *ep);
	/**
	 * @endpoint_bind: an application wants another address or port (optional)
	 * Return: 0, or a negative errno.
	 * Context: process, bottom halves off.
	 */
	__s32 (*endpoint_bind)(struct etran_endpoint *ep);
	/**
	 * @endpoint_close: the last descriptor of an endpoint was closed (optional)
	 *
	 * Nothing can be delivered to it from here on. Frames of it that the program holds stay
	 * valid and can be sent until it releases them, which it must do in bounded time.
	 * Context: process, bottom halves off.
	 */
	void (*endpoint_close)(struct etran_endpoint *ep);
	/**
	 * @endpoint_room: the application may have receive buffers again (optional)
	 *
	 * Once after bpf_etran_rx_room() found fewer than it was to find at least: when the
	 * application says so, or is about to sleep. Ask again how many there are.
	 * Context: process, bottom halves off; several at once, also for one endpoint.
	 */
	void (*endpoint_room)(struct etran_endpoint *ep);
	/**
	 * @stream_open: an application wants a file for a connection or listener (optional)
	 *
	 * Say with bpf_etran_stream_set() what is so already.
	 * Return: 0, or a negative errno that its system call gets.
	 * Context: process, bottom halves off; several at once, also for one endpoint.
	 */
	__s32 (*stream_open)(struct etran_stream *st);
	/**
	 * @stream_close: the last descriptor of such a file was closed (optional)
	 *
	 * Not called when the endpoint was closed before: endpoint_close ends its streams too.
	 * Context: as stream_open.
	 */
	void (*stream_close)(struct etran_stream *st);
	/**
	 * @stream_share: data of a stream goes through its file from here on (optional)
	 *
	 * The stream's endpoint is another one now, @to_endpoint, and its number @to_id: requests about it come from there, and
	 * payload and records go there, with the number in struct etran_stream_rec. Requests are laid out as struct
	 * etran_stream_req; records without payload are not looked at. bpf_etran_stream_set() there says what is so already,
	 * with the errno of an error; nothing of it is to be said to the old endpoint any more.
	 * Return: 0, or a negative errno: all is as before.
	 * Context: as stream_open.
	 */
	__s32 (*stream_share)(struct etran_stream *st);
	/**
	 * @init: before the transport is attached (optional, may be sleepable)
	 * Return: 0, or a negative errno that refuses the attachment.
	 */
	__s32 (*init)(void);
	/**
	 * @exit: after it was detached: no other program of it runs any more (optional, may be
	 * sleepable), or replaced
	 * @info: why. After ETRAN_EXIT_REPLACE the maps that the successor uses are its own already.
	 *
	 * Held frames have been released, unless it was replaced.
	 */
	void (*exit)(struct etran_exit_info *info);

	/** @version: ETRAN_OPS_VERSION */
	__u32 version;
	/** @flags: ETRAN_OPS_*, or 0 */
	__u32 flags;
	/** @ip_proto: IP protocol number that this transport handles; one transport each */
	__u8 ip_proto;
	/** @name: letters, digits, '-' and '_'; how etranctl and applications call it */
	char name[ETRAN_NAME_LEN];
	/**
	 * @queues: number of packet queues, 0 to 65536. They are named by index and keep their
	 * frames when the programs are replaced.
	 */
	__u32 queues;
	/** @queue_depth: frames that each of them can take, at most 2^20, and 2^22 in all queues */
	__u32 queue_depth;
	/**
	 * @timeout_ms: the transport is ejected when it holds a frame for longer than this without
	 * any function having been called for it, or has it in a packet queue that nobody popped or
	 * peeked at for so long, ms, at most one day; 0: never. What waits for its time is not meant.
	 */
	__u32 timeout_ms;
	/**
	 * @state_version: version of what lies in maps, cookies and queues. Running programs can be
	 * replaced by others of the same version only.
	 */
	__u32 state_version;
	/**
	 * @tcp_urgent: not 0: packets in TCP's clothes, too: TCP segments with the flags SYN and RST
	 * and no others, which TCP never sends, and this urgent pointer (host byte order). The
	 * program sees in the IP header how a packet came, and says there how one leaves: with
	 * protocol 6 it must bear these marks, and the module fills in the TCP checksum, whatever is
	 * in its place. Each value can have one transport; not for one of protocol 6.
	 */
	__u16 tcp_urgent;
};

/**
 * struct etran_filter_pkt - context of filters, read-only
 * @len: length of the IP packet, bytes
 * @link: id of the link device that it came or leaves by
 * @endpoint: egress: id of the endpoint whose frame it is; 0 for a packet that gen made. Otherwise 0.
 * @direction: ETRAN_FILTER_INGRESS or ETRAN_FILTER_EGRESS
 * @ip_proto: IP protocol of the transport; the packet itself may be an ICMP error for it
 */
struct etran_filter_pkt {
	__u32 len;
	__u32 link;
	__u32 endpoint;
	__u8 direction;
	__u8 ip_proto;
};

/**
 * struct etran_filter_ops - a filter: sees the packets of all transports, and may drop them
 *
 * Give it as SEC(".struct_ops.link") struct etran_filter_ops NAME = { ... }. Any number of filters
 * can be attached, each by its own BPF link. A packet that one of them dropped is not shown to the
 * ones behind it. Filters read packets and do not write them; of the functions below they can call
 * bpf_etran_filter_slice() alone.
 */
struct etran_filter_ops {
	/**
	 * @ingress: a packet for a transport arrived (optional, but one of both is mandatory)
	 * @pkt: the packet, checked by the module as for etran_ops.ingress
	 * @hdr: its first 256 bytes from the IP header on, of IPv4 or IPv6: look at the version. What
	 *	 lies behind @pkt->len is zero.
	 *
	 * ICMP errors for a transport come here too, before it gets them.
	 * Return: ETRAN_PASS (go on: next filter, then the transport) or ETRAN_DROP. With any other
	 * value the packet is dropped and the filter is detached.
	 * Context: softirq (NAPI), any CPU, several at once.
	 */
	__u32 (*ingress)(struct etran_filter_pkt *pkt, struct etran_hdr *hdr);
	/**
	 * @egress: a packet is about to be sent (optional, but one of both is mandatory)
	 * @pkt: the packet, complete: headers built and checked, payload copied
	 * @hdr: as above
	 *
	 * Whatever made the packet: egress, gen, or time. Its transport takes a packet that is dropped
	 * here for one that was lost on the way.
	 * Return: as above; ETRAN_PASS sends it once the filters behind agree.
	 * Context: bottom halves off, any CPU, several at once.
	 */
	__u32 (*egress)(struct etran_filter_pkt *pkt, struct etran_hdr *hdr);
	/**
	 * @init: before the filter is attached (optional, may be sleepable)
	 * Return: 0, or a negative errno that refuses the attachment.
	 */
	__s32 (*init)(void);
	/**
	 * @exit: after it was detached: no other program of it runs any more (optional, may be
	 * sleepable)
	 */
	void (*exit)(void);

	/** @version: ETRAN_FILTER_VERSION */
	__u32 version;
	/** @flags: 0 */
	__u32 flags;
	/** @priority: lowest runs first, among equals the one that was attached first */
	__s32 priority;
	/** @name: letters, digits, '-' and '_'; unique among filters */
	char name[ETRAN_NAME_LEN];
};

#pragma clang attribute pop

/**
 * bpf_etran_slice - pointer to bytes of the packet beyond struct etran_hdr
 * @pkt: egress, gen: offset 0 is where the payload begins; ingress: the IP header
 * @off: bytes
 * @rdwr_buf_size: how many, a constant
 * Return: pointer, NULL when not all of it lies within the packet.
 */
extern __u8 *bpf_etran_slice(struct etran_pkt *pkt, __u32 off, const __u32 rdwr_buf_size) __ksym;

/**
 * bpf_etran_filter_slice - filters: pointer to bytes of the packet beyond struct etran_hdr, to read
 * @pkt: the packet
 * @off: bytes from the IP header
 * @rdonly_buf_size: how many, a constant
 * Return: pointer, NULL when not all of it lies within the packet.
 */
extern __u8 *bpf_etran_filter_slice(struct etran_filter_pkt *pkt, __u32 off,
				    const __u32 rdonly_buf_size) __ksym;

/**
 * bpf_etran_hold - egress: take this frame by handle
 * @pkt: the frame
 * @prev: handle of a frame, of whichever socket, that this one follows, or 0. See bpf_etran_next().
 * @cookie: kept with the frame, not 0; comes back from bpf_etran_cookie() and bpf_etran_load()
 *
 * The frame stays in the application's UMEM and is the transport's until bpf_etran_release(). Call
 * it before the handle is stored where another CPU can find it, then return ETRAN_HOLD or
 * ETRAN_TX | ETRAN_RETAIN. With another verdict the module releases the frame again.
 * Return: handle, never 0 on success; 0 when @prev is stale or @pkt is not a frame on egress.
 */
extern __u64 bpf_etran_hold(struct etran_pkt *pkt, __u64 prev, __u64 cookie) __ksym;

/**
 * bpf_etran_load - gen: give this packet the payload of a held frame
 * @pkt: an empty packet
 * @handle: from bpf_etran_hold()
 *
 * Sets payload_len, cookie and link of @pkt; the payload is copied when the packet is sent, or asked
 * for with bpf_etran_slice(). The frame stays held.
 * Return: 0, -ESTALE (no such frame any more), -EINVAL (not in gen, or called twice).
 */
extern int bpf_etran_load(struct etran_pkt *pkt, __u64 handle) __ksym;

/**
 * bpf_etran_load_part - gen: give this packet a part of the payload of a held frame
 * @pkt: an empty packet
 * @handle: from bpf_etran_hold()
 * @from: where the part begins, bytes from the beginning of the payload
 * @len: bytes; 0: all behind @from
 *
 * As bpf_etran_load(), for frames that are longer than what the way to the peer takes, or than the peer wants. In direct
 * mode the part is copied, as headers have no room in front of it.
 * Return: 0, -ESTALE (no such frame any more), -EINVAL (not in gen, called twice, or not all of the part lies in the
 * payload).
 */
extern int bpf_etran_load_part(struct etran_pkt *pkt, __u64 handle, __u32 from, __u32 len) __ksym;

/**
 * bpf_etran_load_next - gen: append the payload of the held frame that is linked behind this packet's last one
 * @pkt: a packet that bpf_etran_load() or bpf_etran_load_part() gave its payload
 * @most: bytes of payload that the packet may have afterwards
 *
 * For streams that were written in small pieces: one packet for several frames. All of the frame or nothing; it stays
 * held. Adds to payload_len; cookie stays the first frame's. The payload is copied at once, in direct mode too.
 * Return: handle of the frame; 0 when nothing was appended: there is no frame (yet), it would be too much, 255 were, or
 * the packet was not loaded.
 */
extern __u64 bpf_etran_load_next(struct etran_pkt *pkt, __u32 most) __ksym;

/**
 * bpf_etran_next - the held frame that was linked behind this one
 * Return: handle, 0 when there is none (yet) or @handle is no frame of this transport (any more).
 */
extern __u64 bpf_etran_next(__u64 handle) __ksym;

/**
 * bpf_etran_cookie - cookie of a held frame
 * Return: the cookie, 0 when @handle is no frame of this transport (any more).
 */
extern __u64 bpf_etran_cookie(__u64 handle) __ksym;

/**
 * bpf_etran_release - give a held frame back to its application
 * Return: 0; -ESTALE (no such frame of this transport any more), -EPERM (the calling program is no
 * member of a transport that is attached: it was unloaded, or reached by a tail call from a timer).
 */
extern int bpf_etran_release(__u64 handle) __ksym;

/**
 * bpf_etran_release_chain - release a frame and all that were linked behind it
 * @handle: the first
 * Return: how many were released; -ESTALE, -EPERM as bpf_etran_release() for @handle itself.
 */
extern int bpf_etran_release_chain(__u64 handle) __ksym;

/**
 * bpf_etran_release_upto - release frames of a chain up to the first one whose cookie is too great
 * @handle: the first
 * @cookie: frames with this or less are released
 *
 * For streams, whose frames end in order: with positions as cookies, all that was acknowledged, in one call. At most 4096.
 * Return: handle of the first that is left; 0: none is, or the chain was broken there by a frame that had ended
 * otherwise. @handle itself when the caller is no program of an attached transport.
 */
extern __u64 bpf_etran_release_upto(__u64 handle, __u64 cookie) __ksym;

/* bpf_etran_send(): flags */
#define ETRAN_SEND_RETAIN	1U

/**
 * bpf_etran_send - send a held frame with the packet that egress built of it
 * @handle: from bpf_etran_hold(); egress had set hdr_off and hdr_len and returned ETRAN_HOLD
 * @departure_ns: when, as in struct etran_pkt; 0: now
 * @flags: 0: the frame ends when it was sent; ETRAN_SEND_RETAIN: it stays held. It has no packet
 *	   then any more: bpf_etran_load() sends it again.
 *
 * From any program and from timers. bpf_etran_release() of a frame that waits takes it back.
 * Return: 0; -ESTALE; -EBUSY (it is in a packet queue, waits, or is being sent); -ENODATA (it has
 * no packet); -ERANGE (too far ahead), -ENOBUFS (too many packets wait), -EINVAL (@flags), -EPERM
 * (called from none of a transport's programs). With an error it is held as before.
 */
extern int bpf_etran_send(__u64 handle, __u64 departure_ns, __u32 flags) __ksym;

/*
 * Packet queues. A transport has as many as its ops say, numbered from 0. They hold frames that it
 * holds; a frame is in one at most, and is not sent or loaded by being there. From any program and
 * from timers, on any CPU.
 */
enum etran_queue_place {
	ETRAN_QUEUE_TAIL,	/* behind all others */
	ETRAN_QUEUE_FRONT,	/* before all others */
	ETRAN_QUEUE_RANK,	/* in between, lowest rank first, equal ones in the order of pushing */
};

/**
 * bpf_etran_queue_push - put a held frame into a packet queue
 * @queue: index of the queue
 * @handle: a held frame that is in no queue
 * @rank: with ETRAN_QUEUE_RANK
 * @flags: enum etran_queue_place
 * @dropped: out, when 1 is returned
 *
 * Return: 0; 1: it was full, and its worst frame was ended to make room, *@dropped was its handle
 * (with ETRAN_OPS_DROP_WORST); -ENOBUFS: it is full, or full of better ones, and the frame is held
 * as before; -ESTALE; -EBUSY: the frame is in a queue already, or on its way; -EINVAL (no such queue,
 * unknown flags: the transport is ejected); -EPERM.
 */
extern int bpf_etran_queue_push(__u32 queue, __u64 handle, __u64 rank, __u32 flags,
				__u64 *dropped) __ksym;

/**
 * bpf_etran_queue_pop - take the first frame out of a packet queue
 * Return: its handle, 0 when the queue is empty or does not exist. The frame is held.
 */
extern __u64 bpf_etran_queue_pop(__u32 queue) __ksym;

/**
 * bpf_etran_queue_peek - the first frame of a packet queue, which stays there
 * @rank: out: its rank, 0 for one that was pushed without
 * Return: its handle, 0 when the queue is empty or does not exist.
 */
extern __u64 bpf_etran_queue_peek(__u32 queue, __u64 *rank) __ksym;

/**
 * bpf_etran_queue_len - how many frames are in a packet queue?
 * Return: frames; -EINVAL (no such queue), -EPERM.
 */
extern int bpf_etran_queue_len(__u32 queue) __ksym;

/**
 * bpf_etran_deliver - ingress: give payload of this packet to an application
 * @pkt: the packet
 * @rec: receive record; its endpoint field says to whom
 * @rec__sz: sizeof(*rec)
 * @off: where the payload begins, bytes from the IP header
 * @len: bytes of payload, 0 for none
 *
 * Copies into a buffer of the application and wakes it. Do not call with a bpf_spin_lock held.
 * Return: 0; -ENOENT (no such endpoint, or closed), -ENOBUFS (it gave no buffer, or does not
 * read: not delivered, the packet may be treated as lost), -EMSGSIZE (larger than its buffers),
 * -EINVAL (@off, @len beyond the packet), -ENETDOWN (its device is gone).
 */
extern int bpf_etran_deliver(struct etran_pkt *pkt, struct etran_rec *rec, __u32 rec__sz,
			     __u32 off, __u32 len) __ksym;

/**
 * bpf_etran_notify - give an application a receive record without payload
 * As bpf_etran_deliver(), callable from every program of the transport and from its timers.
 * Return: as there, and -EPERM as bpf_etran_release().
 */
extern int bpf_etran_notify(struct etran_rec *rec, __u32 rec__sz) __ksym;

/**
 * bpf_etran_rx_room - how many receive buffers has an application given?
 * @endpoint: id of its endpoint
 * @most: do not count further; 1 to 65536
 * @least: with fewer than so many, have endpoint_room called when there may be more; 0: do not
 *
 * Each delivery takes one. For transports that decide how much their peers may send: what has no
 * buffer is lost. Callable from every program of the transport and from its timers; not with a
 * bpf_spin_lock held.
 * Return: buffers, at most @most; -ENOENT (no such endpoint, or closed), -ENETDOWN (its device is
 * gone), -EINVAL (@most, or @least greater), -EOPNOTSUPP (direct mode, where the driver takes buffers,
 * too, and nobody knows), -EPERM as bpf_etran_release().
 */
extern int bpf_etran_rx_room(__u32 endpoint, __u32 most, __u32 least) __ksym;

/**
 * bpf_etran_stream_set - tell the file of a connection or listener what became of it
 * @endpoint: id of the endpoint
 * @stream: number of the stream, of stream_open
 * @tag: its tag: a number can be another's by now
 * @avail: how far deliveries go, as the application counts in struct etran_stream_user.read; only what is more than
 *	   ever before counts, so concurrent calls need no order
 * @set: ETRAN_STREAM_*
 *
 * Wakes who waits for what became true. Deliver first. Not with a bpf_spin_lock held; callable from every program of the
 * transport and from its timers.
 * Return: 0; -ENOENT (no such stream), -EINVAL (@set), -EPERM as bpf_etran_release().
 */
extern int bpf_etran_stream_set(__u32 endpoint, __u32 stream, __u64 tag, __u64 avail,
				__u32 set) __ksym;

/**
 * bpf_etran_gen_kick - have gen called soon, on this CPU
 *
 * From ingress: after the receive poll that runs now, so one burst of packets costs one kick.
 * Callable from every program of the transport and from its timers.
 */
extern void bpf_etran_gen_kick(void) __ksym;

/**
 * bpf_etran_error - have this transport ejected: it found itself in a state that must not be
 * @code: for who reads the record: 'etranctl show' prints it
 * @msg: one sentence, printable ASCII, at most ETRAN_EXIT_MSG_LEN - 1 characters
 * @msg__sz: size of @msg; what lies behind a NUL is not looked at
 *
 * From the next packet on no program is called any more but exit. Callable from every program of
 * the transport but exit, and from its timers; from init it refuses the attachment.
 * Return: 0; -EINVAL (not printable, or too long), -EALREADY (it is being ejected), -EPERM as
 * bpf_etran_release().
 */
extern int bpf_etran_error(__s64 code, const char *msg, __u32 msg__sz) __ksym;

/* The same, as printf(): formats as bpf_snprintf() does. Takes 128 bytes of stack and more. */
#define etran_error(code, fmt, args...)						\
({										\
	char ___text[ETRAN_EXIT_MSG_LEN] = {};					\
										\
	BPF_SNPRINTF(___text, sizeof(___text), fmt, ##args);			\
	bpf_etran_error(code, ___text, sizeof(___text));			\
})

/**
 * bpf_etran_route - is there a way to this destination?
 * @link: id of the link device
 * @daddr: address, network byte order
 * @daddr__sz: its size: 4 for IPv4, 16 for IPv6 (or IPv4 as ::ffff:a.b.c.d)
 *
 * Looks as for a socket that is bound to the link's lower device, in the network namespace of that: the
 * best of the routes over that device counts, also when a better one leads over another; but one that
 * says unreachable, blackhole or prohibit counts too.
 * Return: 0 (also while its neighbour is still being asked for), -EHOSTUNREACH (unreachable, or the
 * kernel's neighbour table is full), -ENETUNREACH (no route, blackhole, prohibit),
 * -EINVAL (no host, this host itself, no such link device, or no size of an address).
 */
extern int bpf_etran_route(__u32 link, const void *daddr, __u32 daddr__sz) __ksym;

/**
 * struct etran_path - answer of bpf_etran_path()
 * @saddr: source address that packets there get when they name none, as of struct etran_pkt
 * @mtu: bytes of IP packet: the route's, or the link device's if that is smaller
 */
struct etran_path {
	__be32 saddr[4];
	__u32 mtu;
};

/**
 * bpf_etran_path - what is known of the way to a destination
 * @link: id of the link device
 * @daddr: address, network byte order
 * @daddr__sz: as of bpf_etran_route()
 * @path: out: struct etran_path
 * @path__sz: its size
 *
 * Looks as bpf_etran_route() does. Return: as there, and -EINVAL for a wrong size.
 */
extern int bpf_etran_path(__u32 link, const void *daddr, __u32 daddr__sz, void *path,
			  __u32 path__sz) __ksym;

/**
 * bpf_etran_too_big - packets to a destination were too long for somebody on the way
 * @link: id of the link device
 * @daddr: address, network byte order
 * @daddr__sz: as of bpf_etran_route()
 * @mtu: what that one takes, bytes, IP header included
 *
 * Tells the kernel's routes, which have it for the path's MTU until it expires (net.ipv4.route.mtu_expires,
 * net.ipv6.route.mtu_expires), for all protocols, and as what bpf_etran_path() tells. They take none that is below
 * net.ipv4.route.min_pmtu or 1280. Anybody can send such an ICMP error: that it quotes what was sent is for the program to
 * see (RFC 5927).
 * Return: the path's MTU from here on; errors as of bpf_etran_route(), -ENOMEM, -EINVAL for an @mtu of 0.
 */
extern int bpf_etran_too_big(__u32 link, const void *daddr, __u32 daddr__sz, __u32 mtu) __ksym;

/**
 * bpf_etran_is_local - has this host that address?
 * @link: id of the link device
 * @addr: address, network byte order
 * @addr__sz: as of bpf_etran_route()
 *
 * For what an application says that it is: packets are received at such an address only, and the module does not look whose
 * the source of a packet is that a program makes.
 * Return: 0: it has; -EADDRNOTAVAIL; -EINVAL (no such link device, or no size of an address).
 */
extern int bpf_etran_is_local(__u32 link, const void *addr, __u32 addr__sz) __ksym;

/**
 * bpf_etran_tcp_checksum - ingress: is the checksum of a TCP segment right?
 * @pkt: the packet, of IP protocol 6
 *
 * Return: 0: it is; 1: it has the pseudo header's sum in it only, as the kernel's stack leaves it to NICs to
 * complete, and a virtual one does not; -EBADMSG: it is wrong; -EINVAL (no TCP segment, not on ingress).
 */
extern int bpf_etran_tcp_checksum(struct etran_pkt *pkt) __ksym;

/**
 * bpf_etran_random - a number that nobody can predict
 *
 * From the kernel's generator for keys; bpf_get_prandom_u32() can be predicted by who sees enough of it.
 */
extern __u64 bpf_etran_random(void) __ksym;

/**
 * bpf_etran_rx - XDP: hand a received frame to the transports
 * Return: XDP action: XDP_PASS for what no transport claims.
 */
extern int bpf_etran_rx(struct xdp_md *ctx) __ksym;

#endif /* _ETRAN_BPF_H */
