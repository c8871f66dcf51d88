/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes are decoded whole and in pieces, which must agree, and encoded
 * and decoded again, which must give them back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "milter-smime/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
decode(const char *in, size_t n, size_t step, unsigned char *out, bool *garbage)
{
	struct base64_decoder d = {.bits = 0};
	size_t len = 0;

	for (size_t i = 0; i < n; i += step) {
		size_t now = n - i < step ? n - i : step;
		unsigned char *piece = mem_alloc(now * 3 / 4 + 3);
		size_t got = base64_decode(&d, in + i, now, piece);

		memcpy(out + len, piece, got);
		len += got;
		free(piece);
	}
	*garbage = d.garbage;
	return len;
}

static void
round_trip(const uint8_t *data, size_t size, size_t step)
{
	struct base64_encoder e = {.nrest = 0};
	char *text = mem_alloc(BASE64_ENCODED_MAX(size) + 78);
	unsigned char *back;
	size_t len = 0, n;
	bool garbage;

	for (size_t i = 0; i < size; i += step)
		len += base64_encode(&e, data + i,
		    size - i < step ? size - i : step, text + len);
	len += base64_encode_end(&e, text + len);
	back = mem_alloc(len + 3);
	n = decode(text, len, len + 1, back, &garbage);
	if (n != size || memcmp(back, data, n) != 0 || garbage)
		abort();
	free(back);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step, a, b;
	unsigned char *whole, *pieces;
	bool garbage_a, garbage_b;

	if (size < 1)
		return 0;
	step = 1 + data[0];
	data++;
	size--;
	whole = mem_alloc(size + 3);
	pieces = mem_alloc(size + 3);
	a = decode((const char *)data, size, size + 1, whole, &garbage_a);
	b = decode((const char *)data, size, step, pieces, &garbage_b);
	if (a != b || memcmp(whole, pieces, a) != 0 || garbage_a != garbage_b)
		abort();
	free(whole);
	free(pieces);
	round_trip(data, size, step);
	return 0;
}
