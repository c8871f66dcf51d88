/* SPDX-License-Identifier: BSD-2-Clause */
#include "index_build.h"

#include <assert.h>
#include <string.h>

#define CHECKSUM_SIZE 8
#define DATE_MAX ((INT64_C(1) << 40) - 1)
#define FEW 24 /* entries that insertion sorts faster */

static void
put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint8_t *
entry_at(const struct index_build *b, size_t i)
{
	return (uint8_t *)b->bytes.data + b->at + i * b->entry;
}

/* ---- sorting in place, by the first width octets ---- */

static void
sort_few(uint8_t *p, size_t n, size_t size, size_t width, size_t from)
{
	uint8_t held[CRL_INDEX_SERIAL_MAX + CRL_INDEX_ENTRY_REST];

	for (size_t i = 1; i < n; i++) {
		size_t k = i;

		memcpy(held, p + i * size, size);
		while (k > 0 && memcmp(p + (k - 1) * size + from, held + from,
				    width - from) > 0) {
			memcpy(p + k * size, p + (k - 1) * size, size);
			k--;
		}
		memcpy(p + k * size, held, size);
	}
}

static void
swap(uint8_t *a, uint8_t *b, size_t size)
{
	uint8_t held[CRL_INDEX_SERIAL_MAX + CRL_INDEX_ENTRY_REST];

	memcpy(held, a, size);
	memcpy(a, b, size);
	memcpy(b, held, size);
}

/*
 * By octet `from`, then each run of equals by the next: linear, whatever
 * the serial numbers are.  end[v] is where the run of v ends, on return.
 */
static void
sort_by_octet(uint8_t *p, size_t n, size_t size, size_t from, size_t end[256])
{
	size_t next[256], count[256] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		count[p[i * size + from]]++;
	for (int v = 0; v < 256; v++) {
		next[v] = sum;
		sum += count[v];
		end[v] = sum;
	}
	for (int v = 0; v < 256; v++) {
		while (next[v] < end[v]) {
			uint8_t *here = p + next[v] * size;
			uint8_t to = here[from];

			if (to != v)
				swap(here, p + next[to] * size, size);
			next[to]++;
		}
	}
}

static void
sort(uint8_t *p, size_t n, size_t size, size_t width, size_t from)
{
	size_t end[256], start = 0;

	if (from == width)
		return;
	if (n <= FEW) {
		sort_few(p, n, size, width, from);
		return;
	}
	sort_by_octet(p, n, size, from, end);
	for (int v = 0; v < 256; start = end[v++])
		if (end[v] - start > 1)
			sort(p + start * size, end[v] - start, size, width,
			    from + 1);
}

/* Of equal serial numbers one stays: one that revokes, if any does. */
static size_t
drop_doubles(const struct index_build *b, size_t first, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = entry_at(b, first + i);
		uint8_t *last = kept == 0 ? NULL
					  : entry_at(b, first + kept - 1);

		if (last != NULL && memcmp(last, at, b->width) == 0) {
			if (last[b->width] == INDEX_REASON_REMOVE)
				memcpy(last, at, b->entry);
			continue;
		}
		if (kept != i)
			memcpy(entry_at(b, first + kept), at, b->entry);
		kept++;
	}
	return kept;
}

static size_t
sort_range(const struct index_build *b, size_t first, size_t n)
{
	sort(entry_at(b, first), n, b->entry, b->width, 0);
	return drop_doubles(b, first, n);
}

/* ---- the delta CRL ---- */

static uint8_t *
find(const struct index_build *b, const uint8_t *serial)
{
	size_t low = 0, high = b->base;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint8_t *at = entry_at(b, middle);
		int order = memcmp(serial, at, b->width);

		if (order == 0)
			return at;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Entries behind the base's that it has are moved into it. */
static void
apply_delta(const struct index_build *b)
{
	for (size_t i = b->base; i < b->count; i++) {
		uint8_t *from = entry_at(b, i), *to = find(b, from);

		if (to != NULL) {
			memcpy(to, from, b->entry);
			from[b->width] = INDEX_REASON_REMOVE;
		}
	}
}

static size_t
drop_removed(const struct index_build *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (entry_at(b, i)[b->width] == INDEX_REASON_REMOVE)
			continue;
		if (kept != i)
			memcpy(entry_at(b, kept), entry_at(b, i), b->entry);
		kept++;
	}
	return kept;
}

/* ---- the file ---- */

static void
put_header(uint8_t *p, const struct index_facts *f, size_t width)
{
	memcpy(p, CRL_INDEX_MAGIC, 8);
	put_le(p + 8, CRL_INDEX_VERSION, 4);
	put_le(p + 12, f->flags, 4);
	put_le(p + 24, (uint64_t)f->this_update, 8);
	put_le(p + 32, (uint64_t)f->next_update, 8);
	put_le(p + 40, (uint64_t)f->delta_this_update, 8);
	put_le(p + 48, (uint64_t)f->delta_next_update, 8);
	put_le(p + 56, (uint64_t)f->written, 8);
	put_le(p + 68, width, 2);
	put_le(p + 70, width + CRL_INDEX_ENTRY_REST, 2);
	put_le(p + 72, f->reasons, 2);
	put_le(p + 74, f->pem, 2);
}

bool
index_build_init(struct index_build *b, const struct index_facts *facts,
    size_t width, size_t capacity, struct error *err)
{
	size_t at = CRL_INDEX_HEADER, all;
	uint8_t *p;

	memset(b, 0, sizeof(*b));
	if (width > CRL_INDEX_SERIAL_MAX)
		return error_perm(err, "a serial number has %zu octets; at "
		    "most %d are allowed", width, CRL_INDEX_SERIAL_MAX);
	b->width = width;
	b->entry = width + CRL_INDEX_ENTRY_REST;
	b->capacity = capacity;
	for (int i = 0; i < CRL_INDEX_FIELDS; i++)
		at += facts->field[i].n;
	if (at > CRL_INDEX_SIZE_MAX / 2 ||
	    capacity > (CRL_INDEX_SIZE_MAX / 2) / b->entry)
		return error_perm(err, "%zu entries are too many for an index",
		    capacity);
	b->at = at;
	all = at + capacity * b->entry + 8 + CHECKSUM_SIZE;
	buf_init(&b->bytes, all);
	buf_reserve(&b->bytes, all);
	p = (uint8_t *)b->bytes.data;
	memset(p, 0, at);
	put_header(p, facts, width);
	put_le(p + 76, at, 4);
	at = CRL_INDEX_HEADER;
	for (int i = 0; i < CRL_INDEX_FIELDS; i++) {
		size_t n = facts->field[i].n;

		put_le(p + 80 + 8 * i, at, 4);
		put_le(p + 84 + 8 * i, n, 4);
		if (n > 0)
			memcpy(p + at, facts->field[i].p, n);
		at += n;
	}
	return true;
}

void
index_build_clear(struct index_build *b)
{
	buf_clear(&b->bytes);
}

bool
index_build_add(struct index_build *b, const struct der *serial,
    unsigned reason, int64_t date)
{
	uint8_t *p = entry_at(b, b->count);
	size_t pad = b->width - serial->n;

	if (serial->n == 0 || serial->n > b->width || b->count == b->capacity)
		return false;
	/* In a full CRL this means nothing: it lists none to be removed. */
	if (reason == INDEX_REASON_REMOVE && !b->delta)
		return true;
	memset(p, serial->p[0] & 0x80 ? 0xff : 0, pad);
	memcpy(p + pad, serial->p, serial->n);
	p[b->width] = (uint8_t)reason;
	put_le(p + b->width + 1,
	    (uint64_t)(date < 0 ? 0 : date > DATE_MAX ? DATE_MAX : date), 5);
	b->count++;
	return true;
}

void
index_build_start_delta(struct index_build *b)
{
	assert(!b->delta);
	b->count = b->base = sort_range(b, 0, b->count);
	b->delta = true;
}

void
index_build_finish(struct index_build *b)
{
	uint8_t *p = (uint8_t *)b->bytes.data;
	size_t end;

	if (b->delta) {
		b->count =
		    b->base + sort_range(b, b->base, b->count - b->base);
		apply_delta(b);
		b->count = drop_removed(b);
	}
	b->count = sort_range(b, 0, b->count);
	end = b->at + b->count * b->entry;
	while (end % 8 != 0)
		p[end++] = 0;
	put_le(p + 16, end + CHECKSUM_SIZE, 8);
	put_le(p + 64, b->count, 4);
	put_le(p + end, crl_index_checksum(p, end), CHECKSUM_SIZE);
	b->bytes.len = end + CHECKSUM_SIZE;
}
