/* SPDX-License-Identifier: BSD-2-Clause */
#include "fetch_ldap.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include <ldap.h>

#include "common/clock.h"
#include "common/mem.h"

#define ATTRIBUTE "certificateRevocationList;binary"
#define OVERHEAD 65536 /* of an answer around its value */

struct query {
	LDAP *ld;
	LDAPURLDesc *url;
	const struct fetch_limits *limits;
	int64_t end; /* monotonic milliseconds */
};

static bool
ldap_failed(struct error *err, int rc)
{
	return error_temp(err, "%s", ldap_err2string(rc));
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

static bool
set_options(struct query *q, struct error *err)
{
	const struct timeval connect = {
		.tv_sec = q->limits->connect_timeout};
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND;
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
	if (ok && q->limits->ca_file != NULL)
		ok = ldap_set_option(q->ld, LDAP_OPT_X_TLS_CACERTFILE,
			 q->limits->ca_file) == LDAP_OPT_SUCCESS;
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
		return ldap_failed(err, rc);
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
		return ldap_failed(err, rc);
	if (!bound_socket(q, err) || !time_left(q, &left, err))
		return false;
	rc = ldap_result(q->ld, id, LDAP_MSG_ALL, &left, answer);
	if (rc == 0)
		return error_temp(err, "the directory took too long");
	if (rc < 0) {
		ldap_get_option(q->ld, LDAP_OPT_RESULT_CODE, &rc);
		return ldap_failed(err, rc);
	}
	if (ldap_parse_result(q->ld, *answer, &rc, NULL, NULL, NULL, NULL,
		0) != LDAP_SUCCESS)
		return error_temp(err, "the directory's answer is malformed");
	return rc == LDAP_SUCCESS ? true : ldap_failed(err, rc);
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
	ok = open_server(&q, err) && search(&q, &answer, err) &&
	     take_value(&q, answer, body, err);
	ldap_msgfree(answer);
	if (q.ld != NULL)
		ldap_unbind_ext(q.ld, NULL, NULL);
	ldap_free_urldesc(q.url);
	return ok;
}
