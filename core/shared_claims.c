/* SPDX-License-Identifier: Apache-2.0 */
/* Which replications the store has for a claim: news of claims are many. */
#include "world_private.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 320		/* NAMESPACE/NAME */

struct claim {
	char *key;
	struct replication *first;	/* the rest: shared_part.claim_next */
};

static int compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static struct claim *find(const struct world *w, char *key)
{
	struct claim probe = {.key = key}, **there;

	there = tfind(&probe, &w->by_claim, compare);
	return there ? *there : NULL;
}

static void claim_free(struct claim *c)
{
	if (c)
		free(c->key);
	free(c);
}

static struct claim *add(struct world *w, const char *key)
{
	struct claim *c = calloc(1, sizeof *c);

	if (c)
		c->key = strdup(key);
	if (!c || !c->key || !tsearch(c, &w->by_claim, compare)) {
		claim_free(c);
		return NULL;
	}
	return c;
}

void shared_unclaim(struct replication *r)
{
	struct shared_part *part = r->work->shared;
	struct claim *c = part->claim;
	struct replication **at;

	if (!c)
		return;
	for (at = &c->first; *at != r; at = &(*at)->work->shared->claim_next)
		;
	*at = part->claim_next;
	part->claim = NULL;
	if (c->first)
		return;
	tdelete(c, &r->ns->world->by_claim, compare);
	claim_free(c);
}

void shared_claim(struct replication *r, const struct spec *spec)
{
	struct shared_part *part = r->work->shared;
	struct world *w = r->ns->world;
	char key[KEY_MAX];
	struct claim *c;

	snprintf(key, sizeof key, "%s/%s", spec->pvc_namespace, spec->pvc_name);
	if (part->claim && strcmp(part->claim->key, key) == 0)
		return;
	shared_unclaim(r);
	c = find(w, key);
	if (!c)
		c = add(w, key);
	if (!c)
		return;
	part->claim = c;
	part->claim_next = c->first;
	c->first = r;
}

struct replication *shared_claimant(const struct world *w,
				    const char *namespace, const char *pvc)
{
	char key[KEY_MAX];
	struct claim *c;

	snprintf(key, sizeof key, "%s/%s", namespace, pvc);
	c = find(w, key);
	return c ? c->first : NULL;
}
