/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/html_text.h"

#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "milter-smime/html_entity.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

static char *
text_of(const char *p, size_t n, bool outlook)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};
	char *text;

	if (!html_text_write(p, n, outlook, s, &err) ||
	    !spool_finish(s, &err))
		abort();
	text = mem_dup(spool_data(s), spool_len(s));
	spool_free(&s);
	return text;
}

static const struct {
	const char *html, *want, *says;
} pages[] = {
	{"", "", "nothing is nothing"},
	{"plain text", "plain text", "text stays"},
	{"con<b></b>fidential", "confidential", "inline tags vanish"},
	{"con<span class='x' title=\">\">fid</span>ential", "confidential",
	    "with their attributes, quoted ones too"},
	{"con<x title='a\"b>c'>fid</x>ential", "confidential",
	    "in either quotes"},
	{"con<b \">fid</b>ential", "confidential",
	    "a quote that begins no value begins nothing"},
	{"con<a href=x\">fid</a>ential", "confidential",
	    "nor does one inside a value"},
	{"con<a b = \n '>' c>fid", "confid", "blanks may stand around ="},
	{"con<br/>fid<BR>ential", "con\nfid\nential", "<br> ends a line"},
	{"<p>con</p>\r\n<p>fid</p>", "con\nfid", "blocks are lines"},
	{"<ul><li>a<li>b</ul>c", "a\nb\nc", "so are list items"},
	{"<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>",
	    "a b\nc", "and table rows; cells are a blank apart"},
	{"a \t\r\n  b", "a b", "runs of blanks are one"},
	{"a&nbsp;&nbsp; b\xe2\x80\x83""c", "a b c", "wide ones too"},
	{"a<pre>b\n  c</pre>d\ne", "a\nb\nc\nd e",
	    "line ends stay in <pre>"},
	{"confi&shy;dential", "confidential", "a soft hyphen goes"},
	{"confi\xc2\xad\xe2\x80\x8b""dential", "confidential",
	    "raw ones and zero-width spaces go"},
	{"confi&#x200B;&zwj;&ZeroWidthSpace;<wbr>dential", "confidential",
	    "in any form"},
	{"&#99;&#x6f;&#X6E;&#102&#x69;dential", "confidential",
	    "numbers are decoded, with and without semicolons"},
	{"&#0000000000000000000000000099;on", "con", "long ones too"},
	{"&#150; &#x80;", "\xe2\x80\x93 \xe2\x82\xac",
	    "bytes of Windows-1252 too"},
	{"&#0;&#xd800;&#x110000;&#99999999999;",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
	    "what is no character becomes U+FFFD"},
	{"&lt;b&gt; &amp;amp; &eacute; &hellip; &Alpha; &period;",
	    "<b> &amp; \xc3\xa9 \xe2\x80\xa6 \xce\x91 .",
	    "names are decoded, once"},
	{"confi&shydential", "confidential",
	    "old names need no semicolon"},
	{"&copy &notme &amp", "\xc2\xa9 \xc2\xacme &",
	    "whatever stands behind"},
	{"&; &# &#; &#x; &nosuch; & AT&T", "&; &# &#; &#x; &nosuch; & AT&T",
	    "what is no reference stays"},
	{"con<!-- x --><!----><!--> --><!-- a -- b -->fid", "con -->fid",
	    "comments vanish, as browsers end them"},
	{"con<!-- x --!>fid<!-->ential", "confidential",
	    "so do odd ends of comments"},
	{"con<!x>fid<?xml y?>ential</>!<//>", "confidential!",
	    "declarations and odd tags vanish"},
	{"con<![CDATA[x>fid", "confid", "CDATA ends at the first >"},
	{"con<script>x</b>y<!--</script>fid<style>p{}</STYLE >ential",
	    "confidential", "scripts and styles vanish"},
	{"con<script>x</scriptx></script>fid", "confid",
	    "up to their own end tag"},
	{"con<title>x<!-- </title>fid<iframe><!--</iframe>ential",
	    "confidential", "what hides a comment hides no more"},
	{"a<textarea><b>&lt;<!--</textarea>b", "a\n<b><<!--\nb",
	    "a text area has no tags"},
	{"a<xmp><b>&lt;</xmp>b", "a\n<b>&lt;\nb", "nor has <xmp>"},
	{"a<plaintext><b></plaintext>", "a\n<b></plaintext>",
	    "nothing ends <plaintext>"},
	{"a < b <3 <", "a < b <3 <", "< by itself is text"},
	{"a<b", "a", "a tag without its end is gone"},
	{"a<b title=\"x>b", "a", "so is one whose quote stays open"},
	{"a<!-- b", "a", "so is an open comment"},
	{"a<style>b", "a", "so is an open style"},
	{"caf\xe9 <i>\xff</i>", "caf\xe9 \xff", "other bytes stay"},
	{"con<averyveryverylongelementname>fid", "confid",
	    "elements may have any name"},
	{"</pre></pre>a\nb", "a b", "an end tag alone ends nothing"},
	{"con<!--[if mso]>x<![endif]-->fid", "confid",
	    "a conditional comment is a comment"},
};

static void
test_pages(void)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		char *got = text_of(pages[i].html, strlen(pages[i].html),
		    false);

		check_str(got, pages[i].want, pages[i].says);
		free(got);
	}
}

static void
test_outlook(void)
{
	static const char conditional[] =
	    "con<!--[if mso]>fid<b></b>ential<![endif]--><!-- x -->";
	static const char nul[] = "con\0fid";
	char *got = text_of(conditional, sizeof(conditional) - 1, true);

	check_str(got, "confidential",
	    "Outlook shows what stands in conditional comments");
	free(got);
	got = text_of("con<![CDATA[fid", 15, true);
	check_str(got, "confid", "and in CDATA");
	free(got);
	check(html_text_has_conditions(conditional, sizeof(conditional) - 1) &&
	    html_text_has_conditions("<![CDATA[", 9) &&
	    !html_text_has_conditions("<!-- [if --><!", 14) &&
	    !html_text_has_conditions("", 0),
	    "what it would show is found beforehand");
	got = text_of(nul, sizeof(nul) - 1, false);
	check_str(got, "confid", "a NUL vanishes");
	free(got);
}

static const struct {
	const char *html, *want;
} metas[] = {
	{"<meta charset=utf-8>", "utf-8"},
	{"<p><META http-equiv=\"Content-Type\" content=\"text/html; "
	    "charset=koi8-r\">", "koi8-r"},
	{"<meta name=x><meta charset = 'big5'>", "big5"},
	{"<meta charset>", NULL},
	{"charset=x <meta", NULL},
	{"", NULL},
};

static void
test_charset(void)
{
	bool right = true;

	for (size_t i = 0; i < sizeof(metas) / sizeof(metas[0]); i++) {
		struct buf out;
		bool found;

		buf_init(&out, 64);
		found = html_text_charset(metas[i].html,
		    strlen(metas[i].html), &out);
		right = right && found == (metas[i].want != NULL) &&
		    (!found || strcmp(buf_text(&out), metas[i].want) == 0);
		buf_clear(&out);
	}
	check(right, "<meta> says the charset, in both ways");
}

/* Tables that are searched must be in order. */
static void
test_entities(void)
{
	static const char *const names[] = {"&AElig;", "&yuml;", "&nbsp;",
	    "&Alpha;", "&zwnj;", "&lsquo;", "&euro;", "&commat;", "&Tab;",
	    "&quot;", "&QUOT", "&thetasym;", "&ZeroWidthSpace;"};
	uint32_t cp;
	bool right = true;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		right = right && html_entity_decode(names[i],
		    strlen(names[i]), &cp) == strlen(names[i]);
	check(right && html_entity_decode("&thetasym;", 10, &cp) == 10 &&
	    cp == 0x3d1, "names are found from one end of the table to the "
	    "other");
	check(html_entity_decode("&", 1, &cp) == 0 &&
	    html_entity_decode("&a", 2, &cp) == 0 &&
	    html_entity_decode("x", 1, &cp) == 0 &&
	    html_entity_decode("&ltx", 3, &cp) == 3 && cp == '<',
	    "a reference ends where the text does");
}

static double
seconds(const char *unit, size_t times)
{
	struct buf html;
	struct timespec from, to;
	char *got;

	buf_init(&html, 64 << 20);
	for (size_t i = 0; i < times; i++)
		buf_puts(&html, unit);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	got = text_of(buf_text(&html), html.len, true);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	free(got);
	buf_clear(&html);
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void
test_linear(void)
{
	static const char *const units[] = {"<", "<!--", "<a b=\"", "&",
	    "&#", "&ampampamp", "<script>", "</", "<a ", "<title>x</titl",
	    "<style></style>", "<!", "<pre>\n", "<xmp></xm", "<![CDATA["};
	bool linear = true;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double few, many;
		int tries = 0;

		/* Other work on the machine disturbs some, not all. */
		do {
			few = seconds(units[i], 20000);
			many = seconds(units[i], 160000);
		} while (many > 20 * few + 0.05 && ++tries < 5);
		if (tries == 5) {
			linear = false;
			printf("# %s: %.4f s, then %.4f s\n", units[i], few,
			    many);
		}
	}
	check(linear, "time grows as the text does, whatever is in it");
}

int
main(void)
{
	test_pages();
	test_outlook();
	test_charset();
	test_entities();
	test_linear();
	return tap_done();
}
