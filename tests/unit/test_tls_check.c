/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of postseal_tls.so outside of Postfix: its section, its spool,
 * its words, and its step in handshakes of a client and a server here.
 */
#include "crl-fetcher/tls_check.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "crl-fetcher/tls_config.h"
#include "crl-fetcher/tls_log.h"
#include "crl-fetcher/tls_spool.h"
#include "pki.h"
#include "tap.h"

#define THREADS 4
#define ROUNDS 10

static char dir[] = "/tmp/postseal-tls-check-XXXXXX";
static EVP_PKEY *key, *other_key;
static X509 *ca, *leaf, *forged;

/* ---- the section ---- */

static CONF *
make_conf(const char *text)
{
	CONF *cnf = NCONF_new(NULL);
	BIO *bio = BIO_new_mem_buf(text, -1);
	long line = 0;

	pki_must(NCONF_load_bio(cnf, bio, &line) == 1);
	BIO_free(bio);
	return cnf;
}

static void
test_section(void)
{
	CONF *cnf = make_conf("directory = /elsewhere\n[a]\npath = /m.so\n"
			      "directory = /d\ninbound = no\noutbound = yes\n"
			      "missing_crl = accept\ngrace = 60\n"
			      "certificate_spool = /s\n"
			      "certificate_spool_max = 7\n"
			      "[b]\ndirectory = d\ninbound = nein\n"
			      "outbound =\nmissing_crl = axept\ngrace = -1\n"
			      "certificate_spool_max = 1e9\nnosuch = 1\n");
	struct tls_section s;

	tls_section_read(cnf, "a", &s);
	check_str(s.directory, "/d", "the directory is read");
	check(!s.inbound && s.outbound && !s.missing_rejects && s.grace == 60,
	    "so are switches, missing_crl and grace");
	check_str(s.spool, "/s", "and the spool");
	check(s.spool_max == 7, "and its size");
	tls_section_read(cnf, "b", &s);
	check(s.inbound && s.outbound && s.missing_rejects && s.grace == 0 &&
		  s.spool_max == 0 && s.directory == NULL,
	    "of what makes no sense the stricter reading is taken");
	tls_section_read(cnf, "c", &s);
	check(s.inbound && s.outbound && s.directory == NULL,
	    "a section that is not there checks, and nothing of the default "
	    "section counts");
	tls_section_read(cnf, NULL, &s);
	check(s.directory == NULL, "no name is no section");
	NCONF_free(cnf);
}

static void
test_config(void)
{
	struct crl_check_settings set = {.inbound_smtp_tls = true,
	    .missing_crl = MISSING_CRL_REJECT,
	    .grace = 3600,
	    .directory = (char *)"/a b/$c/\"d\"#e\\",
	    .certificate_spool = (char *)"/sp'ool",
	    .certificate_spool_max = 9};
	char *base = mem_printf("%s/none.cnf", dir);
	char *file = mem_printf("%s/out.cnf", dir);
	const char *module = NULL;
	struct error err = {0};
	struct tls_section s;
	CONF *cnf = NULL;
	struct buf text;
	FILE *f;

	buf_init(&text, TLS_CONFIG_MAX);
	check(tls_config_format(&text, base, "/m $x.so", &set, &err),
	    "a configuration is made where the system has none");
	f = fopen(file, "w");
	pki_must(f != NULL && fputs(buf_text(&text), f) >= 0 && fclose(f) == 0);
	check(tls_config_read(
		  file, TLS_CONFIG_APPLICATION, &cnf, &s, &module, &err),
	    "OpenSSL reads it");
	check_str(module, "/m $x.so", "with the module's path");
	check_str(s.directory, set.directory,
	    "and paths with blanks, quotes, dollars, backslashes");
	check_str(s.spool, set.certificate_spool, "as they were");
	check(s.inbound && !s.outbound && s.missing_rejects &&
		  s.grace == 3600 && s.spool_max == 9,
	    "and all settings");
	NCONF_free(cnf);
	check(!tls_config_read(file, NULL, &cnf, &s, &module, &err),
	    "other applications are not led to the module");
	NCONF_free(cnf);
	set.directory = (char *)"/a\nb";
	buf_reset(&text);
	check(!tls_config_format(&text, base, "/m.so", &set, &err),
	    "a path with a line end is refused");
	buf_clear(&text);
	unlink(file);
	free(base);
	free(file);
}

/* ---- words ---- */

static void
test_words(void)
{
	const unsigned char bytes[] = "a\nb\0c\x1b\"\xc3\xa9";
	char text[64], small[12];
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, bytes, sizeof(bytes) - 1, -1, 0);
	tls_log_name(text, sizeof(text), name);
	check_str(text, "CN=a\\0Ab\\00c\\1B\\\"\\C3\\A9",
	    "control bytes, NUL and quotes of a name are escaped");
	tls_log_name(small, sizeof(small), name);
	check_str(small, "CN=a\\0Ab...", "a long name is cut, and says so");
	X509_NAME_free(name);
	tls_log_serial(text, sizeof(text), leaf);
	check_str(text, "07", "a serial number is hex");
}

/* ---- the spool ---- */

static unsigned
count_files(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void
remove_files(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static void
test_spool(void)
{
	struct tls_spool *s = tls_spool_open(dir, 2);

	check(s != NULL && tls_spool_add(s, leaf) == TLS_SPOOL_ADDED,
	    "a certificate is added");
	check(
	    tls_spool_add(s, leaf) == TLS_SPOOL_THERE && count_files(dir) == 1,
	    "once");
	check(tls_spool_add(s, ca) == TLS_SPOOL_ADDED &&
		  tls_spool_add(s, forged) == TLS_SPOOL_FULL &&
		  count_files(dir) == 2,
	    "no more than the spool may have");
	check(tls_spool_add(s, forged) == TLS_SPOOL_RESTS &&
		  tls_spool_add(s, leaf) == TLS_SPOOL_THERE,
	    "a full one is left in peace for a while");
	tls_spool_close(&s);
	remove_files(dir);
	check(tls_spool_open("/nonexistent", 2) == NULL,
	    "no directory, no spool");
}

/* ---- handshakes ---- */

/* What the verify callback of the last server heard. */
struct heard {
	int error, depth, times;
	X509 *cert;
};
static _Thread_local struct heard heard;
static bool forgiving = true;

static int
listen_in(int ok, X509_STORE_CTX *ctx)
{
	if (ok)
		return 1;
	heard.error = X509_STORE_CTX_get_error(ctx);
	heard.depth = X509_STORE_CTX_get_error_depth(ctx);
	heard.cert = X509_STORE_CTX_get_current_cert(ctx);
	heard.times++;
	return forgiving;
}

static SSL *
make_end(const SSL_METHOD *method, X509 *cert, unsigned long flags)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	SSL *ssl;

	pki_must(SSL_CTX_use_certificate(ctx, cert) == 1 &&
		 SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		 X509_STORE_add_cert(store, ca) == 1);
	X509_STORE_set_flags(store, flags);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, listen_in);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

static bool
connect_ends(SSL *client, SSL *server)
{
	BIO *a, *b;
	int one = 0, two = 0;

	memset(&heard, 0, sizeof(heard));
	BIO_new_bio_pair(&a, 0, &b, 0);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20 && (one != 1 || two != 1); i++) {
		one = SSL_do_handshake(client);
		two = SSL_do_handshake(server);
	}
	return one == 1 && two == 1;
}

/* The client shows cert; what the server made of it, -1: no handshake. */
static long
shake(X509 *cert, unsigned long flags)
{
	SSL *client = make_end(TLS_client_method(), cert, 0);
	SSL *server = make_end(TLS_server_method(), leaf, flags);
	long result =
	    connect_ends(client, server) ? SSL_get_verify_result(server) : -1;

	SSL_free(client);
	SSL_free(server);
	ERR_clear_error();
	return result;
}

static void *
shake_often(void *wrong)
{
	for (int i = 0; i < ROUNDS; i++)
		if (shake(leaf, 0) != X509_V_OK)
			atomic_fetch_add((_Atomic int *)wrong, 1);
	return NULL;
}

static void
test_threads(void)
{
	pthread_t threads[THREADS];
	_Atomic int wrong = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, shake_often, &wrong);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(wrong == 0 && count_files(dir) == 1,
	    "handshakes in several threads");
}

/* missing_crl = accept, for the process can start but once. */
static void
test_accept(void)
{
	struct tls_section set = {.directory = dir,
	    .spool = dir,
	    .inbound = true,
	    .outbound = true,
	    .spool_max = 10};
	X509_STORE_CTX *ctx;
	X509_STORE *store;

	tls_check_start(&set);
	store = X509_STORE_new();
	check(X509_STORE_get_check_revocation(store) == tls_check_chain,
	    "every store that is made asks us");
	check(shake(forged, 0) == X509_V_ERR_CERT_SIGNATURE_FAILURE &&
		  count_files(dir) == 0,
	    "a forged leaf is not kept, though the application goes on");
	check(shake(leaf, X509_V_FLAG_CRL_CHECK) ==
		      X509_V_ERR_UNABLE_TO_GET_CRL &&
		  count_files(dir) == 0,
	    "an application that asks OpenSSL itself for CRLs gets what it "
	    "asked for");
	/* (The client's check of the server is one of them.) */
	check(shake(leaf, 0) == X509_V_OK && count_files(dir) == 1,
	    "without a list a good chain is accepted, and its leaf kept");
	test_threads();
	remove_files(dir);
	X509_STORE_add_cert(store, ca);
	ctx = X509_STORE_CTX_new();
	check(X509_STORE_CTX_init(ctx, store, leaf, NULL) == 1 &&
		  X509_verify_cert(ctx) == 1,
	    "a chain that is no peer's is verified");
	X509_STORE_CTX_free(ctx);
	check(count_files(dir) == 0, "and not kept");
	X509_STORE_free(store);
}

/* A bare key that is trusted (DANE 2 1 0) makes no root of the leaf. */
static void
test_bare_key(void)
{
	struct tls_section set = {.directory = "/nonexistent",
	    .outbound = true,
	    .missing_rejects = true};
	struct pki_cert c = {.cn = "ca", .serial = 9};
	X509 *cert = pki_make(&c, other_key, ca, key);
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	SSL *client, *server;

	tls_check_start(&set);
	client = make_end(TLS_client_method(), leaf, 0);
	server = make_end(TLS_server_method(), leaf, 0);
	SSL_set_verify(server, SSL_VERIFY_NONE, NULL);
	pki_must(SSL_use_certificate(server, cert) == 1 &&
		 SSL_use_PrivateKey(server, other_key) == 1 &&
		 SSL_CTX_dane_enable(SSL_get_SSL_CTX(client)) == 1 &&
		 SSL_dane_enable(client, "ca") == 1 &&
		 SSL_dane_tlsa_add(client, 2, 1, 0, der, (size_t)n) == 1);
	check(connect_ends(client, server) && heard.depth == 0 &&
		  SSL_get_verify_result(client) == X509_V_ERR_UNABLE_TO_GET_CRL,
	    "a leaf in its issuer's name is looked up all the same");
	SSL_free(client);
	SSL_free(server);
	OPENSSL_free(der);
	X509_free(cert);
}

static void
test_reject(void)
{
	struct tls_section set = {.directory = "/nonexistent",
	    .inbound = true,
	    .missing_rejects = true};

	tls_check_start(&set);
	check(shake(leaf, 0) == X509_V_ERR_UNABLE_TO_GET_CRL &&
		  heard.times == 1 && heard.depth == 0 &&
		  heard.error == X509_V_ERR_UNABLE_TO_GET_CRL,
	    "missing_crl = reject: the callback hears it, at the leaf, once; "
	    "the root is not looked up, the server of the client neither");
	forgiving = false;
	check(shake(leaf, 0) == -1,
	    "and when it does not go on, there is no handshake");
}

/* In a process of its own; its checks are counted there. */
static void
run_apart(void (*test)(void), const char *name)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		tap_failed = 0;
		test();
		_exit(tap_failed != 0);
	}
	waitpid(pid, &status, 0);
	check(status == 0, "%s", name);
}

int
main(void)
{
	struct pki_cert c = {
	    .cn = "ca", .serial = 1, .basic = "critical,CA:TRUE"};

	pki_must(mkdtemp(dir) != NULL);
	key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	ca = pki_make(&c, key, NULL, key);
	c = (struct pki_cert){.cn = "leaf", .serial = 7};
	leaf = pki_make(&c, key, ca, key);
	c = (struct pki_cert){.cn = "forged", .serial = 8};
	forged = pki_make(&c, key, ca, other_key);

	test_section();
	test_config();
	test_words();
	test_spool();
	run_apart(test_reject, "missing_crl = reject");
	run_apart(test_bare_key, "trust anchors without a certificate");
	test_accept();
	X509_free(ca);
	X509_free(leaf);
	X509_free(forged);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	rmdir(dir);
	return tap_done();
}
