/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/clock.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static bool fixed;
static time_t fixed_at;

time_t
clock_now(void)
{
	return fixed ? fixed_at : time(NULL);
}

void
clock_set(time_t t)
{
	fixed = true;
	fixed_at = t;
}

int64_t
clock_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
clock_parse(const char *text, time_t *t)
{
	static const char *const forms[] = {
		"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
	char *end;

	if (text[0] == '@') {
		*t = (time_t)strtoll(text + 1, &end, 10);
		return text[1] != '\0' && *end == '\0';
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {0};

		end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0') {
			*t = timegm(&tm);
			return true;
		}
	}
	return false;
}

void
clock_format(time_t t, char *text, size_t size)
{
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strncpy(text, "unknown", size);
}

/* By hand, because strftime(3) has a locale. */
void
clock_format_mail(time_t t, char *text, size_t size)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	snprintf(text, size, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
