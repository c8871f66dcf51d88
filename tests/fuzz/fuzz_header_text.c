/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header text: what is decoded is one line of UTF-8, may travel when it is
 * encoded again, and then says the same; parameters are lines of UTF-8.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"
#include "milter-smime/header_parameter.h"
#include "milter-smime/header_text.h"
#include "milter-smime/visible_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spool_place place = {"/tmp", 1 << 20};

static void
must(bool good, const char *why)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

static void
check_line(const char *p, size_t n)
{
	must(utf8_span(p, n) == n, "the text is no UTF-8");
	for (size_t i = 0; i < n; i++)
		must((unsigned char)p[i] >= ' ' && p[i] != 0x7f,
		    "the text is more than a line");
}

static void
check_value(const char *value)
{
	size_t length = 0;
	bool blank = false;

	must(value[0] == ' ', "no blank in front");
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\n') {
			must(p[1] == ' ' && !blank, "a bad fold");
			blank = true;
			length = 0;
			continue;
		}
		must(*p >= ' ' && *p < 0x7f, "a byte that cannot travel");
		must(++length <= 990, "a line that is too long");
		blank = blank && *p == ' ';
	}
	must(!blank || value[1] == '\0', "a blank line");
}

static void
decode(const char *text, size_t n)
{
	struct buf once, value, twice;

	buf_init(&once, 64 << 20);
	buf_init(&value, 64 << 20);
	buf_init(&twice, 64 << 20);
	header_text_decode(text, n, &once);
	must(!once.overflow, "the text grows beyond all bounds");
	check_line(buf_text(&once), once.len);
	header_text_encode(buf_text(&once), once.len, 7, &value);
	check_value(buf_text(&value));
	header_text_decode(buf_text(&value), value.len, &twice);
	must(once.len == twice.len &&
	    memcmp(buf_text(&once), buf_text(&twice), once.len) == 0,
	    "encoded it says something else");
	buf_clear(&once);
	buf_clear(&value);
	buf_clear(&twice);
}

static void
read_parameters(const char *text, size_t n)
{
	struct strvec all = {0};

	header_parameter_all(text, n, "filename", &all);
	must(all.n <= HEADER_PARAMETER_MAX, "too many candidates");
	for (size_t i = 0; i < all.n; i++) {
		check_line(all.v[i], strlen(all.v[i]));
		must(all.v[i][0] != '\0', "an empty candidate");
	}
	strvec_clear(&all);
}

static void
decode_block(const char *text, size_t n)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};

	if (!header_text_block(text, n, s, &err) || !spool_finish(s, &err))
		abort();
	must(utf8_span(spool_data(s), spool_len(s)) == spool_len(s),
	    "a block is no UTF-8");
	spool_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	decode(text, size);
	read_parameters(text, size);
	decode_block(text, size);
	free(text);
	return 0;
}
