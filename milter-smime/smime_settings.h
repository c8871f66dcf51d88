/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MILTER_SMIME_SMIME_SETTINGS_H
#define MILTER_SMIME_SMIME_SETTINGS_H

/*
 * The sections of postseal.conf(5) that milter-smime owns.  Meanings and
 * defaults: the tables in smime_settings.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/settings.h"
#include "common/shared_settings.h"

struct milter_smime_settings {
	char *listen;
	char *user;
	char *key_store;
	int64_t spill_at;
	int trust; /* enum trust_rule */
	char *login_domain;
	int64_t rsa_minimum;
	int64_t milter_timeout;
	int64_t deliveries_max;
	char *reinject;
	char *reinject_hold;
	char *reinject_bounce;
	struct strvec filters; /* files */
	int64_t reinject_timeout;
	struct strvec quarantine; /* names; see quarantine.h */
};

enum profile_mode { MODE_SIGN, MODE_ENCRYPT, MODE_SIGN_ENCRYPT, MODE_TRIPLE };
enum no_key { NO_KEY_BOUNCE, NO_KEY_DROP, NO_KEY_SPLIT };
enum cipher {
	CIPHER_AUTO,
	CIPHER_AES_128_CBC,
	CIPHER_AES_192_CBC,
	CIPHER_AES_256_CBC,
	CIPHER_AES_128_GCM,
	CIPHER_AES_256_GCM,
};
enum key_transport {
	KEY_TRANSPORT_AUTO,
	KEY_TRANSPORT_RSA_PKCS1,
	KEY_TRANSPORT_RSA_OAEP,
};
enum rsa_signature { RSA_SIGNATURE_PKCS1, RSA_SIGNATURE_PSS };
enum hidden_recipients { HIDDEN_SEPARATE, HIDDEN_TOGETHER };
enum sign_mode { SIGN_DETACHED, SIGN_OPAQUE };
enum digest { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
enum key_usage_rule { KEY_USAGE_RFC8550, KEY_USAGE_STRICT };
/* RFC 9788 3.2: which header fields an encrypted message hides. */
enum header_confidentiality {
	CONFIDENTIALITY_BASELINE,
	CONFIDENTIALITY_SHY,
	CONFIDENTIALITY_NONE,
};

struct sending_profile_settings {
	int mode;
	char *signing_certificate; /* a name, or "auto" */
	int sign_mode;
	int digest;
	int key_usage;
	bool sign_signed; /* sign mail that is already signed again */
	int no_key;
	int cipher;
	int key_transport;
	int rsa_signature;
	int hidden_recipients;
	bool protected_headers;
	int header_confidentiality;
};

enum policy_direction { DIRECTION_OUTGOING, DIRECTION_INCOMING };

struct mail_policy_settings {
	int direction;
	struct strvec senders;
	struct strvec recipients;
	char *profile; /* NULL: none */
	struct strvec filters; /* names of filters that hold for it */
};

extern const struct section_type milter_smime_section,
    sending_profile_section, mail_policy_section;

/* All section types milter-smime and postseal-smime read, NULL at the end. */
extern const struct section_type *const smime_section_types[];

/* Do the modes contain this step? */
bool smime_mode_signs(int mode);
bool smime_mode_encrypts(int mode);

/* The words of settings, as written in the file. */
const char *smime_mode_name(int mode);
const char *smime_cipher_name(int cipher);

/*
 * The path of `key_store` (sqlite:/path).  Checked at reading, so never
 * NULL.
 */
const char *smime_key_store_path(const struct milter_smime_settings *s);

/* Folder for nameless temporary files; free(3). */
char *smime_spool_directory(const struct settings *s);

#endif
