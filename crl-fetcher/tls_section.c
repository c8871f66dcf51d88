/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_section.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls_log.h"

#define GRACE_MAX INT64_C(31622400) /* 366 days */
#define SPOOL_MAX 1000000

/* What is wrong with one line; NULL: nothing. */
typedef const char *take(const char *text, struct tls_section *s);

static const char *
take_word(const char *text, const char *yes, const char *no, bool *value)
{
	*value = strcmp(text, no) != 0;
	return *value && strcmp(text, yes) != 0 ? no : NULL;
}

static const char *
take_inbound(const char *text, struct tls_section *s)
{
	return take_word(text, "yes", "no", &s->inbound) == NULL
		   ? NULL
		   : "write yes or no; yes is taken";
}

static const char *
take_outbound(const char *text, struct tls_section *s)
{
	return take_word(text, "yes", "no", &s->outbound) == NULL
		   ? NULL
		   : "write yes or no; yes is taken";
}

static const char *
take_missing_crl(const char *text, struct tls_section *s)
{
	return take_word(text, "reject", "accept", &s->missing_rejects) ==
		       NULL
		   ? NULL
		   : "write accept or reject; reject is taken";
}

static bool
take_number(const char *text, int64_t max, int64_t *value)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	*value = 0;
	if (end == text || *end != '\0' || errno != 0 || n < 0 || n > max)
		return false;
	*value = n;
	return true;
}

static const char *
take_grace(const char *text, struct tls_section *s)
{
	return take_number(text, GRACE_MAX, &s->grace)
		   ? NULL
		   : "write seconds, up to a year; 0 is taken";
}

static const char *
take_spool_max(const char *text, struct tls_section *s)
{
	int64_t n;
	bool good = take_number(text, SPOOL_MAX, &n);

	s->spool_max = (unsigned)n;
	return good ? NULL : "write a number up to 1000000; 0 is taken";
}

static const char *
take_directory(const char *text, struct tls_section *s)
{
	s->directory = text[0] == '/' ? text : NULL;
	return s->directory != NULL ? NULL : "write an absolute path";
}

static const char *
take_spool(const char *text, struct tls_section *s)
{
	s->spool = text[0] == '/' ? text : NULL;
	return s->spool != NULL ? NULL : "write an absolute path";
}

/* OpenSSL has used it before it asks us for anything. */
static const char *
take_path(const char *text, struct tls_section *s)
{
	(void)text;
	(void)s;
	return NULL;
}

static const struct {
	const char *name;
	take *take;
} rows[] = {
	{TLS_SECTION_PATH, take_path},
	{TLS_SECTION_DIRECTORY, take_directory},
	{TLS_SECTION_INBOUND, take_inbound},
	{TLS_SECTION_OUTBOUND, take_outbound},
	{TLS_SECTION_MISSING_CRL, take_missing_crl},
	{TLS_SECTION_GRACE, take_grace},
	{TLS_SECTION_SPOOL, take_spool},
	{TLS_SECTION_SPOOL_MAX, take_spool_max},
};

static void
read_line(const char *section, const CONF_VALUE *v, struct tls_section *s)
{
	const char *problem = "there is no such setting; remove it";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(v->name, rows[i].name) == 0) {
			problem = rows[i].take(v->value, s);
			break;
		}
	if (problem != NULL)
		tls_log(TLS_LOG_WARNING, "section %.64s: %.64s = %.128s: %s",
		    section, v->name, v->value, problem);
}

void
tls_section_read(const CONF *cnf, const char *name, struct tls_section *s)
{
	STACK_OF(CONF_VALUE) *lines;

	*s = (struct tls_section){.inbound = true, .outbound = true};
	lines = name == NULL ? NULL : NCONF_get_section(cnf, name);
	if (lines == NULL)
		tls_log(TLS_LOG_WARNING, "section %.64s is not there; write "
					 "it with: postseal crl postfix-config",
		    name == NULL ? "" : name);
	for (int i = 0; lines != NULL && i < sk_CONF_VALUE_num(lines); i++)
		read_line(name, sk_CONF_VALUE_value(lines, i), s);
}
