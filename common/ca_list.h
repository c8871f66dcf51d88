/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CA_LIST_H
#define COMMON_CA_LIST_H

/*
 * Whom we trust to name others: the system list and the custom list of CA
 * certificates as one X509_STORE, and the CRLs of crl-check's directory.
 * Those that crl-fetcher(8) put there are looked up in its index
 * (crl_index.h); CRLs that somebody else put there as hash.rN (PEM) are in
 * the store.
 *
 * Like cert_store.h: immutable snapshots, taken up when the files change,
 * a broken new set keeps the old one and alerts.  A CRL file that cannot
 * be read is left out and logged: its issuer then counts as without CRL.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "common/crl_index.h"
#include "common/error.h"
#include "common/settings.h"

struct ca_snapshot {
	X509_STORE *store; /* lookups only; never changed after building */
	size_t system_count, custom_count;
	size_t crl_count; /* in the store */
	struct crl_index *index; /* NULL: none */
	int64_t grace;		 /* of the index; crl-check: grace */
	unsigned long generation; /* no other snapshot has the same */
	/* Could not read the CRL directory itself: verdict temperror. */
	bool crls_unreadable;
};

struct ca_list;

/*
 * Opens what the settings say (sections ca-list, crl-check).  extra_file
 * (may be NULL) is one more PEM file of trusted certificates (--trust).
 * with_crls false leaves CRLs out.
 */
struct ca_list *ca_list_open(const struct settings *s, const char *extra_file,
    bool with_crls, struct error *err);
void ca_list_close(struct ca_list **list);

/* Thread safe. */
const struct ca_snapshot *ca_list_get(struct ca_list *list);
void ca_list_put(struct ca_list *list, const struct ca_snapshot **snap);

#endif
