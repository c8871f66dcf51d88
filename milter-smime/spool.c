/* SPDX-License-Identifier: BSD-2-Clause */
#include "spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

struct spool {
	struct spool_place place;
	char *mem;
	size_t cap;
	size_t len;
	int fd;	    /* -1 while in memory */
	char *map;  /* after finish, when on disk */
	bool finished;
};

struct spool *
spool_new(const struct spool_place *place)
{
	struct spool *s = mem_alloc(sizeof(*s));

	s->place = *place;
	s->fd = -1;
	return s;
}

void
spool_free(struct spool **sp)
{
	struct spool *s = *sp;

	if (s == NULL)
		return;
	if (s->map != NULL)
		munmap(s->map, s->len);
	if (s->fd >= 0)
		close(s->fd);
	mem_wipe_free(s->mem, s->cap);
	free(s);
	*sp = NULL;
}

/* O_TMPFILE where the file system has it, else create and unlink. */
static int
open_nameless(const char *directory, struct error *err)
{
	char *path;
	int fd;

	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		path = mem_printf("%s/spool.XXXXXX", directory);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
		free(path);
	}
	if (fd < 0)
		error_errno(err, "cannot make a temporary file in %s",
		    directory);
	return fd;
}

static bool
write_all(struct spool *s, const char *p, size_t n, struct error *err)
{
	while (n > 0) {
		ssize_t did = write(s->fd, p, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return error_errno(err,
			    "cannot write a temporary file in %s",
			    s->place.directory);
		p += did;
		n -= (size_t)did;
	}
	return true;
}

static bool
spill(struct spool *s, struct error *err)
{
	s->fd = open_nameless(s->place.directory, err);
	if (s->fd < 0 || !write_all(s, s->mem, s->len, err))
		return false;
	mem_wipe_free(s->mem, s->cap);
	s->mem = NULL;
	s->cap = 0;
	return true;
}

bool
spool_write(struct spool *s, const void *p, size_t n, struct error *err)
{
	assert(!s->finished);
	if (s->fd < 0 && n > s->place.spill_at - s->len && !spill(s, err))
		return false;
	if (s->fd >= 0) {
		if (!write_all(s, p, n, err))
			return false;
		s->len += n;
		return true;
	}
	if (s->len + n > s->cap) {
		size_t cap = s->cap == 0 ? 4096 : s->cap;

		while (cap < s->len + n)
			cap *= 2;
		s->mem = mem_resize(s->mem, cap, 1);
		s->cap = cap;
	}
	if (n > 0)
		memcpy(s->mem + s->len, p, n);
	s->len += n;
	return true;
}

bool
spool_finish(struct spool *s, struct error *err)
{
	assert(!s->finished);
	s->finished = true;
	if (s->fd < 0)
		return true;
	s->map = mmap(NULL, s->len, PROT_READ, MAP_SHARED, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return error_errno(err, "cannot map a temporary file of "
		    "%zu bytes", s->len);
	}
	return true;
}

const char *
spool_data(const struct spool *s)
{
	assert(s->finished);
	if (s->map != NULL)
		return s->map;
	return s->mem == NULL ? "" : s->mem;
}

size_t
spool_len(const struct spool *s)
{
	return s->len;
}
