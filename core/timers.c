/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of due times, each timer knowing its place. */
#include "timers.h"

#include <errno.h>
#include <stdlib.h>

void timers_finish(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){0};
}

int timers_reserve(struct timers *t, size_t count)
{
	size_t cap = t->cap ? t->cap : 16;
	struct timer **heap;

	if (count <= t->cap)
		return 0;
	while (cap < count)
		cap *= 2;
	heap = reallocarray(t->heap, cap, sizeof *heap);
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->cap = cap;
	return 0;
}

static void place(struct timers *t, size_t i, struct timer *timer)
{
	t->heap[i] = timer;
	timer->slot = i + 1;
}

static void sift_up(struct timers *t, size_t i)
{
	struct timer *timer = t->heap[i];

	while (i && t->heap[(i - 1) / 2]->due > timer->due) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, timer);
}

static void sift_down(struct timers *t, size_t i)
{
	struct timer *timer = t->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < t->count) {
		if (child + 1 < t->count &&
		    t->heap[child + 1]->due < t->heap[child]->due)
			child++;
		if (t->heap[child]->due >= timer->due)
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, timer);
}

static void disarm(struct timers *t, struct timer *timer)
{
	size_t i = timer->slot - 1;
	struct timer *last = t->heap[--t->count];

	timer->slot = 0;
	if (last == timer)
		return;
	place(t, i, last);
	sift_up(t, i);
	sift_down(t, last->slot - 1);
}

void timer_arm(struct timers *t, struct timer *timer, int64_t due)
{
	if (timer->slot && timer->due == due)
		return;
	if (timer->slot)
		disarm(t, timer);
	timer->due = due;
	if (due == INT64_MAX)
		return;
	place(t, t->count, timer);
	sift_up(t, t->count++);
}

struct timer *timers_first(const struct timers *t)
{
	return t->count ? t->heap[0] : NULL;
}
