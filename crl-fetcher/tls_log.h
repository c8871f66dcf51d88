/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_LOG_H
#define CRL_FETCHER_TLS_LOG_H

/*
 * How postseal_tls.so speaks from inside another program: through Postfix's
 * own msg_info() and msg_warn() where the program has them (it is then said
 * wherever Postfix logs, also by postlogd(8), also in a chroot), else
 * through syslog(3) with facility mail.  openlog(3) is the program's.
 *
 * Names come from strangers' certificates: they become printable ASCII,
 * cut at the size given.  Nothing here ends the process.  Thread safe but
 * for tls_log_start(); Postfix's functions are as safe as Postfix.
 */

#include <stddef.h>

#include <openssl/x509.h>

#define TLS_LOG_LINE 1024
#define TLS_LOG_NAME 256
#define TLS_LOG_SERIAL 136 /* 64 octets, sign, dots, NUL */

enum tls_log_level { TLS_LOG_INFO, TLS_LOG_WARNING };

/* Looks for Postfix's functions. */
void tls_log_start(void);

/* One line, cut at TLS_LOG_LINE; what is not printable becomes '?'. */
void tls_log(enum tls_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* RFC 4514; a name that was cut ends with "...".  "" without memory. */
void tls_log_name(char *text, size_t size, const X509_NAME *name);

/* Upper-case hex as x509_facts.h has it, "-" before negative ones. */
void tls_log_serial(char *text, size_t size, const X509 *cert);

#endif
