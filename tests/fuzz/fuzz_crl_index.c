/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An index that somebody else wrote: whatever its bytes, reading it stays
 * within them.  The input's checksum is put right, or no input would pass.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crl_index_file.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
seal(uint8_t *p, size_t n)
{
	uint64_t sum;

	if (n < CRL_INDEX_HEADER + 8)
		return;
	for (int i = 0; i < 8; i++)
		p[16 + i] = (uint8_t)((uint64_t)n >> 8 * i);
	sum = crl_index_checksum(p, n - 8);
	for (int i = 0; i < 8; i++)
		p[n - 8 + (size_t)i] = (uint8_t)(sum >> 8 * i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = mem_dup(data, size);
	struct crl_index_entry entry;
	struct crl_index_file f;
	struct der serial, points;
	unsigned sum = 0;

	seal(copy, size);
	if (crl_index_file_parse(copy, size, &f)) {
		for (uint32_t i = 0; i < f.count && i < 1000; i++) {
			crl_index_file_entry(&f, i, &serial, &entry);
			for (size_t k = 0; k < serial.n; k++)
				sum += serial.p[k];
			crl_index_file_find(&f, &serial, &entry);
		}
		points = f.field[CRL_INDEX_SOURCE];
		sum += crl_index_file_covers(&f, sum & 1, &points);
		for (int i = 0; i < CRL_INDEX_FIELDS; i++)
			for (size_t k = 0; k < f.field[i].n; k++)
				sum += f.field[i].p[k];
	}
	free(copy);
	/* Every octet was looked at. */
	return sum > UINT32_MAX - 1 ? -1 : 0;
}
