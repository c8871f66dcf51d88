/* SPDX-License-Identifier: BSD-2-Clause */
#include "certs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/x509_facts.h"
#include "trust.h"

#define REMEMBERED 256

/*
 * How certificates were judged within this second against these CAs and
 * CRLs, at a place that the fingerprint says: verifying a chain takes
 * longer than encrypting a mail.
 */
struct judged {
	char fingerprint[65];
	unsigned long generation; /* of the CA list */
	time_t at;
	bool check_revocation;
	struct trust_result result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct judged judged[REMEMBERED];

static bool
is_same(const struct judged *a, const struct judged *b)
{
	return a->at == b->at && a->generation == b->generation &&
	    a->check_revocation == b->check_revocation &&
	    strcmp(a->fingerprint, b->fingerprint) == 0;
}

static void
check(const struct ca_snapshot *ca, const struct trust_request *request,
    struct trust_result *result)
{
	struct judged now = {.generation = ca->generation, .at = request->at,
		.check_revocation = request->check_revocation};
	struct judged *place;
	bool found;

	x509_fingerprint(request->cert, now.fingerprint);
	place = &judged[strtoul(now.fingerprint + 60, NULL, 16) %
	    REMEMBERED];
	pthread_mutex_lock(&lock);
	found = is_same(place, &now);
	*result = place->result;
	pthread_mutex_unlock(&lock);
	if (found)
		return;
	memset(result, 0, sizeof(*result));
	trust_check(ca, request, result);
	now.result = *result;
	pthread_mutex_lock(&lock);
	*place = now;
	pthread_mutex_unlock(&lock);
}

/* NULL when the certificate may be used; else why not, free(3). */
static char *
problem(const struct certs_rules *rules, const struct ca_snapshot *ca,
    const struct cert_record *r, bool *temporary)
{
	const EVP_PKEY *key = X509_get0_pubkey(r->cert);
	struct trust_result result;
	struct trust_request request = {
		.purpose = TRUST_RECIPIENT,
		.cert = r->cert,
		.at = rules->at,
		.rule = TRUST_CA_OR_KNOWN,
		.known = true, /* the administrator added it */
		.check_revocation = rules->check_revocation,
	};

	check(ca, &request, &result);
	*temporary |= result.temporary;
	/* How strongly others vouch for it is not asked here. */
	if (result.chain != CHECK_GOOD || result.revocation == CHECK_BAD ||
	    result.temporary)
		return mem_printf("key %s: %s", r->name, result.reason);
	if (key == NULL || (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA &&
	    EVP_PKEY_get_base_id(key) != EVP_PKEY_EC))
		return mem_printf("key %s: its algorithm cannot be encrypted "
		    "to", r->name);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
	    EVP_PKEY_get_bits(key) < rules->rsa_minimum)
		return mem_printf("key %s: RSA of %d bits, less than "
		    "rsa_minimum", r->name, EVP_PKEY_get_bits(key));
	return NULL;
}

bool
certs_find_recipient(const struct certs_rules *rules,
    const struct mailaddr *address, X509 **cert, char **reason,
    struct error *err)
{
	const struct ca_snapshot *ca = NULL;
	struct cert_record *records = NULL;
	bool temporary = false, ok = false;
	size_t n = 0;

	*cert = NULL;
	*reason = NULL;
	if (!cert_db_find_address(rules->store, address, &records, &n, err))
		goto out;
	ca = ca_list_get(rules->ca);
	for (size_t i = 0; i < n && *cert == NULL; i++) {
		char *why = problem(rules, ca, &records[i], &temporary);

		if (why == NULL) {
			*cert = records[i].cert;
			X509_up_ref(*cert);
		} else if (*reason == NULL) {
			*reason = why;
			why = NULL;
		}
		free(why);
	}
	if (*cert == NULL && temporary) {
		error_temp(err, "%s", *reason);
		goto out;
	}
	if (*cert == NULL && *reason == NULL)
		*reason = mem_strdup("no key");
	ok = true;
out:
	if (*cert != NULL || !ok) {
		free(*reason);
		*reason = NULL;
	}
	if (ca != NULL)
		ca_list_put(rules->ca, &ca);
	cert_records_free(&records, n);
	return ok;
}
