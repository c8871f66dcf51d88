/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CALLBACKS_H
#define MILTER_SMIME_CALLBACKS_H

/*
 * libmilter's events, collected into messages.  Decides nothing: at end of
 * message the pipeline does, and writeback answers Postfix.
 */

#include <stdint.h>

#include "common/buf.h"
#include "pipeline.h"

/* Registers with libmilter; p outlives smfi_main(). */
bool callbacks_register(struct pipeline *p, struct error *err);

/* Counters since start, as JSON members `"name": number, …`. */
void callbacks_status(struct buf *out);

#endif
