/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_STATE_H
#define CRL_FETCHER_STATE_H

/*
 * What one round leaves for the next, in one JSON file that is replaced
 * whole: validators, times, failures, what was told.  Losing it costs a
 * download, nothing else; a file that cannot be understood counts as none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/strvec.h"
#include "crl_pem.h"
#include "publish.h"

/* A CRL that a source gave. */
struct state_crl {
	char index[PUBLISH_NAME_SIZE], pem[PUBLISH_NAME_SIZE];
	char digest[65]; /* SHA-256 of its DER, lower-case hex */
	int64_t size;	 /* of its DER */
	int64_t this_update, next_update;
	int64_t delta_this_update, delta_next_update; /* 0: none merged */
	int64_t entries;
};

/* Of a server's answer: what it is asked with next time. */
struct state_validators {
	char *url, *etag, *last_modified; /* NULL: none */
};

struct state_source {
	char *name;
	struct state_validators base, delta;
	int64_t last_attempt, last_success, next_due; /* 0: never */
	unsigned failures;			      /* in a row */
	char *error; /* of the last attempt; NULL: it succeeded */
	char *told;  /* what the administrator was told last; NULL: fine */
	size_t ncrls;
	struct state_crl crls[CRL_PEM_MAX];
};

struct state {
	struct state_source **v;
	size_t n;
	int64_t written;
	bool clock_told;	/* that the clock looks wrong */
	struct strvec pending;	/* reload commands that failed */
	struct strvec bundles;	/* those that could not be written */
};

/* The file's state, or an empty one and *damaged. */
void state_read(struct state *s, const char *path, bool *damaged);
bool state_write(const struct state *s, const char *path, struct error *err)
    __attribute__((warn_unused_result));
void state_clear(struct state *s);

/* That source's; made when new. */
struct state_source *state_get(struct state *s, const char *name);
/* Forgets those that are not among names. */
void state_keep(struct state *s, const struct strvec *names);

void state_validators_set(struct state_validators *v, const char *url,
    const char *etag, const char *last_modified);
void state_set_text(char **to, const char *text);

#endif
