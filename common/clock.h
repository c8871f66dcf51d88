/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

/*
 * The one place that asks what time it is, so that a test (or a dry run
 * with --at) can say so instead.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Seconds since 1970, or what clock_set() said. Thread safe. */
time_t clock_now(void);

/* Fixes clock_now() from here on; before threads start. */
void clock_set(time_t t);

/* Milliseconds that never go back; only differences mean something. */
int64_t clock_monotonic_ms(void);

/*
 * Reads "2026-11-22", "2026-11-22T09:00:00Z" or "@SECONDS", in UTC.
 * False when the text is none of these.
 */
bool clock_parse(const char *text, time_t *t);

/* Writes t as "2026-11-22T09:00:00Z"; size at least 21. */
void clock_format(time_t t, char *text, size_t size);

#define CLOCK_MAIL_SIZE 40

/* Writes t as a Date field has it (RFC 5322 3.3), in UTC. */
void clock_format_mail(time_t t, char *text, size_t size);

#endif
