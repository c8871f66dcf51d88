/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_kind.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mime.h"
#include "transfer.h"

/* Decodes a CMS body and looks at it; k->malformed says what is wrong. */
static bool
read_cms(const char *head, size_t nhead, const char *p, size_t n,
    const struct spool_place *place, struct smime_kind *k, struct error *err)
{
	struct error why = {0};

	k->cms = spool_new(place);
	if (!transfer_decode(p, n, mime_encoding(head, nhead), k->cms, err) ||
	    !spool_finish(k->cms, err))
		return false;
	if (!cms_walk((const unsigned char *)spool_data(k->cms),
	    spool_len(k->cms), &k->walk, &why))
		snprintf(k->malformed, sizeof(k->malformed), "%.150s",
		    why.text);
	return true;
}

static bool
is_signature_type(const char *type)
{
	return strcmp(type, "application/pkcs7-signature") == 0 ||
	    strcmp(type, "application/x-pkcs7-signature") == 0;
}

static void
type_of_part(const char *head, size_t n, struct mime_value *v)
{
	struct mime_span line, value;

	if (mime_find_field(head, n, "Content-Type", &line, &value))
		mime_value_parse(head + value.off, value.len, v);
	else
		mime_value_parse("text/plain", 10, v);
}

/* Lines of p that start with `--` and the boundary, trimmed. */
static unsigned
count_boundaries(const char *p, size_t n, const char *boundary, size_t len)
{
	unsigned count = 0;

	for (size_t off = 0; off < n;) {
		const char *nl = memchr(p + off, '\n', n - off);

		if (n - off >= len + 2 && p[off] == '-' &&
		    p[off + 1] == '-' &&
		    strncasecmp(p + off + 2, boundary, len) == 0)
			count++;
		off = nl == NULL ? n : (size_t)(nl - p) + 1;
	}
	return count;
}

/*
 * Some readers take any line that starts with the boundary for a delimiter
 * (RFC 2046 5.1.1), or trim it first: what lies around the two parts must
 * hold no other such line, or they would show what nobody signed.
 */
static bool
text_around(const char *body, size_t n, const char *boundary,
    const struct mime_span parts[2])
{
	size_t end = parts[1].off + parts[1].len;
	size_t len = strlen(boundary);

	if (boundary[len - 1] == ' ' || boundary[len - 1] == '\t')
		return true;
	return count_boundaries(body, parts[0].off, boundary, len) != 1 ||
	    count_boundaries(body + end, n - end, boundary, len) > 1;
}

/*
 * RFC 1847: exactly two parts.  The second part's type decides when the
 * protocol parameter does not say.
 */
static bool
find_signed(const struct entity *e, const struct mime_value *type,
    const struct spool_place *place, struct smime_kind *k, struct error *err)
{
	const char *boundary = mime_value_get(type, "boundary");
	const char *protocol = mime_value_get(type, "protocol");
	const char *body = e->body.n == 0 ? "" : e->body.v[0].data;
	struct mime_span parts[2] = {{0, 0}, {0, 0}}, head, inner;
	struct mime_value second = {0};
	bool closed, claims, ok = true;
	size_t n = 0;

	claims = protocol != NULL &&
	    (strcasecmp(protocol, "application/pkcs7-signature") == 0 ||
	    strcasecmp(protocol, "application/x-pkcs7-signature") == 0);
	if (protocol != NULL && !claims)
		return true; /* PGP and others */
	if (boundary != NULL && boundary[0] != '\0')
		n = mime_split(body, e->body.len, boundary, parts, 2, &closed);
	if (n == 2) {
		mime_divide(body + parts[1].off, parts[1].len, &head, &inner);
		type_of_part(body + parts[1].off, head.len, &second);
		claims |= is_signature_type(second.type);
	}
	if (!claims)
		goto out;
	k->form = SMIME_MULTIPART_SIGNED;
	k->signed_off = parts[0].off;
	k->signed_len = parts[0].len;
	if (boundary == NULL || boundary[0] == '\0') {
		snprintf(k->malformed, sizeof(k->malformed), "%s",
		    type->ambiguous ? "ambiguous boundary parameter" :
				      "no boundary parameter");
	} else if (n != 2) {
		snprintf(k->malformed, sizeof(k->malformed),
		    "multipart/signed has %zu parts, not 2", n);
	} else if (text_around(body, e->body.len, boundary, parts)) {
		snprintf(k->malformed, sizeof(k->malformed), "there is more "
		    "than two parts for readers who take boundaries loosely");
	} else if (mime_encoding(buf_text(&e->head), e->head.len) >
	    MIME_BINARY) {
		snprintf(k->malformed, sizeof(k->malformed),
		    "multipart/signed in a Content-Transfer-Encoding");
	} else if (!is_signature_type(second.type)) {
		snprintf(k->malformed, sizeof(k->malformed),
		    "the second part is %.60s, not a signature", second.type);
	} else {
		const char *part = body + parts[1].off;

		ok = read_cms(part, head.len, part + inner.off, inner.len,
		    place, k, err);
		if (ok && k->malformed[0] == '\0' &&
		    k->walk.type != CMS_TYPE_SIGNED)
			snprintf(k->malformed, sizeof(k->malformed),
			    "the signature part holds CMS type %s",
			    k->walk.oid);
		else if (ok && k->malformed[0] == '\0' && k->walk.has_content)
			snprintf(k->malformed, sizeof(k->malformed),
			    "the detached signature carries content of its "
			    "own");
	}
out:
	mime_value_clear(&second);
	return ok;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcasecmp(s + n - m, end) == 0;
}

/* RFC 8551 3.8: octet-stream by the name of its file. */
static bool
has_cms_name(const struct entity *e, const struct mime_value *type)
{
	static const char *const ends[] = {".p7m", ".p7s", ".p7c", ".p7z"};
	const char *head = buf_text(&e->head), *name, *filename = NULL;
	struct mime_value disposition = {0};
	struct mime_span line, value;
	bool found = false;

	if (mime_find_field(head, e->head.len, "Content-Disposition", &line,
	    &value)) {
		mime_value_parse(head + value.off, value.len, &disposition);
		filename = mime_value_get(&disposition, "filename");
	}
	name = mime_value_get(type, "name");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		found |= (name != NULL && ends_with(name, ends[i])) ||
		    (filename != NULL && ends_with(filename, ends[i]));
	mime_value_clear(&disposition);
	return found;
}

static bool
find_cms(const struct entity *e, bool only_named,
    const struct spool_place *place, struct smime_kind *k, struct error *err)
{
	const char *body = e->body.n == 0 ? "" : e->body.v[0].data;

	if (!read_cms(buf_text(&e->head), e->head.len, body, e->body.len,
	    place, k, err))
		return false;
	/* What is no CMS object at all is neither signed nor encrypted. */
	if (k->walk.oid[0] == '\0' || (only_named &&
	    (k->malformed[0] != '\0' || k->walk.type == CMS_TYPE_UNKNOWN))) {
		smime_kind_clear(k);
		return true;
	}
	k->form = SMIME_CMS;
	if (k->malformed[0] == '\0' && k->walk.type == CMS_TYPE_SIGNED &&
	    k->walk.nsigners > 0 && !k->walk.has_content)
		snprintf(k->malformed, sizeof(k->malformed),
		    "a signature alone, without the content it signs");
	return true;
}

bool
smime_kind_find(const struct entity *e, const struct spool_place *place,
    struct smime_kind *k, struct error *err)
{
	struct mime_value type;
	bool ok = true;

	memset(k, 0, sizeof(*k));
	type_of_part(buf_text(&e->head), e->head.len, &type);
	if (strcmp(type.type, "multipart/signed") == 0)
		ok = find_signed(e, &type, place, k, err);
	else if (strcmp(type.type, "application/pkcs7-mime") == 0 ||
	    strcmp(type.type, "application/x-pkcs7-mime") == 0)
		ok = find_cms(e, false, place, k, err);
	else if (strcmp(type.type, "application/octet-stream") == 0 &&
	    has_cms_name(e, &type))
		ok = find_cms(e, true, place, k, err);
	if (ok && k->form != SMIME_NOT && mime_has_two(buf_text(&e->head),
	    e->head.len, "Content-Type"))
		snprintf(k->malformed, sizeof(k->malformed),
		    "more than one Content-Type field");
	mime_value_clear(&type);
	return ok;
}

void
smime_kind_clear(struct smime_kind *k)
{
	spool_free(&k->cms);
	memset(k, 0, sizeof(*k));
}

bool
smime_kind_is_encrypted(const struct smime_kind *k)
{
	return k->form == SMIME_CMS &&
	    (k->walk.type == CMS_TYPE_ENVELOPED ||
	    k->walk.type == CMS_TYPE_AUTH_ENVELOPED ||
	    k->walk.type == CMS_TYPE_ENCRYPTED);
}

bool
smime_kind_is_signed(const struct smime_kind *k)
{
	return k->form != SMIME_NOT && k->malformed[0] == '\0' &&
	    k->walk.type == CMS_TYPE_SIGNED && k->walk.nsigners > 0;
}

bool
smime_kind_is_gateway(const struct smime_kind *k)
{
	/* What claims to be signed and is broken is an S/MIME message. */
	if (k->form == SMIME_NOT)
		return false;
	return k->malformed[0] != '\0' || smime_kind_is_signed(k) ||
	    smime_kind_is_encrypted(k);
}

bool
smime_kind_is_sealed(const struct smime_kind *k)
{
	return k->form == SMIME_CMS && k->malformed[0] == '\0' &&
	    (k->walk.type == CMS_TYPE_ENVELOPED ||
	    k->walk.type == CMS_TYPE_AUTH_ENVELOPED) &&
	    k->walk.nrecipients > 0 && k->walk.has_content &&
	    k->walk.content_len > 0;
}
