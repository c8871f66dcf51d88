/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/settings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"

#define TEXT_MAX (4 << 20) /* of one value as text */

/* One section of the file. */
struct entry {
	const struct conf_section *section;
	void *values; /* NULL: another program's section */
};

/* All sections of one type that the program knows. */
struct group {
	const struct section_type *type;
	void *defaults;
	struct entry **entries; /* in file order */
	size_t n;
};

struct settings {
	char *file;
	struct conf *conf;
	struct group *groups;
	size_t ngroups;
	struct entry *entries; /* every section, in file order */
	struct entry **sorted; /* by type, then name */
	size_t n;
};

const struct section_owner section_owners[] = {
	{ "postseal", "shared" },
	{ "ca-list", "shared" },
	{ "alerts", "shared" },
	{ "certificate", "shared" },
	{ "sender-group", "shared" },
	{ "mail-flow-policy", "shared" },
	{ "crl-check", "shared" },
	{ "ldap-server", "shared" },
	{ "milter-smime", "milter-smime" },
	{ "sending-profile", "milter-smime" },
	{ "mail-policy", "milter-smime" },
	{ "certificate-query", "policyd-auth" },
	{ "smtp-auth-query", "policyd-auth" },
	{ "smtp-auth-profile", "policyd-auth" },
	{ "policyd-auth", "policyd-auth" },
	{ "tlsa-resolver", "tlsa-resolver" },
	{ "destination", "tlsa-resolver" },
	{ "crl-fetcher", "crl-fetcher" },
	{ "crl-source", "crl-fetcher" },
	{ NULL, NULL },
};

static const struct param *
find_param(const struct section_type *type, const char *key)
{
	for (size_t i = 0; i < type->nparams; i++)
		if (strcmp(type->params[i].name, key) == 0)
			return &type->params[i];
	return NULL;
}

static const struct conf_value *
find_value(const struct conf_section *section, const char *key)
{
	for (size_t i = 0; i < section->nvalues; i++)
		if (strcmp(section->values[i].key, key) == 0)
			return &section->values[i];
	return NULL;
}

static struct group *
find_group(const struct settings *s, const char *type)
{
	for (size_t i = 0; i < s->ngroups; i++)
		if (strcmp(s->groups[i].type->type, type) == 0)
			return &s->groups[i];
	return NULL;
}

static int
compare_names(const char *type_a, const char *name_a, const char *type_b,
    const char *name_b)
{
	int c = strcmp(type_a, type_b);

	return c != 0 ? c : strcmp(name_a ? name_a : "", name_b ? name_b : "");
}

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a;
	const struct entry *y = *(struct entry *const *)b;
	int c = compare_names(x->section->type, x->section->name,
	    y->section->type, y->section->name);

	return c != 0 ? c : x < y ? -1 : x > y;
}

static struct entry *
find_entry(const struct settings *s, const char *type, const char *name)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct conf_section *section = s->sorted[mid]->section;
		int c = compare_names(type, name, section->type,
		    section->name);

		if (c == 0)
			return s->sorted[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static void
free_values(const struct section_type *type, void *values)
{
	if (values == NULL)
		return;
	for (size_t i = 0; i < type->nparams; i++)
		param_clear(&type->params[i], values);
	free(values);
}

static void *
copy_values(const struct section_type *type, const void *from)
{
	void *values = mem_alloc(type->size);

	for (size_t i = 0; i < type->nparams; i++)
		param_copy(&type->params[i], from, values);
	return values;
}

/* What the table says; a default goes the way of any written value. */
static void *
table_defaults(const struct section_type *type)
{
	void *values = mem_alloc(type->size);

	for (size_t i = 0; i < type->nparams; i++) {
		const struct param *p = &type->params[i];
		struct error err = { 0 };
		struct conf *c;
		char *text;
		bool ok;

		if (p->def == NULL)
			continue;
		text = mem_printf("%s {\n%s = %s\n}\n", type->type, p->name,
		    p->def[0] == '\0' ? "\"\"" : p->def);
		c = conf_parse("default", text, strlen(text), &err);
		ok = c != NULL && param_parse(p, &c->sections[0].values[0],
		    values, &err);
		if (!ok)
			log_panic("default of %s in %s: %s", p->name,
			    type->type, err.text);
		conf_free(c);
		free(text);
	}
	return values;
}

static void *
defaults(const struct section_type *type)
{
	void *values = table_defaults(type);

	if (type->defaults != NULL)
		type->defaults(values);
	return values;
}

/* Puts the place before what err says. */
static bool
place(struct error *err, const struct conf_pos *pos,
    const struct conf_section *section, const char *key)
{
	return error_prefix(err, "%s:%u:%u: %.64s%s%.64s%s%.64s", pos->file,
	    pos->line, pos->column, section->type,
	    section->name != NULL ? " " : "",
	    section->name != NULL ? section->name : "",
	    key != NULL ? ": " : "", key != NULL ? key : "");
}

static bool
unknown_key(const struct section_type *type,
    const struct conf_section *section, const struct conf_value *v,
    struct error *err)
{
	const char **names = mem_array(type->nparams + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < type->nparams; i++)
		names[i] = type->params[i].name;
	near = conf_nearest(v->key, names);
	if (near != NULL)
		error_perm(err, "there is no such setting; did you mean "
		    "\"%s\"?", near);
	else
		error_perm(err, "there is no such setting; "
		    "postseal.conf(5) lists those of %s", type->type);
	free(names);
	return place(err, &v->key_pos, section, v->key);
}

static bool
read_section(const struct section_type *type, const void *def,
    struct entry *e, struct error *err)
{
	const struct conf_section *section = e->section;

	if (type->named != (section->name != NULL)) {
		error_perm(err, type->named ?
		    "the section has no name; write \"%s NAME {\"" :
		    "the section takes no name; write \"%s {\"", type->type);
		return place(err, &section->pos, section, NULL);
	}
	e->values = copy_values(type, def);
	for (size_t i = 0; i < section->nvalues; i++) {
		const struct conf_value *v = &section->values[i];
		const struct param *p = find_param(type, v->key);

		if (p == NULL)
			return unknown_key(type, section, v, err);
		param_clear(p, e->values);
		if (!param_parse(p, v, e->values, err))
			return place(err, &v->value_pos, section, v->key);
	}
	if (type->defaults != NULL)
		type->defaults(e->values);
	return true;
}

static bool
is_owned(const char *type)
{
	for (size_t i = 0; section_owners[i].type != NULL; i++)
		if (strcmp(section_owners[i].type, type) == 0)
			return true;
	return false;
}

static bool
unknown_type(const struct settings *s, const struct conf_section *section,
    struct error *err)
{
	size_t known = sizeof(section_owners) / sizeof(section_owners[0]) - 1;
	const char **names = mem_array(s->ngroups + known + 1,
	    sizeof(*names));
	const char *near;

	for (size_t i = 0; i < s->ngroups; i++)
		names[i] = s->groups[i].type->type;
	for (size_t i = 0; i < known; i++)
		names[s->ngroups + i] = section_owners[i].type;
	near = conf_nearest(section->type, names);
	if (near != NULL)
		error_perm(err, "there is no such section; did you mean "
		    "\"%s\"?", near);
	else
		error_perm(err, "there is no such section; "
		    "postseal.conf(5) lists them");
	free(names);
	return place(err, &section->pos, section, NULL);
}

static bool
check_repeated(const struct settings *s, struct error *err)
{
	for (size_t i = 1; i < s->n; i++) {
		const struct conf_section *a = s->sorted[i - 1]->section;
		const struct conf_section *b = s->sorted[i]->section;

		if (compare_names(a->type, a->name, b->type, b->name) != 0)
			continue;
		error_perm(err, "the section is there already, at %s:%u:%u; "
		    "put its settings into one or rename it", a->pos.file,
		    a->pos.line, a->pos.column);
		return place(err, &b->pos, b, NULL);
	}
	return true;
}

static bool
check_required(const struct settings *s, const struct group *g,
    const struct entry *e, struct error *err)
{
	for (size_t i = 0; i < g->type->nparams; i++) {
		const struct param *p = &g->type->params[i];

		if (p->required && (e == NULL ||
		    find_value(e->section, p->name) == NULL))
			return settings_error(s, g->type->type,
			    e == NULL ? NULL : e->section->name, p->name, err,
			    "the setting is missing; it must be given");
	}
	return true;
}

static bool
check_reference(const struct settings *s, const struct section_type *type,
    const char *name, const struct param *p, const char *to,
    struct error *err)
{
	const char **names, *near;
	size_t n = 0;

	if (find_entry(s, p->words[0], to) != NULL)
		return true;
	names = mem_array(s->n + 1, sizeof(*names));
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entries[i].section->type, p->words[0]) == 0 &&
		    s->entries[i].section->name != NULL)
			names[n++] = s->entries[i].section->name;
	near = conf_nearest(to, names);
	if (near != NULL)
		settings_error(s, type->type, name, p->name, err,
		    "there is no %s \"%.64s\"; did you mean \"%s\"?",
		    p->words[0], to, near);
	else
		settings_error(s, type->type, name, p->name, err,
		    "there is no %s \"%.64s\"; add that section or name "
		    "another", p->words[0], to);
	free(names);
	return false;
}

static bool
check_references(const struct settings *s, const struct section_type *type,
    const char *name, const void *values, struct error *err)
{
	for (size_t i = 0; i < type->nparams; i++) {
		const struct param *p = &type->params[i];
		const void *at = (const char *)values + p->offset;

		if (p->type == PARAM_REF) {
			const char *to = *(char *const *)at;

			if (to != NULL &&
			    !check_reference(s, type, name, p, to, err))
				return false;
		} else if (p->type == PARAM_REFS) {
			const struct strvec *to = at;

			for (size_t k = 0; k < to->n; k++)
				if (!check_reference(s, type, name, p,
				    to->v[k], err))
					return false;
		}
	}
	return true;
}

/* e is NULL for an unnamed section that the file does not have. */
static bool
check_section(const struct settings *s, const struct group *g,
    const struct entry *e, struct error *err)
{
	const char *name = e == NULL ? NULL : e->section->name;
	const void *values = e == NULL ? g->defaults : e->values;

	return check_required(s, g, e, err) &&
	    check_references(s, g->type, name, values, err) &&
	    (g->type->check == NULL ||
	    g->type->check(s, name, values, err));
}

static bool
check_all(const struct settings *s, struct error *err)
{
	for (size_t i = 0; i < s->ngroups; i++) {
		const struct group *g = &s->groups[i];

		if (g->n == 0 && !g->type->named &&
		    !check_section(s, g, NULL, err))
			return false;
		for (size_t k = 0; k < g->n; k++)
			if (!check_section(s, g, g->entries[k], err))
				return false;
	}
	return true;
}

static void
make_groups(struct settings *s, const struct section_type *const *types)
{
	while (types[s->ngroups] != NULL)
		s->ngroups++;
	s->groups = mem_array(s->ngroups, sizeof(*s->groups));
	for (size_t i = 0; i < s->ngroups; i++) {
		s->groups[i].type = types[i];
		s->groups[i].defaults = defaults(types[i]);
	}
}

static void
make_entries(struct settings *s)
{
	s->n = s->conf->nsections;
	s->entries = mem_array(s->n, sizeof(*s->entries));
	s->sorted = mem_array(s->n, sizeof(struct entry *));
	for (size_t i = 0; i < s->n; i++) {
		struct group *g = find_group(s, s->conf->sections[i].type);

		s->entries[i].section = &s->conf->sections[i];
		s->sorted[i] = &s->entries[i];
		if (g != NULL)
			g->n++;
	}
	qsort(s->sorted, s->n, sizeof(struct entry *), compare_entries);
	for (size_t i = 0; i < s->ngroups; i++) {
		s->groups[i].entries = mem_array(s->groups[i].n,
		    sizeof(struct entry *));
		s->groups[i].n = 0;
	}
	for (size_t i = 0; i < s->n; i++) {
		struct group *g = find_group(s, s->conf->sections[i].type);

		if (g != NULL)
			g->entries[g->n++] = &s->entries[i];
	}
}

static bool
read_all(struct settings *s, struct error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		struct group *g = find_group(s, e->section->type);

		if (g == NULL && !is_owned(e->section->type))
			return unknown_type(s, e->section, err);
		if (g != NULL && !read_section(g->type, g->defaults, e, err))
			return false;
	}
	return check_repeated(s, err) && check_all(s, err);
}

/* Takes conf, which is NULL when reading it failed. */
static struct settings *
interpret(struct conf **conf, const char *file,
    const struct section_type *const *types, struct error *err)
{
	struct settings *s;

	if (*conf == NULL)
		return NULL;
	s = mem_alloc(sizeof(*s));
	s->file = mem_strdup(file);
	s->conf = *conf;
	*conf = NULL;
	make_groups(s, types);
	make_entries(s);
	if (!read_all(s, err)) {
		settings_free(s);
		s = NULL;
	}
	return s;
}

static void
print_value(const struct param *p, const void *values, FILE *out)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	param_format(p, values, &text);
	fprintf(out, "\t%s = %s\n", p->name, buf_text(&text));
	buf_clear(&text);
}

static void
print_section(const struct group *g, const struct entry *e, FILE *out)
{
	bool open = g->type->named;

	if (g->type->named)
		fprintf(out, "%s %s {\n", g->type->type, e->section->name);
	for (size_t i = 0; i < g->type->nparams; i++) {
		const struct param *p = &g->type->params[i];

		if (!p->required && param_same(p, e->values, g->defaults))
			continue;
		if (!open)
			fprintf(out, "%s {\n", g->type->type);
		open = true;
		print_value(p, e->values, out);
	}
	if (open)
		fprintf(out, "}\n");
}

static void
print_default(const struct param *p, const void *values, FILE *out)
{
	struct buf wanted;

	buf_init(&wanted, TEXT_MAX);
	param_format_wanted(p, &wanted);
	fprintf(out, "\t# %s (%s%s)\n", p->help != NULL ? p->help : p->name,
	    p->required ? "required: " : "", buf_text(&wanted));
	if (p->required)
		fprintf(out, "\t# %s =\n", p->name);
	else
		print_value(p, values, out);
	buf_clear(&wanted);
}

struct settings *
settings_read(const char *path, const struct section_type *const *types,
    struct error *err)
{
	struct conf *c = conf_read(path, err);

	return interpret(&c, path, types, err);
}

struct settings *
settings_parse(const char *file, const char *text, size_t n,
    const struct section_type *const *types, struct error *err)
{
	struct conf *c = conf_parse(file, text, n, err);

	return interpret(&c, file, types, err);
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->ngroups; i++) {
		struct group *g = &s->groups[i];

		for (size_t k = 0; k < g->n; k++)
			free_values(g->type, g->entries[k]->values);
		free_values(g->type, g->defaults);
		free(g->entries);
	}
	free(s->groups);
	free(s->entries);
	free(s->sorted);
	conf_free(s->conf);
	free(s->file);
	free(s);
}

const void *
settings_get(const struct settings *s, const char *type)
{
	const struct group *g = find_group(s, type);

	assert(g != NULL);
	return g->type->named || g->n == 0 ? g->defaults :
					     g->entries[0]->values;
}

const void *
settings_find(const struct settings *s, const char *type, const char *name)
{
	const struct entry *e = find_entry(s, type, name);

	return e == NULL ? NULL : e->values;
}

size_t
settings_count(const struct settings *s, const char *type)
{
	const struct group *g = find_group(s, type);

	return g == NULL ? 0 : g->n;
}

const void *
settings_at(const struct settings *s, const char *type, size_t i,
    const char **name)
{
	const struct group *g = find_group(s, type);

	assert(g != NULL && i < g->n);
	if (name != NULL)
		*name = g->entries[i]->section->name;
	return g->entries[i]->values;
}

bool
settings_error(const struct settings *s, const char *type, const char *name,
    const char *key, struct error *err, const char *fmt, ...)
{
	const struct entry *e = find_entry(s, type, name);
	const struct conf_value *v = NULL;
	struct error text = { 0 };
	va_list ap;

	/* The arguments may be err's own text. */
	va_start(ap, fmt);
	vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	text.kind = ERROR_PERM;
	*err = text;
	if (e != NULL && key != NULL)
		v = find_value(e->section, key);
	if (e != NULL)
		return place(err, v != NULL ? &v->key_pos : &e->section->pos,
		    e->section, key);
	return error_prefix(err, "%s: %s%s%.64s%s%.64s", s->file, type,
	    name != NULL ? " " : "", name != NULL ? name : "",
	    key != NULL ? ": " : "", key != NULL ? key : "");
}

const struct strvec *
settings_files(const struct settings *s)
{
	return &s->conf->files;
}

bool
settings_given(const struct settings *s, const char *type, const char *name,
    const char *key)
{
	const struct entry *e = find_entry(s, type, name);

	return e != NULL && find_value(e->section, key) != NULL;
}

void
settings_print(const struct settings *s, FILE *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];
		const struct group *g = find_group(s, e->section->type);

		if (g != NULL)
			print_section(g, e, out);
	}
}

void
settings_print_defaults(const struct section_type *const *types, FILE *out)
{
	for (size_t i = 0; types[i] != NULL; i++) {
		const struct section_type *type = types[i];
		void *values = table_defaults(type);

		fprintf(out, "%s%s {\n", type->type,
		    type->named ? " NAME" : "");
		for (size_t k = 0; k < type->nparams; k++)
			print_default(&type->params[k], values, out);
		fprintf(out, "}\n");
		free_values(type, values);
	}
}
