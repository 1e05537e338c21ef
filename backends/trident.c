/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product trident: TridentMirrorRelationships, one on each side, and the
 * objects beside them that move a last snapshot across.  docs/backend-trident.md
 * says what is written for each act and what verifies it.
 */
#include "trident.h"

#include "json_parts.h"

#include <errno.h>
#include <string.h>

/* ---- kinds ---- */

static void tmr_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *list = json_object_get(json_object_get(object, "spec"),
					     "volumeMappings"), *mapping;
	size_t i;

	json_array_foreach(list, i, mapping)
		csi_topic(t, "claim %s/%s", csi_meta(object, "namespace"),
			  json_text_at(mapping, "localPVCName"));
}

static void tamu_topics(const json_t *object, struct csi_topics *t)
{
	csi_topic(t, "tmr %s/%s", csi_meta(object, "namespace"),
		  csi_spec(object, "tridentMirrorRelationshipName"));
}

static void tsi_topics(const json_t *object, struct csi_topics *t)
{
	csi_topic(t, "snapshot %s/%s", csi_meta(object, "namespace"),
		  csi_spec(object, "snapshotName"));
}

static const struct csi_kind kinds[] = {
	{.plural = "tridentmirrorrelationships", .api = TRIDENT_API,
	 .topics = tmr_topics},
	{.plural = "tridentactionmirrorupdates", .api = TRIDENT_API,
	 .optional = true, .topics = tamu_topics},
	{.plural = "tridentsnapshotinfos", .api = TRIDENT_API,
	 .optional = true, .topics = tsi_topics},
	{.plural = NULL}};

/* ---- finding them ---- */

/* The snapshot, until something tells its handle. */
static void gather_final(struct csi_look *l)
{
	const json_t *snap = csi_snap_newest(l, TRIDENT_FINAL), *o = NULL;

	csi_take(l, TRIDENT_PART_FINAL, CSI_SNAPSHOT, snap);
	while (snap && (o = csi_next(l, TRIDENT_TSI, o, "snapshot %s/%s",
				     csi_meta(snap, "namespace"),
				     csi_meta(snap, "name"))))
		if (*csi_label(o, TRIDENT_FINAL) && !csi_is_going(o)) {
			csi_take(l, TRIDENT_PART_FINAL, TRIDENT_TSI, o);
			return;
		}
}

static bool has_ended_later(const json_t *o, const json_t *than)
{
	return !than || csi_time(csi_status(o), "completionTime") >=
				csi_time(csi_status(than), "completionTime");
}

static void gather_updates(struct csi_look *l, const json_t *tmr)
{
	const json_t *made = NULL, *done = NULL, *o = NULL;
	const char *by, *state;

	while ((o = csi_next(l, TRIDENT_TAMU, o, "tmr %s/%s",
			     csi_meta(tmr, "namespace"),
			     csi_meta(tmr, "name")))) {
		by = csi_label(o, "app.kubernetes.io/managed-by");
		state = json_text_at(csi_status(o), "state");
		if (csi_is_going(o))
			continue;
		if (strcmp(by, "uvrfs") == 0)
			made = csi_is_newer(o, made) ? o : made;
		else if (strcmp(state, "Succeeded") == 0)
			done = has_ended_later(o, done) ? o : done;
	}
	csi_take(l, TRIDENT_PART_MADE, TRIDENT_TAMU, made);
	csi_take(l, TRIDENT_PART_DONE, TRIDENT_TAMU, done);
}

static void gather(struct csi_look *l)
{
	struct csi_view *v = csi_look_view(l);
	const json_t *tmr = csi_next(l, TRIDENT_TMR, NULL, "claim %s/%s",
				     v->namespace, v->claim_name);

	csi_take(l, TRIDENT_PART_TMR, TRIDENT_TMR, tmr);
	if (tmr) {
		v->stand = tmr_stand(tmr);
		csi_take(l, TRIDENT_PART_SECOND, TRIDENT_TMR,
			 csi_next(l, TRIDENT_TMR, tmr, "claim %s/%s",
				  v->namespace, v->claim_name));
		gather_updates(l, tmr);
	}
	csi_probe_gather(l, TRIDENT_PART_PROBE);
	gather_final(l);
}

/* ---- where there is none ---- */

static int create_at(struct trident_deed *d, const struct csi_view *v,
		     const char *state, const char *remote)
{
	return csi_create(d->call, v, TRIDENT_TMR,
			  json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:[{s:s, "
				    "s:s*}]}}", "apiVersion", TRIDENT_VERSION,
				    "kind", "TridentMirrorRelationship",
				    "metadata", "name", v->claim_name, "spec",
				    "state", state, "volumeMappings",
				    "localPVCName", v->claim_name,
				    "remoteVolumeHandle", remote),
			  d->err);
}

/* The source's first: its handle is what the other side is made with. */
static int create_mirror(struct trident_deed *d, const struct csi_view *to,
			 const struct tmr *source)
{
	if (source->phase != TMR_SOURCE || source->stepped.valid ||
	    !*source->handle)
		return fail(d->err, EAGAIN, "the TridentMirrorRelationship %s does "
			    "not stand as the source yet (it says %.40s)",
			    source->name, source->says);
	/* Its volume is writable, and nothing makes a mirror of it. */
	if (to->claim)
		return fail(d->err, EPERM, "%s has a claim %s/%s, and no "
			    "TridentMirrorRelationship before it: delete the "
			    "claim, let the relationship be made, then make the "
			    "claim again, with the annotation "
			    "trident.netapp.io/mirrorRelationship: %s",
			    to->cluster, to->namespace, to->claim_name,
			    to->claim_name);
	return create_at(d, to, "established", source->handle);
}

int trident_create(struct trident_deed *d)
{
	const struct csi_call *c = d->call;
	const struct csi_view *from = c->at_holder ? c->at : c->other;
	const struct csi_view *to = c->at_holder ? c->other : c->at;
	const struct tmr *source = c->at_holder ? &d->at : &d->other;
	const struct tmr *mirror = c->at_holder ? &d->other : &d->at;

	if (c->other->reach != REACH_OK)
		return fail(d->err, EHOSTUNREACH, "%s gives no answer",
			    c->other->cluster);
	if (mirror->object)
		return 0;
	if (!from->claim)
		return fail(d->err, ENOENT, "%s has no claim %s/%s: make it first",
			    from->cluster, from->namespace, from->claim_name);
	return source->object ? create_mirror(d, to, source)
			      : create_at(d, from, "promoted", NULL);
}

static int check(const struct spec *spec, struct error *err)
{
	if (spec->mode == MODE_SYNCHRONOUS)
		return fail(err, EINVAL,
			    "spec.replicationMode: Trident can't be asked for a "
			    "final copy of what is mirrored synchronously");
	return 0;
}

const struct csi_product csi_trident = {
	.type = "trident",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT | CAP_GIVE_BACK |
			CAP_VERIFY,
	.installed_as = "Trident",
	.kinds = kinds,
	.check = check,
	.gather = gather,
	.judge = trident_judge,
	.act = trident_act,
	.describe = trident_describe,
};
