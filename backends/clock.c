/* SPDX-License-Identifier: Apache-2.0 */
/* The time, in ms, and waiting for it. */
#include "clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Farther ahead the clock was set back: as the core has it, too. */
#define AHEAD_MS 5000

int64_t clock_stamp(int64_t *last)
{
	int64_t now = clock_wall();

	if (now <= *last && *last - now < AHEAD_MS)
		now = *last + 1;
	*last = now;
	return now;
}

void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
		    int64_t until)
{
	struct timespec ts = {
		.tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000,
	};

	return pthread_cond_timedwait(cond, lock, &ts);
}
