/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First byte: what protects the payload, and a policy.  Then a message, up
 * to a NUL, and a payload.  What is found in the payload may stand in a
 * header and is bounded; the message's own header, protected, comes back.
 */
#include <stdint.h>
#include <stdio.h>

#include "tests/unit/protected_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spool_place place = {"/tmp", 1 << 20};

static void
must(const char *why)
{
	if (why == NULL)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

/* From inside the payload, into the message's header. */
static void
restore(const struct message *m, const struct payload *p)
{
	struct protected_headers h;
	const struct field *from;
	struct fields f;

	protected_headers_find(p, m, &h);
	if (h.n > 200)
		must("more fields than anybody composes");
	for (size_t i = 0; i < h.n; i++)
		if (!is_safe_value(h.v[i].value) ||
		    strlen(h.v[i].value) > 60000)
			must("a value may not stand in a header");
	if (h.kind == HEADERS_UNPROTECTED &&
	    (h.n > 0 || h.differ.n > 0 || h.confidential.n > 0))
		must("fields of nobody");
	fields_init(&f, m);
	from = fields_find(&f, "From", 0);
	protected_headers_restore(&h, &f);
	if ((fields_find(&f, "From", 0) == NULL) != (from == NULL))
		must("a From field came or went");
	if (fields_find(&f, "Bcc", 0) != NULL &&
	    message_header(m, "Bcc", 0) == NULL)
		must("a Bcc field came");
	protected_headers_hide_from(&h, m->sender_text, &m->sender);
	fields_clear(&f);
	protected_headers_clear(&h);
}

static struct message *
read_message(const char *text, size_t n)
{
	struct message *m = message_new(&place);
	FILE *f = fmemopen((char *)(uintptr_t)text, n, "r");
	struct error err = {0};

	if (f == NULL || !message_read(m, f, &err))
		message_free(&m);
	if (f != NULL)
		fclose(f);
	return m;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul;
	struct payload p = {0};
	struct message *m;
	bool refused;
	size_t n;

	if (size < 2)
		return 0;
	nul = memchr(data + 1, '\0', size - 1);
	n = nul == NULL ? size - 1 : (size_t)(nul - data) - 1;
	m = n == 0 ? NULL : read_message((const char *)data + 1, n);
	if (m == NULL)
		return 0;
	p.decrypted = data[0] & 1;
	p.verified = data[0] & 2;
	if (nul != NULL) {
		p.len = size - n - 2;
		p.data = mem_dup(nul + 1, p.len);
		restore(m, &p);
	}
	must(round_trip_broken(m, &place, data[0] & 4,
	    (enum header_confidentiality)((data[0] >> 3) % 3), &refused));
	free((char *)(uintptr_t)p.data);
	message_free(&m);
	return 0;
}
