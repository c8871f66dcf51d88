/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postseal_tls.so, an OpenSSL configuration module (config(5)).  See
 * postseal_tls(8).
 *
 * OpenSSL finds a module by the names of its two functions, and has a
 * function of its own with one of these names and another type: its
 * declaration gets out of the way.
 */
#define OPENSSL_init OPENSSL_init_of_libcrypto
#include <openssl/crypto.h>
#undef OPENSSL_init

#include <openssl/conf.h>

#include "tls_check.h"
#include "tls_log.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int OPENSSL_init(CONF_IMODULE *md, const CONF *cnf);
EXPORT void OPENSSL_finish(CONF_IMODULE *md);

/*
 * Never fails: Postfix has no TLS at all then, and what may go in clear
 * does.
 */
int
OPENSSL_init(CONF_IMODULE *md, const CONF *cnf)
{
	struct tls_section section;

	tls_log_start();
	tls_section_read(cnf, CONF_imodule_get_value(md), &section);
	tls_check_start(&section);
	return 1;
}

/* Stores that have our functions may be used and freed after this. */
void
OPENSSL_finish(CONF_IMODULE *md)
{
	(void)md;
}
