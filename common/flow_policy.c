/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/flow_policy.h"

#include <assert.h>
#include <string.h>

/* What holds without a group: the defaults of mail_flow_policy_section. */
static const struct mail_flow_policy_settings no_policy = {
	.behavior = BEHAVIOR_ACCEPT,
	.tls = POLICY_TLS_PREFERRED,
	.smime_signature = SIGNATURE_KEEP,
};

static bool
is_authenticated(const struct client *c)
{
	return c->authenticated != NULL && *c->authenticated != '\0';
}

static bool
group_matches(const struct sender_group_settings *group,
    const struct client *c)
{
	for (size_t i = 0; i < group->clients.n; i++)
		if (client_pattern_match(group->clients.v[i], c))
			return true;
	return false;
}

void
flow_policy_find(const struct settings *s, const struct client *c,
    struct flow *f)
{
	size_t n = settings_count(s, "sender-group");

	memset(f, 0, sizeof(*f));
	f->settings = &no_policy;
	f->outgoing = is_authenticated(c) || c->local;
	for (size_t i = 0; i < n; i++) {
		const char *name = NULL;
		const struct sender_group_settings *group =
		    settings_at(s, "sender-group", i, &name);

		if (group_matches(group, c)) {
			f->group = name;
			f->trusted = group->trusted;
			f->policy = group->mail_flow_policy;
			break;
		}
	}
	if (f->policy == NULL)
		return;
	f->settings = settings_find(s, "mail-flow-policy", f->policy);
	assert(f->settings != NULL); /* a PARAM_REF was checked */
	f->outgoing = f->settings->behavior == BEHAVIOR_RELAY;
}
