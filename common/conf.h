/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

/*
 * The syntax of postseal.conf(5): sections of `key = value`, nothing else.
 * What the keys mean is settings.h's business.
 *
 *	# comment
 *	type [name] {
 *		key = value
 *		list = one, two,
 *		       three
 *	}
 *
 * `{` stands on the line of its type; after `}` the line ends.  A value
 * ends with its line or at `}`; a comma at the end of a line continues it
 * (comments and empty lines may stand between).  `#` starts a comment at
 * the start of a line or after a blank, outside quotes.  "…" may hold any
 * of these; inside, \" and \\ are the only escapes, and quotes enclose a
 * whole item.  CR before LF and a UTF-8 byte order mark are
 * errors that say so, as are control characters and bytes that are not
 * UTF-8.
 *
 * What could be read in two ways is an error: a key repeated in its
 * section, an unquoted `{` or quote inside a value, an empty item, and what
 * looks like a second `key =` inside an unquoted value.
 *
 * The text is the administrator's but treated as hostile: sizes are
 * bounded (file 1 MiB, line 64 KiB, word 255 bytes, 1,000 files, 10,000
 * sections, 200 keys in one, 10,000 items in a value).
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/strvec.h"

struct conf_pos {
	const char *file; /* borrowed from the struct conf */
	unsigned line;	  /* from 1 */
	unsigned column;  /* from 1, in bytes */
};

struct conf_value {
	char *key;
	/*
	 * The whole value, on one line; unquoted if it is one quoted item.
	 */
	char *text;
	struct strvec items; /* split at commas outside quotes, each unquoted */
	struct conf_pos key_pos;
	struct conf_pos value_pos;
};

struct conf_section {
	char *type;
	char *name; /* NULL without one */
	struct conf_pos pos;
	struct conf_value *values;
	size_t nvalues;
};

struct conf {
	struct strvec files; /* those read, in order */
	struct conf_section *sections;
	size_t nsections;
};

/*
 * Reads path and then, in name order, `conf.d/` beside it (files ending in
 * .conf, hidden ones excepted).  NULL with err->text "FILE:LINE:COLUMN:
 * what is wrong; what to do" on failure.  A file or a conf.d that anyone
 * may write is PERM.
 */
struct conf *conf_read(const char *path, struct error *err);

/* The same for text already in memory; `file` is only for positions. */
struct conf *conf_parse(const char *file, const char *text, size_t n,
    struct error *err);

void conf_free(struct conf *c);

/*
 * Appends a whole file of the administrator's to text, within its maximum:
 * a regular one, and not one that anyone may write.
 */
bool conf_load(const char *path, struct buf *text, struct error *err)
    __attribute__((warn_unused_result));

/* Sets err to PERM "FILE:LINE:COLUMN: text"; returns false. */
bool conf_error(struct error *err, const struct conf_pos *pos,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The word nearest to `word` (Damerau-Levenshtein, at most a third of its
 * length away, ASCII case does not count), or NULL. `words` ends with NULL.
 * Borrowed.
 */
const char *conf_nearest(const char *word, const char *const *words);

#endif
