/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/mime.h"

#include <stdlib.h>
#include <time.h>

#include "mime_check.h"
#include "tap.h"

/* --- values of fields ---------------------------------------------------- */

static const struct {
	const char *text, *type, *name, *value, *says;
} values[] = {
	{" text/plain", "text/plain", "charset", NULL,
	    "a type alone has no parameters"},
	{" TEXT/Plain; CharSet=UTF-8", "text/plain", "charset", "UTF-8",
	    "names compare in any case, values keep theirs"},
	{" multipart/mixed;\n\tboundary=\"a b\"", "multipart/mixed",
	    "boundary", "a b", "a fold and a quoted value are read"},
	{" multipart/mixed; boundary=\"a\\\"b\\\\\"", "multipart/mixed",
	    "boundary", "a\"b\\", "a backslash quotes the next character"},
	{" application/pdf; name=\"a;b=c\"; x=1", "application/pdf", "x",
	    "1", "a semicolon inside a quoted file name ends nothing"},
	{" application/pdf; name=\"a;b=c\"; x=1", "application/pdf", "name",
	    "a;b=c", "and stays in the file name"},
	{" (c) text (d (e)) / (f) html (g); (h) charset (i) = (j) x (k)",
	    "text/html", "charset", "x", "comments stand anywhere"},
	{" text/plain; (a; b=c) b=d", "text/plain", "b", "d",
	    "a parameter inside a comment is none"},
	{" text/plain; a=b=c/d", "text/plain", "a", "b=c/d",
	    "unquoted values may hold what RFC 2045 forbids"},
	{" multipart/mixed; boundary=a; boundary=b", "multipart/mixed",
	    "boundary", NULL, "a parameter that stands twice is not there"},
	{" multipart/mixed; boundary=a; BOUNDARY=a", "multipart/mixed",
	    "boundary", NULL, "nor when both are equal"},
	{" multipart/mixed; boundary*0=a; boundary*1=b", "multipart/mixed",
	    "boundary", NULL, "a boundary in RFC 2231 pieces is not there"},
	{" multipart/mixed; boundary=a; boundary*=us-ascii''b",
	    "multipart/mixed", "boundary", NULL,
	    "nor one that has an RFC 2231 rival"},
	{" multipart/mixed; boundary=\"abc", "multipart/mixed", "boundary",
	    NULL, "an unclosed quote is no value"},
	{" multipart/mixed;; ;boundary=a", "multipart/mixed", "boundary",
	    "a", "empty parameters are passed over"},
	{" attachment; filename=x", "attachment", "filename", "x",
	    "a disposition is one word"},
	{"", "", "x", NULL, "nothing is no type"},
	{" /plain", "", "x", NULL, "half a type is none"},
	{" text/", "text", "x", NULL, "a type may lack its second half"},
};

static void
test_values(void)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct mime_value v;
		const char *got;

		mime_value_parse(values[i].text, strlen(values[i].text), &v);
		got = mime_value_get(&v, values[i].name);
		check(strcmp(v.type, values[i].type) == 0 &&
		    (got == NULL ? values[i].value == NULL :
		    values[i].value != NULL &&
		    strcmp(got, values[i].value) == 0), "%s",
		    values[i].says);
		mime_value_clear(&v);
	}
}

/* What is left of a value without a parameter x, and where its type ends. */
static const struct {
	const char *text, *left, *behind, *says;
} removals[] = {
	{" a/b; x=1", " a/b", "; x=1", "a parameter at the end"},
	{" a/b; x=1; c=d", " a/b; c=d", "; x=1; c=d", "in the middle"},
	{" a/b;c=d ; X*0=e;x*1*=f", " a/b;c=d ", ";c=d ; X*0=e;x*1*=f",
	    "in pieces"},
	{" a/b; c=\"; x=1\"; d=(; x=2) e", " a/b; c=\"; x=1\"; d=(; x=2) e",
	    "; c=\"; x=1\"; d=(; x=2) e", "not in quotes or comments"},
	{" a/b; c; =; (y) x (z) = 1 2; d", " a/b; c; =; d",
	    "; c; =; (y) x (z) = 1 2; d", "behind what makes no sense"},
	{" a/b; xx=1; c=x; d=\"\\\"; x=1", " a/b; xx=1; c=x; d=\"\\\"; x=1",
	    "; xx=1; c=x; d=\"\\\"; x=1", "only of that name; what an open "
	    "quote holds is none"},
	{" (;) a (;) / b(c) ; x", " (;) a (;) / b(c) ; x", "(c) ; x",
	    "a name alone is none"},
	{" a", " a", NULL, "half a type"},
	{"", "", NULL, "nothing"},
};

static void
test_removals(void)
{
	for (size_t i = 0; i < sizeof(removals) / sizeof(removals[0]); i++) {
		const char *p = removals[i].text;
		size_t end = mime_type_end(p, strlen(p));
		struct mime_span found;
		struct buf left;

		check_str(end == 0 ? NULL : p + end, removals[i].behind,
		    removals[i].says);
		buf_init(&left, 4096);
		while (mime_find_parameter(p, strlen(p), "x", &found)) {
			buf_append(&left, p, found.off);
			p += found.off + found.len;
		}
		buf_puts(&left, p);
		check_str(buf_text(&left), removals[i].left, "is cut out");
		buf_clear(&left);
	}
}

static void
test_value_limits(void)
{
	static const char nul[] = " multipart/mixed; boundary=\"a\0b\"; x=y";
	struct mime_value v;
	struct buf text;

	mime_value_parse(nul, sizeof(nul) - 1, &v);
	check(mime_value_get(&v, "boundary") == NULL && v.ambiguous,
	    "a boundary with a NUL in it is not there");
	check_str(mime_value_get(&v, "x"), "y",
	    "and does not take the next parameter with it");
	mime_value_clear(&v);

	buf_init(&text, 65536);
	buf_puts(&text, " multipart/mixed; boundary=a");
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "; p%d=x", i);
	buf_puts(&text, "; boundary=b");
	mime_value_parse(buf_text(&text), text.len, &v);
	check(v.nparameters == MIME_MAX_PARAMETERS &&
	    mime_value_get(&v, "boundary") == NULL,
	    "with more parameters than are read, none is believed");
	mime_value_clear(&v);
	buf_reset(&text);
	buf_puts(&text, " a/b; x=");
	for (int i = 0; i < 5000; i++)
		buf_putc(&text, 'y');
	mime_value_parse(buf_text(&text), text.len, &v);
	check(mime_value_get(&v, "x") == NULL,
	    "a value of 5,000 characters is not there");
	mime_value_clear(&v);
	buf_clear(&text);
}

/* --- header lines -------------------------------------------------------- */

static void
test_fields(void)
{
	static const char head[] = "X-Content-Type: no\r\n"
	    "content-TYPE : a/b;\r\n c=d\r\nContent-Type: e/f\r\n";
	struct mime_span line, value;
	size_t n = sizeof(head) - 1;

	check(mime_find_field(head, n, "Content-Type", &line, &value) &&
	    line.off == 20 && line.len == 27,
	    "a field is found in any case, with its folds");
	check(value.len == 11 && memcmp(head + value.off, " a/b;\r\n c=d", 11)
	    == 0, "its value begins behind the colon");
	check(!mime_find_field(head, n, "Content", &line, &value),
	    "the beginning of a name is not the name");
	check(mime_has_two(head, n, "Content-Type"), "two fields are two");
	check(!mime_has_two(head, 47, "Content-Type"), "one is not");
	check(!mime_find_field("", 0, "A", &line, &value),
	    "no lines hold no field");
}

static void
divides(const char *part, size_t head_len, size_t body_off, const char *says)
{
	struct mime_span head, body;
	size_t n = strlen(part);

	mime_divide(part, n, &head, &body);
	check(head.off == 0 && head.len == head_len && body.off == body_off &&
	    body.off + body.len == n, "%s", says);
}

static void
test_divide(void)
{
	divides("A: b\r\n\r\nbody", 6, 8, "an empty line ends the header");
	divides("A: b\n\nbody", 5, 6, "also when line ends are LF");
	divides("\r\nbody", 0, 2, "a part may have no header lines");
	divides("A: b\r\nbody\r\n", 6, 6,
	    "a line that is none begins the body");
	divides("A: b\r\n c\r\n", 10, 10, "a part may have no body");
	divides("A : b\r\n\r\n", 7, 9, "blanks may stand before the colon");
	divides("", 0, 0, "nothing divides into nothing");
}

static const struct {
	const char *head;
	enum mime_encoding encoding;
	const char *says;
} encodings[] = {
	{"", MIME_7BIT, "no encoding is 7bit"},
	{"Content-Transfer-Encoding: 8BIT\r\n", MIME_8BIT,
	    "8bit in any case"},
	{"content-transfer-encoding:\r\n\tBase64 (x)\r\n", MIME_BASE64,
	    "base64 behind a fold, before a comment"},
	{"Content-Transfer-Encoding: quoted-printable;\r\n",
	    MIME_QUOTED_PRINTABLE, "a stray semicolon is harmless"},
	{"Content-Transfer-Encoding: x-uue\r\n", MIME_OTHER,
	    "an unknown word is another encoding"},
	{"Content-Transfer-Encoding: binary\r\n"
	 "Content-Transfer-Encoding: binary\r\n", MIME_BINARY,
	    "the same said twice counts"},
	{"Content-Transfer-Encoding: 7bit\r\n"
	 "Content-Transfer-Encoding: base64\r\n", MIME_OTHER,
	    "two that contradict are neither"},
};

static void
test_encodings(void)
{
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		check(mime_encoding(encodings[i].head,
		    strlen(encodings[i].head)) == encodings[i].encoding, "%s",
		    encodings[i].says);
}

/* --- cutting ------------------------------------------------------------- */

static const struct {
	const char *body, *boundary;
	size_t count;
	bool closed;
	const char *first, *last, *says;
} cuts[] = {
	{"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", "b", 2, true, "one", "two",
	    "two parts between three delimiters"},
	{"pre\r\n--b\r\none\r\n\r\n--b--\r\npost\r\n--b\r\nno\r\n", "b", 1,
	    true, "one\r\n", "one\r\n",
	    "what follows the last delimiter is no part"},
	{"--b \t\r\none\r\n--b-- \r\n", "b", 1, true, "one", "one",
	    "transport padding is part of a delimiter"},
	{"--b\r\none\r\n--b", "b", 2, false, "one", "",
	    "a delimiter at the end of the text opens an empty part"},
	{"--b\none\n--b--", "b", 1, true, "one", "one",
	    "lines may end in LF"},
	{"--b\r\none", "b", 1, false, "one", "one",
	    "a multipart that is not closed ends with its text"},
	{"no delimiter at all\r\n", "b", 0, false, "", "",
	    "without a delimiter there is no part"},
	{"b\r\n-b\r\nb--\r\n", "b", 0, false, "", "",
	    "without two hyphens there is no delimiter"},
	{"--b\r\none\r\n--bb\r\ntwo\r\n--bb--\r\n--b--\r\n", "b", 1, true,
	    "one\r\n--bb\r\ntwo\r\n--bb--", "one\r\n--bb\r\ntwo\r\n--bb--",
	    "a boundary that begins like another is another"},
	{"--bb\r\none\r\n--b\r\ntwo\r\n--bb--\r\n", "bb", 1, true,
	    "one\r\n--b\r\ntwo", "one\r\n--b\r\ntwo", "from both sides"},
	{" --b\r\none --b\r\n--b--x\r\n--b x\r\n", "b", 0, false, "", "",
	    "a delimiter stands at the start of its line, alone"},
	{"--B\r\none\r\n", "b", 0, false, "", "",
	    "boundaries compare in their case"},
	{"--b\r\n--b\r\n--b--\r\n", "b", 2, true, "", "",
	    "parts may be empty"},
	{"--a b\r\none\r\n--a b--\r\n", "a b", 1, true, "one", "one",
	    "a boundary may hold a blank"},
};

static bool
is_span(const char *body, const struct mime_span *s, const char *text)
{
	return s->len == strlen(text) &&
	    memcmp(body + s->off, text, s->len) == 0;
}

static void
test_split(void)
{
	struct mime_span parts[4];
	bool closed;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const char *body = cuts[i].body;
		size_t n;

		n = mime_split(body, strlen(body), cuts[i].boundary, parts, 4,
		    &closed);
		check(n == cuts[i].count && closed == cuts[i].closed &&
		    (n == 0 || (is_span(body, &parts[0], cuts[i].first) &&
		    is_span(body, &parts[n - 1], cuts[i].last))), "%s",
		    cuts[i].says);
	}
	check(mime_split("--b\r\n--b\r\n--b\r\n", 15, "b", parts, 1, &closed)
	    == 3, "parts are counted beyond those asked for");
}

/* --- the tree ------------------------------------------------------------ */

/* Kinds by letter, children in brackets: "M(LS)". */
static void
draw(const struct mime *m, int parent, struct buf *out)
{
	for (size_t i = 0; i < m->nparts; i++) {
		bool inner = false;

		if (m->parts[i].parent != parent)
			continue;
		buf_putc(out, "LMSR"[m->parts[i].kind]);
		for (size_t j = i + 1; j < m->nparts; j++)
			inner |= m->parts[j].parent == (int)i;
		if (!inner)
			continue;
		buf_putc(out, '(');
		draw(m, (int)i, out);
		buf_putc(out, ')');
	}
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\r\n"
#define SIGNED(b) "Content-Type: multipart/signed; boundary=" b "\r\n"
#define MESSAGE "Content-Type: message/rfc822\r\n"

static const struct {
	const char *head, *body, *tree, *says;
} trees[] = {
	{"", "text\r\n", "L", "a message without Content-Type is a leaf"},
	{MIXED("b"), "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", "M(LL)",
	    "a multipart has its parts"},
	{MIXED("b"), "no delimiter\r\n", "M",
	    "a multipart without delimiter has none"},
	{"Content-Type: multipart/mixed\r\n", "--b\r\n\r\n--b--\r\n", "L",
	    "a multipart without boundary is a leaf"},
	{MIXED("\"\""), "--\r\n\r\n----\r\n", "L",
	    "an empty boundary is none"},
	{MIXED("b") MIXED("c"), "--b\r\n\r\n--b--\r\n", "L",
	    "two Content-Type fields make a leaf"},
	{MIXED("b"), "--b\r\n" MIXED("b1") "\r\n--b1\r\n\r\nx\r\n--b1--\r\n"
	    "--b\r\n\r\ny\r\n--b--\r\n", "M(M(L)L)",
	    "a boundary may be the beginning of an inner one"},
	{MIXED("b1"), "--b1\r\n" MIXED("b") "\r\n--b\r\n\r\nx\r\n--b--\r\n"
	    "--b1\r\n\r\ny\r\n--b1--\r\n", "M(M(L)L)",
	    "or begin with it"},
	{MIXED("b"), "--b\r\n" MIXED("c") "\r\n--c\r\n\r\nx\r\n"
	    "--b\r\n\r\ny\r\n--b--\r\n", "M(M(L)L)",
	    "an outer delimiter ends what is open inside"},
	{MIXED("b"), "--b\r\n" MIXED("b") "\r\n--b\r\n\r\nx\r\n--b--\r\n"
	    "--b\r\n\r\ny\r\n--b--\r\n", "M(M(L)L)",
	    "of equal boundaries the inner is meant first"},
	{MIXED("b"), "--b\r\n" SIGNED("s") "\r\n--s\r\n" MIXED("x")
	    "\r\n--x\r\n\r\n--x--\r\n--s\r\n\r\nsig\r\n--s--\r\n"
	    "--b\r\n\r\ny\r\n--b--\r\n", "M(SL)",
	    "nobody looks into multipart/signed"},
	{MIXED("b"), "--b\r\n" SIGNED("b") "\r\n--b\r\n\r\n--b\r\n\r\n--b--\r\n"
	    "--b\r\n\r\ny\r\n--b--\r\n", "M(SL)",
	    "not even when its boundary is the outer one"},
	{MESSAGE, "Subject: x\r\n" MIXED("b") "\r\n--b\r\n\r\n--b--\r\n",
	    "R(M(L))", "an embedded message has parts of its own"},
	{MESSAGE "Content-Transfer-Encoding: base64\r\n",
	    MIXED("b") "\r\n--b\r\n\r\n--b--\r\n", "L",
	    "an encoded one does not"},
	{MIXED("b"), "--b\r\n" MESSAGE "\r\n--b\r\n\r\n--b--\r\n", "M(R(L)L)",
	    "an embedded message may be empty"},
	{MIXED("b"), "--b\r\n" MIXED("c") "\r\n--c\r\n--b--\r\n", "M(M(L))",
	    "and so may a part whose line end is the delimiter's"},
	{MIXED("b"), "--b\r\nno header line\r\n--b--\r\n", "M(L)",
	    "a part may lack its empty line"},
	{MIXED("b"), "--b\r\n" MIXED("c") "--c\r\n\r\nx\r\n--c--\r\n--b--\r\n",
	    "M(M(L))", "its first delimiter may stand there instead"},
	{"Content-Type: Multipart/MIXED; Boundary=b\r\n",
	    "--b\r\n\r\n--b--\r\n", "M(L)", "case does not matter"},
};

static void
test_trees(void)
{
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		const char *why;
		struct mime m;
		struct buf out;

		buf_init(&out, 4096);
		mime_parse(trees[i].head, strlen(trees[i].head),
		    trees[i].body, strlen(trees[i].body), &m);
		draw(&m, -1, &out);
		why = mime_broken(&m, trees[i].body, strlen(trees[i].body));
		check(strcmp(buf_text(&out), trees[i].tree) == 0 &&
		    why == NULL, "%s", trees[i].says);
		if (why != NULL || strcmp(buf_text(&out), trees[i].tree) != 0)
			printf("# %s %s\n", buf_text(&out),
			    why == NULL ? "" : why);
		mime_clear(&m);
		buf_clear(&out);
	}
}

/* --- for who only reads -------------------------------------------------- */

static const struct {
	const char *head, *body, *tree, *loose, *says;
} reads[] = {
	{SIGNED("s"), "--s\r\n" MIXED("x") "\r\n--x\r\n\r\ny\r\n--x--\r\n"
	    "--s\r\n\r\nsig\r\n--s--\r\n", "M(M(L)L)", NULL,
	    "multipart/signed is looked into"},
	{MIXED("b"), "--b\r\n" SIGNED("b") "\r\n--b\r\n\r\nx\r\n--b--\r\n",
	    "M(M(L))", NULL, "as a multipart like any other"},
	{MIXED("b"), "--b\r\n\r\nx\r\n--bx\r\n\r\ny\r\n--b--\r\n", "M(L)",
	    "M(LL)", "a line that goes on delimits for some"},
	{MIXED("b"), "--b\r\n\r\nx\r\n--b-->\r\n\r\n--b\r\n\r\ny", "M(LL)",
	    "M(L)", "and ends for some"},
	{MIXED("b"), "--b\r\n" MIXED("bc") "\r\n--bc\r\n\r\nx\r\n--bc--\r\n"
	    "--b--\r\n", "M(M(L))", NULL,
	    "what is an inner delimiter is no loose one"},
};

static void
reads_as(size_t i, bool loosely, const char *want)
{
	const char *body = reads[i].body;
	struct mime m;
	struct buf out;

	buf_init(&out, 4096);
	mime_parse_all(reads[i].head, strlen(reads[i].head), body,
	    strlen(body), loosely, &m);
	draw(&m, -1, &out);
	check(strcmp(buf_text(&out), want) == 0 &&
	    m.loose == (reads[i].loose != NULL) &&
	    mime_broken(&m, body, strlen(body)) == NULL, "%s%s", reads[i].says,
	    loosely ? " (loosely)" : "");
	mime_clear(&m);
	buf_clear(&out);
}

static void
test_reads(void)
{
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		reads_as(i, false, reads[i].tree);
		if (reads[i].loose != NULL)
			reads_as(i, true, reads[i].loose);
	}
}

/* --- leaves in order ------------------------------------------------------ */

static const char *const tokens[] = {
	"--b\r\n", "--b--\r\n", "--c\r\n", "--c--\r\n", "\r\n", "\n", "\r",
	MIXED("b") "\r\n", MIXED("c") "\r\n", SIGNED("c") "\r\n",
	MESSAGE "\r\n", "Content-Type: text/plain\r\n\r\n", "text\r\n",
	"- item\r\n", "-- \r\n", "From here\r\n", "\xc3\xbc", "a\tb\r\n",
	"QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\r\n",
};

static void
test_order(void)
{
	size_t wrong = 0, orderly = 0, leaves = 0;
	const char *why;
	struct mime m;
	struct buf body;

	srand(1);
	buf_init(&body, 1 << 20);
	for (int round = 0; round < 20000; round++) {
		size_t few = 4 + (size_t)rand() %
		    (sizeof(tokens) / sizeof(tokens[0]) - 4);

		buf_reset(&body);
		for (int n = rand() % 20; n >= 0; n--)
			buf_puts(&body, tokens[(size_t)rand() %
			    (rand() % 2 == 0 ? few :
			    sizeof(tokens) / sizeof(tokens[0]))]);
		mime_parse(MIXED("b"), strlen(MIXED("b")), buf_text(&body),
		    body.len, &m);
		why = mime_broken(&m, buf_text(&body), body.len);
		if (why != NULL && wrong++ == 0)
			printf("# %s: %s\n", why, buf_text(&body));
		for (size_t i = 0; i < m.nparts; i++) {
			leaves += m.parts[i].kind == MIME_LEAF;
			orderly += m.parts[i].kind == MIME_LEAF &&
			    m.parts[i].in_order && m.parts[i].body.len > 0;
		}
		mime_clear(&m);
	}
	buf_clear(&body);
	check(wrong == 0 && orderly > 1000 && leaves > 2 * orderly,
	    "of random texts the leaves in order are told, and no others");
	if (orderly <= 1000 || leaves <= 2 * orderly)
		printf("# %zu of %zu are\n", orderly, leaves);
}

/* --- hostile sizes ------------------------------------------------------- */

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
takes(const char *head, const struct buf *body, bool limited,
    const char *says)
{
	long start = cpu_ms(), ms;
	const char *why;
	struct mime m;

	mime_parse(head, strlen(head), buf_text(body), body->len, &m);
	ms = cpu_ms() - start;
	why = mime_broken(&m, buf_text(body), body->len);
	check(why == NULL && m.limited == limited && ms < SLOW_MS, "%s", says);
	if (why != NULL || ms >= SLOW_MS)
		printf("# %s, %ld ms\n", why == NULL ? "" : why,
		    ms);
	mime_clear(&m);
}

static void
test_sizes(void)
{
	struct buf body;

	buf_init(&body, 64 << 20);
	for (int i = 0; i < 100000; i++)
		buf_puts(&body, "--b\r\n\r\nx\r\n");
	takes(MIXED("b"), &body, true, "100,000 parts take no second");
	buf_reset(&body);
	for (int i = 0; i < 1000; i++)
		buf_printf(&body, "--b%d\r\nContent-Type: multipart/mixed; "
		    "boundary=b%d\r\n\r\n", i, i + 1);
	takes(MIXED("b0"), &body, true, "nor do 1,000 levels");
	buf_reset(&body);
	for (int i = 0; i < 100000; i++)
		buf_puts(&body, MESSAGE "\r\n");
	takes(MESSAGE, &body, true, "nor 100,000 messages in each other");
	buf_reset(&body);
	for (int i = 0; i < 2000000; i++)
		buf_puts(&body, "--bx\r\n");
	takes(MIXED("b"), &body, false, "nor 2,000,000 lines almost of it");
	buf_reset(&body);
	buf_puts(&body, "--b\r\n");
	for (int i = 0; i < 1000000; i++)
		buf_puts(&body, "Content-Type:\r\n\t");
	takes(MIXED("b"), &body, false, "nor one header of 16 MB");
	buf_clear(&body);
}

int
main(void)
{
	test_values();
	test_removals();
	test_value_limits();
	test_fields();
	test_divide();
	test_encodings();
	test_split();
	test_trees();
	test_reads();
	test_order();
	test_sizes();
	return tap_done();
}
