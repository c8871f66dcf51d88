/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CMS_WALK_H
#define MILTER_SMIME_CMS_WALK_H

/*
 * A first look at a CMS object (RFC 5652, 5083) before OpenSSL parses it:
 * is it one of the kinds we take, are its counts and depth within limits,
 * and where do its pieces lie.  Accepts DER and BER (indefinite lengths,
 * constructed strings).  The bytes are the most hostile we meet; the walk
 * allocates nothing that they size, is linear in them and never recurses
 * deeper than the limit.
 *
 * It also cuts the content out: cms_walk_skeleton() gives the object
 * without its content, small enough for d2i_CMS_ContentInfo(), and
 * cms_walk_content() hands the content over piece by piece, so a 200 MB
 * message is never in memory whole (design: d2i_CMS_bio needs 541 MB).
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

enum cms_type {
	CMS_TYPE_UNKNOWN, /* a ContentInfo of a type we do not take */
	CMS_TYPE_SIGNED,
	CMS_TYPE_ENVELOPED,
	CMS_TYPE_AUTH_ENVELOPED,
	CMS_TYPE_COMPRESSED,
	CMS_TYPE_ENCRYPTED,
	CMS_TYPE_DIGESTED,
	CMS_TYPE_AUTHENTICATED,
	CMS_TYPE_DATA,
};

#define CMS_MAX_DEPTH 24	/* nesting of TLVs outside the content */
#define CMS_MAX_CERTIFICATES 64
#define CMS_MAX_CRLS 32
#define CMS_MAX_SIGNERS 16
#define CMS_MAX_RECIPIENTS 1000
#define CMS_MAX_DIGESTS 16
#define CMS_MAX_ATTRIBUTES 64	/* in one set of attributes */
#define CMS_MAX_SKELETON (4 << 20) /* bytes of all that is not content */
#define CMS_MAX_ELEMENTS 250000	/* TLVs of all that is not content */

/* Offsets into the walked bytes; whole TLV; len 0 when absent. */
struct cms_span {
	size_t off, len;
};

struct cms_walk {
	enum cms_type type;
	char oid[64]; /* of the type, dotted; for log lines */

	/* SignedData: all six.  (Auth)EnvelopedData: as named there. */
	struct cms_span version;
	struct cms_span digest_algorithms;
	struct cms_span content_type; /* OID TLV of (e)content */
	struct cms_span certificates; /* [0] */
	struct cms_span crls;	      /* [1] */
	struct cms_span signer_infos;

	struct cms_span originator_info; /* [0] */
	struct cms_span recipient_infos;
	struct cms_span content_algorithm; /* AlgorithmIdentifier */
	struct cms_span auth_attributes;   /* [1] */
	struct cms_span mac;
	struct cms_span unprotected_attributes; /* [1] or [2] */

	/* The eContent / encryptedContent string, constructed or not. */
	bool has_content;
	struct cms_span content;
	size_t content_len; /* sum of its pieces */

	unsigned ncertificates, ncrls, nsigners, nrecipients, ndigests;
	unsigned nforeign; /* of the recipients, not by certificate */
	size_t own_recipients_len; /* bytes of the others */
};

/*
 * PERM with a reason when the bytes are no CMS object or break a limit.
 * An object of a content type outside the list is success with
 * CMS_TYPE_UNKNOWN (and oid).  Bytes behind the object are ignored.
 */
bool cms_walk(const unsigned char *p, size_t n, struct cms_walk *w,
    struct error *err) __attribute__((warn_unused_result));

/*
 * The object again, definite lengths, content left out (as for a detached
 * signature), and so are recipients by password and the like.  For SIGNED,
 * ENVELOPED and AUTH_ENVELOPED that were walked with success.
 */
bool cms_walk_skeleton(const unsigned char *p, const struct cms_walk *w,
    struct buf *out, struct error *err) __attribute__((warn_unused_result));

/* Calls piece for every primitive piece of the content, in order. */
typedef bool cms_piece(void *context, const unsigned char *p, size_t n,
    struct error *err);
bool cms_walk_content(const unsigned char *p, const struct cms_walk *w,
    cms_piece *piece, void *context, struct error *err)
    __attribute__((warn_unused_result));

/*
 * The other direction: writes the head and the tail of a DER object that
 * carries content_len bytes of content between them, made from one without
 * (a detached signature; an EnvelopedData or AuthEnvelopedData without
 * encryptedContent), DER as i2d gives it.
 */
bool cms_walk_attach(const unsigned char *detached, size_t n,
    size_t content_len, struct buf *head, struct buf *tail,
    struct error *err) __attribute__((warn_unused_result));

#endif
