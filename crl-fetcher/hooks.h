/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_HOOKS_H
#define CRL_FETCHER_HOOKS_H

/*
 * The reload commands of the settings.  Only root may reload most servers,
 * and root should not touch what strangers send: started by root, the
 * process that downloads drops root and asks the one it left behind, which
 * knows the commands from the settings and takes nothing but the number of
 * one.  Otherwise commands run as whoever we are.
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/strvec.h"

struct hooks;

/*
 * As root this forks: the parent stays here, runs commands, and ends with
 * the exit code of the child, for whom the function returns.  settings are
 * borrowed.
 */
struct hooks *hooks_start(const struct settings *s, struct error *err);
void hooks_stop(struct hooks **h);

/* Is the command one of the settings? */
bool hooks_has(const struct hooks *h, const char *command);

/* Runs it and waits. Its failure, or its end at reload_timeout, is TEMP. */
bool hooks_run(struct hooks *h, const char *command, struct error *err)
    __attribute__((warn_unused_result));

#endif
