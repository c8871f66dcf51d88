/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_results.h"

#include <string.h>
#include <strings.h>

#include "common/ascii.h"

#define VALUE_MAX 16384
#define LINE 76

/* Appends ` text`, on a new line where it would pass the usual width. */
static void
put_word(struct buf *out, size_t *column, const char *text)
{
	size_t n = strlen(text);

	if (*column + 1 + n > LINE) {
		buf_puts(out, "\n\t");
		*column = 8;
	} else {
		buf_putc(out, ' ');
		*column += 1;
	}
	buf_puts(out, text);
	*column += n;
}

/* RFC 2045 value: a token, or a quoted string. */
static void
format_value(struct buf *out, const char *text)
{
	bool token = text[0] != '\0';

	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f ||
		    strchr("()<>,;:\\\"/[]?=", *p) != NULL)
			token = false;
	if (token) {
		buf_puts(out, text);
		return;
	}
	buf_putc(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(out, '\\');
		/* A header field is US-ASCII here. */
		buf_putc(out, *p < ' ' || *p >= 0x7f ? '?' : *p);
	}
	buf_putc(out, '"');
}

static void
put_property(struct buf *out, size_t *column, const char *name,
    const char *text)
{
	struct buf word;

	if (text == NULL)
		return;
	buf_init(&word, 2048);
	buf_printf(&word, "%s=", name);
	format_value(&word, text);
	if (!word.overflow)
		put_word(out, column, buf_text(&word));
	buf_clear(&word);
}

void
auth_results_format(const char *authserv_id, const struct verdict *v,
    struct buf *out)
{
	size_t column = sizeof("Authentication-Results:") - 1;
	const struct verdict_signer *signer = NULL;
	struct buf word;

	for (size_t i = 0; i < v->nsigners && signer == NULL; i++)
		if (v->signers[i].serial != NULL)
			signer = &v->signers[i];
	buf_init(&word, 512);
	buf_printf(&word, "%s;", authserv_id);
	put_word(out, &column, buf_text(&word));
	buf_reset(&word);
	buf_printf(&word, "smime=%s", verdict_signature_name(v->signature));
	put_word(out, &column, buf_text(&word));
	if (v->reason[0] != '\0')
		put_property(out, &column, "reason", v->reason);
	if (signer != NULL) {
		put_property(out, &column, "body.smime-identifier",
		    signer->address);
		put_property(out, &column, "body.smime-serial",
		    signer->serial);
		put_property(out, &column, "body.smime-issuer",
		    signer->issuer);
	}
	buf_clear(&word);
}

/*
 * The value without comments and folds (one blank stands for each run of
 * them), quoted strings unquoted, so that no spelling hides what it says;
 * a semicolon in one separates nothing.  False when it is broken.
 */
static bool
flatten(const char *value, struct buf *out)
{
	unsigned depth = 0;
	bool quoted = false;

	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\\' && (quoted || depth > 0)) {
			if (*++p == '\0')
				return false;
			if (quoted)
				buf_putc(out, *p == ';' ? ',' : *p);
		} else if (*p == '"' && depth == 0) {
			quoted = !quoted;
		} else if (!quoted && *p == '(') {
			depth++;
		} else if (!quoted && *p == ')') {
			if (depth-- == 0)
				return false;
		} else if (!quoted && depth == 0 && strchr(" \t\r\n", *p)) {
			if (out->len > 0 && out->data[out->len - 1] != ' ')
				buf_putc(out, ' ');
		} else if (depth == 0) {
			buf_putc(out, quoted && *p == ';' ? ',' : *p);
		}
	}
	return depth == 0 && !quoted && !out->overflow;
}

static bool
is_host_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/*
 * Where a name ends that stands in p at all, as a word of its own; NULL
 * when it does not.
 */
static const char *
find_word(const char *p, const char *word)
{
	size_t n = strlen(word);
	const char *at = p;

	while ((at = strcasestr(at, word)) != NULL) {
		const char *end = at + n;
		bool starts = at == p ||
		    (!is_host_char(at[-1]) && at[-1] != '.');
		bool ends = !is_host_char(*end) &&
		    (*end != '.' || !is_host_char(end[1]));

		if (starts && ends)
			return end;
		at++;
	}
	return NULL;
}

/*
 * Readers of this field are many and lenient, so any spelling counts that
 * one of them might take for ours: our name as a word, and behind it a
 * result of the method smime.
 */
bool
auth_results_is_forged(const char *authserv_id, const char *value)
{
	struct buf flat;
	const char *p;
	bool forged = false;

	buf_init(&flat, VALUE_MAX);
	if (!flatten(value, &flat)) {
		/* Not readable: suspect when our name stands in it. */
		forged = strcasestr(value, authserv_id) != NULL ||
		    strcasestr(buf_text(&flat), authserv_id) != NULL;
		goto out;
	}
	p = find_word(buf_text(&flat), authserv_id);
	while (!forged && p != NULL && (p = find_word(p, "smime")) != NULL)
		forged = *p == '=' || *p == '/' || *p == ' ';
out:
	buf_clear(&flat);
	return forged;
}
