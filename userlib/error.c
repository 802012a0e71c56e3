// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <etran.h>

#include "error.h"

static __thread char detail[512];

int etran_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	errno = err;
	return -1;
}

const char *etran_strerror_detail(void)
{
	return detail;
}

const char *etran_library_version(void)
{
	return ETRAN_LIBRARY_VERSION;
}
