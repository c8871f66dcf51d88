/* SPDX-License-Identifier: BSD-2-Clause */
/* What base64.c and quoted_printable.c do is tested with them. */
#include "milter-smime/transfer.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

static const struct spool_place place = {"/tmp", 1 << 20};

static char *
decode(const char *p, size_t n, bool join, bool *good, size_t *len)
{
	struct spool *s = spool_new(&place);
	struct error err = {0};
	char *text;

	if (!transfer_decode_all(p, n, MIME_BASE64, join, s, good, &err) ||
	    !spool_finish(s, &err))
		abort();
	*len = spool_len(s);
	text = mem_dup(spool_data(s), *len);
	spool_free(&s);
	return text;
}

static const struct {
	const char *text, *anew, *joined, *says;
	bool good, ambiguous;
} texts[] = {
	{"Y29uZmlkZW50aWFs\r\n", "confidential", "confidential",
	    "base64 is decoded", true, false},
	{"Y29\r\nuZg==\r\n", "conf", "conf", "over line ends, with padding",
	    true, false},
	{"Y28=bmY=", "conf", "co\x1b\x99", "behind a pad: begun anew",
	    false, true},
	{"Y2=9uZg==", "c\xf6\xe6`", "conf", "or as if it were not there",
	    false, true},
	{"=Y29u", "con", "con", "a pad in front is nothing", false, true},
	{"Y29u=", "con", "con", "a pad too many is noticed", false, false},
	{"Y29uZg", "conf", "conf", "a pad too few is noticed", false, false},
	{"Y29u*ZmlkZW50aWFs", "confidential", "confidential",
	    "what is no base64 is passed over and noticed", false, false},
	{"Y29u== text", "con\xb5\xec\x6d", "con\xb5\xec\x6d",
	    "text behind is decoded, and noticed", false, true},
	{"Y29uY", "con", "con", "a character too many is noticed", false,
	    false},
	{"", "", "", "nothing is good", true, false},
};

static void
test_base64(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *p = texts[i].text;
		size_t n = strlen(p), len;
		bool good, again;
		char *anew = decode(p, n, false, &good, &len);
		char *joined = decode(p, n, true, &again, &len);

		check(strcmp(anew, texts[i].anew) == 0 &&
		    strcmp(joined, texts[i].joined) == 0 &&
		    good == texts[i].good && again == good &&
		    transfer_is_well_formed(p, n, MIME_BASE64) == good &&
		    transfer_is_ambiguous(p, n, MIME_BASE64) ==
		    texts[i].ambiguous, "%s", texts[i].says);
		free(anew);
		free(joined);
	}
}

/* Blocks and pads at any distance. */
static void
test_large(void)
{
	size_t n = 200000, len;
	char *text = mem_alloc(n), *got;
	bool right = true, good;

	for (size_t at = 57 * 1024 - 8; at < 57 * 1024 + 8; at++) {
		memset(text, 'A', n);
		text[at] = '=';
		got = decode(text, n, false, &good, &len);
		right = right && !good &&
		    len == at * 3 / 4 + (n - at - 1) * 3 / 4;
		free(got);
		got = decode(text, n, true, &good, &len);
		right = right && len == (n - 1) * 3 / 4;
		free(got);
	}
	memset(text, '=', n);
	got = decode(text, n, false, &good, &len);
	right = right && len == 0 && !good;
	free(got);
	check(right, "where blocks end makes no difference");
	free(text);
}

static const struct {
	const char *text;
	bool good;
	const char *says;
} quoted[] = {
	{"a=3Db=\r\nc=  \r\nd\r\n", true, "quoted-printable is good"},
	{"a=", true, "with a soft line break at its end"},
	{"a=3d", true, "in lower case"},
	{"a=3", false, "half a code is not"},
	{"a=b", false, "nor is a sign without one"},
	{"a=  b", false, "nor one before blanks in a line"},
	{"caf\xc3\xa9", false, "nor is an 8-bit byte"},
	{"a\001", false, "nor a control character"},
};

static void
test_quoted(void)
{
	for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++)
		check(transfer_is_well_formed(quoted[i].text,
		    strlen(quoted[i].text), MIME_QUOTED_PRINTABLE) ==
		    quoted[i].good, "%s", quoted[i].says);
	check(transfer_is_well_formed("\xff", 1, MIME_8BIT) &&
	    transfer_is_well_formed("x", 1, MIME_7BIT) &&
	    transfer_is_well_formed("x", 1, MIME_BINARY) &&
	    !transfer_is_well_formed("x", 1, MIME_OTHER),
	    "without an encoding all is good, in an unknown one nothing");
}

int
main(void)
{
	test_base64();
	test_large();
	test_quoted();
	return tap_done();
}
