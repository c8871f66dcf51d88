/* SPDX-License-Identifier: BSD-2-Clause */
#include "auth_results.h"

#include <string.h>
#include <strings.h>

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

static const char *
skip(const char *p, const char *set)
{
	return p + strspn(p, set);
}

/* Behind a semicolon: `smime=`, `smime/1=`, blanks anywhere. */
static bool
is_smime_result(const char *p)
{
	p = skip(p, " ");
	if (strncasecmp(p, "smime", 5) != 0)
		return false;
	p = skip(p + 5, " ");
	if (*p == '/')
		p = skip(p + 1, " 0123456789");
	return *p == '=';
}

bool
auth_results_is_forged(const char *authserv_id, const char *value)
{
	size_t n = strlen(authserv_id);
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
	p = skip(buf_text(&flat), " ");
	if (strncasecmp(p, authserv_id, n) != 0)
		goto out;
	p += n;
	if (*p == ' ') /* the version, RFC 8601 2.2 */
		p = skip(p, " 0123456789");
	if (*p != ';')
		goto out;
	for (; p != NULL; p = strchr(p + 1, ';'))
		forged |= is_smime_result(p + 1);
out:
	buf_clear(&flat);
	return forged;
}
