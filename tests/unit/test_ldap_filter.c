/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/ldap_filter.h"

#include <stdlib.h>

#include "common/ldap_time.h"
#include "tap.h"

static const char *const tokens[] = {"cn", "sn", "u", "t", NULL};

static void
expands(const char *text, const char *u, size_t n, const char *want)
{
	struct ldap_filter_value values[4] = {
	    {"x", 1}, {"0A", 2}, {u, n}, {"20261125051400Z", 15}};
	struct error err = {0};
	struct ldap_filter *f = ldap_filter_parse(text, tokens, &err);
	struct buf out;

	buf_init(&out, LDAP_FILTER_TEXT_MAX);
	if (!check(f != NULL, "%s is read", text))
		printf("# %s\n", err.text);
	else if (want == NULL)
		check(!ldap_filter_expand(f, values, &out, &err),
		    "%s is not expanded", text);
	else if (check(ldap_filter_expand(f, values, &out, &err),
		     "%s is expanded", text))
		check_str(buf_text(&out), want, "and is what it should be");
	buf_clear(&out);
	ldap_filter_free(f);
}

static void
refused(const char *text, const char *why)
{
	struct error err = {0};
	struct ldap_filter *f = ldap_filter_parse(text, tokens, &err);

	if (!check(f == NULL && strstr(err.text, why) != NULL,
		"\"%s\" is refused", text))
		printf("# %s\n", err.text);
	ldap_filter_free(f);
}

static void
times(void)
{
	char text[LDAP_TIME_SIZE];
	time_t t = 0;

	ldap_time_format(0, LDAP_TIME_FILETIME, text, sizeof(text));
	check_str(text, "116444736000000000", "1970 as FILETIME");
	ldap_time_format(951782400, LDAP_TIME_FRACTION, text, sizeof(text));
	check_str(text, "20000229000000.0Z", "a leap day with a fraction");
	check(ldap_time_parse("200002290130+0130", 17, &t) && t == 951782400,
	    "an offset counts");
	check(!ldap_time_parse("20010229000000Z", 15, &t),
	    "a day that is not there is none");
}

int
main(void)
{
	expands("(&(objectClass=posixAccount)(caccn={cn}) (cacserial={sn}))",
	    "", 0, "(&(objectClass=posixAccount)(caccn=x)(cacserial=0A))");
	expands("(&(uid={u})(|(!(caccn=*))(cacexempt=*)(cacemergency>={t})))",
	    "*)(uid=*\0\\", 10,
	    "(&(uid=\\2a\\29\\28uid=\\2a\\00\\5c)(|(!(caccn=*))"
	    "(cacexempt=*)(cacemergency>=20261125051400Z)))");
	expands("(uid={u}*)", "", 0, NULL);
	refused("(!(caccn=*)(cacexempt=*)(cacemergency>={t}))",
	    "write (|(!(caccn=*))(cacexempt=*)(cacemergency>={t}))");
	refused("(uid={uu})", "{uu} is unknown");
	refused("({u}=x)", "behind the operator");
	refused("(uid=x", ") is missing");
	refused("uid=x", "begins with a parenthesis");
	refused("(uid=\\2)", "two hexadecimal digits");
	times();
	return tap_done();
}
