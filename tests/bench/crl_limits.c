/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fetching CRLs must cost at least: the keys of their authorities,
 * libcurl, one signature check, one file for each that survives a crash
 * (written beside, fsync, rename, fsync of the directory); and for a large
 * one the hash and a sort of its serial numbers.  Also times a lookup in an
 * index, and all that postseal_tls.so does about revocation in a handshake.
 *
 * usage: crl_limits small|large CAS DIR URL…
 *        crl_limits lookup DIR CERT
 *        crl_limits handshake DIR CA CHAIN KEY
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/crl_index.h"
#include "crl-fetcher/crl_signature.h"
#include "crl-fetcher/crl_walk.h"
#include "crl-fetcher/tls_check.h"

#define LOOKUPS 200000
#define WIDTH 20

struct body {
	unsigned char *p;
	size_t n, cap;
};

static size_t
append(char *p, size_t size, size_t n, void *context)
{
	struct body *b = context;

	n *= size;
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (b->p == NULL)
			abort();
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return n;
}

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "crl_limits: %s\n", what);
	exit(1);
}

static STACK_OF(X509) *
read_certs(const char *path)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	FILE *f = fopen(path, "r");
	X509 *cert;

	must(f != NULL, path);
	while ((cert = PEM_read_X509(f, NULL, NULL, NULL)) != NULL)
		sk_X509_push(certs, cert);
	fclose(f);
	must(sk_X509_num(certs) > 0, path);
	return certs;
}

/* The key of the one with this name, of which there is one. */
static EVP_PKEY *
find_key(STACK_OF(X509) * certs, const struct der *name)
{
	const unsigned char *p = name->p;
	X509_NAME *issuer = d2i_X509_NAME(NULL, &p, (long)name->n);
	EVP_PKEY *key = NULL;

	for (int i = 0; key == NULL && i < sk_X509_num(certs); i++)
		if (X509_NAME_cmp(X509_get_subject_name(
			sk_X509_value(certs, i)), issuer) == 0)
			key = X509_get0_pubkey(sk_X509_value(certs, i));
	X509_NAME_free(issuer);
	return key;
}

static int
by_serial(const void *a, const void *b)
{
	return memcmp(a, b, WIDTH);
}

static void
sort_serials(const struct crl_walk *w)
{
	unsigned char *all = calloc(w->count + 1, WIDTH);
	struct crl_walk_entry entry;
	struct der in = w->entries;

	must(all != NULL, "memory");
	for (size_t i = 0; crl_walk_next(&in, &entry); i++)
		memcpy(all + i * WIDTH + WIDTH - entry.serial.n,
		    entry.serial.p, entry.serial.n);
	qsort(all, w->count, WIDTH, by_serial);
	free(all);
}

static void
keep(const char *dir, int number, const struct body *b)
{
	char path[4096], to[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/limit.tmp", dir);
	snprintf(to, sizeof(to), "%s/limit.%d", dir, number);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n &&
		 fsync(fd) == 0 && close(fd) == 0 && rename(path, to) == 0,
	    path);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	must(fd >= 0 && fsync(fd) == 0 && close(fd) == 0, dir);
}

static void
fetch(bool large, const char *ca, const char *dir, char **urls)
{
	CURL *curl = curl_easy_init();
	STACK_OF(X509) *certs = read_certs(ca);
	struct body b = {NULL, 0, 0};
	struct crl_algorithm a;
	struct crl_walk w;
	struct error err;
	unsigned char digest[32];

	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &b);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	for (int i = 0; urls[i] != NULL; i++) {
		b.n = 0;
		curl_easy_setopt(curl, CURLOPT_URL, urls[i]);
		must(curl_easy_perform(curl) == CURLE_OK, urls[i]);
		must(crl_walk(b.p, b.n, &w, &err) &&
			 crl_signature_algorithm(&w, &a, &err) &&
			 crl_signature_holds(
			     &w, &a, find_key(certs, &w.issuer)),
		    urls[i]);
		if (large) {
			EVP_Digest(b.p, b.n, digest, NULL, EVP_sha256(),
			    NULL);
			sort_serials(&w);
		} else
			keep(dir, i, &b);
	}
	sk_X509_pop_free(certs, X509_free);
	free(b.p);
	curl_easy_cleanup(curl);
}

static double
seconds_since(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from->tv_sec) +
	       (double)(to.tv_nsec - from->tv_nsec) / 1e9;
}

static void
lookup(const char *dir, const char *path)
{
	struct crl_index *index = crl_index_open(dir);
	STACK_OF(X509) *certs = read_certs(path);
	X509 *cert = sk_X509_value(certs, 0);
	struct timespec from;
	struct crl_answer answer;

	must(index != NULL, dir);
	crl_index_check(index, cert, NULL, time(NULL), 0, &answer);
	must(answer.status != CRL_UNKNOWN, crl_why_text(answer.why));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < LOOKUPS; i++)
		crl_index_check(index, cert, NULL, time(NULL), 0, &answer);
	printf("%.3f\n", seconds_since(&from) * 1e6 / LOOKUPS);
	sk_X509_pop_free(certs, X509_free);
	crl_index_close(&index);
}

/* In the place of the module's step: the step, again and again. */
static int
time_step(X509_STORE_CTX *ctx)
{
	struct timespec from;

	must(sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) == 3 &&
		 tls_check_chain(ctx) == 1,
	    "the chain is not as it should be");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < LOOKUPS; i++)
		tls_check_chain(ctx);
	printf("%.3f\n", seconds_since(&from) * 1e6 / LOOKUPS);
	return 1;
}

static SSL *
make_end(const SSL_METHOD *method, const char *chain, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	must(SSL_CTX_use_certificate_chain_file(ctx, chain) == 1 &&
		 SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1,
	    chain);
	return SSL_new(ctx);
}

static void
handshake(const char *dir, const char *ca, const char *chain, const char *key)
{
	const struct tls_section section = {.directory = dir,
		.inbound = true, .outbound = true, .missing_rejects = true};
	SSL *client, *server;
	X509_STORE *store;
	BIO *a, *b;
	int one = 0, two = 0;

	tls_check_start(&section);
	client = make_end(TLS_client_method(), chain, key);
	server = make_end(TLS_server_method(), chain, key);
	store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(client));
	X509_STORE_add_cert(store, sk_X509_value(read_certs(ca), 0));
	X509_STORE_set_check_revocation(store, time_step);
	SSL_set_verify(client, SSL_VERIFY_PEER, NULL);
	BIO_new_bio_pair(&a, 0, &b, 0);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20 && (one != 1 || two != 1); i++) {
		one = SSL_do_handshake(client);
		two = SSL_do_handshake(server);
	}
	must(one == 1 && two == 1, "no handshake");
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "lookup") == 0)
		lookup(argv[2], argv[3]);
	else if (argc == 6 && strcmp(argv[1], "handshake") == 0)
		handshake(argv[2], argv[3], argv[4], argv[5]);
	else if (argc > 4)
		fetch(strcmp(argv[1], "large") == 0, argv[2], argv[3],
		    argv + 4);
	else
		return 64;
	return 0;
}
