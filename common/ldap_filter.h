/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_LDAP_FILTER_H
#define COMMON_LDAP_FILTER_H

/*
 * Search filters (RFC 4515) with tokens, such as
 * `(&(objectClass=posixAccount)(caccn={cn})(cacserial={sn}))`.  They are
 * checked and taken apart at start; later the tokens become values,
 * escaped, so that no value can be anything but the value it is.
 *
 * A token may stand wherever an assertion value may, alone or among other
 * text, and nowhere else.  Blanks are taken (and left out) around each
 * parenthesis, each &, | and !, and each attribute name; RFC 4515 has none
 * there, other products do.  Blanks in values are part of them.
 *
 * Templates are the administrator's, values are anybody's.  A template has
 * at most 4,096 bytes, 32 tokens and 32 levels.
 *
 * Read-only once made: any thread may expand.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strvec.h"

#define LDAP_FILTER_MAX 4096
#define LDAP_FILTER_TOKENS_MAX 32
#define LDAP_FILTER_DEPTH_MAX 32
#define LDAP_FILTER_VALUE_MAX 65536
/* Of an expanded filter. */
#define LDAP_FILTER_TEXT_MAX (4 * LDAP_FILTER_VALUE_MAX)

struct ldap_filter;

/*
 * tokens: the names that may stand in braces, ended by NULL; kept by the
 * filter, which says a token by its index there.  NULL and PERM with the
 * column, what is wrong and what to write.
 */
struct ldap_filter *ldap_filter_parse(
    const char *text, const char *const *tokens, struct error *err);
void ldap_filter_free(struct ldap_filter *f);

/* Bytes of a token's value; not text. */
struct ldap_filter_value {
	const char *p; /* NULL or n 0: there is none */
	size_t n;
};

/*
 * Appends the filter with values[i] for tokens[i].  PERM when a token that
 * the filter uses has no value (`(uid={u}*)` would match everybody), when
 * a value has over LDAP_FILTER_VALUE_MAX bytes, or when out is full; out is
 * then of no use.
 */
bool ldap_filter_expand(const struct ldap_filter *f,
    const struct ldap_filter_value *values, struct buf *out, struct error *err)
    __attribute__((warn_unused_result));

/* Does the filter use tokens[i]? */
bool ldap_filter_uses(const struct ldap_filter *f, size_t i);

/* Attributes it asks about, without options, each once.  Borrowed. */
const struct strvec *ldap_filter_attributes(const struct ldap_filter *f);

/*
 * Appends a value as it may stand in a filter (RFC 4515 section 3): all but
 * letters, digits and a few harmless marks of US-ASCII become \XX.
 */
bool ldap_filter_escape(struct buf *out, const void *p, size_t n);

#endif
