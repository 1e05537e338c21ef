/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TridentMirrorRelationships of both sides mean.  `promoted' is what a
 * source always says, what a mirror says when ONTAP gives no answer, and all
 * that is ever said again once it was said; `established' is not looked at again
 * either.  So neither is a fact: what was copied since is, and what was written.
 */
#include "trident.h"

#include "json_parts.h"

#include <stdio.h>
#include <string.h>

struct judging {
	const struct csi_view *view;
	bool other_answers;
	struct tmr at, other;		/* `other' is TMR_NONE without answer */
	struct side *side;
	struct csi_proof proof;
	enum trident_stage final, update;
	char final_why[NATIVE_MAX];
	char update_why[NATIVE_MAX];
};

/* ---- evidence ---- */

/*
 * When the data was current that is known to have been copied to this mirror,
 * as it stands now; 0: nothing is known to have been.
 */
static int64_t copied_at(const struct csi_view *v, const struct tmr *t)
{
	int64_t done = trident_update_time(
		t, v->part[TRIDENT_PART_DONE].object);
	int64_t noted = t->phase == TMR_FOLLOWS && t->copied.valid
				? t->copied.at
				: 0;

	return done > noted ? done : noted;
}

static bool copies_from(const struct tmr *t, const struct tmr *source)
{
	return *source->handle && strcmp(t->remote, source->handle) == 0;
}

/* What it had when it stepped down is at the other side, which went on. */
static bool final_was_taken(const struct tmr *t, const struct tmr *other)
{
	const char *handle = t->stepped.handle;

	return *handle &&
	       (strcmp(other->copied.handle, handle) == 0 ||
		strcmp(json_text_at(other->mapping, "promotedSnapshotHandle"),
		       handle) == 0);
}

/* What was written since is in no snapshot.  Who uses it in the moment of a look
   goes on after it. */
static bool was_used_since(const struct csi_view *v, const struct tmr *t)
{
	return v->used_at && v->used_at >= t->stepped.at;
}

/* Trident could not make it follow, and has left it as it was. */
static bool is_still_stepped_down(const struct tmr *t)
{
	return t->phase == TMR_FAILED && t->stepped.valid;
}

static bool is_source(const struct tmr *t)
{
	return t->phase == TMR_SOURCE && !t->stepped.valid;
}

/* ---- sources ---- */

/*
 * A copy that the other side took from here since this side was promoted, or a
 * snapshot.
 */
static void judge_source(struct judging *j, const struct csi_view *other)
{
	struct side *s = j->side;
	int64_t taken = copied_at(other, &j->other);

	csi_probe_read(j->view, TRIDENT_PART_TMR, TRIDENT_PART_PROBE,
		       &j->proof);
	s->claim = ROLE_SOURCE;
	s->busy = j->proof.running || j->final == STAGE_RUNS;
	if (j->proof.proved ||
	    (copies_from(&j->other, &j->at) && j->at.since &&
	     taken >= j->at.since))
		s->fact = ROLE_SOURCE;
	else
		s->can_verify = j->proof.possible;
}

/*
 * Trident can't make it read-only.  What can be told is that nobody uses it,
 * and that what it had was copied after that was seen.
 */
static void judge_stepped(struct judging *j)
{
	static const enum role facts[] = {
		[TRI_UNKNOWN] = ROLE_UNKNOWN,
		[TRI_NO] = ROLE_REPLICA,
		[TRI_YES] = ROLE_SOURCE,
	};
	struct side *s = j->side;
	bool went_on = j->other.phase == TMR_SOURCE;

	s->claim = ROLE_REPLICA;
	s->fact = facts[j->view->in_use];
	s->busy = j->final == STAGE_RUNS;
	s->complete = true;
	s->diverged = went_on && (!final_was_taken(&j->at, &j->other) ||
				  was_used_since(j->view, &j->at));
	/* Nobody has taken over, so nobody has more. */
	s->caught_up = copies_from(&j->other, &j->at) && !went_on;
	s->has_last_copy = !is_source(&j->other);
	s->data_time = j->at.stepped.at > 0 ? j->at.stepped.at : 0;
}

/* ---- mirrors ---- */

/* With a snapshot of somebody else's in it nobody knows of when it is. */
static int64_t data_time(const struct judging *j)
{
	const json_t *done = j->view->part[TRIDENT_PART_DONE].object;
	int64_t made = trident_update_time(
		&j->at, j->view->part[TRIDENT_PART_MADE].object);
	int64_t others = trident_update_time(&j->at, done);
	int64_t newest = j->at.copied.at;

	if (made > newest)
		newest = made;
	if (others > newest && !*csi_spec(done, "snapshotHandle"))
		newest = others;
	return newest ? newest : j->view->known_time;
}

/* ACT_VERIFY writes down what there is, or has something copied. */
static bool can_verify(const struct judging *j)
{
	const json_t *made = j->view->part[TRIDENT_PART_MADE].object;

	if (trident_update_time(&j->at, made))
		return true;
	return j->other.phase == TMR_SOURCE &&
	       copies_from(&j->at, &j->other) && j->update != STAGE_RUNS &&
	       j->update != STAGE_LATE &&
	       !(j->update == STAGE_FAILED &&
		 csi_age(j->view, made) < CSI_RETRY_MS);
}

/* It has arrived, and was not noted yet. */
static bool made_is_final(const struct judging *j)
{
	const json_t *made = j->view->part[TRIDENT_PART_MADE].object;
	const char *handle = j->other.stepped.handle;

	return *handle && csi_spec_is(made, "snapshotHandle", handle) &&
	       trident_update_time(&j->at, made);
}

/* What a mirror holds, whatever becomes of it now. */
static void judge_copy(struct judging *j)
{
	struct side *s = j->side;

	s->complete = true;
	s->data_time = data_time(j);
	s->caught_up = tmr_has_stepped_down(&j->other) &&
		       copies_from(&j->at, &j->other) &&
		       (final_was_taken(&j->other, &j->at) || made_is_final(j));
	s->has_last_copy = !is_source(&j->other);
}

static bool follows(const struct judging *j)
{
	return !*j->other.handle || copies_from(&j->at, &j->other);
}

static void judge_mirror(struct judging *j)
{
	struct side *s = j->side;

	s->claim = ROLE_REPLICA;
	s->following = follows(j);
	judge_copy(j);
	/* While the source is away it ends by itself, or a promotion ends it. */
	s->busy = j->other_answers && j->update == STAGE_RUNS;
	if (copied_at(j->view, &j->at))
		s->fact = ROLE_REPLICA;
	else
		s->can_verify = can_verify(j);
}

/*
 * A first copy has nothing whole until it is there.  Another one begins at a
 * snapshot that both sides had: with the source away that is what there is.
 */
static void judge_copying(struct judging *j)
{
	struct side *s = j->side;

	if (strcmp(j->at.says, "reestablishing") == 0 && !j->other_answers)
		judge_copy(j);
	s->claim = ROLE_REPLICA;
	s->following = follows(j);
	s->progress = 0;
}

static bool is_to_follow(const struct tmr *t)
{
	return strcmp(t->asked, "established") == 0 ||
	       strcmp(t->asked, "reestablished") == 0;
}

/* Trident waits for a claim, as long as it takes, and makes its volume a mirror. */
static bool is_to_come(const struct judging *j)
{
	return (j->at.phase == TMR_PENDING || j->at.phase == TMR_STUCK) &&
	       is_to_follow(&j->at) && !j->view->claim;
}

static void judge_to_come(struct judging *j)
{
	struct side *s = j->side;

	s->claim = ROLE_REPLICA;
	s->following = follows(j);
	s->progress = 0;
}

/* Asked for something that has not been done. */
static void judge_pending(struct judging *j)
{
	struct side *s = j->side;

	s->busy = true;
	if (j->at.past == TMR_WAS_MIRROR)
		judge_copy(j);
	if (is_to_follow(&j->at) || j->at.past == TMR_WAS_MIRROR)
		s->claim = ROLE_REPLICA;
	else if (j->at.past == TMR_WAS_SOURCE)
		s->claim = ROLE_SOURCE;
}

/*
 * Nothing more happens by itself, but when Trident's controller starts anew.
 * What was a mirror is presumed to be one; a rebuild begins at a whole copy.
 */
static void judge_halted(struct judging *j)
{
	if (j->at.past != TMR_WAS_UNKNOWN || j->at.copied.at)
		judge_copy(j);
	if (j->at.phase == TMR_FAILED && j->at.past == TMR_WAS_MIRROR)
		j->side->claim = ROLE_REPLICA;
}

/* ---- words for people ---- */

static void put_source(const struct judging *j, char *out, size_t size)
{
	if (!j->at.stepped.valid && *j->proof.failure &&
	    j->side->fact == ROLE_UNKNOWN)
		snprintf(out, size, "promoted, and a snapshot fails: %.420s",
			 j->proof.failure);
	else if (!j->at.stepped.valid && j->final == STAGE_FAILED)
		snprintf(out, size, "promoted; the final snapshot failed: %.420s",
			 j->final_why);
	else if (!j->at.stepped.valid)
		snprintf(out, size, "promoted");
	else if (j->view->in_use == TRI_YES)
		snprintf(out, size, "stepped down, and in use again");
	else
		snprintf(out, size, "stepped down: nobody uses it (Trident "
			 "can't make it read-only)");
}

static void put_mirror(const struct judging *j, char *out, size_t size)
{
	if (j->update == STAGE_FAILED && j->side->fact == ROLE_UNKNOWN)
		snprintf(out, size, "%.20s; the last update failed: %.420s",
			 j->at.says, j->update_why);
	else if (j->side->following)
		snprintf(out, size, "%.20s", j->at.says);
	else
		snprintf(out, size, "%.20s, and copies from %.80s", j->at.says,
			 j->at.remote);
}

static void put_native(const struct judging *j)
{
	char *out = j->side->native;
	size_t size = sizeof j->side->native;

	switch (j->at.phase) {
	case TMR_NONE:
		snprintf(out, size, "no TridentMirrorRelationship%s",
			 j->view->claim ? "" : ", no PersistentVolumeClaim");
		break;
	case TMR_UNCLEAR:
		snprintf(out, size, "TridentMirrorRelationship %.60s %s",
			 j->at.name,
			 j->view->part[TRIDENT_PART_SECOND].object
				 ? "is not the only one of this claim"
				 : "is being deleted");
		break;
	case TMR_PENDING:
	case TMR_STUCK:
		snprintf(out, size, "asked for %.20s, %s (it says %.20s%s%.300s)%s",
			 *j->at.asked ? j->at.asked : "nothing",
			 j->at.phase == TMR_STUCK ? "not done for long"
						  : "not done yet",
			 *j->at.says ? j->at.says : "nothing",
			 tmr_has_failed_before(&j->at) ? ", of before: " : "",
			 tmr_has_failed_before(&j->at) ? j->at.message : "",
			 j->view->claim ? ""
					: ": no PersistentVolumeClaim");
		break;
	case TMR_FAILED:
		snprintf(out, size, "asked for %.20s: %.10s: %s", j->at.asked,
			 j->at.says, j->at.message);
		break;
	case TMR_COPYING:
		snprintf(out, size, "%.20s", j->at.says);
		break;
	case TMR_FOLLOWS:
		put_mirror(j, out, size);
		break;
	case TMR_SOURCE:
		put_source(j, out, size);
		break;
	}
}

/* ---- a side ---- */

static void judge_side(const struct csi_view *v, const struct csi_view *other,
		       struct side *side)
{
	struct judging j = {
		.view = v,
		.other_answers = other->reach == REACH_OK,
		.side = side,
	};
	static const struct csi_view nothing;

	if (v->reach != REACH_OK)
		return;
	tmr_read(v, &j.at);
	tmr_read(j.other_answers ? other : &nothing, &j.other);
	j.final = trident_final(v, j.final_why);
	j.update = trident_update(v, j.update_why);
	if (j.at.phase == TMR_NONE)
		side->claim = side->fact = ROLE_ABSENT;
	else if (is_to_come(&j))
		judge_to_come(&j);
	else if (is_source(&j.at))
		judge_source(&j, j.other_answers ? other : &nothing);
	else if (j.at.phase == TMR_SOURCE || is_still_stepped_down(&j.at))
		judge_stepped(&j);
	else if (j.at.phase == TMR_FOLLOWS)
		judge_mirror(&j);
	else if (j.at.phase == TMR_COPYING)
		judge_copying(&j);
	else if (j.at.phase == TMR_PENDING)
		judge_pending(&j);
	else if (j.at.phase == TMR_FAILED || j.at.phase == TMR_STUCK)
		judge_halted(&j);
	side->promotes = tmr_may_be_promoted(&j.at);
	put_native(&j);
}

void trident_judge(const struct csi_view *here, const struct csi_view *peer,
		   struct observation *o)
{
	judge_side(here, peer, &o->here);
	judge_side(peer, here, &o->peer);
}
