/* SPDX-License-Identifier: BSD-2-Clause */
/* The ground everything stands on: mem, buf, strvec, error, log, clock. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/strvec.h"
#include "tap.h"

static void
test_mem(void)
{
	char *p = mem_alloc(100), *q;
	int zeros = 0;

	for (int i = 0; i < 100; i++)
		zeros += p[i] == 0;
	check(zeros == 100, "new memory is zeroed");
	free(p);
	p = mem_alloc(0);
	check(p != NULL, "no bytes are memory, too");
	free(p);
	p = mem_array(10, 10);
	check(p[99] == 0, "an array is zeroed");
	p = mem_resize(p, 0, 10);
	check(p != NULL, "resizing to nothing gives memory");
	free(p);
	check(mem_strdup(NULL) == NULL && mem_dup(NULL, 5) == NULL,
	    "a copy of NULL is NULL");
	p = mem_dup("a\0b", 3);
	check(memcmp(p, "a\0b\0", 4) == 0, "copies have a NUL after them");
	q = mem_printf("%s-%d", "x", 42);
	check_str(q, "x-42", "text is formatted into new memory");
	mem_wipe_free(p, 3);
	mem_wipe_free(NULL, 0);
	free(q);
}

static void
test_buf(void)
{
	struct buf b;
	char *taken;

	buf_init(&b, 5);
	check_str(buf_text(&b), "", "an empty buffer reads as empty text");
	check(buf_puts(&b, "abc") && b.len == 3, "text is appended");
	check(!buf_puts(&b, "def") && b.len == 3 && b.overflow,
	    "what would pass the maximum is left out whole");
	check(buf_puts(&b, "de") && b.len == 5,
	    "what just fits is appended after that");
	check(b.overflow, "the overflow is remembered");
	check(!buf_putc(&b, 'x') && !buf_printf(&b, "%d", 1),
	    "nothing fits into a full buffer");
	check(buf_append(&b, "", 0), "nothing always fits");
	check_str(buf_text(&b), "abcde", "the text is whole");
	buf_reset(&b);
	check(b.len == 0 && !b.overflow && *buf_text(&b) == '\0',
	    "a reset empties it");
	check(buf_printf(&b, "%s%d", "n", 1234) && b.len == 5,
	    "formatted text may fill it");
	taken = buf_take(&b);
	check_str(taken, "n1234", "the memory can be taken");
	check(b.data == NULL && b.len == 0 && b.max == 5,
	    "then the buffer is empty and keeps its maximum");
	free(taken);
	taken = buf_take(&b);
	check_str(taken, "", "taking nothing gives empty text");
	free(taken);
	buf_puts(&b, "key");
	buf_wipe(&b);
	check(b.data == NULL && b.max == 5, "a wiped buffer is empty");
	buf_clear(&b);
	buf_init(&b, 0);
	check(!buf_putc(&b, 'x') && buf_append(&b, "", 0),
	    "nothing fits into a buffer of 0 bytes");
	buf_clear(&b);
}

static void
test_buf_grows(void)
{
	struct buf b;
	bool good = true;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 1 << 20; i++)
		good = good && buf_putc(&b, (char)i) && b.data[b.len] == '\0' &&
		       b.cap > b.len;
	for (int i = 0; i < 1 << 20; i++)
		good = good && b.data[i] == (char)i;
	check(good, "a mebibyte, byte by byte, has a NUL after it each time");
	check(!buf_putc(&b, 'x'), "and not one more");
	check(!buf_reserve(&b, (size_t)-1), "room for everything is refused");
	buf_clear(&b);
}

static void
test_strvec(void)
{
	struct strvec s = {0};
	bool good = true;

	check(!strvec_has(&s, "x"), "an empty list has nothing");
	for (int i = 0; i < 1000; i++) {
		strvec_take(&s, mem_printf("n%d", i));
		good = good && s.n == (size_t)i + 1 && s.v[s.n] == NULL;
	}
	check(good && strcmp(s.v[777], "n777") == 0,
	    "a list of 1,000 ends with NULL each time");
	check(strvec_has(&s, "n500") && !strvec_has(&s, "N500"),
	    "a text is found as it is");
	check(strvec_hascase(&s, "N500") && !strvec_hascase(&s, "n1000"),
	    "or whatever its case");
	strvec_clear(&s);
	check(s.n == 0 && s.v == NULL, "a cleared list is empty");
	strvec_addn(&s, "abcdef", 3);
	strvec_add(&s, "");
	check_str(s.v[0], "abc", "part of a text can be added");
	check_str(s.v[1], "", "empty text can be added");
	strvec_clear(&s);
}

static void
test_error(void)
{
	struct error err = {0};
	char *big = mem_alloc(2000);

	check(!error_temp(&err, "a %d", 1) && err.kind == ERROR_TEMP,
	    "a temporary error is TEMP and false");
	check_str(err.text, "a 1", "its text is formatted");
	check(!error_perm(&err, "b") && err.kind == ERROR_PERM,
	    "a permanent error is PERM and false");
	check(!error_prefix(&err, "in %s", "x") && err.kind == ERROR_PERM,
	    "a prefix keeps the kind");
	check_str(err.text, "in x: b", "a prefix comes first");
	errno = ENOENT;
	check(!error_errno(&err, "open") && err.kind == ERROR_TEMP,
	    "an errno is TEMP");
	check_str(
	    err.text, "open: No such file or directory", "with what it means");
	memset(big, 'x', 1999);
	error_perm(&err, "%s", big);
	check(strlen(err.text) == sizeof(err.text) - 1, "a long text is cut");
	errno = EIO;
	error_errno(&err, "%s", big);
	error_prefix(&err, "%s", big);
	check(strlen(err.text) == sizeof(err.text) - 1,
	    "a long prefix is cut, too");
	free(big);
}

static void
test_escape(void)
{
	static const struct {
		const char *text;
		const char *want;
		const char *name;
	} table[] = {
	    {"plain ~text", "plain ~text", "printable ASCII stays"},
	    {"a\r\nb\tc", "a\\x0d\\x0ab\\x09c", "control characters do not"},
	    {"\x7f\x1b[31m", "\\x7f\\x1b[31m", "nor DEL and ESC"},
	    {"j\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80",
		"j\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80", "UTF-8 stays"},
	    {"\xff\xfe\x80", "\\xff\\xfe\\x80", "bytes that are not UTF-8"},
	    {"\xc0\x8a", "\\xc0\\x8a", "an overlong newline"},
	    {"\xe0\x80\x8a", "\\xe0\\x80\\x8a", "a longer overlong newline"},
	    {"\xc2\x85", "\\xc2\\x85", "a C1 control character"},
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "a surrogate"},
	    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "beyond Unicode"},
	    {"x\xe2\x82", "x\\xe2\\x82", "a character cut off at the end"},
	    {"\xe2\x82z", "\\xe2\\x82z", "a character cut off by another"},
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		buf_reset(&b);
		log_escape(&b, table[i].text, strlen(table[i].text));
		check_str(buf_text(&b), table[i].want, table[i].name);
	}
	buf_reset(&b);
	log_escape(&b, "a\0b", 3);
	check_str(buf_text(&b), "a\\x00b", "NUL is escaped");
	buf_clear(&b);
}

/* What one call writes to standard error. */
static char *
logged(const char *text)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	char *got = mem_alloc(40000);
	size_t n;

	fflush(stderr);
	dup2(fileno(f), STDERR_FILENO);
	log_warning("4F1A: text=%s", text);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(f);
	n = fread(got, 1, 39999, f);
	got[n] = '\0';
	fclose(f);
	return got;
}

static void
test_log(void)
{
	char *line, *big = mem_alloc(20001);

	check(
	    !log_open("x", "nonsense", true), "an unknown facility is refused");
	check(log_open("test", "mail", true), "a known one is taken");
	line = logged("a\nb");
	check_str(line, "test: warning: 4F1A: text=a\\x0ab\n",
	    "a line has program, severity, and stays one line");
	free(line);
	memset(big, 'x', 20000);
	line = logged(big);
	check(strchr(line, '\n') == line + strlen(line) - 1 &&
		  strlen(line) < 9000,
	    "a line that is too long is bounded");
	free(line);
	free(big);
}

static void
test_clock(void)
{
	static const char *const bad[] = {"", "@", "@x", "@1x", "2026",
	    "2026-13-01", "2026-11-22 09:00", "2026-11-22T09:00:00",
	    "2026-11-22T09:00:00Zx", "2026-11-22T25:00:00Z", "tomorrow"};
	char text[21];
	int64_t ms = clock_monotonic_ms();
	time_t t = 0;

	check(labs((long)(clock_now() - time(NULL))) <= 1,
	    "the clock tells the time");
	check(clock_parse("2026-11-22T09:00:00Z", &t) && t == 1795338000,
	    "a time is read");
	clock_format(t, text, sizeof(text));
	check_str(text, "2026-11-22T09:00:00Z", "and written the same");
	check(clock_parse("2026-11-22", &t) && t == 1795305600,
	    "a day is its start, in UTC");
	check(clock_parse("@12345", &t) && t == 12345, "seconds are read");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(!clock_parse(bad[i], &t), "'%s' is no time", bad[i]);
	clock_set(1000);
	check(clock_now() == 1000, "a set clock stands");
	usleep(2000);
	check(clock_monotonic_ms() > ms, "the other one goes on");
}

int
main(void)
{
	test_mem();
	test_buf();
	test_buf_grows();
	test_strvec();
	test_error();
	test_escape();
	test_log();
	test_clock();
	return tap_done();
}
