/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_GATEWAY_H
#define MILTER_SMIME_GATEWAY_H

/*
 * What all messages share: settings, keys, CA lists, the key store, filters.  Opened
 * once; every part takes up changed files by itself and is thread safe.
 */

#include "common/ca_list.h"
#include "common/cert_db.h"
#include "common/settings.h"
#include "filters.h"
#include "keyring.h"
#include "smime_settings.h"
#include "spool.h"

struct gateway {
	const struct settings *settings; /* borrowed, as all of these are */
	const struct postseal_settings *common;
	const struct milter_smime_settings *own;
	const struct crl_check_settings *crl;
	struct keyring *keyring;
	struct ca_list *ca;
	struct cert_db *known;
	struct filters *filters;
	struct spool_place place;
};

/*
 * extra_trust (may be NULL) is a PEM file of more trusted CAs, for dry
 * runs.
 */
struct gateway *gateway_open(const struct settings *s,
    const char *extra_trust, struct error *err);
void gateway_close(struct gateway **g);

/* What -t and every start check beyond the settings themselves. */
bool gateway_check(struct gateway *g, struct error *err)
    __attribute__((warn_unused_result));

#endif
