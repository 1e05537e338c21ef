/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a product of csi*.c stands on, without threads and networks: two clusters
 * whose objects are JSON in memory, with the API server's rules that matter
 * (resourceVersion, generation, uid, merge patches).  Times are fake_now.
 */
#ifndef UVRFS_FAKE_CSI_H
#define UVRFS_FAKE_CSI_H

#include "csi_product.h"
#include "text.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Check's, which nobody uses. */
#undef fail

#define FAKE_START 1790000000000

/* What makes a view, besides the objects. */
struct fake_site {
	enum reach reach;
	enum tri in_use;
	int64_t used_at;		/* the last look that saw it in use */
	struct csi_stand stand;
	bool no_claim;
	bool no_snapshots;
	json_t *objects;		/* of all kinds, each with "_kind" */
};

static struct fake_site fake_sites[2];
static int64_t fake_now;
static const struct csi_kind *fake_kinds;	/* the product's */
static int fake_uid, fake_version;
static bool fake_told;
static int fake_refuse;			/* the next call fails so */
static char fake_log[16384];		/* what was called, a line each */
static json_t *fake_claim;

struct csi_topics {
	char text[8][400];
	unsigned count;
};

struct csi_look {
	int site;
	struct csi_view *view;
};

/* The private part of a call: nothing of it is looked at. */
struct csi_private {
	int unused;
};

static const char *fake_stamp(char out[static TIME_TEXT_MAX])
{
	return time_text(fake_now, out);
}

static inline void fake_setup(void)
{
	int i;

	fake_now = FAKE_START;
	fake_uid = fake_version = 0;
	fake_told = false;
	fake_refuse = 0;
	*fake_log = '\0';
	fake_claim = json_pack("{s:{s:s}}", "metadata", "creationTimestamp",
			       "2026-01-01T00:00:00Z");
	for (i = 0; i < 2; i++)
		fake_sites[i] = (struct fake_site){
			.reach = REACH_OK,
			.in_use = TRI_NO,
			.objects = json_array(),
		};
}

static inline void fake_teardown(void)
{
	int i;

	json_decref(fake_claim);
	for (i = 0; i < 2; i++)
		json_decref(fake_sites[i].objects);
}

static inline void fake_note(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static inline void fake_note(const char *fmt, ...)
{
	size_t len = strlen(fake_log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake_log + len, sizeof fake_log - len, fmt, ap);
	va_end(ap);
}

/* ---- objects ---- */

static inline json_t *fake_meta(json_t *object)
{
	return json_object_get(object, "metadata");
}

static inline void fake_renew(json_t *object)
{
	char text[24];

	snprintf(text, sizeof text, "%d", ++fake_version);
	json_object_set_new(fake_meta(object), "resourceVersion",
			    json_string(text));
}

static inline json_t *fake_find(int site, int kind, const char *name)
{
	json_t *o;
	size_t i;

	json_array_foreach(fake_sites[site].objects, i, o)
		if (json_integer_value(json_object_get(o, "_kind")) == kind &&
		    (!name || strcmp(csi_meta(o, "name"), name) == 0))
			return o;
	return NULL;
}

/* Takes @object over; it gets what the API server gives. */
static inline json_t *fake_add(int site, int kind, json_t *object)
{
	char uid[16], stamp[TIME_TEXT_MAX];
	json_t *meta = fake_meta(object);

	ck_assert_ptr_nonnull(meta);
	snprintf(uid, sizeof uid, "u%d", ++fake_uid);
	json_object_set_new(object, "_kind", json_integer(kind));
	json_object_set_new(meta, "uid", json_string(uid));
	json_object_set_new(meta, "namespace", json_string("ns"));
	json_object_set_new(meta, "generation", json_integer(1));
	if (!json_object_get(meta, "creationTimestamp"))
		json_object_set_new(meta, "creationTimestamp",
				    json_string(fake_stamp(stamp)));
	fake_renew(object);
	json_array_append_new(fake_sites[site].objects, object);
	return object;
}

static inline json_t *fake_parse(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	ck_assert_msg(j, "%s: %s", e.text, text);
	return j;
}

/* RFC 7386. */
static inline void fake_merge(json_t *to, json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach(patch, key, value) {
		if (json_is_null(value)) {
			json_object_del(to, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(json_object_get(to, key)))
				json_object_set_new(to, key, json_object());
			fake_merge(json_object_get(to, key), value);
		} else {
			json_object_set_new(to, key, json_deep_copy(value));
		}
	}
}

/* As somebody would patch it by hand. */
static inline void fake_change(json_t *object, json_t *patch)
{
	json_t *before = json_deep_copy(json_object_get(object, "spec"));
	json_t *meta = fake_meta(object);

	fake_merge(object, patch);
	if (!json_equal(before, json_object_get(object, "spec")))
		json_object_set_new(meta, "generation",
				    json_integer(csi_generation(object) + 1));
	json_decref(before);
	fake_renew(object);
}

static inline void fake_edit(json_t *object, const char *text)
{
	json_t *patch = fake_parse(text);

	fake_change(object, patch);
	json_decref(patch);
}

static inline void fake_remove(int site, const json_t *object)
{
	json_t *o;
	size_t i;

	json_array_foreach(fake_sites[site].objects, i, o)
		if (o == object) {
			json_array_remove(fake_sites[site].objects, i);
			return;
		}
}

/* ---- looking ---- */

void csi_topic(struct csi_topics *t, const char *fmt, ...)
{
	va_list ap;

	ck_assert_uint_lt(t->count, 8);
	va_start(ap, fmt);
	vsnprintf(t->text[t->count++], sizeof *t->text, fmt, ap);
	va_end(ap);
}

static inline bool fake_has_topic(const json_t *o, int kind, const char *topic)
{
	struct csi_topics t = {.count = 0};
	unsigned i;

	if (kind == CSI_SNAPSHOT)
		csi_topic(&t, "claim %s/%s", csi_meta(o, "namespace"),
			  json_string_value(json_object_get(
				  json_object_get(json_object_get(o, "spec"),
						  "source"),
				  "persistentVolumeClaimName")));
	else if (kind >= CSI_COMMON && fake_kinds)
		fake_kinds[kind - CSI_COMMON].topics(o, &t);
	for (i = 0; i < t.count; i++)
		if (strcmp(t.text[i], topic) == 0)
			return true;
	return false;
}

const json_t *csi_get(struct csi_look *l, int kind, const char *namespace,
		      const char *name)
{
	(void)namespace;
	return fake_find(l->site, kind, name);
}

const json_t *csi_next(struct csi_look *l, int kind, const json_t *after,
		       const char *topic_fmt, ...)
{
	const json_t *o, *next = NULL;
	char topic[400];
	va_list ap;
	size_t i;

	va_start(ap, topic_fmt);
	vsnprintf(topic, sizeof topic, topic_fmt, ap);
	va_end(ap);
	json_array_foreach(fake_sites[l->site].objects, i, o)
		if (json_integer_value(json_object_get(o, "_kind")) == kind &&
		    fake_has_topic(o, kind, topic) &&
		    (!after || strcmp(csi_meta(o, "name"),
				      csi_meta(after, "name")) > 0) &&
		    (!next || strcmp(csi_meta(o, "name"),
				     csi_meta(next, "name")) < 0))
			next = o;
	return next;
}

void csi_take(struct csi_look *l, unsigned part, int kind, const json_t *object)
{
	struct csi_part *p = &l->view->part[part];

	json_decref((json_t *)p->object);
	*p = (struct csi_part){kind, json_deep_copy(object)};
}

struct csi_view *csi_look_view(struct csi_look *l)
{
	return l->view;
}

void csi_take_group(struct csi_look *l, const char *group,
		    const char *topic_fmt, ...)
{
	(void)l, (void)group, (void)topic_fmt;
}

/* @gather may be NULL. */
static inline void fake_look(int site, void (*gather)(struct csi_look *),
			     struct csi_view *v)
{
	struct fake_site *s = &fake_sites[site];
	struct csi_look l = {site, v};

	if (s->in_use == TRI_YES)
		s->used_at = fake_now;

	*v = (struct csi_view){
		.cluster = site ? "site-b" : "site-a",
		.reach = s->reach,
		.now = fake_now,
		.namespace = "ns",
		.claim_name = "db",
		.claim = s->no_claim ? NULL : fake_claim,
		.in_use = s->in_use,
		.used_at = s->used_at,
		.can_snapshot = !s->no_snapshots,
		.snapshot_class = "netapp",
	};
	if (s->in_use == TRI_YES)
		snprintf(v->in_use_by, sizeof v->in_use_by, "pod ns/app on n1");
	if (gather)
		gather(&l);
	csi_note_stand(&s->stand, v);
}

static inline void fake_forget(struct csi_view *v)
{
	unsigned i;

	for (i = 0; i < CSI_PARTS_MAX; i++)
		json_decref((json_t *)v->part[i].object);
}

/* ---- writing ---- */

static inline int fake_site_of(const struct csi_view *v)
{
	return v->cluster[5] - 'a';
}

static inline bool fake_refuses(struct error *err)
{
	int rc = fake_refuse;

	fake_refuse = 0;
	return rc && fail(err, -rc, "refused") < 0;
}

static inline void fake_sign(const struct csi_call *c, json_t *body)
{
	json_t *meta = fake_meta(body), *notes;
	char text[20];

	if (!meta) {
		json_object_set_new(body, "metadata", json_object());
		meta = fake_meta(body);
	}
	if (!json_object_get(meta, "annotations"))
		json_object_set_new(meta, "annotations", json_object());
	notes = json_object_get(meta, "annotations");
	snprintf(text, sizeof text, "%016" PRIx64, c->order->serial);
	json_object_set_new(notes, "uvrfs/serial", json_string(text));
	snprintf(text, sizeof text, "%016" PRIx64, c->order->request);
	json_object_set_new(notes, "uvrfs/request", json_string(text));
}

int csi_patch(struct csi_call *c, const struct csi_view *view, unsigned part,
	      json_t *body, struct error *err)
{
	const struct csi_part *p = &view->part[part];
	int site = fake_site_of(view);
	json_t *o = fake_find(site, p->kind, csi_meta(p->object, "name"));

	ck_assert_ptr_nonnull(body);
	if (fake_refuses(err)) {
		json_decref(body);
		return -err->code;
	}
	if (!o || strcmp(csi_meta(o, "resourceVersion"),
			 csi_meta(p->object, "resourceVersion")) != 0) {
		json_decref(body);
		return fail(err, EAGAIN, "somebody else changed it");
	}
	fake_note("%c patch %s%s%s\n", 'a' + site, csi_meta(o, "name"),
		  json_object_get(body, "spec") ? " to " : "",
		  json_object_get(body, "spec") ? csi_spec(body, "state") : "");
	fake_sign(c, body);
	fake_change(o, body);
	json_decref(body);
	return 0;
}

int csi_create(struct csi_call *c, const struct csi_view *view, int kind,
	       json_t *body, struct error *err)
{
	int site = fake_site_of(view);
	json_t *labels;

	ck_assert_ptr_nonnull(body);
	if (fake_refuses(err)) {
		json_decref(body);
		return -err->code;
	}
	if (fake_find(site, kind, csi_meta(body, "name"))) {
		json_decref(body);
		return fail(err, EEXIST, "there is one");
	}
	fake_sign(c, body);
	if (!json_object_get(fake_meta(body), "labels"))
		json_object_set_new(fake_meta(body), "labels", json_object());
	labels = json_object_get(fake_meta(body), "labels");
	json_object_set_new(labels, "app.kubernetes.io/managed-by",
			    json_string("uvrfs"));
	ck_assert(*json_string_value(json_object_get(body, "apiVersion")));
	fake_note("%c create %s\n", 'a' + site,
		  json_string_value(json_object_get(body, "kind")));
	fake_add(site, kind, body);
	return 0;
}

int csi_delete(struct csi_call *c, const struct csi_view *view, int kind,
	       const json_t *object, struct error *err)
{
	int site = fake_site_of(view);
	json_t *o = fake_find(site, kind, csi_meta(object, "name"));

	(void)c;
	if (fake_refuses(err))
		return -err->code;
	fake_note("%c delete %s\n", 'a' + site,
		  json_string_value(json_object_get(object, "kind")));
	if (o && strcmp(csi_meta(o, "uid"), csi_meta(object, "uid")) == 0)
		fake_remove(site, o);
	return 0;
}

static inline bool fake_carries(const json_t *object, const char *key,
				uint64_t number)
{
	char text[20];

	snprintf(text, sizeof text, "%016" PRIx64, number);
	return strcmp(csi_annotation(object, key), text) == 0;
}

bool csi_is_of_act(const struct csi_call *c, const json_t *object)
{
	return fake_carries(object, "uvrfs/serial", c->order->serial);
}

bool csi_is_of_request(const struct csi_call *c, const json_t *object)
{
	return fake_carries(object, "uvrfs/request", c->order->request);
}

bool csi_was_told(struct csi_call *c)
{
	bool told = fake_told;

	(void)c;
	fake_told = true;
	return told;
}

#endif
