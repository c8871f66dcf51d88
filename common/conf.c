/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"

#define FILE_BYTES_MAX (1 << 20)
#define LINE_BYTES_MAX (64 << 10)
#define WORD_BYTES_MAX 255
#define FILES_MAX 1000
#define SECTIONS_MAX 10000
#define KEYS_MAX 200 /* of one section */
#define ITEMS_MAX 10000 /* of one value */
#define NEAREST_MAX 64 /* bytes of a word we look for neighbours of */

struct parser {
	struct conf *conf;
	const char *file; /* among conf->files */
	const char *p; /* the text ends with a NUL, and has no other */
	const char *line_start;
	unsigned line;
	struct error *err;
};

static struct conf_pos
position_at(const struct parser *ps, const char *at)
{
	return (struct conf_pos) {
		.file = ps->file,
		.line = ps->line,
		.column = (unsigned)(at - ps->line_start) + 1,
	};
}

/* PERM at a place on the current line. */
static bool __attribute__((format(printf, 3, 4)))
wrong(struct parser *ps, const char *at, const char *fmt, ...)
{
	struct conf_pos pos = position_at(ps, at);
	char text[sizeof(ps->err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return conf_error(ps->err, &pos, "%s", text);
}

/* ---- Bytes ---- */

/* One character that may stand in the file; returns its length or 0. */
static size_t
check_character(struct parser *ps, const char *at, size_t n)
{
	unsigned char c = (unsigned char)*at;
	uint32_t cp;
	size_t len = utf8_decode(at, n, &cp);

	if (c == '\0')
		wrong(ps, at, "NUL byte; is this a text file?");
	else if (c == '\r')
		wrong(ps, at, "carriage return; save the file with UNIX line "
		    "ends (LF alone)");
	else if (len == 0)
		wrong(ps, at, "byte 0x%02x is not UTF-8; save the file as "
		    "UTF-8", c);
	else if ((cp < 0x20 && cp != '\t') || (cp >= 0x7f && cp < 0xa0))
		wrong(ps, at, "control character U+%04X; remove it",
		    (unsigned)cp);
	else
		return len;
	return 0;
}

static bool
check_bytes(struct parser *ps, size_t n)
{
	const char *end = ps->p + n, *at = ps->p;

	if (n > FILE_BYTES_MAX)
		return wrong(ps, at, "the file is larger than %d bytes; split "
		    "it into files in conf.d", FILE_BYTES_MAX);
	if (n >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		return wrong(ps, at, "byte order mark; save the file as UTF-8 "
		    "without one");
	while (at < end) {
		size_t len = 1;

		if (*at == '\n') {
			ps->line++;
			ps->line_start = at + 1;
		} else {
			len = check_character(ps, at, (size_t)(end - at));
		}
		if (len == 0)
			return false;
		at += len;
		if (at - ps->line_start > LINE_BYTES_MAX)
			return wrong(ps, ps->line_start, "the line is longer "
			    "than %d bytes; continue lists on the next line "
			    "after a comma", LINE_BYTES_MAX);
	}
	ps->line = 1;
	ps->line_start = ps->p;
	return true;
}

/* ---- Words, blanks, comments ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Wider than any type or key, so that a near miss is read and named. */
static bool
is_word(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') ||
	    c == '_' || c == '-' || c == '.';
}

/* Names of sections: domains, addresses, file names. */
static bool
is_name(char c)
{
	return (unsigned char)c > ' ' && strchr("{}\"#=,", c) == NULL;
}

/* Moves over blanks and a comment behind them, to the end of the line. */
static void
skip_blanks(struct parser *ps)
{
	bool apart = ps->p == ps->line_start || is_blank(ps->p[-1]);

	while (is_blank(*ps->p)) {
		ps->p++;
		apart = true;
	}
	if (*ps->p == '#' && apart)
		ps->p += strcspn(ps->p, "\n");
}

/* The same over any number of lines. */
static void
skip_lines(struct parser *ps)
{
	skip_blanks(ps);
	while (*ps->p == '\n') {
		ps->line++;
		ps->line_start = ++ps->p;
		skip_blanks(ps);
	}
}

/* Takes a word; NULL when there is none or it is too long. */
static char *
take_word(struct parser *ps, bool (*belongs)(char), const char *expected)
{
	const char *start = ps->p;
	size_t n;

	while (*ps->p != '\0' && belongs(*ps->p))
		ps->p++;
	n = (size_t)(ps->p - start);
	if (n > 0 && n <= WORD_BYTES_MAX)
		return mem_dup(start, n);
	if (n > 0)
		wrong(ps, start, "the word is longer than %d bytes",
		    WORD_BYTES_MAX);
	else if (*start == '\0' || *start == '\n')
		wrong(ps, start, "the line ends here; expected %s", expected);
	else
		wrong(ps, start, "expected %s", expected);
	return NULL;
}

/* ---- Values ---- */

/*
 * Does `key =` stand here?  In the middle of a value this is a line end
 * forgotten, and the setting would be lost without a word.  spaced: only
 * with a blank before `=`, because names such as "cn=a, dc=b" do without.
 */
static bool
looks_like_setting(const char *p, bool spaced)
{
	const char *end;

	if (!is_lower(*p))
		return false;
	while (is_lower(*p) || is_digit(*p) || *p == '_')
		p++;
	end = p;
	while (is_blank(*p))
		p++;
	return *p == '=' && (!spaced || p > end);
}

static bool
second_setting(struct parser *ps, const char *at)
{
	int n = (int)strcspn(at, " \t=");

	return wrong(ps, at, "\"%.*s =\" stands inside the value before it; "
	    "begin a new line (without a comma before it), or put the value "
	    "in double quotes", n < 64 ? n : 64, at);
}

/* What may follow a closing quote. */
static bool
check_after_quote(struct parser *ps)
{
	const char *at = ps->p;

	skip_blanks(ps);
	if (*ps->p == '\0' || strchr(",\n}", *ps->p) != NULL)
		return true;
	return wrong(ps, at, "text after the closing quote; put the whole "
	    "value in double quotes, \\\" stands for a quote inside");
}

/* At the opening quote; appends what is inside. */
static bool
take_quoted(struct parser *ps, struct buf *item)
{
	const char *open = ps->p++;

	while (*ps->p != '"') {
		if (*ps->p == '\0' || *ps->p == '\n')
			return wrong(ps, open, "the quote is not closed; add "
			    "\" before the end of the line");
		if (*ps->p == '\\') {
			if (ps->p[1] != '"' && ps->p[1] != '\\')
				return wrong(ps, ps->p, "unknown escape; "
				    "inside quotes write \\\\ for a "
				    "backslash and \\\" for a quote");
			ps->p++;
		}
		buf_putc(item, *ps->p++);
	}
	ps->p++;
	return true;
}

/* Appends up to a comma, the end of the value or a comment. */
static bool
take_unquoted(struct parser *ps, struct buf *item)
{
	const char *start = ps->p, *end = ps->p;

	while (*ps->p != '\0' && strchr(",\n}", *ps->p) == NULL) {
		bool apart = ps->p > start && is_blank(ps->p[-1]);

		if (*ps->p == '#' && apart)
			break;
		if (*ps->p == '"' || *ps->p == '{')
			return wrong(ps, ps->p, "%c inside a value; put the "
			    "whole value in double quotes%s", *ps->p,
			    *ps->p == '"' ? ", \\\" stands for a quote "
			    "inside" : ", or add the } that is missing "
			    "before this line");
		if (apart && looks_like_setting(ps->p, false))
			return second_setting(ps, ps->p);
		if (!is_blank(*ps->p))
			end = ps->p + 1;
		ps->p++;
	}
	buf_append(item, start, (size_t)(end - start));
	ps->p = end;
	return true;
}

/*
 * Takes one item; *end is where it ends in the text.  continued: it stands
 * on a line after its key's.
 */
static bool
take_item(struct parser *ps, struct conf_value *v, bool continued,
    const char **end)
{
	const char *start = ps->p;
	bool quoted = *start == '"';
	bool ok = false;
	struct buf item;

	buf_init(&item, FILE_BYTES_MAX);
	if (v->items.n >= ITEMS_MAX) {
		wrong(ps, start, "more than %d items in one value", ITEMS_MAX);
		goto out;
	}
	if (looks_like_setting(start, !continued)) {
		second_setting(ps, start);
		goto out;
	}
	if (!(quoted ? take_quoted(ps, &item) : take_unquoted(ps, &item)))
		goto out;
	*end = ps->p;
	if (!quoted && item.len == 0) {
		wrong(ps, start, v->items.n == 0 && *start != ',' ?
		    "the value is missing; write \"\" for an empty one" :
		    "an item is missing beside the comma; remove the comma");
		goto out;
	}
	if (quoted && !check_after_quote(ps))
		goto out;
	skip_blanks(ps);
	strvec_take(&v->items, buf_take(&item));
	ok = true;
out:
	buf_clear(&item);
	return ok;
}

/* Takes the items and the text of a value, from behind the `=`. */
static bool
take_value(struct parser *ps, struct conf_value *v)
{
	bool continued = false, ok = false, quoted;
	const char *piece, *end;
	struct buf text;

	buf_init(&text, FILE_BYTES_MAX);
	skip_blanks(ps);
	v->value_pos = position_at(ps, ps->p);
	piece = ps->p;
	quoted = *piece == '"';
	for (;;) {
		if (!take_item(ps, v, continued, &end))
			goto out;
		if (*ps->p != ',')
			break;
		end = ++ps->p;
		skip_blanks(ps);
		if (*ps->p == '\n') {
			buf_append(&text, piece, (size_t)(end - piece));
			buf_putc(&text, ' ');
			skip_lines(ps);
			piece = ps->p;
			continued = true;
		}
	}
	buf_append(&text, piece, (size_t)(end - piece));
	v->text = quoted && v->items.n == 1 ? mem_strdup(v->items.v[0]) :
					      buf_take(&text);
	ok = true;
out:
	buf_clear(&text);
	return ok;
}

/* ---- Sections ---- */

static bool
check_key(struct parser *ps, const struct conf_section *section,
    const struct conf_value *v)
{
	for (const struct conf_value *u = section->values; u < v; u++)
		if (strcmp(u->key, v->key) == 0)
			return conf_error(ps->err, &v->key_pos,
			    "%s%s%.64s: %.64s: set twice, first at line %u; "
			    "remove one", section->type,
			    section->name != NULL ? " " : "",
			    section->name != NULL ? section->name : "",
			    v->key, u->key_pos.line);
	if (section->nvalues > KEYS_MAX)
		return conf_error(ps->err, &v->key_pos, "more than %d settings "
		    "in one section", KEYS_MAX);
	return true;
}

static bool
take_setting(struct parser *ps, struct conf_section *section)
{
	struct conf_value *v;

	/* Room grows by powers of two. */
	if ((section->nvalues & (section->nvalues - 1)) == 0)
		section->values = mem_resize(section->values,
		    section->nvalues == 0 ? 1 : 2 * section->nvalues,
		    sizeof(*v));
	v = &section->values[section->nvalues++];
	memset(v, 0, sizeof(*v));
	v->key_pos = position_at(ps, ps->p);
	v->key = take_word(ps, is_word, "a setting (key = value) or }");
	if (v->key == NULL || !check_key(ps, section, v))
		return false;
	skip_blanks(ps);
	if (*ps->p != '=')
		return wrong(ps, ps->p, "expected = after \"%.64s\"%s", v->key,
		    *ps->p == '\n' || *ps->p == '\0' ? "" :
		    "; if a section starts here, a } is missing before it");
	ps->p++;
	return take_value(ps, v);
}

/* From behind the `{` to behind the `}`. */
static bool
take_settings(struct parser *ps, struct conf_section *section)
{
	for (;;) {
		skip_lines(ps);
		if (*ps->p == '}')
			break;
		if (*ps->p == '\0')
			return conf_error(ps->err, &section->pos, "%s%s%.64s: "
			    "the section is not closed; add } at its end",
			    section->type, section->name != NULL ? " " : "",
			    section->name != NULL ? section->name : "");
		if (!take_setting(ps, section))
			return false;
	}
	ps->p++;
	skip_blanks(ps);
	if (*ps->p != '\0' && *ps->p != '\n')
		return wrong(ps, ps->p, "text after }; begin a new line, or "
		    "put the value in double quotes if the } is part of it");
	return true;
}

static bool
take_section(struct parser *ps)
{
	struct conf *c = ps->conf;
	struct conf_section *section;

	if (c->nsections >= SECTIONS_MAX)
		return wrong(ps, ps->p, "more than %d sections", SECTIONS_MAX);
	if ((c->nsections & (c->nsections - 1)) == 0)
		c->sections = mem_resize(c->sections,
		    c->nsections == 0 ? 1 : 2 * c->nsections,
		    sizeof(*section));
	section = &c->sections[c->nsections++];
	memset(section, 0, sizeof(*section));
	section->pos = position_at(ps, ps->p);
	if (*ps->p == '}')
		return wrong(ps, ps->p, "no section is open here; remove the "
		    "}");
	section->type = take_word(ps, is_word, "a section, as in "
	    "\"postseal {\"");
	if (section->type == NULL)
		return false;
	skip_blanks(ps);
	if (*ps->p == '=')
		return wrong(ps, ps->p, "a setting outside of a section; put "
		    "it into one, as in \"postseal {\"");
	if (*ps->p != '{') {
		section->name = take_word(ps, is_name, "{ or a name and {");
		if (section->name == NULL)
			return false;
		skip_blanks(ps);
	}
	if (*ps->p != '{')
		return wrong(ps, ps->p, "expected { to open the section \"%s "
		    "%.64s\"", section->type, section->name);
	ps->p++;
	return take_settings(ps, section);
}

/* Adds the sections of one file. */
static bool
parse(struct conf *c, const char *file, const char *bytes, size_t n,
    struct error *err)
{
	char *text = mem_dup(bytes == NULL ? "" : bytes, n);
	struct parser ps = {
		.conf = c, .p = text, .line_start = text, .line = 1,
		.err = err
	};
	bool ok;

	strvec_add(&c->files, file);
	ps.file = c->files.v[c->files.n - 1];
	ok = check_bytes(&ps, n);
	while (ok) {
		skip_lines(&ps);
		if (*ps.p == '\0')
			break;
		ok = take_section(&ps);
	}
	free(text);
	return ok;
}

/* ---- Files ---- */

static bool
check_mode(const char *path, const struct stat *st, struct error *err)
{
	if ((st->st_mode & S_IWOTH) != 0)
		return error_perm(err, "%s: anyone may write here, so its "
		    "settings cannot be trusted; run: chmod o-w %s", path,
		    path);
	return true;
}

static bool
read_fd(int fd, const char *path, struct buf *text, struct error *err)
{
	char block[8192];
	ssize_t got;

	for (;;) {
		got = read(fd, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, "cannot read %s", path);
		if (got == 0)
			return true;
		if (!buf_append(text, block, (size_t)got))
			return error_perm(err, "%s: more than %zu bytes; split "
			    "it into several files", path, text->max);
	}
}

bool
conf_load(const char *path, struct buf *text, struct error *err)
{
	struct stat st;
	bool ok = false;
	int fd;

	/* O_NONBLOCK: a FIFO here must not make us wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT) {
		error_perm(err, "%s: No such file; write it or name another",
		    path);
		goto out;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		error_errno(err, "cannot open %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		error_perm(err, "%s: not a regular file; name a file, or move "
		    "this away", path);
		goto out;
	}
	ok = check_mode(path, &st, err) && read_fd(fd, path, text, err);
out:
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
read_file(struct conf *c, const char *path, struct error *err)
{
	struct buf text;
	bool ok;

	buf_init(&text, FILE_BYTES_MAX);
	ok = conf_load(path, &text, err) &&
	    parse(c, path, buf_text(&text), text.len, err);
	buf_clear(&text);
	return ok;
}

static bool
is_conf_name(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".conf") == 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lists the files of the directory, as paths, by name. */
static bool
list_directory(const char *path, struct strvec *files, struct error *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct stat st;
	bool ok = false;

	if (d == NULL && errno == ENOENT)
		return true;
	if (d == NULL || fstat(dirfd(d), &st) < 0) {
		error_errno(err, "cannot open %s", path);
		goto out;
	}
	if (!check_mode(path, &st, err))
		goto out;
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (!is_conf_name(e->d_name))
			continue;
		if (files->n >= FILES_MAX) {
			error_perm(err, "%s: more than %d files; join some",
			    path, FILES_MAX);
			goto out;
		}
		strvec_take(files, mem_printf("%s/%s", path, e->d_name));
	}
	if (errno != 0) {
		error_errno(err, "cannot read %s", path);
		goto out;
	}
	qsort(files->v, files->n, sizeof(*files->v), compare_names);
	ok = true;
out:
	if (d != NULL)
		closedir(d);
	return ok;
}

static bool
read_directory(struct conf *c, const char *main_path, struct error *err)
{
	const char *slash = strrchr(main_path, '/');
	char *path = mem_printf("%.*sconf.d",
	    slash == NULL ? 0 : (int)(slash - main_path) + 1, main_path);
	struct strvec files = { 0 };
	bool ok = list_directory(path, &files, err);

	for (size_t i = 0; ok && i < files.n; i++)
		ok = read_file(c, files.v[i], err);
	strvec_clear(&files);
	free(path);
	return ok;
}

struct conf *
conf_read(const char *path, struct error *err)
{
	struct conf *c = mem_alloc(sizeof(*c));

	if (!read_file(c, path, err) || !read_directory(c, path, err)) {
		conf_free(c);
		c = NULL;
	}
	return c;
}

struct conf *
conf_parse(const char *file, const char *text, size_t n, struct error *err)
{
	struct conf *c = mem_alloc(sizeof(*c));

	if (!parse(c, file, text, n, err)) {
		conf_free(c);
		c = NULL;
	}
	return c;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->nsections; i++) {
		struct conf_section *section = &c->sections[i];

		for (size_t k = 0; k < section->nvalues; k++) {
			free(section->values[k].key);
			free(section->values[k].text);
			strvec_clear(&section->values[k].items);
		}
		free(section->values);
		free(section->type);
		free(section->name);
	}
	free(c->sections);
	strvec_clear(&c->files);
	free(c);
}

bool
conf_error(struct error *err, const struct conf_pos *pos, const char *fmt,
    ...)
{
	va_list ap;

	err->kind = ERROR_PERM;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return error_prefix(err, "%s:%u:%u", pos->file, pos->line,
	    pos->column);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/*
 * Edits (insert, delete, change, swap neighbours) from a to b, without
 * regard to ASCII case; both at most NEAREST_MAX bytes.
 */
static size_t
distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	for (size_t k = 0; k <= nb; k++)
		last[k] = before[k] = k;
	for (size_t i = 1; i <= na; i++) {
		now[0] = i;
		for (size_t k = 1; k <= nb; k++) {
			bool same = lower(a[i - 1]) == lower(b[k - 1]);
			size_t best = last[k - 1] + (same ? 0 : 1);

			if (last[k] + 1 < best)
				best = last[k] + 1;
			if (now[k - 1] + 1 < best)
				best = now[k - 1] + 1;
			if (i > 1 && k > 1 && before[k - 2] + 1 < best &&
			    lower(a[i - 1]) == lower(b[k - 2]) &&
			    lower(a[i - 2]) == lower(b[k - 1]))
				best = before[k - 2] + 1;
			now[k] = best;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

const char *
conf_nearest(const char *word, const char *const *words)
{
	size_t n = strlen(word), best = n / 3 + 1;
	const char *nearest = NULL;

	if (n > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; words[i] != NULL; i++) {
		size_t len = strlen(words[i]), d;

		if (len > NEAREST_MAX)
			continue;
		d = distance(word, n, words[i], len);
		if (d < best) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}
