/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/utf8.h"

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
