/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an act comes to, decided from two looks made for it: the last moment at
 * which a promotion that would make two primaries can be refused.  librbd does
 * not refuse it: it asks its own cluster only.
 */
#include "rbd_view.h"

#include "plan.h"

#include <errno.h>

struct decision {
	const struct rbd_view *at;
	const struct rbd_view *other;
	unsigned overrides;
	const char *at_name;
	const char *other_name;
	struct observation seen;	/* here: `at`; peer: `other` */
	enum rbd_deed deed;
	struct error *err;
};

static int need_image(struct decision *d)
{
	if (!d->at->exists)
		return fail(d->err, ENOENT, "%s: there is no such image",
			    d->at_name);
	if (!d->at->mirrored)
		return fail(d->err, ENOENT, "%s: the image is not mirrored",
			    d->at_name);
	return 0;
}

static int demote(struct decision *d)
{
	int rc = need_image(d);

	if (rc)
		return rc;
	if (d->seen.here.claim == ROLE_REPLICA)
		return 0;
	/* librbd takes an open image away, and the client that has it open can
	   still write for a moment: writes that nobody else will ever have. */
	if (d->at->in_use != TRI_NO && !(d->overrides & OVERRIDE_IN_USE))
		return fail(d->err, EBUSY, "%s: the image is in use%s%s",
			    d->at_name, *d->at->in_use_by ? " by " : "",
			    d->at->in_use_by);
	d->deed = RBD_DEED_DEMOTE;
	return 0;
}

static int promote(struct decision *d)
{
	int rc = need_image(d);

	if (rc || d->at->primary)
		return rc;
	if (d->other->reach != REACH_OK)
		return fail(d->err, EHOSTUNREACH,
			    "%s gives no answer: whether it is primary can't be "
			    "told",
			    d->other_name);
	if (d->other->primary)
		return fail(d->err, EBUSY,
			    "%s is primary: there would be two", d->other_name);
	if (!d->seen.here.caught_up)
		return fail(d->err, EAGAIN,
			    "%s: the final copy from %s is not here",
			    d->at_name, d->other_name);
	d->deed = RBD_DEED_PROMOTE;
	return 0;
}

static bool is_lost(const struct rbd_view *v)
{
	return v->reach == REACH_SILENT && !v->alive;
}

/* It is made to step down first, also by force: it is passed over only where
   somebody has said that it does not. */
static bool is_in_the_way(const struct decision *d)
{
	if (d->other->reach != REACH_OK || !d->other->primary)
		return false;
	return !(d->overrides & OVERRIDE_PEER) ||
	       (d->seen.peer.claim == ROLE_SOURCE &&
		!(d->overrides & OVERRIDE_STEP_DOWN));
}

static int force_promote(struct decision *d)
{
	int rc = need_image(d);

	if (rc)
		return rc;
	if (d->at->primary) {
		/* With the other side there it lets go by itself. */
		if (*d->at->held_by && d->other->reach != REACH_OK)
			d->deed = RBD_DEED_TAKE_LOCK;
		return 0;
	}
	if (is_in_the_way(d))
		return fail(d->err, EBUSY, "%s answers and is primary: there "
			    "would be two", d->other_name);
	/* It was lost when this was decided. */
	if (d->other->reach != REACH_OK && !is_lost(d->other) &&
	    !(d->overrides & OVERRIDE_PEER))
		return fail(d->err, EAGAIN, "%s: %s: whether it is primary "
			    "can't be told", d->other_name, d->other->why);
	if (!d->seen.here.complete)
		return fail(d->err, EINVAL,
			    "%s holds no whole copy that could be promoted",
			    d->at_name);
	d->deed = RBD_DEED_FORCE_PROMOTE;
	return 0;
}

static int resync(struct decision *d)
{
	if (side_verified_role(&d->seen.peer) != ROLE_SOURCE)
		return fail(d->err, EAGAIN,
			    "%s is not verified as primary: there is nothing to "
			    "rebuild from",
			    d->other_name);
	/* It is being made anew, or follows already. */
	if (!d->at->exists ||
	    (d->seen.here.following && !d->seen.here.diverged))
		return 0;
	/* So it is for a moment of a rebuild, too. */
	if (!d->at->mirrored)
		return fail(d->err, EAGAIN, "%s: the image is not mirrored",
			    d->at_name);
	if (d->at->primary)
		return fail(d->err, EAGAIN, "%s has not stepped down",
			    d->at_name);
	d->deed = RBD_DEED_RESYNC;
	return 0;
}

/* Here is the side that is to be primary. */
static int enable(struct decision *d)
{
	if (d->at->exists && d->at->mirrored && d->at->primary)
		return 0;
	if (d->other->reach != REACH_OK)
		return fail(d->err, EHOSTUNREACH, "%s gives no answer",
			    d->other_name);
	if (!d->at->exists)
		return fail(d->err, ENOENT,
			    "%s: there is no such image: make it with rbd "
			    "create",
			    d->at_name);
	if (d->at->mirrored || d->other->mirrored)
		return fail(d->err, EAGAIN, "the image is mirrored already, "
			    "and %s is not primary", d->at_name);
	if (d->other->exists)
		return fail(d->err, EPERM,
			    "%s has an image of that name, which is not "
			    "mirrored: rename or remove it first",
			    d->other_name);
	if (!d->at->pool_mirrors || !d->other->pool_mirrors)
		return fail(d->err, EINVAL,
			    "%s: mirroring is not enabled on the pool: rbd "
			    "mirror pool enable POOL image",
			    d->at->pool_mirrors ? d->other_name : d->at_name);
	d->deed = RBD_DEED_ENABLE;
	return 0;
}

static int delete(struct decision *d)
{
	return fail(d->err, EOPNOTSUPP,
		    "disabling the mirroring of an image deletes its copy: do "
		    "that by hand, with rbd mirror image disable");
}

int rbd_decide(enum act act, const struct rbd_view *at,
	       const struct rbd_view *other, unsigned overrides,
	       const char *at_name, const char *other_name,
	       enum rbd_deed *deed, struct error *err)
{
	static int (*const table[ACT_COUNT])(struct decision *) = {
		[ACT_CREATE] = enable,
		[ACT_DEMOTE_PEER] = demote,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = demote,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = promote,
		[ACT_RESYNC_PEER] = resync,
		[ACT_DELETE] = delete,
	};
	struct rbd_view a = *at, b = *other;
	struct decision d = {at, other, overrides, at_name, other_name};
	int rc;

	d.err = err;
	if (!table[act])
		return fail(err, EINVAL, "%s is nothing to be done",
			    act_text(act));
	rbd_judge(&a, &b, &d.seen);
	rc = table[act](&d);
	if (rc == 0)
		*deed = d.deed;
	return rc;
}
