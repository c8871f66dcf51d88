/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crl-fetcher: one round of downloads.  See crl-fetcher(8).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "common/shared_settings.h"
#include "crl_settings.h"
#include "issuers.h"
#include "listing.h"
#include "publish.h"
#include "sources.h"
#include "start.h"

static const char usage[] =
    "usage: crl-fetcher [-v] [-c FILE] [--all] [--force] [SOURCE]…\n"
    "       crl-fetcher [-c FILE] --list [--json]\n"
    "       crl-fetcher [-c FILE] -t | -n | -d | -V\n";

struct arguments {
	const char *config;
	char mode; /* t, n, d, V, l(ist), h(elp), or 0: a round */
	bool json;
	struct round_options round;
};

enum choice { OPT_ALL = 256, OPT_FORCE, OPT_LIST, OPT_JSON, OPT_HELP };

static const struct option options[] = {
	{"all", no_argument, NULL, OPT_ALL},
	{"force", no_argument, NULL, OPT_FORCE},
	{"list", no_argument, NULL, OPT_LIST},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static bool
set_mode(struct arguments *a, char mode)
{
	if (a->mode != '\0' && a->mode != mode)
		return false;
	a->mode = mode;
	return true;
}

static bool
read_option(struct arguments *a, int c)
{
	switch (c) {
	case 'c':
		a->config = optarg;
		return true;
	case 'v':
		a->round.verbose = true;
		return true;
	case 't':
	case 'n':
	case 'd':
	case 'V':
		return set_mode(a, (char)c);
	case OPT_ALL:
		a->round.all = true;
		return true;
	case OPT_FORCE:
		a->round.force = true;
		return true;
	case OPT_LIST:
		return set_mode(a, 'l');
	case OPT_JSON:
		a->json = true;
		return true;
	case OPT_HELP:
		return set_mode(a, 'h');
	default:
		return false;
	}
}

static bool
read_arguments(struct arguments *a, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:tndVv", options, NULL)) != -1)
		if (!read_option(a, c))
			return false;
	for (int i = optind; i < argc; i++)
		strvec_add(&a->round.names, argv[i]);
	return a->mode == '\0' || a->round.names.n == 0;
}

/* -t: as the user who runs rounds, can all be read? */
static int
check(const struct settings *s)
{
	const struct crl_check_settings *c = settings_get(s, "crl-check");
	struct sources sources = {0};
	struct publish *publish = NULL;
	struct error err = {0};
	bool ok;

	ok = start_drop(s, &err) && sources_load(&sources, s, &err) &&
	     issuers_check(sources.lists, &err);
	if (ok && access(c->directory, F_OK) == 0) {
		publish = publish_open(c->directory, 0, &err);
		ok = publish != NULL;
	}
	publish_close(&publish);
	sources_clear(&sources);
	if (!ok)
		log_error("%s", err.text);
	return ok ? EX_OK : EX_CONFIG;
}

static int
list(const struct settings *s, bool json)
{
	json_t *sources = listing_sources(s);

	if (json) {
		json_dumpf(sources, stdout, JSON_INDENT(2));
		printf("\n");
	} else
		listing_print_sources(sources, stdout);
	json_decref(sources);
	return EX_OK;
}

static int
run(struct arguments *a, const struct settings *s)
{
	const struct postseal_settings *p = settings_get(s, "postseal");

	switch (a->mode) {
	case 't':
		return check(s);
	case 'n':
		settings_print(s, stdout);
		return EX_OK;
	case 'l':
		return list(s, a->json);
	default:
		log_open("crl-fetcher", p->syslog_facility,
		    a->round.verbose);
		a->round.progress =
		    !a->round.verbose && isatty(STDERR_FILENO);
		return start_round(s, &a->round);
	}
}

int
main(int argc, char **argv)
{
	struct arguments a = {.config = SERVICE_CONFIG};
	struct settings *s = NULL;
	struct error err = {0};
	int code = EX_OK;

	log_open("crl-fetcher", "mail", true);
	if (!read_arguments(&a, argc, argv)) {
		fputs(usage, stderr);
		code = EX_USAGE;
	} else if (a.mode == 'h')
		fputs(usage, stdout);
	else if (a.mode == 'V')
		service_print_version("crl-fetcher");
	else if (a.mode == 'd')
		settings_print_defaults(crl_section_types, stdout);
	else if ((s = settings_read(a.config, crl_section_types, &err)) ==
		 NULL) {
		log_error("%s", err.text);
		code = EX_CONFIG;
	} else
		code = run(&a, s);
	strvec_clear(&a.round.names);
	settings_free(s);
	if (fflush(stdout) != 0 && code == EX_OK)
		code = EX_IOERR;
	return code;
}
