/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SPOOL_H
#define MILTER_SMIME_SPOOL_H

/*
 * Bytes of unknown number: in memory while few, then in a file that has no
 * name (so nothing of a message stays on disk when we die), mapped when
 * written.  Write, finish, then read; immutable from finish on.
 *
 * Above a megabyte only three spools of the process are in memory at a
 * time, so what it takes is bounded however many connections there are.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Where spools put what is too large for memory. */
struct spool_place {
	const char *directory; /* borrowed */
	size_t spill_at;       /* bytes kept in memory */
};

struct spool;

struct spool *spool_new(const struct spool_place *place);
void spool_free(struct spool **s);

/* What was encrypted: its memory is overwritten before it is used again. */
void spool_set_secret(struct spool *s);

/* TEMP when the disk is full, or out of descriptors. */
bool spool_write(struct spool *s, const void *p, size_t n, struct error *err)
    __attribute__((warn_unused_result));
bool spool_finish(struct spool *s, struct error *err)
    __attribute__((warn_unused_result));

/* After finish; data is never NULL. */
const char *spool_data(const struct spool *s);
size_t spool_len(const struct spool *s);

#endif
