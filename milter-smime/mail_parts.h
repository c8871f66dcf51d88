/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_MAIL_PARTS_H
#define MILTER_SMIME_MAIL_PARTS_H

/*
 * The leaves of a message as any reader could find them.  Where readers
 * disagree, filters must not miss what one of them shows: every such
 * reading adds its leaves, beside those of the others.  That is so for
 *
 * - two Content-Type fields: a leaf (or a multipart) for each;
 * - boundaries that stand twice, in RFC 2231 pieces, or not at all (then
 *   the first line that could be a delimiter counts);
 * - multiparts and messages in base64 or quoted-printable;
 * - parts behind the delimiter that should be the last;
 * - lines that start as a delimiter does and go on;
 * - header lines that end in a line of blanks, or in a line that is none;
 * - a CR alone in header lines, or before a delimiter.
 *
 * Text before the first and behind the last delimiter is a leaf too,
 * unless it is blank.  So is an embedded message, beside the leaves in it:
 * an attachment of its type, name and size, whose content are its header
 * lines.
 *
 * Limits: those of mime.h for each reading, MAIL_LEAVES_MAX leaves, and of
 * bytes that are read again MAIL_PARTS_AGAIN times the message.  What lies
 * beyond is a leaf of raw bytes, and `sound` is false.
 *
 * Hostile bytes; head and body are borrowed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "mail_leaf.h"
#include "pieces.h"
#include "spool.h"

#define MAIL_PARTS_AGAIN 8
#define MAIL_PARTS_MAX_LEVEL 8 /* of readings in readings */

struct mail_parts {
	struct mail_leaves leaves; /* in order of appearance */
	bool sound;	/* all that mail_text_is_valid() says of structure */
	bool limited;	/* a limit was reached */
	bool encrypted; /* there is a multipart/encrypted */
	struct pieces kept;
};

/*
 * Zeroed memory is none.  False: TEMP, no room.  After either, clear.
 * What was decoded to be read lies in secret spools.
 */
bool mail_parts_find(struct mail_parts *m, const char *head, size_t nhead,
    const char *body, size_t nbody, const struct spool_place *place,
    struct error *err) __attribute__((warn_unused_result));
void mail_parts_clear(struct mail_parts *m);

#endif
