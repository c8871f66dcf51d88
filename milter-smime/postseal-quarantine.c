/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postseal-quarantine: `postseal quarantine ...`, what filters put on hold.
 * See postseal-quarantine(1).
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "common/shared_settings.h"
#include "quarantine_command.h"

enum word {
	DO_NOTHING = 0,
	DO_LIST = 1 << 0,
	DO_SHOW = 1 << 1,
	DO_RELEASE = 1 << 2,
	DO_DELETE = 1 << 3,
	DO_SELF_CHECK = 1 << 4,
	DO_STATUS = 1 << 5,
};

enum option_id {
	OPT_CONFIG_DIR = 256, OPT_JSON, OPT_HEADER, OPT_RAW, OPT_QUARANTINE,
	OPT_YES, OPT_FORCE, OPT_SELF_CHECK, OPT_STATUS, OPT_DESCRIBE, OPT_HELP,
};

static const char help[] =
    "usage: postseal quarantine [-c FILE] [--config-dir DIR] WORD ...\n"
    "\n"
    "  list [NAME] [--json]\n"
    "                    what is in all quarantines, or in NAME\n"
    "  show ID [--header|--raw]\n"
    "                    one message; --raw is for a file or a pipe\n"
    "  release ID... | --quarantine NAME --yes\n"
    "                    deliver what was held\n"
    "  delete ID... | --quarantine NAME --yes\n"
    "                    remove it for good\n"
    "    --force         also what no filter put on hold\n"
    "\n"
    "  -c FILE           instead of " SERVICE_CONFIG "\n"
    "  --config-dir DIR  of another Postfix's main.cf\n"
    "  --self-check --json, --status --json, --describe, -V, --help\n";

static const struct option options[] = {
	{"config-dir", required_argument, NULL, OPT_CONFIG_DIR},
	{"json", no_argument, NULL, OPT_JSON},
	{"header", no_argument, NULL, OPT_HEADER},
	{"raw", no_argument, NULL, OPT_RAW},
	{"quarantine", required_argument, NULL, OPT_QUARANTINE},
	{"yes", no_argument, NULL, OPT_YES},
	{"force", no_argument, NULL, OPT_FORCE},
	{"self-check", no_argument, NULL, OPT_SELF_CHECK},
	{"status", no_argument, NULL, OPT_STATUS},
	{"describe", no_argument, NULL, OPT_DESCRIBE},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* The words an option means something to. */
static unsigned
option_words(int id)
{
	switch (id) {
	case OPT_JSON:
		return DO_LIST | DO_SELF_CHECK | DO_STATUS;
	case OPT_HEADER:
	case OPT_RAW:
		return DO_SHOW;
	case OPT_QUARANTINE:
	case OPT_YES:
	case OPT_FORCE:
		return DO_RELEASE | DO_DELETE;
	case OPT_SELF_CHECK:
		return DO_SELF_CHECK;
	case OPT_STATUS:
		return DO_STATUS;
	default:
		return ~0u;
	}
}

static void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s; postseal quarantine --help tells more", text);
	exit(EX_USAGE);
}

static void
take_name(struct quarantine_request *r, const char *name)
{
	if (!quarantine_is_name(name))
		usage("\"%.70s\" is no name of a quarantine", name);
	r->name = name;
}

static void
take_ids(struct quarantine_request *r, int n, char **words)
{
	for (int i = 0; i < n; i++) {
		if (!queue_entry_is_id(words[i]))
			usage("\"%.70s\" is no queue id", words[i]);
		if (!strvec_has(&r->ids, words[i]))
			strvec_add(&r->ids, words[i]);
	}
}

static enum word
find_word(const char *text)
{
	static const struct {
		const char *text;
		enum word word;
	} words[] = {
		{"list", DO_LIST},
		{"show", DO_SHOW},
		{"release", DO_RELEASE},
		{"delete", DO_DELETE},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i].text) == 0)
			return words[i].word;
	usage("\"%.64s\" is none of list, show, release and delete", text);
}

static enum word
take_words(struct quarantine_request *r, int n, char **words)
{
	enum word word;

	if (n == 0)
		usage("say what to do: list, show, release or delete");
	word = find_word(words[0]);
	switch (word) {
	case DO_LIST:
		if (n > 2)
			usage("list takes one name at most");
		if (n == 2)
			take_name(r, words[1]);
		break;
	case DO_SHOW:
		if (n != 2)
			usage("show takes one queue id");
		take_ids(r, 1, words + 1);
		break;
	default:
		take_ids(r, n - 1, words + 1);
		if ((r->name == NULL) == (r->ids.n == 0))
			usage("%s takes queue ids, or --quarantine NAME",
			    words[0]);
		if (r->name != NULL && r->force)
			usage("--force is for single messages");
	}
	return word;
}

static void
take_option(struct quarantine_request *r, int id, const char *value,
    enum word *word)
{
	switch (id) {
	case OPT_CONFIG_DIR:
		r->queue.config_dir = value;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case OPT_HEADER:
		r->header = true;
		break;
	case OPT_RAW:
		r->raw = true;
		break;
	case OPT_QUARANTINE:
		take_name(r, value);
		break;
	case OPT_YES:
		r->yes = true;
		break;
	case OPT_FORCE:
		r->force = true;
		break;
	case OPT_SELF_CHECK:
		*word = DO_SELF_CHECK;
		break;
	case OPT_STATUS:
		*word = DO_STATUS;
		break;
	default:
		log_panic("option %d", id);
	}
}

/* Answers what needs no settings, and exits. */
static void
answer(int id)
{
	switch (id) {
	case 'V':
		service_print_version("postseal-quarantine");
		exit(EX_OK);
	case OPT_DESCRIBE:
		puts("mail that filters put on hold: list, show, release");
		exit(EX_OK);
	case OPT_HELP:
		fputs(help, stdout);
		exit(EX_OK);
	}
}

static enum word
parse_arguments(struct quarantine_request *r, const char **config, int argc,
    char **argv)
{
	unsigned allowed = ~0u;
	const char *last = "";
	enum word word = DO_NOTHING;
	int id, at = -1;

	opterr = 0;
	while ((id = getopt_long(argc, argv, ":c:V", options, &at)) != -1) {
		if (id == ':')
			usage("%.64s needs a value", argv[optind - 1]);
		if (id == '?')
			usage("there is no option %.64s", argv[optind - 1]);
		answer(id);
		if (id == 'c') {
			*config = optarg;
			continue;
		}
		if ((allowed & option_words(id)) != allowed) {
			allowed &= option_words(id);
			last = options[at].name;
		}
		take_option(r, id, optarg, &word);
	}
	if (word == DO_NOTHING)
		word = take_words(r, argc - optind, argv + optind);
	else if (optind < argc)
		usage("\"%.64s\" does not belong here", argv[optind]);
	if ((allowed & word) == 0)
		usage("--%s does not belong here", last);
	if (r->header && r->raw)
		usage("one of --header and --raw");
	return word;
}

static int
run(const struct quarantine_request *r, enum word word)
{
	struct error err = {0};

	if (word == DO_STATUS)
		return quarantine_status(r);
	if (geteuid() != 0) {
		log_error("this needs root, for Postfix lets nobody else read "
		    "and move what it has in its queue");
		return EX_NOPERM;
	}
	if (!postfix_queue_check(&r->queue, &err)) {
		log_error("%s; is Postfix installed?", err.text);
		return EX_UNAVAILABLE;
	}
	switch (word) {
	case DO_LIST:
		return quarantine_list(r);
	case DO_SHOW:
		return quarantine_show(r);
	case DO_RELEASE:
		return quarantine_release(r);
	case DO_DELETE:
		return quarantine_delete(r);
	default:
		log_panic("word %d", word);
	}
}

int
main(int argc, char **argv)
{
	struct quarantine_request r = {
		.queue.commands = POSTFIX_QUEUE_COMMANDS};
	const char *config = SERVICE_CONFIG;
	struct settings *s;
	struct error err = {0};
	enum word word;
	int code;

	log_open("postseal-quarantine", "mail", true);
	if (!service_harden(&err))
		log_fatal(EX_OSERR, "%s", err.text);
	word = parse_arguments(&r, &config, argc, argv);
	s = settings_read(config, smime_section_types, &err);
	r.settings = s;
	if (s != NULL) {
		r.own = settings_get(s, "milter-smime");
		r.authserv_id = postseal_authserv_id(settings_get(s,
		    "postseal"));
	}
	if (word == DO_SELF_CHECK) {
		code = quarantine_self_check(&r, err.text);
	} else if (s == NULL) {
		log_error("%s", err.text);
		code = EX_CONFIG;
	} else {
		code = run(&r, word);
	}
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EX_OK) {
		log_error("cannot write the output: %s", strerror(errno));
		code = EX_IOERR;
	}
	settings_free(s);
	strvec_clear(&r.ids);
	return code;
}
