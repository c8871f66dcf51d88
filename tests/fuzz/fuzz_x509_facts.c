/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of any certificate: whatever they are, they are text an
 * administrator and a header field can bear.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "common/x509_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_ascii(const char *s)
{
	assert(s != NULL);
	for (; *s != '\0'; s++)
		assert((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *p = data;
	X509 *cert = d2i_X509(NULL, &p, (long)size);
	struct x509_facts *f;
	struct mailaddr a;
	struct error err;

	ERR_clear_error();
	if (cert == NULL)
		return 0;
	f = x509_facts_new(cert);
	assert(ERR_peek_error() == 0);
	check_ascii(f->subject);
	check_ascii(f->issuer);
	check_ascii(f->serial);
	check_ascii(f->key);
	for (size_t i = 0; i < f->domains.n; i++)
		check_ascii(f->domains.v[i]);
	for (size_t i = 0; i < f->emails.n; i++) {
		if (!mailaddr_parse(f->emails.v[i], strlen(f->emails.v[i]),
			&a, &err))
			abort();
		assert(x509_facts_cover(f, &a) == COVERS_ADDRESS);
		mailaddr_clear(&a);
	}
	if (!x509_facts_check_fqdn(f, &err))
		assert(err.kind == ERROR_PERM);
	x509_facts_free(f);
	X509_free(cert);
	return 0;
}
