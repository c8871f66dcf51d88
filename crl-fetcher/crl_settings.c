/* SPDX-License-Identifier: BSD-2-Clause */
#include "crl_settings.h"

#include <string.h>

#include "common/fetch.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "due.h"
#include "fetch_ldap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const file_type_words[] = {"asn1", "pem", NULL};

#define AT(field) offsetof(struct crl_fetcher_settings, field)
static const struct param fetcher_params[] = {
	{.name = "user", .type = PARAM_STRING, .offset = AT(user),
	 .def = "postseal-crl",
	 .help = "User to run as when started by root."},
	{.name = "parallel", .type = PARAM_INT, .offset = AT(parallel),
	 .def = "8", .min = 1, .max = 64,
	 .help = "Sources that are downloaded at once."},
	{.name = "max_size", .type = PARAM_SIZE, .offset = AT(max_size),
	 .def = "64M", .min = 1024, .max = 512 << 20,
	 .help = "Bytes of a download; what is larger is refused."},
	{.name = "connect_timeout", .type = PARAM_TIME,
	 .offset = AT(connect_timeout), .def = "10s", .min = 1, .max = 600,
	 .help = "Seconds to reach a server."},
	{.name = "timeout", .type = PARAM_TIME, .offset = AT(timeout),
	 .def = "2m", .min = 1, .max = 3600,
	 .help = "Seconds for all of a download from one URL."},
	{.name = "idle_timeout", .type = PARAM_TIME,
	 .offset = AT(idle_timeout), .def = "20s", .min = 1, .max = 600,
	 .help = "Seconds with less than 100 bytes a second after which a "
		 "download is given up."},
	{.name = "proxy", .type = PARAM_STRING, .offset = AT(proxy),
	 .help = "URL of the proxy for http and https, such as "
		 "http://proxy.example.com:3128; the environment's does not "
		 "count."},
	{.name = "ca_file", .type = PARAM_PATH, .offset = AT(ca_file),
	 .help = "Authorities of https and ldaps servers, PEM; without one, "
		 "the system's."},
	{.name = "jitter", .type = PARAM_TIME, .offset = AT(jitter),
	 .def = "5m", .min = 0, .max = 86400,
	 .help = "Up to this much later than its schedule says, by chance, a "
		 "source is due; at most a tenth of the time between two."},
	{.name = "clock_skew", .type = PARAM_TIME, .offset = AT(clock_skew),
	 .def = "10m", .min = 0, .max = 86400,
	 .help = "How much the clocks of a CA and ours may differ."},
	{.name = "reload", .type = PARAM_LIST, .offset = AT(reload),
	 .help = "Commands to run when any CRL changed, as absolute paths "
		 "with arguments; no shell."},
	{.name = "reload_timeout", .type = PARAM_TIME,
	 .offset = AT(reload_timeout), .def = "30s", .min = 1, .max = 600,
	 .help = "Seconds after which a reload command is ended."},
	{.name = "bundle_crls", .type = PARAM_PATH, .offset = AT(bundle_crls),
	 .help = "File for all CRLs in PEM, for servers that read one file "
		 "(nginx, HAProxy)."},
	{.name = "bundle_ca_crls", .type = PARAM_PATH,
	 .offset = AT(bundle_ca_crls),
	 .help = "File for ca-list custom_file and all CRLs in PEM "
		 "(Dovecot)."},
	{.name = "bundle_ldap", .type = PARAM_PATH, .offset = AT(bundle_ldap),
	 .help = "File for all CRLs in PEM that LDAP clients read, when "
		 "crl-check has ldap_tls = yes."},
	{.name = "rotate", .type = PARAM_INT, .offset = AT(rotate),
	 .def = "0", .min = 0, .max = 100,
	 .help = "A new CRL gets the next free HASH.rN up to this N, for "
		 "programs that never read a name twice; 0: it replaces the "
		 "old one."},
	{.name = "discover", .type = PARAM_BOOL, .offset = AT(discover),
	 .def = "no",
	 .help = "Also fetch the CRLs that verified certificates in the CA "
		 "lists name (cRLDistributionPoints)."},
};
#undef AT

#define AT(field) offsetof(struct crl_source_settings, field)
static const struct param source_params[] = {
	{.name = "file_type", .type = PARAM_ENUM, .offset = AT(file_type),
	 .def = "asn1", .words = file_type_words,
	 .help = "What the server is said to send, asn1 (DER) or pem; the "
		 "other form is taken, too."},
	{.name = "primary_url", .type = PARAM_LIST,
	 .offset = AT(primary_url), .required = true,
	 .help = "Where the CRL is: http, https or ldap; of several the next "
		 "is tried when one fails."},
	{.name = "secondary_url", .type = PARAM_LIST,
	 .offset = AT(secondary_url),
	 .help = "Tried, in order, when all of primary_url failed."},
	{.name = "delta_url", .type = PARAM_LIST, .offset = AT(delta_url),
	 .help = "Where its delta CRL is (RFC 5280 section 5.2.4), to be "
		 "merged into the index."},
	{.name = "schedule", .type = PARAM_STRING, .offset = AT(schedule),
	 .def = "every 6h",
	 .help = "When to fetch: every TIME, hourly, daily HH:MM, or lifetime "
		 "N% (of the CRL's own)."},
	{.name = "enabled", .type = PARAM_BOOL, .offset = AT(enabled),
	 .def = "yes", .help = "Whether the source is fetched at all."},
	{.name = "issuer", .type = PARAM_PATH, .offset = AT(issuer),
	 .help = "Certificates that may have signed it, PEM; without one, "
		 "those of the CA lists."},
	{.name = "reload", .type = PARAM_LIST, .offset = AT(reload),
	 .help = "Commands to run when this CRL changed."},
};
#undef AT

void
crl_settings_split(const char *command, struct strvec *argv)
{
	while (*command != '\0') {
		size_t n;

		command += strspn(command, " \t");
		n = strcspn(command, " \t");
		if (n > 0)
			strvec_addn(argv, command, n);
		command += n;
	}
}

static bool
check_reload(const struct settings *s, const char *type, const char *name,
    const struct strvec *reload, struct error *err)
{
	for (size_t i = 0; i < reload->n; i++)
		if (reload->v[i][0] != '/')
			return settings_error(s, type, name, "reload", err,
			    "\"%.100s\" does not start with /; write the path "
			    "of the command", reload->v[i]);
	return true;
}

static bool
check_fetcher(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct crl_fetcher_settings *v = values;
	struct error why;

	(void)name;
	if (v->proxy != NULL && !fetch_check_url(v->proxy, &why))
		return settings_error(s, "crl-fetcher", NULL, "proxy", err,
		    "\"%.100s\": %s", v->proxy, why.text);
	return check_reload(s, "crl-fetcher", NULL, &v->reload, err);
}

static bool
check_urls(const struct settings *s, const char *name, const char *key,
    const struct strvec *urls, struct error *err)
{
	struct error why = {0};

	for (size_t i = 0; i < urls->n; i++) {
		const char *url = urls->v[i];
		bool ok = fetch_ldap_is_url(url)
			      ? fetch_ldap_check_url(url, &why)
			      : fetch_check_url(url, &why);

		if (!ok)
			return settings_error(s, "crl-source", name, key, err,
			    "\"%.200s\": %s; write http://, https:// or "
			    "ldap://", url, why.text);
	}
	return true;
}

/* The name is written into files and commands. */
static bool
check_name(const struct settings *s, const char *name, struct error *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (name[n] != '\0' || n == 0 || n > 64 || name[0] == '.' ||
	    name[0] == '-')
		return settings_error(s, "crl-source", name, NULL, err,
		    "\"%.64s\" is no name for a source; write up to 64 "
		    "letters, digits, dots, hyphens, underscores", name);
	return true;
}

static bool
check_source(const struct settings *s, const char *name, const void *values,
    struct error *err)
{
	const struct crl_source_settings *v = values;
	struct schedule schedule;
	struct error why;

	if (!check_name(s, name, err) ||
	    !check_urls(s, name, "primary_url", &v->primary_url, err) ||
	    !check_urls(s, name, "secondary_url", &v->secondary_url, err) ||
	    !check_urls(s, name, "delta_url", &v->delta_url, err))
		return false;
	if (v->primary_url.n == 0)
		return settings_error(s, "crl-source", name, "primary_url",
		    err, "it is empty; write the URL of the CRL");
	if (!due_parse(v->schedule, &schedule, &why))
		return settings_error(s, "crl-source", name, "schedule", err,
		    "%s", why.text);
	return check_reload(s, "crl-source", name, &v->reload, err);
}

const struct section_type crl_fetcher_section = {
	.type = "crl-fetcher",
	.params = fetcher_params,
	.nparams = COUNT(fetcher_params),
	.size = sizeof(struct crl_fetcher_settings),
	.check = check_fetcher,
};

const struct section_type crl_source_section = {
	.type = "crl-source",
	.named = true,
	.params = source_params,
	.nparams = COUNT(source_params),
	.size = sizeof(struct crl_source_settings),
	.check = check_source,
};

const struct section_type *const crl_section_types[] = {
	&postseal_section, &ca_list_section, &alerts_section,
	&crl_check_section, &crl_fetcher_section, &crl_source_section, NULL};

char *
crl_settings_state_directory(const struct settings *s)
{
	const struct postseal_settings *p = settings_get(s, "postseal");

	return mem_printf("%s/crl-state", p->state_directory);
}
