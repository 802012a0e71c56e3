// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Programs that take the place of this one, or run beside it, and inherit descriptors: connections among these are
 * shared before (shared.c).
 *
 * A child of vfork() has its parent's memory, and so its connections, but descriptors of its own, which it moves and closes
 * before it executes a program; the table knows only of the parent's. So there a connection is shared already when its
 * descriptor is duplicated (lifecycle.c). posix_spawn() moves them where nobody sees it: with actions all are shared.
 */
#include <stdarg.h>
#include <unistd.h>

#include "preload.h"

SHIM int execve(const char *path, char *const argv[], char *const envp[])
{
	connections_share(false);
	return real(execve)(path, argv, envp);
}

SHIM int execv(const char *path, char *const argv[])
{
	connections_share(false);
	return real(execve)(path, argv, environ);
}

SHIM int execvpe(const char *file, char *const argv[], char *const envp[])
{
	connections_share(false);
	return real(execvpe)(file, argv, envp);
}

SHIM int execvp(const char *file, char *const argv[])
{
	connections_share(false);
	return real(execvpe)(file, argv, environ);
}

SHIM int fexecve(int fd, char *const argv[], char *const envp[])
{
	connections_share(false);
	return real(fexecve)(fd, argv, envp);
}

SHIM int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	connections_share(false);
	return real(execveat)(dir, path, argv, envp, flags);
}

/* Arguments up to NULL, the first of which is no part of the list. */
static size_t args_count(va_list *ap)
{
	size_t n = 1;

	while (va_arg(*ap, char *))
		n++;
	return n;
}

/* With the NULL. */
static void args_fill(char **argv, size_t n, const char *first, va_list *ap)
{
	size_t i;

	argv[0] = (char *)first;
	for (i = 1; i <= n; i++)
		argv[i] = va_arg(*ap, char *);
}

/* On the stack: a child of vfork() or a signal handler has nothing else. */
#define ARGV(argv, first)				\
	va_list ap;					\
	va_start(ap, first);				\
	size_t count = args_count(&ap);			\
	va_end(ap);					\
	char *argv[count + 1];				\
	va_start(ap, first);				\
	args_fill(argv, count, first, &ap)

SHIM int execl(const char *path, const char *arg, ...)
{
	ARGV(argv, arg);
	va_end(ap);
	return execv(path, argv);
}

SHIM int execlp(const char *file, const char *arg, ...)
{
	ARGV(argv, arg);
	va_end(ap);
	return execvp(file, argv);
}

SHIM int execle(const char *path, const char *arg, ...)
{
	char *const *envp;

	ARGV(argv, arg);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, envp);
}

SHIM int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	connections_share(actions);
	return real(posix_spawn)(pid, path, actions, attr, argv, envp);
}

SHIM int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	connections_share(actions);
	return real(posix_spawnp)(pid, file, actions, attr, argv, envp);
}

/* Without fork() handlers, inside the C library. */
SHIM int system(const char *command)
{
	if (command)
		connections_share(false);
	return real(system)(command);
}

SHIM FILE *popen(const char *command, const char *mode)
{
	connections_share(false);
	return real(popen)(command, mode);
}
