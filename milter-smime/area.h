/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_AREA_H
#define MILTER_SMIME_AREA_H

/*
 * Memory for what is large: few areas in the whole process, in huge pages,
 * used again and again.  To fault 10 MiB in by 4 KiB takes as long as to
 * hash them, and even to tell the kernel that they are free is dear, so an
 * area is kept as it is from one message to the next.  One that nobody has
 * wanted for a second or two is the kernel's to take: a thread of this
 * module says so.
 *
 * Thread safe.  What was in an area may still be there for the next one
 * who takes it; secrets are for the owner to overwrite.
 */

#include <stdbool.h>
#include <stddef.h>

#define AREAS_MAX 3 /* of all spools together */

struct area {
	char *p;
	size_t size;
};

/*
 * At least size bytes.  False when all areas are in use, or there is no
 * memory for one.
 */
bool area_take(size_t size, struct area *a)
    __attribute__((warn_unused_result));
void area_put(struct area *a);

#endif
