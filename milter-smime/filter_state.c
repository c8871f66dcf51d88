/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_state.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void
filter_state_init(struct filter_state *s, const struct message *m)
{
	memset(s, 0, sizeof(*s));
	fields_init(&s->header, m);
}

void
filter_state_continue(struct filter_state *s, const struct filter_state *from)
{
	memset(s, 0, sizeof(*s));
	fields_copy(&s->header, &from->header);
	s->profile = from->profile;
	s->quarantine = from->quarantine;
	s->quarantined_by = from->quarantined_by;
	s->quarantine_reason = mem_strdup(from->quarantine_reason);
}

void
filter_state_clear(struct filter_state *s)
{
	fields_clear(&s->header);
	free(s->reply);
	free(s->quarantine_reason);
	if (s->alternative != NULL)
		filter_recipient_clear(s->alternative);
	free(s->alternative);
	filter_mail_free(&s->notify);
	filter_mail_free(&s->bcc);
	strvec_clear(&s->matched);
	strvec_clear(&s->log);
	memset(s, 0, sizeof(*s));
}

bool
filter_recipient_set(struct recipient *to, const char *address)
{
	struct error ignored;

	memset(to, 0, sizeof(*to));
	if (!mailaddr_parse(address, strlen(address), &to->address,
	    &ignored) || to->address.domain[0] == '\0') {
		mailaddr_clear(&to->address);
		return false;
	}
	to->text = mem_printf("<%s>", address);
	to->parameters = mem_strdup("");
	return true;
}

void
filter_recipient_clear(struct recipient *to)
{
	free(to->text);
	free(to->parameters);
	mailaddr_clear(&to->address);
	memset(to, 0, sizeof(*to));
}

void
filter_mail_free(struct filter_mail **mp)
{
	struct filter_mail *mail = *mp;

	if (mail == NULL)
		return;
	for (size_t i = 0; i < mail->nto; i++)
		filter_recipient_clear(&mail->to[i]);
	free(mail->to);
	strvec_clear(&mail->about);
	free(mail->subject);
	free(mail->sender);
	free(mail);
	*mp = NULL;
}
