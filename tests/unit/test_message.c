/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/message.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

static bool
read_text(struct message *m, const char *text, size_t n, struct error *err)
{
	FILE *f = tmpfile();
	bool ok;

	fwrite(text, 1, n, f);
	rewind(f);
	ok = message_read(m, f, err);
	fclose(f);
	return ok;
}

/* "Name|value|Name|value|": LF in values as they are. */
static void
reads_n(const char *text, size_t n, const char *fields, const char *body,
    const char *says)
{
	struct message *m = message_new(&place);
	struct error err = {0};
	struct buf got;
	bool ok = read_text(m, text, n, &err);

	buf_init(&got, 1 << 20);
	for (size_t i = 0; i < m->nheaders; i++)
		buf_printf(&got, "%s|%s|", m->headers[i].name,
		    m->headers[i].value);
	check(ok && strcmp(buf_text(&got), fields) == 0 &&
	    spool_len(m->body) == strlen(body) &&
	    memcmp(spool_data(m->body), body, strlen(body)) == 0, "%s", says);
	if (ok && strcmp(buf_text(&got), fields) != 0)
		printf("# %s\n", buf_text(&got));
	buf_clear(&got);
	message_free(&m);
}

static void
reads(const char *text, const char *fields, const char *body,
    const char *says)
{
	reads_n(text, strlen(text), fields, body, says);
}

static void
test_read(void)
{
	static const char nul[] = "A: b\0c\r\nB: d\r\n\r\ne";

	reads("A: b\r\nC:d\r\n\r\nbody\r\n", "A| b|C|d|", "body\r\n",
	    "fields keep the blank behind their colon, or its absence");
	reads("A: b\nC:d\n\nbody\n", "A| b|C|d|", "body\r\n",
	    "LF line ends become CRLF");
	reads("A: b\r\n c\r\n\td\r\n\r\n", "A| b\n c\n\td|", "",
	    "folds are joined by LF");
	reads("A: b\r\n \r\n c\r\n\r\n", "A| b\n \n c|", "",
	    "a fold may be blank");
	reads("A:\r\n\r\n", "A||", "", "a field may be empty");
	reads("From a Mon\nA: b\n\n", "A| b|", "",
	    "a first mbox line is skipped");
	reads("A: b\nFrom a Mon\nB: c\n", "A| b|",
	    "From a Mon\r\nB: c\r\n", "a later one begins the body");
	reads("A: b\nno field\nB: c\n", "A| b|", "no field\r\nB: c\r\n",
	    "so does any line that is no field");
	reads("A: b\r\n\r\nx", "A| b|", "x", "the last line may not end");
	reads("A: b", "A| b|", "", "not even in the header");
	reads("\r\nA: b\r\n", "", "A: b\r\n", "there may be no field");
	reads(" A: b\r\n", "", " A: b\r\n", "a fold of nothing is none");
	reads("", "", "", "nothing is an empty message");
	reads("A: b\r\r\n\r\nc\rd\r\r\n", "A| b\r|", "c\rd\r\r\n",
	    "a CR alone stays");
	reads_n(nul, sizeof(nul) - 1, "A| b|B| d|", "e",
	    "a NUL cuts a field, as in Postfix");
}

static void
test_limits(void)
{
	struct message *m = message_new(&place);
	struct error err = {0};
	struct buf b;
	bool ok = true;

	for (int i = 0; ok && i < MESSAGE_MAX_HEADERS; i++)
		ok = message_add_header(m, "A", " b", &err);
	check(ok && !message_add_header(m, "A", " b", &err) &&
	    err.kind == ERROR_PERM, "20,000 fields are allowed, not more");
	message_free(&m);

	buf_init(&b, 64 << 20);
	buf_puts(&b, "A: b\r\nC: d\r\n");
	buf_reserve(&b, 17 << 20);
	buf_putc(&b, ' ');
	for (int i = 0; i < (17 << 20); i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\nE: f\r\n\r\n");
	m = message_new(&place);
	err.kind = ERROR_NONE;
	check(!read_text(m, b.data, b.len, &err) && err.kind == ERROR_PERM,
	    "a field of 17 MB is refused, not cut");
	message_free(&m);
	buf_reset(&b);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "A: %020000d\r\n", 0);
	m = message_new(&place);
	err.kind = ERROR_NONE;
	check(!read_text(m, b.data, b.len, &err) && err.kind == ERROR_PERM,
	    "so are many that have 20 MB together");
	message_free(&m);
	buf_clear(&b);
}

static void
test_headers(void)
{
	struct message *m = message_new(&place);
	struct error err;
	bool ok;

	ok = message_add_header(m, "Subject", " one", &err) &&
	    message_add_header(m, "X", " x", &err) &&
	    message_add_header(m, "SUBJECT", " two", &err);
	check(ok && message_header_count(m, "subject") == 2,
	    "fields are counted in any case");
	check_str(message_header(m, "subject", 1)->value, " two",
	    "and found by number");
	check(message_header(m, "subject", 2) == NULL &&
	    message_header(m, "Subj", 0) == NULL, "others are not there");
	message_free(&m);
	check(m == NULL, "freeing sets the pointer to NULL");
	message_free(&m);
}

static void
test_envelope(void)
{
	struct message *m = message_new(&place);

	check(mailaddr_is_null(&m->sender),
	    "without MAIL FROM the sender is null");
	message_set_sender(m, "<A@B.example>", "SIZE=1");
	message_set_sender(m, "<Alice@Example.COM>", "");
	check_str(m->sender.domain, "example.com", "the last sender counts");
	message_set_sender(m, "<broken", "");
	check(mailaddr_is_null(&m->sender) &&
	    strcmp(m->sender_text, "<broken") == 0,
	    "what is no address is kept as text");
	for (int i = 0; i < 10; i++)
		message_add_recipient(m, i == 4 ? "@@" : "<a@b.example>",
		    "NOTIFY=NEVER");
	check(m->nrecipients == 10 && mailaddr_is_null(
	    &m->recipients[4].address) &&
	    strcmp(m->recipients[9].address.domain, "b.example") == 0,
	    "recipients too");
	check(message_client(m).authenticated == NULL,
	    "an unknown client is not authenticated");
	message_free(&m);
}

static const struct {
	const char *first, *second, *address, *says;
} froms[] = {
	{" a@b.example", NULL, "a@b.example", "a bare address"},
	{" \"b@c.example\" <a@b.example>", NULL, "a@b.example",
	    "a display name counts for nothing"},
	{" b@c.example (x) <a@b.example>", NULL, NULL,
	    "two addresses without a comma are none"},
	{" a@b.example (b@c.example)", NULL, "a@b.example",
	    "nor does a comment"},
	{" =?utf-8?q?b=40c?= <a@B.EXAMPLE>", NULL, "a@b.example",
	    "nor an encoded word"},
	{" Group: a@b.example;", NULL, "a@b.example", "a group of one is one"},
	{" a@b.example, c@d.example", NULL, NULL, "two addresses are refused"},
	{" Group:;", NULL, NULL, "an empty group too"},
	{"", NULL, NULL, "and an empty field"},
	{" a@b.example", " a@b.example", NULL,
	    "and two fields, though they be equal"},
	{NULL, NULL, NULL, "and no field"},
	{" <a@b.example", NULL, NULL, "and an open bracket"},
	{" a@b.example\n\tc@d.example", NULL, NULL,
	    "and two addresses over a fold"},
	{" <a@b.example> <c@d.example>", NULL, NULL,
	    "and two brackets"},
	{" <a@b.example>,", NULL, "a@b.example",
	    "an empty element is no address"},
	{" <>", NULL, NULL, "the null sender is nobody"},
};

static void
test_from(void)
{
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		struct message *m = message_new(&place);
		struct mailaddr from = {0};
		struct error err = {0};
		char *text = NULL;
		bool ok, good = true;

		if (froms[i].first != NULL)
			good = message_add_header(m, "From", froms[i].first,
			    &err);
		if (froms[i].second != NULL)
			good &= message_add_header(m, "FROM",
			    froms[i].second, &err);
		ok = message_from(m, &from, &err);
		if (ok)
			text = mailaddr_format(&from);
		check(good && (froms[i].address == NULL ?
		    !ok && err.kind == ERROR_PERM && err.text[0] != '\0' :
		    ok && strcmp(text, froms[i].address) == 0), "From: %s",
		    froms[i].says);
		free(text);
		mailaddr_clear(&from);
		message_free(&m);
	}
}

int
main(void)
{
	test_read();
	test_limits();
	test_headers();
	test_envelope();
	test_from();
	return tap_done();
}
