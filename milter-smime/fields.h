/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FIELDS_H
#define MILTER_SMIME_FIELDS_H

/*
 * A message's header while it is edited: the fields as they are now, and
 * the edits that led there, in the order and with the indexes in which the
 * milter protocol must be told.  An index counts on the state of that
 * moment, so every edit holds whatever came before it.
 *
 * Filters edit, results are set, S/MIME changes Content-*: all through
 * here.  Borrows the message; belongs to one message's run.
 */

#include <stdbool.h>
#include <stddef.h>

#include "message.h"

enum edit_kind {
	EDIT_CHANGE, /* the index-th (from 1) field of that name */
	EDIT_DELETE,
	EDIT_APPEND,
	EDIT_PREPEND,
};

struct edit {
	enum edit_kind kind;
	char *name;
	char *value; /* as in struct header; NULL for EDIT_DELETE */
	unsigned index;
};

struct field {
	const char *name;
	const char *value; /* as in struct header */
	size_t edit;	   /* 1 + index of the edit that set it; 0: none */
};

struct fields {
	struct field *v;
	size_t n;
	struct edit *edits;
	size_t nedits;
};

/* Zeroed memory is an empty header. */
void fields_init(struct fields *f, const struct message *m);
void fields_copy(struct fields *to, const struct fields *from);
void fields_clear(struct fields *f);

/* The n-th field (from 0) of that name in any case; NULL when none. */
const struct field *fields_find(const struct fields *f, const char *name,
    size_t n);

/* `at` is an index into f->v. */
void fields_change(struct fields *f, size_t at, const char *value);
void fields_delete(struct fields *f, size_t at);
void fields_append(struct fields *f, const char *name, const char *value);
void fields_prepend(struct fields *f, const char *name, const char *value);

/*
 * Deletes the fields of that name for which pick says so (NULL: all).
 * Returns how many.
 */
size_t fields_delete_named(struct fields *f, const char *name,
    bool (*pick)(const void *context, const char *value),
    const void *context);

#endif
