/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * What a transport's iterator says of each of its RPCs, connections, or whatever it has under way: for
 * 'etranctl rpc'. bpf/README.md says how a transport offers that.
 */
#ifndef _UAPI_ETRAN_RPC_H
#define _UAPI_ETRAN_RPC_H

#include <linux/types.h>

#define ETRAN_RPC_STATE_LEN	16

/* etran_rpc_record.flags */
#define ETRAN_RPC_SERVER	(1U << 0)	/* it was begun by the peer */

/**
 * struct etran_rpc_record - one RPC
 * @size: sizeof(struct etran_rpc_record) where the transport was built: what comes behind it is the
 *	  next record
 * @flags: ETRAN_RPC_*
 * @id: as the transport calls it at this host
 * @peer: address, network byte order: IPv6, or IPv4 as ::ffff:a.b.c.d
 * @link: id of the link device
 * @endpoint: id of the application's endpoint, 0 for none
 * @peer_port: host byte order
 * @port: at this host, host byte order
 * @error: positive errno that the application has still to be told, 0 for none
 * @age_ns: since it began
 * @quiet_ns: since the peer last said something about it
 * @sent: bytes of the message to the peer that were sent, at least once
 * @send_len: bytes of that message, 0 when there is none yet
 * @received: bytes of the message from the peer that arrived
 * @receive_len: bytes of that message, 0 when nothing of it arrived yet
 * @state: a word of the transport's own, NUL-terminated
 */
struct etran_rpc_record {
	__u32 size;
	__u32 flags;
	__u64 id;
	__be32 peer[4];
	__u32 link;
	__u32 endpoint;
	__u16 peer_port;
	__u16 port;
	__u32 error;
	__u64 age_ns;
	__u64 quiet_ns;
	__u32 sent;
	__u32 send_len;
	__u32 received;
	__u32 receive_len;
	char state[ETRAN_RPC_STATE_LEN];
};

#endif /* _UAPI_ETRAN_RPC_H */
