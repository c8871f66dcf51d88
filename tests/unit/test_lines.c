/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/lines.h"

#include "tap.h"

/* Writes what it gets as `text|` for a whole line, `text+` for a part. */
static bool
write_down(void *context, const char *text, size_t n, bool ends,
    struct error *err)
{
	struct buf *seen = context;

	buf_append(seen, text, n);
	buf_putc(seen, ends ? '|' : '+');
	return n == 4 && memcmp(text, "stop", 4) == 0 ?
	    error_perm(err, "enough") : true;
}

/* All at once, then in pieces of every size up to 5. */
static void
cuts(size_t max, const char *text, const char *want, const char *says)
{
	size_t all = strlen(text);
	bool same = true;

	for (size_t piece = 0; piece <= 5; piece++) {
		size_t step = piece == 0 ? all : piece;
		struct error err = {0};
		struct lines l;
		struct buf seen;

		buf_init(&seen, 4096);
		lines_init(&l, max, write_down, &seen);
		for (size_t i = 0; i < all; i += step)
			same &= lines_add(&l, text + i,
			    all - i < step ? all - i : step, &err);
		same &= lines_end(&l, &err);
		same &= strcmp(buf_text(&seen), want) == 0;
		if (!same)
			printf("# %zu: %s\n", step, buf_text(&seen));
		lines_clear(&l);
		buf_clear(&seen);
	}
	check(same, "%s", says);
}

static void
test_refusal(void)
{
	struct error err = {0};
	struct lines l;
	struct buf seen;

	buf_init(&seen, 4096);
	lines_init(&l, 80, write_down, &seen);
	check(!lines_add(&l, "a\nstop\nb\n", 9, &err),
	    "who wants no more is obeyed");
	check_str(buf_text(&seen), "a|stop|", "what comes then is not told");
	check_str(err.text, "enough", "the reason comes through");
	lines_clear(&l);
	buf_clear(&seen);
}

int
main(void)
{
	cuts(80, "a\nbc\n\nd\n", "a|bc||d|", "lines come without their ends");
	cuts(80, "", "", "nothing is no line");
	cuts(80, "a\nb", "a|b|", "a last line needs no end");
	cuts(80, "\n", "|", "an empty line is one");
	cuts(3, "abcdefgh\ni\n", "abc+def+gh|i|",
	    "a long line comes in parts");
	cuts(3, "abc\nabcdef\nab\n", "abc|abc+def|ab|",
	    "one that fills its parts has no empty one behind");
	cuts(3, "abcdef", "abc+def|", "also without its end");
	test_refusal();
	return tap_done();
}
