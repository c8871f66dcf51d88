/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CHARSET_H
#define MILTER_SMIME_CHARSET_H

/*
 * Text in any charset as UTF-8, by iconv(3).  Hostile: bytes that the
 * charset does not have become U+FFFD, an unknown charset is read as what
 * it most likely is (UTF-8 when it is that, else Windows-1252); ends never
 * fail for their content.
 *
 * Names come from mail, in any case; NULL is none.  Where readers take a
 * name for a larger charset than it means (WHATWG Encoding Standard:
 * ISO-8859-1 for Windows-1252, GB2312 for GB18030 ...), so do we; US-ASCII
 * with 8-bit bytes in it is read as an unknown charset is.  UTF-16 goes by
 * its byte order mark, else by where its zero bytes are, else it is
 * big-endian (RFC 2781 4.3).  A byte order mark is no text.
 *
 * Any thread.  What iconv_open(3) has loaded once stays loaded: to load it
 * for each encoded word would take a message of them minutes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "spool.h"

/* Known to be UTF-8 or a part of it (us-ascii), so that nothing need be done? */
bool charset_is_utf8(const char *name);

/*
 * Are all bytes below 0x80 what they are in US-ASCII, whatever stands
 * before them?  Not so in UTF-7, UTF-16, ISO-2022-JP, EBCDIC: text in these
 * says one thing to who knows the charset, and another to who does not.
 */
bool charset_is_ascii_based(const char *name);

/* Is the text in UTF-8 these very bytes? */
bool charset_is_same(const char *name, const char *p, size_t n);

/* What a byte is in Windows-1252. */
uint32_t charset_windows_1252(unsigned char c);

/* So many bytes may one become (in TSCII, nine). */
#define CHARSET_EXPANSION 16

/* Small text; bounded by out. */
void charset_to_utf8(const char *charset, const char *p, size_t n,
    struct buf *out);

/* The same for bodies, in blocks. */
bool charset_convert(const char *charset, const char *p, size_t n,
    struct spool *out, struct error *err) __attribute__((warn_unused_result));

#endif
