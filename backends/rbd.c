/* SPDX-License-Identifier: Apache-2.0 */
/* The backend ceph-rbd: its table of operations, what it serves, its end. */
#include "rbd.h"

#include "rbd_handle.h"
#include "rbd_model.h"
#include "text.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without an rpo in the schedule. */
#define PERIOD_MS 60000

struct rbd *rbd_of(struct backend *b)
{
	return (struct rbd *)b;
}

/* ---- clusters ---- */

static void site_free(struct rbd_site *s)
{
	free(s->name);
	free(s->conf);
	free(s->user);
	free(s->keyring);
	free(s);
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static struct rbd_site *site_add(struct rbd *rbd, const struct rbd_access *a)
{
	struct rbd_site *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->rbd = rbd;
	s->name = copy(a->cluster);
	s->conf = copy(a->conf);
	s->user = copy(a->user);
	s->keyring = copy(a->keyring);
	if (!s->name || (a->conf && !s->conf) || (a->user && !s->user) ||
	    (a->keyring && !s->keyring)) {
		site_free(s);
		return NULL;
	}
	s->next = rbd->sites;
	rbd->sites = s;
	return s;
}

struct rbd_site *rbd_site_find(struct rbd *rbd, const char *name)
{
	struct rbd_access nothing = {.cluster = name};
	struct rbd_site *s;

	for (s = rbd->sites; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	/* Not configured: it is there to say so. */
	return site_add(rbd, &nothing);
}

/* ---- pairs of images ---- */

static int compare_pairs(const void *a, const void *b)
{
	const struct rbd_pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int compare_ends(const void *a, const void *b)
{
	const struct rbd_end *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return strcmp(x->pair->path, y->pair->path);
}

struct rbd_end *rbd_end_of_image(struct rbd *rbd, const struct rbd_site *site,
				 const char *path)
{
	struct rbd_pair pair = {.path = (char *)path};
	struct rbd_end probe = {.site = (struct rbd_site *)site, .pair = &pair};
	struct rbd_end **node = tfind(&probe, &rbd->by_image, compare_ends);

	return node ? *node : NULL;
}

int rbd_end_index(const struct rbd_pair *p, const char *cluster)
{
	return strcmp(p->end[0].site->name, cluster) != 0;
}

struct rbd_end *rbd_end_at(struct rbd_pair *p, const struct rbd_site *s)
{
	if (p->end[0].site == s)
		return &p->end[0];
	return p->end[1].site == s ? &p->end[1] : NULL;
}

static void pair_free(struct rbd_pair *p)
{
	pthread_mutex_destroy(&p->calls);
	free(p->key);
	free(p->pool);
	free(p->namespace);
	free(p->image);
	free(p->path);
	free(p);
}

/* The clusters by name, so that a swap and the other site mean the same. */
static void rbd_key(struct backend *b, const struct target *t,
		    char key[static BACKEND_KEY_MAX])
{
	const char *one = t->here, *two = t->peer;

	if (strcmp(one, two) > 0) {
		one = t->peer;
		two = t->here;
	}
	snprintf(key, BACKEND_KEY_MAX, "%s %s %s", one, two,
		 t->spec->volume_handle);
}

static bool set_names(struct rbd_pair *p, const char *handle)
{
	struct rbd_handle h;
	struct error err;

	if (rbd_handle_parse(handle, &h, &err) < 0)
		return false;
	p->pool = strndup(h.pool, h.pool_len);
	p->namespace = strndup(h.namespace, h.namespace_len);
	p->image = strdup(h.image);
	if (!p->pool || !p->namespace || !p->image ||
	    asprintf(&p->path, "%s/%s/%s", p->pool, p->namespace, p->image) < 0)
		p->path = NULL;
	return p->path;
}

static struct rbd_pair *pair_new(struct rbd *rbd, const struct target *t,
				 const char *key)
{
	bool sorted = strcmp(t->here, t->peer) <= 0;
	struct rbd_pair *p = calloc(1, sizeof *p);
	int i;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->calls, NULL);
	p->key = strdup(key);
	p->end[0].site = rbd_site_find(rbd, sorted ? t->here : t->peer);
	p->end[1].site = rbd_site_find(rbd, sorted ? t->peer : t->here);
	if (!p->key || !p->end[0].site || !p->end[1].site ||
	    !set_names(p, t->spec->volume_handle) ||
	    !tsearch(p, &rbd->by_key, compare_pairs)) {
		pair_free(p);
		return NULL;
	}
	for (i = 0; i < 2; i++) {
		p->end[i].pair = p;
		tsearch(&p->end[i], &rbd->by_image, compare_ends);
	}
	p->next = rbd->pairs;
	rbd->pairs = p;
	return p;
}

static struct rbd_pair *pair_by_key(struct rbd *rbd, const char *key)
{
	struct rbd_pair probe = {.key = (char *)key};
	struct rbd_pair **node = tfind(&probe, &rbd->by_key, compare_pairs);

	return node ? *node : NULL;
}

struct rbd_pair *rbd_pair_of(struct rbd *rbd, const struct target *t)
{
	char key[BACKEND_KEY_MAX];
	struct rbd_pair *p;

	rbd_key(&rbd->backend, t, key);
	pthread_mutex_lock(&rbd->lock);
	p = pair_by_key(rbd, key);
	if (!p)
		p = pair_new(rbd, t, key);
	pthread_mutex_unlock(&rbd->lock);
	return p;
}

/* ---- operations ---- */

static int rbd_track(struct backend *b, const struct target *t,
		     struct error *err)
{
	int64_t rpo = t->spec->rpo ? duration_parse(t->spec->rpo) : 0;
	struct rbd *rbd = rbd_of(b);
	struct rbd_pair *p = rbd_pair_of(rbd, t);

	if (!p)
		return fail(err, ENOMEM, "no memory for an image");
	pthread_mutex_lock(&rbd->lock);
	p->tracked = p->anew = true;
	p->here = rbd_end_index(p, t->here);
	p->holds_pvc = !t->here_is_destination;
	p->period = rpo > 0 ? rpo : PERIOD_MS;
	p->end[0].due = p->end[1].due = true;
	pthread_cond_broadcast(&rbd->wake);
	pthread_mutex_unlock(&rbd->lock);
	return 0;
}

static void rbd_untrack(struct backend *b, const char *key)
{
	struct rbd *rbd = rbd_of(b);
	struct rbd_pair *p;
	int i;

	pthread_mutex_lock(&rbd->lock);
	p = pair_by_key(rbd, key);
	/* By the time that somebody tracks it again it is of long ago. */
	for (i = 0; p && i < 2; i++)
		p->end[i].view = (struct rbd_view){0};
	if (p)
		p->tracked = false;
	pthread_mutex_unlock(&rbd->lock);
}

static void rbd_describe(struct backend *b, const struct target *t,
			 enum act act, struct buf *out)
{
	static const char *const lines[ACT_COUNT] = {
		[ACT_CREATE] = "enable",
		[ACT_DEMOTE_PEER] = "demote",
		[ACT_PROMOTE] = "promote",
		[ACT_FORCE_PROMOTE] = "promote --force",
		[ACT_DEMOTE] = "demote",
		[ACT_RESYNC] = "resync",
		[ACT_PROMOTE_PEER] = "promote",
		[ACT_RESYNC_PEER] = "resync",
	};
	const char *cluster = act == ACT_CREATE	     ? t->spec->source.cluster
			      : act_is_at_peer(act) ? t->peer
						    : t->here;

	if (!lines[act])
		return;
	buf_printf(out, "%s: rbd mirror image %s %s%s\n", cluster, lines[act],
		   t->spec->volume_handle,
		   act != ACT_CREATE				  ? ""
		   : t->spec->mirroring == MIRRORING_JOURNAL ? " journal"
							     : " snapshot");
}

static int rbd_check_spec(struct backend *b, const struct spec *spec,
			  struct error *err)
{
	return rbd_check(spec, err);
}

static int rbd_start(struct backend *b, struct sink *sink, struct error *err)
{
	struct rbd *rbd = rbd_of(b);
	struct rbd_site *s;

	rbd->sink = sink;
	for (s = rbd->sites; s; s = s->next) {
		s->has_watcher = !pthread_create(&s->watcher, NULL, watch_main,
						 s);
		s->has_snapper = !pthread_create(&s->snapper, NULL, snap_main,
						 s);
		if (!s->has_watcher || !s->has_snapper)
			return fail(err, EAGAIN, "can't start a thread");
	}
	return 0;
}

/* What is under way ends within a few calls' time, or is left behind. */
static void land_all(struct rbd *rbd)
{
	struct rbd_pair *p;
	bool over;
	int i;

	for (p = rbd->pairs; p; p = p->next) {
		pthread_mutex_lock(&p->calls);
		for (i = 0; i < 2; i++) {
			flight_wait(&p->end[i], 2 * RBD_CALL_MS, &over);
			flight_forsake(&p->end[i]);
		}
		pthread_mutex_unlock(&p->calls);
	}
}

static void rbd_stop(struct backend *b)
{
	struct rbd *rbd = rbd_of(b);
	struct rbd_site *s;

	pthread_mutex_lock(&rbd->lock);
	rbd->stopping = true;
	pthread_cond_broadcast(&rbd->wake);
	pthread_mutex_unlock(&rbd->lock);
	for (s = rbd->sites; s; s = s->next) {
		if (s->has_watcher)
			pthread_join(s->watcher, NULL);
		if (s->has_snapper)
			pthread_join(s->snapper, NULL);
		s->has_watcher = s->has_snapper = false;
	}
}

static void nothing(void *p)
{
}

static void rbd_free(struct backend *b)
{
	struct rbd *rbd = rbd_of(b);
	struct rbd_site *s;
	struct rbd_pair *p;

	rbd_stop(b);
	land_all(rbd);
	tdestroy(rbd->by_key, nothing);
	tdestroy(rbd->by_image, nothing);
	while ((p = rbd->pairs)) {
		rbd->pairs = p->next;
		pair_free(p);
	}
	while ((s = rbd->sites)) {
		rbd->sites = s->next;
		conn_unref(s->conn);
		site_free(s);
	}
	pthread_cond_destroy(&rbd->wake);
	pthread_mutex_destroy(&rbd->lock);
	free(rbd->name);
	free(rbd);
}

static const struct backend_ops ops = {
	.type = "ceph-rbd",
	.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT | CAP_GIVE_BACK |
			CAP_LAG | CAP_PROGRESS | CAP_SCHEDULE_IN_PLACE,
	.check = rbd_check_spec,
	.start = rbd_start,
	.stop = rbd_stop,
	.free = rbd_free,
	.key = rbd_key,
	.track = rbd_track,
	.untrack = rbd_untrack,
	.describe = rbd_describe,
	.act = rbd_act,
	.observe = rbd_observe,
};

bool rbd_is_built(void)
{
	return true;
}

struct backend *rbd_new(const char *name, const struct rbd_access *access,
			size_t count, int silent_ms, struct error *err)
{
	struct rbd *rbd = calloc(1, sizeof *rbd);
	bool ok = rbd;
	size_t i;

	if (ok) {
		pthread_mutex_init(&rbd->lock, NULL);
		clock_cond_init(&rbd->wake);
		rbd->silent_ms = silent_ms;
		rbd->name = strdup(name);
		rbd->backend = (struct backend){&ops, rbd->name};
		ok = rbd->name;
	}
	for (i = 0; i < count && ok; i++)
		ok = site_add(rbd, &access[i]);
	if (ok)
		return &rbd->backend;
	if (rbd)
		rbd_free(&rbd->backend);
	fail(err, ENOMEM, "no memory for the clusters of %s", name);
	return NULL;
}
