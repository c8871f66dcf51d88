/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_PARAM_H
#define COMMON_PARAM_H

/*
 * One parameter of postseal.conf(5) as a row of a table, and its value as
 * a member of a plain struct: reading, writing, comparing.  settings.h
 * puts rows together to sections.
 *
 * `values` is the struct; its member belongs to the row's type, strings
 * and lists are owned by it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/conf.h"
#include "common/error.h"
#include "common/strvec.h"

enum param_type {
	PARAM_BOOL,	/* bool: yes, no */
	PARAM_INT,	/* int64_t */
	PARAM_SIZE,	/* int64_t bytes: 512, 512K, 10M, 1G */
	PARAM_TIME,	/* int64_t seconds: 30, 30s, 5m, 12h, 7d, 2w */
	PARAM_STRING,	/* char *, NULL when unset */
	PARAM_PATH,	/* char *, absolute, NULL when unset */
	PARAM_LIST,	/* struct strvec */
	PARAM_ENUM,	/* int: index into words */
	PARAM_ENDPOINT, /* char *: inet:HOST:PORT, unix:/path; checked */
	PARAM_REF,	/* char *: name of a section of type words[0] */
	PARAM_REFS,	/* struct strvec of such names */
};

struct param {
	const char *name;
	enum param_type type;
	size_t offset;		  /* into the section's struct */
	const char *def;	  /* as one would write it; NULL: unset */
	int64_t min, max;	  /* PARAM_INT, SIZE, TIME; both 0: none */
	const char *const *words; /* ENUM: NULL-ended; REF: {type, NULL} */
	bool required;		  /* no default, must be given */
	const char *help;	  /* one sentence, for -d and the manual */
};

/*
 * Reads v into the member, which must be zeroed or param_clear()ed.  PERM
 * with "what is wrong; what to write", without a place.  `""` unsets text
 * without a default; of references only the form is checked.
 */
bool param_parse(const struct param *p, const struct conf_value *v,
    void *values, struct error *err) __attribute__((warn_unused_result));

/* Frees what the member owns and makes it unset. */
void param_clear(const struct param *p, void *values);

/* Copies the member; that of `to` must be zeroed or param_clear()ed. */
void param_copy(const struct param *p, const void *from, void *to);

bool param_same(const struct param *p, const void *a, const void *b);

/* Appends the value as it may stand in the file, quoted where needed. */
void param_format(const struct param *p, const void *values,
    struct buf *out);

/* Appends what may be written, such as "a whole number from 1 to 9". */
void param_format_wanted(const struct param *p, struct buf *out);

#endif
