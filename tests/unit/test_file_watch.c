/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/file_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char dir[4096];
static struct strvec paths;

static const char *
in_dir(const char *name)
{
	static char path[4][8192];
	static int next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static void
put(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# cannot write %s\n", name);
	close(fd);
	/* Times of one kernel tick are all the same. */
	usleep(20000);
}

static void
changes(const char *what)
{
	static uint64_t last;
	uint64_t now = file_watch_state(&paths);

	check(now != last, "%s changes the state", what);
	check(now == file_watch_state(&paths),
	    "the state stays while nothing happens (%s)", what);
	last = now;
}

static void
test_file(void)
{
	char text[64];
	uint64_t before;
	int fd;

	strvec_add(&paths, in_dir("file"));
	changes("starting to watch a missing file");
	put("file", "one");
	changes("making the file");
	put("file", "two");
	changes("writing the same size again");
	put("new", "two");
	rename(in_dir("new"), in_dir("file"));
	changes("renaming another file over it");
	chmod(in_dir("file"), 0640);
	usleep(20000);
	changes("another mode");
	before = file_watch_state(&paths);
	fd = open(in_dir("file"), O_RDONLY);
	check(read(fd, text, sizeof(text)) == 3, "the file can be read");
	close(fd);
	check(file_watch_state(&paths) == before,
	    "reading the file does not change the state");
	unlink(in_dir("file"));
	changes("removing the file");
	strvec_clear(&paths);
}

static void
test_directory(void)
{
	strvec_add(&paths, in_dir("sub"));
	changes("starting to watch a missing directory");
	mkdir(in_dir("sub"), 0700);
	changes("making the directory");
	put("sub/a", "a");
	changes("an entry more");
	put("sub/b", "b");
	changes("a second entry");
	put("sub/a", "c");
	changes("another content of an entry");
	rename(in_dir("sub/a"), in_dir("sub/c"));
	changes("another name of an entry");
	unlink(in_dir("sub/b"));
	changes("removing an entry");
	put("target", "1");
	check(symlink("../target", in_dir("sub/link")) == 0,
	    "a link can be made");
	changes("a link as an entry");
	put("target", "2");
	changes("a change of what the link leads to");
	unlink(in_dir("target"));
	changes("a link that leads nowhere");
	unlink(in_dir("sub/link"));
	unlink(in_dir("sub/c"));
	rmdir(in_dir("sub"));
	strvec_clear(&paths);
}

static void
test_order(void)
{
	struct strvec none = {0}, ab = {0}, ba = {0};

	strvec_add(&ab, "/nonexistent/a");
	strvec_add(&ab, "/nonexistent/b");
	strvec_add(&ba, "/nonexistent/ab");
	check(file_watch_state(&none) == file_watch_state(&none),
	    "an empty list has a state");
	check(file_watch_state(&ab) != file_watch_state(&ba),
	    "other paths have another state");
	strvec_clear(&ab);
	strvec_clear(&ba);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/postseal-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return 99;
	test_file();
	test_directory();
	test_order();
	check(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
