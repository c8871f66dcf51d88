/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/param.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tests/unit/tap.h"

struct values {
	bool b;
	int64_t i;
	char *s;
	struct strvec l;
	int e;
};

static const char *const colours[] = { "red", "green", "blue", NULL };
static const char *const other[] = { "other-section", NULL };

#define ROW(kind, member, ...) \
	{ .name = "k", .type = kind, \
	    .offset = offsetof(struct values, member), __VA_ARGS__ }

static const struct param
    row_bool = ROW(PARAM_BOOL, b, .def = "no"),
    row_int = ROW(PARAM_INT, i, .def = "5", .min = -9, .max = 100),
    row_any = ROW(PARAM_INT, i, .def = "5"),
    row_size = ROW(PARAM_SIZE, i, .def = "1M"),
    row_small = ROW(PARAM_SIZE, i, .def = "1M", .min = 1024,
	.max = 512 << 20),
    row_time = ROW(PARAM_TIME, i, .def = "1h"),
    row_string = ROW(PARAM_STRING, s, .def = "x"),
    row_unset = ROW(PARAM_STRING, s, .def = NULL),
    row_required = ROW(PARAM_STRING, s, .required = true),
    row_path = ROW(PARAM_PATH, s, .def = NULL),
    row_list = ROW(PARAM_LIST, l, .def = NULL),
    row_enum = ROW(PARAM_ENUM, e, .def = "red", .words = colours),
    row_endpoint = ROW(PARAM_ENDPOINT, s, .def = NULL),
    row_refs = ROW(PARAM_REFS, l, .words = other);

/* Reads `k = text`; what it prints as, or the error behind "! ". */
static char *
read_back(const struct param *p, const char *text)
{
	char *file = mem_printf("a {\nk = %s\n}\n", text), *result;
	struct values v = { 0 };
	struct error err = { 0 };
	struct buf out;
	struct conf *c = conf_parse("f", file, strlen(file), &err);

	buf_init(&out, 10000);
	if (c != NULL && param_parse(p, &c->sections[0].values[0], &v, &err))
		param_format(p, &v, &out);
	else
		buf_printf(&out, "! %s", err.text);
	result = buf_take(&out);
	param_clear(p, &v);
	conf_free(c);
	free(file);
	return result;
}

static void
reads(const struct param *p, const char *text, const char *want,
    const char *name)
{
	char *got = read_back(p, text);

	check_str(got, want, name);
	free(got);
}

static void
refuses(const struct param *p, const char *text, const char *part,
    const char *name)
{
	char *got = read_back(p, text);
	bool good = got[0] == '!' && strstr(got, part) != NULL;

	check(good, "%s", name);
	if (!good)
		printf("# got: %s\n", got);
	free(got);
}

static void
test_words(void)
{
	reads(&row_bool, "yes", "yes", "yes is yes");
	reads(&row_bool, "no", "no", "no is no");
	reads(&row_bool, "\"yes\"", "yes", "quotes do not matter");
	refuses(&row_bool, "true", "write yes or no",
	    "other words of truth are refused");
	refuses(&row_bool, "Yes", "did you mean \"yes\"?",
	    "words are in lower case");
	refuses(&row_bool, "yes, no", "write yes or no",
	    "one word is one word");
	reads(&row_enum, "blue", "blue", "a word of the list is taken");
	refuses(&row_enum, "greem", "write red, green or blue "
	    "(did you mean \"green\"?)", "an unknown word gets the list and "
	    "the nearest");
	refuses(&row_enum, "\"\"", "write red, green or blue",
	    "an empty word is refused");
}

static void
test_numbers(void)
{
	reads(&row_int, "100", "100", "the largest number is taken");
	reads(&row_int, "-9", "-9", "so is the smallest");
	refuses(&row_int, "101", "out of range; write a whole number from -9 "
	    "to 100", "one more is out of range");
	refuses(&row_int, "-10", "out of range", "so is one less");
	refuses(&row_int, "1K", "whole number", "numbers have no unit");
	refuses(&row_int, "+1", "is no number", "no plus sign");
	refuses(&row_int, "0x10", "cannot be used", "no hexadecimal");
	refuses(&row_int, "-", "is no number", "a sign is no number");
	refuses(&row_int, "1 2", "cannot be used", "two are not one");
	reads(&row_any, "9223372036854775807", "9223372036854775807",
	    "63 bits are taken");
	refuses(&row_any, "9223372036854775808", "out of range",
	    "64 bits are out of range");
	refuses(&row_any, "99999999999999999999999999999999999999",
	    "out of range", "so is a huge number");
	refuses(&row_any, "18446744073709551617", "out of range",
	    "and one that would wrap to 1");
}

static void
test_units(void)
{
	reads(&row_size, "512", "512", "a size without unit is bytes");
	reads(&row_size, "2048", "2K", "sizes print with the largest unit");
	reads(&row_size, "10240K", "10M", "K is 1024");
	reads(&row_size, "3G", "3G", "G is taken");
	reads(&row_size, "0", "0", "nothing is a size");
	refuses(&row_size, "10m", "write a size", "units of size are capital");
	refuses(&row_size, "10MB", "write a size", "a unit is one letter");
	refuses(&row_size, "10 M", "write a size", "no blank before the unit");
	refuses(&row_size, "-1", "is no number", "no negative size");
	refuses(&row_size, "9007199254740992K", "out of range",
	    "a size that overflows is out of range");
	refuses(&row_small, "1023", "from 1K to 512M",
	    "limits are told in units");
	reads(&row_time, "90", "90s", "a time without unit is seconds");
	reads(&row_time, "3600s", "1h", "times print with the largest unit");
	reads(&row_time, "14d", "2w", "weeks are taken");
	reads(&row_time, "5m", "5m", "m is minutes");
	refuses(&row_time, "5M", "write a time", "M is no time");
	refuses(&row_time, "1h30m", "write a time", "one unit only");
	refuses(&row_time, "15250284452472w", "out of range",
	    "a time that overflows is out of range");
}

static void
test_texts(void)
{
	reads(&row_string, "a/b:c", "a/b:c", "plain text prints plainly");
	reads(&row_string, "a  b", "\"a  b\"", "text with blanks is quoted");
	reads(&row_string, "\"a \\\" \\\\ # {b}\"", "\"a \\\" \\\\ # {b}\"",
	    "quotes and backslashes survive");
	reads(&row_string, "\"\"", "\"\"", "text may be empty");
	refuses(&row_required, "\"\"", "must not be empty",
	    "unless it is required");
	reads(&row_unset, "\"\"", "\"\"", "an empty text unsets");
	reads(&row_path, "/a b", "\"/a b\"", "a path may have blanks");
	refuses(&row_path, "a/b", "absolute path", "a path is absolute");
	reads(&row_list, "a,\n\"b, c\"", "a,\n\t    \"b, c\"",
	    "lists print one item a line");
	reads(&row_list, "\"\"", "\"\"", "a list may be empty");
	refuses(&row_list, "a, \"\"", "item 2 is empty",
	    "an item may not be empty");
	reads(&row_refs, "a, b", "a,\n\t    b", "references may be a list");
}

static void
test_endpoints(void)
{
	static const char *const good[] = { "inet:127.0.0.1:8891",
		"inet:[::1]:25", "inet:mx.example:65535", "unix:/run/x.sock",
		NULL };
	static const char *const bad[] = { "inet:127.0.0.1", "inet::25",
		"inet:a:0", "inet:a:65536", "inet:a:", "inet:::1:25",
		"inet:[::g]:25", "inet:[127.0.0.1]:25", "inet:a b:25",
		"unix:", "unix:x", "local:/x", "/run/x", "8891",
		"inet:a:18446744073709551641",
		"inet:[0000:0000:0000:0000:0000:0000:0000:0000:00]:1",
		"unix:/123456789012345678901234567890123456789012345678901234"
		"567890123456789012345678901234567890123456789012345678",
		NULL };

	for (size_t i = 0; good[i] != NULL; i++) {
		char *got = read_back(&row_endpoint, good[i]);

		check(got[0] != '!', "%s is an endpoint", good[i]);
		free(got);
	}
	for (size_t i = 0; bad[i] != NULL; i++) {
		char *got = read_back(&row_endpoint, bad[i]);

		check(got[0] == '!' && strstr(got, "inet:HOST:PORT") != NULL,
		    "%.50s is no endpoint", bad[i]);
		free(got);
	}
}

static void
test_copies(void)
{
	struct values a = { 0 }, b = { 0 };

	strvec_add(&a.l, "x");
	strvec_add(&a.l, "y");
	check(!param_same(&row_list, &a, &b), "lists of other length differ");
	param_copy(&row_list, &a, &b);
	check(param_same(&row_list, &a, &b) && b.l.v[0] != a.l.v[0],
	    "a copy is the same, in memory of its own");
	param_clear(&row_list, &a);
	check(a.l.n == 0 && b.l.n == 2, "clearing one leaves the other");
	param_clear(&row_list, &b);
	check(param_same(&row_unset, &a, &b), "unset and unset are the same");
}

int
main(void)
{
	test_words();
	test_numbers();
	test_units();
	test_texts();
	test_endpoints();
	test_copies();
	return tap_done();
}
