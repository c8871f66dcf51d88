/* SPDX-License-Identifier: BSD-2-Clause */
#include "postcat.h"

#include <string.h>

#include "common/ascii.h"

#define LIKE_A_MARK "*** "
#define MARK_END    " ***"

static const char *const marks[] = {
	"*** ENVELOPE RECORDS hold/",
	"*** MESSAGE CONTENTS hold/",
	"*** HEADER EXTRACTED hold/",
	"*** MESSAGE FILE END hold/",
};
#define MARKS  (sizeof(marks) / sizeof(marks[0]))
#define HEADER 2 /* marks behind which the header stands */

static bool
starts_with(const char *text, size_t n, const char *start)
{
	size_t len = strlen(start);

	return n >= len && memcmp(text, start, len) == 0;
}

/* `*** WORDS hold/ID ***`, or with hash_queue_names `hold/I/D/ID`. */
static bool
is_mark(const char *text, size_t n, const char *mark, const char *id)
{
	size_t len = strlen(id), skip = strlen(mark);
	const char *end;

	if (!starts_with(text, n, mark) || n < skip + len + strlen(MARK_END))
		return false;
	end = text + n - strlen(MARK_END);
	if (memcmp(end, MARK_END, strlen(MARK_END)) != 0 ||
	    memcmp(end - len, id, len) != 0)
		return false;
	for (const char *p = text + skip; p < end - len; p += 2)
		if (!ascii_is_alnum(p[0]) || p[1] != '/')
			return false;
	return true;
}

bool
postcat_line(void *context, const char *text, size_t n, bool ends,
    struct error *err)
{
	struct postcat *p = context;
	bool starts = !p->middle;
	size_t at = p->marks / MARKS;

	(void)err;
	p->middle = !ends;
	if (p->doubtful)
		return true;
	if (starts && starts_with(text, n, LIKE_A_MARK)) {
		p->doubtful = !ends || at == p->n ||
		    !is_mark(text, n, marks[p->marks % MARKS], p->ids[at]);
		p->marks++;
	} else if (p->marks % MARKS == 0) {
		p->doubtful = true; /* between two messages is nothing */
	} else if (p->marks % MARKS == HEADER) {
		header_facts_line(&p->facts[at], text, n, ends);
	}
	return true;
}

bool
postcat_is_sure(const struct postcat *p)
{
	return !p->doubtful && !p->middle && p->marks == p->n * MARKS;
}
