// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The C library's functions. See preload.h. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "preload.h"

struct real real_;

static void *resolve(const char *name)
{
	static const char text[] = "libetran-preload: the C library has not all that is needed\n";
	void *f = dlsym(RTLD_NEXT, name);

	if (!f) {
		syscall(SYS_write, STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return f;
}

void real_resolve(void)
{
#define RESOLVE(name) \
	__atomic_store_n((void **)&real_.name, resolve(#name), __ATOMIC_RELEASE)
	RESOLVE(connect);
	RESOLVE(listen);
	RESOLVE(accept);
	RESOLVE(accept4);
	RESOLVE(shutdown);
	RESOLVE(close);
	RESOLVE(close_range);
	RESOLVE(dup);
	RESOLVE(dup2);
	RESOLVE(dup3);
	RESOLVE(fcntl);
	RESOLVE(ioctl);
	RESOLVE(getsockname);
	RESOLVE(getpeername);
	RESOLVE(getsockopt);
	RESOLVE(setsockopt);
	RESOLVE(read);
	RESOLVE(readv);
	RESOLVE(recv);
	RESOLVE(recvfrom);
	RESOLVE(recvmsg);
	RESOLVE(write);
	RESOLVE(writev);
	RESOLVE(send);
	RESOLVE(sendto);
	RESOLVE(sendmsg);
	RESOLVE(sendfile);
	RESOLVE(sendmmsg);
	RESOLVE(recvmmsg);
	RESOLVE(splice);
	RESOLVE(fdopen);
	RESOLVE(fclose);
	RESOLVE(pread);
	RESOLVE(poll);
	RESOLVE(ppoll);
	RESOLVE(select);
	RESOLVE(pselect);
	RESOLVE(epoll_ctl);
	RESOLVE(execve);
	RESOLVE(execvpe);
	RESOLVE(fexecve);
	RESOLVE(execveat);
	RESOLVE(posix_spawn);
	RESOLVE(posix_spawnp);
	RESOLVE(system);
	RESOLVE(popen);
#undef RESOLVE
}

static void __attribute__((constructor)) begin(void)
{
	real_resolve();
}
