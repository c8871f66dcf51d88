/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_CMS_ARMOUR_H
#define MILTER_SMIME_CMS_ARMOUR_H

/*
 * A CMS object as a body: `application/pkcs7-mime` in base64 (RFC 8551
 * 3.2), written in blocks to a spool while its content comes by.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "entity.h"

/* Base64 into a spool. Zeroed but for out. */
struct armour {
	struct spool *out;
	struct base64_encoder *encoder;
	char *block;
};

void armour_init(struct armour *a, const struct spool_place *place);
bool armour_write(struct armour *a, const void *p, size_t n,
    struct error *err) __attribute__((warn_unused_result));

/*
 * Ends the encoding; e's body becomes what was written, its head that of
 * an application/pkcs7-mime with this smime-type.
 */
bool armour_finish(struct armour *a, const char *smime_type,
    struct entity *e, struct error *err)
    __attribute__((warn_unused_result));

void armour_clear(struct armour *a);

#endif
