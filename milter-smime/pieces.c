/* SPDX-License-Identifier: BSD-2-Clause */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void
pieces_clear(struct pieces *p)
{
	for (size_t i = 0; i < p->nspools; i++)
		spool_free(&p->spools[i]);
	for (size_t i = 0; i < p->ntexts; i++)
		free(p->texts[i]);
	free(p->spools);
	free(p->texts);
	free(p->v);
	memset(p, 0, sizeof(*p));
}

void
pieces_add(struct pieces *p, const char *data, size_t len)
{
	if (len == 0)
		return;
	p->v = mem_resize(p->v, p->n + 1, sizeof(*p->v));
	p->v[p->n].data = data;
	p->v[p->n].len = len;
	p->n++;
	p->len += len;
}

static void
own_text(struct pieces *p, char *text)
{
	p->texts = mem_resize(p->texts, p->ntexts + 1, sizeof(*p->texts));
	p->texts[p->ntexts++] = text;
}

void
pieces_keep_text(struct pieces *p, struct buf *text)
{
	size_t len = text->len;
	char *data = buf_take(text);

	own_text(p, data);
	pieces_add(p, data, len);
}

void
pieces_own_spool(struct pieces *p, struct spool **s)
{
	p->spools = mem_resize(p->spools, p->nspools + 1, sizeof(*p->spools));
	p->spools[p->nspools++] = *s;
	*s = NULL;
}

void
pieces_keep_spool(struct pieces *p, struct spool **s)
{
	pieces_add(p, spool_data(*s), spool_len(*s));
	pieces_own_spool(p, s);
}

void
pieces_keep_sources(struct pieces *p, struct pieces *from)
{
	for (size_t i = 0; i < from->nspools; i++)
		pieces_own_spool(p, &from->spools[i]);
	for (size_t i = 0; i < from->ntexts; i++)
		own_text(p, from->texts[i]);
	from->nspools = from->ntexts = 0;
	pieces_clear(from);
}

void
pieces_join(struct pieces *p, struct pieces *from)
{
	for (size_t i = 0; i < from->n; i++)
		pieces_add(p, from->v[i].data, from->v[i].len);
	pieces_keep_sources(p, from);
}

bool
pieces_flatten(struct pieces *p, const struct spool_place *place,
    struct error *err)
{
	struct spool *s;

	if (p->n <= 1)
		return true;
	s = spool_new(place);
	if (p->secret)
		spool_set_secret(s);
	for (size_t i = 0; i < p->n; i++) {
		if (!spool_write(s, p->v[i].data, p->v[i].len, err)) {
			spool_free(&s);
			return false;
		}
	}
	if (!spool_finish(s, err)) {
		spool_free(&s);
		return false;
	}
	pieces_clear(p);
	pieces_keep_spool(p, &s);
	return true;
}
