/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_ATOMIC_FILE_H
#define COMMON_ATOMIC_FILE_H

/*
 * Files that are either the old or the new one, whole, whatever happens:
 * temporary file in the same directory (O_EXCL, O_NOFOLLOW), write, fsync,
 * rename, fsync of the directory.  On any failure the old file stays and
 * the temporary one is removed.  (If only the last step fails the new file
 * is there, whole, and the error says so.)  Temporary files are named
 * `.NAME.tmp-*`; only a killed process leaves one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Replaces path.  mode is what the file has from its first byte on (umask
 * does not matter).  owner and group -1 leave them.  Refuses to replace
 * what is there and not a regular file.
 */
bool atomic_file_write(const char *path, const void *data, size_t n,
    mode_t mode, uid_t owner, gid_t group, struct error *err)
    __attribute__((warn_unused_result));

/* The same, but fails with PERM when path is there already. */
bool atomic_file_create(const char *path, const void *data, size_t n,
    mode_t mode, uid_t owner, gid_t group, struct error *err)
    __attribute__((warn_unused_result));

/*
 * The same piece by piece, for what is large, or for several files that
 * shall appear together: what can fail for want of space is done before
 * the first rename.
 */
struct atomic_file;

/* NULL on failure; path is as in atomic_file_write(). */
struct atomic_file *atomic_file_open(const char *path, mode_t mode,
    uid_t owner, gid_t group, struct error *err);
bool atomic_file_append(struct atomic_file *f, const void *data, size_t n,
    struct error *err) __attribute__((warn_unused_result));
/* All is on the disk, under its temporary name; nothing more is appended. */
bool atomic_file_sync(struct atomic_file *f, struct error *err)
    __attribute__((warn_unused_result));
/* Gives the file its name, after atomic_file_sync().  Frees f. */
bool atomic_file_commit(struct atomic_file **f, struct error *err)
    __attribute__((warn_unused_result));
/*
 * The same for one of many files of a directory, whose fsync, when all of
 * them have their names, is left to the caller: until then a crash may
 * bring back the old file, whole.
 */
bool atomic_file_place(struct atomic_file **f, struct error *err)
    __attribute__((warn_unused_result));
/* Removes what was written and frees f (NULL: nothing). */
void atomic_file_discard(struct atomic_file **f);

/* Is it the name of a temporary file of ours? */
bool atomic_file_is_temp(const char *name);

/*
 * Reads a whole regular file of at most max bytes into new memory with a
 * NUL after it.  A file that is not there is TEMP with "No such file".
 */
bool atomic_file_read(const char *path, size_t max, char **data, size_t *n,
    struct error *err) __attribute__((warn_unused_result));

#endif
