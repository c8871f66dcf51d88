/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/der.h"

#include <string.h>

/* X.690 10.1: the shortest form there is; at most four octets. */
static bool
take_length(const uint8_t *p, size_t n, size_t *used, size_t *len)
{
	size_t octets;

	if (n < 2)
		return false;
	if (p[1] < 0x80) {
		*len = p[1];
		*used = 2;
		return true;
	}
	octets = p[1] & 0x7f;
	if (octets == 0 || octets > 4 || n < 2 + octets || p[2] == 0)
		return false;
	*len = 0;
	for (size_t i = 0; i < octets; i++)
		*len = *len << 8 | p[2 + i];
	*used = 2 + octets;
	return *len >= 0x80;
}

bool
der_next(struct der *in, struct der_item *item)
{
	size_t used, len;

	if (!take_length(in->p, in->n, &used, &len) ||
	    (in->p[0] & 0x1f) == 0x1f || len > in->n - used)
		return false;
	item->tag = in->p[0];
	item->body = (struct der){in->p + used, len};
	item->whole = (struct der){in->p, used + len};
	in->p += used + len;
	in->n -= used + len;
	return true;
}

bool
der_take(struct der *in, uint8_t tag, struct der_item *item)
{
	return der_peek(in) == tag && der_next(in, item);
}

uint8_t
der_peek(const struct der *in)
{
	return in->n == 0 ? 0 : in->p[0];
}

bool
der_equal(const struct der *a, const struct der *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}
