/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CHILD_H
#define COMMON_CHILD_H

/*
 * Runs another program and takes what it writes, within a time and a size.
 * No shell.  What it writes is not to be trusted by itself.
 *
 * Whoever gives it input ignores SIGPIPE: the program may end before it
 * has read all.
 */

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"

struct child_result {
	struct buf out; /* standard output */
	struct buf err; /* standard error, the first of it */
	int status;	/* of waitpid(2) */
};

/* Takes the next bytes of output; false, with err set, ends the program. */
typedef bool child_sink(void *context, const char *bytes, size_t n,
    struct error *err);

/* How to talk with it; zeroed: no input, output into the result. */
struct child_talk {
	const char *input; /* NULL: standard input is /dev/null */
	size_t ninput;
	bool with_err;	  /* standard error goes where the output goes */
	child_sink *sink; /* takes the output instead of result->out */
	void *context;
};

/*
 * argv ends with NULL.  False: it could not be started, took longer than
 * timeout (seconds), wrote more than max bytes, or the sink wanted no
 * more; it was killed then.  With a sink there is no max, and timeout is
 * between two pieces of output.  What a program that ended by itself did
 * not read of its input is no failure.  Clear the result in either case.
 */
bool child_talk(const char *path, char *const argv[], int timeout, size_t max,
    const struct child_talk *talk, struct child_result *result,
    struct error *err) __attribute__((warn_unused_result));

/* The same without input and sink. */
bool child_run(const char *path, char *const argv[], int timeout, size_t max,
    struct child_result *result, struct error *err)
    __attribute__((warn_unused_result));

void child_result_clear(struct child_result *result);

#endif
