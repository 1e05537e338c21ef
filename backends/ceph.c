/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product ceph: VolumeReplication of csi-addons, one on each side.  Its words
 * are desired states, so writing one again is the same act; what makes them
 * dangerous is that csi-addons forces a promotion by itself when the storage
 * refuses a plain one.  So what must not be forced is looked at here, before.
 */
#include "ceph.h"

#include "json_parts.h"
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- kinds ---- */

static void vr_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *source = json_object_get(json_object_get(object, "spec"),
					       "dataSource");

	if (strcmp(json_text_at(source, "kind"), "PersistentVolumeClaim") == 0)
		csi_topic(t, "claim %s/%s", csi_meta(object, "namespace"),
			  json_text_at(source, "name"));
}

static void vgr_topics(const json_t *object, struct csi_topics *t)
{
	csi_topic(t, "namespace %s", csi_meta(object, "namespace"));
}

static const struct csi_kind kinds[] = {
	{.plural = "volumereplications", .api = CEPH_API, .topics = vr_topics},
	{.plural = "volumereplicationclasses", .api = CEPH_API,
	 .cluster_wide = true, .optional = true, .unwatched = true},
	{.plural = "volumegroupreplications", .api = CEPH_API,
	 .optional = true, .topics = vgr_topics},
	{.plural = NULL}};

/* Of several that name the claim csi-addons serves the one that owns it. */
static const json_t *vr_of_claim(struct csi_look *l)
{
	const struct csi_view *v = csi_look_view(l);
	const char *owner = csi_bare_name(csi_annotation(v->claim, CEPH_OWNER));
	const json_t *vr = csi_get(l, CEPH_VR, v->namespace, owner);

	return vr ? vr
		  : csi_next(l, CEPH_VR, NULL, "claim %s/%s", v->namespace,
			     v->claim_name);
}

/* The one that the claim says, else one that selects a claim which is not
   replicated by itself. */
static const json_t *group_of_claim(struct csi_look *l)
{
	const struct csi_view *v = csi_look_view(l);
	const char *name = csi_bare_name(csi_annotation(v->claim,
							CSI_VGR_ANNOTATION));
	const json_t *group = NULL, *source;

	if (*name)
		return csi_get(l, CEPH_VGR, v->namespace, name);
	if (!v->claim || *csi_annotation(v->claim, CEPH_OWNER))
		return NULL;
	while ((group = csi_next(l, CEPH_VGR, group, "namespace %s",
				 v->namespace))) {
		source = json_object_get(json_object_get(group, "spec"),
					 "source");
		if (csi_selects(json_object_get(source, "selector"), v->claim))
			return group;
	}
	return NULL;
}

static void gather(struct csi_look *l)
{
	const struct csi_view *v = csi_look_view(l);
	const json_t *group = group_of_claim(l), *vr;
	const char *name = csi_meta(group, "name");
	char text[SIDE_TEXT_MAX];

	csi_take(l, CEPH_PART_VGR, CEPH_VGR, group);
	/* A group's own status is stamped as new when it is not: what counts is
	   its VolumeReplication. */
	vr = group ? csi_get(l, CEPH_VR, v->namespace,
			     csi_spec(group, "volumeReplicationName"))
		   : vr_of_claim(l);
	csi_take(l, CEPH_PART_VR, CEPH_VR, vr);
	csi_probe_gather(l, CEPH_PART_PROBE);
	if (!group)
		return;
	snprintf(text, sizeof text, "volumegroupreplication %.40s/%.60s",
		 v->namespace, name);
	csi_take_group(l, text, "vgr %s/%s", v->namespace, name);
}

/* ---- acts ---- */

struct deed {
	struct csi_call *call;
	struct ceph_vr at, other;
	struct error *err;
};

static const char *name_at(const struct deed *d)
{
	return d->call->at->cluster;
}

static const json_t *written(const struct deed *d)
{
	return d->call->at->part[ceph_written_part(d->call->at)].object;
}

/* A source that is none, for all that is known, has nothing to take back. */
static void note_step_down(const struct deed *d, char out[static CEPH_NOTE_MAX])
{
	const struct csi_call *c = d->call;
	bool stands = side_verified_role(&c->seen.here) == ROLE_SOURCE &&
		      c->other->reach == REACH_OK && ceph_stands_by(&d->other);

	ceph_note(csi_generation(written(d)) + 1, stands ? c->other : NULL,
		  out);
}

/* What each word needs no more goes. */
static json_t *make_notes(const struct deed *d, enum ceph_word word)
{
	bool steps_down = word == CEPH_SECONDARY && d->at.says == ROLE_SOURCE;
	char when[TIME_TEXT_MAX] = "", note[CEPH_NOTE_MAX];

	/* What the source had copied before a resync; what comes later is
	   anew. */
	if (d->other.last_sync)
		time_text_ms(d->other.last_sync, when);
	if (steps_down)
		note_step_down(d, note);
	return json_pack("{s:{s:s?, s:s?}}", "annotations", CEPH_SYNCED_BEFORE,
			 word == CEPH_RESYNC ? when : NULL, CEPH_STEPPED_DOWN,
			 steps_down ? note : NULL);
}

static int ask(struct deed *d, enum ceph_word word, bool auto_resync)
{
	const struct csi_view *at = d->call->at;
	json_t *body = json_pack("{s:{s:s, s:b}}", "spec", "replicationState",
				 ceph_word(word), "autoResync", auto_resync);
	json_t *notes = make_notes(d, word);

	if (!body || !notes || json_object_set_new(body, "metadata", notes) < 0) {
		json_decref(body);
		return fail(d->err, ENOMEM, "no memory for a patch");
	}
	return csi_patch(d->call, at, ceph_written_part(at), body, d->err);
}

/*
 * Asked for already.  csi-addons tries again by itself, after up to a quarter of
 * an hour; only a change of spec makes it try now.  autoResync means nothing
 * but to a secondary, for which it is never set.
 */
static int insist(struct deed *d)
{
	const json_t *object = written(d);

	if (!d->at.failed)
		return 0;
	if (d->at.hopeless && csi_is_of_request(d->call, object))
		return fail(d->err, EINVAL, "%s: VolumeReplication: %.440s",
			    name_at(d), d->at.message);
	if (!csi_is_of_request(d->call, object) &&
	    d->at.asked != CEPH_SECONDARY)
		return ask(d, d->at.asked, !d->at.auto_resync);
	return fail(d->err, EAGAIN, "%s: VolumeReplication, asked for %s: "
		    "%.440s", name_at(d), ceph_word(d->at.asked),
		    d->at.message);
}

static int turn(struct deed *d, enum ceph_word word)
{
	return d->at.asked == word ? insist(d) : ask(d, word, false);
}

static int check_group(struct deed *d, const struct csi_view *v)
{
	const json_t *group = v->part[CEPH_PART_VGR].object;
	const char *why = ceph_set_aside(v);

	return why ? fail(d->err, EOPNOTSUPP, "%s: VolumeGroupReplication %s %s",
			  v->cluster, csi_meta(group, "name"), why)
		   : 0;
}

static int need_object(struct deed *d)
{
	int rc = check_group(d, d->call->at);

	if (rc == 0 && !d->at.there)
		return fail(d->err, ENOENT, "%s has no VolumeReplication for "
			    "%s/%s", name_at(d), d->call->at->namespace,
			    d->call->at->claim_name);
	return rc;
}

static int demote(struct deed *d)
{
	const struct side *at = &d->call->seen.here;

	/* One that could not be promoted is not pulled away from anybody.  One
	   that nothing has been told of may have been a moment ago. */
	if (at->in_use != TRI_NO && !(at->promotes && d->at.failed) &&
	    !(d->call->order->overrides & OVERRIDE_IN_USE))
		return fail(d->err, EBUSY, "%s: the volume is in use%s%s",
			    name_at(d), *at->in_use_by ? " by " : "",
			    at->in_use_by);
	return turn(d, CEPH_SECONDARY);
}

static int promote(struct deed *d)
{
	const struct csi_view *other = d->call->other;

	/* It has been asked for: a look at the other side changes nothing. */
	if (d->at.asked == CEPH_PRIMARY)
		return insist(d);
	/* Nor does it where the one here has not stepped down, or nobody but that
	   one can have been a source since: no copy has to come from there. */
	if (d->call->seen.here.demotes || ceph_has_all(d->call->at, other))
		return ask(d, CEPH_PRIMARY, false);
	if (other->reach != REACH_OK)
		return fail(d->err, EHOSTUNREACH, "%s gives no answer: whether "
			    "it is primary can't be told", other->cluster);
	if (side_verified_role(&d->call->seen.peer) != ROLE_REPLICA)
		return fail(d->err, EBUSY, "%s has not stepped down for all "
			    "that is known: csi-addons would force it",
			    other->cluster);
	if (!d->call->seen.here.caught_up)
		return fail(d->err, EAGAIN, "%s: the final copy from %s is not "
			    "known to be here", name_at(d), other->cluster);
	return ask(d, CEPH_PRIMARY, false);
}

static int force_promote(struct deed *d)
{
	/* One that is being promoted may be primary any moment. */
	enum override force = d->other.failed ? OVERRIDE_PEER
					      : OVERRIDE_STEP_DOWN;
	int rc;

	if (d->at.asked == CEPH_PRIMARY)
		return insist(d);
	if (d->other.asked == CEPH_PRIMARY &&
	    d->call->other->reach == REACH_OK &&
	    !(d->call->order->overrides & force))
		return fail(d->err, EBUSY, "%s answers and is primary: there "
			    "would be two", d->call->other->cluster);
	rc = csi_check_lost(d->call, d->err);
	if (rc)
		return rc;
	if (!d->call->seen.here.complete)
		return fail(d->err, EINVAL, "%s holds no whole copy that could "
			    "be promoted", name_at(d));
	return ask(d, CEPH_PRIMARY, false);
}

static int resync(struct deed *d)
{
	if (side_verified_role(&d->call->seen.peer) != ROLE_SOURCE)
		return fail(d->err, EAGAIN, "%s is not verified as primary: "
			    "there is nothing to rebuild from",
			    d->call->other->cluster);
	if (d->at.asked == CEPH_PRIMARY)
		return fail(d->err, EAGAIN, "%s has not stepped down",
			    name_at(d));
	/* Made anew: from now on nothing is to be thrown away. */
	if (d->at.asked == CEPH_RESYNC && d->call->seen.here.complete)
		return ask(d, CEPH_SECONDARY, false);
	return turn(d, CEPH_RESYNC);
}

static int verify(struct deed *d)
{
	return csi_probe_act(d->call, CEPH_PART_VR, CEPH_PART_PROBE, d->err);
}

/* ---- creating ---- */

static int create_at(struct deed *d, const struct csi_view *v,
		     enum ceph_word word)
{
	char class[CSI_NAME_MAX];
	int rc;

	if (!v->claim)
		return fail(d->err, ENOENT, "%s has no PersistentVolumeClaim "
			    "%s/%s: make it there, with a volume that has the "
			    "same volumeHandle", v->cluster, v->namespace,
			    v->claim_name);
	rc = ceph_choose_class(d->call, v, class, d->err);
	if (rc < 0)
		return rc;
	rc = csi_create(d->call, v, CEPH_VR,
			json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:b, "
				  "s:{s:s, s:s, s:s}}}", "apiVersion",
				  CEPH_VERSION, "kind",
				  "VolumeReplication", "metadata", "name",
				  v->claim_name, "spec",
				  "volumeReplicationClass", class,
				  "replicationState", ceph_word(word),
				  "autoResync", 0, "dataSource", "apiGroup",
				  "", "kind", "PersistentVolumeClaim", "name",
				  v->claim_name),
			d->err);
	if (rc == -EEXIST)
		return fail(d->err, EINVAL, "%s: there is a VolumeReplication "
			    "%s/%s already, for something else", v->cluster,
			    v->namespace, v->claim_name);
	return rc;
}

/* One that fails is not gone on with: nothing comes of the other side either. */
static int check_made(struct deed *d, const struct csi_view *v)
{
	struct ceph_vr vr;
	int code;

	ceph_read(v, &vr);
	if (!vr.failed)
		return 0;
	code = vr.hopeless &&
			       csi_is_of_request(d->call,
						 v->part[CEPH_PART_VR].object)
		       ? EINVAL
		       : EAGAIN;
	return fail(d->err, code, "%s: VolumeReplication, asked for %s: %.440s",
		    v->cluster, ceph_word(vr.asked), vr.message);
}

/* csi-addons makes what it is told to, and asks no other cluster. */
static int check_sole(struct deed *d, const struct csi_view *to)
{
	struct ceph_vr vr;

	ceph_read(to, &vr);
	if (vr.asked != CEPH_PRIMARY && vr.says != ROLE_SOURCE)
		return 0;
	return fail(d->err, EBUSY, "%s is, or is asked to be, primary: there "
		    "would be two", to->cluster);
}

static int create(struct deed *d)
{
	struct csi_call *c = d->call;
	const char *source = c->target->spec->source.cluster;
	bool here = strcmp(c->at->cluster, source) == 0;
	const struct csi_view *from = here ? c->at : c->other;
	const struct csi_view *to = here ? c->other : c->at;
	int rc;

	if (c->other->reach != REACH_OK)
		return fail(d->err, EHOSTUNREACH, "%s gives no answer",
			    c->other->cluster);
	rc = check_group(d, from);
	if (rc == 0)
		rc = check_group(d, to);
	if (rc < 0)
		return rc;
	/* Mirroring begins at the source. */
	if (!from->part[CEPH_PART_VR].object) {
		rc = check_sole(d, to);
		return rc < 0 ? rc : create_at(d, from, CEPH_PRIMARY);
	}
	rc = check_made(d, from);
	if (rc < 0)
		return rc;
	if (!to->part[CEPH_PART_VR].object)
		return create_at(d, to, CEPH_SECONDARY);
	return check_made(d, to);
}

int ceph_act(struct csi_call *c, struct error *err)
{
	static int (*const table[ACT_COUNT])(struct deed *) = {
		[ACT_DEMOTE_PEER] = demote,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = demote,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = promote,
		[ACT_RESYNC_PEER] = resync,
		[ACT_VERIFY] = verify,
		[ACT_VERIFY_PEER] = verify,
	};
	struct deed d = {.call = c, .err = err};
	int rc;

	ceph_read(c->at, &d.at);
	ceph_read(c->other, &d.other);
	if (c->order->act == ACT_CREATE)
		return create(&d);
	if (c->order->act == ACT_DELETE)
		return fail(err, EOPNOTSUPP, "deleting a VolumeReplication ends "
			    "the mirroring and deletes the copy: do that by "
			    "hand");
	rc = need_object(&d);
	return rc < 0 ? rc : table[c->order->act](&d);
}

/* ---- as a person would type it ---- */

static void describe_patch(const struct csi_view *v, enum ceph_word word,
			   struct buf *out)
{
	unsigned part = ceph_written_part(v);
	const json_t *object = v->part[part].object;

	buf_printf(out, "kubectl --context %s -n %s patch %s %s --type merge -p "
		   "'{\"spec\":{\"replicationState\":\"%s\","
		   "\"autoResync\":false}}'\n", v->cluster, v->namespace,
		   part == CEPH_PART_VGR ? "volumegroupreplication"
					 : "volumereplication",
		   object ? csi_meta(object, "name") : v->claim_name,
		   ceph_word(word));
}

void ceph_describe(const struct csi_view *at, const struct csi_view *other,
		   enum act act, struct buf *out)
{
	static const enum ceph_word table[ACT_COUNT] = {
		[ACT_DEMOTE_PEER] = CEPH_SECONDARY,
		[ACT_PROMOTE] = CEPH_PRIMARY,
		[ACT_FORCE_PROMOTE] = CEPH_PRIMARY,
		[ACT_DEMOTE] = CEPH_SECONDARY,
		[ACT_RESYNC] = CEPH_RESYNC,
		[ACT_PROMOTE_PEER] = CEPH_PRIMARY,
		[ACT_RESYNC_PEER] = CEPH_RESYNC,
	};

	if (act == ACT_CREATE)
		buf_printf(out, "kubectl create -f -  # a VolumeReplication "
			   "%s/%s where there is none: primary at the source, "
			   "then secondary\n", at->namespace, at->claim_name);
	else if (act == ACT_VERIFY || act == ACT_VERIFY_PEER)
		csi_probe_describe(at, out);
	else if (table[act])
		describe_patch(at, table[act], out);
	if (table[act] == CEPH_RESYNC)
		describe_patch(at, CEPH_SECONDARY, out);
}

const struct csi_product csi_ceph = {
	.type = "ceph",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT | CAP_GIVE_BACK |
			CAP_LAG | CAP_VERIFY,
	.installed_as = "csi-addons",
	.kinds = kinds,
	.gather = gather,
	.judge = ceph_judge,
	.act = ceph_act,
	.describe = ceph_describe,
};
