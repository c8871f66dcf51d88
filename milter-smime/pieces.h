/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_PIECES_H
#define MILTER_SMIME_PIECES_H

/*
 * A run of bytes given as pieces that lie elsewhere: a signed message is
 * the old body with a little text around it, and copying 100 MB to say so
 * would be waste.  Pieces borrow, unless told to keep a spool or a text,
 * which then lives as long as the pieces do.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "spool.h"

struct piece {
	const char *data;
	size_t len;
};

struct pieces {
	struct piece *v;
	size_t n;
	size_t len; /* of all */
	struct spool **spools;
	size_t nspools;
	char **texts;
	size_t ntexts;
	bool secret; /* so is the copy that pieces_flatten makes */
};

/* Zeroed memory is no pieces. */
void pieces_clear(struct pieces *p);

void pieces_add(struct pieces *p, const char *data, size_t len); /* borrows */
void pieces_keep_text(struct pieces *p, struct buf *text); /* takes, adds */
void pieces_keep_spool(struct pieces *p, struct spool **s); /* takes, adds */

/* Keeps a spool alive whose parts were added as borrowed. */
void pieces_own_spool(struct pieces *p, struct spool **s);

/*
 * Keeps alive all that from keeps, because p borrows of it; from is empty
 * after.
 */
void pieces_keep_sources(struct pieces *p, struct pieces *from);

/* Adds all of from behind p; from is empty after. */
void pieces_join(struct pieces *p, struct pieces *from);

/*
 * One contiguous view: the only piece itself, else a copy in a spool that
 * p keeps.
 */
bool pieces_flatten(struct pieces *p, const struct spool_place *place,
    struct error *err) __attribute__((warn_unused_result));

#endif
