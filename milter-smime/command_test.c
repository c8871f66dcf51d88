/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal smime test`: the milter's pipeline on a message file.  Nothing
 * is sent, nothing is changed.
 */
#include "command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "pipeline.h"
#include "smime_settings.h"

struct request {
	const char *from, *client, *client_name, *listener, *authenticated;
	const char *trust, *out, *file;
	FILE *message;
	struct strvec to;
	bool local, json;
	struct pipeline_options options;
};

enum choice { OPT_FROM = 256, OPT_TO, OPT_CLIENT, OPT_NAME, OPT_LISTENER,
	OPT_AUTH, OPT_LOCAL, OPT_DIRECTION, OPT_AT, OPT_TRUST, OPT_JSON,
	OPT_OUT };

static const struct option options[] = {
	{"from", required_argument, NULL, OPT_FROM},
	{"to", required_argument, NULL, OPT_TO},
	{"client", required_argument, NULL, OPT_CLIENT},
	{"client-name", required_argument, NULL, OPT_NAME},
	{"listener", required_argument, NULL, OPT_LISTENER},
	{"authenticated", required_argument, NULL, OPT_AUTH},
	{"local", no_argument, NULL, OPT_LOCAL},
	{"direction", required_argument, NULL, OPT_DIRECTION},
	{"at", required_argument, NULL, OPT_AT},
	{"trust", required_argument, NULL, OPT_TRUST},
	{"json", no_argument, NULL, OPT_JSON},
	{"out", required_argument, NULL, OPT_OUT},
	{NULL, 0, NULL, 0},
};

static bool
set_direction(struct request *r, const char *text)
{
	if (strcmp(text, "outgoing") == 0)
		r->options.direction = FORCE_OUTGOING;
	else if (strcmp(text, "incoming") == 0)
		r->options.direction = FORCE_INCOMING;
	else
		log_error("--direction %s: write outgoing or incoming", text);
	return r->options.direction != DIRECTION_BY_CLIENT;
}

static bool
set_time(const char *text)
{
	time_t at;

	if (!clock_parse(text, &at)) {
		log_error("--at %s: write 2026-01-31, 2026-01-31T12:00:00Z or "
		    "@SECONDS", text);
		return false;
	}
	clock_set(at);
	return true;
}

static bool
set_client(struct request *r, const char *text)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) != 1 &&
	    inet_pton(AF_INET6, text, address) != 1) {
		log_error("--client %s: not an IP address", text);
		return false;
	}
	r->client = text;
	return true;
}

static bool
add_recipient(struct request *r, const char *text)
{
	struct mailaddr a = {0};
	struct error err;
	bool ok = mailaddr_parse(text, strlen(text), &a, &err);

	mailaddr_clear(&a);
	if (!ok)
		log_error("--to %s: %s", text, err.text);
	else
		strvec_add(&r->to, text);
	return ok;
}

static bool
take_option(struct request *r, int c)
{
	switch (c) {
	case OPT_FROM:
		r->from = optarg;
		return true;
	case OPT_TO:
		return add_recipient(r, optarg);
	case OPT_CLIENT:
		return set_client(r, optarg);
	case OPT_NAME:
		r->client_name = optarg;
		return true;
	case OPT_LISTENER:
		r->listener = optarg;
		return true;
	case OPT_AUTH:
		r->authenticated = optarg;
		return true;
	case OPT_LOCAL:
		r->local = true;
		return true;
	case OPT_DIRECTION:
		return set_direction(r, optarg);
	case OPT_AT:
		return set_time(optarg);
	case OPT_TRUST:
		r->trust = optarg;
		return true;
	case OPT_JSON:
		r->json = true;
		return true;
	case OPT_OUT:
		r->out = optarg;
		return true;
	default:
		return false;
	}
}

static bool
parse_arguments(struct request *r, int argc, char **argv)
{
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(r, c))
			return false;
	if (optind + 1 != argc) {
		log_error("test: name one message file, or - for standard "
		    "input");
		return false;
	}
	r->file = argv[optind];
	return true;
}

static void
set(char **to, const char *text)
{
	if (text == NULL)
		return;
	free(*to);
	*to = mem_strdup(text);
}

/* With no --to: those the message itself names. */
static void
add_named_recipients(struct message *m)
{
	static const char *const names[] = {"To", "Cc"};
	struct strvec list = {0};
	struct error ignored;

	for (size_t i = 0; i < 2; i++) {
		const struct header *h = message_header(m, names[i], 0);

		if (h != NULL && !mailaddr_list(h->value, strlen(h->value),
		    &list, &ignored))
			strvec_clear(&list);
	}
	for (size_t i = 0; i < list.n; i++)
		message_add_recipient(m, list.v[i], "");
	if (m->nrecipients == 0)
		message_add_recipient(m, "<postmaster>", "");
	strvec_clear(&list);
}

static bool
fill_message(const struct request *r, struct message *m, struct error *err)
{
	struct mailaddr from = {0};
	struct error ignored;
	char *sender;
	bool ok;

	ok = message_read(m, r->message, err);
	if (!ok)
		return error_prefix(err, "%s", r->file);
	set(&m->queue_id, "test");
	set(&m->client_address, r->client);
	set(&m->client_name, r->client_name);
	set(&m->listener, r->listener);
	set(&m->authenticated, r->authenticated);
	m->local = r->local;
	if (r->from != NULL) {
		message_set_sender(m, r->from, "");
	} else if (message_from(m, &from, &ignored)) {
		sender = mailaddr_format(&from);
		message_set_sender(m, sender, "");
		free(sender);
	}
	mailaddr_clear(&from);
	for (size_t i = 0; i < r->to.n; i++)
		message_add_recipient(m, r->to.v[i], "");
	if (r->to.n == 0)
		add_named_recipients(m);
	return true;
}

/* ---- what to show ---- */

/* JSON is UTF-8; what is not is shown escaped. */
static json_t *
text_json(const char *text)
{
	struct buf escaped;
	json_t *j;

	if (text == NULL)
		return json_null();
	buf_init(&escaped, 4 * strlen(text) + 1);
	log_escape(&escaped, text, strlen(text));
	j = json_string(buf_text(&escaped));
	buf_clear(&escaped);
	return j;
}

static void
put(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, text_json(text));
}

static json_t *
steps_json(const struct delivery *d)
{
	const struct {
		bool wanted;
		const char *name;
	} steps[] = {
		{d->decrypt, "decrypt"}, {d->verify, "verify"},
		{d->remove_signature, "remove-signature"},
		{d->sign, "sign"}, {d->encrypt, "encrypt"},
		{d->sign_outside, "sign"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].wanted)
			json_array_append_new(list,
			    json_string(steps[i].name));
	return list;
}

static json_t *
deliveries_json(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->plan.n; i++) {
		const struct delivery *d = &r->plan.deliveries[i];
		json_t *one = json_object(), *recipients = json_array();

		for (size_t n = 0; n < d->nrecipients; n++) {
			const struct recipient *to =
			    r->facts.recipients[d->recipients[n]].to;
			char *text = mailaddr_format(&to->address);

			json_array_append_new(recipients, text_json(
			    text[0] == '\0' ? to->text : text));
			free(text);
		}
		json_object_set_new(one, "recipients", recipients);
		json_object_set_new(one, "steps", steps_json(d));
		put(one, "disposition", r->outcome.kind == OUTCOME_TEMPFAIL ?
		    "defer" : disposition_name(d->disposition));
		if (d->sign || d->encrypt ||
		    !disposition_is_sent(d->disposition))
			put(one, "profile", d->profile);
		if (d->disposition == DISPOSITION_HOLD)
			put(one, "quarantine", d->filters->quarantine);
		if (d->copy != NULL)
			put(one, "copy_by", d->copy->filter);
		if (d->reason != NULL)
			put(one, "reason", d->reason);
		json_array_append_new(list, one);
	}
	return list;
}

/* What filters did, beyond the deliveries. */
static void
put_filters(json_t *j, const struct report *r)
{
	json_t *names = json_array(), *entries = json_array();
	json_t *notices = json_array();
	const struct filter_state *s;
	const char *entry;

	for (size_t i = 0; (s = filtering_state(&r->filtering, i)) != NULL;
	    i++)
		for (size_t n = 0; n < s->matched.n; n++)
			json_array_append_new(names,
			    text_json(s->matched.v[n]));
	for (size_t i = 0; (entry = report_log_entry(r, i)) != NULL; i++)
		json_array_append_new(entries, text_json(entry));
	for (size_t i = 0; i < r->nnotices; i++)
		for (size_t n = 0; n < r->notices[i].mail->nto; n++)
			json_array_append_new(notices, text_json(
			    r->notices[i].mail->to[n].text));
	json_object_set_new(j, "filters", names);
	json_object_set_new(j, "log_entries", entries);
	json_object_set_new(j, "notices", notices);
}

static json_t *
names_json(const struct strvec *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < names->n; i++)
		json_array_append_new(list, json_string(names->v[i]));
	return list;
}

/* A field's value, unfolded, behind its leading blank. */
static json_t *
value_json(const char *value)
{
	struct buf text;
	json_t *j;

	buf_init(&text, strlen(value) + 1);
	for (const char *p = value + (value[0] == ' '); *p != '\0'; p++)
		if (*p != '\n')
			buf_putc(&text, *p);
	j = text_json(buf_text(&text));
	buf_clear(&text);
	return j;
}

static json_t *
protected_json(const struct protected_headers *h)
{
	json_t *j = json_object(), *fields = json_array();

	put(j, "kind", protected_headers_kind_name(h->kind));
	json_object_set_new(j, "signed", json_boolean(h->is_signed));
	json_object_set_new(j, "differ", names_json(&h->differ));
	json_object_set_new(j, "confidential", names_json(&h->confidential));
	for (size_t i = 0; i < h->n; i++) {
		json_t *one = json_object();

		put(one, "name", h->v[i].name);
		json_object_set_new(one, "value", value_json(h->v[i].value));
		json_array_append_new(fields, one);
	}
	json_object_set_new(j, "fields", fields);
	return j;
}

static json_t *
report_json(const struct report *r)
{
	const struct verdict *v = &r->verdict;
	json_t *j = json_object(), *signers = json_array();

	json_object_set_new(j, "gateway_message",
	    json_boolean(v->gateway_message));
	json_object_set_new(j, "gateway_verified",
	    json_boolean(v->gateway_verified));
	put(j, "signature", verdict_signature_name(v->signature));
	put(j, "reason", v->reason);
	put(j, "digest", verdict_check_name(v->digest));
	put(j, "chain", verdict_check_name(v->chain));
	put(j, "revocation", verdict_check_name(v->revocation));
	put(j, "identity", verdict_check_name(v->identity));
	for (size_t i = 0; i < v->nsigners; i++) {
		json_t *one = json_object();

		put(one, "address", v->signers[i].address);
		put(one, "serial", v->signers[i].serial);
		put(one, "issuer", v->signers[i].issuer);
		put(one, "subject", v->signers[i].subject);
		json_array_append_new(signers, one);
	}
	json_object_set_new(j, "signers", signers);
	json_object_set_new(j, "decrypted", json_boolean(v->decrypted));
	json_object_set_new(j, "protected_headers",
	    protected_json(&r->protected_headers));
	json_object_set_new(j, "deliveries", deliveries_json(r));
	put_filters(j, r);
	put(j, "direction", r->outgoing ? "outgoing" : "incoming");
	put(j, "sender_group", r->flow.group);
	put(j, "certificate", r->ncopies == 0 ? NULL :
	    r->copies[0].certificate);
	put(j, "sign_mode", r->ncopies == 0 ? NULL : r->copies[0].signed_as);
	if (r->outcome.kind == OUTCOME_REJECT ||
	    r->outcome.kind == OUTCOME_TEMPFAIL)
		json_object_set_new(j, "reply", json_sprintf("%s %s %s",
		    r->outcome.code, r->outcome.status, r->outcome.text));
	return j;
}

static void
print_json_value(const json_t *value)
{
	const json_t *element;
	size_t i;

	if (json_is_string(value))
		printf("%s", json_string_value(value));
	else if (json_is_boolean(value))
		printf("%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		json_array_foreach(value, i, element) {
			printf("%s", i == 0 ? "" : " ");
			print_json_value(element);
		}
	else if (json_is_object(value))
		printf("%s=\"%s\"",
		    json_string_value(json_object_get(value, "name")),
		    json_string_value(json_object_get(value, "value")));
	else
		printf("-");
}

/* `key name: value; name: value;`, without what there is nothing of. */
static void
print_members(const char *key, const json_t *object)
{
	const json_t *inner;
	const char *name;

	printf("%-17s", key);
	json_object_foreach((json_t *)object, name, inner) {
		if (json_is_array(inner) && json_array_size(inner) == 0)
			continue;
		printf(" %s: ", name);
		print_json_value(inner);
		printf(";");
	}
	printf("\n");
}

/* The same for people. */
static void
print_report(const json_t *j)
{
	const json_t *value, *element;
	const char *key;
	size_t i;

	json_object_foreach((json_t *)j, key, value) {
		bool nested = json_is_array(value);
		const char *text = json_string_value(value);

		/* Only what there is to say. */
		if (json_is_null(value) || (text != NULL &&
		    (text[0] == '\0' || strcmp(text, "none") == 0)))
			continue;
		if (json_is_object(value)) {
			if (json_is_string(json_object_get(value, "kind")))
				print_members(key, value);
			continue;
		}
		if (!nested) {
			printf("%-17s ", key);
			print_json_value(value);
			printf("\n");
			continue;
		}
		json_array_foreach(value, i, element) {
			if (!json_is_object(element)) {
				printf("%-17s ", i == 0 ? key : "");
				print_json_value(element);
				printf("\n");
				continue;
			}
			print_members(i == 0 ? key : "", element);
		}
	}
}

static bool
write_one(const char *directory, size_t number, const struct outcome *o,
    const struct message *m, struct error *err)
{
	char *path = mem_printf("%s/%zu.eml", directory, number);
	FILE *f = fopen(path, "wb");
	bool ok = f != NULL && outcome_write(o, m, f);

	if (f != NULL && fclose(f) != 0)
		ok = false;
	if (!ok)
		error_errno(err, "cannot write %s", path);
	free(path);
	return ok;
}

/* DIR/N.eml is what the N-th delivery's recipients would get. */
static bool
write_results(const struct request *r, const struct report *report,
    const struct message *m, struct error *err)
{
	if (r->out == NULL)
		return true;
	if (report->outcome.kind == OUTCOME_PASS)
		return write_one(r->out, 1, &report->outcome, m, err);
	for (size_t i = 0; i < report->ncopies; i++) {
		const struct copy *c = &report->copies[i];

		if (disposition_is_sent(report->plan.deliveries[
		    c->delivery].disposition) && !write_one(r->out, c->delivery + 1,
		    &c->outcome, m, err))
			return false;
	}
	return true;
}

static int
run(struct gateway *g, const struct request *r)
{
	struct message *m = message_new(&g->place);
	struct report report = {0};
	struct error err = {0};
	json_t *j = NULL;
	int code = EX_OK;

	if (!fill_message(r, m, &err)) {
		code = command_failed(&err);
		goto out;
	}
	pipeline_run(g, m, &r->options, &report);
	j = report_json(&report);
	if (r->json) {
		json_dumpf(j, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		print_report(j);
	}
	if (!write_results(r, &report, m, &err))
		code = command_failed(&err);
out:
	json_decref(j);
	report_clear(&report);
	message_free(&m);
	return code;
}

int
command_test(const struct settings *s, int argc, char **argv)
{
	struct request r = {.options = {.always_judge = true}};
	struct gateway *g = NULL;
	struct error err = {0};
	int code = EX_USAGE;

	if (!parse_arguments(&r, argc, argv))
		goto out;
	/* The file is the caller's: opened before we change the user. */
	r.message = strcmp(r.file, "-") == 0 ? stdin : fopen(r.file, "rb");
	if (r.message == NULL) {
		log_error("cannot open %s: %s", r.file, strerror(errno));
		code = EX_NOINPUT;
		goto out;
	}
	if (!command_drop(s)) {
		code = EX_NOPERM;
		goto out;
	}
	g = gateway_open(s, r.trust, &err);
	code = g == NULL ? command_failed(&err) : run(g, &r);
out:
	gateway_close(&g);
	if (r.message != NULL && r.message != stdin)
		fclose(r.message);
	strvec_clear(&r.to);
	return code;
}
