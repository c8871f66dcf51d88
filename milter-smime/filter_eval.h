/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_FILTER_EVAL_H
#define MILTER_SMIME_FILTER_EVAL_H

/*
 * Runs a filter on a message: rules decide, actions change the state.
 * Nothing leaves the process.
 */

#include "filter_rules.h"
#include "filter_set.h"
#include "filter_state.h"

/*
 * Runs f, unless it is inactive or the state has ended.  False, with
 * "filter NAME: …": TEMP, a limit was hit or there is no room;
 * PERM, the message cannot be judged.  Then nothing of the state counts.
 */
bool filter_eval(const struct filter *f, struct filter_context *c,
    struct filter_state *s, struct error *err)
    __attribute__((warn_unused_result));

#endif
