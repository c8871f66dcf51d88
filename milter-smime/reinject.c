/* SPDX-License-Identifier: BSD-2-Clause */
#include "reinject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/smtp_client.h"
#include "smime_settings.h"

/* Longer than a client goes on trying (maximal_queue_lifetime, 5 days). */
#define CLAIM_WAIT 5 /* seconds */
#define MARK_LIFE (6 * 24 * 60 * 60)
#define DRAFT ".new"

struct reinjector {
	const struct postseal_settings *common;
	const struct milter_smime_settings *own;
	char *directory; /* of the marks */
	_Atomic time_t swept;
	pthread_mutex_t lock;
	pthread_cond_t released;
	struct strvec active; /* marks whose message is under way */
};

/* One message to hand over: a copy, or one of our own. */
struct parcel {
	const struct message *m; /* what outcome is of */
	const struct outcome *outcome;
	const char *sender, *parameters;
	const struct recipient **recipients; /* owned list */
	size_t nrecipients;
	enum disposition disposition;
	char *treatment; /* what tells it from others of the message (owned) */
	bool is_copy;
};

/* ---- marks ---- */

/* Those of messages nobody sent again. */
static void
remove_old(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	struct stat st;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strlen(e->d_name) >= 64 &&
		    fstatat(dirfd(d), e->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    st.st_mtime < clock_now() - MARK_LIFE)
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static void
feed(EVP_MD_CTX *md, const void *p, size_t n)
{
	/* The length first, so that no two messages feed the same bytes. */
	EVP_DigestUpdate(md, &n, sizeof(n));
	EVP_DigestUpdate(md, p, n);
}

static void
feed_text(EVP_MD_CTX *md, const char *text)
{
	feed(md, text, strlen(text));
}

/*
 * Fields that are the same when the message comes again.  Those that
 * milters before us add may hold the time; a Message-ID that Postfix gave
 * the message for want of one holds the queue id, and the Date that it gave
 * is the time.
 */
static bool
identifies(const struct message *m, const struct header *h)
{
	static const char *const names[] = {"From", "Sender", "Reply-To", "To",
		"Cc", "Subject", "In-Reply-To", "References", NULL};

	if (strcasecmp(h->name, "Message-ID") == 0)
		return m->queue_id[0] == '\0' ||
		    strstr(h->value, m->queue_id) == NULL;
	if (strcasecmp(h->name, "Date") == 0)
		return message_header(m, "Message-ID", 0) == NULL;
	for (size_t i = 0; names[i] != NULL; i++)
		if (strcasecmp(h->name, names[i]) == 0)
			return true;
	return strncasecmp(h->name, "Content-", 8) == 0;
}

static EVP_MD_CTX *
start_hash(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	return md;
}

/*
 * A copy differs each time (session keys), so what identifies it is the
 * message it is made of and what was to be done.
 */
static EVP_MD_CTX *
hash_message(const struct message *m)
{
	EVP_MD_CTX *md = start_hash();

	for (size_t i = 0; i < m->nheaders; i++) {
		if (!identifies(m, &m->headers[i]))
			continue;
		feed_text(md, m->headers[i].name);
		feed_text(md, m->headers[i].value);
	}
	feed(md, spool_data(m->body), spool_len(m->body));
	feed_text(md, m->sender_text);
	return md;
}

static char *
mark_path(const struct reinjector *r, const EVP_MD_CTX *of_message,
    const struct parcel *p, size_t number)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = start_hash();
	char name[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	if (EVP_MD_CTX_copy_ex(md, of_message) != 1)
		abort();
	for (size_t i = 0; i < p->nrecipients; i++)
		feed_text(md, p->recipients[i]->text);
	feed_text(md, p->treatment);
	feed(md, &number, sizeof(number));
	EVP_DigestFinal_ex(md, hash, &n);
	EVP_MD_CTX_free(md);
	for (unsigned i = 0; i < n; i++)
		snprintf(name + 2 * i, 3, "%02x", hash[i]);
	return mem_printf("%s/%s", r->directory, name);
}

/* Was this copy sent before, for a message that then failed? */
static bool
is_marked(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || st.st_mtime < clock_now() - MARK_LIFE)
		return false;
	utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
	return true;
}

/*
 * Equal messages at the same time are different messages: while one is
 * under way its marks are its own; the other waits a moment, then has to
 * come again.
 */
static bool
claim(struct reinjector *r, const char *path, struct error *err)
{
	struct timespec until;
	bool taken;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLAIM_WAIT;
	pthread_mutex_lock(&r->lock);
	while ((taken = strvec_has(&r->active, path)) &&
	    pthread_cond_timedwait(&r->released, &r->lock, &until) == 0)
		;
	if (!taken)
		strvec_add(&r->active, path);
	pthread_mutex_unlock(&r->lock);
	return !taken || error_temp(err, "an equal message is under way");
}

static void
release(struct reinjector *r, const struct strvec *marks)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < marks->n; i++)
		strvec_remove(&r->active, marks->v[i]);
	pthread_cond_broadcast(&r->released);
	pthread_mutex_unlock(&r->lock);
}

/*
 * The file is made before the copy goes out, so that a full disk is known
 * in time; its final name is what marks.
 */
static bool
prepare_mark(const char *path, struct error *err)
{
	char *draft = mem_printf("%s" DRAFT, path);
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);

	if (fd < 0)
		error_errno(err, "cannot write %s", draft);
	else
		close(fd);
	free(draft);
	return fd >= 0;
}

static bool
set_mark(const struct reinjector *r, const char *path, struct error *err)
{
	char *draft = mem_printf("%s" DRAFT, path);
	bool done = rename(draft, path) == 0;
	int dir;

	free(draft);
	if (!done)
		return error_errno(err, "cannot make %s", path);
	utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
	dir = open(r->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		fsync(dir);
		close(dir);
	}
	return true;
}

void
reinject_keep(struct reinjector *r, struct strvec *marks)
{
	release(r, marks);
	strvec_clear(marks);
}

void
reinject_forget(struct reinjector *r, struct strvec *marks)
{
	for (size_t i = 0; i < marks->n; i++)
		unlink(marks->v[i]);
	release(r, marks);
	strvec_clear(marks);
}

/* ---- copies ---- */

/* Parameters of MAIL or RCPT that must survive; others are the hop's own. */
static char *
keep_parameters(const char *text, const char *const *names,
    const struct smtp_client *c)
{
	struct buf out;
	const char *p = text;

	buf_init(&out, 8192);
	while (*p != '\0') {
		size_t n = strcspn(p, " ");

		for (size_t i = 0; names[i] != NULL; i += 2) {
			size_t len = strlen(names[i]);

			if (n >= len && strncasecmp(p, names[i], len) == 0 &&
			    (n == len || p[len] == '=') &&
			    smtp_client_offers(c, names[i + 1]))
				buf_printf(&out, "%s%.*s",
				    out.len > 0 ? " " : "", (int)n, p);
		}
		p += n;
		while (*p == ' ')
			p++;
	}
	return buf_take(&out);
}

/* `<a@b>` as smtp_client wants it. */
static char *
without_brackets(const char *text)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '<' && text[n - 1] == '>')
		return mem_dup(text + 1, n - 2);
	return mem_strdup(text);
}

/* Parameter, and the keyword a server offers it by. */
static const char *const mail_names[] = {"RET", "DSN", "ENVID", "DSN",
	"BODY", "8BITMIME", "SMTPUTF8", "SMTPUTF8", NULL};
static const char *const rcpt_names[] = {"NOTIFY", "DSN", "ORCPT", "DSN",
	NULL};

static struct smtp_recipient *
make_recipients(const struct smtp_client *c, const struct parcel *p)
{
	struct smtp_recipient *list = mem_array(p->nrecipients,
	    sizeof(*list));

	for (size_t i = 0; i < p->nrecipients; i++) {
		list[i].address = without_brackets(p->recipients[i]->text);
		list[i].parameters = keep_parameters(
		    p->recipients[i]->parameters, rcpt_names, c);
	}
	return list;
}

static void
free_recipients(struct smtp_recipient *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((char *)list[i].address);
		free((char *)list[i].parameters);
	}
	free(list);
}

/* RET=HDRS in place of what the client asked for (see outcome.h). */
static void
hide_content(char **parameters)
{
	char *ret = strcasestr(*parameters, "RET=FULL"), *text;

	if (ret != NULL)
		memcpy(ret, "RET=HDRS", 8);
	if (strcasestr(*parameters, "RET=HDRS") != NULL)
		return;
	text = mem_printf("%s%sRET=HDRS", *parameters,
	    **parameters == '\0' ? "" : " ");
	free(*parameters);
	*parameters = text;
}

/*
 * RFC 5321 4.4: whom the message came from.  The field that Postfix made
 * for it goes with the original, milters never see it.
 */
static void
put_trace(const struct reinjector *r, const struct message *m,
    struct pieces *body)
{
	const char *name = m->client_name[0] == '\0' ? "unknown" :
	    m->client_name;
	char date[CLOCK_MAIL_SIZE];
	struct buf line;

	clock_format_mail(clock_now(), date, sizeof(date));
	buf_init(&line, 4096);
	if (m->local)
		buf_puts(&line, "Received: from localhost (local submission)");
	else
		buf_printf(&line, "Received: from %.255s ([%s%.64s])", name,
		    strchr(m->client_address, ':') == NULL ? "" : "IPv6:",
		    m->client_address);
	buf_printf(&line, "\r\n\tby %.255s (milter-smime) with ESMTP id %.64s;"
	    "\r\n\t%s\r\n", r->common->hostname, m->queue_id, date);
	pieces_keep_text(body, &line);
}

static bool
send_parcel(const struct reinjector *r, struct smtp_client *c,
    const struct message *about, const struct parcel *p, struct error *err)
{
	struct pieces body = {0};
	struct smtp_piece *pieces;
	char *sender = without_brackets(p->outcome->notify_nobody ? "<>" :
	    p->sender);
	char *parameters = keep_parameters(p->parameters, mail_names, c);
	struct smtp_message copy = {.sender = sender,
		.nrecipients = p->nrecipients};
	bool ok;

	if (p->is_copy)
		put_trace(r, about, &body);
	outcome_render(p->outcome, p->m, &body);
	pieces = mem_array(body.n, sizeof(*pieces));
	for (size_t i = 0; i < body.n; i++) {
		pieces[i].data = body.v[i].data;
		pieces[i].len = body.v[i].len;
	}
	if (p->outcome->return_header_only && smtp_client_offers(c, "DSN"))
		hide_content(&parameters);
	copy.parameters = parameters;
	copy.pieces = pieces;
	copy.npieces = body.n;
	copy.recipients = make_recipients(c, p);
	ok = smtp_client_send(c, &copy, err);
	free_recipients(copy.recipients, p->nrecipients);
	free(pieces);
	free(sender);
	free(parameters);
	pieces_clear(&body);
	return ok;
}

/* ---- public ---- */

/* Once an hour. */
static void
sweep(struct reinjector *r)
{
	time_t now = clock_now(), last = r->swept;

	if (now - last >= 3600 &&
	    atomic_compare_exchange_strong(&r->swept, &last, now))
		remove_old(r->directory);
}

struct reinjector *
reinject_open(const struct settings *s, struct error *err)
{
	struct reinjector *r = mem_alloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->released, NULL);
	r->common = settings_get(s, "postseal");
	r->own = settings_get(s, "milter-smime");
	r->directory = mem_printf("%s/smime/reinject",
	    r->common->state_directory);
	if (mkdir(r->directory, 0700) != 0 && errno != EEXIST) {
		error_errno(err, "cannot make %s", r->directory);
		reinject_close(&r);
		return NULL;
	}
	sweep(r);
	return r;
}

void
reinject_close(struct reinjector **r)
{
	if (*r == NULL)
		return;
	free((*r)->directory);
	strvec_clear(&(*r)->active);
	pthread_cond_destroy(&(*r)->released);
	pthread_mutex_destroy(&(*r)->lock);
	free(*r);
	*r = NULL;
}

/* ---- parcels ---- */

static void
parcel_clear(struct parcel *p)
{
	free(p->recipients);
	free(p->treatment);
}

static void
parcel_of_copy(const struct report *report, const struct message *m,
    const struct copy *copy, struct parcel *p)
{
	const struct delivery *d = &report->plan.deliveries[copy->delivery];
	const struct filter_state *s = d->filters;
	bool other_sender = d->copy != NULL && d->copy->sender != NULL;

	*p = (struct parcel){
		.m = m,
		.outcome = &copy->outcome,
		.sender = other_sender ? d->copy->sender : m->sender_text,
		.parameters = m->sender_parameters,
		.recipients = mem_array(d->nrecipients,
		    sizeof(*p->recipients)),
		.nrecipients = d->nrecipients,
		.disposition = d->disposition,
		.treatment = mem_printf("%s %s %s %s %s",
		    s->policy == NULL ? "" : s->policy,
		    d->profile == NULL ? "" : d->profile,
		    disposition_name(d->disposition),
		    d->disposition == DISPOSITION_HOLD ? s->quarantine : "",
		    d->copy == NULL ? "" : d->copy->filter),
		.is_copy = true,
	};
	for (size_t i = 0; i < d->nrecipients; i++)
		p->recipients[i] =
		    report->facts.recipients[d->recipients[i]].to;
}

/* outcome becomes the notice's. */
static void
parcel_of_notice(const struct notice *n, struct outcome *outcome,
    struct parcel *p)
{
	outcome_init(outcome, n->m);
	*p = (struct parcel){
		.m = n->m,
		.outcome = outcome,
		.sender = n->mail->sender == NULL ? "" : n->mail->sender,
		.parameters = "",
		.recipients = mem_array(n->mail->nto, sizeof(*p->recipients)),
		.nrecipients = n->mail->nto,
		.treatment = mem_printf("notice %s %s", n->policy == NULL ?
		    "" : n->policy, n->mail->filter),
	};
	for (size_t i = 0; i < n->mail->nto; i++)
		p->recipients[i] = &n->mail->to[i];
}

/* ---- sending ---- */

enum listener { LISTENER_PASS, LISTENER_HOLD, LISTENER_BOUNCE, LISTENERS };

/* One message's: what is claimed, and whom we talk to by now. */
struct trip {
	struct reinjector *r;
	const struct message *m;
	EVP_MD_CTX *hash;
	struct smtp_client *clients[LISTENERS]; /* opened when needed */
	struct strvec *claimed;
	reinject_progress *progress;
	void *context;
};

static struct smtp_client *
connect_for(struct trip *t, enum disposition d, struct error *err)
{
	const struct milter_smime_settings *own = t->r->own;
	const char *const urls[LISTENERS] = {own->reinject,
		own->reinject_hold, own->reinject_bounce};
	enum listener which = d == DISPOSITION_HOLD ? LISTENER_HOLD :
	    d == DISPOSITION_BOUNCE ? LISTENER_BOUNCE : LISTENER_PASS;

	if (t->clients[which] == NULL)
		t->clients[which] = smtp_client_open(urls[which],
		    t->r->common->hostname, own->reinject_timeout, err);
	return t->clients[which];
}

static bool
hand_over(struct trip *t, const struct parcel *p, struct error *err)
{
	struct smtp_client *c = connect_for(t, p->disposition, err);

	return c != NULL && send_parcel(t->r, c, t->m, p, err);
}

/* Once, however often the message comes. */
static bool
send_once(struct trip *t, const struct parcel *p, struct error *err)
{
	char *path = mark_path(t->r, t->hash, p, 0);
	bool ok;

	/* Another of this message that is like it has a mark of its own. */
	for (size_t n = 1; strvec_has(t->claimed, path); n++) {
		free(path);
		path = mark_path(t->r, t->hash, p, n);
	}
	ok = claim(t->r, path, err);

	if (ok)
		strvec_add(t->claimed, path);
	if (ok && !is_marked(path)) {
		ok = prepare_mark(path, err) && hand_over(t, p, err) &&
		    set_mark(t->r, path, err);
		if (ok && !t->progress(t->context))
			ok = error_temp(err, "the mail server gave up "
			    "waiting");
	}
	free(path);
	return ok;
}

static bool
send_all(struct trip *t, const struct report *report, struct error *err)
{
	bool ok = true;

	for (size_t i = 0; ok && report->split && i < report->ncopies; i++) {
		struct parcel p;

		parcel_of_copy(report, t->m, &report->copies[i], &p);
		ok = send_once(t, &p, err);
		parcel_clear(&p);
	}
	for (size_t i = 0; ok && i < report->nnotices; i++) {
		struct outcome o;
		struct parcel p;

		parcel_of_notice(&report->notices[i], &o, &p);
		ok = send_once(t, &p, err);
		parcel_clear(&p);
		outcome_clear(&o);
	}
	return ok;
}

bool
reinject_send(struct reinjector *r, const struct message *m,
    const struct report *report, reinject_progress *progress,
    void *context, struct strvec *marks, struct error *err)
{
	struct trip t = {.r = r, .m = m, .hash = hash_message(m),
		.claimed = marks, .progress = progress, .context = context};
	bool ok;

	sweep(r);
	ok = send_all(&t, report, err);
	EVP_MD_CTX_free(t.hash);
	for (int i = 0; i < LISTENERS; i++)
		smtp_client_close(&t.clients[i]);
	if (ok)
		return true;
	reinject_keep(r, marks);
	return error_prefix(err, "re-injection");
}
