/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_COMMAND_CRL_H
#define CRL_FETCHER_COMMAND_CRL_H

/*
 * The words of `postseal crl`.  argv[0] is the word.  Each returns an exit
 * code of sysexits(3); `show --cert` 1 for revoked and 2 for unknown.
 */

#include "common/settings.h"

int command_list(const struct settings *s, int argc, char **argv);
int command_show(const struct settings *s, int argc, char **argv);
int command_fetch(const struct settings *s, int argc, char **argv);

/* s is NULL when the settings are bad; problem says why. */
int command_self_check(const struct settings *s, const char *problem);
int command_status(const struct settings *s);

#endif
