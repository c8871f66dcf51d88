/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: its syntax, the shared sections, and -n: what is
 * printed must read again and print the same.
 */
#include "common/conf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "common/shared_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct section_type *const types[] = { &postseal_section,
	&ca_list_section, &alerts_section, &certificate_section,
	&sender_group_section, &mail_flow_policy_section, &crl_check_section,
	NULL };

static void
must(bool good)
{
	if (!good)
		abort();
}

/* A refusal is for good and says where, in one printable line. */
static void
must_explain(const struct error *err)
{
	must(err->kind == ERROR_PERM);
	must(strncmp(err->text, "fuzz:", 5) == 0);
	for (const char *c = err->text; *c != '\0'; c++)
		must((unsigned char)*c >= ' ' || *c == '\t');
}

static char *
print(const struct settings *s)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	must(out != NULL);
	settings_print(s, out);
	must(fclose(out) == 0);
	return text;
}

static void
print_again(const struct settings *s)
{
	struct error err = { 0 };
	char *first = print(s), *second;
	struct settings *again = settings_parse("fuzz", first, strlen(first),
	    types, &err);

	must(again != NULL);
	second = print(again);
	must(strcmp(first, second) == 0);
	free(first);
	free(second);
	settings_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { 0 };
	struct settings *s;
	struct conf *c;

	c = conf_parse("fuzz", (const char *)data, size, &err);
	if (c == NULL)
		must_explain(&err);
	s = settings_parse("fuzz", (const char *)data, size, types, &err);
	must(s == NULL || c != NULL);
	if (s == NULL)
		must_explain(&err);
	else
		print_again(s);
	conf_free(c);
	settings_free(s);
	return 0;
}
