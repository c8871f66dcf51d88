/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

/*
 * What the sections of postseal.conf(5) mean.  Every parameter is one row
 * of a table; the parser, -n, -d and the manual are held together by it.
 * A room lists its own section types and the shared ones it uses; sections
 * that another program owns are skipped whole, sections nobody owns are
 * errors.  A section's values land in a plain struct, by offset.
 *
 * Settings are read once at start and never change.  Read-only after that,
 * so any thread may look.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/conf.h"
#include "common/error.h"
#include "common/param.h"
#include "common/strvec.h"

struct settings;

struct section_type {
	const char *type;
	bool named; /* must have a name; else must have none and one only */
	const struct param *params;
	size_t nparams;
	size_t size; /* of the struct */
	/*
	 * Checks what one row cannot say; reports with settings_error().
	 * May be NULL. Runs when all sections are read.
	 */
	bool (*check)(const struct settings *s, const char *name,
	    const void *values, struct error *err);
	/*
	 * Fills in, where still NULL, texts whose default no table can know
	 * (the machine's name), in allocated memory.  May be NULL.
	 */
	void (*defaults)(void *values);
};

/*
 * Reads the file (see conf_read()) for a program that knows `types` (ended
 * by NULL).  A file that does not exist is an error.  NULL on failure.
 * Errors: unknown section type, key, word or reference (with the nearest
 * known one), repeated key or section, a value out of range.
 */
struct settings *settings_read(const char *path,
    const struct section_type *const *types, struct error *err);

/* The same from text; for tests and fuzzing. */
struct settings *settings_parse(const char *file, const char *text, size_t n,
    const struct section_type *const *types, struct error *err);

void settings_free(struct settings *s);

/*
 * Values of an unnamed section: defaults where the file has none.  Of a
 * type with names: the defaults.
 */
const void *settings_get(const struct settings *s, const char *type);

/* Values of a named section, or NULL. */
const void *settings_find(const struct settings *s, const char *type,
    const char *name);

/* How many sections of that type, and the i-th in file order. */
size_t settings_count(const struct settings *s, const char *type);
const void *settings_at(const struct settings *s, const char *type, size_t i,
    const char **name);

/*
 * Sets err to PERM "FILE:LINE:COLUMN: section NAME: key: text", placed at
 * the key (at its section when the key is not written, at the file when
 * the section is not).  key and name may be NULL.  Returns false.
 */
bool settings_error(const struct settings *s, const char *type,
    const char *name, const char *key, struct error *err, const char *fmt,
    ...) __attribute__((format(printf, 6, 7)));

/* The files that were read, in order.  Borrowed. */
const struct strvec *settings_files(const struct settings *s);

/* Was this key written in the file? */
bool settings_given(const struct settings *s, const char *type,
    const char *name, const char *key);

/*
 * -n: what differs from the defaults, as a file one could read again.
 * -d: every parameter of `types` with its default, range and sentence.
 */
void settings_print(const struct settings *s, FILE *out);
void settings_print_defaults(const struct section_type *const *types,
    FILE *out);

/*
 * Names of all section types and who owns them, ended by a NULL type;
 * owner "shared" for those several programs read.
 */
struct section_owner {
	const char *type;
	const char *owner;
};
extern const struct section_owner section_owners[];

#endif
