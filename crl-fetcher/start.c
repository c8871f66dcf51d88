/* SPDX-License-Identifier: BSD-2-Clause */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/log.h"
#include "common/service.h"
#include "common/shared_settings.h"
#include "crl_settings.h"

#define ARENAS 2 /* of malloc(3): threads share memory instead of time */

static const char *
user_of(const struct settings *s)
{
	const struct crl_fetcher_settings *own =
	    settings_get(s, "crl-fetcher");

	return own->user;
}

bool
start_drop(const struct settings *s, struct error *err)
{
	return service_drop(user_of(s), err) && service_harden(err);
}

/* Only what is not there yet is made; an owner is never changed. */
static bool
make_directory(const char *path, const struct passwd *pw, struct error *err)
{
	bool ok;
	int fd;

	if (mkdir(path, 0755) != 0)
		return errno == EEXIST ? true : error_errno(err, "%s", path);
	/* By descriptor: whoever owns the parent may move things there. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd >= 0 && fchmod(fd, 0755) == 0 &&
	     (pw == NULL || fchown(fd, pw->pw_uid, pw->pw_gid) == 0);
	if (!ok)
		error_errno(err, "%s", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
make_directories(const struct settings *s, struct error *err)
{
	const struct crl_check_settings *check =
	    settings_get(s, "crl-check");
	const char *user = user_of(s);
	const struct passwd *pw = NULL;
	char *state;
	bool ok;

	if (geteuid() == 0 && user != NULL && user[0] != '\0')
		pw = getpwnam(user);
	state = crl_settings_state_directory(s);
	ok = make_directory(check->directory, pw, err) &&
	     make_directory(state, pw, err);
	free(state);
	return ok;
}

static int
refuse(const struct round_options *o, int code, const struct error *err)
{
	log_error("%s", err->text);
	if (!o->verbose)
		fprintf(stderr, "crl-fetcher: %s\n", err->text);
	return code;
}

int
start_round(const struct settings *s, const struct round_options *o)
{
	struct hooks *hooks;
	struct error err = {0};
	int code;

	umask(022);
	if (!make_directories(s, &err))
		return refuse(o, EX_IOERR, &err);
	hooks = hooks_start(s, &err);
	if (hooks == NULL)
		return refuse(o, EX_OSERR, &err);
	if (!start_drop(s, &err)) {
		hooks_stop(&hooks);
		return refuse(o, EX_CONFIG, &err);
	}
	/* Whoever waits for us may be killed; nobody would end us then. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	mallopt(M_ARENA_MAX, ARENAS);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	code = round_run(s, o, hooks);
	hooks_stop(&hooks);
	curl_global_cleanup();
	return code;
}
