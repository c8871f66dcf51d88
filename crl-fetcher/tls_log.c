/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_log.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include <openssl/bio.h>

#define PREFIX "postseal_tls: "

typedef void speak(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Of the program we are in; NULL: it is not Postfix. */
static speak *speakers[2];

static speak *
find_speaker(const char *name)
{
	void *at = dlsym(RTLD_DEFAULT, name);
	speak *f = NULL;

	memcpy(&f, &at, sizeof(f));
	return f;
}

void
tls_log_start(void)
{
	/* Another program may have a msg_info() that is something else. */
	if (dlsym(RTLD_DEFAULT, "mail_params_init") == NULL)
		return;
	speakers[TLS_LOG_INFO] = find_speaker("msg_info");
	speakers[TLS_LOG_WARNING] = find_speaker("msg_warn");
}

static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void
tls_log(enum tls_log_level level, const char *fmt, ...)
{
	char line[TLS_LOG_LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	make_printable(line);
	if (speakers[level] != NULL)
		speakers[level](PREFIX "%s", line);
	else
		syslog(LOG_MAIL |
			   (level == TLS_LOG_INFO ? LOG_INFO : LOG_WARNING),
		    PREFIX "%s", line);
}

/* Copies what fits, and says when that is not all. */
static void
cut(char *text, size_t size, const char *from, size_t n)
{
	static const char dots[] = "...";

	if (n < size) {
		memcpy(text, from, n);
		text[n] = '\0';
	} else if (size >= sizeof(dots)) {
		memcpy(text, from, size - sizeof(dots));
		memcpy(text + size - sizeof(dots), dots, sizeof(dots));
	}
}

void
tls_log_name(char *text, size_t size, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long n;

	text[0] = '\0';
	if (bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &bytes);
		if (n > 0)
			cut(text, size, bytes, (size_t)n);
	}
	BIO_free(bio);
	make_printable(text);
}

void
tls_log_serial(char *text, size_t size, const X509 *cert)
{
	static const char digits[] = "0123456789ABCDEF";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	char hex[TLS_LOG_SERIAL];
	size_t n = (size_t)ASN1_STRING_length(serial), len = 0;

	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		hex[len++] = '-';
	for (size_t i = 0; i < n && len + 2 < sizeof(hex); i++) {
		hex[len++] = digits[p[i] >> 4];
		hex[len++] = digits[p[i] & 15];
	}
	cut(text, size, hex, len);
}
