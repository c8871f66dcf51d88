/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular expressions: the first line is one, the rest a text.  Searching
 * in pieces finds what PCRE2 finds in one go, and nothing else.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/mem.h"
#include "milter-smime/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERN_MAX 100
#define TEXT_MAX    400
#define LONG	    20000 /* of more than one piece */
#define STEPS_MAX   100000

#define OPTIONS \
	(PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | \
	    PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_DOTSTAR_ANCHOR)

/* 1: found; 0: not; -1: takes too long to say. */
static int
search(pcre2_code *code, const char *p, size_t n, PCRE2_SIZE *at)
{
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int did;

	pcre2_set_match_limit(context, STEPS_MAX);
	did = pcre2_match(code, (PCRE2_SPTR)p, n, 0, 0, data, context);
	*at = pcre2_get_ovector_pointer(data)[0];
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	return did >= 0 ? 1 : did == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

static void
compare(const struct regex *r, pcre2_code *code, const char *p, size_t n)
{
	struct error err = {0};
	struct regex_match m;
	PCRE2_SIZE at = 0;
	size_t count;
	bool found;
	int want = search(code, p, n, &at);

	if (want < 0 || !regex_find(r, p, n, 0, &found, &m, &err))
		return;
	if (found != (want == 1) || (found && m.groups[0].off != at &&
	    m.groups[0].len > 0)) {
		fprintf(stderr, "%zu bytes: %d at %zu, not %d at %zu\n", n,
		    found, m.groups[0].off, want, at);
		abort();
	}
	if (regex_count(r, p, n, 3, &count, &err) && (count > 0) != found)
		abort();
}

static pcre2_code *
compile(const uint8_t *pattern, size_t n)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	PCRE2_SIZE at;
	int number;

	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	code = pcre2_compile(pattern, n, OPTIONS, &number, &at, context);
	pcre2_compile_context_free(context);
	if (code != NULL)
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t at, n = end == NULL ? size : (size_t)(end - data);
	size_t rest = end == NULL ? 0 : size - n - 1;
	struct error err = {0};
	struct regex *r;
	pcre2_code *code;
	char *text;

	if (n > PATTERN_MAX || rest > TEXT_MAX)
		return 0;
	r = regex_new((const char *)data, n, &at, &err);
	if (r == NULL)
		return 0;
	code = compile(data, n);
	if (code == NULL)
		abort();
	text = mem_alloc(LONG);
	for (size_t i = 0; i < LONG && rest > 0; i++)
		text[i] = (char)end[1 + i % rest];
	compare(r, code, text, rest);
	if (rest > 0)
		compare(r, code, text, LONG);
	pcre2_code_free(code);
	regex_free(&r);
	free(text);
	return 0;
}
