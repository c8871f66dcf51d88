/* SPDX-License-Identifier: BSD-2-Clause */
#include "gateway.h"

#include <stdlib.h>

#include "common/mem.h"

struct gateway *
gateway_open(const struct settings *s, const char *extra_trust,
    struct error *err)
{
	struct gateway *g = mem_alloc(sizeof(*g));

	g->settings = s;
	g->common = settings_get(s, "postseal");
	g->own = settings_get(s, "milter-smime");
	g->crl = settings_get(s, "crl-check");
	g->place.directory = smime_spool_directory(s);
	g->place.spill_at = (size_t)g->own->spill_at;
	g->keyring = keyring_open(s, err);
	if (g->keyring != NULL)
		g->ca = ca_list_open(s, extra_trust, true, err);
	if (g->ca != NULL)
		g->known = cert_db_open(smime_key_store_path(g->own), false,
		    err);
	if (g->known != NULL)
		g->filters = filters_open(s, err);
	if (g->filters == NULL)
		gateway_close(&g);
	return g;
}

void
gateway_close(struct gateway **gp)
{
	struct gateway *g = *gp;

	if (g == NULL)
		return;
	filters_close(&g->filters);
	cert_db_close(&g->known);
	ca_list_close(&g->ca);
	keyring_close(&g->keyring);
	free((char *)g->place.directory);
	free(g);
	*gp = NULL;
}

/* Promised by shared sections, but the work of a later version. */
static bool
check_flow_policies(const struct settings *s, struct error *err)
{
	for (size_t i = 0; i < settings_count(s, "mail-flow-policy"); i++) {
		const char *name;
		const struct mail_flow_policy_settings *v = settings_at(s,
		    "mail-flow-policy", i, &name);

		if (v->smime_harvest)
			return settings_error(s, "mail-flow-policy", name,
			    "smime_harvest", err,
			    "is not available in this version");
	}
	return true;
}

bool
gateway_check(struct gateway *g, struct error *err)
{
	struct spool_place on_disk = {g->place.directory, 0};
	struct spool *probe;
	bool ok;

	if (!check_flow_policies(g->settings, err) ||
	    !keyring_check(g->keyring, g->settings, err))
		return false;
	probe = spool_new(&on_disk);
	ok = spool_write(probe, "x", 1, err) && spool_finish(probe, err);
	spool_free(&probe);
	return ok;
}
