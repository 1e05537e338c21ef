/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning of what happens on the simulated disks: inotify on the root, on each
 * cluster's folder and on each namespace's.  The engine's thread only.
 */
#include "sim_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define BYTES_CHANGED (IN_MODIFY | IN_CLOSE_WRITE)
#define NAMES_CHANGED \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define WATCHED \
	(BYTES_CHANGED | NAMES_CHANGED | IN_ATTRIB | IN_ONLYDIR | IN_DELETE_SELF)

static void watch_tree(struct sim *sim, struct site *site,
		       const char *namespace);

static int compare_watches(const void *a, const void *b)
{
	int x = ((const struct watch *)a)->wd, y = ((const struct watch *)b)->wd;

	return (x > y) - (x < y);
}

static struct watch *find_watch(struct sim *sim, int wd)
{
	struct watch want = {.wd = wd};

	return sim->watches ? bsearch(&want, sim->watches, sim->watch_count,
				      sizeof want, compare_watches)
			    : NULL;
}

/* Numbers grow, so the array stays sorted. */
static bool add_watch(struct sim *sim, int wd, struct site *site,
		      const char *namespace)
{
	struct watch *w;

	if (find_watch(sim, wd))
		return true;
	w = realloc(sim->watches, (sim->watch_count + 1) * sizeof *w);
	if (!w)
		return false;
	sim->watches = w;
	w += sim->watch_count;
	*w = (struct watch){.wd = wd, .site = site};
	if (namespace && !(w->namespace = strdup(namespace)))
		return false;
	sim->watch_count++;
	return true;
}

static void drop_watch(struct sim *sim, int wd)
{
	struct watch *w = find_watch(sim, wd);

	if (!w)
		return;
	free(w->namespace);
	sim->watch_count--;
	memmove(w, w + 1,
		(size_t)(sim->watches + sim->watch_count - w) * sizeof *w);
}

static void folder_path(const struct sim *sim, const struct site *site,
			const char *namespace, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s%s%s", sim->dir, site ? "/" : "",
		 site ? site->name : "", namespace ? "/" : "",
		 namespace ? namespace : "");
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

/* ---- what is found ---- */

/* Takes up the relationship whose record lies there. */
static void adopt(struct sim *sim, struct site *site, const char *namespace,
		  const char *volume)
{
	struct place place = {sim->root, site->name, namespace, volume};
	const char *paths[2];
	char own[SIM_PATH_MAX];
	struct belief b;
	struct error err;
	struct bond *p;

	if (belief_read(&place, &b, &err))
		return;
	place_path(&place, VOLUME_PATH, own);
	paths[0] = b.pvc_side ? own : b.peer;
	paths[1] = b.pvc_side ? b.peer : own;
	p = sim_bond_of_paths(sim, paths);
	if (!p)
		return;
	pthread_mutex_lock(&sim->lock);
	bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
}

/* Marks the bonds that have this volume; false when none has. */
static bool mark_volume(struct sim *sim, const struct watch *w,
			const char *volume, unsigned mask)
{
	struct end *first, *e;

	pthread_mutex_lock(&sim->lock);
	first = sim_end(sim, w->site, w->namespace, volume);
	for (e = first; e; e = e->same) {
		/* A rename is told by the inode; ours comes this way too. */
		if (mask & BYTES_CHANGED)
			e->stamp = (struct stamp){0};
		if (mask & (BYTES_CHANGED | IN_MOVED_TO | IN_CREATE))
			e->touched = true;
		bond_mark(sim, e->bond);
	}
	pthread_mutex_unlock(&sim->lock);
	return first;
}

/* A file in a namespace's folder. */
static void see_file(struct sim *sim, const struct watch *w, const char *name,
		     unsigned mask)
{
	char volume[SIM_NAME_MAX];

	if (*name != '.') {
		mark_volume(sim, w, name, mask);
		return;
	}
	if (!ends_with(name, ".json") || !(mask & (NAMES_CHANGED |
						   IN_CLOSE_WRITE)) ||
	    strlen(name) - 6 >= sizeof volume)
		return;
	snprintf(volume, sizeof volume, "%.*s", (int)(strlen(name) - 6),
		 name + 1);
	if (!mark_volume(sim, w, volume, 0) &&
	    mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		adopt(sim, w->site, w->namespace, volume);
}

/* What a crash left half-made: copies are begun anew. */
static bool remove_leftover(struct sim *sim, int dir, const char *name)
{
	if (*name != '.' ||
	    !(ends_with(name, ".incoming") || ends_with(name, ".json.tmp")))
		return false;
	/* Later, and where there are others, they may be somebody's. */
	if (!sim->scanned && sim->is_array &&
	    (!sim->shared || ends_with(name, ".incoming")))
		unlinkat(dir, name, 0);
	return true;
}

static void scan_entry(struct sim *sim, struct site *site,
		       const char *namespace, int dir, const char *name)
{
	struct watch here = {.site = site, .namespace = (char *)namespace};
	struct stat st;

	if (namespace) {
		if (!remove_leftover(sim, dir, name))
			see_file(sim, &here, name, IN_MOVED_TO);
		return;
	}
	if (*name == '.' || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISDIR(st.st_mode))
		return;
	if (site)
		watch_tree(sim, site, name);
	else if ((site = sim_site(sim, name)))
		watch_tree(sim, site, NULL);
}

static void scan(struct sim *sim, struct site *site, const char *namespace)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	folder_path(sim, site, namespace, path, sizeof path);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		scan_entry(sim, site, namespace, dirfd(dir), entry->d_name);
	closedir(dir);
}

/* Watches first and scans then, so that nothing is missed in between. */
static void watch_tree(struct sim *sim, struct site *site,
		       const char *namespace)
{
	char path[PATH_MAX];
	int wd;

	folder_path(sim, site, namespace, path, sizeof path);
	wd = inotify_add_watch(sim->inotify, path, WATCHED);
	if (wd < 0 ? errno != ENOENT && errno != ENOTDIR
		   : !add_watch(sim, wd, site, namespace))
		sim->blind = true;
	if (site && !namespace)
		site_refresh(sim, site);
	scan(sim, site, namespace);
}

void watch_all(struct sim *sim)
{
	struct site *s;
	struct bond *p;

	sim->blind = false;
	watch_tree(sim, NULL, NULL);
	pthread_mutex_lock(&sim->lock);
	sim->scanned = true;
	pthread_cond_broadcast(&sim->changed);
	s = sim->sites;
	for (p = sim->bonds; p; p = p->next)
		bond_mark(sim, p);
	pthread_mutex_unlock(&sim->lock);
	for (; s; s = s->next)
		site_refresh(sim, s);
}

/* ---- what is told ---- */

static void see(struct sim *sim, const struct inotify_event *ev)
{
	struct watch *w = find_watch(sim, ev->wd);
	struct watch copy;
	struct site *site;

	if (ev->mask & IN_IGNORED)
		drop_watch(sim, ev->wd);
	if (!w || !ev->len || ev->mask & IN_IGNORED)
		return;
	copy = *w;	/* a new watch may move them */
	if (copy.namespace) {
		see_file(sim, &copy, ev->name, ev->mask);
	} else if (ev->mask & IN_ISDIR && ev->mask & NAMES_CHANGED) {
		site = copy.site ? copy.site : sim_site(sim, ev->name);
		if (!site)
			return;
		watch_tree(sim, site, copy.site ? ev->name : NULL);
		pthread_mutex_lock(&sim->lock);
		site_mark(sim, site);
		pthread_mutex_unlock(&sim->lock);
	} else if (copy.site && strcmp(ev->name, "faults") == 0 &&
		   ev->mask & (NAMES_CHANGED | IN_CLOSE_WRITE)) {
		site_refresh(sim, copy.site);
	}
}

void watch_read(struct sim *sim)
{
	char data[16 * 1024]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *ev;
	bool lost = false;
	ssize_t n;
	char *p;

	while ((n = read(sim->inotify, data, sizeof data)) > 0)
		for (p = data; p < data + n; p += sizeof *ev + ev->len) {
			ev = (const void *)p;
			lost |= ev->mask & IN_Q_OVERFLOW;
			see(sim, ev);
		}
	if (lost)
		watch_all(sim);
}

void watch_finish(struct sim *sim)
{
	size_t i;

	for (i = 0; i < sim->watch_count; i++)
		free(sim->watches[i].namespace);
	free(sim->watches);
}
