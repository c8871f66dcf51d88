/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/alert.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/alert_mail.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sendmail.h"
#include "common/shared_settings.h"
#include "common/smtp_client.h"

#define TEXT_MAX 4096
#define CONDITIONS_MAX 1000
#define QUEUE_MAX 100
#define STOP_MS 2000
#define SMTP_TIMEOUT 10
#define SENDMAIL_TIMEOUT 60

/* Cleared ones stay for their mailed_ms until their place is needed. */
struct condition {
	char *class, *name, *severity, *text;
	bool standing;
	time_t since;
	unsigned times;
	bool mailed; /* and not known to have failed */
	int64_t mailed_ms;
};

struct job {
	char *class, *name, *severity, *text;
	time_t since;
	unsigned times;
};

/*
 * One per alert_start().  When the thread does not end in time it owns
 * this alone, so that nothing is freed under it.
 */
struct alerts {
	/* Never change: */
	char *program, *host, *from, *submit, *sendmail;
	int64_t repeat_ms;
	struct strvec general;
	struct {
		const char *class;
		struct strvec recipients;
	} classes[5];
	pthread_t thread;
	/* Under the lock: */
	struct condition conditions[CONDITIONS_MAX];
	size_t nconditions;
	struct job queue[QUEUE_MAX];
	size_t queue_at, queue_n;
	bool stopping, finished, abandoned;
	int64_t stop_at;
	pthread_cond_t changed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct alerts *current; /* NULL: not started */

static void
condition_clear(struct condition *c)
{
	free(c->class);
	free(c->name);
	free(c->severity);
	free(c->text);
	memset(c, 0, sizeof(*c));
}

static void
job_clear(struct job *j)
{
	free(j->class);
	free(j->name);
	free(j->severity);
	free(j->text);
	memset(j, 0, sizeof(*j));
}

static void
alerts_free(struct alerts *a)
{
	for (size_t i = 0; i < a->nconditions; i++)
		condition_clear(&a->conditions[i]);
	for (size_t i = 0; i < QUEUE_MAX; i++)
		job_clear(&a->queue[i]);
	for (size_t i = 0; i < sizeof(a->classes) / sizeof(a->classes[0]); i++)
		strvec_clear(&a->classes[i].recipients);
	strvec_clear(&a->general);
	pthread_cond_destroy(&a->changed);
	free(a->program);
	free(a->host);
	free(a->from);
	free(a->submit);
	free(a->sendmail);
	free(a);
}

/* The list of the class, if there is one, else the general list. */
static const struct strvec *
recipients_of(const struct alerts *a, const char *class)
{
	for (size_t i = 0; i < sizeof(a->classes) / sizeof(a->classes[0]); i++)
		if (strcmp(a->classes[i].class, class) == 0 &&
		    a->classes[i].recipients.n > 0)
			return &a->classes[i].recipients;
	return &a->general;
}

/*
 * Sending, in the thread, without the lock
 */

static bool
is_ascii(const char *s)
{
	while (*s != '\0')
		if ((unsigned char)*s++ >= 0x80)
			return false;
	return true;
}

/* RFC 6531: addresses beyond ASCII, in the envelope or the header. */
static bool
needs_smtputf8(const char *sender, const struct strvec *to)
{
	for (size_t i = 0; i < to->n; i++)
		if (!is_ascii(to->v[i]))
			return true;
	return !is_ascii(sender);
}

static char *
with_crlf(const char *text, size_t *n)
{
	struct buf b;

	buf_init(&b, 2 * strlen(text) + 1);
	for (; *text != '\0'; text++)
		buf_append(
		    &b, *text == '\n' ? "\r\n" : text, *text == '\n' ? 2 : 1);
	*n = b.len;
	return buf_take(&b);
}

/*
 * A transaction for each recipient: one bad address must not keep the
 * alert from the others.  True when anybody got it.
 */
static bool
submit_smtp(const struct alerts *a, const struct strvec *to,
    const char *message, struct error *err)
{
	const char *sender = a->from == NULL ? "" : a->from;
	struct smtp_client *c;
	struct smtp_piece piece;
	char *text;
	size_t sent = 0;

	c = smtp_client_open(a->submit, a->host, SMTP_TIMEOUT, err);
	if (c == NULL)
		return false;
	text = with_crlf(message, &piece.len);
	piece.data = text;
	for (size_t i = 0; i < to->n; i++) {
		struct smtp_recipient r = {
		    .address = to->v[i], .parameters = ""};
		struct smtp_message m = {.sender = sender,
		    .parameters = needs_smtputf8(sender, to) ? "SMTPUTF8" : "",
		    .recipients = &r,
		    .nrecipients = 1,
		    .pieces = &piece,
		    .npieces = 1};

		if (smtp_client_send(c, &m, err))
			sent++;
		else
			log_warning(
			    "alert mail to <%s>: %s", to->v[i], err->text);
	}
	smtp_client_close(&c);
	free(text);
	return sent > 0;
}

static bool
submit(const struct alerts *a, const struct job *j, struct error *err)
{
	const struct strvec *to = recipients_of(a, j->class);
	struct alert_mail mail = {.class = j->class,
	    .name = j->name,
	    .severity = j->severity,
	    .text = j->text,
	    .host = a->host,
	    .program = a->program,
	    .from = a->from,
	    .to = to,
	    .now = clock_now(),
	    .since = j->since,
	    .times = j->times};
	char *message;
	bool ok;

	if (getrandom(&mail.unique, sizeof(mail.unique), 0) < 0)
		return error_errno(err, "getrandom");
	message = alert_mail_format(&mail);
	if (strcmp(a->submit, "sendmail") == 0)
		ok =
		    sendmail_submit(a->sendmail, a->from == NULL ? "" : a->from,
			to, message, strlen(message), SENDMAIL_TIMEOUT, err);
	else
		ok = submit_smtp(a, to, message, err);
	free(message);
	return ok;
}

/*
 * What stands, under the lock
 */

static struct condition *
find(struct alerts *a, const char *class, const char *name)
{
	for (size_t i = 0; i < a->nconditions; i++)
		if (strcmp(a->conditions[i].class, class) == 0 &&
		    strcmp(a->conditions[i].name, name) == 0)
			return &a->conditions[i];
	return NULL;
}

/* A place for a new condition; NULL when too many stand. */
static struct condition *
add(struct alerts *a, const char *class, const char *name)
{
	struct condition *c = NULL;

	if (a->nconditions < CONDITIONS_MAX)
		c = &a->conditions[a->nconditions++];
	for (size_t i = 0; c == NULL && i < a->nconditions; i++)
		if (!a->conditions[i].standing)
			c = &a->conditions[i];
	if (c == NULL)
		return NULL;
	condition_clear(c);
	c->class = mem_strdup(class);
	c->name = mem_strdup(name);
	return c;
}

static void
set(char **where, const char *text)
{
	free(*where);
	*where = mem_strdup(text);
}

static bool
enqueue(struct alerts *a, const struct condition *c)
{
	struct job *j;

	if (a->queue_n == QUEUE_MAX)
		return false;
	j = &a->queue[(a->queue_at + a->queue_n++) % QUEUE_MAX];
	j->class = mem_strdup(c->class);
	j->name = mem_strdup(c->name);
	j->severity = mem_strdup(c->severity);
	j->text = mem_strdup(c->text);
	j->since = c->since;
	j->times = c->times;
	pthread_cond_broadcast(&a->changed);
	return true;
}

enum raised { RAISED_SILENT, RAISED_LOG, RAISED_QUEUE_FULL };

/* Notes it, queues mail when it is due; says what to log. */
static enum raised
raise_condition(struct alerts *a, const char *class, const char *name,
    const char *severity, const char *text)
{
	struct condition *c = find(a, class, name);
	int64_t now = clock_monotonic_ms();
	bool news, due;

	if (c == NULL)
		c = add(a, class, name);
	if (c == NULL)
		return RAISED_LOG;
	due = !c->mailed || now - c->mailed_ms >= a->repeat_ms ||
	      strcmp(c->severity, severity) != 0;
	news = due || !c->standing || strcmp(c->text, text) != 0;
	if (!c->standing) {
		c->standing = true;
		c->since = clock_now();
		c->times = 0;
	}
	c->times++;
	set(&c->severity, severity);
	set(&c->text, text);
	if (due && recipients_of(a, class)->n > 0 && !enqueue(a, c)) {
		c->mailed = false;
		return RAISED_QUEUE_FULL;
	}
	if (due) {
		c->mailed = true;
		c->mailed_ms = now;
	}
	return news ? RAISED_LOG : RAISED_SILENT;
}

/* Waits for something to do; false when the thread shall end. */
static bool
next_job(struct alerts *a, struct job *j)
{
	bool have = false;

	pthread_mutex_lock(&lock);
	while (a->queue_n == 0 && !a->stopping)
		pthread_cond_wait(&a->changed, &lock);
	if (a->queue_n > 0 &&
	    (!a->stopping || clock_monotonic_ms() < a->stop_at)) {
		*j = a->queue[a->queue_at];
		memset(&a->queue[a->queue_at], 0, sizeof(*j));
		a->queue_at = (a->queue_at + 1) % QUEUE_MAX;
		a->queue_n--;
		have = true;
	}
	pthread_mutex_unlock(&lock);
	return have;
}

/* The next raise tries again. */
static void
note_failure(struct alerts *a, const struct job *j)
{
	struct condition *c;

	pthread_mutex_lock(&lock);
	c = find(a, j->class, j->name);
	if (c != NULL)
		c->mailed = false;
	pthread_mutex_unlock(&lock);
}

static void *
run(void *arg)
{
	struct alerts *a = arg;
	struct job j;
	bool abandoned;

	while (next_job(a, &j)) {
		struct error err = {0};

		if (!submit(a, &j, &err)) {
			log_error("alert mail not sent: class=%s name=%s: %s",
			    j.class, j.name, err.text);
			note_failure(a, &j);
		}
		job_clear(&j);
	}
	pthread_mutex_lock(&lock);
	if (a->queue_n > 0)
		log_warning(
		    "alert mails not sent before the end: %zu", a->queue_n);
	a->finished = true;
	abandoned = a->abandoned;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&lock);
	if (abandoned)
		alerts_free(a);
	return NULL;
}

static void
copy_list(struct strvec *to, const struct strvec *from)
{
	for (size_t i = 0; i < from->n; i++)
		strvec_add(to, from->v[i]);
}

static struct alerts *
alerts_new(const struct settings *s, const char *program)
{
	const struct alerts_settings *as = settings_get(s, "alerts");
	const struct postseal_settings *ps = settings_get(s, "postseal");
	const struct {
		const char *class;
		const struct strvec *list;
	} classes[] = {{"tls", &as->recipients_tls},
	    {"dane", &as->recipients_dane}, {"smime", &as->recipients_smime},
	    {"crl", &as->recipients_crl},
	    {"certificates", &as->recipients_certificates}};
	struct alerts *a = mem_alloc(sizeof(*a));
	pthread_condattr_t attr;

	a->program = mem_strdup(program);
	a->host = mem_strdup(ps->hostname);
	a->from = mem_strdup(as->from);
	a->submit = mem_strdup(as->submit);
	a->sendmail = mem_strdup(ps->sendmail);
	a->repeat_ms = as->repeat_after * 1000;
	copy_list(&a->general, &as->recipients);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		a->classes[i].class = classes[i].class;
		copy_list(&a->classes[i].recipients, classes[i].list);
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	return a;
}

void
alert_start(const struct settings *s, const char *program)
{
	struct alerts *a = alerts_new(s, program);

	assert(current == NULL);
	if (pthread_create(&a->thread, NULL, run, a) != 0) {
		log_error("no thread for alerts: they are only logged");
		alerts_free(a);
		return;
	}
	pthread_mutex_lock(&lock);
	current = a;
	pthread_mutex_unlock(&lock);
}

void
alert_stop(void)
{
	struct alerts *a;
	struct timespec until;
	int rc = 0;

	pthread_mutex_lock(&lock);
	a = current;
	current = NULL;
	if (a == NULL) {
		pthread_mutex_unlock(&lock);
		return;
	}
	a->stopping = true;
	a->stop_at = clock_monotonic_ms() + STOP_MS;
	pthread_cond_broadcast(&a->changed);
	until.tv_sec = a->stop_at / 1000;
	until.tv_nsec = a->stop_at % 1000 * 1000000;
	while (!a->finished && rc == 0)
		rc = pthread_cond_timedwait(&a->changed, &lock, &until);
	if (!a->finished) {
		a->abandoned = true;
		pthread_detach(a->thread);
		a = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (a != NULL) {
		pthread_join(a->thread, NULL);
		alerts_free(a);
	}
}

void
alert_raise(const char *class, const char *name, const char *severity,
    const char *fmt, ...)
{
	enum raised what = RAISED_LOG;
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&lock);
	if (current != NULL)
		what = raise_condition(current, class, name, severity, text);
	pthread_mutex_unlock(&lock);
	if (what != RAISED_SILENT)
		log_warning("alert=raised class=%s name=%s severity=%s: %s",
		    class, name, severity, text);
	if (what == RAISED_QUEUE_FULL)
		log_error("alert mail not sent: class=%s name=%s: "
			  "%d mails wait already",
		    class, name, QUEUE_MAX);
}

void
alert_clear(const char *class, const char *name)
{
	struct condition *c = NULL;
	bool stood = false;

	pthread_mutex_lock(&lock);
	if (current != NULL)
		c = find(current, class, name);
	if (c != NULL) {
		stood = c->standing;
		c->standing = false;
	}
	pthread_mutex_unlock(&lock);
	if (stood)
		log_info("alert=cleared class=%s name=%s", class, name);
}

char *
alert_status(void)
{
	struct buf out;

	buf_init(&out, 4 << 20);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; current != NULL && i < current->nconditions; i++) {
		const struct condition *c = &current->conditions[i];
		char since[32];

		if (!c->standing)
			continue;
		clock_format(c->since, since, sizeof(since));
		log_escape(&out, c->class, strlen(c->class));
		buf_putc(&out, ' ');
		log_escape(&out, c->name, strlen(c->name));
		buf_printf(&out, " since %s\n", since);
	}
	pthread_mutex_unlock(&lock);
	return buf_take(&out);
}
