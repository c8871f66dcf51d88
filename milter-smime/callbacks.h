/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CALLBACKS_H
#define MILTER_SMIME_CALLBACKS_H

/*
 * libmilter's events, collected into messages.  Decides nothing: at end of
 * message the pipeline does, and writeback answers Postfix.
 */

#include <stdint.h>

#include "common/buf.h"
#include "gateway.h"
#include "reinject.h"

/* Registers with libmilter; both outlive smfi_main(). */
bool callbacks_register(struct gateway *g, struct reinjector *r,
    struct error *err);

/* Counters since start, as JSON members `"name": number, …`. */
void callbacks_status(struct buf *out);

#endif
