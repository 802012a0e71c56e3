/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A channel without a kernel. It keeps what the library sends until the test looks, delivers what
 * the test gives, and gives frames back when the test says so; poll() works on its endpoint.
 */
#ifndef FAKE_CHANNEL_H
#define FAKE_CHANNEL_H

#include <homa.h>

/**
 * struct fake_frame - a frame that the library gave to the kernel
 * @req: its request record
 * @homa: Homa's part of it
 * @len: bytes of payload
 * @data: payload
 */
struct fake_frame {
	struct etran_req req;
	struct homa_req homa;
	uint32_t len;
	uint8_t data[ETRAN_FRAME_SIZE];
};

#define FAKE_FIRST_ID	1000
#define FAKE_ENDPOINT	7
#define FAKE_PORT	0x8001
#define FAKE_RX_FRAMES	2048

/* Each socket that the library makes has a channel; the tests speak to the last one. */

/**
 * fake_sent() - the next frame that the library queued
 * @f: copy of it
 * Return: false when there is none.
 */
bool fake_sent(struct fake_frame *f);

/** fake_waiting() - how many frames the library queued and told nobody of */
unsigned int fake_waiting(void);

/**
 * fake_release() - give all frames back that were queued so far, as a transport does when its peer
 * has acknowledged them
 */
void fake_release(void);

/**
 * fake_deliver() - a record arrives
 * @type: enum homa_rec_type
 * @rec: Homa's part
 * @data: payload of rec->len bytes
 * Return: false when the library gave no buffers.
 */
bool fake_deliver(unsigned int type, const struct homa_rec *rec, const void *data);

/**
 * fake_raw() - a frame arrives that is no proper record
 * @frame: its bytes
 * @len: how many
 */
void fake_raw(const void *frame, uint32_t len);

/** fake_rx_queued() - frames that the library has not taken yet */
unsigned int fake_rx_queued(void);

/** fake_rx_buffers() - frames that the kernel could receive into */
unsigned int fake_rx_buffers(void);

/** fake_given() - how often the library said that it gave buffers back */
unsigned int fake_given(void);

/** fake_sleeps() - how often a thread slept in etran_rx_wait() */
unsigned int fake_sleeps(void);

/** fake_ready() - what etran_endpoint_ready() was told last */
int fake_ready(void);

/** fake_waits() - how many threads are in etran_tx_wait() */
int fake_waits(void);

/**
 * fake_status() - change the status page
 * @flags: ETRAN_STATUS_*
 * @mtu: MTU
 */
void fake_status(uint32_t flags, uint32_t mtu);

/** fake_while_closing() - call @f whenever a channel is about to be closed; NULL: do not */
void fake_while_closing(void (*f)(void));

#endif /* FAKE_CHANNEL_H */
