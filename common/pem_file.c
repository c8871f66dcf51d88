/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include "common/mem.h"
#include "common/x509_facts.h"

#define KEY_MAX	     (64 << 10)
#define PASSWORD_MAX 1024

struct password {
	const char *text; /* NULL: we have none */
	bool asked;
};

static bool
cannot_open(const char *path, const char *secret, struct error *err)
{
	const char *remedy = "check the name";

	if (errno == EACCES)
		remedy = secret == NULL ? "make it readable" :
		    "run as its owner or root, or chgrp postseal-smime and "
		    "chmod 0640";
	return error_temp(err, "%s: cannot open%s%s: %s; %s", path,
	    secret == NULL ? "" : " the ", secret == NULL ? "" : secret,
	    strerror(errno), remedy);
}

static bool
check_kind(const char *path, const char *secret, const struct stat *st,
    size_t room, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return error_perm(err, "%s: not a regular file; name a file",
		    path);
	if (secret != NULL && (st->st_mode & 07) != 0)
		return error_perm(err,
		    "%s: %s is readable by others (mode %04o); chmod 0640 "
		    "and chgrp postseal-smime",
		    path, secret, (unsigned)(st->st_mode & 07777));
	if (st->st_size < 0 || (size_t)st->st_size > room)
		return error_perm(err,
		    "%s: %lld bytes, more than the %zu we read; is it the "
		    "right file?",
		    path, (long long)st->st_size, room);
	return true;
}

/*
 * Reads exactly what fstat promised: a buffer that grew would leave copies
 * of a secret behind.
 */
static bool
read_exactly(int fd, const char *path, size_t size, struct buf *out,
    struct error *err)
{
	size_t start = out->len;
	char extra;
	ssize_t n = 0;

	if (!buf_reserve(out, size))
		return error_perm(err, "%s: too large", path);
	while (out->len - start < size) {
		n = read(fd, out->data + out->len, size - (out->len - start));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out->len += (size_t)n;
	}
	if (n < 0)
		return error_errno(err, "%s: cannot read", path);
	if (out->data != NULL)
		out->data[out->len] = '\0';
	if (out->len - start < size || read(fd, &extra, 1) != 0)
		return error_temp(err,
		    "%s: changed while it was being read; try again", path);
	return true;
}

bool
pem_file_read(const char *path, const char *secret, struct buf *out,
    struct error *err)
{
	bool ok = false;
	struct stat st;
	int fd;

	/* A FIFO under this name must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return cannot_open(path, secret, err);
	if (fstat(fd, &st) < 0) {
		error_errno(err, "%s: cannot stat", path);
		goto out;
	}
	if (!check_kind(path, secret, &st, out->max - out->len, err) ||
	    !read_exactly(fd, path, (size_t)st.st_size, out, err))
		goto out;
	ok = true;
out:
	close(fd);
	return ok;
}

char *
pem_file_password(const char *path, struct error *err)
{
	struct buf text;
	char *password = NULL;
	size_t n;

	buf_init(&text, PASSWORD_MAX);
	if (!pem_file_read(path, "password file", &text, err))
		goto out;
	n = strcspn(buf_text(&text), "\r\n");
	if (n == 0) {
		error_perm(err, "%s: the first line is empty; write the "
		    "password there", path);
		goto out;
	}
	password = mem_dup(text.data, n);
out:
	buf_wipe(&text);
	return password;
}

STACK_OF(X509) *
pem_certs_parse(const char *what, const char *text, size_t n,
    bool may_be_empty, struct error *err)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(text, (int)n);
	bool ok = false;
	unsigned long code;
	X509 *cert;

	ERR_clear_error();
	while ((cert = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL)) != NULL)
		sk_X509_push(certs, cert);
	code = ERR_peek_last_error();
	if (ERR_GET_LIB(code) != ERR_LIB_PEM ||
	    ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
		x509_error(err, ERROR_PERM, "%s: certificate %d is broken",
		    what, sk_X509_num(certs) + 1);
		goto out;
	}
	ERR_clear_error();
	if (sk_X509_num(certs) == 0 && !may_be_empty) {
		error_perm(err,
		    "%s: no certificate in it; it must be PEM with "
		    "-----BEGIN CERTIFICATE-----", what);
		goto out;
	}
	ok = true;
out:
	BIO_free(in);
	if (!ok) {
		sk_X509_pop_free(certs, X509_free);
		certs = NULL;
	}
	return certs;
}

bool
pem_has_private_key(const char *text, size_t n)
{
	static const char mark[] = "PRIVATE KEY-----";

	return n > 0 && memmem(text, n, mark, sizeof(mark) - 1) != NULL;
}

static int
give_password(char *to, int size, int rwflag, void *context)
{
	struct password *p = context;
	size_t n;

	(void)rwflag;
	p->asked = true;
	if (p->text == NULL)
		return -1;
	n = strlen(p->text);
	if (size < 0 || n > (size_t)size)
		return -1;
	memcpy(to, p->text, n);
	return (int)n;
}

static void
key_error(const char *what, const struct password *p, struct error *err)
{
	if (p->asked && p->text == NULL)
		error_perm(err,
		    "%s: the private key is encrypted; write its password "
		    "into a file and name that as key_password_file", what);
	else if (p->asked)
		error_perm(err, "%s: the password does not fit the private "
		    "key", what);
	else
		x509_error(err, ERROR_PERM, "%s: no usable private key in it",
		    what);
	ERR_clear_error();
}

EVP_PKEY *
pem_key_parse(const char *what, const char *text, size_t n,
    const char *password, bool *encrypted, struct error *err)
{
	struct password p = {.text = password};
	BIO *in = BIO_new_mem_buf(text, (int)n);
	EVP_PKEY *key;

	ERR_clear_error();
	key = PEM_read_bio_PrivateKey(in, NULL, give_password, &p);
	if (key == NULL)
		key_error(what, &p, err);
	if (encrypted != NULL)
		*encrypted = p.asked;
	BIO_free(in);
	return key;
}

static EVP_PKEY *
key_from_token(const char *uri, const char *password, struct error *err)
{
	struct password p = {.text = password};
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
	OSSL_STORE_CTX *store = NULL;
	OSSL_STORE_INFO *info;
	EVP_PKEY *key = NULL;

	ERR_clear_error();
	store = OSSL_STORE_open(uri, ui, &p, NULL, NULL);
	if (store == NULL) {
		x509_error(err, ERROR_TEMP,
		    "%s: cannot open; is an OpenSSL provider for PKCS #11 "
		    "set up in openssl.cnf?", uri);
		goto out;
	}
	OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	while (key == NULL && !OSSL_STORE_eof(store)) {
		info = OSSL_STORE_load(store);
		if (info == NULL)
			continue;
		key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	if (key == NULL)
		key_error(uri, &p, err);
out:
	OSSL_STORE_close(store);
	UI_destroy_method(ui);
	ERR_clear_error();
	return key;
}

static EVP_PKEY *
key_from_file(const char *path, const char *password, struct error *err)
{
	struct buf text;
	EVP_PKEY *key = NULL;

	buf_init(&text, KEY_MAX);
	if (pem_file_read(path, "private key", &text, err))
		key = pem_key_parse(path, buf_text(&text), text.len, password,
		    NULL, err);
	buf_wipe(&text);
	return key;
}

EVP_PKEY *
pem_key_load(const char *where, const char *password_file, struct error *err)
{
	char *password = NULL;
	EVP_PKEY *key = NULL;

	if (password_file != NULL) {
		password = pem_file_password(password_file, err);
		if (password == NULL)
			return NULL;
	}
	if (where[0] == '/')
		key = key_from_file(where, password, err);
	else if (strncmp(where, "pkcs11:", 7) == 0)
		key = key_from_token(where, password, err);
	else
		error_perm(err, "%s: neither an absolute path nor a pkcs11: "
		    "URI; write one of them", where);
	if (password != NULL)
		mem_wipe_free(password, strlen(password));
	return key;
}
