/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's thread: sleeps until something happens on the disks, a copy is
 * due or somebody wakes it; then looks, copies and tells the sink.
 */
#include "sim_model.h"
#include "thread.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define BLIND_MS 1000			/* where a folder can't be watched */
#define SUCCEED_MS 1000			/* between looks whether the array is gone */

static bool is_stopping(struct sim *sim)
{
	bool stopping;

	pthread_mutex_lock(&sim->lock);
	stopping = sim->stopping;
	pthread_mutex_unlock(&sim->lock);
	return stopping;
}

static void lower(int64_t *due, int64_t to)
{
	if (to < *due)
		*due = to;
}

/*
 * Who watches a site that hangs goes on believing what was seen last, for a
 * while.  True: still so, and *@until says how long.
 */
static bool is_in_doubt(struct sim *sim, struct bond *p, int64_t *until)
{
	int64_t now = clock_monotonic(), ms;
	bool doubt = false;
	int i;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < 2; i++) {
		struct site *site = p->end[i].site;

		ms = end_hang_ms(&p->end[i]);
		if (ms < 0 || site->silent || now - site->hung_since >= ms)
			continue;
		doubt = true;
		lower(until, site->hung_since + ms);
	}
	pthread_mutex_unlock(&sim->lock);
	return doubt;
}

static void push(struct sim *sim, struct bond *p, const struct glance *s,
		 int here)
{
	struct observation o;
	uint64_t digest;
	bool news;

	bond_observe(sim, p, s, here, &o);
	digest = bond_digest(&o);
	pthread_mutex_lock(&sim->lock);
	news = p->pushed != digest;
	p->pushed = digest;
	/* Whoever has looked since may be heard first: then this is too old. */
	if (p->looked_at != s->at)
		bond_tell_anew(sim, p);
	pthread_mutex_unlock(&sim->lock);
	if (news)
		sim->sink->observed(sim->sink, p->key, &o);
}

static struct bond *bond_of_timer(struct timer *t)
{
	void *at = (char *)t - offsetof(struct bond, timer);

	return at;
}

static void arm(struct sim *sim, struct bond *p, int64_t due)
{
	p->due = due;
	if (p->timer.slot ||
	    timers_reserve(&sim->timers, sim->timers.count + 1) == 0)
		timer_arm(&sim->timers, &p->timer, due);
	else
		lower(&sim->due, due);
}

/*
 * What an act left that was killed; nobody acts while we look.  True: look
 * again at @at.  A journal that can't be written holds up no copy.
 */
static bool clear_up(struct sim *sim, struct bond *p, const struct glance *s,
		     int64_t *at)
{
	bool turning = s->belief[0].turning || s->belief[1].turning;
	int rc;

	if (!turning && !s->belief[0].unlisted && !s->belief[1].unlisted)
		return false;
	rc = deed_clear_up(sim, p);
	*at = clock_monotonic() + (rc ? FAILED_RETRY_MS : 1);
	return turning || !rc;
}

static void update(struct sim *sim, struct bond *p)
{
	int64_t doubt = INT64_MAX, again;
	struct glance s;
	bool told;
	int here;

	if (!bond_can_be_read(sim, p)) {
		arm(sim, p, clock_monotonic() + 1);
		return;
	}
	pthread_mutex_lock(&sim->lock);
	here = p->here;
	if (p->anew)
		p->pushed = 0;
	p->anew = false;
	told = p->pushed;
	pthread_mutex_unlock(&sim->lock);
	bond_read(sim, p, &s);
	if (sim->is_array && clear_up(sim, p, &s, &again)) {
		arm(sim, p, again);
		return;
	}
	if (sim->is_array)
		bond_schedule(sim, p, &s);
	else
		p->due = INT64_MAX;
	if (!is_in_doubt(sim, p, &doubt) || !told)
		push(sim, p, &s, here);
	arm(sim, p, doubt < p->due ? doubt : p->due);
}

static void load_new_sites(struct sim *sim)
{
	struct site *s;

	pthread_mutex_lock(&sim->lock);
	s = sim->sites;
	pthread_mutex_unlock(&sim->lock);
	for (; s; s = s->next)
		if (!s->known) {
			s->known = true;
			site_refresh(sim, s);
		}
}

static void update_dirty(struct sim *sim)
{
	struct bond *list, *p;

	load_new_sites(sim);
	pthread_mutex_lock(&sim->lock);
	list = sim->dirty;
	sim->dirty = NULL;
	while ((p = list) && !sim->stopping) {
		list = p->next_dirty;
		p->dirty = false;
		pthread_mutex_unlock(&sim->lock);
		update(sim, p);
		pthread_mutex_lock(&sim->lock);
	}
	pthread_mutex_unlock(&sim->lock);
}

/* With the lock held. */
static void look_through(struct sim *sim, int64_t now)
{
	struct bond *p;

	sim->due = sim->blind ? now + BLIND_MS : INT64_MAX;
	for (p = sim->bonds; p; p = p->next) {
		if (p->due <= now || sim->blind)
			bond_mark(sim, p);
		else if (!p->timer.slot)
			lower(&sim->due, p->due);
	}
}

static void mark_due(struct sim *sim)
{
	int64_t now = clock_monotonic();
	struct timer *t;

	pthread_mutex_lock(&sim->lock);
	if (now >= sim->due)
		look_through(sim, now);
	while ((t = timers_first(&sim->timers)) && t->due <= now) {
		timer_arm(&sim->timers, t, INT64_MAX);
		bond_mark(sim, bond_of_timer(t));
	}
	pthread_mutex_unlock(&sim->lock);
}

static void step_copies(struct sim *sim)
{
	struct copy *c, *next;

	for (c = sim->copies; c; c = next) {
		next = copy_next(c);
		if (copy_is_ready(c))
			copy_step(sim, c);
	}
}

static int poll_timeout(struct sim *sim)
{
	const struct timer *first = timers_first(&sim->timers);
	int64_t due, left;
	struct copy *c;

	if (sim->blind)
		lower(&sim->due, clock_monotonic() + BLIND_MS);
	due = sim->due;
	lower(&due, first ? first->due : INT64_MAX);
	for (c = sim->copies; c; c = copy_next(c))
		lower(&due, copy_due(c));
	if (due == INT64_MAX)
		return -1;
	left = due - clock_monotonic();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Another process moves the data, until it is gone: then we do. */
static void succeed(struct sim *sim)
{
	struct bond *p;

	if (!sim_becomes_array(sim)) {
		lower(&sim->due, clock_monotonic() + SUCCEED_MS);
		return;
	}
	pthread_mutex_lock(&sim->lock);
	for (p = sim->bonds; p; p = p->next)
		bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
}

static void *run(void *ctx)
{
	struct sim *sim = ctx;
	struct pollfd fds[2] = {{.fd = sim->inotify, .events = POLLIN},
				{.fd = sim->wake, .events = POLLIN}};
	uint64_t count;

	if (sim->shared)
		sim_becomes_array(sim);
	watch_all(sim);
	while (!is_stopping(sim)) {
		if (!sim->is_array)
			succeed(sim);
		update_dirty(sim);
		step_copies(sim);
		/* Dirty again by now: then the eventfd is readable. */
		if (poll(fds, 2, poll_timeout(sim)) < 0 && errno != EINTR)
			break;
		if (read(sim->wake, &count, sizeof count) < 0 &&
		    errno != EAGAIN)
			break;
		watch_read(sim);
		mark_due(sim);
	}
	while (sim->copies)
		copy_abandon(sim, sim->copies);
	return NULL;
}

int engine_start(struct sim *sim, struct error *err)
{
	int rc;

	sim->due = INT64_MAX;
	sim->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (sim->inotify < 0)
		return fail(err, errno, "%s: can't watch folders: %s",
			    sim->name, strerrordesc_np(errno));
	sim->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sim->wake < 0) {
		rc = fail(err, errno, "%s: no eventfd: %s", sim->name,
			  strerrordesc_np(errno));
		close(sim->inotify);
		return rc;
	}
	sim->started = true;
	rc = thread_start(&sim->thread, run, sim);
	if (!rc)
		return 0;
	sim->started = false;
	close(sim->inotify);
	close(sim->wake);
	return fail(err, rc, "%s: can't start a thread: %s", sim->name,
		    strerrordesc_np(rc));
}

void engine_stop(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	__atomic_store_n(&sim->stopping, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&sim->changed);
	sim_wake(sim);
	pthread_mutex_unlock(&sim->lock);
	pthread_join(sim->thread, NULL);
	pthread_mutex_lock(&sim->lock);
	while (sim->calls)
		pthread_cond_wait(&sim->changed, &sim->lock);
	sim->started = false;
	pthread_mutex_unlock(&sim->lock);
	close(sim->inotify);
	close(sim->wake);
	watch_finish(sim);
}
