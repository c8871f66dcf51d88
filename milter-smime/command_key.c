/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal smime key`: certificates of other people and gateways.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/pem.h>

#include "common/cert_db.h"
#include "common/cert_store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/table.h"
#include "smime_settings.h"

static struct cert_db *
open_store(const struct settings *s, bool create, struct error *err)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");

	return cert_db_open(smime_key_store_path(own), create, err);
}

static char *
join(const struct strvec *list)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < list->n; i++)
		buf_printf(&text, "%s%s", i == 0 ? "" : " ", list->v[i]);
	return buf_take(&text);
}

/* ---- add ---- */

/* The file is the caller's, so it is read before we change the user. */
static X509 *
read_certificate(const char *file, struct error *err)
{
	STACK_OF(X509) *certs = NULL;
	X509 *cert = NULL;
	struct buf text;

	buf_init(&text, PEM_FILE_CERT_MAX);
	if (pem_file_read(file, NULL, &text, err))
		certs = pem_certs_parse(file, buf_text(&text), text.len,
		    false, err);
	if (certs != NULL)
		cert = sk_X509_shift(certs);
	sk_X509_pop_free(certs, X509_free);
	buf_clear(&text);
	return cert;
}

/* A certificate that says nobody's address can never be of use. */
static bool
check_certificate(const char *name, const struct x509_facts *f,
    struct error *err)
{
	char when[32];

	if (f->emails.n == 0 && f->domains.n == 0)
		return error_perm(err, "%s: the certificate names neither an "
		    "address nor a domain (subjectAltName rfc822Name or "
		    "dNSName)", name);
	clock_format(f->not_after, when, sizeof(when));
	if (f->not_after < clock_now())
		return error_perm(err, "%s: the certificate expired %s", name,
		    when);
	return true;
}

static int
add(const struct settings *s, const char *name, const char *file)
{
	struct cert_db *db = NULL;
	struct x509_facts *f = NULL;
	struct error err = {0};
	X509 *cert = NULL;
	char *emails = NULL, *domains = NULL;
	int code = EX_OK;

	cert = read_certificate(file, &err);
	if (cert == NULL)
		goto fail;
	f = x509_facts_new(cert);
	if (!cert_store_check_name(name, &err) ||
	    !check_certificate(name, f, &err))
		goto fail;
	if (!command_drop(s)) {
		code = EX_NOPERM;
		goto out;
	}
	db = open_store(s, true, &err);
	if (db == NULL || !cert_db_add(db, name, cert, &err))
		goto fail;
	emails = join(&f->emails);
	domains = join(&f->domains);
	printf("added %s: %s%s%s%s\n", name, emails,
	    emails[0] != '\0' && domains[0] != '\0' ? " " : "",
	    domains[0] != '\0' ? "domains " : "", domains);
	printf("fingerprint (SHA-256) %s; compare it with its owner\n",
	    f->fingerprint);
	goto out;
fail:
	code = command_failed(&err);
out:
	cert_db_close(&db);
	x509_facts_free(f);
	X509_free(cert);
	free(emails);
	free(domains);
	return code;
}

static int
drop_key(struct cert_db *db, const char *name)
{
	struct error err = {0};
	bool found;

	if (!cert_db_remove(db, name, &found, &err))
		return command_failed(&err);
	if (!found) {
		log_error("there is no key %s", name);
		return EX_DATAERR;
	}
	printf("removed %s\n", name);
	return EX_OK;
}

/* ---- import and export ---- */

#define IMPORT_MAX (256 << 20)
#define BEGIN_CERT "-----BEGIN CERTIFICATE-----"
#define END_CERT "-----END CERTIFICATE-----"

/* A name for a certificate that comes without one. */
static char *
make_name(const struct x509_facts *f)
{
	const char *from = f->emails.n > 0 ? f->emails.v[0] :
	    f->domains.n > 0 ? f->domains.v[0] : "key";
	char *name = mem_printf("%.60s-%.8s", from, f->fingerprint);

	for (char *c = name; *c != '\0'; c++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
		    "yz0123456789._-", *c) == NULL)
			*c = *c == '@' ? '.' : '_';
	return name;
}

/* Our own export writes `name: NAME` before each certificate. */
static char *
written_name(const char *text, const char *begin)
{
	static const char key[] = "name: ";
	const char *p = begin;

	while (p > text) {
		const char *line = p - 1;

		while (line > text && line[-1] != '\n')
			line--;
		if (strncmp(line, "-----END", 8) == 0)
			return NULL;
		if (strncmp(line, key, sizeof(key) - 1) == 0) {
			line += sizeof(key) - 1;
			return mem_dup(line, strcspn(line, "\r\n"));
		}
		p = line;
	}
	return NULL;
}

static bool
import_one(struct cert_db *db, const char *text, const char *begin,
    const char *end, char **name, struct error *err)
{
	STACK_OF(X509) *certs = pem_certs_parse("certificate", begin,
	    (size_t)(end - begin), false, err);
	struct x509_facts *f;
	X509 *cert;
	bool ok;

	*name = written_name(text, begin);
	if (certs == NULL)
		return false;
	cert = sk_X509_value(certs, 0);
	f = x509_facts_new(cert);
	if (*name == NULL)
		*name = make_name(f);
	ok = cert_store_check_name(*name, err) &&
	    check_certificate(*name, f, err) &&
	    cert_db_add(db, *name, cert, err);
	x509_facts_free(f);
	sk_X509_pop_free(certs, X509_free);
	return ok;
}

static int
import_text(struct cert_db *db, const char *text)
{
	const char *p = text, *begin, *end;
	bool progress = isatty(STDERR_FILENO);
	size_t added = 0, refused = 0;
	struct error err = {0};

	while ((begin = strstr(p, BEGIN_CERT)) != NULL &&
	    (end = strstr(begin, END_CERT)) != NULL) {
		char *name = NULL;

		end += strlen(END_CERT);
		if (import_one(db, text, begin, end, &name, &err)) {
			added++;
		} else if (err.kind == ERROR_TEMP) {
			free(name);
			return command_failed(&err);
		} else {
			refused++;
			log_warning("refused: %s", err.text);
		}
		free(name);
		p = end;
		if (progress && (added + refused) % 100 == 0)
			fprintf(stderr, "\r%zu", added + refused);
	}
	if (progress)
		fprintf(stderr, "\r");
	printf("imported %zu, refused %zu\n", added, refused);
	return added > 0 || refused == 0 ? EX_OK : EX_DATAERR;
}

static int
import(const struct settings *s, const char *file)
{
	struct cert_db *db = NULL;
	struct error err = {0};
	struct buf text;
	int code;

	buf_init(&text, IMPORT_MAX);
	if (!pem_file_read(file, NULL, &text, &err)) {
		code = command_failed(&err);
	} else if (!command_drop(s)) {
		code = EX_NOPERM;
	} else {
		db = open_store(s, true, &err);
		code = db == NULL ? command_failed(&err) :
		    import_text(db, buf_text(&text));
	}
	cert_db_close(&db);
	buf_clear(&text);
	return code;
}

/* All keys as one text that we and openssl(1) can read. */
static int
export(struct cert_db *db)
{
	struct cert_record *records = NULL;
	struct error err = {0};
	size_t n = 0;

	if (!cert_db_list(db, &records, &n, &err))
		return command_failed(&err);
	for (size_t i = 0; i < n; i++) {
		struct x509_facts *f = x509_facts_new(records[i].cert);

		printf("name: %s\nsubject: %s\nfingerprint: %s\n",
		    records[i].name, f->subject, f->fingerprint);
		PEM_write_X509(stdout, records[i].cert);
		printf("\n");
		x509_facts_free(f);
	}
	cert_records_free(&records, n);
	return EX_OK;
}

/* ---- list and show ---- */

static json_t *
list_json(const struct strvec *list)
{
	json_t *j = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(j, json_string(list->v[i]));
	return j;
}

static json_t *
record_json(const struct cert_record *r, const struct x509_facts *f)
{
	json_t *j = json_object();
	char when[32];

	json_object_set_new(j, "name", json_string(r->name));
	json_object_set_new(j, "addresses", list_json(&f->emails));
	json_object_set_new(j, "domains", list_json(&f->domains));
	json_object_set_new(j, "subject", json_string(f->subject));
	json_object_set_new(j, "issuer", json_string(f->issuer));
	json_object_set_new(j, "serial", json_string(f->serial));
	json_object_set_new(j, "fingerprint", json_string(f->fingerprint));
	json_object_set_new(j, "key", json_string(f->key));
	clock_format(f->not_before, when, sizeof(when));
	json_object_set_new(j, "not_before", json_string(when));
	clock_format(f->not_after, when, sizeof(when));
	json_object_set_new(j, "not_after", json_string(when));
	return j;
}

static void
print_table(struct cert_record *records, size_t n)
{
	struct table t = {.columns = 5};

	table_row(&t, "NAME", "FOR", "UNTIL", "KEY", "SUBJECT");
	for (size_t i = 0; i < n; i++) {
		struct x509_facts *f = x509_facts_new(records[i].cert);
		char *emails = join(&f->emails), *domains = join(&f->domains);
		char when[32], *who;

		clock_format(f->not_after, when, sizeof(when));
		when[10] = '\0';
		who = mem_printf("%s%s%s", emails, emails[0] != '\0' &&
		    domains[0] != '\0' ? " " : "", domains);
		table_row(&t, records[i].name, who, when, f->key, f->subject);
		free(who);
		free(emails);
		free(domains);
		x509_facts_free(f);
	}
	table_print(&t, stdout);
	table_clear(&t);
}

static void
print_json(struct cert_record *records, size_t n, bool as_list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		struct x509_facts *f = x509_facts_new(records[i].cert);

		json_array_append_new(all, record_json(&records[i], f));
		x509_facts_free(f);
	}
	json_dumpf(as_list ? all : json_array_get(all, 0), stdout,
	    JSON_INDENT(2));
	printf("\n");
	json_decref(all);
}

static void
print_text(const struct cert_record *r)
{
	struct x509_facts *f = x509_facts_new(r->cert);
	json_t *j = record_json(r, f), *value, *element;
	const char *key;
	size_t i;

	json_object_foreach(j, key, value) {
		printf("%-12s", key);
		if (json_is_string(value))
			printf(" %s", json_string_value(value));
		json_array_foreach(value, i, element)
			printf(" %s", json_string_value(element));
		printf("\n");
	}
	json_decref(j);
	x509_facts_free(f);
}

static int
list(struct cert_db *db, bool json)
{
	struct cert_record *records = NULL;
	struct error err = {0};
	size_t n = 0;

	if (!cert_db_list(db, &records, &n, &err))
		return command_failed(&err);
	if (json)
		print_json(records, n, true);
	else
		print_table(records, n);
	cert_records_free(&records, n);
	return EX_OK;
}

static int
show(struct cert_db *db, const char *name, const char *form)
{
	struct cert_record *records = NULL;
	struct error err = {0};
	size_t n = 0;
	int code = EX_OK;

	if (!cert_db_find_name(db, name, &records, &n, &err)) {
		code = command_failed(&err);
	} else if (n == 0) {
		log_error("there is no key %s", name);
		code = EX_DATAERR;
	} else if (form != NULL && strcmp(form, "--pem") == 0) {
		PEM_write_X509(stdout, records[0].cert);
	} else if (form != NULL && strcmp(form, "--json") == 0) {
		print_json(records, n, false);
	} else {
		print_text(&records[0]);
	}
	cert_records_free(&records, n);
	return code;
}

/* ---- dispatch ---- */

static bool
is_form(const char *text, bool pem)
{
	return text == NULL || strcmp(text, "--json") == 0 ||
	    (pem && strcmp(text, "--pem") == 0);
}

int
command_key(const struct settings *s, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	const char *third = argc > 2 ? argv[2] : NULL;
	const char *fourth = argc > 3 ? argv[3] : NULL;
	bool is_list = strcmp(word, "list") == 0 && argc <= 3 &&
	    is_form(third, false);
	bool is_show = strcmp(word, "show") == 0 && third != NULL &&
	    argc <= 4 && is_form(fourth, true);
	bool is_remove = strcmp(word, "remove") == 0 && argc == 3;
	bool is_export = strcmp(word, "export") == 0 && argc == 2;
	struct cert_db *db;
	struct error err = {0};
	int code;

	if (strcmp(word, "add") == 0 && argc == 4)
		return add(s, third, fourth);
	if (strcmp(word, "import") == 0 && argc == 3)
		return import(s, third);
	if (!is_list && !is_show && !is_remove && !is_export) {
		log_error("key: write add NAME FILE, import FILE, export, "
		    "list [--json], show NAME [--json|--pem] or remove NAME");
		return EX_USAGE;
	}
	if (!command_drop(s))
		return EX_NOPERM;
	db = open_store(s, is_remove, &err);
	if (db == NULL)
		return command_failed(&err);
	code = is_list ? list(db, third != NULL) :
	    is_export ? export(db) :
	    is_show ? show(db, third, fourth) : drop_key(db, third);
	cert_db_close(&db);
	return code;
}
