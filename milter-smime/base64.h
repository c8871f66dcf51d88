/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_BASE64_H
#define MILTER_SMIME_BASE64_H

/*
 * Base64 as MIME writes it (RFC 2045 6.8), in blocks and in a stream of
 * pieces, because messages are larger than memory should be.
 */

#include <stdbool.h>
#include <stddef.h>

/* Decoder state; zeroed memory is a fresh one. */
struct base64_decoder {
	unsigned bits;	/* the sextets not yet written out */
	unsigned nbits;
	bool ended;	/* a pad was seen: the rest is ignored */
	bool garbage;	/* a byte outside the alphabet was skipped */
};

/*
 * Decodes n bytes; out must hold n * 3 / 4 + 3.  Returns how many were
 * written.  Blanks and line ends are skipped; other bytes outside the
 * alphabet are skipped too, as RFC 2045 asks, and set `garbage`.
 */
size_t base64_decode(struct base64_decoder *d, const char *in, size_t n,
    unsigned char *out);

/* Encoder of lines of 76 characters ended by CRLF. Zeroed is fresh. */
struct base64_encoder {
	unsigned char rest[57]; /* bytes of an unfinished line */
	size_t nrest;
};

#define BASE64_ENCODED_MAX(n) (((n) / 57 + 2) * 78)

/*
 * Encodes n bytes; out must hold BASE64_ENCODED_MAX(n).  Whole lines only
 * are written; the end writes the rest, its padding and a final CRLF.
 */
size_t base64_encode(struct base64_encoder *e, const unsigned char *in,
    size_t n, char *out);
size_t base64_encode_end(struct base64_encoder *e, char *out);

#endif
