/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/atomic_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"

#define TEMP_NAME_TRIES 16
#define READ_STEP 65536

/* What one write is about; freed by target_clear(). */
struct target {
	const char *path;
	const char *name; /* the last part of path */
	int dir;
	int fd;              /* the temporary file */
	char temp[NAME_MAX]; /* its name in dir; "" when there is none */
};

static bool
target_open(struct target *t, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = NULL;
	bool ok = false;

	t->path = path;
	t->name = slash == NULL ? path : slash + 1;
	t->dir = t->fd = -1;
	t->temp[0] = '\0';
	if (t->name[0] == '\0' || strcmp(t->name, ".") == 0 ||
	    strcmp(t->name, "..") == 0)
		return error_perm(err, "%s: not the name of a file", path);
	if (slash == NULL)
		dir = mem_strdup(".");
	else
		dir = mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
	t->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0) {
		error_errno(err, "%s: cannot open the directory", dir);
		goto out;
	}
	ok = true;
out:
	free(dir);
	return ok;
}

static void
target_clear(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->temp[0] != '\0')
		unlinkat(t->dir, t->temp, 0);
	if (t->dir >= 0)
		close(t->dir);
}

/* Only a regular file may be replaced, and nothing when creating. */
static bool
check_old(const struct target *t, bool replace, struct error *err)
{
	struct stat st;

	if (fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? true : error_errno(err, "%s", t->path);
	if (!replace)
		return error_perm(err, "%s: is there already", t->path);
	if (!S_ISREG(st.st_mode))
		return error_perm(
		    err, "%s: is there and not a regular file", t->path);
	return true;
}

static bool
open_temp(struct target *t, struct error *err)
{
	for (int i = 0; i < TEMP_NAME_TRIES; i++) {
		char temp[NAME_MAX];
		uint64_t random;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return error_errno(err, "getrandom");
		snprintf(temp, sizeof(temp), ".%.200s.tmp-%016llx", t->name,
		    (unsigned long long)random);
		t->fd = openat(t->dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    S_IRUSR | S_IWUSR);
		if (t->fd >= 0) {
			memcpy(t->temp, temp, sizeof(temp));
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return error_errno(
	    err, "%s: cannot make a temporary file beside it", t->path);
}

static bool
write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		data += done;
		n -= (size_t)done;
	}
	return true;
}

/* Owner before mode: the wrong group never has the mode's rights. */
static bool
own_temp(const struct target *t, mode_t mode, uid_t owner, gid_t group,
    struct error *err)
{
	if ((owner != (uid_t)-1 || group != (gid_t)-1) &&
	    fchown(t->fd, owner, group) != 0)
		return error_errno(err, "%s: cannot set its owner", t->path);
	if (fchmod(t->fd, mode) != 0)
		return error_errno(err, "%s: cannot set its mode", t->path);
	return true;
}

static bool
append(const struct target *t, const void *data, size_t n, struct error *err)
{
	return write_all(t->fd, data, n) ? true :
	    error_errno(err, "%s: cannot write", t->path);
}

static bool
sync_temp(struct target *t, struct error *err)
{
	int fd = t->fd;

	if (fsync(fd) != 0)
		return error_errno(err, "%s: cannot write", t->path);
	t->fd = -1;
	if (close(fd) != 0)
		return error_errno(err, "%s: cannot write", t->path);
	return true;
}

/* EINVAL: a file system whose directories need no fsync. */
static bool
sync_directory(const struct target *t, struct error *err)
{
	return fsync(t->dir) == 0 || errno == EINVAL ? true :
	    error_errno(err, "%s: written, but its directory is not", t->path);
}

/* Gives the temporary file its name. */
static bool
put_in_place(struct target *t, bool replace, struct error *err)
{
	int rc;

	if (replace) {
		rc = renameat(t->dir, t->temp, t->dir, t->name);
	} else {
		rc = renameat2(
		    t->dir, t->temp, t->dir, t->name, RENAME_NOREPLACE);
		/* File systems that cannot do this can mostly link. */
		if (rc != 0 && errno == EINVAL) {
			rc = linkat(t->dir, t->temp, t->dir, t->name, 0);
			if (rc == 0)
				rc = unlinkat(t->dir, t->temp, 0);
		}
	}
	if (rc != 0 && errno == EEXIST)
		return error_perm(err, "%s: is there already", t->path);
	if (rc != 0)
		return error_errno(err, "%s: cannot rename to it", t->path);
	t->temp[0] = '\0';
	return true;
}

static bool
write_file(const char *path, const void *data, size_t n, mode_t mode,
    uid_t owner, gid_t group, bool replace, struct error *err)
{
	struct target t;
	bool ok;

	ok = target_open(&t, path, err) && check_old(&t, replace, err) &&
	     open_temp(&t, err) && own_temp(&t, mode, owner, group, err) &&
	     append(&t, data, n, err) && sync_temp(&t, err) &&
	     put_in_place(&t, replace, err) && sync_directory(&t, err);
	target_clear(&t);
	return ok;
}

/*
 * Reads to the end, in the memory there is as long as it lasts: where the
 * file's size is true, a key leaves no copies behind.  What passes max is
 * an error, also when the file grows meanwhile.
 */
static bool
read_all(int fd, const char *path, size_t max, struct buf *b, struct error *err)
{
	for (;;) {
		size_t room = b->cap - b->len - 1;
		ssize_t got;

		if (b->len > max)
			return error_perm(
			    err, "%s: larger than %zu bytes", path, max);
		if (room == 0)
			room = READ_STEP;
		if (room > max + 1 - b->len)
			room = max + 1 - b->len;
		buf_reserve(b, room);
		got = read(fd, b->data + b->len, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, "%s: cannot read", path);
		if (got == 0)
			break;
		b->len += (size_t)got;
	}
	b->data[b->len] = '\0';
	return true;
}

bool
atomic_file_write(const char *path, const void *data, size_t n, mode_t mode,
    uid_t owner, gid_t group, struct error *err)
{
	return write_file(path, data, n, mode, owner, group, true, err);
}

bool
atomic_file_create(const char *path, const void *data, size_t n, mode_t mode,
    uid_t owner, gid_t group, struct error *err)
{
	return write_file(path, data, n, mode, owner, group, false, err);
}

struct atomic_file {
	struct target target;
	char *path;
};

struct atomic_file *
atomic_file_open(const char *path, mode_t mode, uid_t owner, gid_t group,
    struct error *err)
{
	struct atomic_file *f = mem_alloc(sizeof(*f));

	f->path = mem_strdup(path);
	if (!target_open(&f->target, f->path, err) ||
	    !check_old(&f->target, true, err) || !open_temp(&f->target, err) ||
	    !own_temp(&f->target, mode, owner, group, err))
		atomic_file_discard(&f);
	return f;
}

bool
atomic_file_append(struct atomic_file *f, const void *data, size_t n,
    struct error *err)
{
	return append(&f->target, data, n, err);
}

bool
atomic_file_sync(struct atomic_file *f, struct error *err)
{
	return sync_temp(&f->target, err);
}

bool
atomic_file_commit(struct atomic_file **f, struct error *err)
{
	bool ok;

	assert((*f)->target.fd < 0);
	ok = put_in_place(&(*f)->target, true, err) &&
	     sync_directory(&(*f)->target, err);
	atomic_file_discard(f);
	return ok;
}

bool
atomic_file_place(struct atomic_file **f, struct error *err)
{
	bool ok;

	assert((*f)->target.fd < 0);
	ok = put_in_place(&(*f)->target, true, err);
	atomic_file_discard(f);
	return ok;
}

void
atomic_file_discard(struct atomic_file **f)
{
	if (*f == NULL)
		return;
	target_clear(&(*f)->target);
	free((*f)->path);
	free(*f);
	*f = NULL;
}

bool
atomic_file_is_temp(const char *name)
{
	const char *tail = name[0] == '.' ? strstr(name, ".tmp-") : NULL;

	return tail != NULL && strspn(tail + 5, "0123456789abcdef") == 16 &&
	       tail[21] == '\0';
}

bool
atomic_file_read(
    const char *path, size_t max, char **data, size_t *n, struct error *err)
{
	struct buf b;
	struct stat st;
	bool ok = false;
	int fd;

	assert(max < SIZE_MAX);
	buf_init(&b, max + 1);
	/* O_NONBLOCK: a FIFO must not hold us; see below for what it is. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0) {
		error_errno(err, "%s: cannot open", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		error_perm(err, "%s: not a regular file", path);
		goto out;
	}
	if ((uintmax_t)st.st_size > max) {
		error_perm(err, "%s: larger than %zu bytes", path, max);
		goto out;
	}
	buf_reserve(&b, (size_t)st.st_size + 1);
	if (!read_all(fd, path, max, &b, err))
		goto out;
	*n = b.len;
	*data = buf_take(&b);
	ok = true;
out:
	if (fd >= 0)
		close(fd);
	buf_wipe(&b);
	return ok;
}
