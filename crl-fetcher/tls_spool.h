/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_SPOOL_H
#define CRL_FETCHER_TLS_SPOOL_H

/*
 * The directory in which policyd-auth finds the very certificate behind a
 * fingerprint that Postfix told it: `<SHA-256 of the DER, hex>.der`, 0640,
 * with the directory's group.  A file that has its name is whole and never
 * changes.  Whoever puts one here says that its chain was verified.
 *
 * Made to run inside other people's processes: opened once, before they
 * chroot(2); nothing ends the process, nothing is logged.  One that is
 * there already costs one faccessat(2).  At most max files: the directory
 * is counted when one is to be added.  After a failure nothing is tried for
 * a minute.  Old files are removed by others (tmpfiles.d).
 *
 * Thread safe but for open and close; any number of processes.
 */

#include <openssl/x509.h>

#define TLS_SPOOL_REST 60 /* seconds after a failure */

struct tls_spool;

/* NULL: the directory cannot be opened, or no memory; errno says why. */
struct tls_spool *tls_spool_open(const char *directory, unsigned max);
void tls_spool_close(struct tls_spool **spool);

enum tls_spool_result {
	TLS_SPOOL_THERE, /* it was there before */
	TLS_SPOOL_ADDED,
	TLS_SPOOL_FULL,
	TLS_SPOOL_FAILED, /* errno says why, or is 0: no memory */
	TLS_SPOOL_RESTS,  /* FULL or FAILED was told a moment ago */
};

enum tls_spool_result tls_spool_add(struct tls_spool *spool, X509 *cert);

#endif
