/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two looks at the two images of a pair mean: who is source, who follows
 * whom, what would be lost.  In snapshot mode the mirror snapshots tell it: they
 * are made by promotion, demotion and copying themselves, while rbd-mirror's
 * records are up to half a minute old.
 */
#include "rbd_view.h"

#include <stdio.h>
#include <string.h>

const struct rbd_snap *rbd_last_snap(const struct rbd_view *v)
{
	return v->snap_count ? &v->snaps[v->snap_count - 1] : NULL;
}

static bool is_copy(const struct rbd_snap *s)
{
	return s->state == RBD_SNAP_NON_PRIMARY ||
	       s->state == RBD_SNAP_NON_PRIMARY_DEMOTED;
}

static bool is_from(const struct rbd_snap *s, const struct rbd_view *site)
{
	return is_copy(s) && *s->from && strcmp(s->from, site->uuid) == 0;
}

/* The newest snapshot that holds a whole image, or NULL. */
static const struct rbd_snap *last_whole(const struct rbd_view *v)
{
	unsigned i;

	for (i = v->snap_count; i > 0; i--)
		if (v->snaps[i - 1].complete)
			return &v->snaps[i - 1];
	return NULL;
}

static bool answers(const struct rbd_view *v)
{
	return v->reach == REACH_OK;
}

/* A source as far as its mirroring says, seen just now. */
static bool is_primary(const struct rbd_view *v)
{
	return answers(v) && v->exists && v->mirrored && v->primary;
}

/*
 * There is none here, or none that is mirrored, and this side's rbd-mirror makes
 * one of the other side's.
 */
static bool is_to_come(const struct rbd_view *v, const struct rbd_view *other)
{
	return !(v->exists && v->mirrored) && v->pool_mirrors &&
	       is_primary(other);
}

/*
 * What @v had when it stepped down has been taken over by @other: only then
 * can it follow without a rebuild.  rbd-mirror looks for the same and says
 * split-brain when it is missing.
 */
static bool demotion_was_taken(const struct rbd_view *v,
			       const struct rbd_view *other)
{
	const struct rbd_snap *last = rbd_last_snap(v), *s;
	unsigned i;

	for (i = 0; i < other->snap_count; i++) {
		s = &other->snaps[i];
		if (s->state == RBD_SNAP_NON_PRIMARY_DEMOTED &&
		    is_from(s, v) && s->from_id == last->id)
			return true;
	}
	return false;
}

/* A record of the image that was here before says nothing; it has seconds. */
static bool is_record_of_this(const struct rbd_view *v)
{
	return v->record.known && v->record.updated + 999 >= v->created;
}

static bool says_split_brain(const struct rbd_view *v)
{
	return is_record_of_this(v) && v->record.up &&
	       strstr(v->record.text, "split-brain");
}

static void judge_link_by_snaps(const struct rbd_view *v,
				const struct rbd_view *other, struct side *s)
{
	const struct rbd_snap *last = rbd_last_snap(v);

	if (!last) {
		s->following = is_primary(other);
	} else if (is_copy(last)) {
		s->following = !answers(other) || is_from(last, other);
	} else if (last->state == RBD_SNAP_PRIMARY_DEMOTED &&
		   is_primary(other)) {
		s->following = demotion_was_taken(v, other);
		s->diverged = !s->following;
	}
}

/* Nothing that the other side had when it stepped down is missing here. */
static bool has_final(const struct rbd_view *v, const struct rbd_view *other)
{
	const struct rbd_snap *last = rbd_last_snap(v);
	const struct rbd_snap *theirs = rbd_last_snap(other);

	if (!last || !last->complete)
		return false;
	if (last->state == RBD_SNAP_NON_PRIMARY_DEMOTED)
		return !answers(other) ||
		       (theirs && theirs->state == RBD_SNAP_PRIMARY_DEMOTED &&
			theirs->id == last->from_id && is_from(last, other));
	/* Stepped down itself, and the other has not taken over: it has nothing
	   but copies from here, or what it had before was taken over here. */
	return last->state == RBD_SNAP_PRIMARY_DEMOTED && answers(other) &&
	       !is_primary(other) &&
	       (!theirs || is_from(theirs, v) ||
		(theirs->state == RBD_SNAP_PRIMARY_DEMOTED &&
		 demotion_was_taken(other, v)));
}

/*
 * A side that stepped down holds its own data until it has the first copy from
 * the new source.  If that one steps down before, rbd-mirror never starts to
 * copy: this side is no replica to hand over to yet.
 */
static bool holds_copy(const struct rbd_view *v, const struct rbd_view *other)
{
	const struct rbd_snap *last = rbd_last_snap(v);

	if (last && last->state == RBD_SNAP_PRIMARY_DEMOTED &&
	    is_primary(other))
		return false;
	return last_whole(v) != NULL;
}

/* When the data of the newest whole copy was current at its source. */
static int64_t copy_time(const struct rbd_view *v, const struct rbd_view *other)
{
	const struct rbd_snap *whole = last_whole(v);
	unsigned i;

	if (!whole)
		return v->record.data_time;
	if (!is_copy(whole))
		return whole->time;
	for (i = 0; answers(other) && i < other->snap_count; i++)
		if (is_from(whole, other) &&
		    other->snaps[i].id == whole->from_id)
			return other->snaps[i].time;
	return v->record.data_time;
}

static void judge_snapshot(struct rbd_view *v, const struct rbd_view *other,
			   struct side *s)
{
	const struct rbd_snap *last = rbd_last_snap(v);

	s->fact = v->no_writes ? ROLE_REPLICA : ROLE_SOURCE;
	if (s->claim != ROLE_REPLICA)
		return;
	s->complete = holds_copy(v, other);
	s->caught_up = has_final(v, other);
	judge_link_by_snaps(v, other, s);
	if (!last)
		s->progress = 0;
	else if (!last->complete)
		s->progress = v->objects ? (int)(last->copied * 100 /
						 v->objects)
					 : 0;
	if (s->progress > 99)
		s->progress = 99;
}

/*
 * Its rbd-mirror has not noticed yet that it stepped down.  If the other side is
 * promoted before it has, it takes that for a split brain and wants a rebuild.
 */
static bool is_unaware(const struct rbd_view *v)
{
	return answers(v) && v->record.known && v->record.up &&
	       strstr(v->record.text, "local image is primary");
}

/* In journal mode a demotion is a tag that comes after all that was written. */
static void judge_journal(const struct rbd_view *v,
			  const struct rbd_view *other, struct side *s)
{
	const struct rbd_record *r = &v->record;
	bool is_nobodys = strcmp(v->owner, RBD_NOBODY) == 0;
	bool fresh = is_record_of_this(v);

	s->fact = !v->owner_known ? ROLE_UNKNOWN
		  : *v->owner || *v->held_by ? ROLE_REPLICA
					     : ROLE_SOURCE;
	if (s->claim != ROLE_REPLICA)
		return;
	s->diverged = says_split_brain(v) && is_primary(other);
	/* It follows who takes over, or its rbd-mirror says split-brain soon:
	   until then nothing is complete, and nothing is rebuilt. */
	s->following = v->owner_known && !s->diverged && !v->primary &&
		       (is_nobodys || !answers(other) ||
			strcmp(v->owner, other->uuid) == 0);
	s->complete = s->diverged || (is_nobodys && !is_primary(other)) ||
		      (!is_nobodys &&
		       (v->data_time ||
			(fresh && r->state == RBD_MIRROR_REPLAYING)));
	s->caught_up = v->primary ||
		       (v->owner_known && is_nobodys && !is_primary(other) &&
			!is_unaware(other));
	if (fresh && r->state == RBD_MIRROR_SYNCING)
		s->progress = 0;
}

/* The image's own words, for people. */
static void put_native(const struct rbd_view *v, struct side *s)
{
	static const char *const states[] = {
		"unknown",   "error",	 "syncing", "starting replay",
		"replaying", "stopping", "stopped",
	};
	const struct rbd_record *r = &v->record;

	if (!v->exists)
		snprintf(s->native, sizeof s->native, "no such image");
	else if (!v->mirrored)
		snprintf(s->native, sizeof s->native,
			 "the image is not mirrored");
	else if (*v->held_by)
		snprintf(s->native, sizeof s->native,
			 "primary; rbd-mirror keeps its lock: no writes");
	else if (!r->known)
		snprintf(s->native, sizeof s->native,
			 "%s; rbd-mirror has not told anything",
			 v->primary ? "primary" : "non-primary");
	else
		snprintf(s->native, sizeof s->native,
			 "%s; rbd-mirror %s+%s: %.50s",
			 v->primary ? "primary" : "non-primary",
			 r->up ? "up" : "down", states[r->state], r->text);
}

static void judge_side(struct rbd_view *v, const struct rbd_view *other,
		       struct side *s)
{
	int64_t time;

	*s = (struct side){.reach = v->reach, .progress = -1};
	memcpy(s->why, v->why, sizeof s->why);
	s->data_time = v->data_time;
	if (!answers(v))
		return;
	s->in_use = v->in_use;
	s->busy = v->busy;
	memcpy(s->in_use_by, v->in_use_by, sizeof s->in_use_by);
	put_native(v, s);
	if (is_to_come(v, other)) {
		s->claim = ROLE_REPLICA;
		/* An image that is there may also be one of somebody else's. */
		s->fact = v->exists ? ROLE_UNKNOWN : ROLE_REPLICA;
		s->following = true;
		s->progress = 0;
		snprintf(s->native, sizeof s->native,
			 v->exists ? "there, and not mirrored yet"
				   : "not there yet: rbd-mirror makes it");
		return;
	}
	if (!v->exists || !v->mirrored) {
		s->claim = s->fact = ROLE_ABSENT;
		return;
	}
	s->claim = v->primary && !*v->held_by ? ROLE_SOURCE : ROLE_REPLICA;
	if (v->mode == MIRRORING_JOURNAL)
		judge_journal(v, other, s);
	else
		judge_snapshot(v, other, s);
	/* Which of the two has what is told by both; one that is gone leaves the
	   other as it was. */
	if (answers(other) || s->claim != ROLE_REPLICA)
		v->diverged = s->diverged;
	s->diverged = v->diverged;
	if (s->diverged) {
		v->data_time = s->data_time = 0;
		s->caught_up = s->following = false;
	} else if (s->claim == ROLE_REPLICA) {
		time = copy_time(v, other);
		if (time)
			v->data_time = s->data_time = time;
		s->has_last_copy = s->complete && !is_primary(other);
	} else {
		v->data_time = s->data_time = 0;
	}
}

void rbd_judge(struct rbd_view *here, struct rbd_view *peer,
	       struct observation *o)
{
	judge_side(here, peer, &o->here);
	judge_side(peer, here, &o->peer);
}

bool rbd_is_settled(const struct rbd_view *a, const struct rbd_view *b)
{
	const struct rbd_view *primary = a->primary ? a : b;
	const struct rbd_view *copy = a->primary ? b : a;
	const struct rbd_snap *last = rbd_last_snap(copy);

	/* Nothing is copied, or what is shows in rbd-mirror's record. */
	if (!answers(a) || !answers(b))
		return true;
	if (!is_primary(primary) || is_primary(copy))
		return false;
	if (!copy->exists || !copy->mirrored)
		return false;
	if (copy->mode == MIRRORING_JOURNAL)
		return copy->record.state == RBD_MIRROR_REPLAYING;
	return last && last->complete && is_from(last, primary);
}
