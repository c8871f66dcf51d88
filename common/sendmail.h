/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SENDMAIL_H
#define COMMON_SENDMAIL_H

/*
 * Gives a message to the sendmail(1) command, without a shell:
 * `command -i -f SENDER -- RECIPIENT …`, the message on its standard
 * input.  The command is the administrator's, its output goes nowhere but
 * into our error text.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/strvec.h"

/*
 * message: lines ended by LF.  sender "" is the null sender.  timeout:
 * seconds, then the command is killed.  Errors are TEMP, or PERM when the
 * command says EX_USAGE, EX_DATAERR, EX_NOUSER or EX_NOHOST.
 */
bool sendmail_submit(const char *command, const char *sender,
    const struct strvec *recipients, const char *message, size_t n,
    int64_t timeout, struct error *err) __attribute__((warn_unused_result));

#endif
