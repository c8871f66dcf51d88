/* SPDX-License-Identifier: BSD-2-Clause */
/* From settings to facts, from facts to deliveries. */
#include "milter-smime/plan.h"

#include <stdlib.h>

#include "common/cert_make.h"
#include "common/mem.h"
#include "milter-smime/facts.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};
static const struct certs_rules no_rules; /* for profiles that sign only */

static const char config[] =
    "sending-profile bank { mode = sign }\n"
    "sending-profile again { mode = sign\n sign_signed = yes }\n"
    "mail-policy default-outgoing { direction = outgoing\n"
    "  profile = again }\n"
    "mail-policy default-incoming { direction = incoming }\n"
    "mail-policy bank { direction = outgoing\n"
    "  senders = example.com, boss@other.example\n"
    "  recipients = bank.example, .bank.example\n  profile = bank }\n"
    "mail-policy later { direction = outgoing\n"
    "  recipients = bank.example\n profile = again }\n"
    "mail-policy plain { direction = outgoing\n"
    "  recipients = list@lists.example }\n"
    "mail-policy scan { direction = outgoing\n"
    "  senders = scan.example\n  filters = f }\n"
    "mail-policy inward { direction = incoming\n"
    "  recipients = example.com\n profile = bank }\n";

static const struct {
	bool outgoing;
	const char *sender, *from, *recipient, *policy, *profile, *says;
} questions[] = {
	{true, "<a@example.com>", "a@example.com", "<x@bank.example>", "bank",
	    "bank", "the first policy in the file that matches holds"},
	{true, "<a@EXAMPLE.com>", NULL, "<x@Sub.Bank.Example>", "bank",
	    "bank", "domains match in any case, .domain its subdomains"},
	{true, "<bounce@lists.example>", "a@example.com", "<x@bank.example>",
	    "bank", "bank", "the From address matches where the sender does "
	    "not"},
	{true, "<>", "a@example.com", "<x@bank.example>", "bank", "bank",
	    "also with the null sender"},
	{true, "<a@example.com>", "b@other.example", "<x@bank.example>",
	    "bank", "bank", "and the sender where From does not"},
	{true, "<b@other.example>", "b@other.example", "<x@bank.example>",
	    "later", "again", "when neither does the next is tried"},
	{true, "<>", NULL, "<x@bank.example>", "later", "again",
	    "without sender and From too"},
	{true, "<boss@other.example>", NULL, "<x@bank.example>", "bank",
	    "bank", "one address may be named"},
	{true, "<x@y.example>", NULL, "<list@lists.example>", "plain", NULL,
	    "a policy may have no profile"},
	{true, "<x@y.example>", NULL, "<other@lists.example>",
	    "default-outgoing", "again",
	    "the default comes last wherever it stands"},
	{true, "<bounce@y.example>", "a@scan.example", "<x@y.example>",
	    "scan", "again", "filters hold when one of the two matches; who "
	    "protects is the next policy"},
	{true, "<a@scan.example>", "b@scan.example", "<x@y.example>",
	    "scan", NULL, "when both do the policy exempts"},
	{false, "<x@y.example>", NULL, "<a@example.com>", "inward", "bank",
	    "incoming mail has policies of its own"},
	{false, "<a@example.com>", NULL, "<x@bank.example>",
	    "default-incoming", NULL, "and a default"},
};

/* All that facts are made of, without filters between. */
static bool
find_facts(const struct settings *s, const struct message *m,
    const struct mailaddr *from, bool outgoing, struct plan_facts *f,
    struct error *err)
{
	struct facts_question q = {.settings = s, .m = m, .from = from,
		.outgoing = outgoing};
	bool ok;

	facts_question_open(&q);
	ok = facts_check_recipients(&q, false, err);
	for (size_t i = 0; ok && i < m->nrecipients; i++)
		facts_add_recipient(&q, f, &m->recipients[i]);
	ok = ok && facts_find_keys(&no_rules, f, err);
	facts_question_close(&q);
	return ok;
}

static struct settings *
settings(const char *text)
{
	struct error err = {0};
	struct settings *s = settings_parse("test.conf", text, strlen(text),
	    smime_section_types, &err);

	if (s == NULL)
		printf("# %s\n", err.text);
	return s;
}

static void
ask(const struct settings *s, size_t i)
{
	struct message *m = message_new(&place);
	struct mailaddr from = {0};
	struct plan_facts f = {0};
	struct error err;
	const char *text = questions[i].from;
	bool good = text == NULL ||
	    mailaddr_parse(text, strlen(text), &from, &err);
	const struct recipient_facts *r;

	message_set_sender(m, questions[i].sender, "");
	message_add_recipient(m, questions[i].recipient, "");
	good = good && find_facts(s, m, text == NULL ? NULL : &from,
	    questions[i].outgoing, &f, &err);
	r = &f.recipients[0];
	good = good && f.nrecipients == 1 && r->policy != NULL &&
	    strcmp(r->policy, questions[i].policy) == 0 &&
	    (r->profile == NULL ? questions[i].profile == NULL :
	    questions[i].profile != NULL &&
	    strcmp(r->profile, questions[i].profile) == 0) &&
	    (r->settings == NULL) == (r->profile == NULL);
	check(good, "%s", questions[i].says);
	if (!good)
		printf("# %s %s\n", r->policy == NULL ? "none" : r->policy,
		    r->profile == NULL ? "none" : r->profile);
	facts_clear(&f);
	mailaddr_clear(&from);
	message_free(&m);
}

static void
test_facts(void)
{
	struct settings *s = settings(config);
	struct message *m = message_new(&place);
	struct facts_question q = {.outgoing = true};
	struct plan_facts f = {0};
	struct error err;

	check(s != NULL, "the settings are read");
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		ask(s, i);
	check(find_facts(s, m, NULL, true, &f, &err) &&
	    f.nrecipients == 0, "no recipients, no facts");
	facts_clear(&f);
	settings_free(s);
	s = settings("mail-policy one { direction = outgoing\n"
	    "recipients = a.example }\n");
	message_add_recipient(m, "<broken", "");
	check(find_facts(s, m, NULL, true, &f, &err),
	    "where nothing is protected any recipient will do");
	facts_clear(&f);
	q.settings = s;
	q.m = m;
	facts_question_open(&q);
	check(!facts_check_recipients(&q, true, &err) &&
	    err.kind == ERROR_PERM, "but not where filters may protect");
	facts_question_close(&q);
	message_free(&m);
	m = message_new(&place);
	message_add_recipient(m, "<x@b.example>", "");
	check(find_facts(s, m, NULL, true, &f, &err) &&
	    f.recipients[0].policy == NULL && f.recipients[0].profile ==
	    NULL, "without a default there may be no policy");
	facts_clear(&f);
	settings_free(s);
	message_free(&m);
}

/* Who is hidden: not named in the header that people see. */
static void
test_hidden(void)
{
	struct settings *s = settings(config);
	struct message *m = message_new(&place);
	struct plan_facts f = {0};
	struct error err;
	bool ok;

	ok = message_add_header(m, "To", " A <a@x.example>, g: b@X.example;",
	    &err) && message_add_header(m, "resent-cc", " (c) C@x.example",
	    &err) && message_add_header(m, "Cc", " broken <d@x.example",
	    &err) && message_add_header(m, "Bcc", " e@x.example", &err);
	message_add_recipient(m, "<A@x.example>", "");
	message_add_recipient(m, "<b@x.example>", "");
	message_add_recipient(m, "<c@x.example>", "");
	message_add_recipient(m, "<d@x.example>", "");
	message_add_recipient(m, "<e@x.example>", "");
	message_add_recipient(m, "<x>", "");
	ok = ok && find_facts(s, m, NULL, true, &f, &err);
	check(ok && !f.recipients[0].hidden && !f.recipients[1].hidden &&
	    !f.recipients[2].hidden,
	    "recipients named in To, Cc or Resent- fields are not hidden");
	check(ok && f.recipients[3].hidden && f.recipients[4].hidden &&
	    f.recipients[5].hidden,
	    "those in Bcc, in broken fields or nowhere are");
	facts_clear(&f);
	message_free(&m);
	settings_free(s);
}

/* --- the plan ------------------------------------------------------------ */

static struct sending_profile_settings once = {.mode = MODE_SIGN};
static struct sending_profile_settings twice = {.mode = MODE_SIGN,
	.sign_signed = true};
static struct sending_profile_settings split = {.mode = MODE_SIGN_ENCRYPT,
	.no_key = NO_KEY_SPLIT};
static struct sending_profile_settings triple = {.mode = MODE_TRIPLE,
	.no_key = NO_KEY_BOUNCE};
static struct sending_profile_settings drop = {.mode = MODE_ENCRYPT,
	.no_key = NO_KEY_DROP};
static struct sending_profile_settings together = {.mode = MODE_ENCRYPT,
	.hidden_recipients = HIDDEN_TOGETHER};

static X509 *certs[3];

/* What filters left: for most, for some, for those of a policy. */
static const struct filter_state plain, held = {.quarantine = "Policy"},
    edited;
static const struct filter_mail copied = {.filter = "archive"};

/*
 * Recipients by letter: their profile, their certificate (-1: none),
 * whether the header hides them, and what filters say.
 */
static const struct {
	char letter;
	const char *profile;
	const struct sending_profile_settings *settings;
	int cert;
	bool hidden;
	const struct filter_state *filters;
	enum disposition disposition;
	const struct filter_mail *copy;
} kinds[] = {
	{'a', "a", &once, .cert = -1}, {'b', "b", &once, .cert = -1},
	{'t', "t", &twice, .cert = -1}, {'x', "s", &split, .cert = 0},
	{'y', "s", &split, .cert = 1}, {'z', "s", &split, .cert = -1},
	{'X', "s", &split, 0, .hidden = true}, {'Y', "s", &split, 1, .hidden = true},
	{'Z', "s", &split, 2, .hidden = true}, {'3', "3", &triple, .cert = 0},
	{'4', "3", &triple, .cert = -1}, {'d', "d", &drop, .cert = 0},
	{'e', "d", &drop, .cert = -1}, {'o', "o", &together, .cert = 0},
	{'O', "o", &together, 1, .hidden = true},
	{'h', "a", &once, -1, .filters = &held,
	 .disposition = DISPOSITION_HOLD},
	{'H', "s", &split, 0, .filters = &held,
	 .disposition = DISPOSITION_HOLD},
	{'B', "3", &triple, -1, .filters = &edited,
	 .disposition = DISPOSITION_BOUNCE},
	{'D', NULL, NULL, -1, .filters = &held,
	 .disposition = DISPOSITION_DROP},
	{'E', "a", &once, -1, .filters = &edited},
	{'c', "3", &triple, -1, .copy = &copied},
	{'C', NULL, NULL, -1, .copy = &copied},
};

static void
set_recipient(struct recipient_facts *r, char letter)
{
	r->filters = &plain;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].letter != letter)
			continue;
		r->profile = kinds[i].profile;
		r->settings = kinds[i].settings;
		r->hidden = kinds[i].hidden;
		r->disposition = kinds[i].disposition;
		r->copy = kinds[i].copy;
		if (kinds[i].filters != NULL)
			r->filters = kinds[i].filters;
		if (!disposition_is_sent(r->disposition))
			r->reason = mem_strdup("filter");
		if (kinds[i].cert >= 0) {
			r->cert = certs[kinds[i].cert];
			r->fingerprint = mem_printf("%d", kinds[i].cert);
		} else {
			r->no_cert = mem_printf("no key for %c", letter);
		}
	}
}

static void
describe(const struct delivery *d, struct buf *out)
{
	buf_printf(out, "%s%s%s%s%s%s", d->verify ? "v" : "",
	    d->decrypt ? "d" : "", d->remove_signature ? "r" : "",
	    d->sign ? "s" : "", d->encrypt ? "e" : "",
	    d->sign_outside ? "S" : "");
	if (d->disposition != DISPOSITION_PASS)
		buf_printf(out, "%s(%s)", disposition_name(d->disposition),
		    d->reason == NULL ? "" : d->reason);
	if (d->copy != NULL)
		buf_printf(out, "copy");
	if (d->encrypt)
		buf_printf(out, "%d", sk_X509_num(d->certs));
	buf_putc(out, ':');
	for (size_t k = 0; k < d->nrecipients; k++)
		buf_printf(out, "%zu", d->recipients[k]);
}

static void
plans(struct plan_facts f, const char *recipients, const char *want,
    const char *says)
{
	struct buf got;
	struct plan p;

	buf_init(&got, 1000);
	f.nrecipients = strlen(recipients);
	f.recipients = mem_array(f.nrecipients, sizeof(*f.recipients));
	for (size_t i = 0; i < f.nrecipients; i++)
		set_recipient(&f.recipients[i], recipients[i]);
	(void)!plan_make(&f, 10000, &p);
	for (size_t i = 0; i < p.n; i++) {
		if (i > 0)
			buf_putc(&got, ' ');
		describe(&p.deliveries[i], &got);
	}
	check_str(buf_text(&got), want, says);
	plan_clear(&p);
	for (size_t i = 0; i < f.nrecipients; i++) {
		free(f.recipients[i].fingerprint);
		free(f.recipients[i].no_cert);
		free(f.recipients[i].reason);
	}
	free(f.recipients);
	buf_clear(&got);
}

#define FACTS(...) ((struct plan_facts){__VA_ARGS__})

static void
test_signing_plan(void)
{
	plans(FACTS(.nrecipients = 0), "", "", "no recipients, no delivery");
	plans(FACTS(.nrecipients = 0), "aaa", "s:012",
	    "equal treatment is one delivery");
	plans(FACTS(.nrecipients = 0), "a-ab-t", "s:02 :14 s:3 s:5",
	    "others are apart, in the order of their first recipient");
	plans(FACTS(.is_signed = true), "ab-", ":012",
	    "signed mail is not signed again: one delivery");
	plans(FACTS(.is_signed = true), "at", ":0 s:1",
	    "unless the profile says so");
	plans(FACTS(.is_encrypted = true), "a-x", ":012",
	    "encrypted mail is neither signed nor encrypted again");
	plans(FACTS(.verify = true, .is_signed = true), "-", "v:0",
	    "a verdict is noted");
	plans(FACTS(.verify = true, .is_signed = true,
	    .remove_signature = true), "-", "v:0",
	    "a signature that was not verified is not removed");
	plans(FACTS(.verify = true, .is_signed = true, .verified = true,
	    .remove_signature = true), "--", "vr:01",
	    "a verified one is, where the policy says so");
	plans(FACTS(.verify = true, .is_signed = true, .verified = true),
	    "-", "v:0", "and only there");
	plans(FACTS(.verified = true, .is_signed = true,
	    .remove_signature = true), "-", ":0",
	    "and only when verifying was asked for");
	plans(FACTS(.verify = true, .is_encrypted = true, .decrypted = true),
	    "-", "vd:0", "what could be decrypted is");
	plans(FACTS(.verify = true, .is_signed = true, .is_encrypted = true,
	    .verified = true, .remove_signature = true), "-", "v:0",
	    "a signature around what stays closed stays");
}

/* What the sender reads; the recipient's own text is "no key for X". */
#define NO_KEY(profile, who) "S/MIME encryption (profile " profile "): no " \
    "usable certificate for no key for " who "; ask your postmaster to add it"

static void
test_encryption_plan(void)
{
	plans(FACTS(.nrecipients = 0), "xyx", "se2:012",
	    "named recipients share one CMS, each certificate once");
	plans(FACTS(.nrecipients = 0), "xzyz", "se2:02 s:13",
	    "split: who has no key gets it signed, but plain");
	plans(FACTS(.nrecipients = 0), "xYXZ", "se1:02 se1:1 se1:3",
	    "hidden recipients are apart unless a named one shares the key");
	plans(FACTS(.nrecipients = 0), "YYZ", "se1:01 se1:2",
	    "hidden ones with the same certificate are together");
	plans(FACTS(.nrecipients = 0), "oO", "e2:01",
	    "unless the profile hides nobody");
	plans(FACTS(.nrecipients = 0), "33", "seS1:01", "triple signs twice");
	plans(FACTS(.nrecipients = 0), "343", "bounce(" NO_KEY("3", "4") "):012",
	    "one missing key bounces all of the profile");
	plans(FACTS(.nrecipients = 0), "3d4a", "bounce(" NO_KEY("3", "4")
	    "):02 e1:1 s:3", "but not the others");
	plans(FACTS(.nrecipients = 0), "dex", "drop(" NO_KEY("d", "e") "):01 se1:2",
	    "drop likewise");
	plans(FACTS(.is_signed = true), "x", "e1:0",
	    "signed mail is encrypted without signing it again");
}

static void
test_filter_plan(void)
{
	plans(FACTS(.nrecipients = 0), "ahah", "s:02 shold():13",
	    "held mail goes through the same steps, apart");
	plans(FACTS(.nrecipients = 0), "xH", "se1:0 sehold()1:1",
	    "encrypted, too");
	plans(FACTS(.nrecipients = 0), "-DD-", ":03 drop(filter):12",
	    "dropped by a filter");
	plans(FACTS(.nrecipients = 0), "aBB", "s:0 bounce(filter):12",
	    "bounced by a filter");
	plans(FACTS(.nrecipients = 0), "3B", "seS1:0 bounce(filter):1",
	    "whose missing key is nobody's loss");
	plans(FACTS(.nrecipients = 0), "aEa", "s:02 s:1",
	    "another header is another delivery");
	plans(FACTS(.is_signed = true), "aEh", ":0 :1 hold():2",
	    "also of what is left as it is");
	plans(FACTS(.nrecipients = 0), "33c", "seS1:01 "
	    "drop(" NO_KEY("3", "c") ")copy:2",
	    "a copy without a key does not stop the message, and is not "
	    "told of");
	plans(FACTS(.nrecipients = 0), "4C", "bounce(" NO_KEY("3", "4")
	    "):0 copy:1", "nor the message the copy");
}

int
main(void)
{
	struct cert_request r = {.days = 1, .curve = "P-256"};
	struct error err;

	strvec_add(&r.domains, "x.example");
	for (int i = 0; i < 3; i++) {
		EVP_PKEY *key = NULL;

		if (!cert_make_self_signed(&r, &certs[i], &key, &err))
			return 1;
		EVP_PKEY_free(key);
	}
	strvec_clear(&r.domains);
	test_facts();
	test_hidden();
	test_signing_plan();
	test_encryption_plan();
	test_filter_plan();
	for (int i = 0; i < 3; i++)
		X509_free(certs[i]);
	return tap_done();
}
