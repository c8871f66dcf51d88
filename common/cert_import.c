/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_import.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include "common/pem_file.h"
#include "common/x509_facts.h"

void
cert_import_clear(struct cert_import *in)
{
	X509_free(in->cert);
	sk_X509_pop_free(in->chain, X509_free);
	EVP_PKEY_free(in->key);
	*in = (struct cert_import){0};
}

/* Takes the certificate out of certs that belongs to the key. */
static bool
pick(const char *what, STACK_OF(X509) *certs, struct cert_import *in,
    struct error *err)
{
	int i = 0;

	if (in->key != NULL)
		while (i < sk_X509_num(certs) && X509_check_private_key(
		    sk_X509_value(certs, i), in->key) != 1)
			i++;
	ERR_clear_error();
	if (i == sk_X509_num(certs))
		return error_perm(err,
		    "%s: none of the %d certificates in it fits the private "
		    "key; import the pair that belongs together", what,
		    sk_X509_num(certs));
	in->cert = sk_X509_delete(certs, i);
	return true;
}

static bool
is_self_issued(X509 *cert)
{
	return X509_NAME_cmp(X509_get_subject_name(cert),
	    X509_get_issuer_name(cert)) == 0;
}

/* Issuer after issued, as receivers want it (RFC 5246 7.4.2). */
static void
order(STACK_OF(X509) *certs, struct cert_import *in)
{
	X509 *last = in->cert;
	int i = 0;

	in->chain = sk_X509_new_null();
	while (i < sk_X509_num(certs) && !is_self_issued(last)) {
		X509 *next = sk_X509_value(certs, i++);

		if (X509_check_issued(next, last) != X509_V_OK)
			continue;
		last = sk_X509_delete(certs, i - 1);
		sk_X509_push(in->chain, last);
		i = 0;
	}
	in->left_out = sk_X509_num(certs);
	ERR_clear_error();
}

static enum cert_import_result
parse_pem(const char *what, const char *data, size_t n, const char *key_what,
    const char *key_text, size_t key_n, const char *password,
    STACK_OF(X509) **certs, struct cert_import *in, struct error *err)
{
	bool encrypted = false;

	*certs = pem_certs_parse(what, data, n, false, err);
	if (*certs == NULL)
		return CERT_IMPORT_FAILED;
	if (key_text == NULL) {
		if (!pem_has_private_key(data, n))
			return CERT_IMPORT_OK;
		key_what = what;
		key_text = data;
		key_n = n;
	}
	in->key = pem_key_parse(key_what, key_text, key_n, password,
	    &encrypted, err);
	if (in->key != NULL)
		return CERT_IMPORT_OK;
	if (!encrypted)
		return CERT_IMPORT_FAILED;
	error_perm(err, password == NULL ?
	    "%s: the private key is encrypted; give its password with "
	    "--password-file" : "%s: the password does not fit the private "
	    "key; give the right one", key_what);
	return CERT_IMPORT_PASSWORD;
}

static bool
load_legacy(void)
{
	/* Naming one provider turns the automatic one off: name both. */
	return OSSL_PROVIDER_load(NULL, "legacy") != NULL &&
	    OSSL_PROVIDER_load(NULL, "default") != NULL;
}

/* "" and no password at all are different things in PKCS #12. */
static bool
check_mac(PKCS12 *p12, const char **password)
{
	if (!PKCS12_mac_present(p12))
		return true;
	if (*password != NULL)
		return PKCS12_verify_mac(p12, *password, -1) == 1;
	if (PKCS12_verify_mac(p12, NULL, 0) == 1)
		return true;
	*password = "";
	return PKCS12_verify_mac(p12, "", 0) == 1;
}

static enum cert_import_result
parse_pkcs12(const char *what, const char *data, size_t n,
    const char *password, STACK_OF(X509) **certs, struct cert_import *in,
    struct error *err)
{
	const unsigned char *p = (const unsigned char *)data;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)n);
	enum cert_import_result result = CERT_IMPORT_FAILED;
	const char *given = password;
	X509 *cert = NULL;
	bool parsed;

	if (p12 == NULL) {
		error_perm(err, "%s: neither PEM nor PKCS #12; convert it "
		    "with openssl(1)", what);
		goto out;
	}
	if (!check_mac(p12, &password)) {
		error_perm(err, given == NULL ?
		    "%s: protected by a password; give it with "
		    "--password-file" : "%s: the password does not fit; give "
		    "the right one", what);
		result = CERT_IMPORT_PASSWORD;
		goto out;
	}
	parsed = PKCS12_parse(p12, password, &in->key, &cert, certs) == 1;
	if (!parsed && load_legacy()) {
		ERR_clear_error();
		parsed = PKCS12_parse(p12, password, &in->key, &cert,
		    certs) == 1;
		in->legacy = parsed;
	}
	if (!parsed) {
		x509_error(err, ERROR_PERM, "%s: cannot read the PKCS #12 "
		    "file, even with OpenSSL's legacy provider", what);
		goto out;
	}
	if (*certs == NULL)
		*certs = sk_X509_new_null();
	if (cert != NULL)
		sk_X509_unshift(*certs, cert);
	result = CERT_IMPORT_OK;
out:
	ERR_clear_error();
	PKCS12_free(p12);
	return result;
}

enum cert_import_result
cert_import_parse(const char *what, const char *data, size_t n,
    const char *key_what, const char *key_text, size_t key_n,
    const char *password, struct cert_import *in, struct error *err)
{
	static const char mark[] = "-----BEGIN ";
	enum cert_import_result result = CERT_IMPORT_FAILED;
	STACK_OF(X509) *certs = NULL;

	*in = (struct cert_import){0};
	ERR_clear_error();
	if (n > INT_MAX || key_n > INT_MAX)
		error_perm(err, "%s: too large", what);
	else if (memmem(data, n, mark, sizeof(mark) - 1) != NULL)
		result = parse_pem(what, data, n, key_what, key_text, key_n,
		    password, &certs, in, err);
	else if (key_text != NULL)
		error_perm(err, "%s: not PEM, and a PKCS #12 file holds its "
		    "own key; leave --key out", what);
	else
		result = parse_pkcs12(what, data, n, password, &certs, in, err);
	if (result == CERT_IMPORT_OK && sk_X509_num(certs) == 0) {
		error_perm(err, "%s: no certificate in it", what);
		result = CERT_IMPORT_FAILED;
	}
	if (result == CERT_IMPORT_OK && !pick(what, certs, in, err))
		result = CERT_IMPORT_FAILED;
	if (result == CERT_IMPORT_OK)
		order(certs, in);
	else
		cert_import_clear(in);
	sk_X509_pop_free(certs, X509_free);
	return result;
}
