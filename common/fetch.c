/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/ascii.h"
#include "common/mem.h"

#define IN_MEMORY ((size_t)1 << 20)
#define HEADER_MAX (64 << 10) /* bytes of all header lines of a request */
#define VALIDATOR_MAX 512     /* of an ETag or date */
#define SLOW 100	      /* bytes a second */
#define REDIRECTIONS 3
#define URL_MAX 2048
#define AGE_MAX 2147483648L /* seconds */

struct fetch {
	CURL *curl;
	const struct fetch_limits *limits;
	char why[CURL_ERROR_SIZE];
	/* of the request that runs: */
	struct fetch_sink sink;
	struct fetch_reply *reply;
	size_t header_size;
	int64_t age; /* of what a cache answers with */
};

/* ---- bodies ---- */

void
fetch_sink_init(struct fetch_sink *s, size_t max, const char *directory)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->memory, IN_MEMORY);
	s->file = -1;
	s->max = max;
	s->directory = directory;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool
failed_here(struct fetch_sink *s)
{
	s->here = true;
	return error_errno(&s->err, "%s: cannot keep what comes",
	    s->directory);
}

/* Moves what is in memory to a file; more follows it there. */
static bool
spill(struct fetch_sink *s)
{
	s->file = open(s->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->file < 0 ||
	    !write_all(s->file, buf_text(&s->memory), s->memory.len))
		return failed_here(s);
	buf_clear(&s->memory);
	return true;
}

bool
fetch_sink_append(struct fetch_sink *s, const void *p, size_t n)
{
	if (n > s->max - s->size)
		return error_perm(&s->err, "larger than %zu bytes (max_size)",
		    s->max);
	s->size += n;
	if (s->file < 0 && buf_append(&s->memory, p, n))
		return true;
	if (s->file < 0 && !spill(s))
		return false;
	return write_all(s->file, p, n) || failed_here(s);
}

bool
fetch_sink_take(struct fetch_sink *s, struct fetch_body *body,
    struct error *err)
{
	void *map;

	memset(body, 0, sizeof(*body));
	body->n = s->size;
	if (s->file < 0) {
		body->p = (uint8_t *)buf_take(&s->memory);
	} else {
		map = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    s->file, 0);
		if (map == MAP_FAILED)
			return error_errno(err, "cannot map %zu bytes",
			    s->size);
		body->p = map;
		body->mapped = true;
	}
	fetch_sink_clear(s);
	return true;
}

bool
fetch_failed_here(const struct fetch *f)
{
	return f->sink.here;
}

void
fetch_sink_clear(struct fetch_sink *s)
{
	buf_clear(&s->memory);
	if (s->file >= 0)
		close(s->file);
	s->file = -1;
	s->size = 0;
}

void
fetch_let_go(const uint8_t *from, const uint8_t *to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)from + page - 1) / page * page;
	uintptr_t end = (uintptr_t)to / page * page;

	if (end > first)
		madvise((void *)first, end - first, MADV_DONTNEED);
}

void
fetch_reply_clear(struct fetch_reply *r)
{
	if (r->body.mapped)
		munmap(r->body.p, r->body.n);
	else
		free(r->body.p);
	free(r->etag);
	free(r->last_modified);
	memset(r, 0, sizeof(*r));
}

/* ---- what libcurl calls ---- */

static size_t
on_body(char *p, size_t size, size_t n, void *context)
{
	struct fetch *f = context;

	return fetch_sink_append(&f->sink, p, size * n) ? size * n : 0;
}

/* The value of a header line, when it is this one; free(3). */
static char *
value_of(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name);

	if (n <= len || line[len] != ':')
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (ascii_lower(line[i]) != ascii_lower(name[i]))
			return NULL;
	line += len + 1;
	n -= len + 1;
	while (n > 0 && (line[0] == ' ' || line[0] == '\t'))
		line++, n--;
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' ||
			    line[n - 1] == ' '))
		n--;
	if (n == 0 || n > VALIDATOR_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] == 0x7f) /* or not ASCII */
			return NULL;
	return mem_dup(line, n);
}

static void
keep(char **to, char *value)
{
	if (value != NULL) {
		free(*to);
		*to = value;
	}
}

static void
keep_date(struct fetch *f, char *value)
{
	time_t t;

	if (value == NULL)
		return;
	t = curl_getdate(value, NULL);
	f->reply->date = t == (time_t)-1 ? 0 : (int64_t)t;
	free(value);
}

/* RFC 9111 5.1: seconds since the Date of what a cache kept. */
static void
keep_age(struct fetch *f, char *value)
{
	char *end;
	long age;

	if (value == NULL)
		return;
	age = strtol(value, &end, 10);
	if (end != value && *end == '\0' && age >= 0 && age < AGE_MAX)
		f->age = age;
	free(value);
}

static size_t
on_header(char *p, size_t size, size_t n, void *context)
{
	struct fetch *f = context;
	struct fetch_reply *r = f->reply;

	n *= size;
	f->header_size += n;
	if (f->header_size > HEADER_MAX) {
		error_perm(&f->sink.err, "more than %d bytes of header",
		    HEADER_MAX);
		return 0;
	}
	/* A redirection's headers are not those of the answer. */
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0) {
		free(r->etag);
		free(r->last_modified);
		r->etag = r->last_modified = NULL;
		r->date = f->age = 0;
	}
	keep(&r->etag, value_of(p, n, "ETag"));
	keep(&r->last_modified, value_of(p, n, "Last-Modified"));
	keep_date(f, value_of(p, n, "Date"));
	keep_age(f, value_of(p, n, "Age"));
	return n;
}

/* ---- requests ---- */

bool
fetch_check_url(const char *url, struct error *err)
{
	CURLU *u = curl_url();
	char *part = NULL;
	bool ok = false;

	if (strlen(url) > URL_MAX ||
	    curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
		error_perm(err, "it is no URL");
		goto out;
	}
	if (curl_url_get(u, CURLUPART_SCHEME, &part, 0) != CURLUE_OK ||
	    (strcmp(part, "http") != 0 && strcmp(part, "https") != 0)) {
		error_perm(err, "it is neither http:// nor https://");
		goto out;
	}
	curl_free(part);
	part = NULL;
	if (curl_url_get(u, CURLUPART_USER, &part, 0) == CURLUE_OK) {
		error_perm(err, "it has a user name in it");
		goto out;
	}
	ok = true;
out:
	curl_free(part);
	curl_url_cleanup(u);
	return ok;
}

static bool
set_options(struct fetch *f)
{
	const struct fetch_limits *l = f->limits;
	CURL *c = f->curl;
	bool ok = true;

#define SET(option, value) \
	ok = curl_easy_setopt(c, option, value) == CURLE_OK && ok
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, (long)REDIRECTIONS);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/* "" also keeps libcurl from asking the environment. */
	SET(CURLOPT_PROXY, l->proxy == NULL ? "" : l->proxy);
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_CONNECTTIMEOUT, (long)l->connect_timeout);
	SET(CURLOPT_TIMEOUT, (long)l->timeout);
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)SLOW);
	SET(CURLOPT_LOW_SPEED_TIME, (long)l->idle_timeout);
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)l->size);
	SET(CURLOPT_USERAGENT, l->user_agent);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, f);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, f);
	SET(CURLOPT_ERRORBUFFER, f->why);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (l->ca_file != NULL) {
		SET(CURLOPT_CAINFO, l->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
#undef SET
	return ok;
}

struct fetch *
fetch_open(const struct fetch_limits *limits, struct error *err)
{
	struct fetch *f = mem_alloc(sizeof(*f));

	f->limits = limits;
	f->curl = curl_easy_init();
	if (f->curl == NULL || !set_options(f)) {
		error_temp(err, "libcurl cannot be set up");
		fetch_close(&f);
	}
	return f;
}

void
fetch_close(struct fetch **f)
{
	if (*f == NULL)
		return;
	curl_easy_cleanup((*f)->curl);
	free(*f);
	*f = NULL;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	char *line;

	if (value == NULL)
		return list;
	line = mem_printf("%s: %s", name, value);
	list = curl_slist_append(list, line);
	free(line);
	return list;
}

/* Time-outs and limits in our words, the rest in libcurl's. */
static bool
transfer_error(struct fetch *f, CURLcode code, struct error *err)
{
	const struct fetch_limits *l = f->limits;

	if (f->sink.err.kind != ERROR_NONE) {
		*err = f->sink.err;
		return false;
	}
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return error_temp(err, "%s",
		    f->why[0] != '\0' ? f->why : "time is up");
	case CURLE_FILESIZE_EXCEEDED:
		return error_perm(err, "larger than %zu bytes (max_size)",
		    l->size);
	case CURLE_TOO_MANY_REDIRECTS:
		return error_perm(err, "more than %d redirections",
		    REDIRECTIONS);
	case CURLE_UNSUPPORTED_PROTOCOL:
		return error_perm(err, "redirected to something that is "
				       "neither http nor https");
	default:
		return error_temp(err, "%s", f->why[0] != '\0' ? f->why :
		    curl_easy_strerror(code));
	}
}

static bool
check_status(struct fetch *f, bool conditional, struct fetch_reply *reply,
    struct error *err)
{
	long status = 0;

	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 304 && conditional) {
		reply->unchanged = true;
		return true;
	}
	if (status == 200)
		return fetch_sink_take(&f->sink, &reply->body, err);
	return status >= 500 ? error_temp(err, "the server answers %ld", status)
			     : error_perm(err, "the server answers %ld",
				   status);
}

bool
fetch_get(struct fetch *f, const char *url, const char *etag,
    const char *last_modified, struct fetch_reply *reply, struct error *err)
{
	struct curl_slist *headers = NULL;
	CURLcode code;
	bool ok;

	memset(reply, 0, sizeof(*reply));
	fetch_sink_init(&f->sink, f->limits->size, f->limits->spill_directory);
	f->reply = reply;
	f->header_size = 0;
	f->age = 0;
	f->why[0] = '\0';
	headers = add_header(headers, "If-None-Match", etag);
	headers = add_header(headers, "If-Modified-Since", last_modified);
	curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(f->curl, CURLOPT_URL, url);
	code = curl_easy_perform(f->curl);
	ok = code == CURLE_OK
		 ? check_status(f, etag != NULL || last_modified != NULL,
		       reply, err)
		 : transfer_error(f, code, err);
	if (reply->date != 0)
		reply->date += f->age;
	curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	fetch_sink_clear(&f->sink);
	if (!ok)
		fetch_reply_clear(reply);
	return ok;
}
