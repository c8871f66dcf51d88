/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CERTS_H
#define MILTER_SMIME_CERTS_H

/*
 * Which certificate to encrypt to for a recipient (mission S2, S8, S9):
 * one that names the exact address before one of the domain, valid now,
 * with the right keyUsage, not revoked, and of these the newest.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "common/ca_list.h"
#include "common/cert_db.h"
#include "common/error.h"
#include "common/mailaddr.h"

struct certs_rules {
	struct ca_list *ca; /* for CRLs */
	struct cert_db *store;
	int64_t rsa_minimum;
	bool check_revocation;
	time_t at;
};

/*
 * *cert is the caller's to free, NULL when there is none; then *reason
 * (free(3)) says why.  False: TEMP, the store cannot be asked now.
 */
bool certs_find_recipient(const struct certs_rules *rules,
    const struct mailaddr *address, X509 **cert, char **reason,
    struct error *err) __attribute__((warn_unused_result));

#endif
