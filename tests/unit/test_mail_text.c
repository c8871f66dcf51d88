/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/mail_text.h"

#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

struct mail {
	struct entity entity;
	struct mail_text *text;
};

/* All header lines, be they twice there. */
static void
open_mail(struct mail *m, const char *p, size_t n)
{
	struct mime_span head, body;
	struct error err = {0};

	entity_init(&m->entity);
	mime_divide(p, n, &head, &body);
	buf_append(&m->entity.head, p, head.len);
	pieces_add(&m->entity.body, p + body.off, body.len);
	m->text = mail_text_new(&m->entity, &place, &err);
	if (m->text == NULL)
		abort();
}

static void
close_mail(struct mail *m)
{
	mail_text_free(&m->text);
	entity_clear(&m->entity);
}

static const char *
content(struct mail *m, size_t i, size_t *n)
{
	struct error err = {0};
	const char *p;

	if (!mail_text_content(m->text, i, &p, n, &err))
		abort();
	return p;
}

/* Is it in the body ('B'), an attachment ('A'), or any ('*')? */
static bool
holds(struct mail *m, char where, const char *needle)
{
	for (size_t i = 0; i < mail_text_count(m->text); i++) {
		const struct mail_part *part = mail_text_part(m->text, i);
		size_t n;
		const char *p = content(m, i, &n);

		if (where != '*' && part->attachment != (where == 'A'))
			continue;
		if (memmem(p, n, needle, strlen(needle)) != NULL)
			return true;
	}
	return false;
}

/* "B:text/plain A:image/png=a.png=b.png" */
static char *
list(struct mail *m)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < mail_text_count(m->text); i++) {
		const struct mail_part *p = mail_text_part(m->text, i);

		buf_printf(&out, "%s%c:%s", i > 0 ? " " : "",
		    p->attachment ? 'A' : 'B', p->type);
		for (size_t k = 0; k < p->filenames.n; k++)
			buf_printf(&out, "=%s", p->filenames.v[k]);
	}
	return buf_take(&out);
}

/* --- which parts there are ----------------------------------------------- */

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TEXT "Content-Type: text/plain\r\n\r\n"

static const struct {
	const char *mail, *want;
	bool valid;
	const char *says;
} parts[] = {
	{TEXT "x", "B:text/plain", true, "text is body"},
	{"\r\nx", "B:text/plain", true, "no type is text"},
	{"Content-Type: text/html\r\n\r\nx", "B:text/html", true,
	    "HTML is body"},
	{"Content-Type: nonsense\r\n\r\nx", "B:text/plain", false,
	    "half a type is text"},
	{"Content-Type: application/pdf\r\n\r\nx", "A:application/pdf", true,
	    "all else is an attachment"},
	{"Content-Type: TEXT/Plain; name=a.txt\r\n\r\nx",
	    "A:text/plain=a.txt", true, "so is text with a name"},
	{"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n"
	    "x", "A:text/plain", true, "or that says so"},
	{"Content-Disposition: inline\r\n\r\nx", "B:text/plain", true,
	    "but not what is inline"},
	{"Content-Disposition: what\r\n\r\nx", "A:text/plain", true,
	    "what is neither is an attachment"},
	{"Content-Type: text/plain; name=\"=?utf-8?Q?a=2Eexe?=\"\r\n"
	    "Content-Disposition: attachment; filename=a.txt\r\n\r\nx",
	    "A:text/plain=a.txt=a.exe", true,
	    "names in both fields count"},
	{MIXED "--b\r\n\r\nx\r\n--b\r\nContent-Type: image/png\r\n"
	    "Content-Disposition: inline; filename=a.png\r\n\r\nx\r\n--b--",
	    "B:text/plain A:image/png=a.png", true,
	    "inline images are attachments"},
	{"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
	    "--b\r\n\r\nx\r\n--b\r\nContent-Type: multipart/related;\r\n"
	    " boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\nx\r\n"
	    "--c--\r\n--b--", "B:text/plain B:text/html", true,
	    "alternatives and what is related are body"},
	{"Content-Type: multipart/signed; boundary=b;\r\n"
	    " protocol=\"application/pkcs7-signature\"\r\n\r\n--b\r\n"
	    "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n"
	    "--c--\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n"
	    "\r\nx\r\n--b--", "B:text/plain A:application/pkcs7-signature",
	    true, "signed parts are looked into"},
	{"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n"
	    "Content-Type: text/html\r\n\r\nx",
	    "A:message/rfc822 A:text/html", true,
	    "an embedded message is an attachment, its header too"},
	{MIXED "--b\r\nContent-Type: message/rfc822; name=a.eml\r\n\r\n\r\nx"
	    "\r\n--b--", "A:message/rfc822=a.eml A:text/plain", true,
	    "it has its name, with or without a header"},
	{"Content-Type: message/news\r\n\r\nSubject: y\r\n\r\nx",
	    "A:message/news A:text/plain", true, "news is a message too"},
	{"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	    "Subject: y\r\n\r\nx\r\n--b\r\nContent-Type: text/plain\r\n\r\nx"
	    "\r\n--b--", "A:message/rfc822 A:text/plain A:text/plain",
	    true, "so is all of a digest"},
	{MIXED "Hello\r\n--b\r\n\r\nx\r\n--b--\r\nBye\r\n",
	    "B:text/plain B:text/plain B:text/plain", true,
	    "text around the parts is body"},
	{MIXED "\r\n \r\n--b\r\n\r\nx\r\n--b--\r\n\r\n", "B:text/plain",
	    true, "unless it is blank"},
	{MIXED "--b\r\n\r\nx", "B:text/plain", false,
	    "a multipart must end"},
	{MIXED "x", "B:multipart/mixed", false, "and have parts"},
	{"Content-Type: multipart/mixed\r\n\r\nx", "B:multipart/mixed",
	    false, "and a boundary"},
	{"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n", "B:text/plain",
	    true, "base64 must be good"},
	{"Content-Transfer-Encoding: base64\r\n\r\neA=\r\n", "B:text/plain",
	    false, "not nearly good"},
	{"Content-Transfer-Encoding: quoted-printable\r\n\r\na=x",
	    "B:text/plain", false, "so must quoted-printable"},
	{"Content-Transfer-Encoding: x-none\r\n\r\nx", "B:text/plain", false,
	    "an encoding must be known"},
	{MIXED "--b\r\nContent-Type: text/plain\r\nContent-Type: text/plain"
	    "\r\n\r\nx\r\n--b--", "B:text/plain", false,
	    "a field must not stand twice"},
	{"Content-Type: text/plain; charset=a; charset=b\r\n\r\nx",
	    "B:text/plain", false, "nor must a parameter"},
	{MIXED "--b\r\nno header\r\n--b--", "B:text/plain", false,
	    "an empty line must end the header"},
	{"Content-Type: message/global\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeQ0KDQp4",
	    "A:message/global A:text/plain", true,
	    "message/global may be encoded"},
};

static void
test_parts(void)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct mail m;
		char *got;

		open_mail(&m, parts[i].mail, strlen(parts[i].mail));
		got = list(&m);
		check_str(got, parts[i].want, parts[i].says);
		if (mail_text_is_valid(m.text) != parts[i].valid)
			check(false, "but it is %svalid", parts[i].valid ?
			    "in" : "");
		free(got);
		close_mail(&m);
	}
}

/* --- what a filter must not miss ------------------------------------------ */

#define B64 "Y29uZmlkZW50aWFs" /* confidential */
#define ENCODED "Content-Transfer-Encoding: base64\r\n\r\n" B64 "\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
#define CHARSET(name) "Content-Type: text/plain; charset=" name "\r\n\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n\r\n"

static const struct {
	char where;
	const char *mail, *says;
} hidden[] = {
	{'B', ENCODED, "in base64"},
	{'B', "Content-Transfer-Encoding: BASE64 (x)\r\n\r\n" B64,
	    "in base64, with a comment"},
	{'B', "Content-Transfer-Encoding: base64\r\n\r\n"
	    "Y*2\r\n9!u\r\n\r\n Z m\t\xff" "lkZW50aWFs",
	    "in base64 with junk in it"},
	{'B', "Content-Transfer-Encoding: base64\r\n\r\n"
	    "eA==" B64, "in base64 behind its padding"},
	{'B', "Content-Transfer-Encoding: base64\r\n\r\n"
	    "Y2=9uZmlkZW50aWFs", "in base64 with a pad that is junk"},
	{'B', "Content-Transfer-Encoding: base64\r\n\r\nconfidential.\r\n",
	    "as it stands, called base64"},
	{'B', QP "confid=\r\nential", "over a soft line break"},
	{'B', QP "confid=  \r\nential", "with blanks behind it"},
	{'B', QP "confid=\nential", "of a bare LF"},
	{'B', QP "=63=6F=6e=66idential", "in quoted-printable"},
	{'B', "Content-Transfer-Encoding: 7bit\r\n" ENCODED,
	    "in the second of two encodings"},
	{'B', "Content-Transfer-Encoding: x-none\r\n\r\n" B64,
	    "in base64 that calls itself something else"},
	{'B', CHARSET("utf-7") "con+AGYAaQBk-ential", "in UTF-7"},
	{'B', CHARSET("utf-7") "+confidential-",
	    "in what only who knows no UTF-7 can read"},
	{'B', CHARSET("utf-16") "confidential",
	    "in US-ASCII that calls itself UTF-16"},
	{'B', CHARSET("iso-2022-jp") "\x1b$B!!\x1b(Bconfidential",
	    "behind a shift"},
	{'B', CHARSET("iso-2022-jp") "con\x1b(Bfidential",
	    "around a shift"},
	{'B', CHARSET("ibm037") "\x83\x96\x95\x86\x89\x84\x85\x95\xa3\x89\x81"
	    "\x93", "in EBCDIC"},
	{'B', CHARSET("utf-8; charset=ibm037")
	    "\x83\x96\x95\x86\x89\x84\x85\x95\xa3\x89\x81\x93",
	    "in the second of two charsets"},
	{'B', CHARSET("x-none") "confidential", "in an unknown charset"},
	{'B', CHARSET("utf-8") "\xff" "confidential", "behind a bad byte"},
	{'B', CHARSET("utf-8") "con\xe2\x80\x8b" "fi\xc2\xad" "dential",
	    "around what is not seen"},
	{'B', CHARSET("us-ascii") "con\001fidential",
	    "around a control character"},
	{'B', HTML "con<b></b>fi&shy;d&#101;ntial", "in HTML"},
	{'B', "Content-Type: text/html\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\ncon<b=\r\n></b>fi=26shy;dential",
	    "in encoded HTML"},
	{'B', HTML "con<!--[if mso]>x<![endif]-->fidential",
	    "around a conditional comment"},
	{'B', HTML "<!--[if mso]>con<b></b>fidential<![endif]-->",
	    "in one"},
	{'B', "Content-Type: text/html\r\n\r\n<meta charset=utf-7>"
	    "con+AGYAaQBk-ential", "in the charset that <meta> says"},
	{'A', "Content-Type: application/xhtml+xml\r\n\r\ncon<b/>fidential",
	    "in XHTML"},
	{'A', "Content-Type: application/octet-stream\r\n" ENCODED,
	    "in an attachment"},

	{'B', "Content-Type: text/plain\r\n" MIXED "--b\r\n" ENCODED "--b--",
	    "in the second of two types"},
	{'B', "Content-Type: multipart/mixed; boundary=a\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\n" ENCODED "--b--", "in that of two multiparts"},
	{'B', "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n"
	    "--b\r\n" ENCODED "--b--", "by the second of two boundaries"},
	{'B', "Content-Type: multipart/mixed; boundary=b; boundary=a\r\n\r\n"
	    "--b\r\n" ENCODED "--b--", "by the first"},
	{'B', "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b"
	    "\r\n\r\n--ab\r\n" ENCODED "--ab--", "by one in pieces"},
	{'B', "Content-Type: multipart/mixed; x; boundary=b\r\n\r\n--b\r\n"
	    ENCODED "--b--", "by one behind what is no parameter"},
	{'B', "Content-Type: multipart/mixed\r\n\r\n--b\r\n" ENCODED "--b--",
	    "without any boundary"},
	{'B', "Content-Type: multipart/mixed; boundary=x\r\n\r\n--b\r\n"
	    ENCODED "--b--", "with a wrong one"},
	{'B', MIXED "--b \t\r\n" ENCODED "--b--", "behind a padded delimiter"},
	{'B', MIXED "--b\r\n\r\nx\r\n--bx\r\n" ENCODED "--b--",
	    "behind a line that goes on"},
	{'B', MIXED "--b\r\n\r\nx\r\n--b--\r\n--b\r\n" ENCODED "--b--",
	    "behind the last delimiter"},
	{'B', MIXED "--b\r\n\r\nx\r\n--b--\r\n--b--\r\n--b\r\n" ENCODED,
	    "behind two of them"},
	{'B', MIXED "confidential\r\n--b--\r\n", "before the first"},
	{'B', MIXED "--b\r\n\r\nx\r\n--b--\r\nconfidential\r\n",
	    "in the epilogue"},
	{'B', "Content-Transfer-Encoding: base64\r\n" MIXED
	    "LS1iDQoNCmNvbmZpZGVudGlhbA0KLS1iLS0NCg==",
	    "in a multipart in base64"},
	{'B', "Content-Transfer-Encoding: quoted-printable\r\n" MIXED
	    "--b\r\n\r\nconfid=65ntial\r\n--b--",
	    "in one in quoted-printable, its delimiters plain"},
	{'B', MIXED "--b\r\nX: y\r\njunk\r\n" ENCODED "--b--",
	    "below a line that is no header line"},
	{'B', MIXED "--b\r\njunk\r\n" ENCODED "--b--", "be it the first"},
	{'B', MIXED "--b\r\nX: y\r\n \r\nN: confidential\r\n\r\nx\r\n--b--",
	    "below a blank line with a blank"},
	{'B', MIXED "--b\rContent-Transfer-Encoding: base64\r\r" B64
	    "\r--b--\r", "between lines that end in CR"},
	{'B', MIXED "--b\r\nX: y\rContent-Transfer-Encoding: base64\r\n\r\n"
	    B64 "\r\n--b--\r\n", "below one of them"},
	{'A', "Content-Type: message/rfc822\r\n\r\nSubject: confidential\r\n"
	    "\r\nx", "in an embedded subject"},
	{'A', "Content-Type: message/rfc822\r\n\r\nSubject: con=?utf-8?Q?"
	    "fid?=\r\n =?utf-8?B?ZW50aWFs?=\r\n\r\nx",
	    "encoded, in an embedded subject"},
	{'A', "Content-Type: message/rfc822\r\n\r\n" ENCODED,
	    "in an embedded message"},
	{'A', "Content-Type: message/rfc822\r\n\r\nContent-Type: "
	    "message/rfc822\r\n\r\n" ENCODED, "in one in one"},
	{'A', "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\nU3ViamVjdDogeQ0KDQpjb25maWRlbnRpYWw=",
	    "in one in base64"},
	{'A', "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\n" ENCODED, "in one that says base64 and is not"},
	{'A', "Content-Type: message/rfc822\r\n\r\nFrom me now\r\n" ENCODED,
	    "below a line of a mailbox file"},
	{'B', "Content-Type: text/html; charset=utf-16\r\n\r\n"
	    "con<b></b>fidential", "in HTML that is no UTF-16"},
	{'A', "Content-Type: text/rfc822-headers\r\n\r\nSubject: =?utf-8?B?"
	    B64 "?=\r\n", "in the header of a bounce"},
};

static void
test_hidden(void)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		struct mail m;

		open_mail(&m, hidden[i].mail, strlen(hidden[i].mail));
		check(holds(&m, hidden[i].where, "confidential"),
		    "a search finds it %s", hidden[i].says);
		close_mail(&m);
	}
}

/* Both byte orders, whatever stands in front. */
static void
test_utf16(void)
{
	static const char word[] = "confidential";
	struct buf text;
	struct mail m;

	for (int little = 0; little <= 1; little++) {
		buf_init(&text, 4096);
		buf_puts(&text, "Content-Type: text/plain; charset=utf-16\r\n"
		    "Content-Transfer-Encoding: binary\r\n\r\n");
		/* More zeros at the other places. */
		for (int i = 0; i < 100; i++)
			buf_append(&text, little ? "\0A" : "A\0", 2);
		for (const char *p = word; *p != '\0'; p++) {
			char unit[2] = {little ? *p : 0, little ? 0 : *p};

			buf_append(&text, unit, 2);
		}
		open_mail(&m, buf_text(&text), text.len);
		check(holds(&m, 'B', word), "a search finds it in UTF-16, %s",
		    little ? "little-endian" : "big-endian");
		close_mail(&m);
		buf_clear(&text);
	}
}

/* --- deep, many, long ----------------------------------------------------- */

static void
add_nested(struct buf *mail, int depth)
{
	buf_puts(mail, "Content-Type: multipart/mixed; boundary=b0\r\n\r\n");
	for (int i = 0; i < depth; i++)
		buf_printf(mail, "--b%d\r\nContent-Type: multipart/mixed; "
		    "boundary=b%d\r\n\r\n", i, i + 1);
	buf_printf(mail, "--b%d\r\n" ENCODED, depth);
}

static void
test_depth(void)
{
	struct buf mail;
	struct mail m;

	buf_init(&mail, 1 << 20);
	add_nested(&mail, 6);
	open_mail(&m, buf_text(&mail), mail.len);
	check(holds(&m, 'B', "confidential"), "seven multiparts deep");
	close_mail(&m);
	buf_reset(&mail);
	add_nested(&mail, 30);
	open_mail(&m, buf_text(&mail), mail.len);
	check(holds(&m, 'B', "confidential") && !mail_text_is_valid(m.text),
	    "thirty-one deep, which is not valid");
	close_mail(&m);
	buf_reset(&mail);
	add_nested(&mail, 2000);
	open_mail(&m, buf_text(&mail), mail.len);
	check(holds(&m, '*', B64) && !mail_text_is_valid(m.text),
	    "beyond all limits the raw bytes are searched");
	close_mail(&m);
	buf_clear(&mail);
}

static void
test_number(void)
{
	struct buf mail;
	struct mail m;

	buf_init(&mail, 4 << 20);
	buf_puts(&mail, MIXED);
	for (int i = 0; i < 1500; i++)
		buf_puts(&mail, "--b\r\n\r\nx\r\n");
	buf_puts(&mail, "--b\r\n" ENCODED "--b--\r\n");
	open_mail(&m, buf_text(&mail), mail.len);
	check(holds(&m, 'B', "confidential") && !mail_text_is_valid(m.text) &&
	    mail_text_count(m.text) == 1501,
	    "behind 1,500 parts, which are not valid");
	close_mail(&m);
	buf_reset(&mail);
	buf_puts(&mail, MIXED);
	for (int i = 0; i < 20000; i++)
		buf_puts(&mail, "--b\r\n\r\nx\r\n");
	buf_puts(&mail, "--b\r\n" ENCODED "--b--\r\n");
	open_mail(&m, buf_text(&mail), mail.len);
	check(holds(&m, 'B', B64) && !mail_text_is_valid(m.text) &&
	    mail_text_count(m.text) <= MAIL_LEAVES_MAX,
	    "behind 20,000 the raw bytes are searched");
	close_mail(&m);
	buf_clear(&mail);
}

static double
seconds(const char *head, const char *unit, size_t times)
{
	struct timespec from, to;
	struct error err;
	struct buf mail;
	struct mail m;
	bool found;

	buf_init(&mail, 64 << 20);
	buf_puts(&mail, head);
	for (size_t i = 0; i < times; i++)
		buf_puts(&mail, unit);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	open_mail(&m, buf_text(&mail), mail.len);
	(void)holds(&m, '*', "confidential");
	(void)mail_text_is_valid(m.text);
	(void)!mail_text_has_encrypted(m.text, &found, &err);
	close_mail(&m);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	buf_clear(&mail);
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void
test_linear(void)
{
	static const struct {
		const char *head, *unit;
	} bad[] = {
		{MIXED, "--b--\r\n--b\r\n\r\nx\r\n"},
		{MIXED, "--b\r\n\r\nx\r\n"},
		{MIXED, "--b\r\nContent-Type: multipart/mixed\r\n\r\n--c\r\n"},
		{MIXED, "--b\r\nx\r\n \r\nContent-Type: message/rfc822\r\n"},
		{MIXED, "--b\r\nContent-Type: message/rfc822\r\n"
		    "Content-Transfer-Encoding: base64\r\n\r\n"},
		{MIXED, "--bx\r\n"},
		{"Content-Transfer-Encoding: base64\r\n" MIXED, "--b\r\n\r\n"},
		{"Content-Transfer-Encoding: base64\r\n\r\n", "="},
		{"Content-Transfer-Encoding: x\r\n\r\n", "="},
		{"Content-Type: multipart/mixed\r\n\r\n", "--\r\n"},
		{"Content-Type: message/rfc822\r\n\r\n",
		    "a: =?x?q?b?=\r\n"},
		{"Content-Type: message/rfc822\r\n\r\n",
		    "Content-Type: message/rfc822\r\n\r\n"},
		{"Content-Type: text/html\r\n\r\n", "<!--[if <![CDATA["},
		{"Content-Type: text/plain; charset=utf-7\r\n\r\n", "+A"},
		{TEXT, "-----BEGIN PGP MESSAGE-----"},
	};
	bool linear = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		double few, many;
		int tries = 0;

		/* Other work on the machine disturbs some, not all. */
		do {
			few = seconds(bad[i].head, bad[i].unit, 5000);
			many = seconds(bad[i].head, bad[i].unit, 40000);
		} while (many > 20 * few + 0.1 && ++tries < 5);
		if (tries == 5) {
			linear = false;
			printf("# %s: %.4f s, then %.4f s\n", bad[i].unit,
			    few, many);
		}
	}
	check(linear, "time grows as the mail does, whatever is in it");
}

/* --- cost ----------------------------------------------------------------- */

static void
test_no_copy(void)
{
	static const char *const heads[] = {TEXT, CHARSET("us-ascii"),
	    "Content-Transfer-Encoding: 8bit\r\n" CHARSET("utf-8"),
	    CHARSET("iso-8859-1")};
	bool same = true;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct buf text;
		struct mail m;
		size_t n;

		buf_init(&text, 4096);
		buf_puts(&text, heads[i]);
		buf_puts(&text, i == 2 ? "caf\xc3\xa9\r\n" : "plain\r\n");
		open_mail(&m, buf_text(&text), text.len);
		same = same && content(&m, 0, &n) ==
		    buf_text(&text) + strlen(heads[i]) &&
		    n == text.len - strlen(heads[i]);
		close_mail(&m);
		buf_clear(&text);
	}
	check(same, "text that needs no decoding costs no copy");
}

static void
test_large(void)
{
	struct buf mail;
	struct mail m;
	const char *p;
	size_t n;
	bool right;

	buf_init(&mail, 32 << 20);
	buf_puts(&mail, "Content-Type: text/html; charset=iso-8859-1\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	for (int i = 0; i < 200000; i++)
		buf_puts(&mail, "<p>caf=E9 &eacute;</p>=\r\n");
	open_mail(&m, buf_text(&mail), mail.len);
	p = content(&m, 0, &n);
	right = n == 200000 * (21 + 9) - 1 + 3 &&
	    memcmp(p + n - 9, "\ncaf\xc3\xa9 \xc3\xa9", 9) == 0;
	check(right, "five megabytes are decoded to their end");
	check(content(&m, 0, &n) == p, "and once only");
	close_mail(&m);
	buf_clear(&mail);
}

/* However many readings there are. */
static void
test_bounds(void)
{
	struct buf mail;
	struct mail m;
	size_t n;

	buf_init(&mail, 4 << 20);
	buf_puts(&mail, "Content-Type: text/html; charset=koi8-r; "
	    "charset=utf-7; charset=big5; charset=gbk; charset=utf-16; "
	    "charset=ibm037\r\nContent-Transfer-Encoding: x\r\n\r\n");
	for (int i = 0; i < 100000; i++)
		buf_puts(&mail, "<![CDATA[ \xd0\xd1 ");
	open_mail(&m, buf_text(&mail), mail.len);
	(void)content(&m, 0, &n);
	check(n > 5 * mail.len && n < 13 * mail.len &&
	    !mail_text_is_valid(m.text),
	    "all readings together are no more than twelve times the part");
	close_mail(&m);
	buf_clear(&mail);
}

static void
test_no_room(void)
{
	static const char mail[] = ENCODED;
	static const struct spool_place nowhere = {"/nonexistent", 4};
	struct error err = {0};
	struct mail_text *t;
	struct entity e;
	const char *p;
	size_t n;

	entity_init(&e);
	if (!entity_from_bytes(mail, sizeof(mail) - 1, &e, &err))
		abort();
	t = mail_text_new(&e, &nowhere, &err);
	check(t != NULL && !mail_text_content(t, 0, &p, &n, &err) &&
	    err.kind == ERROR_TEMP,
	    "without room for it a part is a temporary error");
	mail_text_free(&t);
	entity_clear(&e);
}

/* --- encrypted? ------------------------------------------------------------ */

static const struct {
	const char *mail;
	bool encrypted;
	const char *says;
} sealed[] = {
	{TEXT "x", false, "text is not"},
	{"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n"
	    "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
	    "--b\r\n\r\nx\r\n--b--", true, "PGP/MIME is"},
	{"Content-Type: multipart/encrypted\r\n\r\nx", true,
	    "be it broken"},
	{TEXT "a\r\n-----BEGIN PGP MESSAGE-----\r\n", true, "inline PGP is"},
	{TEXT "a -----BEGIN PGP MESSAGE-----\r\n", false,
	    "at the start of a line"},
	{"Content-Transfer-Encoding: base64\r\n\r\n"
	    "LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0tCg==", true,
	    "in base64 too"},
	{"Content-Disposition: attachment; filename=a.pgp\r\n\r\nx", true,
	    "a file called .pgp is"},
	{"Content-Type: application/pkcs7-mime\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "MA8GCSqGSIb3DQEHA6ACMAA=", true, "an S/MIME envelope is"},
	{"Content-Type: application/octet-stream; name=smime.p7m\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "MA8GCSqGSIb3DQEHA6ACMAA=", true, "by the name of its file too"},
	{"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n"
	    "MA8GCSqGSIb3DQEHAqACMAA=", false,
	    "an opaque signature is not, whatever it says"},
};

static void
test_encrypted(void)
{
	for (size_t i = 0; i < sizeof(sealed) / sizeof(sealed[0]); i++) {
		struct error err;
		struct mail m;
		bool found;

		open_mail(&m, sealed[i].mail, strlen(sealed[i].mail));
		check(mail_text_has_encrypted(m.text, &found, &err) &&
		    found == sealed[i].encrypted, "encrypted: %s",
		    sealed[i].says);
		close_mail(&m);
	}
}

int
main(void)
{
	test_parts();
	test_hidden();
	test_utf16();
	test_depth();
	test_number();
	test_linear();
	test_no_copy();
	test_large();
	test_bounds();
	test_no_room();
	test_encrypted();
	return tap_done();
}
