/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl_pem.h"

#include <string.h>

#define LABEL "X509 CRL-----"
#define OLD_LABEL "CRL-----" /* of some old programs */
#define BEGIN "-----BEGIN "
#define END "-----END "
#define LINE 48 /* octets in a line of 64 characters */
#define LINE_TEXT (LINE / 3 * 4 + 1)
#define LINES 256

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- reading ---- */

static uint8_t *
find(uint8_t *p, const uint8_t *end, const char *text)
{
	return memmem(p, (size_t)(end - p), text, strlen(text));
}

static bool
starts(const uint8_t *p, const uint8_t *end, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

/* The length of what stands behind BEGIN or END, or 0: no CRL. */
static size_t
label(const uint8_t *p, const uint8_t *end)
{
	if (starts(p, end, LABEL))
		return strlen(LABEL);
	return starts(p, end, OLD_LABEL) ? strlen(OLD_LABEL) : 0;
}

static void
fill_table(int8_t table[256])
{
	memset(table, -1, 256);
	for (int i = 0; i < 64; i++)
		table[(uint8_t)alphabet[i]] = (int8_t)i;
	for (const char *c = " \t\r\n"; *c != '\0'; c++)
		table[(uint8_t)*c] = -2;
	table['='] = -3;
}

/* Decodes into the same place; false: no base64. */
static bool
decode(uint8_t *p, size_t n, struct der *out)
{
	int8_t table[256];
	uint8_t *to = p;
	uint32_t bits = 0;
	int have = 0, pad = 0;

	fill_table(table);
	for (size_t i = 0; i < n; i++) {
		int v = table[p[i]];

		if (v == -2)
			continue;
		if (v == -3 && ++pad <= 2)
			continue;
		if (v < 0 || pad > 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (++have == 4) {
			*to++ = (uint8_t)(bits >> 16);
			*to++ = (uint8_t)(bits >> 8);
			*to++ = (uint8_t)bits;
			have = 0;
		}
	}
	if (have == 1 || (pad > 0 && have + pad != 4))
		return false;
	if (have == 2)
		*to++ = (uint8_t)(bits >> 4);
	if (have == 3) {
		*to++ = (uint8_t)(bits >> 10);
		*to++ = (uint8_t)(bits >> 2);
	}
	*out = (struct der){p, (size_t)(to - p)};
	return out->n > 0;
}

static bool
find_blocks(uint8_t *p, const uint8_t *end, struct crl_pem *found,
    struct error *err)
{
	uint8_t *begin, *stop;
	size_t n;

	while ((begin = find(p, end, BEGIN)) != NULL) {
		p = begin + strlen(BEGIN);
		n = label(p, end);
		if (n == 0)
			continue;
		p += n;
		stop = find(p, end, END);
		if (stop == NULL)
			return error_perm(err, "CRL %zu in PEM has no end; it "
			    "was cut short", found->n + 1);
		if (found->n == CRL_PEM_MAX)
			return error_perm(err, "more than %d CRLs in one file",
			    CRL_PEM_MAX);
		if (!decode(p, (size_t)(stop - p), &found->crl[found->n]))
			return error_perm(err, "CRL %zu in PEM is no base64",
			    found->n + 1);
		found->n++;
		p = stop + strlen(END);
	}
	return true;
}

/* What people see when a server answers with a page of its own. */
static const char *
guess(const uint8_t *p, size_t n)
{
	while (n > 0 && (*p == ' ' || *p == '\r' || *p == '\n' || *p == '\t'))
		p++, n--;
	if (n == 0)
		return "it is empty";
	return *p == '<' ? "it looks like a web page" : "it is neither DER "
							"nor PEM";
}

bool
crl_pem_find(uint8_t *p, size_t size, struct crl_pem *found,
    struct error *err)
{
	memset(found, 0, sizeof(*found));
	/* DER starts so, and never has a second octet that is text. */
	if (size > 1 && p[0] == DER_SEQUENCE && p[1] >= 0x80) {
		found->crl[found->n++] = (struct der){p, size};
		return true;
	}
	if (!find_blocks(p, p + size, found, err))
		return false;
	if (found->n == 0 && size > 1 && p[0] == DER_SEQUENCE)
		found->crl[found->n++] = (struct der){p, size};
	if (found->n == 0)
		return error_perm(err, "no CRL in it: %s", guess(p, size));
	return true;
}

/* ---- writing ---- */

static size_t
encode_line(const uint8_t *p, size_t n, char *to)
{
	char *start = to;

	for (; n >= 3; p += 3, n -= 3) {
		uint32_t v =
		    (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = alphabet[v >> 6 & 63];
		*to++ = alphabet[v & 63];
	}
	if (n > 0) {
		uint32_t v = (uint32_t)p[0] << 16 |
			     (n == 2 ? (uint32_t)p[1] << 8 : 0);

		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
		*to++ = '=';
	}
	*to++ = '\n';
	return (size_t)(to - start);
}

size_t
crl_pem_size(size_t n)
{
	size_t rest = n % LINE;

	return strlen(BEGIN LABEL END LABEL) + 2 + n / LINE * LINE_TEXT +
	       (rest == 0 ? 0 : (rest + 2) / 3 * 4 + 1);
}

bool
crl_pem_write(const struct der *crl, crl_pem_sink *sink, void *context)
{
	static const char head[] = BEGIN LABEL "\n", tail[] = END LABEL "\n";
	char text[LINES * LINE_TEXT];
	const uint8_t *p = crl->p;
	size_t left = crl->n, have = strlen(head);

	memcpy(text, head, have);
	while (left > 0) {
		size_t n = left < LINE ? left : LINE;

		have += encode_line(p, n, text + have);
		p += n;
		left -= n;
		/* The tail is shorter than a line. */
		if (sizeof(text) - have < LINE_TEXT) {
			if (!sink(context, text, have))
				return false;
			have = 0;
		}
	}
	memcpy(text + have, tail, strlen(tail));
	return sink(context, text, have + strlen(tail));
}
