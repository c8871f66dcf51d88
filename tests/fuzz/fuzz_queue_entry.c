/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of `postqueue -j`: what is read is complete, and safe to hand to
 * Postfix's commands; a line that was cut says the same of what it has.
 */
#include "milter-smime/queue_entry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	struct queue_entry e, cut;
	bool elsewhere = queue_entry_elsewhere(line, size, "hold");
	bool whole = queue_entry_parse(line, size, true, &e);

	if (whole) {
		must(queue_entry_is_id(e.id) && strcmp(e.id, "ALL") != 0);
		must(e.queue != NULL && e.sender != NULL && e.size >= 0 &&
		    e.arrival >= 0 && !e.cut);
		must(!elsewhere || strcmp(e.queue, "hold") != 0);
	}
	if (queue_entry_parse(line, size, false, &cut))
		must(queue_entry_is_id(cut.id) && cut.recipients.n == 0 &&
		    cut.cut && cut.sender != NULL);
	queue_entry_clear(&cut);
	queue_entry_clear(&e);
	return 0;
}
