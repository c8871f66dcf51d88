/* SPDX-License-Identifier: BSD-2-Clause */
#include "cms_walk.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_SET 0x31
#define TAG_CONSTRUCTED 0x20
#define TAG_CONTEXT(n) (0xa0u | (n)) /* constructed */
#define TAG_OTHER 0x1f               /* the number stands in more bytes */

#define GCM_NONCE_MIN 7
#define GCM_NONCE_MAX 16 /* EVP_MAX_IV_LENGTH: CVE-2025-15467 */
#define GCM_ICV_MIN 12   /* RFC 5084 3.2 */
#define GCM_ICV_MAX 16

/*
 * A place inside one constructed value.  A value of indefinite length has
 * the end of what surrounds it, and stops at its end-of-contents.
 */
struct cursor {
	const unsigned char *p;
	size_t pos, end;
	bool indefinite;
	unsigned depth;
	struct allowance *left;
};

/* What may still come outside the content. */
struct allowance {
	size_t bytes, elements;
};

struct head {
	unsigned tag; /* first identifier byte */
	size_t body;  /* offset of the value */
	size_t len;   /* of the value, unless indefinite */
	bool indefinite;
};

struct type_name {
	enum cms_type type;
	unsigned char len;
	unsigned char oid[11];
};

/* id-data and its family, and those RFC 3274 and 5083 added. */
#define PKCS7(n)                                            \
	9,                                                  \
	{                                                   \
		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, n \
	}
#define SMIME_CT(n)                                                \
	11,                                                        \
	{                                                          \
		0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, n \
	}

static const struct type_name type_names[] = {
    {CMS_TYPE_DATA, PKCS7(1)},
    {CMS_TYPE_SIGNED, PKCS7(2)},
    {CMS_TYPE_ENVELOPED, PKCS7(3)},
    {CMS_TYPE_DIGESTED, PKCS7(5)},
    {CMS_TYPE_ENCRYPTED, PKCS7(6)},
    {CMS_TYPE_AUTHENTICATED, SMIME_CT(2)},
    {CMS_TYPE_COMPRESSED, SMIME_CT(9)},
    {CMS_TYPE_AUTH_ENVELOPED, SMIME_CT(23)},
};

static bool
read_tag(const struct cursor *c, struct head *h, struct error *err)
{
	size_t pos = c->pos;
	unsigned more = 0;

	if (pos >= c->end)
		return error_perm(err, "CMS cut short at byte %zu", pos);
	h->tag = c->p[pos++];
	if ((h->tag & TAG_OTHER) == TAG_OTHER) {
		do {
			if (pos >= c->end || ++more > 4)
				return error_perm(err,
				    "CMS with a broken tag at byte %zu",
				    c->pos);
		} while (c->p[pos++] & 0x80);
	}
	h->body = pos;
	return true;
}

/*
 * X.690 8.1.3: short, long and indefinite form.  Leading zeros are legal
 * in BER; a length that does not fit what surrounds it is not.
 */
static bool
read_length(const struct cursor *c, struct head *h, struct error *err)
{
	size_t pos = h->body, len, octets;

	if (pos >= c->end)
		return error_perm(err, "CMS cut short at byte %zu", pos);
	len = c->p[pos++];
	h->indefinite = len == 0x80;
	if (len == 0xff || (h->indefinite && !(h->tag & TAG_CONSTRUCTED)))
		return error_perm(
		    err, "CMS with a broken length at byte %zu", h->body);
	if (len >= 0x80) {
		octets = len & 0x7f;
		for (len = 0; octets > 0; octets--) {
			if (pos >= c->end || len > SIZE_MAX >> 8)
				return error_perm(err,
				    "CMS with a broken length at byte %zu",
				    h->body);
			len = len << 8 | c->p[pos++];
		}
	}
	if (len > c->end - pos)
		return error_perm(err,
		    "CMS cut short: %zu bytes announced at byte %zu, %zu there",
		    len, c->pos, c->end - pos);
	h->body = pos;
	h->len = len;
	return true;
}

static bool
read_head(const struct cursor *c, struct head *h, struct error *err)
{
	if (!read_tag(c, h, err) || !read_length(c, h, err))
		return false;
	if (h->tag == 0)
		return error_perm(err,
		    "CMS with an end-of-contents out of place at byte %zu",
		    c->pos);
	return true;
}

/* Broken ends are found by whoever reads on. */
static bool
at_end(const struct cursor *c)
{
	if (c->indefinite)
		return c->end - c->pos >= 2 && c->p[c->pos] == 0 &&
		       c->p[c->pos + 1] == 0;
	return c->pos == c->end;
}

/* The tag that comes next; 0 at the end. */
static unsigned
next_tag(const struct cursor *c)
{
	return at_end(c) || c->pos >= c->end ? 0 : c->p[c->pos];
}

static bool
spend(struct cursor *c, size_t n, struct error *err)
{
	if (n > c->left->bytes)
		return error_perm(err,
		    "CMS of more than %d bytes besides its content",
		    CMS_MAX_SKELETON);
	if (c->left->elements == 0)
		return error_perm(err,
		    "CMS of more than %d elements besides its content",
		    CMS_MAX_ELEMENTS);
	c->left->bytes -= n;
	c->left->elements--;
	return true;
}

/* The inside of a constructed value. */
static bool
descend(const struct cursor *c, const struct head *h, struct cursor *child,
    struct error *err)
{
	if (c->depth >= CMS_MAX_DEPTH)
		return error_perm(
		    err, "CMS nested deeper than %d levels", CMS_MAX_DEPTH);
	*child = *c;
	child->pos = h->body;
	child->indefinite = h->indefinite;
	if (!h->indefinite)
		child->end = h->body + h->len;
	child->depth++;
	return true;
}

/* The head of what must come here. */
static bool
expect(const struct cursor *c, unsigned tag, const char *what, struct head *h,
    struct error *err)
{
	if (next_tag(c) != tag)
		return error_perm(
		    err, "CMS without %s at byte %zu", what, c->pos);
	return read_head(c, h, err);
}

static bool
enter(struct cursor *c, unsigned tag, const char *what, struct cursor *child,
    struct error *err)
{
	struct head h;

	return expect(c, tag, what, &h, err) &&
	       spend(c, h.body - c->pos, err) && descend(c, &h, child, err);
}

/* Ends a value that must have been read whole. */
static bool
leave(struct cursor *c, const struct cursor *child, struct error *err)
{
	if (!at_end(child))
		return error_perm(err, "CMS with %s at byte %zu",
		    child->pos >= child->end ? "its end missing"
					     : "something unexpected",
		    child->pos);
	c->pos = child->pos + (child->indefinite ? 2 : 0);
	return true;
}

/* Steps over one whole value, looking at everything inside. */
static bool
skip(struct cursor *c, struct error *err)
{
	struct cursor child;
	struct head h;

	if (!read_head(c, &h, err))
		return false;
	if (!(h.tag & TAG_CONSTRUCTED)) {
		if (!spend(c, h.body - c->pos + h.len, err))
			return false;
		c->pos = h.body + h.len;
		return true;
	}
	if (!spend(c, h.body - c->pos, err) || !descend(c, &h, &child, err))
		return false;
	while (!at_end(&child))
		if (!skip(&child, err))
			return false;
	return leave(c, &child, err);
}

/* The same for a value of a known tag, with where it was. */
static bool
take(struct cursor *c, unsigned tag, const char *what, struct cms_span *span,
    struct error *err)
{
	size_t start = c->pos;
	struct head h;

	if (!expect(c, tag, what, &h, err) || !skip(c, err))
		return false;
	if (span != NULL) {
		span->off = start;
		span->len = c->pos - start;
	}
	return true;
}

/* An OCTET STRING, which BER may give in pieces. */
static bool
take_octets(struct cursor *c, const char *what, struct error *err)
{
	return take(
	    c, TAG_OCTETS | (next_tag(c) & TAG_CONSTRUCTED), what, NULL, err);
}

static bool
count_one(unsigned *n, unsigned max, const char *what, struct error *err)
{
	if (++*n > max)
		return error_perm(err, "CMS with more than %u %s", max, what);
	return true;
}

typedef bool element_walk(
    struct cursor *c, struct cms_walk *w, struct error *err);

/*
 * A SET OF or SEQUENCE OF: counts, and looks into each by walk (NULL:
 * anything will do).  n NULL counts for this set alone.
 */
static bool
walk_set(struct cursor *c, unsigned tag, const char *what, unsigned max,
    unsigned *n, struct cms_span *span, element_walk *walk, struct cms_walk *w,
    struct error *err)
{
	struct cursor set;
	size_t start = c->pos;
	unsigned own = 0;

	if (n == NULL)
		n = &own;
	if (!enter(c, tag, what, &set, err))
		return false;
	while (!at_end(&set)) {
		if (!count_one(n, max, what, err))
			return false;
		if (!(walk != NULL ? walk(&set, w, err) : skip(&set, err)))
			return false;
	}
	if (!leave(c, &set, err))
		return false;
	if (span != NULL) {
		span->off = start;
		span->len = c->pos - start;
	}
	return true;
}

/* Attributes, when there are any under this tag. */
static bool
walk_attributes(
    struct cursor *c, unsigned tag, struct cms_span *span, struct error *err)
{
	if (next_tag(c) != tag)
		return true;
	return walk_set(c, tag, "attributes", CMS_MAX_ATTRIBUTES, NULL, span,
	    NULL, NULL, err);
}

static bool
walk_certificates(struct cursor *c, struct cms_walk *w,
    struct cms_span *certificates, struct cms_span *crls, struct error *err)
{
	if (next_tag(c) == TAG_CONTEXT(0) &&
	    !walk_set(c, TAG_CONTEXT(0), "certificates", CMS_MAX_CERTIFICATES,
		&w->ncertificates, certificates, NULL, w, err))
		return false;
	if (next_tag(c) == TAG_CONTEXT(1) &&
	    !walk_set(c, TAG_CONTEXT(1), "CRLs", CMS_MAX_CRLS, &w->ncrls, crls,
		NULL, w, err))
		return false;
	return true;
}

/*
 * A string in one piece or, in BER, in pieces that may again be in pieces.
 * Only their number of bytes is counted; piece may be NULL.
 */
static bool
walk_string(struct cursor *c, unsigned tag, size_t *total, cms_piece *piece,
    void *context, struct error *err)
{
	struct cursor child;
	struct head h;

	if (!read_head(c, &h, err))
		return false;
	if ((h.tag & ~(unsigned)TAG_CONSTRUCTED) != tag)
		return error_perm(err,
		    "CMS whose content is no OCTET STRING at byte %zu", c->pos);
	if (!(h.tag & TAG_CONSTRUCTED)) {
		c->pos = h.body + h.len;
		*total += h.len;
		return piece == NULL || h.len == 0 ||
		       piece(context, c->p + h.body, h.len, err);
	}
	if (!descend(c, &h, &child, err))
		return false;
	while (!at_end(&child))
		if (!walk_string(
			&child, TAG_OCTETS, total, piece, context, err))
			return false;
	return leave(c, &child, err);
}

static bool
walk_content(
    struct cursor *c, unsigned tag, struct cms_walk *w, struct error *err)
{
	w->content.off = c->pos;
	if (!walk_string(c, tag, &w->content_len, NULL, NULL, err))
		return false;
	w->content.len = c->pos - w->content.off;
	w->has_content = true;
	return true;
}

/* RFC 5652 5.2 */
static bool
walk_encapsulated(struct cursor *c, struct cms_walk *w, struct error *err)
{
	struct cursor encap, explicit;

	if (!enter(c, TAG_SEQUENCE, "encapContentInfo", &encap, err) ||
	    !take(&encap, TAG_OID, "eContentType", &w->content_type, err))
		return false;
	if (next_tag(&encap) == TAG_CONTEXT(0)) {
		if (!enter(
			&encap, TAG_CONTEXT(0), "eContent", &explicit, err) ||
		    !walk_content(&explicit, TAG_OCTETS, w, err) ||
		    !leave(&encap, &explicit, err))
			return false;
	}
	return leave(c, &encap, err);
}

/* RFC 5652 5.3; sid is a SEQUENCE or [0], primitive. */
static bool
walk_signer(struct cursor *c, struct cms_walk *w, struct error *err)
{
	struct cursor signer;

	(void)w;
	if (!enter(c, TAG_SEQUENCE, "a SignerInfo", &signer, err) ||
	    !take(&signer, TAG_INTEGER, "the signer's version", NULL, err) ||
	    !skip(&signer, err) ||
	    !take(&signer, TAG_SEQUENCE, "digestAlgorithm", NULL, err) ||
	    !walk_attributes(&signer, TAG_CONTEXT(0), NULL, err) ||
	    !take(&signer, TAG_SEQUENCE, "signatureAlgorithm", NULL, err) ||
	    !take_octets(&signer, "a signature", err) ||
	    !walk_attributes(&signer, TAG_CONTEXT(1), NULL, err))
		return false;
	return leave(c, &signer, err);
}

/* RFC 5652 5.1 */
static bool
walk_signed(struct cursor *c, struct cms_walk *w, struct error *err)
{
	return take(c, TAG_INTEGER, "a version", &w->version, err) &&
	       walk_set(c, TAG_SET, "digestAlgorithms", CMS_MAX_DIGESTS,
		   &w->ndigests, &w->digest_algorithms, NULL, w, err) &&
	       walk_encapsulated(c, w, err) &&
	       walk_certificates(c, w, &w->certificates, &w->crls, err) &&
	       walk_set(c, TAG_SET, "signers", CMS_MAX_SIGNERS, &w->nsigners,
		   &w->signer_infos, walk_signer, w, err);
}

/* The inside of an AlgorithmIdentifier that was walked already. */
static bool
open_algorithm(const struct cursor *at, const struct cms_span *span,
    struct cursor *algorithm, struct head *oid, struct error *err)
{
	struct cursor c = *at;

	c.pos = span->off;
	c.end = span->off + span->len;
	c.indefinite = false;
	if (!enter(&c, TAG_SEQUENCE, "an algorithm", algorithm, err) ||
	    !expect(algorithm, TAG_OID, "an algorithm", oid, err))
		return false;
	algorithm->pos = oid->body + oid->len;
	return true;
}

/*
 * RFC 4055 4.1: the parameters must be there, and in them those of a label
 * (CVE-2026-28390: OpenSSL looks without asking).
 */
static bool
check_oaep(struct cursor *algorithm, struct error *err)
{
	struct cursor params, source, label;

	if (!enter(algorithm, TAG_SEQUENCE, "RSA-OAEP parameters", &params,
		err))
		return false;
	while (!at_end(&params)) {
		if (next_tag(&params) != TAG_CONTEXT(2)) {
			if (!skip(&params, err))
				return false;
			continue;
		}
		if (!enter(&params, TAG_CONTEXT(2), "a label", &source, err) ||
		    !enter(&source, TAG_SEQUENCE, "a label", &label, err) ||
		    !take(&label, TAG_OID, "a label", NULL, err) ||
		    !take(&label, TAG_OCTETS, "a label", NULL, err) ||
		    !leave(&source, &label, err) ||
		    !leave(&params, &source, err))
			return false;
	}
	return leave(algorithm, &params, err);
}

/* RFC 5652 6.2.1; rid is a SEQUENCE or [0], primitive. */
static bool
walk_transport(struct cursor *c, struct error *err)
{
	static const unsigned char oaep[] = {
	    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7};
	struct cursor ktri, algorithm;
	struct cms_span span;
	struct head oid;

	if (!enter(c, TAG_SEQUENCE, "a recipient", &ktri, err) ||
	    !take(&ktri, TAG_INTEGER, "the recipient's version", NULL, err) ||
	    !skip(&ktri, err) ||
	    !take(&ktri, TAG_SEQUENCE, "keyEncryptionAlgorithm", &span, err) ||
	    !open_algorithm(&ktri, &span, &algorithm, &oid, err))
		return false;
	if (oid.len == sizeof(oaep) &&
	    memcmp(c->p + oid.body, oaep, sizeof(oaep)) == 0 &&
	    !check_oaep(&algorithm, err))
		return false;
	return take_octets(&ktri, "an encrypted key", err) &&
	       leave(c, &ktri, err);
}

/*
 * RFC 5652 6.2.2: it holds many recipients in its last SEQUENCE; counting
 * them there keeps one limit for all kinds.  The algorithm's parameters say
 * how the key is wrapped (RFC 5753 7.1.4); without them OpenSSL falls
 * (CVE-2026-28389).
 */
static bool
walk_agreement(struct cursor *c, struct cms_walk *w, struct error *err)
{
	struct cursor kari, algorithm;
	struct cms_span span;
	struct head oid;
	unsigned before;

	if (!enter(c, TAG_CONTEXT(1), "a recipient", &kari, err) ||
	    !take(&kari, TAG_INTEGER, "the recipient's version", NULL, err) ||
	    !take(&kari, TAG_CONTEXT(0), "originator", NULL, err) ||
	    (next_tag(&kari) == TAG_CONTEXT(1) && !skip(&kari, err)) ||
	    !take(&kari, TAG_SEQUENCE, "keyEncryptionAlgorithm", &span, err) ||
	    !open_algorithm(&kari, &span, &algorithm, &oid, err) ||
	    !take(&algorithm, TAG_SEQUENCE, "key agreement parameters", NULL,
		err))
		return false;
	before = --w->nrecipients; /* itself is none */
	if (!walk_set(&kari, TAG_SEQUENCE, "recipients", CMS_MAX_RECIPIENTS,
		&w->nrecipients, NULL, NULL, w, err))
		return false;
	if (w->nrecipients == before)
		return error_perm(
		    err, "CMS with a key for nobody at byte %zu", c->pos);
	return leave(c, &kari, err);
}

/*
 * RFC 5652 6.2.  Passwords, keys agreed on elsewhere and other ways are
 * never ours: such recipients are counted, and left out of the skeleton.
 */
static bool
is_ours(unsigned tag)
{
	return tag == TAG_SEQUENCE || tag == TAG_CONTEXT(1);
}

static bool
walk_recipient(struct cursor *c, struct cms_walk *w, struct error *err)
{
	unsigned tag = next_tag(c);
	size_t start = c->pos;
	bool ok = tag == TAG_SEQUENCE ? walk_transport(c, err) :
	    tag == TAG_CONTEXT(1) ? walk_agreement(c, w, err) : skip(c, err);

	if (ok && is_ours(tag))
		w->own_recipients_len += c->pos - start;
	else if (ok)
		w->nforeign++;
	return ok;
}

/* RFC 5652 6.1: OriginatorInfo */
static bool
walk_originator(struct cursor *c, struct cms_walk *w, struct error *err)
{
	struct cursor info;

	w->originator_info.off = c->pos;
	if (!enter(c, TAG_CONTEXT(0), "originatorInfo", &info, err) ||
	    !walk_certificates(&info, w, NULL, NULL, err) ||
	    !leave(c, &info, err))
		return false;
	w->originator_info.len = c->pos - w->originator_info.off;
	return true;
}

/* AES's and ARIA's: OpenSSL reads their parameters alike. */
static bool
is_gcm(const unsigned char *oid, size_t len)
{
	static const unsigned char aes[] = {
	    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01};
	static const unsigned char aria[] = {
	    0x2a, 0x83, 0x1a, 0x8c, 0x9a, 0x6e, 0x01, 0x01};

	if (len != sizeof(aes) + 1)
		return false;
	if (memcmp(oid, aria, sizeof(aria)) == 0)
		return oid[8] >= 34 && oid[8] <= 36;
	return memcmp(oid, aes, sizeof(aes)) == 0 &&
	       (oid[8] == 6 || oid[8] == 26 || oid[8] == 46);
}

/*
 * RFC 5084 3.2: a nonce longer than any cipher's has overflowed a stack
 * (CVE-2025-15467), a short tag makes forging cheap.
 */
static bool
is_aes_cbc(const unsigned char *oid, size_t len)
{
	static const unsigned char aes[] = {
	    0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01};

	return len == sizeof(aes) + 1 && memcmp(oid, aes, sizeof(aes)) == 0 &&
	       (oid[8] == 2 || oid[8] == 22 || oid[8] == 42);
}

/* RFC 3565 2.3.  Without it OpenSSL decrypts with whatever is there. */
static bool
check_cbc(struct cursor *c, struct error *err)
{
	struct head h;

	if (!expect(c, TAG_OCTETS, "an AES-CBC vector", &h, err))
		return false;
	return h.len == 16 ||
	       error_perm(err, "CMS with an AES-CBC vector of %zu bytes",
		   h.len);
}

static bool
check_gcm(struct cursor *c, struct error *err)
{
	struct cursor params;
	struct head h;

	if (!enter(c, TAG_SEQUENCE, "AES-GCM parameters", &params, err) ||
	    !expect(&params, TAG_OCTETS, "an AES-GCM nonce", &h, err))
		return false;
	if (h.len < GCM_NONCE_MIN || h.len > GCM_NONCE_MAX)
		return error_perm(
		    err, "CMS with an AES-GCM nonce of %zu bytes", h.len);
	params.pos = h.body + h.len;
	if (!at_end(&params)) {
		if (!expect(
			&params, TAG_INTEGER, "an AES-GCM tag length", &h, err))
			return false;
		if (h.len != 1 || params.p[h.body] < GCM_ICV_MIN ||
		    params.p[h.body] > GCM_ICV_MAX)
			return error_perm(
			    err, "CMS with a bad AES-GCM tag length");
		params.pos = h.body + h.len;
	}
	return leave(c, &params, err);
}

static bool
check_algorithm(const struct cursor *at, const struct cms_span *span, bool *gcm,
    struct error *err)
{
	struct cursor algorithm;
	struct head oid;

	if (!open_algorithm(at, span, &algorithm, &oid, err))
		return false;
	*gcm = is_gcm(algorithm.p + oid.body, oid.len);
	if (is_aes_cbc(algorithm.p + oid.body, oid.len))
		return check_cbc(&algorithm, err);
	return !*gcm || check_gcm(&algorithm, err);
}

/* RFC 5652 6.1: the encrypted content is [0] IMPLICIT. */
static bool
walk_encrypted(
    struct cursor *c, struct cms_walk *w, bool *gcm, struct error *err)
{
	struct cursor info;
	unsigned tag;

	if (!enter(c, TAG_SEQUENCE, "encryptedContentInfo", &info, err) ||
	    !take(&info, TAG_OID, "contentType", &w->content_type, err) ||
	    !take(&info, TAG_SEQUENCE, "contentEncryptionAlgorithm",
		&w->content_algorithm, err) ||
	    !check_algorithm(&info, &w->content_algorithm, gcm, err))
		return false;
	tag = next_tag(&info) & ~(unsigned)TAG_CONSTRUCTED;
	if (tag == 0x80 && !walk_content(&info, tag, w, err))
		return false;
	return leave(c, &info, err);
}

static bool
walk_mac(struct cursor *c, struct cms_walk *w, bool gcm, struct error *err)
{
	struct head h;

	if (!expect(c, TAG_OCTETS, "a mac", &h, err))
		return false;
	if (gcm && (h.len < GCM_ICV_MIN || h.len > GCM_ICV_MAX))
		return error_perm(
		    err, "CMS with an AES-GCM tag of %zu bytes", h.len);
	return take(c, TAG_OCTETS, "a mac", &w->mac, err);
}

/* RFC 5652 6.1 and RFC 5083 2.1, which agree up to the content. */
static bool
walk_enveloped(struct cursor *c, struct cms_walk *w, struct error *err)
{
	bool gcm = false;

	if (!take(c, TAG_INTEGER, "a version", &w->version, err))
		return false;
	if (next_tag(c) == TAG_CONTEXT(0) && !walk_originator(c, w, err))
		return false;
	if (!walk_set(c, TAG_SET, "recipients", CMS_MAX_RECIPIENTS,
		&w->nrecipients, &w->recipient_infos, walk_recipient, w, err) ||
	    !walk_encrypted(c, w, &gcm, err))
		return false;
	/* With another cipher nothing would check the mac. */
	if (w->type == CMS_TYPE_AUTH_ENVELOPED && !gcm)
		return error_perm(
		    err, "AuthEnvelopedData with a cipher that is not GCM");
	if (w->type == CMS_TYPE_ENVELOPED)
		return walk_attributes(
		    c, TAG_CONTEXT(1), &w->unprotected_attributes, err);
	return walk_attributes(c, TAG_CONTEXT(1), &w->auth_attributes, err) &&
	       walk_mac(c, w, gcm, err) &&
	       walk_attributes(
		   c, TAG_CONTEXT(2), &w->unprotected_attributes, err);
}

/* Dotted text; what is no OID or too long is cut with "...". */
static void
write_oid(const unsigned char *oid, size_t n, char *text, size_t size)
{
	uint64_t arc = 0;
	size_t len = 0;
	bool first = true;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (arc > UINT64_MAX >> 7 || len + 24 >= size ||
		    (i + 1 == n && (oid[i] & 0x80))) {
			snprintf(text + len, size - len, "...");
			return;
		}
		arc = arc << 7 | (oid[i] & 0x7f);
		if (oid[i] & 0x80)
			continue;
		if (first) {
			unsigned top = arc < 40 ? 0 : arc < 80 ? 1 : 2;

			arc -= top * 40;
			len += (size_t)snprintf(text, size, "%u", top);
		}
		len +=
		    (size_t)snprintf(text + len, size - len, ".%" PRIu64, arc);
		first = false;
		arc = 0;
	}
}

static bool
find_type(struct cursor *c, struct cms_walk *w, struct error *err)
{
	struct head h;

	if (!expect(c, TAG_OID, "a content type", &h, err) ||
	    !spend(c, h.body + h.len - c->pos, err))
		return false;
	write_oid(c->p + h.body, h.len, w->oid, sizeof(w->oid));
	w->type = CMS_TYPE_UNKNOWN;
	for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++)
		if (h.len == type_names[i].len &&
		    memcmp(c->p + h.body, type_names[i].oid, h.len) == 0)
			w->type = type_names[i].type;
	c->pos = h.body + h.len;
	return true;
}

/* X.690 8.1.3.5: the long form as short as it goes. */
static bool
put_head(struct buf *b, unsigned tag, size_t len)
{
	unsigned char bytes[2 + sizeof(len)];
	unsigned n = 0;

	bytes[n++] = (unsigned char)tag;
	if (len < 0x80) {
		bytes[n++] = (unsigned char)len;
	} else {
		unsigned octets = 1;

		while (octets < sizeof(len) && len >> (8 * octets) != 0)
			octets++;
		bytes[n++] = (unsigned char)(0x80 | octets);
		while (octets-- > 0)
			bytes[n++] = (unsigned char)(len >> (8 * octets));
	}
	return buf_append(b, bytes, n);
}

static size_t
head_len(size_t len)
{
	size_t n = 2;

	for (size_t rest = len; len >= 0x80 && rest != 0; rest >>= 8)
		n++;
	return n;
}

static void
put_span(struct buf *b, const unsigned char *p, const struct cms_span *s)
{
	buf_append(b, p + s->off, s->len);
}

static size_t
recipients_len(const struct cms_walk *w)
{
	return head_len(w->own_recipients_len) + w->own_recipients_len;
}

/* Walked before, so nothing of it can fail. */
static void
put_recipients(struct buf *b, const unsigned char *p, const struct cms_walk *w)
{
	struct allowance left = {CMS_MAX_SKELETON, CMS_MAX_ELEMENTS};
	struct cursor c = {
	    .p = p,
	    .pos = w->recipient_infos.off,
	    .end = w->recipient_infos.off + w->recipient_infos.len,
	    .left = &left,
	};
	struct cursor set;
	struct error ignored;

	put_head(b, TAG_SET, w->own_recipients_len);
	if (!enter(&c, TAG_SET, "recipients", &set, &ignored))
		return;
	while (!at_end(&set)) {
		struct cms_span one = {set.pos, 0};
		unsigned tag = next_tag(&set);

		if (!skip(&set, &ignored))
			return;
		one.len = set.pos - one.off;
		if (is_ours(tag))
			put_span(b, p, &one);
	}
}

/*
 * The heads of ContentInfo around inner bytes of a SEQUENCE of this type.
 */
static void
put_content_info(struct buf *b, enum cms_type type, size_t inner)
{
	const struct type_name *t = type_names;
	size_t sequence = head_len(inner) + inner;

	while (t->type != type)
		t++;
	put_head(b, TAG_SEQUENCE, 2 + t->len + head_len(sequence) + sequence);
	put_head(b, TAG_OID, t->len);
	buf_append(b, t->oid, t->len);
	put_head(b, TAG_CONTEXT(0), sequence);
	put_head(b, TAG_SEQUENCE, inner);
}

static void
put_signed(struct buf *b, const unsigned char *p, const struct cms_walk *w)
{
	size_t encap = w->content_type.len;

	put_content_info(b, CMS_TYPE_SIGNED,
	    w->version.len + w->digest_algorithms.len + head_len(encap) +
		encap + w->certificates.len + w->crls.len +
		w->signer_infos.len);
	put_span(b, p, &w->version);
	put_span(b, p, &w->digest_algorithms);
	put_head(b, TAG_SEQUENCE, encap);
	put_span(b, p, &w->content_type);
	put_span(b, p, &w->certificates);
	put_span(b, p, &w->crls);
	put_span(b, p, &w->signer_infos);
}

static void
put_enveloped(struct buf *b, const unsigned char *p, const struct cms_walk *w)
{
	size_t info = w->content_type.len + w->content_algorithm.len;

	put_content_info(b, w->type,
	    w->version.len + w->originator_info.len + recipients_len(w) +
		head_len(info) + info + w->auth_attributes.len + w->mac.len +
		w->unprotected_attributes.len);
	put_span(b, p, &w->version);
	put_span(b, p, &w->originator_info);
	put_recipients(b, p, w);
	put_head(b, TAG_SEQUENCE, info);
	put_span(b, p, &w->content_type);
	put_span(b, p, &w->content_algorithm);
	put_span(b, p, &w->auth_attributes);
	put_span(b, p, &w->mac);
	put_span(b, p, &w->unprotected_attributes);
}

/* What an object cut short says it is: to be named, not to be believed. */
static void
find_claim(const unsigned char *p, size_t n, struct cms_walk *w)
{
	struct allowance left = {CMS_MAX_SKELETON, CMS_MAX_ELEMENTS};
	struct cursor c = {.p = p, .end = n, .left = &left};
	struct error ignored;

	c.pos = n > 1 && p[1] > 0x80 ? 2 + (size_t)(p[1] & 0x7f) : 2;
	if (c.pos < n && next_tag(&c) == TAG_OID)
		(void)!find_type(&c, w, &ignored);
	w->type = CMS_TYPE_UNKNOWN;
}

bool
cms_walk(
    const unsigned char *p, size_t n, struct cms_walk *w, struct error *err)
{
	struct allowance left = {CMS_MAX_SKELETON, CMS_MAX_ELEMENTS};
	struct cursor top = {.p = p, .end = n, .left = &left};
	struct cursor info, explicit, sequence;
	bool ok;

	memset(w, 0, sizeof(*w));
	if (next_tag(&top) != TAG_SEQUENCE)
		return error_perm(err, "not a CMS object");
	if (!enter(&top, TAG_SEQUENCE, "ContentInfo", &info, err)) {
		find_claim(p, n, w);
		return false;
	}
	if (!find_type(&info, w, err))
		return false;
	if (w->type != CMS_TYPE_SIGNED && w->type != CMS_TYPE_ENVELOPED &&
	    w->type != CMS_TYPE_AUTH_ENVELOPED)
		return true;
	if (!enter(&info, TAG_CONTEXT(0), "content", &explicit, err) ||
	    !enter(&explicit, TAG_SEQUENCE, "content", &sequence, err))
		return false;
	ok = w->type == CMS_TYPE_SIGNED ? walk_signed(&sequence, w, err)
					: walk_enveloped(&sequence, w, err);
	return ok && leave(&explicit, &sequence, err) &&
	       leave(&info, &explicit, err) && leave(&top, &info, err);
}

bool
cms_walk_skeleton(const unsigned char *p, const struct cms_walk *w,
    struct buf *out, struct error *err)
{
	switch (w->type) {
	case CMS_TYPE_SIGNED:
		put_signed(out, p, w);
		break;
	case CMS_TYPE_ENVELOPED:
	case CMS_TYPE_AUTH_ENVELOPED:
		put_enveloped(out, p, w);
		break;
	default:
		return error_perm(
		    err, "CMS of type %s has no skeleton", w->oid);
	}
	if (out->overflow)
		return error_perm(err,
		    "CMS of more than %zu bytes besides its content", out->max);
	return true;
}

bool
cms_walk_content(const unsigned char *p, const struct cms_walk *w,
    cms_piece *piece, void *context, struct error *err)
{
	struct cursor c = {
	    .p = p,
	    .pos = w->content.off,
	    .end = w->content.off + w->content.len,
	};
	size_t total = 0;

	if (!w->has_content)
		return true;
	return walk_string(&c, w->type == CMS_TYPE_SIGNED ? TAG_OCTETS : 0x80,
	    &total, piece, context, err);
}

static void
attach_signed(const unsigned char *p, const struct cms_walk *w,
    size_t content_len, struct buf *head, struct buf *tail)
{
	size_t octets = head_len(content_len) + content_len;
	size_t encap = w->content_type.len + head_len(octets) + octets;

	put_content_info(head, CMS_TYPE_SIGNED,
	    w->version.len + w->digest_algorithms.len + head_len(encap) +
		encap + w->certificates.len + w->crls.len +
		w->signer_infos.len);
	put_span(head, p, &w->version);
	put_span(head, p, &w->digest_algorithms);
	put_head(head, TAG_SEQUENCE, encap);
	put_span(head, p, &w->content_type);
	put_head(head, TAG_CONTEXT(0), octets);
	put_head(head, TAG_OCTETS, content_len);
	put_span(tail, p, &w->certificates);
	put_span(tail, p, &w->crls);
	put_span(tail, p, &w->signer_infos);
}

static void
attach_enveloped(const unsigned char *p, const struct cms_walk *w,
    size_t content_len, struct buf *head, struct buf *tail)
{
	size_t info = w->content_type.len + w->content_algorithm.len +
		      head_len(content_len) + content_len;

	put_content_info(head, w->type,
	    w->version.len + w->originator_info.len + recipients_len(w) +
		head_len(info) + info + w->auth_attributes.len + w->mac.len +
		w->unprotected_attributes.len);
	put_span(head, p, &w->version);
	put_span(head, p, &w->originator_info);
	put_recipients(head, p, w);
	put_head(head, TAG_SEQUENCE, info);
	put_span(head, p, &w->content_type);
	put_span(head, p, &w->content_algorithm);
	put_head(head, 0x80, content_len); /* [0] IMPLICIT OCTET STRING */
	put_span(tail, p, &w->auth_attributes);
	put_span(tail, p, &w->mac);
	put_span(tail, p, &w->unprotected_attributes);
}

bool
cms_walk_attach(const unsigned char *detached, size_t n, size_t content_len,
    struct buf *head, struct buf *tail, struct error *err)
{
	struct cms_walk w;

	if (!cms_walk(detached, n, &w, err))
		return false;
	if (w.has_content)
		return error_perm(err, "CMS with content of its own");
	if (content_len > SIZE_MAX / 2)
		return error_perm(err, "content too long for CMS");
	if (w.type == CMS_TYPE_SIGNED)
		attach_signed(detached, &w, content_len, head, tail);
	else if (w.type == CMS_TYPE_ENVELOPED ||
		 w.type == CMS_TYPE_AUTH_ENVELOPED)
		attach_enveloped(detached, &w, content_len, head, tail);
	else
		return error_perm(err, "CMS of type %s takes no content",
		    w.oid);
	if (head->overflow || tail->overflow)
		return error_perm(err, "CMS of more than %zu bytes",
		    head->overflow ? head->max : tail->max);
	return true;
}
