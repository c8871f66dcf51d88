/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_prove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "publish.h"

#define SECONDS 20
#define STEPS 100 /* of a handshake */

/* Somebody who is revoked. */
struct victim {
	bool found;
	X509_NAME *issuer;
	ASN1_INTEGER *serial;
};

/* ---- whom to take ---- */

/* The shortest form again: an index has all serial numbers of one width. */
static ASN1_INTEGER *
make_serial(const struct der *serial)
{
	unsigned char der[2 + CRL_INDEX_SERIAL_MAX];
	const unsigned char *at = der, *p = serial->p;
	size_t n = serial->n;

	while (n > 1 && ((p[0] == 0 && !(p[1] & 0x80)) ||
			    (p[0] == 0xff && p[1] & 0x80)))
		p++, n--;
	der[0] = DER_INTEGER;
	der[1] = (unsigned char)n;
	memcpy(der + 2, p, n);
	return d2i_ASN1_INTEGER(NULL, &at, (long)n + 2);
}

static void
victim_clear(struct victim *v)
{
	X509_NAME_free(v->issuer);
	ASN1_INTEGER_free(v->serial);
	*v = (struct victim){0};
}

static void
look_at(void *context, const char *name, const struct crl_index_file *f)
{
	struct victim *v = context;
	struct crl_index_entry entry;
	const unsigned char *p;
	struct der serial;

	(void)name;
	if (v->found || f == NULL || f->count == 0 ||
	    f->flags & CRL_INDEX_ATTRIBUTE_ONLY)
		return;
	crl_index_file_entry(f, 0, &serial, &entry);
	victim_clear(v);
	p = f->field[CRL_INDEX_ISSUER].p;
	v->issuer = d2i_X509_NAME(NULL, &p,
	    (long)f->field[CRL_INDEX_ISSUER].n);
	v->serial = make_serial(&serial);
	v->found = v->issuer != NULL && v->serial != NULL;
}

/* ---- certificates for one handshake ---- */

static bool
fill(X509 *cert, const X509_NAME *subject, const X509_NAME *issuer,
    EVP_PKEY *key)
{
	return X509_set_version(cert, X509_VERSION_3) == 1 &&
	       X509_set_subject_name(cert, subject) == 1 &&
	       X509_set_issuer_name(cert, issuer) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	       X509_set_pubkey(cert, key) == 1;
}

static X509 *
make_ca(const X509_NAME *name, EVP_PKEY *key)
{
	X509 *ca = X509_new();
	X509_EXTENSION *basic = X509V3_EXT_conf_nid(NULL, NULL,
	    NID_basic_constraints, "critical,CA:TRUE");

	if (ca == NULL || basic == NULL || !fill(ca, name, name, key) ||
	    X509_add_ext(ca, basic, -1) != 1 ||
	    X509_sign(ca, key, EVP_sha256()) == 0) {
		X509_free(ca);
		ca = NULL;
	}
	X509_EXTENSION_free(basic);
	return ca;
}

static X509 *
make_leaf(const struct victim *v, EVP_PKEY *key)
{
	X509 *leaf = X509_new();
	X509_NAME *subject = X509_NAME_new();

	if (leaf == NULL || subject == NULL ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		(const unsigned char *)"postseal check", -1, -1, 0) != 1 ||
	    !fill(leaf, subject, v->issuer, key) ||
	    X509_set_serialNumber(leaf, v->serial) != 1 ||
	    X509_sign(leaf, key, EVP_sha256()) == 0) {
		X509_free(leaf);
		leaf = NULL;
	}
	X509_NAME_free(subject);
	return leaf;
}

/* ---- the handshake ---- */

/* What was found is read afterwards. */
static int
go_on(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static SSL *
make_end(const SSL_METHOD *method, X509 *ca, X509 *leaf, EVP_PKEY *key,
    bool verify)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL *ssl = NULL;

	if (ctx != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1) {
		SSL_CTX_set_verify(ctx,
		    verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, go_on);
		ssl = SSL_new(ctx);
	}
	SSL_CTX_free(ctx);
	return ssl;
}

static bool
shake_hands(SSL *client, SSL *server)
{
	BIO *a = NULL, *b = NULL;
	int one = 0, two = 0;

	if (BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		return false;
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < STEPS && (one != 1 || two != 1); i++) {
		one = SSL_do_handshake(client);
		two = SSL_do_handshake(server);
	}
	return one == 1 && two == 1;
}

static enum tls_proof_side
result_of(const SSL *ssl, bool checked)
{
	if (!checked)
		return TLS_PROOF_NONE;
	return SSL_get_verify_result(ssl) == X509_V_ERR_CERT_REVOKED
		   ? TLS_PROOF_REVOKED
		   : TLS_PROOF_MISSED;
}

static void
try_handshake(const struct tls_section *s, const struct victim *v,
    struct tls_proof *proof)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *ca = key == NULL ? NULL : make_ca(v->issuer, key);
	X509 *leaf = key == NULL ? NULL : make_leaf(v, key);
	SSL *client = NULL, *server = NULL;

	/* A server that verifies but does not check would keep the leaf. */
	if (ca != NULL && leaf != NULL) {
		client = make_end(TLS_client_method(), ca, leaf, key, true);
		server = make_end(TLS_server_method(), ca, leaf, key,
		    s->inbound);
	}
	if (client != NULL && server != NULL && shake_hands(client, server)) {
		proof->inbound = result_of(server, s->inbound);
		proof->outbound = result_of(client, s->outbound);
	} else {
		const char *why = ERR_reason_error_string(ERR_peek_error());

		snprintf(proof->text, sizeof(proof->text),
		    "no handshake came about: %s", why == NULL ? "" : why);
	}
	SSL_free(client);
	SSL_free(server);
	X509_free(ca);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

/* ---- the process ---- */

static void
tell_errors(struct tls_proof *proof)
{
	const char *data = "";
	unsigned long e;
	int flags;

	/* The first error that has something to say is where it began. */
	while ((e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
		const char *reason = ERR_reason_error_string(e);

		snprintf(proof->text, sizeof(proof->text), "%s%s%s",
		    data == NULL ? "" : data,
		    data == NULL || data[0] == '\0' ? "" : ": ",
		    reason == NULL ? "unknown" : reason);
		if (data != NULL && data[0] != '\0')
			return;
	}
}

static bool
is_hooked(void)
{
	X509_STORE *store = X509_STORE_new();
	bool hooked = store != NULL &&
		      X509_STORE_get_check_revocation(store) != NULL;

	X509_STORE_free(store);
	return hooked;
}

static void
try_all(const char *file, const char *application,
    const struct tls_section *s, struct tls_proof *proof)
{
	struct victim v = {0};
	struct error ignored;

	ERR_clear_error();
	proof->loaded =
	    CONF_modules_load_file_ex(NULL, file, application, 0) == 1;
	if (!proof->loaded) {
		tell_errors(proof);
		return;
	}
	proof->hooked = is_hooked();
	if (s == NULL || !proof->hooked)
		return;
	if (s->directory == NULL ||
	    !publish_each(s->directory, look_at, &v, &ignored) || !v.found)
		snprintf(proof->text, sizeof(proof->text),
		    "no list here has a revoked certificate to try");
	else
		try_handshake(s, &v, proof);
	victim_clear(&v);
}

static bool
read_all(int fd, void *to, size_t n)
{
	char *p = to;

	while (n > 0) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

bool
tls_prove(const char *file, const char *application,
    const struct tls_section *section, struct tls_proof *proof,
    struct error *err)
{
	struct tls_proof told = {0};
	int fds[2], status = 0;
	pid_t pid;
	bool ok;

	if (pipe(fds) != 0)
		return error_errno(err, "pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return error_errno(err, "fork");
	}
	if (pid == 0) {
		alarm(SECONDS);
		try_all(file, application, section, &told);
		_exit(write(fds[1], &told, sizeof(told)) !=
		      (ssize_t)sizeof(told));
	}
	close(fds[1]);
	ok = read_all(fds[0], proof, sizeof(*proof));
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return ok ? true : error_temp(err, "%s: loading it ended the process "
	    "(status %d)", file, status);
}
