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

/*
 * For who must miss nothing: base64 behind a pad, which some readers decode
 * and others do not, is decoded too, as a text of its own or, with join, as
 * if there were no pad.  Do the two differ?
 */
bool transfer_decode_all(const char *p, size_t n,
    enum mime_encoding encoding, bool join, struct spool *out,
    struct error *err) __attribute__((warn_unused_result));
bool transfer_is_ambiguous(const char *p, size_t n,
    enum mime_encoding encoding);

/*
 * Only what RFC 2045 6.7 and 6.8 let stand there?  (Not how long lines
 * are.)  Unknown encodings are not.
 */
bool transfer_is_well_formed(const char *p, size_t n,
    enum mime_encoding encoding);

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
