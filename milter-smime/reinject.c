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
    const struct message *m, const struct delivery *d)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = start_hash();
	char name[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	if (EVP_MD_CTX_copy_ex(md, of_message) != 1)
		abort();
	for (size_t i = 0; i < d->nrecipients; i++)
		feed_text(md, m->recipients[d->recipients[i]].text);
	feed_text(md, d->profile == NULL ? "" : d->profile);
	feed_text(md, disposition_name(d->disposition));
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
make_recipients(const struct smtp_client *c, const struct message *m,
    const struct delivery *d)
{
	struct smtp_recipient *list = mem_array(d->nrecipients,
	    sizeof(*list));

	for (size_t i = 0; i < d->nrecipients; i++) {
		const struct recipient *to =
		    &m->recipients[d->recipients[i]];

		list[i].address = without_brackets(to->text);
		list[i].parameters = keep_parameters(to->parameters,
		    rcpt_names, c);
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
	time_t now = clock_now();
	char date[64];
	struct buf line;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
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
send_copy(const struct reinjector *r, struct smtp_client *c,
    const struct message *m, const struct delivery *d,
    const struct outcome *o, struct error *err)
{
	struct pieces body = {0};
	struct smtp_piece *pieces;
	char *sender = without_brackets(o->notify_nobody ? "<>" :
	    m->sender_text);
	char *parameters = keep_parameters(m->sender_parameters, mail_names,
	    c);
	struct smtp_message copy = {.sender = sender,
		.parameters = parameters, .nrecipients = d->nrecipients};
	bool ok;

	put_trace(r, m, &body);
	outcome_render(o, m, &body);
	pieces = mem_array(body.n, sizeof(*pieces));
	for (size_t i = 0; i < body.n; i++) {
		pieces[i].data = body.v[i].data;
		pieces[i].len = body.v[i].len;
	}
	if (o->return_header_only && smtp_client_offers(c, "DSN"))
		hide_content(&parameters);
	copy.parameters = parameters;
	copy.pieces = pieces;
	copy.npieces = body.n;
	copy.recipients = make_recipients(c, m, d);
	ok = smtp_client_send(c, &copy, err);
	free_recipients(copy.recipients, d->nrecipients);
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

/* One connection for each listener; most messages need one only. */
struct connections {
	struct smtp_client *pass, *bounce;
};

static struct smtp_client *
connect_for(struct reinjector *r, struct connections *c, bool bounce,
    struct error *err)
{
	struct smtp_client **at = bounce ? &c->bounce : &c->pass;

	if (*at == NULL)
		*at = smtp_client_open(bounce ? r->own->reinject_bounce :
		    r->own->reinject, r->common->hostname,
		    r->own->reinject_timeout, err);
	return *at;
}

static bool
hand_over(struct reinjector *r, struct connections *conns,
    const struct message *m, const struct delivery *d,
    const struct copy *copy, struct error *err)
{
	struct smtp_client *c = connect_for(r, conns,
	    d->disposition == DISPOSITION_BOUNCE, err);

	return c != NULL && send_copy(r, c, m, d, &copy->outcome, err);
}

/* All copies; claimed holds the marks of those looked at. */
static bool
send_all(struct reinjector *r, const struct message *m,
    const struct report *report, reinject_progress *progress, void *context,
    struct strvec *claimed, struct error *err)
{
	struct connections c = {NULL, NULL};
	EVP_MD_CTX *hash = hash_message(m);
	bool ok = true;

	for (size_t i = 0; ok && i < report->ncopies; i++) {
		const struct copy *copy = &report->copies[i];
		const struct delivery *d =
		    &report->plan.deliveries[copy->delivery];
		char *path = mark_path(r, hash, m, d);

		ok = claim(r, path, err);
		if (ok)
			strvec_add(claimed, path);
		if (ok && !is_marked(path)) {
			ok = prepare_mark(path, err) &&
			    hand_over(r, &c, m, d, copy, err) &&
			    set_mark(r, path, err);
			if (ok && !progress(context))
				ok = error_temp(err, "the mail server gave "
				    "up waiting");
		}
		free(path);
	}
	EVP_MD_CTX_free(hash);
	smtp_client_close(&c.pass);
	smtp_client_close(&c.bounce);
	return ok;
}

bool
reinject_send(struct reinjector *r, const struct message *m,
    const struct report *report, reinject_progress *progress,
    void *context, struct strvec *marks, struct error *err)
{
	sweep(r);
	if (send_all(r, m, report, progress, context, marks, err))
		return true;
	/* The client will come again; marks must outlast this connection. */
	release(r, marks);
	strvec_clear(marks);
	return error_prefix(err, "re-injection");
}
