/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl_walk.h"

#include <string.h>

#include "common/crl_index_file.h"

#define EXTENSIONS_MAX 64
#define ENTRY_EXTENSIONS_MAX 16
#define NUMBER_MAX 64 /* octets; RFC 5280 5.2.3 has 20 */

/* The last octet of OIDs 2.5.29.n. */
enum {
	ID_REASON = 21,
	ID_ISSUER_ALT_NAME = 18,
	ID_NUMBER = 20,
	ID_BASE_NUMBER = 27,
	ID_POINT = 28,
	ID_ENTRY_ISSUER = 29,
	ID_KEY_ID = 35,
	ID_FRESHEST = 46,
};

struct extension {
	int id; /* one of the above, or -1 */
	struct der oid; /* contents */
	struct der whole_oid;
	bool critical;
	struct der value;
};

static bool
bad(struct error *err, const char *what)
{
	return error_perm(err, "not a CRL: %s", what);
}

/* ---- values ---- */

static bool
digits(const uint8_t *p, int n, int low, int high, int *v)
{
	*v = 0;
	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*v = *v * 10 + (p[i] - '0');
	}
	return *v >= low && *v <= high;
}

/* Days from 1970-01-01 in the Gregorian calendar. */
static int64_t
days(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = y / 400, of_era = y - era * 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return (int64_t)era * 146097 + of_era * 365 + of_era / 4 -
	       of_era / 100 + of_year - 719468;
}

static int
days_of_month(int year, int month)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month == 2)
		return leap ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* RFC 5280 4.1.2.5: to the second, in UTC. */
static bool
take_time(struct der *in, int64_t *t)
{
	int year, month, day, hour, minute, second;
	struct der_item item;
	const uint8_t *p;

	if (!der_next(in, &item))
		return false;
	p = item.body.p;
	if (item.tag == DER_UTC_TIME && item.body.n == 13) {
		if (!digits(p, 2, 0, 99, &year))
			return false;
		year += year < 50 ? 2000 : 1900;
		p += 2;
	} else if (item.tag == DER_GENERALIZED_TIME && item.body.n == 15) {
		if (!digits(p, 4, 0, 9999, &year))
			return false;
		p += 4;
	} else
		return false;
	if (!digits(p, 2, 1, 12, &month) || !digits(p + 2, 2, 1, 31, &day) ||
	    !digits(p + 4, 2, 0, 23, &hour) ||
	    !digits(p + 6, 2, 0, 59, &minute) ||
	    !digits(p + 8, 2, 0, 59, &second) || p[10] != 'Z' ||
	    day > days_of_month(year, month))
		return false;
	*t = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 +
	     second;
	return true;
}

/* Some write longer forms than they should; the number is the same. */
static void
shorten(struct der *v)
{
	while (v->n > 1 && ((v->p[0] == 0 && !(v->p[1] & 0x80)) ||
			       (v->p[0] == 0xff && v->p[1] & 0x80))) {
		v->p++;
		v->n--;
	}
}

static bool
take_integer(struct der *in, struct der *v)
{
	struct der_item item;

	if (!der_take(in, DER_INTEGER, &item) || item.body.n == 0)
		return false;
	*v = item.body;
	shorten(v);
	return true;
}

/* A value that is one CRLNumber (RFC 5280 5.2.3). */
static bool
parse_number(struct der value, struct der *number)
{
	return take_integer(&value, number) && value.n == 0 &&
	       number->n <= NUMBER_MAX && !(number->p[0] & 0x80);
}

/* ---- extensions ---- */

static int
known_id(const struct der *oid)
{
	return oid->n == 3 && oid->p[0] == 0x55 && oid->p[1] == 0x1d
		   ? oid->p[2]
		   : -1;
}

static bool
take_extension(struct der *in, struct extension *e)
{
	struct der_item item, part;

	if (!der_take(in, DER_SEQUENCE, &item) ||
	    !der_take(&item.body, DER_OID, &part) || part.body.n == 0)
		return false;
	e->oid = part.body;
	e->whole_oid = part.whole;
	e->id = known_id(&e->oid);
	e->critical = false;
	if (der_peek(&item.body) == DER_BOOLEAN) {
		if (!der_next(&item.body, &part) || part.body.n != 1)
			return false;
		e->critical = part.body.p[0] != 0;
	}
	if (!der_take(&item.body, DER_OCTET_STRING, &part))
		return false;
	e->value = part.body;
	return item.body.n == 0;
}

/* RFC 5280 5.2.1 */
static bool
parse_key_id(struct crl_walk *w, struct der value)
{
	struct der_item item, id;

	if (!der_take(&value, DER_SEQUENCE, &item) || value.n != 0)
		return false;
	if (der_peek(&item.body) == DER_CONTEXT(0)) {
		if (!der_next(&item.body, &id))
			return false;
		w->key_id = id.body;
	}
	return true;
}

static bool
take_flag(struct der *in, int n, bool *flag)
{
	struct der_item item;

	if (der_peek(in) != DER_CONTEXT(n))
		return true;
	if (!der_next(in, &item) || item.body.n != 1)
		return false;
	*flag = item.body.p[0] != 0;
	return true;
}

static bool
take_point_name(struct der *in, struct crl_walk *w)
{
	struct der_item outer, choice;

	if (der_peek(in) != DER_CONTEXT_CONSTRUCTED(0))
		return true;
	if (!der_next(in, &outer) || !der_next(&outer.body, &choice) ||
	    outer.body.n != 0 || choice.body.n == 0)
		return false;
	if (choice.tag == DER_CONTEXT_CONSTRUCTED(0))
		w->full_names = choice.body;
	else if (choice.tag == DER_CONTEXT_CONSTRUCTED(1))
		w->relative_name = choice.body;
	else
		return false;
	return true;
}

static bool
take_reasons(struct der *in, struct crl_walk *w)
{
	struct der_item item;

	if (der_peek(in) != DER_CONTEXT(3))
		return true;
	if (!der_next(in, &item) || item.body.n == 0)
		return false;
	w->reasons = 0;
	for (unsigned i = 1; i <= 8; i++)
		if (item.body.n > 1 + i / 8 &&
		    item.body.p[1 + i / 8] & 0x80 >> i % 8)
			w->reasons |= 1u << i;
	return true;
}

/* RFC 5280 5.2.5 */
static bool
parse_point(struct crl_walk *w, struct der value)
{
	struct der_item item;
	struct der in;

	w->idp = value;
	if (!der_take(&value, DER_SEQUENCE, &item) || value.n != 0)
		return false;
	in = item.body;
	return take_point_name(&in, w) && take_flag(&in, 1, &w->user_only) &&
	       take_flag(&in, 2, &w->ca_only) && take_reasons(&in, w) &&
	       take_flag(&in, 4, &w->indirect) &&
	       take_flag(&in, 5, &w->attribute_only) && in.n == 0;
}

static bool
use_extension(struct crl_walk *w, const struct extension *e)
{
	switch (e->id) {
	case ID_NUMBER:
		return parse_number(e->value, &w->number);
	case ID_BASE_NUMBER:
		return parse_number(e->value, &w->base_number);
	case ID_KEY_ID:
		return parse_key_id(w, e->value);
	case ID_POINT:
		return parse_point(w, e->value);
	case ID_FRESHEST:
		w->freshest = e->value;
		break;
	case ID_ISSUER_ALT_NAME:
		break;
	default:
		if (e->critical)
			w->critical = e->whole_oid;
		return true;
	}
	return true;
}

static bool
walk_extensions(struct der in, struct crl_walk *w, struct error *err)
{
	struct der seen[EXTENSIONS_MAX];
	struct der_item list;
	struct extension e;
	size_t n = 0;

	if (!der_take(&in, DER_SEQUENCE, &list) || in.n != 0)
		return bad(err, "its extensions are malformed "
				"(RFC 5280 5.1.2.7)");
	while (list.body.n > 0) {
		if (n == EXTENSIONS_MAX || !take_extension(&list.body, &e))
			return bad(err, "its extensions are malformed "
					"(RFC 5280 5.1.2.7)");
		for (size_t i = 0; i < n; i++)
			if (der_equal(&seen[i], &e.oid))
				return bad(err, "an extension stands twice "
						"(RFC 5280 4.2)");
		seen[n++] = e.oid;
		if (!use_extension(w, &e))
			return error_perm(err, "not a CRL: the extension "
			    "2.5.29.%d is malformed (RFC 5280 5.2)", e.id);
	}
	return true;
}

/* ---- entries ---- */

struct entry_extensions {
	unsigned reason;
	bool critical, issuer;
};

static bool
take_reason(struct der value, unsigned *reason)
{
	struct der_item item;

	if (!der_take(&value, DER_ENUMERATED, &item) || value.n != 0 ||
	    item.body.n != 1)
		return false;
	*reason = item.body.p[0];
	return true;
}

/* RFC 5280 5.3 */
static bool
take_entry_extensions(struct der *in, struct entry_extensions *x)
{
	struct der_item list;
	struct extension e;

	if (!der_take(in, DER_SEQUENCE, &list))
		return false;
	for (int n = 0; list.body.n > 0; n++) {
		if (n == ENTRY_EXTENSIONS_MAX ||
		    !take_extension(&list.body, &e))
			return false;
		if (e.id == ID_REASON) {
			if (!take_reason(e.value, &x->reason))
				return false;
		} else if (e.id == ID_ENTRY_ISSUER)
			x->issuer = true;
		else if (e.critical)
			x->critical = true;
	}
	return true;
}

static bool
take_entry(struct der *in, struct crl_walk_entry *entry,
    struct entry_extensions *x)
{
	struct der_item item;

	memset(x, 0, sizeof(*x));
	if (!der_take(in, DER_SEQUENCE, &item) ||
	    !take_integer(&item.body, &entry->serial) ||
	    !take_time(&item.body, &entry->date))
		return false;
	if (item.body.n > 0 &&
	    (!take_entry_extensions(&item.body, x) || item.body.n != 0))
		return false;
	entry->reason = x->reason;
	return true;
}

static bool
walk_entries(struct crl_walk *w, struct error *err)
{
	struct entry_extensions x;
	struct crl_walk_entry entry;
	struct der in = w->entries;

	for (; in.n > 0; w->count++) {
		if (!take_entry(&in, &entry, &x))
			return error_perm(err, "not a CRL: entry %zu is "
			    "malformed (RFC 5280 5.1.2.6)", w->count + 1);
		if (entry.serial.n > w->serial_width)
			w->serial_width = entry.serial.n;
		w->has_critical_entry |= x.critical;
		w->has_entry_issuer |= x.issuer;
	}
	return true;
}

/* ---- the whole ---- */

/* Only version 2 (the number is 1) is ever written down. */
static bool
take_version(struct der *in, bool *v2)
{
	struct der version;

	*v2 = der_peek(in) == DER_INTEGER;
	return !*v2 || (take_integer(in, &version) && version.n == 1 &&
			   version.p[0] == 1);
}

static bool
is_time(const struct der *in)
{
	return der_peek(in) == DER_UTC_TIME ||
	       der_peek(in) == DER_GENERALIZED_TIME;
}

/* RFC 5280 5.1.2 */
static bool
walk_tbs(struct der in, struct crl_walk *w, struct error *err)
{
	struct der_item item;
	bool v2;

	if (!take_version(&in, &v2))
		return bad(err, "it has another version (RFC 5280 5.1.2.1)");
	if (!der_take(&in, DER_SEQUENCE, &item))
		return bad(err, "no algorithm (RFC 5280 5.1.2.2)");
	w->tbs_algorithm = item.whole;
	if (!der_take(&in, DER_SEQUENCE, &item) || item.body.n == 0)
		return bad(err, "no issuer (RFC 5280 5.1.2.3)");
	w->issuer = item.whole;
	if (!take_time(&in, &w->this_update))
		return bad(err, "thisUpdate is malformed (RFC 5280 5.1.2.4)");
	w->has_next_update = is_time(&in);
	if (w->has_next_update && !take_time(&in, &w->next_update))
		return bad(err, "nextUpdate is malformed (RFC 5280 5.1.2.5)");
	if (der_peek(&in) == DER_SEQUENCE) {
		if (!der_next(&in, &item))
			return bad(err, "its entries are malformed "
					"(RFC 5280 5.1.2.6)");
		w->entries = item.body;
	}
	if (in.n == 0)
		return walk_entries(w, err);
	if (!v2 || !der_take(&in, DER_CONTEXT_CONSTRUCTED(0), &item) ||
	    in.n != 0)
		return bad(err, "something follows its entries "
				"(RFC 5280 5.1.2.7)");
	return walk_extensions(item.body, w, err) && walk_entries(w, err);
}

bool
crl_walk(const uint8_t *p, size_t n, struct crl_walk *w, struct error *err)
{
	struct der_item list, tbs, algorithm, signature;
	struct der in = {p, n};

	memset(w, 0, sizeof(*w));
	w->reasons = CRL_INDEX_REASONS_ALL;
	if (!der_take(&in, DER_SEQUENCE, &list))
		return bad(err, "it is cut short or no DER");
	if (in.n != 0)
		return bad(err, "something follows it");
	w->whole = list.whole;
	if (!der_take(&list.body, DER_SEQUENCE, &tbs) ||
	    !der_take(&list.body, DER_SEQUENCE, &algorithm) ||
	    !der_take(&list.body, DER_BIT_STRING, &signature) ||
	    list.body.n != 0 || signature.body.n < 2 ||
	    signature.body.p[0] != 0)
		return bad(err, "it is no CertificateList (RFC 5280 5.1)");
	w->tbs = tbs.whole;
	w->algorithm = algorithm.whole;
	w->signature =
	    (struct der){signature.body.p + 1, signature.body.n - 1};
	return walk_tbs(tbs.body, w, err);
}

bool
crl_walk_next(struct der *in, struct crl_walk_entry *entry)
{
	struct entry_extensions x;

	return take_entry(in, entry, &x);
}

int
crl_walk_compare(const struct der *a, const struct der *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return a->n == 0 ? 0 : memcmp(a->p, b->p, a->n);
}
