/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/utf8.h"

#include <endian.h>
#include <string.h>

size_t
utf8_decode(const char *text, size_t n, uint32_t *cp)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80		 ? 1 :
	    s[0] >= 0xc2 && s[0] <= 0xdf ? 2 :
	    (s[0] & 0xf0) == 0xe0	 ? 3 :
	    s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 :
					   0;
	uint32_t value;

	if (len == 0 || len > n)
		return 0;
	value = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	if (value < smallest[len] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*cp = value;
	return len;
}

size_t
utf8_encode(uint32_t cp, char out[UTF8_MAX])
{
	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = UTF8_REPLACEMENT;
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t
utf8_span_ascii(const char *s, size_t n)
{
	const uint64_t high = 0x8080808080808080;
	uint64_t v[4];
	size_t i = 0;

	for (; n - i >= sizeof(v); i += sizeof(v)) {
		memcpy(v, s + i, sizeof(v));
		if (((v[0] | v[1] | v[2] | v[3]) & high) != 0)
			break;
	}
	for (; n - i >= sizeof(v[0]); i += sizeof(v[0])) {
		memcpy(v, s + i, sizeof(v[0]));
		v[0] = le64toh(v[0]) & high;
		if (v[0] != 0)
			return i + (size_t)__builtin_ctzll(v[0]) / 8;
	}
	while (i < n && (unsigned char)s[i] < 0x80)
		i++;
	return i;
}

size_t
utf8_span(const char *s, size_t n)
{
	size_t i = 0, len;
	uint32_t cp;

	while (i < n) {
		const unsigned char *p = (const unsigned char *)s + i;

		if (p[0] < 0x80) {
			i += utf8_span_ascii(s + i, n - i);
			continue;
		}
		/* Most of what is not US-ASCII has two bytes. */
		if (n - i >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf &&
		    (p[1] & 0xc0) == 0x80) {
			i += 2;
			continue;
		}
		len = utf8_decode(s + i, n - i, &cp);
		if (len == 0)
			return i;
		i += len;
	}
	return i;
}
