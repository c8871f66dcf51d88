/* SPDX-License-Identifier: BSD-2-Clause */
#include "round.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/alert.h"
#include "common/atomic_file.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "bundles.h"
#include "condition.h"
#include "crl_settings.h"
#include "refresh.h"

#define DAY INT64_C(86400)
#define WORKERS_MAX 64
#define SETTLED 200 /* milliseconds that a CRL waits for others */
#define PATIENCE 100 /* milliseconds after which there are more workers */
#define NO_CLOCK INT64_C(1735689600) /* 2025-01-01: older than Postseal */
#define SUMMARY_MAX (256 << 10)

/* A source that is due. */
struct job {
	const struct source *source;
	struct state_source *state;
	bool whole; /* its files are */
	struct refresh_report report;
};

struct round {
	const struct settings *settings;
	const struct crl_fetcher_settings *own;
	const struct round_options *options;
	char *state_directory, *state_path;
	int lock;
	struct sources sources;
	struct state state;
	struct refresh refresh;
	struct job *jobs;
	size_t njobs;
	bool io_failed, failed, changed;
	bool resumed; /* the last round was killed when it had published */
	struct strvec repaired; /* names of sources with damaged files */
	/* Shared by the workers: */
	pthread_mutex_t lock_jobs;
	pthread_cond_t all_taken; /* on the monotonic clock */
	size_t next, done;
};

/* ---- lock and state ---- */

static bool
take_lock(struct round *r, bool *busy, struct error *err)
{
	char *path = mem_printf("%s/lock", r->state_directory);

	*busy = false;
	r->lock = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (r->lock < 0)
		error_errno(err, "%s", path);
	else if (flock(r->lock, LOCK_EX | LOCK_NB) != 0) {
		*busy = errno == EWOULDBLOCK;
		error_errno(err, "%s: cannot lock it", path);
		close(r->lock);
		r->lock = -1;
	}
	free(path);
	return r->lock >= 0;
}

static void
clean_state_directory(const struct round *r)
{
	DIR *d = opendir(r->state_directory);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (atomic_file_is_temp(entry->d_name))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* What is not configured any more is forgotten. */
static void
forget_others(struct round *r)
{
	struct strvec names = {0};

	for (size_t i = 0; i < r->sources.n; i++)
		strvec_add(&names, r->sources.v[i].name);
	state_keep(&r->state, &names);
	strvec_clear(&names);
}

/* ---- which ---- */

static bool
is_chosen(const struct round *r, const struct source *s)
{
	return r->options->names.n == 0
		   ? s->enabled
		   : strvec_has(&r->options->names, s->name);
}

static bool
is_due(const struct round *r, const struct state_source *st)
{
	return r->options->all || r->options->force ||
	       r->options->names.n > 0 ||
	       due_is(st->next_due, st->last_attempt, r->refresh.now);
}

/* A damaged file of a source that is not due is mended all the same. */
static bool
needs_download(struct round *r, const struct source *s,
    struct state_source *st, bool *whole)
{
	bool damaged = false;

	*whole = refresh_repair(&r->refresh, s, st, &damaged);
	/* A killed round leaves files that are newer than its state. */
	if (damaged && !r->resumed)
		strvec_add(&r->repaired, s->name);
	r->changed |= damaged;
	return is_due(r, st) || (!*whole && st->ncrls > 0);
}

static void
choose(struct round *r)
{
	r->jobs = mem_array(r->sources.n, sizeof(r->jobs[0]));
	for (size_t i = 0; i < r->sources.n; i++) {
		const struct source *s = &r->sources.v[i];
		struct state_source *st;
		bool whole;

		if (!is_chosen(r, s))
			continue;
		st = state_get(&r->state, s->name);
		if (needs_download(r, s, st, &whole))
			r->jobs[r->njobs++] = (struct job){
				.source = s, .state = st, .whole = whole};
	}
}

/* ---- work ---- */

static struct job *
take_job(struct round *r)
{
	struct job *job = NULL;

	pthread_mutex_lock(&r->lock_jobs);
	if (r->next < r->njobs)
		job = &r->jobs[r->next++];
	else
		pthread_cond_signal(&r->all_taken);
	pthread_mutex_unlock(&r->lock_jobs);
	return job;
}

static void
tell_progress(struct round *r, const struct job *job)
{
	if (!r->options->progress)
		return;
	pthread_mutex_lock(&r->lock_jobs);
	fprintf(stderr, "\r\033[K[%zu/%zu] %s", ++r->done, r->njobs,
	    job->source->name);
	pthread_mutex_unlock(&r->lock_jobs);
}

static void
settle(struct round *r, int64_t age)
{
	pthread_mutex_lock(&r->refresh.lock);
	publish_settle(r->refresh.publish, age);
	pthread_mutex_unlock(&r->refresh.lock);
}

static void *
work(void *context)
{
	struct round *r = context;
	struct error err;
	struct downloader *d =
	    download_open(r->settings, r->state_directory, &err);
	struct job *job;

	while ((job = take_job(r)) != NULL) {
		if (d == NULL) {
			job->report.result = REFRESH_FAILED;
			job->report.error = err;
			continue;
		}
		refresh_source(&r->refresh, job->source, job->state,
		    job->whole, d, &job->report);
		tell_progress(r, job);
		settle(r, SETTLED);
	}
	/* Others may wait long for their servers. */
	settle(r, 0);
	download_close(&d);
	return NULL;
}

/* False when nothing is left to be taken, at once or after a while. */
static bool
jobs_wait(struct round *r)
{
	int64_t end = clock_monotonic_ms() + PATIENCE;
	const struct timespec until = {.tv_sec = end / 1000,
		.tv_nsec = end % 1000 * 1000000};
	bool left;

	pthread_mutex_lock(&r->lock_jobs);
	while (r->next < r->njobs &&
	       pthread_cond_timedwait(&r->all_taken, &r->lock_jobs, &until) ==
		   0)
		;
	left = r->next < r->njobs;
	pthread_mutex_unlock(&r->lock_jobs);
	return left;
}

/*
 * Servers that answer at once are asked by one worker: threads that stand in
 * each other's way cost a third more.  While sources wait there are twice as
 * many every time, up to `parallel`.
 */
static void *
add_workers(void *context)
{
	struct round *r = context;
	size_t most = (size_t)r->own->parallel - 1, started = 0, want = 1;
	pthread_t threads[WORKERS_MAX];

	while (jobs_wait(r)) {
		while (started < want && started < most &&
		       pthread_create(&threads[started], NULL, work, r) == 0)
			started++;
		want = 2 * started + 1;
	}
	while (started > 0)
		pthread_join(threads[--started], NULL);
	return NULL;
}

/* A worker that cannot start is one less; one runs in this thread. */
static void
work_all(struct round *r)
{
	bool more = r->own->parallel > 1 && r->njobs > 1;
	pthread_t others;

	more = more && pthread_create(&others, NULL, add_workers, r) == 0;
	work(r);
	if (more)
		pthread_join(others, NULL);
	if (r->options->progress && r->njobs > 0)
		fprintf(stderr, "\r\033[K");
}

/* ---- after ---- */

static double
random_part(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
		return 0;
	return n / 4294967296.0;
}

/* The one that ends first decides. */
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
count_success(struct round *r, struct job *job)
{
	const struct state_crl *crl = first_to_end(job->state);
	struct state_source *st = job->state;
	int64_t from = 0, to = 0;

	if (crl != NULL) {
		from = crl->this_update;
		to = crl->next_update;
		/* Its delta CRL is newer, and ends before it. */
		if (crl->delta_next_update > 0 &&
		    crl->delta_next_update < to) {
			from = crl->delta_this_update;
			to = crl->delta_next_update;
		}
	}
	st->failures = 0;
	st->last_success = r->refresh.now;
	state_set_text(&st->error, NULL);
	st->next_due = due_next(&job->source->schedule, r->refresh.now, from,
	    to, r->own->jitter, random_part());
}

static void
count_job(struct round *r, struct job *job)
{
	struct state_source *st = job->state;

	st->last_attempt = r->refresh.now;
	r->changed |= job->report.changed;
	if (job->report.result < REFRESH_FAILED) {
		count_success(r, job);
		log_info("source=%s status=%s entries=%lld", job->source->name,
		    job->report.result == REFRESH_CHANGED ? "changed"
							  : "unchanged",
		    st->ncrls > 0 ? (long long)st->crls[0].entries : 0LL);
		return;
	}
	r->failed = true;
	r->io_failed |= job->report.result == REFRESH_HERE;
	st->failures++;
	state_set_text(&st->error, job->report.error.text);
	st->next_due =
	    due_retry(&job->source->schedule, r->refresh.now, st->failures);
	log_warning("source=%s status=failed failures=%u reason=%s",
	    job->source->name, st->failures, job->report.error.text);
}

static void
write_bundles(struct round *r, struct strvec *lines)
{
	const struct bundles bundles = {.settings = r->settings,
		.publish = r->refresh.publish,
		.crls_changed = r->changed,
		.failed = &r->state.bundles};
	bool written;

	if (!bundles_write(&bundles, &written, lines))
		r->io_failed = true;
	r->changed |= written;
}

static void
add_commands(struct strvec *to, const struct strvec *from,
    const struct hooks *hooks)
{
	for (size_t i = 0; from != NULL && i < from->n; i++)
		if (hooks_has(hooks, from->v[i]) &&
		    !strvec_has(to, from->v[i]))
			strvec_add(to, from->v[i]);
}

/* Those of what changed, and those that failed last time. */
static void
run_hooks(struct round *r, struct hooks *hooks, struct strvec *lines)
{
	struct strvec commands = {0}, failed = {0};
	struct error err;

	add_commands(&commands, &r->state.pending, hooks);
	for (size_t i = 0; i < r->njobs; i++)
		if (r->jobs[i].report.changed)
			add_commands(&commands, r->jobs[i].source->reload,
			    hooks);
	for (size_t i = 0; r->resumed && i < r->sources.n; i++)
		add_commands(&commands, r->sources.v[i].reload, hooks);
	if (r->changed)
		add_commands(&commands, &r->own->reload, hooks);
	for (size_t i = 0; i < commands.n; i++) {
		if (hooks_run(hooks, commands.v[i], &err))
			continue;
		r->failed = true;
		strvec_add(&failed, commands.v[i]);
		log_error("reload: %s", err.text);
		if (!strvec_has(&r->state.pending, commands.v[i]))
			strvec_take(lines, mem_printf(
			    "reload failed, the CRLs stay: %s", err.text));
	}
	strvec_clear(&r->state.pending);
	strvec_clear(&commands);
	r->state.pending = failed;
}

/* ---- what people hear ---- */

/* Our clock is behind the last round's, or no server's agrees with it. */
static bool
looks_wrong(const struct round *r)
{
	size_t known = 0, apart = 0;

	for (size_t i = 0; i < r->njobs; i++) {
		int64_t gap = r->jobs[i].report.clock_gap;

		known += gap != 0;
		apart += gap > DAY || gap < -DAY;
	}
	return r->refresh.now < NO_CLOCK ||
	       r->state.written > r->refresh.now + DAY ||
	       (apart > 0 && apart == known);
}

static void
tell_clock(struct round *r, struct strvec *lines)
{
	bool wrong = looks_wrong(r);

	if (wrong && !r->state.clock_told)
		strvec_add(lines, "the clock of this machine looks wrong; "
		    "CRLs stay as they are");
	r->state.clock_told = wrong;
}

static void
tell_source(struct round *r, const struct source *s,
    const struct refresh_report *report, enum severity *worst,
    struct strvec *lines)
{
	struct state_source *st = state_get(&r->state, s->name);
	const struct state_crl *crl = first_to_end(st);
	struct condition c;

	condition_find(&c, st, crl, report != NULL && report->rollback,
	    r->refresh.now);
	if (strcmp(c.name, st->told == NULL ? "" : st->told) == 0)
		return;
	if (c.name[0] == '\0')
		log_info("source=%s status=fine again", s->name);
	else {
		strvec_take(lines, mem_printf("%s: %s", s->name, c.text));
		if (c.severity > *worst)
			*worst = c.severity;
	}
	state_set_text(&st->told, c.name[0] == '\0' ? NULL : c.name);
}

static const struct refresh_report *
find_report(const struct round *r, const char *name)
{
	for (size_t i = 0; i < r->njobs; i++)
		if (strcmp(r->jobs[i].source->name, name) == 0)
			return &r->jobs[i].report;
	return NULL;
}

static void
send_summary(const struct round *r, const struct strvec *lines,
    enum severity worst)
{
	struct buf text;

	if (lines->n == 0)
		return;
	buf_init(&text, SUMMARY_MAX);
	if (lines->n > 1)
		buf_printf(&text, "%zu things about revocation lists changed "
		    "for the worse\n", lines->n);
	for (size_t i = 0; i < lines->n; i++) {
		buf_printf(&text, "%s\n", lines->v[i]);
		if (!r->options->verbose)
			fprintf(stderr, "crl-fetcher: %s\n", lines->v[i]);
	}
	if (text.len > 0)
		text.data[text.len - 1] = '\0';
	alert_start(r->settings, "crl-fetcher");
	alert_raise("crl", "crl-fetcher", condition_severity(worst), "%s",
	    buf_text(&text));
	alert_stop();
	buf_clear(&text);
}

static void
tell(struct round *r, struct strvec *lines)
{
	enum severity worst = SEVERITY_WARNING;

	tell_clock(r, lines);
	for (size_t i = 0; i < r->repaired.n; i++)
		strvec_take(lines, mem_printf("%s: its files in the CRL "
		    "directory were damaged or missing and are made again",
		    r->repaired.v[i]));
	for (size_t i = 0; i < r->sources.n; i++)
		if (r->sources.v[i].enabled)
			tell_source(r, &r->sources.v[i],
			    find_report(r, r->sources.v[i].name), &worst,
			    lines);
	send_summary(r, lines, worst);
}

/* ---- the round ---- */

static bool
check_names(const struct round *r, struct error *err)
{
	for (size_t i = 0; i < r->options->names.n; i++)
		if (sources_find(&r->sources, r->options->names.v[i]) == NULL)
			return error_perm(err, "there is no source \"%.64s\"; "
			    "--list shows them", r->options->names.v[i]);
	return true;
}

static void
read_state(struct round *r)
{
	bool damaged;

	clean_state_directory(r);
	publish_clean(r->refresh.publish);
	r->resumed = r->refresh.marked =
	    access(r->refresh.unfinished, F_OK) == 0;
	r->changed = r->resumed;
	state_read(&r->state, r->state_path, &damaged);
	if (damaged)
		log_warning("%s: damaged; all sources are fetched anew",
		    r->state_path);
	forget_others(r);
}

static void
complain(struct round *r, const struct error *err)
{
	log_error("%s", err->text);
	if (!r->options->verbose)
		fprintf(stderr, "crl-fetcher: %s\n", err->text);
	r->io_failed = true;
}

/* A disk that is full may say so only here. */
static void
flush(struct round *r)
{
	bool told = false;
	struct error err;

	if (!r->refresh.marked || publish_flush(r->refresh.publish, &err))
		return;
	for (size_t i = 0; i < r->njobs; i++)
		told |= refresh_undo(&r->refresh, r->jobs[i].state,
		    &r->jobs[i].report, &err);
	if (!told)
		complain(r, &err);
}

static int
finish(struct round *r, struct hooks *hooks)
{
	struct strvec lines = {0};
	struct error err;

	flush(r);
	for (size_t i = 0; i < r->njobs; i++)
		count_job(r, &r->jobs[i]);
	write_bundles(r, &lines);
	run_hooks(r, hooks, &lines);
	tell(r, &lines);
	strvec_clear(&lines);
	if (!state_write(&r->state, r->state_path, &err))
		complain(r, &err);
	else if (r->refresh.marked)
		unlink(r->refresh.unfinished);
	if (r->io_failed)
		return EX_IOERR;
	return r->failed ? EX_TEMPFAIL : EX_OK;
}

static void
clear(struct round *r)
{
	publish_close(&r->refresh.publish);
	sources_clear(&r->sources);
	state_clear(&r->state);
	strvec_clear(&r->repaired);
	for (size_t i = 0; i < r->njobs; i++)
		free(r->jobs[i].report.before);
	free(r->jobs);
	free(r->state_path);
	free(r->refresh.unfinished);
	free(r->state_directory);
	pthread_mutex_destroy(&r->refresh.lock);
	pthread_mutex_destroy(&r->lock_jobs);
	pthread_cond_destroy(&r->all_taken);
	if (r->lock >= 0)
		close(r->lock);
}

static int
refuse(const struct round *r, int code, const struct error *err)
{
	log_error("%s", err->text);
	if (!r->options->verbose)
		fprintf(stderr, "crl-fetcher: %s\n", err->text);
	return code;
}

static int
run(struct round *r, struct hooks *hooks)
{
	const struct crl_check_settings *check =
	    settings_get(r->settings, "crl-check");
	struct error err;
	bool busy;

	if (!take_lock(r, &busy, &err)) {
		if (busy)
			log_info("another round is running");
		return busy ? EX_OK : refuse(r, EX_IOERR, &err);
	}
	r->refresh.publish = publish_open(
	    check->directory, (unsigned)r->own->rotate, &err);
	if (r->refresh.publish == NULL)
		return refuse(r,
		    err.kind == ERROR_PERM ? EX_CONFIG : EX_IOERR, &err);
	if (!sources_load(&r->sources, r->settings, &err))
		return refuse(r,
		    err.kind == ERROR_PERM ? EX_CONFIG : EX_IOERR, &err);
	if (!check_names(r, &err))
		return refuse(r, EX_USAGE, &err);
	read_state(r);
	choose(r);
	work_all(r);
	return finish(r, hooks);
}

int
round_run(const struct settings *s, const struct round_options *o,
    struct hooks *hooks)
{
	struct round *r = mem_alloc(sizeof(*r));
	pthread_condattr_t clock;
	int code;

	r->settings = s;
	r->own = settings_get(s, "crl-fetcher");
	r->options = o;
	r->lock = -1;
	r->state_directory = crl_settings_state_directory(s);
	r->state_path = mem_printf("%s/state.json", r->state_directory);
	r->refresh.unfinished =
	    mem_printf("%s/unfinished", r->state_directory);
	r->refresh.now = (int64_t)clock_now();
	r->refresh.skew = r->own->clock_skew;
	r->refresh.force = o->force;
	pthread_mutex_init(&r->refresh.lock, NULL);
	pthread_mutex_init(&r->lock_jobs, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&r->all_taken, &clock);
	pthread_condattr_destroy(&clock);
	code = run(r, hooks);
	clear(r);
	free(r);
	return code;
}
