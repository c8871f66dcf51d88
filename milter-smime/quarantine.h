/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_QUARANTINE_H
#define MILTER_SMIME_QUARANTINE_H

/*
 * Quarantine is Postfix's hold queue; a header field says which quarantine
 * a message there is in, and why:
 *
 *   X-Quarantine: Policy; by=mx.example.com; filter=no_macros;
 *           reason="attachment invoice.xlsm"
 *
 * A name, then parameters as MIME has them (RFC 2045 5.1): a token or a
 * quoted string, or, where the text is not printable US-ASCII, RFC 2231's
 * `reason*=UTF-8''...`.  The milter removes all fields of this name that a
 * message brings, so what is in the hold queue is ours; reading is strict,
 * and whoever acts on it compares `by` with our own authserv-id.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define QUARANTINE_FIELD "X-Quarantine"

#define QUARANTINE_NAME_MAX   64  /* characters of a name */
#define QUARANTINE_FILTER_MAX 128 /* bytes; the rest is left out */
#define QUARANTINE_REASON_MAX 240
#define QUARANTINE_VALUE_MAX  4096 /* bytes of a field's value */

struct quarantine {
	char *name;
	char *by;     /* authserv-id of who put it there */
	char *filter; /* NULL: not said */
	char *reason; /* NULL: not said; like filter any UTF-8 text */
};

/*
 * Is it a name: 1 to 64 of A-Z a-z 0-9 _ . -, the first a letter or digit?
 * Names are equal whatever the case of their letters.
 */
bool quarantine_is_name(const char *name);

/*
 * Appends the field's value, leading blank and LF folds included.  filter
 * and reason may be NULL; whatever bytes they hold, it stays one field, of
 * lines under 998 octets.  False: no room (QUARANTINE_VALUE_MAX is enough).
 */
bool quarantine_format(struct buf *out, const char *name, const char *filter,
    const char *reason, const char *authserv_id);

/*
 * Reads n bytes behind the field's colon, folded or not.  False, with
 * nothing in q, when it is not as quarantine_format() writes it; unknown
 * parameters are passed over.  Clear q.
 */
bool quarantine_parse(const char *value, size_t n, struct quarantine *q);

void quarantine_clear(struct quarantine *q);

#endif
