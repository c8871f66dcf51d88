/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `postseal smime profile` and `postfix-config`: what the settings say.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/table.h"
#include "smime_settings.h"

static json_t *
profile_json(const char *name, const struct sending_profile_settings *p)
{
	static const char *const sign_modes[] = {"detached", "opaque"};
	static const char *const digests[] = {"sha256", "sha384", "sha512"};
	static const char *const rules[] = {"rfc8550", "strict"};
	static const char *const no_keys[] = {"bounce", "drop", "split"};
	static const char *const transports[] = {
		"auto", "rsa-pkcs1", "rsa-oaep"};
	static const char *const rsa[] = {"pkcs1", "pss"};
	static const char *const hidden[] = {"separate", "together"};
	static const char *const confidentiality[] = {
		"baseline", "shy", "none"};
	json_t *j = json_object();

	json_object_set_new(j, "name", json_string(name));
	json_object_set_new(j, "mode", json_string(smime_mode_name(p->mode)));
	json_object_set_new(j, "signing_certificate",
	    json_string(p->signing_certificate));
	json_object_set_new(j, "sign_mode",
	    json_string(sign_modes[p->sign_mode]));
	json_object_set_new(j, "digest", json_string(digests[p->digest]));
	json_object_set_new(j, "key_usage",
	    json_string(rules[p->key_usage]));
	json_object_set_new(j, "sign_signed", json_boolean(p->sign_signed));
	json_object_set_new(j, "no_key", json_string(no_keys[p->no_key]));
	json_object_set_new(j, "cipher",
	    json_string(smime_cipher_name(p->cipher)));
	json_object_set_new(j, "key_transport",
	    json_string(transports[p->key_transport]));
	json_object_set_new(j, "rsa_signature",
	    json_string(rsa[p->rsa_signature]));
	json_object_set_new(j, "hidden_recipients",
	    json_string(hidden[p->hidden_recipients]));
	json_object_set_new(j, "protected_headers",
	    json_boolean(p->protected_headers));
	json_object_set_new(j, "header_confidentiality",
	    json_string(confidentiality[p->header_confidentiality]));
	return j;
}

static const char *
field(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* All profiles, or those whose name or certificate holds `text`. */
static int
list(const struct settings *s, const char *text, bool as_json)
{
	struct table t = {.columns = 5};
	json_t *all = json_array();

	table_row(&t, "NAME", "MODE", "CERTIFICATE", "SIGN MODE", "DIGEST");
	for (size_t i = 0; i < settings_count(s, "sending-profile"); i++) {
		const char *name;
		const struct sending_profile_settings *p = settings_at(s,
		    "sending-profile", i, &name);
		json_t *j = profile_json(name, p);

		if (text == NULL || strcasestr(name, text) != NULL ||
		    strcasestr(p->signing_certificate, text) != NULL) {
			table_row(&t, name, field(j, "mode"),
			    field(j, "signing_certificate"),
			    field(j, "sign_mode"), field(j, "digest"));
			json_array_append(all, j);
		}
		json_decref(j);
	}
	if (as_json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		table_print(&t, stdout);
	}
	table_clear(&t);
	json_decref(all);
	return EX_OK;
}

static int
show(const struct settings *s, const char *name, bool as_json)
{
	const struct sending_profile_settings *p = settings_find(s,
	    "sending-profile", name);
	const json_t *value;
	const char *key;
	json_t *j;

	if (p == NULL) {
		log_error("there is no sending profile %s", name);
		return EX_DATAERR;
	}
	j = profile_json(name, p);
	if (as_json) {
		json_dumpf(j, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		printf("sending-profile %s {\n", name);
		json_object_foreach(j, key, value) {
			if (strcmp(key, "name") == 0)
				continue;
			printf("\t%s = %s\n", key, json_is_string(value) ?
			    json_string_value(value) :
			    json_is_true(value) ? "yes" : "no");
		}
		printf("}\n");
	}
	json_decref(j);
	return EX_OK;
}

int
command_profile(const struct settings *s, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	bool json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0;
	int rest = argc - 2 - (json ? 1 : 0);

	if (strcmp(word, "list") == 0 && rest == 0)
		return list(s, NULL, json);
	if (strcmp(word, "search") == 0 && rest == 1)
		return list(s, argv[2], json);
	if (strcmp(word, "show") == 0 && rest == 1)
		return show(s, argv[2], json);
	log_error("profile: write list, show NAME or search TEXT, each with "
	    "--json if wanted");
	return EX_USAGE;
}

/* Paths inside Postfix's queue directory are written relative to it. */
static char *
milter_name(const char *listen)
{
	const char *queue = "unix:/var/spool/postfix/";

	if (strncmp(listen, queue, strlen(queue)) == 0)
		return mem_printf("unix:%s", listen + strlen(queue));
	return mem_strdup(listen);
}

#define BOUNCE_FILTER "error:5.7.1 not delivered to this recipient, by " \
    "policy; see the mail log of $myhostname"

/*
 * Where recipients are checked, so that it holds for every message: what a
 * check of the client says is lost with smtpd_delay_reject = no.
 */
#define HOLD "check_client_access,static:HOLD,"

/*
 * A listener for copies.  filter, if any, is what becomes of them (in
 * master.cf a value with blanks stands in braces), restriction what comes
 * before all others.
 */
static void
print_listener(const char *url, const char *syslog_name, const char *filter,
    const char *restriction)
{
	const char *smtp = "smtp://", *unix_socket = "unix:";

	if (strncmp(url, unix_socket, strlen(unix_socket)) == 0) {
		printf("# %s: not by TCP, so not a listener to be written "
		    "here\n", url);
		return;
	}
	printf("%s inet n - y - - smtpd\n"
	    "  -o syslog_name=%s\n"
	    "  -o smtpd_milters=\n", strncmp(url, smtp, strlen(smtp)) == 0 ?
	    url + strlen(smtp) : url + strcspn(url, ":") + 1, syslog_name);
	if (filter != NULL)
		printf("  -o { content_filter = %s }\n", filter);
	printf("  -o mynetworks=127.0.0.0/8,[::1]/128\n"
	    "  -o smtpd_client_restrictions=permit_mynetworks,reject\n"
	    "  -o smtpd_helo_restrictions=\n"
	    "  -o smtpd_sender_restrictions=\n"
	    "  -o smtpd_relay_restrictions=permit_mynetworks,reject\n"
	    "  -o smtpd_recipient_restrictions=%spermit_mynetworks,reject\n"
	    "  -o smtpd_data_restrictions=\n"
	    "  -o smtpd_end_of_data_restrictions=\n"
	    "  -o smtpd_tls_security_level=none\n"
	    "  -o smtpd_client_connection_rate_limit=0\n"
	    "  -o smtpd_recipient_limit=100000\n"
	    "  -o message_size_limit=0\n"
	    "  -o cleanup_service_name=cleanup-reinject\n", restriction);
}

int
command_postfix_config(const struct settings *s, int argc, char **argv)
{
	const struct milter_smime_settings *own = settings_get(s,
	    "milter-smime");
	char *name = milter_name(own->listen);

	(void)argc;
	(void)argv;
	printf("# main.cf; milters that refuse recipients stand before ours, "
	    "DKIM signers behind\n"
	    "smtpd_milters = %s\n"
	    "non_smtpd_milters = $smtpd_milters\n"
	    "milter_default_action = tempfail\n"
	    "# master.cf, under the submission service: what "
	    "listener:submission matches\n"
	    "#   -o milter_macro_daemon_name=submission\n", name);
	free(name);
	printf("# master.cf: copies of split messages; with those milters "
	    "that stand behind ours,\n"
	    "# as DKIM signers, and never with ours\n");
	print_listener(own->reinject, "postfix/reinject", NULL, "");
	printf("# master.cf: copies that filters quarantine: they stay on hold\n");
	print_listener(own->reinject_hold, "postfix/reinject-hold", NULL, HOLD);
	printf("# master.cf: copies that go back to their sender\n");
	print_listener(own->reinject_bounce, "postfix/reinject-bounce",
	    BOUNCE_FILTER, "");
	printf("# master.cf: all without a limit of size, for what is "
	    "encrypted is larger\n"
	    "cleanup-reinject unix n - y - 0 cleanup\n"
	    "  -o syslog_name=postfix/reinject\n"
	    "  -o message_size_limit=0\n");
	return EX_OK;
}
