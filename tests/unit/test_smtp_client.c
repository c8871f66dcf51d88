/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/smtp_client.h"

#include <sys/un.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/smtp_reply.h"
#include "fake_smtp.h"
#include "tap.h"

#define TIMEOUT 5

/* One message, one recipient, one piece of text: what most tests send. */
static bool
send_text(struct smtp_client *c, const char *text, struct error *err)
{
	struct smtp_recipient r = {
	    .address = "rcpt@b.example", .parameters = ""};
	struct smtp_piece p = {text, strlen(text)};
	struct smtp_message m = {.sender = "sender@a.example",
	    .parameters = "",
	    .recipients = &r,
	    .nrecipients = 1,
	    .pieces = &p,
	    .npieces = 1};

	return smtp_client_send(c, &m, err);
}

/* Connects, sends, closes; what the server heard stays in f. */
static bool
talk(struct fake_smtp *f, const char *text, int64_t timeout, struct error *err)
{
	struct smtp_client *c;
	bool ok;

	memset(err, 0, sizeof(*err));
	fake_smtp_start(f);
	c = smtp_client_open(f->url, "us.example", timeout, err);
	ok = c != NULL && send_text(c, text, err);
	smtp_client_close(&c);
	fake_smtp_stop(f);
	return ok;
}

static void
test_good(void)
{
	struct fake_smtp f = {0};
	struct error err;

	check(talk(&f, "Subject: x\r\n\r\nbody\r\n", TIMEOUT, &err),
	    "a good server takes a message");
	check_str(buf_text(&f.heard),
	    "EHLO us.example\r\nMAIL FROM:<sender@a.example>\r\n"
	    "RCPT TO:<rcpt@b.example>\r\nDATA\r\nQUIT\r\n",
	    "the commands are those of RFC 5321");
	check_str(buf_text(&f.data), "Subject: x\r\n\r\nbody\r\n.\r\n",
	    "the message arrives as it is");
	fake_smtp_clear(&f);

	f.greeting = "220-fake\r\n220-says\r\n220 hello\r\n";
	f.mail = f.rcpt = f.end = FAKE_SPLIT;
	check(talk(&f, "x\r\n", TIMEOUT, &err),
	    "replies of several lines, byte by byte, are understood");
	fake_smtp_clear(&f);

	memset(&f, 0, sizeof(f));
	f.mail = "250\r\n";
	f.rcpt = "251 will forward\n";
	check(talk(&f, "x\r\n", TIMEOUT, &err),
	    "a bare code, 251, and a line without CR are replies");
	fake_smtp_clear(&f);

	memset(&f, 0, sizeof(f));
	f.ehlo = "502 5.5.1 not known\r\n";
	check(talk(&f, "x\r\n", TIMEOUT, &err) &&
		  strstr(buf_text(&f.heard), "HELO us.example\r\n") != NULL,
	    "a server without EHLO gets HELO");
	fake_smtp_clear(&f);
}

/* Each stage says 4xx, 5xx, nonsense, or is cut. */
static void
test_stages(void)
{
	static const char *const names[] = {
	    "greeting", "EHLO", "MAIL", "RCPT", "DATA", "end of data"};
	static const struct {
		const char *reply;
		const char *what;
		enum error_kind kind;
	} table[] = {
	    {"451 4.3.0 later\x07\r\n", "4xx", ERROR_TEMP},
	    {"550 5.7.1 never\r\n", "5xx", ERROR_PERM},
	    {"550-5.7.1 never\r\n550 ever\r\n", "two lines 5xx", ERROR_PERM},
	    {"421 4.3.2 going\r\n", "421", ERROR_TEMP},
	    {FAKE_CUT, "cut", ERROR_TEMP},
	    {"hello\r\n", "nonsense", ERROR_TEMP},
	    {"2500 x\r\n", "a code of four digits", ERROR_TEMP},
	    {"\r\n", "an empty line", ERROR_TEMP},
	    {"250-a\r\n550 b\r\n", "two codes in a reply", ERROR_TEMP},
	    {"350 what\r\n", "an unknown 3xx", ERROR_TEMP},
	    {FAKE_ENDLESS, "a line without end", ERROR_TEMP},
	    {FAKE_MANY, "100,000 lines", ERROR_TEMP},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t stage = 0; stage < 6; stage++) {
			struct fake_smtp f = {0};
			const char **where[] = {&f.greeting, &f.ehlo, &f.mail,
			    &f.rcpt, &f.data_reply, &f.end};
			enum error_kind want = table[i].kind;
			struct error err;

			*where[stage] = table[i].reply;
			if (stage < 2)
				want = ERROR_TEMP;
			check(!talk(&f, "x\r\n", 1, &err) && err.kind == want,
			    "%s at %s is %s", table[i].what, names[stage],
			    want == ERROR_TEMP ? "TEMP" : "PERM");
			if (i == 0)
				check(strstr(err.text, "451 4.3.0 later\\x07"),
				    "the text at %s is the server's, escaped",
				    names[stage]);
			check(stage == 5 || f.data.len == 0 ||
				  strcmp(buf_text(&f.data), "") == 0,
			    "no message went out (%s at %s)", table[i].what,
			    names[stage]);
			fake_smtp_clear(&f);
		}
	}
}

static void
test_slow(void)
{
	struct fake_smtp f = {.mail = FAKE_SILENCE};
	struct error err;
	int64_t start = clock_monotonic_ms(), ms;

	check(!talk(&f, "x\r\n", 1, &err) && err.kind == ERROR_TEMP &&
		  strstr(err.text, "no answer in 1 seconds") != NULL,
	    "a silent server is TEMP");
	ms = clock_monotonic_ms() - start;
	check(ms >= 900 && ms < 4000, "the timeout is kept (%lld ms)",
	    (long long)ms);
	fake_smtp_clear(&f);

	f.mail = "250-half\r\n";
	check(!talk(&f, "x\r\n", 1, &err) && err.kind == ERROR_TEMP,
	    "half a reply, then silence, is TEMP");
	fake_smtp_clear(&f);

	f.mail = FAKE_TRICKLE;
	start = clock_monotonic_ms();
	check(!talk(&f, "x\r\n", 1, &err) && err.kind == ERROR_TEMP,
	    "a server that says a byte now and then is TEMP");
	ms = clock_monotonic_ms() - start;
	check(ms >= 900 && ms < 4000,
	    "the timeout is for the whole reply (%lld ms)", (long long)ms);
	fake_smtp_clear(&f);
}

static void
test_stuck(void)
{
	struct fake_smtp f = {.stop_reading = true};
	size_t n = 32 << 20;
	char *big = mem_alloc(n + 1);
	struct error err;

	memset(big, 'x', n);
	check(!talk(&f, big, 1, &err) && err.kind == ERROR_TEMP &&
		  strstr(err.text, "no answer in 1 seconds") != NULL,
	    "a server that stops reading the message is TEMP");
	check(strstr(buf_text(&f.heard), "QUIT") == NULL &&
		  strstr(buf_text(&f.heard), "RSET") == NULL,
	    "no command follows half a message");
	fake_smtp_clear(&f);
	free(big);
}

static void
test_unasked(void)
{
	struct fake_smtp f = {
	    .greeting =
		"220 x\r\n250 x\r\n250 x\r\n250 x\r\n354 x\r\n250 x\r\n"};
	struct error err;

	check(!talk(&f, "x\r\n", TIMEOUT, &err) && err.kind == ERROR_TEMP &&
		  strstr(err.text, "nobody asked for") != NULL,
	    "replies nobody asked for are TEMP");
	check_str(buf_text(&f.heard), "", "and nothing more is said");
	fake_smtp_clear(&f);

	memset(&f, 0, sizeof(f));
	f.data_reply = "354 go\r\n250 2.0.0 queued\r\n";
	check(!talk(&f, "x\r\n", TIMEOUT, &err) && err.kind == ERROR_TEMP,
	    "an acceptance before the end of the message counts for nothing");
	check_str(buf_text(&f.data), "", "and the message is not ended");
	fake_smtp_clear(&f);

	memset(&f, 0, sizeof(f));
	f.data_reply = "250 thanks\r\n";
	check(!talk(&f, "x\r\n", TIMEOUT, &err) && err.kind == ERROR_TEMP &&
		  f.data.len == 0,
	    "DATA answered with 250 is TEMP");
	fake_smtp_clear(&f);
}

/*
 * Sends text cut into pieces at every place given, returns what the server
 * got; free(3).  NULL: not sent.
 */
static char *
through(const char *text, size_t n, size_t step, struct error *err)
{
	struct smtp_recipient r = {.address = "r@b.example", .parameters = ""};
	struct smtp_message m = {
	    .sender = "", .parameters = "", .recipients = &r, .nrecipients = 1};
	struct fake_smtp f = {0};
	struct smtp_piece *pieces = mem_array(n + 1, sizeof(*pieces));
	struct smtp_client *c;
	char *got = NULL;

	for (size_t at = 0; at < n; at += step) {
		pieces[m.npieces].data = text + at;
		pieces[m.npieces++].len = at + step > n ? n - at : step;
	}
	m.pieces = pieces;
	fake_smtp_start(&f);
	c = smtp_client_open(f.url, "us.example", TIMEOUT, err);
	if (c != NULL && smtp_client_send(c, &m, err))
		got = mem_strdup(buf_text(&f.data));
	smtp_client_close(&c);
	fake_smtp_stop(&f);
	if (got == NULL && strstr(buf_text(&f.heard), "MAIL") != NULL)
		got = mem_strdup("refused, but too late");
	fake_smtp_clear(&f);
	free(pieces);
	return got;
}

static void
test_dots_and_ends(void)
{
	static const struct {
		const char *text, *want, *name;
	} table[] = {
	    {"", ".\r\n", "an empty message is empty"},
	    {".\r\n", "..\r\n.\r\n", "a lone dot at the start is stuffed"},
	    {".", "..\r\n.\r\n", "a lone dot without an end is stuffed"},
	    {".x\r\n.\r\n..\r\n", "..x\r\n..\r\n...\r\n.\r\n",
		"each dot that starts a line is stuffed"},
	    {"a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n",
		"a dot inside a line is left alone"},
	    {"a\r\n.\r\nRSET\r\n", "a\r\n..\r\nRSET\r\n.\r\n",
		"a lone dot between lines does not end the message"},
	    {"a\r\nb", "a\r\nb\r\n.\r\n", "a last line without CRLF gets one"},
	    {"\r\n\r\n", "\r\n\r\n.\r\n", "empty lines stay"},
	};
	struct error err = {0};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t step = 1; step < 5; step++) {
			char *got = through(
			    table[i].text, strlen(table[i].text), step, &err);
			char name[128];

			snprintf(name, sizeof(name),
			    "%s, in pieces of %zu bytes", table[i].name, step);
			check_str(got, table[i].want, name);
			free(got);
		}
	}
}

static void
test_bare(void)
{
	static const struct {
		const char *text, *name;
	} table[] = {
	    {"a\nb\r\n", "a bare LF"},
	    {"\n", "a bare LF at the start"},
	    {"a\r\n\n", "a bare LF after CRLF"},
	    {"a\n.\nMAIL FROM:<x@y>\r\n", "a smuggled end with LF"},
	    {"a\n.\r\nMAIL FROM:<x@y>\r\n", "a smuggled end, LF and CRLF"},
	    {"a\r.\rMAIL FROM:<x@y>\r\n", "a smuggled end with CR"},
	    {"a\r\r\nb\r\n", "a CR before CRLF"},
	    {"a\rb\r\n", "a bare CR"},
	    {"a\r\nb\r", "a CR at the end"},
	    {"\r", "a CR alone"},
	};
	char *got;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t step = 1; step < 4; step++) {
			struct error err = {0};

			got = through(
			    table[i].text, strlen(table[i].text), step, &err);
			check(got == NULL && err.kind == ERROR_PERM &&
				  strstr(err.text, "bare") != NULL,
			    "%s is PERM before MAIL, in pieces of %zu",
			    table[i].name, step);
			free(got);
		}
	}
}

static void
test_big(void)
{
	size_t n = 5 << 20;
	char *text = mem_alloc(n + 1), *got;
	struct error err = {0};
	size_t dots = 0, same = 0, k = 0;

	for (size_t i = 0; i < n; i++)
		text[i] = "a.b\r\n.c\r\n\r\n"[i % 11];
	n -= n % 11;
	text[n] = '\0';
	got = through(text, n, 40001, &err);
	for (size_t i = 0; got != NULL && got[i] != '\0'; i++) {
		if (i > 0 && got[i] == '.' && got[i - 1] == '\n') {
			dots++;
			continue;
		}
		same += k < n && got[i] == text[k];
		k++;
	}
	check(got != NULL && same == n && dots == n / 11 + 1 &&
		  strcmp(got + strlen(got) - 3, ".\r\n") == 0,
	    "5 MiB with many dots arrive as they should");
	free(got);
	free(text);
}

/* One try with other envelopes; returns what the server heard. */
struct envelope {
	const char *sender, *parameters, *recipient, *rcpt_parameters;
	const char *ehlo;
};

static bool
try_envelope(const struct envelope *e, char **heard, struct error *err)
{
	struct smtp_recipient r = {
	    .address = e->recipient, .parameters = e->rcpt_parameters};
	struct smtp_piece p = {"x\r\n", 3};
	struct smtp_message m = {e->sender, e->parameters, &r, 1, &p, 1};
	struct fake_smtp f = {.ehlo = e->ehlo};
	struct smtp_client *c;
	bool ok;

	memset(err, 0, sizeof(*err));
	fake_smtp_start(&f);
	c = smtp_client_open(f.url, "us.example", TIMEOUT, err);
	ok = c != NULL && smtp_client_send(c, &m, err);
	smtp_client_close(&c);
	fake_smtp_stop(&f);
	*heard = mem_strdup(buf_text(&f.heard));
	fake_smtp_clear(&f);
	return ok;
}

static void
test_parameters_go_out(void)
{
	static const struct envelope good = {"s@a.example",
	    "SIZE=123 BODY=8BITMIME RET=HDRS ENVID=q+2B1 SMTPUTF8",
	    "r@b.example", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;r+2B@b.example",
	    NULL};
	static const struct envelope utf8 = {"j\xc3\xb6@a.example", "SMTPUTF8",
	    "\"a b\\\"<>\"@\xc3\xa4.example", "", NULL};
	struct error err;
	char *heard;

	check(try_envelope(&good, &heard, &err), "all known parameters go");
	check(strstr(heard,
		  "MAIL FROM:<s@a.example> SIZE=123 BODY=8BITMIME RET=HDRS "
		  "ENVID=q+2B1 SMTPUTF8\r\n"
		  "RCPT TO:<r@b.example> NOTIFY=SUCCESS,FAILURE "
		  "ORCPT=rfc822;r+2B@b.example\r\n") != NULL,
	    "parameters go out as given");
	free(heard);
	check(try_envelope(&utf8, &heard, &err) &&
		  strstr(heard, "MAIL FROM:<j\xc3\xb6@a.example> SMTPUTF8\r\n"
				"RCPT TO:<\"a b\\\"<>\"@\xc3\xa4.example>\r\n"),
	    "UTF-8 and quoted addresses go out with SMTPUTF8");
	free(heard);
}

static void
test_parameters_refused(void)
{
#define PLAIN "250-x\r\n250 SIZE 10\r\n"
	static const struct {
		struct envelope e;
		const char *name;
	} table[] = {
	    {{"s@a", "RET=FULL", "r@b", "", PLAIN}, "RET without DSN"},
	    {{"s@a", "ENVID=1", "r@b", "", PLAIN}, "ENVID without DSN"},
	    {{"s@a", "", "r@b", "NOTIFY=NEVER", PLAIN}, "NOTIFY without DSN"},
	    {{"s@a", "", "r@b", "ORCPT=rfc822;r@b", PLAIN},
		"ORCPT without DSN"},
	    {{"s@a", "BODY=8BITMIME", "r@b", "", PLAIN},
		"BODY without 8BITMIME"},
	    {{"s@a", "SMTPUTF8", "r@b", "", PLAIN},
		"SMTPUTF8 without the extension"},
	    {{"s@a", "SIZE=1", "r@b", "", "250 x\r\n"},
		"SIZE without the extension"},
	    {{"s@a", "SIZE=1", "r@b", "", "502 no\r\n"},
		"SIZE for a server with HELO only"},
	    {{"s@a", "BODY=BINARYMIME", "r@b", "",
		 "250-x\r\n250-BINARYMIME\r\n250 8BITMIME\r\n"},
		"BINARYMIME, which DATA cannot carry,"},
	    {{"s@a", "XYZ=1", "r@b", "", NULL}, "an unknown parameter"},
	    {{"s@a", "=1", "r@b", "", NULL}, "a parameter without name"},
	    {{"s@a", "SIZE=1\r\nRSET", "r@b", "", NULL}, "CRLF in a parameter"},
	    {{"s@a", "", "r@b", "NOTIFY=NEVER\nDATA", NULL},
		"LF in a parameter"},
	    {{"s@a>\r\nRSET\r\n", "", "r@b", "", NULL}, "CRLF in the sender"},
	    {{"s@a", "", "r@b>\r\nDATA", "", NULL}, "CRLF in a recipient"},
	    {{"s@a", "", "\"r\r\nDATA\"@b", "", NULL},
		"CRLF in a quoted recipient"},
	    {{"s@a", "", "\"r\\\r\n\"@b", "", NULL},
		"an escaped CR in a recipient"},
	    {{"s@a", "", "r@b> NOTIFY=NEVER", "", NULL}, "> in a recipient"},
	    {{"s@a", "", "\"r@b", "", NULL}, "an open quote"},
	    {{"s@a", "", "", "", NULL}, "an empty recipient"},
	    {{"s@a", "", "\xc3\xa4@b", "", NULL},
		"an 8-bit address without SMTPUTF8"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct error err;
		char *heard;

		check(!try_envelope(&table[i].e, &heard, &err) &&
			  err.kind == ERROR_PERM,
		    "%s is PERM", table[i].name);
		check(strstr(heard, "MAIL") == NULL &&
			  strstr(heard, "DATA") == NULL,
		    "%s is found before anything is sent", table[i].name);
		free(heard);
	}
}

static void
test_one_refused(void)
{
	struct smtp_recipient r[3] = {{.address = "a@b", .parameters = ""},
	    {.address = "bad@b", .parameters = ""},
	    {.address = "c@b", .parameters = ""}};
	struct smtp_piece p = {"x\r\n", 3};
	struct smtp_message m = {"", "", r, 3, &p, 1};
	struct fake_smtp f = {.refuse = "bad@",
	    .refuse_reply = "550-5.1.1 no\x01such\r\n550 user\r\n"};
	struct error err = {0};
	struct smtp_client *c;

	fake_smtp_start(&f);
	c = smtp_client_open(f.url, "us.example", TIMEOUT, &err);
	check(c != NULL && !smtp_client_send(c, &m, &err) &&
		  err.kind == ERROR_PERM &&
		  strstr(err.text, "RCPT TO:<bad@b>: 550 5.1.1") != NULL,
	    "one recipient refused is a failure that names it");
	check(r[0].code == 250 && r[1].code == 550 && r[2].code == 0,
	    "each recipient has its code");
	check_str(r[1].reply, "550 5.1.1 no\\x01such",
	    "the recipient has the first line of its reply, escaped");
	r[1].address = "good@b";
	check(smtp_client_send(c, &m, &err) && r[1].code == 250 &&
		  r[2].code == 250,
	    "the next message on the same connection goes");
	smtp_client_close(&c);
	fake_smtp_stop(&f);
	check_str(buf_text(&f.heard),
	    "EHLO us.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"
	    "RCPT TO:<bad@b>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"
	    "RCPT TO:<good@b>\r\nRCPT TO:<c@b>\r\nDATA\r\nQUIT\r\n",
	    "nobody gets the refused message: RSET, no DATA");
	fake_smtp_clear(&f);
}

static void
test_after_break(void)
{
	struct fake_smtp f = {.mail = "421 4.3.2 going\r\n"};
	struct error err = {0};
	struct smtp_client *c;

	fake_smtp_start(&f);
	c = smtp_client_open(f.url, "us.example", TIMEOUT, &err);
	check(c != NULL && !send_text(c, "x\r\n", &err) &&
		  !send_text(c, "x\r\n", &err) && err.kind == ERROR_TEMP,
	    "after 421 the next message is TEMP");
	smtp_client_close(&c);
	fake_smtp_stop(&f);
	check_str(buf_text(&f.heard),
	    "EHLO us.example\r\nMAIL FROM:<sender@a.example>\r\n",
	    "after 421 nothing more is said");
	fake_smtp_clear(&f);
}

static void
test_urls(void)
{
	static const char *const bad[] = {"", "smtp://", "smtp://host",
	    "smtp://host:", "smtp://host:0", "smtp://host:65536",
	    "smtp://host:25x", "smtp://:25", "smtp://::1:25", "smtp://[]:25",
	    "smtp://[::1:25", "smtp://a@b:25", "smtp://a/b:25", "http://a:25",
	    "unix:relative", "inet:25", "unix:"};
	static const char *const good[] = {"smtp://127.0.0.1:10026",
	    "smtp://[::1]:25", "inet:localhost:25", "unix:/run/s"};
	struct error err;
	char path[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		check(smtp_client_open(bad[i], "us", 1, &err) == NULL &&
			  err.kind == ERROR_PERM,
		    "the url '%s' is PERM", bad[i]);
		check(!smtp_client_check_url(bad[i], &err) &&
			  strstr(err.text, "write smtp://HOST:PORT") != NULL,
		    "the check of '%s' tells the forms", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check(smtp_client_check_url(good[i], &err),
		    "the url '%s' is good", good[i]);
	snprintf(path, sizeof(path), "unix:/%0150d", 0);
	check(smtp_client_open(path, "us", 1, &err) == NULL &&
		  err.kind == ERROR_PERM,
	    "a UNIX path that is too long is PERM");
	check(smtp_client_open("unix:/nonexistent/s", "us", 1, &err) == NULL &&
		  err.kind == ERROR_TEMP,
	    "a UNIX socket that is not there is TEMP");
	check(smtp_client_open("smtp://[::1]:1", "us", 1, &err) == NULL &&
		  err.kind == ERROR_TEMP,
	    "an IPv6 address where nobody listens is TEMP");
	check(smtp_client_open("smtp://127.0.0.1:1", "us\r\nx", 1, &err) ==
		      NULL &&
		  err.kind == ERROR_PERM,
	    "a bad name of ours is PERM");
}

static void
test_unix_socket(void)
{
	struct fake_smtp f = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *tmp = getenv("TMPDIR");
	char dir[64], url[128];
	struct error err = {0};
	struct smtp_client *c;

	snprintf(dir, sizeof(dir), "%.40s/ps-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", dir);
	snprintf(url, sizeof(url), "unix:%s", un.sun_path);
	f.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	buf_init(&f.heard, 10000);
	buf_init(&f.data, 10000);
	if (bind(f.listener, (struct sockaddr *)&un, sizeof(un)) != 0 ||
	    listen(f.listener, 1) != 0)
		abort();
	pthread_create(&f.thread, NULL, fake_run, &f);
	c = smtp_client_open(url, "us.example", TIMEOUT, &err);
	check(c != NULL && send_text(c, "x\r\n", &err) &&
		  smtp_client_offers(c, "dsn") &&
		  smtp_client_offers(c, "SIZE") &&
		  !smtp_client_offers(c, "SIZ") &&
		  !smtp_client_offers(c, "fake.example"),
	    "a UNIX socket works, and the EHLO keywords are known");
	smtp_client_close(&c);
	check(c == NULL, "closing sets the pointer to NULL");
	smtp_client_close(&c);
	fake_smtp_stop(&f);
	fake_smtp_clear(&f);
	unlink(un.sun_path);
	rmdir(dir);
}

static void
test_reply_limits(void)
{
	struct smtp_reply r;
	struct error err = {0};
	struct buf text;
	size_t used;
	char short_text[12];

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 99; i++)
		buf_puts(&text, "250-x\r\n");
	buf_puts(&text, "250 y\r\nmore");
	smtp_reply_init(&r);
	check(smtp_reply_feed(&r, text.data, text.len, &used, &err) && r.done &&
		  r.lines.n == 100 && used == text.len - 4,
	    "100 lines are a reply, and what follows is not taken");
	smtp_reply_clear(&r);
	buf_reset(&text);
	buf_printf(&text, "250 %02044d", 0);
	check(smtp_reply_feed(&r, text.data, text.len, &used, &err) &&
		  smtp_reply_feed(&r, "\n", 1, &used, &err) && r.done,
	    "a line of 2,048 bytes is read");
	smtp_reply_format(&r, short_text, sizeof(short_text));
	check_str(short_text, "250 0000000", "a long reply is cut to fit");
	smtp_reply_clear(&r);
	check(smtp_reply_feed(&r, text.data, text.len, &used, &err) &&
		  !smtp_reply_feed(&r, "0", 1, &used, &err),
	    "a line of 2,049 bytes is not");
	smtp_reply_clear(&r);
	buf_clear(&text);
}

int
main(void)
{
	test_good();
	test_stages();
	test_slow();
	test_stuck();
	test_unasked();
	test_dots_and_ends();
	test_bare();
	test_big();
	test_parameters_go_out();
	test_parameters_refused();
	test_one_refused();
	test_after_break();
	test_urls();
	test_unix_socket();
	test_reply_limits();
	return tap_done();
}
