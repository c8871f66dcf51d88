/* SPDX-License-Identifier: BSD-2-Clause */
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void
verdict_clear(struct verdict *v)
{
	for (size_t i = 0; i < v->nsigners; i++) {
		free(v->signers[i].address);
		free(v->signers[i].serial);
		free(v->signers[i].issuer);
		free(v->signers[i].subject);
	}
	free(v->signers);
	memset(v, 0, sizeof(*v));
}

struct verdict_signer *
verdict_add_signer(struct verdict *v)
{
	struct verdict_signer *s;

	v->signers = mem_resize(v->signers, v->nsigners + 1, sizeof(*s));
	s = &v->signers[v->nsigners++];
	memset(s, 0, sizeof(*s));
	return s;
}

const char *
verdict_signature_name(enum signature_verdict s)
{
	static const char *const names[] = {
		"none", "pass", "fail", "policy", "neutral", "temperror"};

	return names[s];
}

const char *
verdict_check_name(enum check_result c)
{
	static const char *const names[] = {"none", "good", "bad", "unknown"};

	return names[c];
}
