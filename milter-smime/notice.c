/* SPDX-License-Identifier: BSD-2-Clause */
#include "notice.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "header_text.h"
#include "quoted_printable.h"

#define TEXT_MAX (MESSAGE_MAX_HEADER_BYTES + (4 << 20))
#define RECIPIENTS_SHOWN 1000

/* Fields of ours fit; see message_add_header(). */
static void __attribute__((format(printf, 3, 4)))
add(struct message *m, const char *name, const char *fmt, ...)
{
	struct error ignored;
	struct buf value;
	va_list ap;

	buf_init(&value, 1 << 20);
	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	(void)!message_add_header(m, name, buf_text(&value), &ignored);
	buf_clear(&value);
}

static void
add_subject(struct message *m, const char *text)
{
	struct buf value;

	buf_init(&value, 1 << 20);
	header_text_encode(text, strlen(text), strlen("Subject"), &value);
	add(m, "Subject", "%s", buf_text(&value));
	buf_clear(&value);
}

static void
add_fields(struct message *m, const struct filter_mail *mail,
    const struct message *about, const struct notice_names *names)
{
	char date[CLOCK_MAIL_SIZE];

	clock_format_mail(clock_now(), date, sizeof(date));
	add(m, "Date", " %s", date);
	if (names->from != NULL)
		add(m, "From", " <%s>", names->from);
	else
		add(m, "From", " <MAILER-DAEMON@%s>", names->hostname);
	if (mail->discreet) {
		add(m, "To", " undisclosed-recipients:;");
	} else {
		char *to = mailaddr_format(&mail->to[0].address);

		add(m, "To", " <%s>", to);
		free(to);
	}
	add_subject(m, mail->subject == NULL ? "Message notification" :
	    mail->subject);
	add(m, "Message-ID", " <notice.%lld.%s.%s@%s>",
	    (long long)clock_now(), about->queue_id, mail->filter,
	    names->hostname);
	/* RFC 3834 section 5. */
	add(m, "Auto-Submitted", " auto-generated");
	add(m, "MIME-Version", " 1.0");
	add(m, "Content-Type", " text/plain; charset=utf-8");
	add(m, "Content-Transfer-Encoding", " quoted-printable");
}

static void
put_line(struct buf *out, const char *what, const char *text)
{
	buf_printf(out, "%-10s ", what);
	log_escape(out, text, strlen(text));
	buf_puts(out, "\r\n");
}

/* A field on as many lines as it has. */
static void
put_field(struct buf *out, const struct header *h)
{
	const char *p = h->value;

	buf_printf(out, "%s:", h->name);
	for (size_t n; n = strcspn(p, "\n"), true; p += n + 1) {
		log_escape(out, p, n);
		buf_puts(out, "\r\n");
		if (p[n] == '\0')
			break;
	}
}

static void
put_text(struct buf *out, const struct filter_mail *mail,
    const struct message *about, const struct notice_names *names)
{
	buf_printf(out, "A message matched filter %s on %s.\r\n\r\n",
	    mail->filter, names->hostname);
	put_line(out, "Queue id:", about->queue_id);
	put_line(out, "Client:", about->client_address);
	put_line(out, "Sender:", about->sender_text);
	for (size_t i = 0; i < mail->about.n && i < RECIPIENTS_SHOWN; i++)
		put_line(out, "Recipient:", mail->about.v[i]);
	if (mail->about.n > RECIPIENTS_SHOWN)
		buf_printf(out, "and %zu more\r\n",
		    mail->about.n - RECIPIENTS_SHOWN);
	buf_puts(out, "\r\nIts header:\r\n\r\n");
	for (size_t i = 0; i < about->nheaders; i++)
		put_field(out, &about->headers[i]);
}

struct message *
notice_make(const struct filter_mail *mail, const struct message *about,
    const struct notice_names *names, const struct spool_place *place,
    struct error *err)
{
	struct message *m = message_new(place);
	struct buf text;

	buf_init(&text, TEXT_MAX);
	add_fields(m, mail, about, names);
	put_text(&text, mail, about, names);
	if (!quoted_printable_encode(buf_text(&text), text.len, m->body,
	    err) || !spool_finish(m->body, err))
		message_free(&m);
	buf_clear(&text);
	return m;
}
