/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/alert.h"

#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alert_mail.h"
#include "common/atomic_file.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/sendmail.h"
#include "common/shared_settings.h"
#include "fake_smtp.h"
#include "tap.h"

#define SAME ((uid_t)-1), ((gid_t)-1)

static const struct section_type *const types[] = {
    &postseal_section, &alerts_section, NULL};

static char dir[4096];

static void
make_script(const char *name, const char *text)
{
	struct error err = {0};
	char *path = mem_printf("%s/%s", dir, name);

	if (!atomic_file_write(path, text, strlen(text), 0700, SAME, &err))
		printf("# %s\n", err.text);
	free(path);
}

/* A sendmail that keeps what it gets as DIR/mail.PID. */
static void
make_sendmail(void)
{
	char *text = mem_printf("#!/bin/sh\n"
				"cd '%s' || exit 1\n"
				"{ for a; do echo \"arg:$a\"; done\n"
				"echo ---; cat; } >tmp.$$\n"
				"if [ -f fail ]; then\n"
				"rm tmp.$$; echo no room >&2; exit 75; fi\n"
				"mv tmp.$$ mail.$$\n",
	    dir);

	make_script("sendmail", text);
	free(text);
}

/* Waits for a mail and takes it away; NULL when none comes. */
static char *
take_mail(int wait_ms)
{
	char *pattern = mem_printf("%s/mail.*", dir), *data = NULL;
	struct error err = {0};
	size_t n;

	for (int waited = 0; data == NULL && waited <= wait_ms; waited += 20) {
		glob_t found;

		if (glob(pattern, 0, NULL, &found) == 0) {
			if (!atomic_file_read(
				found.gl_pathv[0], 1 << 20, &data, &n, &err))
				printf("# %s\n", err.text);
			unlink(found.gl_pathv[0]);
		}
		globfree(&found);
		if (data == NULL)
			usleep(20000);
	}
	free(pattern);
	return data;
}

static bool
mail_has(const char *mail, const char *part)
{
	bool has = mail != NULL && strstr(mail, part) != NULL;

	if (!has)
		printf(
		    "# no \"%s\" in:\n%.2000s\n", part, mail ? mail : "NULL");
	return has;
}

/* Starts alerts with these lines in the section. */
static struct settings *
start(const char *alerts)
{
	struct error err = {0};
	char *text = mem_printf(
	    "postseal {\n hostname = gw.example\n sendmail = %s/sendmail\n}\n"
	    "alerts {\n%s\n}\n",
	    dir, alerts);
	struct settings *s =
	    settings_parse("test.conf", text, strlen(text), types, &err);

	if (s == NULL) {
		printf("# %s\n", err.text);
		abort();
	}
	alert_start(s, "test-program");
	free(text);
	return s;
}

static void
stop(struct settings *s)
{
	alert_stop();
	settings_free(s);
}

static void
test_before_start(void)
{
	char *status;

	alert_raise("tls", "early", "WARNING", "before the start");
	alert_clear("tls", "early");
	status = alert_status();
	check_str(status, "", "before the start raising only logs");
	free(status);
	alert_stop();
	check(true, "stopping what was not started does nothing");
}

static void
test_mail(void)
{
	struct settings *s = start("recipients = a@x.example, b@y.example");
	char *mail, *status;

	alert_raise("crl", "ca1", "WARNING", "CRL of %s is old", "CA 1");
	mail = take_mail(5000);
	check(mail_has(mail, "arg:-i\narg:-f\narg:<>\narg:--\n"
			     "arg:a@x.example\narg:b@y.example\n---\n"),
	    "sendmail gets the null sender and all recipients");
	check(mail_has(mail, "\nSubject: [WARNING] gw.example: "
			     "CRL of CA 1 is old\n"),
	    "the subject names severity, host and text");
	check(mail_has(mail, "\nTo: <a@x.example>,\n\t<b@y.example>\n"),
	    "To names the recipients");
	check(mail_has(mail, "\nFrom: \"Postseal test-program\" "
			     "<MAILER-DAEMON@gw.example>\n"),
	    "From names program and host");
	check(mail_has(mail, "\nAuto-Submitted: auto-generated\n") &&
		  mail_has(mail, "\nX-Postseal-Alert: crl ca1\n"),
	    "headers against loops are there");
	check(mail_has(mail, "\nMessage-ID: <") && mail_has(mail, "\nDate: ") &&
		  mail_has(mail, "---\nDate: "),
	    "Date and Message-ID are there");
	check(mail_has(mail, "\n\nCRL of CA 1 is old\n\nCondition: crl ca1\n"),
	    "the body has the text and the condition");
	free(mail);
	status = alert_status();
	check(strncmp(status, "crl ca1 since 20", 16) == 0 &&
		  strchr(status, '\n') == status + strlen(status) - 1,
	    "the condition stands");
	free(status);
	alert_clear("crl", "ca1");
	alert_clear("crl", "other");
	status = alert_status();
	check_str(status, "", "a cleared condition does not stand");
	free(status);
	stop(s);
}

static void
test_repeat(void)
{
	struct settings *s =
	    start("recipients = a@x.example\nrepeat_after = 1s\n"
		  "from = postseal@gw.example");
	char *mail;
	int64_t begin = clock_monotonic_ms();

	alert_raise("tls", "d", "WARNING", "one");
	alert_raise("tls", "d", "WARNING", "two");
	alert_clear("tls", "d");
	alert_raise("tls", "d", "WARNING", "three");
	mail = take_mail(5000);
	check(mail_has(mail, "gw.example: one\n") &&
		  mail_has(mail, "arg:-f\narg:postseal@gw.example\n"),
	    "the first raise mails, from the address given");
	free(mail);
	mail = take_mail(300);
	check(mail == NULL || clock_monotonic_ms() - begin > 1000,
	    "raising again, or again after a clear, does not");
	free(mail);
	alert_raise("tls", "d", "CRITICAL", "four");
	mail = take_mail(5000);
	check(mail_has(mail, "[CRITICAL] gw.example: four\n"),
	    "another severity mails at once");
	free(mail);
	alert_raise("tls", "other", "WARNING", "five");
	mail = take_mail(5000);
	check(mail_has(mail, ": five\n"), "another name mails at once");
	free(mail);
	usleep(1100000);
	alert_raise("tls", "d", "CRITICAL", "six");
	mail = take_mail(5000);
	check(mail_has(mail, ": six\n") && mail_has(mail, "Raised: 3 times\n"),
	    "after repeat_after it mails again, with the count");
	free(mail);
	stop(s);
}

static void
test_classes(void)
{
	struct settings *s = start("recipients = all@x.example\n"
				   "recipients_dane = dane@x.example");
	char *mail;

	alert_raise("dane", "d", "WARNING", "x");
	mail = take_mail(5000);
	check(mail_has(mail, "arg:--\narg:dane@x.example\n---\n"),
	    "a class with recipients mails to those");
	free(mail);
	alert_raise("smime", "d", "WARNING", "x");
	mail = take_mail(5000);
	check(mail_has(mail, "arg:--\narg:all@x.example\n---\n"),
	    "a class without mails to the general ones");
	free(mail);
	stop(s);

	s = start("recipients_tls = tls@x.example");
	alert_raise("crl", "d", "WARNING", "x");
	mail = take_mail(300);
	check(mail == NULL, "without recipients nothing is mailed");
	free(mail);
	stop(s);
}

static void
test_failure(void)
{
	struct settings *s = start("recipients = a@x.example");
	char *mail, *fail = mem_printf("%s/fail", dir);
	struct error err = {0};
	int64_t begin;

	check(atomic_file_write(fail, "", 0, 0600, SAME, &err),
	    "sendmail is made to fail");
	alert_raise("tls", "d", "WARNING", "one");
	mail = take_mail(500);
	check(mail == NULL, "a failing sendmail sends nothing");
	unlink(fail);
	alert_raise("tls", "d", "WARNING", "two");
	mail = take_mail(5000);
	check(mail_has(mail, ": two\n"),
	    "mail that could not be sent is tried at the next raise");
	free(mail);
	free(fail);
	stop(s);

	s = start("recipients = a@x.example");
	for (int i = 0; i < 5; i++)
		alert_raise(
		    "tls", (char[]){(char)('a' + i), 0}, "WARNING", "waits");
	begin = clock_monotonic_ms();
	stop(s);
	check(clock_monotonic_ms() - begin < 2500, "stopping is quick");
	for (int i = 0; i < 5; i++) {
		mail = take_mail(0);
		check(mail != NULL, "mail %d that waited is sent at the stop",
		    i + 1);
		free(mail);
	}
}

static void
test_injection(void)
{
	struct settings *s = start("recipients = a@x.example");
	char *mail, *body;

	alert_raise("smime", "n\r\nBcc: evil@x.example", "WARN\nX-Evil: 1",
	    "first\r\nBcc: evil@x.example\r\n\r\n.\r\n.\nsecond\x01 "
	    "\xff j\xc3\xb6rg = \xe2\x82\xac");
	mail = take_mail(5000);
	body = mail == NULL ? NULL : strstr(mail, "\n\n");
	check(body != NULL, "the mail has a header and a body");
	if (body != NULL)
		*body = '\0';
	check(mail != NULL && strstr(mail, "\nBcc:") == NULL &&
		  strstr(mail, "\nX-Evil") == NULL &&
		  strchr(mail, '\r') == NULL,
	    "newlines in texts make no header");
	check(mail_has(mail, "\nX-Postseal-Alert: smime "
			     "n\\x0d\\x0aBcc: evil@x.example\n"),
	    "they are written as \\x0a");
	check(mail_has(mail, "\nSubject: [WARN\\x0aX-Evil: 1] gw.example: "
			     "first\n"),
	    "the subject is the first line");
	check(mail_has(mail, "charset=utf-8\n"
			     "Content-Transfer-Encoding: quoted-printable"),
	    "text beyond ASCII is said to be so");
	check(body != NULL &&
		  mail_has(body + 1, "second\\x01 \\xff j=C3=B6rg =3D "
				     "=E2=82=AC\n"),
	    "the body is quoted-printable, with \\xNN for what is not text");
	free(mail);
	stop(s);
}

static void
test_format(void)
{
	struct strvec to = {0};
	struct alert_mail m = {.class = "crl",
	    .name = "n",
	    .severity = "WARNING",
	    .host = "gw.example",
	    .program = "p",
	    .to = &to,
	    .now = 1795341600,
	    .since = 1795341600,
	    .times = 1,
	    .unique = 0xabc};
	char *mail, *big = mem_alloc(5000);
	size_t longest = 0, line = 0;

	strvec_add(&to, "a@x.example");
	m.text = "Zertifikat f\xc3\xbcr \xe4\xb8\xad\xe6\x96\x87 l\xc3\xa4uft "
		 "in 14 Tagen ab; bitte erneuern (Ger\xc3\xa4t 12)";
	mail = alert_mail_format(&m);
	check(mail_has(mail, "Date: Sun, 22 Nov 2026 10:00:00 +0000\n"),
	    "the date is that of RFC 5322");
	check(mail_has(mail, "Message-ID: <1795341600.0000000000000abc@"
			     "gw.example>\n"),
	    "the Message-ID is time, number and host");
	check(mail_has(mail, "Subject: [WARNING] gw.example:\n"
			     " =?UTF-8?Q?Zertifikat_f=C3=BCr_=E4=B8=AD=E6"),
	    "a subject beyond ASCII is in encoded words");
	for (const char *c = mail; *c != '\0'; c++) {
		line = *c == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
		if ((unsigned char)*c >= 0x80)
			longest = 10000;
	}
	check(longest <= 78, "no line is longer than 78 (%zu)", longest);
	free(mail);

	m.text = "=?UTF-8?Q?fake?=";
	mail = alert_mail_format(&m);
	check(mail_has(mail, " =?UTF-8?Q?=3D=3FUTF-8=3FQ=3Ffake=3F=3D?=\n"),
	    "text that looks like an encoded word is encoded");
	free(mail);

	for (int i = 0; i < 4998; i += 2)
		memcpy(big + i, "\xc3\xa4", 2);
	m.text = big;
	mail = alert_mail_format(&m);
	check(mail_has(mail, "?Q?=C3=A4=2E=2E=2E?=\n"),
	    "a long subject is cut between characters");
	free(mail);
	free(big);
	strvec_clear(&to);
}

static void
test_smtp(void)
{
	struct fake_smtp f = {.refuse = "bad@", .refuse_reply = "550 no\r\n"};
	struct settings *s;
	char *text;
	int waited = 0;

	fake_smtp_start(&f);
	text = mem_printf("recipients = a@x.example, bad@x.example, "
			  "j\xc3\xb6@x.example\nsubmit = %s",
	    f.url);
	s = start(text);
	alert_raise("tls", "d", "WARNING", ".one\n.two\nthree");
	stop(s);
	while (f.connections == 0 && waited++ < 100)
		usleep(20000);
	fake_smtp_stop(&f);
	check_str(buf_text(&f.heard),
	    "EHLO gw.example\r\n"
	    "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<a@x.example>\r\nDATA\r\n"
	    "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<bad@x.example>\r\nRSET\r\n"
	    "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<j\xc3\xb6@x.example>\r\nDATA\r\n"
	    "QUIT\r\n",
	    "a server gets a transaction for each recipient");
	check(
	    mail_has(buf_text(&f.data),
		"\r\n\r\n..one\r\n..two\r\nthree\r\n\r\nCondition: tls d\r\n"),
	    "the message has CRLF and stuffed dots");
	fake_smtp_clear(&f);
	free(text);
}

static void
test_never_blocks(void)
{
	struct fake_smtp f = {.greeting = FAKE_NAP};
	struct settings *s;
	int64_t begin, longest = 0;
	char *text, *status;
	size_t lines = 0;

	fake_smtp_start(&f);
	text = mem_printf("recipients = a@x.example\nsubmit = %s", f.url);
	s = start(text);
	for (int i = 0; i < 1200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		begin = clock_monotonic_ms();
		alert_raise("tls", name, "WARNING", "server is silent");
		begin = clock_monotonic_ms() - begin;
		longest = begin > longest ? begin : longest;
	}
	check(longest < 500, "raising does not wait for mail (%lld ms)",
	    (long long)longest);
	status = alert_status();
	for (const char *c = status; *c != '\0'; c++)
		lines += *c == '\n';
	check(lines == 1000, "at most 1,000 conditions are kept (%zu)", lines);
	free(status);
	begin = clock_monotonic_ms();
	alert_stop();
	begin = clock_monotonic_ms() - begin;
	check(begin < 2500, "stopping takes at most two seconds (%lld ms)",
	    (long long)begin);
	settings_free(s);
	alert_raise("tls", "late", "WARNING", "after the stop");
	check(true, "after the stop raising only logs");
	fake_smtp_stop(&f);
	/* The thread left behind ends by itself. */
	usleep(200000);
	fake_smtp_clear(&f);
	free(text);
}

static void
test_sendmail_limits(void)
{
	struct strvec to = {0};
	struct error err = {0};
	char *path = mem_printf("%s/slow", dir), *big = mem_alloc(300001);
	int64_t begin = clock_monotonic_ms();

	strvec_add(&to, "-odd@x.example");
	make_script("slow", "#!/bin/sh\nexec sleep 20\n");
	check(!sendmail_submit(path, "", &to, "x\n", 2, 1, &err) &&
		  err.kind == ERROR_TEMP &&
		  strstr(err.text, "killed") != NULL &&
		  clock_monotonic_ms() - begin < 3000,
	    "a sendmail that hangs is killed");
	make_script("slow", "#!/bin/sh\necho a; yes bad | head -c 100000 >&2\n"
			    "exit 67\n");
	check(!sendmail_submit(path, "", &to, "x\n", 2, 5, &err) &&
		  err.kind == ERROR_PERM &&
		  strstr(err.text, "exit status 67: bad bad") != NULL,
	    "its exit status and the start of its complaint are told");
	make_script("slow", "#!/bin/sh\nkill -9 $$\n");
	check(!sendmail_submit(path, "", &to, "x\n", 2, 5, &err) &&
		  strstr(err.text, "died of signal 9") != NULL,
	    "a sendmail that dies is TEMP");
	check(!sendmail_submit(
		  "/nonexistent/sendmail", "", &to, "x\n", 2, 5, &err) &&
		  err.kind == ERROR_TEMP && strstr(err.text, "No such file"),
	    "a sendmail that is not there is TEMP");
	make_script("slow", "#!/bin/sh\n[ \"$5\" = '-odd@x.example' ] && "
			    "[ \"$(wc -c)\" -eq 300000 ]\n");
	memset(big, 'x', 300000);
	check(sendmail_submit(path, "", &to, big, 300000, 5, &err),
	    "a large message arrives whole");
	make_script("slow", "#!/bin/sh\nexit 0\n");
	check(sendmail_submit(path, "", &to, big, 300000, 5, &err),
	    "a sendmail that does not read does not hold us");
	unlink(path);
	free(path);
	free(big);
	strvec_clear(&to);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	char *sendmail;

	snprintf(dir, sizeof(dir), "%s/postseal-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return 99;
	make_sendmail();
	test_before_start();
	test_mail();
	test_repeat();
	test_classes();
	test_failure();
	test_injection();
	test_format();
	test_smtp();
	test_sendmail_limits();
	test_never_blocks();
	sendmail = mem_printf("%s/sendmail", dir);
	unlink(sendmail);
	free(sendmail);
	check(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
