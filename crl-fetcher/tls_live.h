/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_LIVE_H
#define CRL_FETCHER_TLS_LIVE_H

/*
 * Asks a running smtpd(8) on this machine: does it offer STARTTLS, does the
 * handshake succeed, and has the very process that shook hands a file
 * mapped?  Needs root for the last one.
 */

#include <stdbool.h>

#include "common/error.h"

enum tls_live_answer {
	TLS_LIVE_MODULE,    /* TLS works, and the module is in it */
	TLS_LIVE_NO_MODULE, /* TLS works without it */
	TLS_LIVE_NO_TLS,    /* STARTTLS is not offered, or fails */
	TLS_LIVE_UNKNOWN,   /* nobody there, or not root; err says */
};

/* host is an address; module is the path of a file. */
enum tls_live_answer tls_live_ask(const char *host, const char *port,
    const char *module, struct error *err);

#endif
