/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/crl_index.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SLOTS CRL_INDEX_PER_ISSUER /* indexes kept mapped */
#define NAME_SIZE 16

/* What we saw of one file. */
struct slot {
	bool whole;
	uint64_t last; /* use */
	struct crl_index_file file;
	X509_NAME *issuer; /* of the file; NULL when not whole */
};

struct crl_index {
	int dir;
	pthread_mutex_t lock;
	uint64_t clock;	     /* counts uses */
	uint64_t key[SLOTS]; /* make_key() of each slot; 0: free */
	struct slot slots[SLOTS];
	struct slot unseen; /* a file that cannot be looked at */
};

/* One certificate, and what the indexes with one relation to its key say. */
struct question {
	const X509_NAME *issuer;
	uint32_t hash;
	struct der key_id, serial, points;
	uint8_t serial_bytes[1 + CRL_INDEX_SERIAL_MAX];
	bool is_ca;
	int64_t now, grace;
};

struct tally {
	unsigned reasons; /* covered by current CRLs */
	bool any;	  /* a CRL of the right scope was there */
	struct crl_answer answer;
};

/* ---- the cache ---- */

static void
slot_clear(struct slot *s)
{
	if (s->whole)
		crl_index_file_close(&s->file);
	X509_NAME_free(s->issuer);
	memset(s, 0, sizeof(*s));
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static uint64_t
make_key(uint32_t hash, unsigned number)
{
	return (uint64_t)hash << 32 | (number + 1);
}

/* The slot of a file, or SLOTS. */
static size_t
find_slot(const struct crl_index *x, uint64_t key)
{
	size_t i = 0;

	while (i < SLOTS && x->key[i] != key)
		i++;
	return i;
}

/* A slot for another file: a free one, or the one used longest ago. */
static size_t
find_oldest(const struct crl_index *x)
{
	size_t oldest = 0;

	for (size_t i = 1; i < SLOTS; i++)
		if (x->slots[i].last < x->slots[oldest].last)
			oldest = i;
	return oldest;
}

static bool
parse_issuer(struct slot *s)
{
	const struct der *der = &s->file.field[CRL_INDEX_ISSUER];
	const unsigned char *p = der->p;

	s->issuer = d2i_X509_NAME(NULL, &p, (long)der->n);
	if (s->issuer != NULL && p == der->p + der->n)
		return true;
	ERR_clear_error();
	return false;
}

static void
slot_fill(struct slot *s, int dir, const char *name, const struct stat *st)
{
	s->whole =
	    crl_index_file_open(dir, name, &s->file) == CRL_INDEX_OK;
	/*
	 * What was seen first: a change in between is seen next time.  What
	 * could not be looked at (no descriptors, no memory) is tried again.
	 */
	if (s->whole || s->file.st.st_ino != 0)
		s->file.st = *st;
	if (s->whole && !parse_issuer(s)) {
		crl_index_file_close(&s->file);
		s->whole = false;
	}
}

/* NULL: there is no such file. */
static struct slot *
get_slot(struct crl_index *x, uint32_t hash, unsigned number)
{
	uint64_t key = make_key(hash, number);
	char name[NAME_SIZE];
	struct stat st;
	size_t i;

	snprintf(name, sizeof(name), "%08x.i%u", (unsigned)hash, number);
	if (fstatat(x->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? NULL : &x->unseen;
	i = find_slot(x, key);
	if (i == SLOTS || !is_same_file(&x->slots[i].file.st, &st)) {
		if (i == SLOTS)
			i = find_oldest(x);
		slot_clear(&x->slots[i]);
		x->key[i] = key;
		slot_fill(&x->slots[i], x->dir, name, &st);
	}
	x->slots[i].last = ++x->clock;
	return &x->slots[i];
}

/* ---- one certificate ---- */

static bool
hash_name(const X509_NAME *name, uint32_t *hash)
{
	int ok = 0;

	*hash = (uint32_t)X509_NAME_hash_ex(name, NULL, NULL, &ok);
	return ok != 0;
}

/*
 * The contents of the INTEGER again: OpenSSL keeps magnitude and sign.
 * False: no index holds such a number, and none can say that it is good.
 */
static bool
ask_serial(struct question *q, const ASN1_INTEGER *serial)
{
	const uint8_t *p = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);
	bool negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
	unsigned carry = 1;
	size_t n;

	if (len < 0 || (size_t)len >= sizeof(q->serial_bytes))
		return false;
	n = (size_t)len + 1;
	q->serial_bytes[0] = 0;
	if (len > 0)
		memcpy(q->serial_bytes + 1, p, (size_t)len);
	for (size_t i = n; negative && i-- > 0;) {
		unsigned v = (uint8_t)~q->serial_bytes[i] + carry;

		q->serial_bytes[i] = (uint8_t)v;
		carry = v >> 8;
	}
	q->serial = (struct der){q->serial_bytes, n};
	return true;
}

static void
ask_points(struct question *q, const X509 *cert)
{
	int i = X509_get_ext_by_NID(cert, NID_crl_distribution_points, -1);
	const ASN1_OCTET_STRING *value;

	if (i < 0)
		return;
	value = X509_EXTENSION_get_data(X509_get_ext(cert, i));
	q->points = (struct der){ASN1_STRING_get0_data(value),
	    (size_t)ASN1_STRING_length(value)};
}

static bool
ask(struct question *q, X509 *cert, X509 *issuer, int64_t now, int64_t grace)
{
	const ASN1_OCTET_STRING *id;

	memset(q, 0, sizeof(*q));
	q->issuer = X509_get_issuer_name(cert);
	q->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
	q->now = now;
	q->grace = grace;
	id = X509_get0_authority_key_id(cert);
	if (id == NULL && issuer != NULL)
		id = X509_get0_subject_key_id(issuer);
	if (id != NULL)
		q->key_id = (struct der){ASN1_STRING_get0_data(id),
		    (size_t)ASN1_STRING_length(id)};
	ask_points(q, cert);
	return ask_serial(q, X509_get0_serialNumber(cert)) &&
	       hash_name(q->issuer, &q->hash);
}

static bool
is_key_of(const struct question *q, const struct crl_index_file *f)
{
	const struct der *id = &f->field[CRL_INDEX_KEY_ID];

	return id->n == 0 || q->key_id.n == 0 || der_equal(id, &q->key_id);
}

static void
tell_why(struct tally *t, enum crl_why why)
{
	if (why > t->answer.why)
		t->answer.why = why;
}

static enum crl_why
check_dates(const struct question *q, const struct crl_index_file *f)
{
	if (f->this_update > q->now + CRL_INDEX_SKEW)
		return CRL_WHY_NOT_YET;
	if (f->next_update < q->now &&
	    q->now - f->next_update > q->grace)
		return CRL_WHY_STALE;
	return CRL_WHY_NOTHING;
}

static void
tally_add(struct tally *t, const struct question *q,
    const struct crl_index_file *f)
{
	unsigned covers = crl_index_file_covers(f, q->is_ca, &q->points);
	enum crl_why why = check_dates(q, f);
	struct crl_answer *a = &t->answer;
	struct crl_index_entry entry;

	t->any |= covers != 0;
	/* Attribute certificates have serial numbers of their own. */
	if (!(f->flags & CRL_INDEX_ATTRIBUTE_ONLY) &&
	    crl_index_file_find(f, &q->serial, &entry)) {
		a->status = CRL_REVOKED;
		a->reason = entry.reason;
		a->revoked = entry.date;
		a->stale = why == CRL_WHY_STALE;
	} else if (covers == 0) {
		tell_why(t, CRL_WHY_SCOPE);
		return;
	} else if (why != CRL_WHY_NOTHING) {
		tell_why(t, why);
	} else {
		t->reasons |= covers;
	}
	if (a->status == CRL_REVOKED || why == CRL_WHY_NOTHING ||
	    a->this_update == 0) {
		a->this_update = f->this_update;
		a->next_update = f->next_update;
	}
}

/* CRLs for some reasons alone leave the others open. */
static void
tally_close(struct tally *t)
{
	if (t->answer.status == CRL_REVOKED)
		t->answer.why = CRL_WHY_NOTHING;
	else if (t->reasons == CRL_INDEX_REASONS_ALL) {
		t->answer.status = CRL_GOOD;
		t->answer.why = CRL_WHY_NOTHING;
	} else if (t->reasons != 0)
		tell_why(t, CRL_WHY_SCOPE);
}

static void
look_up(struct crl_index *x, const struct question *q, struct tally *same,
    struct tally *other)
{
	struct slot *s;
	struct tally *t;

	for (unsigned n = 0; n < CRL_INDEX_PER_ISSUER &&
			     same->answer.status != CRL_REVOKED;
	     n++) {
		s = get_slot(x, q->hash, n);
		if (s == NULL)
			break;
		/* It may be that of cert's key: no other counts for it. */
		if (!s->whole) {
			tell_why(same, CRL_WHY_DAMAGED);
			same->any = true;
			continue;
		}
		if (X509_NAME_cmp(s->issuer, q->issuer) != 0)
			continue;
		t = is_key_of(q, &s->file) ? same : other;
		if (t->answer.status != CRL_REVOKED)
			tally_add(t, q, &s->file);
	}
}

void
crl_index_check(struct crl_index *x, X509 *cert, X509 *issuer, int64_t now,
    int64_t grace, struct crl_answer *answer)
{
	struct tally same = {.answer = {.status = CRL_UNKNOWN,
				 .why = CRL_WHY_NO_INDEX}};
	struct tally other = same;
	struct question q;

	if (ask(&q, cert, issuer, now, grace)) {
		pthread_mutex_lock(&x->lock);
		look_up(x, &q, &same, &other);
		pthread_mutex_unlock(&x->lock);
	}
	tally_close(&same);
	tally_close(&other);
	if (same.answer.status == CRL_UNKNOWN &&
	    ((other.any && !same.any) || other.answer.status == CRL_REVOKED))
		*answer = other.answer;
	else
		*answer = same.answer;
}

bool
crl_index_has(struct crl_index *x, const X509_NAME *issuer)
{
	bool has = false;
	struct slot *s;
	uint32_t hash;

	if (!hash_name(issuer, &hash))
		return false;
	pthread_mutex_lock(&x->lock);
	for (unsigned n = 0; !has && n < CRL_INDEX_PER_ISSUER; n++) {
		s = get_slot(x, hash, n);
		if (s == NULL)
			break;
		has = s->whole && X509_NAME_cmp(s->issuer, issuer) == 0;
	}
	pthread_mutex_unlock(&x->lock);
	return has;
}

/* ---- somebody's CRL against ours ---- */

struct offer {
	struct der number; /* of CRLNumber; n 0: none */
	int64_t this_update;
	bool is_delta;
	uint32_t flags; /* as in an index */
	unsigned reasons;
	struct der names; /* of the distribution point */
};

/* The contents of an INTEGER as the value of an extension. */
static struct der
number_of(const X509_CRL *crl)
{
	int i = X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1);
	const ASN1_OCTET_STRING *value;
	struct der_item item = {0};
	struct der in;

	if (i < 0)
		return item.body;
	value = X509_EXTENSION_get_data(X509_CRL_get_ext(crl, i));
	in = (struct der){ASN1_STRING_get0_data(value),
	    (size_t)ASN1_STRING_length(value)};
	if (!der_take(&in, DER_INTEGER, &item))
		item.body = (struct der){NULL, 0};
	while (item.body.n > 1 && item.body.p[0] == 0 &&
	       !(item.body.p[1] & 0x80)) {
		item.body.p++;
		item.body.n--;
	}
	return item.body;
}

/* names: memory of what o->names lies in; OPENSSL_free(). */
static bool
offer_scope(struct offer *o, const X509_CRL *crl, unsigned char **names)
{
	ISSUING_DIST_POINT *p = X509_CRL_get_ext_d2i(
	    crl, NID_issuing_distribution_point, NULL, NULL);
	struct der_item item;
	bool ok = true;
	int n;

	o->reasons = CRL_INDEX_REASONS_ALL;
	if (p == NULL)
		return true;
	o->flags = (p->onlyuser > 0 ? CRL_INDEX_USER_ONLY : 0) |
		   (p->onlyCA > 0 ? CRL_INDEX_CA_ONLY : 0) |
		   (p->onlyattr > 0 ? CRL_INDEX_ATTRIBUTE_ONLY : 0);
	if (p->onlysomereasons != NULL) {
		o->reasons = 0;
		for (int i = 1; i <= 8; i++)
			if (ASN1_BIT_STRING_get_bit(p->onlysomereasons, i))
				o->reasons |= 1u << i;
	}
	if (p->distpoint != NULL && p->distpoint->type == 0) {
		o->flags |= CRL_INDEX_POINTS;
		n = i2d_GENERAL_NAMES(p->distpoint->name.fullname, names);
		o->names = (struct der){*names, n < 0 ? 0 : (size_t)n};
		ok = der_take(&o->names, DER_SEQUENCE, &item);
		o->names = item.body;
	} else if (p->distpoint != NULL)
		ok = false;
	ISSUING_DIST_POINT_free(p);
	return ok;
}

static int64_t
seconds_of(const ASN1_TIME *t)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);

	if (epoch == NULL || ASN1_TIME_diff(&days, &seconds, epoch, t) != 1)
		days = seconds = 0;
	ASN1_TIME_free(epoch);
	return (int64_t)days * 86400 + seconds;
}

static int
compare_numbers(const struct der *a, const struct der *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return a->n == 0 ? 0 : memcmp(a->p, b->p, a->n);
}

static bool
is_newer_than(const struct crl_index_file *f, const struct offer *o)
{
	const struct der *base = &f->field[CRL_INDEX_NUMBER];
	const struct der *delta = &f->field[CRL_INDEX_DELTA_NUMBER];
	int order;

	if ((f->flags & ~(uint32_t)CRL_INDEX_DELTA) != o->flags ||
	    f->reasons != o->reasons ||
	    !der_equal(&f->field[CRL_INDEX_POINT_NAMES], &o->names))
		return false;
	if (o->is_delta)
		return compare_numbers(base, &o->number) >= 0 ||
		       compare_numbers(delta, &o->number) >= 0;
	order = base->n > 0 && o->number.n > 0
		    ? compare_numbers(base, &o->number)
		    : 0;
	return order > 0 || (order == 0 && f->this_update > o->this_update);
}

bool
crl_index_has_newer(struct crl_index *x, X509_CRL *crl)
{
	const X509_NAME *issuer = X509_CRL_get_issuer(crl);
	unsigned char *names = NULL;
	struct offer o = {.number = number_of(crl)};
	bool newer = false;
	struct slot *s;
	uint32_t hash;

	o.this_update = seconds_of(X509_CRL_get0_lastUpdate(crl));
	o.is_delta = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
	if (!offer_scope(&o, crl, &names) || !hash_name(issuer, &hash))
		goto out;
	pthread_mutex_lock(&x->lock);
	for (unsigned n = 0; !newer && n < CRL_INDEX_PER_ISSUER; n++) {
		s = get_slot(x, hash, n);
		if (s == NULL)
			break;
		newer = s->whole && X509_NAME_cmp(s->issuer, issuer) == 0 &&
			is_newer_than(&s->file, &o);
	}
	pthread_mutex_unlock(&x->lock);
out:
	OPENSSL_free(names);
	ERR_clear_error();
	return newer;
}

struct crl_index *
crl_index_open_at(int directory)
{
	struct crl_index *x;

	if (directory < 0)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL || pthread_mutex_init(&x->lock, NULL) != 0) {
		free(x);
		close(directory);
		return NULL;
	}
	x->dir = directory;
	return x;
}

struct crl_index *
crl_index_open(const char *directory)
{
	return crl_index_open_at(open(directory,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void
crl_index_close(struct crl_index **index)
{
	struct crl_index *x = *index;

	if (x == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		slot_clear(&x->slots[i]);
	pthread_mutex_destroy(&x->lock);
	close(x->dir);
	free(x);
	*index = NULL;
}

const char *
crl_why_text(enum crl_why why)
{
	switch (why) {
	case CRL_WHY_NOTHING:
		return "its status is known";
	case CRL_WHY_NO_INDEX:
		return "no CRL of its issuer is here";
	case CRL_WHY_DAMAGED:
		return "the index of its issuer's CRL is damaged";
	case CRL_WHY_SCOPE:
		return "its issuer's CRL is not about such certificates";
	case CRL_WHY_STALE:
		return "its issuer's CRL has expired";
	case CRL_WHY_NOT_YET:
		return "its issuer's CRL is not valid yet";
	}
	return "unknown";
}

const char *
crl_reason_text(unsigned reason)
{
	static const char *const names[] = {"unspecified", "keyCompromise",
		"cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "unspecified",
		"removeFromCRL", "privilegeWithdrawn", "aACompromise"};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason]
							 : names[0];
}

bool
crl_index_name(const X509_NAME *issuer, unsigned n, char *name, size_t size)
{
	uint32_t hash;

	if (!hash_name(issuer, &hash))
		return false;
	snprintf(name, size, "%08x.i%u", (unsigned)hash, n);
	return true;
}
