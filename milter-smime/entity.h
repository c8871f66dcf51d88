/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_ENTITY_H
#define MILTER_SMIME_ENTITY_H

/*
 * A MIME entity: its Content-* header lines and its body.  This is what
 * S/MIME signs and encrypts (RFC 8551 3.1); a message is an entity with
 * other header fields around it.  Steps of a delivery take an entity and
 * give another; what they do not change stays where it lies.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "message.h"
#include "pieces.h"

struct entity {
	struct buf head; /* lines ending in CRLF, without the blank line */
	struct pieces body;
};

void entity_init(struct entity *e);
void entity_clear(struct entity *e);

/*
 * The entity of a message: all its Content-* fields in their order; with
 * none that says the type, `text/plain` is added (RFC 2045 5.2).
 * Borrows the message's body.
 */
bool entity_from_message(const struct message *m, struct entity *e,
    struct error *err) __attribute__((warn_unused_result));

/* Another view of the same bytes; from stays alive as long. */
void entity_borrow(struct entity *e, const struct entity *from);

/*
 * The entity in bytes that were signed or encrypted.  Only Content-*
 * fields are taken, the first of each name: others inside are not ours to
 * believe.  Borrows p.
 */
bool entity_from_bytes(const char *p, size_t n, struct entity *e,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Makes the entity fit to be signed (RFC 8551 3.1.1 to 3.1.3): canonical
 * and 7-bit, part by part, through nested multiparts and embedded
 * messages.  Leaves with 8-bit bytes, NUL, a CR or LF alone, lines over
 * 998 octets, blanks at line ends or lines that start with `From ` are
 * encoded anew; transport padding on delimiter lines goes; already signed
 * inner parts (multipart/signed) and all that is in order stay byte for
 * byte.
 *
 * What cannot be made so without changing what it means (8-bit bytes, or
 * only the label 8bit, in an inner signed part; 8-bit bytes outside any
 * part, in an unknown encoding or under two Content-Type fields; too deep
 * or too many parts; header lines over 998) is left, and *left says so:
 * such an entity survives transport only inside an opaque signature.
 * Header lines may hold 8-bit bytes and blanks at their ends.
 */
bool entity_canonicalise(struct entity *e, const struct spool_place *place,
    bool *left, struct error *err) __attribute__((warn_unused_result));

/*
 * For content that somebody else composed and no mail server has seen:
 * replaces every NUL by a blank and makes every CR or LF alone a CRLF, so
 * that nothing of it can end a message early on the wire.
 */
bool entity_clean(struct entity *e, const struct spool_place *place,
    struct error *err) __attribute__((warn_unused_result));

#endif
