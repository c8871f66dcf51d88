/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_PEM_FILE_H
#define COMMON_PEM_FILE_H

/*
 * Certificates and private keys out of files (PEM, RFC 7468) and, for
 * keys, PKCS #11 tokens.
 *
 * The files are the administrator's, symbolic links are followed; what
 * counts is the file that was opened: a regular one, of bounded size, and
 * for secrets (keys, passwords) one that others cannot read.  Nothing here
 * ever asks on a terminal.  Secrets are wiped after use.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "common/buf.h"
#include "common/error.h"

#define PEM_FILE_CERT_MAX (1 << 20) /* bytes: a certificate and its chain */

/*
 * Appends the whole file to out, within its maximum.  secret is NULL, or
 * what the file holds ("private key"), and then its mode must have no bit
 * for others; out is to be wiped then.  TEMP when the system says no.
 */
bool pem_file_read(const char *path, const char *secret, struct buf *out,
    struct error *err) __attribute__((warn_unused_result));

/* The first line of a secret file; wipe it (mem_wipe_free()). */
char *pem_file_password(const char *path, struct error *err);

/*
 * All certificates of the text in their order; blocks of other kinds are
 * passed over.  NULL: one of them is broken, or there is none and that is
 * not allowed.  what names the text in messages.  sk_X509_pop_free().
 */
STACK_OF(X509) *pem_certs_parse(const char *what, const char *text, size_t n,
    bool may_be_empty, struct error *err);

/* Is a private key among the blocks of the text? */
bool pem_has_private_key(const char *text, size_t n);

/*
 * A private key in text; password may be NULL.  what names the text.
 * *encrypted (may be NULL) says whether a password was needed.
 */
EVP_PKEY *pem_key_parse(const char *what, const char *text, size_t n,
    const char *password, bool *encrypted, struct error *err);

/*
 * The private key at an absolute path or `pkcs11:` URI.  password_file may
 * be NULL; its first line is the password or PIN.
 */
EVP_PKEY *pem_key_load(const char *where, const char *password_file,
    struct error *err);

#endif
