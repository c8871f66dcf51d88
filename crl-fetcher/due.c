/* SPDX-License-Identifier: BSD-2-Clause */
#include "due.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define RETRY_FIRST INT64_C(300)
#define RETRY_SHIFT_MAX 12
#define SOON INT64_C(600)  /* a lifetime gives no less than this */
#define SHORTEST INT64_C(60)
#define LONGEST (366 * DAY)
#define CLOCK_BACK INT64_C(300)

/* A number and what follows it. */
static const char *
take_number(const char *p, long max, long *n)
{
	const char *start = p;

	for (*n = 0; *p >= '0' && *p <= '9' && *n <= max; p++)
		*n = *n * 10 + (*p - '0');
	return p > start && *n <= max ? p : NULL;
}

static bool
parse_every(const char *p, struct schedule *s)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', HOUR}, {'d', DAY},
	    {'w', 7 * DAY}};
	long n;

	p = take_number(p, 100000000, &n);
	if (p == NULL || (p[0] != '\0' && p[1] != '\0'))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == p[0]) {
			s->kind = SCHEDULE_EVERY;
			s->every = n * units[i].seconds;
			return s->every >= SHORTEST && s->every <= LONGEST;
		}
	}
	return false;
}

static bool
parse_daily(const char *p, struct schedule *s)
{
	long hour, minute;

	p = take_number(p, 23, &hour);
	if (p == NULL || *p != ':')
		return false;
	p = take_number(p + 1, 59, &minute);
	if (p == NULL || *p != '\0')
		return false;
	s->kind = SCHEDULE_DAILY;
	s->hour = (int)hour;
	s->minute = (int)minute;
	s->every = DAY;
	return true;
}

static bool
parse_lifetime(const char *p, struct schedule *s)
{
	long n;

	p = take_number(p, 99, &n);
	if (p == NULL || strcmp(p, "%") != 0 || n < 1)
		return false;
	s->kind = SCHEDULE_LIFETIME;
	s->percent = (int)n;
	s->every = DAY; /* until there is a CRL */
	return true;
}

/* What follows a word and blanks, or NULL. */
static const char *
after(const char *text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(text, word, n) != 0 || text[n] != ' ')
		return NULL;
	return text + n + strspn(text + n, " ");
}

bool
due_parse(const char *text, struct schedule *s, struct error *err)
{
	const char *rest;
	bool ok = false;

	memset(s, 0, sizeof(*s));
	if (strcmp(text, "hourly") == 0)
		ok = parse_every("1h", s);
	else if ((rest = after(text, "every")) != NULL)
		ok = parse_every(rest, s);
	else if ((rest = after(text, "daily")) != NULL)
		ok = parse_daily(rest, s);
	else if ((rest = after(text, "lifetime")) != NULL)
		ok = parse_lifetime(rest, s);
	return ok ? true : error_perm(err, "\"%.64s\" is no schedule; write "
	    "\"every 6h\" (a minute to a year), \"hourly\", "
	    "\"daily 03:15\" or \"lifetime 50%%\"", text);
}

/* The first HH:MM after now, in local time. */
static int64_t
next_daily(const struct schedule *s, int64_t now)
{
	time_t t = (time_t)now, next;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return now + DAY;
	for (int days = 0; days < 3; days++) {
		struct tm at = tm;

		at.tm_mday += days;
		at.tm_hour = s->hour;
		at.tm_min = s->minute;
		at.tm_sec = 0;
		at.tm_isdst = -1;
		next = mktime(&at);
		if (next != (time_t)-1 && next > t)
			return (int64_t)next;
	}
	return now + DAY;
}

int64_t
due_next(const struct schedule *s, int64_t now, int64_t this_update,
    int64_t next_update, int64_t jitter, double random)
{
	int64_t next = now + s->every, most;

	if (s->kind == SCHEDULE_DAILY)
		next = next_daily(s, now);
	if (s->kind == SCHEDULE_LIFETIME && next_update > this_update) {
		next = this_update +
		       (next_update - this_update) / 100 * s->percent;
		if (next < now + SOON)
			next = now + SOON;
	}
	most = (next - now) / 10;
	if (jitter > most)
		jitter = most;
	next += (int64_t)((double)jitter * random);
	return next_update > now && next > next_update ? next_update : next;
}

int64_t
due_retry(const struct schedule *s, int64_t now, unsigned failures)
{
	unsigned shift = failures == 0 ? 0 : failures - 1;
	int64_t wait =
	    RETRY_FIRST << (shift > RETRY_SHIFT_MAX ? RETRY_SHIFT_MAX : shift);

	return now + (wait < s->every ? wait : s->every);
}

bool
due_is(int64_t next, int64_t last, int64_t now)
{
	return now >= next || last > now + CLOCK_BACK;
}

enum life
due_life(int64_t this_update, int64_t next_update, int64_t now)
{
	if (now >= next_update)
		return LIFE_OVER;
	return next_update - now <= (next_update - this_update) / 4
		   ? LIFE_ENDS
		   : LIFE_GOOD;
}
