/* SPDX-License-Identifier: BSD-2-Clause */
/* The filter language: what is taken, and every error with its place. */
#include "milter-smime/filter_parse.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static struct strvec profiles, quarantines;

static bool
parse(struct filter_set *s, const char *text, size_t n, struct error *err)
{
	struct filter_names names = {&profiles, &quarantines};

	return filter_parse(s, "f", text, n, &names, err);
}

/* ---- what is taken ---- */

static const char *const good[] = {
	"",
	"# nothing but a comment",
	"quarantine_smime_messages: if (smime-gateway-message and not "
	"smime-gateway-verified) { quarantine(\"Policy\"); }",
	"a:if(true){drop();}",
	"a: if (true) { drop() }",
	"a: if true { drop(); }",
	"a: if not valid or true { drop(); } else if (valid) { drop(); }",
	"a: if (true) and (not (valid)) { drop(); }",
	"a!: if (true()) { no-op(); }",
	"a: IF (true AND NOT valid OR encrypted) { drop(); } ELSE { no-op(); }",
	"a: if (true) { drop(); }\n.\nb: if (true) { drop(); }\n  .\r\n",
	"a: # comment\r\n if (true) # another\r\n { drop(); } # end",
	"A_b-9: if (subject == 'it\\'s \"quoted\"') { drop(); }",
	"a: if (header('X-A')) { strip-header('X-A'); }",
	"a: if (header(\"X\") == \"y\" or header(\"X\") != \"z\") { drop(); }",
	"a: if (mail-from == \"^a@b\\\\.example$\" and rcpt-to != \"c\") "
	"{ drop(); }",
	"a: if (sendergroup == \"S\" and recv-listener != \"L\") { drop(); }",
	"a: if (authenticated or authenticated == \"x\") { drop(); }",
	"a: if (body-contains(\"x\") or only-body-contains(\"x\", 2) or "
	"attachment-contains('x', 3)) { drop(); }",
	"a: if (attachment-filename == \"\\.exe$\" or attachment-type != "
	"\"text/\") { drop(); }",
	"a: if (signed and smime-gateway and signed-certificate(\"issuer\" == "
	"\"CA\") and signed-certificate(\"signer\")) { drop(); }",
	"a: if (body-size > 5M and body-size <= 10k or rcpt-count != 3) "
	"{ drop(); }",
	"a: if (random(100) < 5) { drop(); }",
	"a: if (date > \"11/25/2026\" and date < \"12/31/2026 23:59:59\" or "
	"date == '2026-01-01 00:00' or date >= '2026-01-01T10:00:01') "
	"{ drop(); }",
	"a: if (remote-ip == \"192.0.2.1, 192.0.2.0/24 10.1. 10.1.1.0-9 "
	"2001:db8::1\") { drop(); }",
	"a: if (((((true))))) { if (true) { drop(); } else if (valid) "
	"{ bounce(); } elseif (signed) { deliver(); } else { "
	"skip-filters(); } }",
	"a: if (true) { smime-gateway-deferred(\"bank\"); smime-gateway('bank'); "
	"}",
	"a: if (true) { bounce(\"no $Subject for $$5\"); }",
	"a: if (true) { insert-header(\"X-A\", \"$Header['From'] "
	"$remoteip\"); edit-header-text(\"Subject\", \"(a)\", \"\\\\1\"); }",
	"a: if (true) { quarantine('POLICY'); }",
	"a: if (true) { tag-message(\"t\"); log-entry(\"l\"); }",
	"a: if (true) { notify(\"a@b.example\"); notify(\"$EnvelopeFrom\", "
	"\"s\"); notify('$enveloperecipients', 's', ''); bcc(\"a@b.example\", "
	"\"s\", \"$EnvelopeFrom\"); alt-rcpt-to(\"a@b.example\"); }",
	"a: if (subject == \"gr\xc3\xbc\xc3\x9f\") { drop(); }",
};

static void
test_good(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct filter_set s = {0};
		struct error err = {0};

		check(parse(&s, good[i], strlen(good[i]), &err), "taken: %s",
		    good[i]);
		if (err.kind != ERROR_NONE)
			printf("# %s\n", err.text);
		filter_set_clear(&s);
	}
}

/* ---- errors ---- */

#define A "a: if (true) { "

static const struct {
	const char *text, *error;
} bad[] = {
	{"\xef\xbb\xbf" "a: if (true) { drop(); }", "1:1: byte order mark; "
	 "save the file as UTF-8 without one"},
	{"a: if\n  (\x01)", "2:4: control character 0x01"},
	{"a: \xff", "1:4: byte 0xff is no UTF-8"},
	{"a: if (true) { drop(); }\r", "1:25: control character 0x0d"},
	{"a: @", "1:4: unexpected \"@\""},
	{"1: if", "1:1: expected the name of a filter, found \"1\""},
	{"a if", "1:3: expected \":\" behind the name of the filter, found "
	 "\"if\""},
	{"a: drop();", "1:4: expected \"if\", found \"drop\""},
	{"a: if true", "1:11: expected \"{\" before the actions, found the "
	 "end of the file"},
	{"a: if {", "1:7: expected a rule, found \"{\""},
	{"a: if (true) (true) {drop();}", "1:14: expected \"{\" before the "
	 "actions, found \"(\""},
	{"a: if (subject == \"\") {drop();}", "1:19: an empty regular expression "
	 "matches everything; an empty text is \"^$\""},
	{"a: if (", "1:8: expected a rule, found the end of the file"},
	{"a: if (true", "1:12: expected \")\" to end the parenthesis, found the "
	 "end of the file"},
	{"a: if ((true) { drop(); }", "1:15: expected \")\" to end the "
	 "parenthesis, found \"{\""},
	{"a: if (true or) { drop(); }", "1:15: expected a rule, found \")\""},
	{"a: if (subjct == \"x\") { drop(); }", "1:8: unknown rule \"subjct\"; "
	 "did you mean subject?"},
	{"a: if (xyzzy) { drop(); }", "1:8: unknown rule \"xyzzy\""},
	{"a: if (subject) { drop(); }", "1:15: expected == or != behind "
	 "subject, found \")\""},
	{"a: if (subject > \"x\") { drop(); }", "1:16: expected == or != behind "
	 "subject, found \">\""},
	{"a: if (subject == x) { drop(); }", "1:19: expected a regular "
	 "expression in quotes, found \"x\""},
	{"a: if (subject == \"x) { drop(); }", "1:19: the text that begins here "
	 "does not end on its line"},
	{"a: if (header(X)) { drop(); }", "1:15: expected the name of a header "
	 "field in quotes, found \"X\""},
	{"a: if (header(\"X Y\")) { drop(); }", "1:15: \"X Y\" is no name of a "
	 "header field"},
	{"a: if (body-contains(\"x\", 0)) { drop(); }", "1:27: a threshold is "
	 "from 1 to 1000000"},
	{"a: if (body-contains \"x\") { drop(); }", "1:22: expected \"(\" "
	 "before the regular expression, found \"x\""},
	{"a: if (body-size = 5) { drop(); }", "1:18: unexpected \"=\"; write == "
	 "to compare"},
	{"a: if (true && true) { drop(); }", "1:13: unexpected \"&\"; write and"},
	{A "drop();\nb: if (true) { drop(); }", "2:1: expected \"}\" before the "
	 "next filter, found \"b\""},
	{A "no-op();\nb!: if (true) { drop(); }", "2:1: expected \"}\" before "
	 "the next filter, found \"b\""},
	{"a: if (body-size 5) { drop(); }", "1:18: expected a comparison behind "
	 "body-size, found \"5\""},
	{"a: if (body-size > \"5\") { drop(); }", "1:20: expected a number, "
	 "found \"5\""},
	{"a: if (body-size > 5G) { drop(); }", "1:21: \"G\" behind a number; "
	 "write digits, then K, M or nothing"},
	{"a: if (body-size > 99999999999999999999) { drop(); }", "1:20: the "
	 "number is too large"},
	{"a: if (body-size > 9999999999999M) { drop(); }", "1:20: the number is "
	 "too large"},
	{"a: if (random(0) < 1) { drop(); }", "1:15: random needs at least 1"},
	{"a: if (date > \"02/30/2026\") { drop(); }", "1:15: \"02/30/2026\" is "
	 "no date; write \"MM/DD/YYYY HH:MM\" or \"YYYY-MM-DD HH:MM\""},
	{"a: if (remote-ip == \"mx.example\") { drop(); }", "1:21: "
	 "\"mx.example\" is no address"},
	{"a: if (remote-ip == \"\") { drop(); }", "1:21: no address; write an "
	 "address, a network such as 192.0.2.0/24, or a range"},
	{"a: if (signed-certificate(\"subject\" == \"x\")) { drop(); }",
	 "1:27: \"subject\" is nothing of a certificate; write \"issuer\" or "
	 "\"signer\""},
	{"a: if (true) { }", "1:16: expected an action (no-op() does nothing), "
	 "found \"}\""},
	{A "drp(); }", "1:16: unknown action \"drp\"; did you mean drop?"},
	{A "drop; }", "1:20: expected \"(\" behind the action, found \";\""},
	{A "drop(5); }", "1:21: expected \")\" behind the arguments, found "
	 "\"5\""},
	{A "no-op()\n drop(); }", "2:2: expected \";\" behind the action, found "
	 "\"drop\""},
	{A "drop(); bounce(); }", "1:24: nothing runs behind drop()"},
	{A "no-op();", "1:24: expected an action or \"}\", found the end of the "
	 "file"},
	{A "5; }", "1:16: expected an action, \"if\" or \"}\", found \"5\""},
	{A "smime-gateway(\"bnk\"); }", "1:30: unknown sending profile \"bnk\"; "
	 "did you mean bank?"},
	{A "quarantine(\"Polcy\"); }", "1:27: unknown quarantine \"Polcy\"; did "
	 "you mean Policy?"},
	{A "insert-header(\"X-A\"); }", "1:35: expected \",\" before the next "
	 "argument, found \")\""},
	{A "insert-header(\"Content-Type\", \"x\"); }", "1:30: filters cannot "
	 "change Content-Type: it holds the message together, or is the "
	 "gateway's own"},
	{A "strip-header(\"x-quarantine\"); }", "1:29: filters cannot change "
	 "x-quarantine: it holds the message together, or is the gateway's "
	 "own"},
	{A "log-entry(\"a $Subjct\"); }", "1:29: unknown variable $Subjct; did "
	 "you mean $Subject; write $$ for a dollar sign"},
	{A "log-entry(\"\\\\\\\\ $Header\"); }", "1:32: write "
	 "$Header['NAME']"},
	{A "log-entry(\"$Header['a b']\"); }", "1:26: \"a b\" is no name of a "
	 "header field"},
	{A "notify(\"root\"); }", "1:23: \"root\" is no full address; write "
	 "user@domain"},
	{A "bcc(\"$EnvelopeRecipients\"); }", "1:20: an address here is plain "
	 "text or $EnvelopeFrom"},
	{A "notify(\"x$EnvelopeFrom\"); }", "1:23: an address here is plain "
	 "text or $EnvelopeFrom or $EnvelopeRecipients"},
	{A "drop(); }\na: if (true) { drop(); }", "2:1: filter a stands at f:1 "
	 "already"},
	{A "drop(); } else drop();", "1:31: expected \"{\" before the actions, "
	 "found \"drop\""},
};

static void
test_bad(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct filter_set s = {0};
		struct error err = {0};
		char *want = mem_printf("f:%s", bad[i].error);
		bool taken = parse(&s, bad[i].text, strlen(bad[i].text),
		    &err);

		check_str(taken ? "taken" : err.text, want, bad[i].error);
		check(err.kind == ERROR_PERM && s.n == 0 && s.files.n == 0,
		    "and nothing of it stays");
		filter_set_clear(&s);
		free(want);
	}
}

/* A regular expression's error stands where it goes wrong. */
static void
test_bad_regex(void)
{
	static const char text[] = "a: if (subject == \"a\\\\.(b\") { drop(); }";
	struct filter_set s = {0};
	struct error err = {0};

	check(!parse(&s, text, strlen(text), &err) &&
	    strncmp(err.text, "f:1:26: ", 8) == 0,
	    "an error in a pattern has its own place: %s", err.text);
	filter_set_clear(&s);
}

/* ---- limits and structure ---- */

static bool
nested(const char *open, int n, const char *middle, const char *close,
    struct error *err)
{
	struct filter_set s = {0};
	struct buf text;
	bool ok;

	buf_init(&text, 8 << 20);
	buf_puts(&text, "a: if (");
	for (int i = 0; i < n; i++)
		buf_puts(&text, open);
	buf_puts(&text, middle);
	for (int i = 0; i < n; i++)
		buf_puts(&text, close);
	buf_puts(&text, ") { drop(); }");
	ok = parse(&s, buf_text(&text), text.len, err);
	filter_set_clear(&s);
	buf_clear(&text);
	return ok;
}

static void
test_limits(void)
{
	struct filter_set s = {0};
	struct error err = {0};
	char *big = mem_alloc(FILTER_MAX_FILE + 2);

	check(nested("(", 40, "true", ")", &err) &&
	    nested("not ", 40, "true", "", &err), "forty levels are taken");
	check(!nested("(", 60, "true", ")", &err) &&
	    strstr(err.text, "more than 50 levels") != NULL &&
	    !nested("not ", 100000, "true", "", &err), "more are not");
	check(nested("true or ", 4000, "true", "", &err),
	    "a long chain of rules is taken");
	check(!nested("true and ", 100000, "true", "", &err) &&
	    strstr(err.text, "more than 5000 rules joined by and") != NULL,
	    "one without end is not");
	memset(big, ' ', FILTER_MAX_FILE + 1);
	check(!parse(&s, big, FILTER_MAX_FILE + 1, &err) &&
	    strstr(err.text, "larger than") != NULL, "nor is a huge file");
	filter_set_clear(&s);
	free(big);
}

static void
test_sets(void)
{
	static const char one[] = "a: if (true) { drop(); }\n\n"
	    "b!: if (true) { drop(); }";
	static const char two[] = "c: if (true) { drop(); }\nb: if";
	struct filter_set s = {0};
	struct error err = {0};
	bool ok = parse(&s, one, strlen(one), &err);

	check(ok && s.n == 2 && s.v[0].active && !s.v[1].active &&
	    s.v[1].line == 3 && filter_set_find(&s, "b") == &s.v[1] &&
	    filter_set_find(&s, "B") == NULL,
	    "filters have a name, a line, and may be inactive");
	check(!parse(&s, two, strlen(two), &err) && s.n == 2 &&
	    s.files.n == 1 && filter_set_find(&s, "c") == NULL,
	    "a file with an error adds nothing to the set");
	check(strstr(err.text, "filter b stands at f:3 already") != NULL,
	    "names are of all files");
	filter_set_clear(&s);
	check(s.n == 0, "a set can be cleared");
}

/* What `not`, `and` and `or` bind. */
static void
test_precedence(void)
{
	static const char text[] = "a: if (not true and valid or signed) "
	    "{ drop(); }";
	struct filter_set s = {0};
	struct error err = {0};
	const struct filter_expr *e = NULL;

	if (parse(&s, text, strlen(text), &err))
		e = s.v[0].body.v[0].condition;
	check(e != NULL && e->kind == EXPR_OR && e->left->kind == EXPR_AND &&
	    e->left->left->kind == EXPR_NOT && e->right->kind == EXPR_RULE &&
	    e->right->rule.kind == RULE_SIGNED,
	    "not binds closer than and, and than or");
	filter_set_clear(&s);
}

static void
test_names(void)
{
	bool good_ = true;

	for (int k = 0; k <= RULE_BODY_SIZE; k++)
		good_ = good_ && filter_rule_name((enum filter_rule_kind)k) !=
		    NULL;
	for (int k = 0; k <= ACTION_NO_OP; k++)
		good_ = good_ && filter_action_name(
		    (enum filter_action_kind)k) != NULL;
	check(good_, "every rule and action has a name");
	check(filter_action_is_final(ACTION_SMIME_GATEWAY) &&
	    filter_action_is_final(ACTION_SKIP_FILTERS) &&
	    !filter_action_is_final(ACTION_QUARANTINE) &&
	    !filter_action_is_final(ACTION_SMIME_GATEWAY_DEFERRED),
	    "some actions are final");
}

int
main(void)
{
	strvec_add(&profiles, "bank");
	strvec_add(&profiles, "other");
	strvec_add(&quarantines, "Policy");
	test_good();
	test_bad();
	test_bad_regex();
	test_limits();
	test_sets();
	test_precedence();
	test_names();
	strvec_clear(&profiles);
	strvec_clear(&quarantines);
	return tap_done();
}
