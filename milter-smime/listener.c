/* SPDX-License-Identifier: BSD-2-Clause */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "common/mem.h"

#define STOP_WAIT 15 /* seconds; libmilter takes up to 5.5 to stop */

/*
 * Held as long as the process lives: the next one starts only when this
 * one is gone for good, and with it libmilter's late unlink.
 */
static bool
lock(const char *path, struct error *err)
{
	char *file = mem_printf("%s.lock", path);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int waited = 0;
	bool ok = false;

	if (fd < 0) {
		error_errno(err, "cannot open %s", file);
		error_prefix(err, "the socket's directory must be there and "
		    "ours to write (systemd-tmpfiles --create postseal.conf)");
		goto out;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || waited++ == STOP_WAIT) {
			error_perm(err, "%s is in use by another process",
			    path);
			close(fd);
			goto out;
		}
		sleep(1);
	}
	ok = true; /* the descriptor stays open on purpose */
out:
	free(file);
	return ok;
}

static bool
is_alive(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive;

	if (fd < 0)
		return false;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	alive = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
	close(fd);
	return alive;
}

static bool
prepare_unix(const char *path, struct error *err)
{
	struct stat st;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_perm(err, "socket path %s is longer than %zu "
		    "bytes; choose a shorter one", path,
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (!lock(path, err))
		return false;
	if (lstat(path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return error_perm(err, "%s is there and not a socket; remove "
		    "it", path);
	if (is_alive(path))
		return error_perm(err, "%s is in use by another process",
		    path);
	return true;
}

/* Small answers must not wait for more to send (93 ms a message). */
static void
set_nodelay(void)
{
	int on = 1;

	for (int fd = 3; fd < 256; fd++) {
		int listening = 0;
		socklen_t n = sizeof(listening);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
		    &n) == 0 && listening)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
			    sizeof(on));
	}
}

/* inet:HOST:PORT is Postfix's way, inet:PORT@HOST libmilter's. */
static char *
libmilter_name(const char *endpoint)
{
	const char *host = endpoint + strlen("inet:");
	const char *port = strrchr(endpoint, ':') + 1;
	int n = (int)(port - host - 1);

	if (n >= 2 && host[0] == '[' && host[n - 1] == ']')
		return mem_printf("inet6:%s@%.*s", port, n - 2, host + 1);
	return mem_printf("inet:%s@%.*s", port, n, host);
}

bool
listener_open(const char *endpoint, struct error *err)
{
	bool is_unix = strncmp(endpoint, "unix:", 5) == 0;
	const char *path = endpoint + strlen("unix:");
	char *name;
	bool ok;

	if (is_unix && !prepare_unix(path, err))
		return false;
	name = is_unix ? mem_strdup(endpoint) : libmilter_name(endpoint);
	ok = smfi_setconn(name) == MI_SUCCESS &&
	    smfi_opensocket(is_unix) == MI_SUCCESS;
	if (!ok)
		error_errno(err, "cannot listen on %s", endpoint);
	free(name);
	if (ok && is_unix && chmod(path, 0660) != 0)
		return error_errno(err, "cannot set the mode of %s", path);
	if (ok && !is_unix)
		set_nodelay();
	return ok;
}
