/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_REFRESH_H
#define CRL_FETCHER_REFRESH_H

/*
 * One source, once: its URLs in their order until one of them gives CRLs
 * that may be published.  Whatever goes wrong, what was published before
 * stays.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "download.h"
#include "publish.h"
#include "sources.h"
#include "state.h"

/* What all sources of a round share. */
struct refresh {
	struct publish *publish;
	/* Held while checking and publishing: one large CRL at a time. */
	pthread_mutex_t lock;
	int64_t now, skew;
	bool force;
	/*
	 * A file that is made before the first CRL is published.  The round
	 * removes it when everybody knows of them; when it is killed before,
	 * the next one does what is left.
	 */
	char *unfinished;
	bool marked; /* it is there */
};

enum refresh_result {
	REFRESH_UNCHANGED, /* the CRL we hold is still the newest */
	REFRESH_CHANGED,
	REFRESH_FAILED, /* no URL gave one */
	REFRESH_HERE,	/* this machine could not keep it: no space … */
};

struct refresh_report {
	enum refresh_result result;
	bool changed;	    /* a CRL was published; also when FAILED */
	bool rollback;	    /* the failure was an older CRL */
	int64_t clock_gap;  /* a server's clock minus ours; 0: not known */
	struct error error; /* FAILED, HERE: of each URL, in its order */
	/* The state's CRLs before; free(3). */
	struct state_crl *before;
	size_t nbefore;
};

/*
 * Looks whether the files of a source are whole; a damaged or missing index
 * is made again from the PEM file, signature and all checked anew.  False:
 * not all is well and a download is needed.  Before any thread starts.
 */
bool refresh_repair(struct refresh *r, const struct source *source,
    struct state_source *state, bool *damaged);

/*
 * After publish_flush() failed with err: has what the report says was
 * published no name, it becomes a failure, and the state what it was.
 * True: so it is.
 */
bool refresh_undo(struct refresh *r, struct state_source *state,
    struct refresh_report *report, const struct error *err);

/*
 * whole is what refresh_repair() said.  Updates validators and crls of
 * state; times and counters are left to the caller.
 */
void refresh_source(struct refresh *r, const struct source *source,
    struct state_source *state, bool whole, struct downloader *d,
    struct refresh_report *report);

#endif
