/* SPDX-License-Identifier: BSD-2-Clause */
#include "command_crl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/crl_index.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/shared_settings.h"
#include "common/x509_facts.h"
#include "check_tls.h"
#include "crl_settings.h"
#include "listing.h"
#include "sources.h"
#include "start.h"

#define EX_REVOKED 1
#define EX_UNKNOWN 2
#define ROUND_LATE INT64_C(86400) /* since the last attempt */

static void
print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(j);
}

/* ---- list, show SOURCE ---- */

static const struct option json_options[] = {
	{"json", no_argument, NULL, 'j'},
	{NULL, 0, NULL, 0},
};

int
command_list(const struct settings *s, int argc, char **argv)
{
	bool json = false;
	json_t *sources;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", json_options, NULL)) != -1) {
		if (c != 'j')
			return EX_USAGE;
		json = true;
	}
	if (optind != argc) {
		log_error("list takes no names; show does");
		return EX_USAGE;
	}
	sources = listing_sources(s);
	if (json) {
		print_json(sources);
		return EX_OK;
	}
	listing_print_crls(sources, stdout);
	json_decref(sources);
	return EX_OK;
}

static int
show_source(const struct settings *s, const char *name, bool json)
{
	json_t *sources = listing_sources(s), *o, *found = NULL;
	size_t i;

	json_array_foreach(sources, i, o)
		if (strcmp(json_string_value(json_object_get(o, "source")),
			name) == 0)
			found = o;
	if (found == NULL)
		log_error("there is no source %s; postseal crl list shows "
		    "them", name);
	else if (json)
		print_json(json_incref(found));
	else
		listing_print_source(found, stdout);
	json_decref(sources);
	return found == NULL ? EX_USAGE : EX_OK;
}

/* ---- show --cert ---- */

static X509 *
read_cert(const char *path)
{
	STACK_OF(X509) *certs = NULL;
	struct error err = {0};
	X509 *cert = NULL;
	struct buf text;
	const unsigned char *p;

	buf_init(&text, PEM_FILE_CERT_MAX);
	if (pem_file_read(path, NULL, &text, &err)) {
		p = (const unsigned char *)buf_text(&text);
		cert = d2i_X509(NULL, &p, (long)text.len);
		ERR_clear_error();
		if (cert == NULL)
			certs = pem_certs_parse(path, buf_text(&text),
			    text.len, false, &err);
		if (certs != NULL)
			cert = sk_X509_shift(certs);
	}
	if (cert == NULL)
		log_error("%s", err.text);
	sk_X509_pop_free(certs, X509_free);
	buf_clear(&text);
	return cert;
}

static const char *
status_text(enum crl_status status)
{
	switch (status) {
	case CRL_GOOD:
		return "good";
	case CRL_REVOKED:
		return "revoked";
	case CRL_UNKNOWN:
		break;
	}
	return "unknown";
}

static void
put_date(json_t *o, const char *key, int64_t t)
{
	char date[21];

	if (t == 0)
		return;
	clock_format((time_t)t, date, sizeof(date));
	json_object_set_new(o, key, json_string(date));
}

static json_t *
make_answer(const struct crl_answer *a, X509 *cert)
{
	struct x509_facts *f = x509_facts_new(cert);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "status",
	    status_text(a->status), "subject", f->subject, "issuer",
	    f->issuer, "serial", f->serial);

	x509_facts_free(f);
	if (a->status == CRL_REVOKED) {
		json_object_set_new(o, "reason",
		    json_string(crl_reason_text(a->reason)));
		put_date(o, "revoked", a->revoked);
		json_object_set_new(o, "stale", json_boolean(a->stale));
	}
	if (a->status == CRL_UNKNOWN)
		json_object_set_new(o, "why",
		    json_string(crl_why_text(a->why)));
	put_date(o, "this_update", a->this_update);
	put_date(o, "next_update", a->next_update);
	return o;
}

static void
print_answer(const json_t *o)
{
	static const char *const keys[] = {"status", "reason", "revoked",
		"why", "this_update", "next_update", "serial", "subject",
		"issuer"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text =
		    json_string_value(json_object_get(o, keys[i]));

		if (text != NULL)
			printf("%-12s %s\n", keys[i], text);
	}
}

static int
show_cert(const struct settings *s, const char *cert_path,
    const char *issuer_path, time_t at, bool json)
{
	const struct crl_check_settings *check =
	    settings_get(s, "crl-check");
	struct crl_index *index = crl_index_open(check->directory);
	X509 *cert = NULL, *issuer = NULL;
	int code = EX_NOINPUT;
	struct crl_answer a;
	json_t *answer;

	if (index == NULL) {
		log_error("crl-check directory %s: %s", check->directory,
		    strerror(errno));
		goto out;
	}
	cert = read_cert(cert_path);
	if (issuer_path != NULL)
		issuer = read_cert(issuer_path);
	if (cert == NULL || (issuer_path != NULL && issuer == NULL))
		goto out;
	crl_index_check(index, cert, issuer, (int64_t)at, check->grace, &a);
	answer = make_answer(&a, cert);
	if (json)
		print_json(json_incref(answer));
	else
		print_answer(answer);
	json_decref(answer);
	code = a.status == CRL_GOOD	 ? EX_OK
	       : a.status == CRL_REVOKED ? EX_REVOKED
					 : EX_UNKNOWN;
out:
	X509_free(cert);
	X509_free(issuer);
	crl_index_close(&index);
	return code;
}

static const struct option show_options[] = {
	{"json", no_argument, NULL, 'j'},
	{"cert", required_argument, NULL, 'c'},
	{"issuer", required_argument, NULL, 'i'},
	{"at", required_argument, NULL, 'a'},
	{NULL, 0, NULL, 0},
};

int
command_show(const struct settings *s, int argc, char **argv)
{
	const char *cert = NULL, *issuer = NULL;
	time_t at = clock_now();
	bool json = false;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", show_options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'c')
			cert = optarg;
		else if (c == 'i')
			issuer = optarg;
		else if (c != 'a')
			return EX_USAGE;
		else if (!clock_parse(optarg, &at)) {
			log_error("--at %s: write 2026-11-22 or "
			    "2026-11-22T09:00:00Z", optarg);
			return EX_USAGE;
		}
	}
	if (cert != NULL && optind == argc)
		return show_cert(s, cert, issuer, at, json);
	if (cert != NULL || optind + 1 != argc) {
		log_error("show takes the name of a source, or --cert FILE");
		return EX_USAGE;
	}
	return show_source(s, argv[optind], json);
}

/* ---- fetch ---- */

static const struct option fetch_options[] = {
	{"all", no_argument, NULL, 'a'},
	{"force", no_argument, NULL, 'f'},
	{NULL, 0, NULL, 0},
};

int
command_fetch(const struct settings *s, int argc, char **argv)
{
	struct round_options o = {.verbose = true};
	int c, code;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", fetch_options, NULL)) != -1) {
		if (c == 'a')
			o.all = true;
		else if (c == 'f')
			o.force = true;
		else
			return EX_USAGE;
	}
	for (int i = optind; i < argc; i++)
		strvec_add(&o.names, argv[i]);
	/* Who asks by hand wants it now. */
	if (o.names.n == 0)
		o.all = true;
	code = start_round(s, &o);
	strvec_clear(&o.names);
	return code;
}

/* ---- for postseal check and postseal status ---- */

static void
check_source(json_t *findings, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "source"));
	const char *state = json_string_value(json_object_get(o, "state"));
	const char *text = json_string_value(json_object_get(o, "text"));
	const char *severity =
	    json_string_value(json_object_get(o, "severity"));
	char *line;

	if (strcmp(state, "new") == 0) {
		line = mem_printf("CRL source %s was never fetched", name);
		check_tell(findings, "crl-source", "critical", line,
		    "run crl-fetcher; is its timer or cron job there?");
		free(line);
	} else if (text != NULL) {
		line = mem_printf("CRL source %s: %s", name, text);
		check_tell(findings, "crl-source",
		    strcmp(severity, "CRITICAL") == 0 ? "critical"
						      : "warning",
		    line, "see postseal crl show");
		free(line);
	}
}

static void
check_indexes(const struct settings *s, json_t *findings)
{
	struct error err = {0};
	json_t *all = listing_indexes(s, &err), *o;
	size_t i, whole = 0;

	if (all == NULL) {
		check_tell(findings, "crl-directory", "critical", err.text,
		    "make it: systemd-tmpfiles --create postseal.conf");
		return;
	}
	json_array_foreach(all, i, o) {
		const char *state =
		    json_string_value(json_object_get(o, "index_state"));
		char *line;

		if (strcmp(state, "whole") == 0) {
			whole++;
			continue;
		}
		line = mem_printf("%s is damaged and counts as missing",
		    json_string_value(json_object_get(o, "index")));
		check_tell(findings, "crl-index", "warning", line,
		    "crl-fetcher makes it again at its next round");
		free(line);
	}
	if (whole > 0) {
		char *line = mem_printf("%zu revocation lists", whole);

		check_tell(findings, "crl-index", "ok", line, "");
		free(line);
	}
	json_decref(all);
}

/* Does a timer or cron job run us at all? */
static void
check_rounds(const json_t *sources, json_t *findings)
{
	time_t newest = 0, one;
	size_t i;
	json_t *o;

	json_array_foreach(sources, i, o) {
		const char *text =
		    json_string_value(json_object_get(o, "last_attempt"));

		if (text != NULL && clock_parse(text, &one) && one > newest)
			newest = one;
	}
	if (newest != 0 && (int64_t)(clock_now() - newest) > ROUND_LATE * 8)
		check_tell(findings, "crl-rounds", "warning",
		    "crl-fetcher has fetched nothing for more than a week",
		    "systemctl enable --now crl-fetcher.timer");
}

int
command_self_check(const struct settings *s, const char *problem)
{
	json_t *findings = json_array(), *sources = NULL, *o;
	struct sources loaded = {0};
	struct error err = {0};
	size_t i;

	if (s == NULL) {
		check_tell(findings, "crl-settings", "critical", problem,
		    "correct the file");
		goto out;
	}
	sources = listing_sources(s);
	json_array_foreach(sources, i, o)
		check_source(findings, o);
	check_rounds(sources, findings);
	if (json_array_size(sources) > 0)
		check_indexes(s, findings);
	check_tls(s, json_array_size(sources) > 0, findings);
	if (!start_drop(s, &err))
		check_tell(findings, "crl-user", "critical", err.text,
		    "create the user (setting user)");
	else if (!sources_load(&loaded, s, &err))
		check_tell(findings, "crl-issuers", "critical", err.text,
		    "until then no CRL is fetched");
	sources_clear(&loaded);
out:
	json_decref(sources);
	print_json(findings);
	return EX_OK;
}

int
command_status(const struct settings *s)
{
	json_t *sources = listing_sources(s), *o, *crl, *list = json_array();
	json_int_t entries = 0;
	size_t i, k, good = 0;

	json_array_foreach(sources, i, o) {
		const char *state =
		    json_string_value(json_object_get(o, "state"));

		good += strcmp(state, "good") == 0;
		json_array_foreach(json_object_get(o, "crls"), k, crl)
			entries += json_integer_value(
			    json_object_get(crl, "entries"));
		json_array_append_new(list,
		    json_pack("{s:O, s:O, s:O?}", "source",
			json_object_get(o, "source"), "state",
			json_object_get(o, "state"), "last_success",
			json_object_get(o, "last_success")));
	}
	print_json(json_pack("{s:i, s:i, s:I, s:o}", "sources",
	    (int)json_array_size(sources), "good", (int)good, "entries",
	    entries, "list", list));
	json_decref(sources);
	return EX_OK;
}
