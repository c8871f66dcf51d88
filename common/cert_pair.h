/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_PAIR_H
#define COMMON_CERT_PAIR_H

/*
 * Puts a certificate and its key into `certificate_directory` as NAME.pem
 * (0644) and NAME.key, so that there is never half a pair: the key first,
 * and nothing at all when either fails.
 *
 * A replaced pair stays in use beside the new one as NAME-YYYYMMDD.pem and
 * NAME-YYYYMMDD.key (UTC; with -2, -3 when taken), the same files with
 * their modes and owners: mail may have been encrypted to it.  A pair that
 * the store would not take becomes NAME-YYYYMMDD.pem.old and .key.old,
 * which nobody reads.
 *
 * The key is 0640 root:postseal-smime when we are root and that group
 * exists, else 0600.
 */

#include <stdbool.h>

#include <openssl/x509.h>

#include "common/error.h"
#include "common/strvec.h"

struct cert_pair {
	const char *directory;
	const char *name;
	X509 *cert;
	const STACK_OF(X509) *chain; /* may be NULL */
	const EVP_PKEY *key;	     /* NULL: the certificate alone */
	bool force;		     /* replace what is there */
};

/*
 * What was changed is added to `changes`, a sentence each.  PERM when the
 * name is taken and force is not set, or when the certificate alone would
 * not fit the key that is there.
 */
bool cert_pair_write(const struct cert_pair *pair, struct strvec *changes,
    struct error *err) __attribute__((warn_unused_result));

/* Is this the name of a replaced pair, and is there the one after it? */
bool cert_pair_is_kept(const char *directory, const char *name);

/* Is the name taken?  For asking before long work. */
bool cert_pair_check_free(const char *directory, const char *name,
    bool with_key, struct error *err) __attribute__((warn_unused_result));

#endif
