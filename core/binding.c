/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backend serves a replication, which of its two sites is ours, and which
 * relationship on the storage is meant.
 */
#include "world_private.h"

#include <errno.h>
#include <fnmatch.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* Backend types by the `extensions` key and by what storage classes are
   usually called; the substrings are the operator's own. */
static const struct vendor {
	unsigned extension;
	const char *types[2];
	const char *substrings[3];
} vendors[] = {
	{EXTENSION_CEPH, {"ceph", "ceph-rbd"}, {"ceph", "rbd"}},
	{EXTENSION_TRIDENT, {"trident", "ontap"}, {"trident", "netapp", "ontap"}},
	{EXTENSION_POWERSTORE,
	 {"powerstore", "powerstore-rest"},
	 {"powerstore", "dell"}},
};

static struct backend *backend_of_vendor(struct world *w,
					 const struct vendor *v)
{
	size_t i, k;

	for (i = 0; i < w->backend_count; i++)
		for (k = 0; k < 2; k++)
			if (strcmp(w->sinks[i]->backend->ops->type,
				   v->types[k]) == 0)
				return w->sinks[i]->backend;
	return NULL;
}

static struct backend *backend_named(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->backend_count; i++)
		if (strcmp(w->sinks[i]->backend->name, name) == 0)
			return w->sinks[i]->backend;
	return NULL;
}

static bool class_has(const struct vendor *v, const char *storage_class)
{
	size_t i;

	for (i = 0; i < 3 && v->substrings[i]; i++)
		if (strcasestr(storage_class, v->substrings[i]))
			return true;
	return false;
}

int replication_choose_backend(struct world *w, const struct endpoint *here,
			       const struct spec *spec,
			       struct backend **backend, const char **why)
{
	const size_t n = sizeof vendors / sizeof *vendors;
	size_t i;

	for (i = 0; i < n; i++)
		if (spec->extensions & vendors[i].extension &&
		    (*backend = backend_of_vendor(w, &vendors[i]))) {
			*why = "the manifest's extensions name it";
			return 0;
		}
	for (i = 0; i < w->config->select_count; i++)
		if (fnmatch(w->config->select[i].storage_class,
			    here->storage_class, 0) == 0 &&
		    (*backend = backend_named(w, w->config->select[i].backend))) {
			*why = "a rule selects it by storage class";
			return 0;
		}
	for (i = 0; i < n; i++)
		if (class_has(&vendors[i], here->storage_class) &&
		    (*backend = backend_of_vendor(w, &vendors[i]))) {
			*why = "the storage class is called like its classes";
			return 0;
		}
	*backend = NULL;
	*why = "no extensions key, no rule and no known storage class: add a "
	       "rule under select in the configuration";
	return -ENOENT;
}

/*
 * A relationship stays with the backend that has it: another would see nothing
 * of it.  One that nobody serves may get a backend that can.
 */
int check_backend(struct world *w, const struct replication *r,
		  const struct spec *spec, struct error *err)
{
	struct backend *b;
	const char *why;

	/* Its storage class is what it was at its birth, swapped or not. */
	replication_choose_backend(w, replication_here(r), spec, &b, &why);
	if (r->backend && b != r->backend)
		return fail(err, EPERM,
			    "spec.extensions: backend %s serves this "
			    "replication, and with these %s would: rmdir it, "
			    "which keeps the storage, and make it anew",
			    r->backend->name, b ? b->name : "none");
	return b ? backend_check(b, spec, err) : 0;
}

/* What tells the two endpoints apart: the first field that differs. */
static void telling_fields(const struct spec *spec, const char **source,
			   const char **destination)
{
	*source = spec->source.cluster;
	*destination = spec->destination.cluster;
	if (strcmp(*source, *destination) == 0) {
		*source = spec->source.region;
		*destination = spec->destination.region;
	}
	if (strcmp(*source, *destination) == 0) {
		*source = spec->source.storage_class;
		*destination = spec->destination.storage_class;
	}
}

static bool endpoint_is(const struct endpoint *e, const char *site)
{
	return strcmp(e->cluster, site) == 0 || strcmp(e->region, site) == 0;
}

/*
 * Decides at birth which endpoint is here.  Without a configured site it is
 * the side whose role the manifest tells: a replica is the destination's, a
 * source the source's.
 */
int site_choose(const struct world *w, const struct spec *spec,
		struct status *status, struct error *err)
{
	const char *site = w->config->site, *source, *destination;
	bool source_is_here = spec->state == STATE_SOURCE;

	telling_fields(spec, &source, &destination);
	if (*site) {
		bool s = strcmp(spec->source.cluster, site) == 0;
		bool d = strcmp(spec->destination.cluster, site) == 0;

		if (!s && !d) {
			s = endpoint_is(&spec->source, site);
			d = endpoint_is(&spec->destination, site);
		}
		if (!s && !d)
			return fail(err, EINVAL,
				    "this daemon's site '%s' is neither "
				    "endpoint's cluster or region",
				    site);
		if (s != d)
			source_is_here = s;
	}
	status->site = source_is_here ? source : destination;
	status->holds_pvc = source_is_here;
	return 0;
}

static bool source_is_here(const struct spec *spec, const struct status *status)
{
	const char *source, *destination;

	telling_fields(spec, &source, &destination);
	return status->site && strcmp(source, status->site) == 0;
}

const struct endpoint *replication_here(const struct replication *r)
{
	return source_is_here(r->spec, r->status) ? &r->spec->source
						  : &r->spec->destination;
}

const struct endpoint *replication_peer(const struct replication *r)
{
	return source_is_here(r->spec, r->status) ? &r->spec->destination
						  : &r->spec->source;
}

void spec_target(const struct spec *spec, const struct status *status,
		 struct target *t)
{
	bool source = source_is_here(spec, status);

	*t = (struct target){
		.spec = spec,
		.here = (source ? &spec->source : &spec->destination)->cluster,
		.peer = (source ? &spec->destination : &spec->source)->cluster,
		.here_is_destination = !status->holds_pvc,
		.data_time = status->data_time,
	};
}

void replication_target(const struct replication *r, struct target *t)
{
	spec_target(r->spec, r->status, t);
}

static int compare_sightings(const void *a, const void *b)
{
	const struct sighting *x = a, *y = b;

	if (x->backend != y->backend)
		return x->backend < y->backend ? -1 : 1;
	return strcmp(x->key, y->key);
}

static void sighting_free(void *p)
{
	struct sighting *s = p;

	sight_unref(s->seen);
	free(s->here);
	free(s->key);
	free(s);
}

/* The sighting under this key, made when there is none; NULL: no memory. */
struct sighting *world_sighting(struct world *w, struct backend *b,
				const char *key)
{
	struct sighting probe = {.backend = b, .key = (char *)key}, *s;
	struct sighting **node = tfind(&probe, &w->by_key, compare_sightings);

	if (node)
		return *node;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->backend = b;
	s->key = strdup(key);
	if (!s->key || !tsearch(s, &w->by_key, compare_sightings)) {
		sighting_free(s);
		return NULL;
	}
	return s;
}

static bool is_nothing(const struct side *side)
{
	return side->reach != REACH_OK ||
	       (side->claim == ROLE_ABSENT && side->fact == ROLE_ABSENT);
}

/* What is like one that was never seen is not kept: anybody may name volumes
   that are not there. */
void sighting_tidy(struct world *w, struct sighting *s)
{
	struct observation seen;

	sight_read(s->seen, &seen);
	if (s->r || !is_nothing(&seen.here) || !is_nothing(&seen.peer))
		return;
	tdelete(s, &w->by_key, compare_sightings);
	sighting_free(s);
}

void world_free_sightings(struct world *w)
{
	tdestroy(w->by_key, sighting_free);
	w->by_key = NULL;
}

/*
 * Another manifest of the same volumes may have its endpoints exchanged: then
 * who has the PVC does not tell whose view it was.
 */
int sighting_take(const struct sighting *s, struct replication *r,
		  const struct target *t)
{
	bool holds_pvc = !t->here_is_destination;
	bool other = s->here && strcmp(t->here, t->peer) != 0
			     ? strcmp(s->here, t->here) != 0
			     : sight_holds_pvc(s->seen) != holds_pvc;
	struct sight *seen = sight_seen_from(s->seen, other, holds_pvc);

	sight_set(&r->seen, seen);
	sight_unref(seen);
	return s->seen && !seen ? -ENOMEM : 0;
}

void sighting_keep(struct sighting *s, struct sight *seen, char *here)
{
	/* What was on its way when nobody was served any more is of who was. */
	if (here || !seen || sight_holds_pvc(seen) != sight_holds_pvc(s->seen)) {
		free(s->here);
		s->here = here;
	}
	sight_set(&s->seen, seen);
}

/*
 * Finds @r's backend and relationship.  -EPERM when another replication is
 * bound to the same volumes.  Without a backend it is 0: conditions say so.
 */
int world_bind(struct world *w, struct replication *r, struct error *err)
{
	char key[BACKEND_KEY_MAX];
	struct sighting *s;
	struct target t;

	if (replication_choose_backend(w, replication_here(r), r->spec,
				       &r->backend, &r->backend_why) < 0)
		return 0;
	if (backend_check(r->backend, r->spec, err) < 0) {
		r->backend = NULL;
		r->backend_why = "it can't serve this manifest: see `log`";
		return -err->code;
	}
	replication_target(r, &t);
	r->backend->ops->key(r->backend, &t, key);
	s = world_sighting(w, r->backend, key);
	if (!s) {
		sight_lost(w, r->backend);
		return fail(err, ENOMEM, "out of memory");
	}
	if (s->r && s->r != r) {
		r->backend = NULL;
		r->backend_why = "another replication has the same volumes";
		return fail(err, EPERM,
			    "these volumes belong to %s/%s already",
			    s->r->ns->name, s->r->name);
	}
	/* Without memory it is as if nobody had looked. */
	if (s->r != r || s->seen)
		sighting_take(s, r, &t);
	sighting_keep(s, NULL, NULL);
	s->r = r;
	r->work->sighting = s;
	/* Whom it moves along must be known: it is as if nobody had looked. */
	if (group_update(w, r) < 0)
		sight_set(&r->seen, NULL);
	return 0;
}

void world_serve(struct world *w, struct replication *r)
{
	struct error err;

	/* What was seen before may be of long ago. */
	r->work->trust_after = w->now;
	if (world_bind(w, r, &err) < 0)
		world_note(w, r, &(struct who){0}, "backend", "%s", err.msg);
}

void world_unbind(struct world *w, struct replication *r)
{
	struct sighting *s = r->work->sighting;
	char *here;

	if (!s)
		return;
	r->backend->ops->untrack(r->backend, s->key);
	here = r->spec ? strdup(replication_here(r)->cluster) : NULL;
	if (here && sight_at(s->seen) < sight_at(r->seen))
		sighting_keep(s, r->seen, here);
	else
		free(here);
	s->r = NULL;
	r->work->sighting = NULL;
	group_leave(w, r);
	sighting_tidy(w, s);
}

void world_track(struct world *w, struct replication *r)
{
	struct error err;
	struct target t;
	int rc;

	if (!r->backend)
		return;
	replication_target(r, &t);
	cluster_use(w, &r->work->here, t.here);
	cluster_use(w, &r->work->peer, t.peer);
	rc = r->backend->ops->track(r->backend, &t, &err);
	if (rc < 0)
		world_note(w, r, &(struct who){0}, "backend", "%s", err.msg);
	if (rc == -ENOMEM)
		sight_lost(w, r->backend);
}
