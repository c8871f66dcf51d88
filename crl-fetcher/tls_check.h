/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_CHECK_H
#define CRL_FETCHER_TLS_CHECK_H

/*
 * Revocation for every TLS handshake of a process that was not written for
 * it.  Each X509_STORE that is made after the start gets our function for
 * the revocation step of certificate verification; it asks the indexes of
 * crl-fetcher(8) about every certificate of the peer's chain but the trust
 * anchor (RFC 5280 6.1), after OpenSSL's own step, which does what the
 * application asks it (X509_V_FLAG_CRL_CHECK).
 *
 * What is found is told to the application as OpenSSL tells it: error,
 * depth and certificate are set and the verify callback decides.  Nothing
 * is done about chains that are not a peer's (a server completes its own
 * in the same way).  A chain that ends well, inbound, has its leaf put
 * into the certificate spool: when the verification is over, for only then
 * are signatures and name constraints known to hold.
 *
 * OpenSSL does not come here for what DANE-EE matched (RFC 7671 5.1: the
 * record in the DNS is all that counts) and for resumed sessions.
 *
 * Certificates are a stranger's.  Nothing here ends the process, and no
 * failure stops it: the status is unknown then, and missing_crl decides.
 * Thread safe after the start.
 */

#include <openssl/x509.h>

#include "tls_section.h"

/*
 * Once in a process; later ones change nothing.  Opens the directories, so
 * a later chroot(2) does no harm.  section is not needed afterwards.
 */
void tls_check_start(const struct tls_section *section);

/* The step itself, as X509_STORE_set_check_revocation() takes it. */
int tls_check_chain(X509_STORE_CTX *ctx);

#endif
