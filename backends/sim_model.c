/* SPDX-License-Identifier: Apache-2.0 */
/* Sites and bonds in memory, and how they are found. */
#include "sim_model.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sim *sim_of(struct backend *b)
{
	return (struct sim *)b;
}

struct place end_place(const struct sim *sim, const struct end *e)
{
	return (struct place){sim->root, e->site->name, e->namespace,
			      e->volume};
}

static struct site *find_site(struct sim *sim, const char *folder)
{
	struct site *s;

	for (s = sim->sites; s; s = s->next)
		if (strcmp(s->name, folder) == 0)
			return s;
	s = calloc(1, sizeof *s);
	if (!s || !(s->name = strdup(folder))) {
		free(s);
		return NULL;
	}
	s->next = sim->sites;
	sim->sites = s;
	return s;
}

struct site *sim_site(struct sim *sim, const char *folder)
{
	struct site *s;

	pthread_mutex_lock(&sim->lock);
	s = find_site(sim, folder);
	pthread_mutex_unlock(&sim->lock);
	return s;
}

static int compare_bonds(const void *a, const void *b)
{
	return strcmp(((const struct bond *)a)->key,
		      ((const struct bond *)b)->key);
}

static int compare_ends(const void *a, const void *b)
{
	const struct end *x = a, *y = b;
	int d = strcmp(x->site->name, y->site->name);

	if (!d)
		d = strcmp(x->namespace, y->namespace);
	return d ? d : strcmp(x->volume, y->volume);
}

struct end *sim_end(struct sim *sim, struct site *site, const char *namespace,
		    const char *volume)
{
	struct end want = {.site = site,
			   .namespace = (char *)namespace,
			   .volume = (char *)volume};
	struct end **found = tfind(&want, &sim->by_volume, compare_ends);

	return found ? *found : NULL;
}

/* Enters the end into the tree; ends of one volume hang at the first. */
static bool enter_end(struct sim *sim, struct end *e)
{
	struct end **found = tsearch(e, &sim->by_volume, compare_ends);

	if (found && *found != e) {
		e->same = (*found)->same;
		(*found)->same = e;
	}
	return found;
}

static void free_bond(struct bond *p)
{
	int i;

	for (i = 0; i < 2; i++) {
		free(p->end[i].namespace);
		free(p->end[i].volume);
	}
	pthread_mutex_destroy(&p->disk);
	free(p->key);
	free(p);
}

static bool fill_end(struct sim *sim, struct bond *p, int i, const char *path)
{
	struct end *e = &p->end[i];
	auto_free char *copy = strdup(path);
	char *namespace, *volume;

	if (!copy || !(namespace = strchr(copy, '/')) ||
	    !(volume = strchr(namespace + 1, '/')))
		return false;
	*namespace++ = '\0';
	*volume++ = '\0';
	e->bond = p;
	e->site = find_site(sim, copy);
	e->namespace = strdup(namespace);
	e->volume = strdup(volume);
	return e->site && e->namespace && e->volume && *volume;
}

static void write_key(const char *const paths[2],
		      char key[static BACKEND_KEY_MAX])
{
	auto_buf b;
	struct digest d;
	size_t cut = BACKEND_KEY_MAX - 18;

	buf_init(&b, 4 * SIM_PATH_MAX);
	buf_printf(&b, "%s <-> %s", paths[0], paths[1]);
	snprintf(key, BACKEND_KEY_MAX, "%s", buf_str(&b));
	if (b.len < BACKEND_KEY_MAX)
		return;
	digest_init(&d);
	digest_add(&d, b.data, b.len);
	snprintf(key + cut, BACKEND_KEY_MAX - cut, "~%016" PRIx64,
		 digest_value(&d));
}

static struct bond *new_bond(struct sim *sim, const char *const paths[2])
{
	struct bond *p = calloc(1, sizeof *p);
	char key[BACKEND_KEY_MAX];
	int i;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->disk, NULL);
	write_key(paths, key);
	p->key = strdup(key);
	p->here = 1;
	p->progress = -1;
	p->due = INT64_MAX;
	for (i = 0; i < 2; i++)
		if (!p->key || !fill_end(sim, p, i, paths[i])) {
			free_bond(p);
			return NULL;
		}
	return p;
}

/* Pairs stay until the end: an engine or worker may be using one. */
static struct bond *find_bond(struct sim *sim, const char *const paths[2])
{
	char key[BACKEND_KEY_MAX];
	struct bond want = {.key = key}, **found, *p;

	write_key(paths, key);
	found = tfind(&want, &sim->by_key, compare_bonds);
	if (found)
		return *found;
	p = new_bond(sim, paths);
	if (!p)
		return NULL;
	if (!tsearch(p, &sim->by_key, compare_bonds)) {
		free_bond(p);
		return NULL;
	}
	p->next = sim->bonds;
	sim->bonds = p;
	/* Without memory for these it works but is told of no change. */
	if (!enter_end(sim, &p->end[0]) || !enter_end(sim, &p->end[1]))
		return NULL;
	return p;
}

struct bond *sim_bond_of_paths(struct sim *sim, const char *const paths[2])
{
	struct bond *p;

	pthread_mutex_lock(&sim->lock);
	p = find_bond(sim, paths);
	pthread_mutex_unlock(&sim->lock);
	return p;
}

static void path_of(const char *cluster, const char *namespace,
		    const char *volume, char out[static SIM_PATH_MAX])
{
	char c[SIM_NAME_MAX], n[SIM_NAME_MAX], v[SIM_NAME_MAX];

	place_escape(cluster, "journal", c);
	place_escape(namespace, "faults", n);
	place_escape(volume, "", v);
	snprintf(out, SIM_PATH_MAX, "%s/%s/%s", c, n, v);
}

static void target_paths(const struct target *t, char pvc[static SIM_PATH_MAX],
			 char handle[static SIM_PATH_MAX])
{
	const struct spec *s = t->spec;

	path_of(t->here_is_destination ? t->peer : t->here, s->pvc_namespace,
		s->pvc_name, pvc);
	path_of(t->here_is_destination ? t->here : t->peer, s->volume_namespace,
		s->volume_handle, handle);
}

void sim_key(struct backend *b, const struct target *t,
	     char key[static BACKEND_KEY_MAX])
{
	char paths[2][SIM_PATH_MAX];

	(void)b;
	target_paths(t, paths[0], paths[1]);
	write_key((const char *const[2]){paths[0], paths[1]}, key);
}

struct bond *sim_bond(struct sim *sim, const struct target *t)
{
	char paths[2][SIM_PATH_MAX];

	target_paths(t, paths[0], paths[1]);
	return sim_bond_of_paths(sim,
				 (const char *const[2]){paths[0], paths[1]});
}

struct bond *sim_bond_by_key(struct sim *sim, const char *key)
{
	struct bond want = {.key = (char *)key};
	struct bond **found;

	found = tfind(&want, &sim->by_key, compare_bonds);
	return found ? *found : NULL;
}

void sim_wake(struct sim *sim)
{
	uint64_t one = 1;

	/* It can only fail when it is awake already. */
	if (sim->started && write(sim->wake, &one, sizeof one) < 0)
		return;
}

void bond_mark(struct sim *sim, struct bond *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	p->next_dirty = sim->dirty;
	sim->dirty = p;
	sim_wake(sim);
}

void bond_tell_anew(struct sim *sim, struct bond *p)
{
	p->anew = true;
	bond_mark(sim, p);
}

void site_mark(struct sim *sim, struct site *site)
{
	struct bond *p;

	for (p = sim->bonds; p; p = p->next)
		if (p->end[0].site == site || p->end[1].site == site)
			bond_mark(sim, p);
}

static void keep(void *node)
{
	(void)node;
}

void sim_free_model(struct sim *sim)
{
	struct bond *p;
	struct site *s;

	tdestroy(sim->by_key, keep);
	tdestroy(sim->by_volume, keep);
	timers_finish(&sim->timers);
	while ((p = sim->bonds)) {
		sim->bonds = p->next;
		free_bond(p);
	}
	while ((s = sim->sites)) {
		sim->sites = s->next;
		faults_finish(&s->faults);
		free(s->name);
		free(s);
	}
}
