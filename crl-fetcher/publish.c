/* SPDX-License-Identifier: BSD-2-Clause */
#include "publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "common/atomic_file.h"
#include "common/clock.h"
#include "common/crl_index.h"
#include "common/fetch.h"
#include "common/mem.h"
#include "common/pem_file.h"
#include "common/strvec.h"
#include "crl_pem.h"
#include "index_build.h"

#define FILES_MAX CRL_INDEX_PER_ISSUER
#define PEM_MAX (1u << 30)
#define NAMES_MAX (64 << 10) /* of distribution points */
#define FILE_MODE 0644
#define BUNDLE_STEP 65536
#define QUEUE_MAX 32 /* CRLs; two open files each */
#define LET_GO ((size_t)1 << 19) /* bytes between two times */

/* What was put, under temporary names. */
struct queued {
	struct atomic_file *pem; /* NULL: it stays */
	struct atomic_file *index;
	uint32_t hash;
	unsigned above; /* HHHHHHHH.rN from 1 to this are to go; 0: none */
};

struct publish {
	char *path;
	int dir;
	unsigned rotate;
	struct crl_index *index; /* of the same directory */
	struct queued queue[QUEUE_MAX];
	size_t nqueued;
	int64_t since;	   /* monotonic milliseconds, of the oldest */
	struct error lost; /* why something queued is not there; else NONE */
};

/* ---- the directory ---- */

static bool
check_directory(const struct publish *p, struct error *err)
{
	struct stat st;

	if (fstat(p->dir, &st) != 0)
		return error_errno(err, "crl-check directory %s", p->path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return error_perm(err, "crl-check directory %s: belongs to "
		    "user %u, who could replace CRLs; chown it to the user of "
		    "crl-fetcher", p->path, (unsigned)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_perm(err, "crl-check directory %s: mode %04o, "
		    "others could replace CRLs; chmod 0755", p->path,
		    (unsigned)(st.st_mode & 07777));
	return true;
}

void
publish_clean(const struct publish *p)
{
	int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (atomic_file_is_temp(entry->d_name))
			unlinkat(p->dir, entry->d_name, 0);
	closedir(d);
}

static void
queued_discard(struct queued *q)
{
	atomic_file_discard(&q->pem);
	atomic_file_discard(&q->index);
}

struct publish *
publish_open(const char *directory, unsigned rotate, struct error *err)
{
	struct publish *p = mem_alloc(sizeof(*p));

	p->path = mem_strdup(directory);
	p->rotate = rotate;
	p->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0) {
		error_errno(err, "crl-check directory %s", directory);
		publish_close(&p);
	} else if (!check_directory(p, err))
		publish_close(&p);
	else
		p->index = crl_index_open(directory);
	return p;
}


void
publish_close(struct publish **p)
{
	if (*p == NULL)
		return;
	crl_index_close(&(*p)->index);
	for (size_t i = 0; i < (*p)->nqueued; i++)
		queued_discard(&(*p)->queue[i]);
	if ((*p)->dir >= 0)
		close((*p)->dir);
	free((*p)->path);
	free(*p);
	*p = NULL;
}

static void
name_of(uint32_t hash, char kind, unsigned n, char name[PUBLISH_NAME_SIZE])
{
	snprintf(name, PUBLISH_NAME_SIZE, "%08x.%c%u", (unsigned)hash, kind,
	    n);
}

static char *
path_of(const struct publish *p, const char *name)
{
	return mem_printf("%s/%s", p->path, name);
}

static bool
exists(const struct publish *p, const char *name)
{
	struct stat st;

	return fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* HHHHHHHH.kN: is there one of each number below? */
static bool
is_reached(const struct publish *p, const char *name)
{
	char other[PUBLISH_NAME_SIZE];
	unsigned n;

	if (sscanf(name, "%*8[0-9a-f].%*1[ir]%3u", &n) != 1)
		return false;
	while (n-- > 0) {
		snprintf(other, sizeof(other), "%.10s%u", name, n);
		if (!exists(p, other))
			return false;
	}
	return true;
}

bool
publish_has_pem(const struct publish *p, const char *name, size_t size)
{
	struct stat st;

	return fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (size_t)st.st_size == size &&
	       is_reached(p, name);
}

bool
publish_read(const struct publish *p, const char *name, struct buf *out,
    struct error *err)
{
	char *path = path_of(p, name);
	bool ok = pem_file_read(path, NULL, out, err);

	free(path);
	return ok;
}

/* ---- the queue ---- */

/* From the last one downward, so that there is never a gap. */
static void
remove_above(const struct publish *p, uint32_t hash, unsigned keep,
    unsigned n)
{
	char name[PUBLISH_NAME_SIZE];

	while (n-- > keep) {
		name_of(hash, 'r', n, name);
		unlinkat(p->dir, name, 0);
	}
}

static void
lose(struct publish *p, struct queued *q, const struct error *err)
{
	if (p->lost.kind == ERROR_NONE)
		p->lost = *err;
	queued_discard(q);
}

static void
sync_one(struct publish *p, struct queued *q)
{
	struct error err;

	if (!atomic_file_sync(q->index, &err) ||
	    (q->pem != NULL && !atomic_file_sync(q->pem, &err)))
		lose(p, q, &err);
}

/*
 * The PEM file first: until the index follows, our programs go by the old
 * one, and the next run finds out and does it again.
 */
static void
place_one(struct publish *p, struct queued *q)
{
	struct error err;

	if (q->index == NULL)
		return;
	if ((q->pem != NULL && !atomic_file_place(&q->pem, &err)) ||
	    !atomic_file_place(&q->index, &err))
		lose(p, q, &err);
	else if (q->above > 0)
		remove_above(p, q->hash, 1, q->above);
}

/* Many in a row: the file system has to commit but once or twice. */
static void
settle(struct publish *p)
{
	for (size_t i = 0; i < p->nqueued; i++)
		sync_one(p, &p->queue[i]);
	for (size_t i = 0; i < p->nqueued; i++)
		place_one(p, &p->queue[i]);
	p->nqueued = 0;
}

static void
enqueue(struct publish *p, const struct queued *q)
{
	if (p->nqueued == 0)
		p->since = clock_monotonic_ms();
	p->queue[p->nqueued++] = *q;
}

/* Names of an issuer are taken as soon as something for it waits. */
static void
settle_issuer(struct publish *p, uint32_t hash)
{
	for (size_t i = 0; i < p->nqueued; i++) {
		if (p->queue[i].hash == hash) {
			settle(p);
			return;
		}
	}
}

bool
publish_is_revoked(struct publish *p, X509 *cert, int64_t now)
{
	struct crl_answer a;
	int ok = 0;

	if (p->index == NULL)
		return false;
	settle_issuer(p, (uint32_t)X509_NAME_hash_ex(
	    X509_get_issuer_name(cert), NULL, NULL, &ok));
	crl_index_check(p->index, cert, NULL, now, 0, &a);
	return a.status == CRL_REVOKED;
}

void
publish_settle(struct publish *p, int64_t age)
{
	if (p->nqueued > 0 && clock_monotonic_ms() - p->since >= age)
		settle(p);
}

bool
publish_flush(struct publish *p, struct error *err)
{
	struct error lost;

	settle(p);
	lost = p->lost;
	p->lost.kind = ERROR_NONE;
	/* EINVAL: a file system whose directories need no fsync. */
	if (fsync(p->dir) != 0 && errno != EINVAL)
		return error_errno(err, "crl-check directory %s: written, "
		    "but not on the disk", p->path);
	if (lost.kind == ERROR_NONE)
		return true;
	*err = lost;
	return false;
}

/* ---- series ---- */

/* The facts of an index of this CRL. */
struct facts {
	struct index_facts index;
	uint8_t *names; /* what must be composed; free(3) */
	X509_NAME *issuer;
	uint32_t hash;
};

static size_t
put_length(uint8_t *to, size_t n)
{
	if (n < 0x80) {
		to[0] = (uint8_t)n;
		return 1;
	}
	to[0] = 0x82;
	to[1] = (uint8_t)(n >> 8);
	to[2] = (uint8_t)n;
	if (n > 0xff)
		return 3;
	to[0] = 0x81;
	to[1] = (uint8_t)n;
	return 2;
}

static size_t
put_tag(uint8_t *to, uint8_t tag, size_t n)
{
	to[0] = tag;
	return 1 + put_length(to + 1, n);
}

static size_t
tagged(size_t n)
{
	uint8_t length[3];

	return 1 + put_length(length, n) + n;
}

/* RFC 5280 5.2.5: the issuer's name and the relative name behind it. */
static bool
compose_name(struct facts *f, const struct crl_walk *w)
{
	struct der in = w->issuer;
	size_t rdn = tagged(w->relative_name.n), rdns, n = 0;
	struct der_item issuer;

	if (!der_take(&in, DER_SEQUENCE, &issuer))
		return false;
	rdns = issuer.body.n + rdn;
	if (rdns > NAMES_MAX - 16)
		return false;
	f->names = mem_array(NAMES_MAX, 1);
	n += put_tag(f->names + n, DER_CONTEXT_CONSTRUCTED(4), tagged(rdns));
	n += put_tag(f->names + n, DER_SEQUENCE, rdns);
	memcpy(f->names + n, issuer.body.p, issuer.body.n);
	n += issuer.body.n;
	n += put_tag(f->names + n, DER_SET, w->relative_name.n);
	memcpy(f->names + n, w->relative_name.p, w->relative_name.n);
	n += w->relative_name.n;
	f->index.field[CRL_INDEX_POINT_NAMES] = (struct der){f->names, n};
	return true;
}

static void
set_key_id(struct facts *f, const struct crl_walk *w, X509 *issuer)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuer);

	if (w->key_id.n > 0)
		f->index.field[CRL_INDEX_KEY_ID] = w->key_id;
	else if (id != NULL)
		f->index.field[CRL_INDEX_KEY_ID] =
		    (struct der){ASN1_STRING_get0_data(id),
			(size_t)ASN1_STRING_length(id)};
}

static bool
set_name(struct facts *f, const struct der *der)
{
	const unsigned char *p = der->p;
	int ok = 0;

	f->issuer = d2i_X509_NAME(NULL, &p, (long)der->n);
	if (f->issuer != NULL)
		f->hash =
		    (uint32_t)X509_NAME_hash_ex(f->issuer, NULL, NULL, &ok);
	ERR_clear_error();
	return ok != 0;
}

static bool
facts_init(struct facts *f, const struct crl_walk *w, X509 *issuer,
    struct error *err)
{
	memset(f, 0, sizeof(*f));
	f->index.reasons = w->reasons;
	f->index.this_update = w->this_update;
	f->index.next_update = w->next_update;
	f->index.flags = (w->user_only ? CRL_INDEX_USER_ONLY : 0) |
			 (w->ca_only ? CRL_INDEX_CA_ONLY : 0) |
			 (w->attribute_only ? CRL_INDEX_ATTRIBUTE_ONLY : 0);
	f->index.field[CRL_INDEX_ISSUER] = w->issuer;
	f->index.field[CRL_INDEX_NUMBER] = w->number;
	f->index.field[CRL_INDEX_POINT_NAMES] = w->full_names;
	if (w->full_names.n > 0 || w->relative_name.n > 0)
		f->index.flags |= CRL_INDEX_POINTS;
	set_key_id(f, w, issuer);
	if (!set_name(f, &w->issuer))
		return error_perm(err, "its issuer is malformed");
	if (w->relative_name.n > 0 && !compose_name(f, w))
		return error_perm(err, "its distribution point is malformed");
	return true;
}

static void
facts_clear(struct facts *f)
{
	X509_NAME_free(f->issuer);
	free(f->names);
	f->issuer = NULL;
	f->names = NULL;
}

static bool
same_scope(const struct facts *a, const struct crl_index_file *b)
{
	return a->index.flags == (b->flags & ~(uint32_t)CRL_INDEX_DELTA) &&
	       a->index.reasons == b->reasons &&
	       der_equal(&a->index.field[CRL_INDEX_POINT_NAMES],
		   &b->field[CRL_INDEX_POINT_NAMES]);
}

static bool
same_issuer(const struct facts *a, const struct crl_index_file *b)
{
	const struct der *der = &b->field[CRL_INDEX_ISSUER];
	const unsigned char *p = der->p;
	X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)der->n);
	bool same = name != NULL && X509_NAME_cmp(name, a->issuer) == 0;

	X509_NAME_free(name);
	ERR_clear_error();
	return same;
}

static bool
is_source(const struct der *field, const char *source)
{
	return field->n == strlen(source) &&
	       memcmp(field->p, source, field->n) == 0;
}

enum match { MATCH_NOT, MATCH_OTHER_SCOPE, MATCH_OTHER_KEY, MATCH };

static enum match
match(const struct facts *f, const struct publication *pub,
    const struct crl_index_file *file)
{
	bool ours = is_source(&file->field[CRL_INDEX_SOURCE], pub->source);

	if (!same_issuer(f, file))
		return MATCH_NOT;
	if (!same_scope(f, file))
		return ours ? MATCH_OTHER_SCOPE : MATCH_NOT;
	if (der_equal(&f->index.field[CRL_INDEX_KEY_ID],
		&file->field[CRL_INDEX_KEY_ID]))
		return MATCH;
	return ours && pub->sole ? MATCH_OTHER_KEY : MATCH_NOT;
}

/* ---- what is there ---- */

static void
hold_index(struct publish_held *h, const struct publish *p, uint32_t hash,
    unsigned n, const struct crl_index_file *file)
{
	char name[PUBLISH_NAME_SIZE];

	if (h->index_whole)
		crl_index_file_close(&h->file);
	h->found = h->index_whole = true;
	h->index = n;
	h->pem = file->pem;
	h->file = *file;
	h->crl.number = file->field[CRL_INDEX_NUMBER];
	h->crl.this_update = file->this_update;
	h->crl.digest = file->field[CRL_INDEX_DIGEST];
	name_of(hash, 'r', h->pem, name);
	h->pem_there = exists(p, name);
}

/* Which HHHHHHHH.rN belong to an index, and where a new index may stand. */
struct survey {
	bool claimed[FILES_MAX];
	unsigned free_index; /* a damaged one, or the next */
	enum match best;
};

static void
look_at_indexes(const struct publish *p, const struct publication *pub,
    const struct facts *f, struct survey *s, struct publish_held *h)
{
	struct crl_index_file file;
	char name[PUBLISH_NAME_SIZE];
	bool hole = false;
	unsigned n;

	for (n = 0; n < FILES_MAX; n++) {
		enum crl_index_state state;
		enum match m;

		name_of(f->hash, 'i', n, name);
		state = crl_index_file_open(p->dir, name, &file);
		if (state == CRL_INDEX_ABSENT)
			break;
		if (state == CRL_INDEX_DAMAGED) {
			if (!hole)
				s->free_index = n;
			hole = true;
			continue;
		}
		m = match(f, pub, &file);
		if (file.pem < FILES_MAX)
			s->claimed[file.pem] = true;
		if (m > s->best)
			s->best = m;
		if (m >= MATCH_OTHER_KEY && m == s->best)
			hold_index(h, p, f->hash, n, &file);
		else
			crl_index_file_close(&file);
	}
	if (!hole)
		s->free_index = n;
}

/* The PEM file of the series, when its index is gone. */
static bool
is_pem_of(const struct publish *p, const char *name,
    const struct publication *pub, const struct facts *f,
    struct publish_held *h)
{
	struct facts other = {.issuer = NULL};
	struct crl_pem found;
	struct crl_walk w;
	struct error err;
	bool same = false;

	buf_init(&h->bytes, PEM_MAX);
	if (publish_read(p, name, &h->bytes, &err) &&
	    crl_pem_find((uint8_t *)h->bytes.data, h->bytes.len, &found,
		&err) &&
	    found.n == 1 && crl_walk(found.crl[0].p, found.crl[0].n, &w,
				&err) &&
	    w.base_number.n == 0 && facts_init(&other, &w, pub->issuer, &err))
		same = X509_NAME_cmp(other.issuer, f->issuer) == 0 &&
		       other.index.flags == f->index.flags &&
		       other.index.reasons == f->index.reasons &&
		       der_equal(&other.index.field[CRL_INDEX_POINT_NAMES],
			   &f->index.field[CRL_INDEX_POINT_NAMES]) &&
		       der_equal(&other.index.field[CRL_INDEX_KEY_ID],
			   &f->index.field[CRL_INDEX_KEY_ID]);
	if (same) {
		EVP_Digest(w.whole.p, w.whole.n, h->digest, NULL,
		    EVP_sha256(), NULL);
		h->crl.number = w.number;
		h->crl.this_update = w.this_update;
		h->crl.digest = (struct der){h->digest, sizeof(h->digest)};
	} else
		buf_clear(&h->bytes);
	facts_clear(&other);
	return same;
}

static void
look_at_pems(const struct publish *p, const struct publication *pub,
    const struct facts *f, const struct survey *s, struct publish_held *h)
{
	char name[PUBLISH_NAME_SIZE];
	unsigned n;

	for (n = 0; n < FILES_MAX; n++) {
		name_of(f->hash, 'r', n, name);
		if (!exists(p, name))
			break;
		if (!s->claimed[n] && is_pem_of(p, name, pub, f, h)) {
			h->found = h->pem_there = true;
			break;
		}
	}
	h->pem = n;
	h->index = s->free_index;
}

bool
publish_find(struct publish *p, const struct publication *pub,
    struct publish_held *h, struct error *err)
{
	struct survey s = {.best = MATCH_NOT};
	struct facts f;
	bool ok;

	memset(h, 0, sizeof(*h));
	ok = facts_init(&f, pub->crl, pub->issuer, err);
	if (ok) {
		settle_issuer(p, f.hash);
		look_at_indexes(p, pub, &f, &s, h);
		if (!h->found)
			look_at_pems(p, pub, &f, &s, h);
		h->other_scope = !h->found && s.best == MATCH_OTHER_SCOPE;
		if (h->index >= FILES_MAX || h->pem >= FILES_MAX)
			ok = error_perm(err, "more than %d CRLs of one issuer",
			    FILES_MAX);
	}
	facts_clear(&f);
	return ok;
}

void
publish_held_clear(struct publish_held *h)
{
	if (h->index_whole)
		crl_index_file_close(&h->file);
	h->index_whole = false;
	buf_clear(&h->bytes);
}

/* ---- writing ---- */

/* The index grows while what was walked is let go: memory for one alone. */
static bool
add_entries(struct index_build *b, const struct crl_walk *w, bool mapped,
    struct error *err)
{
	struct crl_walk_entry entry;
	struct der in = w->entries;
	const uint8_t *kept = in.p;

	while (in.n > 0) {
		if (!crl_walk_next(&in, &entry) ||
		    !index_build_add(
			b, &entry.serial, entry.reason, entry.date))
			return error_perm(err, "an entry is malformed");
		if (mapped && (size_t)(in.p - kept) > LET_GO) {
			fetch_let_go(kept, in.p);
			kept = in.p;
		}
	}
	return true;
}

static bool
build_index(const struct publication *pub, struct facts *f, unsigned pem,
    struct index_build *b, struct error *err)
{
	const struct crl_walk *crl = pub->crl, *delta = pub->delta;
	size_t width = crl->serial_width, n = crl->count;

	f->index.written = pub->now;
	f->index.pem = pem;
	f->index.field[CRL_INDEX_DIGEST] = pub->digest;
	f->index.field[CRL_INDEX_SOURCE] =
	    (struct der){(const uint8_t *)pub->source, strlen(pub->source)};
	if (delta != NULL) {
		f->index.flags |= CRL_INDEX_DELTA;
		f->index.delta_this_update = delta->this_update;
		f->index.delta_next_update = delta->next_update;
		f->index.field[CRL_INDEX_BASE_NUMBER] = delta->base_number;
		f->index.field[CRL_INDEX_DELTA_NUMBER] = delta->number;
		f->index.field[CRL_INDEX_DELTA_DIGEST] = pub->delta_digest;
		if (delta->serial_width > width)
			width = delta->serial_width;
		n += delta->count;
	}
	if (!index_build_init(b, &f->index, width, n, err) ||
	    !add_entries(b, crl, pub->mapped, err))
		return false;
	if (delta != NULL) {
		index_build_start_delta(b);
		if (!add_entries(b, delta, false, err))
			return false;
	}
	index_build_finish(b);
	return true;
}

struct sink {
	struct atomic_file *file;
	bool mapped;
	const uint8_t *kept; /* what was written before is let go */
	size_t ahead;	     /* text since then */
	struct error *err;
};

static bool
sink_append(void *context, const char *text, size_t n)
{
	struct sink *s = context;

	/* 65 octets of text are 48 of the CRL: never past where we are. */
	s->ahead += n;
	if (s->mapped && s->ahead > LET_GO) {
		fetch_let_go(s->kept, s->kept + s->ahead / 3 * 2);
		s->kept += s->ahead / 3 * 2;
		s->ahead = 0;
	}
	return atomic_file_append(s->file, text, n, s->err);
}

static struct atomic_file *
write_pem(const struct publish *p, const char *name,
    const struct publication *pub, struct error *err)
{
	const struct der *crl = &pub->crl->whole;
	char *path = path_of(p, name);
	struct sink s = {
		.mapped = pub->mapped, .kept = crl->p, .err = err};

	s.file = atomic_file_open(
	    path, FILE_MODE, (uid_t)-1, (gid_t)-1, err);
	if (s.file != NULL && !crl_pem_write(crl, sink_append, &s))
		atomic_file_discard(&s.file);
	free(path);
	return s.file;
}

static struct atomic_file *
write_index(const struct publish *p, const char *name, const struct buf *b,
    struct error *err)
{
	char *path = path_of(p, name);
	struct atomic_file *f;

	f = atomic_file_open(path, FILE_MODE, (uid_t)-1, (gid_t)-1, err);
	if (f != NULL && !atomic_file_append(f, b->data, b->len, err))
		atomic_file_discard(&f);
	free(path);
	return f;
}

/* How many HHHHHHHH.rN there are, and whether one series has them all. */
static bool
may_rotate(const struct publish *p, uint32_t hash, unsigned *n)
{
	char name[PUBLISH_NAME_SIZE];

	name_of(hash, 'i', 1, name);
	if (p->rotate == 0 || exists(p, name))
		return false;
	for (*n = 0; *n < FILES_MAX; ++*n) {
		name_of(hash, 'r', *n, name);
		if (!exists(p, name))
			break;
	}
	return *n > 0;
}

bool
publish_put(struct publish *p, const struct publication *pub,
    const struct publish_held *h, char *index_name, char *pem_name,
    struct error *err)
{
	bool same = h->found && der_equal(&h->crl.digest, &pub->digest);
	struct atomic_file *pem = NULL, *index = NULL;
	struct index_build b = {.at = 0};
	unsigned number = h->pem, n = 0;
	bool rotate, ok = false;
	struct facts f;

	if (!facts_init(&f, pub->crl, pub->issuer, err))
		goto out;
	if (p->nqueued == QUEUE_MAX)
		settle(p);
	rotate = h->found && !same && may_rotate(p, f.hash, &n);
	if (rotate)
		number = n <= p->rotate ? n : 0;
	name_of(f.hash, 'i', h->index, index_name);
	name_of(f.hash, 'r', number, pem_name);
	if (!build_index(pub, &f, number, &b, err))
		goto out;
	index = write_index(p, index_name, &b.bytes, err);
	index_build_clear(&b);
	if (index == NULL)
		goto out;
	if (!same || !h->pem_there) {
		pem = write_pem(p, pem_name, pub, err);
		if (pem == NULL)
			goto out;
	}
	enqueue(p, &(struct queued){.pem = pem, .index = index,
		       .hash = f.hash,
		       .above = rotate && number == 0 ? n : 0});
	pem = index = NULL;
	ok = true;
out:
	atomic_file_discard(&pem);
	atomic_file_discard(&index);
	index_build_clear(&b);
	facts_clear(&f);
	return ok;
}

/* ---- reading ---- */

bool
publish_has_index(const struct publish *p, const char *name,
    const char *digest_hex)
{
	struct crl_index_file f;
	char hex[65] = "";
	bool same;

	if (!is_reached(p, name) ||
	    crl_index_file_open(p->dir, name, &f) != CRL_INDEX_OK)
		return false;
	for (size_t i = 0; i < f.field[CRL_INDEX_DIGEST].n && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x",
		    f.field[CRL_INDEX_DIGEST].p[i]);
	same = strcmp(hex, digest_hex) == 0;
	crl_index_file_close(&f);
	return same;
}

static bool
is_index_name(const char *name)
{
	size_t n;

	if (strspn(name, "0123456789abcdef") != 8 || name[8] != '.' ||
	    name[9] != 'i')
		return false;
	n = strspn(name + 10, "0123456789");
	return n > 0 && n < 5 && name[10 + n] == '\0';
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
list_indexes(int dir, const char *path, struct strvec *names,
    struct error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		error_errno(err, "crl-check directory %s", path);
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((errno = 0, entry = readdir(d)) != NULL)
		if (is_index_name(entry->d_name))
			strvec_add(names, entry->d_name);
	if (errno != 0) {
		error_errno(err, "crl-check directory %s", path);
		closedir(d);
		return false;
	}
	closedir(d);
	if (names->n > 0)
		qsort(names->v, names->n, sizeof(names->v[0]), by_name);
	return true;
}

bool
publish_each(const char *directory, publish_visit *visit, void *context,
    struct error *err)
{
	struct strvec names = {0};
	struct crl_index_file f;
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = false;

	if (dir < 0)
		return error_errno(err, "crl-check directory %s", directory);
	if (!list_indexes(dir, directory, &names, err))
		goto out;
	for (size_t i = 0; i < names.n; i++) {
		switch (crl_index_file_open(dir, names.v[i], &f)) {
		case CRL_INDEX_OK:
			visit(context, names.v[i], &f);
			crl_index_file_close(&f);
			break;
		case CRL_INDEX_DAMAGED:
			visit(context, names.v[i], NULL);
			break;
		case CRL_INDEX_ABSENT:
			break;
		}
	}
	ok = true;
out:
	strvec_clear(&names);
	close(dir);
	return ok;
}

/* ---- bundles ---- */

static bool
append_file(struct atomic_file *to, int fd, struct error *err)
{
	char step[BUNDLE_STEP];
	ssize_t n;

	while ((n = read(fd, step, sizeof(step))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "cannot read");
		if (!atomic_file_append(to, step, (size_t)n, err))
			return false;
	}
	return true;
}

static bool
append_named(struct atomic_file *to, int dir, const char *name,
    struct error *err)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool ok;

	if (fd < 0)
		return error_errno(err, "%s", name);
	ok = append_file(to, fd, err);
	close(fd);
	return ok ? true : error_prefix(err, "%s", name);
}

/* damaged: the first whose CRL cannot be found; "" for none. */
static bool
append_crls(const struct publish *p, struct atomic_file *to,
    char damaged[PUBLISH_NAME_SIZE], struct error *err)
{
	struct strvec names = {0};
	struct crl_index_file f;
	char name[PUBLISH_NAME_SIZE];
	bool ok = list_indexes(p->dir, p->path, &names, err);

	damaged[0] = '\0';
	for (size_t i = 0; ok && i < names.n; i++) {
		if (crl_index_file_open(p->dir, names.v[i], &f) !=
		    CRL_INDEX_OK) {
			if (damaged[0] == '\0')
				snprintf(damaged, PUBLISH_NAME_SIZE, "%.23s",
				    names.v[i]);
			continue;
		}
		snprintf(name, sizeof(name), "%.8s.r%u", names.v[i], f.pem);
		crl_index_file_close(&f);
		ok = append_named(to, p->dir, name, err);
	}
	strvec_clear(&names);
	return ok;
}

bool
publish_bundle(const struct publish *p, const char *path,
    const struct buf *before, struct error *err)
{
	char damaged[PUBLISH_NAME_SIZE];
	struct atomic_file *to;
	bool ok;

	to = atomic_file_open(path, FILE_MODE, (uid_t)-1, (gid_t)-1, err);
	if (to == NULL)
		return false;
	ok = atomic_file_append(to, buf_text(before), before->len, err) &&
	     append_crls(p, to, damaged, err) && atomic_file_sync(to, err) &&
	     atomic_file_commit(&to, err);
	atomic_file_discard(&to);
	if (ok && damaged[0] != '\0')
		return error_temp(err, "%s is damaged: its CRL is not in it",
		    damaged);
	return ok;
}
