/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/smime_settings.h"

#include "tap.h"

static struct settings *
parse(const char *lines, struct error *err)
{
	char text[1024];

	snprintf(text, sizeof(text), "milter-smime {\n%s\n}\n", lines);
	return settings_parse("f", text, strlen(text), smime_section_types,
	    err);
}

static void
taken(const char *lines, size_t n, const char *says)
{
	const struct milter_smime_settings *v;
	struct error err = {0};
	struct settings *s = parse(lines, &err);

	v = s == NULL ? NULL : settings_get(s, "milter-smime");
	if (!check(v != NULL && v->quarantine.n == n, "%s", says))
		printf("# %s\n", err.text);
	settings_free(s);
}

static void
refused(const char *lines, const char *part, const char *says)
{
	struct error err = {0};
	struct settings *s = parse(lines, &err);

	if (!check(s == NULL && strstr(err.text, part) != NULL &&
	    strncmp(err.text, "f:2:", 4) == 0, "%s", says))
		printf("#  got: %s\n", s != NULL ? "(taken)" : err.text);
	settings_free(s);
}

static void
test_quarantine(void)
{
	taken("", 1, "there is one quarantine");
	taken("quarantine = \"\"", 0, "there may be none");
	taken("quarantine = Policy, Virus, spam_2.x-y", 3,
	    "there may be several");
	refused("quarantine = Policy, \"a b\"", "\"a b\" is no name",
	    "a name with a blank is refused");
	refused("quarantine = -x", "is no name",
	    "a name that begins with a hyphen is refused");
	refused("quarantine = \"a\xc3\xa4\"", "is no name",
	    "a name with other letters is refused");
	refused("quarantine = "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "at most 64", "a name of 65 characters is refused");
	refused("quarantine = Policy, Virus, POLICY", "POLICY is there twice",
	    "names are equal whatever the case");
}

static void
test_listeners(void)
{
	static const char *const keys[] = {"reinject", "reinject_hold",
		"reinject_bounce"};
	char line[128], part[64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "%s = inet:127.0.0.1:25",
		    keys[i]);
		taken(line, 1, "a listener may be written as an endpoint");
		snprintf(line, sizeof(line), "%s = http://127.0.0.1:25",
		    keys[i]);
		snprintf(part, sizeof(part), "%s: \"http:", keys[i]);
		refused(line, part, "a listener of another kind is refused");
	}
}

int
main(void)
{
	test_quarantine();
	test_listeners();
	return tap_done();
}
