/* SPDX-License-Identifier: BSD-2-Clause */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "tls_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_OPEN_TREE
#include <sys/mount.h>
#endif

/* A directory that can be read: the tree's own descriptor only names it. */
static int
open_tree_of(const char *path)
{
#ifdef HAVE_OPEN_TREE
	int tree = open_tree(AT_FDCWD, path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int fd, saved;

	if (tree < 0)
		return -1;
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	saved = errno;
	close(tree);
	errno = saved;
	return fd;
#else
	(void)path;
	errno = ENOSYS;
	return -1;
#endif
}

int
tls_directory_open(const char *path)
{
	int fd = open_tree_of(path);

	return fd >= 0 ? fd
		       : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
