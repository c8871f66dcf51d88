/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_STORE_H
#define COMMON_CERT_STORE_H

/*
 * Our own certificates by name: pairs NAME.pem / NAME.key in
 * `certificate_directory`, and `certificate NAME` sections.
 *
 * Readers take a snapshot: immutable, reference-counted, whole.  When the
 * files change the next cert_store_get() (at most once a second) builds a
 * new one and swaps it in; a set that is broken for longer than a moment
 * keeps the old one, logs, and raises the alert `certificates`.
 *
 * Rules for every entry: NAME is [A-Za-z0-9._-]+, not starting with a dot;
 * the PEM file holds the certificate first, then its chain; the key fits
 * it; the key file is a regular file that others cannot read or write
 * (mode & 07 is 0) and that we can.  A name may have no key file: a
 * certificate alone, for public use.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/x509_facts.h"

struct cert_entry {
	char *name;
	X509 *cert;
	STACK_OF(X509) *chain; /* without cert; may be empty, never NULL */
	EVP_PKEY *key;	       /* NULL without a key file */
	struct x509_facts *facts;
	char *file;
	char *key_file; /* NULL without one */
};

struct cert_snapshot {
	struct cert_entry *entries; /* by name, sorted */
	size_t n;
};

struct cert_store;

/*
 * Opens the store of the settings (sections postseal and certificate).
 * with_keys false never touches key files.  NULL on failure: any entry
 * that breaks a rule, named with its file and the rule.  A directory that
 * does not exist is an empty one.
 */
struct cert_store *cert_store_open(const struct settings *s, bool with_keys,
    struct error *err);
void cert_store_close(struct cert_store **store);

/*
 * For commands: tells of every entry, those that break a rule too.  err is
 * NULL for a good one; otherwise the entry holds what could be read before
 * (name and file always, the rest may be NULL).  False when the directory
 * itself cannot be read.
 */
typedef void cert_store_tell(void *context, const struct cert_entry *e,
    const struct error *err);
bool cert_store_examine(const struct settings *s, bool with_keys,
    cert_store_tell *tell, void *context, struct error *err)
    __attribute__((warn_unused_result));

/* Thread safe. put() takes the reference back and sets the pointer NULL. */
const struct cert_snapshot *cert_store_get(struct cert_store *store);
void cert_store_put(struct cert_store *store,
    const struct cert_snapshot **snap);

/* Borrowed from the snapshot; NULL when there is none. */
const struct cert_entry *cert_snapshot_find(const struct cert_snapshot *snap,
    const char *name);

/*
 * Would the store take NAME.pem of the directory, with the NAME.key beside
 * it if there is one?
 */
bool cert_store_check_pair(const char *directory, const char *name,
    struct error *err) __attribute__((warn_unused_result));

/* Is this a name a certificate may have? */
bool cert_store_check_name(const char *name, struct error *err);

#endif
