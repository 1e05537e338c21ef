/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring is told. */
#include "world_private.h"

const int64_t duration_limits_ms[DURATION_LIMITS] = {
	50, 250, 1000, 5000, 15000, 60000, 300000, 900000, 3600000, 14400000,
};

void durations_add(struct durations *d, int64_t ms)
{
	int i;

	/* The clock may have been set back. */
	if (ms < 0)
		ms = 0;
	d->sum_ms += ms;
	for (i = 0; i < DURATION_LIMITS; i++)
		if (ms <= duration_limits_ms[i]) {
			d->upto[i]++;
			return;
		}
	d->longer++;
}

uint64_t durations_count(const struct durations *d)
{
	uint64_t n = d->longer;
	int i;

	for (i = 0; i < DURATION_LIMITS; i++)
		n += d->upto[i];
	return n;
}

const struct counts *world_counts(const struct world *w)
{
	return &w->counts;
}

const struct backend_counts *world_backend_counts(const struct world *w,
						  size_t index)
{
	return index < w->backend_count ? &w->sinks[index]->counts : NULL;
}

struct backend_counts *counts_of(struct world *w, const struct replication *r)
{
	size_t i;

	for (i = 0; i < w->backend_count; i++)
		if (w->sinks[i]->backend == r->backend)
			return &w->sinks[i]->counts;
	return NULL;
}

void world_visit_watches(struct world *w, struct watch_visitor *v)
{
	struct backend *b;
	size_t i;

	v->owner = "store";
	if (w->store->ops->watches)
		w->store->ops->watches(w->store, v);
	for (i = 0; (b = world_backend(w, i)); i++) {
		v->owner = b->name;
		if (b->ops->watches)
			b->ops->watches(b, v);
	}
}
