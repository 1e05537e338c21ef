/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing over: what a source had last comes to the mirror.  Trident has no word
 * for a source that steps down, so it is done by what there is: nobody uses the
 * volume, a snapshot of it is taken, and the mirror is made to copy that one.
 * Each step is an object whose controller takes its time, so each call here does
 * one, and starts from what is there.
 */
#include "trident.h"

#include "json_parts.h"
#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* From one side to the other. */
struct hand {
	struct trident_deed *deed;
	const struct csi_view *from, *to;
	const struct tmr *mirror;
};

static unsigned overrides(const struct trident_deed *d)
{
	return d->call->order->overrides;
}

int trident_note(struct trident_deed *d, bool at, json_t *notes)
{
	const struct csi_call *c = d->call;

	return csi_patch(d->call, at ? c->at : c->other, TRIDENT_PART_TMR,
			 json_pack("{s:{s:o}}", "metadata", "annotations",
				   notes),
			 d->err);
}

/* A snapshot of a volume in use is one of a moment, and what comes later is not
   in it: so its label says which it is. */
const char *trident_label(const struct csi_call *c, const struct csi_view *source,
			  char out[static TRIDENT_REQUEST_MAX])
{
	char used[24] = "";

	/* What was taken before somebody used it once more is not the last. */
	if (source->in_use != TRI_NO)
		snprintf(used, sizeof used, ".used");
	else if (source->used_at)
		snprintf(used, sizeof used, ".%" PRId64, source->used_at);
	snprintf(out, TRIDENT_REQUEST_MAX, "%016" PRIx64 "%s",
		 c->order->request, used);
	return out;
}

/* One that is there already was made by this very act. */
static int make(struct hand *h, const struct csi_view *v, int kind, json_t *body)
{
	struct error *err = h->deed->err;
	int rc = csi_create(h->deed->call, v, kind, body, err);

	h->deed->lacking = rc == -ENOENT;
	if (rc != -ENOENT)
		return rc == -EEXIST ? 0 : rc;
	err->code = EOPNOTSUPP;
	return error_prefix(err, "%s: Trident's objects for handing over a "
			    "volume are not installed there: ", v->cluster);
}

/* ---- the final snapshot ---- */

static int take_final(struct hand *h, const char *label)
{
	const struct csi_part *old = &h->from->part[TRIDENT_PART_FINAL];
	struct csi_call *c = h->deed->call;
	char name[CSI_NAME_MAX], why[NATIVE_MAX];
	int rc;

	h->deed->lacking = !h->from->can_snapshot;
	if (!h->from->can_snapshot)
		return fail(h->deed->err, EOPNOTSUPP, "%s: without a snapshot of "
			    "%s/%s nothing can be handed over: install "
			    "external-snapshotter and a VolumeSnapshotClass for "
			    "csi.trident.netapp.io there", h->from->cluster,
			    h->from->namespace, h->from->claim_name);
	/* What never became one is of no use to anybody. */
	if (old->object && old->kind == CSI_SNAPSHOT &&
	    trident_final(h->from, why) == STAGE_FAILED) {
		rc = csi_delete(c, h->from, CSI_SNAPSHOT, old->object,
				h->deed->err);
		if (rc < 0)
			return rc;
	}
	csi_name(c, h->from->claim_name, "final", name);
	return make(h, h->from, CSI_SNAPSHOT,
		    csi_snap_new(h->from, name, TRIDENT_FINAL, label));
}

/* As Trident calls it, which is how the other side finds it. */
static int ask_for_handle(struct hand *h, const char *label)
{
	const json_t *snap = h->from->part[TRIDENT_PART_FINAL].object;
	const char *name = csi_meta(snap, "name");

	return make(h, h->from, TRIDENT_TSI,
		    json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s}}",
			      "apiVersion", TRIDENT_VERSION, "kind",
			      "TridentSnapshotInfo", "metadata", "name", name,
			      "labels", TRIDENT_FINAL, label, "spec",
			      "snapshotName", name));
}

static int final_failed(struct hand *h, const char *label, const char *why)
{
	const json_t *o = h->from->part[TRIDENT_PART_FINAL].object;

	if (csi_age(h->from, o) >= CSI_RETRY_MS &&
	    !(overrides(h->deed) & OVERRIDE_PEER))
		return take_final(h, label);
	h->deed->lacking = true;
	return fail(h->deed->err, EAGAIN, "%s: the final snapshot %s: %s",
		    h->from->cluster, csi_meta(o, "name"), why);
}

/* ---- its copy ---- */

/*
 * Only a new object starts an update.  Of ours the last one is kept: what others
 * of before it proved is noted.
 */
static int make_update(struct hand *h, const char *handle)
{
	const json_t *old = h->to->part[TRIDENT_PART_MADE].object;
	struct csi_call *c = h->deed->call;
	char name[CSI_NAME_MAX], why[NATIVE_MAX];
	enum trident_stage stage = trident_update(h->to, why);
	json_t *body;
	int rc = 0;

	if (stage == STAGE_DONE || stage == STAGE_FAILED)
		rc = csi_delete(c, h->to, TRIDENT_TAMU, old, h->deed->err);
	if (rc < 0)
		return rc;
	csi_name(c, h->mirror->name, "update", name);
	body = json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s*}}", "apiVersion",
			 TRIDENT_VERSION, "kind", "TridentActionMirrorUpdate",
			 "metadata", "name", name, "spec",
			 "tridentMirrorRelationshipName", h->mirror->name,
			 "snapshotHandle", handle);
	return make(h, h->to, TRIDENT_TAMU, body);
}

/* One of a moment ago is not tried again at once. */
static int update_failed(struct hand *h, const char *handle, const char *why)
{
	const json_t *o = h->to->part[TRIDENT_PART_MADE].object;

	if (csi_age(h->to, o) >= CSI_RETRY_MS &&
	    !(overrides(h->deed) & OVERRIDE_PEER))
		return make_update(h, handle);
	h->deed->lacking = true;
	return fail(h->deed->err, EAGAIN, "%s: the update %s: %s",
		    h->to->cluster, csi_meta(o, "name"),
		    *why ? why : "failed, and does not say why");
}

static int copy_final(struct hand *h, const char *handle)
{
	const json_t *made = h->to->part[TRIDENT_PART_MADE].object;
	char why[NATIVE_MAX];
	enum trident_stage stage;

	if (h->mirror->phase != TMR_FOLLOWS)
		return fail(h->deed->err, EAGAIN, "%s: the mirror is not "
			    "established (it says %.40s)", h->to->cluster,
			    h->mirror->says);
	if (!csi_spec_is(made, "snapshotHandle", handle))
		return make_update(h, handle);
	stage = trident_update(h->to, why);
	if (stage == STAGE_FAILED)
		return update_failed(h, handle, why);
	if (stage == STAGE_RUNS)
		return 0;
	/* Or the relationship is not the one that it was then. */
	if (stage == STAGE_DONE)
		return trident_update_time(h->mirror, made)
			       ? 1
			       : make_update(h, handle);
	h->deed->lacking = true;
	return fail(h->deed->err, EAGAIN, "%s: the final copy (%s) runs since "
		    "%.40s", h->to->cluster, csi_meta(made, "name"),
		    csi_meta(made, "creationTimestamp"));
}

int trident_final_copy(struct trident_deed *d, bool to_at, const char **handle)
{
	struct hand h = {
		.deed = d,
		.from = to_at ? d->call->other : d->call->at,
		.to = to_at ? d->call->at : d->call->other,
		.mirror = to_at ? &d->at : &d->other,
	};
	char label[TRIDENT_REQUEST_MAX], why[NATIVE_MAX];
	enum trident_stage stage;
	const char *name;
	int rc;

	trident_label(d->call, h.from, label);
	if (strcmp(csi_label(h.from->part[TRIDENT_PART_FINAL].object,
			     TRIDENT_FINAL), label) != 0)
		return take_final(&h, label);
	stage = trident_final(h.from, why);
	if (stage == STAGE_FAILED)
		return final_failed(&h, label, why);
	if (stage == STAGE_READY)
		return ask_for_handle(&h, label);
	if (stage != STAGE_DONE)
		return 0;
	name = trident_final_handle(h.from);
	rc = strcmp(h.mirror->copied.handle, name) == 0 ? 1
							: copy_final(&h, name);
	if (rc > 0)
		*handle = name;
	return rc;
}

int trident_pass_over(const struct trident_deed *d, int rc)
{
	if (rc >= 0 || !d->lacking || !(overrides(d) & OVERRIDE_PEER))
		return rc;
	/* It is said once before it is done without. */
	d->err->code = EAGAIN;
	return d->told ? 1 : -EAGAIN;
}

/* ---- stepping down ---- */

static bool other_follows(const struct trident_deed *d)
{
	return d->call->other->reach == REACH_OK && *d->at.handle &&
	       d->other.phase == TMR_FOLLOWS &&
	       strcmp(d->other.remote, d->at.handle) == 0;
}

static int step_down(struct trident_deed *d, const char *handle)
{
	const struct csi_call *c = d->call;
	const json_t *made = c->other->part[TRIDENT_PART_MADE].object;
	struct tmr_stepped s = {.valid = true};
	char note[TRIDENT_NOTE_MAX];
	int rc = 0;

	if (*handle && strcmp(d->other.copied.handle, handle) != 0)
		rc = trident_note(d, false,
				  json_pack("{s:s}", TRIDENT_COPIED,
					    tmr_note_copied(
						    &d->other,
						    trident_update_time(
							    &d->other, made),
						    handle, note)));
	if (rc < 0)
		return rc;
	trident_label(c, c->at, s.label);
	snprintf(s.handle, sizeof s.handle, "%s", handle);
	return trident_note(d, true,
			    json_pack("{s:s}", TRIDENT_STEPPED,
				      tmr_note_stepped(c->at, &d->at, &s,
						       note)));
}

int trident_step_down(struct trident_deed *d)
{
	const struct csi_view *at = d->call->at;
	const struct observation *seen = &d->call->seen;
	const char *handle = "";
	int rc;

	/* A mirror is asked to be what it is: whatever has become of it meanwhile,
	   that does no harm. */
	if (seen->here.promotes)
		return trident_ask(d, "established", NULL, NULL);
	if (seen->here.claim == ROLE_REPLICA)
		return 0;
	if (d->at.phase != TMR_SOURCE)
		return fail(d->err, EAGAIN, "%s: what it is can't be told: %s",
			    at->cluster, seen->here.native);
	if (at->in_use != TRI_NO && !(overrides(d) & OVERRIDE_IN_USE))
		return fail(d->err, EBUSY, "%s: the volume is in use%s%s",
			    at->cluster, *at->in_use_by ? " by " : "",
			    at->in_use_by);
	if (other_follows(d)) {
		rc = trident_pass_over(
			d, trident_final_copy(d, false, &handle));
		if (rc <= 0)
			return rc;
	} else if (side_verified_role(&seen->peer) != ROLE_SOURCE &&
		   !(overrides(d) & OVERRIDE_PEER)) {
		return fail(d->err, EAGAIN, "%s does not follow %s: nobody would "
			    "have the data", d->call->other->cluster,
			    at->cluster);
	}
	return step_down(d, handle);
}

/* ---- ACT_VERIFY ---- */

static int verify_mirror(struct trident_deed *d)
{
	struct hand h = {
		.deed = d,
		.from = d->call->other,
		.to = d->call->at,
		.mirror = &d->at,
	};
	const json_t *made = h.to->part[TRIDENT_PART_MADE].object;
	int64_t time = trident_update_time(&d->at, made);
	char note[TRIDENT_NOTE_MAX], why[NATIVE_MAX];
	enum trident_stage stage;

	if (time)
		return trident_note(d, true,
				    json_pack("{s:s}", TRIDENT_COPIED,
					      tmr_note_copied(
						      &d->at, time,
						      d->at.copied.valid
							      ? d->at.copied.handle
							      : "",
						      note)));
	stage = trident_update(h.to, why);
	if (stage == STAGE_RUNS || stage == STAGE_LATE)
		return 0;
	return stage == STAGE_FAILED ? update_failed(&h, NULL, why)
				     : make_update(&h, NULL);
}

/*
 * Trident that gets no answer from ONTAP says `promoted' of a mirror, and leaves
 * it at that.  What was promoted by us and can't be written to is asked again.
 */
static bool is_doubtful(const struct trident_deed *d)
{
	const struct csi_view *at = d->call->at;
	struct csi_proof proof;

	csi_probe_read(at, TRIDENT_PART_TMR, TRIDENT_PART_PROBE, &proof);
	return *proof.failure && d->at.written.known && *d->at.remote &&
	       at->part[TRIDENT_PART_PROBE].object &&
	       csi_age(at, at->part[TRIDENT_PART_PROBE].object) >= CSI_RETRY_MS;
}

static int verify_source(struct trident_deed *d)
{
	if (is_doubtful(d))
		return trident_ask(d, "promoted", NULL,
				   json_string_value(json_object_get(
					   d->at.mapping,
					   "promotedSnapshotHandle")));
	return csi_probe_act(d->call, TRIDENT_PART_TMR, TRIDENT_PART_PROBE,
			     d->err);
}

/* What can't be verified has been done all the same: it does not fail. */
int trident_verify(struct trident_deed *d)
{
	int rc = 0;

	if (d->at.phase == TMR_SOURCE && !d->at.stepped.valid)
		rc = verify_source(d);
	else if (d->at.phase == TMR_FOLLOWS)
		rc = verify_mirror(d);
	if (rc >= 0 || !backend_error_is_final(rc))
		return rc;
	d->err->code = EAGAIN;
	return -EAGAIN;
}
