/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/file_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a, 64 bits. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static void
hash_bytes(uint64_t *h, const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++)
		*h = (*h ^ s[i]) * HASH_PRIME;
}

static void
hash_number(uint64_t *h, uint64_t v)
{
	hash_bytes(h, &v, sizeof(v));
}

static void
hash_name(uint64_t *h, const char *name)
{
	hash_bytes(h, name, strlen(name) + 1);
}

/* Everything that tells two states apart, except when it was last read. */
static void
hash_stat(uint64_t *h, const struct stat *st)
{
	hash_number(h, st->st_dev);
	hash_number(h, st->st_ino);
	hash_number(h, st->st_mode);
	hash_number(h, st->st_uid);
	hash_number(h, st->st_gid);
	hash_number(h, (uint64_t)st->st_size);
	hash_number(h, (uint64_t)st->st_mtim.tv_sec);
	hash_number(h, (uint64_t)st->st_mtim.tv_nsec);
	hash_number(h, (uint64_t)st->st_ctim.tv_sec);
	hash_number(h, (uint64_t)st->st_ctim.tv_nsec);
}

/* A link's own stat does not matter: what it leads to does. */
static uint64_t
entry_hash(int dir, const char *name)
{
	struct stat st;
	uint64_t h = HASH_START;

	hash_name(&h, name);
	if (fstatat(dir, name, &st, 0) == 0)
		hash_stat(&h, &st);
	else
		hash_number(&h, (uint64_t)errno);
	return h;
}

/* A sum, because readdir(3) promises no order. */
static uint64_t
directory_hash(const char *path)
{
	const struct dirent *e;
	uint64_t sum = 0;
	DIR *d = opendir(path);

	if (d == NULL)
		return (uint64_t)errno;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			sum += entry_hash(dirfd(d), e->d_name);
	closedir(d);
	return sum;
}

uint64_t
file_watch_state(const struct strvec *paths)
{
	uint64_t h = HASH_START;

	for (size_t i = 0; i < paths->n; i++) {
		struct stat st;

		hash_name(&h, paths->v[i]);
		if (stat(paths->v[i], &st) != 0) {
			hash_number(&h, (uint64_t)errno);
		} else if (S_ISDIR(st.st_mode)) {
			/* Not its times: reading it may be all that was. */
			hash_number(&h, st.st_dev);
			hash_number(&h, st.st_ino);
			hash_number(&h, directory_hash(paths->v[i]));
		} else {
			hash_stat(&h, &st);
		}
	}
	return h;
}
