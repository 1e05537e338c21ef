/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, volumes and attachments of a cluster, in three small tables. */
#include "kube_volumes.h"

#include "emit.h"
#include "json_parts.h"
#include "kube_reflect.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { CLAIM, VOLUME, ATTACHMENT, KINDS };

/* What is kept of an object. */
struct row {
	char *key;		/* NAMESPACE/NAME */
	char *phase;		/* of an attachment: "true" when it is */
	char *other;		/* of a claim its volume, of a volume its claim
				   (NAMESPACE/NAME), of an attachment the
				   volume */
	char *node;		/* of an attachment */
};

struct table {
	struct kube_listener listener;	/* first: they are cast */
	struct kube_volumes *volumes;
	enum kind kind;
	struct kube_reflector *reflector;
	void *rows;		/* tsearch by key; */
	void *uses;		/* of attachments, by volume and attached */
	bool listed;
	char why[200];		/* "" when it is up to date */
};

struct kube_volumes {
	pthread_mutex_t lock;	/* protects the tables */
	struct volumes_listener *listener;
	struct table tables[KINDS];
};

static const char *const paths[KINDS] = {
	[CLAIM] = "/api/v1/persistentvolumeclaims",
	[VOLUME] = "/api/v1/persistentvolumes",
	[ATTACHMENT] = "/apis/storage.k8s.io/v1/volumeattachments",
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key,
		      ((const struct row *)b)->key);
}

/* All of a volume that are attached, or are not, stand side by side. */
static int compare_side(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->other, y->other);

	return order ? order : !*x->phase - !*y->phase;
}

static int compare_uses(const void *a, const void *b)
{
	int order = compare_side(a, b);

	return order ? order : compare(a, b);
}

static void row_free(void *p)
{
	struct row *r = p;

	free(r->key);
	free(r->phase);
	free(r->other);
	free(r->node);
	free(r);
}

static struct row *row_find(const struct table *t, const char *key)
{
	struct row probe = {.key = (char *)key};
	struct row **node = tfind(&probe, &t->rows, compare);

	return node ? *node : NULL;
}

static void row_remove(struct table *t, struct row *r)
{
	tdelete(r, &t->rows, compare);
	if (t->kind == ATTACHMENT)
		tdelete(r, &t->uses, compare_uses);
	row_free(r);
}

/* Takes @r over, whether or not there is memory for it. */
static bool row_add(struct table *t, struct row *r)
{
	if (tsearch(r, &t->rows, compare) &&
	    (t->kind != ATTACHMENT || tsearch(r, &t->uses, compare_uses)))
		return true;
	row_remove(t, r);
	return false;
}

/* ---- what a watch tells ---- */

static char *join(const char *namespace, const char *name)
{
	char *key = NULL;

	return asprintf(&key, "%s/%s", namespace, name) < 0 ? NULL : key;
}

static void fill_row(struct row *r, enum kind kind, const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec");
	const json_t *status = json_object_get(object, "status");
	const json_t *claim = json_object_get(spec, "claimRef");

	switch (kind) {
	case CLAIM:
		r->phase = strdup(json_text_at(status, "phase"));
		r->other = strdup(json_text_at(spec, "volumeName"));
		break;
	case VOLUME:
		r->phase = strdup(json_text_at(status, "phase"));
		r->other = join(json_text_at(claim, "namespace"),
				json_text_at(claim, "name"));
		break;
	case ATTACHMENT:
		r->phase = strdup(json_is_true(json_object_get(status,
							       "attached"))
					  ? "true"
					  : "");
		r->other = strdup(json_text_at(json_object_get(spec, "source"),
					  "persistentVolumeName"));
		r->node = strdup(json_text_at(spec, "nodeName"));
		break;
	case KINDS:
		break;
	}
}

static struct row *make_row(enum kind kind, const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	struct row *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->key = join(json_text_at(meta, "namespace"), json_text_at(meta, "name"));
	fill_row(r, kind, object);
	if (!r->key || !r->phase || !r->other ||
	    (kind == ATTACHMENT && !r->node)) {
		row_free(r);
		return NULL;
	}
	return r;
}

static bool same(const struct row *a, const struct row *b)
{
	return strcmp(a->phase, b->phase) == 0 &&
	       strcmp(a->other, b->other) == 0 &&
	       strcmp(a->node ? a->node : "", b->node ? b->node : "") == 0;
}

/* The claim that a row is about, NAMESPACE/NAME; with the lock held. */
static char *claim_of(const struct kube_volumes *v, enum kind kind,
		      const struct row *r)
{
	const struct row *volume = r;
	char key[300];

	if (kind == CLAIM)
		return strdup(r->key);
	if (kind == ATTACHMENT) {
		snprintf(key, sizeof key, "/%s", r->other);
		volume = row_find(&v->tables[VOLUME], key);
	}
	return volume ? strdup(volume->other) : NULL;
}

static void tell(struct kube_volumes *v, char *claim)
{
	char *slash = claim ? strchr(claim, '/') : NULL;

	if (slash) {
		*slash = '\0';
		v->listener->changed(v->listener, claim, slash + 1);
	}
	free(claim);
}

static void seen(struct kube_listener *l, const json_t *object, int64_t as_of)
{
	struct table *t = (struct table *)l;
	struct kube_volumes *v = t->volumes;
	struct row *r = make_row(t->kind, object), *old;
	char *claim = NULL;

	if (!r)
		return;
	pthread_mutex_lock(&v->lock);
	old = row_find(t, r->key);
	if (old && same(old, r)) {
		row_free(r);
	} else {
		if (old)
			row_remove(t, old);
		if (row_add(t, r))
			claim = claim_of(v, t->kind, r);
	}
	pthread_mutex_unlock(&v->lock);
	tell(v, claim);
}

static void gone(struct kube_listener *l, const char *namespace,
		 const char *name, const char *uid)
{
	struct table *t = (struct table *)l;
	struct kube_volumes *v = t->volumes;
	char *key = join(namespace, name), *claim = NULL;
	struct row *r;

	pthread_mutex_lock(&v->lock);
	r = key ? row_find(t, key) : NULL;
	if (r) {
		claim = claim_of(v, t->kind, r);
		row_remove(t, r);
	}
	pthread_mutex_unlock(&v->lock);
	free(key);
	tell(v, claim);
}

static void listed(struct kube_listener *l)
{
	struct table *t = (struct table *)l;

	pthread_mutex_lock(&t->volumes->lock);
	t->listed = true;
	pthread_mutex_unlock(&t->volumes->lock);
}

static void reached(struct kube_listener *l, int rc, const char *why)
{
	struct table *t = (struct table *)l;

	pthread_mutex_lock(&t->volumes->lock);
	snprintf(t->why, sizeof t->why, "%s", why);
	pthread_mutex_unlock(&t->volumes->lock);
}

/* ---- what is asked ---- */

/* Why nothing is known of this kind, NULL when all is. */
static const char *silence(const struct table *t)
{
	return *t->why ? t->why : t->listed ? NULL : "it was not told yet";
}

static void describe_use(const struct kube_volumes *v, const char *volume,
			 int depth, struct buf *out)
{
	const struct table *t = &v->tables[ATTACHMENT];
	struct row probe = {.other = (char *)volume, .phase = (char[]){"true"}};
	struct row **found;

	if (silence(t)) {
		emit_str(out, depth, "attachedUnknown", silence(t));
		return;
	}
	found = tfind(&probe, &t->uses, compare_side);
	emit_str(out, depth, "attachedTo", found ? (*found)->node : "");
}

static void describe_volume(const struct kube_volumes *v, const char *name,
			    int depth, struct buf *out)
{
	const struct table *t = &v->tables[VOLUME];
	const struct row *volume;
	char key[300];

	snprintf(key, sizeof key, "/%s", name);
	volume = row_find(t, key);
	emit_str(out, depth, "volume", name);
	if (silence(t))
		emit_str(out, depth, "volumeUnknown", silence(t));
	else
		emit_str(out, depth, "volumePhase",
			 volume ? volume->phase : "absent");
	describe_use(v, name, depth, out);
}

void kube_volumes_describe(struct kube_volumes *v, const char *namespace,
			   const char *pvc, int depth, struct buf *out)
{
	const struct table *t = &v->tables[CLAIM];
	char *key = join(namespace, pvc);
	const struct row *claim;

	emit_map(out, depth++, "pvc");
	pthread_mutex_lock(&v->lock);
	claim = key ? row_find(t, key) : NULL;
	if (silence(t))
		emit_str(out, depth, "unknown", silence(t));
	else if (!claim)
		emit_str(out, depth, "phase", "absent");
	else
		emit_str(out, depth, "phase", claim->phase);
	if (claim && *claim->other)
		describe_volume(v, claim->other, depth, out);
	pthread_mutex_unlock(&v->lock);
	free(key);
}

struct kube_volumes *kube_volumes_start(struct kube *k,
					struct volumes_listener *l,
					struct error *err)
{
	struct kube_volumes *v = calloc(1, sizeof *v);
	int i;

	if (!v) {
		fail(err, ENOMEM, "no memory for volumes");
		return NULL;
	}
	pthread_mutex_init(&v->lock, NULL);
	v->listener = l;
	for (i = 0; i < KINDS; i++) {
		struct table *t = &v->tables[i];

		t->listener = (struct kube_listener){
			.seen = seen,
			.gone = gone,
			.listed = listed,
			.reached = reached,
		};
		t->volumes = v;
		t->kind = (enum kind)i;
		t->reflector = kube_reflect(k, paths[i], NULL, &t->listener,
					    err);
		if (t->reflector)
			continue;
		kube_stop(k);
		kube_volumes_free(v);
		return NULL;
	}
	return v;
}

void kube_volumes_watches(const struct kube_volumes *v,
			  struct watch_visitor *visitor)
{
	int i;

	for (i = 0; v && i < KINDS; i++)
		kube_reflector_tell(v->tables[i].reflector, "", visitor);
}

static void keep(void *row)
{
}

void kube_volumes_free(struct kube_volumes *v)
{
	int i;

	if (!v)
		return;
	for (i = 0; i < KINDS; i++)
		kube_reflector_free(v->tables[i].reflector);
	for (i = 0; i < KINDS; i++) {
		tdestroy(v->tables[i].uses, keep);
		tdestroy(v->tables[i].rows, row_free);
	}
	pthread_mutex_destroy(&v->lock);
	free(v);
}
