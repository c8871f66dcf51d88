/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_QUOTED_PRINTABLE_H
#define MILTER_SMIME_QUOTED_PRINTABLE_H

/*
 * Quoted-printable (RFC 2045 6.7) in the strict form that survives every
 * hop: lines of at most 76, nothing blank at their ends, no line that
 * starts with `From `, `.` or `--` (a boundary could hide there).
 * CRLF is a line end; a CR or LF alone is data.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "spool.h"

bool quoted_printable_encode(const char *p, size_t n, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));

/* What is not quoted-printable passes as it is, as RFC 2045 advises. */
bool quoted_printable_decode(const char *p, size_t n, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));

#endif
