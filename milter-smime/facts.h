/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FACTS_H
#define MILTER_SMIME_FACTS_H

/*
 * Collects per recipient what the plan decides by: which mail policy
 * holds, its sending profile, the certificate to encrypt to, and whether
 * the recipient is named in the header.
 *
 * Mail policies are tried in file order, the first match wins;
 * default-outgoing and default-incoming come last wherever they stand.
 * `senders` match when the envelope sender or the From address does: a
 * policy for example.com must not be missed because the envelope carries a
 * bounce address.  For a policy without a profile, which exempts, both must
 * match.  A From field that cannot be read counts as matching wherever the
 * pattern stands in it.
 */

#include <stdbool.h>

#include "certs.h"
#include "common/settings.h"
#include "message.h"
#include "plan.h"

/*
 * from may be NULL.  Fills f->recipients (freed by facts_clear());
 * borrows from s.  False: TEMP, a store cannot be asked now; PERM, a
 * recipient is written in a way that Postfix and we may read differently,
 * and mail of this direction may have to be protected.
 */
bool facts_find(const struct settings *s, const struct certs_rules *rules,
    const struct message *m, const struct mailaddr *from, bool outgoing,
    struct plan_facts *f, struct error *err)
    __attribute__((warn_unused_result));
void facts_clear(struct plan_facts *f);

#endif
