/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts: two fresh looks, a decision (rbd_decide.c), one call.  Promotion and
 * demotion may take longer than an act has time; they go on by themselves then,
 * and the side counts as busy until they have ended.
 *
 * All of them are the same act when made again: what they come to is decided
 * from what is there, not from what was done.
 */
#include "rbd_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- calls that may outlast their act ---- */

static void flight_free(struct rbd_flight *f)
{
	/* Not before it has called back: it is what the callback is given. */
	if (f->completion)
		rbd_aio_release(f->completion);
	release_image(&f->hold);
	pthread_cond_destroy(&f->landed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* On one of librbd's threads: no call to Ceph from here. */
static void landed(rbd_completion_t completion, void *arg)
{
	struct rbd_flight *f = arg;
	struct outlast outlast;

	pthread_mutex_lock(&f->lock);
	f->rc = (int)rbd_aio_get_return_value(completion);
	f->done = true;
	outlast = f->outlast;
	pthread_cond_signal(&f->landed);
	pthread_mutex_unlock(&f->lock);
	if (outlast.taken)
		outlast.ended(outlast.ctx);
}

/* The act gives up on it. */
static void outlast_act(struct rbd_flight *f, struct outlast *of)
{
	pthread_mutex_lock(&f->lock);
	if (of && !f->done) {
		of->taken = true;
		f->outlast = *of;
	}
	pthread_mutex_unlock(&f->lock);
}

void flight_forsake(struct rbd_end *e)
{
	struct rbd_flight *f = e->flight;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->outlast.taken = false;
	pthread_mutex_unlock(&f->lock);
}

int flight_wait(struct rbd_end *e, int timeout_ms, bool *over)
{
	int64_t until = clock_monotonic() + timeout_ms;
	struct rbd_flight *f = e->flight;
	int rc = 0;

	*over = true;
	if (!f)
		return 0;
	pthread_mutex_lock(&f->lock);
	while (!f->done && rc == 0)
		rc = clock_cond_wait(&f->landed, &f->lock, until);
	*over = f->done;
	rc = f->done ? f->rc : -ETIMEDOUT;
	pthread_mutex_unlock(&f->lock);
	if (*over) {
		e->flight = NULL;
		flight_free(f);
	}
	return rc;
}

/* Takes over @hold. */
static struct rbd_flight *flight_new(const struct rbd_hold *hold)
{
	struct rbd_flight *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	clock_cond_init(&f->landed);
	f->hold = *hold;
	return f;
}

static int submit(struct rbd_flight *f, enum rbd_deed deed)
{
	if (deed == RBD_DEED_DEMOTE)
		return rbd_aio_mirror_image_demote(f->hold.image, f->completion);
	return rbd_aio_mirror_image_promote(
		f->hold.image, deed == RBD_DEED_FORCE_PROMOTE, f->completion);
}

/* ---- the calls ---- */

struct call {
	struct rbd_pair *pair;
	const struct target *target;
	const struct order *order;
	struct rbd_end *at, *other;
	enum rbd_deed deed;
	struct rbd_view seen;		/* of the other side */
	char held_by[SIDE_TEXT_MAX];	/* of the last look */
	int64_t end;			/* monotonic ms */
};

static int left(const struct call *c)
{
	int64_t ms = c->end - clock_monotonic();

	return ms > 0 ? (int)ms : 0;
}

/* Takes over @hold. */
static int fly(struct call *c, struct rbd_hold *hold)
{
	struct rbd_flight *f = flight_new(hold);
	bool over;
	int rc;

	if (!f) {
		release_image(hold);
		return -ENOMEM;
	}
	rc = rbd_aio_create_completion(f, landed, &f->completion);
	if (rc == 0)
		rc = submit(f, c->deed);
	if (rc < 0) {
		flight_free(f);
		return rc;
	}
	c->at->flight = f;
	rc = flight_wait(c->at, left(c), &over);
	if (!over)
		outlast_act(f, c->order->outlast);
	return rc;
}

static int enable(struct call *c, rbd_image_t image)
{
	bool journal = c->target->spec->mirroring == MIRRORING_JOURNAL;

	return rbd_mirror_image_enable2(
		image, journal ? RBD_MIRROR_IMAGE_MODE_JOURNAL
			       : RBD_MIRROR_IMAGE_MODE_SNAPSHOT);
}

static int make(struct call *c)
{
	struct rbd_hold hold;
	int rc = hold_image(c->at->site, c->pair, &hold);

	if (rc < 0)
		return rc;
	switch (c->deed) {
	/* Of these there is no form that could be waited for with a limit. */
	case RBD_DEED_ENABLE:
		rc = enable(c, hold.image);
		break;
	case RBD_DEED_RESYNC:
		rc = rbd_mirror_image_resync(hold.image);
		break;
	case RBD_DEED_TAKE_LOCK:
		rc = rbd_lock_break(hold.image, RBD_LOCK_MODE_EXCLUSIVE,
				    c->held_by);
		break;
	case RBD_DEED_DEMOTE:
	case RBD_DEED_PROMOTE:
	case RBD_DEED_FORCE_PROMOTE:
	case RBD_DEED_NONE:		/* act_on() has left already */
		return site_note(c->at->site, fly(c, &hold));
	}
	release_image(&hold);
	return site_note(c->at->site, rc);
}

/*
 * What librbd answers right after a demotion or while the copy is on its way is
 * no refusal: EBUSY, and EROFS for a moment.
 */
static int as_transient(const struct call *c, int rc)
{
	if (rc == -EROFS || (rc == -EBUSY && c->deed == RBD_DEED_PROMOTE))
		return -EAGAIN;
	/* It went between the look and the call: look again. */
	return rc == -ENOENT || rc == -EINVAL ? -EAGAIN : rc;
}

static int failed(const struct call *c, int rc, struct error *err)
{
	static const char *const words[] = {
		[RBD_DEED_ENABLE] = "mirror image enable",
		[RBD_DEED_DEMOTE] = "mirror image demote",
		[RBD_DEED_PROMOTE] = "mirror image promote",
		[RBD_DEED_FORCE_PROMOTE] = "mirror image promote --force",
		[RBD_DEED_TAKE_LOCK] = "lock break",
		[RBD_DEED_RESYNC] = "mirror image resync",
	};
	int code = c->deed == RBD_DEED_ENABLE ? rc : as_transient(c, rc);

	if (rc == -EAGAIN)
		return fail(err, EAGAIN,
			    "%s: another uvrfs is changing the image",
			    c->at->site->name);
	return fail(err, -code, "%s: rbd %s: %s", c->at->site->name,
		    words[c->deed], strerrordesc_np(-rc));
}

static int decide(struct call *c, struct error *err)
{
	struct rbd_view at;

	/* What gave no answer does not get another whole timeout: where a site
	   is lost, hundreds are in line. */
	if (c->seen.reach != REACH_SILENT || c->seen.failed)
		look_image(c->other->site, c->pair, &c->seen);
	look_image(c->at->site, c->pair, &at);
	/* Of an image alone: its cluster is well. */
	if (at.reach == REACH_SILENT && at.failed)
		return fail(err, EAGAIN, "%s: %s", c->at->site->name, at.why);
	if (at.reach != REACH_OK)
		return fail(err,
			    at.reach == REACH_REFUSED ||
					    at.reach == REACH_UNCONFIGURED
				    ? EACCES
				    : ETIMEDOUT,
			    "%s: %s", c->at->site->name, at.why);
	memcpy(c->held_by, at.held_by, sizeof c->held_by);
	c->deed = RBD_DEED_NONE;
	return rbd_decide(c->order->act, &at, &c->seen, c->order->overrides,
			  c->at->site->name, c->other->site->name, &c->deed,
			  err);
}

/* The act's own call, still under way from the last time? */
static int await_flight(struct call *c, bool *over, struct error *err)
{
	int i, rc = 0;

	*over = true;
	for (i = 0; i < 2 && *over; i++)
		rc = flight_wait(&c->pair->end[i], left(c), over);
	return *over ? 0
		     : fail(err, -rc, "an earlier call is under way still");
}

static int act_on(struct call *c, struct error *err)
{
	bool over;
	int rc = await_flight(c, &over, err);

	if (rc < 0)
		return rc;
	/* A promotion by force may leave a lock to be taken. */
	do {
		rc = decide(c, err);
		if (rc < 0 || c->deed == RBD_DEED_NONE)
			return rc;
		rc = make(c);
	} while (rc == 0 && c->deed == RBD_DEED_FORCE_PROMOTE);
	return rc < 0 ? failed(c, rc, err) : 0;
}

/* Mirroring is enabled where the image is; the other acts name their side. */
static int side_of(const struct rbd_pair *p, const struct target *t,
		   enum act act)
{
	const char *cluster = act_is_at_peer(act) ? t->peer : t->here;

	if (act == ACT_CREATE)
		cluster = t->spec->source.cluster;
	return rbd_end_index(p, cluster);
}

int rbd_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err)
{
	struct rbd_pair *p = rbd_pair_of(rbd_of(b), t);
	struct call c = {.pair = p, .target = t, .order = o,
			 .end = clock_monotonic() + o->timeout_ms};
	int side, rc;

	if (!p)
		return fail(err, ENOMEM, "no memory for an image");
	side = side_of(p, t, o->act);
	c.at = &p->end[side];
	c.other = &p->end[1 - side];
	pthread_mutex_lock(&p->calls);
	rc = act_on(&c, err);
	pthread_mutex_unlock(&p->calls);
	return rc;
}

/* Its watcher asks it all the time: we would but wait for the same. */
static bool is_silent(struct rbd *rbd, const struct rbd_site *s)
{
	bool silent;

	pthread_mutex_lock(&rbd->lock);
	silent = site_is_silent(s);
	pthread_mutex_unlock(&rbd->lock);
	return silent;
}

int rbd_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err)
{
	struct rbd *rbd = rbd_of(b);
	struct rbd_pair *p = rbd_pair_of(rbd, t);
	int i;

	if (!p)
		return fail(err, ENOMEM, "no memory for an image");
	for (i = 0; i < 2; i++)
		if (!is_silent(rbd, p->end[i].site))
			watch_end(rbd, p, i);
	pthread_mutex_lock(&rbd->lock);
	pair_judge(p, rbd_end_index(p, t->here), !t->here_is_destination, o);
	/* Who is told this last believes it until there is news. */
	p->anew = p->anew || !observation_equal(o, &p->told);
	pthread_mutex_unlock(&rbd->lock);
	return 0;
}
