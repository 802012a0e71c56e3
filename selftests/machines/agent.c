// SPDX-License-Identifier: GPL-2.0
/*
 * agent ADDRESS PORT: runs commands for the other machine. Each connection brings one line for bash, gets what that
 * prints, and at the end a line "status N". A connection that is closed before ends the command and its children.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A line without its end; false when none came. */
static int read_line(int fd, char *line, size_t room)
{
	size_t n = 0;

	while (n < room && read(fd, line + n, 1) == 1) {
		if (line[n] == '\n') {
			line[n] = 0;
			return 1;
		}
		n++;
	}
	return 0;
}

static int serve(int fd)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLRDHUP } };
	char line[4096];
	sigset_t set;
	int status;
	pid_t pid;

	if (!read_line(fd, line, sizeof(line)))
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[1].fd = signalfd(-1, &set, 0);
	p[1].events = POLLIN;
	pid = fork();
	if (!pid) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		setsid();
		dup2(fd, 1);
		dup2(fd, 2);
		execl("/bin/bash", "bash", "-c", line, NULL);
		_exit(127);
	}
	if (pid < 0 || p[1].fd < 0)
		err(1, "fork");
	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (p[0].revents)
		kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	dprintf(fd, "\nstatus %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd, c, one = 1;

	if (argc != 3 || !inet_aton(argv[1], &a.sin_addr))
		errx(2, "usage: agent ADDRESS PORT");
	a.sin_port = htons(atoi(argv[2]));
	signal(SIGCHLD, SIG_IGN);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16))
		err(1, "%s:%s", argv[1], argv[2]);
	for (;;) {
		c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c < 0)
			continue;
		if (!fork()) {
			signal(SIGCHLD, SIG_DFL);
			_exit(serve(c));
		}
		close(c);
	}
}
