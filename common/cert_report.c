/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/cert_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/x509v3.h>

#include "common/buf.h"
#include "common/cert_make.h"
#include "common/cert_pair.h"
#include "common/cert_store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "common/table.h"

#define DAY	  86400
#define WARN_DAYS 30
#define TEXT_MAX  (1 << 20)
#define DATE_SIZE 24

/* What a walk over the store carries along. */
struct walk {
	const char *name; /* only this one; NULL: all */
	enum cert_report_form form;
	bool found;
	struct table table;
	json_t *json; /* array, or object for --status */
	int total, broken, expired;
	time_t next_expiry; /* 0: none */
};

/* Certificates say what they like: bytes JSON does not have are escaped. */
static json_t *
json_text(const char *text)
{
	struct buf clean;
	json_t *j;

	if (text == NULL)
		return json_null();
	buf_init(&clean, TEXT_MAX);
	log_escape(&clean, text, strlen(text));
	j = json_string(buf_text(&clean));
	buf_clear(&clean);
	return j;
}

static json_t *
json_list(const struct strvec *list)
{
	json_t *j = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(j, json_text(list->v[i]));
	return j;
}

static void
print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
}

static char *
join(const struct strvec *list, const char *prefix, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++)
		buf_printf(out, "%s%s%s", out->len > 0 ? ", " : "", prefix,
		    list->v[i]);
	return out->data;
}

static void
date(time_t t, char text[DATE_SIZE])
{
	clock_format(t, text, DATE_SIZE);
}

/* Whole days until the end; negative when it is over. */
static long
days_left(const struct x509_facts *f)
{
	double left = difftime(f->not_after, clock_now());

	return left < 0 ? -1 : (long)(left / DAY);
}

static bool
may_sign(const struct x509_facts *f)
{
	return (!f->has_key_usage ||
	    (f->key_usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0) &&
	    (!f->has_ext_key_usage || f->eku_email);
}

/* For whom it can sign now (mission row S7), or why for nobody. */
static char *
signs_for(const struct cert_entry *e, const struct error *err)
{
	const struct x509_facts *f = e->facts;
	const char *why = NULL;
	struct buf out;

	if (err != NULL)
		why = "it cannot be used";
	else if (e->key == NULL)
		why = "no private key";
	else if (f->not_after < clock_now())
		why = "expired";
	else if (f->not_before > clock_now())
		why = "not valid yet";
	else if (!may_sign(f))
		why = "its key usage does not allow it";
	else if (f->emails.n == 0 && f->domains.n == 0)
		why = "it names no address and no domain";
	buf_init(&out, TEXT_MAX);
	if (why != NULL)
		return mem_printf("nobody: %s", why);
	join(&f->emails, "", &out);
	join(&f->domains, "@", &out);
	return buf_take(&out);
}

/* One short word or two on how it stands. */
static char *
state(const struct cert_entry *e, const struct error *err)
{
	const struct x509_facts *f = e->facts;

	if (err != NULL)
		return mem_printf("broken: %s", err->text);
	if (f->not_after < clock_now())
		return mem_strdup("expired");
	if (f->not_before > clock_now())
		return mem_strdup("not valid yet");
	if (days_left(f) < WARN_DAYS)
		return mem_printf("expires in %ld days", days_left(f));
	if (cert_make_is_demo(f->subject))
		return mem_strdup("demo");
	return mem_strdup(e->key == NULL ? "valid, no key" : "valid");
}

static json_t *
usage_list(const struct x509_facts *f)
{
	static const struct {
		unsigned bit;
		const char *name;
	} bits[] = {
		{KU_DIGITAL_SIGNATURE, "digitalSignature"},
		{KU_NON_REPUDIATION, "nonRepudiation"},
		{KU_KEY_ENCIPHERMENT, "keyEncipherment"},
		{KU_DATA_ENCIPHERMENT, "dataEncipherment"},
		{KU_KEY_AGREEMENT, "keyAgreement"},
		{KU_KEY_CERT_SIGN, "keyCertSign"},
		{KU_CRL_SIGN, "cRLSign"},
		{KU_ENCIPHER_ONLY, "encipherOnly"},
		{KU_DECIPHER_ONLY, "decipherOnly"},
	};
	json_t *j = json_array();

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (f->has_key_usage && (f->key_usage & bits[i].bit) != 0)
			json_array_append_new(j, json_string(bits[i].name));
	return j;
}

static void
put(json_t *j, const char *key, const char *text)
{
	json_object_set_new(j, key, json_text(text));
}

static json_t *
entry_json(const struct cert_entry *e, const struct error *err)
{
	const struct x509_facts *f = e->facts;
	json_t *j = json_object();
	char when[DATE_SIZE];
	char *text;

	put(j, "name", e->name);
	put(j, "file", e->file);
	put(j, "key_file", e->key_file);
	put(j, "problem", err == NULL ? NULL : err->text);
	if (f == NULL)
		return j;
	text = state(e, err);
	put(j, "state", text);
	free(text);
	put(j, "subject", f->subject);
	put(j, "issuer", f->issuer);
	put(j, "serial", f->serial);
	date(f->not_before, when);
	put(j, "not_before", when);
	date(f->not_after, when);
	put(j, "not_after", when);
	put(j, "key", f->key);
	json_object_set_new(j, "addresses", json_list(&f->emails));
	json_object_set_new(j, "domains", json_list(&f->domains));
	json_object_set_new(j, "key_usage", usage_list(f));
	json_object_set_new(j, "email_protection",
	    json_boolean(!f->has_ext_key_usage || f->eku_email));
	json_object_set_new(j, "chain", json_integer(sk_X509_num(e->chain)));
	put(j, "fingerprint", f->fingerprint);
	json_object_set_new(j, "demo",
	    json_boolean(cert_make_is_demo(f->subject)));
	text = signs_for(e, err);
	put(j, "signs_for", text);
	free(text);
	return j;
}

static void
list_entry(void *context, const struct cert_entry *e, const struct error *err)
{
	struct walk *w = context;
	char *how, *whom;
	char until[DATE_SIZE] = "-";

	w->total++;
	if (w->form == CERT_REPORT_JSON) {
		json_array_append_new(w->json, entry_json(e, err));
		return;
	}
	how = state(e, err);
	whom = signs_for(e, err);
	if (e->facts != NULL)
		date(e->facts->not_after, until);
	until[strcspn(until, "T")] = '\0';
	table_row(&w->table, e->name, e->facts != NULL ? e->facts->key : "-",
	    until, whom, how);
	free(how);
	free(whom);
}

bool
cert_report_list(const struct settings *s, enum cert_report_form form,
    struct error *err)
{
	const struct postseal_settings *ps = settings_get(s, "postseal");
	struct walk w = {.form = form, .table.columns = 5};
	bool ok = false;

	w.json = json_array();
	table_row(&w.table, "NAME", "KEY", "UNTIL", "SIGNS FOR", "STATE");
	if (!cert_store_examine(s, true, list_entry, &w, err))
		goto out;
	if (form == CERT_REPORT_JSON)
		print_json(w.json);
	else if (w.total == 0)
		printf("no certificates in %s\n", ps->certificate_directory);
	else
		table_print(&w.table, stdout);
	ok = true;
out:
	json_decref(w.json);
	table_clear(&w.table);
	return ok;
}

static void
row(struct table *t, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		table_row(t, name, text);
}

static void
row_list(struct table *t, const char *name, const struct strvec *list)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	row(t, name, join(list, "", &text));
	buf_clear(&text);
}

static void
row_usage(struct table *t, const struct x509_facts *f)
{
	json_t *names = usage_list(f);
	struct strvec list = {0};

	for (size_t i = 0; i < json_array_size(names); i++)
		strvec_add(&list, json_string_value(json_array_get(names, i)));
	if (!f->has_key_usage)
		strvec_add(&list, "any (not restricted)");
	row_list(t, "Key usage", &list);
	row(t, "E-mail", !f->has_ext_key_usage ? "allowed (not restricted)" :
	    f->eku_email ? "allowed (emailProtection)" :
	    "not allowed by its extended key usage");
	strvec_clear(&list);
	json_decref(names);
}

static void
show_text(const struct cert_entry *e, const struct error *err)
{
	const struct x509_facts *f = e->facts;
	struct table t = {.columns = 2};
	char when[DATE_SIZE];
	char *text;

	row(&t, "Name", e->name);
	row(&t, "Problem", err == NULL ? NULL : err->text);
	row(&t, "File", e->file);
	row(&t, "Key file", e->key_file != NULL ? e->key_file : "none");
	if (f != NULL) {
		row(&t, "Subject", f->subject);
		row(&t, "Issuer", f->issuer);
		row(&t, "Serial", f->serial);
		date(f->not_before, when);
		row(&t, "Valid from", when);
		date(f->not_after, when);
		row(&t, "Valid until", when);
		text = state(e, NULL);
		row(&t, "State", text);
		free(text);
		row(&t, "Key", f->key);
		row_list(&t, "Addresses", &f->emails);
		row_list(&t, "Domains", &f->domains);
		row_usage(&t, f);
		text = mem_printf("%d certificates beside it",
		    sk_X509_num(e->chain));
		row(&t, "Chain", sk_X509_num(e->chain) > 0 ? text : "none");
		free(text);
		row(&t, "Fingerprint", f->fingerprint);
		text = signs_for(e, err);
		row(&t, "Signs for", text);
		free(text);
	}
	table_print(&t, stdout);
	table_clear(&t);
}

static void
show_entry(void *context, const struct cert_entry *e, const struct error *err)
{
	struct walk *w = context;
	struct buf pem;
	json_t *j;

	if (w->found || strcmp(e->name, w->name) != 0)
		return;
	w->found = true;
	if (w->form == CERT_REPORT_JSON) {
		j = entry_json(e, err);
		print_json(j);
		json_decref(j);
	} else if (w->form == CERT_REPORT_PEM && e->cert != NULL) {
		buf_init(&pem, TEXT_MAX);
		cert_make_pem(e->cert, e->chain, &pem);
		fputs(buf_text(&pem), stdout);
		buf_clear(&pem);
	} else {
		show_text(e, err);
	}
}

bool
cert_report_show(const struct settings *s, const char *name,
    enum cert_report_form form, struct error *err)
{
	struct walk w = {.name = name, .form = form};

	if (!cert_store_examine(s, true, show_entry, &w, err))
		return false;
	if (!w.found)
		return error_perm(err, "no certificate \"%.128s\"; `postseal "
		    "cert list` shows those there are", name);
	return true;
}

static void
add_finding(json_t *list, const char *id, const char *severity,
    const char *where, const char *fix, const char *text)
{
	json_t *j = json_object();

	put(j, "id", id);
	put(j, "severity", severity);
	put(j, "text", text);
	put(j, "fix", fix);
	put(j, "where", where);
	json_array_append_new(list, j);
}

/* A certificate without fault: what time will do to it. */
static void
check_dates(struct walk *w, const struct cert_entry *e, const char *id)
{
	const struct x509_facts *f = e->facts;
	const char *severity = "ok", *fix = "", *how;
	char when[DATE_SIZE];
	char *text;

	if (f->not_after < clock_now()) {
		severity = "critical";
		how = "expired on";
	} else if (f->not_before > clock_now()) {
		severity = "critical";
		how = "is not valid before";
	} else {
		how = "is valid until";
	}
	if (severity[0] == 'c')
		fix = "make or import a new one with postseal cert";
	else if (days_left(f) < WARN_DAYS) {
		severity = "warning";
		fix = "renew it in time";
	}
	date(f->not_before > clock_now() ? f->not_before : f->not_after, when);
	text = mem_printf("certificate %s %s %s", e->name, how, when);
	add_finding(w->json, id, severity, e->file, fix, text);
	free(text);
}

/* Time may do to it what it likes: nobody needs to renew it. */
static bool
is_replaced(const struct cert_entry *e)
{
	const char *slash = strrchr(e->file, '/');
	char *directory;
	bool replaced;

	if (slash == NULL)
		return false;
	directory = mem_dup(e->file, (size_t)(slash - e->file));
	replaced = cert_pair_is_kept(directory, e->name);
	free(directory);
	return replaced;
}

static void
check_entry(void *context, const struct cert_entry *e,
    const struct error *err)
{
	struct walk *w = context;
	struct error fqdn = {0};
	char *id = mem_printf("certificate-%s", e->name);
	char *text;

	w->total++;
	if (err != NULL)
		add_finding(w->json, id, "critical", e->file, "", err->text);
	if (e->facts == NULL)
		goto out;
	if (err == NULL && is_replaced(e)) {
		text = mem_printf("certificate %s is replaced, and kept to "
		    "read mail encrypted to it", e->name);
		add_finding(w->json, id, "ok", e->file, "", text);
		free(text);
		goto out;
	}
	check_dates(w, e, id);
	if (!x509_facts_check_fqdn(e->facts, &fqdn)) {
		text = mem_printf("certificate %s: %s", e->name, fqdn.text);
		add_finding(w->json, id, "warning", e->file,
		    "make one for full domain names", text);
		free(text);
	}
	if (cert_make_is_demo(e->facts->subject)) {
		text = mem_printf("certificate %s is for demonstrations only",
		    e->name);
		add_finding(w->json, id, "warning", e->file,
		    "replace it before real mail is signed with it", text);
		free(text);
	}
out:
	free(id);
}

void
cert_report_self_check(const struct settings *s, struct error *err)
{
	struct walk w = {.json = json_array()};

	if (s == NULL)
		add_finding(w.json, "settings", "critical", "", "", err->text);
	else if (!cert_store_examine(s, true, check_entry, &w, err))
		add_finding(w.json, "certificates", "critical", "", "",
		    err->text);
	else if (w.total == 0)
		add_finding(w.json, "certificates", "ok", "", "",
		    "no certificates yet");
	print_json(w.json);
	json_decref(w.json);
}

static void
count_entry(void *context, const struct cert_entry *e,
    const struct error *err)
{
	struct walk *w = context;

	w->total++;
	w->broken += err != NULL;
	if (e->facts == NULL)
		return;
	if (e->facts->not_after < clock_now())
		w->expired += !is_replaced(e);
	else if (is_replaced(e))
		return;
	else if (w->next_expiry == 0 || e->facts->not_after < w->next_expiry)
		w->next_expiry = e->facts->not_after;
}

bool
cert_report_status(const struct settings *s, struct error *err)
{
	struct walk w = {0};
	char when[DATE_SIZE] = "none";
	json_t *j;

	if (!cert_store_examine(s, true, count_entry, &w, err))
		return false;
	if (w.next_expiry != 0)
		date(w.next_expiry, when);
	j = json_object();
	json_object_set_new(j, "certificates", json_integer(w.total));
	json_object_set_new(j, "broken", json_integer(w.broken));
	json_object_set_new(j, "expired", json_integer(w.expired));
	json_object_set_new(j, "next expiry", json_string(when));
	print_json(j);
	json_decref(j);
	return true;
}
