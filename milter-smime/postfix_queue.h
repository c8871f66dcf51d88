/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_POSTFIX_QUEUE_H
#define MILTER_SMIME_POSTFIX_QUEUE_H

/*
 * Postfix's queue through Postfix's own commands: postqueue(1), postcat(1)
 * and postsuper(1).  No shell; queue ids go to postsuper on its standard
 * input.  All but the list needs root.  What the commands print holds
 * other people's bytes.  Ignore SIGPIPE.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/child.h"
#include "common/error.h"
#include "common/strvec.h"
#include "lines.h"

#define POSTFIX_QUEUE_COMMANDS "/usr/sbin"
#define POSTFIX_QUEUE_LINE_MAX (1 << 20) /* of a line of postqueue -j */

struct postfix_queue {
	const char *commands;	/* their directory */
	const char *config_dir; /* of main.cf; NULL: the default, or
				   $MAIL_CONFIG */
};

/* Are the commands there? PERM names the one that is not. */
bool postfix_queue_check(const struct postfix_queue *q, struct error *err);

/*
 * Gives every line of `postqueue -j`, of any queue, to take.  False: take
 * wanted no more, or it failed.
 */
bool postfix_queue_list(const struct postfix_queue *q, lines_take *take,
    void *context, struct error *err) __attribute__((warn_unused_result));

/*
 * Gives what `postcat -q OPTIONS... ID...` prints to sink; options end
 * with NULL.  False: sink wanted no more, or it failed, as it does at the
 * first id that is in no queue.
 */
bool postfix_queue_read(const struct postfix_queue *q,
    const char *const options[], char *const *ids, size_t n, child_sink *sink,
    void *context, struct error *err) __attribute__((warn_unused_result));

/*
 * Releases (-H) or deletes messages, in the hold queue only.  Adds to done
 * the ids of which postsuper says that it did so; also on failure.
 */
bool postfix_queue_release(const struct postfix_queue *q,
    const struct strvec *ids, struct strvec *done, struct error *err)
    __attribute__((warn_unused_result));
bool postfix_queue_delete(const struct postfix_queue *q,
    const struct strvec *ids, struct strvec *done, struct error *err)
    __attribute__((warn_unused_result));

/* Asks for delivery now (`postqueue -i`) of one that was released. */
bool postfix_queue_deliver(const struct postfix_queue *q, const char *id,
    struct error *err) __attribute__((warn_unused_result));

#endif
