/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_CRL_PEM_H
#define CRL_FETCHER_CRL_PEM_H

/*
 * The forms in which CRLs come: DER, or PEM (RFC 7468) with CR LF, with
 * text around it, with several CRLs in a row, with a byte order mark, with
 * lines of any length; whatever the file is called.  And the one form in
 * which we write them.  Pure; the bytes are a stranger's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/der.h"
#include "common/error.h"

#define CRL_PEM_MAX 32 /* CRLs in one file */

struct crl_pem {
	size_t n;
	struct der crl[CRL_PEM_MAX]; /* DER; lies in the bytes given */
};

/*
 * Finds the CRLs in size bytes at p, decoding base64 in place.  PERM: there
 * is none, or one is malformed.  Whether it is DER in truth is left to
 * crl_walk().
 */
bool crl_pem_find(uint8_t *p, size_t size, struct crl_pem *found,
    struct error *err) __attribute__((warn_unused_result));

/* Octets that crl_pem_write() makes of n. */
size_t crl_pem_size(size_t n);

/* Writes PEM piece by piece through write, which returns false to stop. */
typedef bool crl_pem_sink(void *context, const char *text, size_t n);
bool crl_pem_write(const struct der *crl, crl_pem_sink *sink, void *context);

#endif
