/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/x509_facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "common/domain.h"
#include "common/mem.h"

/*
 * Names kept of each kind.  Real certificates have a handful, the largest
 * some hundreds; a hostile one has as many as fit a message.
 */
#define NAMES_MAX 1000

/* The bytes of a text with nothing but visible ASCII, else NULL. */
static const char *
visible_ascii(const ASN1_STRING *s, size_t *n)
{
	const unsigned char *p = ASN1_STRING_get0_data(s);
	int len = ASN1_STRING_length(s);

	for (int i = 0; i < len; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f)
			return NULL;
	*n = len > 0 ? (size_t)len : 0;
	return *n > 0 ? (const char *)p : NULL;
}

/* Adds `local@domain`, a Mailbox of RFC 5321 4.1.2 without its brackets. */
static void
add_email(struct strvec *emails, const char *text, size_t n)
{
	struct mailaddr a;
	struct error err;
	char *canonical;

	if (n == 0 || text[0] == '<' || text[0] == '@' ||
	    emails->n >= NAMES_MAX || !mailaddr_parse(text, n, &a, &err))
		return;
	canonical = mailaddr_format(&a);
	if (*a.local != '\0' && *a.domain != '\0' &&
	    !strvec_has(emails, canonical))
		strvec_add(emails, canonical);
	free(canonical);
	mailaddr_clear(&a);
}

static void
add_domain(struct strvec *domains, const char *text, size_t n)
{
	bool star = n > 2 && memcmp(text, "*.", 2) == 0;
	char *domain = star ? domain_canonical(text + 2, n - 2) :
			      domain_canonical(text, n);
	char *name;

	if (domain == NULL)
		return;
	name = mem_printf("%s%s", star ? "*." : "", domain);
	if (domains->n < NAMES_MAX && !strvec_has(domains, name))
		strvec_add(domains, name);
	free(name);
	free(domain);
}

/* RFC 9598 3: a UTF8String, without byte order mark. */
static void
add_utf8_mailbox(struct strvec *emails, const OTHERNAME *other)
{
	static const char bom[] = "\xef\xbb\xbf";
	const ASN1_UTF8STRING *s;
	const char *text;
	size_t n;

	if (OBJ_obj2nid(other->type_id) != NID_id_on_SmtpUTF8Mailbox ||
	    other->value == NULL || other->value->type != V_ASN1_UTF8STRING)
		return;
	s = other->value->value.utf8string;
	text = (const char *)ASN1_STRING_get0_data(s);
	n = (size_t)ASN1_STRING_length(s);
	if (n >= 3 && memcmp(text, bom, 3) == 0)
		return;
	add_email(emails, text, n);
}

static void
read_alt_names(struct x509_facts *f, X509 *cert)
{
	/* NULL as well when there are several: then none counts. */
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const char *text;
		size_t n = 0;

		switch (g->type) {
		case GEN_EMAIL:
			text = visible_ascii(g->d.rfc822Name, &n);
			if (text != NULL)
				add_email(&f->emails, text, n);
			break;
		case GEN_DNS:
			text = visible_ascii(g->d.dNSName, &n);
			if (text != NULL)
				add_domain(&f->domains, text, n);
			break;
		case GEN_OTHERNAME:
			add_utf8_mailbox(&f->emails, g->d.otherName);
			break;
		default:
			break;
		}
	}
	GENERAL_NAMES_free(names);
}

/* emailAddress is an IA5String; some write it as another 8-bit type. */
static void
read_subject_emails(struct x509_facts *f, const X509_NAME *subject)
{
	int i = -1;

	while ((i = X509_NAME_get_index_by_NID(subject,
		    NID_pkcs9_emailAddress, i)) >= 0) {
		const ASN1_STRING *s = X509_NAME_ENTRY_get_data(
		    X509_NAME_get_entry(subject, i));
		const char *text;
		size_t n = 0;

		if (ASN1_STRING_type(s) != V_ASN1_IA5STRING &&
		    ASN1_STRING_type(s) != V_ASN1_PRINTABLESTRING &&
		    ASN1_STRING_type(s) != V_ASN1_UTF8STRING)
			continue;
		text = visible_ascii(s, &n);
		if (text != NULL)
			add_email(&f->emails, text, n);
	}
}

/* The first one, as Postfix tells it; NULL if it holds what is no text. */
static char *
read_common_name(const X509_NAME *subject)
{
	int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	char *cn = NULL;
	int len;

	if (i < 0)
		return NULL;
	len = ASN1_STRING_to_UTF8(&text,
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
	if (len <= 0)
		goto out;
	for (int at = 0; at < len;) {
		unsigned long cp;
		int used = UTF8_getc(text + at, len - at, &cp);

		if (used <= 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
		    cp == 0x2028 || cp == 0x2029)
			goto out;
		at += used;
	}
	cn = mem_dup(text, (size_t)len);
out:
	OPENSSL_free(text);
	return cn;
}

static char *
read_serial(X509 *cert)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = bn == NULL ? NULL : BN_bn2hex(bn);
	char *serial = mem_strdup(hex == NULL ? "" : hex);

	OPENSSL_free(hex);
	BN_free(bn);
	return serial;
}

/* A date that cannot be read is 1970: the certificate is expired. */
static time_t
read_time(const ASN1_TIME *t)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return timegm(&tm);
}

/* What is there and cannot be decoded allows nothing. */
static void
read_usage(struct x509_facts *f, X509 *cert)
{
	EXTENDED_KEY_USAGE *eku = NULL;
	uint32_t flags = X509_get_extension_flags(cert);

	f->ca = (flags & EXFLAG_CA) != 0;
	f->self_signed = (flags & EXFLAG_SS) != 0;
	f->has_key_usage = X509_get_ext_by_NID(cert, NID_key_usage, -1) >= 0;
	if (f->has_key_usage && X509_get_key_usage(cert) != UINT32_MAX)
		f->key_usage = X509_get_key_usage(cert);
	f->has_ext_key_usage = X509_get_ext_by_NID(cert, NID_ext_key_usage,
				   -1) >= 0;
	if (f->has_ext_key_usage)
		eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i));

		if (nid == NID_email_protect || nid == NID_anyExtendedKeyUsage)
			f->eku_email = true;
	}
	EXTENDED_KEY_USAGE_free(eku);
}

static char *
curve_text(const EVP_PKEY *key)
{
	char group[80];
	const char *nist;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return mem_strdup("EC");
	nist = EC_curve_nid2nist(OBJ_txt2nid(group));
	return mem_printf("EC %s", nist == NULL ? group : nist);
}

static void
read_key(struct x509_facts *f, X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	const char *name = NULL;

	if (key != NULL) {
		f->key_bits = EVP_PKEY_get_bits(key);
		name = EVP_PKEY_get0_type_name(key);
	}
	if (name == NULL)
		f->key = mem_strdup("");
	else if (EVP_PKEY_is_a(key, "EC"))
		f->key = curve_text(key);
	else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS") ||
	    EVP_PKEY_is_a(key, "DSA"))
		f->key = mem_printf("%s %d", name, f->key_bits);
	else
		f->key = mem_strdup(name);
}

/* NULL when the name holds bytes that are not of their type. */
static char *
print_name(const X509_NAME *name, unsigned long flags)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL, *text = NULL;
	long n;

	if (bio == NULL || X509_NAME_print_ex(bio, name, 0, flags) < 0)
		goto out;
	n = BIO_get_mem_data(bio, &data);
	text = n > 0 ? mem_dup(data, (size_t)n) : mem_strdup("");
out:
	BIO_free(bio);
	return text;
}

/*
 * Pure ASCII: control characters and all beyond ASCII come as \XX, so the
 * text may stand in a header field, a log line and a reply.
 */
char *
x509_name_text(const X509_NAME *name)
{
	char *text = NULL;

	if (name == NULL)
		return mem_strdup("");
	ERR_set_mark();
	text = print_name(name, XN_FLAG_RFC2253);
	if (text == NULL)
		text = print_name(name,
		    XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_UTF8_CONVERT);
	if (text == NULL)
		text = print_name(name,
		    XN_FLAG_RFC2253 | ASN1_STRFLGS_DUMP_ALL);
	ERR_pop_to_mark();
	return text == NULL ? mem_strdup("") : text;
}

struct x509_facts *
x509_facts_new(X509 *cert)
{
	struct x509_facts *f = mem_alloc(sizeof(*f));
	const X509_NAME *subject = X509_get_subject_name(cert);

	ERR_set_mark();
	read_alt_names(f, cert);
	read_subject_emails(f, subject);
	f->subject = x509_name_text(subject);
	f->issuer = x509_name_text(X509_get_issuer_name(cert));
	f->common_name = read_common_name(subject);
	f->serial = read_serial(cert);
	x509_fingerprint(cert, f->fingerprint);
	f->not_before = read_time(X509_get0_notBefore(cert));
	f->not_after = read_time(X509_get0_notAfter(cert));
	read_usage(f, cert);
	read_key(f, cert);
	ERR_pop_to_mark();
	return f;
}

void
x509_facts_free(struct x509_facts *f)
{
	if (f == NULL)
		return;
	strvec_clear(&f->emails);
	strvec_clear(&f->domains);
	free(f->subject);
	free(f->issuer);
	free(f->common_name);
	free(f->serial);
	free(f->key);
	free(f);
}

void
x509_fingerprint(const X509 *cert, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	hex[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), md, &n) != 1 || n != 32)
		return;
	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[md[i] >> 4];
		hex[2 * i + 1] = digits[md[i] & 15];
	}
	hex[2 * n] = '\0';
}

enum x509_covers
x509_facts_cover(const struct x509_facts *f, const struct mailaddr *a)
{
	struct mailaddr email;
	struct error err;
	bool same;

	if (a->local == NULL || *a->local == '\0' || a->domain == NULL ||
	    *a->domain == '\0')
		return COVERS_NOT;
	for (size_t i = 0; i < f->emails.n; i++) {
		const char *text = f->emails.v[i];

		if (!mailaddr_parse(text, strlen(text), &email, &err))
			continue;
		same = mailaddr_equal(&email, a);
		mailaddr_clear(&email);
		if (same)
			return COVERS_ADDRESS;
	}
	for (size_t i = 0; i < f->domains.n; i++)
		if (domain_covers(f->domains.v[i], a->domain))
			return COVERS_DOMAIN;
	return COVERS_NOT;
}

bool
x509_facts_check_fqdn(const struct x509_facts *f, struct error *err)
{
	for (size_t i = 0; i < f->domains.n; i++) {
		const char *name = f->domains.v[i];

		if (strncmp(name, "*.", 2) == 0)
			name += 2;
		if (strchr(name, '.') == NULL)
			return error_perm(err, "\"%s\" is not a full domain "
			    "name: it needs two labels or more",
			    f->domains.v[i]);
	}
	return true;
}

bool
x509_error(struct error *err, enum error_kind kind, const char *fmt, ...)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ?
	    strerror(ERR_GET_REASON(code)) :
	    ERR_reason_error_string(code);
	size_t len;
	va_list ap;

	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	if (code != 0 && reason != NULL)
		snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		    reason);
	ERR_clear_error();
	return false;
}
