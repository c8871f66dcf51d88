/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_set.h"

#include <stdlib.h>
#include <string.h>

static const char *const rule_names[] = {
	[RULE_TRUE] = "true",
	[RULE_VALID] = "valid",
	[RULE_ENCRYPTED] = "encrypted",
	[RULE_SIGNED] = "signed",
	[RULE_SMIME_GATEWAY_MESSAGE] = "smime-gateway-message",
	[RULE_SMIME_GATEWAY_VERIFIED] = "smime-gateway-verified",
	[RULE_AUTHENTICATED] = "authenticated",
	[RULE_HEADER] = "header",
	[RULE_SIGNED_CERTIFICATE] = "signed-certificate",
	[RULE_SUBJECT] = "subject",
	[RULE_MAIL_FROM] = "mail-from",
	[RULE_RCPT_TO] = "rcpt-to",
	[RULE_SENDERGROUP] = "sendergroup",
	[RULE_RECV_LISTENER] = "recv-listener",
	[RULE_ATTACHMENT_FILENAME] = "attachment-filename",
	[RULE_ATTACHMENT_TYPE] = "attachment-type",
	[RULE_BODY_CONTAINS] = "body-contains",
	[RULE_ONLY_BODY_CONTAINS] = "only-body-contains",
	[RULE_ATTACHMENT_CONTAINS] = "attachment-contains",
	[RULE_REMOTE_IP] = "remote-ip",
	[RULE_DATE] = "date",
	[RULE_RANDOM] = "random",
	[RULE_RCPT_COUNT] = "rcpt-count",
	[RULE_BODY_SIZE] = "body-size",
};

static const char *const action_names[] = {
	[ACTION_SMIME_GATEWAY] = "smime-gateway",
	[ACTION_DROP] = "drop",
	[ACTION_BOUNCE] = "bounce",
	[ACTION_DELIVER] = "deliver",
	[ACTION_SKIP_FILTERS] = "skip-filters",
	[ACTION_SMIME_GATEWAY_DEFERRED] = "smime-gateway-deferred",
	[ACTION_QUARANTINE] = "quarantine",
	[ACTION_INSERT_HEADER] = "insert-header",
	[ACTION_STRIP_HEADER] = "strip-header",
	[ACTION_EDIT_HEADER_TEXT] = "edit-header-text",
	[ACTION_TAG_MESSAGE] = "tag-message",
	[ACTION_LOG_ENTRY] = "log-entry",
	[ACTION_NOTIFY] = "notify",
	[ACTION_BCC] = "bcc",
	[ACTION_ALT_RCPT_TO] = "alt-rcpt-to",
	[ACTION_NO_OP] = "no-op",
};

static void
action_clear(struct filter_action *a)
{
	free(a->name);
	regex_free(&a->regex);
	for (size_t i = 0; i < FILTER_ACTION_TEXTS; i++)
		filter_text_free(&a->texts[i]);
}

void
filter_expr_free(struct filter_expr **ep)
{
	struct filter_expr *e = *ep;

	if (e == NULL)
		return;
	filter_expr_free(&e->left);
	filter_expr_free(&e->right);
	free(e->rule.name);
	regex_free(&e->rule.regex);
	strvec_clear(&e->rule.addresses);
	free(e);
	*ep = NULL;
}

static void
block_free(struct filter_block **b)
{
	if (*b != NULL)
		filter_block_clear(*b);
	free(*b);
	*b = NULL;
}

void
filter_block_clear(struct filter_block *b)
{
	for (size_t i = 0; i < b->n; i++) {
		action_clear(&b->v[i].action);
		filter_expr_free(&b->v[i].condition);
		block_free(&b->v[i].then);
		block_free(&b->v[i].otherwise);
	}
	free(b->v);
	memset(b, 0, sizeof(*b));
}

void
filter_set_cut(struct filter_set *s, size_t filters, size_t files)
{
	while (s->n > filters) {
		free(s->v[--s->n].name);
		filter_block_clear(&s->v[s->n].body);
	}
	while (s->files.n > files)
		free(s->files.v[--s->files.n]);
}

void
filter_set_clear(struct filter_set *s)
{
	filter_set_cut(s, 0, 0);
	free(s->v);
	strvec_clear(&s->files);
	memset(s, 0, sizeof(*s));
}

const struct filter *
filter_set_find(const struct filter_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

const char *
filter_rule_name(enum filter_rule_kind k)
{
	return rule_names[k];
}

const char *
filter_action_name(enum filter_action_kind k)
{
	return action_names[k];
}

bool
filter_action_is_final(enum filter_action_kind k)
{
	return k <= ACTION_SKIP_FILTERS;
}
