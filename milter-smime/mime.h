/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_MIME_H
#define MILTER_SMIME_MIME_H

/*
 * Where the parts of a MIME entity lie (RFC 2045, 2046): offsets into the
 * original bytes, nothing copied, nothing decoded.  The text is hostile:
 * one pass over its lines, bounded depth and number of parts, and where
 * two readers could disagree (a parameter twice, RFC 2231 pieces of a
 * boundary) the value counts as not there.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define MIME_MAX_DEPTH 8
#define MIME_MAX_PARTS 1000
#define MIME_MAX_PARAMETERS 32
#define MIME_MAX_BOUNDARY 256 /* RFC 2046 says 70; mail says otherwise */

/* A Content-Type or Content-Disposition value, lower-cased names. */
struct mime_parameter {
	char *name;
	char *value;
	bool broken; /* a NUL in it */
};

struct mime_value {
	char *type; /* "multipart/signed"; "" when it could not be read */
	struct mime_parameter *parameters;
	size_t nparameters;
	bool ambiguous; /* a parameter twice, or in RFC 2231 pieces */
	bool crowded;	/* more parameters than we read: all are in doubt */
};

/*
 * Reads n bytes behind the field's colon: comments, quoted strings and
 * folds as RFC 822 has them.  Never fails; what makes no sense ends it.
 */
void mime_value_parse(const char *text, size_t n, struct mime_value *v);
void mime_value_clear(struct mime_value *v);

/* Borrowed; NULL when absent or ambiguous. name in lower case. */
const char *mime_value_get(const struct mime_value *v, const char *name);

struct mime_span {
	size_t off, len;
};

/*
 * For changing a Content-Type where it stands.  Where its type ends, and a
 * first parameter may be put; 0 when no type can be read.
 */
size_t mime_type_end(const char *text, size_t n);

/*
 * The first parameter of that name (in lower case), or a piece of it (RFC
 * 2231): from its semicolon to the next, or to the end.  Looks behind what
 * mime_value_parse() does not get past, for others may.
 */
bool mime_find_parameter(const char *text, size_t n, const char *name,
    struct mime_span *parameter);

/* The first field of that name in a block of header lines. */
bool mime_find_field(const char *head, size_t n, const char *name,
    struct mime_span *line, struct mime_span *value);

/* Does a field stand there twice?  Each reader would believe another. */
bool mime_has_two(const char *head, size_t n, const char *name);

enum mime_kind {
	MIME_LEAF, /* also with two Content-Type fields */
	MIME_MULTIPART,
	MIME_SIGNED,  /* multipart/signed: not looked into */
	MIME_MESSAGE, /* message/rfc822, message/global: one child */
};

struct mime_part {
	enum mime_kind kind;
	int parent; /* -1: the entity itself */
	unsigned depth;
	struct mime_span whole; /* head, blank line and body */
	struct mime_span head;	/* header lines with their line ends */
	struct mime_span body;	/* behind the blank line */
	bool has_body;		/* its header lines ended */
	bool in_order;		/* MIME_LEAF: so is its body, see text_scan.h */
	char *boundary;		/* MIME_MULTIPART and _SIGNED, else NULL */
	bool is_digest;		/* multipart/digest */
	bool is_message;	/* message/rfc822, though it may be a leaf */
	bool closed;		/* its last delimiter was seen */
};

struct mime {
	struct mime_part *parts; /* in order of appearance; [0] is all */
	size_t nparts;
	bool limited; /* depth or number reached: the rest counts as leaf */
	bool loose;   /* a line starts as a delimiter does, and goes on */
};

/*
 * Finds the parts of an entity whose own header lines are head and whose
 * body is body; offsets of every part but the first's head are into body.
 */
void mime_parse(const char *head, size_t nhead, const char *body,
    size_t nbody, struct mime *m);
void mime_clear(struct mime *m);

/*
 * The same for who only reads: multipart/signed is a multipart like any
 * other, and what is in it has parts too.  loosely: as some readers do,
 * takes any line that starts as a delimiter does for one; where m->loose
 * says so the two differ.
 */
void mime_parse_all(const char *head, size_t nhead, const char *body,
    size_t nbody, bool loosely, struct mime *m);

/*
 * The parts between the delimiter lines of one boundary, nothing else
 * looked at: what signing and verifying cut by.  A delimiter line is `--`
 * and the boundary at the start of a line, optionally `--`, then blanks
 * only (transport padding); the line end before it belongs to it.
 * Returns how many parts there are (at most max are filled in); *closed
 * says whether the last delimiter was seen.
 */
size_t mime_split(const char *body, size_t n, const char *boundary,
    struct mime_span *parts, size_t max, bool *closed);

/*
 * Divides a part into header lines and body at the first empty line (or
 * first line that is no header line).
 */
void mime_divide(const char *part, size_t n, struct mime_span *head,
    struct mime_span *body);

/* Content-Transfer-Encoding; MIME_OTHER when two fields contradict. */
enum mime_encoding {
	MIME_7BIT, /* also when absent */
	MIME_8BIT,
	MIME_BINARY,
	MIME_QUOTED_PRINTABLE,
	MIME_BASE64,
	MIME_OTHER,
};
enum mime_encoding mime_encoding(const char *head, size_t n);

#endif
