/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_LISTING_H
#define CRL_FETCHER_LISTING_H

/*
 * What people see of sources and CRLs, as tables and as JSON.  Reads the
 * settings, the state file and the CRL directory; changes nothing.
 */

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "common/error.h"
#include "common/settings.h"

/* One object for each source, in the order of the settings; with CRLs. */
json_t *listing_sources(const struct settings *s);

/* crl-fetcher --list: sources, schedules, when they are due. */
void listing_print_sources(const json_t *sources, FILE *out);

/* postseal crl list: CRLs by source, ages, entries, next update, size. */
void listing_print_crls(const json_t *sources, FILE *out);

/* Everything about one source, for people. */
void listing_print_source(const json_t *source, FILE *out);

/* All indexes of the directory, also of sources that are gone. */
json_t *listing_indexes(const struct settings *s, struct error *err);

#endif
