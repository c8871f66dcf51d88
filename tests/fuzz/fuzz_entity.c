/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entity is read from bytes, made fit to be signed (with the invariants
 * of mime_check.h), cleaned, and asked whether it is S/MIME.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter-smime/smime_kind.h"
#include "tests/unit/mime_check.h"

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

static bool
read_entity(const char *text, size_t n, struct entity *e)
{
	struct error err = {0};

	entity_init(e);
	if (entity_from_bytes(text, n, e, &err))
		return true;
	entity_clear(e);
	return false;
}

static void
canonicalise(const char *text, size_t n)
{
	struct entity e;
	bool left;

	if (!read_entity(text, n, &e))
		return;
	must(canonicalise_checked(&e, &place, &left));
	entity_clear(&e);
}

static void
clean(const char *text, size_t n)
{
	struct error err = {0};
	struct entity e;
	struct text t;

	if (!read_entity(text, n, &e))
		return;
	if (!entity_clean(&e, &place, &err))
		abort();
	t = pieces_text(&e.body);
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] == '\0' ||
		    (t.p[i] == '\r' && t.p[i + 1] != '\n') ||
		    (t.p[i] == '\n' && (i == 0 || t.p[i - 1] != '\r')))
			must("a clean entity holds NUL, CR or LF alone");
	free(t.p);
	entity_clear(&e);
}

static void
find_kind(const char *text, size_t n)
{
	struct smime_kind k;
	struct error err = {0};
	struct entity e;

	if (!read_entity(text, n, &e))
		return;
	if (!smime_kind_find(&e, &place, &k, &err))
		abort();
	if (k.form == SMIME_MULTIPART_SIGNED &&
	    k.signed_off + k.signed_len > e.body.len)
		must("the signed part reaches behind the body");
	if (smime_kind_is_signed(&k) && !smime_kind_is_gateway(&k))
		must("signed, but no S/MIME");
	if (smime_kind_is_signed(&k) && smime_kind_is_encrypted(&k))
		must("one object, two kinds");
	smime_kind_clear(&k);
	entity_clear(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	canonicalise(text, size);
	clean(text, size);
	find_kind(text, size);
	free(text);
	return 0;
}
