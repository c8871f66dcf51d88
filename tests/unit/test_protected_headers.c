/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/protected_headers.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/mem.h"
#include "milter-smime/header_policy.h"
#include "protected_check.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

static struct message *
message(const char *text)
{
	struct message *m = message_new(&place);
	struct error err;
	FILE *f = fmemopen((char *)(uintptr_t)text, strlen(text), "r");

	if (!message_read(m, f, &err))
		abort();
	fclose(f);
	return m;
}

static void
find(const char *header, const char *text, bool decrypted, bool verified,
    struct protected_headers *h)
{
	struct payload p = {text, strlen(text), decrypted, verified};
	struct message *m = message(header);

	protected_headers_find(&p, m, h);
	message_free(&m);
}

static char *
words(const struct strvec *names)
{
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < names->n; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : " ", names->v[i]);
	return buf_take(&b);
}

/* --- which protection ----------------------------------------------------- */

#define HEADER "From: a@x.example\nSubject: s\n\n"
#define FIELDS "From: a@x.example\r\nSubject: s\r\n"
#define OUTER "HP-Outer: From: a@x.example\r\nHP-Outer: Subject: s\r\n"
#define RFC822 "Content-Type: message/rfc822\r\n\r\n"

enum { D = 1, V = 2 }; /* decrypted, verified */

static const struct {
	const char *text;
	unsigned how;
	enum header_protection kind;
	const char *says;
} kinds[] = {
	{"Content-Type: text/plain; hp=\"clear\"\r\n" FIELDS "\r\n", V,
	    HEADERS_CLEAR, "hp=clear under a signature"},
	{"Content-Type: text/plain; hp=clear\r\n" FIELDS "\r\n", V,
	    HEADERS_CLEAR, "without quotes as well"},
	{"Content-Type: text/plain; hp=\"clear\"\r\n" FIELDS "\r\n", 0,
	    HEADERS_UNPROTECTED, "a signature that does not hold protects "
	    "nothing"},
	{"Content-Type: text/plain; hp=\"clear\"\r\n" FIELDS "\r\n", D,
	    HEADERS_UNPROTECTED, "nor does encryption what calls itself "
	    "only signed"},
	{"Content-Type: text/plain; hp=\"clear\"\r\n" FIELDS "\r\n", D | V,
	    HEADERS_CLEAR, "encryption that was added on the way hides "
	    "nothing (10.2)"},
	{"Content-Type: text/plain; hp=\"cipher\"\r\n" FIELDS OUTER "\r\n",
	    D | V, HEADERS_CIPHER, "hp=cipher, encrypted and signed"},
	{"Content-Type: text/plain; hp=\"cipher\"\r\n" FIELDS OUTER "\r\n",
	    D, HEADERS_CIPHER, "hp=cipher, only encrypted"},
	{"Content-Type: text/plain; hp=\"cipher\"\r\n" FIELDS OUTER "\r\n",
	    V, HEADERS_CLEAR, "hp=cipher that is only signed is only signed "
	    "(10.2)"},
	{"Content-Type: text/plain; hp=\"cipher\"\r\n" FIELDS OUTER "\r\n",
	    0, HEADERS_UNPROTECTED, "and nothing when neither holds"},
	{"Content-Type: text/plain\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "fields inside without hp are not meant so"},
	{"Content-Type: text/plain; hp=\"Clear\"\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "hp has two values, and no other spelling"},
	{"Content-Type: text/plain; hp=clear; hp=cipher\r\n" FIELDS "\r\n",
	    D | V, HEADERS_UNPROTECTED, "hp twice is none"},
	{"Content-Type: text/plain; hp=clear; hp*=us-ascii''cipher\r\n"
	    FIELDS "\r\n", D | V, HEADERS_UNPROTECTED,
	    "nor with a rival (RFC 2231)"},
	{"Content-Type: text/plain; hp=clear\r\nContent-Type: text/html\r\n"
	    FIELDS "\r\n", V, HEADERS_UNPROTECTED,
	    "two types are in doubt, and hp with them"},
	{"Content-Type: multipart/mixed; boundary=b\r\n" FIELDS "\r\n--b\r\n"
	    "Content-Type: text/plain; hp=clear\r\n" FIELDS "\r\n--b--\r\n",
	    V, HEADERS_UNPROTECTED, "hp on a part counts for nothing (4.1)"},
	{"\r\nContent-Type: text/plain; hp=clear\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "nor does hp in the body"},
	{RFC822 "Content-Type: text/plain\r\n" FIELDS "\r\nx\r\n", V,
	    HEADERS_WRAPPED, "a message as the whole payload (RFC 8551)"},
	{RFC822 FIELDS "\r\nx\r\n", D, HEADERS_WRAPPED,
	    "encrypted, and without a type, too"},
	{RFC822 FIELDS "\r\nx\r\n", 0, HEADERS_UNPROTECTED,
	    "not when nothing holds"},
	{"Content-Type: message/rfc822; hp=x\r\n\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "not with any hp on it"},
	{RFC822 "Content-Type: text/plain; hp=clear\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "nor on the message"},
	{RFC822 "Content-Type: multipart/signed; boundary=b\r\n" FIELDS
	    "\r\n", V, HEADERS_UNPROTECTED, "nor when that is signed itself"},
	{RFC822 "Content-Type: application/pkcs7-mime\r\n" FIELDS "\r\n", V,
	    HEADERS_UNPROTECTED, "or encrypted"},
	{"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\n" FIELDS "\r\n", V, HEADERS_UNPROTECTED,
	    "nor under an encoding"},
	{"Content-Type: message/rfc822; hp=clear\r\n" FIELDS "\r\n"
	    "Subject: other\r\n\r\n", V, HEADERS_CLEAR,
	    "with hp=clear it is one attachment, protected itself"},
};

static void
test_kinds(void)
{
	struct payload none = {NULL, 0, true, true};
	struct protected_headers h;
	struct message *m = message(HEADER);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool decrypted = kinds[i].how & D, found;

		find(HEADER, kinds[i].text, decrypted, kinds[i].how & V, &h);
		found = h.kind != HEADERS_UNPROTECTED;
		check(h.kind == kinds[i].kind && h.n == (found ? 2 : 0) &&
		    h.is_signed == (found && (kinds[i].how & V)) &&
		    h.differ.n == 0, "%s", kinds[i].says);
		protected_headers_clear(&h);
	}
	protected_headers_find(&none, m, &h);
	check(h.kind == HEADERS_UNPROTECTED && h.n == 0,
	    "without a payload there is nothing");
	message_free(&m);
}

/* --- comparing -------------------------------------------------------------- */

#define CLEAR "Content-Type: text/plain; hp=clear\r\n"
#define CIPHER "Content-Type: text/plain; hp=cipher\r\n"
#define FROM "From: a@x.example\r\n"
#define SHOWS "HP-Outer: From: a@x.example\r\n"

static const struct {
	const char *header, *text;
	unsigned how;
	const char *differ, *confidential, *says;
} compared[] = {
	{"From: a@x.example\nSubject: s t\n\n", CLEAR FROM
	    "Subject:  s\r\n\tt \r\n\r\n", V, "", "",
	    "blanks and folds make no difference"},
	{"From: a@x.example\nSubject: st\n\n", CLEAR FROM
	    "Subject: s t\r\n\r\n", V, "Subject", "",
	    "a blank or none is one"},
	{"From: a@x.example\nsubject: T\n\n", CLEAR FROM
	    "SUBJECT: t\r\n\r\n", V, "Subject", "",
	    "names compare in any case, values do not"},
	{"From: a@x.example\n\n", CLEAR FROM "Subject: s\r\n\r\n", V,
	    "Subject", "", "a field that was taken off differs"},
	{"From: a@x.example\nCc: b@x.example\n\n", CLEAR FROM "\r\n", V,
	    "Cc", "", "and one that was added"},
	{"From: a@x.example\nSubject: s\nSubject: t\n\n", CLEAR FROM
	    "Subject: s\r\n\r\n", V, "Subject", "", "also beside another"},
	{"From: a@x.example\nReceived: x\nX-Y: z\nList-Id: l\n\n", CLEAR FROM
	    "\r\n", V, "", "", "what servers and lists add does not"},
	{"From: a@x.example\n\n", CLEAR FROM "X-Spam-Flag: NO\r\n"
	    "Bcc: h@x.example\r\nReceived: y\r\n\r\n", V, "", "",
	    "what is no sender's business inside is not looked at"},
	{"From: b@x.example\n\n", CLEAR FROM "\r\n", V, "From", "",
	    "another From is told"},
	{"From: B <A@X.EXAMPLE>\n\n", CIPHER FROM
	    "HP-Outer: From: B <A@X.EXAMPLE>\r\n\r\n", D | V, "", "From",
	    "the same address is the same From"},
	{"From: a@x.example\n\n", CIPHER "From: b@x.example\r\n" SHOWS
	    "\r\n", D | V, "From", "From", "the spoof of 10.1: HP-Outer "
	    "agrees with outside, the From inside is another"},
	{"From: a@x.example\nSubject: [...]\n\n", CIPHER FROM SHOWS
	    "Subject: s\r\nKeywords: k\r\nHP-Outer: Subject: [...]\r\n\r\n",
	    D, "", "Subject Keywords", "what was obscured or removed is "
	    "confidential, and as it was sent"},
	{"From: a@x.example\nSubject: x\n\n", CIPHER FROM SHOWS
	    "Subject: s\r\nHP-Outer: Subject: [...]\r\n\r\n", D, "Subject",
	    "Subject", "what is not as HP-Outer says was changed"},
	{"From: a@x.example\n\n", CIPHER FROM SHOWS "Cc: c@x.example\r\n"
	    "HP-Outer: Cc: c@x.example\r\n\r\n", D, "Cc", "",
	    "what was taken off on the way was not confidential (11.3)"},
	{"From: a@x.example\nSubject: s\n\n", CIPHER FROM SHOWS
	    "Subject: s\r\nhp-outer:\r\n\tsubject : s\r\n\r\n", D, "", "",
	    "HP-Outer is read in any spelling"},
	{"From: a@x.example\nSubject: s\n\n", CIPHER FROM
	    "Subject: s\r\nHP-Outer: nothing\r\n\r\n", D, "From Subject",
	    "From Subject", "without it its sender showed nothing"},
	{"From: a@x.example\nSubject: s\n\n", CIPHER FROM "Subject: s\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n", V, "", "",
	    "in what is not encrypted HP-Outer counts for nothing (2.2)"},
	{"From: a@x.example\nSubject: s\n\n", CLEAR FROM "Subject: s\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n", D | V, "", "",
	    "nor in what was only signed by its sender"},
	{"From: b@x.example\nSubject: [...]\nTo: t@x.example\n"
	    "Cc: c@x.example\n\n", RFC822 FROM "Subject: s\r\n"
	    "To: t@x.example\r\n\r\n", D | V, "From Cc", "From Subject",
	    "a wrapped one tells what is not outside, never who took it "
	    "off"},
	{"From: a@x.example\nSubject: x\n\n", RFC822 FROM
	    "Subject: s\r\n\r\n", V, "Subject", "",
	    "signed only, all must be as inside"},
};

static void
test_compare(void)
{
	for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
		struct protected_headers h;
		char *differ, *confidential;

		find(compared[i].header, compared[i].text,
		    compared[i].how & D, compared[i].how & V, &h);
		differ = words(&h.differ);
		confidential = words(&h.confidential);
		if (!check(strcmp(differ, compared[i].differ) == 0 &&
		    strcmp(confidential, compared[i].confidential) == 0, "%s",
		    compared[i].says))
			printf("# differ: %s; confidential: %s\n", differ,
			    confidential);
		free(differ);
		free(confidential);
		protected_headers_clear(&h);
	}
}

static void
test_bounds(void)
{
	struct protected_headers h;
	struct buf text;

	buf_init(&text, 1 << 22);
	buf_puts(&text, CLEAR FROM);
	for (int i = 0; i < 199; i++)
		buf_puts(&text, "Keywords: k\r\n");
	find(HEADER, buf_text(&text), false, true, &h);
	check(h.kind == HEADERS_CLEAR && h.n == 200,
	    "200 fields are taken");
	protected_headers_clear(&h);
	buf_puts(&text, "Keywords: k\r\n");
	find(HEADER, buf_text(&text), false, true, &h);
	check(h.kind == HEADERS_UNPROTECTED && h.n == 0 && h.v == NULL,
	    "201 are no header that anybody composed");
	protected_headers_clear(&h);

	buf_reset(&text);
	buf_puts(&text, CLEAR FROM "Subject: ");
	for (int i = 0; i < 60000; i++)
		buf_putc(&text, 'x');
	find(HEADER, buf_text(&text), false, true, &h);
	check(h.kind == HEADERS_UNPROTECTED, "nor is a value of 60,000");
	protected_headers_clear(&h);

	buf_reset(&text);
	buf_puts(&text, CLEAR FROM);
	for (int i = 0; i < 9; i++) {
		buf_puts(&text, "Keywords: ");
		for (int n = 0; n < 30000; n++)
			buf_putc(&text, 'x');
		buf_puts(&text, "\r\n");
	}
	find(HEADER, buf_text(&text), false, true, &h);
	check(h.kind == HEADERS_UNPROTECTED, "nor 270,000 in all");
	protected_headers_clear(&h);
	buf_clear(&text);
}

/* --- restoring --------------------------------------------------------------- */

static char *
written(const struct fields *f)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < f->n; i++)
		buf_printf(&b, "%s:%s\n", f->v[i].name, f->v[i].value);
	return buf_take(&b);
}

static const struct {
	const char *header, *text;
	unsigned how;
	const char *after, *says;
} restored[] = {
	{"Received: x\nSubject: [...]\nFrom: a@x.example\nX: y\n\n", CIPHER
	    FROM SHOWS "Subject: the\r\n\tmatter\r\nKeywords: k\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n", D,
	    "Received: x\nSubject: the\n\tmatter\nFrom: a@x.example\nX: y\n"
	    "Keywords: k\n", "the subject comes back where it stood, what "
	    "was removed at the end"},
	{"From: a@x.example\nSubject: forged\nReply-To: m@evil.example\n"
	    "Cc: m@evil.example\nTo: m@evil.example\nDate: d\n"
	    "Message-ID: m\nSender: s@x.example\n\n", CLEAR FROM
	    "Subject: s\r\n\r\n", V,
	    "From: a@x.example\nSubject: s\nDate: d\nMessage-ID: m\n"
	    "Sender: s@x.example\n", "what was added goes, but what servers "
	    "add"},
	{"From: a@x.example\nDate: d\nSender: s@x.example\nDate: e\n\n", CLEAR
	    FROM "Sender: t@x.example\r\nDate: f\r\n\r\n", V,
	    "From: a@x.example\nDate: f\nSender: t@x.example\n",
	    "but these are restored, too"},
	{"From: b@x.example\nSubject: x\n\n", CIPHER FROM SHOWS
	    "Subject: s\r\n\r\n", D | V, "From: b@x.example\nSubject: s\n",
	    "never From"},
	{"From: a@x.example\n\n", CIPHER "From: Anna <a@x.example>\r\n" SHOWS
	    "\r\n", D, "From: Anna <a@x.example>\n",
	    "but the name before the same address"},
	{"From: a@x.example\n\n", CIPHER "From: b@y.example <a@x.example>, "
	    "c@x.example\r\n" SHOWS "\r\n", D, "From: a@x.example\n",
	    "which must be the only one, and plain to read"},
	{"X: y\nFrom: a@x.example\nFrom: b@x.example\n\n", CIPHER FROM SHOWS
	    "\r\n", D, "X: y\nFrom: a@x.example\nFrom: b@x.example\n",
	    "a second From stays for all to see"},
	{"From: a@x.example\nTo: b@x.example\n\n", CLEAR "Subject: s\r\n\r\n",
	    V, "From: a@x.example\nTo: b@x.example\nSubject: s\n",
	    "where no From is inside nothing outside goes"},
	{"From: a@x.example\nSubject: a\nSubject: b\nSubject: c\n\n", CLEAR
	    FROM "Subject: 1\r\nSubject: 2\r\n\r\n", V,
	    "From: a@x.example\nSubject: 1\nSubject: 2\n",
	    "of several, each is restored, the last go"},
	{"From: a@x.example\nSubject: x\n\n", RFC822 FROM
	    "Subject: s\r\n\r\n", D | V, "From: a@x.example\nSubject: x\n",
	    "a wrapped one is left as it is"},
	{"From: a@x.example\nSubject: x\n\n", CLEAR FROM
	    "Subject: s\r\n\r\n", 0, "From: a@x.example\nSubject: x\n",
	    "and what nothing protects"},
	{"From: a@x.example\n\n", CLEAR FROM "Subject: a\rb\x01" "c\x7f" "d"
	    "\n \t\r\n e\xc3\xa4\r\nX-Spam: n\r\nBcc: b@x.example\r\n"
	    "Authentication-Results: x; smime=pass\r\n\r\n", V,
	    "From: a@x.example\nSubject: a b c d\n e\xc3\xa4\n",
	    "nothing comes back that may not stand in a header"},
};

static void
test_restore(void)
{
	static const char nul[] = CLEAR FROM "Subject: a\0b\r\n\r\n";
	struct payload p = {nul, sizeof(nul) - 1, false, true};
	struct protected_headers h;
	struct message *m;
	struct fields f;
	char *text;

	for (size_t i = 0; i < sizeof(restored) / sizeof(restored[0]); i++) {
		bool changed;

		m = message(restored[i].header);
		find(restored[i].header, restored[i].text,
		    restored[i].how & D, restored[i].how & V, &h);
		fields_init(&f, m);
		changed = protected_headers_restore(&h, &f);
		text = written(&f);
		check_str(text, restored[i].after, restored[i].says);
		check(changed == (f.nedits > 0), "and it says whether "
		    "anything changed");
		free(text);
		fields_clear(&f);
		protected_headers_clear(&h);
		message_free(&m);
	}
	m = message(HEADER);
	protected_headers_find(&p, m, &h);
	check(h.n == 2 && strcmp(h.v[1].value, " a b") == 0,
	    "NUL becomes a blank");
	protected_headers_clear(&h);
	message_free(&m);
}

static bool
hides(const struct protected_headers *h, const char *sender)
{
	struct mailaddr a = {0};
	struct error ignored;
	bool hide;

	if (!mailaddr_parse(sender, strlen(sender), &a, &ignored))
		memset(&a, 0, sizeof(a));
	hide = protected_headers_hide_from(h, sender, &a);
	mailaddr_clear(&a);
	return hide;
}

static void
test_hide(void)
{
	struct protected_headers h;

	find("From: a@x.example\nSubject: [...]\n\n", CIPHER FROM SHOWS
	    "Sender: b@x.example\r\nSubject: s\r\n"
	    "HP-Outer: Subject: [...]\r\n\r\n", true, true, &h);
	check(!hides(&h, "<A@x.example>") && !hides(&h, "<b@x.example>"),
	    "who wrote a message may be notified of it");
	check(!hides(&h, "<>"), "nobody is nobody's stranger");
	check(hides(&h, "<c@x.example>") && hides(&h, "<a@y.example>"),
	    "anybody else would learn what was hidden");
	check(hides(&h, "<a b@@x>") && hides(&h, "a@x.example@y"),
	    "and whoever cannot be read");
	protected_headers_clear(&h);
	find("From: a@x.example\nSubject: s\n\n", CIPHER FROM SHOWS
	    "Subject: s\r\nHP-Outer: Subject: s\r\n\r\n", true, true, &h);
	check(!hides(&h, "<c@x.example>"), "where nothing was hidden there "
	    "is nothing to learn");
	protected_headers_clear(&h);
}

/* --- sending ------------------------------------------------------------------ */

/* Both, the header behind the entity's; free(3). */
static char *
added(const char *text, bool encrypts, enum header_confidentiality policy,
    bool *eight_bit, struct error *err)
{
	struct message *m = message(text);
	struct fields f;
	struct entity e;
	char *head, *all = NULL;

	fields_init(&f, m);
	entity_init(&e);
	if (entity_from_message(m, &e, err) && protected_headers_add(&f, &e,
	    encrypts, policy, eight_bit, err)) {
		head = written(&f);
		all = mem_printf("%s---\n%s", buf_text(&e.head), head);
		free(head);
	}
	fields_clear(&f);
	entity_clear(&e);
	message_free(&m);
	return all;
}

static void
adds(const char *text, bool encrypts, enum header_confidentiality policy,
    const char *after, const char *says)
{
	struct error err = {0};
	bool eight_bit;
	char *got = added(text, encrypts, policy, &eight_bit, &err);

	check_str(got == NULL ? err.text : got, after, says);
	free(got);
}

#define MAIL "Received: from pc\n" \
	"DATE: Sat, 20 Feb 2021 10:09:02 -0500\n" \
	"From: \"Doe, A.\" <a@x.example>\n" \
	"To: B <b@x.example>,\n\tG: c@x.example;\n" \
	"Subject: a\n matter\n" \
	"Keywords: k\n" \
	"Comments: c\n" \
	"Thread-Topic: a matter\n" \
	"X-Quarantine: q\n" \
	"Bcc: h@x.example\n" \
	"HP-Outer: Subject: x\n" \
	"Content-Type: text/plain; charset=utf-8; hp=\"clear\"\n\n"

#define INNER "DATE: Sat, 20 Feb 2021 10:09:02 -0500\r\n" \
	"From: \"Doe, A.\" <a@x.example>\r\n" \
	"To: B <b@x.example>,\r\n\tG: c@x.example;\r\n" \
	"Subject: a\r\n matter\r\n" \
	"Keywords: k\r\n" \
	"Comments: c\r\n" \
	"Thread-Topic: a matter\r\n"

static void
test_add(void)
{
	adds(MAIL, false, CONFIDENTIALITY_SHY, INNER
	    "Content-Type: text/plain;\r\n\thp=\"clear\"; charset=utf-8\r\n"
	    "---\n"
	    "Received: from pc\n"
	    "DATE: Sat, 20 Feb 2021 10:09:02 -0500\n"
	    "From: \"Doe, A.\" <a@x.example>\n"
	    "To: B <b@x.example>,\n\tG: c@x.example;\n"
	    "Subject: a\n matter\n"
	    "Keywords: k\n"
	    "Comments: c\n"
	    "Thread-Topic: a matter\n"
	    "X-Quarantine: q\n"
	    "Bcc: h@x.example\n"
	    "HP-Outer: Subject: x\n"
	    "Content-Type: text/plain; charset=utf-8; hp=\"clear\"\n",
	    "signed only: what a sender composes goes inside, folds and all, "
	    "and nothing changes outside");
	adds(MAIL, true, CONFIDENTIALITY_BASELINE, INNER
	    "HP-Outer: DATE: Sat, 20 Feb 2021 10:09:02 -0500\r\n"
	    "HP-Outer: From: \"Doe, A.\" <a@x.example>\r\n"
	    "HP-Outer: To: B <b@x.example>,\r\n\tG: c@x.example;\r\n"
	    "HP-Outer: Subject: [...]\r\n"
	    "Content-Type: text/plain;\r\n\thp=\"cipher\"; charset=utf-8\r\n"
	    "---\n"
	    "Received: from pc\n"
	    "DATE: Sat, 20 Feb 2021 10:09:02 -0500\n"
	    "From: \"Doe, A.\" <a@x.example>\n"
	    "To: B <b@x.example>,\n\tG: c@x.example;\n"
	    "Subject: [...]\n"
	    "X-Quarantine: q\n"
	    "Bcc: h@x.example\n"
	    "HP-Outer: Subject: x\n"
	    "Content-Type: text/plain; charset=utf-8; hp=\"clear\"\n",
	    "encrypted, baseline: the subject is obscured, comments and "
	    "keywords go, HP-Outer says what is left");
	adds(MAIL, true, CONFIDENTIALITY_SHY, INNER
	    "HP-Outer: DATE: Sat, 20 Feb 2021 15:09:02 +0000\r\n"
	    "HP-Outer: From: a@x.example\r\n"
	    "HP-Outer: To: b@x.example, c@x.example\r\n"
	    "HP-Outer: Subject: [...]\r\n"
	    "Content-Type: text/plain;\r\n\thp=\"cipher\"; charset=utf-8\r\n"
	    "---\n"
	    "Received: from pc\n"
	    "DATE: Sat, 20 Feb 2021 15:09:02 +0000\n"
	    "From: a@x.example\n"
	    "To: b@x.example, c@x.example\n"
	    "Subject: [...]\n"
	    "X-Quarantine: q\n"
	    "Bcc: h@x.example\n"
	    "HP-Outer: Subject: x\n"
	    "Content-Type: text/plain; charset=utf-8; hp=\"clear\"\n",
	    "shy: names of people and groups and the time zone, too");
	adds("Subject: s\nFrom: A <a@x.example>\n\n", true,
	    CONFIDENTIALITY_NONE,
	    "Subject: s\r\nFrom: A <a@x.example>\r\nHP-Outer: Subject: s\r\n"
	    "HP-Outer: From: A <a@x.example>\r\nContent-Type: text/plain;\r\n"
	    "\thp=\"cipher\"; charset=us-ascii\r\n---\nSubject: s\n"
	    "From: A <a@x.example>\n", "none: HP-Outer says that all is seen");
	adds("Subject:\n  s \t\n \t\n t\nComments:\nX: y\n\n", true,
	    CONFIDENTIALITY_NONE, "Subject: s\r\n t\r\nComments:\r\n"
	    "HP-Outer: Subject: s\r\n t\r\nHP-Outer: Comments:\r\n"
	    "Content-Type: text/plain;\r\n\thp=\"cipher\"; "
	    "charset=us-ascii\r\n---\nSubject:\n  s \t\n \t\n t\nComments:\n"
	    "X: y\n", "no line inside is blank, or ends so");
}

static const struct {
	const char *type, *marked, *says;
} types[] = {
	{"text/plain", "text/plain;\r\n\thp=\"clear\"", "a type alone"},
	{"text/plain;", "text/plain;\r\n\thp=\"clear\";",
	    "a semicolon at its end"},
	{"text/plain (a; b) ; x=\"y;z\\\" hp=1\"; name=\"open",
	    "text/plain;\r\n\thp=\"clear\" (a; b) ; x=\"y;z\\\" hp=1\"; "
	    "name=\"open", "comments and quotes, closed or not"},
	{"a/b; HP = cipher; c=d; hp*0=x; hp*1=y; hpx=1; x=hp",
	    "a/b;\r\n\thp=\"clear\"; c=d; hpx=1; x=hp",
	    "any other hp goes, in pieces, too"},
	{"a/b; junk; ;hp=cipher;", "a/b;\r\n\thp=\"clear\"; junk; ;",
	    "also behind what cannot be read"},
	{"a/b;\n hp=\"cipher\";\n c=d", "a/b;\r\n\thp=\"clear\";\r\n c=d",
	    "with its fold"},
	{"(c) a / b; c=d", "(c) a / b;\r\n\thp=\"clear\"; c=d",
	    "comments and blanks in the type"},
};

static const char *const broken[] = {
	"Content-Type: text/plain\nContent-Type: text/html\n\n",
	"Content-Type: text\n\n",
	"Content-Type:\n\n",
	"Content-Type: text/plain: (a; hp=x\n\n",
};

static void
test_marks(void)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char *mail = mem_printf("Content-ID: <x>\nContent-Type: %s\n"
		    "Content-Language: en\n\n", types[i].type);
		char *want = mem_printf("Content-ID: <x>\r\nContent-Type: "
		    "%s\r\nContent-Language: en\r\n---\n", types[i].marked);
		struct error err = {0};
		bool eight_bit;
		char *got = added(mail, false, CONFIDENTIALITY_BASELINE,
		    &eight_bit, &err);

		if (got != NULL)
			got[strlen(want)] = '\0';
		check_str(got, want, types[i].says);
		free(got);
		free(mail);
		free(want);
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		adds(broken[i], false, CONFIDENTIALITY_BASELINE,
		    "the Content-Type field cannot be read",
		    "a type that two may read differently is refused");
}

static char *
field_of(const char *name, const char *word, size_t n)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "%s:", name);
	for (size_t i = 0; i < n; i++)
		buf_puts(&b, word);
	buf_puts(&b, "\n\n");
	return buf_take(&b);
}

static size_t
longest_line(const char *text)
{
	size_t n, longest = 0;

	for (; *text != '\0'; text += n + (text[n] != '\0')) {
		n = strcspn(text, "\r\n");
		longest = n > longest ? n : longest;
	}
	return longest;
}

static void
test_long(void)
{
	struct error err = {0};
	bool eight_bit;
	char *mail = field_of("Subject", " 1234567 90123", 200), *got;

	got = added(mail, true, CONFIDENTIALITY_NONE, &eight_bit, &err);
	check(got != NULL && longest_line(got) <= 998 &&
	    strstr(got, "\n 90123") != NULL &&
	    strstr(got, " \n") == NULL && strstr(got, " \r") == NULL,
	    "long lines are folded at blanks, inside, in HP-Outer, and "
	    "outside as they are inside");
	free(got);
	free(mail);
	mail = field_of("Subject", "x", 2000);
	got = added(mail, false, CONFIDENTIALITY_NONE, &eight_bit, &err);
	check(got != NULL && longest_line(got) == 2009,
	    "one without blanks stays");
	free(got);
	free(mail);
	mail = field_of("To", " a@x.example,", 5000);
	got = added(mail, false, CONFIDENTIALITY_NONE, &eight_bit, &err);
	check_str(got == NULL ? err.text : got, "header field To is too long "
	    "to be protected", "what the milter protocol may have cut is "
	    "refused");
	free(got);
	free(mail);
	got = added("Subject: \xc3\xa4\n\n", false, CONFIDENTIALITY_NONE,
	    &eight_bit, &err);
	check(got != NULL && eight_bit && strncmp(got, "Subject: \xc3\xa4\r\n",
	    12) == 0, "raw UTF-8 stays, and is told");
	free(got);
	got = added("Subject: a\nX: \xc3\xa4\n\n", false,
	    CONFIDENTIALITY_NONE, &eight_bit, &err);
	check(got != NULL && !eight_bit, "only of what goes inside");
	free(got);
}

static void
test_many(void)
{
	struct error err = {0};
	struct buf mail;
	bool eight_bit;
	char *got;

	buf_init(&mail, 1 << 20);
	for (int i = 0; i < 201; i++)
		buf_puts(&mail, "Keywords: k\n");
	buf_puts(&mail, "\n");
	got = added(buf_text(&mail), true, CONFIDENTIALITY_BASELINE,
	    &eight_bit, &err);
	check_str(got == NULL ? err.text : got, "more than 200 header fields "
	    "to protect", "no more goes inside than would be believed there");
	free(got);
	buf_reset(&mail);
	for (int i = 0; i < 9; i++) {
		buf_puts(&mail, "Keywords: ");
		for (int n = 0; n < 30000; n++)
			buf_putc(&mail, 'x');
		buf_putc(&mail, '\n');
	}
	buf_puts(&mail, "\n");
	got = added(buf_text(&mail), true, CONFIDENTIALITY_BASELINE,
	    &eight_bit, &err);
	check_str(got == NULL ? err.text : got, "more than 262144 bytes of "
	    "header fields to protect", "in bytes, too");
	free(got);
	buf_clear(&mail);
}

static bool
is_layer(const char *head)
{
	struct entity e;
	bool layer;

	entity_init(&e);
	buf_puts(&e.head, head);
	layer = protected_headers_is_layer(&e);
	entity_clear(&e);
	return layer;
}

static void
test_layers(void)
{
	check(is_layer("Content-Type: multipart/signed; protocol=x\r\n") &&
	    is_layer("Content-type: Multipart/Encrypted\r\n") &&
	    is_layer("Content-Type: application/x-pkcs7-mime\r\n"),
	    "what is signed or encrypted itself is a layer, PGP's as well");
	check(!is_layer("Content-Type: multipart/mixed\r\n") &&
	    !is_layer("Content-Description: multipart/signed\r\n") &&
	    !is_layer(""), "nothing else is");
}

static void
test_unmark(void)
{
	struct entity e;

	entity_init(&e);
	buf_puts(&e.head, "Content-ID: x\r\nContent-Type: a/b;\r\n"
	    " hp=\"cipher\"; c=d\r\nContent-Language: en\r\n");
	protected_headers_unmark(&e);
	check_str(buf_text(&e.head), "Content-ID: x\r\nContent-Type: a/b; "
	    "c=d\r\nContent-Language: en\r\n", "hp goes when its message is "
	    "inside of nothing any more");
	protected_headers_unmark(&e);
	check_str(buf_text(&e.head), "Content-ID: x\r\nContent-Type: a/b; "
	    "c=d\r\nContent-Language: en\r\n", "where there is none, nothing "
	    "changes");
	entity_clear(&e);
}

/* --- there and back ----------------------------------------------------------- */

static const char *const mails[] = {
	MAIL,
	"From: a@x.example\nSubject: s\n\n",
	"Subject: s\nSubject:\nSubject: t\nFrom: a@x.example\n"
	    "Keywords: a\nKeywords: a\nKeywords: b\n\n",
	"From: =?utf-8?B?w6Q=?= <a@x.example>\nTo: undisclosed-recipients:;\n"
	    "Date: yesterday\nCc: \"b, c\" <b@x.example>, <>\n\n",
	"From: \xc3\xa4 <\xc3\xb6@b\xc3\xbc" "cher.example>\nSubject: \xff\n"
	    "To: A <a@xn--bcher-kva.example>, "
	    "B <b@b\xc3\xbc" "cher.example>\n\n",
	"From:\n a@x.example\nTo :\n\tb@x.example\nSubject:a\x01" "b\n \n c\n"
	    "Message-ID: <m@x>\nIn-Reply-To: <l@x>\nReferences: <k@x>\n"
	    "\t<l@x>\nUser-Agent: u\n\n",
	"From: A <a@x.example>\nFrom: B <b@x.example>\nTo: t@x.example\n\n",
};

static void
test_round_trip(void)
{
	static const enum header_confidentiality policies[] = {
		CONFIDENTIALITY_BASELINE, CONFIDENTIALITY_SHY,
		CONFIDENTIALITY_NONE};

	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		const char *why = NULL;
		bool refused, any = false;
		struct message *m = message(mails[i]);

		for (size_t n = 0; n < 6 && why == NULL; n++) {
			why = round_trip_broken(m, &place, n >= 3,
			    policies[n % 3], &refused);
			any |= refused;
		}
		if (!check(why == NULL && !any, "mail %zu comes back as it "
		    "was, whatever the policy", i + 1))
			printf("# %s\n", why == NULL ? "refused" : why);
		message_free(&m);
	}
}

int
main(void)
{
	test_kinds();
	test_compare();
	test_bounds();
	test_restore();
	test_hide();
	test_add();
	test_marks();
	test_long();
	test_many();
	test_layers();
	test_unmark();
	test_round_trip();
	return tap_done();
}
