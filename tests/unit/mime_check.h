/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_MIME_CHECK_H
#define TESTS_UNIT_MIME_CHECK_H

/*
 * What holds for every MIME text, however broken: shared by unit tests and
 * fuzz targets.  Functions return NULL, or a sentence about what is wrong.
 */

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "milter-smime/entity.h"
#include "milter-smime/mime.h"
#include "milter-smime/transfer.h"

/* --- lines --------------------------------------------------------------- */

enum region { REGION_FREE, REGION_HEAD, REGION_SIGNED };

static inline const char *
line_broken(const char *p, size_t n, enum region where)
{
	if (n > 998)
		return "a line is too long";
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\0' || p[i] == '\r' || p[i] == '\n')
			return "a NUL, CR or LF stands alone";
		if ((unsigned char)p[i] >= 0x80 && where != REGION_HEAD)
			return "an 8-bit byte is left";
	}
	if (where != REGION_FREE)
		return NULL;
	if (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		return "a line ends in a blank";
	if (n >= 5 && memcmp(p, "From ", 5) == 0)
		return "a line starts with From";
	return NULL;
}

/* where: each byte's region; NULL when all are free. */
static inline const char *
lines_broken(const char *p, size_t n, const char *where)
{
	const char *why = NULL;

	for (size_t off = 0; off < n && why == NULL;) {
		const char *nl = memchr(p + off, '\n', n - off);
		size_t end = nl == NULL ? n : (size_t)(nl - p);
		size_t next = nl == NULL ? n : end + 1;

		if (nl != NULL && (end == off || p[end - 1] != '\r'))
			return "an LF stands alone";
		why = line_broken(p + off, nl == NULL ? end - off :
		    end - 1 - off, where == NULL ? REGION_FREE :
		    (enum region)where[off]);
		off = next;
	}
	return why;
}

/* --- parts --------------------------------------------------------------- */

static inline size_t
span_end(const struct mime_span *s)
{
	return s->off + s->len;
}

/*
 * The line end behind a leaf's body is the delimiter's, but was looked at
 * as one of its lines.
 */
static inline const char *
check_order(const struct mime_part *p, const char *body, size_t nbody)
{
	size_t end = span_end(&p->body);

	if (p->in_order && lines_broken(body + p->body.off, p->body.len, NULL))
		return "a leaf is not in order";
	if (end < nbody && body[end] == '\r')
		end++;
	if (end < nbody && body[end] == '\n')
		end++;
	if (!p->in_order && p->has_body && lines_broken(body + p->body.off,
	    end - p->body.off, NULL) == NULL)
		return "a leaf is in order";
	return NULL;
}

static inline const char *
check_part(const struct mime *m, size_t i, const char *body, size_t nbody)
{
	const struct mime_part *p = &m->parts[i], *parent;

	if (span_end(&p->whole) > nbody || span_end(&p->body) > nbody)
		return "a part reaches behind the text";
	if (span_end(&p->body) != span_end(&p->whole))
		return "a part does not end with its body";
	if ((p->boundary != NULL) !=
	    (p->kind == MIME_MULTIPART || p->kind == MIME_SIGNED))
		if (p->kind != MIME_LEAF)
			return "boundary and kind disagree";
	if (p->kind == MIME_LEAF && check_order(p, body, nbody) != NULL)
		return check_order(p, body, nbody);
	if (i == 0)
		return p->parent == -1 && p->depth == 0 &&
		    p->whole.len == nbody ? NULL : "the first is not all";
	if (p->head.off != p->whole.off || span_end(&p->head) > p->body.off)
		return "header lines and body overlap";
	if (p->parent < 0 || (size_t)p->parent >= i)
		return "a part stands before its parent";
	parent = &m->parts[p->parent];
	if (parent->kind != MIME_MULTIPART && parent->kind != MIME_MESSAGE)
		return "a leaf has a child";
	if (p->depth != parent->depth + 1 || p->depth >= MIME_MAX_DEPTH)
		return "the depth is wrong";
	if (p->whole.off < parent->body.off ||
	    span_end(&p->whole) > span_end(&parent->body))
		return "a child is not inside its parent";
	return NULL;
}

static inline const char *
mime_broken(const struct mime *m, const char *body, size_t nbody)
{
	const char *why = NULL;

	if (m->nparts < 1 || m->nparts > MIME_MAX_PARTS)
		return "the number of parts is wrong";
	for (size_t i = 0; i < m->nparts && why == NULL; i++) {
		why = check_part(m, i, body, nbody);
		for (size_t j = i + 1; j < m->nparts && why == NULL; j++) {
			if (m->parts[j].parent != m->parts[i].parent)
				continue;
			if (m->parts[j].whole.off <
			    span_end(&m->parts[i].whole))
				why = "siblings overlap";
			break;
		}
	}
	return why;
}

/* --- canonical entities -------------------------------------------------- */

/* Bytes by themselves, so that reading past their end is seen. */
struct text {
	char *p;
	size_t n;
};

static inline struct text
pieces_text(const struct pieces *p)
{
	struct text t = {mem_alloc(p->len + 1), 0};

	for (size_t i = 0; i < p->n; i++) {
		memcpy(t.p + t.n, p->v[i].data, p->v[i].len);
		t.n += p->v[i].len;
	}
	t.p[t.n] = '\0';
	return t;
}

static inline struct text
decoded(const struct spool_place *place, const char *p, size_t n,
    enum mime_encoding encoding)
{
	struct spool *s = spool_new(place);
	struct error err = {0};
	struct text t = {NULL, 0};

	if (!transfer_decode(p, n, encoding, s, &err) ||
	    !spool_finish(s, &err))
		abort();
	t.n = spool_len(s);
	t.p = mem_alloc(t.n + 1);
	memcpy(t.p, spool_data(s), t.n);
	spool_free(&s);
	return t;
}

/* Do two leaves say the same? */
static inline bool
same_leaf(const struct spool_place *place, const char *head_a, size_t nhead_a,
    const char *a, size_t na, const char *head_b, size_t nhead_b,
    const char *b, size_t nb)
{
	struct text x = decoded(place, a, na, mime_encoding(head_a, nhead_a));
	struct text y = decoded(place, b, nb, mime_encoding(head_b, nhead_b));
	bool same = x.n == y.n && memcmp(x.p, y.p, x.n) == 0;

	free(x.p);
	free(y.p);
	return same;
}

/* The same parts with the same contents, however encoded. */
static inline const char *
entity_differs(const struct spool_place *place, const struct text *head_a,
    const struct text *a, const struct text *head_b, const struct text *b)
{
	const char *why = NULL;
	struct mime m, k;

	mime_parse(head_a->p, head_a->n, a->p, a->n, &m);
	mime_parse(head_b->p, head_b->n, b->p, b->n, &k);
	if (m.nparts != k.nparts)
		why = "the number of parts changed";
	for (size_t i = 0; i < m.nparts && why == NULL; i++) {
		const struct mime_part *x = &m.parts[i], *y = &k.parts[i];

		if (x->kind != y->kind)
			why = "the kind of a part changed";
		else if (x->kind == MIME_SIGNED && (x->body.len !=
		    y->body.len || memcmp(a->p + x->body.off,
		    b->p + y->body.off, x->body.len) != 0))
			why = "a signed part changed";
		else if (x->kind == MIME_LEAF && !same_leaf(place,
		    i == 0 ? head_a->p : a->p + x->head.off, x->head.len,
		    a->p + x->body.off, x->body.len,
		    i == 0 ? head_b->p : b->p + y->head.off, y->head.len,
		    b->p + y->body.off, y->body.len))
			why = "the content of a leaf changed";
	}
	mime_clear(&m);
	mime_clear(&k);
	return why;
}

/* Can every line of it travel?  Signed parts and header lines may more. */
static inline const char *
entity_unfit(const struct text *head, const struct text *body)
{
	char *where = mem_alloc((head->n > body->n ? head->n : body->n) + 1);
	const char *why;
	struct mime m;

	memset(where, REGION_HEAD, head->n);
	why = lines_broken(head->p, head->n, where);
	memset(where, REGION_FREE, body->n);
	mime_parse(head->p, head->n, body->p, body->n, &m);
	for (size_t i = 0; i < m.nparts; i++) {
		const struct mime_part *p = &m.parts[i];

		if (i > 0)
			memset(where + p->head.off, REGION_HEAD, p->head.len);
		if (p->kind == MIME_SIGNED)
			memset(where + p->body.off, REGION_SIGNED,
			    p->body.len);
	}
	if (why == NULL)
		why = lines_broken(body->p, body->n, where);
	mime_clear(&m);
	free(where);
	return why;
}

/*
 * Canonicalises e, twice, and looks at the result from all sides.  *left
 * as entity_canonicalise() says.
 */
static inline const char *
canonicalise_checked(struct entity *e, const struct spool_place *place,
    bool *left)
{
	struct text head = {mem_dup(buf_text(&e->head), e->head.len),
		e->head.len};
	struct text body = pieces_text(&e->body), once_head, once, twice;
	struct error err = {0};
	const char *why = NULL;
	bool again;

	if (!entity_canonicalise(e, place, left, &err))
		abort();
	once_head = (struct text){mem_dup(buf_text(&e->head), e->head.len),
		e->head.len};
	once = pieces_text(&e->body);
	if (e->body.len != once.n)
		why = "the length of the pieces is wrong";
	if (why == NULL)
		why = entity_differs(place, &head, &body, &once_head, &once);
	if (why == NULL && !*left)
		why = entity_unfit(&once_head, &once);
	if (!entity_canonicalise(e, place, &again, &err))
		abort();
	twice = pieces_text(&e->body);
	if (why == NULL && (again != *left || once.n != twice.n ||
	    memcmp(once.p, twice.p, once.n) != 0 ||
	    e->head.len != once_head.n ||
	    memcmp(buf_text(&e->head), once_head.p, once_head.n) != 0))
		why = "canonicalising again changes it";
	free(head.p);
	free(body.p);
	free(once_head.p);
	free(once.p);
	free(twice.p);
	return why;
}

#endif
