/* SPDX-License-Identifier: BSD-2-Clause */
#include "filter_eval.h"

#include "filter_actions.h"

/* One filter at work. */
struct run {
	const struct filter *f;
	struct filter_context *c;
	struct filter_state *s;
	bool acted;
};

/* Depth is what the parser allows. */
static bool
run_block(struct run *run, const struct filter_block *block,
    struct error *err)
{
	for (size_t i = 0; i < block->n && run->s->end == FILTER_GOES_ON;
	    i++) {
		const struct filter_statement *st = &block->v[i];
		const struct filter_block *next;
		bool result;

		if (!st->is_if) {
			run->acted = true;
			if (!filter_act(run->f, &st->action, run->c, run->s,
			    err))
				return false;
			continue;
		}
		if (!filter_expr_eval(st->condition, run->c, run->s, &result,
		    err))
			return false;
		next = result ? st->then : st->otherwise;
		if (next != NULL && !run_block(run, next, err))
			return false;
	}
	return true;
}

bool
filter_eval(const struct filter *f, struct filter_context *c,
    struct filter_state *s, struct error *err)
{
	struct run run = {.f = f, .c = c, .s = s};

	if (!f->active || s->end != FILTER_GOES_ON)
		return true;
	c->matched[0] = '\0';
	if (!run_block(&run, &f->body, err))
		return error_prefix(err, "filter %s", f->name);
	if (run.acted)
		strvec_add(&s->matched, f->name);
	return true;
}
