/* SPDX-License-Identifier: BSD-2-Clause */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "download.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "crl_settings.h"
#include "fetch_ldap.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

struct downloader {
	struct fetch_limits limits;
	struct fetch *http;
	bool here;
};

struct downloader *
download_open(const struct settings *s, const char *spill, struct error *err)
{
	const struct crl_fetcher_settings *own =
	    settings_get(s, "crl-fetcher");
	struct downloader *d = mem_alloc(sizeof(*d));

	d->limits = (struct fetch_limits){
		.size = (size_t)own->max_size,
		.connect_timeout = own->connect_timeout,
		.timeout = own->timeout,
		.idle_timeout = own->idle_timeout,
		.proxy = own->proxy,
		.ca_file = own->ca_file,
		.user_agent = "Postseal/" PACKAGE_VERSION " (crl-fetcher)",
		.spill_directory = spill,
	};
	d->http = fetch_open(&d->limits, err);
	if (d->http == NULL)
		download_close(&d);
	return d;
}

void
download_close(struct downloader **d)
{
	if (*d == NULL)
		return;
	fetch_close(&(*d)->http);
	free(*d);
	*d = NULL;
}

bool
download_get(struct downloader *d, const char *url,
    const struct state_validators *have, struct fetch_reply *reply,
    struct error *err)
{
	bool ok;

	memset(reply, 0, sizeof(*reply));
	d->here = false;
	if (fetch_ldap_is_url(url))
		return fetch_ldap(&d->limits, url, &reply->body, err);
	if (have != NULL && (have->url == NULL || strcmp(have->url, url) != 0))
		have = NULL;
	ok = fetch_get(d->http, url, have == NULL ? NULL : have->etag,
	    have == NULL ? NULL : have->last_modified, reply, err);
	d->here = fetch_failed_here(d->http);
	return ok;
}

bool
download_failed_here(const struct downloader *d)
{
	return d->here;
}
