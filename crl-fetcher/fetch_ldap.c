/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetch_ldap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <ldap.h>

#include "common/clock.h"
#include "common/mem.h"

#define ATTRIBUTE "certificateRevocationList;binary"
#define OVERHEAD 65536 /* of an answer around its value */

/*
 * libldap cannot be kept to a time while it greets a server with TLS: it
 * reads for ever, or (with GnuTLS, told to wait no longer than so long) in
 * a loop without rest.  A thread that closes the connection ends that.
 */
struct watch {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* on the monotonic clock */
	int fd;			/* -1: not connected yet */
	int64_t end;		/* monotonic milliseconds; 0: all is over */
	atomic_bool closed;	/* by the thread */
};

struct query {
	LDAP *ld;
	LDAPURLDesc *url;
	const struct fetch_limits *limits;
	int64_t end; /* monotonic milliseconds */
	struct watch watch;
	struct ldap_conncb callback;
};

static bool
ldap_failed(struct query *q, struct error *err, int rc)
{
	char *more = NULL;

	if (q->watch.closed)
		return error_temp(err, "the directory took too long");
	if (q->ld != NULL)
		ldap_get_option(q->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	error_temp(err, "%s%s%.100s", ldap_err2string(rc),
	    more == NULL || more[0] == '\0' ? "" : ": ",
	    more == NULL ? "" : more);
	ldap_memfree(more);
	return false;
}

bool
fetch_ldap_is_url(const char *url)
{
	return strncasecmp(url, "ldap://", 7) == 0 ||
	       strncasecmp(url, "ldaps://", 8) == 0;
}

static LDAPURLDesc *
parse_url(const char *url, struct error *err)
{
	LDAPURLDesc *d = NULL;

	if (ldap_url_parse(url, &d) != LDAP_URL_SUCCESS) {
		error_perm(err, "it is no LDAP URL (RFC 4516)");
		return NULL;
	}
	if (d->lud_host == NULL || d->lud_host[0] == '\0' ||
	    d->lud_dn == NULL || d->lud_dn[0] == '\0' ||
	    d->lud_crit_exts > 0) {
		error_perm(err, "it needs a host and a name, as in "
		    "ldap://HOST/cn=CA,o=Example?%s", ATTRIBUTE);
		ldap_free_urldesc(d);
		return NULL;
	}
	return d;
}

bool
fetch_ldap_check_url(const char *url, struct error *err)
{
	LDAPURLDesc *d = parse_url(url, err);

	if (d == NULL)
		return false;
	ldap_free_urldesc(d);
	return true;
}

static bool
time_left(const struct query *q, struct timeval *tv, struct error *err)
{
	int64_t ms = q->end - clock_monotonic_ms();

	if (ms <= 0)
		return error_temp(err, "the directory took too long");
	tv->tv_sec = ms / 1000;
	tv->tv_usec = ms % 1000 * 1000;
	return true;
}

/* ---- the thread that closes ---- */

static void *
watch(void *context)
{
	struct watch *w = context;
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (w->end > clock_monotonic_ms()) {
		until.tv_sec = w->end / 1000;
		until.tv_nsec = w->end % 1000 * 1000000;
		pthread_cond_timedwait(&w->changed, &w->lock, &until);
	}
	if (w->end != 0 && w->fd >= 0) {
		w->closed = true;
		shutdown(w->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static bool
watch_start(struct watch *w, int64_t end, struct error *err)
{
	pthread_condattr_t clock;

	w->fd = -1;
	w->end = end;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &clock);
	pthread_condattr_destroy(&clock);
	w->started = pthread_create(&w->thread, NULL, watch, w) == 0;
	return w->started ? true : error_temp(err, "no thread can be started");
}

static void
watch_set(struct watch *w, int fd, int64_t end)
{
	pthread_mutex_lock(&w->lock);
	w->fd = fd;
	w->end = end;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void
watch_stop(struct watch *w)
{
	watch_set(w, -1, 0);
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = false;
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

/* libldap has connected, and is about to greet. */
static int
on_connect(LDAP *ld, Sockbuf *sb, LDAPURLDesc *url, struct sockaddr *address,
    struct ldap_conncb *callback)
{
	const struct timeval for_ever = {.tv_sec = -1};
	struct query *q = callback->lc_arg;
	int fd = -1;

	(void)url;
	(void)address;
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) != 1 || fd < 0 ||
	    ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &for_ever) !=
		LDAP_OPT_SUCCESS)
		return -1;
	watch_set(&q->watch, fd,
	    clock_monotonic_ms() + q->limits->connect_timeout * 1000);
	return 0;
}

/* Its number may soon be another's. */
static void
on_disconnect(LDAP *ld, Sockbuf *sb, struct ldap_conncb *callback)
{
	struct query *q = callback->lc_arg;

	(void)ld;
	(void)sb;
	watch_set(&q->watch, -1, q->end);
}

/* ---- a query ---- */

static bool
set_options(struct query *q, struct error *err)
{
	const struct timeval connect = {
		.tv_sec = q->limits->connect_timeout};
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND;
	int client = 0;
	bool ok;

	ok = ldap_set_option(q->ld, LDAP_OPT_PROTOCOL_VERSION, &version) ==
		 LDAP_OPT_SUCCESS &&
	     ldap_set_option(q->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) ==
		 LDAP_OPT_SUCCESS &&
	     ldap_set_option(q->ld, LDAP_OPT_NETWORK_TIMEOUT, &connect) ==
		 LDAP_OPT_SUCCESS &&
	     ldap_set_option(q->ld, LDAP_OPT_TIMEOUT, &connect) ==
		 LDAP_OPT_SUCCESS &&
	     ldap_set_option(q->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) ==
		 LDAP_OPT_SUCCESS;
	q->callback = (struct ldap_conncb){
		.lc_add = on_connect, .lc_del = on_disconnect, .lc_arg = q};
	ok = ok && ldap_set_option(q->ld, LDAP_OPT_CONNECT_CB,
		       &q->callback) == LDAP_OPT_SUCCESS;
	if (ok && q->limits->ca_file != NULL)
		ok = ldap_set_option(q->ld, LDAP_OPT_X_TLS_CACERTFILE,
			 q->limits->ca_file) == LDAP_OPT_SUCCESS;
	/* Without it all of TLS is as the system's ldap.conf(5) says. */
	ok = ok && ldap_set_option(q->ld, LDAP_OPT_X_TLS_NEWCTX, &client) ==
		       LDAP_OPT_SUCCESS;
	return ok ? true : error_temp(err, "libldap cannot be set up");
}

static bool
open_server(struct query *q, struct error *err)
{
	const char *scheme = q->url->lud_scheme;
	bool v6 = strchr(q->url->lud_host, ':') != NULL;
	char *uri = mem_printf("%s://%s%s%s:%d", scheme, v6 ? "[" : "",
	    q->url->lud_host, v6 ? "]" : "", q->url->lud_port);
	int rc = ldap_initialize(&q->ld, uri);

	free(uri);
	if (rc != LDAP_SUCCESS)
		return ldap_failed(q, err, rc);
	return set_options(q, err);
}

/*
 * A server may announce gigabytes, or send them byte by byte: neither may
 * hold us.  The socket exists once the first request was sent.
 */
static bool
bound_socket(struct query *q, struct error *err)
{
	ber_len_t max = q->limits->size + OVERHEAD;
	Sockbuf *sb = NULL;

	if (ldap_get_option(q->ld, LDAP_OPT_SOCKBUF, &sb) !=
		LDAP_OPT_SUCCESS ||
	    sb == NULL ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max) < 0 ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_NONBLOCK, sb) < 0)
		return error_temp(err, "libldap cannot be bounded");
	return true;
}

static bool
search(struct query *q, LDAPMessage **answer, struct error *err)
{
	char *fallback[] = {(char *)(uintptr_t)ATTRIBUTE, NULL};
	const char *filter = q->url->lud_filter;
	struct timeval left;
	int id, rc;

	if (!time_left(q, &left, err))
		return false;
	rc = ldap_search_ext(q->ld, q->url->lud_dn, q->url->lud_scope,
	    filter == NULL ? "(objectClass=*)" : filter,
	    q->url->lud_attrs == NULL ? fallback : q->url->lud_attrs, 0, NULL,
	    NULL, NULL, 1, &id);
	if (rc != LDAP_SUCCESS)
		return ldap_failed(q, err, rc);
	watch_set(&q->watch, q->watch.fd, q->end);
	if (!bound_socket(q, err) || !time_left(q, &left, err))
		return false;
	rc = ldap_result(q->ld, id, LDAP_MSG_ALL, &left, answer);
	if (rc == 0)
		return error_temp(err, "the directory took too long");
	if (rc < 0) {
		ldap_get_option(q->ld, LDAP_OPT_RESULT_CODE, &rc);
		return ldap_failed(q, err, rc);
	}
	if (ldap_parse_result(q->ld, *answer, &rc, NULL, NULL, NULL, NULL,
		0) != LDAP_SUCCESS)
		return error_temp(err, "the directory's answer is malformed");
	return rc == LDAP_SUCCESS ? true : ldap_failed(q, err, rc);
}

/* A large one in a file: eight directories could fill the memory. */
static bool
keep(const struct fetch_limits *limits, const struct berval *value,
    struct fetch_body *body, struct error *err)
{
	struct fetch_sink sink;
	bool ok;

	fetch_sink_init(&sink, limits->size, limits->spill_directory);
	ok = fetch_sink_append(&sink, value->bv_val, value->bv_len) ?
	    fetch_sink_take(&sink, body, err) : error_temp(err, "%s",
		sink.err.text);
	fetch_sink_clear(&sink);
	return ok;
}

static bool
take_value(struct query *q, LDAPMessage *answer, struct fetch_body *body,
    struct error *err)
{
	LDAPMessage *entry = ldap_first_entry(q->ld, answer);
	struct berval **values = NULL;
	BerElement *ber = NULL;
	char *name;
	bool ok = false;

	name = entry == NULL ? NULL
			     : ldap_first_attribute(q->ld, entry, &ber);
	if (name != NULL)
		values = ldap_get_values_len(q->ld, entry, name);
	if (values == NULL || values[0] == NULL)
		error_perm(err, "the directory has no such entry, or no CRL "
				"in it");
	else if (values[0]->bv_len > q->limits->size)
		error_perm(err, "larger than %zu bytes (max_size)",
		    q->limits->size);
	else
		ok = keep(q->limits, values[0], body, err);
	ldap_value_free_len(values);
	ldap_memfree(name);
	ber_free(ber, 0);
	return ok;
}

bool
fetch_ldap(const struct fetch_limits *limits, const char *url,
    struct fetch_body *body, struct error *err)
{
	struct query q = {.limits = limits};
	LDAPMessage *answer = NULL;
	bool ok;

	memset(body, 0, sizeof(*body));
	q.end = clock_monotonic_ms() + limits->timeout * 1000;
	q.url = parse_url(url, err);
	if (q.url == NULL)
		return false;
	ok = watch_start(&q.watch, q.end, err) && open_server(&q, err) &&
	     search(&q, &answer, err) && take_value(&q, answer, body, err);
	ldap_msgfree(answer);
	/* It may wait to say goodbye: still under watch. */
	if (q.ld != NULL)
		ldap_unbind_ext(q.ld, NULL, NULL);
	watch_stop(&q.watch);
	ldap_free_urldesc(q.url);
	return ok;
}
