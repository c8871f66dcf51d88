/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMTP replies, read whole and byte by byte: both must see the same.  The
 * first byte of the input chooses the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	bool ok, done;
	int code;
	size_t lines, used;
	char text[256];
};

static struct outcome
read_in_steps(const char *data, size_t n, size_t step)
{
	struct outcome o = {.ok = true};
	struct smtp_reply r;
	struct error err;

	smtp_reply_init(&r);
	while (o.ok && !r.done && o.used < n) {
		size_t part = n - o.used < step ? n - o.used : step, used;

		o.ok = smtp_reply_feed(&r, data + o.used, part, &used, &err);
		if (used > part || (o.ok && !r.done && used != part))
			abort();
		o.used += used;
	}
	if (!o.ok && (err.kind != ERROR_TEMP || err.text[0] == '\0'))
		abort();
	o.done = r.done;
	o.code = r.code;
	o.lines = r.lines.n;
	if (r.done && (r.code < 200 || r.code > 599 || r.lines.n == 0))
		abort();
	if (r.lines.n > 100)
		abort();
	smtp_reply_format(&r, o.text, sizeof(o.text));
	for (const char *s = o.text; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			abort();
	smtp_reply_clear(&r);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, parts;
	const char *text = (const char *)data + 1;

	if (size < 1)
		return 0;
	whole = read_in_steps(text, size - 1, size);
	parts = read_in_steps(text, size - 1, (size_t)data[0] + 1);
	if (whole.ok != parts.ok || whole.done != parts.done ||
	    whole.code != parts.code || whole.lines != parts.lines ||
	    strcmp(whole.text, parts.text) != 0 ||
	    (whole.ok && whole.used != parts.used))
		abort();
	return 0;
}
