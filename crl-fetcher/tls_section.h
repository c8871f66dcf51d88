/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_SECTION_H
#define CRL_FETCHER_TLS_SECTION_H

/*
 * The section of an OpenSSL configuration file that is postseal_tls.so's,
 * all it reads.  `postseal crl postfix-config` writes it out of
 * postseal.conf(5); people may edit it.
 *
 * A problem never stops a program that has the module: it is logged, and
 * the value that checks more is taken.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/conf.h>

/* The names of the module, of its section, and what the section says. */
#define TLS_SECTION_MODULE "postseal_tls"
#define TLS_SECTION_NAME "postseal_tls_section"
#define TLS_SECTION_PATH "path" /* of the module; OpenSSL's own */
#define TLS_SECTION_DIRECTORY "directory"
#define TLS_SECTION_INBOUND "inbound"
#define TLS_SECTION_OUTBOUND "outbound"
#define TLS_SECTION_MISSING_CRL "missing_crl"
#define TLS_SECTION_GRACE "grace"
#define TLS_SECTION_SPOOL "certificate_spool"
#define TLS_SECTION_SPOOL_MAX "certificate_spool_max"

struct tls_section {
	const char *directory; /* NULL: not given */
	const char *spool;     /* NULL: none */
	bool inbound, outbound;
	bool missing_rejects;
	int64_t grace; /* seconds */
	unsigned spool_max;
};

/* name may be NULL, and not there.  Text is borrowed from cnf. */
void tls_section_read(const CONF *cnf, const char *name,
    struct tls_section *s);

#endif
