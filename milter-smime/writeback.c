/* SPDX-License-Identifier: BSD-2-Clause */
#include "writeback.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "common/mem.h"

#define CHUNK 65535 /* libmilter's own limit for one packet */

static bool
edit(SMFICTX *ctx, const struct edit *e)
{
	/* The library's prototypes lack const. */
	char *name = e->name, *value = e->value;
	int did = MI_FAILURE;

	switch (e->kind) {
	case EDIT_CHANGE:
		did = smfi_chgheader(ctx, name, (int)e->index, value);
		break;
	case EDIT_DELETE:
		did = smfi_chgheader(ctx, name, (int)e->index, NULL);
		break;
	case EDIT_APPEND:
		did = smfi_addheader(ctx, name, value);
		break;
	case EDIT_PREPEND:
		did = smfi_insheader(ctx, 0, name, value);
		break;
	}
	return did == MI_SUCCESS;
}

static bool
replace_body(SMFICTX *ctx, const struct pieces *body)
{
	for (size_t i = 0; i < body->n; i++) {
		const char *p = body->v[i].data;
		size_t n = body->v[i].len;

		while (n > 0) {
			size_t take = n < CHUNK ? n : CHUNK;

			if (smfi_replacebody(ctx, (unsigned char *)p,
			    (int)take) != MI_SUCCESS)
				return false;
			p += take;
			n -= take;
		}
	}
	/* An empty body must be said, too. */
	return body->len > 0 ||
	    smfi_replacebody(ctx, (unsigned char *)"", 0) == MI_SUCCESS;
}

/* One line of a reply: printable, and no % that somebody may expand. */
static void
clean_text(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++)
		out[n++] = *text < ' ' || *text >= 0x7f ? '?' :
		    *text == '%' ? '_' : *text;
	out[n] = '\0';
}

static sfsistat
refuse(SMFICTX *ctx, const struct outcome *o)
{
	char code[sizeof(o->code)], status[sizeof(o->status)];
	char text[sizeof(o->text)];

	clean_text(o->code, code, sizeof(code));
	clean_text(o->status, status, sizeof(status));
	clean_text(o->text, text, sizeof(text));
	smfi_setreply(ctx, code, status, text);
	return o->kind == OUTCOME_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/*
 * RFC 3461 4.3: RET=HDRS in place of what the client asked for; or no
 * sender, so that there is nobody to notify.
 */
static bool
limit_notifications(SMFICTX *ctx, const struct outcome *o,
    const struct message *m)
{
	char nobody[] = "<>";
	char *sender = o->notify_nobody ? nobody : m->sender_text;
	char *parameters = mem_strdup(m->sender_parameters);
	struct buf kept;
	char *word, *state = NULL;
	bool ok;

	buf_init(&kept, 16384);
	for (word = strtok_r(parameters, " ", &state); word != NULL;
	    word = strtok_r(NULL, " ", &state))
		if (strncasecmp(word, "ENVID=", 6) == 0)
			buf_printf(&kept, "%s ", word);
	buf_puts(&kept, "RET=HDRS");
	ok = smfi_chgfrom(ctx, sender, kept.data) == MI_SUCCESS;
	buf_clear(&kept);
	free(parameters);
	return ok;
}

sfsistat
writeback(SMFICTX *ctx, const struct outcome *o, const struct message *m)
{
	const char *queue_id = m->queue_id;

	if (o->kind == OUTCOME_DISCARD)
		return SMFIS_DISCARD;
	if (o->kind != OUTCOME_PASS)
		return refuse(ctx, o);
	for (size_t i = 0; i < o->header.nedits; i++) {
		if (!edit(ctx, &o->header.edits[i])) {
			log_error("%s: Postfix did not take a change of "
			    "header field %s", queue_id, o->header.edits[i].name);
			return SMFIS_TEMPFAIL;
		}
	}
	if (o->return_header_only && !limit_notifications(ctx, o, m)) {
		log_error("%s: Postfix did not take RET=HDRS", queue_id);
		return SMFIS_TEMPFAIL;
	}
	/* Postfix 3.7 drops the reason; the field in the header stays. */
	if (o->quarantine != NULL &&
	    smfi_quarantine(ctx, (char *)o->quarantine) != MI_SUCCESS) {
		log_error("%s: Postfix did not take the quarantine", queue_id);
		return SMFIS_TEMPFAIL;
	}
	if (o->replace_body && !replace_body(ctx, &o->body)) {
		log_error("%s: Postfix did not take the new body", queue_id);
		return SMFIS_TEMPFAIL;
	}
	return SMFIS_CONTINUE;
}
