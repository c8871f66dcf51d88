/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CLIENT_PATTERN_H
#define COMMON_CLIENT_PATTERN_H

/*
 * Who a client is, and the patterns of a sender group's `clients`:
 * addresses (192.0.2.1, 2001:db8::1), CIDR
 * (192.0.2.0/24), ranges (192.0.2.1-192.0.2.9), host names (mx.example),
 * `.domain` (any host below), `authenticated`, `local` (submitted by
 * sendmail(1), not SMTP), `listener:NAME`, `ALL`.  Host names match only
 * names the mail server has verified (forward-confirmed).
 */

#include <stdbool.h>

#include "common/error.h"

struct client {
	const char *address;	   /* "192.0.2.1", "2001:db8::1", "" unknown */
	const char *name;	   /* verified host name, "" unknown */
	const char *listener;	   /* {daemon_name}, "" unknown */
	const char *authenticated; /* SASL user, NULL when none */
	bool local;		   /* not over SMTP */
};

/* A pattern that is not well formed matches nobody. */
bool client_pattern_match(const char *pattern, const struct client *c);

/* Is it well formed? */
bool client_pattern_check(const char *pattern, struct error *err);

#endif
