/* SPDX-License-Identifier: BSD-2-Clause */
#include "lines.h"

#include <assert.h>
#include <string.h>

void
lines_init(struct lines *l, size_t max, lines_take *take, void *context)
{
	assert(max > 0);
	*l = (struct lines){.take = take, .context = context};
	buf_init(&l->part, max);
}

void
lines_clear(struct lines *l)
{
	buf_clear(&l->part);
}

static bool
hand_on(struct lines *l, bool ends, struct error *err)
{
	bool ok = l->take(l->context, buf_text(&l->part), l->part.len, ends,
	    err);

	buf_reset(&l->part);
	return ok;
}

bool
lines_add(void *lines, const char *bytes, size_t n, struct error *err)
{
	struct lines *l = lines;

	while (n > 0) {
		const char *end = memchr(bytes, '\n', n);
		size_t some = end == NULL ? n : (size_t)(end - bytes);
		size_t room = l->part.max - l->part.len;
		bool ends;

		if (some > room)
			some = room;
		buf_append(&l->part, bytes, some);
		bytes += some;
		n -= some;
		if (n == 0)
			break;
		/* Else the part is full, and more of the line comes. */
		ends = *bytes == '\n';
		if (!hand_on(l, ends, err))
			return false;
		bytes += ends;
		n -= ends;
	}
	return true;
}

bool
lines_end(struct lines *l, struct error *err)
{
	return l->part.len > 0 ? hand_on(l, true, err) : true;
}
