/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CRL_INDEX_FILE_H
#define COMMON_CRL_INDEX_FILE_H

/*
 * One index: the serial numbers of one CRL (with its delta CRL merged in),
 * sorted, in a file that is mapped and searched as it lies.  crl-fetcher(8)
 * writes it, whole, and renames it into place; a file that has a name never
 * changes.
 *
 * Nothing here allocates, logs, or ends the process, and no library but
 * libc is needed: this runs inside other people's processes.  A file that
 * is not exactly right is damaged and counts as missing.
 *
 * The format, version 1.  Integers are little-endian and unsigned, times
 * are seconds since 1970 (0: none).
 *
 *	  0  8  "PSCRLIDX"
 *	  8  4  version, 1
 *	 12  4  flags: enum crl_index_flag
 *	 16  8  size of the file
 *	 24  8  thisUpdate of the CRL
 *	 32  8  nextUpdate of the CRL
 *	 40  8  thisUpdate of the delta CRL
 *	 48  8  nextUpdate of the delta CRL
 *	 56  8  when this file was written
 *	 64  4  number of entries
 *	 68  2  width of a serial number, w
 *	 70  2  width of an entry, w + 6
 *	 72  2  reasons covered: bit n is bit n of ReasonFlags (RFC 5280
 *		4.2.1.13); all is 0x1fe
 *	 74  2  N of HHHHHHHH.rN, the file with the CRL itself
 *	 76  4  offset of the entries
 *	 80 72  offset (4) and length (4) of each enum crl_index_field
 *	152	the fields; the entries; zeros up to a multiple of 8
 *	 -8  8  XXH64, seed 0, of everything before
 *
 * An entry is the serial number (w octets, two's complement, big-endian, as
 * in DER but widened), the reason code (1, RFC 5280 5.3.1), the revocation
 * date (5).  Entries ascend by their first w octets, no two are equal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/der.h"

#define CRL_INDEX_MAGIC "PSCRLIDX"
#define CRL_INDEX_VERSION 1
#define CRL_INDEX_HEADER 152   /* octets */
#define CRL_INDEX_ENTRY_REST 6 /* octets of an entry behind its serial */
#define CRL_INDEX_SERIAL_MAX 64
#define CRL_INDEX_REASONS_ALL 0x1feu
#define CRL_INDEX_SIZE_MAX (1u << 30)

enum crl_index_flag {
	CRL_INDEX_USER_ONLY = 1,      /* onlyContainsUserCerts */
	CRL_INDEX_CA_ONLY = 2,	      /* onlyContainsCACerts */
	CRL_INDEX_ATTRIBUTE_ONLY = 4, /* onlyContainsAttributeCerts */
	CRL_INDEX_POINTS = 8,	      /* only of the distribution points */
	CRL_INDEX_DELTA = 16,	      /* a delta CRL is merged in */
};

/* What has no fixed length. */
enum crl_index_field {
	CRL_INDEX_ISSUER,	/* Name, DER */
	CRL_INDEX_KEY_ID,	/* of the key that signed; may be empty */
	CRL_INDEX_POINT_NAMES,	/* GeneralNames in a row, DER, of POINTS */
	CRL_INDEX_NUMBER,	/* CRLNumber, contents of the INTEGER */
	CRL_INDEX_BASE_NUMBER,	/* BaseCRLNumber of the delta CRL */
	CRL_INDEX_DELTA_NUMBER, /* CRLNumber of the delta CRL */
	CRL_INDEX_DIGEST,	/* SHA-256 of the CRL's DER */
	CRL_INDEX_DELTA_DIGEST, /* the same of the delta CRL */
	CRL_INDEX_SOURCE,	/* name of the crl-source section */
	CRL_INDEX_FIELDS,
};

/* A mapped index; all pointers lead into the mapping. */
struct crl_index_file {
	const uint8_t *map;
	size_t size;
	struct stat st; /* of the file that is mapped */

	uint32_t flags;
	unsigned reasons;
	int64_t this_update, next_update;
	int64_t delta_this_update, delta_next_update;
	int64_t written;
	unsigned pem; /* N of HHHHHHHH.rN */
	uint32_t count;
	size_t width; /* of a serial number */
	const uint8_t *entries;
	struct der field[CRL_INDEX_FIELDS];
};

struct crl_index_entry {
	unsigned reason;
	int64_t date;
};

enum crl_index_state {
	CRL_INDEX_OK,
	CRL_INDEX_ABSENT,  /* no such file */
	CRL_INDEX_DAMAGED, /* or unreadable: as if missing */
};

/*
 * Maps the file name in the open directory dir; a symbolic link is damaged.
 * f->st is set when DAMAGED and the file could be looked at, else zeroed:
 * another time it may be whole.
 * Close f after OK only.
 */
enum crl_index_state crl_index_file_open(int dir, const char *name,
    struct crl_index_file *f);
void crl_index_file_close(struct crl_index_file *f);

/* The same of bytes in memory, which must outlive f; not to be closed. */
bool crl_index_file_parse(const uint8_t *p, size_t n,
    struct crl_index_file *f);

/* serial is the contents of an INTEGER.  O(log count). */
bool crl_index_file_find(const struct crl_index_file *f,
    const struct der *serial, struct crl_index_entry *entry);

/* Entry i in their order; serial is borrowed, width octets. */
void crl_index_file_entry(const struct crl_index_file *f, uint32_t i,
    struct der *serial, struct crl_index_entry *entry);

/*
 * Which reasons does this CRL answer for, of a certificate with these
 * contents of cRLDistributionPoints (n 0: without)?  0: none, it is out of
 * the scope of issuingDistributionPoint (RFC 5280 5.2.5, 6.3.3 b).
 */
unsigned crl_index_file_covers(const struct crl_index_file *f, bool is_ca,
    const struct der *distribution_points);

/* XXH64 with seed 0. */
uint64_t crl_index_checksum(const uint8_t *p, size_t n);

#endif
