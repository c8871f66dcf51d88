/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

/*
 * One code point of UTF-8 (RFC 3629): overlong forms, surrogates and what
 * lies beyond Unicode are no UTF-8.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the code point at s, of which n > 0 bytes are there.  Returns its
 * length, 1 to 4, or 0 when there is none; then *cp is not set.
 */
size_t utf8_decode(const char *s, size_t n, uint32_t *cp);

#endif
