/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that sleep in a call of an endpoint, and exit with the errno that it ended with. */
#ifndef SLEEPER_H
#define SLEEPER_H

#include <sys/syscall.h>
#include <sys/wait.h>
#include "etran_test.h"

/* Does it sleep in ioctl()? The kernel names the system call of who is not running. */
static ET_UNUSED bool sleeper_sleeps(pid_t pid)
{
	char path[64];
	FILE *f;
	int nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%d", &nr) != 1)
		nr = -1;
	fclose(f);
	return nr == SYS_ioctl;
}

/* Return: the errno that the sleeper got, -1 when it sleeps still. */
static ET_UNUSED int sleeper_woken(pid_t *pid)
{
	int status;

	if (!et_wait_for(waitpid(*pid, &status, WNOHANG) == *pid))
		return et_fail("it still sleeps");
	*pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif /* SLEEPER_H */
