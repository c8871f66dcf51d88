/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

/*
 * What every daemon does before and around its work: the command line
 * (-c FILE, -t, -n, -d, -V, -v), settings, log, user, safety.
 */

#include <stdbool.h>

#include "common/settings.h"

/* The configuration file unless -c names another. */
#ifndef SERVICE_CONFIG
#define SERVICE_CONFIG "/etc/postseal/postseal.conf"
#endif

struct service {
	const char *program;
	const struct section_type *const *types; /* settings_read() */
	/*
	 * Everything that can be checked without serving (-t, and before
	 * every start).  May be NULL.
	 */
	bool (*check)(const struct settings *s, struct error *err);
	const char *(*user)(const struct settings *s); /* may be NULL */
};

/* What service_start() found on the command line. */
struct service_run {
	struct settings *settings;
	const char *config_path;
	bool verbose;
};

/*
 * Handles the options; -t, -n, -d, -V print and exit with a sysexits(3)
 * code (EX_CONFIG for bad settings, EX_USAGE for bad options).  Otherwise
 * opens the log, drops to the service's user when root (groups too), turns
 * off core dumps and ptrace (prctl(PR_SET_DUMPABLE)), ignores SIGPIPE,
 * sets umask 007, runs check.  Ends the process on failure, with one line
 * to standard error and, when it was to serve, to the log.
 *
 * -t does all of this but for the log: check runs as the service's user,
 * who must be able to read the configuration files.
 */
void service_start(const struct service *svc, int argc, char **argv,
    struct service_run *run);

/*
 * Drops root for `user`: its primary and supplementary groups, then the
 * user, checked.  Does nothing when we are not root or user is NULL or "".
 */
bool service_drop(const char *user, struct error *err)
    __attribute__((warn_unused_result));

/*
 * For daemons and commands that have keys in memory: no core file, no
 * debugger, and SIGPIPE is ignored.
 */
bool service_harden(struct error *err) __attribute__((warn_unused_result));

/* The text of -V: program and version. */
void service_print_version(const char *program);

#endif
