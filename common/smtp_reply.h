/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SMTP_REPLY_H
#define COMMON_SMTP_REPLY_H

/*
 * Reads SMTP replies (RFC 5321 section 4.2) from bytes as they come, one
 * reply at a time.  The bytes are a server's and hostile: at most 2 KiB a
 * line and 100 lines, and whoever breaks the syntax gets an error.  A line
 * ends with CRLF or LF.  One owner, one thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strvec.h"

struct smtp_reply {
	int code;            /* 200 to 599; 0 before the first line */
	struct strvec lines; /* what follows the code and its "-" or blank */
	bool done;           /* the last line was there */
	struct buf line;     /* private: the line under way */
};

void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_clear(struct smtp_reply *r); /* ready for the next reply */

/*
 * Takes bytes until the reply is done or n are used; *used says how many
 * were taken.  Errors are TEMP: such a server is broken, the mail is not.
 */
bool smtp_reply_feed(struct smtp_reply *r, const char *data, size_t n,
    size_t *used, struct error *err) __attribute__((warn_unused_result));

/* "550 5.1.1 first line", with everything unprintable as \xNN. */
void smtp_reply_format(const struct smtp_reply *r, char *text, size_t size);

#endif
