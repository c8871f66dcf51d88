/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CRL_SETTINGS_H
#define CRL_FETCHER_CRL_SETTINGS_H

/*
 * Sections crl-fetcher and crl-source of postseal.conf(5).  Defaults and
 * meanings: the tables in crl_settings.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"

struct crl_fetcher_settings {
	char *user;
	int64_t parallel;
	int64_t max_size;
	int64_t connect_timeout, timeout, idle_timeout;
	char *proxy;   /* NULL: none */
	char *ca_file; /* NULL: the library's */
	int64_t jitter;
	int64_t clock_skew;
	struct strvec reload;
	int64_t reload_timeout;
	char *bundle_crls, *bundle_ca_crls, *bundle_ldap; /* NULL: none */
	int64_t rotate;
	bool discover;
};

enum crl_file_type { CRL_FILE_ASN1, CRL_FILE_PEM };

struct crl_source_settings {
	int file_type;
	struct strvec primary_url, secondary_url, delta_url;
	char *schedule;
	bool enabled;
	char *issuer; /* NULL: the CA lists */
	struct strvec reload;
};

extern const struct section_type crl_fetcher_section, crl_source_section;

/* All that crl-fetcher and postseal-crl read; ended by NULL. */
extern const struct section_type *const crl_section_types[];

/* One word of a `reload` list, cut at blanks; the first is a path. */
void crl_settings_split(const char *command, struct strvec *argv);

/* Directory of the lock and the state file; free(3). */
char *crl_settings_state_directory(const struct settings *s);

#endif
