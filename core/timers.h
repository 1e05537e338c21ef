/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap of due times.  The caller embeds a struct timer; nothing is allocated
 * for arming one that fits the heap's memory.
 */
#ifndef UVRFS_TIMERS_H
#define UVRFS_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t due;
	size_t slot;		/* place in the heap + 1; 0: not armed */
};

struct timers {
	struct timer **heap;
	size_t count;
	size_t cap;
};

void timers_finish(struct timers *t);

/* Makes room for @count timers; -ENOMEM.  timer_arm never fails within it. */
int timers_reserve(struct timers *t, size_t count);

/* Arms, or moves; INT64_MAX disarms. */
void timer_arm(struct timers *t, struct timer *timer, int64_t due);

/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *t);

#endif
