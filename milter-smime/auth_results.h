/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_AUTH_RESULTS_H
#define MILTER_SMIME_AUTH_RESULTS_H

/*
 * The Authentication-Results header field (RFC 8601) with the smime method
 * (RFC 7281).
 */

#include <stdbool.h>

#include "common/buf.h"
#include "verdict.h"

/*
 * The field's value, leading blank and LF folds included, for a message
 * that was signed.  One line end is never more than a fold, whatever the
 * certificate's names hold.
 */
void auth_results_format(const char *authserv_id, const struct verdict *v,
    struct buf *out);

/*
 * Does a field found in a message pretend to be ours?  It does when our
 * authserv-id stands in it as a word (any case, comments and folds skipped)
 * and a result of the method smime behind it, however it is punctuated, or
 * when it cannot be read well enough to tell.  Results of
 * other methods that an earlier filter on this host added under the same
 * name (DKIM, SPF) are not ours to remove.
 */
bool auth_results_is_forged(const char *authserv_id, const char *value);

#endif
