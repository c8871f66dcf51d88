/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/*
 * Lines for the administrator, to syslog or (with -v, and in commands) to
 * standard error.  Severities are Postfix's: info, warning, error, fatal
 * (the environment is broken), panic (our own bug).
 *
 * A line is `QUEUEID: key=value key=value`.  Control characters, DEL and
 * bytes that are not UTF-8 never reach the log: they are written as \xNN.
 * Passwords and keys are never given to these functions.
 * Thread safe after log_open().
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * facility is a syslog facility name such as "mail".  to_stderr sends
 * lines there instead.  Before log_open() lines go to standard error.
 * Returns false for a facility that does not exist.
 */
bool log_open(const char *program, const char *facility, bool to_stderr);

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Logs and exits with a sysexits(3) code. */
void log_fatal(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* Logs and aborts: our own bug. */
void log_panic(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* Appends text with everything unprintable written as \xNN. */
void log_escape(struct buf *out, const char *text, size_t n);

#endif
