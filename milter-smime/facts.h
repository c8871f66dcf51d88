/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FACTS_H
#define MILTER_SMIME_FACTS_H

/*
 * Collects per recipient what the plan decides by: which mail policy
 * holds, and its sending profile.
 *
 * Mail policies are tried in file order, the first match wins;
 * default-outgoing and default-incoming come last wherever they stand.
 * `senders` match when the envelope sender or the From address does: a
 * policy for example.com must not be missed because the envelope carries a
 * bounce address.
 */

#include "common/settings.h"
#include "message.h"
#include "plan.h"

/*
 * from may be NULL.  Fills f->recipients (freed by facts_clear());
 * borrows from s.
 */
void facts_find(const struct settings *s, const struct message *m,
    const struct mailaddr *from, bool outgoing, struct plan_facts *f);
void facts_clear(struct plan_facts *f);

#endif
