/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postseal: the one front for people.  `postseal WORD …` becomes
 * postseal-WORD; `check` and `status` ask every postseal-WORD there is.
 * It knows no program by name.  See postseal(1).
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "common/buf.h"
#include "common/child.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "common/strvec.h"
#include "common/table.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/lib/postseal"
#endif

#define PREFIX	    "postseal-"
#define WORD_LETTER "abcdefghijklmnopqrstuvwxyz-"
#define TIMEOUT	    30
#define ANSWER_MAX  (4 << 20)

enum severity { SEVERITY_OK, SEVERITY_WARNING, SEVERITY_CRITICAL };

static const char *const severities[] = {"ok", "warning", "critical"};

struct front {
	const char *libexec;
	const char *config; /* NULL: the programs' default */
	bool json;
	struct strvec words; /* installed, sorted */
};

static bool
is_word(const char *text)
{
	return text[0] != '\0' && text[0] != '-' &&
	    text[strspn(text, WORD_LETTER)] == '\0';
}

static char *
program_path(const struct front *f, const char *word)
{
	return mem_printf("%s/" PREFIX "%s", f->libexec, word);
}

static int
by_text(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void
find_words(struct front *f)
{
	const size_t skip = strlen(PREFIX);
	struct dirent *entry;
	DIR *d = opendir(f->libexec);

	while (d != NULL && (entry = readdir(d)) != NULL) {
		const char *word = entry->d_name + skip;
		struct stat st;
		char *path;

		if (strncmp(entry->d_name, PREFIX, skip) != 0 ||
		    !is_word(word))
			continue;
		path = program_path(f, word);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    access(path, X_OK) == 0)
			strvec_add(&f->words, word);
		free(path);
	}
	if (d != NULL)
		closedir(d);
	if (f->words.n > 0)
		qsort(f->words.v, f->words.n, sizeof(*f->words.v), by_text);
}

static bool
ask(const struct front *f, const char *word, const char *question,
    struct child_result *answer, struct error *err)
{
	char *path = program_path(f, word);
	struct strvec argv = {0};
	bool ok;

	strvec_add(&argv, path);
	strvec_add(&argv, question);
	if (strcmp(question, "--describe") != 0) {
		strvec_add(&argv, "--json");
		if (f->config != NULL) {
			strvec_add(&argv, "-c");
			strvec_add(&argv, f->config);
		}
	}
	ok = child_run(path, argv.v, TIMEOUT, ANSWER_MAX, answer, err);
	strvec_clear(&argv);
	free(path);
	return ok;
}

static void
print_words(const struct front *f, FILE *out)
{
	struct table t = {.columns = 2};
	struct child_result answer;
	struct error err;

	fputs("usage: postseal [-c FILE] WORD ...\n\n", out);
	table_row(&t, "  check",
	    "is everything well? --json for programs");
	table_row(&t, "  status", "how it stands; --json for programs");
	table_row(&t, "  help", "this, or more of one WORD");
	for (size_t i = 0; i < f->words.n; i++) {
		char *word = mem_printf("  %s", f->words.v[i]);
		const char *line = "(does not say what it is)";

		if (ask(f, f->words.v[i], "--describe", &answer, &err) &&
		    answer.out.len > 0) {
			answer.out.data[strcspn(answer.out.data, "\r\n")] =
			    '\0';
			line = answer.out.data;
		}
		table_row(&t, word, line);
		child_result_clear(&answer);
		free(word);
	}
	table_print(&t, out);
	table_clear(&t);
}

/* Moves over `PROGRAM: SEVERITY: ` in front of a line of its log. */
static size_t
skip_label(const struct buf *text, size_t start, size_t end)
{
	static const char *const labels[] = {PREFIX, "fatal: ", "error: ",
	    "panic: "};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const char *at = text->data + start;
		size_t n = strlen(labels[i]);
		const char *colon;

		if (end - start < n || memcmp(at, labels[i], n) != 0)
			continue;
		colon = i > 0 ? at + n - 2 : memchr(at, ':', end - start);
		if (colon != NULL && colon + 2 < text->data + end)
			start = (size_t)(colon + 2 - text->data);
	}
	return start;
}

/*
 * The last line a program wrote before it failed is mostly the reason.
 * False when it wrote none.
 */
static bool
last_line(const struct buf *text, struct buf *out)
{
	size_t end = text->len, start;

	while (end > 0 && text->data[end - 1] == '\n')
		end--;
	for (start = end; start > 0 && text->data[start - 1] != '\n';)
		start--;
	if (end == start)
		return false;
	start = skip_label(text, start, end);
	log_escape(out, text->data + start, end - start);
	return true;
}

static json_t *
finding(const char *id, enum severity severity, const char *text,
    const char *fix)
{
	struct buf clean;
	json_t *j;

	buf_init(&clean, ANSWER_MAX);
	log_escape(&clean, text, strlen(text));
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "severity",
	    severities[severity], "text", buf_text(&clean), "fix", fix,
	    "where", "");
	buf_clear(&clean);
	return j;
}

/* reason: that alone will do, if the program told one. */
static void
describe_end(const struct child_result *answer, bool reason,
    struct buf *text)
{
	bool failed = WIFEXITED(answer->status) &&
	    WEXITSTATUS(answer->status) != 0;
	struct buf line;
	bool told;

	buf_init(&line, ANSWER_MAX);
	told = last_line(&answer->err, &line);
	if (reason && failed && told)
		;
	else if (WIFSIGNALED(answer->status))
		buf_printf(text, "killed by signal %d",
		    WTERMSIG(answer->status));
	else if (WEXITSTATUS(answer->status) != 0)
		buf_printf(text, "exit status %d without a usable answer",
		    WEXITSTATUS(answer->status));
	else
		buf_puts(text, "an answer that is no JSON as expected");
	if (told)
		buf_printf(text, "%s%s", text->len > 0 ? ": " : "",
		    buf_text(&line));
	buf_clear(&line);
}

/*
 * Asks one program.  NULL when it crashed or did not answer as agreed;
 * text says how then.
 */
static json_t *
ask_json(const struct front *f, const char *word, const char *question,
    bool array, struct buf *text)
{
	struct child_result answer;
	struct error err;
	json_t *j = NULL;

	if (!ask(f, word, question, &answer, &err)) {
		buf_puts(text, err.text);
		goto out;
	}
	if (!WIFSIGNALED(answer.status))
		j = json_loadb(buf_text(&answer.out), answer.out.len,
		    JSON_REJECT_DUPLICATES, NULL);
	if (j != NULL && (array ? !json_is_array(j) : !json_is_object(j))) {
		json_decref(j);
		j = NULL;
	}
	if (j == NULL)
		describe_end(&answer, !array, text);
out:
	child_result_clear(&answer);
	return j;
}

/* -1: none of ours. */
static int
severity_of(const json_t *j)
{
	const char *text = json_string_value(json_object_get(j, "severity"));

	for (int i = SEVERITY_OK; text != NULL && i <= SEVERITY_CRITICAL; i++)
		if (strcmp(text, severities[i]) == 0)
			return i;
	return -1;
}

static void
add_findings(const struct front *f, const char *word, json_t *all)
{
	json_t *answer, *one;
	struct buf text;
	char *fix = mem_printf("run " PREFIX "%s --self-check --json by hand",
	    word);
	size_t i;

	buf_init(&text, ANSWER_MAX);
	answer = ask_json(f, word, "--self-check", true, &text);
	if (answer == NULL) {
		answer = json_array();
		json_array_append_new(answer, finding("self-check",
		    SEVERITY_CRITICAL, buf_text(&text), fix));
	}
	json_array_foreach(answer, i, one) {
		if (severity_of(one) < 0 ||
		    !json_is_string(json_object_get(one, "text")))
			one = finding("self-check", SEVERITY_CRITICAL,
			    "a finding without severity or text",
			    "install programs of one version");
		else
			json_incref(one);
		json_object_set_new(one, "program", json_string(word));
		json_array_append_new(all, one);
	}
	json_decref(answer);
	buf_clear(&text);
	free(fix);
}

static void
print_finding(const json_t *j)
{
	const char *text = json_string_value(json_object_get(j, "text"));
	const char *fix = json_string_value(json_object_get(j, "fix"));
	struct buf line;

	buf_init(&line, 4 * ANSWER_MAX);
	log_escape(&line, text, strlen(text));
	if (fix != NULL && fix[0] != '\0') {
		buf_puts(&line, "; ");
		log_escape(&line, fix, strlen(fix));
	}
	printf("%-8s  %s: %s\n", severities[severity_of(j)],
	    json_string_value(json_object_get(j, "program")),
	    buf_text(&line));
	buf_clear(&line);
}

static void
add_own(json_t *all, json_t *one)
{
	json_object_set_new(one, "program", json_string("postseal"));
	json_array_append_new(all, one);
}

static int
check_all(const struct front *f)
{
	json_t *all = json_array(), *one;
	int worst = SEVERITY_OK;
	size_t i;

	if (geteuid() != 0)
		add_own(all, finding("user", SEVERITY_WARNING, "not run as "
		    "root: what this user may not read is reported as "
		    "missing", "run this as root"));
	for (i = 0; i < f->words.n; i++)
		add_findings(f, f->words.v[i], all);
	if (f->words.n == 0) {
		char *text = mem_printf("no programs in %s", f->libexec);

		add_own(all, finding("programs", SEVERITY_CRITICAL, text,
		    "install postseal again"));
		free(text);
	}
	json_array_foreach(all, i, one) {
		if (severity_of(one) > worst)
			worst = severity_of(one);
		if (!f->json)
			print_finding(one);
	}
	if (f->json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(all);
	return worst == SEVERITY_CRITICAL ? 1 : 0;
}

static void
print_status(const char *word, const json_t *values)
{
	struct table t = {.columns = 2};
	const char *name;
	json_t *value;

	printf("%s\n", word);
	json_object_foreach((json_t *)(uintptr_t)values, name, value) {
		char *shown = mem_printf("  %s", name);
		char *text = json_is_string(value) ?
		    mem_strdup(json_string_value(value)) :
		    json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		table_row(&t, shown, text == NULL ? "" : text);
		free(text);
		free(shown);
	}
	table_print(&t, stdout);
	table_clear(&t);
}

static int
status_all(const struct front *f)
{
	json_t *all = json_object(), *values;
	struct buf text;
	int code = 0;

	buf_init(&text, ANSWER_MAX);
	for (size_t i = 0; i < f->words.n; i++) {
		const char *word = f->words.v[i];

		values = ask_json(f, word, "--status", false, &text);
		if (values == NULL) {
			code = 1;
			values = json_pack("{s:s}", "problem",
			    buf_text(&text));
			buf_reset(&text);
		}
		if (!f->json)
			print_status(word, values);
		json_object_set_new(all, word, values);
	}
	if (f->json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(all);
	buf_clear(&text);
	return code;
}

static int __attribute__((format(printf, 1, 2)))
refuse(const char *fmt, ...)
{
	va_list ap;

	fputs("postseal: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; postseal alone lists what there is\n", stderr);
	return EX_USAGE;
}

struct built_in {
	const char *word;
	int (*run)(const struct front *);
	const char *help;
};

static const struct built_in built_ins[] = {
	{"check", check_all,
	    "usage: postseal check [--json] [-c FILE]\n\n"
	    "Asks every program whether all is well: a line for each finding,\n"
	    "with what to do about it.  Run it as root.  Status 1 when one is\n"
	    "critical, else 0.\n"},
	{"status", status_all,
	    "usage: postseal status [--json] [-c FILE]\n\n"
	    "Asks every program how it stands: a line for each value.  Status\n"
	    "1 when one does not answer, else 0.\n"},
	{NULL, NULL, NULL},
};

static const struct built_in *
find_built_in(const char *word)
{
	const struct built_in *b = built_ins;

	while (b->word != NULL && strcmp(b->word, word) != 0)
		b++;
	return b->word == NULL ? NULL : b;
}

static bool
is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int
run_built_in(const struct built_in *b, struct front *f, int argc,
    char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (is_help(argv[i])) {
			fputs(b->help, stdout);
			return EX_OK;
		}
		if (strcmp(argv[i], "--json") == 0)
			f->json = true;
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			f->config = argv[++i];
		else
			return refuse("%s: \"%.64s\" is not known", argv[0],
			    argv[i]);
	}
	return b->run(f);
}

static int
unknown(const struct front *f, const char *word)
{
	struct strvec known = {0};
	const char *nearest;
	int code;

	strvec_add(&known, "check");
	strvec_add(&known, "status");
	strvec_add(&known, "help");
	for (size_t i = 0; i < f->words.n; i++)
		strvec_add(&known, f->words.v[i]);
	nearest = conf_nearest(word, (const char *const *)known.v);
	if (nearest != NULL)
		code = refuse("no \"%.64s\" here; is it \"%s\"?", word,
		    nearest);
	else
		code = refuse("no \"%.64s\" here", word);
	strvec_clear(&known);
	return code;
}

/* Returns only when there is no such program. */
static int
become(const struct front *f, char **argv)
{
	struct strvec args = {0};
	char *path;
	int code;

	if (!strvec_has(&f->words, argv[0]))
		return unknown(f, argv[0]);
	path = program_path(f, argv[0]);
	strvec_add(&args, path);
	if (f->config != NULL) {
		strvec_add(&args, "-c");
		strvec_add(&args, f->config);
	}
	for (int i = 1; argv[i] != NULL; i++)
		strvec_add(&args, argv[i]);
	execv(path, args.v);
	fprintf(stderr, "postseal: cannot run %s: %s\n", path,
	    strerror(errno));
	code = EX_OSERR;
	strvec_clear(&args);
	free(path);
	return code;
}

/* help [WORD] */
static int
help(struct front *f, char **argv)
{
	char option[] = "--help";
	char *asked[] = {argv[1], option, NULL};
	const struct built_in *b;

	if (argv[1] == NULL || is_help(argv[1]) ||
	    strcmp(argv[1], "help") == 0) {
		print_words(f, stdout);
		return EX_OK;
	}
	b = find_built_in(argv[1]);
	return b != NULL ? run_built_in(b, f, 2, asked) : become(f, asked);
}

static int
run(struct front *f, int argc, char **argv)
{
	const struct built_in *b;
	int i = 1;

	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "-V") == 0 ||
		    strcmp(argv[i], "--version") == 0) {
			service_print_version("postseal");
			return EX_OK;
		}
		if (is_help(argv[i])) {
			print_words(f, stdout);
			return EX_OK;
		}
		if (strcmp(argv[i], "-c") != 0 || i + 1 == argc)
			return refuse("\"%.64s\" is not known", argv[i]);
		f->config = argv[i + 1];
		i += 2;
	}
	if (i == argc) {
		print_words(f, stdout);
		return EX_OK;
	}
	if (strcmp(argv[i], "help") == 0)
		return help(f, argv + i);
	b = find_built_in(argv[i]);
	if (b != NULL)
		return run_built_in(b, f, argc - i, argv + i);
	return become(f, argv + i);
}

int
main(int argc, char **argv)
{
	struct front f = {0};
	int code;

	/* NULL when we run with somebody else's rights. */
	f.libexec = secure_getenv("POSTSEAL_LIBEXEC");
	if (f.libexec == NULL || f.libexec[0] == '\0')
		f.libexec = LIBEXECDIR;
	find_words(&f);
	code = run(&f, argc, argv);
	strvec_clear(&f.words);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "postseal: cannot write the output: %s\n",
		    strerror(errno));
		code = EX_IOERR;
	}
	return code;
}
