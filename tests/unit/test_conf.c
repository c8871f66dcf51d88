/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/tap.h"

static struct conf *
parse(const char *text)
{
	struct error err = { 0 };
	struct conf *c = conf_parse("f", text, strlen(text), &err);

	if (c == NULL)
		printf("# %s\n", err.text);
	return c;
}

/* The text is refused, and the message begins and goes on like this. */
static void
refused_n(const char *text, size_t n, const char *start, const char *part,
    const char *name)
{
	struct error err = { 0 };
	struct conf *c = conf_parse("f", text, n, &err);
	bool good = c == NULL && err.kind == ERROR_PERM &&
	    strncmp(err.text, start, strlen(start)) == 0 &&
	    strstr(err.text, part) != NULL;

	check(good, "%s", name);
	if (!good)
		printf("#  got: %s\n# want: %s…%s\n",
		    c != NULL ? "(accepted)" : err.text, start, part);
	conf_free(c);
}

static void
refused(const char *text, const char *start, const char *part,
    const char *name)
{
	refused_n(text, strlen(text), start, part, name);
}

/* The first value of the first section. */
static void
value_is(const char *text, const char *want, const char *name)
{
	struct conf *c = parse(text);

	check_str(c == NULL || c->nsections == 0 ||
	    c->sections[0].nvalues == 0 ? NULL : c->sections[0].values[0].text,
	    want, name);
	conf_free(c);
}

/* Its items, joined by `|`. */
static void
items_are(const char *text, const char *want, const char *name)
{
	struct conf *c = parse(text);
	struct buf joined;

	buf_init(&joined, 1000);
	if (c != NULL && c->nsections > 0 && c->sections[0].nvalues > 0) {
		const struct strvec *items = &c->sections[0].values[0].items;

		for (size_t i = 0; i < items->n; i++)
			buf_printf(&joined, "%s%s", i > 0 ? "|" : "",
			    items->v[i]);
	}
	check_str(buf_text(&joined), want, name);
	buf_clear(&joined);
	conf_free(c);
}

static void
test_shape(void)
{
	struct conf *c = parse("# comment\n"
	    "sending-profile bank {\n"
	    "    mode   = sign-encrypt   # inline\n"
	    "    no_key = split\n"
	    "}\n"
	    "certificate-query cac { filter = "
	    "\"(&(caccn={cn})(cacserial={sn}))\" }\n"
	    "alerts{recipients=a@b.example}\npostseal { }");
	const struct conf_section *s;

	if (!check(c != NULL && c->nsections == 4, "four sections are read"))
		return;
	s = &c->sections[0];
	check_str(s->type, "sending-profile", "a section has its type");
	check_str(s->name, "bank", "a section has its name");
	check(s->nvalues == 2 && strcmp(s->values[1].key, "no_key") == 0,
	    "a section has its keys in order");
	check_str(s->values[0].text, "sign-encrypt",
	    "a comment after a blank is no part of the value");
	check(s->pos.line == 2 && s->pos.column == 1 &&
	    s->values[1].key_pos.line == 4 &&
	    s->values[1].key_pos.column == 5 &&
	    s->values[1].value_pos.column == 14,
	    "section, key and value know their line and column");
	check_str(s->values[0].key_pos.file, "f", "positions name the file");
	s = &c->sections[1];
	check(s->nvalues == 1 && strcmp(s->values[0].text,
	    "(&(caccn={cn})(cacserial={sn}))") == 0,
	    "a section may stand on one line, braces in quotes are text");
	s = &c->sections[2];
	check(s->name == NULL && s->nvalues == 1 &&
	    strcmp(s->values[0].text, "a@b.example") == 0,
	    "blanks around braces and = may be left out");
	check(c->sections[3].nvalues == 0, "a section may be empty");
	conf_free(c);
	c = parse("");
	check(c != NULL && c->nsections == 0, "an empty file has no section");
	conf_free(c);
	c = parse("# only this");
	check(c != NULL && c->nsections == 0,
	    "a file of one comment without line end is well");
	conf_free(c);
}

static void
test_values(void)
{
	value_is("a {\n\tk = one two  three \t\n}", "one two  three",
	    "blanks inside a value stay, those around it go");
	value_is("a { k = \" x \" }", " x ", "quotes keep blanks");
	value_is("a { k = \"\" }", "", "an empty value is written with quotes");
	value_is("a { k = \"a \\\"b\\\" \\\\c\" }", "a \"b\" \\c",
	    "inside quotes there are two escapes");
	value_is("a { k = c:\\x }", "c:\\x",
	    "outside quotes a backslash is a backslash");
	value_is("a { k = a#b #c\n}", "a#b",
	    "# begins a comment only after a blank");
	value_is("a { k = \"a # b\" # c\n}", "a # b",
	    "# inside quotes is text");
	value_is("a { k = 525 Dear user, please }", "525 Dear user, please",
	    "text may hold commas");
	value_is("a { k = cn=x, dc=example,dc=net\n}",
	    "cn=x, dc=example,dc=net", "a distinguished name needs no quotes");
	value_is("a { k = one, # first\n\n  # more\n\t two,three\n}",
	    "one, two,three",
	    "a comma continues the value over comments and empty lines");
	value_is("a { k = \"a\", b }", "\"a\", b",
	    "the text of a list keeps its quotes");
	value_is("a { k = b\xc3\xbc" "cher }", "b\xc3\xbc" "cher",
	    "UTF-8 is taken");
	items_are("a { k = one , two,\n\tthree }", "one|two|three",
	    "a list is split at commas");
	items_are("a { k = \"a, b\" , \"c\\\"\", d e }", "a, b|c\"|d e",
	    "quoted items may hold commas");
	items_are("a { k = one }", "one", "a single value is a list of one");
}

static void
test_two_readings(void)
{
	refused("a {\n k = 1\n k = 2\n}", "f:3:2: a: k: ", "first at line 2",
	    "a repeated key is refused with the first place");
	refused("a {\n k = one,\n other = x\n}", "f:3:2: ", "comma",
	    "a comma too many does not swallow the next setting");
	refused("a {\n k = one,\n other=x\n}", "f:3:2: ", "comma",
	    "nor one written without blanks");
	refused("a { base = dc=x starttls = yes }", "f:1:17: ", "new line",
	    "two settings on a line are refused");
	refused("a { base = dc=x starttls=yes }", "f:1:17: ", "new line",
	    "so are two without blanks around =");
	refused("a { k = x, other = yes }", "f:1:12: ", "quotes",
	    "and one after a comma");
	refused("a { k = (&(x={cn})) }", "f:1:14: ", "double quotes",
	    "an unquoted { is refused");
	refused("a { k = x}y }", "f:1:11: ", "double quotes",
	    "an unquoted } ends the section, what follows is none");
	refused("a { k = (b}) }", "f:1:12: ", "double quotes",
	    "a ) behind an unquoted } is refused");
	refused("a { k = x \"y\" }", "f:1:11: ", "whole value",
	    "quotes inside a value are refused");
	refused("a { k = \"x\" y }", "f:1:12: ", "whole value",
	    "text behind quotes is refused");
	refused("a { k = \"x\"#y\n}", "f:1:12: ", "closing quote",
	    "a # directly behind quotes is no comment");
	refused("a { k = one,, two }", "f:1:13: ", "item is missing",
	    "an empty item is refused");
	refused("a { k = , two }", "f:1:9: ", "item is missing",
	    "an empty first item is refused");
	refused("a { k = one, }", "f:1:14: ", "item is missing",
	    "a comma before } is refused");
	refused("a { k = one,\n\n}", "f:3:1: ", "item is missing",
	    "a comma before } on its own line is refused");
	refused("a {\n k =\n}", "f:2:5: ", "value is missing",
	    "a missing value is refused");
	refused("a {\n k = # none\n}", "f:2:12: ", "value is missing",
	    "a comment is no value");
}

static void
test_structure(void)
{
	refused("postseal {\n hostname = x\n\nalerts {\n}\n", "f:4:8: ",
	    "} is missing", "a missing } is found where the next section "
	    "begins");
	refused("a {\n k = x\n\ncertificate b {\n", "f:4:13: ",
	    "} is missing", "also when that has a name");
	refused("a x {\n k = y\n", "f:1:1: a x: ", "not closed",
	    "a missing } at the end names the section's beginning");
	refused("a\n{\n}", "f:1:2: ", "expected {", "{ stands on the same "
	    "line");
	refused("a b c {\n}", "f:1:5: ", "expected {",
	    "a section has one name");
	refused("k = v\n", "f:1:3: ", "outside of a section",
	    "a setting outside of a section is refused");
	refused("a { } b { }", "f:1:7: ", "new line",
	    "a section begins on a new line");
	refused("a { }\n}\n", "f:2:1: ", "remove the }",
	    "a } too many is refused");
	refused("a { = x }", "f:1:5: ", "expected a setting",
	    "a missing key is refused");
	refused("a { k : x }", "f:1:7: ", "expected =",
	    "something else than = is refused");
	refused("{ k = x }", "f:1:1: ", "expected a section",
	    "a section without type is refused");
	refused("a { k = \"x\n}", "f:1:9: ", "not closed",
	    "an unterminated quote is refused at its beginning");
	refused("a { k = \"x\\", "f:1:11: ", "escape",
	    "a backslash at the end is refused");
	refused("a { k = \"\\n\" }", "f:1:10: ", "escape",
	    "an unknown escape is refused");
	refused("a {", "f:1:1: a: ", "not closed",
	    "an open section at the end is refused");
	refused("a", "f:1:2: ", "expected {", "a lone word is refused");
}

static void
test_bytes(void)
{
	static const char nul[] = "a { k = x\0y }";

	refused("\xef\xbb\xbf" "a { }", "f:1:1: ", "byte order mark",
	    "a byte order mark is refused by name");
	refused("a {\r\n}\r\n", "f:1:4: ", "carriage return",
	    "CRLF is refused by name");
	refused_n(nul, sizeof(nul) - 1, "f:1:10: ", "NUL",
	    "a NUL byte is refused by name");
	refused("a { k = x\001 }", "f:1:10: ", "U+0001",
	    "control characters are refused");
	refused("# \x7f", "f:1:3: ", "U+007F",
	    "also DEL and also in comments");
	refused("# \xc2\x85", "f:1:3: ", "U+0085", "also C1 controls");
	refused("\n# \xe9t\xe9", "f:2:3: ", "0xe9 is not UTF-8",
	    "Latin-1 is refused with its place");
	refused("# \xc0\xaf", "f:1:3: ", "not UTF-8",
	    "overlong UTF-8 is refused");
	refused("# \xed\xa0\x80", "f:1:3: ", "not UTF-8",
	    "surrogates are refused");
	refused("# \xe2\x82", "f:1:3: ", "not UTF-8",
	    "a character cut off is refused");
	value_is("a {\n\tk\t=\tx\ty\t\n}", "x\ty", "a tab is a blank");
}

static char *
repeat(const char *head, const char *piece, size_t times, const char *tail)
{
	struct buf b;

	buf_init(&b, 4 << 20);
	buf_puts(&b, head);
	for (size_t i = 0; i < times; i++)
		buf_puts(&b, piece);
	buf_puts(&b, tail);
	return buf_take(&b);
}

static void
test_sizes(void)
{
	struct buf keys;
	char *text;

	text = repeat("a { k = ", "xxxxxxxx", 1 << 17, "\n}");
	refused(text, "f:1:1: ", "larger than", "a 1 MB line is refused");
	free(text);
	text = repeat("\na { k = ", "xxxxxxxx", 1 << 14, "\n}");
	refused(text, "f:2:1: ", "line is longer",
	    "a line over 64 KiB is refused");
	free(text);
	text = repeat("", "a { } # x\n", 10001, "");
	refused(text, "f:10001:1: ", "sections",
	    "more than 10,000 sections are refused");
	free(text);
	text = repeat("a { k = x", ",\nx", 10000, " }");
	refused(text, "f:10001:1: ", "items",
	    "more than 10,000 items are refused");
	free(text);
	text = repeat("", "a", 300, " { }");
	refused(text, "f:1:1: ", "word is longer", "a long word is refused");
	free(text);
	buf_init(&keys, 1 << 20);
	buf_puts(&keys, "a {\n");
	for (int i = 0; i < 201; i++)
		buf_printf(&keys, "k%d = x\n", i);
	buf_puts(&keys, "}");
	refused(buf_text(&keys), "f:202:1: ", "settings",
	    "more than 200 keys in a section are refused");
	buf_clear(&keys);
}

static void
put(const char *directory, const char *name, const char *text, mode_t mode)
{
	char *path = mem_printf("%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 ||
	    fchmod(fd, mode) != 0)
		printf("# cannot write %s\n", path);
	if (fd >= 0)
		close(fd);
	free(path);
}

static void
unreadable(const char *path, const char *part, const char *name)
{
	struct error err = { 0 };
	struct conf *c = conf_read(path, &err);

	check(c == NULL && strstr(err.text, part) != NULL, "%s", name);
	if (c != NULL || strstr(err.text, part) == NULL)
		printf("# got: %s\n", err.text);
	conf_free(c);
}

static void
test_files(void)
{
	char directory[200];
	struct error err = { 0 };
	struct conf *c;
	char *path, *more;

	snprintf(directory, sizeof(directory), "%.150s/conf-XXXXXX",
	    getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(directory) == NULL)
		return;
	path = mem_printf("%s/postseal.conf", directory);
	more = mem_printf("%s/conf.d", directory);
	unreadable(path, "No such file", "a file that is not there is an "
	    "error");
	put(directory, "postseal.conf", "main { }\n", 0644);
	c = conf_read(path, &err);
	check(c != NULL && c->nsections == 1, "conf.d may be missing");
	conf_free(c);

	mkdir(more, 0755);
	put(more, "b.conf", "b { }\n", 0644);
	put(more, "a.conf", "a { }\n", 0644);
	put(more, "B.conf", "upper { }\n", 0644);
	put(more, ".c.conf", "hidden {\n", 0644);
	put(more, "d.conf~", "backup {\n", 0644);
	put(more, "e.dpkg-old", "old {\n", 0644);
	c = conf_read(path, &err);
	check(c != NULL && c->nsections == 4 && c->files.n == 4 &&
	    strcmp(c->sections[0].type, "main") == 0 &&
	    strcmp(c->sections[1].type, "upper") == 0 &&
	    strcmp(c->sections[2].type, "a") == 0 &&
	    strcmp(c->sections[3].type, "b") == 0,
	    "files of conf.d come after the main one, by byte order of name, "
	    "without hidden ones and other endings");
	check(c != NULL && c->nsections == 4 &&
	    strstr(c->sections[2].pos.file, "/conf.d/a.conf") != NULL,
	    "their positions name them");
	conf_free(c);

	put(more, "z.conf", "z {\n", 0644);
	unreadable(path, "/conf.d/z.conf:1:1: z: ", "an error in conf.d names "
	    "that file");
	put(more, "z.conf", "z { }\n", 0646);
	unreadable(path, "chmod o-w", "a file anyone may write is refused");
	put(more, "z.conf", "z { }\n", 0644);
	chmod(more, 0777);
	unreadable(path, "chmod o-w", "so is a conf.d anyone may write");
	chmod(more, 0755);
	unreadable(directory, "regular file", "a directory is no file");

	for (const char *const *n = (const char *const[]) { "b.conf",
	    "a.conf", "B.conf", ".c.conf", "d.conf~", "e.dpkg-old", "z.conf",
	    NULL }; *n != NULL; n++) {
		char *file = mem_printf("%s/%s", more, *n);

		unlink(file);
		free(file);
	}
	rmdir(more);
	unlink(path);
	rmdir(directory);
	free(path);
	free(more);
}

static void
test_nearest(void)
{
	static const char *const words[] = { "accept", "reject", "relay",
		"starttls", "tls", NULL };

	check_str(conf_nearest("acept", words), "accept",
	    "a missing letter is found");
	check_str(conf_nearest("rleay", words), "relay",
	    "swapped letters count as one");
	check_str(conf_nearest("REJECT", words), "reject",
	    "case does not count");
	check_str(conf_nearest("starttsl", words), "starttls",
	    "the nearest of several is taken");
	check_str(conf_nearest("tsl", words), "tls",
	    "a third of three letters may differ");
	check(conf_nearest("tx", words) == NULL,
	    "short words have no neighbours");
	check(conf_nearest("", words) == NULL, "nor has the empty word");
	check(conf_nearest("nothing-like-it", words) == NULL,
	    "a far word is not guessed at");
}

int
main(void)
{
	test_shape();
	test_values();
	test_two_readings();
	test_structure();
	test_bytes();
	test_sizes();
	test_files();
	test_nearest();
	return tap_done();
}
