/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_IMPORT_H
#define COMMON_CERT_IMPORT_H

/*
 * A certificate, its chain and its private key out of what a CA or another
 * program handed over: PKCS #12 (RFC 7292) or PEM.  The bytes are from
 * outside; their size is bounded by the caller.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "common/error.h"

struct cert_import {
	X509 *cert;	       /* the one the key fits */
	STACK_OF(X509) *chain; /* issuer after issued, without cert */
	EVP_PKEY *key;	       /* NULL: none was there */
	int left_out;	       /* certificates that are not of the chain */
	bool legacy;	       /* PKCS #12 with RC2 or the like */
};

enum cert_import_result {
	CERT_IMPORT_OK,
	CERT_IMPORT_FAILED,
	CERT_IMPORT_PASSWORD, /* another password is needed; err says so */
};

/*
 * what names the data in messages.  key_text (PEM, may be NULL) holds the
 * key when data does not.  password may be NULL: none yet.  Encryption
 * that OpenSSL keeps apart as old loads its legacy provider for the whole
 * process, so this is for commands.
 */
enum cert_import_result cert_import_parse(const char *what, const char *data,
    size_t n, const char *key_what, const char *key_text, size_t key_n,
    const char *password, struct cert_import *in, struct error *err)
    __attribute__((warn_unused_result));

void cert_import_clear(struct cert_import *in);

#endif
