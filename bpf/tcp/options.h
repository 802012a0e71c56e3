/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A received segment, and its options. Options may stand anywhere and in any order (RFC 9293, MUST-5), unknown ones
 * are skipped (MUST-6), and one with an impossible length ends the list (MUST-7): what came before it counts. The
 * 40 bytes that there can be are copied first, so everything is looked at once and at offsets that the
 * verifier can follow.
 */
#ifndef _TCP_OPTIONS_H
#define _TCP_OPTIONS_H

#define TCP_LEN		20
#define TCP_OPTIONS	40

#define TCP_FIN		0x01
#define TCP_SYN		0x02
#define TCP_RST		0x04
#define TCP_PSH		0x08
#define TCP_ACK		0x10
#define TCP_URG		0x20
#define TCP_ECE		0x40
#define TCP_CWR		0x80

#define OPTION_END	0
#define OPTION_NOP	1
#define OPTION_MSS	2
#define OPTION_WSCALE	3
#define OPTION_SACK_OK	4
#define OPTION_SACK	5
#define OPTION_TS	8

#define OPTION_SACKS	4

/* TCP_OPTIONS, and what lies behind: a power of two, for the verifier. */
#define OPTIONS_ROOM	64

/* RFC 7323, 2.3 */
#define WSCALE_MOST	14

/**
 * struct segment - a received segment, and what became of it
 * @key: whose it is
 * @now: ns
 * @slot: of its connection, 0 for none
 * @listener: without connection: id of the listener that it is for
 * @seq: of its header, host byte order, as all of these
 * @ack: likewise
 * @window: likewise, not scaled
 * @flags: TCP_*
 * @ce: marked by the network
 * @off: where its payload begins, from the IP header
 * @len: bytes of payload
 * @tsval: with @has_ts
 * @tsecr: likewise
 * @mss: of the option, 0 without
 * @has_ts: has timestamps
 * @has_wscale: has @wscale
 * @wscale: at most WSCALE_MOST
 * @sack_ok: SACK is permitted
 * @sacks: entries of @sack
 * @bad: an option was bad
 * @cookie: it brought a SYN cookie back, and says what the SYN said in @mss, @has_wscale, @wscale, @sack_ok
 * @cookie_ecn: likewise: ECN was agreed
 * @twice: some of its payload is here already: see dsack.h
 * @duplicate: it acknowledges nothing new, where something could be
 * @tail: a tail loss probe is out, and before this @flight bytes
 * @flight: see @tail
 * @cubic: so many bytes were acknowledged: see cubic.h
 * @sack: blocks: first sequence number, and the one behind the last
 * @deliver: payload or FIN is for the application: @take bytes behind @skip, which begin at position @pos
 * @accept: the handshake is complete once the application has been told of the connection
 * @fin: FIN comes behind the payload
 * @quiet: nobody is to be told of FIN, as the application has closed
 * @fate: COUNTER_* of the reason why it was not used, COUNTER_MAX: it was
 * @skip: see @deliver
 * @take: see @deliver
 * @pos: see @deliver
 * @options_len: bytes in @options
 * @options_at: of the option that is looked at
 * @options: copied from the header
 */
struct segment {
	struct conn_key key;
	__u64 now;
	__u32 slot;
	__u32 listener;
	__u32 seq;
	__u32 ack;
	__u16 window;
	__u8 flags;
	__u8 ce;
	__u32 off;
	__u32 len;
	__u32 tsval;
	__u32 tsecr;
	__u16 mss;
	__u8 has_ts;
	__u8 has_wscale;
	__u8 wscale;
	__u8 sack_ok;
	__u8 sacks;
	__u8 bad;
	__u8 cookie;
	__u8 cookie_ecn;
	__u8 twice;
	__u8 duplicate;
	__u8 tail;
	__u8 zero[3];
	__u32 cubic;
	__u32 flight;
	struct {
		__u32 start;
		__u32 end;
	} sack[OPTION_SACKS];
	__u8 deliver;
	__u8 accept;
	__u8 fin;
	__u8 quiet;
	__u32 fate;
	__u32 skip;
	__u32 take;
	__u64 pos;
	__u32 options_len;
	__u32 options_at;
	__u8 options[OPTIONS_ROOM + 4];
	__u32 zero3;
};

static __always_inline __u32 option32(const struct segment *s, __u32 at)
{
	at = bounded(at, OPTIONS_ROOM);
	return (__u32)s->options[at] << 24 | (__u32)s->options[at + 1] << 16 |
	       (__u32)s->options[at + 2] << 8 | s->options[at + 3];
}

static __always_inline void option_sack(struct segment *s, __u32 at, __u32 len)
{
	__u32 n = (len - 2) / 8, i;

	s->sacks = 0;
	for (i = 0; i < OPTION_SACKS; i++) {
		if (i >= n)
			break;
		s->sack[i].start = option32(s, at + 2 + 8 * i);
		s->sack[i].end = option32(s, at + 6 + 8 * i);
		s->sacks = i + 1;
	}
}

/* The option of @kind at @at, which has @len bytes, all of them there. */
static __always_inline void option_take(struct segment *s, __u32 kind, __u32 at, __u32 len)
{
	__u32 word = option32(s, at);

	switch (kind) {
	case OPTION_MSS:
		if (len == 4 && s->flags & TCP_SYN)
			s->mss = word;
		break;
	case OPTION_WSCALE:
		if (len == 3 && s->flags & TCP_SYN) {
			s->has_wscale = 1;
			s->wscale = word >> 8;
			if (s->wscale > WSCALE_MOST)
				s->wscale = WSCALE_MOST;
		}
		break;
	case OPTION_SACK_OK:
		if (len == 2 && s->flags & TCP_SYN)
			s->sack_ok = 1;
		break;
	case OPTION_SACK:
		if (len >= 10 && !((len - 2) % 8) && !(s->flags & TCP_SYN))
			option_sack(s, at, len);
		break;
	case OPTION_TS:
		if (len == 10) {
			s->has_ts = 1;
			s->tsval = option32(s, at + 2);
			s->tsecr = option32(s, at + 6);
		}
		break;
	}
}

/* Where it is stands in memory, so that one look at a turn is enough for the verifier (bpf/README.md). */
__noinline int options_parse(struct segment *s)
{
	__u32 at, len, kind;
	int i;

	if (!s)
		return 0;
	/* What nearly every segment has: RFC 7323, appendix A. */
	if (s->options_len == 12 && option32(s, 0) == 0x0101080a) {
		s->has_ts = 1;
		s->tsval = option32(s, 4);
		s->tsecr = option32(s, 8);
		return 0;
	}
	s->options_at = 0;
	bpf_for(i, 0, TCP_OPTIONS) {
		at = s->options_at;
		if (at >= s->options_len || at >= TCP_OPTIONS)
			return 0;
		kind = s->options[bounded(at, OPTIONS_ROOM)];
		if (kind == OPTION_END)
			return 0;
		if (kind == OPTION_NOP) {
			s->options_at = at + 1;
			continue;
		}
		if (at + 1 >= s->options_len || at + 1 >= TCP_OPTIONS)
			break;
		len = s->options[bounded(at + 1, OPTIONS_ROOM)];
		if (len < 2 || at + len > s->options_len)
			break;
		option_take(s, kind, at, len);
		s->options_at = at + len;
	}
	s->bad = 1;
	return 0;
}

#endif /* _TCP_OPTIONS_H */
