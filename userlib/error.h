/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Errors inside libetran: errno plus a sentence that names cause and cure. */
#ifndef ETRAN_ERROR_H
#define ETRAN_ERROR_H

/**
 * etran_fail() - set errno and what etran_strerror_detail() returns
 * @err: positive errno
 * @...: as printf(), a sentence without a full stop
 *
 * What says the same each time is not formatted: "try again" is no rare failure where sockets do not block.
 *
 * Return: -1, for `return etran_fail(...)`.
 */
#define etran_fail(err, ...)							\
	(__builtin_strchr(ETRAN_FIRST(__VA_ARGS__, 0), '%') ?			\
	 etran_fail_format(err, __VA_ARGS__) :					\
	 etran_fail_text(err, ETRAN_FIRST(__VA_ARGS__, 0)))

#define ETRAN_FIRST(first, ...)	first

/** etran_fail_format() - see etran_fail() */
int etran_fail_format(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** etran_fail_text() - the same with @text as it is, which lives for ever */
int etran_fail_text(int err, const char *text);

#endif /* ETRAN_ERROR_H */
