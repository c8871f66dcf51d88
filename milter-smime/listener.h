/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_LISTENER_H
#define MILTER_SMIME_LISTENER_H

/*
 * Opens libmilter's listening socket so that nobody is surprised: a socket
 * left over from a dead process is replaced, a live one never; a process
 * that is just stopping is waited for, because libmilter unlinks its path
 * late and would take the new socket away.
 */

#include <stdbool.h>

#include "common/error.h"

/*
 * endpoint as in `listen`: unix:/path or inet:HOST:PORT.  The UNIX socket
 * gets mode 0660; its group is the directory's (setgid).  Call once,
 * before smfi_main().
 */
bool listener_open(const char *endpoint, struct error *err);

#endif
