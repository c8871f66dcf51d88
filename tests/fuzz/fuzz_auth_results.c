/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A first line is a reason, a signer's names follow: whatever they hold,
 * the field made of them is one field, safe to add, and we know it again
 * as ours.  The whole is judged as a field found in a message, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "milter-smime/auth_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_field(const char *p)
{
	for (; *p != '\0'; p++) {
		if (*p == '\n' && p[1] != '\t')
			abort();
		if ((unsigned char)*p >= 0x7f ||
		    (*p < ' ' && *p != '\n' && *p != '\t'))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_dup(data, size), *next = text, *line;
	struct verdict v = {.signature = SIGNATURE_FAIL};
	struct verdict_signer *signer;
	struct buf out;

	(void)auth_results_is_forged("mx.example.com", text);
	line = strsep(&next, "\n");
	memcpy(v.reason, line, strnlen(line, sizeof(v.reason) - 1));
	signer = verdict_add_signer(&v);
	signer->address = mem_strdup(next == NULL ? NULL :
						    strsep(&next, "\n"));
	signer->serial = mem_strdup("0A1B");
	signer->issuer = mem_strdup(next);
	buf_init(&out, 8192);
	auth_results_format("mx.example.com", &v, &out);
	check_field(buf_text(&out));
	if (!auth_results_is_forged("MX.example.com", buf_text(&out)))
		abort();
	buf_clear(&out);
	verdict_clear(&v);
	free(text);
	return 0;
}
