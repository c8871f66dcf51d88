/* SPDX-License-Identifier: BSD-2-Clause */
#include "milter-smime/queue_entry.h"

#include <stdlib.h>

#include "common/mem.h"
#include "tap.h"

#define START "{\"queue_name\": \"hold\", \"queue_id\": \"D41D4A761E1\", "
#define MIDDLE "\"arrival_time\": 1795571495, \"message_size\": 3373, " \
    "\"forced_expire\": false, "
#define SENDER "\"sender\": \"s@a.example\", "
#define LINE START MIDDLE SENDER \
    "\"recipients\": [{\"address\": \"r@b.example\"}, " \
    "{\"address\": \"q@b.example\", \"delay_reason\": \"none\"}]}"

static void
test_ids(void)
{
	char text[80];

	check(queue_entry_is_id("D41D4A761E1"), "a short queue id is one");
	check(queue_entry_is_id("4jZ2kR1Q71z1bgY8"), "a long one, too");
	check(!queue_entry_is_id("ALL"), "ALL is none");
	check(!queue_entry_is_id("") && !queue_entry_is_id("ABCD"),
	    "nothing and four characters are none");
	check(!queue_entry_is_id("../D41D4A7") &&
	    !queue_entry_is_id("-H1234") &&
	    !queue_entry_is_id("D41D4 A76") && !queue_entry_is_id("D41D4;a") &&
	    !queue_entry_is_id("D41D4\nA76") && !queue_entry_is_id("D41D4*"),
	    "nothing but letters and digits is in it");
	memset(text, 'A', sizeof(text));
	text[65] = '\0';
	check(!queue_entry_is_id(text), "65 characters are too many");
	text[64] = '\0';
	check(queue_entry_is_id(text), "64 are not");
}

static void
test_line(void)
{
	struct queue_entry e;

	check(queue_entry_parse(LINE, strlen(LINE), true, &e),
	    "a line is read");
	check_str(e.queue, "hold", "its queue");
	check_str(e.id, "D41D4A761E1", "its id");
	check_str(e.sender, "s@a.example", "its sender");
	check(e.arrival == 1795571495 && e.size == 3373, "its time and size");
	check(e.recipients.n == 2 && !e.cut, "and all its recipients");
	check_str(e.recipients.v[1], "q@b.example", "each by its address");
	queue_entry_clear(&e);
	check(e.id == NULL && e.recipients.n == 0, "nothing is left");
}

static void
test_elsewhere(void)
{
	const char *other = "{\"queue_name\": \"deferred\", \"queue_id\": ";
	const char *longer = "{\"queue_name\": \"holding\", \"queue_id\": ";
	const char *spaced = "{ \"queue_name\":\"deferred\", \"queue_id\": ";

	check(queue_entry_elsewhere(other, strlen(other), "hold"),
	    "another queue is told from a line's start");
	check(queue_entry_elsewhere(longer, strlen(longer), "hold"),
	    "also one whose name is longer");
	check(!queue_entry_elsewhere(LINE, strlen(LINE), "hold"),
	    "not so the queue itself");
	check(!queue_entry_elsewhere(spaced, strlen(spaced), "hold"),
	    "nor what is written otherwise");
	check(!queue_entry_elsewhere(other, 10, "hold"), "nor too little");
}

/* A line whose sender and one recipient are this JSON text. */
static bool
parse_address(const char *text, struct queue_entry *e)
{
	char *line = mem_printf(START MIDDLE "\"sender\": \"%s\", "
	    "\"recipients\": [{\"address\": \"%s\"}]}", text, text);
	bool ok = queue_entry_parse(line, strlen(line), true, e);

	free(line);
	return ok;
}

static void
test_hostile(void)
{
	struct queue_entry e;

	check(parse_address("a\\u001b[31m\\n\\\"@x", &e),
	    "control characters and quotes may be in addresses");
	check_str(e.sender, "a\x1b[31m\n\"@x", "they come as they are");
	queue_entry_clear(&e);
	check(parse_address("\xc3\xa4@x", &e), "UTF-8 is read");
	check_str(e.recipients.v[0], "\xc3\xa4@x", "and stays");
	queue_entry_clear(&e);
	check(parse_address("\xff\xc3@\xed\xa0\x80", &e),
	    "bytes that are no UTF-8 do not hide the message");
	check_str(e.sender, "?" "?@" "?" "?" "?", "they are question marks");
	queue_entry_clear(&e);
	check(!parse_address("a\\u0000b", &e) && e.id == NULL,
	    "a NUL is not readable");
}

static void
test_cut(void)
{
	const char *trap = START MIDDLE "\"sender\": "
	    "\"\\\"recipients\\\": [@x\", \"recipients\": [{\"addr";
	struct queue_entry e;

	check(queue_entry_parse(LINE, strlen(LINE) - 30, false, &e) && e.cut,
	    "a line cut in its recipients is read");
	check_str(e.sender, "s@a.example", "with what stands before them");
	check(e.recipients.n == 0, "without them");
	queue_entry_clear(&e);
	check(!queue_entry_parse(LINE, strlen(START), false, &e),
	    "one that is cut before them is not");
	check(queue_entry_parse(trap, strlen(trap), false, &e),
	    "an address that looks like their start");
	check_str(e.sender, "\"recipients\": [@x", "is not taken for it");
	queue_entry_clear(&e);
}

static const char *const bad[] = {
	"", "[]", "{}", "null", LINE "x", LINE LINE,
	START MIDDLE SENDER "\"recipients\": [1]}",
	START MIDDLE SENDER "\"recipients\": [{\"address\": 1}]}",
	START MIDDLE SENDER "\"recipients\": {}}",
	START MIDDLE SENDER "\"recipients\": [",
	START MIDDLE "\"recipients\": []}",
	START SENDER "\"recipients\": []}",
	START START MIDDLE SENDER "\"recipients\": []}",
	"{\"queue_name\": 1, \"queue_id\": \"D41D4A761E1\", " MIDDLE SENDER
	"\"recipients\": []}",
	"{\"queue_name\": \"hold\", \"queue_id\": \"../../x\", " MIDDLE SENDER
	"\"recipients\": []}",
	"{\"queue_name\": \"hold\", \"queue_id\": \"ALL\", " MIDDLE SENDER
	"\"recipients\": []}",
	START "\"arrival_time\": -1, \"message_size\": 1, " SENDER
	"\"recipients\": []}",
	START "\"arrival_time\": 1, \"message_size\": \"1\", " SENDER
	"\"recipients\": []}",
	START "\"arrival_time\": 99999999999999999999, \"message_size\": 1, "
	SENDER "\"recipients\": []}",
};

static void
test_bad(void)
{
	struct queue_entry e;
	size_t n = 100000;
	char *deep = mem_alloc(n + 1);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(!queue_entry_parse(bad[i], strlen(bad[i]), true, &e) &&
		    e.id == NULL && e.recipients.n == 0,
		    "not readable: %.40s...", bad[i]);
	memset(deep, '[', n);
	check(!queue_entry_parse(deep, n, true, &e),
	    "nor 100,000 brackets in each other");
	free(deep);
}

int
main(void)
{
	test_ids();
	test_line();
	test_elsewhere();
	test_hostile();
	test_cut();
	test_bad();
	return tap_done();
}
