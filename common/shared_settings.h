/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef COMMON_SHARED_SETTINGS_H
#define COMMON_SHARED_SETTINGS_H

/*
 * Sections of postseal.conf(5) that more than one program reads.
 * Defaults and meanings: the tables in shared_settings.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"

struct postseal_settings {
	char *hostname; /* never NULL: the machine's name by default */
	char *authserv_id; /* NULL: hostname; see postseal_authserv_id() */
	char *state_directory;
	char *certificate_directory;
	char *run_directory;
	char *syslog_facility;
	char *sendmail;
};

struct ca_list_settings {
	bool system;
	char *system_file;
	char *custom_file; /* NULL: none */
	bool fqdn_check;
};

struct alerts_settings {
	struct strvec recipients;
	struct strvec recipients_tls, recipients_dane, recipients_smime,
	    recipients_crl, recipients_certificates;
	char *from; /* NULL: the null sender */
	int64_t repeat_after;
	char *submit; /* "sendmail" or smtp://host:port */
};

struct certificate_settings {
	char *file;
	char *key;
	char *key_password_file;
};

struct sender_group_settings {
	struct strvec clients;
	char *mail_flow_policy;
	bool trusted; /* may use any signing certificate (S7) */
};

enum policy_behavior { BEHAVIOR_ACCEPT, BEHAVIOR_RELAY, BEHAVIOR_REJECT };
enum policy_tls { POLICY_TLS_OFF, POLICY_TLS_PREFERRED, POLICY_TLS_REQUIRED };
enum policy_signature { SIGNATURE_KEEP, SIGNATURE_REMOVE };

struct mail_flow_policy_settings {
	int behavior;
	int tls;
	bool verify_client_certificate;
	bool require_smtp_auth;
	bool require_tls_for_smtp_auth;
	char *smtp_auth_profile;
	bool smime_decrypt_verify;
	int smime_signature;
	bool smime_harvest;
	bool smime_harvest_on_failure;
	bool smime_harvest_updates;
};

enum missing_crl { MISSING_CRL_ACCEPT, MISSING_CRL_REJECT };

struct crl_check_settings {
	bool inbound_smtp_tls, outbound_smtp_tls, web, ldap_tls, smime;
	int missing_crl;
	int64_t grace; /* seconds after nextUpdate */
	char *directory;
	char *certificate_spool; /* filled by postseal_tls.so */
	int64_t certificate_spool_max; /* files; 0: none is kept */
};

extern const struct section_type postseal_section, ca_list_section,
    alerts_section, certificate_section, sender_group_section,
    mail_flow_policy_section, crl_check_section;

/* The name in Authentication-Results: authserv_id, else hostname. */
const char *postseal_authserv_id(const struct postseal_settings *s);

#endif
