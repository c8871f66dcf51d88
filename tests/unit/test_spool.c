/* SPDX-License-Identifier: BSD-2-Clause */
/* Spools, and the pieces that borrow from them. */
#include "milter-smime/spool.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

#include "common/mem.h"
#include "milter-smime/pieces.h"
#include "tap.h"

static char dir[] = "/tmp/test_spool.XXXXXX";

static size_t
files_in_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}

static void
keeps(size_t spill_at, size_t step, size_t total, const char *says)
{
	struct spool_place place = {dir, spill_at};
	struct spool *s = spool_new(&place);
	struct error err = {0};
	char *block = mem_alloc(step);
	bool ok = true;

	for (size_t done = 0; ok && done < total; done += step) {
		for (size_t i = 0; i < step; i++)
			block[i] = (char)((done + i) * 7);
		ok = spool_write(s, block, step, &err);
	}
	ok = ok && spool_finish(s, &err) && spool_len(s) == total &&
	    spool_data(s) != NULL;
	for (size_t i = 0; ok && i < total; i++)
		ok = spool_data(s)[i] == (char)(i * 7);
	check(ok && files_in_dir() == 0, "%s", says);
	spool_free(&s);
	free(block);
}

static void
test_spool(void)
{
	keeps(100, 1, 0, "an empty spool has data of length 0");
	keeps(100, 10, 100, "what just fits stays in memory");
	keeps(100, 1, 101, "one byte more goes to disk");
	keeps(100, 1000, 1000, "a first write too large goes to disk");
	keeps(0, 1, 1, "with no memory at all everything does");
	keeps(1 << 20, 4096, 1 << 20, "a megabyte in memory comes back");
	keeps(4096, 65536, 1 << 22, "four megabytes on disk come back");
}

static size_t
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

/* Spools in files that can be read. */
static size_t
mapped_files(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	size_t n = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, dir) != NULL;
	if (f != NULL)
		fclose(f);
	return n;
}

/* Memory for large spools is there for three at a time. */
static void
test_large_spools(void)
{
	struct spool_place place = {dir, 4 << 20};
	size_t before = open_files(), wrong = 0;
	char *block = mem_alloc(3 << 20);
	struct error err = {0};
	struct spool *s[5];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 5; i++) {
			memset(block, (int)('a' + i), 3 << 20);
			s[i] = spool_new(&place);
			wrong += !spool_write(s[i], block, 1 << 20, &err) ||
			    !spool_write(s[i], block, 2 << 20, &err) ||
			    !spool_finish(s[i], &err);
		}
		wrong += mapped_files() != 2 || open_files() != before;
		for (size_t i = 0; i < 5; i++) {
			memset(block, (int)('a' + i), 3 << 20);
			wrong += spool_len(s[i]) != 3 << 20 ||
			    memcmp(spool_data(s[i]), block, 3 << 20) != 0;
			spool_free(&s[i]);
		}
	}
	check(wrong == 0 && mapped_files() == 0, "three large spools are "
	    "kept in memory, the others in files, again and again");
	place.spill_at = 2 << 20;
	s[0] = spool_new(&place);
	check(spool_write(s[0], block, 2 << 20, &err) &&
	    open_files() == before && spool_write(s[0], block, 1, &err) &&
	    open_files() == before + 1 && spool_finish(s[0], &err) &&
	    memcmp(spool_data(s[0]), block, 2 << 20) == 0,
	    "a large one that grows on moves to a file");
	spool_free(&s[0]);
	free(block);
}

static void
test_spool_errors(void)
{
	struct spool_place nowhere = {"/nonexistent", 4}, here = {dir, 4};
	struct rlimit old, small;
	struct error err = {0};
	struct spool *s = spool_new(&nowhere);
	char block[8192] = {0};

	check(spool_write(s, "1234", 4, &err), "memory needs no directory");
	check(!spool_write(s, "5", 1, &err) && err.kind == ERROR_TEMP &&
	    strstr(err.text, "/nonexistent") != NULL,
	    "a directory that is missing is a temporary error and named");
	spool_free(&s);
	check(s == NULL, "freeing sets the pointer to NULL");
	spool_free(&s);

	/* A full disk, or as near as a test comes to it. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	s = spool_new(&here);
	check(!spool_write(s, block, sizeof(block), &err) &&
	    err.kind == ERROR_TEMP, "a full disk is a temporary error");
	spool_free(&s);
	setrlimit(RLIMIT_FSIZE, &old);
}

static bool
is(const struct pieces *p, const char *want)
{
	size_t at = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (strncmp(want + at, p->v[i].data, p->v[i].len) != 0)
			return false;
		at += p->v[i].len;
	}
	return at == strlen(want) && p->len == at;
}

static struct spool *
spool_of(const struct spool_place *place, const char *text)
{
	struct spool *s = spool_new(place);
	struct error err;

	if (!spool_write(s, text, strlen(text), &err) ||
	    !spool_finish(s, &err))
		abort();
	return s;
}

static void
test_pieces(void)
{
	struct spool_place place = {dir, 2};
	struct pieces p = {0}, q = {0};
	struct spool *s;
	struct error err = {0};
	struct buf text;

	check(is(&p, ""), "zeroed memory is no pieces");
	pieces_add(&p, "one ", 4);
	pieces_add(&p, "", 0);
	check(p.n == 1, "an empty piece is none");
	buf_init(&text, 100);
	buf_puts(&text, "two ");
	pieces_keep_text(&p, &text);
	check(text.data == NULL && is(&p, "one two "), "a text is taken");
	s = spool_of(&place, "three ");
	pieces_keep_spool(&p, &s);
	check(s == NULL && is(&p, "one two three "), "a spool is taken");
	pieces_add(&q, "zero ", 5);
	pieces_join(&q, &p);
	check(is(&q, "zero one two three ") && is(&p, ""),
	    "joined pieces are all there, in order");
	check(pieces_flatten(&q, &place, &err) && q.n == 1 &&
	    is(&q, "zero one two three "), "flat they are one");
	check(pieces_flatten(&q, &place, &err) && q.nspools == 1,
	    "one is not copied");
	pieces_add(&p, q.v[0].data + 5, 4);
	pieces_keep_sources(&p, &q);
	check(is(&q, "") && is(&p, "one "),
	    "what is borrowed from lives on without being added");
	pieces_clear(&p);
	pieces_clear(&p);
	check(is(&p, ""), "cleared twice they are empty");
	check(pieces_flatten(&p, &place, &err), "no pieces are flat");
	pieces_add(&p, "a", 1);
	pieces_add(&p, "bcd", 3);
	place.directory = "/nonexistent";
	check(!pieces_flatten(&p, &place, &err) && err.kind == ERROR_TEMP &&
	    is(&p, "abcd"), "when there is no room they stay as they were");
	pieces_clear(&p);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	test_spool();
	test_large_spools();
	test_spool_errors();
	test_pieces();
	check(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
