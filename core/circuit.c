/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clusters where replications have their ends, and the circuit breaker of
 * each: five failures in a row open it for sixty seconds; then one call at a
 * time is tried, and two successes close it, or ten minutes in which nobody had
 * anything to try.
 */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_TO_OPEN 5
#define OPEN_MS 60000
#define SUCCESSES_TO_CLOSE 2
#define CALLS_AT_ONCE 4		/* so that one site can't take all workers */

/* Twice the longest pause between two tries: who failed there tries no more. */
#define QUIET_MS 600000

/* Or a site whose last failure was somebody's last call would never be well. */
static bool is_forgotten(const struct cluster *c, int64_t now)
{
	return now - c->open_until >= QUIET_MS;
}

enum circuit circuit_state(const struct cluster *c, int64_t now)
{
	if (!c->open_until || is_forgotten(c, now))
		return CIRCUIT_CLOSED;
	return now < c->open_until ? CIRCUIT_OPEN : CIRCUIT_HALF_OPEN;
}

bool circuit_allows(const struct cluster *c, int64_t now)
{
	enum circuit state = circuit_state(c, now);

	if (state == CIRCUIT_CLOSED)
		return c->running < CALLS_AT_ONCE;
	return state == CIRCUIT_HALF_OPEN && c->running == 0;
}

void circuit_record(struct cluster *c, bool success, int64_t now)
{
	if (c->open_until && is_forgotten(c, now))
		c->open_until = c->failures = c->successes = 0;
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
	static const char *const texts[] = {
		[CIRCUIT_CLOSED] = "closed",
		[CIRCUIT_OPEN] = "open",
		[CIRCUIT_HALF_OPEN] = "half-open",
	};

	return texts[circuit_state(c, now)];
}

bool circuit_counts(int rc)
{
	return rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -ECONNREFUSED ||
	       rc == -EIO;
}

/* ---- which there are ---- */

/* The first place whose cluster has this id, or a greater one. */
static size_t place_of(const struct world *w, uint64_t id)
{
	size_t low = 0, high = w->cluster_count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (w->clusters[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Narrow enough for an inode's id, and never 0. */
static uint64_t id_of(const char *name)
{
	return text_hash(name) >> 16 | 1;
}

static struct cluster *find(const struct world *w, const char *name)
{
	uint64_t id = id_of(name);
	size_t i;

	for (i = place_of(w, id); i < w->cluster_count; i++)
		if (w->clusters[i]->id != id)
			break;
		else if (strcmp(w->clusters[i]->name, name) == 0)
			return w->clusters[i];
	return NULL;
}

int64_t world_open_until(struct world *w, const char *cluster)
{
	const struct cluster *c = find(w, cluster);

	return c ? c->open_until : 0;
}

static struct cluster *cluster_new(const char *name)
{
	struct cluster *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->id = id_of(name);
	c->name = strdup(name);
	if (c->name)
		return c;
	free(c);
	return NULL;
}

struct cluster *world_find_cluster(struct world *w, const char *name)
{
	struct cluster **list, *c = find(w, name);
	size_t i;

	if (c)
		return c;
	list = reallocarray(w->clusters, w->cluster_count + 1, sizeof *list);
	if (!list)
		return NULL;
	w->clusters = list;
	c = cluster_new(name);
	if (!c)
		return NULL;
	i = place_of(w, c->id);
	memmove(&list[i + 1], &list[i], (w->cluster_count - i) * sizeof *list);
	list[i] = c;
	w->cluster_count++;
	return c;
}

void cluster_tidy(struct world *w, struct cluster *c)
{
	size_t i = place_of(w, c->id);

	if (c->users || c->running)
		return;
	while (w->clusters[i] != c)
		i++;
	w->cluster_count--;
	memmove(&w->clusters[i], &w->clusters[i + 1],
		(w->cluster_count - i) * sizeof *w->clusters);
	free(c->name);
	free(c);
}

void cluster_use(struct world *w, struct cluster **end, const char *name)
{
	struct cluster *before = *end;

	*end = name ? world_find_cluster(w, name) : NULL;
	if (*end)
		(*end)->users++;
	if (!before)
		return;
	before->users--;
	cluster_tidy(w, before);
}

struct cluster *world_cluster(struct world *w, size_t index)
{
	return index < w->cluster_count ? w->clusters[index] : NULL;
}

struct cluster *world_next_cluster(struct world *w, uint64_t after)
{
	return world_cluster(w, place_of(w, after + 1));
}
