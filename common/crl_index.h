/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CRL_INDEX_H
#define COMMON_CRL_INDEX_H

/*
 * Is a certificate revoked?  Asked of the indexes (crl_index_file.h) in a
 * directory that crl-fetcher(8) fills.
 *
 * The indexes of one issuer are named as hash.rN files are: `HHHHHHHH.iN`,
 * the hash of the issuer's name as X509_NAME_hash_ex() gives it, N from 0
 * without gaps.  There are several when the issuer has several keys, or
 * partitions its CRLs.
 *
 * Made to run inside other people's processes (smtpd(8)): bad files never
 * end the process, nothing is logged, no file is read that is not asked
 * about, and a lookup opens nothing, maps nothing and allocates nothing
 * once an issuer's index was seen and did not change; it costs one
 * fstatat(2) for each index of the issuer and one more, and a binary
 * search.  The directory is opened once, so a later chroot(2) does no harm.
 * A file is checked whole (checksum) when it is first seen.
 *
 * What the indexes hold was verified by crl-fetcher when it came.
 *
 * Thread safe but for open and close.
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "common/crl_index_file.h"

#define CRL_INDEX_PER_ISSUER 256
#define CRL_INDEX_SKEW 600 /* seconds that a clock may be behind */

struct crl_index;

/*
 * NULL: the directory cannot be opened, or no memory; errno says why.
 * Nothing else of the directory is looked at.
 */
struct crl_index *crl_index_open(const char *directory);
/* Of an open directory, which it closes, also when it fails; -1: NULL. */
struct crl_index *crl_index_open_at(int directory);
void crl_index_close(struct crl_index **index);

enum crl_status { CRL_GOOD, CRL_REVOKED, CRL_UNKNOWN };

/* Of several, the one that came nearest to an answer. */
enum crl_why {
	CRL_WHY_NOTHING, /* the status is known */
	CRL_WHY_NO_INDEX,
	CRL_WHY_DAMAGED, /* or unreadable; counts as missing */
	CRL_WHY_SCOPE,	 /* the CRL is not about such certificates */
	CRL_WHY_STALE,	 /* after nextUpdate and grace */
	CRL_WHY_NOT_YET, /* thisUpdate lies ahead */
};

struct crl_answer {
	enum crl_status status;
	enum crl_why why;
	unsigned reason;     /* CRL_REVOKED: RFC 5280 5.3.1 */
	int64_t revoked;     /* CRL_REVOKED: when */
	int64_t this_update; /* of the CRL that decided; 0: none did */
	int64_t next_update;
	bool stale; /* CRL_REVOKED: by a CRL after nextUpdate and grace */
};

/*
 * Looks up cert by its issuer's name and key, and its serial number.
 * issuer (may be NULL) tells the key when cert does not; nothing of either
 * is verified here.  grace: seconds for which a CRL still counts after
 * nextUpdate.  CRL_REVOKED also by a CRL that is stale or of another scope:
 * nobody issues a serial number twice.
 *
 * A CRL signed with another key of the same name counts where none with the
 * key that signed cert is there (RFC 5280 6.3.3 f), and no index is damaged
 * that might have that key.
 */
void crl_index_check(struct crl_index *index, X509 *cert, X509 *issuer,
    int64_t now, int64_t grace, struct crl_answer *answer);

/* Is there an index, whole or not, of certificates with this issuer? */
bool crl_index_has(struct crl_index *index, const X509_NAME *issuer);

/*
 * Is a newer CRL with the same issuer and scope here (RFC 5280 5.2.3: by
 * number, then by thisUpdate)?  Of a delta CRL: does one here, or its delta,
 * have what it has?  Allocates; for CRLs that a stranger sent.
 */
bool crl_index_has_newer(struct crl_index *index, X509_CRL *crl);

/* A few words for each, such as "no CRL of its issuer is here". */
const char *crl_why_text(enum crl_why why);
/* RFC 5280 5.3.1 by name: "keyCompromise"; "unspecified" for others. */
const char *crl_reason_text(unsigned reason);

/* Writes HHHHHHHH.iN, size at least 16; false when OpenSSL cannot hash. */
bool crl_index_name(const X509_NAME *issuer, unsigned n, char *name,
    size_t size);

#endif
