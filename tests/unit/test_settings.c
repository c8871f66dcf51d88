/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/settings.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tests/unit/tap.h"

struct machine {
	char *label; /* default: filled in */
	int64_t speed;
	int64_t room;
	bool open;
	struct strvec gates;
	int colour;
};

struct train {
	char *machine;
	char *route;
	struct strvec stops;
};

struct stop {
	int64_t wait;
};

static const char *const colours[] = { "red", "green", NULL };
static const char *const to_depot[] = { "depot", NULL };
static const char *const to_stop[] = { "stop", NULL };

#define AT(type, member) offsetof(struct type, member)
static const struct param machine_params[] = {
	{ .name = "label", .type = PARAM_STRING,
	    .offset = AT(machine, label), .help = "Name of the machine" },
	{ .name = "speed", .type = PARAM_INT, .offset = AT(machine, speed),
	    .def = "5", .min = 1, .max = 10, .help = "How fast it is" },
	{ .name = "room", .type = PARAM_SIZE, .offset = AT(machine, room),
	    .def = "10M", .help = "How much it carries" },
	{ .name = "open", .type = PARAM_BOOL, .offset = AT(machine, open),
	    .def = "yes", .help = "Whether it is open" },
	{ .name = "gates", .type = PARAM_LIST, .offset = AT(machine, gates),
	    .def = "a, \"b, c\"", .help = "Where one gets in" },
	{ .name = "colour", .type = PARAM_ENUM, .offset = AT(machine, colour),
	    .def = "green", .words = colours, .help = "How it looks" },
};
static const struct param train_params[] = {
	{ .name = "machine", .type = PARAM_REF, .offset = AT(train, machine),
	    .words = to_depot, .help = "Where it stands" },
	{ .name = "route", .type = PARAM_STRING, .offset = AT(train, route),
	    .required = true, .help = "Where it goes" },
	{ .name = "stops", .type = PARAM_REFS, .offset = AT(train, stops),
	    .words = to_stop, .help = "Where it halts" },
};
static const struct param stop_params[] = {
	{ .name = "wait", .type = PARAM_TIME, .offset = AT(stop, wait),
	    .def = "30s", .help = "How long it halts" },
};

static void
machine_defaults(void *values)
{
	struct machine *m = values;

	if (m->label == NULL)
		m->label = mem_strdup("number one");
}

static bool
train_check(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct train *t = values;

	if (strcmp(t->route, "nowhere") == 0)
		return settings_error(s, "train", name, "route", err,
		    "goes %s", t->route);
	if (strcmp(t->route, "no stops") == 0)
		return settings_error(s, "train", name, "stops", err,
		    "needs some");
	if (strcmp(t->route, "elsewhere") == 0)
		return settings_error(s, "machine", NULL, "speed", err,
		    "is too slow");
	return true;
}

static const struct section_type machine_section = { .type = "machine",
	.params = machine_params, .nparams = 6,
	.size = sizeof(struct machine), .defaults = machine_defaults };
static const struct section_type train_section = { .type = "train",
	.named = true, .params = train_params, .nparams = 3,
	.size = sizeof(struct train), .check = train_check };
static const struct section_type stop_section = { .type = "stop",
	.named = true, .params = stop_params, .nparams = 1,
	.size = sizeof(struct stop) };
static const struct section_type depot_section = { .type = "depot",
	.named = true };

static const struct section_type *const types[] = { &machine_section,
	&train_section, &stop_section, &depot_section, NULL };

static struct settings *
parse(const char *text)
{
	struct error err = { 0 };
	struct settings *s = settings_parse("f", text, strlen(text), types,
	    &err);

	if (s == NULL)
		printf("# %s\n", err.text);
	return s;
}

static void
refused(const char *text, const char *want, const char *name)
{
	struct error err = { 0 };
	struct settings *s = settings_parse("f", text, strlen(text), types,
	    &err);

	check_str(s != NULL ? "(accepted)" : err.text, want, name);
	check(s != NULL || err.kind == ERROR_PERM, "and it is for good");
	settings_free(s);
}

static void
test_values(void)
{
	struct settings *s = parse("stop b { wait = 2m }\n"
	    "train express {\n"
	    "\troute = there and back\n"
	    "\tstops = b, a\n"
	    "\tmachine = east\n"
	    "}\n"
	    "stop a { }\n"
	    "depot east { }\n"
	    "machine {\n\tgates = x\n\topen = no\n}\n"
	    "destination example.net { whatever = ours not }\n");
	const struct machine *m;
	const struct train *t;
	const struct stop *stop;
	const char *name = NULL;

	if (!check(s != NULL, "a file of all kinds is read"))
		return;
	m = settings_get(s, "machine");
	check(m->speed == 5 && m->room == 10 << 20 && m->colour == 1,
	    "what is not written has its default");
	check(!m->open && m->gates.n == 1 && strcmp(m->gates.v[0], "x") == 0,
	    "what is written replaces the default");
	check_str(m->label, "number one",
	    "a default that no table knows is filled in");
	t = settings_find(s, "train", "express");
	check(t != NULL && strcmp(t->route, "there and back") == 0 &&
	    t->stops.n == 2 && strcmp(t->machine, "east") == 0,
	    "a named section is found by its name");
	check(settings_find(s, "train", "local") == NULL &&
	    settings_find(s, "bus", "express") == NULL,
	    "one that is not there is not found");
	check(settings_find(s, "destination", "example.net") == NULL,
	    "another program's section is skipped");
	check(settings_count(s, "stop") == 2 &&
	    settings_count(s, "destination") == 0,
	    "sections are counted by type");
	stop = settings_at(s, "stop", 0, &name);
	check(stop->wait == 120 && strcmp(name, "b") == 0,
	    "sections of a type come in file order");
	stop = settings_at(s, "stop", 1, &name);
	check(stop->wait == 30 && strcmp(name, "a") == 0,
	    "an empty section has the defaults");
	stop = settings_get(s, "stop");
	check(stop->wait == 30, "the defaults of a named type can be had");
	check(settings_given(s, "machine", NULL, "open") &&
	    !settings_given(s, "machine", NULL, "speed") &&
	    settings_given(s, "stop", "b", "wait") &&
	    !settings_given(s, "stop", "a", "wait") &&
	    !settings_given(s, "stop", "c", "wait"),
	    "it is known what was written");
	settings_free(s);
}

static void
test_defaults(void)
{
	struct settings *s = parse("");
	const struct machine *m = s == NULL ? NULL :
					      settings_get(s, "machine");

	check(m != NULL && m->speed == 5 && m->open && m->gates.n == 2 &&
	    strcmp(m->gates.v[1], "b, c") == 0,
	    "an empty file gives the defaults, lists in quotes too");
	settings_free(s);
	s = parse("machine {\n gates = \"\"\n label = \"\"\n}");
	m = s == NULL ? NULL : settings_get(s, "machine");
	check(m != NULL && m->gates.n == 0, "\"\" empties a list");
	check_str(m == NULL ? NULL : m->label, "number one",
	    "\"\" in place of a text asks for what fills it in");
	settings_free(s);
}

static void
test_unknown(void)
{
	refused("machin {\n}", "f:1:1: machin: there is no such section; did "
	    "you mean \"machine\"?", "an unknown section gets the nearest");
	refused("mail-polciy x {\n}", "f:1:1: mail-polciy x: there is no such "
	    "section; did you mean \"mail-policy\"?",
	    "also among those of other programs");
	refused("boat {\n}", "f:1:1: boat: there is no such section; "
	    "postseal.conf(5) lists them", "or the place to look");
	refused("machine {\n\tsped = 3\n}", "f:2:2: machine: sped: there is no "
	    "such setting; did you mean \"speed\"?",
	    "an unknown key gets the nearest");
	refused("stop x {\n\tspeed = 3\n}", "f:2:2: stop x: speed: there is no "
	    "such setting; postseal.conf(5) lists those of stop",
	    "or the place to look");
	refused("machine {\n\tcolour = grene\n}", "f:2:11: machine: colour: "
	    "\"grene\" is not known; write red or green (did you mean "
	    "\"green\"?)", "an unknown word gets the list");
	refused("depot east {\n}\ntrain x {\n\troute = y\n\tmachine = eats\n}",
	    "f:5:2: train x: machine: there is no depot \"eats\"; did you "
	    "mean \"east\"?", "a reference to nothing gets the nearest");
	refused("train x {\n\troute = y\n\tstops = a\n}", "f:3:2: train x: "
	    "stops: there is no stop \"a\"; add that section or name another",
	    "a list of references is checked");
	refused("stop east {\n}\ntrain x {\n\troute = y\n\tmachine = east\n}",
	    "f:5:2: train x: machine: there is no depot \"east\"; add that "
	    "section or name another", "a reference has a type");
}

static void
test_shape(void)
{
	refused("machine x {\n}", "f:1:1: machine x: the section takes no "
	    "name; write \"machine {\"", "a name too many is refused");
	refused("stop {\n}", "f:1:1: stop: the section has no name; write "
	    "\"stop NAME {\"", "a missing name is refused");
	refused("stop x {\n}\nstop y {\n}\nstop x {\n}", "f:5:1: stop x: the "
	    "section is there already, at f:1:1; put its settings into one "
	    "or rename it", "a repeated section names the first place");
	refused("machine {\n}\nmachine {\n}", "f:3:1: machine: the section is "
	    "there already, at f:1:1; put its settings into one or rename it",
	    "also one without name");
	refused("destination x {\n}\ndestination x {\n}", "f:3:1: destination "
	    "x: the section is there already, at f:1:1; put its settings into "
	    "one or rename it", "also another program's");
	refused("train x {\n}", "f:1:1: train x: route: the setting is "
	    "missing; it must be given", "a required setting is missed");
	refused("train x {\n\troute = \"\"\n}", "f:2:10: train x: route: must "
	    "not be empty", "and may not be empty");
	refused("machine {\n\tspeed = 11\n}", "f:2:10: machine: speed: \"11\" "
	    "is out of range; write a whole number from 1 to 10",
	    "a value out of range is refused at its place");
	refused("train x {\n\troute = nowhere\n}",
	    "f:2:2: train x: route: goes nowhere",
	    "a check's error stands at its key");
	refused("train x {\n\troute = no stops\n}",
	    "f:1:1: train x: stops: needs some",
	    "at the section when the key is not written");
	refused("train x {\n\troute = elsewhere\n}",
	    "f: machine: speed: is too slow",
	    "at the file when the section is not");
}

static char *
printed(const struct settings *s)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (s != NULL)
		settings_print(s, out);
	else
		settings_print_defaults(types, out);
	fclose(out);
	return text;
}

static void
test_print(void)
{
	struct settings *s = parse("machine {\n\tspeed = 5\n\tcolour = red\n"
	    "\tgates = \"a b\", c\n\troom = 2048\n}\n"
	    "destination skipped {\n}\n"
	    "stop a {\n\twait = 30\n}\nstop b {\n\twait = 120s\n}\n"
	    "train t {\n\troute = \"say \\\"go\\\" # \\\\ {now}, please\"\n"
	    "\tmachine = d\n\tstops = a\n}\ndepot d {\n}\n");
	struct settings *again;
	char *first, *second;

	if (!check(s != NULL, "a file is read"))
		return;
	first = printed(s);
	check_str(first,
	    "machine {\n\troom = 2K\n\tgates = \"a b\",\n\t    c\n"
	    "\tcolour = red\n}\n"
	    "stop a {\n}\nstop b {\n\twait = 2m\n}\n"
	    "train t {\n\tmachine = d\n"
	    "\troute = \"say \\\"go\\\" # \\\\ {now}, please\"\n"
	    "\tstops = a\n}\ndepot d {\n}\n",
	    "-n prints what differs from the defaults");
	again = parse(first);
	second = again == NULL ? NULL : printed(again);
	check_str(second, first, "read again it prints the same");
	free(first);
	free(second);
	settings_free(s);
	settings_free(again);
}

static void
test_print_defaults(void)
{
	static const struct section_type *const two[] = { &machine_section,
		&stop_section, NULL };
	struct error err = { 0 };
	struct settings *s;
	char *text = printed(NULL);
	size_t n = 0;
	FILE *out;

	check(strstr(text, "machine {\n"
	    "\t# Name of the machine (text)\n\tlabel = \"\"\n"
	    "\t# How fast it is (a whole number from 1 to 10)\n"
	    "\tspeed = 5\n") != NULL,
	    "-d prints each default with its range and sentence");
	check(strstr(text, "train NAME {\n") != NULL &&
	    strstr(text, "\t# Where it goes (required: text)\n"
	    "\t# route =\n") != NULL,
	    "-d prints what is required as a comment");
	free(text);

	text = NULL;
	out = open_memstream(&text, &n);
	settings_print_defaults(two, out);
	fclose(out);
	s = settings_parse("f", text, n, types, &err);
	check(s != NULL, "what -d prints can be read");
	free(text);
	text = s == NULL ? NULL : printed(s);
	check_str(text, "stop NAME {\n}\n", "and differs in nothing");
	free(text);
	settings_free(s);
}

static void
test_many(void)
{
	struct buf b;
	struct settings *s;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "stop s%d {\n}\ntrain t%d {\nroute = x\n"
		    "stops = s%d\n}\n", i, i, 4999 - i);
	s = parse(buf_text(&b));
	check(s != NULL && settings_count(s, "train") == 5000 &&
	    settings_find(s, "stop", "s4711") != NULL,
	    "ten thousand sections are read");
	settings_free(s);
	buf_clear(&b);
}

static void
test_read(void)
{
	struct error err = { 0 };

	check(settings_read("/nonexistent/postseal.conf", types, &err) == NULL
	    && strstr(err.text, "/nonexistent/postseal.conf: No such file")
	    != NULL, "a file that is not there is an error");
}

int
main(void)
{
	test_values();
	test_defaults();
	test_unknown();
	test_shape();
	test_print();
	test_print_defaults();
	test_many();
	test_read();
	return tap_done();
}
