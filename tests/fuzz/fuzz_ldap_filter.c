/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LDAP filters: the first line is a template, the rest a value.  No value
 * changes what the filter is: the marks that make it are those it has with
 * another value, and it can be read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ldap_filter.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tokens[] = {"u", "cn", NULL};
static const char *const none[] = {NULL};

/* Keeps what RFC 4515 gives a meaning. */
static void
keep_marks(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++)
		if (strchr("()&|!*", *text) != NULL)
			*to++ = *text;
	*to = '\0';
}

static char *
expand(const struct ldap_filter *f, const char *p, size_t n)
{
	const struct ldap_filter_value values[] = {{p, n}, {p, n}};
	struct error err = {0};
	struct buf out;

	buf_init(&out, LDAP_FILTER_TEXT_MAX);
	if (ldap_filter_expand(f, values, &out, &err))
		return buf_take(&out);
	buf_clear(&out);
	return NULL;
}

static void
check_value(const struct ldap_filter *f, const char *value, size_t n)
{
	char *plain = expand(f, "x", 1), *text = expand(f, value, n);
	struct error err = {0};
	struct ldap_filter *again;

	if (plain == NULL)
		abort();
	if (text == NULL) {
		free(plain);
		return;
	}
	again = ldap_filter_parse(text, none, &err);
	if (again == NULL && strlen(text) <= LDAP_FILTER_MAX)
		abort();
	ldap_filter_free(again);
	keep_marks(plain);
	keep_marks(text);
	if (strcmp(plain, text) != 0)
		abort();
	free(plain);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t n = end == NULL ? size : (size_t)(end - data);
	char *text = mem_dup((const char *)data, n);
	struct error err = {0};
	struct ldap_filter *f = ldap_filter_parse(text, tokens, &err);

	if (f != NULL)
		check_value(f, end == NULL ? "" : (const char *)end + 1,
		    end == NULL ? 0 : size - n - 1);
	ldap_filter_free(f);
	free(text);
	return 0;
}
