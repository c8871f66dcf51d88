/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_MAILADDR_H
#define COMMON_MAILADDR_H

/*
 * Mail addresses: from envelopes, header fields, certificates and
 * settings.  All of these are hostile text; nothing here guesses.
 *
 * Domains are kept as lower-case A-labels (IDNA2008, libidn2), so that
 * `bücher.example` and `xn--bcher-kva.example` are equal.  Local parts are
 * kept as written, unquoted ("a b"@x has the local part `a b`), and compare
 * exactly, then without regard to ASCII case.  No `+tag` tricks.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/strvec.h"

struct mailaddr {
	char *local;
	char *domain; /* "" for the null sender and bare local names */
};

/*
 * An address as in an envelope or a setting: `a@b`, `<a@b>`, `<>`, with an
 * optional obsolete source route; optionally quoted local part; domain may
 * be U-labels, A-labels or an address literal.  Comments, blanks around
 * the `@`, control characters and NUL are errors.
 */
bool mailaddr_parse(const char *text, size_t n, struct mailaddr *a,
    struct error *err) __attribute__((warn_unused_result));

/* True when the address is empty (`<>`). */
bool mailaddr_is_null(const struct mailaddr *a);

void mailaddr_clear(struct mailaddr *a);
void mailaddr_copy(struct mailaddr *to, const struct mailaddr *from);

/* `local@domain`, quoted where RFC 5321 wants it; free(3). */
char *mailaddr_format(const struct mailaddr *a);

bool mailaddr_equal(const struct mailaddr *a, const struct mailaddr *b);

/*
 * Does a pattern of postseal.conf match?  `user@example.com` (that address),
 * `example.com` or `@example.com` (its users), `.example.com` (users of its
 * subdomains), `ALL`.  mailaddr_check_pattern() says whether it is one.
 */
bool mailaddr_match(const char *pattern, const struct mailaddr *a);
bool mailaddr_check_pattern(const char *pattern, struct error *err);

/*
 * Addresses of an address-list header field value (RFC 5322 3.4, with
 * obsolete syntax, groups, comments, encoded words as display names), as
 * text `local@domain` for mailaddr_parse().  Fails where two readers could
 * disagree about what the addresses are.  At most 10,000 addresses.
 * Display names count for nothing.  Adds to the list (so that several
 * fields may share one); a value that fails adds nothing.
 */
bool mailaddr_list(const char *value, size_t n, struct strvec *addresses,
    struct error *err) __attribute__((warn_unused_result));

#endif
