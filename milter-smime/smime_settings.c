/* SPDX-License-Identifier: BSD-2-Clause */
#include "smime_settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/mailaddr.h"
#include "common/mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SQLITE "sqlite:"

static const char *const trust_words[] = {"ca-or-known", "ca", "known", NULL};
static const char *const mode_words[] = {"sign", NULL};
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
	 .def = "1M", .min = 4096, .max = 1 << 30,
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
};
#undef AT

static bool
check_milter(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct milter_smime_settings *v = values;
	char *domain;

	(void)name;
	if (v->key_store == NULL ||
	    strncmp(v->key_store, SQLITE "/", sizeof(SQLITE)) != 0)
		return settings_error(s, "milter-smime", NULL, "key_store",
		    err, "must be sqlite:/path");
	if (v->login_domain == NULL)
		return true;
	domain = mailaddr_domain(v->login_domain, strlen(v->login_domain));
	if (domain == NULL)
		return settings_error(s, "milter-smime", NULL, "login_domain",
		    err, "\"%.60s\" is not a domain", v->login_domain);
	free(domain);
	return true;
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
