// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <etran.h>

#include "error.h"

static __thread char formatted[512];
static __thread const char *detail;

int etran_fail_format(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(formatted, sizeof(formatted), fmt, ap);
	va_end(ap);
	return etran_fail_text(err, formatted);
}

int etran_fail_text(int err, const char *text)
{
	detail = text;
	errno = err;
	return -1;
}

const char *etran_strerror_detail(void)
{
	return detail ? detail : "";
}

const char *etran_library_version(void)
{
	return ETRAN_LIBRARY_VERSION;
}
