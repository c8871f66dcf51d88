/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_DER_H
#define COMMON_DER_H

/*
 * One step through DER (X.690): the next tag, length and contents of a run
 * of bytes.  Borrows, allocates nothing, never reads past the run; what is
 * not DER (indefinite or padded lengths, tags beyond 30) is refused.  The
 * bytes may be anybody's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
/* [n] of a context, primitive and constructed. */
#define DER_CONTEXT(n) (0x80 | (n))
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

/* A run of bytes; what was read is cut off its front. */
struct der {
	const uint8_t *p;
	size_t n;
};

struct der_item {
	uint8_t tag;
	struct der body;  /* contents alone */
	struct der whole; /* with tag and length */
};

/* Takes the next item off in.  False: in is at its end, or no DER. */
bool der_next(struct der *in, struct der_item *item);

/* The same, and the tag must be this; else in stays as it is. */
bool der_take(struct der *in, uint8_t tag, struct der_item *item);

/* The tag of the next item; 0 at the end. */
uint8_t der_peek(const struct der *in);

bool der_equal(const struct der *a, const struct der *b);

#endif
