/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parameters: default, least and greatest value, unit, meaning, as 'etranctl show' prints them. All can be
 * changed while TCP runs; connections keep what they negotiated. What a value outside of its range could do
 * harm with is read with etran_bounded(). Defaults are Linux's where it has the same.
 */
#ifndef _TCP_TUNABLES_H
#define _TCP_TUNABLES_H

/* Connections at a time, a power of two. */
#ifndef TCP_MAX_CONNS
#define TCP_MAX_CONNS		16384
#endif
/* Listeners at a time, a power of two. */
#define TCP_MAX_LISTENERS	1024

ETRAN_LIVE(__u8, tcp_cc, 2, 1, 3, "",
	   "congestion control where a socket does not say: 1 NewReno, 2 DCTCP, 3 CUBIC");
ETRAN_LIVE(__u8, tcp_ecn, 1, 0, 1, "",
	   "1: ask for ECN, and agree to it; without it DCTCP is NewReno");
ETRAN_LIVE(__u8, tcp_timestamps, 1, 0, 1, "",
	   "1: offer timestamps, and accept them");
ETRAN_LIVE(__u8, tcp_sack, 1, 0, 1, "",
	   "1: offer selective acknowledgements, and accept them");
ETRAN_LIVE(__u8, tcp_window_scaling, 1, 0, 1, "",
	   "1: offer window scaling, and accept it");
ETRAN_LIVE(__u8, tcp_checksum, 1, 0, 1, "",
	   "1: compute the checksum of what arrives; 0: the NIC drops wrong ones");
ETRAN_LIVE(__u8, tcp_partial_checksum, 1, 0, 1, "",
	   "1: accept what the kernel left to a NIC to complete and a virtual one did not");
ETRAN_LIVE(__u32, tcp_rcvbuf, 262144, 4096, 8388608, "bytes",
	   "receive buffer of a connection where its socket does not say");
ETRAN_LIVE(__u32, tcp_initcwnd, 10, 1, 1000, "segments",
	   "what a new connection may have in flight");
ETRAN_LIVE(__u32, tcp_rto_initial_us, 1000000, 1000, 60000000, "us",
	   "retransmission timeout before a round trip was measured");
ETRAN_LIVE(__u32, tcp_rto_min_us, 200000, 100, 60000000, "us",
	   "least retransmission timeout; RFC 6298 wants 1 s");
ETRAN_LIVE(__u32, tcp_rto_max_us, 120000000, 1000000, 600000000, "us",
	   "greatest retransmission timeout, backoff included");
ETRAN_LIVE(__u32, tcp_delack_us, 40000, 100, 499999, "us",
	   "how long an ACK may wait for company");
ETRAN_LIVE(__u8, tcp_tlp, 1, 0, 1, "",
	   "1: probe for the loss of the last segments of a flight (RFC 8985, 7)");
ETRAN_LIVE(__u32, tcp_tlp_min_us, 10000, 100, 1000000, "us",
	   "least time until that");
ETRAN_LIVE(__u8, tcp_pacing, 1, 0, 1, "",
	   "1: spread what is sent over the round trip time");
ETRAN_LIVE(__u32, tcp_pacing_min_rtt_us, 2000, 0, 60000000, "us",
	   "but not over a shorter one");
ETRAN_LIVE(__u8, tcp_syncookies, 1, 0, 2, "",
	   "1: answer SYNs with cookies when a backlog is full; 2: always; 0: never");
ETRAN_LIVE(__u32, tcp_syn_timeout_ms, 180000, 100, 3600000, "ms",
	   "a handshake of ours that got no answer for so long is given up");
ETRAN_LIVE(__u32, tcp_synack_timeout_ms, 63000, 100, 3600000, "ms",
	   "the same of one that a peer began");
ETRAN_LIVE(__u32, tcp_user_timeout_ms, 900000, 100, 86400000, "ms",
	   "a connection whose data gets no acknowledgement for so long is given up");
ETRAN_LIVE(__u32, tcp_keepalive_idle_ms, 7200000, 1, 2000000000, "ms",
	   "where a connection asks for keepalive: how long the peer may be silent");
ETRAN_LIVE(__u32, tcp_keepalive_interval_ms, 75000, 1, 2000000000, "ms",
	   "time between keepalive probes");
ETRAN_LIVE(__u32, tcp_keepalive_count, 9, 1, 127, "probes",
	   "a peer that answers none of so many keepalive probes is gone");
ETRAN_LIVE(__u32, tcp_time_wait_ms, 60000, 1, 600000, "ms",
	   "2 MSL");
ETRAN_LIVE(__u32, tcp_fin_timeout_ms, 60000, 1, 600000, "ms",
	   "how long a connection that its application has closed waits for the peer's FIN");
ETRAN_LIVE(__u32, tcp_backlog, 4096, 1, 65535, "connections",
	   "most that one listener may have waiting, whatever it asked for");
ETRAN_LIVE(__u32, tcp_challenge_acks, 1000, 1, 1000000, "packets/s",
	   "ACKs in answer to what may be an attack, and RSTs");
ETRAN_LIVE(__u16, tcp_port_min, 61000, 1024, 65535, "",
	   "first local port for connections; outside of net.ipv4.ip_local_port_range");
ETRAN_LIVE(__u16, tcp_port_max, 65535, 1024, 65535, "",
	   "last of them");

static __always_inline __u64 ms_ns(__u32 ms)
{
	return ms * 1000000ULL;
}

static __always_inline __u64 us_ns(__u32 us)
{
	return us * 1000ULL;
}

#endif /* _TCP_TUNABLES_H */
