/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_MAIL_LEAF_H
#define MILTER_SMIME_MAIL_LEAF_H

/*
 * A leaf of a message, and what its header lines say of it: type, names,
 * body or attachment, how it may be encoded.  Which leaves there are:
 * mail_parts.h.
 *
 * Hostile bytes; what a leaf lies in is borrowed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/strvec.h"
#include "mime.h"

struct mail_part {
	bool attachment;
	const char *type;     /* "text/plain", lower case; never NULL */
	const char *filename; /* UTF-8, the first of filenames; or NULL */
	struct strvec filenames; /* all that a reader could take for it */
	size_t size;		 /* before decoding */
};

enum mail_leaf_kind {
	MAIL_LEAF_BYTES,
	MAIL_LEAF_TEXT,
	MAIL_LEAF_HTML,
	MAIL_LEAF_HEADERS,
};

#define MAIL_LEAF_ENCODINGS 3

/* Bytes that lie elsewhere. */
struct mail_view {
	const char *p;
	size_t n;
};

struct mail_leaf {
	struct mail_part part;
	enum mail_leaf_kind kind;
	struct mail_view body; /* as it came */
	enum mime_encoding encoding;
	/* How readers may decode it: one, unless that is in doubt. */
	enum mime_encoding readings[MAIL_LEAF_ENCODINGS];
	size_t nreadings;
	struct strvec charsets; /* as named, all of them */
	char *type;
};

/* Zeroed memory is none. */
struct mail_leaves {
	struct mail_leaf *v;
	size_t n;
	bool full;	/* MAIL_LEAVES_MAX, and there were more */
	bool ambiguous; /* a parameter has more values than are kept */
};

#define MAIL_LEAVES_MAX 4000

void mail_leaves_clear(struct mail_leaves *l);
void mail_leaves_drop_last(struct mail_leaves *l);

/*
 * A part: its header lines, the value of the Content-Type field that it
 * goes by (empty: none), its body; embedded: in another message.
 */
void mail_leaves_add_part(struct mail_leaves *l, struct mail_view head,
    struct mail_view type, struct mail_view body, bool embedded);

/*
 * An embedded message, by the part that carries it: what is seen of it
 * itself are its header lines.
 */
void mail_leaves_add_message(struct mail_leaves *l, struct mail_view head,
    struct mail_view body, struct mail_view message_head);

/* Text that is in no part; nothing when it is blank. */
void mail_leaves_add_rest(struct mail_leaves *l, struct mail_view text,
    bool embedded);

/* ---- header lines ---- */

/* The next field of that name from *off on; its value. */
bool mail_leaf_field(struct mail_view head, const char *name, size_t *off,
    struct mail_view *value);

/* Does every reader take the same from them? */
bool mail_leaf_is_sound_head(struct mail_view head);

/* A Content-Type value's type; text/plain when it is none. free(3). */
char *mail_leaf_type(struct mail_view value);

#endif
