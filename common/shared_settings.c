/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/shared_settings.h"

#include <string.h>
#include <unistd.h>

#include "common/client_pattern.h"
#include "common/mailaddr.h"
#include "common/mem.h"
#include "common/smtp_client.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char letters_digits[] = "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789";

static const char *const facilities[] = { "auth", "authpriv", "cron",
	"daemon", "ftp", "kern", "local0", "local1", "local2", "local3",
	"local4", "local5", "local6", "local7", "lpr", "mail", "news",
	"syslog", "user", "uucp", NULL };

static const char *const behavior_words[] = { "accept", "relay", "reject",
	NULL };
static const char *const tls_words[] = { "off", "preferred", "required",
	NULL };
static const char *const signature_words[] = { "keep", "remove", NULL };
static const char *const missing_crl_words[] = { "accept", "reject", NULL };
static const char *const flow_policy_type[] = { "mail-flow-policy", NULL };

#define AT(member) offsetof(struct postseal_settings, member)
static const struct param postseal_params[] = {
	{ .name = "hostname",
	    .type = PARAM_STRING,
	    .offset = AT(hostname),
	    .help = "Name of this machine in mail and reports; without one, "
		    "the system's host name" },
	{ .name = "authserv_id",
	    .type = PARAM_STRING,
	    .offset = AT(authserv_id),
	    .help = "Our name in Authentication-Results; without one, "
		    "hostname" },
	{ .name = "state_directory",
	    .type = PARAM_PATH,
	    .offset = AT(state_directory),
	    .def = "/var/lib/postseal",
	    .help = "Directory for what must survive a restart" },
	{ .name = "certificate_directory",
	    .type = PARAM_PATH,
	    .offset = AT(certificate_directory),
	    .def = "/etc/postseal/certs",
	    .help = "Directory of our own certificates and keys, as pairs "
		    "NAME.pem and NAME.key" },
	{ .name = "run_directory",
	    .type = PARAM_PATH,
	    .offset = AT(run_directory),
	    .def = "/run/postseal",
	    .help = "Directory for control sockets" },
	{ .name = "syslog_facility",
	    .type = PARAM_STRING,
	    .offset = AT(syslog_facility),
	    .def = "mail",
	    .help = "Facility of our lines in the system log" },
	{ .name = "sendmail",
	    .type = PARAM_PATH,
	    .offset = AT(sendmail),
	    .def = "/usr/sbin/sendmail",
	    .help = "Postfix's sendmail command" },
};
#undef AT

#define AT(member) offsetof(struct ca_list_settings, member)
static const struct param ca_list_params[] = {
	{ .name = "system",
	    .type = PARAM_BOOL,
	    .offset = AT(system),
	    .def = "yes",
	    .help = "Trust the certification authorities of system_file" },
	{ .name = "system_file",
	    .type = PARAM_PATH,
	    .offset = AT(system_file),
	    .def = "/etc/ssl/certs/ca-certificates.crt",
	    .help = "The system's list of certification authorities, PEM" },
	{ .name = "custom_file",
	    .type = PARAM_PATH,
	    .offset = AT(custom_file),
	    .help = "Our own list of certification authorities, PEM" },
	{ .name = "fqdn_check",
	    .type = PARAM_BOOL,
	    .offset = AT(fqdn_check),
	    .def = "no",
	    .help = "Refuse to import certificates whose domain names are not "
		    "fully qualified" },
};
#undef AT

#define AT(member) offsetof(struct alerts_settings, member)
static const struct param alerts_params[] = {
	{ .name = "recipients",
	    .type = PARAM_LIST,
	    .offset = AT(recipients),
	    .help = "Addresses that get every alert" },
	{ .name = "recipients_tls",
	    .type = PARAM_LIST,
	    .offset = AT(recipients_tls),
	    .help = "Addresses that get alerts about failed TLS" },
	{ .name = "recipients_dane",
	    .type = PARAM_LIST,
	    .offset = AT(recipients_dane),
	    .help = "Addresses that get alerts about failed DANE" },
	{ .name = "recipients_smime",
	    .type = PARAM_LIST,
	    .offset = AT(recipients_smime),
	    .help = "Addresses that get alerts about S/MIME" },
	{ .name = "recipients_crl",
	    .type = PARAM_LIST,
	    .offset = AT(recipients_crl),
	    .help = "Addresses that get alerts about revocation lists" },
	{ .name = "recipients_certificates",
	    .type = PARAM_LIST,
	    .offset = AT(recipients_certificates),
	    .help = "Addresses that get alerts about our own certificates "
		    "and keys" },
	{ .name = "from",
	    .type = PARAM_STRING,
	    .offset = AT(from),
	    .help = "Sender of alert mail; without one, the null sender" },
	{ .name = "repeat_after",
	    .type = PARAM_TIME,
	    .offset = AT(repeat_after),
	    .def = "1h",
	    .min = 1,
	    .max = 8 * 7 * 86400,
	    .help = "A condition that stands is mailed again after this "
		    "time" },
	{ .name = "submit",
	    .type = PARAM_STRING,
	    .offset = AT(submit),
	    .def = "sendmail",
	    .help = "How alert mail leaves, past our own milter: sendmail, "
		    "or a server as smtp://HOST:PORT" },
};
#undef AT

#define AT(member) offsetof(struct certificate_settings, member)
static const struct param certificate_params[] = {
	{ .name = "file",
	    .type = PARAM_PATH,
	    .offset = AT(file),
	    .required = true,
	    .help = "The certificate, followed by its chain, PEM" },
	{ .name = "key",
	    .type = PARAM_STRING,
	    .offset = AT(key),
	    .required = true,
	    .help = "Its private key: an absolute path or a pkcs11: URI" },
	{ .name = "key_password_file",
	    .type = PARAM_PATH,
	    .offset = AT(key_password_file),
	    .help = "File whose first line is the password of the key" },
};
#undef AT

#define AT(member) offsetof(struct sender_group_settings, member)
static const struct param sender_group_params[] = {
	{ .name = "clients",
	    .type = PARAM_LIST,
	    .offset = AT(clients),
	    .required = true,
	    .help = "Who belongs to the group: addresses, CIDR, ranges, "
		    "host names, .domain, authenticated, local, "
		    "listener:NAME, ALL" },
	{ .name = "mail_flow_policy",
	    .type = PARAM_REF,
	    .offset = AT(mail_flow_policy),
	    .words = flow_policy_type,
	    .help = "What holds for the group; without one, the defaults of "
		    "mail-flow-policy" },
	{ .name = "trusted",
	    .type = PARAM_BOOL,
	    .offset = AT(trusted),
	    .def = "no",
	    .help = "Clients of the group may use any signing certificate" },
};
#undef AT

#define AT(member) offsetof(struct mail_flow_policy_settings, member)
static const struct param mail_flow_policy_params[] = {
	{ .name = "behavior",
	    .type = PARAM_ENUM,
	    .offset = AT(behavior),
	    .def = "accept",
	    .words = behavior_words,
	    .help = "Accept mail for our own domains, relay to any (outgoing "
		    "mail), or reject" },
	{ .name = "tls",
	    .type = PARAM_ENUM,
	    .offset = AT(tls),
	    .def = "preferred",
	    .words = tls_words,
	    .help = "Whether clients are offered TLS or must use it" },
	{ .name = "verify_client_certificate",
	    .type = PARAM_BOOL,
	    .offset = AT(verify_client_certificate),
	    .def = "no",
	    .help = "Refuse client certificates that are not valid" },
	{ .name = "require_smtp_auth",
	    .type = PARAM_BOOL,
	    .offset = AT(require_smtp_auth),
	    .def = "no",
	    .help = "Clients must authenticate" },
	{ .name = "require_tls_for_smtp_auth",
	    .type = PARAM_BOOL,
	    .offset = AT(require_tls_for_smtp_auth),
	    .def = "no",
	    .help = "SMTP AUTH is offered under TLS only" },
	{ .name = "smtp_auth_profile",
	    .type = PARAM_STRING,
	    .offset = AT(smtp_auth_profile),
	    .help = "The smtp-auth-profile section that says how clients "
		    "authenticate" },
	{ .name = "smime_decrypt_verify",
	    .type = PARAM_BOOL,
	    .offset = AT(smime_decrypt_verify),
	    .def = "no",
	    .help = "Decrypt and verify S/MIME mail from these clients" },
	{ .name = "smime_signature",
	    .type = PARAM_ENUM,
	    .offset = AT(smime_signature),
	    .def = "keep",
	    .words = signature_words,
	    .help = "Keep a verified signature in the message or remove it" },
	{ .name = "smime_harvest",
	    .type = PARAM_BOOL,
	    .offset = AT(smime_harvest),
	    .def = "no",
	    .help = "Remember the certificates of verified signers" },
	{ .name = "smime_harvest_on_failure",
	    .type = PARAM_BOOL,
	    .offset = AT(smime_harvest_on_failure),
	    .def = "no",
	    .help = "Remember certificates even when verification failed" },
	{ .name = "smime_harvest_updates",
	    .type = PARAM_BOOL,
	    .offset = AT(smime_harvest_updates),
	    .def = "no",
	    .help = "A newer certificate replaces a remembered one" },
};
#undef AT

#define AT(member) offsetof(struct crl_check_settings, member)
static const struct param crl_check_params[] = {
	{ .name = "inbound_smtp_tls",
	    .type = PARAM_BOOL,
	    .offset = AT(inbound_smtp_tls),
	    .def = "yes",
	    .help = "Check client certificates of incoming SMTP for "
		    "revocation" },
	{ .name = "outbound_smtp_tls",
	    .type = PARAM_BOOL,
	    .offset = AT(outbound_smtp_tls),
	    .def = "yes",
	    .help = "Check server certificates of outgoing SMTP for "
		    "revocation" },
	{ .name = "web",
	    .type = PARAM_BOOL,
	    .offset = AT(web),
	    .def = "yes",
	    .help = "Check certificates on the metrics listeners for "
		    "revocation" },
	{ .name = "ldap_tls",
	    .type = PARAM_BOOL,
	    .offset = AT(ldap_tls),
	    .def = "yes",
	    .help = "Check certificates of LDAP servers for revocation" },
	{ .name = "smime",
	    .type = PARAM_BOOL,
	    .offset = AT(smime),
	    .def = "yes",
	    .help = "Check certificates of S/MIME signers and recipients "
		    "for revocation" },
	{ .name = "missing_crl",
	    .type = PARAM_ENUM,
	    .offset = AT(missing_crl),
	    .def = "accept",
	    .words = missing_crl_words,
	    .help = "What to do when no current revocation list is there" },
	{ .name = "grace",
	    .type = PARAM_TIME,
	    .offset = AT(grace),
	    .def = "1h",
	    .min = 0,
	    .max = 366 * 86400,
	    .help = "How long a revocation list still counts after its "
		    "nextUpdate" },
	{ .name = "directory",
	    .type = PARAM_PATH,
	    .offset = AT(directory),
	    .def = "/var/lib/postseal/crl",
	    .help = "Directory of revocation lists in OpenSSL's hashed "
		    "layout" },
	{ .name = "certificate_spool",
	    .type = PARAM_PATH,
	    .offset = AT(certificate_spool),
	    .def = "/var/lib/postseal/cert-spool",
	    .help = "Directory in which postseal_tls.so puts verified client "
		    "certificates of incoming SMTP" },
	{ .name = "certificate_spool_max",
	    .type = PARAM_INT,
	    .offset = AT(certificate_spool_max),
	    .def = "10000",
	    .min = 0,
	    .max = 1000000,
	    .help = "Files in certificate_spool above which no more are "
		    "added; 0: none is kept" },
};
#undef AT

/* Letters, digits and marks only: good in mail headers and SMTP. */
static bool
is_plain(const char *text, const char *marks)
{
	if (text[0] == '\0' || strlen(text) > 255)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if (strchr(letters_digits, *c) == NULL &&
		    strchr(marks, *c) == NULL)
			return false;
	return true;
}

static void
postseal_defaults(void *values)
{
	struct postseal_settings *p = values;
	char name[256] = "";

	if (p->hostname != NULL)
		return;
	if (gethostname(name, sizeof(name) - 1) != 0 || !is_plain(name, ".-_"))
		memcpy(name, "localhost", sizeof("localhost"));
	for (char *c = name; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	p->hostname = mem_strdup(name);
}

static bool
postseal_check(const struct settings *s, const char *name,
    const void *values, struct error *err)
{
	const struct postseal_settings *p = values;
	const char *facility = p->syslog_facility, *near;

	if (!is_plain(p->hostname, ".-_"))
		return settings_error(s, "postseal", name, "hostname", err,
		    "\"%.64s\" is no host name; write letters, digits, dots "
		    "and hyphens", p->hostname);
	if (p->authserv_id != NULL && !is_plain(p->authserv_id, ".-_"))
		return settings_error(s, "postseal", name, "authserv_id", err,
		    "\"%.64s\" cannot stand in Authentication-Results; write "
		    "letters, digits, dots and hyphens", p->authserv_id);
	for (size_t i = 0; facilities[i] != NULL; i++)
		if (strcmp(facilities[i], facility) == 0)
			return true;
	near = conf_nearest(facility, facilities);
	return settings_error(s, "postseal", name, "syslog_facility", err,
	    "\"%.64s\" is no facility of syslog; did you mean \"%s\"?",
	    facility, near ? near : "mail");
}

static bool
check_address(const struct settings *s, const char *key, const char *text,
    struct error *err)
{
	struct mailaddr a = { 0 };
	bool ok = mailaddr_parse(text, strlen(text), &a, err);

	if (ok && mailaddr_is_null(&a))
		ok = error_perm(err, "it is empty");
	mailaddr_clear(&a);
	return ok ? true : settings_error(s, "alerts", NULL, key, err,
	    "\"%.64s\" is no mail address: %.200s", text, err->text);
}

static bool
alerts_check(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct alerts_settings *a = values;
	const struct {
		const char *key;
		const struct strvec *list;
	} lists[] = {
		{ "recipients", &a->recipients },
		{ "recipients_tls", &a->recipients_tls },
		{ "recipients_dane", &a->recipients_dane },
		{ "recipients_smime", &a->recipients_smime },
		{ "recipients_crl", &a->recipients_crl },
		{ "recipients_certificates", &a->recipients_certificates },
	};

	for (size_t i = 0; i < COUNT(lists); i++)
		for (size_t k = 0; k < lists[i].list->n; k++)
			if (!check_address(s, lists[i].key,
			    lists[i].list->v[k], err))
				return false;
	if (a->from != NULL && !check_address(s, "from", a->from, err))
		return false;
	if (strcmp(a->submit, "sendmail") != 0 &&
	    (strncmp(a->submit, "smtp://", 7) != 0 ||
	    !smtp_client_check_url(a->submit, err)))
		return settings_error(s, "alerts", name, "submit", err,
		    "\"%.64s\" cannot be used; write sendmail or "
		    "smtp://HOST:PORT", a->submit);
	return true;
}

static bool
certificate_check(const struct settings *s, const char *name,
    const void *values, struct error *err)
{
	const struct certificate_settings *c = values;

	if (c->key[0] != '/' && strncmp(c->key, "pkcs11:", 7) != 0)
		return settings_error(s, "certificate", name, "key", err,
		    "\"%.64s\" cannot be used; write an absolute path or a "
		    "pkcs11: URI", c->key);
	return true;
}

static bool
sender_group_check(const struct settings *s, const char *name,
    const void *values, struct error *err)
{
	const struct sender_group_settings *g = values;

	for (size_t i = 0; i < g->clients.n; i++)
		if (!client_pattern_check(g->clients.v[i], err))
			return settings_error(s, "sender-group", name,
			    "clients", err, "%s", err->text);
	return true;
}

const struct section_type postseal_section = {
	.type = "postseal",
	.params = postseal_params,
	.nparams = COUNT(postseal_params),
	.size = sizeof(struct postseal_settings),
	.check = postseal_check,
	.defaults = postseal_defaults,
};

const struct section_type ca_list_section = {
	.type = "ca-list",
	.params = ca_list_params,
	.nparams = COUNT(ca_list_params),
	.size = sizeof(struct ca_list_settings),
};

const struct section_type alerts_section = {
	.type = "alerts",
	.params = alerts_params,
	.nparams = COUNT(alerts_params),
	.size = sizeof(struct alerts_settings),
	.check = alerts_check,
};

const struct section_type certificate_section = {
	.type = "certificate",
	.named = true,
	.params = certificate_params,
	.nparams = COUNT(certificate_params),
	.size = sizeof(struct certificate_settings),
	.check = certificate_check,
};

const struct section_type sender_group_section = {
	.type = "sender-group",
	.named = true,
	.params = sender_group_params,
	.nparams = COUNT(sender_group_params),
	.size = sizeof(struct sender_group_settings),
	.check = sender_group_check,
};

const struct section_type mail_flow_policy_section = {
	.type = "mail-flow-policy",
	.named = true,
	.params = mail_flow_policy_params,
	.nparams = COUNT(mail_flow_policy_params),
	.size = sizeof(struct mail_flow_policy_settings),
};

const struct section_type crl_check_section = {
	.type = "crl-check",
	.params = crl_check_params,
	.nparams = COUNT(crl_check_params),
	.size = sizeof(struct crl_check_settings),
};

const char *
postseal_authserv_id(const struct postseal_settings *s)
{
	return s->authserv_id != NULL ? s->authserv_id : s->hostname;
}
