/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_DOMAIN_H
#define COMMON_DOMAIN_H

/*
 * Domain names as mail and certificates write them, in their one spelling:
 * lower-case A-labels (IDNA2008 without the mappings of UTS 46, libidn2),
 * so that `bücher.example` and `xn--bcher-kva.example` are equal.  The
 * text comes from anywhere.
 */

#include <stdbool.h>
#include <stddef.h>

/* Longer text, as U-labels, is no domain. */
#define DOMAIN_TEXT_MAX 1024

/* Converts to lower-case A-labels; NULL if it is no domain. free(3). */
char *domain_canonical(const char *text, size_t n);

/* `[192.0.2.1]` or `[IPv6:2001:db8::1]` in its one spelling, or NULL. */
char *domain_literal(const char *text, size_t n);

/*
 * Does a certificate's dNSName cover the domain?  Equal, or `*.example.net`
 * with exactly one label in place of the star (and at least two labels
 * behind it).  Both in any case.
 */
bool domain_covers(const char *pattern, const char *domain);

#endif
