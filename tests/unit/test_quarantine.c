/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/quarantine.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

#define ID "mx.example.com"

static void
test_names(void)
{
	char longest[QUARANTINE_NAME_MAX + 2];

	check(quarantine_is_name("Policy"), "Policy is a name");
	check(quarantine_is_name("0.a_b-C"), "so is 0.a_b-C");
	check(!quarantine_is_name(""), "nothing is none");
	check(!quarantine_is_name("-a") && !quarantine_is_name(".a") &&
	    !quarantine_is_name("_a"), "the first is a letter or digit");
	check(!quarantine_is_name("a b") && !quarantine_is_name("a;b") &&
	    !quarantine_is_name("a/b") && !quarantine_is_name("a\n"),
	    "blanks, semicolons, slashes and line ends are not in names");
	check(!quarantine_is_name("\xc3\xa4"), "nor letters beyond ASCII");
	memset(longest, 'a', sizeof(longest));
	longest[QUARANTINE_NAME_MAX + 1] = '\0';
	check(!quarantine_is_name(longest), "65 characters are too many");
	longest[QUARANTINE_NAME_MAX] = '\0';
	check(quarantine_is_name(longest), "64 are not");
}

/* What comes back of filter and reason; NULL as want: not looked at. */
static void
round_trip(const char *filter, const char *reason, const char *want,
    const char *want_reason, const char *says)
{
	struct quarantine q;
	struct buf out;

	buf_init(&out, QUARANTINE_VALUE_MAX);
	check(quarantine_format(&out, "Policy", filter, reason, ID) &&
	    (want == NULL || strcmp(buf_text(&out), want) == 0), "%s", says);
	if (want != NULL && strcmp(buf_text(&out), want) != 0)
		printf("#  got: %s\n# want: %s\n", buf_text(&out), want);
	check(quarantine_parse(buf_text(&out), out.len, &q), "it can be read");
	check_str(q.name, "Policy", "the name comes back");
	check_str(q.by, ID, "the host comes back");
	check_str(q.filter, filter, "the filter comes back");
	check_str(q.reason, want_reason, "the reason comes back");
	quarantine_clear(&q);
	buf_clear(&out);
}

static void
test_format(void)
{
	round_trip(NULL, NULL, " Policy; by=" ID, NULL,
	    "name and host are always there");
	round_trip("no_macros", "attachment invoice.xlsm",
	    " Policy; by=" ID "; filter=no_macros;\n"
	    "\treason=\"attachment invoice.xlsm\"",
	    "attachment invoice.xlsm", "filter and reason follow, folded");
	round_trip("a", "b", " Policy; by=" ID "; filter=a; reason=b", "b",
	    "tokens stand without quotes");
	round_trip("", "", " Policy; by=" ID "; filter=\"\"; reason=\"\"", "",
	    "empty texts are quoted");
	round_trip("a;b", "say \"no\\yes\"; by=evil",
	    " Policy; by=" ID "; filter=\"a;b\";\n"
	    "\treason=\"say \\\"no\\\\yes\\\"; by=evil\"",
	    "say \"no\\yes\"; by=evil", "no text ends its quotes");
	round_trip(NULL, "f\xc3\xbcr 100%",
	    " Policy; by=" ID "; reason*=UTF-8''f%C3%BCr%20100%25",
	    "f\xc3\xbcr 100%", "other letters are encoded");
	round_trip(NULL, "a\r\nX-Evil: yes\tb\x01\x7f",
	    " Policy; by=" ID "; reason=\"a  X-Evil: yes b??\"",
	    "a  X-Evil: yes b??", "no line end, no control character");
	round_trip(NULL, "\xff\xc2\x9b\xed\xa0\x80", NULL, "?????",
	    "what is no UTF-8, and C1 controls, become question marks");
}

/* A field with text as reason, whose lines and characters are looked at. */
static void
check_field(const char *text, const char *says)
{
	struct quarantine q;
	struct buf out;
	size_t line = sizeof(QUARANTINE_FIELD ":"), longest = 0;
	bool safe = true;

	buf_init(&out, QUARANTINE_VALUE_MAX);
	safe = quarantine_format(&out, "Policy", text, text, ID);
	for (const char *p = buf_text(&out); *p != '\0'; p++) {
		line = *p == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
		safe &= *p == '\n' ? p[1] == '\t' : *p == '\t' ||
		    (*p >= ' ' && *p <= '~');
	}
	check(safe && longest < 998, "%s: one field, lines under 998", says);
	check(quarantine_parse(buf_text(&out), out.len, &q), "it can be read");
	check(q.filter != NULL && strlen(q.filter) <= QUARANTINE_FILTER_MAX &&
	    strlen(q.filter) > QUARANTINE_FILTER_MAX - 4 &&
	    strlen(q.reason) <= QUARANTINE_REASON_MAX &&
	    strlen(q.reason) > QUARANTINE_REASON_MAX - 4,
	    "whole characters are left, and as many as fit");
	quarantine_clear(&q);
	buf_clear(&out);
}

static void
test_long(void)
{
	static const char *const units[] = {"x", "\"", "\xe2\x82\xac",
		"\xf0\x9f\x94\x92", " "};
	char *text = mem_alloc(100001);
	struct buf out;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i]);

		for (size_t j = 0; j + n <= 100000; j += n)
			memcpy(text + j, units[i], n);
		text[100000 - 100000 % n] = '\0';
		check_field(text, "100,000 bytes");
	}
	buf_init(&out, 30);
	check(!quarantine_format(&out, "Policy", text, text, ID),
	    "no room is told");
	buf_clear(&out);
	free(text);
}

static const struct {
	const char *value, *name, *filter, *reason, *says;
} good[] = {
	{"Policy;by=x", "Policy", NULL, NULL, "blanks are not needed"},
	{"\r\n\tPolicy\r\n ;\r\n by=x\r\n ", "Policy", NULL, NULL,
	    "folds may be everywhere"},
	{" Policy; filter=a; by=x", "Policy", "a", NULL,
	    "the order does not matter"},
	{" Policy; BY=x; Reason=b", "Policy", NULL, "b",
	    "nor the case of keys"},
	{" Policy; by=x; later=\"a;b\"; more*=UTF-8''a", "Policy", NULL, NULL,
	    "parameters of a later version are passed over"},
	{" Policy; by=x; reason=\"a\r\n b\"", "Policy", NULL, "a b",
	    "a fold in quotes is its blank"},
	{" Policy; by=x; reason*=utf-8''a%e2%82%ac", "Policy", NULL,
	    "a\xe2\x82\xac", "hexadecimal digits in any case"},
};

static const struct {
	const char *value, *says;
} bad[] = {
	{"", "nothing"},
	{" ", "a blank"},
	{" Policy", "no host"},
	{" Policy; by=", "an empty host"},
	{" Policy; by=\"\"", "an empty host in quotes"},
	{" ; by=x", "no name"},
	{" -a; by=x", "what is no name"},
	{" Policy by=x", "no semicolon"},
	{" Policy; by=x; ", "a semicolon at the end"},
	{" Policy;; by=x", "two semicolons"},
	{" Policy; by=x; by=y", "two hosts"},
	{" Policy; by=x; reason=a; reason*=UTF-8''b", "two reasons"},
	{" Policy; by=x; reason=\"a", "quotes that do not end"},
	{" Policy; by=x; reason=\"a\\", "a backslash at the end"},
	{" Policy; by=x; reason=\"a\x01\"", "a control character"},
	{" Policy; by=x; reason=\"\xc3\xa4\"", "raw UTF-8"},
	{" Policy; by=x; reason=\"a\"b", "text behind quotes"},
	{" Policy; by=x (comment)", "a comment"},
	{" Policy; by=x; reason*=a", "encoded text without a charset"},
	{" Policy; by=x; reason*=latin1''a", "another charset"},
	{" Policy; by=x; reason*=UTF-8''%", "a broken escape"},
	{" Policy; by=x; reason*=UTF-8''%4", "half an escape"},
	{" Policy; by=x; reason*=UTF-8''%GG", "no hexadecimal digits"},
	{" Policy; by=x; reason*=UTF-8''%00", "an escaped NUL"},
	{" Policy; by=x; reason*=UTF-8''%0A", "an escaped line end"},
	{" Policy; by=x; reason*=UTF-8''%C2%9B", "an escaped C1 control"},
	{" Policy; by=x; reason*=UTF-8''%FF", "bytes that are no UTF-8"},
	{" Policy; by=x; =a", "no key"},
	{" Policy; by=x; *=UTF-8''a", "an empty key"},
	{" Policy; by=x; reason", "no value"},
};

static void
test_parse(void)
{
	char *text = mem_alloc(100001);
	struct quarantine q;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		check(quarantine_parse(good[i].value, strlen(good[i].value),
		    &q), "%s", good[i].says);
		check_str(q.name, good[i].name, "the name is read");
		check_str(q.filter, good[i].filter, "the filter is read");
		check_str(q.reason, good[i].reason, "the reason is read");
		quarantine_clear(&q);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(!quarantine_parse(bad[i].value, strlen(bad[i].value),
		    &q) && q.name == NULL && q.by == NULL && q.reason == NULL,
		    "%s is not read", bad[i].says);
	check(!quarantine_parse(" Policy; by=x\0", 14, &q), "nor a NUL");
	check(!quarantine_parse(" Policy; by=x", 8, &q),
	    "only n bytes are read");
	memset(text, ';', 100000);
	check(!quarantine_parse(text, 100000, &q), "nor 100,000 semicolons");
	memcpy(text, " Policy; by=\"", 13);
	text[99999] = '"';
	check(!quarantine_parse(text, 100000, &q), "nor 100,000 in quotes");
	free(text);
}

int
main(void)
{
	test_names();
	test_format();
	test_long();
	test_parse();
	return tap_done();
}
