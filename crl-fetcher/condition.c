/* SPDX-License-Identifier: BSD-2-Clause */
#include "condition.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "due.h"

#define DATE_SIZE 21

static void
set(struct condition *c, const char *name, enum severity severity)
{
	c->name = name;
	c->severity = severity;
}

/* A source that has a CRL; error is "" when the last attempt succeeded. */
static void
find_with_crl(struct condition *c, const struct state_crl *crl,
    const char *error, bool rollback, int64_t now)
{
	const char *then = error[0] == '\0' ? "" : ": ";
	char date[DATE_SIZE];

	clock_format((time_t)crl->next_update, date, sizeof(date));
	switch (due_life(crl->this_update, crl->next_update, now)) {
	case LIFE_OVER:
		set(c, "expired", SEVERITY_CRITICAL);
		snprintf(c->text, sizeof(c->text),
		    "its CRL expired at %s%s%s", date, then, error);
		return;
	case LIFE_ENDS:
		set(c, "ends", SEVERITY_WARNING);
		snprintf(c->text, sizeof(c->text),
		    "its CRL expires at %s and no newer one came%s%s", date,
		    then, error);
		break;
	case LIFE_GOOD:
		if (error[0] != '\0')
			set(c, "failing", SEVERITY_WARNING);
		snprintf(c->text, sizeof(c->text),
		    "no newer CRL came (the one we hold expires at %s)%s%s",
		    date, then, error);
		break;
	}
	if (rollback)
		set(c, "rollback", SEVERITY_CRITICAL);
}

void
condition_find(struct condition *c, const struct state_source *s,
    const struct state_crl *crl, bool rollback, int64_t now)
{
	const char *error = s->error == NULL ? "" : s->error;

	memset(c, 0, sizeof(*c));
	set(c, "", SEVERITY_FINE);
	/* What was told as rollback stays one until an attempt succeeds. */
	if (s->told != NULL && strcmp(s->told, "rollback") == 0 &&
	    error[0] != '\0')
		rollback = true;
	if (crl != NULL) {
		find_with_crl(c, crl, error, rollback, now);
	} else if (error[0] != '\0') {
		set(c, "never", SEVERITY_CRITICAL);
		snprintf(c->text, sizeof(c->text), "no CRL came yet: %s",
		    error);
	}
}

const char *
condition_severity(enum severity s)
{
	switch (s) {
	case SEVERITY_FINE:
		return "INFO";
	case SEVERITY_WARNING:
		return "WARNING";
	case SEVERITY_CRITICAL:
		return "CRITICAL";
	}
	return "WARNING";
}
