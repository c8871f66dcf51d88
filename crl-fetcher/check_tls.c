/* SPDX-License-Identifier: BSD-2-Clause */
#include "check_tls.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/child.h"
#include "common/mem.h"
#include "common/shared_settings.h"
#include "tls_config.h"
#include "tls_live.h"
#include "tls_prove.h"

#define FIX "postseal crl postfix-config --write, then postfix reload; or " \
	    "take it out: postseal crl postfix-config --undo"
#define REWRITE "postseal crl postfix-config --write, then postfix reload"
#define LISTENERS 20 /* of master.cf that are asked */
#define SESSION 3600 /* seconds: Postfix's default */

void
check_tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix)
{
	json_array_append_new(findings,
	    json_pack("{s:s, s:s, s:s, s:s}", "id", id, "severity", severity,
		"text", text, "fix", fix));
}

/* What postconf(1) prints; NULL when it cannot be asked. */
static char *
ask_postconf(const char *option, const char *name)
{
	char *const argv[] = {(char *)"postconf", (char *)option,
		(char *)name, NULL};
	struct child_result result = {0};
	struct error err = {0};
	char *text = NULL;

	if (child_run("/usr/sbin/postconf", argv, 10, 65536, &result, &err) &&
	    result.status == 0)
		text = mem_strdup(buf_text(&result.out));
	child_result_clear(&result);
	return text;
}

/* One parameter; "" when Postfix is too old for it. */
static char *
postconf(const char *name)
{
	char *value = ask_postconf("-hx", name);

	if (value == NULL)
		return mem_strdup("");
	value[strcspn(value, "\n")] = '\0';
	return value;
}

/* ---- the file ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_section(const struct settings *s, const struct tls_section *is,
    json_t *findings)
{
	struct tls_section want;

	tls_config_wanted(settings_get(s, "crl-check"), &want);
	if (!same_text(is->directory, want.directory) ||
	    !same_text(is->spool, want.spool) ||
	    is->inbound != want.inbound || is->outbound != want.outbound ||
	    is->missing_rejects != want.missing_rejects ||
	    is->grace != want.grace || is->spool_max != want.spool_max)
		check_tell(findings, "crl-postfix-settings", "warning",
		    "Postfix's OpenSSL configuration is not what crl-check "
		    "in postseal.conf says now", REWRITE);
}

static void
check_proof(const struct tls_proof *p, const char *file, json_t *findings)
{
	char *text;

	if (p->text[0] != '\0') {
		text = mem_printf("no handshake was tried: %s", p->text);
		check_tell(findings, "crl-postfix-handshake", "ok", text, "");
		free(text);
	}
	if (p->inbound == TLS_PROOF_REVOKED || p->outbound == TLS_PROOF_REVOKED)
		check_tell(findings, "crl-postfix-handshake", "ok",
		    "a revoked certificate is refused in a handshake", "");
	if (p->inbound != TLS_PROOF_MISSED && p->outbound != TLS_PROOF_MISSED)
		return;
	text = mem_printf("%s: a revoked certificate was accepted in a "
	    "handshake (%s)", file, p->inbound == TLS_PROOF_MISSED ?
	    "inbound" : "outbound");
	check_tell(findings, "crl-postfix-handshake", "critical", text, FIX);
	free(text);
}

/* False: Postfix has no TLS. */
static bool
check_file(const struct settings *s, const char *file,
    const char *application, char **module, json_t *findings)
{
	struct tls_section section;
	struct tls_proof proof = {0};
	struct error err = {0}, why = {0};
	const char *path = NULL;
	CONF *cnf;
	bool ours = tls_config_read(file, application, &cnf, &section, &path,
	    &why);
	bool tried = tls_prove(file, application, ours ? &section : NULL,
	    &proof, &err);
	char *text = NULL;

	if (!tried || !proof.loaded)
		text = mem_printf("tls_config_file = %s cannot be loaded: "
		    "Postfix disables TLS, and mail goes in clear where it "
		    "may: %s", file, tried ? proof.text : err.text);
	else if (!ours || !proof.hooked)
		text = mem_printf("revocation is not checked in Postfix: %s",
		    ours ? "the module does nothing" : why.text);
	if (text != NULL)
		check_tell(findings, "crl-postfix-config", "critical", text,
		    FIX);
	else {
		check_section(s, &section, findings);
		if (!tls_config_has_system(cnf, application))
			check_tell(findings, "crl-postfix-settings", "warning",
			    "the system's OpenSSL configuration has changed: "
			    "Postfix does not have its settings any more",
			    REWRITE);
		check_proof(&proof, file, findings);
		*module = mem_strdup(path);
	}
	free(text);
	NCONF_free(cnf);
	return tried && proof.loaded;
}

/* ---- the running Postfix ---- */

/*
 * "smtp", "127.0.0.1:10025", "[::1]:25": what `postconf -M` has first in a
 * line.  host is changed when the service has one.
 */
static void
split_service(char *service, const char **host, const char **port)
{
	char *colon = strrchr(service, ':');

	*port = service;
	if (colon == NULL)
		return;
	*colon = '\0';
	*port = colon + 1;
	if (service[0] == '[') {
		service[strcspn(service, "]")] = '\0';
		service++;
	}
	if (service[0] != '\0')
		*host = service;
}

/* Does master.cf take TLS from this one (our re-injection listeners)? */
static bool
has_no_starttls(const char *service)
{
	char *level = mem_printf("%s/inet/smtpd_tls_security_level", service);
	char *wrapper = mem_printf("%s/inet/smtpd_tls_wrappermode", service);
	char *one = ask_postconf("-P", level);
	char *two = ask_postconf("-P", wrapper);
	bool none = (one != NULL && strstr(one, "= none") != NULL) ||
		    (two != NULL && strstr(two, "= yes") != NULL);

	free(level);
	free(wrapper);
	free(one);
	free(two);
	return none;
}

/* Where smtpd listens that has no address of its own. */
static char *
default_host(void)
{
	char *host = postconf("inet_interfaces");

	host[strcspn(host, ", \t")] = '\0';
	if (host[0] != '\0' && strcmp(host, "all") != 0 &&
	    strcmp(host, "loopback-only") != 0)
		return host;
	free(host);
	return mem_strdup("127.0.0.1");
}

/*
 * Asks smtpds in their order until one has not the module.  Otherwise the
 * answer is the best: one may be out of our reach.  err stays empty when
 * there is none to ask (postscreen(8) alone).
 */
static enum tls_live_answer
ask_listeners(const char *module, struct error *err)
{
	enum tls_live_answer answer, told = TLS_LIVE_UNKNOWN;
	char *services = ask_postconf("-M", "*/inet"), *save = NULL;
	char *here = default_host();
	char name[256], type[16], program[64];
	const char *host, *port;
	struct error why = {0};
	int asked = 0;

	for (char *line = services == NULL
			      ? NULL
			      : strtok_r(services, "\n", &save);
	     line != NULL && asked < LISTENERS && told != TLS_LIVE_NO_MODULE;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%255s %15s %*s %*s %*s %*s %*s %63s", name,
			type, program) != 3 ||
		    strcmp(type, "inet") != 0 ||
		    strcmp(program, "smtpd") != 0 || has_no_starttls(name))
			continue;
		asked++;
		host = here;
		split_service(name, &host, &port);
		answer = tls_live_ask(host, port, module, &why);
		if (told == TLS_LIVE_UNKNOWN || answer == TLS_LIVE_MODULE ||
		    answer == TLS_LIVE_NO_MODULE) {
			told = answer;
			*err = why;
		}
	}
	free(services);
	free(here);
	return told;
}

static void
check_live(const char *module, json_t *findings)
{
	char *level = postconf("smtpd_tls_security_level");
	struct error err = {0};
	enum tls_live_answer answer;
	char *text;

	if (strcmp(level, "may") != 0 && strcmp(level, "encrypt") != 0)
		goto out;
	answer = ask_listeners(module, &err);
	text = mem_printf("smtpd: %s", err.text);
	if (answer == TLS_LIVE_MODULE)
		check_tell(findings, "crl-postfix-smtpd", "ok",
		    "a running smtpd has the module", "");
	else if (answer == TLS_LIVE_NO_TLS)
		check_tell(findings, "crl-postfix-smtpd", "critical", text,
		    "its log says why TLS is off");
	else if (answer == TLS_LIVE_NO_MODULE)
		check_tell(findings, "crl-postfix-smtpd", "critical", text,
		    "postfix reload");
	else if (err.text[0] != '\0')
		check_tell(findings, "crl-postfix-smtpd", "warning", text,
		    "is Postfix running?");
	free(text);
out:
	free(level);
}

/* ---- all ---- */

/* In main.cf, or for one service in master.cf. */
static bool
is_yes_anywhere(const char *name)
{
	char *everywhere = postconf(name);
	char *service = mem_printf("*/inet/%s", name);
	char *lines = ask_postconf("-P", service);
	bool yes = strcmp(everywhere, "yes") == 0 ||
		   (lines != NULL && strstr(lines, "= yes") != NULL);

	free(everywhere);
	free(service);
	free(lines);
	return yes;
}

static void
check_session(const char *name, const char *whose, json_t *findings)
{
	char *text = postconf(name), *line, *fix;
	struct conf_value v = {.text = text};
	const struct param p = {.name = "x", .type = PARAM_TIME};
	int64_t seconds = 0;
	struct error ignored;
	bool long_time;

	if (text[0] != '\0' && param_parse(&p, &v, &seconds, &ignored)) {
		long_time = seconds > SESSION;
		line = mem_printf("%s = %s: a revoked %s certificate may come "
		    "back for so long in a session that is taken up again",
		    name, text, whose);
		fix = mem_printf("postconf -e %s=3600s", name);
		check_tell(findings, "crl-postfix-sessions",
		    long_time ? "warning" : "ok", line, long_time ? fix : "");
		free(line);
		free(fix);
	}
	free(text);
}

/* A session that is taken up again is not verified again. */
static void
check_sessions(json_t *findings)
{
	char *outbound = postconf("smtp_tls_session_cache_database");

	if (is_yes_anywhere("smtpd_tls_ask_ccert") ||
	    is_yes_anywhere("smtpd_tls_req_ccert"))
		check_session("smtpd_tls_session_cache_timeout", "client",
		    findings);
	if (outbound[0] != '\0')
		check_session("smtp_tls_session_cache_timeout", "server",
		    findings);
	free(outbound);
}

static void
tell_unused(bool too_old, json_t *findings)
{
	check_tell(findings, "crl-postfix", "warning",
	    too_old ? "Postfix does not check revocation: it is older than "
		      "3.7.6 and cannot be given an OpenSSL configuration"
		    : "Postfix does not check revocation: tls_config_file "
		      "does not name our file",
	    too_old ? "use a newer one" : "postseal crl postfix-config; or "
		"inbound_smtp_tls = no and outbound_smtp_tls = no in "
		"crl-check");
}

void
check_tls(const struct settings *s, bool wanted, json_t *findings)
{
	const struct crl_check_settings *check = settings_get(s, "crl-check");
	char *file = postconf("tls_config_file");
	char *name = postconf("tls_config_name");
	char *version = postconf("mail_version");
	char *module = NULL;

	/* A server that hangs up must not end us. */
	signal(SIGPIPE, SIG_IGN);
	if (file[0] != '/') {
		if (wanted && version[0] != '\0' &&
		    (check->inbound_smtp_tls || check->outbound_smtp_tls))
			tell_unused(file[0] == '\0', findings);
	} else if (check_file(s, file, name[0] == '\0' ? NULL : name, &module,
		       findings)) {
		if (module != NULL)
			check_live(module, findings);
		check_sessions(findings);
	}
	free(file);
	free(name);
	free(version);
	free(module);
}
