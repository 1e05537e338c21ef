/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the next copy of a bond is due: by its mode and schedule, at once for
 * the first copy and the final one, not at all without a line.  The engine's
 * thread only.
 */
#include "sim_model.h"

#define CONTINUOUS_MS 1000		/* between snapshots, at least */
#define HEARTBEAT_MS 10000		/* nothing changed: still current */

/* What of a bond the schedule is made from. */
struct timing {
	int64_t now;
	bool changed;
	bool urgent;			/* the first copy, or a final one */
	int64_t data_time;
};

static int64_t interval_due(const struct bond *p, const struct timing *t)
{
	int64_t left = t->data_time + p->rpo - clock_wall();

	/* A clock that was set back must not stop the copies. */
	if (left > p->rpo)
		left = p->rpo;
	return left > 0 ? t->now + left : t->now;
}

static int64_t when_due(const struct bond *p, const struct timing *t)
{
	int64_t due = t->now, beat = HEARTBEAT_MS;

	if (!t->urgent && !p->tracked)
		return INT64_MAX;
	if (p->rpo && p->rpo / 4 < beat)
		beat = p->rpo / 4;
	if (t->urgent)
		due = t->now;
	else if (p->mode != MODE_SYNCHRONOUS &&
		 p->schedule == SCHEDULE_INTERVAL && p->rpo)
		due = interval_due(p, t);
	else if (!t->changed)
		due = p->begun + (beat > CONTINUOUS_MS ? beat : CONTINUOUS_MS);
	else if (p->mode != MODE_SYNCHRONOUS && p->begun)
		due = p->begun + CONTINUOUS_MS;
	return due > p->not_before ? due : p->not_before;
}

/* Nothing changed since the last snapshot: the replica is current as of now. */
static void note_current(struct sim *sim, struct bond *p, int to)
{
	struct place place = end_place(sim, &p->end[to]);
	int64_t now = clock_wall();
	bool by_interval;
	struct glance s;
	struct error err;

	p->begun = clock_monotonic();
	pthread_mutex_lock(&sim->lock);
	p->current = now;
	by_interval = p->mode != MODE_SYNCHRONOUS &&
		      p->schedule == SCHEDULE_INTERVAL;
	bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
	/* The others stay current all the time: not worth a write each, unless
	   somebody else can't know otherwise. */
	if (!by_interval && !sim->shared)
		return;
	bond_lock(sim, p);
	bond_read_locked(sim, p, &s);
	s.belief[to].data_time = now;
	if (!s.rc[to] && s.belief[to].role == ROLE_REPLICA &&
	    belief_write(&place, &s.belief[to], &err))
		p->not_before = p->begun + FAILED_RETRY_MS;
	bond_unlock(sim, p);
}

static bool may_copy(struct sim *sim, const struct bond *p)
{
	bool may;

	pthread_mutex_lock(&sim->lock);
	may = bond_is_linked(p) && !end_has(&p->end[0], FAULT_NO_COPY) &&
	      !end_has(&p->end[1], FAULT_NO_COPY);
	pthread_mutex_unlock(&sim->lock);
	return may;
}

static void begin_if_due(struct sim *sim, struct bond *p, const struct glance *s,
			 int from)
{
	const struct belief *to = &s->belief[1 - from];
	bool final = s->belief[from].role != ROLE_SOURCE;
	struct timing t = {.now = clock_monotonic(),
			   .urgent = final || !to->complete};

	pthread_mutex_lock(&sim->lock);
	t.changed = p->end[from].touched ||
		    !stamp_equal(&p->copied, &s->stamp[from]);
	t.data_time = to->data_time > p->current ? to->data_time : p->current;
	p->due = when_due(p, &t);
	pthread_mutex_unlock(&sim->lock);
	if (p->due > t.now)
		return;
	if (t.urgent || t.changed)
		copy_begin(sim, p, s, from);
	else
		note_current(sim, p, 1 - from);
}

void bond_schedule(struct sim *sim, struct bond *p, const struct glance *s)
{
	bool final = false;
	int from = may_copy(sim, p) ? sight_direction(s, &final) : -1;
	struct copy *c = p->copy;

	if (c && !copy_is(c, from, final))
		copy_abandon(sim, c);
	p->due = INT64_MAX;
	if (from < 0)
		return;
	if (p->copy)
		copy_poke(c);
	else
		begin_if_due(sim, p, s, from);
}
