/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_config.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/mem.h"
#include "common/x509_facts.h"

#define DEFAULT_APPLICATION "openssl_conf"
#define OWN_SECTION "postfix_init"

char *
tls_config_system(void)
{
	return mem_printf("%s/openssl.cnf", X509_get_default_cert_area());
}

void
tls_config_wanted(const struct crl_check_settings *check,
    struct tls_section *section)
{
	bool spool = check->certificate_spool_max > 0 &&
		     check->certificate_spool[0] != '\0';

	*section = (struct tls_section){
		.directory = check->directory,
		.spool = spool ? check->certificate_spool : NULL,
		.inbound = check->inbound_smtp_tls,
		.outbound = check->outbound_smtp_tls,
		.missing_rejects = check->missing_crl == MISSING_CRL_REJECT,
		.grace = check->grace,
		.spool_max = spool ? (unsigned)check->certificate_spool_max
				   : 0,
	};
}

/* ---- writing ---- */

/* The section that OpenSSL takes of base; a new one where there is none. */
static bool
find_base_section(const char *base, char **section, struct error *err)
{
	CONF *cnf = NCONF_new(NULL);
	const char *found = NULL;
	long line = 0;
	bool ok = true;

	*section = NULL;
	if (access(base, F_OK) != 0) {
		*section = mem_strdup(OWN_SECTION);
	} else if (cnf == NULL || NCONF_load(cnf, base, &line) != 1) {
		ok = x509_error(err, ERROR_PERM,
		    "%s: line %ld: OpenSSL cannot read it", base, line);
	} else {
		found = NCONF_get_string(cnf, NULL, DEFAULT_APPLICATION);
		*section = mem_strdup(found == NULL ? OWN_SECTION : found);
	}
	ERR_clear_error();
	NCONF_free(cnf);
	return ok;
}

static bool
put_path(struct buf *out, const char *name, const char *path,
    struct error *err)
{
	buf_printf(out, "%s", name);
	for (const char *c = path; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c))
			return error_perm(err, "\"%.200s\" cannot stand in a "
			    "configuration of OpenSSL", path);
		if (!isalnum((unsigned char)*c) && strchr("/._-", *c) == NULL)
			buf_putc(out, '\\');
		buf_putc(out, *c);
	}
	buf_putc(out, '\n');
	return true;
}

static const char *
yes_no(bool value)
{
	return value ? "yes" : "no";
}

static bool
put_section(struct buf *out, const char *module, const struct tls_section *s,
    struct error *err)
{
	buf_printf(out, "\n[" TLS_SECTION_NAME "]\n");
	if (!put_path(out, TLS_SECTION_PATH " = ", module, err) ||
	    !put_path(out, TLS_SECTION_DIRECTORY " = ", s->directory, err))
		return false;
	buf_printf(out,
	    TLS_SECTION_INBOUND " = %s\n" TLS_SECTION_OUTBOUND " = %s\n"
	    TLS_SECTION_MISSING_CRL " = %s\n" TLS_SECTION_GRACE " = %lld\n",
	    yes_no(s->inbound), yes_no(s->outbound),
	    s->missing_rejects ? "reject" : "accept", (long long)s->grace);
	if (s->spool == NULL)
		return true;
	if (!put_path(out, TLS_SECTION_SPOOL " = ", s->spool, err))
		return false;
	buf_printf(out, TLS_SECTION_SPOOL_MAX " = %u\n", s->spool_max);
	return true;
}

bool
tls_config_format(struct buf *out, const char *base, const char *module,
    const struct crl_check_settings *check, struct error *err)
{
	struct tls_section wanted;
	char *section;
	bool ok;

	if (!find_base_section(base, &section, err))
		return false;
	tls_config_wanted(check, &wanted);
	buf_printf(out,
	    "# OpenSSL's configuration for Postfix alone: the system's, and\n"
	    "# postseal_tls(8).  Made out of crl-check of postseal.conf(5);\n"
	    "# after changes there:  postseal crl postfix-config --write\n");
	ok = put_path(out, ".include ", base, err);
	buf_printf(out,
	    "\n[default]\n" TLS_CONFIG_APPLICATION " = %s\n"
	    "\n[%s]\n" TLS_SECTION_MODULE " = " TLS_SECTION_NAME "\n",
	    section, section);
	ok = ok && put_section(out, module, &wanted, err);
	if (ok && out->overflow)
		ok = error_perm(err, "the paths are too long");
	free(section);
	return ok;
}

/* ---- reading ---- */

/* The section of our module in what the application is led to. */
static const char *
find_module(const CONF *cnf, const char *application)
{
	const char *start = NCONF_get_string(cnf, NULL,
	    application == NULL ? DEFAULT_APPLICATION : application);
	const char *at =
	    start == NULL
		? NULL
		: NCONF_get_string(cnf, start, TLS_SECTION_MODULE);

	ERR_clear_error();
	return at;
}

bool
tls_config_read(const char *file, const char *application, CONF **cnf,
    struct tls_section *section, const char **module, struct error *err)
{
	const char *at;
	long line = 0;

	*cnf = NULL;
	if (access(file, R_OK) != 0)
		return error_errno(err, "%s", file);
	*cnf = NCONF_new(NULL);
	if (*cnf == NULL || NCONF_load(*cnf, file, &line) != 1)
		return x509_error(err, ERROR_PERM,
		    "%s: line %ld: OpenSSL cannot read it", file, line);
	at = find_module(*cnf, application);
	if (at == NULL)
		return error_perm(err, "%s: %s leads to no %s", file,
		    application == NULL ? DEFAULT_APPLICATION : application,
		    TLS_SECTION_MODULE);
	tls_section_read(*cnf, at, section);
	*module = NCONF_get_string(*cnf, at, TLS_SECTION_PATH);
	ERR_clear_error();
	if (*module == NULL)
		return error_perm(err, "%s: section %s has no %s", file, at,
		    TLS_SECTION_PATH);
	return true;
}

bool
tls_config_has_system(const CONF *cnf, const char *application)
{
	const char *own = application == NULL
			      ? NULL
			      : NCONF_get_string(cnf, NULL, application);
	const char *all = NCONF_get_string(cnf, NULL, DEFAULT_APPLICATION);

	ERR_clear_error();
	return own == NULL || all == NULL || strcmp(own, all) == 0;
}
