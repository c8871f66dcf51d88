/* SPDX-License-Identifier: BSD-2-Clause */
#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "common/mem.h"
#include "quoted_printable.h"

#define BLOCK (57 * 1024)
#define LINE 76 /* RFC 2045 6.8 */

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

static bool
is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
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

bool
transfer_rewrap(const char *p, size_t n, struct spool *out,
    struct error *err)
{
	char *block = mem_alloc(BLOCK + LINE + 2);
	size_t len = 0, column = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		if (!is_base64(p[i]))
			continue;
		block[len++] = p[i];
		if (++column < LINE)
			continue;
		memcpy(block + len, "\r\n", 2);
		len += 2;
		column = 0;
		if (len >= BLOCK) {
			ok = spool_write(out, block, len, err);
			len = 0;
		}
	}
	if (column > 0) {
		memcpy(block + len, "\r\n", 2);
		len += 2;
	}
	ok = ok && spool_write(out, block, len, err);
	free(block);
	return ok;
}
