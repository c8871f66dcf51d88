/* SPDX-License-Identifier: BSD-2-Clause */
#include "quarantine_command.h"

#include <sysexits.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/log.h"

bool
quarantine_walk(const struct quarantine_request *r, held_take *take,
    void *context, struct error *err)
{
	struct held_walk w = {.queue = &r->queue,
		.authserv_id = r->authserv_id,
		.ids = r->ids.n > 0 ? &r->ids : NULL};
	bool ok = held_walk(&w, take, context, err);

	if (w.gone > 0)
		log_warning("%zu messages could not be read, mostly because "
		    "they left the queue meanwhile: %s", w.gone, w.why.text);
	if (w.unread > 0)
		log_warning("%zu lines of postqueue -j could not be "
		    "understood; their messages are missing here", w.unread);
	return ok;
}

bool
quarantine_is_asked_for(const struct quarantine_request *r,
    const struct held *h)
{
	return h->ours && (r->name == NULL ||
	    ascii_equal_nocase(r->name, h->quarantine.name));
}

int
quarantine_nothing(const struct quarantine_request *r)
{
	struct buf known;

	if (r->name == NULL ||
	    strvec_hascase(&r->own->quarantine, r->name))
		return EX_OK;
	buf_init(&known, 4096);
	for (size_t i = 0; i < r->own->quarantine.n; i++)
		buf_printf(&known, "%s%s", i > 0 ? ", " : "",
		    r->own->quarantine.v[i]);
	log_error("there is no quarantine %s; the settings have: %s", r->name,
	    buf_text(&known));
	buf_clear(&known);
	return EX_NOINPUT;
}

int
quarantine_failed(const struct error *err)
{
	log_error("%s", err->text);
	return err->kind == ERROR_TEMP ? EX_TEMPFAIL : EX_DATAERR;
}
