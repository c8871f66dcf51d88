/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/auth_results.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

#define ID "mx.example.com"

static void
formats(const struct verdict *v, const char *want, const char *says)
{
	struct buf out;

	buf_init(&out, 8192);
	auth_results_format(ID, v, &out);
	check_str(buf_text(&out), want, says);
	check(auth_results_is_forged(ID, buf_text(&out)),
	    "and in a message from outside it would be removed");
	buf_clear(&out);
}

static void
test_format(void)
{
	struct verdict v = {.signature = SIGNATURE_PASS};
	struct verdict_signer *s = verdict_add_signer(&v);

	formats(&v, " " ID "; smime=pass",
	    "without a signer the result stands alone");
	s->serial = mem_strdup("0A1B");
	s->issuer = mem_strdup("CN=Demo CA,O=Example");
	s->address = mem_strdup("a@example.com");
	formats(&v, " " ID "; smime=pass\n"
	    "\tbody.smime-identifier=a@example.com body.smime-serial=0A1B\n"
	    "\tbody.smime-issuer=\"CN=Demo CA,O=Example\"",
	    "identifier, serial number and issuer follow, folded");
	free(s->issuer);
	s->issuer = mem_strdup("a\"b\\c\nX: y\r\xc3\xa9");
	v.signature = SIGNATURE_FAIL;
	snprintf(v.reason, sizeof(v.reason), "it was changed; really");
	formats(&v, " " ID "; smime=fail\n"
	    "\treason=\"it was changed; really\" "
	    "body.smime-identifier=a@example.com\n"
	    "\tbody.smime-serial=0A1B "
	    "body.smime-issuer=\"a\\\"b\\\\c?X: y???\"",
	    "no name of a certificate ends the line or the quotes");
	free(s->issuer);
	s->issuer = mem_alloc(5001);
	memset(s->issuer, 'x', 5000);
	free(s->address);
	s->address = mem_strdup("");
	v.reason[0] = '\0';
	formats(&v, " " ID "; smime=fail body.smime-identifier=\"\"\n"
	    "\tbody.smime-serial=0A1B",
	    "a name of 5,000 characters is left out");
	verdict_clear(&v);
}

static const struct {
	bool forged;
	const char *value, *says;
} fields[] = {
	{true, " " ID "; smime=pass", "our name with smime is forged"},
	{true, ID ";smime=pass", "without blanks too"},
	{true, " MX.Example.COM; SMIME=Pass", "in any case"},
	{true, "\n\t" ID "\n\t;\n\tsmime\n\t=\n\tpass", "over folds"},
	{true, " (c) mx(;).example.com (d) 1 (e) ; (f) smime (g) / 1 = pass",
	    "with comments and versions everywhere"},
	{true, " \"mx.example.com\"; smime=pass", "our name in quotes"},
	{true, " \"mx\\.example.com\"; \"smime\"=pass",
	    "and in quotes with backslashes"},
	{true, " " ID "; dkim=pass header.d=x; smime=fail",
	    "behind another result"},
	{true, " " ID "; dkim=pass reason=\"a\\\"; b\"; smime=pass",
	    "behind quotes with quotes in them"},
	{true, " " ID "; smime=pass (unclosed", "what cannot be read is forged"},
	{true, " " ID "; smime=pass \"unclosed", "in quotes too"},
	{true, " \"mx.example\\.com\"; smime=pass (",
	    "also when our name is spelled to hide"},
	{true, " mx(.).example.com; smime=pass )",
	    "behind a comment"},
	{false, " other.example.com; smime=pass",
	    "another server's result is not ours"},
	{false, " " ID ".evil.example; smime=pass",
	    "a longer name is another"},
	{false, " x" ID "; smime=pass", "from both sides"},
	{false, " " ID "; dkim=pass header.d=smime",
	    "another method of our name stays"},
	{true, " " ID "; dkim=pass reason=\"x; smime=pass\"",
	    "one in quotes counts: some reader may not know quotes"},
	{true, " " ID "; dkim=pass smime=pass", "one without a semicolon"},
	{true, " " ID " smime=pass", "one without any"},
	{true, " " ID ".; smime=pass", "one with a final dot"},
	{true, " " ID "/1; smime=pass", "one with a version of its own"},
	{true, " ; " ID "; smime=pass", "one behind a semicolon"},
	{true, " i=1; " ID "; smime=pass", "one dressed as ARC"},
	{true, " " ID "; smime/1.0=pass", "one with a method version"},
	{false, " not" ID "; smime=pass", "a longer name is another"},
	{false, " " ID ".example; smime=pass", "so is one below"},
	{false, " " ID "; dkim=pass (; smime=pass)",
	    "nor does one in a comment"},
	{false, " " ID "; x-smime=pass; smimex=pass",
	    "a longer method is another"},
	{false, " " ID "; none", "no result is not forged"},
	{false, " " ID, "our name alone neither"},
	{false, "", "nor nothing"},
	{false, " (unclosed", "what cannot be read without our name stays"},
};

static void
test_forged(void)
{
	char *deep = mem_alloc(200000), *p = deep;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		check(auth_results_is_forged(ID, fields[i].value) ==
		    fields[i].forged, "%s", fields[i].says);
	for (int i = 0; i < 50000; i++)
		*p++ = '(';
	for (int i = 0; i < 50000; i++)
		*p++ = ')';
	strcpy(p, ID "; smime=pass");
	check(auth_results_is_forged(ID, deep),
	    "50,000 comments in each other hide nothing");
	memset(deep, ' ', 100000);
	check(auth_results_is_forged(ID, deep), "nor do 100,000 blanks");
	memset(deep, ';', 100000);
	memcpy(deep, ID, sizeof(ID) - 1);
	check(auth_results_is_forged(ID, deep),
	    "what is too long to be read is forged");
	free(deep);
}

int
main(void)
{
	test_format();
	test_forged();
	return tap_done();
}
