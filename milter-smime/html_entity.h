/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HTML_ENTITY_H
#define MILTER_SMIME_HTML_ENTITY_H

/*
 * Character references of HTML: decimal, hexadecimal, and by name, as
 * browsers read them (HTML Living Standard 13.2.5.72), which forgive a
 * semicolon that is not there.  Of the 2,000 names those that mail has, or
 * that write US-ASCII or what is not seen.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The reference at p, of which n bytes are there.  Returns how many it is
 * long, or 0 when there is none; then *cp is not set.
 */
size_t html_entity_decode(const char *p, size_t n, uint32_t *cp);

#endif
