/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

/*
 * Code points of UTF-8 (RFC 3629): overlong forms, surrogates and what
 * lies beyond Unicode are no UTF-8.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the code point at s, of which n > 0 bytes are there.  Returns its
 * length, 1 to 4, or 0 when there is none; then *cp is not set.
 */
size_t utf8_decode(const char *s, size_t n, uint32_t *cp);

#define UTF8_REPLACEMENT 0xfffd
#define UTF8_MAX 4 /* bytes of one code point */

/* Writes one, returns its length; what is none becomes U+FFFD. */
size_t utf8_encode(uint32_t cp, char out[UTF8_MAX]);

/* Of n bytes, how many stand before the first that is no UTF-8. */
size_t utf8_span(const char *s, size_t n);

/* How many stand before the first that is no US-ASCII. */
size_t utf8_span_ascii(const char *s, size_t n);

#endif
