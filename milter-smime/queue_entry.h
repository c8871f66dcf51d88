/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_QUEUE_ENTRY_H
#define MILTER_SMIME_QUEUE_ENTRY_H

/*
 * One message in Postfix's queue, as `postqueue -j` prints it: a line with
 * a JSON object (postqueue(1), JSON OBJECT FORMAT).  Addresses in it are
 * other people's bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/strvec.h"

struct queue_entry {
	char *queue; /* "hold", "deferred", ... */
	char *id;
	time_t arrival;
	int64_t size; /* bytes */
	char *sender; /* MAILER-DAEMON for the null sender */
	struct strvec recipients;
	bool cut; /* there were more recipients than we read */
};

/*
 * Could it be a queue id, short or long (enable_long_queue_ids)?  Never
 * `ALL`, which postsuper(1) takes for every message.
 */
bool queue_entry_is_id(const char *text);

/* Does the line clearly say that its message is in another queue? */
bool queue_entry_elsewhere(const char *line, size_t n, const char *queue);

/*
 * Reads a line.  whole: these n bytes are all of it; else its recipients
 * may be missing, but not what stands before them.  Bytes that are no
 * UTF-8 become question marks.  False, with nothing in e: not readable.
 */
bool queue_entry_parse(const char *line, size_t n, bool whole,
    struct queue_entry *e);

void queue_entry_clear(struct queue_entry *e);

#endif
