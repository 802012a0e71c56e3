/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Errors inside libetran: errno plus a sentence that names cause and cure. */
#ifndef ETRAN_ERROR_H
#define ETRAN_ERROR_H

/**
 * etran_fail() - set errno and what etran_strerror_detail() returns
 * @err: positive errno
 * @fmt: as printf(), a sentence without a full stop
 *
 * Return: -1, for `return etran_fail(...)`.
 */
int etran_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* ETRAN_ERROR_H */
