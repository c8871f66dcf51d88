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

/*
 * Without PCRE2_NO_DOTSTAR_ANCHOR, `.*word` is tried at line starts only,
 * and misses the word behind a byte that is no UTF-8 (10.42).
 */
#define BASE_OPTIONS \
	(PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | \
	    PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_DOTSTAR_ANCHOR | \
	    PCRE2_USE_OFFSET_LIMIT)

#define NESTING_MAX 100		 /* parentheses in a pattern */
#define JIT_STACK_START (32 << 10)
#define JIT_STACK_MAX (8 << 20)
#define HEAP_MAX_KIB (32 << 10) /* without JIT */
#define DEPTH_MAX 500000	 /* the same */

/*
 * PCRE2's match limit holds for each place where a match might begin, and
 * counts no time: a text of n characters may cost it n * n steps and more.
 * So we search in calls that are each bounded, and look at the clock
 * between them.  A call tries `starts` places and sees the text up to
 * `reach` behind the first; when that end matters, PCRE2 says so (a
 * partial match) and is asked again with more.
 */
#define STEPS_MAX 10000000 /* of one call, over all its places */
#define STEPS_MIN 500	   /* of one place */
#define CHUNK 4096
#define CHUNK_RECURSIVE 256 /* recursion is slow, and counts no steps */
#define FEWER 16 /* a call that took too many steps is split so often */

/* CPU time for a whole search. */
#define NANOSECONDS 1000000000
#define NANOSECONDS_PER_BYTE 100

#define SHOWN_MAX 80 /* bytes of a pattern in a message */

/* How much of the text a call may be given. */
enum cut {
	CUT_ALL,    /* so many places, so many bytes */
	CUT_STARTS, /* so many places, but all of the text */
	/*
	 * All: no match is longer than some length that the pattern alone
	 * sets.
	 */
	CUT_NOTHING,
	CUT_NEVER, /* the same, even when it takes too many steps */
};

struct regex {
	pcre2_code *code;
	char *shown; /* the pattern, for messages */
	uint32_t groups;
	enum cut cut;
	size_t chunk;
	int required; /* a byte of every match; or -1 */
};

/* What a thread keeps. */
struct scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

struct search {
	const struct regex *r;
	const char *p;
	size_t n;
	size_t stop;   /* no match begins here or later */
	size_t from;   /* nor before this */
	size_t starts; /* how many places the next call tries */
	size_t next;   /* the first that it did not try */
	size_t reach;
	size_t starts_usual, reach_usual;
	uint64_t until; /* of this thread's CPU time; 0: not begun */
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

/* ---- What a thread keeps ---- */

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
	pcre2_set_heap_limit(s->context, HEAP_MAX_KIB);
	pcre2_set_depth_limit(s->context, DEPTH_MAX);
	return s;
}

/* ---- Compiling ---- */

static bool
has_text(const char *pattern, size_t n, const char *text)
{
	return memmem(pattern, n, text, strlen(text)) != NULL;
}

static bool
has_any(const char *pattern, size_t n, const char *const *texts)
{
	for (; *texts != NULL; texts++)
		if (has_text(pattern, n, *texts))
			return true;
	return false;
}

/*
 * What may repeat without end.  Escapes are not looked at: who wrote `\+`
 * is only searched in pieces.
 */
static const char *const endless[] = { "*", "+", ",}", ", }", NULL };
static const char *const recursive[] = { "(?R", "(?&", "(?P>", "(?-", "(?+",
	"\\g", "(?0", "(?1", "(?2", "(?3", "(?4", "(?5", "(?6", "(?7", "(?8",
	"(?9", NULL };

/*
 * \G, \K and verbs tell where a search began, or move its begin.  Partial
 * matches miss some of \X, and without JIT those that end before a byte
 * that is no UTF-8 (10.42).
 */
static enum cut
choose_cut(const struct regex *r, const char *pattern, size_t n)
{
	bool jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;

	if (has_text(pattern, n, "(*") || has_text(pattern, n, "\\G") ||
	    has_text(pattern, n, "\\K"))
		return CUT_NEVER;
	if (has_text(pattern, n, "\\X"))
		return CUT_STARTS;
	if (!has_any(pattern, n, endless) && !has_any(pattern, n, recursive))
		return CUT_NOTHING;
	if (jit && pcre2_jit_compile(r->code, PCRE2_JIT_PARTIAL_HARD) == 0)
		return CUT_ALL;
	return CUT_STARTS;
}

static void
look_at(struct regex *r, const char *pattern, size_t n)
{
	uint32_t type = 0, unit = 0;

	r->cut = choose_cut(r, pattern, n);
	r->chunk = has_any(pattern, n, recursive) ? CHUNK_RECURSIVE : CHUNK;
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
	r->required = -1;
	if (pcre2_pattern_info(r->code, PCRE2_INFO_LASTCODETYPE, &type) == 0 &&
	    type == 1 &&
	    pcre2_pattern_info(r->code, PCRE2_INFO_LASTCODEUNIT, &unit) == 0 &&
	    unit < 0x80)
		r->required = (int)unit;
}

static pcre2_code *
compile(const char *pattern, size_t n, uint32_t options, size_t *at,
    struct error *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;
	PCRE2_UCHAR words[256];
	PCRE2_SIZE offset = 0;
	int number;

	if (context == NULL) {
		error_temp(err, "no memory");
		return NULL;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_parens_nest_limit(context, NESTING_MAX);
	code = pcre2_compile((PCRE2_SPTR)pattern, n, options, &number,
	    &offset, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		pcre2_get_error_message(number, words, sizeof(words));
		error_perm(err, "%s", (const char *)words);
		*at = offset < n ? offset : n;
	}
	return code;
}

static struct regex *
new(const char *pattern, size_t n, uint32_t options, size_t *at,
    struct error *err)
{
	struct regex *r = NULL;
	pcre2_code *code;
	struct buf shown;

	*at = 0;
	if (n > REGEX_MAX_PATTERN) {
		*at = REGEX_MAX_PATTERN;
		error_perm(err, "longer than %d bytes", REGEX_MAX_PATTERN);
		return NULL;
	}
	code = compile(pattern, n, options | BASE_OPTIONS, at, err);
	if (code == NULL)
		return NULL;
	r = mem_alloc(sizeof(*r));
	r->code = code;
	look_at(r, pattern, n);
	buf_init(&shown, 4 * SHOWN_MAX + 8);
	log_escape(&shown, pattern, n < SHOWN_MAX ? n : SHOWN_MAX);
	if (n > SHOWN_MAX)
		buf_puts(&shown, "...");
	r->shown = buf_take(&shown);
	return r;
}

/* ---- Searching ---- */

/* TEMP: which regular expression, and why. */
static bool
limit(const struct regex *r, const char *why, struct error *err)
{
	return error_temp(err, "the regular expression \"%s\" %s on this text",
	    r->shown, why);
}

static bool
give_up(const struct regex *r, int number, struct error *err)
{
	PCRE2_UCHAR words[256];

	switch (number) {
	case PCRE2_ERROR_MATCHLIMIT:
		return limit(r, "takes too many steps", err);
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_JIT_STACKLIMIT:
	case PCRE2_ERROR_NOMEMORY:
		return limit(r, "needs too much memory", err);
	default:
		pcre2_get_error_message(number, words, sizeof(words));
		return error_temp(err, "the regular expression \"%s\": %s",
		    r->shown, (const char *)words);
	}
}

static uint64_t
cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NANOSECONDS + (uint64_t)t.tv_nsec;
}

/*
 * from + count or a little more, at most n: where the text may be cut.  Not
 * inside a character, nor between CR and LF.
 */
static size_t
boundary(const struct search *s, size_t from, size_t count)
{
	size_t at = count < s->n - from ? from + count : s->n;

	for (int i = 0; i < 3 && at < s->n && (s->p[at] & 0xc0) == 0x80; i++)
		at++;
	if (at > 0 && at < s->n && s->p[at] == '\n' && s->p[at - 1] == '\r')
		at++;
	return at;
}

/* The last byte that is c, in either case. */
static const char *
last_byte(const char *p, size_t n, char c)
{
	const char *at = memrchr(p, c, n), *other;
	bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';

	if (!upper && !lower)
		return at;
	other = memrchr(p, c ^ 0x20, n);
	return at == NULL || (other != NULL && other > at) ? other : at;
}

/*
 * Behind the last byte that every match has, no match begins.  PCRE2 looks
 * for it too, but not when it is shown the text in pieces.
 */
static void
find_stop(struct search *s)
{
	const char *last;

	s->stop = s->n + 1;
	if (s->r->required < 0 || s->n <= s->r->chunk)
		return;
	last = last_byte(s->p, s->n, (char)s->r->required);
	s->stop = last == NULL ? 0 : (size_t)(last - s->p) + 1;
}

static void
search_init(struct search *s, const struct regex *r, const char *p, size_t n,
    size_t from)
{
	memset(s, 0, sizeof(*s));
	s->r = r;
	s->p = n > 0 ? p : "";
	s->n = n;
	s->from = from;
	s->starts_usual = s->reach_usual = n + 1;
	if (r->cut == CUT_ALL)
		s->starts_usual = s->reach_usual = r->chunk;
	else if (r->cut == CUT_STARTS)
		s->starts_usual = n / 16 > r->chunk ? n / 16 : r->chunk;
	s->starts = s->starts_usual;
	s->reach = s->reach_usual;
	find_stop(s);
}

static int
call(struct search *s, struct scratch *t)
{
	size_t left = s->n - s->from + 1, starts, end;
	uint32_t options = 0;
	uint32_t steps;

	if (s->starts > left)
		s->starts = left;
	starts = s->starts;
	end = boundary(s, s->from, s->reach);
	if (end < s->n)
		options |= PCRE2_PARTIAL_HARD;
	s->next = boundary(s, s->from, starts);
	if (s->next >= s->n && starts == left)
		s->next = s->n + 1;
	steps = starts < STEPS_MAX / STEPS_MIN ?
	    (uint32_t)(STEPS_MAX / starts) : STEPS_MIN;
	pcre2_set_match_limit(t->context, s->r->cut == CUT_NEVER ?
	    STEPS_MAX : steps);
	pcre2_set_offset_limit(t->context, s->next - 1);
	return pcre2_match(s->r->code, (PCRE2_SPTR)s->p, end, s->from,
	    options, t->data, t->context);
}

/* No match begins at the places tried. */
static void
go_on(struct search *s)
{
	s->from = s->next;
	s->reach = s->reach_usual;
	s->starts = s->starts < s->starts_usual / FEWER ?
	    s->starts * FEWER : s->starts_usual;
}

/* A match may begin at `at`, but the text ends too early to say. */
static void
see_more(struct search *s, size_t at)
{
	if (at > s->from) {
		s->from = at;
		s->reach = s->reach_usual;
		return;
	}
	s->starts = 1;
	s->reach = s->reach < s->n / 2 ? s->reach * 2 : s->n;
}

static bool
out_of_time(struct search *s)
{
	uint64_t now = cpu_time();

	if (s->until == 0)
		s->until = now + NANOSECONDS +
		    (uint64_t)s->n * NANOSECONDS_PER_BYTE;
	return now > s->until;
}

/* The next match; its place is in t->data. */
static bool
search_next(struct search *s, struct scratch *t, bool *found,
    struct error *err)
{
	*found = false;
	while (s->from < s->stop) {
		int rc = call(s, t);

		if (rc >= 0) {
			*found = true;
			return true;
		}
		if (rc == PCRE2_ERROR_NOMATCH && s->next >= s->stop)
			return true;
		if (rc == PCRE2_ERROR_NOMATCH)
			go_on(s);
		else if (rc == PCRE2_ERROR_PARTIAL)
			see_more(s, pcre2_get_ovector_pointer(t->data)[0]);
		else if (rc == PCRE2_ERROR_MATCHLIMIT && s->starts > 1 &&
		    s->r->cut != CUT_NEVER)
			s->starts = (s->starts + FEWER - 1) / FEWER;
		else
			return give_up(s->r, rc, err);
		if (out_of_time(s))
			return limit(s->r, "takes too long", err);
	}
	return true;
}

/* Goes on behind a match; from > n when it was the last. */
static void
go_behind(struct search *s, const PCRE2_SIZE *at)
{
	if (at[1] > at[0] && at[1] > s->from) {
		s->from = at[1];
	} else {
		size_t end = at[1] > s->from ? at[1] : s->from;

		s->from = end < s->n ? boundary(s, end, 1) : s->n + 1;
	}
	s->reach = s->reach_usual;
}

/* ---- Public functions ---- */

struct regex *
regex_new(const char *pattern, size_t n, size_t *at, struct error *err)
{
	return new(pattern, n, 0, at, err);
}

struct regex *
regex_new_nocase(const char *pattern, size_t n, size_t *at,
    struct error *err)
{
	return new(pattern, n, PCRE2_CASELESS, at, err);
}

void
regex_free(struct regex **r)
{
	if (*r == NULL)
		return;
	pcre2_code_free((*r)->code);
	free((*r)->shown);
	free(*r);
	*r = NULL;
}

const char *
regex_shown(const struct regex *r)
{
	return r->shown;
}

unsigned
regex_groups(const struct regex *r)
{
	return r->groups;
}

bool
regex_count(const struct regex *r, const char *p, size_t n, size_t enough,
    size_t *found, struct error *err)
{
	struct scratch *t = get_scratch();
	struct search s;

	*found = 0;
	if (t == NULL)
		return error_temp(err, "no memory");
	search_init(&s, r, p, n, 0);
	while (*found < enough && s.from < s.stop) {
		bool match;

		if (!search_next(&s, t, &match, err))
			return false;
		if (!match)
			break;
		++*found;
		go_behind(&s, pcre2_get_ovector_pointer(t->data));
		if (out_of_time(&s))
			return limit(r, "takes too long", err);
	}
	return true;
}

bool
regex_find(const struct regex *r, const char *p, size_t n, size_t from,
    bool *found, struct regex_match *m, struct error *err)
{
	struct scratch *t = get_scratch();
	const PCRE2_SIZE *at;
	struct search s;
	uint32_t groups;

	*found = false;
	memset(m, 0, sizeof(*m));
	if (t == NULL)
		return error_temp(err, "no memory");
	if (from > n)
		return true;
	search_init(&s, r, p, n, from);
	if (!search_next(&s, t, found, err))
		return false;
	if (!*found)
		return true;
	at = pcre2_get_ovector_pointer(t->data);
	groups = r->groups + 1;
	for (uint32_t i = 0; i < groups && i < REGEX_MAX_GROUPS; i++) {
		if (at[2 * i] == PCRE2_UNSET)
			continue;
		m->groups[i].off = at[2 * i];
		m->groups[i].len = at[2 * i + 1] - at[2 * i];
	}
	return true;
}
