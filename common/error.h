/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

/*
 * Why something failed.  `kind` says what the caller must do, `text` what
 * the administrator reads: what, where, and what to do about it, in one
 * line without a final stop.  Functions that the outside can break return
 * bool with a `struct error *` last; "not found" is a result, not an error.
 *
 * The functions here return false, so that `return error_perm(err, …)` is
 * one statement.
 */

#include <stdbool.h>

enum error_kind {
	ERROR_NONE = 0,
	ERROR_TEMP, /* try later: the environment */
	ERROR_PERM, /* this input is bad and stays so */
};

struct error {
	enum error_kind kind;
	char text[512];
};

bool error_temp(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool error_perm(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* TEMP with ": strerror(errno)" appended. */
bool error_errno(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "text: " before what err already says. */
bool error_prefix(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
