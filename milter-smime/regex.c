/* SPDX-License-Identifier: BSD-2-Clause */
#include "regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"

#define OPTIONS                                            \
	(PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | \
	    PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT)

#define NESTING_MAX 100         /* parentheses in a pattern */
#define HEAP_MAX_KIB (32 << 10) /* without JIT */
#define DEPTH_MAX 500000        /* the same */
#define JIT_STACK_START (32 << 10)
#define JIT_STACK_MAX (8 << 20)
#define SHOWN_MAX 80 /* bytes of a pattern in a message */

/*
 * PCRE2 counts the steps of each place where a match might begin, and no
 * time: n bytes may have n such places, each of which looks at all of them.
 * So a search is a row of calls that try some places each, and looks at the
 * clock between them.  Few calls, for those that begin alike are tried
 * together (PCRE2 passes over a run of `\w+` once a call, not once a place);
 * but a call that took long is followed by a smaller one.
 */
#define PLACES_FIRST(n) ((1U << 28) / ((n) + 1) + 1)
#define PLACES_MAX(n) ((n) / 64 + (1U << 31) / ((n) + 1) + 1)
#define PLACES_MORE 16

/*
 * Steps at one place.  A step may look at the whole text, so who needs many
 * gets them alone, and by and by.
 */
#define STEPS_FIRST(n) ((1 << 30) / ((n) + 1) + STEPS_LEAST)
#define STEPS_MORE 4
#define STEPS_MAX 10000000 /* of a call, too, but for STEPS_LEAST */
#define STEPS_LEAST 500

/* Nanoseconds of the thread's CPU time, and so many more for each byte. */
#define QUICK 10000000
#define QUICK_PER_BYTE 16
#define SEARCH_MAX 1000000000
#define SEARCH_MAX_PER_BYTE 100

struct regex {
	pcre2_code *code;
	/*
	 * NULL, or for text that is UTF-8: what begins with `.*` is tried
	 * at the starts of lines only.  It would miss what stands behind a
	 * byte that is no UTF-8 (10.42).
	 */
	pcre2_code *by_line;
	int last;     /* a byte that each match has, or -1 */
	bool endless; /* something in it may repeat without end */
	char *shown;  /* the pattern, for messages */
};

/* What a thread keeps. */
struct scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

struct search {
	const struct regex *r;
	const pcre2_code *code;
	struct scratch *scratch;
	const char *p;
	size_t n;
	size_t from;
	size_t stop;    /* no match begins here or behind */
	bool anchored;  /* only at `from` */
	size_t places;  /* that the next call tries */
	uint32_t steps; /* that one place may take */
	uint64_t clock; /* 0: not looked at yet */
	uint64_t until;
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

/* ---- what a thread keeps ---- */

static void
scratch_free(void *p)
{
	struct scratch *s = p;

	if (s == NULL)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	pcre2_jit_stack_free(s->stack);
	free(s);
}

static void
make_key(void)
{
	if (pthread_key_create(&scratch_key, scratch_free) != 0)
		log_panic("regex: no thread key is left");
}

/* NULL: no memory. */
static struct scratch *
get_scratch(void)
{
	struct scratch *s;

	pthread_once(&scratch_once, make_key);
	s = pthread_getspecific(scratch_key);
	if (s != NULL)
		return s;
	s = mem_alloc(sizeof(*s));
	s->data = pcre2_match_data_create(REGEX_MAX_GROUPS, NULL);
	s->context = pcre2_match_context_create(NULL);
	/* NULL where PCRE2 was built without JIT. */
	s->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
	if (s->data == NULL || s->context == NULL ||
	    pthread_setspecific(scratch_key, s) != 0) {
		scratch_free(s);
		return NULL;
	}
	if (s->stack != NULL)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	pcre2_set_heap_limit(s->context, HEAP_MAX_KIB);
	pcre2_set_depth_limit(s->context, DEPTH_MAX);
	return s;
}

/* ---- compiling ---- */

static pcre2_code *
compile(const char *pattern, size_t n, uint32_t options, size_t *at,
    struct error *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	PCRE2_UCHAR words[256];
	PCRE2_SIZE offset = 0;
	int number;

	if (context == NULL) {
		error_temp(err, "no memory");
		return NULL;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_parens_nest_limit(context, NESTING_MAX);
	code = pcre2_compile(
	    (PCRE2_SPTR)pattern, n, options, &number, &offset, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		pcre2_get_error_message(number, words, sizeof(words));
		error_perm(err, "%s", (const char *)words);
		*at = offset < n ? offset : n;
	}
	return code;
}

/* The end of a class that begins at p[0], `[`: its `]`, or the end. */
static size_t
class_end(const char *p, size_t n)
{
	size_t i = 1;

	if (i < n && p[i] == '^')
		i++;
	if (i < n && p[i] == ']')
		i++;
	for (; i < n && p[i] != ']'; i++) {
		const char *end;

		if (p[i] == '\\')
			i++;
		else if (p[i] == '[' && i + 1 < n && p[i + 1] == ':' &&
			 (end = memmem(p + i, n - i, ":]", 2)) != NULL)
			i = (size_t)(end - p) + 1;
	}
	return i < n ? i : n;
}

static bool
begins(const char *p, size_t n, const char *with)
{
	return n >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

static bool
is_call(const char *p, size_t n)
{
	size_t sign;

	if (begins(p, n, "(?R") || begins(p, n, "(?&") ||
	    begins(p, n, "(?P>") || begins(p, n, "\\g<") ||
	    begins(p, n, "\\g'"))
		return true;
	if (!begins(p, n, "(?"))
		return false;
	sign = n > 2 && (p[2] == '+' || p[2] == '-') ? 1 : 0;
	return n > 2 + sign && ascii_is_digit(p[2 + sign]);
}

/*
 * What has no bound (with JIT, recursion counts no steps), or depends on
 * where a call began.  Python has none of it, and so no filter of the
 * appliance.
 */
static bool
refuse(const char *p, size_t n, size_t *at, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *what = NULL;

		if (begins(p + i, n - i, "(*"))
			what = "verbs and settings such as (*COMMIT)";
		else if (begins(p + i, n - i, "\\G"))
			what = "\\G";
		else if (is_call(p + i, n - i))
			what = "recursion and calls of groups";
		if (what != NULL) {
			*at = i;
			return error_perm(err, "%s cannot be used here", what);
		}
		if (p[i] == '\\')
			i++;
		else if (p[i] == '[')
			i += class_end(p + i, n - i);
	}
	return true;
}

static uint32_t
ask(const pcre2_code *code, uint32_t what)
{
	uint32_t answer = 0;

	return pcre2_pattern_info(code, what, &answer) == 0 ? answer : 0;
}

/* Is it tried at the starts of lines, or of the text, only? */
static bool
is_by_line(const pcre2_code *code)
{
	return ask(code, PCRE2_INFO_FIRSTCODETYPE) == 2 ||
	       (ask(code, PCRE2_INFO_ALLOPTIONS) & PCRE2_ANCHORED) != 0;
}

/* Escapes are not looked at: who wrote `\+` is searched in pieces. */
static bool
is_endless(const char *p, size_t n)
{
	static const char *const signs[] = {"*", "+", ",}", ", }", "\\X"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (memmem(p, n, signs[i], strlen(signs[i])) != NULL)
			return true;
	return false;
}

static bool
compile_all(struct regex *r, const char *pattern, size_t n, size_t *at,
    struct error *err)
{
	r->code =
	    compile(pattern, n, OPTIONS | PCRE2_NO_DOTSTAR_ANCHOR, at, err);
	if (r->code == NULL)
		return false;
	r->by_line = compile(pattern, n, OPTIONS, at, err);
	if (r->by_line == NULL)
		return false;
	if (is_by_line(r->code) || !is_by_line(r->by_line)) {
		pcre2_code_free(r->by_line);
		r->by_line = NULL;
	}
	r->last = -1;
	if (ask(r->code, PCRE2_INFO_LASTCODETYPE) == 1 &&
	    ask(r->code, PCRE2_INFO_LASTCODEUNIT) < 0x80)
		r->last = (int)ask(r->code, PCRE2_INFO_LASTCODEUNIT);
	/* Where there is no JIT, the interpreter does it. */
	(void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
	if (r->by_line != NULL)
		(void)pcre2_jit_compile(r->by_line, PCRE2_JIT_COMPLETE);
	return true;
}

static char *
show(const char *pattern, size_t n)
{
	struct buf shown;

	buf_init(&shown, 4 * SHOWN_MAX + 8);
	log_escape(&shown, pattern, n < SHOWN_MAX ? n : SHOWN_MAX);
	if (n > SHOWN_MAX)
		buf_puts(&shown, "...");
	return buf_take(&shown);
}

void
regex_free(struct regex **rp)
{
	struct regex *r = *rp;

	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	pcre2_code_free(r->by_line);
	free(r->shown);
	free(r);
	*rp = NULL;
}

struct regex *
regex_new(const char *pattern, size_t n, size_t *at, struct error *err)
{
	struct regex *r;

	*at = 0;
	if (n > REGEX_MAX_PATTERN) {
		*at = REGEX_MAX_PATTERN;
		error_perm(err, "longer than %d bytes", REGEX_MAX_PATTERN);
		return NULL;
	}
	if (memchr(pattern, '\0', n) != NULL) {
		*at = strlen(pattern);
		error_perm(err, "a NUL in it");
		return NULL;
	}
	if (!refuse(pattern, n, at, err))
		return NULL;
	r = mem_alloc(sizeof(*r));
	r->shown = show(pattern, n);
	r->endless = is_endless(pattern, n);
	if (!compile_all(r, pattern, n, at, err))
		regex_free(&r);
	return r;
}

/* ---- searching ---- */

/* TEMP: which regular expression, and why. */
static bool
give_up(const struct regex *r, const char *why, struct error *err)
{
	return error_temp(err, "the regular expression \"%s\" %s on this text",
	    r->shown, why);
}

static bool
fail(const struct regex *r, int number, struct error *err)
{
	PCRE2_UCHAR words[256];

	switch (number) {
	case PCRE2_ERROR_MATCHLIMIT:
		return give_up(r, "takes too many steps", err);
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_JIT_STACKLIMIT:
	case PCRE2_ERROR_NOMEMORY:
		return give_up(r, "needs too much memory", err);
	default:
		pcre2_get_error_message(number, words, sizeof(words));
		return give_up(r, (const char *)words, err);
	}
}

static uint64_t
cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
look_at_clock(struct search *s)
{
	s->clock = cpu_time();
	if (s->until == 0)
		s->until = s->clock + SEARCH_MAX + s->n * SEARCH_MAX_PER_BYTE;
}

/*
 * Behind the last byte that each match has, none begins.  PCRE2 knows that
 * too, but looks only so far, and in each call.
 */
static size_t
find_stop(const struct regex *r, const char *p, size_t n)
{
	const char *at, *other = NULL;

	if (r->last < 0)
		return n + 1;
	at = memrchr(p, r->last, n);
	/* The pattern may say that case does not count. */
	if (ascii_is_alpha((char)r->last))
		other = memrchr(p, r->last ^ 0x20, n);
	if (at == NULL || (other != NULL && other > at))
		at = other;
	return at == NULL ? 0 : (size_t)(at - p) + 1;
}

static bool
search_init(struct search *s, const struct regex *r, const char *p, size_t n,
    size_t from, struct error *err)
{
	memset(s, 0, sizeof(*s));
	s->r = r;
	s->p = n > 0 ? p : "";
	s->n = n;
	s->from = from;
	s->stop = find_stop(r, s->p, n);
	s->code = r->by_line != NULL && utf8_span(s->p, n) == n ? r->by_line
								: r->code;
	s->anchored =
	    (ask(s->code, PCRE2_INFO_ALLOPTIONS) & PCRE2_ANCHORED) != 0;
	s->places = s->anchored ? 1 : r->endless ? PLACES_FIRST(n) : n + 1;
	s->steps = n > 0 ? (uint32_t)STEPS_FIRST(n) : STEPS_MAX;
	s->scratch = get_scratch();
	if (s->scratch == NULL)
		return error_temp(err, "no memory");
	/* Most searches are one call, and need no clock. */
	if (s->places <= n)
		look_at_clock(s);
	return true;
}

/*
 * from + count or a little more, at most n + 1: where a search may go on.
 * Not inside a character, nor between CR and LF.
 */
static size_t
go_on(const struct search *s, size_t from, size_t count)
{
	size_t at = from + count;

	if (from > s->n || count > s->n - from)
		return s->n + 1;
	for (int i = 0; i < 3 && at < s->n && (s->p[at] & 0xc0) == 0x80; i++)
		at++;
	if (at > 0 && at < s->n && s->p[at] == '\n' && s->p[at - 1] == '\r')
		at++;
	return at;
}

static int
call(struct search *s, size_t next)
{
	size_t share = STEPS_MAX / (next - s->from);

	if (share < STEPS_LEAST)
		share = STEPS_LEAST;
	if (share > s->steps)
		share = s->steps;
	pcre2_set_match_limit(s->scratch->context, (uint32_t)share);
	pcre2_set_offset_limit(s->scratch->context, next - 1);
	return pcre2_match(s->code, (PCRE2_SPTR)s->p, s->n, s->from, 0,
	    s->scratch->data, s->scratch->context);
}

/* After a call without a match; false: it was the last. */
static bool
go_behind(struct search *s, size_t next)
{
	uint64_t before = s->clock;

	s->from = next;
	if (next >= s->stop)
		return false;
	look_at_clock(s);
	if (s->clock - before > QUICK + s->n * QUICK_PER_BYTE)
		s->places = s->places / PLACES_MORE + 1;
	else if (s->places < PLACES_MAX(s->n) / PLACES_MORE)
		s->places *= PLACES_MORE;
	else
		s->places = PLACES_MAX(s->n);
	return true;
}

/* After a call that took too many steps; false: it gets no more. */
static bool
try_again(struct search *s)
{
	look_at_clock(s);
	if (s->places > 1)
		s->places = 1;
	else if (s->steps < STEPS_MAX)
		s->steps *= STEPS_MORE;
	else
		return false;
	return true;
}

/* The next match; its place is in the scratch's data. */
static bool
search_next(struct search *s, bool *found, struct error *err)
{
	*found = false;
	while (s->from < s->stop) {
		size_t next = go_on(s, s->from, s->places);
		int did;

		if (s->clock != 0 && s->clock >= s->until)
			return give_up(s->r, "takes too long", err);
		did = call(s, next);
		*found = did >= 0;
		if (*found || (did == PCRE2_ERROR_NOMATCH &&
				  (s->anchored || !go_behind(s, next))))
			return true;
		if (did != PCRE2_ERROR_NOMATCH &&
		    (did != PCRE2_ERROR_MATCHLIMIT || !try_again(s)))
			return fail(s->r, did, err);
	}
	return true;
}

static void
copy_groups(const struct scratch *s, struct regex_match *m)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->data);
	uint32_t n = pcre2_get_ovector_count(s->data);

	memset(m, 0, sizeof(*m));
	for (uint32_t i = 0; i < n && i < REGEX_MAX_GROUPS; i++) {
		/* \K can set a begin behind the end. */
		if (v[2 * i] == PCRE2_UNSET || v[2 * i + 1] < v[2 * i])
			continue;
		m->groups[i].off = v[2 * i];
		m->groups[i].len = v[2 * i + 1] - v[2 * i];
	}
}

bool
regex_find(const struct regex *r, const char *p, size_t n, size_t from,
    bool *found, struct regex_match *m, struct error *err)
{
	struct search s;

	*found = false;
	if (!search_init(&s, r, p, n, from, err) ||
	    !search_next(&s, found, err))
		return false;
	if (*found)
		copy_groups(s.scratch, m);
	return true;
}

bool
regex_count(const struct regex *r, const char *p, size_t n, size_t enough,
    size_t *found, struct error *err)
{
	struct search s;

	*found = 0;
	if (!search_init(&s, r, p, n, 0, err))
		return false;
	while (*found < enough && s.from < s.stop) {
		const PCRE2_SIZE *v;
		bool match;

		if (!search_next(&s, &match, err))
			return false;
		if (!match)
			break;
		++*found;
		/* Behind an empty match, or \K that went back: one further. */
		v = pcre2_get_ovector_pointer(s.scratch->data);
		if (v[1] > v[0] && v[1] > s.from)
			s.from = v[1];
		else
			s.from = go_on(&s, v[1] > s.from ? v[1] : s.from, 1);
		look_at_clock(&s);
	}
	return true;
}
