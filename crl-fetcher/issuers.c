/* SPDX-License-Identifier: BSD-2-Clause */
#include "issuers.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/mem.h"
#include "common/pem_file.h"
#include "common/shared_settings.h"

#define BUNDLE_MAX (16 << 20)

struct issuer {
	unsigned char *bytes; /* DER; a trusted certificate has more behind */
	long n;
	struct der subject; /* in bytes */
	X509_NAME *name;    /* the subject; NULL: not asked for yet */
	X509 *cert;	    /* the same */
	bool broken;
};

struct issuers {
	struct issuer *v;
	size_t n;
};

/* ---- one ---- */

/* RFC 5280 4.1 */
static bool
find_subject(struct issuer *one)
{
	struct der in = {one->bytes, (size_t)one->n};
	struct der_item cert, tbs, item;
	bool ok;

	if (!der_take(&in, DER_SEQUENCE, &cert) ||
	    !der_take(&cert.body, DER_SEQUENCE, &tbs))
		return false;
	if (der_peek(&tbs.body) == DER_CONTEXT_CONSTRUCTED(0) &&
	    !der_next(&tbs.body, &item))
		return false;
	ok = der_take(&tbs.body, DER_INTEGER, &item) &&
	     der_take(&tbs.body, DER_SEQUENCE, &item) && /* algorithm */
	     der_take(&tbs.body, DER_SEQUENCE, &item) && /* issuer */
	     der_take(&tbs.body, DER_SEQUENCE, &item) && /* validity */
	     der_take(&tbs.body, DER_SEQUENCE, &item);
	one->subject = item.whole;
	return ok;
}

static X509_NAME *
parse_name(const struct der *der)
{
	const unsigned char *p = der->p;
	X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)der->n);

	ERR_clear_error();
	return name;
}

static bool
has_name(struct issuer *one, const struct der *der, const X509_NAME *name)
{
	if (der_equal(&one->subject, der))
		return true;
	if (one->name == NULL)
		one->name = parse_name(&one->subject);
	return name != NULL && one->name != NULL &&
	       X509_NAME_cmp(one->name, name) == 0;
}

static X509 *
get_cert(struct issuer *one)
{
	const unsigned char *p = one->bytes;

	if (one->cert == NULL && !one->broken) {
		one->cert = d2i_X509_AUX(NULL, &p, one->n);
		one->broken = one->cert == NULL;
		ERR_clear_error();
	}
	return one->cert;
}

/* ---- files ---- */

static bool
is_certificate(const char *label)
{
	return strcmp(label, PEM_STRING_X509) == 0 ||
	       strcmp(label, PEM_STRING_X509_OLD) == 0 ||
	       strcmp(label, PEM_STRING_X509_TRUSTED) == 0;
}

static void
add_issuer(struct issuers *list, unsigned char *bytes, long n)
{
	list->v = mem_resize(list->v, list->n + 1, sizeof(list->v[0]));
	list->v[list->n++] = (struct issuer){.bytes = bytes, .n = n};
}

/* False: a block is broken. */
static bool
add_blocks(struct issuers *list, BIO *in)
{
	char *label, *header;
	unsigned char *bytes;
	unsigned long code;
	bool ok = true;
	long n;

	ERR_clear_error();
	while (ok && PEM_read_bio(in, &label, &header, &bytes, &n) == 1) {
		if (is_certificate(label)) {
			add_issuer(list, bytes, n);
			bytes = NULL;
			ok = find_subject(&list->v[list->n - 1]);
		}
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_free(bytes);
	}
	code = ERR_peek_last_error();
	ok = ok && ERR_GET_LIB(code) == ERR_LIB_PEM &&
	     ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return ok;
}

static bool
add_file(struct issuers *list, const char *path, bool may_be_empty,
    struct error *err)
{
	size_t had = list->n;
	struct buf text;
	bool ok = false;
	BIO *in;

	buf_init(&text, BUNDLE_MAX);
	if (!pem_file_read(path, NULL, &text, err)) {
		buf_clear(&text);
		return false;
	}
	in = BIO_new_mem_buf(buf_text(&text), (int)text.len);
	if (!add_blocks(list, in))
		error_perm(err, "%s: a certificate is broken, behind the "
		    "first %zu", path, list->n - had);
	else if (list->n == had && !(may_be_empty && text.len == 0))
		error_perm(err, "%s: no certificate in it; it must be PEM "
		    "with -----BEGIN CERTIFICATE-----", path);
	else
		ok = true;
	BIO_free(in);
	buf_clear(&text);
	return ok;
}

struct issuers *
issuers_load(const struct settings *s, struct error *err)
{
	const struct ca_list_settings *lists = settings_get(s, "ca-list");
	struct issuers *list = mem_alloc(sizeof(*list));

	if (lists->system && !add_file(list, lists->system_file, false, err)) {
		error_prefix(err, "ca-list: system_file");
		issuers_free(&list);
	} else if (lists->custom_file != NULL &&
		   !add_file(list, lists->custom_file, true, err)) {
		error_prefix(err, "ca-list: custom_file");
		issuers_free(&list);
	}
	return list;
}

struct issuers *
issuers_read(const char *path, struct error *err)
{
	struct issuers *list = mem_alloc(sizeof(*list));

	if (!add_file(list, path, false, err))
		issuers_free(&list);
	return list;
}

void
issuers_free(struct issuers **list)
{
	if (*list == NULL)
		return;
	for (size_t i = 0; i < (*list)->n; i++) {
		struct issuer *one = &(*list)->v[i];

		X509_NAME_free(one->name);
		X509_free(one->cert);
		OPENSSL_free(one->bytes);
	}
	free((*list)->v);
	free(*list);
	*list = NULL;
}

/* ---- asking ---- */

STACK_OF(X509) *
issuers_find(struct issuers *list, const struct der *der)
{
	STACK_OF(X509) *found = sk_X509_new_null();
	X509_NAME *name = der == NULL ? NULL : parse_name(der);

	for (size_t i = 0; i < list->n; i++) {
		struct issuer *one = &list->v[i];

		if ((der == NULL || has_name(one, der, name)) &&
		    get_cert(one) != NULL)
			sk_X509_push(found, one->cert);
	}
	X509_NAME_free(name);
	return found;
}

bool
issuers_check(struct issuers *list, struct error *err)
{
	for (size_t i = 0; i < list->n; i++)
		if (get_cert(&list->v[i]) == NULL)
			return error_perm(err, "certificate %zu of the CA "
			    "lists is broken", i + 1);
	return true;
}
