/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/ldap_time.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "common/ascii.h"

#define EPOCH_1601 (-INT64_C(11644473600)) /* seconds from 1970 */
#define END_9999 INT64_C(253402300799)
#define TICKS 10000000 /* of FILETIME in a second */

void
ldap_time_format(time_t t, enum ldap_time_form form, char *text, size_t size)
{
	int64_t s = t;
	struct tm tm = {0};
	time_t bounded;

	s = s < EPOCH_1601 ? EPOCH_1601 : s > END_9999 ? END_9999 : s;
	bounded = (time_t)s;
	switch (form) {
	case LDAP_TIME_EPOCH:
		snprintf(text, size, "%" PRId64, s);
		return;
	case LDAP_TIME_FILETIME:
		snprintf(text, size, "%" PRId64, (s - EPOCH_1601) * TICKS);
		return;
	case LDAP_TIME_GENERALIZED:
	case LDAP_TIME_FRACTION:
		break;
	}
	gmtime_r(&bounded, &tm);
	snprintf(text, size, "%04d%02d%02d%02d%02d%02d%s", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    form == LDAP_TIME_FRACTION ? ".0Z" : "Z");
}

/* What is still to be read. */
struct rest {
	const char *p;
	size_t n;
};

static bool
take_digits(struct rest *r, size_t count, int *value)
{
	if (r->n < count)
		return false;
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (!ascii_is_digit(r->p[i]))
			return false;
		*value = *value * 10 + (r->p[i] - '0');
	}
	r->p += count;
	r->n -= count;
	return true;
}

static bool
at_digit(const struct rest *r)
{
	return r->n > 0 && ascii_is_digit(*r->p);
}

/* Of what the last number counts; 0 when there is none. */
static bool
take_fraction(struct rest *r, int64_t unit, int64_t *seconds)
{
	int64_t value = 0, scale = 1;

	*seconds = 0;
	if (r->n == 0 || (*r->p != '.' && *r->p != ','))
		return true;
	r->p++, r->n--;
	if (!at_digit(r))
		return false;
	for (; at_digit(r); r->p++, r->n--)
		if (scale < INT64_C(1000000000)) {
			value = value * 10 + (*r->p - '0');
			scale *= 10;
		}
	*seconds = value * unit / scale;
	return true;
}

/* Z, or how much the time is ahead of it. */
static bool
take_zone(struct rest *r, int64_t *offset)
{
	int hour, minute = 0;
	bool west;

	*offset = 0;
	if (r->n == 0)
		return false;
	if (r->n == 1)
		return *r->p == 'Z';
	west = *r->p == '-';
	if (!west && *r->p != '+')
		return false;
	r->p++, r->n--;
	if (!take_digits(r, 2, &hour) || hour > 23 ||
	    (r->n > 0 && (!take_digits(r, 2, &minute) || minute > 59)))
		return false;
	*offset = (west ? -60 : 60) * (hour * 60 + minute);
	return r->n == 0;
}

bool
ldap_time_parse(const char *text, size_t n, time_t *t)
{
	struct rest r = {text, n};
	int year, month, day, hour, minute = 0, second = 0;
	int64_t unit = 3600, fraction, offset;
	struct tm tm = {0};

	if (!take_digits(&r, 4, &year) || !take_digits(&r, 2, &month) ||
	    !take_digits(&r, 2, &day) || !take_digits(&r, 2, &hour))
		return false;
	if (at_digit(&r)) {
		if (!take_digits(&r, 2, &minute))
			return false;
		unit = 60;
	}
	if (unit == 60 && at_digit(&r)) {
		if (!take_digits(&r, 2, &second))
			return false;
		unit = 1;
	}
	if (!take_fraction(&r, unit, &fraction) || !take_zone(&r, &offset) ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	*t = timegm(&tm);
	/* A day that is not there became another. */
	if (tm.tm_year != year - 1900 || tm.tm_mon != month - 1 ||
	    tm.tm_mday != day)
		return false;
	*t +=
	    (time_t)(((hour * 60) + minute) * 60 + second + fraction - offset);
	return true;
}

bool
ldap_time_parse_filetime(const char *text, size_t n, time_t *t)
{
	int64_t ticks = 0;

	if (n == 0 || n > 19)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!ascii_is_digit(text[i]) ||
		    ticks > (INT64_MAX - (text[i] - '0')) / 10)
			return false;
		ticks = ticks * 10 + (text[i] - '0');
	}
	if (ticks == 0 || ticks == INT64_MAX)
		return false;
	*t = (time_t)(ticks / TICKS + EPOCH_1601);
	return true;
}
