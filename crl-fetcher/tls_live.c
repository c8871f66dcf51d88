/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_live.h"

#include <ctype.h>
#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define SECONDS 10 /* for each answer */
#define LINES 100  /* of one reply */
#define LINE 2048

/* ---- the conversation ---- */

static int
connect_to(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM};
	const struct timeval limit = {.tv_sec = SECONDS};
	struct addrinfo *all = NULL;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &all) != 0)
		return -1;
	for (const struct addrinfo *a = all; a != NULL && fd < 0;
	     a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd;
}

static bool
read_line(int fd, char *line)
{
	size_t n = 0;

	while (n + 1 < LINE && recv(fd, line + n, 1, 0) == 1)
		if (line[n++] == '\n') {
			line[n] = '\0';
			return true;
		}
	return false;
}

/* Its code, or 0; keyword (may be NULL): is it one of the lines? */
static int
read_reply(int fd, const char *keyword, bool *found)
{
	char line[LINE];

	for (int i = 0; i < LINES && read_line(fd, line); i++) {
		size_t n = strlen(line);

		if (n < 4)
			return 0;
		line[strcspn(line, "\r\n")] = '\0';
		if (keyword != NULL && strcasecmp(line + 4, keyword) == 0)
			*found = true;
		if (line[3] != '-')
			return atoi(line);
	}
	return 0;
}

static bool
say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) ==
	       (ssize_t)strlen(text);
}

/* After this the socket speaks TLS; nobody's certificate matters here. */
static bool
start_tls(int fd, SSL **ssl)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	*ssl = ctx == NULL ? NULL : SSL_new(ctx);
	SSL_CTX_free(ctx);
	return *ssl != NULL && SSL_set_fd(*ssl, fd) == 1 &&
	       SSL_connect(*ssl) == 1;
}

/* ---- who it was ---- */

static unsigned
port_of(int fd, bool peer)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);
	int got = peer ? getpeername(fd, (struct sockaddr *)&a, &n)
		       : getsockname(fd, (struct sockaddr *)&a, &n);

	if (got != 0)
		return 0;
	/* Both families have the port at the same place. */
	return ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port);
}

/* The inode of the other end of our connection, from one of the tables. */
static bool
find_inode(const char *table, unsigned theirs, unsigned ours, char *link,
    size_t size)
{
	FILE *f = fopen(table, "re");
	unsigned local, remote;
	unsigned long inode;
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line,
			" %*u: %*[0-9A-F]:%x %*[0-9A-F]:%x %*x %*x:%*x %*x:%*x "
			"%*x %*u %*u %lu", &local, &remote, &inode) == 3 &&
		    local == theirs && remote == ours) {
			snprintf(link, size, "socket:[%lu]", inode);
			found = true;
		}
	if (f != NULL)
		fclose(f);
	return found;
}

static bool
has_fd(const char *pid, const char *link)
{
	char path[64], target[64];
	struct dirent *e;
	bool found = false;
	DIR *d;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		n = readlinkat(dirfd(d), e->d_name, target,
		    sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			found = strcmp(target, link) == 0;
		}
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static bool
find_pid(const char *link, char *pid, size_t size)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    has_fd(e->d_name, link)) {
			snprintf(pid, size, "%.16s", e->d_name);
			found = true;
		}
	if (d != NULL)
		closedir(d);
	return found;
}

/* A module that was replaced since is mapped as "PATH (deleted)". */
static bool
has_mapped(const char *pid, const char *module)
{
	char *real = realpath(module, NULL), *line = NULL;
	char path[64];
	size_t size = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/maps", pid);
	f = fopen(path, "re");
	while (f != NULL && real != NULL && !found &&
	       getline(&line, &size, f) > 0) {
		const char *name = strchr(line, '/');
		size_t n = strlen(real);

		found = name != NULL && strncmp(name, real, n) == 0 &&
			(name[n] == '\n' || name[n] == ' ');
	}
	if (f != NULL)
		fclose(f);
	free(line);
	free(real);
	return found;
}

static enum tls_live_answer
look_inside(int fd, const char *module, struct error *err)
{
	unsigned theirs = port_of(fd, true), ours = port_of(fd, false);
	char link[64], pid[32];

	if ((!find_inode("/proc/net/tcp", theirs, ours, link, sizeof(link)) &&
		!find_inode("/proc/net/tcp6", theirs, ours, link,
		    sizeof(link))) ||
	    !find_pid(link, pid, sizeof(pid))) {
		error_temp(err, "the process behind port %u cannot be seen; "
		    "ask as root", theirs);
		return TLS_LIVE_UNKNOWN;
	}
	if (has_mapped(pid, module))
		return TLS_LIVE_MODULE;
	error_perm(err, "process %s does not have %s", pid, module);
	return TLS_LIVE_NO_MODULE;
}

enum tls_live_answer
tls_live_ask(const char *host, const char *port, const char *module,
    struct error *err)
{
	enum tls_live_answer answer = TLS_LIVE_UNKNOWN;
	int fd = connect_to(host, port);
	bool offered = false;
	SSL *ssl = NULL;

	if (fd < 0 || read_reply(fd, NULL, NULL) != 220) {
		error_temp(err, "no greeting from %s port %s", host, port);
	} else if (!say(fd, "EHLO localhost\r\n") ||
		   read_reply(fd, "STARTTLS", &offered) != 250) {
		error_temp(err, "no answer to EHLO from %s port %s", host,
		    port);
	} else if (!offered) {
		error_perm(err, "%s port %s does not offer STARTTLS", host,
		    port);
		answer = TLS_LIVE_NO_TLS;
	} else if (!say(fd, "STARTTLS\r\n") ||
		   read_reply(fd, NULL, NULL) != 220 || !start_tls(fd, &ssl)) {
		error_perm(err, "%s port %s: STARTTLS fails", host, port);
		answer = TLS_LIVE_NO_TLS;
	} else {
		answer = look_inside(fd, module, err);
		SSL_write(ssl, "QUIT\r\n", 6);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	if (fd >= 0)
		close(fd);
	return answer;
}
