/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/visible_text.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

#define N(literal) (literal), sizeof(literal) - 1

static const struct {
	const char *text;
	size_t n;
	const char *want, *says;
} texts[] = {
	{N("con\xc2\xad""fid"), "confid", "a soft hyphen goes"},
	{N("con\xe2\x80\x8b""fid"), "confid", "a zero-width space goes"},
	{N("con\xe2\x80\x8d\xe2\x81\xa0\xef\xbb\xbf""fid"), "confid",
	    "joiners and the byte order mark go"},
	{N("con\xe2\x80\xae""fid"), "confid", "marks of direction go"},
	{N("con\xef\xb8\x8f""fid"), "confid", "variation selectors go"},
	{N("con\xf3\xa0\x81\x81""fid"), "confid", "tags go"},
	{N("con\0fid\001\x7f"), "confid", "NUL and control characters go"},
	{N("con\xc2\x80""fid"), "confid", "those of C1 too"},
	{N("a\tb\r\nc\vd\fe"), "a\tb\r\nc\vd\fe", "blanks stay"},
	{N("a\xc2\x85""b"), "a\xc2\x85""b", "a next-line character stays"},
	{N("caf\xc3\xa9 \xe4\xbd\xa0"), "caf\xc3\xa9 \xe4\xbd\xa0",
	    "letters stay"},
	{N("caf\xe9 \xad\xff"), "caf\xe9 \xad\xff",
	    "what is no UTF-8 stays"},
	{N(""), "", "nothing stays nothing"},
};

static void
test_texts(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		visible_text_append(texts[i].text, texts[i].n, &out);
		check_str(buf_text(&out), texts[i].want, texts[i].says);
		if (visible_text_is_all(texts[i].text, texts[i].n) !=
		    (out.len == texts[i].n))
			check(false, "and it is known beforehand");
		buf_clear(&out);
	}
}

/* Wherever it stands. */
static void
test_places(void)
{
	enum { SIZE = 9000 };
	char *text = mem_alloc(SIZE);
	bool right = true;

	for (size_t i = 0; i + 1 < SIZE; i += 7) {
		memset(text, 'a', SIZE);
		right = right && visible_text_is_all(text, SIZE);
		memcpy(text + i, "\xc2\xad", 2);
		right = right && !visible_text_is_all(text, SIZE);
		memcpy(text + i, "\xc3\xa9", 2);
		right = right && visible_text_is_all(text, SIZE);
	}
	check(right, "what is not seen is found wherever it stands");
	free(text);
}

static void
test_spool(void)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};

	check(visible_text_write("a\xc2\xad""b", 4, s, &err) &&
	    spool_finish(s, &err) && spool_len(s) == 2 &&
	    memcmp(spool_data(s), "ab", 2) == 0, "a spool gets the same");
	spool_free(&s);
}

int
main(void)
{
	test_texts();
	test_places();
	test_spool();
	return tap_done();
}
