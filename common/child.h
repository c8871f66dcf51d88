/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CHILD_H
#define COMMON_CHILD_H

/*
 * Runs another program and collects what it writes, within a time and a
 * size.  No shell; standard input is /dev/null.  What it writes is not to
 * be trusted by itself.
 */

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"

struct child_result {
	struct buf out; /* standard output */
	struct buf err; /* standard error, the first of it */
	int status;	/* of waitpid(2) */
};

/*
 * argv ends with NULL.  False: it could not be started, took longer than
 * timeout (seconds) or wrote more than max bytes, and was killed then.
 * Clear the result in either case.
 */
bool child_run(const char *path, char *const argv[], int timeout, size_t max,
    struct child_result *result, struct error *err)
    __attribute__((warn_unused_result));

void child_result_clear(struct child_result *result);

#endif
