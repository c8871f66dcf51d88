/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_PUBLISH_H
#define CRL_FETCHER_PUBLISH_H

/*
 * The directory in which everybody finds the CRLs: HHHHHHHH.rN for OpenSSL
 * (PEM, its hashed layout), HHHHHHHH.iN for our own programs (the index,
 * common/crl_index_file.h).  N counts from 0 without gaps, apart for each
 * of the two.
 *
 * One series is what one issuer signs with one key for one scope.  A new
 * CRL takes the place of the one of its series; both its files are on the
 * disk before the first of them gets its name.  CRLs wait for each other
 * before that, as one fsync(2) after the other is cheaper than each alone.
 *
 * One writer at a time (the caller holds the lock).
 */

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "common/buf.h"
#include "common/error.h"
#include "crl_check.h"
#include "crl_walk.h"

#define PUBLISH_NAME_SIZE 24 /* HHHHHHHH.rN */

struct publish;

/*
 * The directory must be ours or root's, and writable by nobody else.
 * rotate: further HHHHHHHH.rN that a program finds that never looks at the
 * same name twice; 0: none, files are replaced.
 */
struct publish *publish_open(const char *directory, unsigned rotate,
    struct error *err);
void publish_close(struct publish **p);

/* Removes what killed runs left; under the lock, before anything is put. */
void publish_clean(const struct publish *p);

/* Has what was put, if it waits for so many milliseconds, get its names. */
void publish_settle(struct publish *p, int64_t age);

/*
 * All that was put has its names, and survives a crash from here on.
 * False: not all of it; what is not there did not replace anything.
 */
bool publish_flush(struct publish *p, struct error *err)
    __attribute__((warn_unused_result));

/* Do the indexes here, with what was put, list the certificate as revoked? */
bool publish_is_revoked(struct publish *p, X509 *cert, int64_t now);

/* What is to be published; all borrowed. */
struct publication {
	const struct crl_walk *crl;
	struct der digest; /* SHA-256 of its DER */
	X509 *issuer;	   /* the certificate that signed it */
	const char *source;
	bool sole; /* the only CRL of its source: other keys' are replaced */
	bool mapped; /* crl lies in a mapped body that nobody wrote to */
	const struct crl_walk *delta; /* to be merged; NULL: none */
	struct der delta_digest;
	int64_t now;
};

/* What is there of a series. */
struct publish_held {
	bool found;	  /* index or PEM file */
	bool index_whole; /* the index is; file is open then */
	bool pem_there;
	bool other_scope; /* not found, but its source gave us another scope */
	unsigned index, pem; /* N of each; where they are to be written */
	struct crl_index_file file;
	struct crl_held crl; /* when found */
	struct buf bytes;    /* what crl lies in, without an index */
	uint8_t digest[32];
};

/* TEMP when the directory cannot be read. Clear h in any case. */
bool publish_find(struct publish *p, const struct publication *pub,
    struct publish_held *h, struct error *err)
    __attribute__((warn_unused_result));
void publish_held_clear(struct publish_held *h);

/*
 * Writes what h says is missing or older.  The names of both files are
 * told, PUBLISH_NAME_SIZE each.  They are there after publish_flush().
 */
bool publish_put(struct publish *p, const struct publication *pub,
    const struct publish_held *h, char *index_name, char *pem_name,
    struct error *err) __attribute__((warn_unused_result));

/* Reads a PEM file of the directory. */
bool publish_read(const struct publish *p, const char *name, struct buf *out,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Is the file there and its size as given; is the index whole and of this
 * CRL?  Neither counts behind a gap in N, where nobody looks.
 */
bool publish_has_pem(const struct publish *p, const char *name, size_t size);
bool publish_has_index(const struct publish *p, const char *name,
    const char *digest_hex);

/*
 * Writes a file of all PEM files of the indexes in the directory, after
 * the text before (PEM; may be empty).  False, too, when it was written
 * without the CRL of a damaged index.
 */
bool publish_bundle(const struct publish *p, const char *path,
    const struct buf *before, struct error *err)
    __attribute__((warn_unused_result));

/* Calls visit for every index, whole or damaged (f NULL), by name. */
typedef void publish_visit(void *context, const char *name,
    const struct crl_index_file *f);
bool publish_each(const char *directory, publish_visit *visit, void *context,
    struct error *err) __attribute__((warn_unused_result));

#endif
