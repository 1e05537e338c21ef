/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications that their storage can only move together.  One act moves all of
 * a group, so it waits until the same was asked of each, unless somebody forces
 * it.
 */
#include "world_private.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group {
	const struct backend *backend;
	const char *cluster;		/* names are of a cluster */
	char *name;
	struct replication **list;
	size_t count, cap;
};

static int compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->backend != y->backend)
		return x->backend < y->backend ? -1 : 1;
	if (strcmp(x->cluster, y->cluster) != 0)
		return strcmp(x->cluster, y->cluster);
	return strcmp(x->name, y->name);
}

static void group_free(void *p)
{
	struct group *g = p;

	free((char *)g->cluster);
	free(g->name);
	free(g->list);
	free(g);
}

static struct group *group_make(struct world *w, struct group *probe)
{
	struct group **node = tfind(probe, &w->groups, compare), *g;

	if (node)
		return *node;
	g = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	g->backend = probe->backend;
	g->cluster = strdup(probe->cluster);
	g->name = strdup(probe->name);
	if (g->cluster && g->name && tsearch(g, &w->groups, compare))
		return g;
	group_free(g);
	return NULL;
}

/* Room for one more. */
static int reserve(struct group *g)
{
	struct replication **list;

	if (g->count < g->cap)
		return 0;
	list = reallocarray(g->list, g->cap * 2 + 4, sizeof *list);
	if (!list)
		return -ENOMEM;
	g->list = list;
	g->cap = g->cap * 2 + 4;
	return 0;
}

void group_leave(struct world *w, struct replication *r)
{
	struct group *g = r->work->group;
	size_t i = 0;

	if (!g)
		return;
	while (g->list[i] != r)
		i++;
	g->list[i] = g->list[--g->count];
	r->work->group = NULL;
	/* Whether its volume has left, too, or moves along for nobody, the
	   others' storage is to say. */
	for (i = 0; i < g->count; i++)
		g->list[i]->work->trust_after = w->now + 1;
	if (g->count)
		return;
	tdelete(g, &w->groups, compare);
	group_free(g);
}

int group_update(struct world *w, struct replication *r)
{
	struct group probe = {.backend = r->backend}, *g = NULL;
	struct observation seen;

	sight_read(r->seen, &seen);
	probe.name = seen.group;
	/* While the storage gives no answer nobody says that it was left. */
	if (!*seen.group && seen.here.reach != REACH_OK)
		return 0;
	probe.cluster = replication_here(r)->cluster;
	if (r->work->group && compare(r->work->group, &probe) == 0)
		return 0;
	if (*seen.group) {
		g = group_make(w, &probe);
		if (!g || reserve(g) < 0)
			return -ENOMEM;
	}
	group_leave(w, r);
	if (g)
		g->list[g->count++] = r;
	r->work->group = g;
	return 0;
}

struct replication *world_group_next(const struct replication *r,
				     const struct replication *after)
{
	const struct group *g = r->work->group;
	size_t i = 0;

	if (!g)
		return NULL;
	while (after && i < g->count && g->list[i++] != after)
		;
	if (i < g->count && g->list[i] == r)
		i++;
	return i < g->count ? g->list[i] : NULL;
}

/* Just loaded, it may be the first of them that is told of. */
bool world_group_is_known(const struct replication *r)
{
	struct world *w = r->ns->world;

	return !r->work->group || world_is_observed(w) ||
	       w->now >= first_word_by(w);
}

void group_reconcile(struct world *w, struct replication *r)
{
	struct replication *other = NULL;

	while ((other = world_group_next(r, other)))
		reconcile(w, other);
}

/* It was asked for the same, or is there already. */
static bool has_asked(const struct replication *r, enum word word)
{
	const struct request *req = &r->status->request;
	enum state state = r->spec->state;

	if (r->status->failed)
		return false;
	if (req->word == word && req->outcome != OUTCOME_FAILED)
		return true;
	if (word == WORD_PROMOTING || word == WORD_SOURCE)
		return state == STATE_PROMOTING || state == STATE_SOURCE;
	if (word == WORD_DEMOTING || word == WORD_REPLICA)
		return state == STATE_DEMOTING || state == STATE_REPLICA;
	return false;
}

void group_list_unasked(const struct replication *r, enum word word, char *out,
			size_t size)
{
	const struct replication *other = NULL;
	size_t len = 0;

	*out = '\0';
	if (!world_group_is_known(r))
		len = (size_t)snprintf(out, size, "those that were not looked "
						  "at yet");
	while ((other = world_group_next(r, other)))
		if (other->status && !has_asked(other, word) && len < size)
			len += (size_t)snprintf(out + len, size - len,
						"%s%s/%s", len ? ", " : "",
						other->ns->name, other->name);
}

void world_free_groups(struct world *w)
{
	tdestroy(w->groups, group_free);
	w->groups = NULL;
}
