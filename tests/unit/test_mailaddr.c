/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/mailaddr.h"
#include "common/domain.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/tap.h"

/* A text that may hold NUL: everything in the literal but the last byte. */
#define T(s) s, sizeof(s) - 1

/* want NULL: refused, with `why` in the reason. */
struct one {
	const char *text;
	size_t n;
	const char *want;
	const char *why;
};

static const struct one envelopes[] = {
	{ T("alice@example.com"), "alice@example.com", NULL },
	{ T("<alice@example.com>"), "alice@example.com", NULL },
	{ T("<>"), "", NULL },
	{ T(""), "", NULL },
	{ T("root"), "root", NULL },
	{ T("<postmaster>"), "postmaster", NULL },
	{ T("Alice@EXAMPLE.Com"), "Alice@example.com", NULL },
	{ T("\"a b\"@x.example"), "\"a b\"@x.example", NULL },
	{ T("\"alice\"@x.example"), "alice@x.example", NULL },
	{ T("\"a\\\"b\\\\\"@x.example"), "\"a\\\"b\\\\\"@x.example", NULL },
	{ T("\"a@b\"@x.example"), "\"a@b\"@x.example", NULL },
	{ T("<@relay.example:a@x.example>"), "a@x.example", NULL },
	{ T("@one.example,@two.example:a@x.example"), "a@x.example", NULL },
	{ T("a@[192.0.2.1]"), "a@[192.0.2.1]", NULL },
	{ T("a@[ipv6:2001:DB8:0::1]"), "a@[IPv6:2001:db8::1]", NULL },
	{ T("a@b\xc3\xbc" "cher.example"), "a@xn--bcher-kva.example", NULL },
	{ T("a@XN--BCHER-KVA.example"), "a@xn--bcher-kva.example", NULL },
	{ T("j\xc3\xb6rg@x.example"), "j\xc3\xb6rg@x.example", NULL },
	{ T("a..b@x.example"), "\"a..b\"@x.example", NULL },
	{ T("bounce+a=b.example@list.example"),
	    "bounce+a=b.example@list.example", NULL },
	{ T("under_score@my_host.example"), "under_score@my_host.example",
	    NULL },
	{ T("a @x.example"), NULL, "\" \"" },
	{ T("a@ x.example"), NULL, "\" \"" },
	{ T("a@x.example "), NULL, "\" \"" },
	{ T("a(c)@x.example"), NULL, "\"(\"" },
	{ T("a\n@x.example"), NULL, "control" },
	{ T("a\0@x.example"), NULL, "NUL" },
	{ T("a@x.example\0"), NULL, "NUL" },
	{ T("a@x.example\0.evil.example"), NULL, "NUL" },
	{ T("\"a\rb\"@x.example"), NULL, "control" },
	{ T("a@b@x.example"), NULL, "second" },
	{ T("<a@x.example"), NULL, "does not end" },
	{ T("a@x.example>"), NULL, "text after" },
	{ T("<a@x.example>b"), NULL, "text after" },
	{ T("<<a@x.example>>"), NULL, "local part" },
	{ T("@x.example"), NULL, "route" },
	{ T("a@"), NULL, "no domain" },
	{ T("a@x..example"), NULL, "no domain" },
	{ T("a@x.example."), NULL, "no domain" },
	{ T("a@.x.example"), NULL, "no domain" },
	{ T("a@-x.example"), NULL, "no domain" },
	{ T("a@x!y.example"), NULL, "no domain" },
	{ T("a@[192.0.2.999]"), NULL, "no domain" },
	{ T("a@[192.0.2.1"), NULL, "bracket" },
	{ T("a@[x25:1]"), NULL, "no domain" },
	{ T("\"\"@x.example"), NULL, "local part" },
	{ T("\"a@x.example"), NULL, "quote" },
	{ T("\"a\"b@x.example"), NULL, "two words" },
	{ T("a\xff@x.example"), NULL, "UTF-8" },
	{ T("a\xc0\x80@x.example"), NULL, "UTF-8" },
	{ T("a\xc2\x85@x.example"), NULL, "control" },
};

static void
test_envelopes(void)
{
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(*envelopes); i++) {
		const struct one *t = &envelopes[i];
		struct error err = { ERROR_NONE, "" };
		struct mailaddr a, again;
		char *text;

		if (!mailaddr_parse(t->text, t->n, &a, &err)) {
			check(t->want == NULL && err.kind == ERROR_PERM &&
				strstr(err.text, t->why) != NULL &&
				a.local == NULL && a.domain == NULL,
			    "envelope address %zu is refused and says why: %s",
			    i + 1, err.text);
			continue;
		}
		text = mailaddr_format(&a);
		if (check(t->want != NULL,
			"envelope address %zu is an address", i + 1))
			check_str(text, t->want, "and is written so");
		check(mailaddr_parse(text, strlen(text), &again, &err) &&
			strcmp(again.local, a.local) == 0 &&
			strcmp(again.domain, a.domain) == 0,
		    "and reads back as the same");
		mailaddr_clear(&again);
		mailaddr_clear(&a);
		free(text);
	}
}

static const struct one lists[] = {
	/* Forms of RFC 5322 that must work. */
	{ T("alice@example.com"), "alice@example.com", NULL },
	{ T(" <alice@example.com> "), "alice@example.com", NULL },
	{ T("Alice <alice@example.com>"), "alice@example.com", NULL },
	{ T("Alice<alice@example.com>"), "alice@example.com", NULL },
	{ T("\"Doe, Alice\" <alice@example.com>"), "alice@example.com",
	    NULL },
	{ T("\"ceo@bank.example\" <alice@example.com>"),
	    "alice@example.com", NULL },
	{ T("\"<ceo@bank.example>\" <alice@example.com>"),
	    "alice@example.com", NULL },
	{ T("\"a \\\"b\\\" <x@y>\" <alice@example.com>"),
	    "alice@example.com", NULL },
	{ T("John Q. Public <jqp@example.com>"), "jqp@example.com", NULL },
	{ T("Dr. J. Doe <jd@example.com>"), "jd@example.com", NULL },
	{ T("a@x.example, b@y.example"), "a@x.example b@y.example", NULL },
	{ T("a@x.example,, ,b@y.example,"), "a@x.example b@y.example",
	    NULL },
	{ T("alice@example.com (ceo@bank.example)"), "alice@example.com",
	    NULL },
	{ T("(ceo@bank.example) alice@example.com"), "alice@example.com",
	    NULL },
	{ T("alice(her account)@(at)example.com(host)"),
	    "alice@example.com", NULL },
	{ T("Pete(A nice \\) chap) <pete(his account)@silly.test(host)>"),
	    "pete@silly.test", NULL },
	{ T("a (one (two (three)) <x@y>) <alice@example.com>"),
	    "alice@example.com", NULL },
	{ T("A Group:Ed Jones <joe@where.test>,joe@where.test,"
	    "John <jdoe@one.test>;"),
	    "joe@where.test joe@where.test jdoe@one.test", NULL },
	{ T("Undisclosed recipients:;"), "", NULL },
	{ T("\"The, Group\" : ; , a@x.example"), "a@x.example", NULL },
	{ T("(empty list)(start)Hidden recipients  :(nobody(that I know))  "
	    ";"),
	    "", NULL },
	{ T(""), "", NULL },
	{ T(" (nobody) "), "", NULL },
	{ T("Joe <@node.test,@b.test:joe@where.test>"), "joe@where.test",
	    NULL },
	{ T("Joe <@node.test,,@b.test : joe@where.test>"), "joe@where.test",
	    NULL },
	{ T("John Doe <jdoe@machine(comment).  example>"),
	    "jdoe@machine.example", NULL },
	{ T("john . doe @ example . com"), "john.doe@example.com", NULL },
	{ T("\"john\".doe@example.com"), "john.doe@example.com", NULL },
	{ T("\"john doe\"@example.com"), "\"john doe\"@example.com", NULL },
	{ T("Alice\r\n <alice@example.com>"), "alice@example.com", NULL },
	{ T("Alice\n\t<alice@example.com>"), "alice@example.com", NULL },
	{ T("\r\n alice@example.com\r\n"), "alice@example.com", NULL },
	{ T("\"Alice\r\n Doe\" <alice@example.com>"), "alice@example.com",
	    NULL },
	{ T("J\xc3\xb6rg <joerg@example.com>"), "joerg@example.com", NULL },
	{ T("<j\xc3\xb6rg@b\xc3\xbc" "cher.example>"),
	    "j\xc3\xb6rg@xn--bcher-kva.example", NULL },
	{ T("=?utf-8?q?J=C3=B6rg?= <joerg@example.com>"),
	    "joerg@example.com", NULL },
	{ T("=?utf-8?q?ceo=40bank.example?= <alice@example.com>"),
	    "alice@example.com", NULL },
	{ T("=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?= <a@x.example>"),
	    "a@x.example", NULL },
	{ T("=?iso-2022-jp?b?GyRCOzNFRBsoQg==?= <a@x.example>"),
	    "a@x.example", NULL },
	{ T("\"\" <alice@example.com>"), "alice@example.com", NULL },
	{ T("alice@[192.0.2.1]"), "alice@[192.0.2.1]", NULL },
	{ T("Alice <ALICE@EXAMPLE.COM>"), "ALICE@example.com", NULL },
	{ T("o'brien+tag=x/y@example.com"), "o'brien+tag=x/y@example.com",
	    NULL },
	{ T("ceo\xef\xbc\xa0" "bank.example <alice@example.com>"),
	    "alice@example.com", NULL },

	/* Two addresses where a reader sees one. */
	{ T("ceo@bank.example <evil@x.example>"), NULL, "text after" },
	{ T("ceo@bank.example evil@x.example"), NULL, "text after" },
	{ T("<ceo@bank.example> evil@x.example"), NULL, "text after" },
	{ T("<ceo@bank.example> <evil@x.example>"), NULL, "text after" },
	{ T("<ceo@bank.example><evil@x.example>"), NULL, "text after" },
	{ T("<ceo@bank.example> Bank"), NULL, "text after" },
	{ T("\"Bank\" <ceo@bank.example> \"<evil@x.example>\""), NULL,
	    "text after" },
	{ T("ceo@bank.example@x.example"), NULL, "second" },
	{ T("<ceo@bank.example@x.example>"), NULL, "second" },
	{ T("ceo@bank.example(@x.example"), NULL, "comment" },
	{ T("ceo@bank.example; evil@x.example"), NULL, "text after" },
	{ T("ceo@bank.example;"), NULL, "text after" },
	{ T("<ceo@bank.example,evil@x.example>"), NULL, "bracket" },
	{ T("<<ceo@bank.example>evil@x.example>"), NULL, "local part" },
	{ T("Bank <<evil@x.example>>"), NULL, "local part" },
	{ T("Bank <ceo@bank.example"), NULL, "bracket" },
	{ T("Bank <ceo@bank.example, evil@x.example"), NULL, "bracket" },
	{ T("Bank ceo@bank.example>"), NULL, "two words" },
	{ T("ceo@bank.example>"), NULL, "text after" },
	{ T(">ceo@bank.example"), NULL, "misplaced" },
	{ T("Bank, ceo <evil@x.example>"), NULL, "without an address" },
	{ T("=?utf-8?q?Doe,_John?= <evil@x.example>"), NULL,
	    "without an address" },
	{ T("x: ceo@bank.example"), NULL, "group" },
	{ T("x: ceo@bank.example; evil@x.example"), NULL, "after a group" },
	{ T("x: y: ceo@bank.example;;"), NULL, "colon" },
	{ T("ceo@bank.example: evil@x.example;"), NULL, "text after" },
	{ T(": ceo@bank.example;"), NULL, "colon" },
	{ T(";"), NULL, "semicolon" },

	/* Quotes and comments that end for some readers and not for others. */
	{ T("\"Bank <ceo@bank.example>"), NULL, "quote" },
	{ T("Bank\" <ceo@bank.example>"), NULL, "quote" },
	{ T("\"Bank\\\" <ceo@bank.example>"), NULL, "quote" },
	{ T("\"Bank\" <evil@x.example>\""), NULL, "quote" },
	{ T("(Bank <ceo@bank.example>"), NULL, "comment" },
	{ T("Bank) <ceo@bank.example>"), NULL, "\")\"" },
	{ T("(Bank\\) <ceo@bank.example>"), NULL, "comment" },
	{ T("(a)) <ceo@bank.example>"), NULL, "\")\"" },
	{ T("Bank \\<ceo@bank.example>"), NULL, "\"\\\"" },
	{ T("a\"b <ceo@bank.example>\"<evil@x.example>"), NULL,
	    "inside a word" },
	{ T("\"a\"\"b\" <evil@x.example>"), NULL, "inside a word" },
	{ T("\"ceo@bank.example\"@x.example"), NULL, "quoted local" },
	{ T("\"ceo@bank.example>\"@x.example"), NULL, "quoted local" },
	{ T("\"<ceo@bank.example>\"@x.example"), NULL, "quoted local" },
	{ T("<\"ceo@bank.example \"@x.example>"), NULL, "quoted local" },
	{ T("\"ceo\\@bank.example\"@x.example"), NULL, "quoted local" },
	{ T("\"a,ceo\"@x.example"), NULL, "quoted local" },
	{ T("\"a\r\n b\"@x.example"), NULL, "line end" },
	{ T("\"\"@x.example"), NULL, "local part" },
	{ T("ceo@\"bank.example\""), NULL, "no domain" },
	{ T("ceo@bank.example\".x.example\""), NULL, "text after" },
	{ T("ceo@bank\\.example"), NULL, "\"\\\"" },
	{ T("[Bank] <ceo@bank.example>"), NULL, "bracket" },

	/* Bytes that end the field, or nothing, depending on the reader. */
	{ T("ceo@bank.example\0@x.example"), NULL, "NUL" },
	{ T("Bank\0 <ceo@bank.example>"), NULL, "NUL" },
	{ T("ceo@bank.example\n<evil@x.example>"), NULL, "line end" },
	{ T("ceo@bank.example\r<evil@x.example>"), NULL, "carriage" },
	{ T("ceo@bank.example\r"), NULL, "carriage" },
	{ T("ceo@bank.example,\r\n \r\n evil@x.example"), NULL, "blanks" },
	{ T("Bank\r\n\r\n <evil@x.example>"), NULL, "line end" },
	{ T("Bank\r\n\t"), NULL, "blanks" },
	{ T("ceo@bank.example\x0b<evil@x.example>"), NULL, "control" },
	{ T("Ba\x08nk <evil@x.example>"), NULL, "control" },
	{ T("Bank\x7f <evil@x.example>"), NULL, "control" },
	{ T("Bank\xc2\x85 <evil@x.example>"), NULL, "control" },
	{ T("Bank\xe2\x80\xa8 <evil@x.example>"), NULL, "control" },
	{ T("B\xf6hm <evil@x.example>"), NULL, "UTF-8" },
	{ T("\xed\xa0\x80 <evil@x.example>"), NULL, "UTF-8" },
	{ T("\"a\\\r\n b\" <evil@x.example>"), NULL, "backslash" },

	/* Encoded words. */
	{ T("=?utf-8?q?ceo=40bank.example?="), NULL, "without an address" },
	{ T("=?utf-8?b?Y2VvQGJhbms=?=@x.example"), NULL, "encoded word" },
	{ T("=?utf-8?q?ceo=40bank.example=3E=00?=@x.example"), NULL,
	    "hides" },
	{ T("<=?utf-8?q?ceo?=@x.example>"), NULL, "encoded word" },
	{ T("\"=?utf-8?q?ceo=40bank?=\"@x.example"), NULL, "encoded word" },
	{ T("ceo@=?utf-8?q?bank.example?="), NULL, "no domain" },
	{ T("=?utf-8?q?ceo=40bank=00?= <evil@x.example>"), NULL, "hides" },
	{ T("=?utf-8?Q?ceo=40bank=0a?= <evil@x.example>"), NULL, "hides" },
	{ T("=?utf-8?b?Y2VvQGJhbmsA?= <evil@x.example>"), NULL, "hides" },
	{ T("=?utf-8?B?Y2VvCnRv?= <evil@x.example>"), NULL, "hides" },
	{ T("\"=?utf-8?q?ceo=40bank=0D?=\" <evil@x.example>"), NULL,
	    "hides" },
	{ T("=?utf-8?q?ceo=40bank.example=00?= <evil@x.example>"), NULL,
	    "hides" },
	{ T("(=?utf-8?q?=0A?=) <evil@x.example>"), NULL, "hides" },
	{ T("=?utf-8?q?a?==?utf-8?q?=00?= <evil@x.example>"), NULL,
	    "hides" },

	/* Not addresses. */
	{ T("root"), NULL, "without an address" },
	{ T("<root>"), NULL, "without a domain" },
	{ T("<>"), NULL, "local part" },
	{ T("Bank <>"), NULL, "local part" },
	{ T("@bank.example"), NULL, "local part" },
	{ T("ceo@"), NULL, "no domain" },
	{ T("ceo@,"), NULL, "no domain" },
	{ T("<@bank.example>"), NULL, "route" },
	{ T("<@bank.example,evil@x.example>"), NULL, "route" },
	{ T("@bank.example:evil@x.example"), NULL, "local part" },
	{ T("ceo bank@x.example"), NULL, "two words" },
	{ T("c(x)eo@x.example"), NULL, "two words" },
	{ T("ceo@bank example"), NULL, "text after" },
	{ T(".ceo@x.example"), NULL, "dot" },
	{ T("ceo.@x.example"), NULL, "dot" },
	{ T("ceo..x@x.example"), NULL, "dot" },
	{ T(". <ceo@x.example>"), NULL, "dot" },
	{ T("ceo@bank..example"), NULL, "no domain" },
	{ T("ceo@bank.example."), NULL, "no domain" },
	{ T("ceo@.bank.example"), NULL, "no domain" },
	{ T("ceo@[bank.example]"), NULL, "no domain" },
	{ T("ceo@[192.0.2.1"), NULL, "bracket" },

	/* Characters that show as others, or not at all. */
	{ T("ceo\xef\xbc\xa0" "bank.example@x.example"), NULL, "U+FF20" },
	{ T("ceo\xc2\xa0@x.example"), NULL, "U+00A0" },
	{ T("ceo\xe2\x80\xae@x.example"), NULL, "U+202E" },
	{ T("ceo\xe2\x80\x8b@x.example"), NULL, "U+200B" },
	{ T("ceo@bank\xe3\x80\x82" "example"), NULL, "no domain" },
	{ T("ceo@b\xef\xbd\x81nk.example"), NULL, "no domain" },
	{ T("ceo@ban\xe2\x84\xaa.example"), NULL, "no domain" },
	{ T("ceo@g\xc4\xb0thub.example"), NULL, "no domain" },
	{ T("ceo@ba\xc2\xadnk.example"), NULL, "no domain" },
	{ T("ceo@bank.example\xc2\xa0<evil@x.example>"), NULL, "no domain" },
};

static void
test_lists(void)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const struct one *t = &lists[i];
		struct error err = { ERROR_NONE, "" };
		struct strvec v = { NULL, 0 };
		struct buf got;

		if (!mailaddr_list(t->text, t->n, &v, &err)) {
			check(t->want == NULL && err.kind == ERROR_PERM &&
				strstr(err.text, t->why) != NULL && v.n == 0,
			    "list %zu is refused and says why: %s", i + 1,
			    err.text);
			strvec_clear(&v);
			continue;
		}
		buf_init(&got, 10000);
		for (size_t k = 0; k < v.n; k++)
			buf_printf(&got, "%s%s", k == 0 ? "" : " ", v.v[k]);
		check_str(buf_text(&got), t->want == NULL ? "refused" : t->want,
		    "the addresses of a list are found");
		if (t->want == NULL)
			printf("# list %zu\n", i + 1);
		buf_clear(&got);
		strvec_clear(&v);
	}
}

static void
test_list_limits(void)
{
	struct strvec v = { NULL, 0 };
	struct error err;
	struct buf b;

	buf_init(&b, 1000000);
	for (int i = 0; i < 10000; i++)
		buf_puts(&b, "a@x.example,");
	check(mailaddr_list(b.data, b.len, &v, &err) && v.n == 10000,
	    "ten thousand addresses are a list");
	check(!mailaddr_list(T("b@x.example"), &v, &err) && v.n == 10000,
	    "one more is refused and leaves the list as it was");
	strvec_clear(&v);
	buf_reset(&b);
	for (int i = 0; i < 300000; i++)
		buf_putc(&b, '(');
	for (int i = 0; i < 300000; i++)
		buf_putc(&b, ')');
	buf_puts(&b, "a@x.example");
	check(mailaddr_list(b.data, b.len, &v, &err) && v.n == 1,
	    "comments may be nested deeply");
	check(!mailaddr_list(T("b@y.example, c@z.example d"), &v, &err) &&
		v.n == 1 && strcmp(v.v[0], "a@x.example") == 0,
	    "a list that fails half way adds nothing");
	strvec_clear(&v);
	buf_reset(&b);
	for (int i = 0; i < 600; i++)
		buf_putc(&b, 'a');
	buf_puts(&b, "@x.example");
	check(!mailaddr_list(b.data, b.len, &v, &err) &&
		strstr(err.text, "too long") != NULL,
	    "a local part of 600 bytes is refused");
	buf_reset(&b);
	for (int i = 0; i < 600; i++)
		buf_puts(&b, i == 0 ? "a@x" : ".x");
	check(!mailaddr_list(b.data, b.len, &v, &err),
	    "a domain of 1200 bytes is refused");
	buf_clear(&b);
}

static void
check_domain(const char *text, const char *want, const char *name)
{
	char *got = domain_canonical(text, strlen(text));

	check_str(got, want, name);
	free(got);
}

static void
test_domains(void)
{
	static const char label63[] =
	    "a23456789012345678901234567890123456789012345678901234567890123";
	struct buf b;

	check_domain("Example.COM", "example.com", "a domain is lower case");
	check_domain("b\xc3\xbc" "cher.example", "xn--bcher-kva.example",
	    "a U-label becomes an A-label");
	check_domain("B\xc3\x9c" "CHER.example", "xn--bcher-kva.example",
	    "so does one in capitals");
	check_domain("stra\xc3\x9f" "e.example", "xn--strae-oqa.example",
	    "the sharp s is a letter of its own (IDNA2008)");
	check_domain("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.test",
	    "xn--e1afmkfd.test", "Cyrillic works");
	check_domain("bu\xcc\x88" "cher.example", NULL,
	    "letters taken apart (not NFC) are refused");
	check_domain("localhost", "localhost", "one label is a domain");
	check_domain("*.example.com", NULL, "a star is none");
	check_domain("", NULL, "nothing is none");
	check_domain(".", NULL, "a dot is none");
	check_domain("a b.example", NULL, "a blank is in none");
	check_domain("[192.0.2.1]", NULL, "an address literal is none");
	check_domain("\xff.example", NULL, "broken UTF-8 is none");
	check_domain(label63, label63, "a label may have 63 characters");
	buf_init(&b, 400);
	buf_printf(&b, "%s4", label63);
	check_domain(buf_text(&b), NULL, "but not 64");
	buf_reset(&b);
	buf_printf(&b, "%s.%s.%s.%.61s", label63, label63, label63, label63);
	check(b.len == 253, "this domain has 253 characters");
	check_domain(buf_text(&b), buf_text(&b), "which is allowed");
	buf_puts(&b, "x");
	check_domain(buf_text(&b), NULL, "one more is not");
	buf_clear(&b);
	check(domain_canonical(T("a\0.example")) == NULL, "NUL is in none");
}

static void
test_covers(void)
{
	static const struct {
		const char *pattern, *domain;
		bool covers;
	} t[] = {
		{ "example.net", "example.net", true },
		{ "EXAMPLE.net", "example.NET", true },
		{ "example.net", "a.example.net", false },
		{ "*.example.net", "a.example.net", true },
		{ "*.Example.net", "A.example.net", true },
		{ "*.example.net", "example.net", false },
		{ "*.example.net", "a.b.example.net", false },
		{ "*.example.net", ".example.net", false },
		{ "*.example.net", "*.example.net", false },
		{ "*.net", "example.net", false },
		{ "*", "net", false },
		{ "*.", "a.", false },
		{ "a*.example.net", "ab.example.net", false },
		{ "*.*.example.net", "a.b.example.net", false },
		{ "", "", false },
		{ "example.net", "notexample.net", false },
		{ "*.example.net", "aexample.net", false },
		{ "[192.0.2.1]", "[192.0.2.1]", false },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		check(domain_covers(t[i].pattern, t[i].domain) ==
			t[i].covers,
		    "a certificate for \"%s\" %s \"%s\"", t[i].pattern,
		    t[i].covers ? "covers" : "does not cover", t[i].domain);
}

static void
test_patterns(void)
{
	static const struct {
		const char *pattern, *address;
		bool matches;
	} t[] = {
		{ "alice@example.com", "alice@example.com", true },
		{ "alice@example.com", "Alice@EXAMPLE.com", true },
		{ "alice@example.com", "bob@example.com", false },
		{ "alice@example.com", "alice+tag@example.com", false },
		{ "example.com", "bob@example.com", true },
		{ "@example.com", "bob@example.com", true },
		{ "@Example.com", "bob@example.com", true },
		{ "example.com", "bob@a.example.com", false },
		{ ".example.com", "bob@a.example.com", true },
		{ ".example.com", "bob@a.b.example.com", true },
		{ ".example.com", "bob@example.com", false },
		{ ".example.com", "bob@notexample.com", false },
		{ "b\xc3\xbc" "cher.example", "a@xn--bcher-kva.example", true },
		{ "ALL", "bob@example.com", true },
		{ "ALL", "<>", true },
		{ "ALL", "root", true },
		{ "example.com", "<>", false },
		{ "example.com", "root", false },
	};
	static const char *const bad[] = { "", "all", "All", "@", ".",
		"*@example.com.", "*.example.com", "a b@example.com",
		"<a@example.com>", "<>", "a@", "a@b@c", "..example.com",
		"exam ple.com", "@@example.com" };
	struct error err;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mailaddr a;

		if (!mailaddr_parse(t[i].address, strlen(t[i].address), &a,
			&err))
			check(false, "%s is an address", t[i].address);
		check(mailaddr_match(t[i].pattern, &a) == t[i].matches &&
			mailaddr_check_pattern(t[i].pattern, &err),
		    "pattern %s %s %s", t[i].pattern,
		    t[i].matches ? "matches" : "does not match",
		    t[i].address);
		mailaddr_clear(&a);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		check(!mailaddr_check_pattern(bad[i], &err) &&
			err.text[0] != '\0',
		    "\"%s\" is no pattern: %s", bad[i], err.text);
	}
}

static void
test_values(void)
{
	struct mailaddr a, b, zero = { NULL, NULL };
	struct error err;
	char *text;

	if (!mailaddr_parse(T("I.B@example.com"), &a, &err) ||
	    !mailaddr_parse(T("i.b@EXAMPLE.COM"), &b, &err))
		check(false, "these are addresses");
	setlocale(LC_ALL, "tr_TR.UTF-8");
	check(mailaddr_equal(&a, &b),
	    "local parts compare without regard to case, in any locale");
	setlocale(LC_ALL, "C");
	mailaddr_clear(&b);
	mailaddr_copy(&b, &a);
	check(b.local != a.local && mailaddr_equal(&a, &b),
	    "a copy is equal and its own");
	check(!mailaddr_is_null(&a) && mailaddr_is_null(&zero),
	    "zeroed memory is the null address");
	check(!mailaddr_equal(&a, &zero), "which equals no other");
	text = mailaddr_format(&zero);
	check_str(text, "", "and is written as nothing");
	free(text);
	mailaddr_clear(&zero);
	mailaddr_clear(&a);
	mailaddr_clear(&b);
}

int
main(void)
{
	test_envelopes();
	test_lists();
	test_list_limits();
	test_domains();
	test_covers();
	test_patterns();
	test_values();
	return tap_done();
}
