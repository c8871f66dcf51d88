/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRL_FETCHER_TLS_CONFIG_H
#define CRL_FETCHER_TLS_CONFIG_H

/*
 * The OpenSSL configuration file that Postfix reads when it has
 * postseal_tls.so (tls_config_file, tls_config_name = postfix).  Postfix
 * reads it instead of the system's, so it includes the system's and adds
 * the module to the section that was in force, or to a new one.
 */

#include <stdbool.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/shared_settings.h"
#include "tls_section.h"

#define TLS_CONFIG_APPLICATION "postfix"
#define TLS_CONFIG_MAX 65536

/* The system's openssl.cnf; free(3). */
char *tls_config_system(void);

/* What the settings want the section to say; text is borrowed. */
void tls_config_wanted(const struct crl_check_settings *check,
    struct tls_section *section);

/*
 * Writes the file's text.  base is included; it may be missing, as the
 * system's may.  PERM: it cannot be understood, or a path cannot be
 * written into such a file.
 */
bool tls_config_format(struct buf *out, const char *base, const char *module,
    const struct crl_check_settings *check, struct error *err)
    __attribute__((warn_unused_result));

/*
 * Finds our module in a file as OpenSSL would for the application
 * (NULL: the default one).  *cnf holds what section and module borrow; for
 * NCONF_free() in any case.  PERM: the file cannot be read or understood,
 * or leads to no module of ours.
 */
bool tls_config_read(const char *file, const char *application, CONF **cnf,
    struct tls_section *section, const char **module, struct error *err)
    __attribute__((warn_unused_result));

/*
 * Does the application get what other programs get?  Not so when the
 * included file of the system has changed and names another section now.
 */
bool tls_config_has_system(const CONF *cnf, const char *application);

#endif
