/* SPDX-License-Identifier: BSD-2-Clause */
#include "text_writer.h"

#include <string.h>

#include "common/utf8.h"

/* The block is long; it need not be zeroed. */
static void
start(struct text_writer *w, struct buf *buf, struct spool *spool,
    struct error *err)
{
	w->buf = buf;
	w->spool = spool;
	w->err = err;
	w->ok = true;
	w->n = 0;
}

static void
write_out(struct text_writer *w, const char *p, size_t n)
{
	if (!w->ok || n == 0)
		return;
	if (w->buf == NULL) {
		w->ok = spool_write(w->spool, p, n, w->err);
	} else if (!buf_append(w->buf, p, n)) {
		/* What fits of it; the overflow stays noted. */
		buf_append(w->buf, p, w->buf->max - w->buf->len);
		w->ok = false;
	}
}

void
text_writer_to_buf(struct text_writer *w, struct buf *out)
{
	start(w, out, NULL, NULL);
}

void
text_writer_to_spool(struct text_writer *w, struct spool *out,
    struct error *err)
{
	start(w, NULL, out, err);
}

void
text_writer_put(struct text_writer *w, const char *p, size_t n)
{
	if (n > sizeof(w->block) - w->n)
		text_writer_flush(w);
	if (n > sizeof(w->block)) {
		write_out(w, p, n);
		return;
	}
	if (n > 0)
		memcpy(w->block + w->n, p, n);
	w->n += n;
}

void
text_writer_put_char(struct text_writer *w, uint32_t cp)
{
	if (sizeof(w->block) - w->n < UTF8_MAX)
		text_writer_flush(w);
	w->n += utf8_encode(cp, w->block + w->n);
}

void
text_writer_flush(struct text_writer *w)
{
	write_out(w, w->block, w->n);
	w->n = 0;
}

bool
text_writer_end(struct text_writer *w)
{
	text_writer_flush(w);
	return w->ok;
}
