/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_DUE_H
#define CRL_FETCHER_DUE_H

/*
 * When is a source fetched next?  Pure, but for the time zone that `daily`
 * is meant in.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

enum schedule_kind { SCHEDULE_EVERY, SCHEDULE_DAILY, SCHEDULE_LIFETIME };

struct schedule {
	enum schedule_kind kind;
	int64_t every;	  /* seconds */
	int hour, minute; /* DAILY */
	int percent;	  /* LIFETIME */
};

/* "every 6h", "hourly", "daily 03:15", "lifetime 50%". */
bool due_parse(const char *text, struct schedule *s, struct error *err)
    __attribute__((warn_unused_result));

/*
 * After a success at now, of a CRL with these dates; never after its
 * nextUpdate when that is still ahead.  random (0 to 1) of jitter is added.
 */
int64_t due_next(const struct schedule *s, int64_t now, int64_t this_update,
    int64_t next_update, int64_t jitter, double random);

/*
 * After failures in a row (1 or more): soon, then later and later, but no
 * later than the schedule says.
 */
int64_t due_retry(const struct schedule *s, int64_t now, unsigned failures);

/* Has the time come?  Also when the clock went back since last. */
bool due_is(int64_t next, int64_t last, int64_t now);

enum life { LIFE_GOOD, LIFE_ENDS, LIFE_OVER };

/* LIFE_ENDS: a quarter of the time from thisUpdate to nextUpdate is left. */
enum life due_life(int64_t this_update, int64_t next_update, int64_t now);

#endif
