/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_MAKE_H
#define COMMON_CERT_MAKE_H

/*
 * Making a self-signed S/MIME certificate for a gateway or a person (RFC
 * 5280, RFC 8550): no CA, for signatures and encryption, e-mail only.
 * The request is what an administrator typed and is checked here.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strvec.h"

#define CERT_MAKE_DAYS_MAX 7300

struct cert_request {
	const char *common_name; /* NULL: the first domain or address */
	const char *organization, *locality, *state, *country; /* NULL: none */
	struct strvec units;	 /* OU, in order */
	struct strvec domains;	 /* dNSName; `*.example.net` is fine */
	struct strvec addresses; /* rfc822Name, or SmtpUTF8Mailbox (RFC 9598) */
	int64_t days;
	int rsa_bits;	   /* 2048, 3072, 4096; 0: curve counts */
	const char *curve; /* P-256, P-384, P-521 */
	bool demo;	   /* the organization says so */
};

/*
 * Makes a key and its certificate, valid from now (clock.h).  Needs a
 * domain or an address.  Both are the caller's.
 */
bool cert_make_self_signed(const struct cert_request *r, X509 **cert,
    EVP_PKEY **key, struct error *err) __attribute__((warn_unused_result));

/* Does the certificate say that it is only for demonstrations? */
bool cert_make_is_demo(const char *subject);

/* Appends PEM. chain may be NULL. */
void cert_make_pem(X509 *cert, const STACK_OF(X509) *chain, struct buf *out);

/* Appends the key as unencrypted PKCS #8 PEM: wipe the buffer. */
void cert_make_key_pem(const EVP_PKEY *key, struct buf *out);

#endif
