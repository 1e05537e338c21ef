/* SPDX-License-Identifier: Apache-2.0 */
/* Backends over Kubernetes objects: the table of operations, pairs, the end. */
#include "csi_model.h"

#include "thread.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct csi_product *const products[] = {
	&csi_ceph, &csi_trident, &csi_powerstore,
};

const char *csi_type(size_t index)
{
	return index < sizeof products / sizeof *products
		       ? products[index]->type
		       : NULL;
}

static const struct csi_product *find_product(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof products / sizeof *products; i++)
		if (strcmp(products[i]->type, type) == 0)
			return products[i];
	return NULL;
}

bool csi_is_type(const char *type)
{
	return find_product(type);
}

/* ---- clusters ---- */

static struct csi_site *site_add(struct csi *csi, const char *name)
{
	struct csi_site *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->csi = csi;
	s->name = strdup(name);
	if (!s->name) {
		free(s);
		return NULL;
	}
	s->next = csi->sites;
	csi->sites = s;
	return s;
}

/* One that is not configured is there to say so. */
static struct csi_site *site_find(struct csi *csi, const char *name)
{
	struct csi_site *s;

	for (s = csi->sites; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return site_add(csi, name);
}

/* ---- pairs ---- */

static int compare(const void *a, const void *b)
{
	const struct csi_pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static struct csi_pair *pair_by_key(struct csi *csi, const char *key)
{
	struct csi_pair probe = {.key = (char *)key};
	struct csi_pair **node = tfind(&probe, &csi->by_key, compare);

	return node ? *node : NULL;
}

int csi_end_of(const struct csi_pair *p, const char *cluster)
{
	return strcmp(p->site[0]->name, cluster) != 0;
}

/* The claim of the manifest's source and both clusters, whichever is here. */
static void csi_key_of(struct backend *b, const struct target *t,
		       char key[static BACKEND_KEY_MAX])
{
	bool here = !t->here_is_destination;

	snprintf(key, BACKEND_KEY_MAX, "%s %s %s/%s", here ? t->here : t->peer,
		 here ? t->peer : t->here, t->spec->pvc_namespace,
		 t->spec->pvc_name);
}

static void pair_free(struct csi_pair *p)
{
	pthread_mutex_destroy(&p->calls);
	sight_unref(p->told);
	free(p->key);
	free(p->claim_namespace);
	free(p->claim_name);
	free(p->volume_namespace);
	free(p->handle);
	free(p->asked);
	free(p);
}

static bool set_names(struct csi_pair *p, const struct spec *spec,
		      const char *key)
{
	p->key = strdup(key);
	p->claim_namespace = strdup(spec->pvc_namespace);
	p->claim_name = strdup(spec->pvc_name);
	p->volume_namespace = strdup(spec->volume_namespace);
	p->handle = strdup(spec->volume_handle);
	return p->key && p->claim_namespace && p->claim_name &&
	       p->volume_namespace && p->handle;
}

static struct csi_pair *pair_new(struct csi *csi, const struct target *t,
				 const char *key)
{
	bool sorted = strcmp(t->here, t->peer) <= 0;
	struct csi_pair *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	pthread_mutex_init(&p->calls, NULL);
	p->site[0] = site_find(csi, sorted ? t->here : t->peer);
	p->site[1] = site_find(csi, sorted ? t->peer : t->here);
	if (!p->site[0] || !p->site[1] || !set_names(p, t->spec, key) ||
	    !tsearch(p, &csi->by_key, compare)) {
		pair_free(p);
		return NULL;
	}
	p->holder = csi_end_of(p, t->here_is_destination ? t->peer : t->here);
	p->next = csi->pairs;
	csi->pairs = p;
	return p;
}

struct csi_pair *csi_pair_of(struct csi *csi, const struct target *t)
{
	char key[BACKEND_KEY_MAX];
	struct csi_pair *p;

	csi_key_of(&csi->backend, t, key);
	pthread_mutex_lock(&csi->lock);
	p = pair_by_key(csi, key);
	if (!p)
		p = pair_new(csi, t, key);
	pthread_mutex_unlock(&csi->lock);
	return p;
}

/* ---- operations ---- */

static int csi_check(struct backend *b, const struct spec *spec,
		     struct error *err)
{
	const struct csi_product *product = ((struct csi *)b)->product;

	if (strcmp(spec->source.cluster, spec->destination.cluster) == 0)
		return fail(err, EINVAL, "sourceEndpoint.cluster and "
			    "destinationEndpoint.cluster are the same: %s "
			    "replicates between two clusters", product->type);
	return product->check ? product->check(spec, err) : 0;
}

/* With the lock held: the other members of its group see one more, or less. */
static void touch(struct csi_pair *p)
{
	char key[320];

	snprintf(key, sizeof key, "%s/%s", p->claim_namespace, p->claim_name);
	csi_touch(p->site[p->holder], key);
	snprintf(key, sizeof key, "%s/%s", p->volume_namespace, p->claim_name);
	csi_touch(p->site[1 - p->holder], key);
}

static int csi_track(struct backend *b, const struct target *t,
		     struct error *err)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p = csi_pair_of(csi, t);

	if (!p)
		return fail(err, ENOMEM, "no memory for a pair of volumes");
	pthread_mutex_lock(&csi->lock);
	p->tracked = p->anew = true;
	p->here = csi_end_of(p, t->here);
	if (t->data_time > p->known_time[p->here])
		p->known_time[p->here] = t->data_time;
	csi_bring_up(p);
	touch(p);
	pthread_mutex_unlock(&csi->lock);
	return 0;
}

static void csi_untrack(struct backend *b, const char *key)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p;

	pthread_mutex_lock(&csi->lock);
	p = pair_by_key(csi, key);
	if (p) {
		p->tracked = false;
		csi_begin_asking(p);
		csi_end_asking(p);
		touch(p);
	}
	pthread_mutex_unlock(&csi->lock);
}

static int csi_start(struct backend *b, struct sink *sink, struct error *err)
{
	struct csi *csi = (struct csi *)b;
	struct csi_site *s;
	int rc;

	csi->sink = sink;
	rc = thread_start(&csi->judge, csi_judge_main, csi);
	csi->has_judge = rc == 0;
	if (rc)
		return fail(err, rc, "no thread for %s", csi->name);
	for (s = csi->sites; s; s = s->next)
		if (csi_site_start(s, err) < 0)
			return -err->code;
	return 0;
}

static void csi_stop(struct backend *b)
{
	struct csi *csi = (struct csi *)b;
	struct csi_site *s;

	pthread_mutex_lock(&csi->lock);
	csi->stopping = true;
	pthread_cond_broadcast(&csi->wake);
	pthread_mutex_unlock(&csi->lock);
	for (s = csi->sites; s; s = s->next)
		csi_site_stop(s);
	if (csi->has_judge)
		pthread_join(csi->judge, NULL);
	csi->has_judge = false;
}

static void nothing(void *p)
{
}

static void csi_free(struct backend *b)
{
	struct csi *csi = (struct csi *)b;
	struct csi_pair *p;
	struct csi_site *s;

	csi_stop(b);
	tdestroy(csi->by_key, nothing);
	while ((s = csi->sites)) {
		csi->sites = s->next;
		csi_site_free(s);
	}
	while ((p = csi->pairs)) {
		csi->pairs = p->next;
		pair_free(p);
	}
	pthread_cond_destroy(&csi->wake);
	pthread_mutex_destroy(&csi->lock);
	free(csi->name);
	free(csi);
}

static void csi_watches(struct backend *b, struct watch_visitor *v)
{
	struct csi *csi = (struct csi *)b;
	struct csi_site *s;
	int i;

	pthread_mutex_lock(&csi->lock);
	for (s = csi->sites; s; s = s->next)
		for (i = 0; i < CSI_KINDS_MAX; i++)
			kube_reflector_tell(s->watches[i].reflector, s->name, v);
	pthread_mutex_unlock(&csi->lock);
}

static void set_ops(struct csi *csi)
{
	csi->ops = (struct backend_ops){
		.type = csi->product->type,
		.capabilities = csi->product->capabilities,
		.check = csi_check,
		.start = csi_start,
		.stop = csi_stop,
		.free = csi_free,
		.key = csi_key_of,
		.track = csi_track,
		.untrack = csi_untrack,
		.describe = csi_describe,
		.available = csi_available,
		.version = csi_version,
		.watches = csi_watches,
		.volume = csi_volume,
		.act = csi_act,
		.observe = csi_observe,
	};
	csi->backend = (struct backend){&csi->ops, csi->name};
}

static struct csi *make(const struct csi_product *product, const char *name)
{
	struct csi *csi = calloc(1, sizeof *csi);

	if (!csi)
		return NULL;
	pthread_mutex_init(&csi->lock, NULL);
	clock_cond_init(&csi->wake);
	csi->product = product;
	csi->dirty_end = &csi->dirty;
	csi->name = strdup(name);
	set_ops(csi);
	return csi;
}

struct backend *csi_new(const char *type, const char *name,
			struct csi_access *sites, size_t count, int silent_ms,
			struct error *err)
{
	struct csi *csi = make(find_product(type), name);
	bool ok = csi && csi->name;
	struct csi_site *s;
	size_t i;

	for (i = 0; i < count; i++) {
		s = ok ? site_add(csi, sites[i].cluster) : NULL;
		if (s)
			s->access = sites[i].access;
		else
			kube_access_finish(&sites[i].access);
		ok = s;
	}
	if (ok) {
		csi->silent_ms = silent_ms;
		return &csi->backend;
	}
	if (csi)
		csi_free(&csi->backend);
	fail(err, ENOMEM, "no memory for the clusters of %s", name);
	return NULL;
}
