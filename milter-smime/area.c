/* SPDX-License-Identifier: BSD-2-Clause */
#include "area.h"

#include <assert.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE (2 << 20)
#define PAUSE 1 /* seconds between two looks at what is idle */

/* From fresh to cold one step at each look. */
enum warmth { COLD, WARM, FRESH };

struct idle {
	struct area area;
	enum warmth warmth;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t put;
	struct idle idle[AREAS_MAX]; /* the last one is taken first */
	int nidle, nused;
	bool has_cooler;
} areas = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.put = PTHREAD_COND_INITIALIZER,
};

/* The pages are the kernel's when it needs them, or ours when we do. */
static void
cool(struct idle *idle)
{
	const struct area *a = &idle->area;

	if (idle->warmth == WARM && madvise(a->p, a->size, MADV_FREE) != 0)
		madvise(a->p, a->size, MADV_DONTNEED);
	if (idle->warmth != COLD)
		idle->warmth--;
}

static bool
all_cold(void)
{
	for (int i = 0; i < areas.nidle; i++)
		if (areas.idle[i].warmth != COLD)
			return false;
	return true;
}

static void *
run_cooler(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&areas.lock);
	for (;;) {
		while (all_cold())
			pthread_cond_wait(&areas.put, &areas.lock);
		pthread_mutex_unlock(&areas.lock);
		sleep(PAUSE);
		pthread_mutex_lock(&areas.lock);
		for (int i = 0; i < areas.nidle; i++)
			cool(&areas.idle[i]);
	}
	return NULL;
}

static bool
start_cooler(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_cooler, NULL) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

static bool
map_area(size_t size, struct area *a)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	madvise(p, size, MADV_HUGEPAGE);
	*a = (struct area){p, size};
	return true;
}

bool
area_take(size_t size, struct area *a)
{
	bool found = false;

	size = (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	pthread_mutex_lock(&areas.lock);
	if (areas.nused < AREAS_MAX && areas.nidle > 0) {
		*a = areas.idle[--areas.nidle].area;
		found = a->size >= size;
		if (!found)
			munmap(a->p, a->size);
	}
	if (areas.nused < AREAS_MAX && !found)
		found = map_area(size, a);
	areas.nused += found ? 1 : 0;
	pthread_mutex_unlock(&areas.lock);
	return found;
}

void
area_put(struct area *a)
{
	struct idle *idle;

	pthread_mutex_lock(&areas.lock);
	assert(areas.nused > 0 && areas.nidle + areas.nused <= AREAS_MAX);
	areas.nused--;
	idle = &areas.idle[areas.nidle++];
	*idle = (struct idle){*a, FRESH};
	areas.has_cooler = areas.has_cooler || start_cooler();
	if (areas.has_cooler) {
		pthread_cond_signal(&areas.put);
	} else {
		idle->warmth = WARM;
		cool(idle);
	}
	pthread_mutex_unlock(&areas.lock);
	*a = (struct area){NULL, 0};
}
