/* SPDX-License-Identifier: BSD-2-Clause */
#include "command_tls.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/atomic_file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "tls_config.h"
#include "tls_prove.h"

#define FILE_NAME SYSCONFDIR "/postseal/postfix-openssl.cnf"
#define MODULE PKGLIBDIR "/postseal_tls.so"

/* Where to put it, what it includes, which module it names. */
struct request {
	const char *file, *base, *module;
	bool write, undo;
};

static const struct option options[] = {
	{"write", no_argument, NULL, 'w'},
	{"undo", no_argument, NULL, 'u'},
	{"file", required_argument, NULL, 'f'},
	{"base", required_argument, NULL, 'b'},
	{"module", required_argument, NULL, 'm'},
	{NULL, 0, NULL, 0},
};

static bool
read_options(int argc, char **argv, struct request *r)
{
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'w')
			r->write = true;
		else if (c == 'u')
			r->undo = true;
		else if (c == 'f')
			r->file = optarg;
		else if (c == 'b')
			r->base = optarg;
		else if (c == 'm')
			r->module = optarg;
		else
			return false;
	}
	if (optind == argc && r->file[0] == '/' && r->base[0] == '/' &&
	    r->module[0] == '/' && !(r->write && r->undo))
		return true;
	log_error("postfix-config takes --write or --undo, and absolute "
		  "paths");
	return false;
}

/* main.cf first: without the file it names, Postfix has no TLS. */
static void
print_undo(const struct request *r)
{
	printf("# in this order\n"
	       "postconf -X tls_config_file tls_config_name\n"
	       "postfix reload\n"
	       "rm %s\n", r->file);
}

static void
print_commands(const struct request *r)
{
	printf("# then\n"
	       "postconf -e 'tls_config_file = %s' "
	       "'tls_config_name = " TLS_CONFIG_APPLICATION "'\n"
	       "postfix reload\n", r->file);
}

/* Tries the text as a file beside the one that Postfix may have in use. */
static bool
try_text(const struct request *r, const struct buf *text, struct error *err)
{
	char *beside = mem_printf("%s.new", r->file);
	struct tls_section section;
	struct tls_proof proof = {0};
	const char *module;
	CONF *cnf = NULL;
	bool ok;

	ok = atomic_file_write(beside, text->data, text->len, 0644,
		 (uid_t)-1, (gid_t)-1, err) &&
	     tls_config_read(beside, TLS_CONFIG_APPLICATION, &cnf, &section,
		 &module, err) &&
	     tls_prove(beside, TLS_CONFIG_APPLICATION, NULL, &proof, err);
	if (ok && !proof.loaded)
		ok = error_perm(err, "%s is not written, for Postfix would "
		    "have no TLS with it: %s", r->file, proof.text);
	else if (ok && !proof.hooked)
		ok = error_perm(err, "%s is not written: %s does nothing",
		    r->file, r->module);
	unlink(beside);
	NCONF_free(cnf);
	free(beside);
	return ok;
}

static bool
write_text(const struct request *r, const struct buf *text, struct error *err)
{
	if (!try_text(r, text, err) ||
	    !atomic_file_write(r->file, text->data, text->len, 0644,
		(uid_t)-1, (gid_t)-1, err))
		return false;
	printf("# wrote %s\n", r->file);
	return true;
}

int
command_postfix_config(const struct settings *s, int argc, char **argv)
{
	char *system = tls_config_system();
	struct request r = {.file = FILE_NAME, .base = system,
		.module = MODULE};
	struct error err = {0};
	struct buf text;
	int code = EX_USAGE;
	bool ok;

	buf_init(&text, TLS_CONFIG_MAX);
	if (!read_options(argc, argv, &r))
		goto out;
	code = EX_OK;
	if (r.undo) {
		print_undo(&r);
		goto out;
	}
	ok = tls_config_format(&text, r.base, r.module,
	    settings_get(s, "crl-check"), &err);
	if (ok && r.write)
		ok = write_text(&r, &text, &err);
	else if (ok)
		printf("# %s, which --write writes:\n%s\n", r.file,
		    buf_text(&text));
	if (ok)
		print_commands(&r);
	else {
		log_error("%s", err.text);
		code = err.kind == ERROR_TEMP ? EX_IOERR : EX_DATAERR;
	}
out:
	buf_clear(&text);
	free(system);
	return code;
}
