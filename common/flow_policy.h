/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_FLOW_POLICY_H
#define COMMON_FLOW_POLICY_H

/*
 * Which mail flow policy holds for a client: sender groups are tried in
 * file order, the first match wins (mission row A6).
 *
 * A group's `clients` are addresses (192.0.2.1, 2001:db8::1), CIDR
 * (192.0.2.0/24), ranges (192.0.2.1-192.0.2.9), host names (mx.example),
 * `.domain` (any host below), `authenticated`, `local` (submitted by
 * sendmail(1), not SMTP), `listener:NAME`, `ALL`.  Host names match only
 * names the mail server has verified (forward-confirmed).
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/settings.h"
#include "common/shared_settings.h"

struct client {
	const char *address;	   /* "192.0.2.1", "2001:db8::1", "" unknown */
	const char *name;	   /* verified host name, "" unknown */
	const char *listener;	   /* {daemon_name}, "" unknown */
	const char *authenticated; /* SASL user, NULL when none */
	bool local;		   /* not over SMTP */
};

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

/* One entry of `clients`: is it well formed? For sender_group_section. */
bool flow_policy_check_client(const char *entry, struct error *err);

#endif
