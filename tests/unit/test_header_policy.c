/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/header_policy.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static const struct {
	enum header_confidentiality policy;
	const char *name, *value;
	const char *shown; /* "same", "none", or the value */
	const char *says;
} cases[] = {
	{CONFIDENTIALITY_NONE, "Subject", " s", "same", "none hides nothing"},
	{CONFIDENTIALITY_NONE, "Keywords", " s", "same", "of any kind"},
	{CONFIDENTIALITY_BASELINE, "subject", " s", " [...]",
	    "baseline obscures the subject, in any spelling of its name"},
	{CONFIDENTIALITY_BASELINE, "Comments", " c", "none",
	    "removes comments"},
	{CONFIDENTIALITY_BASELINE, "KEYWORDS", " c", "none", "keywords"},
	{CONFIDENTIALITY_BASELINE, "Thread-Topic", " s", "none",
	    "and the subject in other words"},
	{CONFIDENTIALITY_BASELINE, "From", " A <a@x.example>", "same",
	    "and shows who writes"},
	{CONFIDENTIALITY_BASELINE, "Date", " Sat, 20 Feb 2021 10:09:02 -0500",
	    "same", "and when"},
	{CONFIDENTIALITY_SHY, "Subject", " s", " [...]",
	    "shy obscures the subject, too"},
	{CONFIDENTIALITY_SHY, "Keywords", " s", "none", "and keywords"},
	{CONFIDENTIALITY_SHY, "From", " \"Doe, A.\" (x) <a@x.example>",
	    " a@x.example", "and shows the address without its name"},
	{CONFIDENTIALITY_SHY, "From", " A <a@x.example>, b@x.example", "same",
	    "a From of several stays (RFC 9788 3.2.2)"},
	{CONFIDENTIALITY_SHY, "To", " A <a@x.example>,\n G: B <b@x.example>, "
	    "c@x.example;", " a@x.example, b@x.example, c@x.example",
	    "neither people nor groups have names"},
	{CONFIDENTIALITY_SHY, "Cc", " undisclosed-recipients:;", "same",
	    "nobody is not written otherwise"},
	{CONFIDENTIALITY_SHY, "To", " A <a@x.example", "same",
	    "what cannot be read stays"},
	{CONFIDENTIALITY_SHY, "To", " A <\xc3\xa4@x.example>", "same",
	    "and what is not ASCII"},
	{CONFIDENTIALITY_SHY, "To", " A <a@b\xc3\xbc" "cher.example>",
	    " a@xn--bcher-kva.example", "but a domain is"},
	{CONFIDENTIALITY_SHY, "Cc", " aaaaaaaaaaaaaaaaaaaa@x.example, "
	    "bbbbbbbbbbbbbbbbbbbb@x.example, cccccccccccccccccccc@x.example",
	    " aaaaaaaaaaaaaaaaaaaa@x.example, bbbbbbbbbbbbbbbbbbbb@x.example,"
	    "\n cccccccccccccccccccc@x.example", "many are folded"},
	{CONFIDENTIALITY_SHY, "Reply-To", " A <a@x.example>", "same",
	    "other addresses stay"},
	{CONFIDENTIALITY_SHY, "Date", " Sat, 20 Feb 2021 10:09:02 -0500",
	    " Sat, 20 Feb 2021 15:09:02 +0000", "a date is told in UTC"},
	{CONFIDENTIALITY_SHY, "Date", " 1 Mar 2021 00:30 +0100 (CET)",
	    " Sun, 28 Feb 2021 23:30:00 +0000",
	    "its day, too; comments go, weekday and seconds may be missing"},
	{CONFIDENTIALITY_SHY, "Date", " Thu , 31\n\tDec 2020 (x) 19 : 30 : "
	    "05 EST", " Fri, 1 Jan 2021 00:30:05 +0000",
	    "folds, and what RFC 822 allowed"},
	{CONFIDENTIALITY_SHY, "Date", " Tue, 29 Feb 2000 12:00:00 GMT",
	    " Tue, 29 Feb 2000 12:00:00 +0000", "29 February there was"},
	{CONFIDENTIALITY_SHY, "Date", " 31 Dec 1969 23:59:59 UT",
	    " Wed, 31 Dec 1969 23:59:59 +0000", "before 1970, too"},
	{CONFIDENTIALITY_SHY, "Date", " Mon, 29 Feb 2021 12:00:00 +0000",
	    "same", "a day that never was stays"},
	{CONFIDENTIALITY_SHY, "Date", " 20 Feb 2021 25:00:00 +0000", "same",
	    "an hour"},
	{CONFIDENTIALITY_SHY, "Date", " 20 Feb 2021 10:00:00 +0160", "same",
	    "a zone"},
	{CONFIDENTIALITY_SHY, "Date", " 20 Feb 21 10:00:00 +0000", "same",
	    "a year of two digits"},
	{CONFIDENTIALITY_SHY, "Date", " 20 Feb 2021 10:00:00", "same",
	    "a date without its zone"},
	{CONFIDENTIALITY_SHY, "Date", " 20 Feb 2021 10:00:00 +0000 x", "same",
	    "one with text behind it"},
	{CONFIDENTIALITY_SHY, "Date", " 2021-02-20T10:00:00Z", "same",
	    "and what is none"},
	{CONFIDENTIALITY_SHY, "Date", "", "same", "or nothing"},
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum header_show show;
		struct buf out;

		buf_init(&out, 65536);
		show = header_policy(cases[i].policy, cases[i].name,
		    cases[i].value, &out);
		check_str(show == SHOW_SAME ? "same" : show == SHOW_NONE ?
		    "none" : buf_text(&out), cases[i].shown, cases[i].says);
		buf_clear(&out);
	}
	return tap_done();
}
