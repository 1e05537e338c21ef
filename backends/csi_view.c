/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of a pair: its claim, the volume behind it, who uses that, and which
 * other volumes are moved with it.
 */
#include "csi_model.h"

#include "json_parts.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the kinds that every product looks at ---- */

static void group_topic(const json_t *object, struct csi_topics *t)
{
	const char *group = csi_label(object, CSI_RG_LABEL);

	if (*group)
		csi_topic(t, "group %s", group);
}

/* csi-addons names the group that a claim is in, with or without namespace. */
static void claim_topics(const json_t *object, struct csi_topics *t)
{
	const char *group = csi_annotation(object, CSI_VGR_ANNOTATION);

	if (*group)
		csi_topic(t, "vgr %s/%s", csi_meta(object, "namespace"),
			  csi_bare_name(group));
	group_topic(object, t);
}

static void volume_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *spec = json_object_get(object, "spec");
	const json_t *claim = json_object_get(spec, "claimRef");
	const char *handle = json_text_at(json_object_get(spec, "csi"),
					  "volumeHandle");

	if (*handle)
		csi_topic(t, "handle %s", handle);
	if (claim)
		csi_topic(t, "claim %s/%s", json_text_at(claim, "namespace"),
			  json_text_at(claim, "name"));
	group_topic(object, t);
}

static void attachment_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *spec = json_object_get(object, "spec");

	csi_topic(t, "volume %s", json_text_at(json_object_get(spec, "source"),
					       "persistentVolumeName"));
}

static void pod_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *list = json_object_get(object, "claims"), *name;
	size_t i;

	json_array_foreach(list, i, name)
		csi_topic(t, "claim %s/%s", csi_meta(object, "namespace"),
			  json_string_value(name));
}

static void snapshot_topics(const json_t *object, struct csi_topics *t)
{
	const json_t *spec = json_object_get(object, "spec");

	csi_topic(t, "claim %s/%s", csi_meta(object, "namespace"),
		  json_text_at(json_object_get(spec, "source"),
			       "persistentVolumeClaimName"));
}

static void class_topics(const json_t *object, struct csi_topics *t)
{
	csi_topic(t, "driver %s", json_text_at(object, "driver"));
}

#define CORE_API "/api/v1"
#define STORAGE_API "/apis/storage.k8s.io/v1"
#define SNAPSHOT_API "/apis/snapshot.storage.k8s.io/v1"

const struct csi_kind csi_common_kinds[CSI_COMMON] = {
	[CSI_CLAIM] = {.plural = "persistentvolumeclaims", .api = CORE_API,
		       .topics = claim_topics},
	[CSI_VOLUME] = {.plural = "persistentvolumes", .api = CORE_API,
			.cluster_wide = true, .topics = volume_topics},
	[CSI_ATTACHMENT] = {.plural = "volumeattachments", .api = STORAGE_API,
			    .cluster_wide = true, .optional = true,
			    .topics = attachment_topics},
	[CSI_POD] = {.plural = "pods", .api = CORE_API, .optional = true,
		     .topics = pod_topics},
	[CSI_SNAPSHOT] = {.plural = "volumesnapshots", .api = SNAPSHOT_API,
			  .optional = true, .topics = snapshot_topics},
	[CSI_SNAPSHOT_CLASS] = {.plural = "volumesnapshotclasses",
				.api = SNAPSHOT_API, .cluster_wide = true,
				.optional = true, .topics = class_topics},
};

/* ---- no more of an object than anybody reads ---- */

static json_t *claims_of_pod(const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec"), *volume;
	json_t *claims = json_array();
	size_t i;

	json_array_foreach(json_object_get(spec, "volumes"), i, volume) {
		const json_t *source = json_object_get(volume,
						       "persistentVolumeClaim");

		if (source)
			json_array_append_new(
				claims, json_string(json_text_at(source,
								 "claimName")));
	}
	return claims;
}

/* Of a cluster's pods there are many. */
static json_t *trim_pod(const json_t *object)
{
	return json_pack(
		"{s:{s:s, s:s, s:s, s:s}, s:{s:s}, s:{s:s}, s:o}", "metadata",
		"namespace", csi_meta(object, "namespace"), "name",
		csi_meta(object, "name"), "uid", csi_meta(object, "uid"),
		"resourceVersion", csi_meta(object, "resourceVersion"), "spec",
		"nodeName", csi_spec(object, "nodeName"), "status", "phase",
		json_text_at(csi_status(object), "phase"), "claims",
		claims_of_pod(object));
}

json_t *csi_trim(int kind, const json_t *object)
{
	json_t *copy, *meta;

	if (kind == CSI_POD)
		return trim_pod(object);
	copy = json_copy((json_t *)object);
	meta = json_copy(json_object_get(object, "metadata"));
	if (!copy || !meta || json_object_set_new(copy, "metadata", meta) < 0) {
		json_decref(copy);
		return NULL;
	}
	json_object_del(meta, "managedFields");
	return copy;
}

/* ---- who uses a volume ---- */

static void use(struct csi_view *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void use(struct csi_view *v, const char *fmt, ...)
{
	va_list ap;

	v->in_use = TRI_YES;
	va_start(ap, fmt);
	vsnprintf(v->in_use_by, sizeof v->in_use_by, fmt, ap);
	va_end(ap);
}

static bool is_over(const json_t *pod)
{
	const char *phase = json_text_at(csi_status(pod), "phase");

	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* A pod that waits to be scheduled counts: it may be any moment. */
static void look_at_use(struct csi_look *l, const char *namespace,
			const char *claim, const char *volume)
{
	struct csi_view *v = l->view;
	const json_t *o = NULL;

	while ((o = csi_next(l, CSI_ATTACHMENT, o, "volume %s", volume)))
		use(v, "node %s", csi_spec(o, "nodeName"));
	while ((o = csi_next(l, CSI_POD, o, "claim %s/%s", namespace, claim)))
		if (!is_over(o))
			use(v, "pod %s/%s on %s", namespace, csi_meta(o, "name"),
			    *csi_spec(o, "nodeName") ? csi_spec(o, "nodeName")
						     : "no node yet");
}

static bool has_news(const struct csi_site *s, int kind)
{
	return s->watches[kind].listed && s->watches[kind].trouble.rc == 0;
}

/* ---- the claim ---- */

/*
 * The claim of the volume with the manifest's handle; where there is no such
 * volume, the one that is called like the source's.
 */
static const json_t *claim_by_handle(struct csi_look *l)
{
	const struct csi_pair *p = l->pair;
	const json_t *volume = NULL, *ref, *claim;

	while ((volume = csi_next(l, CSI_VOLUME, volume, "handle %s",
				  p->handle))) {
		ref = json_object_get(json_object_get(volume, "spec"),
				      "claimRef");
		if (strcmp(json_text_at(ref, "namespace"),
			   p->volume_namespace) != 0)
			continue;
		claim = csi_get(l, CSI_CLAIM, p->volume_namespace,
				json_text_at(ref, "name"));
		if (claim)
			return claim;
	}
	return csi_get(l, CSI_CLAIM, p->volume_namespace, p->claim_name);
}

static void find_claim(struct csi_look *l, bool is_holder)
{
	const struct csi_pair *p = l->pair;
	struct csi_view *v = l->view;
	const json_t *volume = NULL;

	snprintf(v->namespace, sizeof v->namespace, "%s",
		 is_holder ? p->claim_namespace : p->volume_namespace);
	snprintf(v->claim_name, sizeof v->claim_name, "%s", p->claim_name);
	v->claim = is_holder ? csi_get(l, CSI_CLAIM, p->claim_namespace,
				       p->claim_name)
			     : claim_by_handle(l);
	if (v->claim) {
		snprintf(v->claim_name, sizeof v->claim_name, "%s",
			 csi_meta(v->claim, "name"));
		volume = csi_get(l, CSI_VOLUME, "",
				 csi_spec(v->claim, "volumeName"));
	}
	/* A volume may wait for a claim that is not there yet. */
	if (!volume && !is_holder)
		volume = csi_next(l, CSI_VOLUME, NULL, "handle %s", p->handle);
	v->volume = volume;
	json_incref((json_t *)v->claim);
	json_incref((json_t *)v->volume);
}

static void look_at_snapshots(struct csi_look *l)
{
	const json_t *spec = json_object_get(l->view->volume, "spec");
	const char *driver = json_text_at(json_object_get(spec, "csi"),
					  "driver");
	const json_t *class = csi_next(l, CSI_SNAPSHOT_CLASS, NULL,
				       "driver %s", driver);

	l->view->can_snapshot = class && has_news(l->site, CSI_SNAPSHOT);
	snprintf(l->view->snapshot_class, sizeof l->view->snapshot_class, "%s",
		 class ? csi_meta(class, "name") : "");
}

void csi_view_doubt(const struct csi_pair *p, int end, struct csi_view *v)
{
	const struct csi_trouble *t = &p->trouble[end];
	enum reach reach = csi_trouble_reach(p->site[end]->csi, t);

	if (!csi_outweighs(reach, v->reach))
		return;
	v->reach = reach;
	memcpy(v->why, t->why, sizeof v->why);
}

void csi_view_fill(struct csi_pair *p, int end, struct csi_view *v)
{
	struct csi_look l = {.site = p->site[end], .pair = p, .view = v};
	const struct csi *csi = p->site[end]->csi;

	*v = (struct csi_view){
		.cluster = p->site[end]->name,
		.now = clock_wall(),
		.known_time = p->known_time[end],
		.was_incomplete = p->was_incomplete[end],
	};
	csi_site_stamp(p->site[end], v);
	if (!p->site[end]->kube)
		return;
	find_claim(&l, end == p->holder);
	look_at_snapshots(&l);
	v->in_use = has_news(l.site, CSI_POD) &&
				    has_news(l.site, CSI_ATTACHMENT)
			    ? TRI_NO
			    : TRI_UNKNOWN;
	look_at_use(&l, v->namespace, v->claim_name,
		    csi_meta(v->volume, "name"));
	csi->product->gather(&l);
	if (v->in_use == TRI_YES)
		p->used_at[end] = v->now;
	v->used_at = p->used_at[end];
	csi_note_stand(&p->stand[end], v);
}

void csi_view_finish(struct csi_view *v)
{
	unsigned i;

	json_decref((json_t *)v->claim);
	json_decref((json_t *)v->volume);
	for (i = 0; i < CSI_PARTS_MAX; i++)
		json_decref((json_t *)v->part[i].object);
	*v = (struct csi_view){0};
}

void csi_view_release(struct csi *csi, struct csi_view *v)
{
	pthread_mutex_lock(&csi->lock);
	csi_view_finish(v);
	pthread_mutex_unlock(&csi->lock);
}

void csi_judge(const struct csi *csi, const struct csi_view *here,
	       const struct csi_view *peer, struct observation *o)
{
	const struct csi_view *views[2] = {here, peer};
	struct side *sides[2] = {&o->here, &o->peer};
	int i;

	*o = (struct observation){0};
	for (i = 0; i < 2; i++) {
		*sides[i] = (struct side){
			.reach = views[i]->reach,
			.progress = -1,
		};
		memcpy(sides[i]->why, views[i]->why, sizeof sides[i]->why);
		if (views[i]->reach != REACH_OK)
			continue;
		sides[i]->in_use = views[i]->in_use;
		memcpy(sides[i]->in_use_by, views[i]->in_use_by,
		       sizeof sides[i]->in_use_by);
	}
	memcpy(o->group, here->group, sizeof o->group);
	memcpy(o->strangers, here->strangers, sizeof o->strangers);
	csi->product->judge(here, peer, o);
	for (i = 0; i < 2; i++) {
		text_clip(sides[i]->native);
		text_clip(sides[i]->why);
	}
}

/* ---- for products ---- */

struct csi_view *csi_look_view(struct csi_look *l)
{
	return l->view;
}

void csi_take(struct csi_look *l, unsigned part, int kind, const json_t *object)
{
	json_decref((json_t *)l->view->part[part].object);
	l->view->part[part] = (struct csi_part){
		.kind = kind,
		.object = json_incref((json_t *)object),
	};
}

static void add_member(struct csi_look *l, const char *namespace,
		       const char *name, const char *volume)
{
	struct csi_view *v = l->view;
	size_t len = strlen(v->strangers);

	v->member_count++;
	look_at_use(l, namespace, name, volume);
	if (csi_has_replication(l->site, namespace, name))
		return;
	/* One that no claim may have is called by its own name. */
	snprintf(v->strangers + len, sizeof v->strangers - len, "%s%s%s%s",
		 len ? ", " : "", namespace, *namespace ? "/" : "",
		 *namespace ? name : volume);
}

static const json_t *claim_of(const json_t *volume)
{
	return json_object_get(json_object_get(volume, "spec"), "claimRef");
}

/* The volumes move, whether there are claims for all of them, some or none. */
static void add_volumes(struct csi_look *l, const char *topic)
{
	const json_t *volume = NULL, *ref;

	while ((volume = csi_next(l, CSI_VOLUME, volume, "%s", topic))) {
		ref = claim_of(volume);
		add_member(l, json_text_at(ref, "namespace"),
			   json_text_at(ref, "name"), csi_meta(volume, "name"));
	}
}

/* Its volume is in the group, and reserved for it. */
static bool is_added(struct csi_look *l, const json_t *claim,
		     const char *topic)
{
	const json_t *volume = csi_get(l, CSI_VOLUME, "",
				       csi_spec(claim, "volumeName"));
	const json_t *ref = claim_of(volume);
	char its[600];

	snprintf(its, sizeof its, "group %s", csi_label(volume, CSI_RG_LABEL));
	return strcmp(its, topic) == 0 &&
	       strcmp(json_text_at(ref, "namespace"),
		      csi_meta(claim, "namespace")) == 0 &&
	       strcmp(json_text_at(ref, "name"), csi_meta(claim, "name")) == 0;
}

static void add_claims(struct csi_look *l, const char *topic)
{
	const json_t *claim = NULL;

	while ((claim = csi_next(l, CSI_CLAIM, claim, "%s", topic)))
		if (!is_added(l, claim, topic))
			add_member(l, csi_meta(claim, "namespace"),
				   csi_meta(claim, "name"),
				   csi_spec(claim, "volumeName"));
}

void csi_take_group(struct csi_look *l, const char *group,
		    const char *topic_fmt, ...)
{
	struct csi_view *v = l->view;
	char topic[600];
	va_list ap;

	va_start(ap, topic_fmt);
	vsnprintf(topic, sizeof topic, topic_fmt, ap);
	va_end(ap);
	add_volumes(l, topic);
	add_claims(l, topic);
	if (v->member_count > 1)
		snprintf(v->group, sizeof v->group, "%s", group);
	else
		*v->strangers = '\0';
}
