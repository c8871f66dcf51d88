/* SPDX-License-Identifier: BSD-2-Clause */
#include "mail_leaf.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "header_parameter.h"

#define HEADERS_TYPE "text/rfc822-headers" /* RFC 6522 section 4 */

/* Every reader takes the same from it? */
static bool
is_clear_value(struct mail_view text, bool is_type)
{
	struct mime_value v;
	const char *slash;
	bool clear;

	mime_value_parse(text.p, text.n, &v);
	slash = strchr(v.type, '/');
	clear = !v.crowded && (is_type ? slash != NULL && slash > v.type &&
	    slash[1] != '\0' : v.type[0] != '\0');
	for (size_t i = 0; i < v.nparameters; i++) {
		clear = clear && !v.parameters[i].broken;
		for (size_t k = 0; k < i; k++)
			clear = clear && strcmp(v.parameters[i].name,
			    v.parameters[k].name) != 0;
	}
	mime_value_clear(&v);
	return clear;
}

static void
set_readings(struct mail_leaf *leaf, struct mail_view head)
{
	static const enum mime_encoding any[MAIL_LEAF_ENCODINGS] = {
	    MIME_BINARY, MIME_QUOTED_PRINTABLE, MIME_BASE64};

	leaf->encoding = mime_encoding(head.p, head.n);
	leaf->nreadings = leaf->encoding == MIME_OTHER ?
	    MAIL_LEAF_ENCODINGS : 1;
	memcpy(leaf->readings, any, sizeof(any));
	if (leaf->encoding != MIME_OTHER)
		leaf->readings[0] = leaf->encoding;
}

static void
add_candidates(struct mail_leaves *l, struct mail_view value,
    const char *name, struct strvec *all)
{
	if (!header_parameter_all(value.p, value.n, name, all))
		l->ambiguous = true;
}

/* RFC 2183 2.8: what is not known is an attachment. */
static bool
is_attached(struct mail_view disposition)
{
	struct mime_value v;
	bool attached;

	mime_value_parse(disposition.p, disposition.n, &v);
	attached = v.type[0] != '\0' && strcmp(v.type, "inline") != 0;
	mime_value_clear(&v);
	return attached;
}

static enum mail_leaf_kind
kind_of(const char *type)
{
	static const char *const marked_up[] = {"text/html",
	    "application/xhtml+xml", "text/x-amp-html", "text/enriched",
	    "text/richtext", "text/xml"};

	for (size_t i = 0; i < sizeof(marked_up) / sizeof(marked_up[0]); i++)
		if (strcmp(type, marked_up[i]) == 0)
			return MAIL_LEAF_HTML;
	if (strcmp(type, HEADERS_TYPE) == 0)
		return MAIL_LEAF_HEADERS;
	return strncmp(type, "text/", 5) == 0 ? MAIL_LEAF_TEXT :
						MAIL_LEAF_BYTES;
}

/* NULL when there is no room; type is taken. */
static struct mail_leaf *
add_leaf(struct mail_leaves *l, char *type, struct mail_view body)
{
	struct mail_leaf *leaf;

	if (l->n == MAIL_LEAVES_MAX) {
		l->full = true;
		free(type);
		return NULL;
	}
	if ((l->n & (l->n - 1)) == 0)
		l->v = mem_resize(l->v, 2 * l->n + 1, sizeof(*l->v));
	leaf = &l->v[l->n++];
	memset(leaf, 0, sizeof(*leaf));
	leaf->type = type;
	leaf->part.type = type;
	leaf->part.size = body.n;
	leaf->body = body;
	leaf->readings[0] = leaf->encoding = MIME_BINARY;
	leaf->nreadings = 1;
	return leaf;
}

/* value is of the Content-Type field, or empty.  Is it an attachment? */
static bool
set_names(struct mail_leaves *l, struct mail_leaf *leaf,
    struct mail_view head, struct mail_view value)
{
	struct mail_view disposition;
	bool attached = false;
	size_t off = 0;

	while (mail_leaf_field(head, "Content-Disposition", &off,
	    &disposition)) {
		attached |= is_attached(disposition);
		add_candidates(l, disposition, "filename",
		    &leaf->part.filenames);
	}
	add_candidates(l, value, "name", &leaf->part.filenames);
	if (leaf->part.filenames.n > 0)
		leaf->part.filename = leaf->part.filenames.v[0];
	return attached || leaf->part.filename != NULL;
}

static void
clear_leaf(struct mail_leaf *leaf)
{
	strvec_clear(&leaf->part.filenames);
	strvec_clear(&leaf->charsets);
	free(leaf->type);
}

void
mail_leaves_clear(struct mail_leaves *l)
{
	for (size_t i = 0; i < l->n; i++)
		clear_leaf(&l->v[i]);
	free(l->v);
	memset(l, 0, sizeof(*l));
}

void
mail_leaves_drop_last(struct mail_leaves *l)
{
	if (l->n > 0)
		clear_leaf(&l->v[--l->n]);
}

void
mail_leaves_add_part(struct mail_leaves *l, struct mail_view head,
    struct mail_view type, struct mail_view body, bool embedded)
{
	struct mail_leaf *leaf = add_leaf(l, mail_leaf_type(type), body);
	bool is_body;

	if (leaf == NULL)
		return;
	set_readings(leaf, head);
	leaf->kind = kind_of(leaf->type);
	if (leaf->kind == MAIL_LEAF_TEXT || leaf->kind == MAIL_LEAF_HTML)
		add_candidates(l, type, "charset", &leaf->charsets);
	/* What should have had parts and has none is seen as it stands. */
	is_body = strcmp(leaf->type, "text/plain") == 0 ||
	    strcmp(leaf->type, "text/html") == 0 ||
	    strncmp(leaf->type, "multipart/", 10) == 0;
	leaf->part.attachment = set_names(l, leaf, head, type) || !is_body ||
	    embedded;
}

void
mail_leaves_add_message(struct mail_leaves *l, struct mail_view head,
    struct mail_view body, struct mail_view message_head)
{
	struct mail_view value = {"message/rfc822", 14};
	struct mail_leaf *leaf;
	size_t off = 0;

	mail_leaf_field(head, "Content-Type", &off, &value);
	leaf = add_leaf(l, mail_leaf_type(value), message_head);
	if (leaf == NULL)
		return;
	(void)set_names(l, leaf, head, value);
	leaf->part.attachment = true;
	leaf->part.size = body.n;
	leaf->kind = MAIL_LEAF_HEADERS;
}

void
mail_leaves_add_rest(struct mail_leaves *l, struct mail_view text,
    bool embedded)
{
	struct mail_leaf *leaf;

	for (; text.n > 0 && strchr("\r\n\t ", text.p[0]) != NULL &&
	    text.p[0] != '\0'; text.p++)
		text.n--;
	if (text.n == 0)
		return;
	leaf = add_leaf(l, mem_strdup("text/plain"), text);
	if (leaf == NULL)
		return;
	leaf->part.attachment = embedded;
	leaf->kind = MAIL_LEAF_TEXT;
}

bool
mail_leaf_field(struct mail_view head, const char *name, size_t *off,
    struct mail_view *value)
{
	struct mime_span line, text;

	if (!mime_find_field(head.p + *off, head.n - *off, name, &line,
	    &text))
		return false;
	*value = (struct mail_view){head.p + *off + text.off, text.len};
	*off += line.off + line.len;
	return true;
}

bool
mail_leaf_is_sound_head(struct mail_view head)
{
	static const char *const once[] = {"Content-Type",
	    "Content-Transfer-Encoding", "Content-Disposition", "Content-ID",
	    "Content-Description", "MIME-Version"};
	struct mail_view value;
	size_t off = 0;

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (mime_has_two(head.p, head.n, once[i]))
			return false;
	if (mail_leaf_field(head, "Content-Type", &off, &value) &&
	    !is_clear_value(value, true))
		return false;
	off = 0;
	return !mail_leaf_field(head, "Content-Disposition", &off, &value) ||
	    is_clear_value(value, false);
}

char *
mail_leaf_type(struct mail_view value)
{
	struct mime_value v;
	char *slash, *type;

	mime_value_parse(value.p, value.n, &v);
	slash = strchr(v.type, '/');
	type = mem_strdup(slash == NULL || slash == v.type ||
	    slash[1] == '\0' ? "text/plain" : v.type);
	mime_value_clear(&v);
	return type;
}
