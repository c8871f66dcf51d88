/* SPDX-License-Identifier: BSD-2-Clause */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "common/service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/shared_settings.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define FACILITY "mail" /* until the settings say another */

/* The leak checker traces its own process at exit. */
#if defined(__SANITIZE_ADDRESS__)
#define LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAK_CHECKER 1
#endif
#endif
#ifndef LEAK_CHECKER
#define LEAK_CHECKER 0
#endif

struct options {
	const char *config;
	char mode; /* t, n, d, V, or 0 to serve */
	bool verbose;
};

static void __attribute__((noreturn))
usage(const char *program, int code)
{
	fprintf(code == EX_OK ? stdout : stderr,
	    "usage: %s [-v] [-c FILE] [-t | -n | -d | -V]\n", program);
	exit(code);
}

static void
read_options(const char *program, int argc, char **argv, struct options *o)
{
	int c;

	o->config = SERVICE_CONFIG;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		usage(program, EX_OK);
	while ((c = getopt(argc, argv, "c:tndVv")) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'v')
			o->verbose = true;
		else if (c == '?' || (o->mode != '\0' && o->mode != c))
			usage(program, EX_USAGE);
		else
			o->mode = (char)c;
	}
	if (optind < argc)
		usage(program, EX_USAGE);
}

/* Ends a mode that only prints. */
static void __attribute__((noreturn))
finish(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal(EX_IOERR, "cannot write to standard output");
	exit(EX_OK);
}

static const char *
facility(const struct service *svc, const struct settings *s)
{
	const struct postseal_settings *p;

	for (size_t i = 0; svc->types[i] != NULL; i++) {
		if (strcmp(svc->types[i]->type, "postseal") == 0) {
			p = settings_get(s, "postseal");
			return p->syslog_facility;
		}
	}
	return FACILITY;
}

/*
 * Whoever started us looks at standard error, whoever wonders later at the
 * log: a start that fails is told to both.
 */
static void __attribute__((noreturn))
refuse(const struct service *svc, const struct options *o,
    struct settings *s, const struct error *err)
{
	struct buf text;

	settings_free(s);
	if (!o->verbose && o->mode == '\0') {
		buf_init(&text, 4 * sizeof(err->text));
		log_escape(&text, err->text, strlen(err->text));
		fprintf(stderr, "%s: fatal: %s\n", svc->program,
		    buf_text(&text));
		buf_clear(&text);
	}
	log_fatal(EX_CONFIG, "%s", err->text);
}

/* Keys will be in memory: nobody may look at it, living or dead. */
static bool
hide_memory(struct error *err)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return error_errno(err, "cannot turn off core dumps");
	if (!LEAK_CHECKER && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return error_errno(err, "cannot turn off tracing");
	return true;
}

static bool
ignore_sigpipe(struct error *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	return sigaction(SIGPIPE, &ignore, NULL) == 0 ? true :
	    error_errno(err, "cannot ignore SIGPIPE");
}

bool
service_harden(struct error *err)
{
	return hide_memory(err) && ignore_sigpipe(err);
}

static bool
is_user(const struct passwd *pw)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	return getresuid(&ruid, &euid, &suid) == 0 &&
	    getresgid(&rgid, &egid, &sgid) == 0 && ruid == pw->pw_uid &&
	    euid == pw->pw_uid && suid == pw->pw_uid && rgid == pw->pw_gid &&
	    egid == pw->pw_gid && sgid == pw->pw_gid && setuid(0) != 0;
}

/* We read them as root; what the user starts later reads them, too. */
static bool
check_files(const struct settings *s, const char *user, struct error *err)
{
	const struct strvec *files = settings_files(s);
	struct stat st;

	for (size_t i = 0; i < files->n; i++) {
		const char *path = files->v[i];

		if (access(path, R_OK) == 0)
			continue;
		if (errno != EACCES)
			return error_errno(err, "%s: user %s cannot read it",
			    path, user);
		if (stat(path, &st) != 0)
			return error_perm(err, "%s: user %s cannot reach it; "
			    "chmod 0755 its directory", path, user);
		return error_perm(err, "%s (mode %04o): user %s cannot read "
		    "it; chmod 0644", path, (unsigned)(st.st_mode & 07777),
		    user);
	}
	return true;
}

/* Drops root, and looks whether the user has what the service needs. */
static bool
drop(const struct service *svc, const struct settings *s, struct error *err)
{
	const char *user = svc->user == NULL ? NULL : svc->user(s);

	if (geteuid() != 0 || user == NULL || user[0] == '\0')
		return true;
	return service_drop(user, err) && check_files(s, user, err);
}

void
service_start(const struct service *svc, int argc, char **argv,
    struct service_run *run)
{
	struct options o = { 0 };
	struct error err = { 0 };
	struct settings *s;
	bool ok;

	log_open(svc->program, FACILITY, true);
	read_options(svc->program, argc, argv, &o);
	if (o.mode == 'V') {
		service_print_version(svc->program);
		finish();
	}
	if (o.mode == 'd') {
		settings_print_defaults(svc->types, stdout);
		finish();
	}
	s = settings_read(o.config, svc->types, &err);
	if (o.mode == '\0')
		log_open(svc->program, s == NULL ? FACILITY : facility(svc, s),
		    o.verbose);
	if (s == NULL)
		refuse(svc, &o, NULL, &err);
	if (o.mode == 'n') {
		settings_print(s, stdout);
		settings_free(s);
		finish();
	}
	umask(007);
	/* -t drops too: what the user may not read is an error to find. */
	ok = drop(svc, s, &err) && service_harden(&err) &&
	    (svc->check == NULL || svc->check(s, &err));
	if (!ok)
		refuse(svc, &o, s, &err);
	if (o.mode == 't') {
		settings_free(s);
		finish();
	}
	run->settings = s;
	run->config_path = o.config;
	run->verbose = o.verbose;
}

bool
service_drop(const char *user, struct error *err)
{
	const struct passwd *pw;

	if (geteuid() != 0 || user == NULL || user[0] == '\0')
		return true;
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL && errno != 0 && errno != ENOENT)
		return error_errno(err, "cannot look up the user %s", user);
	if (pw == NULL)
		return error_perm(err, "there is no user \"%s\"; add it, or "
		    "name another with the setting \"user\"", user);
	if (pw->pw_uid == 0)
		return error_perm(err, "the user \"%s\" is root; name one "
		    "without privileges with the setting \"user\"", user);
	if (initgroups(user, pw->pw_gid) != 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return error_errno(err, "cannot become the user %s", user);
	if (!is_user(pw))
		return error_perm(err, "becoming the user %s left privileges "
		    "behind", user);
	return true;
}

void
service_print_version(const char *program)
{
	printf("%s %s\n", program, PACKAGE_VERSION);
}
