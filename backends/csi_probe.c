/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as proof that a volume can be written to.  It is asked of the
 * storage itself, through another of the driver's doors than the one that said
 * that the volume was promoted.
 *
 * Two notes bind it to the moment: the snapshot's says which generation of the
 * product's object it was taken for, the object's own which one was proved.
 */
#include "csi_probe.h"

#include "json_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROBE "uvrfs/probe"
#define PROBE_OF "uvrfs/probe-of"
#define WRITABLE "uvrfs/writable"

const char *csi_mark(const json_t *object, char out[static CSI_MARK_MAX])
{
	snprintf(out, CSI_MARK_MAX, "%" PRId64 "/%.50s",
		 csi_generation(object), csi_meta(object, "uid"));
	return out;
}

int64_t csi_age(const struct csi_view *v, const json_t *object)
{
	int64_t made = csi_time(json_object_get(object, "metadata"),
				"creationTimestamp");

	return made ? v->now - made : INT64_MAX;
}

const char *csi_name(const struct csi_call *c, const char *object,
		     const char *what, char out[static CSI_NAME_MAX])
{
	snprintf(out, CSI_NAME_MAX, "%.200s-uvrfs-%s-%016" PRIx64, object, what,
		 c->order->serial);
	return out;
}

/* ---- snapshots ---- */

/* An error that is told may still be overcome: external-snapshotter goes on. */
enum csi_snap csi_snap_read(const struct csi_view *v, const json_t *snapshot,
			    char why[static NATIVE_MAX])
{
	const json_t *status = csi_status(snapshot);
	const json_t *error = json_object_get(status, "error");

	*why = '\0';
	if (!snapshot)
		return CSI_SNAP_NONE;
	if (json_is_true(json_object_get(status, "readyToUse")) &&
	    csi_time(status, "creationTime"))
		return CSI_SNAP_READY;
	if (json_is_object(error))
		snprintf(why, NATIVE_MAX, "%s",
			 *json_text_at(error, "message")
				 ? json_text_at(error, "message")
				 : "failed, and does not say why");
	else if (csi_age(v, snapshot) >= CSI_PATIENCE_MS)
		snprintf(why, NATIVE_MAX, "not ready after %d minutes",
			 CSI_PATIENCE_MS / 60000);
	return *why ? CSI_SNAP_FAILED : CSI_SNAP_RUNS;
}

const json_t *csi_snap_newest(struct csi_look *l, const char *label)
{
	const struct csi_view *v = csi_look_view(l);
	const json_t *o = NULL, *newest = NULL;

	/* Of the same second, the last by name. */
	while ((o = csi_next(l, CSI_SNAPSHOT, o, "claim %s/%s", v->namespace,
			     v->claim_name)))
		if (*csi_label(o, label) && !csi_is_going(o) &&
		    csi_is_newer(o, newest))
			newest = o;
	return newest;
}

json_t *csi_snap_new(const struct csi_view *v, const char *name,
		     const char *label, const char *value)
{
	return json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s, s:{s:s}}}",
			 "apiVersion", "snapshot.storage.k8s.io/v1", "kind",
			 "VolumeSnapshot", "metadata", "name", name, "labels",
			 label, value, "spec", "volumeSnapshotClassName",
			 v->snapshot_class, "source",
			 "persistentVolumeClaimName", v->claim_name);
}

/* ---- the probe ---- */

/* Taken while the object asked for what it asks for now. */
static bool is_of(const json_t *probe, const json_t *object)
{
	char mark[CSI_MARK_MAX];

	return probe && object &&
	       strcmp(csi_annotation(probe, PROBE_OF),
		      csi_mark(object, mark)) == 0;
}

static enum csi_snap state_of(const struct csi_view *v, unsigned part,
			      unsigned probe, char why[static NATIVE_MAX])
{
	const json_t *snapshot = v->part[probe].object;

	*why = '\0';
	return is_of(snapshot, v->part[part].object)
		       ? csi_snap_read(v, snapshot, why)
		       : CSI_SNAP_NONE;
}

void csi_probe_read(const struct csi_view *v, unsigned part, unsigned probe,
		    struct csi_proof *out)
{
	const json_t *object = v->part[part].object;
	char mark[CSI_MARK_MAX];
	enum csi_snap state;

	*out = (struct csi_proof){0};
	if (!object)
		return;
	out->proved = strcmp(csi_annotation(object, WRITABLE),
			     csi_mark(object, mark)) == 0;
	if (out->proved)
		return;
	state = state_of(v, part, probe, out->failure);
	out->running = state == CSI_SNAP_RUNS;
	if (state == CSI_SNAP_NONE && !*v->snapshot_class)
		snprintf(out->failure, sizeof out->failure,
			 "there is no VolumeSnapshotClass for its driver");
	out->possible = !out->running &&
			(v->can_snapshot || state == CSI_SNAP_READY);
}

void csi_probe_gather(struct csi_look *l, unsigned probe)
{
	csi_take(l, probe, CSI_SNAPSHOT, csi_snap_newest(l, PROBE));
}

static int take(struct csi_call *c, const json_t *object, struct error *err)
{
	char name[CSI_NAME_MAX], mark[CSI_MARK_MAX];
	json_t *body, *meta;
	int rc;

	if (!c->at->can_snapshot)
		return fail(err, EAGAIN, "%s: no snapshot can be taken of %s/%s "
			    "as a proof: there is no VolumeSnapshotClass for "
			    "its driver", c->at->cluster, c->at->namespace,
			    c->at->claim_name);
	body = csi_snap_new(c->at, csi_name(c, c->at->claim_name, "probe", name),
			    PROBE, "true");
	meta = json_object_get(body, "metadata");
	if (!meta ||
	    json_object_set_new(meta, "annotations",
				json_pack("{s:s}", PROBE_OF,
					  csi_mark(object, mark))) < 0) {
		json_decref(body);
		return fail(err, ENOMEM, "no memory for a snapshot");
	}
	rc = csi_create(c, c->at, CSI_SNAPSHOT, body, err);
	/* This very act was here before, or what it made then goes away now. */
	return rc == -EEXIST ? fail(err, EAGAIN, "%s: there is a snapshot %s "
				    "already", c->at->cluster, name)
			     : rc;
}

/* What it proved is kept first: a snapshot left behind harms nobody. */
static int write_down(struct csi_call *c, unsigned part, const json_t *probe,
		      struct error *err)
{
	char mark[CSI_MARK_MAX];
	json_t *body = json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
				 WRITABLE,
				 csi_mark(c->at->part[part].object, mark));
	int rc = csi_patch(c, c->at, part, body, err);

	return rc < 0 ? rc : csi_delete(c, c->at, CSI_SNAPSHOT, probe, err);
}

int csi_probe_act(struct csi_call *c, unsigned part, unsigned probe,
		  struct error *err)
{
	const json_t *object = c->at->part[part].object;
	const json_t *snapshot = c->at->part[probe].object;
	char why[NATIVE_MAX];
	struct csi_proof proof;
	enum csi_snap state;
	int rc = 0;

	if (!object)
		return fail(err, EAGAIN, "%s: there is nothing to verify for "
			    "%s/%s", c->at->cluster, c->at->namespace,
			    c->at->claim_name);
	csi_probe_read(c->at, part, probe, &proof);
	if (proof.proved || proof.running)
		return 0;
	state = state_of(c->at, part, probe, why);
	if (state == CSI_SNAP_READY)
		return write_down(c, part, snapshot, err);
	if (state == CSI_SNAP_FAILED && csi_age(c->at, snapshot) < CSI_RETRY_MS)
		return fail(err, EAGAIN, "%s: the snapshot %s, which was to "
			    "prove that %s/%s is writable: %s", c->at->cluster,
			    csi_meta(snapshot, "name"), c->at->namespace,
			    c->at->claim_name, why);
	/* It failed, or was taken before what it is to prove. */
	if (snapshot)
		rc = csi_delete(c, c->at, CSI_SNAPSHOT, snapshot, err);
	return rc < 0 ? rc : take(c, object, err);
}

void csi_probe_describe(const struct csi_view *v, struct buf *out)
{
	const char *class = *v->snapshot_class ? v->snapshot_class : "CLASS";

	buf_printf(out,
		   "kubectl --context %s -n %s create -f - <<< "
		   "'{\"apiVersion\":\"snapshot.storage.k8s.io/v1\",\"kind\":"
		   "\"VolumeSnapshot\",\"metadata\":{\"name\":\"%s-uvrfs-probe\","
		   "\"labels\":{\"uvrfs/probe\":\"true\"}},\"spec\":{"
		   "\"volumeSnapshotClassName\":\"%s\",\"source\":{"
		   "\"persistentVolumeClaimName\":\"%s\"}}}'\n",
		   v->cluster, v->namespace, v->claim_name, class,
		   v->claim_name);
	buf_printf(out, "kubectl --context %s -n %s delete volumesnapshot "
		   "%s-uvrfs-probe  # once it is ready\n", v->cluster,
		   v->namespace, v->claim_name);
}
