/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_STRVEC_H
#define COMMON_STRVEC_H

/*
 * A list of owned strings.  Zeroed memory is an empty list.  `v` is always
 * followed by a NULL pointer once something was added, so that it can be
 * given to execve(2).
 */

#include <stdbool.h>
#include <stddef.h>

struct strvec {
	char **v;
	size_t n;
};

void strvec_add(struct strvec *s, const char *text); /* copies */
void strvec_take(struct strvec *s, char *text);	     /* owns from now on */
void strvec_addn(struct strvec *s, const char *text, size_t n);
void strvec_clear(struct strvec *s);

/* Removes the first that is equal; the order changes. */
void strvec_remove(struct strvec *s, const char *text);

bool strvec_has(const struct strvec *s, const char *text);
bool strvec_hascase(const struct strvec *s, const char *text);

#endif
