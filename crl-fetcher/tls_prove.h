/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_PROVE_H
#define CRL_FETCHER_TLS_PROVE_H

/*
 * Does an OpenSSL configuration do what it is for?  A process of its own
 * loads it as Postfix would, and lets a client and a server of its making
 * shake hands.  Both show a certificate with a serial number that an index
 * in the directory lists as revoked, of an issuer with that index's name:
 * only a module that looks there can know.
 */

#include <stdbool.h>

#include "common/error.h"
#include "tls_section.h"

enum tls_proof_side {
	TLS_PROOF_NONE,	   /* not tried: switched off, or nobody is revoked */
	TLS_PROOF_REVOKED, /* as it should be */
	TLS_PROOF_MISSED,
};

struct tls_proof {
	bool loaded; /* OpenSSL took the file; false: Postfix has no TLS */
	bool hooked; /* verification goes through a module */
	enum tls_proof_side inbound, outbound;
	char text[256]; /* not loaded: why; not tried: why */
};

/*
 * section is what the file says (tls_config_read()), or NULL when it has
 * none: nothing but loading is tried.  Nothing is written anywhere.  TEMP:
 * it could not be tried.
 */
bool tls_prove(const char *file, const char *application,
    const struct tls_section *section, struct tls_proof *proof,
    struct error *err) __attribute__((warn_unused_result));

#endif
