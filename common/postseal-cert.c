/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postseal-cert: makes, imports and shows our own certificates.
 * See postseal-cert(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/buf.h"
#include "common/cert_import.h"
#include "common/cert_make.h"
#include "common/cert_pair.h"
#include "common/cert_report.h"
#include "common/cert_store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/service.h"
#include "common/shared_settings.h"
#include "common/x509_facts.h"

#define IMPORT_MAX   (4 << 20)
#define PASSWORD_MAX 1024
#define DAYS_DEFAULT 365
#define RSA_DEFAULT  2048

enum command {
	DO_NOTHING = 0,
	DO_CREATE = 1 << 0,
	DO_IMPORT = 1 << 1,
	DO_LIST = 1 << 2,
	DO_SHOW = 1 << 3,
	DO_SELF_CHECK = 1 << 4,
	DO_STATUS = 1 << 5,
};

enum option_id {
	OPT_CN = 256, OPT_O, OPT_OU, OPT_L, OPT_ST, OPT_C, OPT_DAYS, OPT_RSA,
	OPT_EC, OPT_DOMAIN, OPT_ADDRESS, OPT_DEMO, OPT_FORCE, OPT_NO_FQDN,
	OPT_KEY, OPT_PASSWORD, OPT_JSON, OPT_PEM, OPT_SELF_CHECK, OPT_STATUS,
	OPT_DESCRIBE, OPT_HELP,
};

/* What the command line says. */
struct request {
	enum command command;
	const char *config;
	const char *name;
	const char *input; /* import */
	const char *key_file;
	const char *password_file;
	struct cert_request make;
	bool force, no_fqdn_check, json, pem;
};

static const char help[] =
    "usage: postseal cert [-c FILE] COMMAND ...\n"
    "\n"
    "  create NAME ...   make a key and a self-signed S/MIME certificate\n"
    "    --domain D      its users sign with it; *.example.com is fine\n"
    "    --address A     who signs with it (both: as often as you like)\n"
    "    --cn --o --ou --l --st --c TEXT\n"
    "                    subject; --ou may be repeated, --c is a country\n"
    "                    code, --cn is the first domain or address if not\n"
    "                    given\n"
    "    --days N        validity, 1 to 7300 (365)\n"
    "    --rsa BITS      2048 (the default: a gateway signs a lot, and 3072\n"
    "                    or 4096 take several times as long), 3072, 4096\n"
    "    --ec CURVE      P-256, P-384, P-521 instead of RSA\n"
    "    --demo          say in the certificate that it is not for real use\n"
    "    --no-fqdn-check allow domains that are no full names\n"
    "    --force         replace NAME; the old pair is kept in use, as\n"
    "                    NAME-YYYYMMDD, for mail encrypted to it\n"
    "  import NAME FILE  take over FILE, PKCS #12 or PEM\n"
    "    --key FILE      where the private key is, if not in FILE (PEM)\n"
    "    --password-file FILE\n"
    "                    its first line is the password; else it is asked\n"
    "                    for on the terminal\n"
    "    --no-fqdn-check, --force as above\n"
    "  list [--json]     all certificates\n"
    "  show NAME [--json|--pem]\n"
    "                    everything about one; --pem without its key\n"
    "\n"
    "  -c FILE           instead of " SERVICE_CONFIG "\n"
    "  --self-check --json, --status --json, --describe, -V, --help\n";

static const struct option options[] = {
	{"cn", required_argument, NULL, OPT_CN},
	{"o", required_argument, NULL, OPT_O},
	{"ou", required_argument, NULL, OPT_OU},
	{"l", required_argument, NULL, OPT_L},
	{"st", required_argument, NULL, OPT_ST},
	{"c", required_argument, NULL, OPT_C},
	{"days", required_argument, NULL, OPT_DAYS},
	{"rsa", required_argument, NULL, OPT_RSA},
	{"ec", required_argument, NULL, OPT_EC},
	{"domain", required_argument, NULL, OPT_DOMAIN},
	{"address", required_argument, NULL, OPT_ADDRESS},
	{"demo", no_argument, NULL, OPT_DEMO},
	{"force", no_argument, NULL, OPT_FORCE},
	{"no-fqdn-check", no_argument, NULL, OPT_NO_FQDN},
	{"key", required_argument, NULL, OPT_KEY},
	{"password-file", required_argument, NULL, OPT_PASSWORD},
	{"json", no_argument, NULL, OPT_JSON},
	{"pem", no_argument, NULL, OPT_PEM},
	{"self-check", no_argument, NULL, OPT_SELF_CHECK},
	{"status", no_argument, NULL, OPT_STATUS},
	{"describe", no_argument, NULL, OPT_DESCRIBE},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* The commands an option means something to. */
static unsigned
option_commands(int id)
{
	switch (id) {
	case OPT_FORCE:
	case OPT_NO_FQDN:
		return DO_CREATE | DO_IMPORT;
	case OPT_KEY:
	case OPT_PASSWORD:
		return DO_IMPORT;
	case OPT_JSON:
		return DO_LIST | DO_SHOW | DO_SELF_CHECK | DO_STATUS;
	case OPT_PEM:
		return DO_SHOW;
	case OPT_SELF_CHECK:
		return DO_SELF_CHECK;
	case OPT_STATUS:
		return DO_STATUS;
	default:
		return DO_CREATE;
	}
}

static void __attribute__((noreturn, format(printf, 1, 2)))
usage(const char *fmt, ...)
{
	va_list ap;

	fputs("postseal-cert: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; postseal cert --help tells more\n", stderr);
	exit(EX_USAGE);
}

static int
number(const char *option, const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > 1000000)
		usage("--%s \"%.32s\": not a number that fits", option, text);
	return (int)n;
}

static void
take_subject(struct cert_request *m, int id, const char *value)
{
	switch (id) {
	case OPT_CN:
		m->common_name = value;
		break;
	case OPT_O:
		m->organization = value;
		break;
	case OPT_OU:
		strvec_add(&m->units, value);
		break;
	case OPT_L:
		m->locality = value;
		break;
	case OPT_ST:
		m->state = value;
		break;
	case OPT_C:
		m->country = value;
		break;
	case OPT_DOMAIN:
		strvec_add(&m->domains, value);
		break;
	case OPT_ADDRESS:
		strvec_add(&m->addresses, value);
		break;
	default:
		log_panic("option %d", id);
	}
}

static void
take_option(struct request *r, int id, const char *value)
{
	switch (id) {
	case 'c':
		r->config = value;
		break;
	case OPT_DAYS:
		r->make.days = number("days", value);
		break;
	case OPT_RSA:
		r->make.rsa_bits = number("rsa", value);
		break;
	case OPT_EC:
		r->make.curve = value;
		break;
	case OPT_DEMO:
		r->make.demo = true;
		break;
	case OPT_FORCE:
		r->force = true;
		break;
	case OPT_NO_FQDN:
		r->no_fqdn_check = true;
		break;
	case OPT_KEY:
		r->key_file = value;
		break;
	case OPT_PASSWORD:
		r->password_file = value;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case OPT_PEM:
		r->pem = true;
		break;
	case OPT_SELF_CHECK:
		r->command = DO_SELF_CHECK;
		break;
	case OPT_STATUS:
		r->command = DO_STATUS;
		break;
	default:
		take_subject(&r->make, id, value);
	}
}

static void
take_words(struct request *r, int n, char **words)
{
	static const struct {
		const char *word;
		enum command command;
		int arguments;
	} commands[] = {
		{"create", DO_CREATE, 1},
		{"import", DO_IMPORT, 2},
		{"list", DO_LIST, 0},
		{"show", DO_SHOW, 1},
	};
	static const char *const missing[] = {"", "NAME", "NAME and FILE"};

	if (r->command != DO_NOTHING) {
		if (n > 0)
			usage("\"%.64s\" does not belong here", words[0]);
		return;
	}
	if (n == 0)
		usage("say what to do: create, import, list or show");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(words[0], commands[i].word) != 0)
			continue;
		r->command = commands[i].command;
		if (n - 1 < commands[i].arguments)
			usage("%s needs %s", words[0],
			    missing[commands[i].arguments]);
		if (n - 1 > commands[i].arguments)
			usage("\"%.64s\" is one word too many",
			    words[commands[i].arguments + 1]);
		r->name = n > 1 ? words[1] : NULL;
		r->input = n > 2 ? words[2] : NULL;
		return;
	}
	usage("\"%.64s\" is none of create, import, list and show", words[0]);
}

static void
parse_arguments(struct request *r, int argc, char **argv)
{
	unsigned allowed = ~0u;
	const char *last = NULL;
	bool seen_key = false;
	int id, at = -1;

	r->config = SERVICE_CONFIG;
	r->make.days = DAYS_DEFAULT;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":c:V", options, &at)) != -1) {
		switch (id) {
		case ':':
			usage("%.64s needs a value", argv[optind - 1]);
		case '?':
			usage("there is no option %.64s", argv[optind - 1]);
		case 'V':
			service_print_version("postseal-cert");
			exit(EX_OK);
		case OPT_DESCRIBE:
			puts("makes, imports and shows our own certificates");
			exit(EX_OK);
		case OPT_HELP:
			fputs(help, stdout);
			exit(EX_OK);
		}
		if ((id == OPT_RSA || id == OPT_EC) && seen_key)
			usage("one of --rsa and --ec, once");
		seen_key |= id == OPT_RSA || id == OPT_EC;
		if (id >= OPT_CN && (allowed & option_commands(id)) != allowed) {
			allowed &= option_commands(id);
			last = options[at].name;
		}
		take_option(r, id, optarg);
	}
	take_words(r, argc - optind, argv + optind);
	if ((allowed & r->command) == 0)
		usage("--%s does not belong here", last);
	if (r->json && r->pem)
		usage("one of --json and --pem");
	if (r->make.curve == NULL && r->make.rsa_bits == 0)
		r->make.rsa_bits = RSA_DEFAULT;
}

static void
warn(const char *text)
{
	fprintf(stderr, "postseal-cert: warning: %s\n", text);
}

static bool
check_name(const struct settings *s, const char *name, struct error *err)
{
	if (!cert_store_check_name(name, err))
		return false;
	if (settings_find(s, "certificate", name) != NULL)
		return error_perm(err, "\"%s\" is a certificate section of "
		    "the settings; choose another name", name);
	return true;
}

static bool
write_pair(const struct settings *s, const struct request *r, X509 *cert,
    const STACK_OF(X509) *chain, const EVP_PKEY *key, const char *done,
    struct error *err)
{
	const struct postseal_settings *ps = settings_get(s, "postseal");
	const struct cert_pair pair = {
		.directory = ps->certificate_directory,
		.name = r->name,
		.cert = cert,
		.chain = chain,
		.key = key,
		.force = r->force,
	};
	struct x509_facts *f = x509_facts_new(cert);
	struct strvec changes = {0};
	char until[24];
	bool ok;

	ok = cert_pair_write(&pair, &changes, err);
	clock_format(f->not_after, until, sizeof(until));
	for (size_t i = 0; i < changes.n; i++)
		puts(changes.v[i]);
	if (ok)
		printf("%s certificate %s: %s, %s, valid until %s\n", done,
		    r->name, f->subject, f->key, until);
	strvec_clear(&changes);
	x509_facts_free(f);
	return ok;
}

static bool
check_fqdn(X509 *cert, struct error *err)
{
	struct x509_facts *f = x509_facts_new(cert);
	bool ok = x509_facts_check_fqdn(f, err);

	x509_facts_free(f);
	return ok;
}

static bool
create(const struct settings *s, const struct request *r, struct error *err)
{
	const struct postseal_settings *ps = settings_get(s, "postseal");
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	bool ok = false;

	if (!check_name(s, r->name, err) ||
	    (!r->force && !cert_pair_check_free(ps->certificate_directory,
		r->name, true, err)) ||
	    !cert_make_self_signed(&r->make, &cert, &key, err))
		goto out;
	if (!r->no_fqdn_check && !check_fqdn(cert, err)) {
		struct error why = *err;

		error_perm(err, "%s; use full names, or --no-fqdn-check",
		    why.text);
		goto out;
	}
	if (!write_pair(s, r, cert, NULL, key, "made", err))
		goto out;
	if (r->make.addresses.n == 0)
		warn("it names domains only: some mail clients will not "
		     "encrypt to such a certificate; --address adds people");
	if (r->make.demo)
		warn("it is for demonstrations; nobody else trusts it");
	ok = true;
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok;
}

/* New memory, or NULL: nobody to ask. */
static char *
ask_password(const char *file)
{
	char *prompt, *password;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	/* Without a terminal OpenSSL would read what comes on stdin. */
	if (tty < 0)
		return NULL;
	close(tty);
	prompt = mem_printf("Password of %s: ", file);
	password = mem_alloc(PASSWORD_MAX);
	if (EVP_read_pw_string(password, PASSWORD_MAX - 1, prompt, 0) != 0) {
		mem_wipe_free(password, PASSWORD_MAX);
		password = NULL;
	}
	free(prompt);
	return password;
}

static bool
read_input(const char *path, struct buf *text, struct error *err)
{
	struct stat st;

	buf_init(text, IMPORT_MAX);
	if (path == NULL)
		return true;
	if (!pem_file_read(path, NULL, text, err))
		return false;
	if (stat(path, &st) == 0 && (st.st_mode & 07) != 0 &&
	    pem_has_private_key(buf_text(text), text->len)) {
		fprintf(stderr, "postseal-cert: warning: %s holds a private "
		    "key and is readable by others; remove it after this\n",
		    path);
	}
	return true;
}

/* Our caller's own file: no service needs to read it. */
static char *
read_password(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 07) != 0) {
		error_perm(err, "%s: password file is readable by others "
		    "(mode %04o); chmod 600 %s", path,
		    (unsigned)(st.st_mode & 07777), path);
		return NULL;
	}
	return pem_file_password(path, err);
}

static bool
parse_input(const struct request *r, struct cert_import *in,
    struct error *err)
{
	enum cert_import_result result = CERT_IMPORT_FAILED;
	char *password = NULL;
	struct buf text = {0}, key = {0};

	if (!read_input(r->input, &text, err) ||
	    !read_input(r->key_file, &key, err))
		goto out;
	if (r->password_file != NULL) {
		password = read_password(r->password_file, err);
		if (password == NULL)
			goto out;
	}
	for (int i = 0; i < 2; i++) {
		result = cert_import_parse(r->input, buf_text(&text),
		    text.len, r->key_file,
		    r->key_file == NULL ? NULL : buf_text(&key), key.len,
		    password, in, err);
		if (result != CERT_IMPORT_PASSWORD || password != NULL)
			break;
		password = ask_password(r->key_file != NULL ? r->key_file :
		    r->input);
		if (password == NULL)
			break;
	}
out:
	if (password != NULL)
		mem_wipe_free(password, strlen(password));
	buf_wipe(&text);
	buf_wipe(&key);
	return result == CERT_IMPORT_OK;
}

static bool
has_key(const struct settings *s, const char *name)
{
	const struct postseal_settings *ps = settings_get(s, "postseal");
	char *path = mem_printf("%s/%s.key", ps->certificate_directory, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static void
tell_of_import(const struct settings *s, const struct request *r,
    const struct cert_import *in)
{
	printf("with %s and %d certificates of its chain\n",
	    in->key != NULL ? "its private key" :
	    has_key(s, r->name) ? "the private key that was there" :
				  "no private key",
	    sk_X509_num(in->chain));
	if (!has_key(s, r->name))
		printf("without a private key it cannot sign; if it is a "
		    "partner's: postseal smime key add %s %s\n", r->name,
		    r->input);
	if (in->left_out > 0)
		printf("left out %d certificates that are not of its chain\n",
		    in->left_out);
	if (in->legacy)
		printf("%s is encrypted as years ago (RC2 or the like); it "
		    "was read with OpenSSL's legacy provider\n", r->input);
	if (X509_cmp_time(X509_get0_notAfter(in->cert), NULL) < 0)
		warn("it has expired");
}

static bool
import(const struct settings *s, const struct request *r, struct error *err)
{
	const struct ca_list_settings *ca = settings_get(s, "ca-list");
	struct cert_import in = {0};
	bool ok = false;

	if (!check_name(s, r->name, err) || !parse_input(r, &in, err))
		goto out;
	if (!r->no_fqdn_check && !check_fqdn(in.cert, err)) {
		if (ca->fqdn_check)
			goto out;
		warn(err->text);
	}
	if (!write_pair(s, r, in.cert, in.chain, in.key, "imported", err))
		goto out;
	tell_of_import(s, r, &in);
	ok = true;
out:
	cert_import_clear(&in);
	return ok;
}

static bool
run(const struct settings *s, const struct request *r, struct error *err)
{
	enum cert_report_form form = r->json ? CERT_REPORT_JSON :
	    r->pem ? CERT_REPORT_PEM : CERT_REPORT_TEXT;

	switch (r->command) {
	case DO_CREATE:
		return create(s, r, err);
	case DO_IMPORT:
		return import(s, r, err);
	case DO_LIST:
		return cert_report_list(s, form, err);
	case DO_SHOW:
		return cert_report_show(s, r->name, form, err);
	case DO_STATUS:
		return cert_report_status(s, err);
	case DO_SELF_CHECK:
		cert_report_self_check(s, err);
		return true;
	case DO_NOTHING:
		break;
	}
	log_panic("command %d", r->command);
}

int
main(int argc, char **argv)
{
	static const struct section_type *const types[] = {&postseal_section,
	    &ca_list_section, &certificate_section, NULL};
	struct settings *s = NULL;
	struct request r = {0};
	struct error err = {0};
	int code = EX_OK;

	log_open("postseal-cert", "mail", true);
	if (!service_harden(&err))
		log_fatal(EX_OSERR, "%s", err.text);
	parse_arguments(&r, argc, argv);
	s = settings_read(r.config, types, &err);
	if (s == NULL && r.command == DO_SELF_CHECK) {
		cert_report_self_check(NULL, &err);
		goto out;
	}
	if (s == NULL) {
		code = EX_CONFIG;
	} else if (!run(s, &r, &err)) {
		code = err.kind == ERROR_TEMP ? EX_IOERR : EX_DATAERR;
	}
	if (code != EX_OK)
		log_error("%s", err.text);
out:
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("cannot write the output: %s", strerror(errno));
		code = EX_IOERR;
	}
	settings_free(s);
	strvec_clear(&r.make.units);
	strvec_clear(&r.make.domains);
	strvec_clear(&r.make.addresses);
	return code;
}
