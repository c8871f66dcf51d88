/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/postcat.h"

#include <stdlib.h>

#include "common/mem.h"
#include "milter-smime/lines.h"
#include "tap.h"

#define ID	"mx.example.com"
#define MARK(w, i) "*** " w " hold/" i " ***\n"
#define ENVELOPE(i) MARK("ENVELOPE RECORDS", i)
#define CONTENTS(i) MARK("MESSAGE CONTENTS", i)
#define EXTRACTED(i) MARK("HEADER EXTRACTED", i)
#define END(i) MARK("MESSAGE FILE END", i)
#define FIELDS(name, subject) "X-Quarantine: " name "; by=" ID "\n" \
    "Subject: " subject "\n"
#define MESSAGE(i, name, subject) ENVELOPE(i) "sender: a@b\n" CONTENTS(i) \
    FIELDS(name, subject) EXTRACTED(i) END(i)

#define A "AAAAA1"
#define B "BBBBB2"

static char *ids[] = {(char *)A, (char *)B};

/* What comes of it: "A's subject|B's subject", or "doubtful". */
static void
reads(const char *text, const char *want, const char *says)
{
	struct header_facts facts[2];
	struct postcat p = {.ids = ids, .n = 2, .facts = facts};
	struct error err = {0};
	struct lines lines;
	char *got, *a, *b;

	header_facts_init(&facts[0]);
	header_facts_init(&facts[1]);
	lines_init(&lines, 64, postcat_line, &p);
	if (!lines_add(&lines, text, strlen(text), &err) ||
	    !lines_end(&lines, &err))
		printf("# refused\n");
	a = header_facts_subject(&facts[0]);
	b = header_facts_subject(&facts[1]);
	got = postcat_is_sure(&p) ? mem_printf("%s|%s", a, b) :
				    mem_strdup("doubtful");
	check_str(got, want, says);
	free(got);
	free(a);
	free(b);
	lines_clear(&lines);
	header_facts_clear(&facts[0]);
	header_facts_clear(&facts[1]);
}

static void
test_good(void)
{
	reads(MESSAGE(A, "P", "one") MESSAGE(B, "P", "two"), "one|two",
	    "each message has its own header");
	reads(ENVELOPE(A) CONTENTS(A) EXTRACTED(A) END(A)
	    MESSAGE(B, "P", "two"), "|two", "a header may be empty");
	reads(ENVELOPE(A) "Subject: e\n" CONTENTS(A) "Subject: one\n"
	    EXTRACTED(A) "Subject: e\n" END(A) MESSAGE(B, "P", "two"),
	    "one|two", "what stands in an envelope is no header");
	reads("*** ENVELOPE RECORDS hold/A/A/" A " ***\n"
	    "*** MESSAGE CONTENTS hold/A/A/" A " ***\nSubject: one\n"
	    "*** HEADER EXTRACTED hold/A/A/" A " ***\n"
	    "*** MESSAGE FILE END hold/A/A/" A " ***\n"
	    MESSAGE(B, "P", "two"), "one|two", "the hold queue may be hashed");
	reads(ENVELOPE(A) CONTENTS(A) "Subject: 1234567890123456789012345678"
	    "901234567890123456789012345678901*** x\n" EXTRACTED(A) END(A)
	    MESSAGE(B, "P", "two"), "12345678901234567890123456789012345678901"
	    "23456789012345678901*** x|two",
	    "the middle of a long line is no mark");
}

static void
test_doubtful(void)
{
	const char *no = "doubtful";

	reads("", no, "nothing tells nothing");
	reads(MESSAGE(A, "P", "one"), no, "nor does one message of two");
	reads(MESSAGE(A, "P", "one") ENVELOPE(B) CONTENTS(B) "Subject: two\n"
	    EXTRACTED(B), no, "nor one that is not complete");
	reads(MESSAGE(B, "P", "two") MESSAGE(A, "P", "one"), no,
	    "nor a wrong order");
	reads(ENVELOPE(A) "x\n" CONTENTS(A) FIELDS("Evil", "evil") EXTRACTED(A)
	    END(A) CONTENTS(A) FIELDS("P", "one") EXTRACTED(A) END(A)
	    MESSAGE(B, "P", "two"), no,
	    "an envelope that holds a whole false message is seen");
	reads(ENVELOPE(A) CONTENTS(A) FIELDS("Evil", "e") "\n" CONTENTS(A)
	    FIELDS("P", "one") EXTRACTED(A) END(A) MESSAGE(B, "P", "two"), no,
	    "so is one with a false mark");
	reads(ENVELOPE(A) CONTENTS(A) FIELDS("P", "one") EXTRACTED(A) END(A)
	    MESSAGE(B, "Evil", "e") END(A) MESSAGE(B, "P", "two"), no,
	    "and one with a false message of somebody else");
	reads(ENVELOPE(A) "*** anything\n" CONTENTS(A) EXTRACTED(A) END(A)
	    MESSAGE(B, "P", "two"), no, "and anything like a mark");
	reads("x\n" MESSAGE(A, "P", "one") MESSAGE(B, "P", "two"), no,
	    "and a line before the first");
	reads(MESSAGE(A, "P", "one") "x\n" MESSAGE(B, "P", "two"), no,
	    "or between two");
	reads(MESSAGE(A, "P", "one") MESSAGE(B, "P", "two") "x\n", no,
	    "or behind the last");
	reads(MESSAGE(A, "P", "one") MESSAGE(B, "P", "two")
	    MESSAGE(B, "P", "two"), no, "or a message too many");
	reads("*** ENVELOPE RECORDS deferred/" A " ***\n", no,
	    "a message that is in another queue now is not taken");
	reads("*** ENVELOPE RECORDS hold/x" A " ***\n", no,
	    "nor one whose id is longer");
	reads("*** ENVELOPE RECORDS hold/xx/" A " ***\n", no,
	    "nor a path that is no hashed queue's");
	reads("*** ENVELOPE RECORDS hold/" A " *** \n", no,
	    "nor a mark with something behind it");
	reads("*** ENVELOPE RECORDS hold/" A "\n", no, "nor without its end");
}

int
main(void)
{
	test_good();
	test_doubtful();
	return tap_done();
}
