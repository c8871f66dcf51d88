/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SMTP_CLIENT_H
#define COMMON_SMTP_CLIENT_H

/*
 * A small SMTP client (RFC 5321, 1870, 3461, 6152, 6531) for a server we
 * were told about: the re-injection listener, alerts.  No TLS, no
 * authentication, no MX: the server is ours.
 *
 * Everything the server says is hostile: replies are bounded (2 KiB a
 * line, 100 lines), reported escaped, and waited for no longer than
 * `timeout`.  One transaction, one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/strvec.h"

struct smtp_recipient {
	const char *address;	/* as in RCPT TO:<…>, without brackets */
	const char *parameters; /* "NOTIFY=NEVER ORCPT=…", "" for none */
	int code;		/* out: the server's reply; 0: not asked */
	char reply[256];	/* out: its first line */
};

struct smtp_piece {
	const char *data;
	size_t len;
};

struct smtp_message {
	const char *sender;	/* "" for the null sender */
	const char *parameters; /* "RET=HDRS ENVID=… SMTPUTF8", "" for none */
	struct smtp_recipient *recipients;
	size_t nrecipients;
	/*
	 * The message, CRLF line ends, in pieces; dot-stuffed on the way.
	 * A bare CR or LF is PERM before anything is sent: it would end
	 * somebody else's message (smuggling).
	 */
	const struct smtp_piece *pieces;
	size_t npieces;
};

struct smtp_client;

/*
 * Is it a url that smtp_client_open() takes?  Nobody is asked.
 * PERM "\"URL\" cannot be used; write …" if not.
 */
bool smtp_client_check_url(const char *url, struct error *err)
    __attribute__((warn_unused_result));

/*
 * url is smtp://HOST:PORT or smtp://[v6]:PORT or inet:HOST:PORT, or
 * unix:/path.  helo is our name.  Connects and greets.  timeout: seconds
 * for each reply.  NULL: TEMP, or PERM for a bad url.
 */
struct smtp_client *smtp_client_open(const char *url, const char *helo,
    int64_t timeout, struct error *err);

/* Is `word` among the EHLO keywords? */
bool smtp_client_offers(const struct smtp_client *c, const char *word);

/*
 * Sends one message to all its recipients or to none: at the first refused
 * recipient RSET and failure (asking on would only use up the server's
 * patience, and its 421 would hide the reply).  Only parameters the server
 * offers may be given: others are PERM.  The reply's kind decides: 4xx and
 * broken connections TEMP, 5xx PERM, with the server's text in err.  After
 * a failure the client can be used for the next message, which is TEMP
 * when the connection broke.
 */
bool smtp_client_send(struct smtp_client *c, struct smtp_message *m,
    struct error *err) __attribute__((warn_unused_result));

/* QUIT, close, free. */
void smtp_client_close(struct smtp_client **c);

#endif
