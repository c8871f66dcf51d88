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

#include "area.h"
#include "common/mem.h"

#define SMALL (1 << 20) /* any spool may have as much memory as this */

struct spool {
	struct spool_place place;
	char *mem;
	size_t cap;
	size_t len;
	struct area area; /* mem is this one, unless it is none */
	int fd;	    /* -1 while in memory */
	char *map;  /* after finish, when on disk */
	bool finished;
	bool secret;
};

struct spool *
spool_new(const struct spool_place *place)
{
	struct spool *s = mem_alloc(sizeof(*s));

	s->place = *place;
	s->fd = -1;
	return s;
}

static void
drop_memory(struct spool *s)
{
	if (s->area.p != NULL) {
		if (s->secret)
			explicit_bzero(s->mem, s->len);
		area_put(&s->area);
	} else {
		mem_wipe_free(s->mem, s->len);
	}
	s->mem = NULL;
	s->cap = 0;
}

void
spool_set_secret(struct spool *s)
{
	s->secret = true;
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
	drop_memory(s);
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
	drop_memory(s);
	return true;
}

static bool
move_to_area(struct spool *s)
{
	struct area a;

	/* All it may ever have, so that it need not grow. */
	if (!area_take(s->place.spill_at, &a))
		return false;
	if (s->len > 0)
		memcpy(a.p, s->mem, s->len);
	drop_memory(s);
	s->mem = a.p;
	s->cap = a.size;
	s->area = a;
	return true;
}

/* Memory for more bytes; false when they belong into a file. */
static bool
make_room(struct spool *s, size_t n)
{
	size_t cap = s->cap == 0 ? 4096 : s->cap;

	if (n > s->place.spill_at - s->len)
		return false;
	if (s->len + n <= s->cap)
		return true;
	if (s->len + n > SMALL)
		return move_to_area(s);
	while (cap < s->len + n)
		cap *= 2;
	s->mem = mem_resize(s->mem, cap, 1);
	s->cap = cap;
	return true;
}

bool
spool_write(struct spool *s, const void *p, size_t n, struct error *err)
{
	assert(!s->finished);
	if (s->fd < 0 && !make_room(s, n) && !spill(s, err))
		return false;
	if (s->fd >= 0) {
		if (!write_all(s, p, n, err))
			return false;
		s->len += n;
		return true;
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
	/* The map is enough; messages of many parts have many of them. */
	close(s->fd);
	s->fd = -1;
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
