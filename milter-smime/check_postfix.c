/* SPDX-License-Identifier: BSD-2-Clause */
#include "check_postfix.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/child.h"
#include "common/flow_policy.h"
#include "common/mem.h"
#include "common/smtp_client.h"
#include "filters.h"
#include "smime_settings.h"

#define SEE "see `postseal smime postfix-config`"

void
check_tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix)
{
	json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s, s:s}",
	    "id", id, "severity", severity, "text", text, "fix", fix, "where",
	    "milter-smime"));
}

/* What postconf(1) says; NULL when it cannot be asked. */
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

/* One parameter of Postfix, expanded; NULL when it cannot be asked. */
static char *
postconf(const char *name)
{
	char *value = ask_postconf("-hx", name);

	if (value != NULL)
		value[strcspn(value, "\n")] = '\0';
	return value;
}

/*
 * Is our socket among the milters, in full or, as Postfix has it, relative
 * to its queue directory?
 */
static bool
names_us(const char *milters, const char *listen)
{
	char *queue = postconf("queue_directory");
	const char *path = listen + strlen("unix:");
	bool named = strstr(milters, listen) != NULL;

	if (!named && queue != NULL && strncmp(listen, "unix:", 5) == 0 &&
	    strncmp(path, queue, strlen(queue)) == 0) {
		char *relative = mem_printf("unix:%s",
		    path + strlen(queue) + 1);

		named = strstr(milters, relative) != NULL;
		free(relative);
	}
	free(queue);
	return named;
}

static void
check_milters(const struct milter_smime_settings *own, json_t *findings)
{
	char *smtpd = postconf("smtpd_milters");
	char *local = postconf("non_smtpd_milters");
	char *action = postconf("milter_default_action");
	char *newline = postconf("smtpd_forbid_bare_newline");

	if (smtpd == NULL || local == NULL || action == NULL) {
		check_tell(findings, "smime-postfix", "warning",
		    "Postfix cannot be asked for its settings",
		    "install Postfix; postconf must be in /usr/sbin");
		goto out;
	}
	if (!names_us(smtpd, own->listen))
		check_tell(findings, "smime-milters", "critical",
		    "smtpd_milters does not name milter-smime's socket: mail "
		    "passes unsigned", SEE);
	if (!names_us(local, own->listen))
		check_tell(findings, "smime-local-milters", "warning",
		    "non_smtpd_milters does not name milter-smime's socket: "
		    "mail from sendmail(1) passes unsigned", SEE);
	if (strcmp(action, "accept") == 0)
		check_tell(findings, "smime-default-action", "critical",
		    "milter_default_action = accept: mail passes unsigned "
		    "when the milter is gone",
		    "postconf -e milter_default_action=tempfail");
	if (newline == NULL || strcmp(newline, "no") == 0)
		check_tell(findings, "smime-bare-newline", "warning",
		    "smtpd_forbid_bare_newline = no: one message can smuggle "
		    "in another", "postconf -e smtpd_forbid_bare_newline=yes");
out:
	free(smtpd);
	free(local);
	free(action);
	free(newline);
}

/* Does any policy do something to mail that leaves? */
static bool
protects_outgoing(const struct settings *s)
{
	for (size_t i = 0; i < settings_count(s, "mail-policy"); i++) {
		const char *name;
		const struct mail_policy_settings *p = settings_at(s,
		    "mail-policy", i, &name);

		if (p->direction == DIRECTION_OUTGOING && p->profile != NULL)
			return true;
	}
	return false;
}

/*
 * `192.0.2.0/24`, `[::1]/128`: a host's address in it; "" for anything
 * else (files, tables, exceptions, IPv4 written as IPv6).
 */
static char *
host_address(const char *word, size_t n)
{
	size_t start = n > 0 && word[0] == '[' ? 1 : 0;
	size_t len = 0;
	char *address;

	while (start + len < n && strchr("/]", word[start + len]) == NULL)
		len++;
	address = mem_dup(word + start, len);
	if (len == 0 || strspn(address, "0123456789abcdefABCDEF.:") < len ||
	    strncasecmp(address, "::ffff:", 7) == 0)
		address[0] = '\0';
	else if (len > 2 && strcmp(address + len - 2, ".0") == 0)
		address[len - 1] = '1';
	return address;
}

/*
 * Postfix relays for mynetworks; a sender group must say so to us, or that
 * mail counts as coming from outside and leaves as it is.
 */
static void
check_mynetworks(const struct settings *s, json_t *findings)
{
	char *networks = postconf("mynetworks");
	struct buf missed;

	buf_init(&missed, 4096);
	for (const char *p = networks == NULL ? "" : networks; *p != '\0';) {
		size_t n = strcspn(p, " ,\t");
		char *address = host_address(p, n);
		struct client c = {.address = address, .name = "",
			.listener = ""};
		struct flow f;

		flow_policy_find(s, &c, &f);
		if (address[0] != '\0' && !f.outgoing)
			buf_printf(&missed, "%s%.*s", missed.len > 0 ? " " :
			    "", (int)n, p);
		free(address);
		p += n;
		p += strspn(p, " ,\t");
	}
	if (missed.len > 0) {
		char *text = mem_printf("mynetworks has %s, which no sender "
		    "group with behavior = relay covers: what is relayed from "
		    "there leaves unsigned and unencrypted",
		    buf_text(&missed));

		check_tell(findings, "smime-mynetworks", "warning", text,
		    "add it to `clients` of a sender-group whose policy "
		    "relays");
		free(text);
	}
	buf_clear(&missed);
	free(networks);
}

static void
check_listener(const struct settings *s, const char *setting,
    const char *url, const char *otherwise, json_t *findings)
{
	const struct postseal_settings *common = settings_get(s, "postseal");
	struct error err = {0};
	struct smtp_client *c = smtp_client_open(url, common->hostname, 5,
	    &err);
	char *text;

	if (c == NULL) {
		text = mem_printf("%s: %s: %s", setting, err.text, otherwise);
		check_tell(findings, "smime-reinject", "critical", text,
		    "add the listeners to master.cf; " SEE);
		free(text);
	}
	smtp_client_close(&c);
}

/*
 * A listener that answers but holds nothing would deliver what was to be
 * quarantined.  One that master.cf names otherwise is taken at its word.
 */
static void
check_holds(const char *url, json_t *findings)
{
	const char *smtp = "smtp://";
	size_t skip = strncmp(url, smtp, strlen(smtp)) == 0 ? strlen(smtp) :
	    strcspn(url, ":") + 1;
	char *service = mem_printf("%s/inet", url + skip);
	char *entry = ask_postconf("-M", service);

	if (entry != NULL && entry[0] != '\0' &&
	    strcasestr(entry, "static:HOLD") == NULL) {
		char *text = mem_printf("reinject_hold: %s of master.cf has no "
		    "check_client_access static:HOLD: what filters quarantine "
		    "is delivered", service);

		check_tell(findings, "smime-hold", "critical", text,
		    "write it as postfix-config does; " SEE);
		free(text);
	}
	free(service);
	free(entry);
}

static void
check_quarantine(const struct settings *s, json_t *findings)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");

	check_listener(s, "reinject_hold", own->reinject_hold,
	    "messages of which some copies are quarantined are deferred",
	    findings);
	check_holds(own->reinject_hold, findings);
}

/* What the filters at hand may do. */
struct purposes {
	bool protect, quarantine;
};

/* Broken filters are another check's finding. */
static struct purposes
find_purposes(const struct settings *s)
{
	struct purposes may = {false, false};
	const struct filter_program *program;
	struct error ignored;
	struct filters *f = filters_open(s, &ignored);

	if (f == NULL)
		return may;
	program = filters_get(f);
	may.protect = program->protects;
	may.quarantine = program->quarantines;
	filters_put(f, program);
	filters_close(&f);
	return may;
}

void
check_postfix(const struct settings *s, json_t *findings)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	const char *deferred = "split messages are deferred";
	struct purposes may = find_purposes(s);

	check_milters(own, findings);
	if (may.quarantine)
		check_quarantine(s, findings);
	if (!may.protect && !protects_outgoing(s)) {
		check_tell(findings, "smime-policies", "warning", "no "
		    "mail-policy with direction = outgoing names a profile, "
		    "and no filter does: nothing that leaves is signed or "
		    "encrypted",
		    "add one; see postseal.conf(5)");
		return;
	}
	check_mynetworks(s, findings);
	check_listener(s, "reinject", own->reinject, deferred, findings);
	check_listener(s, "reinject_bounce", own->reinject_bounce, deferred,
	    findings);
}
