/* SPDX-License-Identifier: BSD-2-Clause */
#include "cms_armour.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "common/mem.h"

#define BLOCK (57 * 1024)

void
armour_init(struct armour *a, const struct spool_place *place)
{
	a->out = spool_new(place);
	a->encoder = mem_alloc(sizeof(*a->encoder));
	a->block = mem_alloc(BASE64_ENCODED_MAX(BLOCK));
}

bool
armour_write(struct armour *a, const void *data, size_t n, struct error *err)
{
	const unsigned char *p = data;

	for (size_t off = 0; off < n; off += BLOCK) {
		size_t take = n - off < BLOCK ? n - off : BLOCK;

		if (!spool_write(a->out, a->block, base64_encode(a->encoder,
		    p + off, take, a->block), err))
			return false;
	}
	return true;
}

bool
armour_finish(struct armour *a, const char *smime_type, struct entity *e,
    struct error *err)
{
	if (!spool_write(a->out, a->block,
	    base64_encode_end(a->encoder, a->block), err) ||
	    !spool_finish(a->out, err))
		return false;
	buf_reset(&e->head);
	buf_printf(&e->head, "Content-Type: application/pkcs7-mime; "
	    "smime-type=%s;\r\n\tname=\"smime.p7m\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n",
	    smime_type);
	pieces_clear(&e->body);
	pieces_keep_spool(&e->body, &a->out);
	return true;
}

void
armour_clear(struct armour *a)
{
	spool_free(&a->out);
	free(a->encoder);
	free(a->block);
	memset(a, 0, sizeof(*a));
}
