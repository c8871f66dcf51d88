/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `postseal check` and `postseal status` ask of this room.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "common/ca_list.h"
#include "common/cert_db.h"
#include "common/child.h"
#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway.h"
#include "smime_settings.h"

static void
tell(json_t *findings, const char *id, const char *severity,
    const char *text, const char *fix)
{
	json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s, s:s}",
	    "id", id, "severity", severity, "text", text, "fix", fix, "where",
	    "milter-smime"));
}

static char *
control_path(const struct settings *s)
{
	const struct postseal_settings *common = settings_get(s, "postseal");

	return mem_printf("%s/milter-smime.ctl", common->run_directory);
}

/* Does the daemon answer? Asked before we change the user. */
static void
check_daemon(const struct settings *s, json_t *findings)
{
	char *path = control_path(s);
	struct buf out;
	struct error err = {0};

	buf_init(&out, 65536);
	if (control_ask(path, "status", &out, &err))
		tell(findings, "smime-daemon", "ok", "milter-smime is running",
		    "");
	else
		tell(findings, "smime-daemon", "critical",
		    "milter-smime does not answer", "start it: systemctl "
		    "start milter-smime");
	buf_clear(&out);
	free(path);
}

/* One parameter of Postfix; NULL when it cannot be asked. */
static char *
postconf(const char *name)
{
	char *const argv[] = {(char *)"postconf", (char *)"-h", (char *)name,
		NULL};
	struct child_result result = {0};
	struct error err = {0};
	char *value = NULL;

	if (child_run("/usr/sbin/postconf", argv, 10, 65536, &result, &err) &&
	    result.status == 0) {
		value = mem_strdup(buf_text(&result.out));
		value[strcspn(value, "\n")] = '\0';
	}
	child_result_clear(&result);
	return value;
}

/* Is our socket among the milters, in Postfix's spelling or in full? */
static bool
names_us(const char *milters, const char *listen)
{
	const char *tail = strrchr(listen, '/');

	return strstr(milters, listen) != NULL ||
	    (tail != NULL && strstr(milters, tail + 1) != NULL);
}

static void
check_postfix(const struct settings *s, json_t *findings)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	char *smtpd = postconf("smtpd_milters");
	char *local = postconf("non_smtpd_milters");
	char *action = postconf("milter_default_action");

	if (smtpd == NULL || local == NULL || action == NULL) {
		tell(findings, "smime-postfix", "warning", "Postfix cannot be "
		    "asked for its settings", "install Postfix; postconf must "
		    "be in /usr/sbin");
		goto out;
	}
	if (!names_us(smtpd, own->listen))
		tell(findings, "smime-milters", "critical", "smtpd_milters "
		    "does not name milter-smime: mail passes unsigned",
		    "see `postseal smime postfix-config`");
	if (!names_us(local, own->listen) &&
	    strstr(local, "smtpd_milters") == NULL)
		tell(findings, "smime-local-milters", "warning",
		    "non_smtpd_milters does not name milter-smime: mail from "
		    "sendmail(1) passes unsigned",
		    "see `postseal smime postfix-config`");
	if (strcmp(action, "accept") == 0)
		tell(findings, "smime-default-action", "critical",
		    "milter_default_action = accept: mail passes unsigned "
		    "when the milter is gone",
		    "postconf -e milter_default_action=tempfail");
out:
	free(smtpd);
	free(local);
	free(action);
}

int
command_self_check(const struct settings *s, const char *problem)
{
	json_t *findings = json_array();
	struct gateway *g = NULL;
	struct error err = {0};

	if (s == NULL) {
		tell(findings, "smime-settings", "critical", problem,
		    "correct the file");
		goto out;
	}
	check_daemon(s, findings);
	check_postfix(s, findings);
	if (!command_drop(s)) {
		tell(findings, "smime-user", "critical", "cannot become the "
		    "milter's user", "create it (setting user)");
		goto out;
	}
	g = gateway_open(s, NULL, &err);
	if (g == NULL || !gateway_check(g, &err))
		tell(findings, "smime-start", "critical", err.text,
		    "until then the milter does not start");
	else
		tell(findings, "smime-start", "ok", "settings, keys, CA lists "
		    "and key store are usable", "");
	gateway_close(&g);
out:
	json_dumpf(findings, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(findings);
	return EX_OK;
}

static json_t *
daemon_status(const struct settings *s)
{
	char *path = control_path(s);
	struct buf out;
	struct error err = {0};
	json_t *j = NULL;

	buf_init(&out, 65536);
	if (control_ask(path, "status", &out, &err))
		j = json_loads(buf_text(&out), 0, NULL);
	if (j != NULL)
		json_object_set_new(j, "running", json_string("yes"));
	else if (access(path, F_OK) == 0)
		j = json_pack("{s:s}", "running", err.text);
	else
		j = json_pack("{s:s}", "running", "no");
	buf_clear(&out);
	free(path);
	return j;
}

int
command_status(const struct settings *s)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	json_t *j = daemon_status(s);
	struct cert_record *records = NULL;
	struct cert_db *db;
	struct error err = {0};
	size_t n = 0;

	if (command_drop(s)) {
		db = cert_db_open(smime_key_store_path(own), false, &err);
		if (db != NULL && cert_db_list(db, &records, &n, &err))
			json_object_set_new(j, "keys",
			    json_integer((json_int_t)n));
		cert_records_free(&records, n);
		cert_db_close(&db);
	}
	json_dumpf(j, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(j);
	return EX_OK;
}
