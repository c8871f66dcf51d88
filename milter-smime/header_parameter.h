/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_HEADER_PARAMETER_H
#define MILTER_SMIME_HEADER_PARAMETER_H

/*
 * Parameters of Content-Type and Content-Disposition, as any reader could
 * take them: mime.h knows only those that all read alike.  Hostile bytes;
 * never fails.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/strvec.h"

#define HEADER_PARAMETER_MAX 32
#define HEADER_PARAMETER_MAX_LENGTH 65536 /* of a longer one, its end */

/*
 * Adds whatever some reader could take for that parameter (its name in
 * lower case), what is most likely first: RFC 2231 (charset, pieces),
 * plain values with encoded words in them or not; each of several, quoted
 * and not, with and without regard to comments and backslashes, cut off at
 * a NUL, without the blanks and dots at its end (Windows drops them),
 * pieces with gaps and doubles.  UTF-8, control characters as blanks.
 *
 * None that is in the list already, and none beyond HEADER_PARAMETER_MAX
 * for a list: then the first and the last are kept, and false is returned.
 */
bool header_parameter_all(const char *value, size_t n, const char *name,
    struct strvec *all);

#endif
