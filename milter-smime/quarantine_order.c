/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal quarantine release` and `delete`.
 */
#include "quarantine_command.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/strvec.h"

#define DELIVER_MAX 100 /* asked for at once, a command for each */

struct order {
	const char *past; /* "released" */
	bool (*give)(const struct postfix_queue *q, const struct strvec *ids,
	    struct strvec *done, struct error *err);
};

/* What is to be touched. */
struct choice {
	const struct quarantine_request *r;
	const struct order *order;
	struct strvec met;   /* asked for by id and on hold */
	struct strvec ids;   /* to be touched */
	struct strvec names; /* the quarantine of each */
	int code;
};

static void
choose(struct choice *c, const struct held *h)
{
	strvec_add(&c->ids, h->entry.id);
	strvec_add(&c->names, h->ours ? h->quarantine.name : "");
}

static bool
take(void *context, const struct held *h, struct error *err)
{
	struct choice *c = context;

	(void)err;
	if (c->r->ids.n == 0) {
		if (quarantine_is_asked_for(c->r, h))
			choose(c, h);
		return true;
	}
	strvec_add(&c->met, h->entry.id);
	if (h->ours || c->r->force) {
		choose(c, h);
		return true;
	}
	log_error("%s: not %s: no filter put it on hold, for it has no "
	    QUARANTINE_FIELD " field of ours; --force does it all the same",
	    h->entry.id, c->order->past);
	c->code = EX_DATAERR;
	return true;
}

static void
tell_missing(struct choice *c)
{
	for (size_t i = 0; i < c->r->ids.n; i++) {
		if (strvec_has(&c->met, c->r->ids.v[i]))
			continue;
		log_error("%s: no such message on hold", c->r->ids.v[i]);
		c->code = EX_NOINPUT;
	}
}

/* Without --yes a whole quarantine is only counted. */
static bool
may_go_on(struct choice *c)
{
	const struct quarantine_request *r = c->r;

	if (r->ids.n > 0)
		return c->ids.n > 0;
	if (c->ids.n == 0) {
		c->code = quarantine_nothing(r);
		if (c->code == EX_OK)
			printf("nothing is in quarantine %s\n", r->name);
		return false;
	}
	if (r->yes)
		return true;
	printf("%zu messages are in quarantine %s; none was %s: say --yes\n",
	    c->ids.n, r->name, c->order->past);
	c->code = EX_USAGE;
	return false;
}

/*
 * One line for each.  postsuper goes through the ids in our order, so done
 * is a part of c->ids in the same order.
 */
static void
tell_done(struct choice *c, const struct strvec *done)
{
	size_t j = 0;

	for (size_t i = 0; i < c->ids.n; i++) {
		const char *id = c->ids.v[i], *name = c->names.v[i];

		if (j < done->n && strcmp(done->v[j], id) == 0) {
			j++;
			printf("%s %s%s%s\n", id, c->order->past,
			    name[0] != '\0' ? " from quarantine " : "", name);
			continue;
		}
		log_error("%s: not %s: it is no longer on hold", id,
		    c->order->past);
		c->code = EX_NOINPUT;
	}
	if (c->r->ids.n == 0)
		printf("%zu messages %s\n", done->n, c->order->past);
}

/* Returns what was done. */
static void
carry_out(struct choice *c, struct strvec *done)
{
	struct error err = {0};
	int code = EX_OK;

	if (!c->order->give(&c->r->queue, &c->ids, done, &err))
		code = quarantine_failed(&err);
	tell_done(c, done);
	if (code != EX_OK)
		c->code = code;
}

static int
obey(const struct quarantine_request *r, const struct order *order,
    struct strvec *done)
{
	struct choice c = {.r = r, .order = order, .code = EX_OK};
	struct error err = {0};

	if (!quarantine_walk(r, take, &c, &err)) {
		c.code = quarantine_failed(&err);
		goto out;
	}
	tell_missing(&c);
	if (may_go_on(&c))
		carry_out(&c, done);
out:
	strvec_clear(&c.met);
	strvec_clear(&c.ids);
	strvec_clear(&c.names);
	return c.code;
}

/*
 * What left the hold queue is deferred, and waits for a queue run unless
 * Postfix is told.
 */
static void
deliver(const struct postfix_queue *q, const struct strvec *ids)
{
	struct error err = {0};

	for (size_t i = 0; i < ids->n && i < DELIVER_MAX; i++) {
		if (!postfix_queue_deliver(q, ids->v[i], &err)) {
			log_warning("released mail waits for Postfix's next "
			    "queue run: %s", err.text);
			return;
		}
	}
	if (ids->n > DELIVER_MAX)
		printf("all but the first %d wait for Postfix's next queue "
		    "run\n", DELIVER_MAX);
}

int
quarantine_release(const struct quarantine_request *r)
{
	static const struct order release = {"released",
		postfix_queue_release};
	struct strvec done = {0};
	int code = obey(r, &release, &done);

	deliver(&r->queue, &done);
	strvec_clear(&done);
	return code;
}

int
quarantine_delete(const struct quarantine_request *r)
{
	static const struct order delete = {"deleted",
		postfix_queue_delete};
	struct strvec done = {0};
	int code = obey(r, &delete, &done);

	strvec_clear(&done);
	return code;
}
