/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

/*
 * Small allocations that cannot fail: when memory is gone the process ends
 * (abort(3)), which the mail system sees as "try later".  Anything whose
 * size a peer chooses goes through buf.h instead.
 *
 * Everything returned is released with free(3).  Thread safe.
 */

#include <stddef.h>

/* Zeroed memory of n bytes (n may be 0). */
void *mem_alloc(size_t n);

/* Zeroed array of n elements of size bytes; the product is checked. */
void *mem_array(size_t n, size_t size);

/* Resizes to n elements of size bytes; new memory is not zeroed. */
void *mem_resize(void *p, size_t n, size_t size);

/* Copies of text or bytes, always followed by one NUL. NULL gives NULL. */
char *mem_strdup(const char *s);
void *mem_dup(const void *p, size_t n);

/* Formats into new memory. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Overwrites n bytes so that the compiler cannot leave it out, frees. */
void mem_wipe_free(void *p, size_t n);

#endif
