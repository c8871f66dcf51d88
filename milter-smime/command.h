/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_COMMAND_H
#define MILTER_SMIME_COMMAND_H

/*
 * The words of `postseal smime`.  Each gets the settings and its own
 * arguments (argv[0] is the word), prints to standard output, and returns
 * a sysexits(3) code.
 */

#include "common/settings.h"

int command_test(const struct settings *s, int argc, char **argv);
int command_key(const struct settings *s, int argc, char **argv);
int command_profile(const struct settings *s, int argc, char **argv);
int command_postfix_config(const struct settings *s, int argc, char **argv);

/*
 * --self-check --json: settings that could not be read are a finding, too;
 * s is NULL then and problem says why.
 */
int command_self_check(const struct settings *s, const char *problem);
int command_status(const struct settings *s);

/*
 * Commands started by root become the milter's user before they touch its
 * keys and stores.  False after an error line.
 */
bool command_drop(const struct settings *s);

/* One line to standard error; returns the code that fits err. */
int command_failed(const struct error *err);

#endif
