/* SPDX-License-Identifier: BSD-2-Clause */
#include "listing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/crl_index.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "common/table.h"
#include "common/x509_facts.h"
#include "condition.h"
#include "crl_pem.h"
#include "crl_settings.h"
#include "due.h"
#include "state.h"

#define DATE_SIZE 21
#define HEX_MAX 64

/* ---- values ---- */

static void
put_date(json_t *o, const char *key, int64_t t)
{
	char date[DATE_SIZE];

	if (t == 0)
		return;
	clock_format((time_t)t, date, sizeof(date));
	json_object_set_new(o, key, json_string(date));
}

static void
put_hex(json_t *o, const char *key, const struct der *v)
{
	char hex[2 * HEX_MAX + 1] = "";

	for (size_t i = 0; i < v->n && i < HEX_MAX; i++)
		snprintf(hex + 2 * i, 3, "%02X", v->p[i]);
	if (v->n > 0)
		json_object_set_new(o, key, json_string(hex));
}

static void
put_number(json_t *o, const char *key, int64_t n)
{
	json_object_set_new(o, key, json_integer(n));
}

static void
put_issuer(json_t *o, const struct der *der)
{
	const unsigned char *p = der->p;
	X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)der->n);
	char *text = name == NULL ? NULL : x509_name_text(name);

	if (text != NULL)
		json_object_set_new(o, "issuer", json_string(text));
	free(text);
	X509_NAME_free(name);
	ERR_clear_error();
}

static void
put_scope(json_t *o, const struct crl_index_file *f)
{
	json_t *scope = json_array();

	if (f->flags & CRL_INDEX_USER_ONLY)
		json_array_append_new(scope, json_string("users"));
	if (f->flags & CRL_INDEX_CA_ONLY)
		json_array_append_new(scope, json_string("CAs"));
	if (f->flags & CRL_INDEX_ATTRIBUTE_ONLY)
		json_array_append_new(scope, json_string("attributes"));
	if (f->flags & CRL_INDEX_POINTS)
		json_array_append_new(scope, json_string("partition"));
	if (f->reasons != CRL_INDEX_REASONS_ALL)
		json_array_append_new(scope, json_string("some reasons"));
	json_object_set_new(o, "scope", scope);
}

static void
put_index(json_t *o, const struct crl_index_file *f)
{
	put_issuer(o, &f->field[CRL_INDEX_ISSUER]);
	put_hex(o, "key_id", &f->field[CRL_INDEX_KEY_ID]);
	put_hex(o, "number", &f->field[CRL_INDEX_NUMBER]);
	put_number(o, "entries", f->count);
	put_date(o, "this_update", f->this_update);
	put_date(o, "next_update", f->next_update);
	put_date(o, "written", f->written);
	put_scope(o, f);
	if (f->flags & CRL_INDEX_DELTA) {
		put_hex(o, "delta_number", &f->field[CRL_INDEX_DELTA_NUMBER]);
		put_date(o, "delta_this_update", f->delta_this_update);
		put_date(o, "delta_next_update", f->delta_next_update);
	}
}

static json_t *
make_crl(int dir, const struct state_crl *c)
{
	json_t *o = json_object();
	struct crl_index_file f;
	enum crl_index_state state = CRL_INDEX_ABSENT;

	json_object_set_new(o, "index", json_string(c->index));
	json_object_set_new(o, "pem", json_string(c->pem));
	json_object_set_new(o, "sha256", json_string(c->digest));
	put_number(o, "size", c->size);
	if (dir >= 0)
		state = crl_index_file_open(dir, c->index, &f);
	if (state == CRL_INDEX_OK) {
		put_index(o, &f);
		crl_index_file_close(&f);
	}
	json_object_set_new(o, "index_state",
	    json_string(state == CRL_INDEX_OK	     ? "whole"
			: state == CRL_INDEX_DAMAGED ? "damaged"
						     : "missing"));
	return o;
}

static const struct state_crl *
first_to_end(const struct state_source *st)
{
	const struct state_crl *first = NULL;

	for (size_t i = 0; i < st->ncrls; i++)
		if (first == NULL ||
		    st->crls[i].next_update < first->next_update)
			first = &st->crls[i];
	return first;
}

static void
put_condition(json_t *o, const struct state_source *st, bool enabled)
{
	struct condition c;

	condition_find(&c, st, first_to_end(st), false, (int64_t)clock_now());
	if (!enabled)
		c.name = "disabled";
	else if (c.name[0] == '\0')
		c.name = st->ncrls == 0 ? "new" : "good";
	json_object_set_new(o, "state", json_string(c.name));
	json_object_set_new(o, "severity",
	    json_string(enabled ? condition_severity(c.severity) : "INFO"));
	if (enabled && c.severity != SEVERITY_FINE)
		json_object_set_new(o, "text", json_string(c.text));
}

static json_t *
make_urls(const struct strvec *urls, json_t *to)
{
	for (size_t i = 0; i < urls->n; i++)
		json_array_append_new(to, json_string(urls->v[i]));
	return to;
}

static json_t *
make_source(int dir, const char *name, const struct crl_source_settings *v,
    const struct state_source *st)
{
	json_t *o = json_object(), *crls = json_array();

	json_object_set_new(o, "source", json_string(name));
	if (v != NULL) {
		json_object_set_new(o, "urls",
		    make_urls(&v->secondary_url,
			make_urls(&v->primary_url, json_array())));
		json_object_set_new(o, "delta_urls",
		    make_urls(&v->delta_url, json_array()));
		json_object_set_new(o, "schedule", json_string(v->schedule));
	} else {
		json_object_set_new(o, "urls", json_pack("[s]",
		    st->base.url == NULL ? "(discovered)" : st->base.url));
		json_object_set_new(o, "schedule", json_string("discovered"));
	}
	put_condition(o, st, v == NULL || v->enabled);
	put_date(o, "last_attempt", st->last_attempt);
	put_date(o, "last_success", st->last_success);
	put_date(o, "next_due", st->next_due);
	put_number(o, "failures", st->failures);
	if (st->error != NULL)
		json_object_set_new(o, "error", json_string(st->error));
	for (size_t i = 0; i < st->ncrls; i++)
		json_array_append_new(crls, make_crl(dir, &st->crls[i]));
	json_object_set_new(o, "crls", crls);
	return o;
}

json_t *
listing_sources(const struct settings *s)
{
	const struct crl_check_settings *check =
	    settings_get(s, "crl-check");
	json_t *all = json_array();
	char *directory = crl_settings_state_directory(s);
	char *path = mem_printf("%s/state.json", directory);
	int dir = open(check->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = settings_count(s, "crl-source");
	struct state state;
	const char *name;
	bool damaged;

	state_read(&state, path, &damaged);
	for (size_t i = 0; i < n; i++) {
		const struct crl_source_settings *v =
		    settings_at(s, "crl-source", i, &name);

		json_array_append_new(all,
		    make_source(dir, name, v, state_get(&state, name)));
	}
	for (size_t i = 0; i < state.n; i++)
		if (settings_find(s, "crl-source", state.v[i]->name) == NULL)
			json_array_append_new(all, make_source(dir,
			    state.v[i]->name, NULL, state.v[i]));
	if (dir >= 0)
		close(dir);
	state_clear(&state);
	free(path);
	free(directory);
	return all;
}

/* ---- all indexes ---- */

static void
add_index(void *context, const char *name, const struct crl_index_file *f)
{
	json_t *all = context, *o = json_object();

	json_object_set_new(o, "index", json_string(name));
	json_object_set_new(
	    o, "index_state", json_string(f == NULL ? "damaged" : "whole"));
	if (f != NULL) {
		put_index(o, f);
		json_object_set_new(o, "source", json_stringn(
		    (const char *)f->field[CRL_INDEX_SOURCE].p,
		    f->field[CRL_INDEX_SOURCE].n));
	}
	json_array_append_new(all, o);
}

json_t *
listing_indexes(const struct settings *s, struct error *err)
{
	const struct crl_check_settings *check =
	    settings_get(s, "crl-check");
	json_t *all = json_array();

	if (publish_each(check->directory, add_index, all, err))
		return all;
	json_decref(all);
	return NULL;
}

/* ---- for people ---- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text == NULL ? "-" : text;
}

static char *
number_of(const json_t *o, const char *key)
{
	return mem_printf("%lld",
	    (long long)json_integer_value(json_object_get(o, key)));
}

/* "3d", "5h", "12m": rough, for a column. */
static char *
age_of(const json_t *o, const char *key)
{
	time_t then = 0, now = clock_now();
	int64_t s;

	if (!clock_parse(text_of(o, key), &then))
		return mem_strdup("-");
	s = (int64_t)now - (int64_t)then;
	if (s < 0)
		return mem_strdup("-");
	if (s >= 2 * 86400)
		return mem_printf("%lldd", (long long)(s / 86400));
	if (s >= 2 * 3600)
		return mem_printf("%lldh", (long long)(s / 3600));
	return mem_printf("%lldm", (long long)(s / 60));
}

void
listing_print_sources(const json_t *sources, FILE *out)
{
	struct table t = {.columns = 6};
	size_t i;
	json_t *o;

	table_row(&t, "SOURCE", "STATE", "SCHEDULE", "LAST SUCCESS",
	    "NEXT DUE", "URL");
	json_array_foreach(sources, i, o)
		table_row(&t, text_of(o, "source"), text_of(o, "state"),
		    text_of(o, "schedule"), text_of(o, "last_success"),
		    text_of(o, "next_due"),
		    json_string_value(
			json_array_get(json_object_get(o, "urls"), 0)));
	table_print(&t, out);
	table_clear(&t);
}

static void
add_crl(struct table *t, const json_t *source, const json_t *crl)
{
	char *entries = number_of(crl, "entries");
	char *size = number_of(crl, "size");
	char *age = age_of(crl, "this_update");

	table_row(t, text_of(source, "source"), text_of(source, "state"), age,
	    entries, text_of(crl, "next_update"), size,
	    text_of(crl, "index"), text_of(crl, "issuer"));
	free(entries);
	free(size);
	free(age);
}

void
listing_print_crls(const json_t *sources, FILE *out)
{
	struct table t = {.columns = 8};
	size_t i, k;
	json_t *o, *crl;

	table_row(&t, "SOURCE", "STATE", "AGE", "ENTRIES", "NEXT UPDATE",
	    "SIZE", "INDEX", "ISSUER");
	json_array_foreach(sources, i, o) {
		const json_t *crls = json_object_get(o, "crls");

		json_array_foreach(crls, k, crl)
			add_crl(&t, o, crl);
		if (json_array_size(crls) == 0)
			table_row(&t, text_of(o, "source"),
			    text_of(o, "state"), "-", "-", "-", "-", "-",
			    "-");
	}
	table_print(&t, out);
	table_clear(&t);
}

static void
print_values(const json_t *o, const char *indent, FILE *out)
{
	struct table t = {.columns = 2};
	const char *key;
	json_t *v, *one;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, key, v) {
		char *name = mem_printf("%s%s", indent, key);

		if (json_is_string(v))
			table_row(&t, name, json_string_value(v));
		else if (json_is_integer(v)) {
			char *text = mem_printf("%lld",
			    (long long)json_integer_value(v));

			table_row(&t, name, text);
			free(text);
		} else
			json_array_foreach(v, i, one)
				if (json_is_string(one))
					table_row(&t, name,
					    json_string_value(one));
		free(name);
	}
	table_print(&t, out);
	table_clear(&t);
}

void
listing_print_source(const json_t *source, FILE *out)
{
	size_t i;
	json_t *crl;

	print_values(source, "", out);
	json_array_foreach(json_object_get(source, "crls"), i, crl) {
		fprintf(out, "CRL %zu\n", i + 1);
		print_values(crl, "  ", out);
	}
}
