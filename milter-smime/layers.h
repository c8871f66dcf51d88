/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_LAYERS_H
#define MILTER_SMIME_LAYERS_H

/*
 * A message's S/MIME layers, taken apart from outside in: signed in
 * enveloped, triple-wrapped (RFC 2634), opaque in opaque.  Only what is the
 * whole content of a layer is looked at, never a part of it (EFAIL).
 */

#include <stdbool.h>
#include <stddef.h>

#include "entity.h"
#include "gateway.h"
#include "protected_headers.h"
#include "smime_kind.h"
#include "smime_verify.h"
#include "verdict.h"

#define LAYERS_MAX 8

struct layer {
	struct entity entity; /* what carries the layer */
	struct smime_kind kind;
	struct verdict verdict;	       /* of a signature */
	struct signed_content content; /* what was signed */
	struct spool *plain;	       /* what was encrypted; NULL: closed */
	bool opened;		       /* what it carries is the next, or innermost */
};

/* Owns all bytes that outcomes may borrow. */
struct layers {
	struct layer v[LAYERS_MAX];
	size_t n;
	struct entity innermost; /* inside all layers that could be opened */
	int last_opened; /* index of the innermost opened envelope, or -1 */
};

/* Whom a signature must name; address NULL: nobody, for this reason. */
struct claimed_sender {
	const struct mailaddr *address;
	const char *problem;
};

void layers_init(struct layers *l);
void layers_clear(struct layers *l);

/*
 * Takes the message's entity over and takes it apart; with judge, opens
 * and verifies and sums up in v: all signatures must hold, and one signer
 * be the sender (another may be the sender's gateway, or whose mail it is
 * that the sender passes on).  The innermost speaks for the content; when
 * it is another's, the next around it does, unless encryption lies between.
 * Without judge layers are recognised, up to the first that is encrypted.
 * Fails only with TEMP.
 */
bool layers_take_apart(struct layers *l, const struct gateway *g,
    struct entity *message, const struct claimed_sender *from, bool judge,
    struct verdict *v, struct error *err)
    __attribute__((warn_unused_result));

/* The message as it came. */
const struct entity *layers_outermost(const struct layers *l);

/*
 * What is inside all layers of a message that was judged as v, if all could
 * be opened; borrows from l.
 */
void layers_payload(const struct layers *l, const struct verdict *v,
    struct payload *p);

/*
 * Is there a signature, a well-formed envelope, from the layer of that
 * index on inwards?
 */
bool layers_have_signature(const struct layers *l, size_t from);
bool layers_have_envelope(const struct layers *l, size_t from);

#endif
