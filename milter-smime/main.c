/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * milter-smime: S/MIME for Postfix.  See milter-smime(8).
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "callbacks.h"
#include "common/alert.h"
#include "common/clock.h"
#include "common/control.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "listener.h"
#include "gateway.h"
#include "reinject.h"
#include "smime_settings.h"

static time_t started;

static bool
check(const struct settings *s, struct error *err)
{
	struct gateway *g = gateway_open(s, NULL, err);
	bool ok = g != NULL && gateway_check(g, err);

	gateway_close(&g);
	return ok;
}

static const char *
user(const struct settings *s)
{
	const struct milter_smime_settings *v = settings_get(s,
	    "milter-smime");

	return v->user;
}

static void
answer(void *context, const char *request, struct buf *out)
{
	(void)context;
	if (strcmp(request, "status") != 0) {
		buf_puts(out, "{\"error\": \"unknown request\"}\n");
		return;
	}
	buf_printf(out, "{\"up_seconds\": %lld, ",
	    (long long)(clock_now() - started));
	callbacks_status(out);
	buf_puts(out, "}\n");
}

/* libmilter waits for these in a thread of its own; no other may get them. */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static struct control *
open_control(const struct settings *s)
{
	const struct postseal_settings *common = settings_get(s, "postseal");
	char *path = mem_printf("%s/milter-smime.ctl",
	    common->run_directory);
	struct error err = {0};
	struct control *c = control_open(path, answer, NULL, &err);

	/* Without it only `postseal status` is blind. */
	if (c == NULL)
		log_warning("no control socket: %s", err.text);
	free(path);
	return c;
}

int
main(int argc, char **argv)
{
	static const struct service service = {
		.program = "milter-smime",
		.types = smime_section_types,
		.check = check,
		.user = user,
	};
	const struct milter_smime_settings *own;
	struct service_run run = {0};
	struct gateway *g;
	struct reinjector *reinjector;
	struct control *control;
	struct error err = {0};
	int status;

	service_start(&service, argc, argv, &run);
	own = settings_get(run.settings, "milter-smime");
	if (geteuid() == 0)
		log_fatal(EX_CONFIG, "milter-smime must not run as root; set "
		    "user in section milter-smime");
	started = clock_now();
	block_signals();
	g = gateway_open(run.settings, NULL, &err);
	reinjector = g == NULL ? NULL : reinject_open(run.settings, &err);
	if (reinjector == NULL || !callbacks_register(g, reinjector, &err))
		log_fatal(EX_CONFIG, "%s", err.text);
	smfi_settimeout((int)own->milter_timeout);
	if (!listener_open(own->listen, &err))
		log_fatal(EX_OSERR, "%s", err.text);
	alert_start(run.settings, "milter-smime");
	control = open_control(run.settings);
	log_info("ready on %s", own->listen);
	status = smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
	log_info("stopping");
	control_close(&control);
	alert_stop();
	reinject_close(&reinjector);
	gateway_close(&g);
	settings_free(run.settings);
	return status;
}
