/* SPDX-License-Identifier: BSD-2-Clause */
#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "common/mem.h"
#include "quoted_printable.h"

#define BLOCK (57 * 1024)
#define LINE 76 /* RFC 2045 6.8 */

enum pads { PADS_END, PADS_BEGIN_ANEW, PADS_ARE_NOTHING };

/* How much from off on is decoded at once: some, and without a pad. */
static size_t
next_run(const char *p, size_t n, size_t off, enum pads pads)
{
	size_t take = n - off < BLOCK ? n - off : BLOCK;
	const char *pad = pads == PADS_END ? NULL :
					     memchr(p + off, '=', take);

	return pad == NULL ? take : (size_t)(pad - (p + off));
}

static bool
decode_base64(const char *p, size_t n, enum pads pads, struct spool *out,
    struct error *err)
{
	struct base64_decoder d = {0};
	unsigned char *block = mem_alloc(n < BLOCK ? n + 4 : 2 * BLOCK);
	size_t len = 0, take;
	bool ok = true;

	for (size_t off = 0; ok && off < n; off += take) {
		take = next_run(p, n, off, pads);
		if (take == 0) { /* a pad */
			if (pads == PADS_BEGIN_ANEW)
				d = (struct base64_decoder){0};
			take = 1;
			continue;
		}
		len += base64_decode(&d, p + off, take, block + len);
		if (len >= BLOCK) {
			ok = spool_write(out, block, len, err);
			len = 0;
		}
	}
	ok = ok && spool_write(out, block, len, err);
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
		return decode_base64(p, n, PADS_END, out, err);
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
transfer_decode_all(const char *p, size_t n, enum mime_encoding encoding,
    bool join, struct spool *out, struct error *err)
{
	return encoding == MIME_BASE64 ? decode_base64(p, n, join ?
	    PADS_ARE_NOTHING : PADS_BEGIN_ANEW, out, err) :
	    transfer_decode(p, n, encoding, out, err);
}

bool
transfer_is_ambiguous(const char *p, size_t n, enum mime_encoding encoding)
{
	const char *pad, *end = p + n;

	if (encoding != MIME_BASE64 || (pad = memchr(p, '=', n)) == NULL)
		return false;
	while (++pad < end)
		if (is_base64(*pad) && *pad != '=')
			return true;
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_good_base64(const char *p, size_t n)
{
	struct base64_decoder d = {0};
	const char *pad = memchr(p, '=', n);
	size_t text = pad == NULL ? n : (size_t)(pad - p), pads = 0;
	unsigned char *block = mem_alloc(BLOCK * 3 / 4 + 3);

	for (size_t off = 0; off < text; off += BLOCK)
		(void)base64_decode(&d, p + off,
		    text - off < BLOCK ? text - off : BLOCK, block);
	free(block);
	for (size_t i = text; i < n; i++) {
		if (p[i] == '=')
			pads++;
		else if (!is_blank(p[i]))
			return false;
	}
	/* A last group of two characters leaves four bits, of three two. */
	return !d.garbage && d.nbits != 6 && pads == d.nbits / 2;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') ||
	    (c >= 'a' && c <= 'f');
}

static bool
is_good_quoted_printable(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (((unsigned char)p[i] < ' ' ||
		    (unsigned char)p[i] >= 0x7f) && !is_blank(p[i]))
			return false;
		if (p[i] != '=')
			continue;
		if (n - i >= 3 && is_hex(p[i + 1]) && is_hex(p[i + 2]))
			continue;
		/* A soft line break; blanks may have been added on the way. */
		while (i + 1 < n && (p[i + 1] == ' ' || p[i + 1] == '\t'))
			i++;
		if (i + 1 < n && p[i + 1] != '\r' && p[i + 1] != '\n')
			return false;
	}
	return true;
}

bool
transfer_is_well_formed(const char *p, size_t n, enum mime_encoding encoding)
{
	switch (encoding) {
	case MIME_BASE64:
		return is_good_base64(p, n);
	case MIME_QUOTED_PRINTABLE:
		return is_good_quoted_printable(p, n);
	case MIME_OTHER:
		return false;
	case MIME_7BIT:
	case MIME_8BIT:
	case MIME_BINARY:
		break;
	}
	return true;
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
