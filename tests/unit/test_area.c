/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is used again: how much, by whom, and when it is let go. */
#include "milter-smime/area.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "tap.h"

#define SIZE (4 << 20)
#define PATIENCE 10 /* seconds until an area must have been let go */

static void
test_number(void)
{
	struct area a[AREAS_MAX], more;
	bool ok = true;
	char *last;

	for (size_t i = 0; i < AREAS_MAX; i++)
		ok = ok && area_take(1, &a[i]) && a[i].size >= 1;
	check(ok, "there are %d areas", AREAS_MAX);
	check(!area_take(1, &more), "and no more");
	last = a[1].p;
	area_put(&a[1]);
	check(a[1].p == NULL, "what is put back is no longer held");
	check(area_take(1, &a[1]) && a[1].p == last,
	    "the next one gets the memory of the last");
	area_put(&a[1]);
	check(area_take(SIZE, &a[1]) && a[1].size >= SIZE,
	    "or larger memory, if that is too small");
	memset(a[1].p, 1, a[1].size);
	for (size_t i = 0; i < AREAS_MAX; i++)
		area_put(&a[i]);
	check(!area_take(SIZE_MAX / 2, &more) && area_take(SIZE, &more),
	    "more than there can be is refused, and after it not less");
	area_put(&more);
}

/* Bytes of this process that the kernel may take away; -1: it does not say. */
static long
free_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib = -1;

	while (f != NULL && kib < 0 && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "LazyFree: %ld kB", &kib);
	if (f != NULL)
		fclose(f);
	return kib < 0 ? -1 : kib << 10;
}

/* Waits until that many may be taken away, or for PATIENCE. */
static bool
comes_to(long bytes)
{
	struct timespec pause = {0, 100 * 1000000};
	int tries = PATIENCE * 10;

	while (free_bytes() != bytes && tries-- > 0)
		nanosleep(&pause, NULL);
	return tries >= 0;
}

static void
test_cooling(void)
{
	struct area a[AREAS_MAX];

	for (size_t i = 0; i < AREAS_MAX; i++) {
		if (!area_take(SIZE, &a[i]))
			abort();
		memset(a[i].p, 1, SIZE);
	}
	if (free_bytes() < 0) {
		tap_skip("an area that nobody uses is let go",
		    "the kernel does not tell");
	} else {
		area_put(&a[0]);
		check(free_bytes() == 0, "an area is not let go at once");
		check(comes_to(SIZE), "but when nobody has used it for a "
		    "while, and no other is");
		check(area_take(SIZE, &a[0]), "it can be taken again");
		memset(a[0].p, 1, SIZE);
		check(free_bytes() == 0, "and then its memory stays");
	}
	for (size_t i = 0; i < AREAS_MAX; i++)
		area_put(&a[i]);
}

static void *
use(void *wrong)
{
	struct area a;

	for (int i = 0; i < 200; i++) {
		if (!area_take(SIZE, &a))
			continue;
		memset(a.p, i, 4096);
		for (size_t k = 0; k < 4096; k++)
			if (a.p[k] != (char)i)
				*(bool *)wrong = true;
		area_put(&a);
	}
	return NULL;
}

static void
test_threads(void)
{
	bool wrong[8] = {false}, any = false;
	pthread_t threads[8];

	for (size_t i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, use, &wrong[i]) != 0)
			abort();
	for (size_t i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		any |= wrong[i];
	}
	check(!any, "no two threads have the same area");
}

int
main(void)
{
	test_number();
	test_threads();
	test_cooling();
	return tap_done();
}
