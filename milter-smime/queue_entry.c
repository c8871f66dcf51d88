/* SPDX-License-Identifier: BSD-2-Clause */
#include "queue_entry.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "common/utf8.h"

#define ID_MIN 5 /* microseconds alone are five hexadecimal digits */
#define ID_MAX 64

#define QUEUE_NAME "{\"queue_name\": \""
#define RECIPIENTS "\"recipients\": ["

bool
queue_entry_is_id(const char *text)
{
	size_t n = strnlen(text, ID_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum(text[i]))
			return false;
	return n >= ID_MIN && n <= ID_MAX;
}

bool
queue_entry_elsewhere(const char *line, size_t n, const char *queue)
{
	size_t skip = strlen(QUEUE_NAME), len = strlen(queue);

	return n > skip + len && memcmp(line, QUEUE_NAME, skip) == 0 &&
	    (memcmp(line + skip, queue, len) != 0 ||
		line[skip + len] != '"');
}

void
queue_entry_clear(struct queue_entry *e)
{
	free(e->queue);
	free(e->id);
	free(e->sender);
	strvec_clear(&e->recipients);
	*e = (struct queue_entry){0};
}

/* In place. */
static void
make_utf8(char *text, size_t n)
{
	size_t len;
	uint32_t cp;

	for (; n > 0; text += len, n -= len) {
		len = utf8_decode(text, n, &cp);
		if (len == 0) {
			*text = '?';
			len = 1;
		}
	}
}

/*
 * A line without its end, closed before its recipients.  (In a JSON string
 * every quote has a backslash before it, so no address can look like their
 * beginning.)  New memory; NULL when it ends too early.
 */
static char *
close_line(const char *line, size_t n, size_t *closed)
{
	const char *at = memmem(line, n, RECIPIENTS, strlen(RECIPIENTS));
	char *text;

	if (at == NULL)
		return NULL;
	*closed = (size_t)(at - line) + strlen(RECIPIENTS) + 2;
	text = mem_alloc(*closed + 1);
	memcpy(text, line, *closed - 2);
	memcpy(text + *closed - 2, "]}", 2);
	return text;
}

static char *
text_member(const json_t *j, const char *key)
{
	return mem_strdup(json_string_value(json_object_get(j, key)));
}

/* Counts and times; -1: not there, or negative. */
static int64_t
number_member(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ?
	    (int64_t)json_integer_value(value) : -1;
}

static bool
take_recipients(const json_t *list, struct strvec *recipients)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach(list, i, one) {
		const char *address = json_string_value(json_object_get(one,
		    "address"));

		if (address == NULL)
			return false;
		strvec_add(recipients, address);
	}
	return true;
}

static bool
take_members(const json_t *j, struct queue_entry *e)
{
	e->queue = text_member(j, "queue_name");
	e->id = text_member(j, "queue_id");
	e->sender = text_member(j, "sender");
	e->arrival = (time_t)number_member(j, "arrival_time");
	e->size = number_member(j, "message_size");
	return e->queue != NULL && e->id != NULL && e->sender != NULL &&
	    queue_entry_is_id(e->id) && e->arrival >= 0 && e->size >= 0 &&
	    take_recipients(json_object_get(j, "recipients"), &e->recipients);
}

bool
queue_entry_parse(const char *line, size_t n, bool whole,
    struct queue_entry *e)
{
	char *text = whole ? mem_dup(line, n) : close_line(line, n, &n);
	json_t *j = NULL;
	bool ok = false;

	*e = (struct queue_entry){.cut = !whole};
	if (text == NULL)
		return false;
	make_utf8(text, n);
	j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	ok = j != NULL && take_members(j, e);
	if (!ok)
		queue_entry_clear(e);
	json_decref(j);
	free(text);
	return ok;
}
