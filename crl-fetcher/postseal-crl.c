/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postseal-crl: `postseal crl …`.  See postseal-crl(1).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/err.h>

#include "command_crl.h"
#include "command_tls.h"
#include "common/log.h"
#include "common/service.h"
#include "common/shared_settings.h"
#include "crl_settings.h"

static const char usage[] =
    "usage: postseal crl [-c FILE] WORD …\n"
    "  list [--json]\n"
    "  show [--json] SOURCE\n"
    "  show [--json] --cert FILE [--issuer FILE] [--at TIME]\n"
    "  fetch [--all] [--force] [SOURCE]…\n"
    "  postfix-config [--write | --undo] [--file FILE] [--base FILE]\n"
    "      [--module FILE]\n"
    "  --self-check --json, --status --json, --describe, -V, --help\n";

static const struct {
	const char *word;
	int (*run)(const struct settings *s, int argc, char **argv);
} words[] = {
	{"list", command_list},
	{"show", command_show},
	{"fetch", command_fetch},
	{"postfix-config", command_postfix_config},
};

static int
run_word(const struct settings *s, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (argc > 0 && strcmp(argv[0], words[i].word) == 0)
			return words[i].run(s, argc, argv);
	if (argc > 0)
		log_error("%s is not known; --help lists what is", argv[0]);
	else
		fputs(usage, stderr);
	return EX_USAGE;
}

enum choice { OPT_CHECK = 256, OPT_STATUS, OPT_DESCRIBE, OPT_JSON, OPT_HELP };

static const struct option options[] = {
	{"self-check", no_argument, NULL, OPT_CHECK},
	{"status", no_argument, NULL, OPT_STATUS},
	{"describe", no_argument, NULL, OPT_DESCRIBE},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

int
main(int argc, char **argv)
{
	const char *config = SERVICE_CONFIG;
	struct settings *s;
	struct error err = {0};
	int asked = 0, c, code;

	log_open("postseal-crl", "mail", true);
	if (argc > 1 && strcmp(argv[argc - 1], "--help") == 0) {
		fputs(usage, stdout);
		return EX_OK;
	}
	while ((c = getopt_long(argc, argv, "+c:V", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'V':
			service_print_version("postseal-crl");
			return EX_OK;
		case OPT_DESCRIBE:
			puts("revocation lists: what is held, is a "
			     "certificate revoked, fetch now");
			return EX_OK;
		case OPT_HELP:
			fputs(usage, stdout);
			return EX_OK;
		case OPT_JSON:
			break;
		case OPT_CHECK:
		case OPT_STATUS:
			asked = c;
			break;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	s = settings_read(config, crl_section_types, &err);
	if (asked == OPT_CHECK) {
		code = command_self_check(s, err.text);
	} else if (s == NULL) {
		log_error("%s", err.text);
		code = EX_CONFIG;
	} else if (asked == OPT_STATUS) {
		code = command_status(s);
	} else {
		code = run_word(s, argc - optind, argv + optind);
	}
	if (fflush(stdout) != 0 && code == EX_OK)
		code = EX_IOERR;
	settings_free(s);
	return code;
}
