/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/strvec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

void
strvec_take(struct strvec *s, char *text)
{
	/* Room grows by powers of two, one slot ahead for the NULL. */
	if (s->n == 0 || ((s->n + 1) & s->n) == 0)
		s->v = mem_resize(s->v, 2 * (s->n + 1), sizeof(*s->v));
	s->v[s->n++] = text;
	s->v[s->n] = NULL;
}

void
strvec_add(struct strvec *s, const char *text)
{
	strvec_take(s, mem_strdup(text));
}

void
strvec_addn(struct strvec *s, const char *text, size_t n)
{
	strvec_take(s, mem_dup(text, n));
}

void
strvec_clear(struct strvec *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

void
strvec_remove(struct strvec *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i], text) != 0)
			continue;
		free(s->v[i]);
		s->v[i] = s->v[--s->n];
		s->v[s->n] = NULL;
		return;
	}
}

bool
strvec_has(const struct strvec *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) == 0)
			return true;
	return false;
}

bool
strvec_hascase(const struct strvec *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcasecmp(s->v[i], text) == 0)
			return true;
	return false;
}
