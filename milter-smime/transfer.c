/* SPDX-License-Identifier: BSD-2-Clause */
#include "transfer.h"

#include <stdlib.h>

#include "base64.h"
#include "common/mem.h"
#include "quoted_printable.h"

#define BLOCK (57 * 1024)

static bool
decode_base64(const char *p, size_t n, struct spool *out, struct error *err)
{
	struct base64_decoder d = {0};
	unsigned char *block = mem_alloc(BLOCK * 3 / 4 + 3);
	bool ok = true;

	for (size_t off = 0; ok && off < n; off += BLOCK) {
		size_t take = n - off < BLOCK ? n - off : BLOCK;

		ok = spool_write(out, block,
		    base64_decode(&d, p + off, take, block), err);
	}
	free(block);
	return ok;
}

static bool
encode_base64(const char *p, size_t n, struct spool *out, struct error *err)
{
	struct base64_encoder e = {0};
	char *block = mem_alloc(BASE64_ENCODED_MAX(BLOCK));
	bool ok = true;

	for (size_t off = 0; ok && off < n; off += BLOCK) {
		size_t take = n - off < BLOCK ? n - off : BLOCK;

		ok = spool_write(out, block, base64_encode(&e,
		    (const unsigned char *)p + off, take, block), err);
	}
	if (ok)
		ok = spool_write(out, block, base64_encode_end(&e, block),
		    err);
	free(block);
	return ok;
}

bool
transfer_decode(const char *p, size_t n, enum mime_encoding encoding,
    struct spool *out, struct error *err)
{
	switch (encoding) {
	case MIME_BASE64:
		return decode_base64(p, n, out, err);
	case MIME_QUOTED_PRINTABLE:
		return quoted_printable_decode(p, n, out, err);
	case MIME_7BIT:
	case MIME_8BIT:
	case MIME_BINARY:
	case MIME_OTHER:
		break;
	}
	return spool_write(out, p, n, err);
}

bool
transfer_encode(const char *p, size_t n, enum mime_encoding encoding,
    struct spool *out, struct error *err)
{
	return encoding == MIME_BASE64 ? encode_base64(p, n, out, err) :
	    quoted_printable_encode(p, n, out, err);
}
