/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_actions.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "header_text.h"

#define TEXT_MAX (1 << 20) /* of a text with its variables */
#define FIELD_MAX MESSAGE_MAX_HEADER_BYTES
#define LOG_ENTRY_MAX 1000
#define LOG_ENTRIES_MAX 100
#define TAG_FIELD "X-Message-Tag"

/* What variables are taken from. */
struct source {
	const struct filter *f;
	struct filter_context *c;
	const struct filter_state *s;
	/*
	 * The text goes to who sent the message, who may not be who wrote
	 * what we decrypted: nothing of that, then.
	 */
	bool to_sender;
	/* While a header text is edited: */
	const char *text;
	struct regex_match match;
};

/* ---- variables ---- */

static void
put_time(struct buf *out, enum filter_variable v)
{
	time_t now = clock_now();
	char text[64] = "";
	struct tm tm;

	if (v == VARIABLE_GMT_TIMESTAMP)
		gmtime_r(&now, &tm);
	else
		localtime_r(&now, &tm);
	if (v == VARIABLE_DATE)
		strftime(text, sizeof(text), "%m/%d/%Y", &tm);
	else if (v == VARIABLE_TIME)
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	else
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	buf_puts(out, text);
}

static void
put_address(struct buf *out, const char *text, const struct mailaddr *a)
{
	char *address = filter_address(text, a);

	buf_puts(out, address);
	free(address);
}

static void
put_recipients(struct buf *out, const struct filter_context *c)
{
	for (size_t i = 0; i < c->nto; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		put_address(out, c->to[i]->text, &c->to[i]->address);
	}
}

static bool
is_hidden(const struct source *from)
{
	return from->to_sender && from->c->decrypted;
}

static void
put_field(struct buf *out, const struct source *from, const char *name)
{
	const struct field *field = fields_find(&from->s->header, name, 0);
	const struct header *h = message_header(from->c->m, name, 0);
	const char *value = field == NULL ? NULL : field->value;

	if (is_hidden(from))
		value = h == NULL ? NULL : h->value;
	if (value != NULL)
		header_text_decode(value, strlen(value), out);
}

static void
put_all_fields(struct buf *out, const struct source *from)
{
	const struct message *m = from->c->m;
	const struct fields *header = &from->s->header;

	if (is_hidden(from))
		for (size_t i = 0; i < m->nheaders; i++)
			buf_printf(out, "%s:%s\n", m->headers[i].name,
			    m->headers[i].value);
	else
		for (size_t i = 0; i < header->n; i++)
			buf_printf(out, "%s:%s\n", header->v[i].name,
			    header->v[i].value);
}

static void
put_signers(struct buf *out, const struct verdict *v)
{
	bool first = true;

	for (size_t i = 0; i < v->nsigners; i++) {
		if (v->signers[i].address == NULL)
			continue;
		buf_printf(out, "%s%s", first ? "" : ", ",
		    v->signers[i].address);
		first = false;
	}
}

static void
put_part(struct buf *out, enum filter_variable v, const struct mail_part *p)
{
	if (v == VARIABLE_FILE_SIZES)
		buf_printf(out, "%zu", p->size);
	else if (v == VARIABLE_FILE_TYPES)
		buf_puts(out, p->type);
	else
		buf_puts(out, p->filename == NULL ? "" : p->filename);
}

/* Of the attachments; nothing when the text cannot be read. */
static void
put_attachments(struct buf *out, enum filter_variable v,
    struct filter_context *c)
{
	struct error ignored;
	struct mail_text *t = filter_context_text(c, &ignored);
	bool first = true;

	for (size_t i = 0; t != NULL && i < mail_text_count(t); i++) {
		const struct mail_part *p = mail_text_part(t, i);

		if (!p->attachment)
			continue;
		if (!first)
			buf_puts(out, ", ");
		put_part(out, v, p);
		first = false;
	}
}

static const char *
or_unknown(const char *name)
{
	return name == NULL ? ">Unknown<" : name;
}

static void
put_variable(void *context, enum filter_variable v, const char *name,
    struct buf *out)
{
	const struct source *from = context;
	struct filter_context *c = from->c;

	switch (v) {
	case VARIABLE_ALL_HEADERS:
		put_all_fields(out, from);
		break;
	case VARIABLE_BODY_SIZE:
		buf_printf(out, "%zu", filter_message_size(c->m));
		break;
	case VARIABLE_CERTIFICATE_SIGNERS:
		put_signers(out, c->verdict);
		break;
	case VARIABLE_DATE:
	case VARIABLE_GMT_TIMESTAMP:
	case VARIABLE_TIME:
	case VARIABLE_TIMESTAMP:
		put_time(out, v);
		break;
	case VARIABLE_ENVELOPE_FROM:
		put_address(out, c->m->sender_text, &c->m->sender);
		break;
	case VARIABLE_ENVELOPE_RECIPIENTS:
		put_recipients(out, c);
		break;
	case VARIABLE_FILE_NAMES:
	case VARIABLE_FILE_SIZES:
	case VARIABLE_FILE_TYPES:
		if (!is_hidden(from))
			put_attachments(out, v, c);
		break;
	case VARIABLE_FILTER_NAME:
		buf_puts(out, from->f->name);
		break;
	case VARIABLE_GROUP:
		buf_puts(out, or_unknown(c->flow->group));
		break;
	case VARIABLE_HEADER:
		put_field(out, from, name);
		break;
	case VARIABLE_HOSTNAME:
		buf_puts(out, c->hostname);
		break;
	case VARIABLE_MATCHED_CONTENT:
		if (!is_hidden(from))
			buf_puts(out, c->matched);
		break;
	case VARIABLE_MID:
		buf_puts(out, c->m->queue_id);
		break;
	case VARIABLE_POLICY:
		buf_puts(out, or_unknown(c->flow->policy));
		break;
	case VARIABLE_RECV_LISTENER:
		buf_puts(out, c->m->listener);
		break;
	case VARIABLE_REMOTE_HOST:
		buf_puts(out, c->m->client_name);
		break;
	case VARIABLE_REMOTE_IP:
		buf_puts(out, c->m->client_address);
		break;
	case VARIABLE_SUBJECT:
		put_field(out, from, "Subject");
		break;
	}
}

static void
put_group(void *context, unsigned group, struct buf *out)
{
	const struct source *from = context;

	buf_append(out, from->text + from->match.groups[group].off,
	    from->match.groups[group].len);
}

/* free(3); NULL for an argument that was not given. */
static char *
expand(const struct filter_text *t, struct source *from)
{
	struct buf out;

	if (t == NULL)
		return NULL;
	buf_init(&out, TEXT_MAX);
	filter_text_expand(t, put_variable, NULL, from, &out);
	return buf_take(&out);
}

/* ---- header ---- */

/* A value that may travel; free(3). */
static char *
encode(const char *name, const char *text)
{
	struct buf value;

	buf_init(&value, 4 * FIELD_MAX);
	header_text_encode(text, strlen(text), strlen(name), &value);
	return buf_take(&value);
}

/* In place of what an earlier filter inserted under that name. */
static void
insert_header(struct filter_state *s, const char *name, const char *text)
{
	char *value = encode(name, text);
	size_t at = s->header.n;

	for (size_t i = 0; i < s->header.n; i++) {
		const struct field *field = &s->header.v[i];

		if (field->edit > 0 && strcasecmp(field->name, name) == 0 &&
		    s->header.edits[field->edit - 1].kind == EDIT_APPEND)
			at = i;
	}
	if (at < s->header.n)
		fields_change(&s->header, at, value);
	else
		fields_append(&s->header, name, value);
	free(value);
}

/*
 * Fields whose text has a syntax: decoded, a comma or bracket in a display
 * name would become one of the list.
 */
static bool
is_structured(const char *name)
{
	static const char *const names[] = {"From", "Sender", "Reply-To", "To",
		"Cc", "Bcc", "Message-ID", "In-Reply-To", "References",
		"Date", NULL};

	for (size_t i = 0; names[i] != NULL; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return strncasecmp(name, "Resent-", 7) == 0;
}

/*
 * The text of a field to edit: decoded where it is free, else the value as
 * it stands, folds and all.
 */
static void
field_text(const struct field *field, struct buf *text)
{
	if (is_structured(field->name))
		buf_puts(text, field->value + strspn(field->value, " \t"));
	else
		header_text_decode(field->value, strlen(field->value), text);
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* As a value again; what strangers wrote must not become a line. */
static char *
field_value(const struct field *field, const struct buf *text,
    struct error *err)
{
	char *value;

	if (!is_structured(field->name))
		return encode(field->name, buf_text(text));
	if (!is_ascii(buf_text(text)) && is_ascii(field->value)) {
		error_perm(err, "field %.60s takes US-ASCII only",
		    field->name);
		return NULL;
	}
	value = mem_printf(" %s", buf_text(text));
	for (char *p = value; *p != '\0'; p++) {
		bool fold = *p == '\n' && (p[1] == ' ' || p[1] == '\t');

		if (*p == 0x7f || ((unsigned char)*p < ' ' && *p != '\t' &&
		    !fold))
			*p = ' ';
	}
	return value;
}

/* Its length; of bytes that are none, one. */
static size_t
character(const char *p, size_t n)
{
	uint32_t cp;
	size_t len = n == 0 ? 0 : utf8_decode(p, n, &cp);

	return len == 0 && n > 0 ? 1 : len;
}

/* All matches of the expression in text, replaced; *count of them. */
static bool
replace_all(const struct filter_action *a, struct source *from,
    const struct buf *text, struct buf *out, size_t *count,
    struct error *err)
{
	const struct regex_match *m = &from->match;
	size_t at = 0;
	bool found = true;

	*count = 0;
	from->text = buf_text(text);
	while (at <= text->len) {
		size_t end;

		if (!regex_find(a->regex, from->text, text->len, at, &found,
		    &from->match, err))
			return false;
		if (!found)
			break;
		(*count)++;
		end = m->groups[0].off + m->groups[0].len;
		buf_append(out, from->text + at, m->groups[0].off - at);
		filter_text_expand(a->texts[0], put_variable, put_group, from,
		    out);
		at = end;
		if (m->groups[0].len > 0)
			continue;
		/* After an empty match one character goes by. */
		at += character(from->text + end, text->len - end);
		buf_append(out, from->text + end, at - end);
		if (end == text->len)
			break;
	}
	if (at < text->len)
		buf_append(out, from->text + at, text->len - at);
	return (!out->overflow && !text->overflow) || error_perm(err,
	    "the edited text is longer than %zu bytes", out->max);
}

static bool
edit_header(const struct filter_action *a, struct source *from,
    struct filter_state *s, struct error *err)
{
	struct buf text, edited;
	size_t count;
	bool ok = true;

	buf_init(&text, 4 * FIELD_MAX);
	buf_init(&edited, 4 * FIELD_MAX);
	for (size_t i = 0; ok && i < s->header.n; i++) {
		const struct field *field = &s->header.v[i];
		char *value;

		if (strcasecmp(field->name, a->name) != 0)
			continue;
		buf_reset(&text);
		buf_reset(&edited);
		field_text(field, &text);
		ok = replace_all(a, from, &text, &edited, &count, err);
		if (!ok || count == 0)
			continue;
		value = field_value(field, &edited, err);
		ok = value != NULL;
		if (ok)
			fields_change(&s->header, i, value);
		free(value);
	}
	buf_clear(&text);
	buf_clear(&edited);
	return ok;
}

static void
tag(struct filter_state *s, const char *text)
{
	fields_delete_named(&s->header, TAG_FIELD, NULL, NULL);
	insert_header(s, TAG_FIELD, text);
}

/* ---- mail of our own ---- */

static void
add_recipient(struct filter_mail *mail, const char *address)
{
	mail->to = mem_resize(mail->to, mail->nto + 1, sizeof(*mail->to));
	if (filter_recipient_set(&mail->to[mail->nto], address))
		mail->nto++;
}

/* One address, or all recipients. */
static void
add_recipients(struct filter_mail *mail, const struct filter_text *t,
    struct source *from)
{
	const struct filter_context *c = from->c;
	char *address;

	mail->discreet = filter_text_is_variable(t,
	    VARIABLE_ENVELOPE_RECIPIENTS);
	if (!mail->discreet) {
		address = expand(t, from);
		add_recipient(mail, address);
		free(address);
	}
	for (size_t i = 0; i < c->nto; i++) {
		address = filter_address(c->to[i]->text,
		    &c->to[i]->address);
		if (mail->discreet)
			add_recipient(mail, address);
		else
			strvec_add(&mail->about, address);
		free(address);
	}
}

/* Nobody to send to (the null sender, say): no mail. */
static void
ask_for_mail(const struct filter_action *a, struct source *from,
    struct filter_mail **slot)
{
	struct filter_mail *mail = mem_alloc(sizeof(*mail));

	from->to_sender = filter_text_is_variable(a->texts[0],
	    VARIABLE_ENVELOPE_FROM);
	mail->filter = from->f->name;
	mail->subject = expand(a->texts[1], from);
	mail->sender = expand(a->texts[2], from);
	add_recipients(mail, a->texts[0], from);
	filter_mail_free(slot);
	/* A copy of what was inside is not for who sent it to us. */
	if (mail->nto == 0 || (a->kind == ACTION_BCC && is_hidden(from)))
		filter_mail_free(&mail);
	*slot = mail;
}

/* Nobody is told of a copy, not even that it could not be delivered. */
static void
ask_for_copy(const struct filter_action *a, struct source *from,
    struct filter_state *s)
{
	ask_for_mail(a, from, &s->bcc);
	for (size_t i = 0; s->bcc != NULL && s->bcc->sender == NULL &&
	    i < s->bcc->nto; i++) {
		free(s->bcc->to[i].parameters);
		s->bcc->to[i].parameters = mem_strdup("NOTIFY=NEVER");
	}
}

/* The null sender is nobody's address: the recipients stay. */
static void
set_alternative(const struct filter_action *a, struct source *from,
    struct filter_state *s)
{
	char *address = expand(a->texts[0], from);
	struct recipient to;
	bool usable = filter_recipient_set(&to, address);

	free(address);
	if (!usable)
		return;
	if (s->alternative == NULL)
		s->alternative = mem_alloc(sizeof(*s->alternative));
	else
		filter_recipient_clear(s->alternative);
	*s->alternative = to;
}

static void
log_entry(struct filter_state *s, const struct filter *f, const char *text)
{
	struct buf line;

	if (s->log.n >= LOG_ENTRIES_MAX)
		return;
	buf_init(&line, 4 * LOG_ENTRY_MAX + 200);
	buf_printf(&line, "filter=%s entry=\"", f->name);
	log_escape(&line, text, strnlen(text, LOG_ENTRY_MAX));
	/* Only we end a value. */
	for (char *p = strchr(line.data, '"') + 1; *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	buf_puts(&line, "\"");
	strvec_take(&s->log, buf_take(&line));
}

/* Why: what is wrong with S/MIME.  Never text of the message. */
static void
quarantine(struct filter_state *s, const struct filter *f,
    const struct filter_context *c, const char *name)
{
	s->quarantine = name;
	s->quarantined_by = f->name;
	free(s->quarantine_reason);
	s->quarantine_reason = NULL;
	if (c->verdict->reason[0] != '\0')
		s->quarantine_reason = mem_strdup(c->verdict->reason);
}

/* ---- final ---- */

static void
end(struct filter_state *s, enum filter_end how, const struct filter *f)
{
	s->end = how;
	s->ended_by = f->name;
}

bool
filter_act(const struct filter *f, const struct filter_action *a,
    struct filter_context *c, struct filter_state *s, struct error *err)
{
	struct source from = {.f = f, .c = c, .s = s};
	char *text = NULL;
	bool ok = true;

	if (a->kind != ACTION_NO_OP && a->kind != ACTION_LOG_ENTRY)
		s->changed = true;
	switch (a->kind) {
	case ACTION_SMIME_GATEWAY:
		s->profile = a->name;
		end(s, FILTER_SENT, f);
		break;
	case ACTION_DROP:
		end(s, FILTER_DROPPED, f);
		break;
	case ACTION_BOUNCE:
		from.to_sender = true;
		free(s->reply);
		s->reply = expand(a->texts[0], &from);
		end(s, FILTER_BOUNCED, f);
		break;
	case ACTION_DELIVER:
		end(s, FILTER_DELIVERED, f);
		break;
	case ACTION_SKIP_FILTERS:
		end(s, FILTER_SKIPPED, f);
		break;
	case ACTION_SMIME_GATEWAY_DEFERRED:
		s->profile = a->name;
		break;
	case ACTION_QUARANTINE:
		quarantine(s, f, c, a->name);
		break;
	case ACTION_INSERT_HEADER:
		text = expand(a->texts[0], &from);
		insert_header(s, a->name, text);
		break;
	case ACTION_STRIP_HEADER:
		fields_delete_named(&s->header, a->name, NULL, NULL);
		break;
	case ACTION_EDIT_HEADER_TEXT:
		ok = edit_header(a, &from, s, err);
		break;
	case ACTION_TAG_MESSAGE:
		text = expand(a->texts[0], &from);
		tag(s, text);
		break;
	case ACTION_LOG_ENTRY:
		text = expand(a->texts[0], &from);
		log_entry(s, f, text);
		break;
	case ACTION_NOTIFY:
		ask_for_mail(a, &from, &s->notify);
		break;
	case ACTION_BCC:
		ask_for_copy(a, &from, s);
		break;
	case ACTION_ALT_RCPT_TO:
		set_alternative(a, &from, s);
		break;
	case ACTION_NO_OP:
		break;
	}
	free(text);
	return ok || error_prefix(err, "action %s", filter_action_name(
	    a->kind));
}
