/* SPDX-License-Identifier: Apache-2.0 */
/* What trident would write, as a person would type it: bash, and kubectl. */
#include "trident.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not known before: in capitals. */
#define HANDLE "HANDLE-OF-THAT-SNAPSHOT"

struct text {
	const struct csi_view *at, *other;
	struct tmr here, there;
	struct buf *out;
};

/* Between single quotes, in which there can be none; takes @body over. */
static void put_json(struct buf *out, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII)
			  : NULL;
	const char *p;

	buf_putc(out, '\'');
	for (p = text ? text : "{}"; *p; p++)
		if (*p == '\'')
			buf_puts(out, "\\u0027");
		else
			buf_putc(out, *p);
	buf_putc(out, '\'');
	json_decref(body);
	free(text);
}

static void put_command(struct buf *out, const struct csi_view *v,
			const char *what)
{
	buf_printf(out, "kubectl --context %s -n %s %s ", v->cluster,
		   v->namespace, what);
}

static void put_create(struct buf *out, const struct csi_view *v, json_t *body)
{
	put_command(out, v, "create -f - <<<");
	put_json(out, body);
	buf_putc(out, '\n');
}

static void put_patch(struct buf *out, const struct csi_view *v,
		      const char *name, json_t *body)
{
	put_command(out, v, "patch tridentmirrorrelationship");
	buf_printf(out, "%s --type merge -p ", *name ? name : v->claim_name);
	put_json(out, body);
	buf_putc(out, '\n');
}

static void put_note(struct buf *out, const struct csi_view *v,
		     const char *name, json_t *note)
{
	put_patch(out, v, name, json_pack("{s:{s:o}}", "metadata", "annotations",
					  note));
}

static void put_spec(struct text *t, const char *state, json_t *changes)
{
	json_t *mapping = t->here.mapping
				  ? json_deep_copy(t->here.mapping)
				  : json_pack("{s:s}", "localPVCName",
					      t->at->claim_name);

	json_object_del(mapping, "promotedSnapshotHandle");
	json_object_update(mapping, changes);
	json_decref(changes);
	put_patch(t->out, t->at, t->here.name,
		  json_pack("{s:{s:{s:s, s:n}}, s:{s:s, s:[o]}}", "metadata",
			    "annotations", TRIDENT_WRITTEN,
			    "GENERATION/UID TIME REQUEST STATE SINCE PAST",
			    TRIDENT_STEPPED, "spec", "state", state,
			    "volumeMappings", mapping));
}

static json_t *object_of(const char *kind, const char *name, json_t *spec)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion",
			 TRIDENT_VERSION, "kind", kind, "metadata", "name",
			 name, "spec", spec);
}

static void put_update(struct buf *out, const struct csi_view *v,
		       const struct tmr *t, const char *handle)
{
	const char *tmr = *t->name ? t->name : v->claim_name;
	char name[CSI_NAME_MAX];

	snprintf(name, sizeof name, "%.200s-uvrfs-update-SERIAL", tmr);
	put_create(out, v, object_of("TridentActionMirrorUpdate", name,
				     json_pack("{s:s, s:s*}",
					       "tridentMirrorRelationshipName",
					       tmr, "snapshotHandle", handle)));
}

static void put_final(struct buf *out, const struct csi_view *from,
		      const struct csi_view *to, const struct tmr *mirror)
{
	char name[CSI_NAME_MAX];

	snprintf(name, sizeof name, "%.200s-uvrfs-final-SERIAL",
		 from->claim_name);
	put_create(out, from, csi_snap_new(from, name, TRIDENT_FINAL,
					   "REQUEST"));
	put_create(out, from, object_of("TridentSnapshotInfo", name,
					json_pack("{s:s}", "snapshotName",
						  name)));
	put_update(out, to, mirror, HANDLE);
}

static void put_stepped(struct buf *out, const struct csi_view *v,
			const struct tmr *t)
{
	put_note(out, v, t->name,
		 json_pack("{s:s}", TRIDENT_STEPPED,
			   "GENERATION/UID TIME REQUEST " HANDLE));
}

/* ---- acts ---- */

static void step_down(struct text *t)
{
	if (tmr_may_be_promoted(&t->here)) {
		put_spec(t, "established", json_object());
		return;
	}
	put_final(t->out, t->at, t->other, &t->there);
	put_note(t->out, t->other, t->there.name,
		 json_pack("{s:s}", TRIDENT_COPIED,
			   "GENERATION/UID TIME " HANDLE));
	put_stepped(t->out, t->at, &t->here);
}

static void promote(struct text *t)
{
	if (tmr_has_stepped_down(&t->here)) {
		put_note(t->out, t->at, t->here.name,
			 json_pack("{s:n}", TRIDENT_STEPPED));
		return;
	}
	if (t->here.phase == TMR_FAILED)
		put_spec(t, "established", json_object());
	if (tmr_has_stepped_down(&t->there)) {
		put_final(t->out, t->other, t->at, &t->here);
		put_stepped(t->out, t->other, &t->there);
	}
	put_spec(t, "promoted",
		 json_pack("{s:s}", "promotedSnapshotHandle", HANDLE));
}

static void force_promote(struct text *t)
{
	if (tmr_has_stepped_down(&t->here))
		promote(t);
	else
		put_spec(t, "promoted", json_object());
}

static void resync(struct text *t)
{
	put_spec(t, "reestablished",
		 json_pack("{s:s}", "remoteVolumeHandle",
			   *t->there.handle ? t->there.handle
					    : "SVM:VOLUME-OF-THE-SOURCE"));
}

static void verify(struct text *t)
{
	if (t->here.phase == TMR_FOLLOWS) {
		put_update(t->out, t->at, &t->here, NULL);
		put_note(t->out, t->at, t->here.name,
			 json_pack("{s:s}", TRIDENT_COPIED,
				   "GENERATION/UID TIME -"));
		buf_puts(t->out, "# or, once it is the source:\n");
	}
	csi_probe_describe(t->at, t->out);
	put_note(t->out, t->at, t->here.name,
		 json_pack("{s:s}", "uvrfs/writable", "GENERATION/UID"));
}

static json_t *new_spec(const struct csi_view *v, const char *state,
			const char *remote)
{
	return json_pack("{s:s, s:[{s:s, s:s*}]}", "state", state,
			 "volumeMappings", "localPVCName", v->claim_name,
			 "remoteVolumeHandle", remote);
}

/* The source is where there is a claim: at the other side it is to come. */
static void create(struct text *t)
{
	bool here = t->at->claim || !t->other->claim;
	const struct csi_view *from = here ? t->at : t->other;
	const struct csi_view *to = here ? t->other : t->at;
	const struct tmr *source = here ? &t->here : &t->there;

	if (!source->object)
		put_create(t->out, from,
			   object_of("TridentMirrorRelationship",
				     from->claim_name,
				     new_spec(from, "promoted", NULL)));
	put_create(t->out, to,
		   object_of("TridentMirrorRelationship", to->claim_name,
			     new_spec(to, "established",
				      *source->handle
					      ? source->handle
					      : "SVM:VOLUME-OF-THE-SOURCE")));
}

void trident_describe(const struct csi_view *at, const struct csi_view *other,
		      enum act act, struct buf *out)
{
	static void (*const table[ACT_COUNT])(struct text *) = {
		[ACT_CREATE] = create,
		[ACT_DEMOTE_PEER] = step_down,
		[ACT_PROMOTE] = promote,
		[ACT_FORCE_PROMOTE] = force_promote,
		[ACT_DEMOTE] = step_down,
		[ACT_RESYNC] = resync,
		[ACT_PROMOTE_PEER] = promote,
		[ACT_RESYNC_PEER] = resync,
		[ACT_VERIFY] = verify,
		[ACT_VERIFY_PEER] = verify,
	};
	struct text t = {.at = at, .other = other, .out = out};

	if (!table[act])
		return;
	tmr_read(at, &t.here);
	tmr_read(other, &t.there);
	table[act](&t);
}
