/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/client_pattern.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/domain.h"
#include "common/mailaddr.h"

/* An IPv6 address, or an IPv4 one as `::ffff:a.b.c.d`. */
struct address {
	unsigned char bytes[16];
	bool v4;
};

/* From and to inclusive. */
struct range {
	struct address from, to;
};

enum range_result { RANGE_NONE, RANGE_GOOD, RANGE_BAD };

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff };

/* ---- Addresses ---- */

static bool
parse_address(const char *text, size_t n, struct address *a)
{
	char copy[INET6_ADDRSTRLEN];

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(AF_INET, copy, a->bytes + 12) == 1) {
		memcpy(a->bytes, v4_prefix, sizeof(v4_prefix));
		a->v4 = true;
		return true;
	}
	if (inet_pton(AF_INET6, copy, a->bytes) != 1)
		return false;
	/* A dual-stack listener sees IPv4 clients so. */
	a->v4 = memcmp(a->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
	return true;
}

/* Digits only, at most three; -1 otherwise. */
static int
parse_prefix_length(const char *text)
{
	int value = 0;

	if (strlen(text) < 1 || strlen(text) > 3)
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = 10 * value + (*text - '0');
	}
	return value;
}

static bool
cidr_range(const char *slash, struct range *r, struct error *err)
{
	int length = parse_prefix_length(slash + 1);
	int most = r->from.v4 ? 32 : 128;

	if (length < 0 || length > most)
		return error_perm(err, "the prefix length must be 0 to %d",
		    most);
	length += 128 - most;
	r->to = r->from;
	for (int bit = length; bit < 128; bit++) {
		unsigned char mask = (unsigned char)(0x80 >> (bit % 8));

		if ((r->from.bytes[bit / 8] & mask) != 0)
			return error_perm(err, "the address has bits set "
			    "beyond the prefix length");
		r->to.bytes[bit / 8] |= mask;
	}
	return true;
}

/*
 * Is the entry an address, a CIDR or a range?  RANGE_BAD: it is meant to
 * be one (err says what is wrong), RANGE_NONE: it is something else.
 */
static enum range_result
parse_range(const char *entry, struct range *r, struct error *err)
{
	size_t n = strcspn(entry, "/-");
	const char *rest = entry + n;

	if (!parse_address(entry, n, &r->from)) {
		if (strspn(entry, "0123456789./-") != strlen(entry) &&
		    strchr(entry, ':') == NULL && strchr(entry, '/') == NULL)
			return RANGE_NONE;
		error_perm(err, "not an IP address");
		return RANGE_BAD;
	}
	if (*rest == '\0') {
		r->to = r->from;
		return RANGE_GOOD;
	}
	if (*rest == '/')
		return cidr_range(rest, r, err) ? RANGE_GOOD : RANGE_BAD;
	if (!parse_address(rest + 1, strlen(rest + 1), &r->to) ||
	    r->from.v4 != r->to.v4) {
		error_perm(err, "the end of the range is no address of the "
				"same kind");
		return RANGE_BAD;
	}
	if (memcmp(r->from.bytes, r->to.bytes, sizeof(r->to.bytes)) > 0) {
		error_perm(err, "the range ends before it begins");
		return RANGE_BAD;
	}
	return RANGE_GOOD;
}

static bool
in_range(const struct range *r, const char *client)
{
	struct address a;

	return parse_address(client, strlen(client), &a) &&
	    a.v4 == r->from.v4 &&
	    memcmp(a.bytes, r->from.bytes, sizeof(a.bytes)) >= 0 &&
	    memcmp(a.bytes, r->to.bytes, sizeof(a.bytes)) <= 0;
}

/* ---- Entries ---- */

static const char *
listener_name(const char *entry)
{
	static const char prefix[] = "listener:";
	size_t n = sizeof(prefix) - 1;

	return strncmp(entry, prefix, n) == 0 ? entry + n : NULL;
}

/* A client's verified name; resolvers may leave the root's dot. */
static char *
client_domain(const char *name)
{
	size_t n = strlen(name);

	if (n > 1 && name[n - 1] == '.')
		n--;
	return domain_canonical(name, n);
}

static bool
host_matches(const char *entry, const char *name)
{
	bool below = entry[0] == '.';
	char *want = domain_canonical(entry + below, strlen(entry + below));
	char *have = client_domain(name);
	bool match = false;

	if (want != NULL && have != NULL) {
		size_t w = strlen(want), h = strlen(have);

		match = !below ? strcmp(want, have) == 0 :
				 h > w + 1 && have[h - w - 1] == '.' &&
			strcmp(have + h - w, want) == 0;
	}
	free(want);
	free(have);
	return match;
}

/*
 * A keyword misspelt?  Then err asks for the right one.  Only the part
 * before a colon counts.
 */
static bool
ask_keyword(const char *entry, struct error *err)
{
	static const char *const words[] = { "listener", "authenticated",
		"local", "ALL", NULL };
	char word[32], meant[128];
	size_t n = strcspn(entry, ":");
	const char *near;

	if (n >= sizeof(word) || strlen(entry) >= sizeof(meant) - 32)
		return false;
	memcpy(word, entry, n);
	word[n] = '\0';
	near = conf_nearest(word, words);
	if (near == NULL)
		return false;
	if (near == words[0])
		snprintf(meant, sizeof(meant), "listener:%s",
		    entry[n] == ':' && entry[n + 1] != '\0' ?
		    entry + n + 1 : "NAME");
	else
		snprintf(meant, sizeof(meant), "%s", near);
	error_perm(err, "\"%s\" is not known here; did you mean \"%s\"?",
	    entry, meant);
	return true;
}

static bool
check_host(const char *entry, struct error *err)
{
	bool below = entry[0] == '.';
	char *domain = domain_canonical(entry + below, strlen(entry + below));
	bool dotted = domain != NULL && strchr(domain, '.') != NULL;
	bool localhost = domain != NULL && strcmp(domain, "localhost") == 0;

	free(domain);
	if (strchr(entry, '*') != NULL)
		return error_perm(err, "\"%s\": no stars here; .example.com "
		    "stands for every host below example.com", entry);
	if (domain == NULL)
		return error_perm(err, "\"%s\" is neither an address nor a "
		    "host name", entry);
	/*
	 * A word alone is a keyword misspelt much more often than a host,
	 * and would silently match nobody.
	 */
	if (dotted || below || localhost)
		return true;
	if (ask_keyword(entry, err))
		return false;
	return error_perm(err, "\"%s\" is not known here; write ALL, "
	    "authenticated, local, listener:NAME, an address, a host's full "
	    "name or .domain", entry);
}

/* ---- Public functions ---- */

bool
client_pattern_match(const char *entry, const struct client *c)
{
	const char *listener = listener_name(entry);
	struct range r;
	struct error err;

	if (strcmp(entry, "ALL") == 0)
		return true;
	if (strcmp(entry, "authenticated") == 0)
		return c->authenticated != NULL && *c->authenticated != '\0';
	if (strcmp(entry, "local") == 0)
		return c->local;
	if (listener != NULL)
		return c->listener != NULL && *listener != '\0' &&
		    strcmp(listener, c->listener) == 0;
	switch (parse_range(entry, &r, &err)) {
	case RANGE_GOOD:
		return c->address != NULL && in_range(&r, c->address);
	case RANGE_NONE:
		return c->name != NULL && host_matches(entry, c->name);
	default:
		return false;
	}
}

bool
client_pattern_check(const char *entry, struct error *err)
{
	const char *listener = listener_name(entry);
	struct range r;

	if (strcmp(entry, "ALL") == 0 || strcmp(entry, "authenticated") == 0 ||
	    strcmp(entry, "local") == 0)
		return true;
	if (listener != NULL)
		return *listener != '\0' ||
		    error_perm(err, "listener: needs a name, such as "
				    "listener:submission");
	switch (parse_range(entry, &r, err)) {
	case RANGE_GOOD:
		return true;
	case RANGE_BAD:
		return ask_keyword(entry, err) ? false :
		    error_prefix(err, "\"%s\"", entry);
	default:
		return check_host(entry, err);
	}
}
