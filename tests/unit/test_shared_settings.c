/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/shared_settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static const struct section_type *const types[] = { &postseal_section,
	&ca_list_section, &alerts_section, &certificate_section,
	&sender_group_section, &mail_flow_policy_section, &crl_check_section,
	NULL };

static struct settings *
parse(const char *text)
{
	struct error err = { 0 };
	struct settings *s = settings_parse("f", text, strlen(text), types,
	    &err);

	if (s == NULL)
		printf("# %s\n", err.text);
	return s;
}

static void
refused(const char *text, const char *start, const char *part,
    const char *name)
{
	struct error err = { 0 };
	struct settings *s = settings_parse("f", text, strlen(text), types,
	    &err);
	bool good = s == NULL && strncmp(err.text, start, strlen(start)) == 0
	    && strstr(err.text, part) != NULL;

	check(good, "%s", name);
	if (!good)
		printf("#  got: %s\n# want: %s…%s\n",
		    s != NULL ? "(accepted)" : err.text, start, part);
	settings_free(s);
}

static void
test_machine(const struct settings *s)
{
	const struct postseal_settings *p = settings_get(s, "postseal");
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	for (char *c = name; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	check(strcmp(p->hostname, name) == 0 ||
	    strcmp(p->hostname, "localhost") == 0,
	    "the host name is the machine's, in lower case");
	check(p->authserv_id == NULL, "authserv_id is unset");
	check_str(postseal_authserv_id(p), p->hostname,
	    "so our name in Authentication-Results is the host name");
	check_str(p->state_directory, "/var/lib/postseal", "state_directory");
	check_str(p->certificate_directory, "/etc/postseal/certs",
	    "certificate_directory");
	check_str(p->run_directory, "/run/postseal", "run_directory");
	check_str(p->syslog_facility, "mail", "syslog_facility");
	check_str(p->sendmail, "/usr/sbin/sendmail", "sendmail");
}

static void
test_defaults(void)
{
	struct settings *s = parse("");
	const struct mail_flow_policy_settings *m;
	const struct alerts_settings *a;
	const struct ca_list_settings *l;
	const struct crl_check_settings *c;

	if (!check(s != NULL, "an empty file is well"))
		return;
	test_machine(s);
	l = settings_get(s, "ca-list");
	check(l->system && !l->fqdn_check && l->custom_file == NULL &&
	    strcmp(l->system_file, "/etc/ssl/certs/ca-certificates.crt") == 0,
	    "the system's certification authorities are trusted");
	a = settings_get(s, "alerts");
	check(a->recipients.n == 0 && a->from == NULL &&
	    a->repeat_after == 3600 && strcmp(a->submit, "sendmail") == 0,
	    "alerts repeat after an hour, through sendmail");
	m = settings_get(s, "mail-flow-policy");
	check(m->behavior == BEHAVIOR_ACCEPT &&
	    m->tls == POLICY_TLS_PREFERRED && !m->verify_client_certificate &&
	    !m->require_smtp_auth && !m->require_tls_for_smtp_auth &&
	    m->smtp_auth_profile == NULL,
	    "a flow policy accepts, prefers TLS, requires nothing");
	check(!m->smime_decrypt_verify && m->smime_signature == SIGNATURE_KEEP
	    && !m->smime_harvest && !m->smime_harvest_on_failure &&
	    !m->smime_harvest_updates,
	    "does nothing about S/MIME and keeps signatures");
	c = settings_get(s, "crl-check");
	check(c->inbound_smtp_tls && c->outbound_smtp_tls && c->web &&
	    c->ldap_tls && c->smime && c->missing_crl == MISSING_CRL_ACCEPT &&
	    strcmp(c->directory, "/var/lib/postseal/crl") == 0,
	    "revocation is checked everywhere, a missing list is accepted");
	settings_free(s);
}

static void
test_written(void)
{
	struct settings *s = parse("postseal {\n"
	    "hostname = MX.example.net\nauthserv_id = gate.example\n}\n"
	    "alerts {\nrecipients = a@x.example, root\nfrom = p@x.example\n"
	    "submit = smtp://[::1]:10026\n}\n"
	    "certificate bank {\nfile = /b.pem\n"
	    "key = \"pkcs11:token=bank\"\n}\n"
	    "sender-group partners { clients = 192.0.2.0/24, "
	    ".partner.example, listener:submission\n"
	    "                        mail_flow_policy = RELAYED }\n"
	    "mail-flow-policy RELAYED {\nbehavior = relay\ntls = required\n"
	    "smtp_auth_profile = someone-elses\nsmime_signature = remove\n}\n"
	    "smtp-auth-profile x {\nunknown = here\n}\n"
	    "ldap-server y { whatever = z }\n");
	const struct mail_flow_policy_settings *m;
	const struct postseal_settings *p;
	const struct sender_group_settings *g;
	const char *name = NULL;

	if (!check(s != NULL, "all shared sections are read"))
		return;
	p = settings_get(s, "postseal");
	check_str(p->hostname, "MX.example.net",
	    "a host name that is written stays as written");
	check_str(postseal_authserv_id(p), "gate.example",
	    "authserv_id goes before hostname");
	g = settings_at(s, "sender-group", 0, &name);
	check(strcmp(name, "partners") == 0 && g->clients.n == 3 &&
	    !g->trusted && strcmp(g->mail_flow_policy, "RELAYED") == 0,
	    "a sender group has clients and a policy");
	m = settings_find(s, "mail-flow-policy", "RELAYED");
	check(m != NULL && m->behavior == BEHAVIOR_RELAY &&
	    m->tls == POLICY_TLS_REQUIRED &&
	    m->smime_signature == SIGNATURE_REMOVE &&
	    strcmp(m->smtp_auth_profile, "someone-elses") == 0,
	    "a flow policy has its words");
	settings_free(s);
}

static void
test_refused(void)
{
	refused("certificate a {\nfile = /x\n}", "f:1:1: certificate a: key: ",
	    "must be given", "a certificate needs a key");
	refused("certificate a {\nkey = /x\n}", "f:1:1: certificate a: file: ",
	    "must be given", "and a file");
	refused("certificate a {\nfile = /x\nkey = y.key\n}",
	    "f:3:1: certificate a: key: ", "pkcs11:",
	    "a key is an absolute path or a URI");
	refused("sender-group a {\n}", "f:1:1: sender-group a: clients: ",
	    "must be given", "a sender group needs clients");
	refused("sender-group a {\nclients = 192.0.2.0/99\n}",
	    "f:2:1: sender-group a: clients: ", "192.0.2.0/99",
	    "a client that is none is named");
	refused("sender-group a {\nclients = ALL\nmail_flow_policy = b\n}\n"
	    "mail-flow-policy a {\n}", "f:3:1: sender-group a: "
	    "mail_flow_policy: ", "no mail-flow-policy \"b\"",
	    "a flow policy must be there");
	refused("mail-flow-policy a {\ntls = require\n}",
	    "f:2:7: mail-flow-policy a: tls: ", "did you mean \"required\"?",
	    "a typo never means off");
	refused("alerts {\nrecipients = a@\n}", "f:2:1: alerts: recipients: ",
	    "no mail address", "recipients are mail addresses");
	refused("alerts {\nsubmit = mail.example\n}", "f:2:1: alerts: submit: ",
	    "smtp://HOST:PORT", "alerts leave by sendmail or a server");
	refused("alerts {\nrepeat_after = 0\n}",
	    "f:2:16: alerts: repeat_after: ", "from 1s to 8w",
	    "alerts do not repeat at once");
	refused("postseal {\nsyslog_facility = mial\n}",
	    "f:2:1: postseal: syslog_facility: ", "did you mean \"mail\"?",
	    "a facility must exist");
	refused("postseal {\nhostname = \"a b\"\n}",
	    "f:2:1: postseal: hostname: ", "no host name",
	    "a host name has no blanks");
	refused("postseal {\nauthserv_id = \"a;b\"\n}",
	    "f:2:1: postseal: authserv_id: ", "Authentication-Results",
	    "authserv_id has nothing that ends a word");
	refused("postseal {\nstate_directory = \"\"\n}",
	    "f:2:19: postseal: state_directory: ", "absolute path",
	    "a path with a default cannot be unset");
}

static void
test_tables(void)
{
	for (size_t i = 0; types[i] != NULL; i++) {
		bool owned = false, told = true, inside = true;

		for (const struct section_owner *o = section_owners;
		    o->type != NULL; o++)
			owned |= strcmp(o->type, types[i]->type) == 0 &&
			    strcmp(o->owner, "shared") == 0;
		check(owned, "%s is owned by all", types[i]->type);
		for (size_t k = 0; k < types[i]->nparams; k++) {
			const struct param *p = &types[i]->params[k];

			told &= p->help != NULL && p->help[0] >= 'A' &&
			    p->help[0] <= 'Z' &&
			    p->help[strlen(p->help) - 1] != '.';
			inside &= p->offset < types[i]->size;
		}
		check(told, "each setting of %s has its sentence",
		    types[i]->type);
		check(inside, "each setting of %s has its member",
		    types[i]->type);
	}
}

int
main(void)
{
	test_defaults();
	test_written();
	test_refused();
	test_tables();
	return tap_done();
}
