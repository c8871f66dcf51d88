/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_COMMAND_TLS_H
#define CRL_FETCHER_COMMAND_TLS_H

/*
 * `postseal crl postfix-config`: Postfix's OpenSSL configuration with
 * postseal_tls.so.  A sysexits(3) code.
 */

#include "common/settings.h"

int command_postfix_config(const struct settings *s, int argc, char **argv);

#endif
