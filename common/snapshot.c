/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/snapshot.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "common/alert.h"
#include "common/clock.h"
#include "common/file_watch.h"
#include "common/log.h"
#include "common/mem.h"

#define LOOK_EVERY_MS	  1000
#define BROKEN_FOR_MS	  2000
#define BROKEN_AGAIN_MS	  60000
#define OPEN_TRIES	  20
#define OPEN_PAUSE_NS	  50000000

struct version {
	struct version *next; /* older ones that still have readers */
	void *value;
	unsigned readers;
};

struct snapshot {
	struct snapshot_source source;
	struct strvec paths;
	pthread_mutex_t lock; /* for what follows */
	struct version *versions; /* the current one first, never NULL */
	bool looking; /* a thread looks and owns what follows */
	int64_t looked_at;
	uint64_t state; /* of the files the current value is made from */
	int64_t broken_at; /* 0: not broken */
	uint64_t broken_state;
	int64_t told_at; /* 0: nobody was told */
};

enum made { MADE, MADE_BROKEN, MADE_UNSETTLED };

static enum made
make(const struct snapshot *s, void **value, uint64_t *state,
    struct error *err)
{
	*state = file_watch_state(&s->paths);
	*value = s->source.make(s->source.context, err);
	if (file_watch_state(&s->paths) != *state)
		return MADE_UNSETTLED;
	return *value == NULL ? MADE_BROKEN : MADE;
}

struct snapshot *
snapshot_open(const struct snapshot_source *source, struct strvec *paths,
    struct error *err)
{
	const struct timespec pause = {.tv_nsec = OPEN_PAUSE_NS};
	struct snapshot *s = mem_alloc(sizeof(*s));
	void *value = NULL;
	enum made made;

	s->source = *source;
	s->paths = *paths;
	*paths = (struct strvec){0};
	for (int i = 0; i < OPEN_TRIES; i++) {
		if (value != NULL)
			source->free(value);
		made = make(s, &value, &s->state, err);
		if (made != MADE_UNSETTLED)
			break;
		nanosleep(&pause, NULL);
	}
	if (value == NULL) {
		strvec_clear(&s->paths);
		free(s);
		return NULL;
	}
	s->versions = mem_alloc(sizeof(*s->versions));
	s->versions->value = value;
	s->looked_at = clock_monotonic_ms();
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

bool
snapshot_close(struct snapshot **sp)
{
	struct snapshot *s = *sp;
	bool idle;

	*sp = NULL;
	if (s == NULL)
		return true;
	pthread_mutex_lock(&s->lock);
	idle = !s->looking && s->versions->next == NULL &&
	    s->versions->readers == 0;
	pthread_mutex_unlock(&s->lock);
	if (!idle)
		return false;
	s->source.free(s->versions->value);
	free(s->versions);
	strvec_clear(&s->paths);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return true;
}

/* With the lock held. Unlinks v when nobody needs it; the caller frees. */
static void *
release(struct snapshot *s, struct version *v)
{
	struct version **at = &s->versions->next;
	void *value = v->value;

	if (v == s->versions || v->readers > 0)
		return NULL;
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	free(v);
	return value;
}

static void
replace(struct snapshot *s, void *value, uint64_t state)
{
	struct version *fresh = mem_alloc(sizeof(*fresh));
	struct version *stale;
	void *unused;

	fresh->value = value;
	pthread_mutex_lock(&s->lock);
	stale = s->versions;
	fresh->next = stale;
	s->versions = fresh;
	unused = release(s, stale);
	pthread_mutex_unlock(&s->lock);
	s->state = state;
	if (unused != NULL)
		s->source.free(unused);
	log_info("%s: files changed, the new ones are in use", s->source.name);
}

static void
mend(struct snapshot *s)
{
	if (s->told_at != 0)
		alert_clear(s->source.class, s->source.name);
	s->broken_at = s->told_at = 0;
}

static void
complain(struct snapshot *s, uint64_t state, int64_t now,
    const struct error *err)
{
	s->broken_state = state;
	if (s->broken_at == 0)
		s->broken_at = now;
	if (now - s->broken_at < BROKEN_FOR_MS)
		return;
	s->told_at = now;
	alert_raise(s->source.class, s->source.name, "WARNING",
	    "changed files are not taken up, the old ones stay in use: %s",
	    err->text);
}

/* The one thread that has `looking`. */
static void
look(struct snapshot *s, int64_t now)
{
	uint64_t state = file_watch_state(&s->paths);
	struct error err = {0};
	void *value = NULL;

	if (state == s->state) {
		mend(s); /* what broke was put back as it was */
		return;
	}
	if (s->told_at != 0 && state == s->broken_state &&
	    now - s->told_at < BROKEN_AGAIN_MS)
		return;
	switch (make(s, &value, &state, &err)) {
	case MADE:
		replace(s, value, state);
		mend(s);
		break;
	case MADE_BROKEN:
		complain(s, state, now, &err);
		break;
	case MADE_UNSETTLED:
		if (value != NULL)
			s->source.free(value);
		break;
	}
}

const void *
snapshot_get(struct snapshot *s)
{
	int64_t now = clock_monotonic_ms();
	const void *value;
	bool due;

	pthread_mutex_lock(&s->lock);
	due = !s->looking && now - s->looked_at >= LOOK_EVERY_MS;
	if (due)
		s->looking = true;
	pthread_mutex_unlock(&s->lock);
	if (due)
		look(s, now);
	pthread_mutex_lock(&s->lock);
	if (due) {
		s->looking = false;
		s->looked_at = now;
	}
	s->versions->readers++;
	value = s->versions->value;
	pthread_mutex_unlock(&s->lock);
	return value;
}

void
snapshot_put(struct snapshot *s, const void *value)
{
	struct version *v;
	void *unused;

	if (value == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	for (v = s->versions; v != NULL && v->value != value; v = v->next)
		;
	assert(v != NULL && v->readers > 0);
	v->readers--;
	unused = release(s, v);
	pthread_mutex_unlock(&s->lock);
	if (unused != NULL)
		s->source.free(unused);
}
