/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is known of a connection, all under its lock.
 *
 * Positions. Inside, both directions are counted in 64 bits: position 0 is the SYN, 1 the first byte, and FIN comes
 * behind the last one. A sequence number is the lower half of that plus the initial one, so only the
 * wire knows numbers that wrap, and no comparison here can be wrong about what is older.
 *
 * Two ends. A slot is free again when the protocol is through with the connection (CLOSED) and the application has
 * let go of it (@detached), whichever comes first. So an id that the application holds never is another
 * connection's, and a process that ends costs nothing but what is still to be sent.
 */
#ifndef _TCP_STATE_H
#define _TCP_STATE_H

/* The states of RFC 9293, 3.3.2. LISTEN is a listener's (listen.h). */
enum conn_state {
	CONN_FREE,		/* the slot is free */
	CONN_SYN_SENT,
	CONN_SYN_RCVD,
	CONN_ESTABLISHED,
	CONN_FIN_WAIT_1,
	CONN_FIN_WAIT_2,
	CONN_CLOSE_WAIT,
	CONN_CLOSING,
	CONN_LAST_ACK,
	CONN_TIME_WAIT,
	CONN_CLOSED,		/* the application still has the id */
};

/* What recovery is going on: see recovery.h. */
enum loss_state {
	LOSS_OPEN,
	LOSS_RECOVERY,		/* fast recovery */
	LOSS_TIMEOUT,		/* after a retransmission timeout, or all was too long for the path */
};

/* What gen has to do for a connection. */
enum conn_pending {
	PENDING_SYN	= 1 << 0,	/* SYN, or SYN and ACK */
	PENDING_ACK	= 1 << 1,
	PENDING_DATA	= 1 << 2,	/* data or FIN, new or again, as the windows allow */
	PENDING_PROBE	= 1 << 3,	/* of a closed window */
	PENDING_KEEPALIVE = 1 << 4,
	PENDING_TAIL	= 1 << 5,	/* tail loss probe */
};

/* What an application has still to be told. */
enum conn_report {
	REPORT_OPENED	= 1 << 0,
	REPORT_ERROR	= 1 << 1,
};

#define RCV_RANGES	4
#define SACK_RANGES	6

/**
 * struct range - positions from @start to @end, exclusive; empty when equal
 * @start: first
 * @end: behind the last
 */
struct range {
	__u64 start;
	__u64 end;
};

/**
 * struct conn_options - what an application can choose with ETRAN_TCP_SET; a listener's are its connections' at first
 * @keep_idle_ms: silence before keepalive asks; 0, here and in the next three: the tunable's
 * @keep_interval_ms: between two probes
 * @user_timeout_ms: how long the peer may say nothing of what it must answer
 * @keep_count: probes without answer that end the connection
 * @keepalive: it is wanted
 * @zero: 0
 */
struct conn_options {
	__u32 keep_idle_ms;
	__u32 keep_interval_ms;
	__u32 user_timeout_ms;
	__u8 keep_count;
	__u8 keepalive;
	__u16 zero;
};

/**
 * struct conn_key - names a connection
 * @link: link device
 * @port: local, host byte order
 * @peer_port: host byte order
 * @local: address
 * @peer: address
 */
struct conn_key {
	__u32 link;
	__u16 port;
	__u16 peer_port;
	struct address local;
	struct address peer;
};

/**
 * struct conn - a connection; zero from @endpoint on when it begins
 * @timer: of the slot; see rto.h
 * @lock: guards all but @timer
 * @slot: its index
 * @key: who is connected
 * @generation: tells it from others that had the slot
 * @timer_epoch: which programs the timer calls
 * @armed_ns: when the timer goes off, 0: it rests
 * @endpoint: id of its application's
 * @listener: index of the listener that it came by, 0 for none
 * @state: enum conn_state
 * @detached: the application has let go of it
 * @passive: the peer began it
 * @accepting: a CPU is telling the application of it
 * @accepted: the application has taken it
 * @pending: enum conn_pending; not 0 as long as it is in gen's queue, or in gen's hands
 * @report: enum conn_report
 * @releasing: a CPU is giving frames back
 * @ts_ok: timestamps were negotiated; @sack_ok, @ws_ok, @ecn_ok: likewise
 * @snd_wscale: shift of the windows that the peer tells
 * @rcv_wscale: shift of those that it is told
 * @error: positive errno, with REPORT_ERROR
 * @ack_now: the next ACK must not be left out, even if it says nothing new
 * @unacked: segments since the last ACK
 * @mss: payload of a full segment to the peer; less than @frame_mss when the path turned out to take less
 * @frame_mss: the most that its application puts into a frame
 * @rcv_mss: the same that the peer was told, without options
 * @iss: our initial sequence number; @irs: the peer's
 * @ts_off: what is added to the clock in our timestamps
 * @ts_recent: the peer's newest, for PAWS and to be echoed; @ts_recent_ns: when it came
 * @una: first position that is not acknowledged
 * @nxt: next that was never sent
 * @queued: behind the last byte that the application submitted
 * @fin: FIN comes at @queued
 * @waits: ETRAN_TCP_REQ_NAGLE and ETRAN_TCP_REQ_MORE of the last frame: why less than a segment may wait
 * @small_end: behind the last segment that was not full though it had all that there was, see nagle.h
 * @edge: first position that the peer's window does not allow
 * @max_wnd: its greatest window so far
 * @wl1: position of the segment that the window came from; @wl2: what that acknowledged
 * @out_head: first kept frame; @out_tail: last; @out_last: newest that was sent
 * @rel_first: first frame that was submitted while others are given back
 * @rcv_nxt: first position that is missing
 * @rcv_adv: first that the peer was not told to send
 * @rcv_acked: what it was told to be here
 * @read: what the application has read
 * @rcv_fin: position of the peer's FIN, 0: not known
 * @rcvbuf: what the peer may send beyond @read
 * @ooo: what is here behind @rcv_nxt, the latest first
 * @loss: enum loss_state
 * @dup_acks: duplicate ACKs in a row
 * @recover: recovery ends when this is acknowledged
 * @lost_edge: what is in front of this and neither acknowledged nor in @sacked is lost
 * @rtx: up to here it has been sent again
 * @rtx_cursor: frame sent again last
 * @rescue: no segment goes again on suspicion alone until more than this is acknowledged (RFC 6675, RescueRxt); 0: recovery has sent none
 * @sacked: what the peer has behind @una, the latest first
 * @cc: ETRAN_TCP_CC_*
 * @cwnd: congestion window, bytes; @ssthresh: where slow start ends
 * @cwnd_acked: acknowledged bytes that have not yet made @cwnd grow
 * @cwr_end: the window was reduced for ECN; not again before this is acknowledged
 * @cwr_due: the next new data says CWR
 * @ce: DCTCP.CE, or that a mark has to be echoed until CWR comes
 * @alpha: DCTCP's estimate of the marked share, 1024: all
 * @alpha_end: the present observation ends when this is acknowledged
 * @alpha_acked: bytes acknowledged in it; @alpha_marked: of these with ECE
 * @srtt_us: smoothed round trip times 8; @rttvar_us: its variation times 4; 0: none measured
 * @rto_us: retransmission timeout without backoff
 * @backoff: how often it was doubled
 * @rtt_at: position whose acknowledgement is timed, 0 for none; @rtt_ns: since when
 * @rto_at: when the retransmission timer goes off, ns; 0: not set. Likewise @ack_at: a delayed ACK;
 *	@end_at: TIME_WAIT, and FIN_WAIT_2 without application; @report_at: telling the application
 * @heard_ns: when the peer last made progress
 * @stream: number of its file, 0: it has none (stream.h)
 * @heard_ns: when the peer last made progress; @last_ns: when anything came from it
 * @begun_ns: when it began
 * @soft_error: positive errno that ICMP told of last, 0 for none; @soft_ns: when
 * @opt: what its application wants
 * @keep_probes: keepalive probes without answer
 * @keep_at: when to look whether a probe is due, 0: never
 * @retransmits: segments that were sent again
 * @dsack_start: what came twice, to be told with the next ACK, see dsack.h; @dsack_end: behind it; 0: nothing
 * @tail_at: when a tail loss probe is due, 0: never, see tail.h
 * @tail_end: a probe was sent, and has been acknowledged with this; 0: none was
 * @tail_again: it had nothing new in it
 * @train_ns: until when a train of it may be under way (work.h); @train_cpu: where
 * @cubic_epoch_ns: CUBIC: since when the window grows along its curve, 0: not yet
 * @cubic_w_max: its W_max, bytes; @cubic_w_est: W_est; @cubic_prior: cwnd before the last congestion; @cubic_k_ms: K
 * @pace_ns: when the next segment may leave, see pace.h; @pace_last: when the last one does that had to wait
 */
struct conn {
	struct bpf_timer timer;
	struct bpf_spin_lock lock;
	__u32 slot;
	struct conn_key key;
	__u32 generation;
	__u32 timer_epoch;
	__u64 armed_ns;
	__u32 endpoint;
	__u32 listener;
	__u8 state;
	__u8 detached;
	__u8 passive;
	__u8 accepting;
	__u8 accepted;
	__u8 pending;
	__u8 report;
	__u8 releasing;
	__u8 waits;
	__u8 ts_ok;
	__u8 sack_ok;
	__u8 ws_ok;
	__u8 ecn_ok;
	__u8 snd_wscale;
	__u8 rcv_wscale;
	__u8 fin;
	__u8 loss;
	__u8 cc;
	__u8 ce;
	__u8 cwr_due;
	__u8 backoff;
	__u8 dup_acks;
	__u16 mss;
	__u16 rcv_mss;
	__u16 frame_mss;
	__u16 zero2;
	__u8 ack_now;
	__u8 unacked;
	__u32 error;
	__u32 iss;
	__u32 irs;
	__u32 ts_off;
	__u32 ts_recent;
	__u64 ts_recent_ns;
	__u64 una;
	__u64 nxt;
	__u64 queued;
	__u64 edge;
	__u64 max_wnd;
	__u64 wl1;
	__u64 wl2;
	__u64 out_head;
	__u64 out_tail;
	__u64 out_last;
	__u64 rel_first;
	__u64 small_end;
	__u64 rcv_nxt;
	__u64 rcv_adv;
	__u64 rcv_acked;
	__u64 read;
	__u64 rcv_fin;
	struct range ooo[RCV_RANGES];
	__u64 recover;
	__u64 lost_edge;
	__u64 rtx;
	__u64 rtx_cursor;
	__u64 rescue;
	struct range sacked[SACK_RANGES];
	__u32 rcvbuf;
	__u32 cwnd;
	__u32 ssthresh;
	__u32 cwnd_acked;
	__u64 cwr_end;
	__u64 alpha_end;
	__u32 alpha;
	__u32 alpha_acked;
	__u32 alpha_marked;
	__u32 srtt_us;
	__u32 rttvar_us;
	__u32 rto_us;
	__u64 rtt_at;
	__u64 rtt_ns;
	__u64 rto_at;
	__u64 ack_at;
	__u64 end_at;
	__u64 report_at;
	__u64 heard_ns;
	__u32 stream;
	__u32 zero3;
	__u64 last_ns;
	__u64 begun_ns;
	__u64 soft_ns;
	__u64 keep_at;
	struct conn_options opt;
	__u32 retransmits;
	__u8 keep_probes;
	__u8 tail_again;
	__u16 soft_error;
	__u64 dsack_start;
	__u64 dsack_end;
	__u64 tail_at;
	__u64 tail_end;
	__u64 pace_ns;
	__u64 pace_last;
	__u64 train_ns;
	__u32 train_cpu;
	__u32 zero4;
	__u64 cubic_epoch_ns;
	__u32 cubic_w_max;
	__u32 cubic_w_est;
	__u32 cubic_prior;
	__u32 cubic_k_ms;
};

/* An index below @size, a power of two, so that the verifier sees it whatever the compiler knows. */
#define bounded(index, size)							\
({										\
	__u32 ___index = (index);						\
	barrier_var(___index);							\
	___index & ((size) - 1);						\
})

__u32 conn_generation;

/* What an application calls a connection. */
static __always_inline __u64 conn_id(const struct conn *c)
{
	return (__u64)c->generation << 32 | c->slot;
}

static __always_inline bool conn_lives(const struct conn *c)
{
	return c->state != CONN_FREE && c->state != CONN_CLOSED;
}

/* Has the handshake been completed? */
static __always_inline bool conn_synchronized(const struct conn *c)
{
	return c->state >= CONN_ESTABLISHED && c->state != CONN_CLOSED;
}

/* May data and FIN be sent, for the first time or again? */
static __always_inline bool conn_sends(const struct conn *c)
{
	switch (c->state) {
	case CONN_ESTABLISHED:
	case CONN_CLOSE_WAIT:
	case CONN_FIN_WAIT_1:
	case CONN_CLOSING:
	case CONN_LAST_ACK:
		return true;
	}
	return false;
}

/* May data be received? RFC 9293, 3.10.7.4, seventh. */
static __always_inline bool conn_receives(const struct conn *c)
{
	return c->state == CONN_ESTABLISHED || c->state == CONN_FIN_WAIT_1 ||
	       c->state == CONN_FIN_WAIT_2;
}

static __always_inline __u32 snd_seq(const struct conn *c, __u64 pos)
{
	return c->iss + (__u32)pos;
}

static __always_inline __u32 rcv_seq(const struct conn *c, __u64 pos)
{
	return c->irs + (__u32)pos;
}

/* The position that a sequence number means, of all that have it the one next to @near. May be negative. */
static __always_inline __s64 pos_of(__u32 seq, __u32 initial, __u64 near)
{
	return (__s64)near + (__s32)(seq - (initial + (__u32)near));
}

static __always_inline __u32 ts_now(const struct conn *c, __u64 now)
{
	return (__u32)(now / 1000000) + c->ts_off;
}

/* What the module keeps with a frame: where its payload ends, so that cookies are in the stream's order, and its length, at least 1. */
static __always_inline __u64 frame_cookie(__u64 pos, __u32 len)
{
	return (pos + len) << 16 | len;
}

static __always_inline __u64 cookie_end(__u64 cookie)
{
	return cookie >> 16;
}

static __always_inline __u64 cookie_pos(__u64 cookie)
{
	return (cookie >> 16) - (cookie & 0xffff);
}

/* The greatest cookie of frames that end at @pos or in front of it. */
static __always_inline __u64 cookie_upto(__u64 pos)
{
	return pos << 16 | 0xffff;
}

static __always_inline __u64 min64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static __always_inline __u64 max64(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

#endif /* _TCP_STATE_H */
