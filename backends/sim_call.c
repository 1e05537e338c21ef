/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call to a site: does it answer, how long does it take, and then the act or
 * the look itself.  On worker threads, several at once.
 */
#include "sim_act.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Blocks while the site hangs.  With the lock held. */
static int wait_while_hung(struct sim *sim, const struct end *e, int64_t until)
{
	while (!sim->stopping && end_hang_ms(e) >= 0) {
		if (clock_monotonic() >= until) {
			/* Those who watch need not wait for longer. */
			e->site->silent = true;
			site_mark(sim, e->site);
			return -ETIMEDOUT;
		}
		clock_cond_wait(&sim->changed, &sim->lock, until);
	}
	return sim->stopping ? -ECANCELED : 0;
}

/* As long as `slow` says; past @until the answer is lost, the act is not. */
static int wait_as_slow(struct sim *sim, const struct end *e, int64_t until)
{
	const struct fault *f = end_fault(e, FAULT_SLOW, ACT_NONE);
	int64_t start = clock_monotonic(), end = start;

	if (f)
		end = start + (f->number < INT32_MAX ? f->number : INT32_MAX);
	while (!sim->stopping && clock_monotonic() < end &&
	       clock_monotonic() < until)
		clock_cond_wait(&sim->changed, &sim->lock,
				end < until ? end : until);
	if (sim->stopping)
		return -ECANCELED;
	return end > until ? -ETIMEDOUT : 0;
}

struct refusal {
	enum fault_kind kind;
	int code;
	const char *sentence;
};

/* Does the cluster answer?  With the lock held. */
static int check_answer(const struct end *e, struct error *err)
{
	static const struct refusal table[] = {
		{FAULT_DOWN, EHOSTUNREACH, "connection refused"},
		{FAULT_MUTE, EHOSTUNREACH, "its management gives no answer"},
		{FAULT_REFUSE, EACCES, "credentials refused"},
		{FAULT_UNCONFIGURED, EHOSTUNREACH, "no access is set up"},
	};
	size_t i;

	for (i = 0; i < sizeof table / sizeof *table; i++)
		if (end_has(e, table[i].kind))
			return fail(err, table[i].code, "%s: %s",
				    e->site->name, table[i].sentence);
	return 0;
}

/* Errors that were ordered.  With the lock held. */
static int check_ordered(const struct end *e, enum act act, struct error *err)
{
	struct fault *f = end_fault(e, FAULT_FAIL, act);

	if (f && f->number > 0) {
		f->number--;
		return fail(err, EIO, "%s: %s failed", e->site->name,
			    act_text(act));
	}
	if (end_fault(e, FAULT_FINAL, act))
		return fail(err, EPERM, "%s: %s is not possible",
			    e->site->name, act_text(act));
	return 0;
}

static int cancelled(struct error *err)
{
	return fail(err, ECANCELED, "the backend is being stopped");
}

/*
 * Everything before the act.  *@lost: it is made, but the caller no longer
 * waits for the answer.  With the lock held.
 */
static int approach(struct deed *d, int timeout_ms, bool *lost)
{
	struct end *e = &d->bond->end[d->at];
	int64_t until = clock_monotonic() + timeout_ms;
	int rc = wait_while_hung(d->sim, e, until);

	*lost = false;
	if (rc == -ETIMEDOUT)
		return fail(d->err, ETIMEDOUT, "%s: no answer in %d ms",
			    e->site->name, timeout_ms);
	if (rc)
		return cancelled(d->err);
	rc = check_answer(e, d->err);
	if (rc)
		return rc;
	rc = wait_as_slow(d->sim, e, until);
	if (rc == -ECANCELED)
		return cancelled(d->err);
	*lost = rc == -ETIMEDOUT;
	rc = check_ordered(e, d->act, d->err);
	if (rc)
		return rc;
	d->linked = bond_is_linked(d->bond);
	d->lie = end_fault(e, FAULT_LIE, d->act);
	d->in_use = end_has(e, FAULT_IN_USE) &&
		    !end_has(e, FAULT_IN_USE_IGNORED);
	return 0;
}

static int perform(struct deed *d)
{
	int rc;

	bond_lock(d->sim, d->bond);
	bond_read_locked(d->sim, d->bond, &d->sight);
	/* The next act would take its place. */
	rc = deed_list_late(d->sim, d->bond, &d->sight, d->err);
	if (!rc && !deed_is_done(d)) {
		rc = deed_decide(d);
		if (!rc)
			rc = deed_commit(d);
	}
	bond_unlock(d->sim, d->bond);
	return rc;
}

/* Counts the call; stop() waits until there is none. */
static int enter(struct sim *sim, const struct target *t, struct bond **p,
		 struct error *err)
{
	int i;

	*p = sim_bond(sim, t);
	if (!*p)
		return fail(err, ENOMEM, "no memory for a simulated volume");
	for (i = 0; i < 2; i++)
		site_refresh(sim, (*p)->end[i].site);
	pthread_mutex_lock(&sim->lock);
	/* What a crash left is cleared up first. */
	while (!sim->scanned && !sim->stopping)
		pthread_cond_wait(&sim->changed, &sim->lock);
	if (sim->stopping) {
		pthread_mutex_unlock(&sim->lock);
		return cancelled(err);
	}
	sim->calls++;
	return 0;
}

/* With the lock held, which it gives up. */
static void leave(struct sim *sim)
{
	sim->calls--;
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
}

static int call(struct sim *sim, struct deed *d, int timeout_ms)
{
	struct end *e = &d->bond->end[d->at];
	bool lost;
	int rc;

	e->acts++;
	bond_mark(sim, d->bond);
	rc = approach(d, timeout_ms, &lost);
	if (!rc) {
		pthread_mutex_unlock(&sim->lock);
		rc = perform(d);
		pthread_mutex_lock(&sim->lock);
		if (!rc && lost)
			rc = fail(d->err, ETIMEDOUT,
				  "%s: no answer in %d ms", e->site->name,
				  timeout_ms);
	}
	e->acts--;
	bond_mark(sim, d->bond);
	return rc;
}

int sim_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err)
{
	int here = t->here_is_destination ? 1 : 0, rc;
	struct sim *sim = sim_of(b);
	struct deed d = {.sim = sim,
			 .target = t,
			 .err = err,
			 .act = o->act,
			 .serial = o->serial,
			 .at = act_is_at_peer(o->act) ? 1 - here : here};

	if (o->act == ACT_NONE || act_is_wait(o->act))
		return fail(err, EINVAL, "%s is nothing to be done",
			    act_text(o->act));
	rc = enter(sim, t, &d.bond, err);
	if (rc)
		return rc;
	rc = call(sim, &d, o->timeout_ms);
	leave(sim);
	return rc;
}

int sim_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err)
{
	struct sim *sim = sim_of(b);
	int64_t until = clock_monotonic() + timeout_ms;
	struct observation seen;
	struct glance sight;
	struct bond *p;
	int i, rc;

	rc = enter(sim, t, &p, err);
	if (rc)
		return rc;
	for (i = 0; i < 2 && rc != -ECANCELED; i++)
		rc = wait_while_hung(sim, &p->end[i], until);
	if (rc != -ECANCELED) {
		pthread_mutex_unlock(&sim->lock);
		bond_read(sim, p, &sight);
		bond_observe(sim, p, &sight, t->here_is_destination ? 1 : 0,
			     &seen);
		pthread_mutex_lock(&sim->lock);
		*o = seen;
		/* Who is told this last believes it until there is news. */
		if (p->pushed != bond_digest(&seen))
			bond_tell_anew(sim, p);
	}
	leave(sim);
	return rc == -ECANCELED ? cancelled(err) : 0;
}
