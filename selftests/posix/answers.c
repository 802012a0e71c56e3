// SPDX-License-Identifier: GPL-2.0
/*
 * What sockets answer: a program that asks, with plain calls, and prints a line for each answer. answers.sh runs it with the
 * kernel's TCP and with etran's, against the kernel's TCP on the other host, and compares.
 *
 *	answers serve PORT		the other host's end
 *	answers client ADDR PORT	connections that are begun here
 *	answers server ADDR PORT OWN	connections that come here, to OWN and port 7100
 *
 * A connection to the other end begins with a command: 'e' echo, 'c' close, 'r' reset, 'h' send 1000 bytes and end the
 * stream, 's' read nothing until a byte comes on the control connection, 'C' port and command: connect to whoever asks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_PORT	7100

static struct sockaddr_in other, own;
static bool server;
static int listener = -1;

static void fail(const char *what)
{
	printf("cannot go on: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *host, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, host, &a.sin_addr);
	return a;
}

/* ---- the other end ---- */

static void reset(int fd)
{
	struct linger l = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void perform(int fd, char command)
{
	static const char text[1000];
	char buf[65536];
	ssize_t n;

	switch (command) {
	case 'e':
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (send(fd, buf, n, MSG_NOSIGNAL) != n)
				break;
		break;
	case 'r':
		usleep(20000);
		reset(fd);
		return;
	case 'h':
		send(fd, text, sizeof(text), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		break;
	case 's':
		sleep(1);
		while (read(fd, buf, sizeof(buf)) > 0)
			;
		break;
	}
	close(fd);
}

static void *serve_one(void *arg)
{
	int fd = (long)arg, back;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	unsigned char c[4];

	if (recv(fd, c, 1, MSG_WAITALL) != 1) {
		close(fd);
		return NULL;
	}
	if (c[0] != 'C') {
		perform(fd, c[0]);
		return NULL;
	}
	if (recv(fd, c, 3, MSG_WAITALL) == 3 && !getpeername(fd, (struct sockaddr *)&a, &len)) {
		a.sin_port = htons(c[0] << 8 | c[1]);
		back = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(back, (struct sockaddr *)&a, len))
			perform(back, c[2]);
		else
			close(back);
	}
	close(fd);
	return NULL;
}

static int serve(int port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	pthread_t t;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 64))
		fail("serve");
	while ((fd = accept(l, NULL, NULL)) >= 0)
		if (!pthread_create(&t, NULL, serve_one, (void *)(long)fd))
			pthread_detach(t);
	return 1;
}

/* ---- asking ---- */

static const char *name_of(int err)
{
	return err ? strerrorname_np(err) : "0";
}

static void answer(const char *what, long value)
{
	printf("%s: %ld\n", what, value);
	fflush(stdout);
}

/* What a call returned: not negative, or errno. */
static void outcome(const char *what, long ret)
{
	if (ret < 0)
		printf("%s: %s\n", what, name_of(errno));
	else
		printf("%s: %ld\n", what, ret);
	fflush(stdout);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&other, sizeof(other)))
		fail("connect");
	return fd;
}

/* A connection with the other end, which does as @command says. */
static int connection(char command)
{
	unsigned char c[4] = { 'C', OWN_PORT >> 8, OWN_PORT & 0xff, command };
	int fd = dial(), got;

	if (!server) {
		if (write(fd, &command, 1) != 1)
			fail("command");
		return fd;
	}
	if (write(fd, c, 4) != 4)
		fail("command");
	got = accept(listener, NULL, NULL);
	if (got < 0)
		fail("accept");
	close(fd);
	return got;
}

/* poll()'s bits, after up to @ms for one of @events. */
static void polled(const char *what, int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, ms);
	p.events = POLLIN | POLLOUT | POLLRDHUP;
	p.revents = 0;
	poll(&p, 1, 0);
	printf("%s:%s%s%s%s%s\n", what, p.revents & POLLIN ? " IN" : "",
	       p.revents & POLLOUT ? " OUT" : "", p.revents & POLLRDHUP ? " RDHUP" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "");
	fflush(stdout);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	signals++;
}

static void names(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd = connection('e');

	outcome("getsockname", getsockname(fd, (struct sockaddr *)&a, &len));
	answer("its length", len);
	answer("its family", a.sin_family);
	answer("it has a port", server ? ntohs(a.sin_port) : a.sin_port != 0);
	len = 5;
	outcome("getpeername", getpeername(fd, (struct sockaddr *)&a, &len));
	answer("its length, truncated", len);
	answer("its family", a.sin_family);
	close(fd);
	outcome("getsockname when closed", getsockname(fd, (struct sockaddr *)&a, &len));
}

static void data(void)
{
	int fd = connection('e'), n;
	char b[64] = "", c[64] = "";
	struct iovec v[2] = { { "abc", 3 }, { "defg", 4 } }, w[2] = { { b, 2 }, { c, 60 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	polled("a fresh connection", fd, POLLOUT, 1000);
	outcome("recv MSG_DONTWAIT of nothing", recv(fd, b, 10, MSG_DONTWAIT));
	outcome("write", write(fd, "0123456789", 10));
	polled("the echo", fd, POLLIN, 5000);
	outcome("MSG_PEEK", recv(fd, b, 4, MSG_PEEK));
	outcome("FIONREAD", ioctl(fd, FIONREAD, &n));
	answer("bytes", n);
	outcome("read", read(fd, b, 4));
	answer("is right", !memcmp(b, "0123", 4));
	outcome("recv, the rest", recv(fd, b, sizeof(b), 0));
	answer("is right", !memcmp(b, "456789", 6));
	outcome("writev", writev(fd, v, 2));
	outcome("MSG_WAITALL", recv(fd, b, 7, MSG_WAITALL));
	answer("is right", !memcmp(b, "abcdefg", 7));
	outcome("sendmsg", sendmsg(fd, &m, 0));
	polled("its echo", fd, POLLIN, 5000);
	usleep(100000);
	outcome("readv", readv(fd, w, 2));
	answer("is right", !memcmp(b, "ab", 2) && !memcmp(c, "cdefg", 5));
	outcome("send", send(fd, "xy", 2, MSG_MORE));
	outcome("send MSG_DONTWAIT", send(fd, "z", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
	m.msg_iov = w;
	memset(b, 0, 2);
	usleep(300000);
	outcome("recvmsg", recvmsg(fd, &m, 0));
	answer("is right", !memcmp(b, "xy", 2) && c[0] == 'z');
	answer("its flags", m.msg_flags);
	outcome("send of nothing", send(fd, b, 0, 0));
	outcome("recv MSG_OOB", recv(fd, b, 1, MSG_OOB));
	outcome("lseek", lseek(fd, 0, SEEK_SET));
	close(fd);
}

static void waiting(void)
{
	struct timeval t = { .tv_usec = 50000 };
	struct sigaction sa = { .sa_handler = count_signal };
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	int fd = connection('e'), one = 1;
	char b[8];

	outcome("fcntl O_NONBLOCK", fcntl(fd, F_SETFL, O_NONBLOCK));
	answer("F_GETFL", fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE));
	outcome("read", read(fd, b, 1));
	fcntl(fd, F_SETFL, 0);
	outcome("FIONBIO", ioctl(fd, FIONBIO, &one));
	outcome("recv", recv(fd, b, 1, 0));
	fcntl(fd, F_SETFL, 0);
	outcome("SO_RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	outcome("recv until it is over", recv(fd, b, 1, 0));
	t.tv_usec = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	outcome("recv until a signal", recv(fd, b, 1, 0));
	answer("signals", signals);
	close(fd);
}

static void events(void)
{
	struct epoll_event e = { .events = EPOLLIN }, edge = { .events = EPOLLIN | EPOLLET };
	int fd = connection('e'), lt = epoll_create1(0), et = epoll_create1(0), up = epoll_create1(0);
	struct timeval t = { .tv_sec = 5 };
	fd_set set;
	char b[8];

	epoll_ctl(lt, EPOLL_CTL_ADD, fd, &e);
	epoll_ctl(et, EPOLL_CTL_ADD, fd, &edge);
	epoll_ctl(up, EPOLL_CTL_ADD, lt, &e);
	answer("epoll, nothing", epoll_wait(lt, &e, 1, 0));
	write(fd, "ab", 2);
	answer("nested epoll", epoll_wait(up, &e, 1, 5000));
	answer("level", epoll_wait(lt, &e, 1, 5000));
	answer("level, again", epoll_wait(lt, &e, 1, 0));
	answer("edge", epoll_wait(et, &e, 1, 5000));
	answer("edge, again", epoll_wait(et, &e, 1, 0));
	read(fd, b, 1);
	answer("level, half read", epoll_wait(lt, &e, 1, 0));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	answer("select", select(fd + 1, &set, NULL, NULL, &t));
	read(fd, b, 1);
	answer("level, all read", epoll_wait(lt, &e, 1, 0));
	write(fd, "c", 1);
	answer("edge, new", epoll_wait(et, &e, 1, 5000));
	close(up);
	close(et);
	close(lt);
	close(fd);
}

static void ends(void)
{
	int fd = connection('h'), n = 0, ret;
	char b[300];

	polled("the peer has ended", fd, POLLRDHUP, 5000);
	while ((ret = read(fd, b, sizeof(b))) > 0)
		n += ret;
	answer("bytes before", n);
	outcome("read at the end", ret);
	outcome("and again", read(fd, b, 1));
	outcome("write nevertheless", write(fd, "x", 1));
	outcome("shutdown", shutdown(fd, SHUT_WR));
	polled("both have ended", fd, POLLHUP, 5000);
	signals = 0;
	signal(SIGPIPE, count_signal);
	outcome("write behind it", write(fd, "x", 1));
	answer("signals", signals);
	outcome("send MSG_NOSIGNAL", send(fd, "x", 1, MSG_NOSIGNAL));
	answer("signals", signals);
	close(fd);

	fd = connection('e');
	outcome("shutdown 7", shutdown(fd, 7));
	write(fd, "abc", 3);
	outcome("shutdown SHUT_WR", shutdown(fd, SHUT_WR));
	outcome("the echo", recv(fd, b, 3, MSG_WAITALL));
	outcome("its end", read(fd, b, 1));
	close(fd);

	fd = connection('r');
	polled("reset", fd, POLLHUP, 5000);
	answer("SO_ERROR", option(fd, SOL_SOCKET, SO_ERROR));
	answer("SO_ERROR, again", option(fd, SOL_SOCKET, SO_ERROR));
	polled("reset, told", fd, POLLHUP, 0);
	outcome("read", read(fd, b, 1));
	outcome("send", send(fd, "x", 1, MSG_NOSIGNAL));
	outcome("getpeername", getpeername(fd, (struct sockaddr *)b, &(socklen_t) { 16 }));
	close(fd);

	fd = connection('r');
	poll(&(struct pollfd) { .fd = fd, .events = POLLIN }, 1, 5000);
	outcome("read of what was reset", read(fd, b, 1));
	outcome("and again", read(fd, b, 1));
	close(fd);
}

static void copies(void)
{
	int fd = connection('e'), copy, third, status;
	char b[8];
	pid_t child;

	copy = dup(fd);
	outcome("close of one", close(fd));
	outcome("read of that", read(fd, b, 1));
	outcome("write to its copy", write(copy, "ab", 2));
	outcome("read of it", recv(copy, b, 2, MSG_WAITALL));
	third = fcntl(copy, F_DUPFD_CLOEXEC, 100);
	answer("F_DUPFD_CLOEXEC", third >= 100);
	answer("close-on-exec", fcntl(third, F_GETFD));
	outcome("dup2", dup2(third, copy) == copy ? 0 : -1);
	child = fork();
	if (!child) {
		close(copy);
		close(third);
		_exit(0);
	}
	waitpid(child, &status, 0);
	answer("the child", status);
	outcome("write after fork", write(third, "cd", 2));
	outcome("read after fork", recv(copy, b, 2, MSG_WAITALL));
	outcome("dup2 of another over it", dup2(0, copy) == copy ? 0 : -1);
	outcome("write to the last", write(third, "e", 1));
	outcome("read of the last", recv(third, b, 1, MSG_WAITALL));
	outcome("close_range", close_range(third, third, 0));
	outcome("write", write(third, "e", 1));
	close(copy);
}

static void room(void)
{
	static char b[65536];
	int fd = connection('s'), ret;
	long sent = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((ret = write(fd, b, sizeof(b))) > 0)
		sent += ret;
	outcome("write until it is full", ret);
	answer("more than 64 KB", sent > 65536);
	polled("full", fd, 0, 0);
	polled("when the peer reads", fd, POLLOUT, 10000);
	close(fd);
}

static void large(void)
{
	static char out[8192], in[8192];
	int fd = connection('e'), i;
	size_t sent = 0, got = 0, total = 1 << 20;
	bool right = true;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (got < total) {
		struct pollfd p = { .fd = fd, .events = POLLIN | (sent < total ? POLLOUT : 0) };

		if (poll(&p, 1, 10000) != 1)
			break;
		if (p.revents & POLLOUT && sent < total) {
			for (i = 0; i < (int)sizeof(out); i++)
				out[i] = (sent + i) * 2654435761U >> 24;
			n = sizeof(out) < total - sent ? sizeof(out) : total - sent;
			n = write(fd, out, n);
			sent += n > 0 ? n : 0;
		}
		if (p.revents & POLLIN) {
			n = read(fd, in, sizeof(in));
			for (i = 0; i < n; i++)
				right &= in[i] == (char)((got + i) * 2654435761U >> 24);
			got += n > 0 ? n : 0;
		}
	}
	answer("bytes there and back", got);
	answer("are right", right);
	close(fd);
}

/* Set it, and ask what it is then. */
static void setting(const char *what, int fd, int level, int name, int value)
{
	outcome(what, setsockopt(fd, level, name, &value, sizeof(value)));
	answer(what, option(fd, level, name));
}

static void options(void)
{
	int fd = connection('e'), one = 1;
	struct linger l = { 1, 5 };
	char info[512];
	socklen_t len = 16;

	answer("SO_TYPE", option(fd, SOL_SOCKET, SO_TYPE));
	answer("SO_DOMAIN", option(fd, SOL_SOCKET, SO_DOMAIN));
	answer("SO_PROTOCOL", option(fd, SOL_SOCKET, SO_PROTOCOL));
	answer("SO_ACCEPTCONN", option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	answer("SO_ERROR", option(fd, SOL_SOCKET, SO_ERROR));
	outcome("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	answer("TCP_NODELAY", option(fd, IPPROTO_TCP, TCP_NODELAY));
	outcome("SO_KEEPALIVE", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	answer("SO_KEEPALIVE", option(fd, SOL_SOCKET, SO_KEEPALIVE));
	answer("TCP_KEEPIDLE", option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
	answer("TCP_CORK", option(fd, IPPROTO_TCP, TCP_CORK));
	setting("SO_KEEPALIVE", fd, SOL_SOCKET, SO_KEEPALIVE, 7);
	setting("TCP_KEEPIDLE", fd, IPPROTO_TCP, TCP_KEEPIDLE, 100);
	setting("TCP_KEEPIDLE 0", fd, IPPROTO_TCP, TCP_KEEPIDLE, 0);
	setting("TCP_KEEPINTVL", fd, IPPROTO_TCP, TCP_KEEPINTVL, 20);
	setting("TCP_KEEPCNT", fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
	setting("TCP_KEEPCNT 128", fd, IPPROTO_TCP, TCP_KEEPCNT, 128);
	setting("TCP_USER_TIMEOUT", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
	setting("TCP_USER_TIMEOUT -1", fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
	outcome("TCP_CONGESTION reno", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	len = sizeof(info);
	outcome("TCP_CONGESTION", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, info, &len));
	answer("its length", len);
	answer("is reno", !strcmp(info, "reno"));
	outcome("TCP_CONGESTION nonesuch", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8));
	outcome("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	l.l_linger = 0;
	len = sizeof(l);
	outcome("SO_LINGER", getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len));
	answer("its time", l.l_linger);
	outcome("too short", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, 2));
	outcome("no such option", setsockopt(fd, IPPROTO_TCP, 9999, &one, sizeof(one)));
	outcome("no such option", getsockopt(fd, SOL_SOCKET, 9999, info, &len));
	len = 16;
	outcome("TCP_INFO, truncated", getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len));
	answer("its length", len);
	answer("its state", info[0]);
	answer("TCP_MAXSEG", option(fd, IPPROTO_TCP, TCP_MAXSEG));
	outcome("connect", connect(fd, (struct sockaddr *)&other, sizeof(other)));
	outcome("listen", listen(fd, 1));
	outcome("accept", accept(fd, NULL, NULL));
	close(fd);
}

static void connecting(void)
{
	struct sockaddr_in nobody = other;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char b[4];

	nobody.sin_port = htons(9);
	polled("not connected", fd, 0, 0);
	outcome("read", read(fd, b, 1));
	outcome("connect to nobody", connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	outcome("the same, not waiting", connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)));
	polled("then", fd, POLLOUT, 5000);
	answer("SO_ERROR", option(fd, SOL_SOCKET, SO_ERROR));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	outcome("connect, not waiting", connect(fd, (struct sockaddr *)&other, sizeof(other)));
	polled("then", fd, POLLOUT, 5000);
	answer("SO_ERROR", option(fd, SOL_SOCKET, SO_ERROR));
	outcome("write", write(fd, "e1", 2));
	polled("the echo", fd, POLLIN, 5000);
	outcome("read", read(fd, b, 4));
	close(fd);
}

static void listening(void)
{
	int second = socket(AF_INET, SOCK_STREAM, 0), fd;
	unsigned char c[4] = { 'C', OWN_PORT >> 8, OWN_PORT & 0xff, 'e' };
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	char b[4];

	outcome("bind of a port that is taken", bind(second, (struct sockaddr *)&own, sizeof(own)));
	close(second);
	answer("SO_ACCEPTCONN", option(listener, SOL_SOCKET, SO_ACCEPTCONN));
	outcome("getpeername", getpeername(listener, (struct sockaddr *)&a, &len));
	len = sizeof(a);
	outcome("getsockname", getsockname(listener, (struct sockaddr *)&a, &len));
	answer("the port", ntohs(a.sin_port));
	outcome("read", read(listener, b, 1));
	outcome("listen again", listen(listener, 5));
	fcntl(listener, F_SETFL, O_NONBLOCK);
	outcome("accept of nobody", accept(listener, NULL, NULL));
	polled("nobody", listener, 0, 0);
	fd = dial();
	write(fd, c, 4);
	polled("somebody", listener, POLLIN, 5000);
	len = sizeof(a);
	second = accept4(listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	answer("accept4", second >= 0);
	answer("is the other host", a.sin_addr.s_addr == other.sin_addr.s_addr);
	answer("its flags", fcntl(second, F_GETFL) & O_NONBLOCK);
	answer("its descriptor's", fcntl(second, F_GETFD));
	polled("nobody any more", listener, 0, 0);
	close(second);
	close(fd);
	/* This host's own, which are the kernel's either way. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	outcome("connect to oneself", connect(fd, (struct sockaddr *)&own, sizeof(own)));
	polled("oneself", listener, POLLIN, 5000);
	second = accept4(listener, NULL, NULL, 0);
	outcome("write", write(fd, "a", 1));
	outcome("read", read(second, b, 4));
	close(second);
	close(fd);
	fcntl(listener, F_SETFL, 0);
}

static void run(const char *title, void (*test)(void))
{
	printf("== %s\n", title);
	fflush(stdout);
	test();
}

int main(int argc, char **argv)
{
	int one = 1;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc < 4)
		return 2;
	other = address(argv[2], atoi(argv[3]));
	server = !strcmp(argv[1], "server");
	if (server) {
		own = address(argv[4], OWN_PORT);
		listener = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(listener, (struct sockaddr *)&own, sizeof(own)) || listen(listener, 16))
			fail("listen");
		run("listening", listening);
	} else {
		run("connecting", connecting);
	}
	run("names", names);
	run("data", data);
	run("waiting", waiting);
	run("events", events);
	run("ends", ends);
	run("copies", copies);
	run("room", room);
	run("large", large);
	run("options", options);
	printf("== done\n");
	return 0;
}
