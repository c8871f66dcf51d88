/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/domain.h"
#include "common/mailaddr.h"
#include "common/mem.h"
#include "common/smtp_client.h"
#include "quarantine.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SQLITE "sqlite:"

static const char *const trust_words[] = {"ca-or-known", "ca", "known", NULL};
static const char *const mode_words[] = {
	"sign", "encrypt", "sign-encrypt", "triple", NULL};
static const char *const no_key_words[] = {"bounce", "drop", "split", NULL};
static const char *const cipher_words[] = {"auto", "aes-128-cbc",
	"aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm", NULL};
static const char *const transport_words[] = {
	"auto", "rsa-pkcs1", "rsa-oaep", NULL};
static const char *const rsa_signature_words[] = {"pkcs1", "pss", NULL};
static const char *const hidden_words[] = {"separate", "together", NULL};
static const char *const confidentiality_words[] = {
	"baseline", "shy", "none", NULL};
static const char *const sign_mode_words[] = {"detached", "opaque", NULL};
static const char *const digest_words[] = {
	"sha256", "sha384", "sha512", NULL};
static const char *const key_usage_words[] = {"rfc8550", "strict", NULL};
static const char *const direction_words[] = {"outgoing", "incoming", NULL};
static const char *const profile_ref[] = {"sending-profile", NULL};

#define AT(field) offsetof(struct milter_smime_settings, field)
static const struct param milter_params[] = {
	{.name = "listen", .type = PARAM_ENDPOINT, .offset = AT(listen),
	 .def = "unix:/var/spool/postfix/postseal/milter-smime.sock",
	 .help = "Socket on which Postfix finds the milter."},
	{.name = "user", .type = PARAM_STRING, .offset = AT(user),
	 .def = "postseal-smime",
	 .help = "User to run as when started by root."},
	{.name = "key_store", .type = PARAM_STRING, .offset = AT(key_store),
	 .def = "sqlite:/var/lib/postseal/smime/keys.db",
	 .help = "Store of other people's certificates."},
	{.name = "spill_at", .type = PARAM_SIZE, .offset = AT(spill_at),
	 .def = "16M", .min = 4096, .max = 1 << 30,
	 .help = "Bytes of a message kept in memory before a temporary file "
		 "is used."},
	{.name = "trust", .type = PARAM_ENUM, .offset = AT(trust),
	 .def = "ca-or-known", .words = trust_words,
	 .help = "What makes a signer trusted: a chain to the CA lists, a "
		 "certificate in the key store, or either."},
	{.name = "login_domain", .type = PARAM_STRING,
	 .offset = AT(login_domain),
	 .help = "Domain of SMTP AUTH logins that have no @; unset, such "
		 "logins own no address."},
	{.name = "rsa_minimum", .type = PARAM_INT, .offset = AT(rsa_minimum),
	 .def = "2048", .min = 1024, .max = 16384,
	 .help = "RSA keys with fewer bits count as weak (verdict policy) "
		 "and are not signed with."},
	{.name = "milter_timeout", .type = PARAM_TIME,
	 .offset = AT(milter_timeout), .def = "7210s", .min = 10,
	 .max = 86400,
	 .help = "Seconds to wait for Postfix within one message."},
	{.name = "deliveries_max", .type = PARAM_INT,
	 .offset = AT(deliveries_max), .def = "100", .min = 1, .max = 10000,
	 .help = "Most copies one message is split into; more are refused."},
	{.name = "reinject", .type = PARAM_STRING, .offset = AT(reinject),
	 .def = "smtp://127.0.0.1:10026",
	 .help = "Listener of Postfix that takes the copies of a split "
		 "message."},
	{.name = "reinject_hold", .type = PARAM_STRING,
	 .offset = AT(reinject_hold), .def = "smtp://127.0.0.1:10027",
	 .help = "Listener that puts copies on hold, for filters that "
		 "quarantine."},
	{.name = "reinject_bounce", .type = PARAM_STRING,
	 .offset = AT(reinject_bounce), .def = "smtp://127.0.0.1:10028",
	 .help = "Listener that returns copies to their sender "
		 "(content_filter=error:)."},
	{.name = "filters", .type = PARAM_LIST, .offset = AT(filters),
	 .def = "/etc/postseal/filters",
	 .help = "Files of message filters, see filters(5); the default one "
		 "may be absent."},
	{.name = "reinject_timeout", .type = PARAM_TIME,
	 .offset = AT(reinject_timeout), .def = "60s", .min = 1, .max = 600,
	 .help = "Seconds to wait for each of their replies."},
	{.name = "quarantine", .type = PARAM_LIST, .offset = AT(quarantine),
	 .def = "Policy",
	 .help = "Names of quarantines that filters may put mail into."},
};
#undef AT

static bool
check_listeners(const struct settings *s,
    const struct milter_smime_settings *v, struct error *err)
{
	const struct {
		const char *key, *url;
	} listeners[] = {
		{"reinject", v->reinject},
		{"reinject_hold", v->reinject_hold},
		{"reinject_bounce", v->reinject_bounce},
	};
	struct error why;

	for (size_t i = 0; i < COUNT(listeners); i++)
		if (!smtp_client_check_url(listeners[i].url, &why))
			return settings_error(s, "milter-smime", NULL,
			    listeners[i].key, err, "%s", why.text);
	return true;
}

static bool
check_quarantines(const struct settings *s, const struct strvec *names,
    struct error *err)
{
	struct strvec seen = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < names->n; i++) {
		const char *name = names->v[i];

		if (!quarantine_is_name(name))
			ok = settings_error(s, "milter-smime", NULL,
			    "quarantine", err, "\"%.70s\" is no name; write "
			    "letters, digits and _.-, at most %d", name,
			    QUARANTINE_NAME_MAX);
		else if (strvec_hascase(&seen, name))
			ok = settings_error(s, "milter-smime", NULL,
			    "quarantine", err, "%s is there twice", name);
		strvec_add(&seen, name);
	}
	strvec_clear(&seen);
	return ok;
}

static bool
check_login_domain(const struct settings *s, const char *login_domain,
    struct error *err)
{
	char *domain;

	if (login_domain == NULL)
		return true;
	domain = domain_canonical(login_domain, strlen(login_domain));
	if (domain == NULL)
		return settings_error(s, "milter-smime", NULL, "login_domain",
		    err, "\"%.60s\" is not a domain", login_domain);
	free(domain);
	return true;
}

static bool
check_filter_files(const struct settings *s, const struct strvec *files,
    struct error *err)
{
	for (size_t i = 0; i < files->n; i++)
		if (files->v[i][0] != '/')
			return settings_error(s, "milter-smime", NULL,
			    "filters", err, "\"%.100s\" is no absolute path",
			    files->v[i]);
	return true;
}

static bool
check_milter(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct milter_smime_settings *v = values;

	(void)name;
	if (v->key_store == NULL ||
	    strncmp(v->key_store, SQLITE "/", sizeof(SQLITE)) != 0)
		return settings_error(s, "milter-smime", NULL, "key_store",
		    err, "must be sqlite:/path");
	return check_listeners(s, v, err) &&
	    check_quarantines(s, &v->quarantine, err) &&
	    check_filter_files(s, &v->filters, err) &&
	    check_login_domain(s, v->login_domain, err);
}

const struct section_type milter_smime_section = {
	.type = "milter-smime",
	.params = milter_params,
	.nparams = COUNT(milter_params),
	.size = sizeof(struct milter_smime_settings),
	.check = check_milter,
};

#define AT(field) offsetof(struct sending_profile_settings, field)
static const struct param profile_params[] = {
	{.name = "mode", .type = PARAM_ENUM, .offset = AT(mode),
	 .required = true, .words = mode_words,
	 .help = "What is done to the message."},
	{.name = "signing_certificate", .type = PARAM_STRING,
	 .offset = AT(signing_certificate), .def = "auto",
	 .help = "Name of the certificate to sign with; auto takes the one "
		 "that names the sender."},
	{.name = "sign_mode", .type = PARAM_ENUM, .offset = AT(sign_mode),
	 .def = "detached", .words = sign_mode_words,
	 .help = "detached: multipart/signed, readable everywhere; opaque: "
		 "application/pkcs7-mime."},
	{.name = "digest", .type = PARAM_ENUM, .offset = AT(digest),
	 .def = "sha256", .words = digest_words,
	 .help = "Message digest algorithm of the signature."},
	{.name = "key_usage", .type = PARAM_ENUM, .offset = AT(key_usage),
	 .def = "rfc8550", .words = key_usage_words,
	 .help = "keyUsage a signing certificate needs when it has any: "
		 "digitalSignature or nonRepudiation (rfc8550), or both "
		 "(strict)."},
	{.name = "sign_signed", .type = PARAM_BOOL, .offset = AT(sign_signed),
	 .def = "no",
	 .help = "Sign mail again that is already S/MIME signed."},
	{.name = "no_key", .type = PARAM_ENUM, .offset = AT(no_key),
	 .def = "bounce", .words = no_key_words,
	 .help = "When a recipient has no usable key: return the message, "
		 "drop it, or split it and send that recipient's copy "
		 "unencrypted."},
	{.name = "cipher", .type = PARAM_ENUM, .offset = AT(cipher),
	 .def = "auto", .words = cipher_words,
	 .help = "Content encryption; auto is aes-256-cbc, which every "
		 "S/MIME client reads."},
	{.name = "key_transport", .type = PARAM_ENUM,
	 .offset = AT(key_transport), .def = "auto",
	 .words = transport_words,
	 .help = "How the session key is wrapped for RSA keys; auto is "
		 "rsa-pkcs1."},
	{.name = "rsa_signature", .type = PARAM_ENUM,
	 .offset = AT(rsa_signature), .def = "pkcs1",
	 .words = rsa_signature_words,
	 .help = "Signature scheme of RSA keys."},
	{.name = "hidden_recipients", .type = PARAM_ENUM,
	 .offset = AT(hidden_recipients), .def = "separate",
	 .words = hidden_words,
	 .help = "Recipients named in no To or Cc field: encrypted apart, so "
		 "that nobody sees whose keys there are, or with the others."},
	{.name = "protected_headers", .type = PARAM_BOOL,
	 .offset = AT(protected_headers), .def = "no",
	 .help = "Sign and encrypt the header fields, too (RFC 9788)."},
	{.name = "header_confidentiality", .type = PARAM_ENUM,
	 .offset = AT(header_confidentiality), .def = "baseline",
	 .words = confidentiality_words,
	 .help = "What encrypted mail with protected headers hides: the "
		 "subject, comments and keywords (baseline), display names "
		 "and the time zone as well (shy), nothing (none)."},
};
#undef AT

const struct section_type sending_profile_section = {
	.type = "sending-profile",
	.named = true,
	.params = profile_params,
	.nparams = COUNT(profile_params),
	.size = sizeof(struct sending_profile_settings),
};

#define AT(field) offsetof(struct mail_policy_settings, field)
static const struct param policy_params[] = {
	{.name = "direction", .type = PARAM_ENUM, .offset = AT(direction),
	 .required = true, .words = direction_words,
	 .help = "Mail this policy is for; relayed and authenticated mail is "
		 "outgoing."},
	{.name = "senders", .type = PARAM_LIST, .offset = AT(senders),
	 .help = "Envelope or From addresses (user@domain, domain, .domain, "
		 "ALL); empty: all."},
	{.name = "recipients", .type = PARAM_LIST, .offset = AT(recipients),
	 .help = "Envelope recipients, written the same way; empty: all."},
	{.name = "profile", .type = PARAM_REF, .offset = AT(profile),
	 .words = profile_ref,
	 .help = "Sending profile for this mail; unset: left as it is."},
	{.name = "filters", .type = PARAM_LIST, .offset = AT(filters),
	 .help = "Filters that hold for this mail, in this order; the "
		 "profile is for what they leave undecided."},
};
#undef AT

static bool
check_patterns(const struct settings *s, const char *name, const char *key,
    const struct strvec *list, struct error *err)
{
	struct error why;

	for (size_t i = 0; i < list->n; i++)
		if (!mailaddr_check_pattern(list->v[i], &why))
			return settings_error(s, "mail-policy", name, key, err,
			    "%s", why.text);
	return true;
}

static bool
check_policy(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct mail_policy_settings *v = values;

	if (strcmp(name, "default-outgoing") == 0 &&
	    v->direction != DIRECTION_OUTGOING)
		return settings_error(s, "mail-policy", name, "direction",
		    err, "must be outgoing here");
	if (strcmp(name, "default-incoming") == 0 &&
	    v->direction != DIRECTION_INCOMING)
		return settings_error(s, "mail-policy", name, "direction",
		    err, "must be incoming here");
	return check_patterns(s, name, "senders", &v->senders, err) &&
	    check_patterns(s, name, "recipients", &v->recipients, err);
}

const struct section_type mail_policy_section = {
	.type = "mail-policy",
	.named = true,
	.params = policy_params,
	.nparams = COUNT(policy_params),
	.size = sizeof(struct mail_policy_settings),
	.check = check_policy,
};

const struct section_type *const smime_section_types[] = {
	&postseal_section, &ca_list_section, &alerts_section,
	&certificate_section, &sender_group_section,
	&mail_flow_policy_section, &crl_check_section,
	&milter_smime_section, &sending_profile_section,
	&mail_policy_section, NULL,
};

bool
smime_mode_signs(int mode)
{
	return mode != MODE_ENCRYPT;
}

bool
smime_mode_encrypts(int mode)
{
	return mode != MODE_SIGN;
}

const char *
smime_mode_name(int mode)
{
	return mode_words[mode];
}

const char *
smime_cipher_name(int cipher)
{
	return cipher_words[cipher];
}

const char *
smime_key_store_path(const struct milter_smime_settings *s)
{
	return s->key_store + strlen(SQLITE);
}

char *
smime_spool_directory(const struct settings *s)
{
	const struct postseal_settings *p = settings_get(s, "postseal");

	return mem_printf("%s/smime", p->state_directory);
}
