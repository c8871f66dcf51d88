/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_MAIL_TEXT_H
#define MILTER_SMIME_MAIL_TEXT_H

/*
 * The text of a message as filters read it: its leaves, each either body
 * (what a reader sees first) or attachment, with transfer encoding and
 * charset undone.  Looks into signed parts (multipart/signed), embedded
 * messages and digests, whose leaves are attachments; mail_parts.h says
 * what else there is where readers could disagree.
 *
 * Body is what is text/plain, text/html or has no usable type, has no file
 * name, does not call itself an attachment and is in no embedded message.
 * So is text between parts.  All else is an attachment, inline images too.
 *
 * Hostile bytes.  Decoded content is made when it is first asked for, kept
 * in a spool (a secret one: it may have been encrypted), and freed with the
 * mail_text; it belongs to one message and one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "entity.h"
#include "mail_parts.h"
#include "spool.h"

struct mail_text;

/* Borrows e. NULL: TEMP, no room. */
struct mail_text *mail_text_new(const struct entity *e,
    const struct spool_place *place, struct error *err);
void mail_text_free(struct mail_text **t);

size_t mail_text_count(const struct mail_text *t);
const struct mail_part *mail_text_part(const struct mail_text *t, size_t i);

/*
 * The decoded content of a part: text in UTF-8, everything else as the
 * bytes it is, header lines of an embedded message as header_text.h has
 * them.  Where a search could otherwise miss what some reader shows, more
 * follows, each behind a line with only U+001E (MAIL_TEXT_NEXT):
 *
 * - HTML without its markup (see html_text.h);
 * - text without what is not seen, when there is such (visible_text.h);
 * - the same in each of several charsets or transfer encodings that are
 *   given, or that an unknown one could be; base64 that goes on behind its
 *   padding, read in both ways; what is called base64 and is none, as is;
 * - the bytes of text in a charset that US-ASCII is no part of (UTF-7,
 *   UTF-16, ISO-2022-JP), for readers that do not know it.
 *
 * All that comes to at most MAIL_TEXT_AGAIN times the mail, beside one
 * reading of each part: enough for whatever a valid mail can be read as;
 * what is more is left out and makes the mail invalid.  Text that needs none of this costs no copy.  Borrowed until
 * free.
 */
#define MAIL_TEXT_NEXT "\n\036\n"
#define MAIL_TEXT_AGAIN 12
bool mail_text_content(struct mail_text *t, size_t i, const char **p,
    size_t *n, struct error *err) __attribute__((warn_unused_result));

/*
 * Is the MIME structure sound: boundaries there and closed, encodings
 * known and well formed, no field or parameter twice that must stand once,
 * header lines that are some, limits not reached?
 */
bool mail_text_is_valid(struct mail_text *t);

/*
 * Was a limit reached, so far: is there text that some reader may see and
 * that is only there as raw bytes, or not at all?
 */
bool mail_text_is_limited(const struct mail_text *t);

/*
 * Are there parts that say they are encrypted (PGP/MIME, S/MIME, inline
 * PGP)?  False: TEMP, no room.
 */
bool mail_text_has_encrypted(struct mail_text *t, bool *found,
    struct error *err) __attribute__((warn_unused_result));

#endif
