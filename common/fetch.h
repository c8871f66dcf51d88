/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_FETCH_H
#define COMMON_FETCH_H

/*
 * One HTTP(S) GET (RFC 9110) within limits that no server can stretch:
 * bytes are counted as they come (also those of endless chunks), nothing is
 * decompressed, at most three redirections and those to http and https
 * alone, a time for the whole and one for silence.  Proxies come from the
 * caller; the environment, .netrc and cookies count for nothing.
 *
 * A body beyond a megabyte goes to a file without a name.  What comes back
 * is a stranger's; whether it was cut short is for its reader to see.
 *
 * A struct fetch belongs to one thread at a time and keeps connections
 * open for its next request.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

struct fetch_limits {
	size_t size;		   /* bytes of a body */
	int64_t connect_timeout;   /* seconds */
	int64_t timeout;	   /* for all of a request */
	int64_t idle_timeout;	   /* with less than 100 bytes a second */
	const char *proxy;	   /* URL; NULL: none */
	const char *ca_file;	   /* for https; NULL: the library's */
	const char *user_agent;
	const char *spill_directory; /* for large bodies */
};

/* A body: in memory, or mapped. */
struct fetch_body {
	uint8_t *p; /* writable, seen by nobody else */
	size_t n;
	bool mapped;
};

/* Zeroed before use; fetch_reply_clear() after. */
struct fetch_reply {
	bool unchanged; /* 304: no body */
	struct fetch_body body;
	char *etag, *last_modified; /* NULL: none, or absurd */
	int64_t date;		    /* the server's now; 0: not told */
};

/*
 * Lets the memory of a part of a mapped body go; it comes back from the
 * file when it is looked at again.  Nobody may have written to it.
 */
void fetch_let_go(const uint8_t *from, const uint8_t *to);

struct fetch;

/* limits are borrowed for fetch's life. */
struct fetch *fetch_open(const struct fetch_limits *limits,
    struct error *err);
void fetch_close(struct fetch **f);

/*
 * etag and last_modified (NULL: none) are those of what we have: the
 * answer may then be "unchanged".  TEMP for the network and answers from
 * 500 on, PERM for what will not get better by itself.
 */
bool fetch_get(struct fetch *f, const char *url, const char *etag,
    const char *last_modified, struct fetch_reply *reply, struct error *err)
    __attribute__((warn_unused_result));
void fetch_reply_clear(struct fetch_reply *reply);

/* Did the last one fail on this machine (no space), not on the way? */
bool fetch_failed_here(const struct fetch *f);

/*
 * The same store for bodies that come another way; used by fetch_get()
 * itself.
 */
struct fetch_sink {
	struct buf memory;
	int file; /* -1: none yet */
	size_t size, max;
	const char *directory;
	struct error err; /* why an append failed */
	bool here;	  /* for want of space or the like */
};
void fetch_sink_init(struct fetch_sink *s, size_t max, const char *directory);
bool fetch_sink_append(struct fetch_sink *s, const void *p, size_t n);
/* The body, when all is there.  The sink is empty after. */
bool fetch_sink_take(struct fetch_sink *s, struct fetch_body *body,
    struct error *err) __attribute__((warn_unused_result));
void fetch_sink_clear(struct fetch_sink *s);

/* Is it a URL we fetch: http or https, a host, no user name? */
bool fetch_check_url(const char *url, struct error *err)
    __attribute__((warn_unused_result));

#endif
