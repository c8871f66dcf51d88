/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/mem.h"

struct message *
message_new(const struct spool_place *place)
{
	struct message *m = mem_alloc(sizeof(*m));

	m->queue_id = mem_strdup("");
	m->client_address = mem_strdup("");
	m->client_name = mem_strdup("");
	m->listener = mem_strdup("");
	m->sender_text = mem_strdup("<>");
	m->sender_parameters = mem_strdup("");
	m->body = spool_new(place);
	return m;
}

void
message_free(struct message **mp)
{
	struct message *m = *mp;

	if (m == NULL)
		return;
	free(m->queue_id);
	free(m->client_address);
	free(m->client_name);
	free(m->listener);
	free(m->authenticated);
	free(m->sender_text);
	free(m->sender_parameters);
	mailaddr_clear(&m->sender);
	for (size_t i = 0; i < m->nrecipients; i++) {
		free(m->recipients[i].text);
		free(m->recipients[i].parameters);
		mailaddr_clear(&m->recipients[i].address);
	}
	free(m->recipients);
	for (size_t i = 0; i < m->nheaders; i++) {
		free(m->headers[i].name);
		free(m->headers[i].value);
	}
	free(m->headers);
	spool_free(&m->body);
	free(m);
	*mp = NULL;
}

/* Arrays grow by powers of two. */
static bool
is_full(size_t n)
{
	return (n & (n - 1)) == 0;
}

bool
message_add_header(struct message *m, const char *name, const char *value,
    struct error *err)
{
	m->header_bytes += strlen(name) + strlen(value) + 3;
	if (m->nheaders >= MESSAGE_MAX_HEADERS ||
	    m->header_bytes > MESSAGE_MAX_HEADER_BYTES)
		return error_perm(err, "more than %d header fields or %d "
		    "bytes of them", MESSAGE_MAX_HEADERS,
		    MESSAGE_MAX_HEADER_BYTES);
	if (is_full(m->nheaders))
		m->headers = mem_resize(m->headers, 2 * m->nheaders + 1,
		    sizeof(*m->headers));
	m->headers[m->nheaders].name = mem_strdup(name);
	m->headers[m->nheaders].value = mem_strdup(value);
	m->nheaders++;
	return true;
}

void
message_add_recipient(struct message *m, const char *text,
    const char *parameters)
{
	struct recipient *r;
	struct error ignored;

	if (is_full(m->nrecipients))
		m->recipients = mem_resize(m->recipients,
		    2 * m->nrecipients + 1, sizeof(*m->recipients));
	r = &m->recipients[m->nrecipients++];
	memset(r, 0, sizeof(*r));
	r->text = mem_strdup(text);
	r->parameters = mem_strdup(parameters);
	if (!mailaddr_parse(text, strlen(text), &r->address, &ignored))
		memset(&r->address, 0, sizeof(r->address));
}

void
message_set_sender(struct message *m, const char *text,
    const char *parameters)
{
	struct error ignored;

	free(m->sender_text);
	free(m->sender_parameters);
	mailaddr_clear(&m->sender);
	m->sender_text = mem_strdup(text);
	m->sender_parameters = mem_strdup(parameters);
	if (!mailaddr_parse(text, strlen(text), &m->sender, &ignored))
		memset(&m->sender, 0, sizeof(m->sender));
}

const struct header *
message_header(const struct message *m, const char *name, size_t n)
{
	for (size_t i = 0; i < m->nheaders; i++)
		if (strcasecmp(m->headers[i].name, name) == 0 && n-- == 0)
			return &m->headers[i];
	return NULL;
}

size_t
message_header_count(const struct message *m, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < m->nheaders; i++)
		if (strcasecmp(m->headers[i].name, name) == 0)
			count++;
	return count;
}

struct client
message_client(const struct message *m)
{
	return (struct client){
		.address = m->client_address,
		.name = m->client_name,
		.listener = m->listener,
		.authenticated = m->authenticated,
		.local = m->local,
	};
}

bool
message_from(const struct message *m, struct mailaddr *from,
    struct error *err)
{
	struct strvec list = {0};
	const struct header *h = message_header(m, "From", 0);
	bool ok = false;

	if (h == NULL || message_header(m, "From", 1) != NULL) {
		error_perm(err, h == NULL ? "the message has no From field" :
		    "the message has more than one From field");
		goto out;
	}
	if (!mailaddr_list(h->value, strlen(h->value), &list, err)) {
		error_prefix(err, "From field");
		goto out;
	}
	if (list.n != 1) {
		error_perm(err, "the From field holds %zu addresses, not one",
		    list.n);
		goto out;
	}
	if (!mailaddr_parse(list.v[0], strlen(list.v[0]), from, err)) {
		error_prefix(err, "From field");
		goto out;
	}
	ok = true;
out:
	strvec_clear(&list);
	return ok;
}

/* A line without its end; false at the end of the file. */
static bool
read_line(FILE *f, char **line, size_t *cap, size_t *len, bool *ended)
{
	ssize_t n = getline(line, cap, f);

	if (n <= 0)
		return false;
	*len = (size_t)n;
	*ended = (*line)[*len - 1] == '\n';
	if (*ended)
		(*len)--;
	if (*ended && *len > 0 && (*line)[*len - 1] == '\r')
		(*len)--;
	(*line)[*len] = '\0';
	return true;
}

/* A field name: printable US-ASCII without colon, before a colon. */
static size_t
field_name_length(const char *line)
{
	size_t n = 0;

	while (line[n] > ' ' && line[n] < 0x7f && line[n] != ':')
		n++;
	return line[n] == ':' ? n : 0;
}

static bool
end_field(struct message *m, struct buf *field, struct error *err)
{
	size_t n = field_name_length(buf_text(field));
	bool ok = true;

	if (field->overflow)
		return error_perm(err, "a header field is too long");
	if (n > 0) {
		field->data[n] = '\0';
		ok = message_add_header(m, field->data, field->data + n + 1,
		    err);
	}
	buf_reset(field);
	return ok;
}

bool
message_read(struct message *m, FILE *f, struct error *err)
{
	struct buf field;
	char *line = NULL;
	size_t cap = 0, len;
	bool ended, in_header = true, first = true, ok = false;

	buf_init(&field, MESSAGE_MAX_HEADER_BYTES);
	while (read_line(f, &line, &cap, &len, &ended)) {
		bool mbox = first && strncmp(line, "From ", 5) == 0;

		first = false;
		if (mbox)
			continue;
		if (in_header && len > 0 &&
		    (line[0] == ' ' || line[0] == '\t') && field.len > 0) {
			buf_putc(&field, '\n');
			buf_append(&field, line, strlen(line));
			continue;
		}
		if (in_header) {
			if (!end_field(m, &field, err))
				goto out;
			in_header = len > 0 && field_name_length(line) > 0;
			if (in_header) {
				buf_append(&field, line, strlen(line));
				continue;
			}
			if (len == 0)
				continue; /* the blank line */
		}
		if (!spool_write(m->body, line, len, err) ||
		    (ended && !spool_write(m->body, "\r\n", 2, err)))
			goto out;
	}
	ok = (!in_header || end_field(m, &field, err)) &&
	    spool_finish(m->body, err);
out:
	buf_clear(&field);
	free(line);
	return ok;
}
