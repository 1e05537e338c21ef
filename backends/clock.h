/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time, in ms, and waiting for it.  What waits does so by the monotonic
 * clock, so that a clock that is set moves no deadline.
 */
#ifndef UVRFS_CLOCK_H
#define UVRFS_CLOCK_H

#include <pthread.h>
#include <stdint.h>

int64_t clock_monotonic(void);

/* The time of day. */
int64_t clock_wall(void);

/*
 * The time of day, but later than *@last, where it is kept: of two stamps it can
 * be told which was first, though both are of one millisecond, or the clock was
 * set back a little.  Not for what happens more often than that, which would run
 * ahead of the clock.
 */
int64_t clock_stamp(int64_t *last);

/* For clock_cond_wait(). */
void clock_cond_init(pthread_cond_t *cond);

/* Waits until @until, of clock_monotonic(): 0, or ETIMEDOUT. */
int clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
		    int64_t until);

#endif
