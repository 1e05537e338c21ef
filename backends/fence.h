/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes sure that a process which leads until a moment acts on nothing after
 * it, even if it was stopped in between and goes on much later.
 *
 * An election alone can't: between the look at the clock and the call any time
 * may pass.  So while an act is under way a timer of the kernel runs that ends
 * the process at that moment, stopped or not (SIGKILL, by timer_create(2)).  A
 * process that is awake ends its acts before, and meets it never.
 */
#ifndef UVRFS_FENCE_H
#define UVRFS_FENCE_H

#include "error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct fence {
	pthread_mutex_t lock;
	timer_t timer;
	bool leads;
	int64_t until;		/* ms of fence_clock */
	unsigned acts;		/* under way */
};

/* Milliseconds that count while the machine is suspended as well. */
int64_t fence_clock(void);

int fence_init(struct fence *f, struct error *err);
void fence_finish(struct fence *f);

/* This process leads, and nobody else can before @until. */
void fence_extend(struct fence *f, int64_t until);

/* Nothing is begun any more; what is under way still ends before `until`. */
void fence_close(struct fence *f);

/*
 * Before an act: 0 and in *@left_ms how long it may take, or -EAGAIN.  Then
 * fence_leave is due after it.  Any thread.
 */
int fence_enter(struct fence *f, int *left_ms, struct error *err);
void fence_leave(struct fence *f);

#endif
