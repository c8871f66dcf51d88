/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_X509_FACTS_H
#define COMMON_X509_FACTS_H

/*
 * What a certificate says, as plain values.  Certificates come from
 * anywhere: names with NUL, control characters or bytes that make no
 * address are left out of the lists, never repaired.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>

#include "common/error.h"
#include "common/mailaddr.h"
#include "common/strvec.h"

struct x509_facts {
	/*
	 * rfc822Name and SmtpUTF8Mailbox (RFC 9598) of subjectAltName, and
	 * the subject's emailAddress (RFC 8550 section 3).  `local@domain`.
	 */
	struct strvec emails;
	struct strvec domains; /* dNSName, lower case, may start with `*.` */
	char *subject;	       /* RFC 4514, escaped, one line */
	char *issuer;
	char *common_name; /* NULL without one */
	char *serial;	   /* upper-case hex, no separators */
	char fingerprint[65]; /* SHA-256 of the DER, lower-case hex */
	time_t not_before, not_after;
	bool has_key_usage;
	unsigned key_usage; /* X509v3_KU_… or KU_… bits */
	bool has_ext_key_usage;
	bool eku_email; /* emailProtection or anyExtendedKeyUsage */
	bool ca;
	bool self_signed;
	char *key; /* "RSA 2048", "EC P-256", "ED25519" */
	int key_bits;
};

/* Never NULL: what cannot be read is empty. */
struct x509_facts *x509_facts_new(X509 *cert);
void x509_facts_free(struct x509_facts *f);

/* SHA-256 of the DER into 65 bytes, lower-case hex; "" when that fails. */
void x509_fingerprint(const X509 *cert, char *hex);

enum x509_covers { COVERS_NOT, COVERS_DOMAIN, COVERS_ADDRESS };

/*
 * Does the certificate speak for this address?  By rfc822Name or
 * emailAddress (exactly), else by dNSName (mission row S7).
 */
enum x509_covers x509_facts_cover(const struct x509_facts *f,
    const struct mailaddr *a);

/* The FQDN check (T5): every domain is a full name of two labels or more. */
bool x509_facts_check_fqdn(const struct x509_facts *f, struct error *err);

/*
 * Adds ": " and OpenSSL's newest error to err and empties its queue; sets
 * kind. Returns false.
 */
bool x509_error(struct error *err, enum error_kind kind, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* A distinguished name as RFC 4514 text on one line; free(3). */
char *x509_name_text(const X509_NAME *name);

#endif
