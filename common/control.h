/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

/*
 * A UNIX socket on which a daemon answers its own commands: one line in
 * (a word and arguments, at most 4 KiB), an answer until the connection
 * closes.  Mode 0660, so only the daemon's user and group ask.
 * At most 16 connections, 5 seconds each; no request can hold up mail.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"

struct control;

/* Writes the answer to request; runs in the control thread. */
typedef void control_answer(void *context, const char *request,
    struct buf *answer);

/*
 * Listens on path.  A socket left over from a dead process is replaced, a
 * live one is PERM.  Starts one thread.
 */
struct control *control_open(const char *path, control_answer *answer,
    void *context, struct error *err);
void control_close(struct control **c); /* removes the socket */

/* For commands: asks a daemon. TEMP when nobody listens. */
bool control_ask(const char *path, const char *request, struct buf *answer,
    struct error *err) __attribute__((warn_unused_result));

#endif
