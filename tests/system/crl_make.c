/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes a CRL with chosen dates, numbers, extensions and signature for the
 * system tests (tests/unit/crl_maker.h), DER on standard output.
 */
#include <getopt.h>
#include <openssl/pem.h>

#include "tests/unit/crl_maker.h"

#define ENTRIES_MAX 1024

static const char usage[] =
    "usage: crl_make --ca CERT --key KEY [--number N] [--base N]\n"
    "    [--this SECONDS] [--next SECONDS] (from now) [--digest NAME]\n"
    "    [--pss] [--revoke HEX[:REASON]]… [--many N] [--seed N]\n"
    "    [--idp HEX] [--critical HEX] [--name CN] [--at SECONDS]\n";

static const struct option options[] = {
	{"ca", required_argument, NULL, 'c'},
	{"key", required_argument, NULL, 'k'},
	{"number", required_argument, NULL, 'n'},
	{"base", required_argument, NULL, 'b'},
	{"this", required_argument, NULL, 't'},
	{"next", required_argument, NULL, 'e'},
	{"at", required_argument, NULL, 'a'},
	{"digest", required_argument, NULL, 'd'},
	{"pss", no_argument, NULL, 'p'},
	{"revoke", required_argument, NULL, 'r'},
	{"many", required_argument, NULL, 'm'},
	{"seed", required_argument, NULL, 's'},
	{"idp", required_argument, NULL, 'i'},
	{"critical", required_argument, NULL, 'x'},
	{"name", required_argument, NULL, 'N'},
	{NULL, 0, NULL, 0},
};

static FILE *
open_file(const char *path)
{
	FILE *f = fopen(path, "r");

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	return f;
}

static void
add_entry(struct maker_entry *entries, size_t *n, char *text)
{
	char *reason = strchr(text, ':');

	maker_must(*n < ENTRIES_MAX);
	if (reason != NULL)
		*reason++ = '\0';
	entries[*n].serial = text;
	entries[*n].reason = reason == NULL ? -1 : atoi(reason);
	++*n;
}

int
main(int argc, char **argv)
{
	static struct maker_entry entries[ENTRIES_MAX];
	struct maker_crl c = {.number = 1, .base = -1, .entries = entries};
	int64_t now = (int64_t)time(NULL), from = -3600, to = 7 * 86400;
	struct buf out;
	FILE *f;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			f = open_file(optarg);
			c.issuer = PEM_read_X509(f, NULL, NULL, NULL);
			fclose(f);
			break;
		case 'k':
			f = open_file(optarg);
			c.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
			fclose(f);
			break;
		case 'n':
			c.number = atoll(optarg);
			break;
		case 'b':
			c.base = atoll(optarg);
			break;
		case 't':
			from = atoll(optarg);
			break;
		case 'e':
			to = atoll(optarg);
			break;
		case 'a':
			now = atoll(optarg);
			break;
		case 'd':
			c.digest = optarg;
			break;
		case 'p':
			c.pss = true;
			break;
		case 'r':
			add_entry(entries, &c.n, optarg);
			break;
		case 'm':
			c.many = (size_t)atoll(optarg);
			break;
		case 's':
			c.seed = (unsigned)atoi(optarg);
			break;
		case 'i':
			c.idp = optarg;
			break;
		case 'x':
			c.critical = optarg;
			break;
		case 'N':
			c.name = optarg;
			break;
		default:
			fputs(usage, stderr);
			return 64;
		}
	}
	if (c.issuer == NULL || c.key == NULL) {
		fputs(usage, stderr);
		return 64;
	}
	c.this_update = now + from;
	c.next_update = now + to;
	buf_init(&out, MAKER_MAX);
	maker_make(&out, &c);
	if (fwrite(out.data, out.len, 1, stdout) != 1 || fflush(stdout) != 0)
		return 1;
	buf_clear(&out);
	X509_free(c.issuer);
	EVP_PKEY_free(c.key);
	return 0;
}
