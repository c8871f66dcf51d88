/* SPDX-License-Identifier: BSD-2-Clause */
#include "issuers.h"

#include <openssl/x509v3.h>

#include "common/pem_file.h"
#include "common/shared_settings.h"

#define BUNDLE_MAX (16 << 20)

static bool
add_file(STACK_OF(X509) * to, const char *path, bool may_be_empty,
    struct error *err)
{
	STACK_OF(X509) *certs = NULL;
	struct buf text;
	X509 *cert;
	bool ok = false;

	buf_init(&text, BUNDLE_MAX);
	if (!pem_file_read(path, NULL, &text, err))
		goto out;
	certs = pem_certs_parse(path, buf_text(&text), text.len,
	    may_be_empty && text.len == 0, err);
	if (certs == NULL)
		goto out;
	while ((cert = sk_X509_shift(certs)) != NULL) {
		/* Fills OpenSSL's caches before threads share the object. */
		X509_check_purpose(cert, -1, 0);
		sk_X509_push(to, cert);
	}
	ok = true;
out:
	sk_X509_pop_free(certs, X509_free);
	buf_clear(&text);
	return ok;
}

STACK_OF(X509) *
issuers_load(const struct settings *s, struct error *err)
{
	const struct ca_list_settings *lists = settings_get(s, "ca-list");
	STACK_OF(X509) *certs = sk_X509_new_null();

	if (lists->system && !add_file(certs, lists->system_file, false, err)) {
		error_prefix(err, "ca-list: system_file");
		goto fail;
	}
	if (lists->custom_file != NULL &&
	    !add_file(certs, lists->custom_file, true, err)) {
		error_prefix(err, "ca-list: custom_file");
		goto fail;
	}
	return certs;
fail:
	sk_X509_pop_free(certs, X509_free);
	return NULL;
}

STACK_OF(X509) *
issuers_read(const char *path, struct error *err)
{
	STACK_OF(X509) *certs = sk_X509_new_null();

	if (!add_file(certs, path, false, err)) {
		sk_X509_pop_free(certs, X509_free);
		certs = NULL;
	}
	return certs;
}
