/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/flow_policy.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/tap.h"

static const struct section_type *const types[] = { &sender_group_section,
	&mail_flow_policy_section, NULL };

static const char config[] =
    "sender-group first { clients = 192.0.2.7\n mail_flow_policy = REFUSED }\n"
    "sender-group hosts {\n"
    "  clients = 192.0.2.0/24, 198.51.100.8-198.51.100.11, 2001:db8::/32,\n"
    "            2001:db9::5-2001:db9::a, mx.partner.example,\n"
    "            .partner.example, b\xc3\xbc" "cher.example, localhost\n"
    "  mail_flow_policy = RELAYED\n"
    "}\n"
    "sender-group submission {\n"
    "  clients = listener:submission\n"
    "  trusted = yes\n"
    "}\n"
    "sender-group users { clients = authenticated\n"
    "  mail_flow_policy = RELAYED }\n"
    "sender-group plain { clients = listener:plain\n"
    "  mail_flow_policy = ACCEPTED }\n"
    "mail-flow-policy RELAYED { behavior = relay\n"
    "  smime_decrypt_verify = yes }\n"
    "mail-flow-policy ACCEPTED { behavior = accept }\n"
    "mail-flow-policy REFUSED { behavior = reject }\n";

static const struct {
	const char *name;
	struct client c;
	const char *group, *policy;
	bool trusted, outgoing;
} cases[] = {
	{ "an address", { "192.0.2.7", "", "", NULL, false }, "first",
	    "REFUSED", false, false },
	{ "an address in a network", { "192.0.2.8", "", "", NULL, false },
	    "hosts", "RELAYED", false, true },
	{ "the first address of a network", { "192.0.2.0", "", "", NULL,
	    false }, "hosts", "RELAYED", false, true },
	{ "the last address of a network", { "192.0.2.255", "", "", NULL,
	    false }, "hosts", "RELAYED", false, true },
	{ "an address beside a network", { "192.0.3.0", "", "", NULL, false },
	    NULL, NULL, false, false },
	{ "an IPv4 address as IPv6 shows it", { "::ffff:192.0.2.7", "", "",
	    NULL, false }, "first", "REFUSED", false, false },
	{ "the start of a range", { "198.51.100.8", "", "", NULL, false },
	    "hosts", "RELAYED", false, true },
	{ "the end of a range", { "198.51.100.11", "", "", NULL, false },
	    "hosts", "RELAYED", false, true },
	{ "an address behind a range", { "198.51.100.12", "", "", NULL,
	    false }, NULL, NULL, false, false },
	{ "an address before a range", { "198.51.100.7", "", "", NULL,
	    false }, NULL, NULL, false, false },
	{ "an IPv6 address in a network", { "2001:DB8:1::1", "", "", NULL,
	    false }, "hosts", "RELAYED", false, true },
	{ "an IPv6 address in a range", { "2001:db9::9", "", "", NULL,
	    false }, "hosts", "RELAYED", false, true },
	{ "an IPv6 address beside them", { "2001:db9::b", "", "", NULL,
	    false }, NULL, NULL, false, false },
	{ "a host name", { "203.0.113.1", "MX.Partner.example", "", NULL,
	    false }, "hosts", "RELAYED", false, true },
	{ "a host below a domain", { "203.0.113.1", "a.b.partner.example",
	    "", NULL, false }, "hosts", "RELAYED", false, true },
	{ "a host name with the root's dot", { "203.0.113.1",
	    "mx.partner.example.", "", NULL, false }, "hosts", "RELAYED",
	    false, true },
	{ "the domain itself", { "203.0.113.1", "partner.example", "", NULL,
	    false }, NULL, NULL, false, false },
	{ "another domain that ends so", { "203.0.113.1",
	    "evilpartner.example", "", NULL, false }, NULL, NULL, false,
	    false },
	{ "an internationalised host name", { "203.0.113.1",
	    "xn--bcher-kva.example", "", NULL, false }, "hosts", "RELAYED",
	    false, true },
	{ "localhost by name", { "127.0.0.1", "localhost", "", NULL, false },
	    "hosts", "RELAYED", false, true },
	{ "an address written as a host name", { "203.0.113.1", "192.0.2.7",
	    "", NULL, false }, NULL, NULL, false, false },
	{ "a listener", { "203.0.113.1", "", "submission", "alice", false },
	    "submission", NULL, true, true },
	{ "a listener without authentication", { "203.0.113.1", "",
	    "submission", NULL, false }, "submission", NULL, true, false },
	{ "an authenticated client", { "203.0.113.1", "", "", "alice",
	    false }, "users", "RELAYED", false, true },
	{ "an authenticated client under an accepting policy", {
	    "203.0.113.1", "", "plain", "alice", false }, "users", "RELAYED",
	    false, true },
	{ "a listener whose policy accepts", { "203.0.113.1", "", "plain",
	    NULL, false }, "plain", "ACCEPTED", false, false },
	{ "an empty user name", { "203.0.113.1", "", "", "", false }, NULL,
	    NULL, false, false },
	{ "nothing known", { "", "", "", NULL, false }, NULL, NULL, false,
	    false },
	{ "nothing at all", { NULL, NULL, NULL, NULL, false }, NULL, NULL,
	    false, false },
	{ "local submission without a group", { "", "", "", NULL, true },
	    NULL, NULL, false, true },
};

static struct settings *
parse(const char *text)
{
	struct error err = { ERROR_NONE, "" };
	struct settings *s = settings_parse("test.conf", text, strlen(text),
	    types, &err);

	if (!check(s != NULL, "the settings are good"))
		printf("# %s\n", err.text);
	return s;
}

static void
test_cases(void)
{
	struct settings *s = parse(config);

	if (s == NULL)
		return;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flow f;

		flow_policy_find(s, &cases[i].c, &f);
		check_str(f.group, cases[i].group, cases[i].name);
		check_str(f.policy, cases[i].policy, "has its policy");
		check(f.settings != NULL && f.trusted == cases[i].trusted &&
			f.outgoing == cases[i].outgoing,
		    "trust and direction follow");
	}
	settings_free(s);
}

static void
test_defaults(void)
{
	static const struct client stranger = { "203.0.113.1", "", "", NULL,
		false };
	struct settings *s = parse("mail-flow-policy x { }\n");
	const struct mail_flow_policy_settings *def;
	struct flow f;

	if (s == NULL)
		return;
	flow_policy_find(s, &stranger, &f);
	def = settings_find(s, "mail-flow-policy", "x");
	check(f.group == NULL && f.policy == NULL &&
		memcmp(f.settings, def, sizeof(*def)) == 0,
	    "without a group the defaults of mail-flow-policy hold");
	settings_free(s);
}

static void
test_keywords(void)
{
	static const struct client any = { "", "", "", NULL, false };
	static const struct client local = { "", "", "", NULL, true };
	struct settings *s = parse(
	    "sender-group l { clients = local\n mail_flow_policy = p }\n"
	    "sender-group a { clients = ALL }\n"
	    "mail-flow-policy p { behavior = accept }\n");
	struct flow f;

	if (s == NULL)
		return;
	flow_policy_find(s, &any, &f);
	check_str(f.group, "a", "ALL is every client");
	flow_policy_find(s, &local, &f);
	check_str(f.group, "l", "local is what sendmail submitted");
	check(!f.outgoing, "and its policy decides the direction");
	settings_free(s);
}

static void
test_entries(void)
{
	static const char *const good[] = { "ALL", "authenticated", "local",
		"listener:submission", "192.0.2.1", "2001:db8::1",
		"192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32",
		"192.0.2.1/32", "192.0.2.1-192.0.2.9", "::1-::2",
		"mx.example.com", "mx-1.example.com", ".example.com", ".example",
		"localhost", ("b\xc3\xbc" "cher.example") };
	static const char *const bad[] = { "", "all", "Authenticated",
		"authenticatd", "listener:", "listner:submission", "192.0.2",
		"192.0.2.", "192.0.2.256", "010.0.0.1", "192.0.2.1/24",
		"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/24x",
		"192.0.2.9-192.0.2.1", "192.0.2.1-", "192.0.2.1-::1",
		"192.0.2.1-9", "2001:db8::/129", "2001:db8::1/64",
		"2001:db8:::1", "*.example.com", "..example.com", ".",
		"mx.example.com/24", "mx example", "user@example.com",
		"fe80::1%eth0" };
	static const char *const meant[][2] = {
		{ "listner:submission", "listener:submission" },
		{ "listener", "listener:NAME" },
		{ "all", "ALL" }, { "authenticatd", "authenticated" },
		{ "locla", "local" },
	};
	struct error err;

	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++) {
		char *ask = mem_printf("\"%s\" is not known here; did you "
		    "mean \"%s\"?", meant[i][0], meant[i][1]);

		err.text[0] = '\0';
		check(!client_pattern_check(meant[i][0], &err),
		    "\"%s\" is misspelt", meant[i][0]);
		check_str(err.text, ask, "and the right word is named");
		free(ask);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check(client_pattern_check(good[i], &err),
		    "\"%s\" is a client", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.text[0] = '\0';
		check(!client_pattern_check(bad[i], &err) &&
			err.text[0] != '\0' && err.kind == ERROR_PERM,
		    "\"%s\" is none: %s", bad[i], err.text);
	}
}

int
main(void)
{
	test_cases();
	test_defaults();
	test_keywords();
	test_entries();
	return tap_done();
}
