// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "../../userlib/channel.h"
#include "../../userlib/error.h"
#include "fake_channel.h"

#define RX_FRAMES	FAKE_RX_FRAMES
#define TX_DEFAULT	4096

enum { FREE, TAKEN, QUEUED, RELEASED };

struct etran_channel {
	pthread_mutex_t lock;
	struct etran_status status;
	struct etran_link_info link;
	int endpoint;
	int xsk;
	uint32_t tx_frames;
	uint8_t (*frames)[ETRAN_FRAME_SIZE];
	uint32_t *next;
	uint32_t *len;
	uint8_t *state;
	uint32_t *order;	/* queued frames, for fake_sent() */
	uint32_t order_head, order_tail;
	uint32_t kicked;	/* order_tail when the kernel was told to look */
	uint32_t free;
	struct { uint32_t len; uint8_t data[ETRAN_FRAME_SIZE]; } rx[RX_FRAMES];
	uint32_t rx_ring[RX_FRAMES];
	uint32_t rx_head, rx_tail;
	uint32_t fill_ring[RX_FRAMES];
	uint32_t fill_head, fill_tail;
	bool kept[RX_FRAMES];
	unsigned int given;
	unsigned int sleeps;
	int ready;
	int waits;
	uint32_t changes;	/* that etran_rx_wait() looks for */
};

static struct etran_channel *current;
static void (*while_closing)(void);

void fake_while_closing(void (*f)(void))
{
	while_closing = f;
}

static void set_level(int fd, bool on)
{
	uint64_t one = 1, n;

	if (on)
		on = write(fd, &one, sizeof(one)) > 0;
	else
		on = read(fd, &n, sizeof(n)) > 0;
}

static void changed(struct etran_channel *ch)
{
	__atomic_add_fetch(&ch->changes, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &ch->changes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

struct etran_channel *etran_channel_open(const struct etran_channel_config *config)
{
	struct etran_channel *ch = calloc(1, sizeof(*ch));
	const char *env = getenv("ETRAN_TX_FRAMES");
	uint32_t i;

	(void)config;
	pthread_mutex_init(&ch->lock, NULL);
	ch->tx_frames = env ? atoi(env) : TX_DEFAULT;
	ch->frames = calloc(ch->tx_frames, ETRAN_FRAME_SIZE);
	ch->next = calloc(ch->tx_frames, sizeof(uint32_t));
	ch->len = calloc(ch->tx_frames, sizeof(uint32_t));
	ch->state = calloc(ch->tx_frames, 1);
	ch->order = calloc(ch->tx_frames + 1, sizeof(uint32_t));
	for (i = 0; i < ch->tx_frames; i++)
		ch->state[i] = FREE;
	ch->free = ch->tx_frames;
	for (i = 0; i < RX_FRAMES; i++)
		ch->fill_ring[ch->fill_tail++] = i;
	ch->status.mtu = 1500;
	strcpy(ch->link.lower_name, "fake0");
	ch->endpoint = -1;
	ch->xsk = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	__atomic_store_n(&current, ch, __ATOMIC_RELEASE);
	return ch;
}

void etran_channel_close(struct etran_channel *ch)
{
	struct etran_channel *me = ch;

	if (!ch)
		return;
	if (while_closing)
		while_closing();
	__atomic_compare_exchange_n(&current, &me, NULL, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	etran_endpoint_detach(ch);
	close(ch->xsk);
	free(ch->frames);
	free(ch->next);
	free(ch->len);
	free(ch->state);
	free(ch->order);
	free(ch);
}

int etran_channel_fd(const struct etran_channel *ch)
{
	return ch->xsk;
}

const struct etran_link_info *etran_channel_link(const struct etran_channel *ch)
{
	return &ch->link;
}

uint32_t etran_channel_tx_frames(const struct etran_channel *ch)
{
	return ch->tx_frames;
}

uint32_t etran_channel_rx_frames(const struct etran_channel *ch)
{
	(void)ch;
	return RX_FRAMES;
}

int etran_endpoint_attach(struct etran_channel *ch, struct etran_endpoint_open *arg)
{
	ch->endpoint = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	arg->id = FAKE_ENDPOINT;
	arg->port = FAKE_PORT;
	arg->arg[0] = FAKE_FIRST_ID;
	/* An eventfd that never blocks, but O_NONBLOCK as the caller wants it. */
	fcntl(ch->endpoint, F_SETFL, arg->flags & O_NONBLOCK);
	return ch->endpoint;
}

void etran_endpoint_lost(struct etran_channel *ch)
{
	ch->endpoint = -1;
}

void etran_endpoint_detach(struct etran_channel *ch)
{
	if (ch->endpoint >= 0)
		close(ch->endpoint);
	ch->endpoint = -1;
}

const struct etran_status *etran_endpoint_status(const struct etran_channel *ch)
{
	return &ch->status;
}

int etran_endpoint_bind_port(struct etran_channel *ch, struct etran_endpoint_bind *arg)
{
	(void)ch;
	if (arg->port == 13)
		return etran_fail(EADDRINUSE, "in use");
	return 0;
}

int etran_endpoint_ready(struct etran_channel *ch, int ready)
{
	pthread_mutex_lock(&ch->lock);
	__atomic_store_n(&ch->ready, ready, __ATOMIC_RELEASE);
	changed(ch);
	/* First non-zero: without O_NONBLOCK, reading 0 from an eventfd blocks. */
	set_level(ch->endpoint, true);
	if (!ready && ch->rx_head == ch->rx_tail)
		set_level(ch->endpoint, false);
	pthread_mutex_unlock(&ch->lock);
	return 0;
}

uint32_t etran_tx_free(const struct etran_channel *ch)
{
	return ch->free;
}

void *etran_tx_frame(struct etran_channel *ch, struct etran_chain *chain)
{
	uint32_t f;

	pthread_mutex_lock(&ch->lock);
	for (f = 0; f < ch->tx_frames && ch->state[f] != FREE; f++)
		;
	if (f < ch->tx_frames) {
		ch->state[f] = TAKEN;
		ch->free--;
		if (chain->count++)
			ch->next[chain->tail] = f;
		else
			chain->head = f;
		chain->tail = f;
	}
	pthread_mutex_unlock(&ch->lock);
	return f < ch->tx_frames ? ch->frames[f] : NULL;
}

void etran_tx_queue(struct etran_channel *ch, const struct etran_chain *chain, uint32_t len)
{
	uint32_t f = chain->tail;

	pthread_mutex_lock(&ch->lock);
	ch->len[f] = len;
	ch->state[f] = QUEUED;
	ch->order[ch->order_tail++ % (ch->tx_frames + 1)] = f;
	pthread_mutex_unlock(&ch->lock);
}

int etran_tx_kick(struct etran_channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->kicked = ch->order_tail;
	pthread_mutex_unlock(&ch->lock);
	return 0;
}

int etran_tx_pending(const struct etran_channel *ch)
{
	return ch->kicked != ch->order_tail;
}

unsigned int fake_waiting(void)
{
	unsigned int n;

	pthread_mutex_lock(&current->lock);
	n = current->order_tail - current->kicked;
	pthread_mutex_unlock(&current->lock);
	return n;
}

uint32_t etran_tx_reclaim(struct etran_channel *ch, struct etran_chain *chain)
{
	pthread_mutex_lock(&ch->lock);
	while (chain->count && ch->state[chain->head] == RELEASED) {
		ch->state[chain->head] = FREE;
		ch->free++;
		chain->head = ch->next[chain->head];
		chain->count--;
	}
	if (!chain->count)
		chain->head = chain->tail = ETRAN_NO_FRAME;
	pthread_mutex_unlock(&ch->lock);
	return chain->count;
}

int etran_tx_wait(struct etran_channel *ch, uint32_t released, int timeout_ms)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int i, ret = -1;

	__atomic_add_fetch(&ch->waits, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < timeout_ms && ret; i++) {
		if (__atomic_load_n(&ch->status.released, __ATOMIC_ACQUIRE) != released)
			ret = 0;
		else if (nanosleep(&ms, NULL))
			break;
	}
	if (ret)
		etran_fail(i < timeout_ms ? EINTR : EAGAIN, "fake");
	__atomic_sub_fetch(&ch->waits, 1, __ATOMIC_SEQ_CST);
	return ret;
}

const void *etran_rx_peek(struct etran_channel *ch, uint32_t *len)
{
	const void *p = NULL;

	pthread_mutex_lock(&ch->lock);
	if (ch->rx_head != ch->rx_tail) {
		*len = ch->rx[ch->rx_ring[ch->rx_head % RX_FRAMES]].len;
		p = ch->rx[ch->rx_ring[ch->rx_head % RX_FRAMES]].data;
	}
	pthread_mutex_unlock(&ch->lock);
	return p;
}

const void *etran_rx_peek_at(struct etran_channel *ch, uint32_t n, uint32_t *len)
{
	const void *p = NULL;

	pthread_mutex_lock(&ch->lock);
	if (n < ch->rx_tail - ch->rx_head) {
		*len = ch->rx[ch->rx_ring[(ch->rx_head + n) % RX_FRAMES]].len;
		p = ch->rx[ch->rx_ring[(ch->rx_head + n) % RX_FRAMES]].data;
	}
	pthread_mutex_unlock(&ch->lock);
	return p;
}

/* Context: lock held. */
static uint32_t rx_take(struct etran_channel *ch)
{
	uint32_t f = ch->rx_ring[ch->rx_head++ % RX_FRAMES];

	if (ch->rx_head == ch->rx_tail) {
		set_level(ch->xsk, false);
		if (!ch->ready)
			set_level(ch->endpoint, false);
	}
	return f;
}

/* What is in it is lost, as if the next packet had come already. Context: lock held. */
static void refill(struct etran_channel *ch, uint32_t f)
{
	memset(ch->rx[f].data, 0xee, sizeof(ch->rx[f].data));
	ch->fill_ring[ch->fill_tail++ % RX_FRAMES] = f;
}

void etran_rx_pop(struct etran_channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	refill(ch, rx_take(ch));
	pthread_mutex_unlock(&ch->lock);
}

uint32_t etran_rx_keep(struct etran_channel *ch)
{
	uint32_t f;

	pthread_mutex_lock(&ch->lock);
	f = rx_take(ch);
	ch->kept[f] = true;
	pthread_mutex_unlock(&ch->lock);
	return f;
}

uint32_t etran_rx_frame(const struct etran_channel *ch, const void *p)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)ch->rx;

	return at < sizeof(ch->rx) ? at / sizeof(ch->rx[0]) : ETRAN_NO_FRAME;
}

int etran_rx_give(struct etran_channel *ch, uint32_t frame)
{
	pthread_mutex_lock(&ch->lock);
	if (!ch->kept[frame])
		abort();
	ch->kept[frame] = false;
	refill(ch, frame);
	pthread_mutex_unlock(&ch->lock);
	return 0;
}

void etran_rx_given(struct etran_channel *ch)
{
	__atomic_add_fetch(&ch->given, 1, __ATOMIC_RELAXED);
}

static bool rx_over(const struct etran_channel *ch, uint32_t delivered, uint32_t flags)
{
	return __atomic_load_n(&ch->status.delivered, __ATOMIC_ACQUIRE) != delivered ||
	       (!(flags & ETRAN_WAIT_UNREADY) && __atomic_load_n(&ch->ready, __ATOMIC_ACQUIRE));
}

int etran_rx_wait(struct etran_channel *ch, uint32_t delivered, uint32_t flags, int timeout_ms)
{
	const struct timespec t = {
		.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	uint32_t changes;

	if (flags & ETRAN_WAIT_KICK)
		etran_tx_kick(ch);
	for (;;) {
		changes = __atomic_load_n(&ch->changes, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&ch->status.flags, __ATOMIC_ACQUIRE))
			return etran_fail(ENODEV, "fake");
		if (rx_over(ch, delivered, flags))
			return 0;
		__atomic_add_fetch(&ch->sleeps, 1, __ATOMIC_RELAXED);
		if (fcntl(ch->endpoint, F_GETFL) & O_NONBLOCK)
			return etran_fail(EAGAIN, "fake");
		/* A sleep that a signal ends, as the kernel's. */
		if (!syscall(SYS_futex, &ch->changes, FUTEX_WAIT_PRIVATE, changes,
			     timeout_ms < 0 ? NULL : &t, NULL, 0) || errno == EAGAIN)
			continue;
		return etran_fail(errno == ETIMEDOUT ? EAGAIN : errno, "fake");
	}
}

uint32_t etran_rx_delivered(const struct etran_channel *ch)
{
	return __atomic_load_n(&ch->status.delivered, __ATOMIC_ACQUIRE);
}

int etran_rx_wake(struct etran_channel *ch)
{
	__atomic_add_fetch(&ch->status.delivered, 1, __ATOMIC_RELEASE);
	changed(ch);
	return 0;
}

/* ---- for the tests ---- */

bool fake_sent(struct fake_frame *f)
{
	struct etran_channel *ch = current;
	uint32_t i;
	bool any;

	pthread_mutex_lock(&ch->lock);
	any = ch->order_head != ch->order_tail;
	if (any) {
		i = ch->order[ch->order_head++ % (ch->tx_frames + 1)];
		memcpy(&f->req, ch->frames[i], sizeof(f->req));
		memcpy(&f->homa, f->req.data, sizeof(f->homa));
		f->len = ch->len[i] - sizeof(f->req);
		memcpy(f->data, ch->frames[i] + sizeof(f->req), f->len);
	}
	pthread_mutex_unlock(&ch->lock);
	return any;
}

void fake_release(void)
{
	struct etran_channel *ch = current;
	uint32_t f;

	pthread_mutex_lock(&ch->lock);
	for (f = 0; f < ch->tx_frames; f++)
		if (ch->state[f] == QUEUED)
			ch->state[f] = RELEASED;
	ch->order_head = ch->order_tail;
	__atomic_add_fetch(&ch->status.released, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&ch->lock);
}

void fake_raw(const void *frame, uint32_t len)
{
	struct etran_channel *ch = current;
	uint32_t f;

	pthread_mutex_lock(&ch->lock);
	f = ch->fill_ring[ch->fill_head++ % RX_FRAMES];
	ch->rx[f].len = len;
	memcpy(ch->rx[f].data, frame, len);
	ch->rx_ring[ch->rx_tail++ % RX_FRAMES] = f;
	__atomic_add_fetch(&ch->status.delivered, 1, __ATOMIC_RELEASE);
	changed(ch);
	set_level(ch->xsk, true);
	set_level(ch->endpoint, true);
	pthread_mutex_unlock(&ch->lock);
}

bool fake_deliver(unsigned int type, const struct homa_rec *rec, const void *data)
{
	uint8_t frame[ETRAN_FRAME_SIZE] = { 0 };
	struct etran_rec er = { .endpoint = FAKE_ENDPOINT, .type = type };

	if (!fake_rx_buffers())
		return false;
	memcpy(er.data, rec, sizeof(*rec));
	memcpy(frame, &er, sizeof(er));
	if (data)
		memcpy(frame + sizeof(er), data, rec->len);
	fake_raw(frame, sizeof(er) + (data ? rec->len : 0));
	return true;
}

unsigned int fake_rx_queued(void)
{
	unsigned int n;

	pthread_mutex_lock(&current->lock);
	n = current->rx_tail - current->rx_head;
	pthread_mutex_unlock(&current->lock);
	return n;
}

unsigned int fake_rx_buffers(void)
{
	unsigned int n;

	pthread_mutex_lock(&current->lock);
	n = current->fill_tail - current->fill_head;
	pthread_mutex_unlock(&current->lock);
	return n;
}

unsigned int fake_given(void)
{
	return __atomic_load_n(&current->given, __ATOMIC_RELAXED);
}

unsigned int fake_sleeps(void)
{
	return __atomic_load_n(&current->sleeps, __ATOMIC_RELAXED);
}

int fake_ready(void)
{
	int ready;

	pthread_mutex_lock(&current->lock);
	ready = current->ready;
	pthread_mutex_unlock(&current->lock);
	return ready;
}

int fake_waits(void)
{
	return __atomic_load_n(&current->waits, __ATOMIC_SEQ_CST);
}

void fake_status(uint32_t flags, uint32_t mtu)
{
	__atomic_store_n(&current->status.mtu, mtu, __ATOMIC_RELEASE);
	__atomic_store_n(&current->status.flags, flags, __ATOMIC_RELEASE);
	changed(current);
}
