/* SPDX-License-Identifier: BSD-2-Clause */
#include "regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"

/*
 * Without PCRE2_NO_DOTSTAR_ANCHOR, `.*word` is tried at line starts only,
 * and misses the word behind a byte that is no UTF-8 (10.42).
 */
#define OPTIONS \
	(PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | \
	    PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_DOTSTAR_ANCHOR)

#define NESTING_MAX	100		/* parentheses in a pattern */
#define STEPS_MAX	2000000		/* of one place where a match begins */
#define HEAP_MAX_KIB	(32 << 10)	/* without JIT */
#define DEPTH_MAX	500000		/* the same */
#define JIT_STACK_START (32 << 10)
#define JIT_STACK_MAX	(4 << 20)
#define SHOWN_MAX	80 /* bytes of a pattern in a message */

/*
 * PCRE2 counts steps for each place where a match might begin, and no time:
 * a text of n bytes may have n such places, each of which looks at all of
 * it.  A short text is searched without a clock: some patterns take ten
 * seconds and more of 100 KiB.  For others the pattern
 * begins with a callout, which PCRE2 makes at each place it tries; after so
 * many bytes that may have been looked at, the callout reads the clock.
 */
#define SHORT (128 << 10)
#define CALLOUT "(?C1)"
#define BYTES_A_LOOK (32 << 20)
#define SECOND 1000000000 /* nanoseconds */
#define NANOSECONDS_PER_BYTE 100

struct regex {
	pcre2_code *code;    /* as it stands, for short texts */
	pcre2_code *watched; /* with the callout */
	char *shown; /* the pattern, for messages */
};

/* What a thread keeps. */
struct scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* CPU time that a search may take. */
struct watch {
	size_t places; /* to try before the next look at the clock */
	size_t left;
	uint64_t until; /* of this thread's CPU time; 0: not looked yet */
	uint64_t allowed;
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
	s->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX,
	    NULL);
	if (s->data == NULL || s->context == NULL ||
	    pthread_setspecific(scratch_key, s) != 0) {
		scratch_free(s);
		return NULL;
	}
	if (s->stack != NULL)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	pcre2_set_match_limit(s->context, STEPS_MAX);
	pcre2_set_heap_limit(s->context, HEAP_MAX_KIB);
	pcre2_set_depth_limit(s->context, DEPTH_MAX);
	return s;
}

/* ---- the clock ---- */

static uint64_t
cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void
watch_init(struct watch *w, size_t n)
{
	w->places = BYTES_A_LOOK / (n + 1) + 1;
	w->left = w->places;
	w->until = 0;
	w->allowed = SECOND + n * NANOSECONDS_PER_BYTE;
}

static int
look_at_clock(pcre2_callout_block *block, void *context)
{
	struct watch *w = context;
	uint64_t now;

	(void)block;
	if (--w->left > 0)
		return 0;
	w->left = w->places;
	now = cpu_time();
	if (w->until == 0)
		w->until = now + w->allowed;
	return now < w->until ? 0 : PCRE2_ERROR_CALLOUT;
}

/* ---- compiling ---- */

static pcre2_code *
compile(const char *pattern, size_t n, size_t *at, struct error *err)
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
	code = pcre2_compile((PCRE2_SPTR)pattern, n, OPTIONS, &number,
	    &offset, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		pcre2_get_error_message(number, words, sizeof(words));
		error_perm(err, "%s", (const char *)words);
		*at = offset < n ? offset : n;
	}
	return code;
}

/* As it stands first: for its errors, and their places. */
static bool
compile_both(struct regex *r, const char *pattern, size_t n, size_t *at,
    struct error *err)
{
	char *text;

	r->code = compile(pattern, n, at, err);
	if (r->code == NULL)
		return false;
	text = mem_printf(CALLOUT "%.*s", (int)n, pattern);
	r->watched = compile(text, strlen(CALLOUT) + n, at, err);
	free(text);
	if (r->watched == NULL)
		return false;
	/* Where there is no JIT, the interpreter does it. */
	(void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
	(void)pcre2_jit_compile(r->watched, PCRE2_JIT_COMPLETE);
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
	pcre2_code_free(r->watched);
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
	/* They would have to stand before our callout, and lift our limits. */
	if (n >= 2 && memcmp(pattern, "(*", 2) == 0) {
		error_perm(err, "begins with (*: settings of PCRE2 cannot be "
		    "changed here");
		return NULL;
	}
	r = mem_alloc(sizeof(*r));
	r->shown = show(pattern, n);
	if (!compile_both(r, pattern, n, at, err))
		regex_free(&r);
	return r;
}

/* ---- searching ---- */

/* TEMP: which regular expression, and why. */
static bool
give_up(const struct regex *r, int number, struct error *err)
{
	PCRE2_UCHAR words[256];
	const char *why = (const char *)words;

	switch (number) {
	case PCRE2_ERROR_CALLOUT:
		why = "takes too long";
		break;
	case PCRE2_ERROR_MATCHLIMIT:
		why = "takes too many steps";
		break;
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_JIT_STACKLIMIT:
	case PCRE2_ERROR_NOMEMORY:
		why = "needs too much memory";
		break;
	default:
		pcre2_get_error_message(number, words, sizeof(words));
	}
	return error_temp(err, "the regular expression \"%s\" %s on this text",
	    r->shown, why);
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

static bool
search(const struct regex *r, const char *p, size_t n, size_t from,
    struct watch *w, bool *found, struct regex_match *m, struct error *err)
{
	struct scratch *s = get_scratch();
	int did;

	*found = false;
	if (from > n)
		return true;
	if (s == NULL)
		return error_temp(err, "no memory");
	pcre2_set_callout(s->context, look_at_clock, w);
	did = pcre2_match(n <= SHORT ? r->code : r->watched, (PCRE2_SPTR)p, n,
	    from, 0, s->data, s->context);
	if (did == PCRE2_ERROR_NOMATCH)
		return true;
	if (did < 0)
		return give_up(r, did, err);
	*found = true;
	copy_groups(s, m);
	return true;
}

bool
regex_find(const struct regex *r, const char *p, size_t n, size_t from,
    bool *found, struct regex_match *m, struct error *err)
{
	struct watch w;

	watch_init(&w, n);
	return search(r, p, n, from, &w, found, m, err);
}

bool
regex_count(const struct regex *r, const char *p, size_t n, size_t enough,
    size_t *found, struct error *err)
{
	struct regex_match m;
	struct watch w;
	size_t from = 0;
	bool again = true;
	uint32_t cp;

	*found = 0;
	watch_init(&w, n);
	while (*found < enough && from <= n) {
		size_t end;

		if (!search(r, p, n, from, &w, &again, &m, err))
			return false;
		if (!again)
			break;
		(*found)++;
		end = m.groups[0].off + m.groups[0].len;
		/* Behind an empty match, or \K that went back: one further. */
		if (m.groups[0].len > 0 && end > from) {
			from = end;
			continue;
		}
		end = end > from ? end : from;
		from = end + 1;
		if (end < n && utf8_decode(p + end, n - end, &cp) > 0)
			from = end + utf8_decode(p + end, n - end, &cp);
	}
	return true;
}
