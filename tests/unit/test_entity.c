/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of MIME shapes on which signing milters are known to fail:
 * what is signed must survive every hop, say the same, and stay byte for
 * byte where it is in order.
 */
#include "milter-smime/entity.h"

#include <stdlib.h>
#include <time.h>

#include "mime_check.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define EIGHT "Content-Transfer-Encoding: 8bit\r\n"
#define SEVEN "Content-Transfer-Encoding: 7bit\r\n"
#define BINARY "Content-Transfer-Encoding: binary\r\n"
#define BASE64 "Content-Transfer-Encoding: base64\r\n"
#define QUOTED "Content-Transfer-Encoding: quoted-printable\r\n"
#define UTF16 "Content-Type: text/plain; charset=utf-16le\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"
#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\r\n"
#define SIGNED "Content-Type: multipart/signed; boundary=s\r\n"
#define MESSAGE "Content-Type: message/rfc822\r\n"
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X500 X50 X50 X50 X50 X50 X50 X50 X50 X50 X50

/* Two parts, of which p is the first. */
#define IN(p) "--b\r\n" p "\r\n--b\r\n\r\nlast\r\n--b--\r\n"

struct shape {
	const char *says;
	const char *head, *body;
	const char *new_head, *new_body; /* NULL: stays */
	bool left;
	size_t n; /* of body; 0: a string */
};

#define STAYS(s, h, b) {.says = s, .head = h, .body = b}
#define LEFT(s, h, b) {.says = s, .head = h, .body = b, .left = true}
#define BECOMES(s, h, b, new_h, new_b) \
	{.says = s, .head = h, .body = b, .new_head = new_h, .new_body = new_b}

#define NUL_BODY "a\0b\r\n"

static const struct shape shapes[] = {
	/* What is in order stays. */
	STAYS("plain ASCII text stays byte for byte", TEXT, "Hello\r\n"),
	STAYS("an empty body stays", TEXT, ""),
	STAYS("an empty head stays", "", "Hello\r\n"),
	STAYS("a body of one line end stays", TEXT, "\r\n"),
	STAYS("a text without final newline stays", TEXT, "Hello"),
	STAYS("odd spelling of header names stays",
	    "content-TYPE: TEXT/plain\r\nCONTENT-transfer-ENCODING: 7BIT\r\n",
	    "Hello\r\n"),
	STAYS("a semicolon in a quoted file name stays",
	    OCTETS "Content-Disposition: attachment; "
	    "filename=\"a;b\\\"c.txt\"\r\n", "x\r\n"),
	STAYS("a multipart in order stays", MIXED("b"), IN(TEXT "\r\nHello")),
	STAYS("base64 in order stays", TEXT BASE64, "SGVsbG8=\r\n"),
	STAYS("quoted-printable in order stays", TEXT QUOTED, "Gr=C3=BC=\r\n=20\r\n"),
	STAYS("a line of 998 stays", TEXT, X500 X50 X50 X50 X50 X50 X50 X50 X50
	    X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
	STAYS("preamble and epilogue stay", MIXED("b"),
	    "pre\r\n" IN(TEXT "\r\nHello") "post\r\n\r\nmore"),
	STAYS("dots at line starts stay", TEXT, ".\r\n..\r\n"),
	STAYS("a multipart without any delimiter stays", MIXED("b"),
	    "no delimiter\r\n"),
	STAYS("a multipart without -- stays", MIXED("b"), "b\r\nx\r\nb\r\n"),
	STAYS("a multipart that is not closed stays", MIXED("b"),
	    "--b\r\n\r\nHello\r\n"),
	STAYS("a boundary that begins like another stays", MIXED("b"),
	    "--b\r\n" MIXED("b1") "\r\n--b1\r\n\r\nx\r\n--b1--\r\n--b--\r\n"),
	STAYS("MIME-Version without Content-* stays",
	    "Content-Type: text/plain; charset=us-ascii\r\n", "Hello\r\n"),
	STAYS("a bounce message with parts in order stays",
	    "Content-Type: multipart/report; boundary=b\r\n",
	    IN("Content-Type: message/delivery-status\r\n\r\n"
	    "Action: failed\r\n")),

	/* 8-bit leaves. */
	BECOMES("8-bit text becomes quoted-printable", TEXT EIGHT,
	    "Viele Gr\xc3\xbc\xc3\x9f" "e\r\n", TEXT QUOTED,
	    "Viele Gr=C3=BC=C3=9Fe\r\n"),
	BECOMES("8-bit text without a label too", TEXT, "\xe9tude\r\n",
	    TEXT QUOTED, "=E9tude\r\n"),
	BECOMES("and without any header line", "", "\xe9 tude\r\n", QUOTED,
	    "=E9 tude\r\n"),
	BECOMES("text mostly of 8-bit bytes becomes base64", TEXT EIGHT,
	    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n",
	    TEXT BASE64, "0J/RgNC40LLQtdGCDQo=\r\n"),
	BECOMES("8-bit octets become base64", OCTETS BINARY, "\x01\x80\xff\r\n",
	    OCTETS BASE64, "AYD/DQo=\r\n"),
	BECOMES("only the 8-bit leaf of a multipart changes", MIXED("b") EIGHT,
	    IN(TEXT EIGHT "\r\n\xe9t\xe9 x y"), MIXED("b") SEVEN,
	    IN(TEXT QUOTED "\r\n=E9t=E9 x y")),
	BECOMES("its line end before the delimiter stays the delimiter's",
	    MIXED("b"), IN(OCTETS "\r\n\xe9"), NULL,
	    IN(OCTETS BASE64 "\r\n6Q==")),
	BECOMES("text declared 8bit but all ASCII is relabelled 7bit", TEXT EIGHT,
	    "Hello\r\n", TEXT SEVEN, "Hello\r\n"),
	BECOMES("so is a part declared binary", MIXED("b"),
	    IN(TEXT BINARY "\r\nHello"), NULL, IN(TEXT SEVEN "\r\nHello")),
	BECOMES("a label keeps its place among other fields",
	    "Content-transfer-encoding: 8BIT (x)\r\n" TEXT, "\xe9tude\r\n",
	    QUOTED TEXT, "=E9tude\r\n"),
	BECOMES("two labels that agree become one", TEXT EIGHT EIGHT, "\xe9tu\r\n",
	    TEXT QUOTED, "=E9tu\r\n"),
	{.says = "UTF-16 text becomes base64", .head = UTF16 BINARY,
	    .body = "H\0i\0\r\0\n\0", .new_head = UTF16 BASE64,
	    .new_body = "SABpAA0ACgA=\r\n", .n = 8},
	STAYS("ISO-2022-JP with its escapes stays", TEXT, "\x1b$B%F\x1b(B\r\n"),

	/* Long lines. */
	BECOMES("a line of 1,050 is broken softly", TEXT, X500 X500 X50 "\r\n",
	    TEXT QUOTED, NULL),
	BECOMES("a line of 5,000 too", MIXED("b"), IN(TEXT "\r\n" X500 X500 X500
	    X500 X500 X500 X500 X500 X500 X500), NULL, ""),
	BECOMES("a base64 leaf with a line of 1,200 gets lines of 76",
	    OCTETS BASE64, "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"
	    X500 X500 "QUJD \r\n", OCTETS BASE64, NULL),
	BECOMES("a base64 leaf without a final newline gets one", OCTETS BASE64,
	    "QUJD\x80QUJD", OCTETS BASE64, "QUJDQUJD\r\n"),
	BECOMES("text behind a pad of base64 is not lost", OCTETS BASE64,
	    "QUI= \r\nQUI=\r\n", OCTETS BASE64, "QUI=QUI=\r\n"),
	BECOMES("base64 of nothing but garbage becomes empty", MIXED("b"),
	    IN(OCTETS BASE64 "\r\n \xe9 "), NULL, IN(OCTETS BASE64 "\r\n")),

	/* Blanks at line ends, From. */
	BECOMES("a trailing blank is encoded", TEXT, "-- \r\nme\r\n", TEXT QUOTED,
	    "=2D-=20\r\nme\r\n"),
	BECOMES("a trailing tab and a blank at the very end too", TEXT,
	    "a\t\r\nb ", TEXT QUOTED, "a=09\r\nb=20"),
	BECOMES("a line that starts with From is encoded", TEXT,
	    "From here\r\nFromage\r\n", TEXT QUOTED,
	    "=46rom here\r\nFromage\r\n"),
	BECOMES("a line that starts with From in a part too", MIXED("b"),
	    IN("\r\nFrom x"), NULL, IN(QUOTED "\r\n=46rom x")),
	BECOMES("other data with a trailing blank becomes base64", OCTETS, "a \r\n",
	    OCTETS BASE64, "YSANCg==\r\n"),

	/* Broken quoted-printable. */
	BECOMES("quoted-printable with a trailing blank loses it", TEXT QUOTED,
	    "a=20 \r\nb\r\n", TEXT QUOTED, "a=20\r\nb\r\n"),
	BECOMES("with 8-bit bytes it is encoded whole", TEXT QUOTED,
	    "=XY \xe9=E\r\n=\r\n=e9=0A=\r\n", TEXT QUOTED,
	    "=3DXY =E9=3DE\r\n=E9=0A"),
	BECOMES("with a From line it is encoded anew", TEXT QUOTED,
	    "a=\r\nFrom b\r\n", TEXT QUOTED, "aFrom b\r\n"),

	/* NUL, CR, LF. */
	{.says = "a NUL becomes base64", .head = TEXT,
	    .body = NUL_BODY, .new_head = TEXT BASE64,
	    .new_body = "YQBiDQo=\r\n", .n = sizeof(NUL_BODY) - 1},
	BECOMES("a CR alone is data", TEXT, "a\rb\r\n", TEXT QUOTED, "a=0Db\r\n"),
	BECOMES("an LF alone is data", TEXT, "a\nb\r\n", TEXT QUOTED, "a=0Ab\r\n"),
	BECOMES("a CR before a line end is data", TEXT, "a\r\r\n", TEXT QUOTED,
	    "a=0D\r\n"),

	/* Delimiters. */
	BECOMES("transport padding on delimiters goes", MIXED("b"),
	    "--b \t\r\n\r\none\r\n--b \r\n\r\ntwo\r\n--b-- \r\n", NULL,
	    "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
	BECOMES("transport padding at the end of the text too", MIXED("b"),
	    "--b\r\n\r\none\r\n--b-- ", NULL, "--b\r\n\r\none\r\n--b--"),
	BECOMES("blanks in preamble and epilogue go", MIXED("b"),
	    "pre \t\r\n \r\n" IN("\r\nx") "post \r\n", NULL,
	    "pre\r\n\r\n" IN("\r\nx") "post\r\n"),
	BECOMES("padding around an 8-bit part", MIXED("b"),
	    "--b\r\n" TEXT "\r\n\xe9tu\r\n--b-- \r\n", NULL,
	    "--b\r\n" TEXT QUOTED "\r\n=E9tu\r\n--b--\r\n"),
	BECOMES("a part without its empty line gets one", MIXED("b"),
	    "--b\r\nno header\r\n--b--\r\n", NULL,
	    "--b\r\n\r\nno header\r\n--b--\r\n"),
	STAYS("a part that ends in its header lines stays", MIXED("b"),
	    "--b\r\n" TEXT "--b--\r\n"),
	LEFT("one that says 8bit there is left", MIXED("b"),
	    "--b\r\n" TEXT EIGHT "--b--\r\n"),

	/* Embedded messages. */
	STAYS("an embedded message in order stays", MESSAGE,
	    "From: a@b.example\r\nSubject: x\r\n\r\nHello\r\n"),
	BECOMES("an embedded message is encoded at its leaf", MESSAGE EIGHT,
	    "From: a@b.example\r\nMIME-Version: 1.0\r\n" TEXT EIGHT
	    "\r\n\xe9t\xe9 x y\r\n", MESSAGE SEVEN,
	    "From: a@b.example\r\nMIME-Version: 1.0\r\n" TEXT QUOTED
	    "\r\n=E9t=E9 x y\r\n"),
	BECOMES("one without MIME-Version gets it with the encoding", MIXED("b"),
	    IN(MESSAGE "\r\nSubject: x\r\n\r\n\xe9t\xe9 x y"), NULL,
	    IN(MESSAGE "\r\nSubject: x\r\n" QUOTED "MIME-Version: 1.0\r\n"
	    "\r\n=E9t=E9 x y")),
	BECOMES("an embedded message in the embedded message", MESSAGE,
	    MESSAGE "\r\nMIME-Version: 1.0\r\n" TEXT "\r\nx \r\n", NULL,
	    MESSAGE "\r\nMIME-Version: 1.0\r\n" TEXT QUOTED
	    "\r\nx=20\r\n"),
	STAYS("8-bit bytes in header lines pass", MIXED("b"),
	    IN(TEXT "Content-Disposition: attachment; filename=\xe9\r\n"
	    "\r\nx")),

	/* Signed already. */
	STAYS("a signed part stays, blanks and From lines included", MIXED("b"),
	    IN(SIGNED "\r\n--s \r\n\r\nFrom x \r\n--s\r\n\r\nsig \r\n--s-- "
	    "\r\n")),
	BECOMES("around a signed part others change", MIXED("b"),
	    "--b\r\n" SIGNED "\r\n--s\r\n\r\nx \r\n--s--\r\n--b\r\n\r\ny \r\n"
	    "--b--\r\n", NULL,
	    "--b\r\n" SIGNED "\r\n--s\r\n\r\nx \r\n--s--\r\n--b\r\n" QUOTED
	    "\r\ny=20\r\n--b--\r\n"),
	LEFT("a signed part with 8-bit bytes is left", MIXED("b") EIGHT,
	    IN(SIGNED "\r\n--s\r\n" TEXT EIGHT "\r\n\xe9\r\n--s--\r\n")),
	LEFT("so is a signed part that says 8bit: servers would change it",
	    MIXED("b"), IN(SIGNED "\r\n--s\r\n" TEXT "Content-Transfer-"
	    "Encoding:\r\n 8bit\r\n\r\nx\r\n--s--\r\n")),
	STAYS("a signed message signed again stays", SIGNED,
	    "--s\r\n\r\nx \r\n--s\r\n\r\nsig\r\n--s--\r\n"),

	/* What cannot be helped. */
	LEFT("an 8-bit preamble is left", MIXED("b"), "\xe9\r\n" IN("\r\nx")),
	LEFT("a preamble with a From line is left", MIXED("b"),
	    "From x\r\n" IN("\r\nx")),
	LEFT("an 8-bit multipart without boundary is left",
	    "Content-Type: multipart/mixed\r\n", "\xe9\r\n"),
	LEFT("8-bit bytes below two Content-Type fields are left",
	    TEXT MIXED("b"), IN("\r\n\xe9")),
	LEFT("8-bit bytes in an unknown encoding are left",
	    TEXT "Content-Transfer-Encoding: x-uue\r\n", "\xe9\r\n"),
	LEFT("8-bit bytes below labels that contradict are left",
	    TEXT EIGHT BASE64, "\xe9\r\n"),
	LEFT("an 8-bit delivery status is left, no encoding is allowed",
	    "Content-Type: message/delivery-status\r\n", "X: \xe9\r\n"),
	LEFT("a header line of 1,050 is left", MIXED("b"),
	    IN("X: " X500 X500 X50 "\r\n\r\nx")),
};

/* Compares with what the shape wants; "" stands for anything. */
static bool
is_text(const char *got, size_t n, const char *want, size_t nwant)
{
	return want == NULL || *want == '\0' ||
	    (n == nwant && memcmp(got, want, n) == 0);
}

static void
try_shape(const struct shape *s)
{
	size_t n = s->n > 0 ? s->n : strlen(s->body), nwant = n;
	bool stays = s->new_head == NULL && s->new_body == NULL, left, good;
	const char *head = s->new_head == NULL ? s->head : s->new_head;
	const char *want = s->new_body;
	struct entity e;
	struct text body;
	const char *why;

	entity_init(&e);
	buf_puts(&e.head, s->head);
	pieces_add(&e.body, s->body, n);
	why = canonicalise_checked(&e, &place, &left);
	body = pieces_text(&e.body);
	if (stays)
		want = s->body;
	else if (want != NULL)
		nwant = strlen(want);
	good = why == NULL && left == s->left &&
	    strcmp(buf_text(&e.head), head) == 0 &&
	    is_text(body.p, body.n, want, nwant);
	check(good, "%s", s->says);
	if (!good)
		printf("# %s%s\n# head %s# body %s\n", why == NULL ? "" : why,
		    left ? ", left" : "", buf_text(&e.head), body.p);
	free(body.p);
	entity_clear(&e);
}

/* --- sizes --------------------------------------------------------------- */

/*
 * What grows with the square of the size takes minutes; sanitizers and other
 * work on the machine a few times longer than usual.
 */
#define SLOW_MS 5000

/* Of this process: other work on the machine does not count. */
static long
cpu_ms(void)
{
	return (long)(clock() / (CLOCKS_PER_SEC / 1000));
}

static void
takes(const char *head, const char *text, size_t n, bool want_left,
    const char *says)
{
	long start, ms;
	struct error err = {0};
	struct entity e;
	const char *why;
	bool left = false, ok;

	entity_init(&e);
	buf_puts(&e.head, head);
	pieces_add(&e.body, text, n);
	start = cpu_ms();
	ok = entity_canonicalise(&e, &place, &left, &err);
	ms = cpu_ms() - start;
	check(ok && left == want_left && ms < SLOW_MS, "%s", says);
	if (!ok || left != want_left || ms >= SLOW_MS)
		printf("# %ld ms%s %s\n", ms,
		    left ? ", left" : "", err.text);
	entity_clear(&e);

	entity_init(&e);
	buf_puts(&e.head, head);
	pieces_add(&e.body, text, n);
	why = canonicalise_checked(&e, &place, &left);
	check(why == NULL, "and all invariants hold");
	if (why != NULL)
		printf("# %s\n", why);
	entity_clear(&e);
}

static void
test_sizes(void)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "--b\r\n\r\nx\r\n");
	buf_puts(&b, "--b--\r\n");
	takes(MIXED("b"), b.data, b.len, false,
	    "100,000 parts in order take no second");
	buf_reset(&b);
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "--b\r\n" TEXT "\r\n\xe9tu\r\n");
	buf_puts(&b, "--b--\r\n");
	takes(MIXED("b"), b.data, b.len, true,
	    "100,000 parts of 8-bit bytes take none, and are left");
	buf_reset(&b);
	for (int i = 0; i < MIME_MAX_PARTS - 1; i++)
		buf_puts(&b, "--b\r\n" TEXT "\r\n\xe9tu \r\n");
	buf_puts(&b, "--b--\r\n");
	takes(MIXED("b"), b.data, b.len, false,
	    "as many parts as are allowed are all encoded");
	buf_reset(&b);
	for (int i = 1; i < 1000; i++)
		buf_printf(&b, "--b%d\r\nContent-Type: multipart/mixed; "
		    "boundary=b%d\r\n\r\n", i, i + 1);
	takes(MIXED("b1"), b.data, b.len, false, "nor do 1,000 levels");
	buf_puts(&b, "\xe9\r\n");
	takes(MIXED("b1"), b.data, b.len, true,
	    "8-bit bytes below them are left");
	buf_reset(&b);
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, MESSAGE "\r\n");
	buf_puts(&b, "\r\n\xe9\r\n");
	takes(MESSAGE, b.data, b.len, true,
	    "8-bit bytes below 1,000 messages are left");
	buf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		buf_puts(&b, "line \r\n");
	takes(TEXT, b.data, b.len, false, "nor 1,000,000 lines to encode");
	takes(MIXED("b"), b.data, b.len, true, "nor a preamble of them");
	buf_puts(&b, "--b\r\n\r\n--b--\r\n");
	takes(MIXED("b"), b.data, b.len, false,
	    "nor one with a multipart behind it");
	buf_clear(&b);
}

/* --- making entities ----------------------------------------------------- */

static struct message *
message(const char *const fields[][2], const char *body)
{
	struct message *m = message_new(&place);
	struct error err;

	for (size_t i = 0; fields[i][0] != NULL; i++)
		if (!message_add_header(m, fields[i][0], fields[i][1], &err))
			abort();
	if (!spool_write(m->body, body, strlen(body), &err) ||
	    !spool_finish(m->body, &err))
		abort();
	return m;
}

static void
from_message(const char *const fields[][2], const char *body,
    const char *head, const char *says)
{
	struct message *m = message(fields, body);
	struct error err = {0};
	struct entity e;

	entity_init(&e);
	check(entity_from_message(m, &e, &err), "%s", says);
	check_str(buf_text(&e.head), head, "its header lines are");
	check(e.body.len == strlen(body), "its body is the message's");
	entity_clear(&e);
	message_free(&m);
}

static void
test_from_message(void)
{
	static const char *const content[][2] = {
		{"From", " a@b.example"}, {"content-TYPE", "text/html;\n\tx=y"},
		{"MIME-Version", " 1.0"}, {"Subject", " Content-Type: no"},
		{"Content-ID", " <x>"}, {"X-Content-Type", " no"},
		{NULL, NULL}};
	static const char *const none[][2] = {{"MIME-Version", " 1.0"},
		{NULL, NULL}};
	static const char *const untyped[][2] = {
		{"Content-Transfer-Encoding", " base64"}, {NULL, NULL}};
	struct message *m = message(none, "");
	struct error err = {0};
	struct entity e;

	from_message(content, "x", "content-TYPE:text/html;\r\n\tx=y\r\n"
	    "Content-ID: <x>\r\n",
	    "an entity has the Content- fields, as they are");
	from_message(none, "x", "Content-Type: text/plain; charset=us-ascii"
	    "\r\n", "without any it is plain text");
	from_message(none, "\xe9", "Content-Type: text/plain; "
	    "charset=unknown-8bit\r\n", "of an unknown charset, if 8-bit");
	from_message(untyped, "eA==", "Content-Type: text/plain; "
	    "charset=us-ascii\r\nContent-Transfer-Encoding: base64\r\n",
	    "a type is added where only the encoding is said");
	for (int i = 0; i < 1000; i++)
		if (!message_add_header(m, "Content-X", " y", &err))
			abort();
	entity_init(&e);
	check(!entity_from_message(m, &e, &err) && err.kind == ERROR_PERM,
	    "1,000 Content- fields are refused");
	entity_clear(&e);
	message_free(&m);
}

#define FROM_BYTES(text, ...) from_bytes(text, sizeof(text) - 1, __VA_ARGS__)
static void
from_bytes(const char *text, size_t n, const char *head, const char *body,
    const char *says)
{
	struct error err = {0};
	struct entity e;
	struct text got;

	entity_init(&e);
	check(entity_from_bytes(text, n, &e, &err), "%s", says);
	got = pieces_text(&e.body);
	check_str(buf_text(&e.head), head, "its header lines are");
	check_str(got.p, body, "and its body is");
	free(got.p);
	entity_clear(&e);
}

static void
test_from_bytes(void)
{
	static const char nul[] = "Content-Type: a\0/\rb\n\nx";
	struct error err = {0};
	struct entity e;
	struct buf b;

	FROM_BYTES("Subject: forged\r\nContent-Type: a/b\r\n c\r\n"
	    "From: x@y\r\n\r\nbody\r\n", "Content-Type: a/b\r\n c\r\n",
	    "body\r\n", "only Content- fields are believed inside");
	FROM_BYTES("\r\nbody", "", "body", "header lines may be missing");
	FROM_BYTES("body", "", "body", "and so may the empty line");
	FROM_BYTES("Content-Type: a/b", "Content-Type: a/b\r\n", "",
	    "a head alone gets its line end");
	FROM_BYTES("", "", "", "nothing is an empty entity");
	FROM_BYTES("Conten", "", "Conten", "half a name is a body");
	FROM_BYTES(nul, "Content-Type: a/b\r\n", "x",
	    "NUL and CR do not pass into header lines");
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, "Content-X: y\r\n");
	entity_init(&e);
	check(!entity_from_bytes(b.data, b.len, &e, &err) &&
	    err.kind == ERROR_PERM, "1,000 Content- fields are refused");
	entity_clear(&e);
	buf_clear(&b);
}

static void
test_clean(void)
{
	static const char dirty[] = "a\0b\rc\nd\r\n\r\r\n.\r";
	static const char clean[] = "a b\r\nc\r\nd\r\n\r\n\r\n.\r\n";
	struct error err = {0};
	struct entity e;
	struct text t;

	entity_init(&e);
	pieces_add(&e.body, dirty, sizeof(dirty) - 1);
	check(entity_clean(&e, &place, &err), "an entity can be cleaned");
	t = pieces_text(&e.body);
	check_str(t.p, clean, "NUL, CR and LF alone can end no message early");
	free(t.p);
	entity_clear(&e);
	pieces_add(&e.body, clean, sizeof(clean) - 1);
	check(entity_clean(&e, &place, &err) && e.body.v[0].data == clean,
	    "a clean one is not copied");
	entity_clear(&e);
}

static void
test_kept_text(void)
{
	struct error err = {0};
	struct entity e;
	struct buf text;
	struct text t;
	bool left;

	entity_init(&e);
	buf_init(&text, 100);
	buf_puts(&text, "kept by the pieces\r\n");
	pieces_keep_text(&e.body, &text);
	check(entity_canonicalise(&e, &place, &left, &err),
	    "a body that lies in a kept text can be canonical");
	t = pieces_text(&e.body);
	check_str(t.p, "kept by the pieces\r\n", "and lives on");
	free(t.p);
	entity_clear(&e);
}

/* A composite keeps its label when 8-bit bytes stay below it. */
static void
test_labels(void)
{
	struct error err = {0};
	struct entity e;
	struct text t;
	bool left;

	entity_init(&e);
	buf_puts(&e.head, MIXED("b") EIGHT);
	pieces_add(&e.body, IN(SIGNED EIGHT "\r\n--s\r\n\r\n\xe9\r\n--s--"),
	    strlen(IN(SIGNED EIGHT "\r\n--s\r\n\r\n\xe9\r\n--s--")));
	check(entity_canonicalise(&e, &place, &left, &err) && left,
	    "8-bit bytes in a signed part are left");
	t = pieces_text(&e.body);
	check_str(buf_text(&e.head), MIXED("b") EIGHT,
	    "and the multipart around still says 8bit");
	check(strstr(t.p, SIGNED EIGHT) != NULL, "as does the part");
	free(t.p);
	entity_clear(&e);
}

static void
test_no_room(void)
{
	static const struct spool_place nowhere = {"/nonexistent", 4};
	struct error err = {0};
	struct entity e;
	bool left;

	entity_init(&e);
	buf_puts(&e.head, TEXT);
	pieces_add(&e.body, "\xe9tudes\r\n", 8);
	check(!entity_canonicalise(&e, &nowhere, &left, &err) &&
	    err.kind == ERROR_TEMP, "no room on disk is temporary");
	check(e.body.len == 8 && strcmp(buf_text(&e.head), TEXT) == 0,
	    "and leaves the entity as it was");
	entity_clear(&e);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		try_shape(&shapes[i]);
	test_sizes();
	test_from_message();
	test_from_bytes();
	test_clean();
	test_kept_text();
	test_labels();
	test_no_room();
	return tap_done();
}
