/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/mem.h"
#include "common/snapshot.h"
#include "filter_parse.h"
#include "smime_settings.h"

struct filters {
	const struct settings *settings;
	const struct milter_smime_settings *own;
	/* Nobody wrote `filters`, and no file was there yet. */
	bool may_be_absent;
	struct strvec profiles; /* names */
	struct snapshot *snapshot;
};

/* ---- what a policy names ---- */

static bool
claim(struct filter_program *p, const char *name)
{
	for (size_t i = 0; i < p->set.n; i++) {
		if (strcmp(p->set.v[i].name, name) != 0)
			continue;
		p->of_policy[i] = true;
		return true;
	}
	return false;
}

static const char *
nearest_filter(const struct filter_program *p, const char *name)
{
	const char **names = mem_array(p->set.n + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < p->set.n; i++)
		names[i] = p->set.v[i].name;
	near = conf_nearest(name, names);
	free(names);
	return near;
}

static bool
claim_all(const struct settings *s, struct filter_program *p,
    struct error *err)
{
	for (size_t i = 0; i < settings_count(s, "mail-policy"); i++) {
		const char *name, *near;
		const struct mail_policy_settings *v = settings_at(s,
		    "mail-policy", i, &name);

		for (size_t n = 0; n < v->filters.n; n++) {
			if (claim(p, v->filters.v[n]))
				continue;
			near = nearest_filter(p, v->filters.v[n]);
			return settings_error(s, "mail-policy", name,
			    "filters", err, "there is no filter \"%.60s\"%s%s",
			    v->filters.v[n], near == NULL ? "" :
			    "; did you mean ", near == NULL ? "" : near);
		}
	}
	return true;
}

/* ---- what may they do? ---- */

static void
look_at_expr(struct filter_program *p, const struct filter_expr *e)
{
	if (e == NULL)
		return;
	look_at_expr(p, e->left);
	look_at_expr(p, e->right);
	if (e->kind == EXPR_RULE && e->rule.kind == RULE_RCPT_TO)
		p->asks_recipients = true;
}

static void
look_at_block(struct filter_program *p, const struct filter_block *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct filter_statement *s = &b->v[i];

		if (s->is_if) {
			look_at_expr(p, s->condition);
			look_at_block(p, s->then);
			if (s->otherwise != NULL)
				look_at_block(p, s->otherwise);
		} else if (s->action.kind == ACTION_SMIME_GATEWAY ||
		    s->action.kind == ACTION_SMIME_GATEWAY_DEFERRED) {
			p->protects = true;
		} else if (s->action.kind == ACTION_QUARANTINE) {
			p->quarantines = true;
		}
	}
}

static void
look_at_filters(struct filter_program *p)
{
	for (size_t i = 0; i < p->set.n; i++)
		if (p->set.v[i].active)
			look_at_block(p, &p->set.v[i].body);
}

/* ---- the snapshot ---- */

static void
program_free(void *value)
{
	struct filter_program *p = value;

	filter_set_clear(&p->set);
	free(p->of_policy);
	free(p);
}

static bool
compile(struct filters *f, const char *path, struct filter_set *set,
    struct error *err)
{
	struct filter_names names = {
		.profiles = &f->profiles,
		.quarantines = &f->own->quarantine,
	};
	struct buf text;
	bool ok;

	/* One that was there and is gone is a mistake, not a wish. */
	if (f->may_be_absent && access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	f->may_be_absent = false;
	buf_init(&text, FILTER_MAX_FILE);
	ok = conf_load(path, &text, err) && filter_parse(set, path,
	    buf_text(&text), text.len, &names, err);
	buf_clear(&text);
	return ok;
}

static void *
program_make(void *context, struct error *err)
{
	struct filters *f = context; /* one thread at a time */
	const struct strvec *paths = &f->own->filters;
	struct filter_program *p = mem_alloc(sizeof(*p));
	bool ok = true;

	for (size_t i = 0; ok && i < paths->n; i++)
		ok = compile(f, paths->v[i], &p->set, err);
	p->of_policy = mem_array(p->set.n, sizeof(*p->of_policy));
	ok = ok && claim_all(f->settings, p, err);
	look_at_filters(p);
	if (!ok) {
		program_free(p);
		p = NULL;
	}
	return p;
}

struct filters *
filters_open(const struct settings *s, struct error *err)
{
	struct filters *f = mem_alloc(sizeof(*f));
	const struct snapshot_source source = {
		.class = "smime",
		.name = "filters",
		.context = f,
		.make = program_make,
		.free = program_free,
	};
	struct strvec paths = {0};

	f->settings = s;
	f->own = settings_get(s, "milter-smime");
	f->may_be_absent = !settings_given(s, "milter-smime", NULL,
	    "filters");
	for (size_t i = 0; i < settings_count(s, "sending-profile"); i++) {
		const char *name;

		settings_at(s, "sending-profile", i, &name);
		strvec_add(&f->profiles, name);
	}
	for (size_t i = 0; i < f->own->filters.n; i++)
		strvec_add(&paths, f->own->filters.v[i]);
	f->snapshot = snapshot_open(&source, &paths, err);
	if (f->snapshot == NULL)
		filters_close(&f);
	return f;
}

void
filters_close(struct filters **fp)
{
	struct filters *f = *fp;

	if (f == NULL || !snapshot_close(&f->snapshot))
		return;
	strvec_clear(&f->profiles);
	free(f);
	*fp = NULL;
}

const struct filter_program *
filters_get(struct filters *f)
{
	return snapshot_get(f->snapshot);
}

void
filters_put(struct filters *f, const struct filter_program *program)
{
	snapshot_put(f->snapshot, program);
}
