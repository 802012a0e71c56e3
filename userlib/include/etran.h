/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * libetran, the part that is the same for all transports: channels and endpoints.
 *
 * A channel is an AF_XDP socket with its memory (UMEM), bound to a queue of an etran link device, or, in direct
 * mode, to one of the NIC below it. An endpoint is a transport's socket on it. A library for one transport, such as <homa.h>, is
 * written on top of these calls; an application rarely needs them itself.
 *
 * A channel is not thread-safe: its user locks. Different channels share nothing.
 * All calls that fail set errno and leave a sentence for etran_strerror_detail().
 */
#ifndef ETRAN_H
#define ETRAN_H

#include <stddef.h>
#include <stdint.h>
#include <linux/etran.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ETRAN_API
#define ETRAN_API __attribute__((visibility("default")))
#endif

/* Size of a frame in the UMEM, struct etran_req or struct etran_rec included. */
#define ETRAN_FRAME_SIZE	2048U
/*
 * Most payload that a received frame can carry: AF_XDP keeps the first 256 bytes of a receive
 * buffer for itself. A transport must not let a peer send larger packets than this.
 */
#define ETRAN_MAX_PAYLOAD	(ETRAN_FRAME_SIZE - 256U - (uint32_t)sizeof(struct etran_rec))

/**
 * etran_library_version() - version of this library
 *
 * Return: text such as "0.1.0".
 * Context: any.
 */
ETRAN_API const char *etran_library_version(void);

/**
 * etran_kernel_version() - version of the loaded module
 * @version: filled in
 *
 * Return: 0, or -1 with errno ENOENT (module not loaded), EACCES, or the system call's.
 * Context: any thread.
 */
ETRAN_API int etran_kernel_version(struct etran_version *version);

/**
 * etran_strerror_detail() - why the last failed call of this library failed
 *
 * Names the cause and the cure where errno alone cannot ("no link device in this network namespace;
 * create one with: etranctl load ... --dev IF").
 *
 * Return: a sentence, "" when no call of this thread has failed yet. Valid until the thread's next
 * failing call.
 * Context: any thread; each has its own.
 */
ETRAN_API const char *etran_strerror_detail(void);

struct etran_channel;

/**
 * struct etran_channel_config - what etran_channel_open() is asked for
 * @size: sizeof(struct etran_channel_config), so that it can grow
 * @device: name of a link device or of the device below it; NULL takes $ETRAN_DEV, and without
 *	    that the first link device of the network namespace
 * @tx_frames: frames to send from, a power of two in 64..65536; 0 takes $ETRAN_TX_FRAMES or 4096
 * @rx_frames: frames to receive into, likewise; 0 takes $ETRAN_RX_FRAMES or 2048. On a queue of the NIC ($ETRAN_NIC_QUEUES)
 *	       at least twice as many as its receive ring has slots, as the driver keeps that full
 */
struct etran_channel_config {
	size_t size;
	const char *device;
	uint32_t tx_frames;
	uint32_t rx_frames;
};

/**
 * etran_channel_open() - AF_XDP socket and UMEM on a free queue of a link device
 * @config: wishes; NULL for all defaults
 *
 * $ETRAN_NIC_QUEUES, "N" or "N-M", asks for direct mode: the first free one of these queues of the NIC below the link
 * device, zero-copy where its driver can. That needs a kernel with etran's patches (module/README.md).
 *
 * Raises RLIMIT_MEMLOCK when it may. A queue whose owner was killed a moment ago is busy for some
 * milliseconds: another one is taken then.
 *
 * Return: the channel, or NULL with errno: ENOENT (module not loaded), EACCES (/dev/etran may not
 * be opened), EPROTO (module of another version), ENODEV (no such link device), EPERM (no
 * CAP_NET_RAW), ENOBUFS (RLIMIT_MEMLOCK), EBUSY (all queues in use), EINVAL (@config, the environment),
 * EOPNOTSUPP (the kernel has no direct mode), ENOMEM.
 * Context: any thread.
 */
ETRAN_API struct etran_channel *etran_channel_open(const struct etran_channel_config *config);

/**
 * etran_channel_close() - undo etran_channel_open()
 * @ch: the channel; NULL is ignored
 *
 * Frames that were given to the kernel still arrive. Endpoints must have been closed before.
 * Context: not concurrent with any other call on @ch.
 */
ETRAN_API void etran_channel_close(struct etran_channel *ch);

/**
 * etran_channel_fd() - the AF_XDP socket
 * @ch: the channel
 *
 * Return: its descriptor, owned by the channel; POLLIN says that a frame was received.
 */
ETRAN_API int etran_channel_fd(const struct etran_channel *ch);

/**
 * etran_channel_link() - the link device of a channel
 * @ch: the channel
 * Return: what the kernel said of it when the channel was opened. Lives as long as @ch.
 */
ETRAN_API const struct etran_link_info *etran_channel_link(const struct etran_channel *ch);

/**
 * etran_channel_queue() - the queue that a channel is bound to, of the link device or of the NIC
 * @ch: the channel
 * Return: its number.
 */
ETRAN_API uint32_t etran_channel_queue(const struct etran_channel *ch);

/**
 * etran_channel_tx_frames() - how many frames a channel sends from
 * @ch: the channel
 * Return: the number, free and used ones.
 */
ETRAN_API uint32_t etran_channel_tx_frames(const struct etran_channel *ch);

/**
 * etran_channel_rx_frames() - how many frames a channel receives into
 * @ch: the channel
 * Return: the number, free and used ones.
 */
ETRAN_API uint32_t etran_channel_rx_frames(const struct etran_channel *ch);

/**
 * etran_endpoint_attach() - open an endpoint of a transport on a channel
 * @ch: the channel; it can have one endpoint at a time
 * @arg: transport, flags, addr, port and arg as wished; xsk_fd is filled in. Answers as in
 *	 struct etran_endpoint_open.
 *
 * The descriptor is always close-on-exec: it is of no use to another program.
 *
 * Return: the endpoint's descriptor, or -1 with errno: EPROTONOSUPPORT (no such transport is
 * loaded), EALREADY (@ch has an endpoint), what the transport says (EADDRINUSE ...).
 */
ETRAN_API int etran_endpoint_attach(struct etran_channel *ch, struct etran_endpoint_open *arg);

/**
 * etran_endpoint_detach() - close the endpoint of a channel
 * @ch: the channel
 *
 * close() alone would leave the endpoint open: its mapping refers to it too.
 */
ETRAN_API void etran_endpoint_detach(struct etran_channel *ch);

/**
 * etran_endpoint_status() - the status page of a channel's endpoint
 * @ch: the channel, with an endpoint
 *
 * Return: the page, which the kernel writes at any time; read each field once, with an atomic load.
 */
ETRAN_API const struct etran_status *etran_endpoint_status(const struct etran_channel *ch);

/**
 * etran_endpoint_bind_port() - ask the transport for another address or port
 * @ch: the channel, with an endpoint
 * @arg: see struct etran_endpoint_bind
 *
 * Return: 0, or -1 with errno EOPNOTSUPP or what the transport says (EADDRINUSE, EINVAL ...).
 */
ETRAN_API int etran_endpoint_bind_port(struct etran_channel *ch, struct etran_endpoint_bind *arg);

/**
 * etran_endpoint_ready() - make the endpoint pollable although nothing is in the RX ring
 * @ch: the channel, with an endpoint
 * @ready: non-zero while the library holds something back that its user can take
 *
 * Return: 0, or -1 with errno from the system call.
 */
ETRAN_API int etran_endpoint_ready(struct etran_channel *ch, int ready);

/* No frame: end of a chain. */
#define ETRAN_NO_FRAME	UINT32_MAX

/**
 * struct etran_chain - frames of one message, in the order in which they were queued
 * @head: first frame, ETRAN_NO_FRAME in an empty chain
 * @tail: last frame
 * @count: how many
 */
struct etran_chain {
	uint32_t head;
	uint32_t tail;
	uint32_t count;
};

/* Initial value of a struct etran_chain. */
#define ETRAN_CHAIN_INIT	{ ETRAN_NO_FRAME, ETRAN_NO_FRAME, 0 }

/**
 * etran_tx_free() - frames that could be taken now
 * @ch: the channel
 * Return: the number.
 */
ETRAN_API uint32_t etran_tx_free(const struct etran_channel *ch);

/**
 * etran_tx_frame() - take a free frame, put it at the end of a chain
 * @ch: the channel
 * @chain: belongs to @ch alone
 *
 * Return: ETRAN_FRAME_SIZE bytes, to begin with a struct etran_req; NULL when no frame is free
 * (etran_tx_free() is 0).
 */
ETRAN_API void *etran_tx_frame(struct etran_channel *ch, struct etran_chain *chain);

/**
 * etran_tx_queue() - give the last frame of a chain to the kernel
 * @ch: the channel
 * @chain: from etran_tx_frame()
 * @len: bytes in the frame, struct etran_req included
 *
 * Nothing is sent before etran_tx_kick(), which several frames can share.
 */
ETRAN_API void etran_tx_queue(struct etran_channel *ch, const struct etran_chain *chain,
			      uint32_t len);

/**
 * etran_tx_kick() - have the kernel send what was queued
 * @ch: the channel, with an endpoint
 *
 * The kernel may keep descriptors for later when too much is held already; it goes on by itself.
 *
 * Return: 0, or -1 with errno ENETDOWN (the device is down or gone). What was queued stays queued.
 */
ETRAN_API int etran_tx_kick(struct etran_channel *ch);

/**
 * etran_tx_pending() - has the kernel not read all of what was queued?
 * @ch: the channel
 *
 * After etran_tx_kick() only when the device is down, or has no room.
 * Return: non-zero when it has not.
 */
ETRAN_API int etran_tx_pending(const struct etran_channel *ch);

/**
 * etran_tx_reclaim() - take back the frames of a chain that the kernel needs no longer
 * @ch: the channel
 * @chain: shortened from its beginning
 *
 * Looks at frames in order and stops at the first that is still in use.
 *
 * Return: how many are left in @chain.
 */
ETRAN_API uint32_t etran_tx_reclaim(struct etran_channel *ch, struct etran_chain *chain);

/**
 * etran_tx_wait() - sleep until the kernel gave frames back
 * @ch: the channel, with an endpoint. This call alone may run beside others on the same channel.
 * @released: etran_status.released, read *before* etran_tx_reclaim() found too little
 * @timeout_ms: at most so long; -1 for ever
 *
 * Return: 0, or -1 with errno EAGAIN (time is over), EINTR, ENODEV (nothing will come back).
 */
ETRAN_API int etran_tx_wait(struct etran_channel *ch, uint32_t released, int timeout_ms);

/**
 * etran_rx_peek() - the oldest received frame
 * @ch: the channel
 * @len: bytes in it, at least sizeof(struct etran_rec)
 *
 * Return: the frame, beginning with a struct etran_rec; the memory is valid until etran_rx_pop().
 * NULL when there is none.
 */
ETRAN_API const void *etran_rx_peek(struct etran_channel *ch, uint32_t *len);

/**
 * etran_rx_pop() - give the frame of etran_rx_peek() back to the kernel
 * @ch: the channel
 */
ETRAN_API void etran_rx_pop(struct etran_channel *ch);

/**
 * etran_rx_keep() - take the frame of etran_rx_peek() out of the ring and keep it
 * @ch: the channel
 *
 * Its memory stays valid until etran_rx_give(); the kernel has a buffer less until then.
 * Return: the frame's number, below etran_channel_rx_frames().
 */
ETRAN_API uint32_t etran_rx_keep(struct etran_channel *ch);

/**
 * etran_rx_frame() - which frame does memory lie in?
 * @ch: the channel
 * @p: any address; it is not looked at
 *
 * Return: number of the frame to receive into that @p is in, ETRAN_NO_FRAME when it is in none.
 */
ETRAN_API uint32_t etran_rx_frame(const struct etran_channel *ch, const void *p);

/**
 * etran_rx_give() - give a frame of etran_rx_keep() back to the kernel
 * @ch: the channel
 * @frame: its number
 *
 * After the last of several call etran_rx_given().
 * Return: 0, or -1 with errno EINVAL (it is not kept).
 */
ETRAN_API int etran_rx_give(struct etran_channel *ch, uint32_t frame);

/**
 * etran_rx_given() - tell a transport that waits for buffers that there are some
 * @ch: the channel
 *
 * Enters the kernel only when it does wait.
 */
ETRAN_API void etran_rx_given(struct etran_channel *ch);

/**
 * etran_rx_delivered() - a number that changes when something was put into the RX ring
 * @ch: the channel, with an endpoint. This call may run beside others on the same channel.
 *
 * etran_rx_wake() changes it, too. Costs no system call.
 * Return: the number, to be read *before* etran_rx_peek() finds nothing; wraps.
 */
ETRAN_API uint32_t etran_rx_delivered(const struct etran_channel *ch);

/**
 * etran_rx_wait() - sleep until something was received
 * @ch: the channel, with an endpoint. This call may run beside others on the same channel.
 * @delivered: etran_rx_delivered(), read *before* etran_rx_peek() found nothing
 * @flags: ETRAN_WAIT_*
 * @timeout_ms: at most so long; -1 for ever
 *
 * etran_endpoint_ready() ends it too (unless @flags say no), and etran_rx_wake().
 *
 * Return: 0, or -1 with errno EAGAIN (time is over; or it would sleep, and the endpoint has
 * O_NONBLOCK), EINTR, ENODEV (nothing will come any more).
 */
ETRAN_API int etran_rx_wait(struct etran_channel *ch, uint32_t delivered, uint32_t flags,
			    int timeout_ms);

/**
 * etran_rx_wake() - end all etran_rx_wait() on a channel
 * @ch: the channel, with an endpoint. This call may run beside others on the same channel.
 *
 * Counts as a delivery: one that is about to sleep does not.
 * Return: 0, or -1 with errno from the system call.
 */
ETRAN_API int etran_rx_wake(struct etran_channel *ch);

#ifdef __cplusplus
}
#endif

#endif /* ETRAN_H */
