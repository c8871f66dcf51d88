/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/header_facts.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

#define ID "mx.example.com"

/* Lines divided by LF, each in parts of `part` bytes. */
static void
feed(struct header_facts *f, const char *text, size_t part)
{
	header_facts_init(f);
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		while (n > part) {
			header_facts_line(f, text, part, false);
			text += part;
			n -= part;
		}
		header_facts_line(f, text, n, true);
		text += n;
		text += *text == '\n';
	}
}

/* want: "quarantine|reason|subject", with "-" for none of ours. */
static void
facts(const char *header, const char *want, const char *says)
{
	bool same = true;

	for (size_t part = 32; part < 200; part += 33) {
		struct header_facts f;
		struct quarantine q;
		char *subject, *got;
		bool ours;

		feed(&f, header, part);
		ours = header_facts_quarantine(&f, ID, &q);
		subject = header_facts_subject(&f);
		got = mem_printf("%s|%s|%s", ours ? q.name : "-",
		    ours && q.reason != NULL ? q.reason : "", subject);
		if (strcmp(got, want) != 0) {
			printf("# parts of %zu: %s\n", part, got);
			same = false;
		}
		free(got);
		free(subject);
		quarantine_clear(&q);
		header_facts_clear(&f);
	}
	check(same, "%s", says);
}

static void
test_fields(void)
{
	facts("", "-||", "no header, no facts");
	facts("From: a@b\nX-Quarantine: Policy; by=" ID "\nSubject: hello",
	    "Policy||hello", "both fields are found");
	facts("x-QUARANTINE :Policy;\n\tby=MX.example.com;\n reason=\"a b\"\n"
	    "SUBJECT\t: a\n\tb", "Policy|a b|a b",
	    "in any case, with blanks before the colon, over folds");
	facts("X-Quarantine: A; by=" ID "\nSubject: one\n"
	    "X-Quarantine: B; by=" ID "\nSubject: two\n three",
	    "A||one", "the topmost of two counts");
	facts("X-Quarantine: A; by=" ID "\nX-Quarantine: B; by=" ID
	    "; reason=x\nX-Other: 1\n\t; reason=x", "A||",
	    "lines of another field are not added to it");
	facts("Subject: =?utf-8?Q?f=C3=BCr?=\n =?utf-8?B?IGRpY2g=?=",
	    "-||f\xc3\xbcr dich", "an encoded subject is decoded");
	facts("Subject: a\x01\x1b[31m", "-||a  [31m",
	    "control characters are not in it");
	facts("X-Quarantined: A; by=" ID "\nX-Quarantine-A: B; by=" ID
	    "\nX-Subject: x", "-||", "longer names are others");
	facts("no colon\n X-Quarantine: A; by=" ID, "-||",
	    "nor is a line that begins with a blank a field");
}

static void
test_not_ours(void)
{
	facts("X-Quarantine: A; by=other.example", "-||",
	    "another host's field is not ours");
	facts("X-Quarantine: A; by=other.example\nX-Quarantine: A; by=" ID,
	    "-||", "ours below it neither");
	facts("X-Quarantine: A", "-||", "one without a host is not");
	facts("X-Quarantine: A; by=" ID "\n ; broken", "-||",
	    "one that cannot be read is not");
}

static void
test_long(void)
{
	char *line = mem_alloc(200001);
	struct header_facts f;
	struct quarantine q;
	char *subject;

	header_facts_init(&f);
	memset(line, 'x', 200000);
	memcpy(line, "Subject: ", 9);
	header_facts_line(&f, line, 200000, true);
	memcpy(line, "X-Quarantine: A; by=" ID "; reason=", 44);
	header_facts_line(&f, line, 200000, true);
	subject = header_facts_subject(&f);
	check(strlen(subject) > 1000 && strlen(subject) < 3000,
	    "of a long subject the first is kept");
	check(!header_facts_quarantine(&f, ID, &q) && q.name == NULL,
	    "a field that is too long is not ours");
	free(subject);
	header_facts_clear(&f);
	free(line);
}

int
main(void)
{
	test_fields();
	test_not_ours();
	test_long();
	return tap_done();
}
