/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CERT_DB_H
#define COMMON_CERT_DB_H

/*
 * Public certificates of other people and gateways that the administrator
 * added (mission row S9), in one SQLite file.  Several programs may have
 * it open; a lock that does not come free in time (two seconds for readers,
 * half a minute for those who may write) is TEMP.
 *
 * A handle serves one thread at a time (it has its own lock).
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>

#include "common/error.h"
#include "common/mailaddr.h"
#include "common/x509_facts.h"

struct cert_db;

struct cert_record {
	char *name; /* unique, chosen by who added it */
	X509 *cert;
	time_t added;
};

/*
 * create false: opens for reading only, and a file that does not exist is
 * an empty store (and looked for again at each use).  create true: made
 * with mode 0640 when missing.
 */
struct cert_db *cert_db_open(const char *path, bool create,
    struct error *err);
void cert_db_close(struct cert_db **db);

/* PERM when the name or the very certificate is there already. */
bool cert_db_add(struct cert_db *db, const char *name, X509 *cert,
    struct error *err) __attribute__((warn_unused_result));

/* *found false: there was none of that name. */
bool cert_db_remove(struct cert_db *db, const char *name, bool *found,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Lookups fill an array of records (free with cert_records_free()); none
 * found is success with *n == 0.
 *
 * by address: certificates that name the address exactly first, then those
 * of its domain (COVERS_DOMAIN); newest notBefore first within each.
 */
bool cert_db_find_address(struct cert_db *db, const struct mailaddr *a,
    struct cert_record **records, size_t *n, struct error *err)
    __attribute__((warn_unused_result));
bool cert_db_find_fingerprint(struct cert_db *db, const char *sha256_hex,
    struct cert_record **records, size_t *n, struct error *err)
    __attribute__((warn_unused_result));
bool cert_db_find_issuer_serial(struct cert_db *db, const X509_NAME *issuer,
    const ASN1_INTEGER *serial, struct cert_record **records, size_t *n,
    struct error *err) __attribute__((warn_unused_result));
bool cert_db_find_key_id(struct cert_db *db, const ASN1_OCTET_STRING *skid,
    struct cert_record **records, size_t *n, struct error *err)
    __attribute__((warn_unused_result));
bool cert_db_find_name(struct cert_db *db, const char *name,
    struct cert_record **records, size_t *n, struct error *err)
    __attribute__((warn_unused_result));
bool cert_db_list(struct cert_db *db, struct cert_record **records,
    size_t *n, struct error *err) __attribute__((warn_unused_result));

/* Sets the pointer to NULL. */
void cert_records_free(struct cert_record **records, size_t n);

#endif
