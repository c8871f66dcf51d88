/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `postseal check` and `postseal status` ask of this room.
 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "check_postfix.h"
#include "common/cert_db.h"
#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway.h"
#include "smime_settings.h"

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
		check_tell(findings, "smime-daemon", "ok", "milter-smime is running",
		    "");
	else
		check_tell(findings, "smime-daemon", "critical",
		    "milter-smime does not answer", "start it: systemctl "
		    "start milter-smime");
	buf_clear(&out);
	free(path);
}

/* Can the milter, as who we are now, make its socket? */
static void
check_socket(const struct settings *s, json_t *findings)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	const char *path = own->listen + strlen("unix:");
	char *directory, *slash, *text;

	if (strncmp(own->listen, "unix:", 5) != 0)
		return;
	directory = mem_strdup(path);
	slash = strrchr(directory, '/');
	if (slash != NULL && slash != directory)
		*slash = '\0';
	if (access(directory, W_OK | X_OK) != 0) {
		text = mem_printf("user %s cannot make the socket in %s: %s",
		    own->user == NULL ? "" : own->user, directory,
		    strerror(errno));
		check_tell(findings, "smime-socket", "critical", text,
		    "it must be 3770 root:postfix: systemd-tmpfiles --create "
		    "postseal.conf; the user must be in group postfix");
		free(text);
	}
	free(directory);
}

int
command_self_check(const struct settings *s, const char *problem)
{
	json_t *findings = json_array();
	struct gateway *g = NULL;
	struct error err = {0};

	if (s == NULL) {
		check_tell(findings, "smime-settings", "critical", problem,
		    "correct the file");
		goto out;
	}
	check_daemon(s, findings);
	check_postfix(s, findings);
	if (!command_drop(s)) {
		check_tell(findings, "smime-user", "critical", "cannot become the "
		    "milter's user", "create it (setting user)");
		goto out;
	}
	check_socket(s, findings);
	g = gateway_open(s, NULL, &err);
	if (g == NULL || !gateway_check(g, &err))
		check_tell(findings, "smime-start", "critical", err.text,
		    "until then the milter does not start again");
	else
		check_tell(findings, "smime-start", "ok", "settings, keys, CA lists "
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
