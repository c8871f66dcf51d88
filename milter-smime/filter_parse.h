/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_PARSE_H
#define MILTER_SMIME_FILTER_PARSE_H

/*
 * The filter language, compiled: text to filter_set.  By hand and strict:
 * an error says FILE:LINE:COLUMN, what was expected and what was found.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/strvec.h"
#include "filter_set.h"

/* What filters may name; another name is an error. */
struct filter_names {
	const struct strvec *profiles;	  /* sending profiles */
	const struct strvec *quarantines;
};

#define FILTER_MAX_FILE (4 << 20)
#define FILTER_MAX_DEPTH 50 /* of parentheses, nots and nested ifs */

/*
 * Adds the filters of one file to the set.  A name that the set already
 * has is an error.  On failure (PERM) the set is as it was.
 */
bool filter_parse(struct filter_set *s, const char *file, const char *text,
    size_t n, const struct filter_names *names, struct error *err)
    __attribute__((warn_unused_result));

#endif
