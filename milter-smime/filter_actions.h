/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_ACTIONS_H
#define MILTER_SMIME_FILTER_ACTIONS_H

/*
 * What an action of a filter does to the state of a message: edits of the
 * header take effect at once, the rest is noted.  Texts with variables
 * hold what strangers wrote; none of it ends a line.
 */

#include "filter_rules.h"
#include "filter_set.h"
#include "filter_state.h"

/*
 * f is the filter it stands in.  False: TEMP, a limit; PERM, an address
 * that a variable gave is none.
 */
bool filter_act(const struct filter *f, const struct filter_action *a,
    struct filter_context *c, struct filter_state *s, struct error *err)
    __attribute__((warn_unused_result));

#endif
