/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts with variables and groups: what they come to, and their errors. */
#include "milter-smime/filter_text.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* A variable is shown by its number, a header field by its name. */
static void
value(void *context, enum filter_variable v, const char *name,
    struct buf *out)
{
	(void)context;
	if (v == VARIABLE_HEADER)
		buf_printf(out, "<%s>", name);
	else
		buf_printf(out, "<%d>", (int)v);
}

static void
group(void *context, unsigned number, struct buf *out)
{
	size_t *asked = context;

	++*asked;
	buf_printf(out, "{%u}", number);
}

#define LONG_NAME "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"

static const struct {
	const char *text;
	bool groups;
	const char *wanted;
} good[] = {
	{"", false, ""},
	{"plain", false, "plain"},
	{"$$", false, "$"},
	{"$$$$", false, "$$"},
	{"$$Subject", false, "$Subject"},
	{"$$$MID", false, "$<15>"},
	{"$", false, "$"},
	{"a$", false, "a$"},
	{"$5 or $ 5 or $_", false, "$5 or $ 5 or $_"},
	{"$MID", false, "<15>"},
	{"$mid$MID", false, "<15><15>"},
	{"a $mId, b", false, "a <15>, b"},
	{"$EnvelopeFrom $EnvelopeSender", false, "<4> <4>"},
	{"$Header['X-A']", false, "<X-A>"},
	{"$header[\"X-A\"]$Header['b'].", false, "<X-A><b>."},
	{"$Header['it\"s']", false, "<it\"s>"},
	{"$Time-$Timestamp", false, "<21>-<22>"},
	{"$MID_2", false, "<15>_2"},
	{"gr\xc3\xbc\xc3\x9f $MID", false, "gr\xc3\xbc\xc3\x9f <15>"},
	{"\\1", false, "\\1"},
	{"\\1", true, "{1}"},
	{"\\0\\9\\10", true, "{0}{9}{1}0"},
	{"a\\2$MID\\3z", true, "a{2}<15>{3}z"},
	{"\\a \\", true, "\\a \\"},
	{"\\$$1", true, "\\$1"},
};

static void
test_good(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *text = good[i].text;
		struct error err = {0};
		size_t at, asked = 0;
		struct buf out;
		struct filter_text *t = filter_text_new(text, strlen(text),
		    good[i].groups, &at, &err);

		buf_init(&out, 1000);
		if (t == NULL)
			buf_puts(&out, err.text);
		else
			filter_text_expand(t, value, group, &asked, &out);
		check_str(buf_text(&out), good[i].wanted, text);
		buf_clear(&out);
		filter_text_free(&t);
	}
}

static const struct {
	const char *text;
	size_t at;
	const char *error;
} bad[] = {
	{"$Subjct", 0, "unknown variable $Subjct; did you mean $Subject; "
	 "write $$ for a dollar sign"},
	{"price: $xyzzy", 7, "unknown variable $xyzzy; write $$ for a dollar "
	 "sign"},
	{"$$$x", 2, "unknown variable $x; write $$ for a dollar sign"},
	{"$MID $MID2", 5, "unknown variable $MID2; did you mean $MID; write "
	 "$$ for a dollar sign"},
	{"$" LONG_NAME LONG_NAME, 0, "unknown variable $" LONG_NAME
	 "abcdefgh; write $$ for a dollar sign"},
	{"$Header", 0, "write $Header['NAME']"},
	{"a $Header[", 2, "write $Header['NAME']"},
	{"$Header[X]", 0, "write $Header['NAME']"},
	{"$Header['X", 0, "write $Header['NAME']"},
	{"$Header['X'", 0, "write $Header['NAME']"},
	{"$Header['X\"]", 0, "write $Header['NAME']"},
	{"$Header['']", 0, "write $Header['NAME']"},
	{"$Header['X'x]", 0, "write $Header['NAME']"},
	{"$Header['a b']", 0, "\"a b\" is no name of a header field"},
	{"ok $Header['a:']", 3, "\"a:\" is no name of a header field"},
	{"$Header['\xc3\xbc']", 0, "\"\xc3\xbc\" is no name of a header "
	 "field"},
};

static void
test_bad(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *text = bad[i].text;
		struct error err = {0};
		size_t at = 99;
		struct filter_text *t = filter_text_new(text, strlen(text),
		    true, &at, &err);

		check_str(t == NULL ? err.text : "taken", bad[i].error, text);
		check(err.kind == ERROR_PERM && at == bad[i].at,
		    "and its place is byte %zu: %zu", bad[i].at, at);
		filter_text_free(&t);
	}
}

/* Bytes behind the n-th are not looked at. */
static void
test_length(void)
{
	struct error err = {0};
	size_t at;
	struct buf out;
	struct filter_text *t = filter_text_new("$MIDx", 4, false, &at, &err);

	buf_init(&out, 100);
	if (t != NULL)
		filter_text_expand(t, value, NULL, NULL, &out);
	check_str(buf_text(&out), "<15>", "a text ends where its length says");
	buf_clear(&out);
	filter_text_free(&t);
	t = filter_text_new("$Header['A']", 11, false, &at, &err);
	check(t == NULL, "so does the name of a header field");
	filter_text_free(&t);
	check(t == NULL, "no text can be freed");
}

/* A text with groups, where there is no match to take them from. */
static void
test_no_groups(void)
{
	struct error err = {0};
	size_t at;
	struct buf out;
	struct filter_text *t = filter_text_new("a\\1b", 4, true, &at, &err);

	buf_init(&out, 100);
	if (t != NULL)
		filter_text_expand(t, value, NULL, NULL, &out);
	check_str(buf_text(&out), "ab", "groups of no match are nothing");
	buf_clear(&out);
	filter_text_free(&t);
}

static struct filter_text *
compiled(const char *text)
{
	struct error err;
	size_t at;
	struct filter_text *t = filter_text_new(text, strlen(text), true, &at,
	    &err);

	if (t == NULL)
		abort();
	return t;
}

static void
test_questions(void)
{
	static const struct {
		const char *text, *constant;
		bool sender;
	} texts[] = {
		{"", "", false}, {"a@b.example", "a@b.example", false},
		{"a$$b", "a$b", false}, {"$EnvelopeFrom", NULL, true},
		{"$envelopesender", NULL, true}, {"$MID", NULL, false},
		{"$EnvelopeFrom ", NULL, false}, {"x$MID", NULL, false},
		{"\\1", NULL, false},
		{"$EnvelopeFrom$EnvelopeFrom", NULL, false},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct filter_text *t = compiled(texts[i].text);
		const char *constant = filter_text_constant(t);

		check_str(constant == NULL ? "none" : constant,
		    texts[i].constant == NULL ? "none" : texts[i].constant,
		    "constant text");
		check(filter_text_is_variable(t, VARIABLE_ENVELOPE_FROM) ==
		    texts[i].sender, "\"%s\" is %s the sender and nothing "
		    "else", texts[i].text, texts[i].sender ? "" : "not");
		filter_text_free(&t);
	}
}

int
main(void)
{
	test_good();
	test_bad();
	test_length();
	test_no_groups();
	test_questions();
	return tap_done();
}
