/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/param.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/mem.h"

#define TEXT_MAX (4 << 20) /* of one value as text */

struct unit {
	char letter;
	int64_t factor;
};

/* Largest first. */
static const struct unit size_units[] = {
	{ 'G', 1 << 30 },
	{ 'M', 1 << 20 },
	{ 'K', 1 << 10 },
	{ '\0', 1 },
};
static const struct unit time_units[] = {
	{ 'w', 7 * 86400 },
	{ 'd', 86400 },
	{ 'h', 3600 },
	{ 'm', 60 },
	{ 's', 1 },
	{ '\0', 1 },
};

static void *
slot(const struct param *p, void *values)
{
	return (char *)values + p->offset;
}

static const void *
const_slot(const struct param *p, const void *values)
{
	return (const char *)values + p->offset;
}

/* Values that are one string. */
static bool
is_text(const struct param *p)
{
	return p->type == PARAM_STRING || p->type == PARAM_PATH ||
	    p->type == PARAM_ENDPOINT || p->type == PARAM_REF;
}

static bool
is_list(const struct param *p)
{
	return p->type == PARAM_LIST || p->type == PARAM_REFS;
}

static void
format_units(const struct unit *units, int64_t value, struct buf *out)
{
	while (units->letter != '\0' &&
	    (value == 0 || value % units->factor != 0))
		units++;
	buf_printf(out, "%lld", (long long)(value / units->factor));
	if (units->letter != '\0')
		buf_putc(out, units->letter);
}

static void
format_number(const struct param *p, int64_t value, struct buf *out)
{
	if (p->type == PARAM_SIZE)
		format_units(size_units, value, out);
	else if (p->type == PARAM_TIME)
		format_units(time_units, value, out);
	else
		buf_printf(out, "%lld", (long long)value);
}

static void
format_words(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i] != NULL; i++)
		buf_printf(out, "%s%s",
		    i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ",
		    words[i]);
}

/* What the administrator may write, to end the sentence "write …". */
static void
format_wanted(const struct param *p, struct buf *out)
{
	switch (p->type) {
	case PARAM_BOOL:
		buf_puts(out, "yes or no");
		break;
	case PARAM_INT:
		buf_puts(out, "a whole number");
		break;
	case PARAM_SIZE:
		buf_puts(out, "a size such as 512, 512K, 10M or 1G");
		break;
	case PARAM_TIME:
		buf_puts(out, "a time such as 30s, 5m, 12h, 7d or 2w");
		break;
	case PARAM_STRING:
		buf_puts(out, "text");
		break;
	case PARAM_PATH:
		buf_puts(out, "an absolute path");
		break;
	case PARAM_LIST:
		buf_puts(out, "a list with commas");
		break;
	case PARAM_ENUM:
		format_words(p->words, out);
		break;
	case PARAM_ENDPOINT:
		buf_puts(out, "inet:HOST:PORT or unix:/PATH");
		break;
	case PARAM_REF:
		buf_printf(out, "the name of a %s section", p->words[0]);
		break;
	case PARAM_REFS:
		buf_printf(out, "names of %s sections", p->words[0]);
		break;
	}
	if (p->min != 0 || p->max != 0) {
		buf_puts(out, " from ");
		format_number(p, p->min, out);
		buf_puts(out, " to ");
		format_number(p, p->max, out);
	}
}

/* PERM: this text will not do, and what to write instead. */
static bool
unusable(const struct param *p, const char *text, const char *why,
    struct error *err)
{
	static const char *const yes_no[] = { "yes", "no", NULL };
	const char *near = NULL;
	struct buf wanted;

	if (p->type == PARAM_BOOL)
		near = conf_nearest(text, yes_no);
	else if (p->type == PARAM_ENUM)
		near = conf_nearest(text, p->words);
	buf_init(&wanted, TEXT_MAX);
	format_wanted(p, &wanted);
	error_perm(err, "\"%.64s\" %s; write %s%s%s%s", text, why,
	    buf_text(&wanted), near ? " (did you mean \"" : "",
	    near ? near : "", near ? "\"?)" : "");
	buf_clear(&wanted);
	return false;
}

static bool
parse_digits(const char **text, int64_t *value, bool *overflow)
{
	const char *t = *text;

	*value = 0;
	while (*t >= '0' && *t <= '9') {
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, *t - '0', value)) {
			*overflow = true;
			*value = 0;
		}
		t++;
	}
	if (t == *text)
		return false;
	*text = t;
	return true;
}

static bool
parse_number(const struct param *p, const char *text, int64_t *value,
    struct error *err)
{
	const struct unit *u = p->type == PARAM_SIZE ? size_units : time_units;
	bool negative = p->type == PARAM_INT && text[0] == '-';
	bool overflow = false;
	const char *t = negative ? text + 1 : text;

	if (!parse_digits(&t, value, &overflow))
		return unusable(p, text, "is no number", err);
	if (p->type != PARAM_INT && *t != '\0') {
		while (u->letter != '\0' && u->letter != *t)
			u++;
		if (u->letter != '\0')
			t++;
		if (__builtin_mul_overflow(*value, u->factor, value))
			overflow = true;
	}
	if (*t != '\0')
		return unusable(p, text, "cannot be used", err);
	if (negative)
		*value = -*value;
	if (overflow || ((p->min != 0 || p->max != 0) &&
	    (*value < p->min || *value > p->max)))
		return unusable(p, text, "is out of range", err);
	return true;
}

static bool
is_port(const char *text)
{
	const char *t = text;
	bool overflow = false;
	int64_t port;

	return parse_digits(&t, &port, &overflow) && *t == '\0' &&
	    !overflow && port >= 1 && port <= 65535;
}

/* A host name, an IPv4 address, or an IPv6 address in brackets. */
static bool
is_host(const char *host, size_t n)
{
	unsigned char address[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];

	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		if (n - 2 >= sizeof(copy))
			return false;
		memcpy(copy, host + 1, n - 2);
		copy[n - 2] = '\0';
		return inet_pton(AF_INET6, copy, address) == 1;
	}
	return n > 0 && n < 256 &&
	    strspn(host, "abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") >= n;
}

static bool
check_endpoint(const struct param *p, const char *text, struct error *err)
{
	size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path);
	const char *host, *colon;

	if (strncmp(text, "unix:/", 6) == 0)
		return strlen(text + 5) < path_max ? true :
		    unusable(p, text, "has a path too long for a socket", err);
	if (strncmp(text, "inet:", 5) == 0) {
		host = text + 5;
		colon = strrchr(host, ':');
		if (colon != NULL && is_port(colon + 1) &&
		    is_host(host, (size_t)(colon - host)))
			return true;
	}
	return unusable(p, text, "is no address to listen on or connect to",
	    err);
}

static bool
parse_word(const struct param *p, const char *text, int *value,
    struct error *err)
{
	for (int i = 0; p->words[i] != NULL; i++) {
		if (strcmp(p->words[i], text) == 0) {
			*value = i;
			return true;
		}
	}
	return unusable(p, text, "is not known", err);
}

static bool
parse_text(const struct param *p, const char *text, char **value,
    struct error *err)
{
	/*
	 * "" unsets what may be unset.  Text with a default becomes empty,
	 * not NULL: nobody expects NULL there.
	 */
	if (text[0] == '\0' && p->required)
		return error_perm(err, "must not be empty");
	if (text[0] == '\0' && p->def == NULL)
		return true;
	if (p->type == PARAM_PATH && text[0] != '/')
		return unusable(p, text, "does not start with /", err);
	if (p->type == PARAM_ENDPOINT && !check_endpoint(p, text, err))
		return false;
	*value = mem_strdup(text);
	return true;
}

static bool
parse_list(const struct param *p, const struct strvec *items,
    struct strvec *value, struct error *err)
{
	bool empty = items->n == 0 || (items->n == 1 &&
	    items->v[0][0] == '\0');

	if (empty && p->required)
		return error_perm(err, "must not be empty");
	for (size_t i = 0; !empty && i < items->n; i++) {
		if (items->v[i][0] == '\0')
			return error_perm(err, "item %zu is empty; remove it",
			    i + 1);
		strvec_add(value, items->v[i]);
	}
	return true;
}

static void
format_text(const char *text, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._/:@%+-";

	if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
		buf_puts(out, text);
		return;
	}
	buf_putc(out, '"');
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *c);
	}
	buf_putc(out, '"');
}

bool
param_parse(const struct param *p, const struct conf_value *v, void *values,
    struct error *err)
{
	void *to = slot(p, values);

	switch (p->type) {
	case PARAM_BOOL:
		if (strcmp(v->text, "yes") != 0 && strcmp(v->text, "no") != 0)
			return unusable(p, v->text, "is not known", err);
		*(bool *)to = v->text[0] == 'y';
		return true;
	case PARAM_INT:
	case PARAM_SIZE:
	case PARAM_TIME:
		return parse_number(p, v->text, to, err);
	case PARAM_ENUM:
		return parse_word(p, v->text, to, err);
	case PARAM_STRING:
	case PARAM_PATH:
	case PARAM_ENDPOINT:
	case PARAM_REF:
		return parse_text(p, v->text, to, err);
	case PARAM_LIST:
	case PARAM_REFS:
		return parse_list(p, &v->items, to, err);
	}
	return false;
}

void
param_clear(const struct param *p, void *values)
{
	void *at = slot(p, values);

	if (is_text(p)) {
		free(*(char **)at);
		*(char **)at = NULL;
	} else if (is_list(p)) {
		strvec_clear(at);
	}
}

void
param_copy(const struct param *p, const void *from_values, void *to_values)
{
	const void *from = const_slot(p, from_values);
	void *to = slot(p, to_values);

	if (is_text(p)) {
		*(char **)to = mem_strdup(*(char *const *)from);
	} else if (is_list(p)) {
		const struct strvec *list = from;

		for (size_t i = 0; i < list->n; i++)
			strvec_add(to, list->v[i]);
	} else if (p->type == PARAM_BOOL) {
		*(bool *)to = *(const bool *)from;
	} else if (p->type == PARAM_ENUM) {
		*(int *)to = *(const int *)from;
	} else {
		*(int64_t *)to = *(const int64_t *)from;
	}
}

void
param_format(const struct param *p, const void *values, struct buf *out)
{
	const void *at = const_slot(p, values);

	if (is_text(p)) {
		const char *text = *(char *const *)at;

		format_text(text == NULL ? "" : text, out);
	} else if (is_list(p)) {
		const struct strvec *list = at;

		if (list->n == 0)
			buf_puts(out, "\"\"");
		for (size_t i = 0; i < list->n; i++) {
			if (i > 0)
				buf_puts(out, ",\n\t    ");
			format_text(list->v[i], out);
		}
	} else if (p->type == PARAM_BOOL) {
		buf_puts(out, *(const bool *)at ? "yes" : "no");
	} else if (p->type == PARAM_ENUM) {
		buf_puts(out, p->words[*(const int *)at]);
	} else {
		format_number(p, *(const int64_t *)at, out);
	}
}

bool
param_same(const struct param *p, const void *a, const void *b)
{
	struct buf x, y;
	bool same;

	buf_init(&x, TEXT_MAX);
	buf_init(&y, TEXT_MAX);
	param_format(p, a, &x);
	param_format(p, b, &y);
	same = strcmp(buf_text(&x), buf_text(&y)) == 0;
	buf_clear(&x);
	buf_clear(&y);
	return same;
}

void
param_format_wanted(const struct param *p, struct buf *out)
{
	format_wanted(p, out);
}
