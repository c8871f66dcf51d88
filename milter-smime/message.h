/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_MESSAGE_H
#define MILTER_SMIME_MESSAGE_H

/*
 * One message as the milter protocol (or a file, for dry runs) gives it:
 * client, envelope, header fields, body.  Collected, then immutable; every
 * byte of it is hostile.  Owned by one connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"
#include "common/flow_policy.h"
#include "common/mailaddr.h"
#include "spool.h"

/* More than these is refused, not cut. */
#define MESSAGE_MAX_HEADERS 20000
#define MESSAGE_MAX_HEADER_BYTES (16 << 20)

struct header {
	char *name;
	/*
	 * All behind the colon, leading blank included, continuation lines
	 * joined by LF; exactly what smfi_chgheader() takes with
	 * SMFIP_HDR_LEADSPC.
	 */
	char *value;
};

struct recipient {
	char *text; /* as in RCPT TO, with its angle brackets */
	char *parameters;
	struct mailaddr address; /* empty local part: could not be parsed */
};

struct message {
	char *queue_id; /* "" before Postfix tells */
	char *client_address, *client_name, *listener;
	char *authenticated; /* NULL: not */
	bool local;
	char *sender_text;
	char *sender_parameters;
	struct mailaddr sender;
	struct recipient *recipients;
	size_t nrecipients;
	struct header *headers;
	size_t nheaders, header_bytes;
	struct spool *body; /* CRLF line ends */
};

struct message *message_new(const struct spool_place *place);
void message_free(struct message **m);

/* PERM beyond the limits above. */
bool message_add_header(struct message *m, const char *name,
    const char *value, struct error *err)
    __attribute__((warn_unused_result));
void message_add_recipient(struct message *m, const char *text,
    const char *parameters);
void message_set_sender(struct message *m, const char *text,
    const char *parameters);

/* The n-th field (from 0) of that name in any case; NULL when none. */
const struct header *message_header(const struct message *m,
    const char *name, size_t n);
size_t message_header_count(const struct message *m, const char *name);

/* As flow_policy.h wants it; borrows. */
struct client message_client(const struct message *m);

/*
 * The address of the single From field, or PERM with the reason: none,
 * several fields, several addresses, or text two readers could read
 * differently.  This alone is who a message is from (mission S7, S11).
 */
bool message_from(const struct message *m, struct mailaddr *from,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Reads a message file (any line ends; a leading mbox "From " line is
 * skipped) and finishes the body.
 */
bool message_read(struct message *m, FILE *f, struct error *err)
    __attribute__((warn_unused_result));

#endif
