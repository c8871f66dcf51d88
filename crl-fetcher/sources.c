/* SPDX-License-Identifier: BSD-2-Clause */
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "common/fetch.h"
#include "common/mem.h"
#include "crl_settings.h"
#include "fetch_ldap.h"

#define DISCOVERED_MAX 1000
#define DISCOVERED_SCHEDULE "every 6h"
#define NAME_DIGITS 12

static struct source *
add_source(struct sources *all, const char *name, const char *schedule)
{
	struct source *s;
	struct error err;

	all->v = mem_resize(all->v, all->n + 1, sizeof(*all->v));
	s = &all->v[all->n++];
	memset(s, 0, sizeof(*s));
	s->name = mem_strdup(name);
	s->schedule_text = mem_strdup(schedule);
	/* Checked when the settings were read. */
	if (!due_parse(schedule, &s->schedule, &err))
		abort();
	s->issuers = all->lists;
	return s;
}

static void
add_all(struct strvec *to, const struct strvec *from)
{
	for (size_t i = 0; i < from->n; i++)
		strvec_add(to, from->v[i]);
}

static bool
add_section(struct sources *all, const char *name,
    const struct crl_source_settings *v, struct error *err)
{
	struct source *s = add_source(all, name, v->schedule);

	add_all(&s->urls, &v->primary_url);
	add_all(&s->urls, &v->secondary_url);
	add_all(&s->delta_urls, &v->delta_url);
	s->reload = &v->reload;
	s->enabled = v->enabled;
	if (v->issuer == NULL)
		return true;
	s->issuers = issuers_read(v->issuer, err);
	s->own_issuers = true;
	return s->issuers != NULL ? true
				  : error_prefix(err, "crl-source %s: issuer",
					name);
}

bool
sources_load(struct sources *all, const struct settings *s, struct error *err)
{
	const struct crl_fetcher_settings *own =
	    settings_get(s, "crl-fetcher");
	size_t n = settings_count(s, "crl-source");
	const char *name;

	memset(all, 0, sizeof(*all));
	all->lists = issuers_load(s, err);
	if (all->lists == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct crl_source_settings *v =
		    settings_at(s, "crl-source", i, &name);

		if (!add_section(all, name, v, err))
			return false;
	}
	if (own->discover)
		sources_discover(all);
	return true;
}

void
sources_clear(struct sources *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct source *s = &all->v[i];

		free(s->name);
		free(s->schedule_text);
		strvec_clear(&s->urls);
		strvec_clear(&s->delta_urls);
		if (s->own_issuers)
			issuers_free(&s->issuers);
	}
	free(all->v);
	issuers_free(&all->lists);
	memset(all, 0, sizeof(*all));
}

struct source *
sources_find(const struct sources *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].name, name) == 0)
			return &all->v[i];
	return NULL;
}

/* ---- discovery ---- */

static bool
is_known(const struct sources *all, const char *url)
{
	for (size_t i = 0; i < all->n; i++)
		if (strvec_has(&all->v[i].urls, url))
			return true;
	return false;
}

/* By one of the lists, not itself? */
static bool
is_signed(STACK_OF(X509) * certs, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *other = sk_X509_value(certs, i);

		if (X509_cmp(other, cert) != 0 &&
		    X509_check_issued(other, cert) == X509_V_OK &&
		    X509_verify(cert, X509_get0_pubkey(other)) == 1)
			return true;
	}
	ERR_clear_error();
	return false;
}

static bool
is_fetchable(const char *url)
{
	struct error err;

	return fetch_ldap_is_url(url) ? fetch_ldap_check_url(url, &err)
				      : fetch_check_url(url, &err);
}

static void
add_discovered(struct sources *all, const struct strvec *urls)
{
	unsigned char digest[32];
	char name[sizeof("cdp-") + NAME_DIGITS] = "cdp-";
	struct source *s;

	if (all->n >= DISCOVERED_MAX || urls->n == 0)
		return;
	EVP_Digest(urls->v[0], strlen(urls->v[0]), digest, NULL, EVP_sha256(),
	    NULL);
	for (size_t i = 0; i < NAME_DIGITS / 2; i++)
		snprintf(name + 4 + 2 * i, 3, "%02x", digest[i]);
	s = add_source(all, name, DISCOVERED_SCHEDULE);
	add_all(&s->urls, urls);
	s->enabled = s->discovered = true;
}

/* One distribution point's URLs are copies of one CRL (RFC 5280 4.2.1.13). */
static void
add_point(struct sources *all, const DIST_POINT *point)
{
	const GENERAL_NAMES *names;
	struct strvec urls = {0};
	bool known = false;

	if (point->CRLissuer != NULL || point->distpoint == NULL ||
	    point->distpoint->type != 0)
		return;
	names = point->distpoint->name.fullname;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *uri;
		char *url;

		if (name->type != GEN_URI)
			continue;
		uri = name->d.uniformResourceIdentifier;
		url = mem_dup(ASN1_STRING_get0_data(uri),
		    (size_t)ASN1_STRING_length(uri));
		known |= is_known(all, url);
		if (strlen(url) == (size_t)ASN1_STRING_length(uri) &&
		    is_fetchable(url))
			strvec_add(&urls, url);
		free(url);
	}
	if (!known)
		add_discovered(all, &urls);
	strvec_clear(&urls);
}

void
sources_discover(struct sources *all)
{
	STACK_OF(X509) *certs = issuers_find(all->lists, NULL);

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);
		CRL_DIST_POINTS *points = X509_get_ext_d2i(
		    cert, NID_crl_distribution_points, NULL, NULL);

		if (points != NULL && is_signed(certs, cert))
			for (int k = 0; k < sk_DIST_POINT_num(points); k++)
				add_point(all, sk_DIST_POINT_value(points, k));
		CRL_DIST_POINTS_free(points);
	}
	sk_X509_free(certs);
	ERR_clear_error();
}
