/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the watch tells before there is anybody to be told: objects are kept for
 * the load, and those that come or go after it for the start.
 */
#include "store_kube_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The world has it since the load, it may be. */
struct kube_gone {
	struct kube_gone *next;
	char namespace[64], name[254], uid[64];
};

void early_keep(struct store_kube *k, struct object *o)
{
	struct object **list = k->found;

	if (k->found_count == k->found_cap) {
		list = reallocarray(list, k->found_cap * 2 + 64, sizeof *list);
		if (!list) {
			object_free(o);
			k->missed = true;
			return;
		}
		k->found = list;
		k->found_cap = k->found_cap * 2 + 64;
	}
	k->found[k->found_count++] = o;
}

static void keep_name(struct store_kube *k, const char *namespace,
		      const char *name, const char *uid)
{
	struct kube_gone *g = calloc(1, sizeof *g);

	if (!g) {
		k->missed = true;
		return;
	}
	snprintf(g->namespace, sizeof g->namespace, "%s", namespace);
	snprintf(g->name, sizeof g->name, "%s", name);
	snprintf(g->uid, sizeof g->uid, "%s", uid);
	g->next = k->gone;
	k->gone = g;
}

void early_keep_gone(struct store_kube *k, const char *namespace,
		     const char *name, const char *uid)
{
	size_t i;

	keep_name(k, namespace, name, uid);
	for (i = 0; i < k->found_count; i++) {
		struct object *o = k->found[i];

		if (strcmp(o->namespace, namespace) != 0 ||
		    strcmp(o->name, name) != 0)
			continue;
		object_free(o);
		/* Of two versions the newer one stays the later one. */
		memmove(&k->found[i], &k->found[i + 1],
			(--k->found_count - i) * sizeof *k->found);
		i--;
	}
}

void early_complain(struct store_kube *k, const char *sentence)
{
	char **list = reallocarray(k->complaints, k->complaint_count + 1,
				   sizeof *list);

	if (!list)
		return;
	k->complaints = list;
	list[k->complaint_count] = strdup(sentence);
	if (list[k->complaint_count])
		k->complaint_count++;
}

static void forget_complaints(struct store_kube *k)
{
	size_t i;

	for (i = 0; i < k->complaint_count; i++)
		free(k->complaints[i]);
	free(k->complaints);
	k->complaints = NULL;
	k->complaint_count = 0;
}

static void forget_gone(struct store_kube *k)
{
	struct kube_gone *g;

	while ((g = k->gone)) {
		k->gone = g->next;
		free(g);
	}
}

void early_load(struct store_kube *k, struct store_visitor *v)
{
	struct object **found;
	size_t i, count;

	pthread_mutex_lock(&k->lock);
	for (i = 0; i < k->complaint_count; i++)
		v->complain(v, k->complaints[i]);
	forget_complaints(k);
	forget_gone(k);
	found = k->found;
	count = k->found_count;
	k->found = NULL;
	k->found_count = k->found_cap = 0;
	pthread_mutex_unlock(&k->lock);
	/* Who takes one may have something to complain of. */
	for (i = 0; i < count; i++)
		v->found_object(v, found[i]);
	free(found);
}

/* By their uids: others of these names may have been found since. */
void early_tell(struct store_kube *k)
{
	const struct kube_gone *g;
	size_t i;

	for (g = k->gone; g; g = g->next)
		k->sink->vanished(k->sink, g->namespace, g->name, g->uid);
	forget_gone(k);
	for (i = 0; i < k->found_count; i++)
		k->sink->changed(k->sink, k->found[i]);
	k->found_count = 0;
	for (i = 0; i < k->complaint_count; i++)
		k->sink->complain(k->sink, k->complaints[i]);
	forget_complaints(k);
}

void early_finish(struct store_kube *k)
{
	size_t i;

	for (i = 0; i < k->found_count; i++)
		object_free(k->found[i]);
	free(k->found);
	forget_gone(k);
	forget_complaints(k);
}
