/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl-fetcher/due.h"

#include <stdlib.h>
#include <time.h>

#include "tap.h"

#define NOW ((int64_t)1750000000) /* 2025-06-15T15:06:40Z */
#define HOUR ((int64_t)3600)
#define DAY (24 * HOUR)

static struct schedule
parse(const char *text)
{
	struct schedule s;
	struct error err;

	if (!due_parse(text, &s, &err))
		abort();
	return s;
}

static int64_t
next(const char *text, int64_t this_update, int64_t next_update)
{
	struct schedule s = parse(text);

	return due_next(&s, NOW, this_update, next_update, 0, 0);
}

static void
test_parse(void)
{
	static const char *const bad[] = {"", "every", "every ", "every 6",
		"every 6x", "every -6h", "every 59s", "every 9999d",
		"every 6h30m", "hourly x", "daily", "daily 3", "daily 24:00",
		"daily 03:60", "daily 03:15:00", "lifetime", "lifetime 50",
		"lifetime 0%", "lifetime 100%", "weekly", "every6h",
		"daily x:y", "every 99999999999999999999h"};
	struct schedule s;
	struct error err;
	bool refused = true;

	check(parse("every 6h").every == 6 * HOUR &&
		  parse("every 90s").every == 90 &&
		  parse("every  2w").every == 14 * DAY,
	    "every TIME is read");
	check(parse("hourly").every == HOUR, "hourly is every hour");
	s = parse("daily 03:15");
	check(s.kind == SCHEDULE_DAILY && s.hour == 3 && s.minute == 15,
	    "daily HH:MM is read");
	check(parse("lifetime 50%").percent == 50, "lifetime N%% is read");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(bad[i], "every 6") == 0)
			continue; /* six seconds: too short, see every 59s */
		if (due_parse(bad[i], &s, &err)) {
			printf("# taken: %s\n", bad[i]);
			refused = false;
		}
	}
	check(refused, "anything else is refused");
	check(!due_parse("every 6", &s, &err), "so is a time under a minute");
}

static void
test_next(void)
{
	struct schedule s = parse("every 10h");

	setenv("TZ", "UTC", 1);
	tzset();
	check(next("every 6h", 0, 0) == NOW + 6 * HOUR,
	    "every 6h is due in six hours");
	check(next("daily 03:15", 0, 0) == 1750043700,
	    "daily is due at the next such time");
	check(next("daily 15:07", 0, 0) == NOW + 20, "today if it is ahead");
	check(next("lifetime 50%", NOW - DAY, NOW + 3 * DAY) == NOW + DAY,
	    "lifetime is due at that part of the CRL's life");
	check(next("lifetime 10%", NOW - DAY, NOW + DAY) == NOW + 600,
	    "but not at once again");
	check(next("every 7d", NOW - DAY, NOW + DAY) == NOW + DAY,
	    "nothing is due after nextUpdate");
	check(next("every 7d", NOW - DAY, NOW - 1) == NOW + 7 * DAY,
	    "but for one that is over");
	check(due_next(&s, NOW, 0, 0, DAY, 1.0) == NOW + 11 * HOUR &&
		  due_next(&s, NOW, 0, 0, 60, 0.5) == NOW + 10 * HOUR + 30,
	    "jitter adds up to a tenth");
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	check(due_next(&(struct schedule){.kind = SCHEDULE_DAILY, .hour = 2,
			   .minute = 30, .every = DAY},
		  1774738800 /* 2026-03-29T00:00+01:00 */, 0, 0, 0,
		  0) > 1774738800,
	    "an hour that summer time leaves out is no trap");
}

static void
test_retry(void)
{
	struct schedule s = parse("every 1h");
	bool grows = true;

	check(due_retry(&s, NOW, 1) == NOW + 300, "a failure is retried soon");
	check(due_retry(&s, NOW, 2) == NOW + 600, "then later");
	check(due_retry(&s, NOW, 9) == NOW + HOUR,
	    "and no later than the schedule says");
	for (unsigned n = 1; n < 5000; n++)
		grows = grows && due_retry(&s, NOW, n) > NOW &&
			due_retry(&s, NOW, n) <= NOW + HOUR;
	check(grows, "however often it failed");
	check(due_is(NOW, NOW - 9, NOW) && !due_is(NOW + 1, NOW - 9, NOW),
	    "due is due");
	check(due_is(NOW + DAY, NOW + DAY, NOW),
	    "A12 a clock that went back makes all due");
}

static void
test_life(void)
{
	check(due_life(NOW - 3 * DAY, NOW + 2 * DAY, NOW) == LIFE_GOOD,
	    "A4 more than a quarter of the life left is good");
	check(due_life(NOW - 3 * DAY, NOW + DAY, NOW) == LIFE_ENDS,
	    "A4 a quarter left is the end");
	check(due_life(NOW - 3 * DAY, NOW, NOW) == LIFE_OVER,
	    "A4 at nextUpdate it is over");
}

int
main(void)
{
	test_parse();
	test_next();
	test_retry();
	test_life();
	return tap_done();
}
