/* SPDX-License-Identifier: BSD-2-Clause */
#include "callbacks.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "pipeline.h"
#include "writeback.h"

#define LONG_MS 1000 /* so much later Postfix hears that we are alive */

/* What one connection has told us so far. */
struct connection {
	char *address, *name, *listener;
	bool local;
	struct message *m;  /* NULL between messages */
	struct error failed; /* collecting went wrong: answered at the end */
	struct strvec marks; /* of copies sent for the last message */
	unsigned long no_reply; /* SMFIP_NR_* agreed on */
};

static struct gateway *gateway;
static struct reinjector *reinjector;

static struct {
	atomic_ulong messages, signed_, encrypted, decrypted, pass, fail,
	    held, dropped, bounced, deferred;
} counters;

#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | \
    SMFIF_CHGFROM | SMFIF_QUARANTINE)
#define NO_REPLIES (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | \
    SMFIP_NR_RCPT | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | \
    SMFIP_NR_BODY)

/* Steps Postfix does not wait for an answer to are faster and as safe. */
static sfsistat
proceed(const struct connection *c, unsigned long step)
{
	return (c->no_reply & step) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static struct connection *
connection_of(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c == NULL) {
		c = mem_alloc(sizeof(*c));
		smfi_setpriv(ctx, c);
	}
	return c;
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	unsigned long need = ACTIONS;
	struct connection *c = connection_of(ctx);

	(void)f2;
	(void)f3;
	if ((f0 & need) != need || (f1 & SMFIP_HDR_LEADSPC) == 0) {
		log_error("the mail server does not offer what the milter "
		    "needs (actions %#lx, protocol %#lx)", f0, f1);
		return SMFIS_REJECT;
	}
	c->no_reply = f1 & NO_REPLIES;
	*pf0 = need | SMFIF_SETSYMLIST;
	*pf1 = SMFIP_HDR_LEADSPC | c->no_reply |
	    (f1 & (SMFIP_NOUNKNOWN | SMFIP_NOHELO));
	*pf2 = *pf3 = 0;
	if ((f0 & SMFIF_SETSYMLIST) == 0) {
		*pf0 = need;
		return SMFIS_CONTINUE;
	}
	smfi_setsymlist(ctx, SMFIM_CONNECT, (char *)"{daemon_name}");
	smfi_setsymlist(ctx, SMFIM_ENVFROM, (char *)"i {auth_authen}");
	smfi_setsymlist(ctx, SMFIM_EOM, (char *)"i");
	return SMFIS_CONTINUE;
}

/* The client's address as text, "" when there is none; and its port. */
static char *
address_text(const _SOCK_ADDR *sa, unsigned *port)
{
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} u = {0};
	char text[INET6_ADDRSTRLEN] = "";

	*port = 0;
	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&u.v4, sa, sizeof(u.v4));
		inet_ntop(AF_INET, &u.v4.sin_addr, text, sizeof(text));
		*port = ntohs(u.v4.sin_port);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&u.v6, sa, sizeof(u.v6));
		inet_ntop(AF_INET6, &u.v6.sin6_addr, text, sizeof(text));
		*port = ntohs(u.v6.sin6_port);
	}
	return mem_strdup(text);
}

static const char *
macro(SMFICTX *ctx, const char *name)
{
	const char *value = smfi_getsymval(ctx, (char *)name);

	return value == NULL ? "" : value;
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct connection *c = connection_of(ctx);
	bool named = host != NULL && host[0] != '[' &&
	    strcmp(host, "unknown") != 0;
	unsigned port;

	free(c->address);
	free(c->name);
	free(c->listener);
	c->address = address_text(sa, &port);
	c->name = mem_strdup(named ? host : "");
	c->listener = mem_strdup(macro(ctx, "{daemon_name}"));
	/* Postfix plays a connection from port 0 for sendmail(1)'s mail. */
	c->local = port == 0 && (strcmp(c->address, "127.0.0.1") == 0 ||
	    strcmp(c->address, "::1") == 0);
	return proceed(c, SMFIP_NR_CONN);
}

/* ESMTP parameters, as one text. */
static char *
join(char **argv)
{
	struct buf text;

	buf_init(&text, 16384);
	for (size_t i = 0; argv[i] != NULL; i++)
		buf_printf(&text, "%s%s", i == 0 ? "" : " ", argv[i]);
	return buf_take(&text);
}

static void
set(char **to, const char *text)
{
	free(*to);
	*to = mem_strdup(text);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct connection *c = connection_of(ctx);
	const char *login = macro(ctx, "{auth_authen}");
	char *parameters = join(argv + 1);

	reinject_forget(reinjector, &c->marks);
	message_free(&c->m);
	memset(&c->failed, 0, sizeof(c->failed));
	c->m = message_new(&gateway->place);
	set(&c->m->client_address, c->address == NULL ? "" : c->address);
	set(&c->m->client_name, c->name == NULL ? "" : c->name);
	set(&c->m->listener, c->listener == NULL ? "" : c->listener);
	c->m->local = c->local;
	if (login[0] != '\0')
		set(&c->m->authenticated, login);
	message_set_sender(c->m, argv[0], parameters);
	free(parameters);
	return proceed(c, SMFIP_NR_MAIL);
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct connection *c = connection_of(ctx);
	char *parameters = join(argv + 1);

	if (c->m != NULL)
		message_add_recipient(c->m, argv[0], parameters);
	free(parameters);
	return proceed(c, SMFIP_NR_RCPT);
}

static sfsistat
on_data(SMFICTX *ctx)
{
	return proceed(connection_of(ctx), SMFIP_NR_DATA);
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct connection *c = connection_of(ctx);

	if (c->m != NULL && c->failed.kind == ERROR_NONE)
		(void)!message_add_header(c->m, name, value, &c->failed);
	return proceed(c, SMFIP_NR_HDR);
}

static sfsistat
on_end_of_header(SMFICTX *ctx)
{
	return proceed(connection_of(ctx), SMFIP_NR_EOH);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
	struct connection *c = connection_of(ctx);

	if (c->m != NULL && c->failed.kind == ERROR_NONE)
		(void)!spool_write(c->m->body, p, n, &c->failed);
	return proceed(c, SMFIP_NR_BODY);
}

static void
count(const struct report *r)
{
	atomic_fetch_add(&counters.messages, 1);
	if (r->outcome.kind == OUTCOME_REJECT)
		atomic_fetch_add(&counters.bounced, 1);
	else if (r->outcome.kind == OUTCOME_TEMPFAIL)
		atomic_fetch_add(&counters.deferred, 1);
	for (size_t i = 0; i < r->plan.n; i++) {
		const struct delivery *d = &r->plan.deliveries[i];

		if (d->disposition == DISPOSITION_HOLD)
			atomic_fetch_add(&counters.held, 1);
		if (d->disposition == DISPOSITION_DROP)
			atomic_fetch_add(&counters.dropped, 1);
		if (!disposition_is_sent(d->disposition))
			continue;
		atomic_fetch_add(&counters.signed_, d->sign ? 1 : 0);
		atomic_fetch_add(&counters.encrypted, d->encrypt ? 1 : 0);
	}
	if (r->verdict.decrypted)
		atomic_fetch_add(&counters.decrypted, 1);
	if (r->verdict.signature == SIGNATURE_PASS)
		atomic_fetch_add(&counters.pass, 1);
	else if (r->verdict.signature != SIGNATURE_NONE)
		atomic_fetch_add(&counters.fail, 1);
}

static void
log_report(const struct report *r, const struct message *m, int64_t began)
{
	int64_t ms = clock_monotonic_ms() - began;
	const char *entry;
	struct buf line;

	buf_init(&line, 65536);
	report_log_line(r, m, &line);
	log_info("%s: %s delay=%lld.%03lld", m->queue_id, buf_text(&line),
	    (long long)ms / 1000, (long long)ms % 1000);
	for (size_t i = 0; buf_reset(&line),
	    report_log_delivery(r, i, &line); i++)
		log_info("%s: %s", m->queue_id, buf_text(&line));
	buf_clear(&line);
	for (size_t i = 0; (entry = report_log_entry(r, i)) != NULL; i++)
		log_info("%s: %s", m->queue_id, entry);
}

static bool
tell_progress(void *ctx)
{
	return smfi_progress(ctx) == MI_SUCCESS;
}

/* Copies of a split message, and notices: before Postfix gets an answer. */
static void
send_copies(SMFICTX *ctx, struct connection *c, struct report *r)
{
	struct error err = {0};

	if (!r->split && r->nnotices == 0)
		return;
	if (reinject_send(reinjector, c->m, r, tell_progress, ctx, &c->marks,
	    &err))
		return;
	log_error("%s: %s", c->m->queue_id, err.text);
	outcome_tempfail(&r->outcome, "4.3.0",
	    "temporary local problem; try again later");
}

/* Collecting failed: nothing was decided, nothing may pass. */
static sfsistat
answer_failure(SMFICTX *ctx, const struct connection *c)
{
	struct outcome o = {0};
	sfsistat answer;

	log_error("%s: %s", c->m->queue_id, c->failed.text);
	if (c->failed.kind == ERROR_PERM)
		outcome_reject(&o, "5.6.0", "%s", c->failed.text);
	else
		outcome_tempfail(&o, "4.3.1", "temporary storage problem");
	answer = writeback(ctx, &o, c->m);
	outcome_clear(&o);
	atomic_fetch_add(&counters.deferred, 1);
	return answer;
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	struct connection *c = connection_of(ctx);
	int64_t began = clock_monotonic_ms();
	static const struct pipeline_options options;
	struct report r;
	sfsistat answer;

	if (c->m == NULL)
		return SMFIS_TEMPFAIL;
	set(&c->m->queue_id, macro(ctx, "i"));
	if (c->failed.kind == ERROR_NONE)
		(void)!spool_finish(c->m->body, &c->failed);
	if (c->failed.kind != ERROR_NONE) {
		answer = answer_failure(ctx, c);
	} else {
		pipeline_run(gateway, c->m, &options, &r);
		send_copies(ctx, c, &r);
		log_report(&r, c->m, began);
		count(&r);
		if (clock_monotonic_ms() - began >= LONG_MS)
			smfi_progress(ctx);
		answer = writeback(ctx, &r.outcome, c->m);
		if (answer == SMFIS_TEMPFAIL)
			reinject_keep(reinjector, &c->marks);
		report_clear(&r);
	}
	message_free(&c->m);
	return answer;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	message_free(&connection_of(ctx)->m);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c == NULL)
		return SMFIS_CONTINUE;
	reinject_forget(reinjector, &c->marks);
	message_free(&c->m);
	free(c->address);
	free(c->name);
	free(c->listener);
	free(c);
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

bool
callbacks_register(struct gateway *g, struct reinjector *r,
    struct error *err)
{
	struct smfiDesc description = {
		.xxfi_name = (char *)"milter-smime",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_header,
		.xxfi_eoh = on_end_of_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_end_of_message,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_data = on_data,
		.xxfi_negotiate = on_negotiate,
	};

	gateway = g;
	reinjector = r;
	if (smfi_register(description) != MI_SUCCESS)
		return error_perm(err, "libmilter refused to register");
	return true;
}

void
callbacks_status(struct buf *out)
{
	buf_printf(out, "\"messages\": %lu, \"signed\": %lu, "
	    "\"encrypted\": %lu, \"decrypted\": %lu, \"verified\": %lu, "
	    "\"not_verified\": %lu, \"held\": %lu, \"dropped\": %lu, "
	    "\"bounced\": %lu, \"deferred\": %lu",
	    counters.messages, counters.signed_, counters.encrypted,
	    counters.decrypted, counters.pass, counters.fail, counters.held,
	    counters.dropped, counters.bounced, counters.deferred);
}
