/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_TRANSFER_H
#define MILTER_SMIME_TRANSFER_H

/*
 * Content-Transfer-Encoding of whole bodies, in blocks, between memory
 * and a spool.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "mime.h"
#include "spool.h"

/* Identity encodings and unknown ones pass as they are. */
bool transfer_decode(const char *p, size_t n, enum mime_encoding encoding,
    struct spool *out, struct error *err) __attribute__((warn_unused_result));

/* encoding: MIME_QUOTED_PRINTABLE or MIME_BASE64. */
bool transfer_encode(const char *p, size_t n, enum mime_encoding encoding,
    struct spool *out, struct error *err) __attribute__((warn_unused_result));

/*
 * Base64 text anew in lines of 76 that end in CRLF, without what is not
 * base64.  Nothing is decoded, so text behind a pad, which some readers
 * decode and others do not, stays.
 */
bool transfer_rewrap(const char *p, size_t n, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));

#endif
