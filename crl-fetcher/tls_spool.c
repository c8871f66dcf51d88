/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "tls_directory.h"

#define MODE 0640
#define NAME_SIZE (2 * EVP_MAX_MD_SIZE + sizeof(".der"))

struct tls_spool {
	int dir;
	unsigned max;
	_Atomic time_t rest_until;
	_Atomic unsigned long serial; /* of temporary names */
};

static bool
make_name(const X509 *cert, char *name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
		return false;
	for (unsigned i = 0; i < n; i++)
		snprintf(name + 2 * i, 3, "%02x", digest[i]);
	snprintf(name + 2 * n, sizeof(".der"), ".der");
	return true;
}

/* Temporary files count, too: nobody else takes them away. */
static bool
has_room(const struct tls_spool *s)
{
	unsigned n = 0;
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int saved = errno;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		errno = saved;
		return false;
	}
	errno = 0;
	/* "." and ".." are two more. */
	while (n < s->max + 2 && readdir(d) != NULL)
		n++;
	saved = errno;
	closedir(d);
	errno = saved;
	return saved == 0 && n < s->max + 2;
}

static bool
write_all(int fd, const unsigned char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* On the disk before it has its name: it would not be written again. */
static bool
write_file(struct tls_spool *s, const char *name, const unsigned char *der,
    size_t n)
{
	struct timespec now = {0, 0};
	char temp[96];
	bool ok;
	int fd, saved;

	/* Not the one that a killed process of our number left. */
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(temp, sizeof(temp), ".new-%ld-%lld-%ld-%lu", (long)getpid(),
	    (long long)now.tv_sec, now.tv_nsec,
	    atomic_fetch_add(&s->serial, 1));
	fd = openat(s->dir, temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write_all(fd, der, n) && fchmod(fd, MODE) == 0 &&
	     fdatasync(fd) == 0 && renameat(s->dir, temp, s->dir, name) == 0;
	saved = errno;
	if (!ok)
		unlinkat(s->dir, temp, 0);
	close(fd);
	errno = saved;
	return ok;
}

static enum tls_spool_result
add_new(struct tls_spool *s, const char *name, X509 *cert)
{
	unsigned char *der = NULL;
	int n, saved;
	bool ok;

	errno = 0;
	if (!has_room(s))
		return errno == 0 ? TLS_SPOOL_FULL : TLS_SPOOL_FAILED;
	n = i2d_X509(cert, &der);
	ok = n > 0 && write_file(s, name, der, (size_t)n);
	saved = errno;
	OPENSSL_free(der);
	errno = saved;
	return ok ? TLS_SPOOL_ADDED : TLS_SPOOL_FAILED;
}

enum tls_spool_result
tls_spool_add(struct tls_spool *s, X509 *cert)
{
	time_t now = time(NULL);
	enum tls_spool_result result = TLS_SPOOL_FAILED;
	char name[NAME_SIZE];

	errno = 0;
	if (make_name(cert, name)) {
		if (faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return TLS_SPOOL_THERE;
		if (now < atomic_load(&s->rest_until))
			return TLS_SPOOL_RESTS;
		result = add_new(s, name, cert);
	}
	if (result != TLS_SPOOL_ADDED)
		atomic_store(&s->rest_until, now + TLS_SPOOL_REST);
	return result;
}

struct tls_spool *
tls_spool_open(const char *directory, unsigned max)
{
	struct tls_spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->max = max;
	s->dir = tls_directory_open(directory);
	if (s->dir < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void
tls_spool_close(struct tls_spool **spool)
{
	if (*spool == NULL)
		return;
	close((*spool)->dir);
	free(*spool);
	*spool = NULL;
}
