/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a server sends: found, decoded, walked, and made an index of in
 * which every entry is found again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "crl-fetcher/crl_pem.h"
#include "crl-fetcher/crl_walk.h"
#include "crl-fetcher/index_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
look_up(const struct crl_index_file *f, const struct crl_walk *w)
{
	struct crl_walk_entry entry;
	struct crl_index_entry found;
	struct der in = w->entries;
	size_t n = 0;

	for (; crl_walk_next(&in, &entry); n++)
		must(crl_index_file_find(f, &entry.serial, &found) ||
		     entry.reason == INDEX_REASON_REMOVE);
	must(n == w->count && in.n == 0);
}

static void
build(const struct crl_walk *w)
{
	struct index_facts facts = {.this_update = w->this_update};
	struct index_build b;
	struct crl_walk_entry entry;
	struct crl_index_file f;
	struct der in = w->entries;
	struct error err;

	facts.field[CRL_INDEX_ISSUER] = w->issuer;
	facts.field[CRL_INDEX_NUMBER] = w->number;
	if (!index_build_init(&b, &facts, w->serial_width, w->count, &err))
		return;
	while (crl_walk_next(&in, &entry))
		must(index_build_add(
		    &b, &entry.serial, entry.reason, entry.date));
	index_build_finish(&b);
	must(crl_index_file_parse(
	    (const uint8_t *)b.bytes.data, b.bytes.len, &f));
	must(f.count <= w->count);
	look_up(&f, w);
	index_build_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = mem_dup(data, size);
	struct crl_pem found;
	struct crl_walk w;
	struct error err = {0};

	if (crl_pem_find(copy, size, &found, &err)) {
		must(found.n > 0);
		for (size_t i = 0; i < found.n; i++) {
			if (crl_walk(found.crl[i].p, found.crl[i].n, &w,
				&err))
				build(&w);
			else
				must(err.kind == ERROR_PERM);
		}
	} else
		must(err.kind == ERROR_PERM && err.text[0] != '\0');
	free(copy);
	return 0;
}
