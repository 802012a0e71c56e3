// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Which descriptors are etran's: those that became that in this process, and shared ones that it got from others (pass.c).
 * Looked at for each call on any descriptor, so what is none of ours is told by two loads; what is ours is counted under a
 * lock, as another thread may close it. The library is not called with that lock held.
 */
#include <errno.h>
#include <stdlib.h>

#include "../mutex.h"
#include "preload.h"

#define PAGE		1024
#define PAGES		1024

/* An entry of the library's own descriptors. */
static struct psock internal;
static struct psock **pages[PAGES];
static struct mutex lock;

static void lock_all(void)
{
	mutex_lock(&lock);
}

static void unlock_all(void)
{
	mutex_unlock(&lock);
}

static void __attribute__((constructor(101))) watch_forks(void)
{
	pthread_atfork(lock_all, unlock_all, unlock_all);
}

static struct psock *entry(int fd)
{
	struct psock **page;

	if (fd < 0 || fd >= PAGE * PAGES)
		return NULL;
	page = __atomic_load_n(&pages[fd / PAGE], __ATOMIC_ACQUIRE);
	return page ? __atomic_load_n(&page[fd % PAGE], __ATOMIC_RELAXED) : NULL;
}

/* Context: locked. */
static int put_entry(int fd, struct psock *p)
{
	struct psock **page;

	if (fd < 0 || fd >= PAGE * PAGES) {
		errno = EMFILE;
		return -1;
	}
	page = pages[fd / PAGE];
	if (!page) {
		page = calloc(PAGE, sizeof(*page));
		if (!page)
			return -1;
		__atomic_store_n(&pages[fd / PAGE], page, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&page[fd % PAGE], p, __ATOMIC_RELAXED);
	return 0;
}

struct psock *psock_get(int fd)
{
	struct psock *p = entry(fd);

	if (__builtin_expect(!p || p == &internal || inside, 1))
		return NULL;
	mutex_lock(&lock);
	p = entry(fd);
	if (p == &internal)
		p = NULL;
	/* What is in the table has a reference, which nobody takes out meanwhile. */
	if (p)
		__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&lock);
	return p;
}

void psock_put(struct psock *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	/* Also of a shared one: its frames are here. */
	if (p->s && !psock_foreign(p)) {
		inside++;
		etran_socket_drop(p->s);
		inside--;
	}
	free(p);
}

int table_set(int fd, struct psock *p)
{
	int ret;

	mutex_lock(&lock);
	ret = put_entry(fd, p);
	if (!ret) {
		__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
		p->fds++;
	}
	mutex_unlock(&lock);
	return ret;
}

struct psock *table_take(int fd, bool *last)
{
	struct psock *p = entry(fd);

	*last = false;
	if (__builtin_expect(!p || p == &internal || inside, 1) || context_borrowed())
		return NULL;
	mutex_lock(&lock);
	p = entry(fd);
	if (p == &internal)
		p = NULL;
	if (p) {
		put_entry(fd, NULL);
		*last = !--p->fds;
	}
	mutex_unlock(&lock);
	return p;
}

void table_set_internal(int fd)
{
	mutex_lock(&lock);
	put_entry(fd, &internal);
	mutex_unlock(&lock);
}

void table_clear_internal(int fd)
{
	mutex_lock(&lock);
	put_entry(fd, NULL);
	mutex_unlock(&lock);
}

bool table_internal(int fd)
{
	return entry(fd) == &internal && !inside;
}

static int next(int fd, int last, bool want_internal)
{
	struct psock *p;

	if (last >= PAGE * PAGES)
		last = PAGE * PAGES - 1;
	for (; fd <= last; fd++) {
		if (!pages[fd / PAGE]) {
			fd |= PAGE - 1;
			continue;
		}
		p = entry(fd);
		if (p && (p == &internal) == want_internal)
			return fd;
	}
	return -1;
}

int table_next_internal(int fd, int last)
{
	return next(fd, last, true);
}

int table_next(int fd, int last)
{
	return next(fd, last, false);
}
