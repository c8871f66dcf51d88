/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_FLOW_POLICY_H
#define COMMON_FLOW_POLICY_H

/*
 * Which mail flow policy holds for a client: sender groups are tried in
 * file order, the first match wins (mission row A6).
 */

#include <stdbool.h>

#include "common/client_pattern.h"
#include "common/settings.h"
#include "common/shared_settings.h"

struct flow {
	const char *group;  /* NULL: no group matched */
	const char *policy; /* name, NULL without one */
	/* Never NULL: the defaults when no group matched. */
	const struct mail_flow_policy_settings *settings;
	bool trusted;	    /* the group's */
	/*
	 * Outgoing: the policy relays; without a policy (no group, or a
	 * group that names none), an authenticated client or local
	 * submission.
	 */
	bool outgoing;
};

/* Borrows from s. */
void flow_policy_find(const struct settings *s, const struct client *c,
    struct flow *f);

#endif
