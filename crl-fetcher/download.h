/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_DOWNLOAD_H
#define CRL_FETCHER_DOWNLOAD_H

/*
 * Gets what lies at a URL: http and https by common/fetch.h, ldap and ldaps
 * by fetch_ldap.h.  One for each thread that downloads.
 */

#include "common/error.h"
#include "common/fetch.h"
#include "common/settings.h"
#include "state.h"

struct downloader;

/* spill: directory for large bodies, borrowed like the settings. */
struct downloader *download_open(const struct settings *s, const char *spill,
    struct error *err);
void download_close(struct downloader **d);

/* have (NULL: nothing) is what was got from the same URL before. */
bool download_get(struct downloader *d, const char *url,
    const struct state_validators *have, struct fetch_reply *reply,
    struct error *err) __attribute__((warn_unused_result));

/* Did the last one fail on this machine (no space)? */
bool download_failed_here(const struct downloader *d);

#endif
