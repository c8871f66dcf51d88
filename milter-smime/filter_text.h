/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_TEXT_H
#define MILTER_SMIME_FILTER_TEXT_H

/*
 * Text of an action with variables in it: `$Subject`, `$Header['X-A']`,
 * `$EnvelopeFrom` … (names in any case), `$$` for a dollar sign; a dollar
 * sign before anything but a letter is itself.  With groups, `\1` … `\9`
 * too, what a group of the regular expression matched, `\0` all of it.
 *
 * Compiled once, immutable.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

enum filter_variable {
	VARIABLE_ALL_HEADERS,
	VARIABLE_BODY_SIZE,
	VARIABLE_CERTIFICATE_SIGNERS,
	VARIABLE_DATE,		/* MM/DD/YYYY */
	VARIABLE_ENVELOPE_FROM, /* also $EnvelopeSender */
	VARIABLE_ENVELOPE_RECIPIENTS,
	VARIABLE_FILE_NAMES,	/* $filenames */
	VARIABLE_FILE_SIZES,	/* $filesizes */
	VARIABLE_FILE_TYPES,	/* $filetypes */
	VARIABLE_FILTER_NAME,
	VARIABLE_GMT_TIMESTAMP,
	VARIABLE_GROUP,		/* the sender group */
	VARIABLE_HEADER,	/* with a name */
	VARIABLE_HOSTNAME,
	VARIABLE_MATCHED_CONTENT,
	VARIABLE_MID,		/* the queue id */
	VARIABLE_POLICY,	/* the mail flow policy */
	VARIABLE_RECV_LISTENER,
	VARIABLE_REMOTE_HOST,
	VARIABLE_REMOTE_IP,
	VARIABLE_SUBJECT,
	VARIABLE_TIME,
	VARIABLE_TIMESTAMP,
};

struct filter_text;

/*
 * PERM: an unknown variable (with the nearest known one), or a header name
 * that is none; *at is the offset in text.
 */
struct filter_text *filter_text_new(const char *text, size_t n, bool groups,
    size_t *at, struct error *err);
void filter_text_free(struct filter_text **t);

/* Appends a variable's value to out; name is of VARIABLE_HEADER. */
typedef void filter_variable_value(void *context, enum filter_variable v,
    const char *name, struct buf *out);
/* Appends a group's text. */
typedef void filter_group_value(void *context, unsigned group,
    struct buf *out);

/* group may be NULL for texts without groups. */
void filter_text_expand(const struct filter_text *t,
    filter_variable_value *value, filter_group_value *group, void *context,
    struct buf *out);

/* Without variables and groups: the text itself; else NULL. */
const char *filter_text_constant(const struct filter_text *t);

/* Is it that variable and nothing else? */
bool filter_text_is_variable(const struct filter_text *t,
    enum filter_variable v);

#endif
