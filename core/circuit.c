/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The circuit breaker of a cluster: five failures in a row open it for sixty
 * seconds; then one call at a time is tried, and two successes close it.
 */
#include "world_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_TO_OPEN 5
#define OPEN_MS 60000
#define SUCCESSES_TO_CLOSE 2
#define CALLS_AT_ONCE 4		/* so that one site can't take all workers */

bool circuit_allows(const struct cluster *c, int64_t now)
{
	if (!c->open_until)
		return c->running < CALLS_AT_ONCE;
	return now >= c->open_until && c->running == 0;
}

void circuit_record(struct cluster *c, bool success, int64_t now)
{
	if (!success) {
		c->successes = 0;
		c->failures++;
		if (c->open_until || c->failures >= FAILURES_TO_OPEN)
			c->open_until = now + OPEN_MS;
		return;
	}
	c->failures = 0;
	if (c->open_until && ++c->successes >= SUCCESSES_TO_CLOSE) {
		c->open_until = 0;
		c->successes = 0;
	}
}

void circuit_probe(struct cluster *c, int64_t now)
{
	if (c->open_until > now)
		c->open_until = now;
}

const char *circuit_text(const struct cluster *c, int64_t now)
{
	if (!c->open_until)
		return "closed";
	return now < c->open_until ? "open" : "half-open";
}

bool circuit_counts(int rc)
{
	return rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -ECONNREFUSED ||
	       rc == -EIO;
}

static struct cluster *find(const struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->cluster_count; i++)
		if (strcmp(w->clusters[i]->name, name) == 0)
			return w->clusters[i];
	return NULL;
}

int64_t world_open_until(struct world *w, const char *cluster)
{
	const struct cluster *c = find(w, cluster);

	return c ? c->open_until : 0;
}

struct cluster *world_find_cluster(struct world *w, const char *name)
{
	struct cluster **list, *c = find(w, name);

	if (c)
		return c;
	list = reallocarray(w->clusters, w->cluster_count + 1, sizeof *list);
	if (!list)
		return NULL;
	w->clusters = list;
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->name = strdup(name);
	if (!c->name) {
		free(c);
		return NULL;
	}
	w->clusters[w->cluster_count++] = c;
	return c;
}

struct cluster *world_cluster(struct world *w, size_t index)
{
	return index < w->cluster_count ? w->clusters[index] : NULL;
}
