/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the VolumeReplications of both sides mean.  One says what its own
 * controller was told by its own driver; which of its conditions prove something
 * about the storage, and for how long, is docs/backend-ceph.md.
 */
#include "ceph.h"

#include "json_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *spec;
	const char *status;
	enum role role;
} words[] = {
	[CEPH_NONE] = {"", "", ROLE_UNKNOWN},
	[CEPH_PRIMARY] = {"primary", "Primary", ROLE_SOURCE},
	[CEPH_SECONDARY] = {"secondary", "Secondary", ROLE_REPLICA},
	/* It reads Secondary. */
	[CEPH_RESYNC] = {"resync", "", ROLE_REPLICA},
};

const char *ceph_word(enum ceph_word word)
{
	return words[word].spec;
}

/* ---- reading ---- */

static enum ceph_word asked_of(const json_t *object)
{
	int i;

	for (i = CEPH_PRIMARY; i <= CEPH_RESYNC; i++)
		if (csi_spec_is(object, "replicationState", words[i].spec))
			return (enum ceph_word)i;
	return CEPH_NONE;
}

static enum role said_by(const json_t *object)
{
	const char *state = json_text_at(csi_status(object), "state");

	if (strcmp(state, words[CEPH_PRIMARY].status) == 0)
		return ROLE_SOURCE;
	return strcmp(state, words[CEPH_SECONDARY].status) == 0
		       ? ROLE_REPLICA
		       : ROLE_UNKNOWN;
}

/* A condition of the generation that is asked for, or NULL. */
static const json_t *condition(const json_t *object, const char *type)
{
	const json_t *list = json_object_get(csi_status(object), "conditions");
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (strcmp(json_text_at(item, "type"), type) == 0)
			return json_integer_value(json_object_get(
				       item, "observedGeneration")) ==
					       csi_generation(object)
				       ? item
				       : NULL;
	return NULL;
}

static enum tri truth(const json_t *object, const char *type)
{
	const char *status = json_text_at(condition(object, type), "status");

	if (strcmp(status, "True") == 0)
		return TRI_YES;
	return strcmp(status, "False") == 0 ? TRI_NO : TRI_UNKNOWN;
}

static void read_failure(const json_t *object, struct ceph_vr *vr)
{
	const json_t *completed = condition(object, "Completed");
	const json_t *degraded = condition(object, "Degraded");
	const json_t *valid = condition(object, "Validated");

	vr->hopeless = truth(object, "Validated") == TRI_NO;
	vr->failed = vr->hopeless || (truth(object, "Completed") == TRI_NO &&
				      strncmp(json_text_at(completed, "reason"),
					      "FailedTo", 8) == 0);
	if (!vr->failed)
		return;
	/* The driver's own words are in the condition Degraded. */
	vr->message = vr->hopeless ? json_text_at(valid, "message")
		      : strcmp(json_text_at(degraded, "reason"), "Error") == 0
			      ? json_text_at(degraded, "message")
			      : json_text_at(completed, "message");
	if (!*vr->message)
		vr->message = json_text_at(csi_status(object), "message");
}

const char *ceph_set_aside(const struct csi_view *v)
{
	const json_t *group = v->part[CEPH_PART_VGR].object;
	const char *marked = csi_annotation(v->claim, CSI_VGR_ANNOTATION);

	if (!group)
		return NULL;
	if (json_is_true(json_object_get(json_object_get(group, "spec"),
					 "external")))
		return "is external: its vendor's controller has it";
	if (strcmp(csi_bare_name(marked), csi_meta(group, "name")) != 0)
		return "selects the claim, and csi-addons has not taken that up";
	return NULL;
}

unsigned ceph_written_part(const struct csi_view *v)
{
	return v->part[CEPH_PART_VGR].object ? CEPH_PART_VGR : CEPH_PART_VR;
}

static const json_t *written(const struct csi_view *v)
{
	return v->part[ceph_written_part(v)].object;
}

void ceph_read(const struct csi_view *v, struct ceph_vr *vr)
{
	const json_t *o = v->part[CEPH_PART_VR].object;
	const json_t *group = v->part[CEPH_PART_VGR].object;
	const json_t *notes = json_object_get(json_object_get(o, "metadata"),
					      "annotations");
	bool observed = csi_status_generation(o) == csi_generation(o);

	*vr = (struct ceph_vr){.there = o, .message = ""};
	if (!o)
		return;
	vr->asked = asked_of(o);
	vr->auto_resync = json_is_true(json_object_get(
		json_object_get(o, "spec"), "autoResync"));
	vr->says = said_by(o);
	vr->degraded = truth(o, "Degraded");
	vr->resyncing = truth(o, "Resyncing");
	vr->replicating = truth(o, "Replicating");
	if (vr->asked == CEPH_PRIMARY)
		vr->last_sync = csi_time(csi_status(o), "lastSyncTime");
	vr->was_resynced = json_object_get(notes, CEPH_SYNCED_BEFORE);
	vr->synced_before = csi_time(notes, CEPH_SYNCED_BEFORE);
	vr->told_down = strtoll(csi_annotation(written(v), CEPH_STEPPED_DOWN),
				NULL, 10) == csi_generation(written(v));
	read_failure(o, vr);
	vr->failed = vr->failed && observed;
	vr->decided = observed && !vr->failed &&
		      truth(o, "Completed") == TRI_YES &&
		      vr->says == words[vr->asked].role;
	/* What was asked of the group has not come to its members' object. */
	if (group && asked_of(group) != vr->asked) {
		vr->asked = asked_of(group);
		vr->decided = vr->failed = vr->hopeless = false;
	}
}

/* ---- what was noted ---- */

bool ceph_stands_by(const struct ceph_vr *vr)
{
	return vr->asked == CEPH_SECONDARY && vr->says == ROLE_REPLICA &&
	       (vr->decided || vr->failed);
}

/* A generation is never had again, but by another object. */
void ceph_note(int64_t generation, const struct csi_view *other,
	       char out[static CEPH_NOTE_MAX])
{
	const json_t *o = other ? written(other) : NULL;

	if (o)
		snprintf(out, CEPH_NOTE_MAX, "%" PRId64 " beside %" PRId64 "/%s",
			 generation, csi_generation(o), csi_meta(o, "uid"));
	else
		snprintf(out, CEPH_NOTE_MAX, "%" PRId64, generation);
}

bool ceph_has_all(const struct csi_view *at, const struct csi_view *other)
{
	char note[CEPH_NOTE_MAX];
	struct ceph_vr a, b;

	if (at->reach != REACH_OK || other->reach != REACH_OK)
		return false;
	ceph_read(at, &a);
	ceph_read(other, &b);
	if (!ceph_stands_by(&a) || !ceph_stands_by(&b))
		return false;
	ceph_note(csi_generation(written(at)), other, note);
	return strcmp(csi_annotation(written(at), CEPH_STEPPED_DOWN), note) ==
	       0;
}

/* ---- what it means ---- */

static bool is_role(const struct ceph_vr *vr, enum role role)
{
	return vr->there && vr->decided && vr->says == role;
}

bool ceph_is_final(const struct ceph_vr *vr)
{
	return is_role(vr, ROLE_REPLICA) && vr->asked == CEPH_SECONDARY &&
	       vr->degraded == TRI_NO && vr->resyncing == TRI_NO;
}

/* Copied from a source that lives: looked at every half minute. */
static bool is_replaying(const struct ceph_vr *vr)
{
	return is_role(vr, ROLE_REPLICA) && vr->degraded == TRI_YES &&
	       vr->resyncing == TRI_YES;
}

/* Stepped down, and not (yet) seen to follow. */
static bool is_at_a_loss(const struct ceph_vr *vr)
{
	return is_role(vr, ROLE_REPLICA) && vr->degraded == TRI_YES &&
	       vr->resyncing == TRI_NO;
}

struct judging {
	const struct csi_view *view, *other_view;
	bool other_answers;
	struct ceph_vr at, other;
	struct side *side;
	struct csi_proof proof;
};

/*
 * The mirror's own report, from whichever side has one; else a snapshot that was
 * taken.  That one is old when the report says that nothing is mirrored though
 * the other side stands by.
 */
static void judge_source(struct judging *j)
{
	bool idle = j->at.replicating == TRI_NO && j->other_answers &&
		    is_role(&j->other, ROLE_REPLICA);

	csi_probe_read(j->view, CEPH_PART_VR, CEPH_PART_PROBE, &j->proof);
	if (j->at.replicating == TRI_YES ||
	    (j->at.replicating != TRI_NO && j->other_answers &&
	     is_replaying(&j->other)) ||
	    (j->proof.proved && !idle))
		j->side->fact = ROLE_SOURCE;
	else if (j->proof.running)
		j->side->busy = true;
	else
		j->side->can_verify = j->proof.possible && !j->proof.proved;
}

/* A promotion that failed leaves a side what it was. */
static bool was_not_promoted(const struct ceph_vr *vr)
{
	return is_role(vr, ROLE_REPLICA) ||
	       (vr->failed && vr->says == ROLE_REPLICA);
}

/*
 * Its final state is not looked at again, so it may be of long ago.  Of a lost
 * source there is what it told last: that whole copies arrived here.
 */
static enum role replica_fact(const struct judging *j)
{
	if (is_replaying(&j->at))
		return ROLE_REPLICA;
	if (!ceph_is_final(&j->at))
		return ROLE_UNKNOWN;
	if (!j->other_answers)
		return j->view->known_time ? ROLE_REPLICA : ROLE_UNKNOWN;
	if (was_not_promoted(&j->other) ||
	    (is_role(&j->other, ROLE_SOURCE) &&
	     j->other.replicating == TRI_YES))
		return ROLE_REPLICA;
	return ROLE_UNKNOWN;
}

/* Nothing that the other side had when it stepped down is missing here: it has
   crossed, or that side never had anything but what came from here. */
static bool is_caught_up(const struct judging *j)
{
	return (j->other_answers && ceph_is_final(&j->other)) ||
	       ceph_has_all(j->view, j->other_view);
}

/* Time of the newest whole copy here, as the source has it.  What was before a
   resync is gone. */
static int64_t copy_time(const struct judging *j)
{
	int64_t time = j->view->known_time;

	if (j->other_answers && j->other.last_sync > time)
		time = j->other.last_sync;
	if (j->at.was_resynced && time <= j->at.synced_before)
		return 0;
	return time;
}

/*
 * `resync' looks like a replica that follows from its first moment on, while its
 * image is made anew.  Only the source knows of copies that have arrived.
 */
static void judge_resync(struct judging *j)
{
	struct side *s = j->side;
	bool arrived = j->other_answers && j->other.last_sync &&
		       j->other.last_sync > j->at.synced_before;

	s->complete = arrived;
	/* The order to throw away what is here is still in force: the act is
	   asked for once more, and takes it back. */
	s->following = !arrived;
	if (arrived)
		s->data_time = j->other.last_sync;
	else
		s->progress = 0;
}

static void judge_replica(struct judging *j)
{
	struct side *s = j->side;
	bool source = j->other_answers && is_role(&j->other, ROLE_SOURCE);

	s->fact = replica_fact(j);
	if (j->at.asked == CEPH_RESYNC) {
		judge_resync(j);
		return;
	}
	s->data_time = copy_time(j);
	s->diverged = source && is_at_a_loss(&j->at);
	s->following = !s->diverged;
	/* A first copy looks like any other, too. */
	s->complete = (!source && !j->at.was_resynced &&
		       !j->view->was_incomplete) ||
		      s->data_time || ceph_is_final(&j->at);
	if (!s->complete)
		s->progress = 0;
	else if (!s->data_time && !ceph_is_final(&j->at))
		s->fact = ROLE_UNKNOWN;
	s->caught_up = is_caught_up(j);
	s->has_last_copy = s->complete && !source;
}

/*
 * Something failed at a side that says Secondary.  It was to be promoted, and is
 * what it was; or it can't follow, since it has writes that the source lacks.
 */
static void judge_failed(struct judging *j)
{
	struct side *s = j->side;

	bool source = j->other_answers && is_role(&j->other, ROLE_SOURCE);

	s->complete = j->at.asked != CEPH_RESYNC &&
		      ((!source && !j->at.was_resynced) || copy_time(j));
	s->caught_up = is_caught_up(j);
	if (j->at.asked != CEPH_PRIMARY) {
		s->diverged = source;
		s->has_last_copy = s->complete && !source;
		return;
	}
	s->data_time = copy_time(j);
	s->following = true;
	if (s->caught_up || (!j->other_answers && s->data_time))
		s->fact = ROLE_REPLICA;
}

static void put_native(const struct judging *j)
{
	static const char *const marks[] = {
		[TRI_UNKNOWN] = "?", [TRI_NO] = "False", [TRI_YES] = "True"};
	const struct ceph_vr *vr = &j->at;
	char *out = j->side->native;
	size_t size = sizeof j->side->native;

	if (ceph_set_aside(j->view))
		snprintf(out, size, "VolumeGroupReplication %s %s",
			 csi_meta(j->view->part[CEPH_PART_VGR].object, "name"),
			 ceph_set_aside(j->view));
	else if (!vr->there)
		snprintf(out, size, "no VolumeReplication%s",
			 j->view->claim ? "" : ", no PersistentVolumeClaim");
	else if (vr->failed)
		snprintf(out, size, "asked for %s: %s",
			 words[vr->asked].spec, vr->message);
	else if (!vr->decided)
		snprintf(out, size, "asked for %s, not done yet (it says %s)",
			 words[vr->asked].spec, role_text(vr->says));
	else if (*j->proof.failure && j->side->fact == ROLE_UNKNOWN)
		snprintf(out, size, "%s, and a snapshot fails: %.420s",
			 words[vr->asked].spec, j->proof.failure);
	else if (vr->says == ROLE_SOURCE)
		snprintf(out, size, "%s, Replicating %s", words[vr->asked].spec,
			 marks[vr->replicating]);
	else
		snprintf(out, size, "%s, Degraded %s, Resyncing %s",
			 words[vr->asked].spec, marks[vr->degraded],
			 marks[vr->resyncing]);
}

/*
 * It has not stepped down, for all that is told, and is going to: that can be taken
 * back, unless the other side may be the source.  What somebody else has asked for
 * is theirs.
 */
static bool may_stay(const struct judging *j)
{
	return j->at.asked == CEPH_SECONDARY && j->at.told_down &&
	       j->at.says == ROLE_SOURCE &&
	       (!j->other_answers || ceph_stands_by(&j->other));
}

static void judge_side(const struct csi_view *v, const struct csi_view *other,
		       struct side *side)
{
	struct judging j = {
		.view = v,
		.other_view = other,
		.other_answers = other->reach == REACH_OK,
		.side = side,
	};

	if (v->reach != REACH_OK) {
		side->data_time = v->known_time;
		return;
	}
	ceph_read(v, &j.at);
	if (j.other_answers)
		ceph_read(other, &j.other);
	if (ceph_set_aside(v)) {
		put_native(&j);
		return;
	}
	if (!j.at.there) {
		side->claim = side->fact = ROLE_ABSENT;
	} else {
		side->claim = j.at.says;
		side->busy = !j.at.decided && !j.at.failed;
		/* Whether it has been tried, or nobody has taken it up: csi-addons
		   does it, whenever that is. */
		side->promotes = j.at.asked == CEPH_PRIMARY &&
				 j.at.says == ROLE_REPLICA;
		side->demotes = may_stay(&j);
	}
	if (is_role(&j.at, ROLE_SOURCE))
		judge_source(&j);
	else if (is_role(&j.at, ROLE_REPLICA))
		judge_replica(&j);
	else if (was_not_promoted(&j.at))
		judge_failed(&j);
	put_native(&j);
}

void ceph_judge(const struct csi_view *here, const struct csi_view *peer,
		struct observation *o)
{
	judge_side(here, peer, &o->here);
	judge_side(peer, here, &o->peer);
}
