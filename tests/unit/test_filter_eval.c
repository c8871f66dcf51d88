/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters at work: a table of filter, message and what becomes of it.
 */
#include "milter-smime/filter_eval.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "milter-smime/filter_parse.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

/* 2026-11-25 12:00:00 UTC, a Wednesday. */
#define NOW 1795608000

#define HEAD "From: Alice <alice@a.example>\r\nTo: bob@b.example\r\n"

/* Messages by letter. */
static const struct {
	char letter;
	const char *text;
} messages[] = {
	{'p', HEAD "Subject: Plans\r\n\r\nNothing secret.\r\n"},
	{'c', HEAD "Subject: =?utf-8?q?Company_=43onfidential?=\r\n\r\n"
	    "Hello.\r\n"},
	{'b', HEAD "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "VGhpcyBpcyBjb25maWRlbnRpYWwuIENvbmZpZGVudGlhbCE=\r\n"},
	{'a', HEAD "Subject: files\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
	    "See the secret plan.\r\n--b\r\n"
	    "Content-Type: application/pdf; name=\"plan.pdf\"\r\n"
	    "Content-Disposition: attachment; filename=\"plan.pdf\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "JVBERi0xLjQgc2VjcmV0IHNlY3JldA==\r\n--b\r\n"
	    "Content-Type: text/csv\r\n"
	    "Content-Disposition: attachment; filename=t.CSV\r\n\r\n"
	    "secret;1\r\n--b--\r\n"},
	{'x', HEAD "Subject: one\r\nX-A: first\r\nx-a: second\r\n"
	    "X-Long: folded\r\n\tvalue\r\n\r\nHi.\r\n"},
	{'g', HEAD "Subject: pgp\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n"
	    "hQEMA\r\n-----END PGP MESSAGE-----\r\n"},
	{'h', HEAD "Subject: html\r\nContent-Type: text/html\r\n\r\n"
	    "<p>con<b></b>fidential</p><p>plan</p>\r\n"},
	{'m', HEAD "Subject: broken\r\nContent-Type: multipart/mixed\r\n\r\n"
	    "no boundary\r\n"},
	{'j', "From: =?utf-8?q?J=C3=BCrgen=2C_B?= <j@a.example>\r\n"
	    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= an alle\r\n\r\nHi.\r\n"},
};

static const char *
message_text(char letter)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (messages[i].letter == letter)
			return messages[i].text;
	abort();
}

/* What the message's client and signature are in every test. */
static struct flow flow = {.group = "partners", .policy = "RELAYED"};
static struct verdict_signer signer = {.address = (char *)"alice@a.example",
	.issuer = (char *)"CN=Issuing CA,O=A", .subject = (char *)"CN=Alice"};
static struct verdict verdict = {.gateway_message = true,
	.gateway_verified = true, .signers = &signer, .nsigners = 1};
static struct verdict no_verdict;

struct work {
	struct message *m;
	struct entity e;
	struct filter_context c;
	const struct recipient *to[3];
	struct filter_state s;
	struct filter_set set;
	struct strvec profiles, quarantines;
};

static void
begin(struct work *w, char letter)
{
	const char *text = message_text(letter);
	FILE *f = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	struct error err;

	memset(w, 0, sizeof(*w));
	w->m = message_new(&place);
	if (f == NULL || !message_read(w->m, f, &err))
		abort();
	fclose(f);
	message_set_sender(w->m, "<alice@A.example>", "");
	message_add_recipient(w->m, "<Bob@B.example>", "");
	message_add_recipient(w->m, "<carol@c.example>", "");
	free(w->m->client_address);
	w->m->client_address = mem_strdup("192.0.2.10");
	free(w->m->listener);
	w->m->listener = mem_strdup("submission");
	free(w->m->queue_id);
	w->m->queue_id = mem_strdup("4F1A");
	w->m->authenticated = mem_strdup("alice");
	entity_init(&w->e);
	if (!entity_from_message(w->m, &w->e, &err))
		abort();
	for (size_t i = 0; i < 2; i++)
		w->to[i] = &w->m->recipients[i];
	w->c = (struct filter_context){
		.m = w->m, .flow = &flow, .verdict = &no_verdict,
		.content = &w->e, .place = &place,
		.hostname = "gw.a.example", .to = w->to, .nto = 2,
	};
	filter_state_init(&w->s, w->m);
	strvec_add(&w->profiles, "bank");
	strvec_add(&w->profiles, "strong");
	strvec_add(&w->quarantines, "Policy");
	strvec_add(&w->quarantines, "Review");
}

static void
end(struct work *w)
{
	filter_state_clear(&w->s);
	filter_context_clear(&w->c);
	filter_set_clear(&w->set);
	entity_clear(&w->e);
	message_free(&w->m);
	strvec_clear(&w->profiles);
	strvec_clear(&w->quarantines);
}

/* Runs all filters of the text. */
static bool
run(struct work *w, const char *filters, struct error *err)
{
	struct filter_names names = {&w->profiles, &w->quarantines};

	if (!filter_parse(&w->set, "f", filters, strlen(filters), &names,
	    err)) {
		printf("# %s\n", err->text);
		return false;
	}
	for (size_t i = 0; i < w->set.n; i++)
		if (!filter_eval(&w->set.v[i], &w->c, &w->s, err))
			return false;
	return true;
}

/* ---- rules ---- */

/* A rule, the message, and whether it is true. */
static const struct {
	const char *rule;
	char message;
	bool wanted;
} rules[] = {
	{"true", 'p', true},
	{"not true", 'p', false},
	{"subject == \"Plan\"", 'p', true},
	{"subject == \"plan\"", 'p', false},
	{"subject == \"(?i)plan\"", 'p', true},
	{"subject != \"plan\"", 'p', true},
	{"subject == \"^Plans$\"", 'p', true},
	{"subject == \"Confidential$\"", 'c', true},
	{"subject == \"Gr\xc3\xbc\xc3\x9f" "e an\"", 'j', true},
	{"subject == \"(?i)GR\xc3\x9c\"", 'j', true},
	{"header(\"X-A\")", 'x', true},
	{"header(\"x-a\") == \"^second$\"", 'x', true},
	{"header(\"X-A\") != \"second\"", 'x', false},
	{"header(\"X-B\")", 'x', false},
	{"header(\"X-B\") == \"^$\"", 'x', false},
	{"header(\"X-B\") != \"a\"", 'x', true},
	{"not header(\"X-B\")", 'x', true},
	{"header(\"X-Long\") == \"^folded value$\"", 'x', true},
	{"header(\"From\") == \"alice@\"", 'p', true},
	{"mail-from == \"^alice@a\\\\.example$\"", 'p', true},
	{"mail-from == \"@A\\.example$\"", 'p', true},
	{"mail-from != \"bob\"", 'p', true},
	{"rcpt-to == \"^carol@\"", 'p', true},
	{"rcpt-to == \"^Bob@b\\.example$\"", 'p', true},
	{"rcpt-to == \"^Bob@B\\.example$\"", 'p', true},
	{"rcpt-to == \"alice\"", 'p', false},
	{"rcpt-to != \"alice\"", 'p', true},
	{"rcpt-to == \"<\"", 'p', false},
	{"rcpt-count == 2", 'p', true},
	{"rcpt-count > 2", 'p', false},
	{"rcpt-count >= 2 and rcpt-count <= 2 and rcpt-count != 3", 'p', true},
	{"body-size < 1K", 'p', true},
	{"body-size > 1M", 'p', false},
	{"remote-ip == \"192.0.2.0/24\"", 'p', true},
	{"remote-ip == \"198.51.100.1, 192.0.2.1-192.0.2.20\"", 'p', true},
	{"remote-ip == \"192.0.2.\"", 'p', true},
	{"remote-ip != \"192.0.2.10\"", 'p', false},
	{"sendergroup == \"^partners$\"", 'p', true},
	{"sendergroup == \"others\"", 'p', false},
	{"recv-listener == \"submission\"", 'p', true},
	{"authenticated", 'p', true},
	{"authenticated == \"^alice$\"", 'p', true},
	{"authenticated == \"bob\"", 'p', false},
	{"date > \"11/25/2026 11:59\"", 'p', true},
	{"date < \"2026-11-25 12:00:01\"", 'p', true},
	{"date > \"01/01/2027\"", 'p', false},
	{"random(10) >= 0 and random(10) < 10", 'p', true},
	{"random(1) == 0", 'p', true},
	{"random(10) > 10", 'p', false},
	{"body-contains(\"secret\")", 'p', true},
	{"body-contains(\"Secret\")", 'p', false},
	{"body-contains(\"(?i)confidential\", 2)", 'b', true},
	{"body-contains(\"confidential\", 2)", 'b', false},
	{"body-contains(\"(?i)confidential\", 3)", 'b', false},
	{"body-contains(\"VGhpcyBpcyBjb25maWRlbnRpYWwu\")", 'b', false},
	{"body-contains(\"secret\", 4)", 'a', true},
	{"body-contains(\"secret\", 5)", 'a', false},
	{"only-body-contains(\"secret\")", 'a', true},
	{"only-body-contains(\"secret\", 2)", 'a', false},
	{"attachment-contains(\"secret\", 3)", 'a', true},
	{"attachment-contains(\"plan\")", 'a', false},
	{"attachment-contains(\"secret\")", 'p', false},
	{"body-contains(\"confidential\")", 'h', true},
	{"body-contains(\"^\\\\s*confidential\")", 'h', true},
	{"body-contains(\"plan\\\\s*$\")", 'h', true},
	{"body-contains(\"plan\", 2)", 'h', false},
	{"body-contains(\"(?s)</p>.*confidential\")", 'h', false},
	{"attachment-filename == \"\\\\.pdf$\"", 'a', true},
	{"attachment-filename == \"\\.csv$\"", 'a', false},
	{"attachment-filename == \"(?i)\\.csv$\"", 'a', true},
	{"attachment-filename != \"exe\"", 'a', true},
	{"attachment-filename == \".\"", 'p', false},
	{"attachment-type == \"application/pdf\"", 'a', true},
	{"attachment-type == \"^text/\"", 'a', true},
	{"attachment-type == \"text/plain\"", 'a', false},
	{"valid", 'a', true},
	{"valid", 'm', false},
	{"encrypted", 'g', true},
	{"encrypted", 'a', false},
	{"signed", 'p', false},
	{"smime-gateway-message", 'p', false},
	{"smime-gateway", 'p', false},
	{"smime-gateway-verified", 'p', false},
	{"signed-certificate(\"issuer\" == \"CA\")", 'p', false},
	{"true or subject == \"x\" and not true", 'p', true},
	{"(true or true) and not true", 'p', false},
	{"not (true and not true)", 'p', true},
};

static void
test_rules(void)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		char *text = mem_printf("f: if (%s) { drop(); }",
		    rules[i].rule);
		struct error err = {0};
		struct work w;
		bool ok;

		begin(&w, rules[i].message);
		ok = run(&w, text, &err);
		check(ok && (w.s.end == FILTER_DROPPED) == rules[i].wanted,
		    "%c: %s is %s", rules[i].message, rules[i].rule,
		    rules[i].wanted ? "true" : "false");
		if (!ok)
			printf("# %s\n", err.text);
		end(&w);
		free(text);
	}
}

static void
test_smime_rules(void)
{
	static const struct {
		const char *rule;
		bool wanted;
	} smime[] = {
		{"signed", true}, {"encrypted", true},
		{"smime-gateway-message and smime-gateway-verified", true},
		{"smime-gateway-message and not smime-gateway-verified",
		 false},
		{"smime-gateway", true},
		{"signed-certificate(\"issuer\" == \"^CN=Issuing\")", true},
		{"signed-certificate(\"issuer\" == \"Alice\")", false},
		{"signed-certificate(\"signer\" == \"alice@\")", true},
		{"signed-certificate(\"signer\" != \"bob@\")", true},
		{"signed-certificate(\"signer\")", true},
	};

	for (size_t i = 0; i < sizeof(smime) / sizeof(smime[0]); i++) {
		char *text = mem_printf("f: if (%s) { drop(); }",
		    smime[i].rule);
		struct error err = {0};
		struct work w;

		begin(&w, 'p');
		w.c.verdict = &verdict;
		w.c.is_signed = w.c.is_encrypted = true;
		check(run(&w, text, &err) && (w.s.end == FILTER_DROPPED) ==
		    smime[i].wanted, "signed mail: %s is %s", smime[i].rule,
		    smime[i].wanted ? "true" : "false");
		end(&w);
		free(text);
	}
}

/* ---- actions ---- */

static const char *const ends[] = {"", "skipped", "delivered", "sent",
	"dropped", "bounced"};

static void
put_mail(struct buf *out, const char *what, const struct filter_mail *mail)
{
	if (mail == NULL)
		return;
	buf_printf(out, " %s(", what);
	for (size_t i = 0; i < mail->nto; i++)
		buf_printf(out, "%s%s", i > 0 ? " " : "", mail->to[i].text);
	if (mail->subject != NULL)
		buf_printf(out, "|%s", mail->subject);
	if (mail->sender != NULL)
		buf_printf(out, "|%s", mail->sender);
	buf_puts(out, ")");
}

/* The state in words; edited fields as NAME:VALUE. */
static void
describe(const struct filter_state *s, struct buf *out)
{
	buf_puts(out, ends[s->end]);
	if (s->reply != NULL)
		buf_printf(out, "(%s)", s->reply);
	if (s->profile != NULL)
		buf_printf(out, " profile=%s", s->profile);
	if (s->quarantine != NULL)
		buf_printf(out, " hold=%s by %s", s->quarantine,
		    s->quarantined_by);
	if (s->alternative != NULL)
		buf_printf(out, " to %s", s->alternative->text);
	put_mail(out, "notify", s->notify);
	put_mail(out, "bcc", s->bcc);
	for (size_t i = 0; i < s->header.n; i++)
		if (s->header.v[i].edit > 0)
			buf_printf(out, " %s:%s", s->header.v[i].name,
			    s->header.v[i].value);
	for (size_t i = 0; i < s->header.nedits; i++)
		if (s->header.edits[i].kind == EDIT_DELETE)
			buf_printf(out, " -%s", s->header.edits[i].name);
	for (size_t i = 0; i < s->log.n; i++)
		buf_printf(out, " [%s]", s->log.v[i]);
}

#define IF "if (true) { "

static const struct {
	const char *filters;
	char message;
	const char *wanted, *says;
} actions[] = {
	{"f: " IF "no-op(); }", 'p', "", "no-op does nothing"},
	{"f!: " IF "drop(); }", 'p', "", "an inactive filter is passed over"},
	{"f: " IF "drop(); }  g: " IF "bounce(); }", 'p', "dropped",
	 "a final action stops"},
	{"f: " IF "bounce(\"Sorry $EnvelopeFrom\"); }", 'p',
	 "bounced(Sorry alice@a.example)", "a bounce has a text"},
	{"f: " IF "skip-filters(); } g: " IF "drop(); }", 'p', "skipped",
	 "skip-filters stops, too"},
	{"f: " IF "deliver(); }", 'p', "delivered", "deliver"},
	{"f: " IF "smime-gateway(\"bank\"); } g: " IF "drop(); }", 'p',
	 "sent profile=bank", "smime-gateway is final"},
	{"f: " IF "smime-gateway-deferred(\"bank\"); } g: " IF
	 "smime-gateway-deferred(\"strong\"); }", 'p', " profile=strong",
	 "deferred is not; the later one holds"},
	{"f: " IF "smime-gateway-deferred(\"bank\"); } g: " IF "drop(); }",
	 'p', "dropped profile=bank", "later filters still run"},
	{"f: " IF "quarantine(\"Policy\"); } g: " IF
	 "quarantine(\"Review\"); }", 'p', " hold=Review by g",
	 "one quarantine: the last"},
	{"f: if (subject == \"Nope\") { drop(); } else { "
	 "quarantine(\"Policy\"); }", 'p', " hold=Policy by f", "else"},
	{"f: if (true) { if (subject == \"Plans\") { if (not true) { drop(); }"
	 " else { deliver(); } } drop(); }", 'p', "delivered", "nested ifs, "
	 "and what stands behind a final action does not run"},
	{"f: " IF "insert-header(\"X-B\", \"one\"); } g: if (header(\"X-B\") "
	 "== \"^one$\") { insert-header(\"X-C\", \"two\"); }", 'p',
	 " X-B: one X-C: two", "header tests see earlier edits"},
	{"f: " IF "insert-header(\"X-B\", \"one\"); insert-header(\"x-b\", "
	 "\"two\"); }", 'p', " X-B: two", "the same header once"},
	{"f: " IF "insert-header(\"X-A\", \"new\"); }", 'x', " X-A: new",
	 "fields of the message stay"},
	{"f: " IF "strip-header(\"X-A\"); } g: if (not header(\"X-A\")) { "
	 "drop(); }", 'x', "dropped -x-a -X-A", "all of a name are stripped"},
	{"f: " IF "edit-header-text(\"Subject\", \"^\", \"[A] \"); }", 'p',
	 " Subject: [A] Plans", "a subject gets a prefix"},
	{"f: " IF "edit-header-text(\"Subject\", \"(a)(n)\", \"\\\\2\\\\1\"); "
	 "}", 'p', " Subject: Plnas", "groups"},
	{"f: " IF "edit-header-text(\"Subject\", \"[ns]\", \"$FilterName\"); "
	 "}", 'p', " Subject: Plaff", "all matches, and variables"},
	{"f: " IF "edit-header-text(\"Subject\", \"x*\", \"-\"); }", 'p',
	 " Subject: -P-l-a-n-s-", "empty matches"},
	{"f: " IF "edit-header-text(\"Subject\", \"(?<=G)x*\", \"\"); "
	 "edit-header-text(\"Subject\", \"Z*\", \"\"); "
	 "edit-header-text(\"Subject\", \".*an\", \"$Header['X']\"); }", 'j',
	 " Subject: alle", "also between letters that are no US-ASCII"},
	{"f: " IF "edit-header-text(\"Subject\", \"e*\", \"\"); "
	 "edit-header-text(\"Subject\", \" an.*|x*\", \".\"); }", 'j',
	 " Subject: =?UTF-8?B?Lkcuci7DvC7Dny4u?=",
	 "characters stay whole"},
	{"f: " IF "edit-header-text(\"Subject\", \"nope\", \"\"); }", 'p', "",
	 "what does not match stays as it was"},
	{"f: " IF "edit-header-text(\"Subject\", \"Gr\xc3\xbc\xc3\x9f" "e\", "
	 "\"Hi\"); }", 'j', " Subject: Hi an alle", "decoded text is edited"},
	{"f: " IF "edit-header-text(\"From\", \"j@a\", \"k@a\"); }", 'j',
	 " From: =?utf-8?q?J=C3=BCrgen=2C_B?= <k@a.example>",
	 "but not decoded where a comma would count"},
	{"f: " IF "tag-message(\"red\"); } g: " IF "tag-message(\"blue\"); }",
	 'p', " X-Message-Tag: blue -X-Message-Tag",
	 "one tag, the last"},
	{"f: " IF "log-entry(\"a $Subject\"); log-entry(\"b\"); }", 'p',
	 " [filter=f entry=\"a Plans\"] [filter=f entry=\"b\"]",
	 "every log entry"},
	{"f: " IF "notify(\"boss@a.example\", \"Look: $Subject\"); } g: " IF
	 "notify(\"root@a.example\"); }", 'p', " notify(<root@a.example>)",
	 "one notice, the last"},
	{"f: " IF "notify(\"$EnvelopeRecipients\"); }", 'p',
	 " notify(<Bob@b.example> <carol@c.example>)",
	 "the recipients may be told"},
	{"f: " IF "bcc(\"archive@a.example\", \"[copy] $Subject\", "
	 "\"bounce@a.example\"); drop(); }", 'p',
	 "dropped bcc(<archive@a.example>|[copy] Plans|bounce@a.example)",
	 "a copy of what is dropped"},
	{"f: " IF "alt-rcpt-to(\"sink@a.example\"); }", 'p',
	 " to <sink@a.example>", "another recipient"},
	{"f: " IF "insert-header(\"X-V\", \"$Policy $Group $RemoteIP $MID "
	 "$RecvListener $Hostname $$ $5 $Header['To']\"); }", 'p',
	 " X-V: RELAYED partners 192.0.2.10 4F1A submission gw.a.example $ "
	 "$5\n bob@b.example", "variables"},
	{"f: if (body-contains(\"s[ec]+ret\")) { insert-header(\"X-M\", "
	 "\"$MatchedContent\"); }", 'p', " X-M: secret",
	 "what matched"},
	{"f: " IF "insert-header(\"X-F\", \"$filenames; $filetypes\"); }", 'a',
	 " X-F: plan.pdf, t.CSV; application/pdf, text/csv",
	 "attachments' names and types"},
};

static void
test_actions(void)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct error err = {0};
		struct work w;
		struct buf got;

		buf_init(&got, 10000);
		begin(&w, actions[i].message);
		if (run(&w, actions[i].filters, &err))
			describe(&w.s, &got);
		else
			buf_puts(&got, err.text);
		check_str(buf_text(&got), actions[i].wanted,
		    actions[i].says);
		buf_clear(&got);
		end(&w);
	}
}

/* ---- hostile ---- */

static void
test_limits(void)
{
	struct error err = {0};
	struct work w;

	begin(&w, 'p');
	free(w.m->headers[2].value);
	w.m->headers[2].value = mem_printf(" %0200d!", 0);
	filter_state_clear(&w.s);
	filter_state_init(&w.s, w.m);
	check(!run(&w, "f: if (subject == \"^(0|00|0+)+(0+0+)+$\") "
	    "{ drop(); }", &err) && err.kind == ERROR_TEMP &&
	    strstr(err.text, "filter f: rule subject: ") == err.text,
	    "a search that takes too long is a temporary failure: %s",
	    err.text);
	end(&w);
	begin(&w, 'p');
	w.c.no_content = "a field is too long";
	check(!run(&w, "f: if (body-contains(\"x\")) { drop(); }", &err) &&
	    err.kind == ERROR_PERM, "text that cannot be read is no miss");
	end(&w);
	begin(&w, 'p');
	w.c.no_content = "a field is too long";
	check(run(&w, "f: if (not valid) { drop(); }", &err) &&
	    w.s.end == FILTER_DROPPED, "such mail is not valid");
	end(&w);
}

static void
test_injection(void)
{
	struct error err = {0};
	struct work w;
	const struct field *field;

	begin(&w, 'p');
	free(w.m->headers[2].value);
	w.m->headers[2].value = mem_strdup(
	    " =?utf-8?q?a=0D=0AX-Evil:_1=0A=0A?=");
	filter_state_clear(&w.s);
	filter_state_init(&w.s, w.m);
	check(run(&w, "f: if (true) { insert-header(\"X-S\", \"$Subject\"); "
	    "bounce(\"$Subject\"); }", &err),
	    "a subject with line ends in it");
	field = fields_find(&w.s.header, "X-S", 0);
	check(field != NULL && strchr(field->value, '\r') == NULL &&
	    strstr(field->value, "\nX-Evil") == NULL,
	    "does not begin a field");
	check(w.s.reply != NULL && strpbrk(w.s.reply, "\r\n") == NULL,
	    "nor a line of a reply");
	end(&w);
}

/* Fields with addresses are edited as they stand, but for controls. */
static void
test_controls(void)
{
	struct error err = {0};
	const struct field *field;
	struct work w;

	begin(&w, 'p');
	free(w.m->headers[0].value);
	w.m->headers[0].value = mem_strdup(" A\001\177\r <a@a.example>");
	filter_state_clear(&w.s);
	filter_state_init(&w.s, w.m);
	check(run(&w, "f: if (true) { edit-header-text(\"From\", \"A\", "
	    "\"B\"); }", &err), "a From field with control characters");
	field = fields_find(&w.s.header, "From", 0);
	check_str(field == NULL ? "" : field->value, " B    <a@a.example>",
	    "has none when it was edited");
	end(&w);
}

static void
test_continue(void)
{
	struct error err = {0};
	struct filter_state next;
	struct work w;

	begin(&w, 'p');
	check(run(&w, "f: if (true) { insert-header(\"X-B\", \"1\"); "
	    "quarantine(\"Policy\"); bcc(\"c@a.example\"); "
	    "log-entry(\"x\"); skip-filters(); }", &err), "a state is left");
	filter_state_continue(&next, &w.s);
	check(next.end == FILTER_GOES_ON && next.quarantine != NULL &&
	    fields_find(&next.header, "X-B", 0) != NULL && !next.changed,
	    "a policy's filters go on from there");
	check(next.bcc == NULL && next.log.n == 0 && next.matched.n == 0,
	    "and nothing is sent or logged twice");
	filter_state_clear(&next);
	end(&w);
}

int
main(void)
{
	setenv("TZ", "UTC", 1);
	clock_set(NOW);
	test_rules();
	test_smime_rules();
	test_actions();
	test_limits();
	test_injection();
	test_controls();
	test_continue();
	return tap_done();
}
