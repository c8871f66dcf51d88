/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_VERIFY_H
#define MILTER_SMIME_SMIME_VERIFY_H

/*
 * Verifies a signed entity (RFC 8551, 8550, 5652) and says who signed it.
 * Never fails because of what a message holds: that is a verdict.
 */

#include <stdbool.h>
#include <time.h>

#include "common/ca_list.h"
#include "common/cert_db.h"
#include "common/mailaddr.h"
#include "entity.h"
#include "smime_kind.h"
#include "trust.h"
#include "verdict.h"

/* By whose word we believe; borrowed. */
struct verify_rules {
	struct ca_list *ca;
	struct cert_db *known; /* may be NULL: none */
	enum trust_rule trust;
	int64_t rsa_minimum;
	bool check_revocation;
	bool missing_crl_rejects;
	time_t at;
};

/* The bytes that were signed; kept by spool or lying in the entity. */
struct signed_content {
	const char *data;
	size_t len;
	struct spool *spool; /* NULL: borrowed from the entity */
};

/*
 * k is the kind of e, signed or claiming to be.  from is the message's
 * single From address, or NULL with from_error the reason there is none.
 * content is filled in when the kind has any.  Fails only with TEMP (no
 * room).
 */
bool smime_verify(const struct verify_rules *rules, const struct entity *e,
    const struct smime_kind *k, const struct mailaddr *from,
    const char *from_error, const struct spool_place *place,
    struct verdict *v, struct signed_content *content, struct error *err)
    __attribute__((warn_unused_result));

/*
 * The content alone, whether or not a signature holds; k is not malformed.
 * Fails only with TEMP.
 */
bool smime_signed_content(const struct entity *e,
    const struct smime_kind *k, const struct spool_place *place,
    struct signed_content *content, struct error *err)
    __attribute__((warn_unused_result));

void signed_content_clear(struct signed_content *c);

#endif
