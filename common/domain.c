/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/domain.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <wctype.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#define LABEL_MAX 63 /* RFC 1035 2.3.4 */
#define DOMAIN_MAX 253

static locale_t utf8_locale;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void
make_utf8_locale(void)
{
	/* Without it upper-case U-labels are refused; never a wrong answer. */
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* RFC 1123 2.1; Postfix and the real world add the underscore. */
static bool
append_ascii_label(struct buf *out, const char *label, size_t n)
{
	if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!ascii_is_alnum(label[i]) && label[i] != '-' && label[i] != '_')
			return false;
		if (!buf_putc(out, ascii_lower(label[i])))
			return false;
	}
	return true;
}

/*
 * Lower case where it leads back to the very same character: the Kelvin
 * sign and the dotted capital I would become ASCII letters, which is
 * somebody else's domain.
 */
static bool
append_lower(struct buf *out, const char *s, size_t len, uint32_t cp)
{
	wint_t low;

	if (cp < 0x80)
		return buf_putc(out, ascii_lower((char)cp));
	pthread_once(&utf8_once, make_utf8_locale);
	low = utf8_locale == (locale_t)0 ? (wint_t)cp :
					   towlower_l((wint_t)cp, utf8_locale);
	if (low == (wint_t)cp || low < 0x80 || low > 0xffff ||
	    towupper_l(low, utf8_locale) != (wint_t)cp)
		return buf_append(out, s, len);
	if (low < 0x800)
		return buf_putc(out, (char)(0xc0 | low >> 6)) &&
		    buf_putc(out, (char)(0x80 | (low & 0x3f)));
	return buf_putc(out, (char)(0xe0 | low >> 12)) &&
	    buf_putc(out, (char)(0x80 | (low >> 6 & 0x3f))) &&
	    buf_putc(out, (char)(0x80 | (low & 0x3f)));
}

/*
 * IDNA2008 without the mappings of UTS 46: a wide or otherwise compatible
 * letter, a soft hyphen or a label that is not NFC is no label at all.
 */
static bool
append_unicode_label(struct buf *out, const char *label, size_t n)
{
	struct buf low;
	uint8_t *ace = NULL;
	uint32_t cp;
	size_t len;
	bool ok = false;

	buf_init(&low, DOMAIN_TEXT_MAX);
	for (size_t i = 0; i < n; i += len) {
		len = utf8_decode(label + i, n - i, &cp);
		if (len == 0 || !append_lower(&low, label + i, len, cp))
			goto out;
	}
	if (idn2_lookup_u8((const uint8_t *)buf_text(&low), &ace,
		IDN2_NO_TR46) != IDN2_OK)
		goto out;
	ok = append_ascii_label(out, (const char *)ace,
	    strlen((const char *)ace));
out:
	idn2_free(ace);
	buf_clear(&low);
	return ok;
}

static bool
append_label(struct buf *out, const char *label, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (label[i] == '\0')
			return false;
		if ((unsigned char)label[i] >= 0x80)
			return append_unicode_label(out, label, n);
	}
	return append_ascii_label(out, label, n);
}

/* `[192.0.2.1]` or `[IPv6:2001:db8::1]` in its one spelling, or NULL. */
char *
domain_literal(const char *text, size_t n)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char inner[64], shown[INET6_ADDRSTRLEN];
	const char *tag = "";
	const char *host = inner;
	int family = AF_INET;

	if (n < 3 || n - 2 >= sizeof(inner) || text[0] != '[' ||
	    text[n - 1] != ']' || memchr(text, '\0', n) != NULL)
		return NULL;
	memcpy(inner, text + 1, n - 2);
	inner[n - 2] = '\0';
	if (strlen(inner) > 5 && inner[4] == ':') {
		inner[4] = '\0';
		if (!ascii_equal_nocase(inner, "ipv6"))
			return NULL;
		host = inner + 5;
		tag = "IPv6:";
		family = AF_INET6;
	}
	if (inet_pton(family, host, addr) != 1 ||
	    inet_ntop(family, addr, shown, sizeof(shown)) == NULL)
		return NULL;
	return mem_printf("[%s%s]", tag, shown);
}

char *
domain_canonical(const char *text, size_t n)
{
	struct buf out;
	const char *dot;

	if (text == NULL || n == 0 || n > DOMAIN_TEXT_MAX)
		return NULL;
	buf_init(&out, DOMAIN_MAX);
	while ((dot = memchr(text, '.', n)) != NULL) {
		size_t len = (size_t)(dot - text);

		if (!append_label(&out, text, len) || !buf_putc(&out, '.'))
			goto bad;
		text = dot + 1;
		n -= len + 1;
	}
	if (append_label(&out, text, n))
		return buf_take(&out);
bad:
	buf_clear(&out);
	return NULL;
}

bool
domain_covers(const char *pattern, const char *domain)
{
	const char *rest;

	if (*domain == '\0' || *domain == '[' || strchr(domain, '*') != NULL)
		return false;
	if (strncmp(pattern, "*.", 2) != 0)
		return ascii_equal_nocase(pattern, domain);
	rest = strchr(domain, '.');
	return rest != NULL && rest != domain &&
	    strchr(pattern + 2, '.') != NULL &&
	    ascii_equal_nocase(pattern + 1, rest);
}
