/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What the files of the shim share. real.c: the C library's functions; table.c: which descriptors are etran's; context.c: the
 * door to the network, configuration, fork(); lifecycle.c, data.c, options.c: the calls; wait.c: who waits; shared.c:
 * connections that other processes have, too; exec.c, pass.c: how they get them.
 *
 * poll(), select() and epoll do what they do: a socket of etran's is a kernel's file, which they know what to do with. They are
 * looked at only for listeners that nobody has asked for connections yet.
 *
 * A socket is the kernel's TCP socket until connect() or listen(). Then, if the way is etran's, a file of etran's
 * takes the place of its descriptor. Everything that is asked or set before that is between program and kernel.
 *
 * A connection is this process's own, with a socket of the library's, until others may get it. From then on it is shared:
 * the kernel has its data, and a psock of it needs nothing of the library.
 */
#ifndef ETRAN_PRELOAD_H
#define ETRAN_PRELOAD_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../tcp_file.h"

/* Functions that programs find instead of the C library's. */
#define SHIM	__attribute__((visibility("default")))

/* ---- real.c ---- */

/**
 * struct real - the C library's functions of these names
 *
 * Resolved in a constructor, or at the first call if some other library's constructor is earlier: dlsym() in the middle
 * of a call could need a lock that a fork() left locked.
 */
struct real {
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*accept4)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
	int (*close_range)(unsigned int first, unsigned int last, int flags);
	int (*dup)(int fd);
	int (*dup2)(int from, int to);
	int (*dup3)(int from, int to, int flags);
	int (*fcntl)(int fd, int cmd, ...);
	int (*ioctl)(int fd, unsigned long request, ...);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*getpeername)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*readv)(int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*recvfrom)(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
			    socklen_t *alen);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	ssize_t (*writev)(int fd, const struct iovec *iov, int n);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*sendto)(int fd, const void *buf, size_t len, int flags,
			  const struct sockaddr *addr, socklen_t alen);
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
	ssize_t (*sendfile)(int out, int in, off_t *offset, size_t count);
	int (*sendmmsg)(int fd, struct mmsghdr *msgs, unsigned int n, int flags);
	int (*recvmmsg)(int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout);
	ssize_t (*splice)(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned int flags);
	FILE *(*fdopen)(int fd, const char *mode);
	int (*fclose)(FILE *file);
	ssize_t (*pread)(int fd, void *buf, size_t len, off_t offset);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout);
	int (*ppoll)(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask);
	int (*select)(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
	int (*pselect)(int n, fd_set *in, fd_set *out, fd_set *except,
		       const struct timespec *timeout, const sigset_t *mask);
	int (*epoll_ctl)(int epoll, int op, int fd, struct epoll_event *event);
	int (*execve)(const char *path, char *const argv[], char *const envp[]);
	int (*execvpe)(const char *file, char *const argv[], char *const envp[]);
	int (*fexecve)(int fd, char *const argv[], char *const envp[]);
	int (*execveat)(int dir, const char *path, char *const argv[], char *const envp[], int flags);
	int (*posix_spawn)(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
	int (*posix_spawnp)(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			    const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
	int (*system)(const char *command);
	FILE *(*popen)(const char *command, const char *mode);
};

extern struct real real_;
void real_resolve(void);

#define real(name)	((__builtin_expect(!real_.name, 0) ? real_resolve() : (void)0), real_.name)

/* ---- table.c ---- */

/* Options that are kept for the program and nothing else; see options.c. */
#define OPTIONS_MAX	40

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/**
 * struct psock - a socket of etran's, as the program sees it
 * @refs: descriptors of this process, and calls that are under way; atomic, and not 0 as long as the table has it
 * @fds: descriptors alone
 * @s: the library's; NULL: it is shared, and came from another process
 * @forks: of which process it is: context_forks() when it was made
 * @domain: AF_INET or AF_INET6
 * @listens: it is a listener
 * @used: of this process somebody has asked it for connections; see lifecycle.c
 * @connecting: connect() has not told how it went
 * @nonblock: O_NONBLOCK of the file, unless that is shared: see psock_nonblock()
 * @shut: a listener that was shut down
 * @turn: a listener: the kernel's turn to be asked first
 * @kernel: a listener: the kernel's, at the same port; else -1
 * @shared: data goes through the file, see shared.c; not to be read but by psock_shared()
 * @local: of a shared one: own address; @peer: the other's; family 0: not known
 * @option: values that were set, by index of the table in options.c
 * @control: congestion control that was chosen, ETRAN_TCP_CC_*; 0: none was
 * @linger: SO_LINGER
 * @rcvtimeo: SO_RCVTIMEO, ms, -1: for ever; @sndtimeo: SO_SNDTIMEO
 */
struct psock {
	int refs;
	int fds;
	struct etran_socket *s;
	unsigned int forks;
	int domain;
	bool listens;
	bool used;
	bool connecting;
	bool nonblock;
	bool shut;
	bool turn;
	int kernel;
	bool shared;
	union address local;
	union address peer;
	int option[OPTIONS_MAX];
	int control;
	struct linger linger;
	int rcvtimeo;
	int sndtimeo;
};

/* The socket of a descriptor, not to go away before psock_put(); NULL: it is none of etran's. */
struct psock *psock_get(int fd);
void psock_put(struct psock *p);
/* One more descriptor. Return: 0, -1 with errno ENOMEM. */
int table_set(int fd, struct psock *p);
/* One descriptor less, about to be closed: its socket, with the reference of a call, or NULL. @last: none is left */
struct psock *table_take(int fd, bool *last);
void table_set_internal(int fd);
/* Is it the library's own, which the program must not close? */
bool table_internal(int fd);
void table_clear_internal(int fd);
/* The first of the library's own from @fd on, up to @last; -1: none. */
int table_next_internal(int fd, int last);
/* The first socket from @fd on, up to @last; -1: none. */
int table_next(int fd, int last);

/* ---- context.c ---- */

/* The process's door to the network; NULL with a reason for context_say(). */
struct etran_tcp *context_get(void);
/* The same if it is open, also for a child of vfork(); else NULL. */
struct etran_tcp *context_opened(void);
/* Raised in each child. */
unsigned int context_forks(void);
/* Are we a child of vfork(), whose memory is its parent's? Asked where a table would be changed. */
bool context_borrowed(void);
bool context_port(uint16_t port);
/* For people who look: ETRAN_VERBOSE. */
void context_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In the library, whose calls are not the program's. */
extern __thread int inside __attribute__((tls_model("initial-exec")));

/* ---- data.c ---- */

/* Wait for @events of the file, ms. Return: 0, -1 with errno EAGAIN or EINTR. */
int file_wait(int fd, short events, int timeout);

/* ---- lifecycle.c ---- */
/* @s is aborted when there is no memory; may be NULL. */
struct psock *psock_new(struct etran_socket *s, int domain);
int close_taken(int fd, struct psock *p, bool last);
/* In a child of fork(): what it has of its parent's listeners it has not used. */
void listeners_in_child(void);

/* ---- wait.c ---- */

/* Listeners of this process that are not @used: as long as there are any, who waits is looked at. */
extern unsigned int listeners_unused;
/* A program asks @fd for connections, or waits for them: lifecycle.c */
void listener_use(int fd);

/* ---- options.c ---- */

/* What was set of the kernel's socket before it became etran's. */
void options_from_kernel(struct psock *p, int fd);
void options_inherit(struct psock *p, const struct psock *listener);
/* What a socket begins with: nobody knows what was set of it in another process. */
void options_usual(struct psock *p);
int options_get(int fd, struct psock *p, int level, int name, void *value, socklen_t *len);
int options_set(int fd, struct psock *p, int level, int name, const void *value, socklen_t len);

/* The socket is another process's: the child of a fork() cannot use it, unless it is shared. */
static inline bool psock_foreign(const struct psock *p)
{
	return p->forks != context_forks();
}

/* Data goes through the file: nothing of the library is for it, and whose it is does not matter. */
static inline bool psock_shared(const struct psock *p)
{
	return __atomic_load_n(&p->shared, __ATOMIC_ACQUIRE);
}

/* Is the library to be told of what becomes of it? */
static inline bool psock_own(const struct psock *p)
{
	return p->s && !psock_foreign(p) && !psock_shared(p);
}

/* ---- shared.c ---- */

/**
 * struct batch - connections to be shared
 * @p: they, each with a reference; some more than once
 * @n: how many
 * @room: of @p
 */
struct batch {
	struct psock **p;
	unsigned int n;
	unsigned int room;
};

/* Nothing is done if @fd is no connection of this process alone. */
void batch_add(struct batch *b, int fd);
/* Share them, and give the references back. */
void batch_share(struct batch *b);
void connection_share(int fd);
/* All of the process; or those only that a program would inherit. */
void connections_share(bool all);

/* A descriptor that this process got from another one: the program knows it as a socket if it is a shared connection. */
void shared_known(int fd);

/* One try, or with @wait as long as it takes. @flags: MSG_PEEK, MSG_MORE. There is no SIGPIPE. */
ssize_t shared_recv(int fd, void *buf, size_t len, int flags, bool wait);
ssize_t shared_send(int fd, const void *buf, size_t len, int flags, bool wait);
int shared_shutdown(int fd, int how);
/* The error that nobody was told of, which is told now; or 0. */
int shared_error(int fd);
/* Return: 0, -1 with errno. */
int shared_info(int fd, struct etran_stream_info *info);
int shared_record(int fd, struct etran_conn_record *record);
/* As etran_tcp_set(). */
int shared_set(int fd, int option, uint32_t value);
/* ETRAN_STREAM_* of the stream, on or off. */
int shared_flag(int fd, uint32_t flag, bool on);
int shared_getsockname(const struct psock *p, struct sockaddr *addr, socklen_t *len);
int shared_getpeername(int fd, const struct psock *p, struct sockaddr *addr, socklen_t *len);

/* O_NONBLOCK of @fd, whose error stays in errno. Of a shared one another process may have changed it. */
bool psock_nonblock(int fd, const struct psock *p);

/* ---- pass.c ---- */

/* Descriptors are about to be sent, or were received, beside the data of @msg. */
void rights_sent(const struct msghdr *msg);
void rights_received(struct msghdr *msg);

#endif /* ETRAN_PRELOAD_H */
