/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses, address lists and domains from anywhere.  What comes out is
 * held to its contract: it reads back as itself and hides no control
 * character.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/domain.h"
#include "common/mailaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_same(const struct mailaddr *a)
{
	struct mailaddr again;
	struct error err;
	char *text = mailaddr_format(a);

	for (const char *p = text; *p != '\0'; p++)
		assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	if (!mailaddr_parse(text, strlen(text), &again, &err))
		abort();
	assert(strcmp(again.local, a->local) == 0);
	assert(strcmp(again.domain, a->domain) == 0);
	assert(mailaddr_equal(&again, a));
	mailaddr_clear(&again);
	free(text);
}

static void
try_domain(const char *text, size_t n)
{
	char *domain = domain_canonical(text, n);
	char *again;

	if (domain == NULL)
		return;
	again = domain_canonical(domain, strlen(domain));
	assert(again != NULL && strcmp(domain, again) == 0);
	assert(strlen(domain) <= 253);
	assert(domain_covers(domain, domain));
	free(again);
	free(domain);
}

static void
try_pattern(const char *text, size_t n)
{
	char *pattern = strndup(text, n);
	char local[] = "alice", domain[] = "mail.example.com";
	struct mailaddr a = { local, domain };
	struct error err;

	if (!mailaddr_check_pattern(pattern, &err))
		assert(!mailaddr_match(pattern, &a));
	else
		mailaddr_match(pattern, &a);
	domain_covers(pattern, a.domain);
	free(pattern);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct strvec list = { NULL, 0 };
	struct mailaddr a;
	struct error err;

	if (mailaddr_parse(text, size, &a, &err))
		check_same(&a);
	mailaddr_clear(&a);
	if (mailaddr_list(text, size, &list, &err)) {
		for (size_t i = 0; i < list.n; i++) {
			if (!mailaddr_parse(list.v[i], strlen(list.v[i]), &a,
				&err))
				abort();
			assert(*a.local != '\0' && *a.domain != '\0');
			check_same(&a);
			mailaddr_clear(&a);
		}
	} else {
		assert(list.n == 0 && err.kind == ERROR_PERM);
	}
	strvec_clear(&list);
	try_domain(text, size);
	try_pattern(text, size);
	return 0;
}
