/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is done by one who no longer leads. */
#include "fence.h"

#include <errno.h>
#include <signal.h>

/* An act ends so much before the end, for whoever is late in ending it. */
#define MARGIN_MS 500

int64_t fence_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int fence_init(struct fence *f, struct error *err)
{
	struct sigevent kill = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGKILL,
	};

	*f = (struct fence){.leads = false};
	if (timer_create(CLOCK_BOOTTIME, &kill, &f->timer) < 0)
		return fail(err, errno, "no timer for the fence: %m");
	pthread_mutex_init(&f->lock, NULL);
	return 0;
}

void fence_finish(struct fence *f)
{
	timer_delete(f->timer);
	pthread_mutex_destroy(&f->lock);
}

/* With the lock held. */
static void arm(struct fence *f)
{
	struct itimerspec at = {0};

	if (f->acts) {
		at.it_value.tv_sec = (time_t)(f->until / 1000);
		at.it_value.tv_nsec = (long)(f->until % 1000) * 1000000;
	}
	timer_settime(f->timer, TIMER_ABSTIME, &at, NULL);
}

void fence_extend(struct fence *f, int64_t until)
{
	pthread_mutex_lock(&f->lock);
	f->leads = true;
	f->until = until;
	arm(f);
	pthread_mutex_unlock(&f->lock);
}

void fence_close(struct fence *f)
{
	pthread_mutex_lock(&f->lock);
	f->leads = false;
	pthread_mutex_unlock(&f->lock);
}

int fence_enter(struct fence *f, int *left_ms, struct error *err)
{
	int64_t left;
	bool may;

	pthread_mutex_lock(&f->lock);
	left = f->until - fence_clock() - MARGIN_MS;
	may = f->leads && left > 0;
	if (may) {
		f->acts++;
		arm(f);
	}
	pthread_mutex_unlock(&f->lock);
	if (!may)
		return fail(err, EAGAIN, "another daemon may lead by now");
	*left_ms = (int)left;
	return 0;
}

void fence_leave(struct fence *f)
{
	pthread_mutex_lock(&f->lock);
	f->acts--;
	arm(f);
	pthread_mutex_unlock(&f->lock);
}
