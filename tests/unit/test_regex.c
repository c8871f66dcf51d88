/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/regex.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "tap.h"

#define LONG_TEXT 200000

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct regex *
compile(const char *pattern)
{
	struct error err = { 0 };
	size_t at;
	struct regex *r = regex_new(pattern, strlen(pattern), &at, &err);

	if (r == NULL)
		printf("# %s: %s at %zu\n", pattern, err.text, at);
	return r;
}

static int
count_in(const char *pattern, const char *text, size_t n, size_t enough)
{
	struct regex *r = compile(pattern);
	struct error err = { 0 };
	size_t found = 0;
	bool ok = r != NULL && regex_count(r, text, n, enough, &found, &err);

	if (!ok)
		printf("# %s\n", err.text);
	regex_free(&r);
	return ok ? (int)found : -1;
}

/* ---- What matches ---- */

static const struct {
	const char *pattern, *text;
	int want;
	const char *says;
} counts[] = {
	{ "foo", "a foo b", 1, "a match may begin anywhere" },
	{ "foo", "a Foo b", 0, "case counts" },
	{ "(?i)foo", "a FOO b", 1, "unless (?i) says otherwise" },
	{ "(?i)gr\xc3\xb6\xc3\x9f\x65", "GR\xc3\x96\xe1\xba\x9e\x45", 1,
	    "letters beyond US-ASCII have cases too" },
	{ "^\\w+$", "M\xc3\xbcller", 1, "\\w knows all letters" },
	{ "\\b\xc3\x9c\x62\x65r\\b", "zu \xc3\x9c\x62\x65r", 1,
	    "a word may begin with a letter beyond US-ASCII" },
	{ "a\\sb", "a\xc2\xa0\x62", 1, "\\s knows the no-break space" },
	{ "aa", "aaaaa", 2, "matches do not overlap" },
	{ "a*", "baac", 4, "empty matches count, one at each character" },
	{ "a*", "", 1, "and one in an empty text" },
	{ "x*", "\xc3\xa4\xc3\xb6", 3, "characters, not bytes" },
	{ "a", "aaaaaaa", 5, "counting stops at what is enough" },
	{ "(?m)foo$", "foo\r\nbar", 1, "a line ends before CR LF" },
	{ "(?m)^bar", "foo\r\nbar", 1, "and the next begins behind it" },
	{ "(?m)^bar", "foo\rbar", 1, "or behind a CR" },
	{ "f.o", "f\ro", 0, "a dot is no line end" },
	{ "(?s)f.o", "f\no", 1, "unless (?s) says otherwise" },
	{ "^foo", "a\nfoo", 0, "^ is the start of the text" },
	{ "f.o", "f\xff\x6f", 0, "a byte that is no UTF-8 is no character" },
	{ "foo", "\xff\x66oo\x80", 1, "but hides nothing beside it" },
	{ ".*secret", "x\x80 secret", 1, "not even behind .*" },
	{ "(?s).*secret", "\xe2\x82 a\nsecret", 1, "nor behind (?s).*" },
	{ "[^a]", "\xc3", 0, "nor is it one that is not another" },
	{ "(?<=ab)c", "abc", 1, "what stands before is looked at" },
	{ "a\\Qb+c\\E", "ab+c", 1, "text may be quoted" },
	{ "[(*]\\(*[[:alpha:](*]", "(((a", 1,
	    "what looks like a verb in a class, or escaped, is none" },
	{ "[](*]x", "*x", 1, "nor behind a ] that stands first in a class" },
	{ "(a)\\1\\g{1}(?i)\\g1", "aaaA", 1, "what a group matched comes again" },
	{ "foo(?C1)bar", "foobar", 1, "callouts do nothing" },
	{ "(?<n>a)\\k<n>", "aa", 1, "groups may be named" },
};

static void
test_counts(void)
{
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int got = count_in(counts[i].pattern, counts[i].text,
		    strlen(counts[i].text), 5);

		check(got == counts[i].want, "%s", counts[i].says);
		if (got != counts[i].want)
			printf("# got %d, want %d\n", got, counts[i].want);
	}
	check(count_in("a.b", "a\0b", 3, 1) == 1, "NUL is a character");
	check(count_in("^$", NULL, 0, 1) == 1, "no text is an empty text");
}

static void
test_find(void)
{
	static const char text[] = "ab=1 cd=23";
	struct regex *r = compile("(\\w+)=(?:(x)|(\\d+))");
	struct error err = { 0 };
	struct regex_match m;
	bool found = false;

	check(r != NULL && regex_find(r, text, strlen(text), 0, &found, &m, &err) &&
	    found && m.groups[0].off == 0 && m.groups[0].len == 4 &&
	    m.groups[1].off == 0 && m.groups[1].len == 2,
	    "a match has its place and those of its groups");
	check(m.groups[2].off == 0 && m.groups[2].len == 0 &&
	    m.groups[3].off == 3 && m.groups[3].len == 1,
	    "a group that took no part is empty");
	check(regex_find(r, text, strlen(text), 4, &found, &m, &err) &&
	    found && m.groups[0].off == 5 && m.groups[3].len == 2,
	    "a search may begin later");
	check(regex_find(r, text, strlen(text), 9, &found, &m, &err) &&
	    !found, "and find nothing");
	check(regex_find(r, text, strlen(text), 50, &found, &m, &err) &&
	    !found, "even behind the end");
	regex_free(&r);
	r = compile("(?<=ab)c");
	check(regex_find(r, "abc", 3, 2, &found, &m, &err) && found,
	    "what stands before the beginning is seen");
	regex_free(&r);
	r = compile("(1)(2)(3)(4)(5)(6)(7)(8)(9)(0)(a)");
	check(regex_find(r, "1234567890a", 11, 0, &found, &m, &err) &&
	    found && m.groups[0].len == 11 && m.groups[9].off == 8,
	    "of many groups the first nine are kept");
	regex_free(&r);
}

/* Long texts are searched in pieces: nothing may be lost between them. */
static void
test_long(void)
{
	char *text = mem_alloc(LONG_TEXT);
	size_t good = 0, tried = 0;

	for (size_t at = 4000; at < 4200; at += 3) {
		memset(text, 'x', LONG_TEXT);
		memcpy(text + at, " secret 42\r\nthe end ", 20);
		good += count_in("secret \\d+$", text, at + 10, 1) == 1;
		good += count_in("secret +\\d+", text, LONG_TEXT, 9) == 1;
		good += count_in("(?m)\\d+$", text, LONG_TEXT, 9) == 1;
		good += count_in("(?m)^the +end", text, LONG_TEXT, 9) == 1;
		good += count_in("\\d+(?=\\s+the)", text, LONG_TEXT, 9) == 1;
		good += count_in("(?s)secret.*x\\z", text, LONG_TEXT, 9) == 1;
		good += count_in("(?<=x )secret", text, LONG_TEXT, 9) == 1;
		good += count_in("\\d+(?!\\s+the)", text, LONG_TEXT, 9) == 1;
		good += count_in("\\Ax+ ", text, LONG_TEXT, 9) == 1;
		good += count_in("[0-9]+\\b", text, LONG_TEXT, 9) == 1;
		tried += 10;
	}
	check(good == tried, "no match is lost in a long text");
	memset(text, 'x', LONG_TEXT);
	for (size_t at = 1; at < LONG_TEXT; at += 2)
		memcpy(text + at - 1, "\xc3\xa4", 2);
	check(count_in("\xc3\xa4+", text, LONG_TEXT, 9) == 1 &&
	    count_in("\xc3\xa4{5}", text, LONG_TEXT, 1000000) == 20000,
	    "no character is cut");
	check(count_in("x", text, LONG_TEXT, 1) == 0 &&
	    count_in("\xc3\xa4*x", text, LONG_TEXT, 1) == 0,
	    "and none is found that is not there");
	free(text);
}

/* ---- What is refused ---- */

#define ANYWHERE SIZE_MAX /* versions of PCRE2 differ */

static const struct {
	const char *pattern;
	size_t at;
	const char *want, *says; /* want NULL: the same */
} refused[] = {
	{ "a(b", 3, "missing closing parenthesis", "an open parenthesis" },
	{ "a)", 1, "unmatched closing parenthesis", "one too many" },
	{ "ab[c", 4, "missing terminating ] for character class",
	    "an open class" },
	{ "*a", ANYWHERE, "quantifier does not follow a repeatable item",
	    "a star of nothing" },
	{ "(?<n>a)(?<n>b)", ANYWHERE, "two named subpatterns have the same name "
	    "(PCRE2_DUPNAMES not set)", "a name twice" },
	{ "a\\Cb", 3, "using \\C is disabled by the application",
	    "\\C, which would cut characters" },
	{ "\\2(a)", ANYWHERE, "reference to non-existent subpattern",
	    "a group that is not there" },
	{ "(?<=a+)b", ANYWHERE, NULL, "a lookbehind without length" },
	{ "(a{1000}){65535}", ANYWHERE, "regular expression is too large",
	    "what grows too large" },
	{ "(*NO_JIT)a", 0, "verbs and settings such as (*COMMIT) cannot be used "
	    "here", "settings of PCRE2" },
	{ "[]]a(*COMMIT)b", 4, "verbs and settings such as (*COMMIT) cannot be "
	    "used here", "verbs" },
	{ "a\\Gb", 1, "\\G cannot be used here", "\\G" },
	{ "a(b(?R)|c)", 3, "recursion and calls of groups cannot be used here",
	    "recursion" },
	{ "(?<r>a(?&r)|a)", 6, NULL, "recursion by name" },
	{ "(?<r>a(?P>r)|a)", 6, NULL, "the same as Python writes it" },
	{ "(a|(?-1)b)", 3, NULL, "by a relative number" },
	{ "(a|\\g<1>b)", 3, NULL, "as Oniguruma writes it" },
	{ "\xff", 0, "UTF-8 error: illegal byte (0xfe or 0xff)",
	    "a pattern that is not UTF-8" },
};

static void
test_refused(void)
{
	char *deep = mem_alloc(5000), *wide = mem_alloc(REGEX_MAX_PATTERN + 1);
	struct error err = { 0 };
	struct regex *r;
	size_t at;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		r = regex_new(refused[i].pattern, strlen(refused[i].pattern),
		    &at, &err);
		check(r == NULL && err.kind == ERROR_PERM &&
		    (at == refused[i].at || refused[i].at == ANYWHERE) &&
		    at <= strlen(refused[i].pattern), "refused: %s",
		    refused[i].says);
		if (r == NULL && at != refused[i].at)
			printf("# at %zu\n", at);
		if (refused[i].want != NULL)
			check_str(err.text, refused[i].want,
			    "in PCRE2's words");
		regex_free(&r);
	}
	memset(deep, '(', 2500);
	memset(deep + 2500, ')', 2500);
	r = regex_new(deep, 5000, &at, &err);
	check(r == NULL && err.kind == ERROR_PERM, "refused: deep nesting");
	check_str(err.text, "parentheses are too deeply nested",
	    "in PCRE2's words");
	memset(wide, 'a', REGEX_MAX_PATTERN + 1);
	r = regex_new(wide, REGEX_MAX_PATTERN + 1, &at, &err);
	check(r == NULL && err.kind == ERROR_PERM && at == REGEX_MAX_PATTERN,
	    "refused: a pattern that is too long");
	check_str(err.text, "longer than 16384 bytes", "and the limit named");
	r = regex_new(wide, REGEX_MAX_PATTERN, &at, &err);
	check(r != NULL, "one byte less is taken");
	regex_free(&r);
	free(deep);
	free(wide);
}

/* ---- What takes too long, and what does not ---- */

/* n bytes: unit again and again, and end. */
static char *
repeat(const char *unit, const char *end, size_t n)
{
	char *text = mem_alloc(n + 1);

	for (size_t k = 0; k < n; k++)
		text[k] = unit[k % strlen(unit)];
	memcpy(text + n - strlen(end), end, strlen(end));
	return text;
}

#define MANY 4000000

/* Long texts that harmless mail has, and rules that people write. */
static const struct {
	const char *pattern, *unit, *end;
	int want;
} harmless[] = {
	{ "\\w+@\\w+", "a", " @", 0 },
	{ "\\w+@\\w+", "a", " b@c", 1 },
	{ "\\S+@\\S+", "QUJD", " b@c", 1 },
	{ "(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}", "a1", " x@y.z ", 0 },
	{ "(\\w+\\s+){3}secret", "a", " a b secret", 1 },
	{ "(?i)SECRET", "secre ", "secret", 1 },
	{ ".*secret.*", "a line of secrec\r\n", "a secret", 1 },
	{ ".*secret.*", "secrec ", "secret", 1 },
	{ "(?s).*secret.*", "a line of secrec\r\n", "a secret", 1 },
	{ "(?s).*secret!", "a line of secret\r\n", "! a", 0 },
	{ "^(.*\\n)*no$", "secret\r\n", "\nno!", 0 },
	{ "\\b\\d{3}-\\d{2}-\\d{4}\\b", "1234567890", "-", 0 },
};

static void
test_harmless(void)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		char *text = repeat(harmless[i].unit, harmless[i].end, MANY);

		check(count_in(harmless[i].pattern, text, MANY, 1) ==
		    harmless[i].want, "4 MB of \"%.4s...\": %s",
		    harmless[i].unit, harmless[i].pattern);
		free(text);
	}
}

static const struct {
	const char *pattern, *unit, *end;
	size_t n;
	const char *want, *says;
} hostile[] = {
	{ "(a+)+$", "a", "!", 50, "takes too many steps",
	    "nested repetition" },
	{ "(a+)+$", "a", "!", LONG_TEXT, "takes too many steps",
	    "nested repetition on a long text" },
	{ "^(\\w+\\s?)*$", "ab ", "!", 120, "takes too many steps",
	    "words with and without blanks" },
	{ "(.*)*(.*)*(.*)*[!?]", "ab", ".", 2000, "takes too many steps",
	    "stars of stars" },
	{ "(x|xx|xxx|y)+[zw]", "x", "!", 5000, "takes too many steps",
	    "choices that overlap" },
	{ "(?s)a.*[cd]", "ab", "", LONG_TEXT, "takes too",
	    "what never comes" },
	{ "(?:.|\\n)*[zq]", "ab", "", 2000000, "needs too much memory",
	    "each character on the stack" },
	{ "(?:.|\\n)*[zq]", "ab", "", 100000, "takes too",
	    "the same on a shorter text" },
	{ "\\s+$", " ", "!", LONG_TEXT, "takes too long", "blanks without end" },
};

static void
test_hostile(void)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		size_t n = hostile[i].n;
		char *text = repeat(hostile[i].unit, hostile[i].end, n);
		struct regex *r = compile(hostile[i].pattern);
		struct error err = { 0 };
		double start = cpu_seconds(), took;
		size_t found;
		bool ok;

		ok = r == NULL || regex_count(r, text, n, 1, &found, &err);
		took = cpu_seconds() - start;
		check(!ok && err.kind == ERROR_TEMP &&
		    strstr(err.text, hostile[i].want) != NULL,
		    "a temporary failure: %s", hostile[i].says);
		if (ok || strstr(err.text, hostile[i].want) == NULL)
			printf("# %s\n", ok ? "no failure" : err.text);
		check(took < 10, "and not late");
		printf("# %.3f s\n", took);
		regex_free(&r);
		free(text);
	}
}

static void
test_error_text(void)
{
	static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	struct regex *r = compile("(a+)+\x09?$");
	struct error err = { 0 };
	size_t found;

	check(r != NULL && !regex_count(r, text, sizeof(text) - 1, 1, &found,
	    &err), "a limit is hit");
	check_str(err.text, "the regular expression \"(a+)+\\x09?$\" "
	    "takes too many steps on this text",
	    "the message names the regular expression, on one line");
	regex_free(&r);
}

/* ---- Threads ---- */

struct work {
	const struct regex *words, *slow;
	const char *text;
	size_t n;
	bool good;
};

static void *
search(void *context)
{
	struct work *w = context;

	w->good = true;
	for (int i = 0; i < 20; i++) {
		struct error err = { 0 };
		struct regex_match m;
		size_t found;
		bool match;

		w->good = w->good &&
		    regex_count(w->words, w->text, w->n, 100000, &found,
			&err) && found == w->n / 5 &&
		    regex_find(w->words, w->text, w->n, 7, &match, &m, &err) &&
		    match && m.groups[0].off == 7 && m.groups[1].len == 1;
		if (i % 10 == 0)
			w->good = w->good &&
			    !regex_count(w->slow, "aaaaaaaaaaaaaaaaaaaaaaa"
				"aaaaaaaaaaaaaaaaa!", 41, 1, &found, &err) &&
			    err.kind == ERROR_TEMP;
	}
	return NULL;
}

static void
test_threads(void)
{
	struct regex *words = compile("(\\w)\\w* +");
	struct regex *slow = compile("(a+)+$");
	struct work work[8];
	pthread_t threads[8];
	char *text = mem_alloc(20000);
	bool good = true;

	for (size_t i = 0; i < 20000; i++)
		text[i] = "word "[i % 5];
	for (size_t i = 0; i < 8; i++) {
		work[i] = (struct work) { .words = words, .slow = slow,
			.text = text, .n = 20000 };
		if (pthread_create(&threads[i], NULL, search, &work[i]) != 0)
			abort();
	}
	for (size_t i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		good = good && work[i].good;
	}
	check(good, "many threads search with one regular expression");
	regex_free(&words);
	regex_free(&slow);
	free(text);
}

int
main(void)
{
	test_counts();
	test_find();
	test_long();
	test_refused();
	test_harmless();
	test_hostile();
	test_error_text();
	test_threads();
	return tap_done();
}
