/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_SOURCES_H
#define CRL_FETCHER_SOURCES_H

/*
 * What is to be fetched: the crl-source sections, and, with discover, the
 * CRLs that certificates in the CA lists name.
 */

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/strvec.h"
#include "due.h"
#include "issuers.h"

struct source {
	char *name;
	struct schedule schedule;
	char *schedule_text;
	struct strvec urls, delta_urls;
	const struct strvec *reload; /* of the settings; NULL: none */
	bool enabled;
	bool discovered;
	struct issuers *issuers; /* who may have signed; never NULL */
	bool own_issuers;	 /* they are this source's alone */
};

struct sources {
	struct source *v;
	size_t n;
	struct issuers *lists; /* the CA lists */
};

/* Settings are borrowed. Clear also after failure. */
bool sources_load(struct sources *all, const struct settings *s,
    struct error *err) __attribute__((warn_unused_result));
void sources_clear(struct sources *all);

/* NULL: there is none of the name. */
struct source *sources_find(const struct sources *all, const char *name);

/*
 * Adds a source for each of the cRLDistributionPoints, with its http, https
 * and ldap URLs, of the certificates whose signature is by another one of
 * the lists.  One of which a URL is there already is left out.
 */
void sources_discover(struct sources *all);

#endif
