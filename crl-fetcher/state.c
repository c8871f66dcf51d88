/* SPDX-License-Identifier: BSD-2-Clause */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/atomic_file.h"
#include "common/clock.h"
#include "common/mem.h"

#define STATE_VERSION 1
#define STATE_MAX (64 << 20)
#define FILE_MODE 0644

void
state_set_text(char **to, const char *text)
{
	char *copy = mem_strdup(text);

	free(*to);
	*to = copy;
}

void
state_validators_set(struct state_validators *v, const char *url,
    const char *etag, const char *last_modified)
{
	state_set_text(&v->url, url);
	state_set_text(&v->etag, etag);
	state_set_text(&v->last_modified, last_modified);
}

struct state_source *
state_get(struct state *s, const char *name)
{
	struct state_source *one;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i]->name, name) == 0)
			return s->v[i];
	s->v = mem_resize(s->v, s->n + 1, sizeof(s->v[0]));
	one = s->v[s->n++] = mem_alloc(sizeof(*one));
	one->name = mem_strdup(name);
	return one;
}

static void
source_free(struct state_source *one)
{
	state_validators_set(&one->base, NULL, NULL, NULL);
	state_validators_set(&one->delta, NULL, NULL, NULL);
	free(one->name);
	free(one->error);
	free(one->told);
	free(one);
}

void
state_keep(struct state *s, const struct strvec *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (strvec_has(names, s->v[i]->name))
			s->v[kept++] = s->v[i];
		else
			source_free(s->v[i]);
	}
	s->n = kept;
}

void
state_clear(struct state *s)
{
	for (size_t i = 0; i < s->n; i++)
		source_free(s->v[i]);
	free(s->v);
	strvec_clear(&s->pending);
	strvec_clear(&s->bundles);
	memset(s, 0, sizeof(*s));
}

/* ---- reading ---- */

static int64_t
get_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
get_text(const json_t *o, const char *key, char **to)
{
	state_set_text(to, json_string_value(json_object_get(o, key)));
}

static void
get_name(const json_t *o, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (text != NULL && strlen(text) < size &&
	    text[strspn(text, "0123456789abcdefri.")] == '\0')
		memcpy(to, text, strlen(text) + 1);
}

static void
get_validators(const json_t *o, struct state_validators *v)
{
	get_text(o, "url", &v->url);
	get_text(o, "etag", &v->etag);
	get_text(o, "last_modified", &v->last_modified);
}

static void
get_source(struct state_source *one, const json_t *o)
{
	const json_t *crls = json_object_get(o, "crls");

	get_validators(json_object_get(o, "base"), &one->base);
	get_validators(json_object_get(o, "delta"), &one->delta);
	one->last_attempt = get_number(o, "last_attempt");
	one->last_success = get_number(o, "last_success");
	one->next_due = get_number(o, "next_due");
	one->failures = (unsigned)get_number(o, "failures");
	get_text(o, "error", &one->error);
	get_text(o, "told", &one->told);
	for (size_t i = 0; i < json_array_size(crls) && i < CRL_PEM_MAX;
	     i++) {
		const json_t *c = json_array_get(crls, i);
		struct state_crl *to = &one->crls[one->ncrls++];

		get_name(c, "index", to->index, sizeof(to->index));
		get_name(c, "pem", to->pem, sizeof(to->pem));
		get_name(c, "digest", to->digest, sizeof(to->digest));
		to->size = get_number(c, "size");
		to->this_update = get_number(c, "this_update");
		to->next_update = get_number(c, "next_update");
		to->delta_this_update = get_number(c, "delta_this_update");
		to->delta_next_update = get_number(c, "delta_next_update");
		to->entries = get_number(c, "entries");
	}
}

static void
get_texts(const json_t *root, const char *key, struct strvec *to)
{
	const json_t *list = json_object_get(root, key);
	const char *text;

	for (size_t i = 0; i < json_array_size(list); i++) {
		text = json_string_value(json_array_get(list, i));
		if (text != NULL)
			strvec_add(to, text);
	}
}

static void
get_state(struct state *s, json_t *root)
{
	json_t *sources = json_object_get(root, "sources");
	const char *name;
	json_t *o;

	s->written = get_number(root, "written");
	s->clock_told = json_is_true(json_object_get(root, "clock_told"));
	get_texts(root, "pending", &s->pending);
	get_texts(root, "bundles", &s->bundles);
	json_object_foreach(sources, name, o)
		get_source(state_get(s, name), o);
}

void
state_read(struct state *s, const char *path, bool *damaged)
{
	struct error err;
	json_t *root = NULL;
	char *text = NULL;
	size_t n;

	memset(s, 0, sizeof(*s));
	*damaged = false;
	if (!atomic_file_read(path, STATE_MAX, &text, &n, &err)) {
		*damaged = strstr(err.text, "No such file") == NULL;
		return;
	}
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (get_number(root, "version") == STATE_VERSION)
		get_state(s, root);
	else
		*damaged = true;
	json_decref(root);
	free(text);
}

/* ---- writing ---- */

static void
put_text(json_t *o, const char *key, const char *text)
{
	json_t *value = text == NULL ? NULL : json_string(text);
	char *copy;

	if (text != NULL && value == NULL) {
		/* Not UTF-8: what a server or library said. */
		copy = mem_strdup(text);
		for (char *c = copy; *c != '\0'; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
		value = json_string(copy);
		free(copy);
	}
	if (value != NULL)
		json_object_set_new(o, key, value);
}

static void
put_number(json_t *o, const char *key, int64_t n)
{
	json_object_set_new(o, key, json_integer(n));
}

static void
put_validators(json_t *o, const char *key, const struct state_validators *v)
{
	json_t *one;

	if (v->url == NULL)
		return;
	one = json_object();
	put_text(one, "url", v->url);
	put_text(one, "etag", v->etag);
	put_text(one, "last_modified", v->last_modified);
	json_object_set_new(o, key, one);
}

static json_t *
make_crl(const struct state_crl *c)
{
	json_t *o = json_object();

	put_text(o, "index", c->index);
	put_text(o, "pem", c->pem);
	put_text(o, "digest", c->digest);
	put_number(o, "size", c->size);
	put_number(o, "this_update", c->this_update);
	put_number(o, "next_update", c->next_update);
	if (c->delta_next_update != 0) {
		put_number(o, "delta_this_update", c->delta_this_update);
		put_number(o, "delta_next_update", c->delta_next_update);
	}
	put_number(o, "entries", c->entries);
	return o;
}

static json_t *
make_source(const struct state_source *one)
{
	json_t *o = json_object(), *crls = json_array();

	put_validators(o, "base", &one->base);
	put_validators(o, "delta", &one->delta);
	put_number(o, "last_attempt", one->last_attempt);
	put_number(o, "last_success", one->last_success);
	put_number(o, "next_due", one->next_due);
	put_number(o, "failures", one->failures);
	put_text(o, "error", one->error);
	put_text(o, "told", one->told);
	for (size_t i = 0; i < one->ncrls; i++)
		json_array_append_new(crls, make_crl(&one->crls[i]));
	json_object_set_new(o, "crls", crls);
	return o;
}

static void
put_texts(json_t *root, const char *key, const struct strvec *from)
{
	json_t *list = json_array();

	for (size_t i = 0; i < from->n; i++)
		json_array_append_new(list, json_string(from->v[i]));
	json_object_set_new(root, key, list);
}

bool
state_write(const struct state *s, const char *path, struct error *err)
{
	json_t *root = json_object(), *sources = json_object();
	char *text;
	bool ok;

	put_number(root, "version", STATE_VERSION);
	put_number(root, "written", (int64_t)clock_now());
	json_object_set_new(root, "clock_told", json_boolean(s->clock_told));
	put_texts(root, "pending", &s->pending);
	put_texts(root, "bundles", &s->bundles);
	for (size_t i = 0; i < s->n; i++)
		json_object_set_new(sources, s->v[i]->name,
		    make_source(s->v[i]));
	json_object_set_new(root, "sources", sources);
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(root);
	if (text == NULL)
		return error_temp(err, "%s: cannot be composed", path);
	ok = atomic_file_write(path, text, strlen(text), FILE_MODE,
	    (uid_t)-1, (gid_t)-1, err);
	free(text);
	return ok;
}
