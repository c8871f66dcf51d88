/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_INDEX_BUILD_H
#define CRL_FETCHER_INDEX_BUILD_H

/*
 * Makes the bytes of an index (common/crl_index_file.h) out of the entries
 * of a CRL and, when there is one, of a delta CRL.  Everything happens in
 * one run of memory of the size the file will have: entries are written
 * where they belong and sorted there.  Pure; the entries come from a CRL
 * whose signature holds.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/crl_index_file.h"
#include "common/error.h"

#define INDEX_REASON_REMOVE 8 /* removeFromCRL, RFC 5280 5.3.1 */

/* The header; all borrowed.  Dates as in the file. */
struct index_facts {
	uint32_t flags;
	unsigned reasons;
	unsigned pem; /* N of HHHHHHHH.rN */
	int64_t this_update, next_update;
	int64_t delta_this_update, delta_next_update;
	int64_t written;
	struct der field[CRL_INDEX_FIELDS];
};

struct index_build {
	struct buf bytes;
	size_t at;    /* offset of the entries */
	size_t width; /* of a serial number */
	size_t entry; /* of an entry */
	size_t capacity;
	size_t count; /* entries so far */
	size_t base;  /* of them, those of the CRL itself */
	bool delta;   /* what comes now is of the delta CRL */
};

/*
 * width: of the longest serial number; capacity: entries of both CRLs at
 * most.  PERM when the file would be larger than an index may be.
 */
bool index_build_init(struct index_build *b, const struct index_facts *facts,
    size_t width, size_t capacity, struct error *err)
    __attribute__((warn_unused_result));
void index_build_clear(struct index_build *b);

/*
 * One entry; serial is the contents of an INTEGER in its shortest form, at
 * most width octets.  False: it is longer, or capacity is used up.
 */
bool index_build_add(struct index_build *b, const struct der *serial,
    unsigned reason, int64_t date) __attribute__((warn_unused_result));

/* From here on entries are of the delta CRL (RFC 5280 5.2.4). */
void index_build_start_delta(struct index_build *b);

/* Sorts, merges, seals: b->bytes is the file. */
void index_build_finish(struct index_build *b);

#endif
