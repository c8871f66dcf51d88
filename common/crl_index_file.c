/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/crl_index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECKSUM_SIZE 8
#define LARGE (1 << 20) /* bytes worth a system call */
#define POINTS_MAX 64 /* distribution points of a certificate looked at */
#define NAMES_MAX 64  /* names of one, and of the CRL */

/* ---- numbers ---- */

static uint64_t
get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

#define P1 UINT64_C(0x9e3779b185ebca87)
#define P2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define P3 UINT64_C(0x165667b19e3779f9)
#define P4 UINT64_C(0x85ebca77c2b2ae63)
#define P5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t
rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static uint64_t
mix(uint64_t sum, uint64_t v)
{
	return rotate(sum + v * P2, 31) * P1;
}

/* 32 octets at a time, in four sums. */
static uint64_t
mix_stripes(const uint8_t **p, size_t *n)
{
	uint64_t v[4] = {P1 + P2, P2, 0, 0 - P1}, sum;

	for (; *n >= 32; *p += 32, *n -= 32)
		for (int i = 0; i < 4; i++)
			v[i] = mix(v[i], get_le(*p + 8 * i, 8));
	sum = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) +
	      rotate(v[3], 18);
	for (int i = 0; i < 4; i++)
		sum = (sum ^ mix(0, v[i])) * P1 + P4;
	return sum;
}

uint64_t
crl_index_checksum(const uint8_t *p, size_t n)
{
	size_t all = n;
	uint64_t h = n >= 32 ? mix_stripes(&p, &n) : P5;

	h += all;
	for (; n >= 8; p += 8, n -= 8)
		h = rotate(h ^ mix(0, get_le(p, 8)), 27) * P1 + P4;
	if (n >= 4) {
		h = rotate(h ^ get_le(p, 4) * P1, 23) * P2 + P3;
		p += 4;
		n -= 4;
	}
	for (; n > 0; p++, n--)
		h = rotate(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

/* ---- the file ---- */

static bool
parse_field(struct crl_index_file *f, int i)
{
	const uint8_t *at = f->map + 80 + 8 * i;
	size_t off = get_le(at, 4), len = get_le(at + 4, 4);

	if (off < CRL_INDEX_HEADER || off > f->size || len > f->size - off)
		return false;
	f->field[i] = (struct der){f->map + off, len};
	return true;
}

bool
crl_index_file_parse(const uint8_t *p, size_t n, struct crl_index_file *f)
{
	size_t at, need;

	memset(f, 0, sizeof(*f));
	if (n < CRL_INDEX_HEADER + CHECKSUM_SIZE || n > CRL_INDEX_SIZE_MAX ||
	    memcmp(p, CRL_INDEX_MAGIC, 8) != 0 ||
	    get_le(p + 8, 4) != CRL_INDEX_VERSION || get_le(p + 16, 8) != n ||
	    crl_index_checksum(p, n - CHECKSUM_SIZE) !=
		get_le(p + n - CHECKSUM_SIZE, 8))
		return false;
	f->map = p;
	f->size = n - CHECKSUM_SIZE;
	f->flags = (uint32_t)get_le(p + 12, 4);
	f->this_update = (int64_t)get_le(p + 24, 8);
	f->next_update = (int64_t)get_le(p + 32, 8);
	f->delta_this_update = (int64_t)get_le(p + 40, 8);
	f->delta_next_update = (int64_t)get_le(p + 48, 8);
	f->written = (int64_t)get_le(p + 56, 8);
	f->count = (uint32_t)get_le(p + 64, 4);
	f->width = get_le(p + 68, 2);
	f->reasons = (unsigned)get_le(p + 72, 2) & CRL_INDEX_REASONS_ALL;
	f->pem = (unsigned)get_le(p + 74, 2);
	at = get_le(p + 76, 4);
	if (f->width > CRL_INDEX_SERIAL_MAX ||
	    get_le(p + 70, 2) != f->width + CRL_INDEX_ENTRY_REST ||
	    at < CRL_INDEX_HEADER || at > f->size)
		return false;
	need = (size_t)f->count * (f->width + CRL_INDEX_ENTRY_REST);
	if (need > f->size - at)
		return false;
	f->entries = p + at;
	for (int i = 0; i < CRL_INDEX_FIELDS; i++)
		if (!parse_field(f, i))
			return false;
	f->size = n;
	return true;
}

enum crl_index_state
crl_index_file_open(int dir, const char *name, struct crl_index_file *f)
{
	struct stat st;
	void *map = MAP_FAILED;
	int fd;

	errno = 0;
	memset(f, 0, sizeof(*f));
	fd = openat(dir, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT ? CRL_INDEX_ABSENT : CRL_INDEX_DAMAGED;
	if (fstat(fd, &st) != 0)
		memset(&st, 0, sizeof(st));
	else if (S_ISREG(st.st_mode) && st.st_size > 0 &&
		 st.st_size <= CRL_INDEX_SIZE_MAX)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd,
		    0);
	if (map == MAP_FAILED && errno == ENOMEM)
		memset(&st, 0, sizeof(st));
	close(fd);
	if (map != MAP_FAILED &&
	    !crl_index_file_parse(map, (size_t)st.st_size, f)) {
		munmap(map, (size_t)st.st_size);
		map = MAP_FAILED;
		memset(f, 0, sizeof(*f));
	}
	/* Checked once as a whole; a search looks at some pages of it. */
	if (map != MAP_FAILED && st.st_size > LARGE)
		madvise(map, (size_t)st.st_size, MADV_DONTNEED);
	f->st = st;
	return map == MAP_FAILED ? CRL_INDEX_DAMAGED : CRL_INDEX_OK;
}

void
crl_index_file_close(struct crl_index_file *f)
{
	if (f->map != NULL)
		munmap((void *)(uintptr_t)f->map, f->size);
	f->map = NULL;
}

/* ---- serial numbers ---- */

/* As wide as those of the file; false: none of them is that long. */
static bool
widen(const struct der *serial, size_t width, uint8_t *key)
{
	const uint8_t *p = serial->p;
	size_t n = serial->n;
	uint8_t sign;

	if (n == 0)
		return false;
	sign = p[0] & 0x80 ? 0xff : 0;
	while (n > width && p[0] == sign &&
	       (n == 1 || (p[1] & 0x80) == (sign & 0x80)))
		p++, n--;
	if (n > width)
		return false;
	memset(key, sign, width - n);
	memcpy(key + width - n, p, n);
	return true;
}

void
crl_index_file_entry(const struct crl_index_file *f, uint32_t i,
    struct der *serial, struct crl_index_entry *entry)
{
	const uint8_t *at =
	    f->entries + (size_t)i * (f->width + CRL_INDEX_ENTRY_REST);

	*serial = (struct der){at, f->width};
	entry->reason = at[f->width];
	entry->date = (int64_t)get_le(at + f->width + 1, 5);
}

bool
crl_index_file_find(const struct crl_index_file *f, const struct der *serial,
    struct crl_index_entry *entry)
{
	uint8_t key[CRL_INDEX_SERIAL_MAX];
	uint32_t low = 0, high = f->count;
	struct der at;

	if (!widen(serial, f->width, key))
		return false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order;

		crl_index_file_entry(f, middle, &at, entry);
		order = memcmp(key, at.p, f->width);
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* ---- scope ---- */

static bool
is_name_of_crl(const struct crl_index_file *f, const struct der *name)
{
	struct der ours = f->field[CRL_INDEX_POINT_NAMES];
	struct der_item item;

	for (int i = 0; i < NAMES_MAX && der_next(&ours, &item); i++)
		if (der_equal(&item.whole, name))
			return true;
	return false;
}

/*
 * Is the CRL's name its issuer's, and this relative name behind it
 * (RFC 5280 4.2.1.13)?  rdn is the contents of the SET.
 */
static bool
is_relative_of_crl(const struct crl_index_file *f, const struct der *rdn)
{
	struct der ours = f->field[CRL_INDEX_POINT_NAMES];
	struct der issuer = f->field[CRL_INDEX_ISSUER];
	struct der_item base, name, full, last;

	if (!der_take(&issuer, DER_SEQUENCE, &base))
		return false;
	for (int i = 0; i < NAMES_MAX && der_next(&ours, &name); i++) {
		if (name.tag != DER_CONTEXT_CONSTRUCTED(4) ||
		    !der_take(&name.body, DER_SEQUENCE, &full) ||
		    full.body.n < base.body.n ||
		    (base.body.n > 0 &&
			memcmp(full.body.p, base.body.p, base.body.n) != 0))
			continue;
		full.body.p += base.body.n;
		full.body.n -= base.body.n;
		if (der_take(&full.body, DER_SET, &last) &&
		    full.body.n == 0 && der_equal(&last.body, rdn))
			return true;
	}
	return false;
}

/* ReasonFlags, contents of the BIT STRING, as our mask. */
static unsigned
reasons_mask(const struct der *bits)
{
	unsigned mask = 0;

	for (unsigned i = 1; i <= 8; i++)
		if (bits->n > 1 + i / 8 &&
		    bits->p[1 + i / 8] & 0x80 >> i % 8)
			mask |= 1u << i;
	return mask;
}

/* DistributionPoint: the reasons for which it names the CRL. */
static unsigned
point_covers(const struct crl_index_file *f, struct der point)
{
	struct der_item outer, choice, name, reasons;
	unsigned mask = CRL_INDEX_REASONS_ALL;
	bool named = false;

	if (!der_take(&point, DER_CONTEXT_CONSTRUCTED(0), &outer) ||
	    !der_next(&outer.body, &choice))
		return 0;
	if (choice.tag == DER_CONTEXT_CONSTRUCTED(1))
		named = is_relative_of_crl(f, &choice.body);
	for (int i = 0; choice.tag == DER_CONTEXT_CONSTRUCTED(0) && !named &&
			i < NAMES_MAX && der_next(&choice.body, &name);
	     i++)
		named = is_name_of_crl(f, &name.whole);
	if (der_take(&point, DER_CONTEXT(1), &reasons))
		mask = reasons_mask(&reasons.body);
	/* cRLIssuer: an indirect CRL, which has no index (6.3.3 b 1). */
	return named && point.n == 0 ? mask : 0;
}

unsigned
crl_index_file_covers(const struct crl_index_file *f, bool is_ca,
    const struct der *distribution_points)
{
	struct der in = *distribution_points;
	struct der_item points, point;
	unsigned mask = 0;

	if (f->flags & CRL_INDEX_ATTRIBUTE_ONLY ||
	    (f->flags & CRL_INDEX_USER_ONLY && is_ca) ||
	    (f->flags & CRL_INDEX_CA_ONLY && !is_ca))
		return 0;
	if (!(f->flags & CRL_INDEX_POINTS))
		return f->reasons;
	if (!der_take(&in, DER_SEQUENCE, &points))
		return 0;
	for (int i = 0; i < POINTS_MAX && der_take(&points.body, DER_SEQUENCE,
				      &point); i++)
		mask |= point_covers(f, point.body);
	return mask & f->reasons;
}
