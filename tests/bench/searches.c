/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What PCRE2 alone takes to search a text for each of some regular
 * expressions: compiled once, JIT, one search each.
 *
 *	searches PATTERNS TEXT
 *
 * PATTERNS has one a line.  Prints microseconds of CPU for all together,
 * and how many were found.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATTERNS_MAX 1000
#define ENOUGH 200e3 /* microseconds of one measurement */

static pcre2_code *
compile(const char *pattern)
{
	PCRE2_SIZE at;
	int code;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern,
	    PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP |
	    PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);

	if (re == NULL)
		errx(1, "%s: error %d at %zu", pattern, code, at);
	if (pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) != 0)
		warnx("%s: no JIT", pattern);
	return re;
}

static size_t
read_patterns(const char *path, pcre2_code **codes)
{
	FILE *f = fopen(path, "r");
	char line[1000];
	size_t n = 0;

	if (f == NULL)
		err(1, "%s", path);
	while (n < PATTERNS_MAX && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		codes[n++] = compile(line);
	}
	fclose(f);
	return n;
}

static char *
read_text(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(64 << 20);

	if (f == NULL || text == NULL)
		err(1, "%s", path);
	*n = fread(text, 1, 64 << 20, f);
	fclose(f);
	return text;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int
main(int argc, char **argv)
{
	static pcre2_code *codes[PATTERNS_MAX];
	pcre2_match_data *data = pcre2_match_data_create(10, NULL);
	size_t npatterns, n, rounds = 0, found = 0;
	double began, spent;
	char *text;

	if (argc != 3)
		errx(64, "usage: searches PATTERNS TEXT");
	npatterns = read_patterns(argv[1], codes);
	text = read_text(argv[2], &n);
	began = now();
	do {
		found = 0;
		for (size_t i = 0; i < npatterns; i++)
			found += pcre2_match(codes[i], (PCRE2_SPTR)text, n, 0,
			    0, data, NULL) > 0;
		rounds++;
		spent = now() - began;
	} while (spent < ENOUGH);
	printf("%.3f %zu\n", spent / (double)rounds, found);
	return 0;
}
