/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/atomic_file.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "common/mem.h"
#include "tap.h"

#define SAME ((uid_t)-1), ((gid_t)-1)

static char dir[4096];

static const char *
in_dir(const char *name)
{
	static char path[4][8192];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static int
count_entries(void)
{
	DIR *d = opendir(dir);
	int n = -2;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static bool
holds(const char *path, const char *want)
{
	struct error err = {0};
	char *data = NULL;
	size_t n = 0;
	bool same;

	if (!atomic_file_read(path, 1 << 20, &data, &n, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	same = n == strlen(want) && strcmp(data, want) == 0;
	free(data);
	return same;
}

static mode_t
mode_of(const char *path)
{
	struct stat st = {0};

	return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
test_write(void)
{
	struct error err = {0};
	const char *path = in_dir("file");

	umask(077);
	check(atomic_file_write(path, "one", 3, 0644, SAME, &err),
	    "a new file is written");
	check(holds(path, "one"), "the new file holds what was given");
	check(mode_of(path) == 0644, "the umask does not change the mode");
	umask(0);
	check(atomic_file_write(path, "second", 6, 0600, SAME, &err) &&
		  holds(path, "second"),
	    "an old file is replaced");
	check(mode_of(path) == 0600, "the new mode counts, not the old one");
	check(
	    atomic_file_write(path, "", 0, 0600, SAME, &err) && holds(path, ""),
	    "an empty file can be written and read");
	check(atomic_file_write(
		  path, "mine", 4, 0640, getuid(), getgid(), &err) &&
		  holds(path, "mine"),
	    "an owner and a group can be given");
	check(count_entries() == 1, "no temporary file is left");
}

static void
test_create(void)
{
	struct error err = {0};
	const char *path = in_dir("created");

	check(atomic_file_create(path, "one", 3, 0600, SAME, &err) &&
		  holds(path, "one"),
	    "a file that is not there is created");
	check(!atomic_file_create(path, "two", 3, 0600, SAME, &err) &&
		  err.kind == ERROR_PERM && holds(path, "one"),
	    "creating over a file is PERM and leaves it");
	unlink(path);
	check(symlink("nowhere", path) == 0 &&
		  !atomic_file_create(path, "two", 3, 0600, SAME, &err) &&
		  err.kind == ERROR_PERM,
	    "creating over a dangling link is PERM");
	unlink(path);
}

static void
test_refusals(void)
{
	struct error err = {0};
	char here[4096];

	mkdir(in_dir("sub"), 0700);
	check(!atomic_file_write(in_dir("sub"), "x", 1, 0600, SAME, &err) &&
		  err.kind == ERROR_PERM,
	    "a directory is not replaced");
	check(
	    symlink("file", in_dir("link")) == 0 &&
		!atomic_file_write(in_dir("link"), "x", 1, 0600, SAME, &err) &&
		err.kind == ERROR_PERM && holds(in_dir("file"), "mine"),
	    "a symbolic link is neither replaced nor followed");
	check(
	    mkfifo(in_dir("fifo"), 0600) == 0 &&
		!atomic_file_write(in_dir("fifo"), "x", 1, 0600, SAME, &err) &&
		err.kind == ERROR_PERM,
	    "a FIFO is not replaced");
	check(!atomic_file_write(in_dir("no/file"), "x", 1, 0600, SAME, &err) &&
		  err.kind == ERROR_TEMP && strstr(err.text, "No such file"),
	    "a missing directory is TEMP and named");
	check(!atomic_file_write(in_dir(""), "x", 1, 0600, SAME, &err) &&
		  err.kind == ERROR_PERM,
	    "a path that ends in a slash is PERM");
	check(!atomic_file_write(in_dir(".."), "x", 1, 0600, SAME, &err) &&
		  err.kind == ERROR_PERM,
	    "a path that ends in .. is PERM");
	check(getcwd(here, sizeof(here)) != NULL && chdir(dir) == 0 &&
		  atomic_file_write("bare", "x", 1, 0600, SAME, &err) &&
		  holds(in_dir("bare"), "x") && chdir(here) == 0,
	    "a bare name is a file of the current directory");
	unlink(in_dir("bare"));
	unlink(in_dir("link"));
	unlink(in_dir("fifo"));
	rmdir(in_dir("sub"));
}

/* A file size limit stands in for a full disk. */
static void
test_disk_full(void)
{
	struct error err = {0};
	struct rlimit old, small;
	char *big = mem_alloc(100000);
	bool ok;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 50000;
	setrlimit(RLIMIT_FSIZE, &small);
	ok = atomic_file_write(in_dir("file"), big, 100000, 0600, SAME, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	check(!ok && err.kind == ERROR_TEMP, "a failing write is TEMP");
	check(holds(in_dir("file"), "mine"),
	    "a failing write leaves the old file");
	check(count_entries() == 1, "a failing write leaves nothing beside it");
	free(big);
}

static void
test_read(void)
{
	struct error err = {0};
	char *data = NULL, *big = mem_alloc(300000);
	size_t n = 0;

	check(!atomic_file_read(in_dir("none"), 10, &data, &n, &err) &&
		  err.kind == ERROR_TEMP &&
		  strstr(err.text, "No such file") != NULL && data == NULL,
	    "a missing file is TEMP and says \"No such file\"");
	check(atomic_file_read(in_dir("file"), 4, &data, &n, &err) && n == 4 &&
		  data[4] == '\0',
	    "a file of just the maximum is read, with a NUL after it");
	free(data);
	data = NULL;
	check(!atomic_file_read(in_dir("file"), 3, &data, &n, &err) &&
		  err.kind == ERROR_PERM && data == NULL,
	    "a file one byte over the maximum is PERM");
	check(!atomic_file_read(dir, 10, &data, &n, &err) &&
		  err.kind == ERROR_PERM,
	    "a directory is PERM");
	mkfifo(in_dir("fifo"), 0600);
	check(!atomic_file_read(in_dir("fifo"), 10, &data, &n, &err) &&
		  err.kind == ERROR_PERM,
	    "a FIFO is PERM and does not hold us");
	unlink(in_dir("fifo"));
	check(!atomic_file_read("/proc/self/status", 10, &data, &n, &err) &&
		  err.kind == ERROR_PERM,
	    "a file larger than its stat says still meets the maximum");
	check(atomic_file_read("/proc/self/status", 65536, &data, &n, &err) &&
		  n > 10 && data[n] == '\0',
	    "a file larger than its stat says is read to its end");
	free(data);
	memset(big, 'b', 300000);
	big[1000] = '\0';
	check(
	    atomic_file_write(in_dir("file"), big, 300000, 0600, SAME, &err) &&
		atomic_file_read(in_dir("file"), 1 << 20, &data, &n, &err) &&
		n == 300000 && memcmp(data, big, n) == 0,
	    "300,000 bytes with a NUL among them come back the same");
	free(data);
	free(big);
}

static void *
replace_often(void *arg)
{
	char *data = mem_alloc(20000);
	struct error err = {0};
	long failed = 0;

	(void)arg;
	for (int i = 0; i < 200; i++) {
		memset(data, 'a' + i % 26, 20000);
		if (!atomic_file_write(in_dir("file"), data,
			10000 + 100 * (size_t)(i % 26), 0600, SAME, &err))
			failed++;
	}
	free(data);
	return (void *)failed;
}

static void
test_readers_see_whole_files(void)
{
	struct error err = {0};
	char path[8192];
	pthread_t thread;
	void *failed;
	int torn = 0;

	snprintf(path, sizeof(path), "%s", in_dir("file"));
	check(atomic_file_write(path, "aaaa", 4, 0600, SAME, &err),
	    "the file is set up");
	pthread_create(&thread, NULL, replace_often, NULL);
	for (int i = 0; i < 2000; i++) {
		char *data = NULL;
		size_t n = 0;

		if (!atomic_file_read(path, 1 << 20, &data, &n, &err) ||
		    n == 0 || strspn(data, (char[]){data[0], 0}) != n ||
		    (n > 4 && n != 10000 + 100 * (size_t)(data[0] - 'a')))
			torn++;
		free(data);
	}
	pthread_join(thread, &failed);
	check(torn == 0 && failed == NULL,
	    "readers never see half a file while it is replaced");
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/postseal-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return 99;
	test_write();
	test_create();
	test_refusals();
	test_disk_full();
	test_read();
	test_readers_see_whole_files();
	unlink(in_dir("file"));
	check(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
