/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SNAPSHOT_H
#define COMMON_SNAPSHOT_H

/*
 * A value made from files, kept up to date while others read it: cert_store
 * and ca_list are two of them.
 *
 * Readers borrow the value as it is now; it never changes under them.  At
 * most once a second a reader looks whether the files changed, makes the
 * new value (the other readers go on with the old one meanwhile), and it
 * takes the old one's place; the old one is freed by its last reader.
 *
 * A new value that cannot be made keeps the old one.  A certificate and its
 * key are replaced one after the other, so nobody hears of it until it is
 * still broken at a second look, two seconds later or more; then an alert
 * stands until it is good again.  Files that changed while
 * they were being read are looked at again at the next look.
 *
 * Thread safe but for open and close.
 */

#include <stdbool.h>

#include "common/error.h"
#include "common/strvec.h"

struct snapshot_source {
	const char *class; /* of the alert, see alert.h */
	const char *name;  /* of the alert, and in the log */
	void *context;
	/* NULL on failure. */
	void *(*make)(void *context, struct error *err);
	void (*free)(void *value);
};

struct snapshot;

/* Takes paths over, even on failure. NULL: the first value is broken. */
struct snapshot *snapshot_open(const struct snapshot_source *source,
    struct strvec *paths, struct error *err);

/*
 * Frees everything, when no reader is left; else (a thread did not end in
 * time) leaves it all where it is and returns false.
 */
bool snapshot_close(struct snapshot **s);

const void *snapshot_get(struct snapshot *s);
void snapshot_put(struct snapshot *s, const void *value);

#endif
