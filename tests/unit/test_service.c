/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/tap.h"

struct depot {
	int64_t wait;
	bool bad;
};

static const struct param depot_params[] = {
	{ .name = "wait", .type = PARAM_TIME,
	    .offset = offsetof(struct depot, wait), .def = "30s",
	    .help = "How long" },
	{ .name = "bad", .type = PARAM_BOOL,
	    .offset = offsetof(struct depot, bad), .def = "no",
	    .help = "Whether it fails" },
};
static const struct section_type depot_section = { .type = "depot",
	.params = depot_params, .nparams = 2, .size = sizeof(struct depot) };
static const struct section_type *const types[] = { &depot_section, NULL };

static bool
check_depot(const struct settings *s, struct error *err)
{
	const struct depot *d = settings_get(s, "depot");

	return d->bad ? error_perm(err, "the depot is bad\n; repair it") :
			true;
}

static const char *
no_user(const struct settings *s)
{
	(void)s;
	return NULL;
}

static const char *
some_user(const struct settings *s)
{
	(void)s;
	return "nobody";
}

static struct service service = { .program = "depotd", .types = types,
	.check = check_depot, .user = no_user };

static char directory[200];
static char *config;

static void
configure(const char *text)
{
	int fd = open(config, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# cannot write %s\n", config);
	if (fd >= 0)
		close(fd);
}

/* In the child: what service_start() promises to a daemon that goes on. */
static int
serve(struct service_run *run)
{
	const struct depot *d = settings_get(run->settings, "depot");
	struct sigaction pipe_action;
	struct rlimit core;

	sigaction(SIGPIPE, NULL, &pipe_action);
	getrlimit(RLIMIT_CORE, &core);
	printf("wait %d verbose %d sigpipe %s core %d umask %03o %s\n",
	    (int)d->wait, run->verbose,
	    pipe_action.sa_handler == SIG_IGN ? "ignored" : "kills",
	    (int)core.rlim_cur, (unsigned)umask(0),
	    strcmp(run->config_path, config) == 0 ? "same" : "other");
	settings_free(run->settings);
	return 0;
}

/* Runs depotd with the options; its output, both streams, in *text. */
static int
run(const char *options, char **text)
{
	char *argv[8] = { (char *)"depotd", NULL };
	int argc = 1, fds[2], status = 0;
	char *words = mem_strdup(options), *rest = NULL, chunk[4096];
	struct service_run r = { 0 };
	struct buf out;
	ssize_t n;
	pid_t pid;

	for (char *w = strtok_r(words, " ", &rest); w != NULL && argc < 7;
	    w = strtok_r(NULL, " ", &rest))
		argv[argc++] = strcmp(w, "FILE") == 0 ? config : w;
	argv[argc] = NULL;
	buf_init(&out, 1 << 20);
	fflush(stdout);
	if (pipe(fds) != 0 || (pid = fork()) < 0)
		exit(99);
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		service_start(&service, argc, argv, &r);
		free(words);
		exit(serve(&r));
	}
	close(fds[1]);
	while ((n = read(fds[0], chunk, sizeof(chunk))) > 0)
		buf_append(&out, chunk, (size_t)n);
	close(fds[0]);
	waitpid(pid, &status, 0);
	*text = buf_take(&out);
	free(words);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
runs(const char *options, int code, const char *want, const char *name)
{
	char *text = NULL;
	int got = run(options, &text);

	check(got == code, "%s: exit code %d", name, code);
	if (got != code)
		printf("# exit code %d\n", got);
	check_str(text, want, name);
	free(text);
}

static void
test_modes(void)
{
	char *text = NULL, *want;

	configure("depot {\n\twait = 2m\n}\n");
	runs("-t -c FILE", EX_OK, "", "-t says nothing when all is well");
	runs("-n -c FILE", EX_OK, "depot {\n\twait = 2m\n}\n",
	    "-n prints what differs");
	check(run("-d", &text) == EX_OK && strstr(text, "\twait = 30s\n") !=
	    NULL, "-d needs no file and prints the defaults");
	free(text);
	check(run("-V", &text) == EX_OK && strncmp(text, "depotd ", 7) == 0,
	    "-V prints program and version");
	free(text);
	runs("-c FILE -v", EX_OK, "wait 120 verbose 1 sigpipe ignored core 0 "
	    "umask 007 same\n", "without a mode it goes on to serve");

	configure("depot {\n\twait = 2x\n}\n");
	want = mem_printf("depotd: fatal: %s:2:9: depot: wait: \"2x\" cannot "
	    "be used; write a time such as 30s, 5m, 12h, 7d or 2w\n", config);
	runs("-t -c FILE", EX_CONFIG, want, "-t refuses bad settings in one "
	    "line");
	runs("-n -c FILE", EX_CONFIG, want, "so does -n");
	runs("-v -c FILE", EX_CONFIG, want, "so does a start");
	free(want);
	configure("depot {\n\tbad = yes\n}\n");
	want = mem_printf("depotd: fatal: the depot is bad\\x0a; repair it\n");
	runs("-t -c FILE", EX_CONFIG, want,
	    "-t runs the program's own check, its text on one line");
	runs("-c FILE", EX_CONFIG, want,
	    "a start that fails is told to standard error too");
	free(want);
}

static void
test_usage(void)
{
	static const char *const bad[] = { "-x", "-c", "-t -n", "word",
		"-t word", NULL };

	for (size_t i = 0; bad[i] != NULL; i++) {
		char *text = NULL;
		int code = run(bad[i], &text);

		check(code == EX_USAGE && strstr(text, "usage: depotd") !=
		    NULL, "\"%s\" gets the usage", bad[i]);
		free(text);
	}
}

static void
test_drop(void)
{
	struct error err = { 0 };
	int status = 0;
	pid_t pid;

	check(service_drop(NULL, &err) && service_drop("", &err),
	    "without a user nothing is dropped");
	if (geteuid() != 0) {
		check(service_drop("no-such-user", &err),
		    "nor without privileges");
		return;
	}
	check(!service_drop("no-such-user", &err) &&
	    strstr(err.text, "no-such-user") != NULL,
	    "a user who is not there is an error");
	check(!service_drop("root", &err), "root is no user to drop to");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(service_drop("nobody", &err) && geteuid() != 0 &&
		    getegid() != 0 && setuid(0) != 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "a dropped process cannot come back");
}

/* Only root becomes somebody else. */
static void
test_unreadable(void)
{
	char *part = mem_printf("%s/conf.d", directory), *want;
	char *file = mem_printf("%s/a.conf", part);

	if (geteuid() != 0)
		goto out;
	service.user = some_user;
	configure("");
	chmod(directory, 0755);
	want = mem_printf("depotd: fatal: %s (mode 0600): user nobody cannot "
	    "read it; chmod 0644\n", config);
	runs("-t -c FILE", EX_CONFIG, want, "-t finds a file that the user "
	    "cannot read");
	runs("-c FILE", EX_CONFIG, want, "so does a start");
	free(want);
	chmod(config, 0644);
	runs("-t -c FILE", EX_OK, "", "with the right mode all is well");
	mkdir(part, 0755);
	close(open(file, O_WRONLY | O_CREAT, 0640));
	chmod(file, 0640);
	want = mem_printf("depotd: fatal: %s (mode 0640): user nobody cannot "
	    "read it; chmod 0644\n", file);
	runs("-t -c FILE", EX_CONFIG, want, "files of conf.d count, too");
	free(want);
	chmod(file, 0644);
	chmod(part, 0700);
	want = mem_printf("depotd: fatal: %s: user nobody cannot reach it; "
	    "chmod 0755 its directory\n", file);
	runs("-t -c FILE", EX_CONFIG, want, "and so do directories");
	free(want);
	unlink(file);
	rmdir(part);
	service.user = no_user;
out:
	free(file);
	free(part);
}

int
main(void)
{
	snprintf(directory, sizeof(directory), "%.150s/service-XXXXXX",
	    getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(directory) == NULL)
		return 1;
	config = mem_printf("%s/postseal.conf", directory);
	test_modes();
	test_usage();
	test_drop();
	test_unreadable();
	unlink(config);
	rmdir(directory);
	free(config);
	return tap_done();
}
