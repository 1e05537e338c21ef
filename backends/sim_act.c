/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts themselves: what each demands, and what it makes of the two records
 * and modes.  They decide on values; sim_call.c carries out what they decided.
 */
#include "sim_act.h"

#include <errno.h>
#include <string.h>

static bool is_source(const struct deed *d, int i)
{
	return d->sight.belief[i].role == ROLE_SOURCE ||
	       (d->sight.has_file[i] && d->sight.writable[i]);
}

/* Needs the relationship at side @i. */
static int need(struct deed *d, int i)
{
	const struct end *e = &d->bond->end[i];

	switch (d->sight.rc[i]) {
	case 0:
		return 0;
	case -EIO:
		return fail(d->err, EIO, "%s: the array's record of %s/%s is "
			    "damaged",
			    e->site->name, e->namespace, e->volume);
	default:
		return fail(d->err, ENOENT,
			    "%s: %s/%s is not in this relationship",
			    e->site->name, e->namespace, e->volume);
	}
}

/* Needs both sides, and a line between them. */
static int need_both(struct deed *d)
{
	int rc;

	if (!d->linked)
		return fail(d->err, EHOSTUNREACH, "%s has no line to %s",
			    d->bond->end[d->at].site->name,
			    d->bond->end[1 - d->at].site->name);
	rc = need(d, d->at);
	return rc ? rc : need(d, 1 - d->at);
}

/* A volume is not taken away from who uses it. */
static int need_unused(struct deed *d)
{
	const struct end *e = &d->bond->end[d->at];

	if (d->in_use)
		return fail(d->err, EBUSY, "%s: %s/%s is in use",
			    e->site->name, e->namespace, e->volume);
	return 0;
}

static bool is_settled(const struct deed *d, enum role role)
{
	return d->sight.belief[d->at].role == role &&
	       d->sight.has_file[d->at] &&
	       d->sight.writable[d->at] == (role == ROLE_SOURCE);
}

static int demote(struct deed *d)
{
	struct belief *b = &d->sight.belief[d->at];
	struct belief *other = &d->sight.belief[1 - d->at];
	int rc = need(d, d->at);

	if (rc)
		return rc;
	if (is_settled(d, ROLE_REPLICA))
		return 0;
	rc = need_unused(d);
	if (rc)
		return rc;
	/* A new one even if the record has stepped down before: the volume was
	   writable until now. */
	b->final = sight_next_id(&d->sight);
	if (d->linked && !d->sight.rc[1 - d->at] && other->caught_up) {
		other->caught_up = false;
		d->save_other = true;
	}
	b->role = ROLE_REPLICA;
	b->following = b->followed = b->caught_up = false;
	d->mode[d->at] = MODE_READ_ONLY;
	d->effect = true;
	return 0;
}

static void make_source(struct deed *d, bool followed)
{
	struct belief *b = &d->sight.belief[d->at];

	b->role = ROLE_SOURCE;
	b->following = false;
	b->followed = followed;
	b->final = 0;
	d->mode[d->at] = MODE_WRITABLE;
	d->effect = true;
}

/* Nothing that the other side had when it stepped down is missing here. */
static bool has_everything(const struct deed *d)
{
	const struct belief *self = &d->sight.belief[d->at];

	if (!d->linked)
		return self->caught_up;
	return belief_has_all(self, &d->sight.belief[1 - d->at]);
}

static int promote(struct deed *d)
{
	const struct end *other = &d->bond->end[1 - d->at];
	int rc = need(d, d->at);

	if (rc)
		return rc;
	if (is_settled(d, ROLE_SOURCE))
		return 0;
	if (d->linked && (rc = need(d, 1 - d->at)))
		return rc;
	if (d->linked && is_source(d, 1 - d->at))
		return fail(d->err, EBUSY, "%s: the peer %s is still source",
			    d->bond->end[d->at].site->name, other->site->name);
	if (d->sight.belief[d->at].role == ROLE_REPLICA && !has_everything(d))
		return fail(d->err, EAGAIN,
			    "%s: the final copy from %s is not here",
			    d->bond->end[d->at].site->name, other->site->name);
	make_source(d, d->linked && d->sight.belief[1 - d->at].following);
	return 0;
}

static int force_promote(struct deed *d)
{
	int rc = need(d, d->at);

	if (rc)
		return rc;
	if (is_settled(d, ROLE_SOURCE))
		return 0;
	if (!d->sight.belief[d->at].complete)
		return fail(d->err, EINVAL,
			    "%s holds no whole copy that could be promoted",
			    d->bond->end[d->at].site->name);
	make_source(d, false);
	return 0;
}

/* The called side gets the source role back, the other one follows it. */
static int give_back(struct deed *d)
{
	struct belief *other = &d->sight.belief[1 - d->at];
	int rc = promote(d);

	if (rc || !d->effect || !d->linked)
		return rc;
	/* It is written first: its final snapshot stays known until the next
	   copy, or the second half could not be made after a crash. */
	other->following = true;
	other->caught_up = false;
	d->sight.belief[d->at].followed = true;
	d->save_other = true;
	return 0;
}

/* The called side is rebuilt from the other; what it wrote itself goes. */
static int resync(struct deed *d)
{
	struct belief *b = &d->sight.belief[d->at];
	struct belief *other = &d->sight.belief[1 - d->at];
	int rc = need_both(d);

	if (rc)
		return rc;
	if (other->role != ROLE_SOURCE)
		return fail(d->err, EINVAL,
			    "%s is not the source: there is nothing to follow",
			    d->bond->end[1 - d->at].site->name);
	if (b->role == ROLE_SOURCE && (rc = need_unused(d)))
		return rc;
	other->followed = true;
	d->save_other = true;
	b->role = ROLE_REPLICA;
	b->following = true;
	b->followed = b->caught_up = false;
	b->complete = d->lie;
	b->final = 0;
	d->mode[d->at] = MODE_READ_ONLY;
	d->effect = true;
	return 0;
}

/* What @i is to be in a relationship made new. */
static void found(struct deed *d, int i, bool source)
{
	struct place other = end_place(d->sim, &d->bond->end[1 - i]);
	struct belief *b = &d->sight.belief[i];

	*b = (struct belief){.role = source ? ROLE_SOURCE : ROLE_REPLICA,
			     .pvc_side = i == 0,
			     .complete = source || d->lie,
			     .following = !source,
			     .followed = source};
	place_path(&other, VOLUME_PATH, b->peer);
	d->mode[i] = source ? MODE_WRITABLE : MODE_READ_ONLY;
}

/* A volume that holds something else is not made a replica: it would be
   overwritten unasked. */
static int need_void(struct deed *d, int replica)
{
	struct end *e = &d->bond->end[replica];
	uint64_t theirs, ours;

	if (!d->sight.has_file[replica] || !d->sight.stamp[replica].size)
		return 0;
	if (end_content(d->sim, e, &ours) == 0 &&
	    end_content(d->sim, &d->bond->end[1 - replica], &theirs) == 0 &&
	    ours == theirs)
		return 0;
	return fail(d->err, EPERM,
		    "%s: %s/%s holds other data, which the first copy would "
		    "destroy: empty it or remove it first",
		    e->site->name, e->namespace, e->volume);
}

/* What a create that was cut short has left, is taken for nothing. */
static bool is_half_made(const struct deed *d, bool here_is_source)
{
	return d->sight.rc[d->at] == -ENOENT && !d->sight.rc[1 - d->at] &&
	       !d->sight.belief[1 - d->at].base.id &&
	       d->sight.belief[1 - d->at].role ==
		       (here_is_source ? ROLE_REPLICA : ROLE_SOURCE);
}

static int create(struct deed *d)
{
	enum state state = d->target->spec->state;
	bool source = state == STATE_SOURCE;
	int rc;

	if (state != STATE_SOURCE && state != STATE_REPLICA)
		return fail(d->err, EINVAL,
			    "a relationship begins as source or replica, not "
			    "as %s",
			    state_text(state));
	if (!d->linked)
		return fail(d->err, EHOSTUNREACH, "%s has no line to %s",
			    d->bond->end[d->at].site->name,
			    d->bond->end[1 - d->at].site->name);
	if ((d->sight.rc[d->at] != -ENOENT ||
	     d->sight.rc[1 - d->at] != -ENOENT) &&
	    !is_half_made(d, source))
		return fail(d->err, EPERM,
			    "%s: there is a relationship already that has %s "
			    "or its peer %s",
			    d->bond->end[d->at].site->name,
			    d->bond->end[d->at].volume,
			    d->bond->end[1 - d->at].volume);
	rc = need_void(d, source ? 1 - d->at : d->at);
	if (rc)
		return rc;
	found(d, d->at, source);
	found(d, 1 - d->at, !source);
	d->create = d->save_other = d->effect = true;
	return 0;
}

static int delete(struct deed *d)
{
	int i;

	for (i = 0; i < 2; i++)
		if (d->sight.rc[i] == -EIO)
			return need(d, i);
	if (d->sight.rc[d->at] && d->sight.rc[1 - d->at])
		return 0;
	if (!d->linked)
		return fail(d->err, EHOSTUNREACH,
			    "%s can't be reached: it would keep its half",
			    d->bond->end[1 - d->at].site->name);
	d->remove = d->effect = true;
	return 0;
}

int deed_decide(struct deed *d)
{
	static int (*const table[ACT_COUNT])(struct deed *) = {
		[ACT_CREATE] = create,
		[ACT_DEMOTE_PEER] = demote,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = demote,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = give_back,
		[ACT_RESYNC_PEER] = resync,
		[ACT_DELETE] = delete,
	};

	if (!table[d->act])
		return fail(d->err, EINVAL, "%s is nothing to be done",
			    act_text(d->act));
	return table[d->act](d);
}
