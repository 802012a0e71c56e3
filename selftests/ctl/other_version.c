// SPDX-License-Identifier: GPL-2.0
/* LD_PRELOAD: the module seems to be of another release than the tool. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <linux/etran.h>

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int fd, unsigned long request, void *arg) = dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	ret = next(fd, request, arg);
	if (!ret && request == ETRAN_IOC_VERSION)
		((struct etran_version *)arg)->abi += 1;
	return ret;
}
