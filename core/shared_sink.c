/* SPDX-License-Identifier: Apache-2.0 */
/* What a shared store tells, from its threads to the loop. */
#include "world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_PAUSE_NS 10000000	/* 10 ms */

struct object_job {
	struct job job;
	struct world *world;
	struct object *object;
};

struct name_job {
	struct job job;
	struct world *world;
	char namespace[64];
	char name[254];
	char uid[64];
};

struct word_job {
	struct job job;
	struct world *world;
	bool leads;
	char text[256];
};

static void reconcile_all(struct world *w)
{
	struct replication *r;
	uint64_t id = 0;

	/* A round may take one out of the set. */
	while ((r = world_after(w, id))) {
		id = r->id;
		reconcile(w, r);
	}
}

static void object_came(struct job *job)
{
	struct object_job *j = (struct object_job *)job;

	shared_take(j->world, j->object);
	free(j);
}

void shared_shift_waits(struct shared_part *part, int64_t by)
{
	if (part->ask_at)
		part->ask_at -= by;
	if (part->request_at)
		part->request_at -= by;
	if (part->conflict_since)
		part->conflict_since -= by;
}

static void object_went(struct job *job)
{
	struct name_job *j = (struct name_job *)job;
	struct namespace *ns = world_namespace(j->world, j->namespace);
	struct replication *r = ns ? shared_find(ns, j->name) : NULL;
	const struct shared_part *part = r ? r->work->shared : NULL;

	shared_forget_removed(j->world, j->uid);
	/* What we removed ourselves is gone already. */
	if (part && part->object &&
	    (!*j->uid || strcmp(part->object->uid, j->uid) == 0)) {
		world_note(j->world, r, &(struct who){0}, "removed",
			   "it is no longer in the store");
		world_withdraw(j->world, r);
	}
	free(j);
}

static void volume_changed(struct job *job)
{
	struct name_job *j = (struct name_job *)job;
	struct replication *r;

	r = shared_claimant(j->world, j->namespace, j->name);
	for (; r; r = r->work->shared->claim_next)
		if (r->spec && !r->work->hidden)
			world_change(j->world, r, r, FACET_VOLUME);
	free(j);
}

static void store_answered(struct job *job)
{
	struct word_job *j = (struct word_job *)job;
	struct world *w = j->world;
	size_t i;

	w->away = *j->text;
	snprintf(w->away_why, sizeof w->away_why, "%s", j->text);
	world_note(w, NULL, &(struct who){0}, "store", "%s",
		   w->away ? j->text : "the store answers");
	for (i = 0; !w->away && i < w->count; i++)
		shared_show_stored(w, w->all[i]);
	reconcile_all(w);
	free(j);
}

/* What was under way elsewhere is taken up here. */
static void lead(struct world *w)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		struct work *work = w->all[i]->work;

		work->trust_after = w->now;
		work->peer_since = w->now;
		result_drop(work);
		work->retry_at = 0;
	}
	reconcile_all(w);
}

static void leader_changed(struct job *job)
{
	struct word_job *j = (struct word_job *)job;
	struct world *w = j->world;
	bool begins = j->leads && !w->leads;

	if (j->leads != w->leads || strcmp(w->leader, j->text) != 0)
		world_note(w, NULL, &(struct who){0}, "leader", "%s%s%s",
			   *j->text ? j->text : "nobody", " leads",
			   j->leads ? ": that is us" : "");
	w->leads = j->leads;
	snprintf(w->leader, sizeof w->leader, "%.*s",
		 (int)sizeof w->leader - 1, j->text);
	if (begins)
		lead(w);
	free(j);
}

static void complained(struct job *job)
{
	struct word_job *j = (struct word_job *)job;

	world_note(j->world, NULL, &(struct who){0}, "store", "%s", j->text);
	free(j);
}

static struct world *world_of(struct store_sink *s)
{
	return ((struct store_listener *)s)->world;
}

/* Each of these may be called by any thread. */

/*
 * For news, which nobody tells a second time: a request that is lost here would
 * not be carried out, and who has lost the lead would go on.  So whoever tells
 * waits until there is memory again.
 */
static void *new_job(size_t size)
{
	static const struct timespec for_memory = {.tv_nsec = MEMORY_PAUSE_NS};
	void *job;

	while (!(job = calloc(1, size)))
		nanosleep(&for_memory, NULL);
	return job;
}

static void post(struct world *w, struct job *job,
		 void (*done)(struct job *job))
{
	job->done = done;
	w->jobs->post(w->jobs, job);
}

static void sink_changed(struct store_sink *s, struct object *o)
{
	struct object_job *j = new_job(sizeof *j);

	j->world = world_of(s);
	j->object = o;
	post(j->world, &j->job, object_came);
}

static void post_name(struct store_sink *s, const struct name_job *what,
		      void (*done)(struct job *job))
{
	struct name_job *j = new_job(sizeof *j);

	*j = *what;
	j->world = world_of(s);
	post(j->world, &j->job, done);
}

static void sink_vanished(struct store_sink *s, const char *namespace,
			  const char *name, const char *uid)
{
	struct name_job what = {.world = NULL};

	snprintf(what.namespace, sizeof what.namespace, "%s", namespace);
	snprintf(what.name, sizeof what.name, "%s", name);
	snprintf(what.uid, sizeof what.uid, "%s", uid);
	post_name(s, &what, object_went);
}

static void sink_volume(struct store_sink *s, const char *namespace,
			const char *pvc)
{
	struct name_job what = {.world = NULL};

	snprintf(what.namespace, sizeof what.namespace, "%s", namespace);
	snprintf(what.name, sizeof what.name, "%s", pvc);
	post_name(s, &what, volume_changed);
}

static void post_word(struct store_sink *s, const char *text, bool leads,
		      void (*done)(struct job *job))
{
	struct word_job *j = new_job(sizeof *j);

	j->world = world_of(s);
	j->leads = leads;
	snprintf(j->text, sizeof j->text, "%s", text);
	post(j->world, &j->job, done);
}

static void sink_reached(struct store_sink *s, const char *why)
{
	post_word(s, why, false, store_answered);
}

static void sink_led(struct store_sink *s, bool leads, const char *leader)
{
	post_word(s, leader, leads, leader_changed);
}

static void sink_complain(struct store_sink *s, const char *sentence)
{
	post_word(s, sentence, false, complained);
}

void shared_init(struct world *w)
{
	w->shared = w->store->ops->start != NULL;
	w->leads = !w->shared;
	w->store_listener = (struct store_listener){
		.sink = {
			.changed = sink_changed,
			.vanished = sink_vanished,
			.reached = sink_reached,
			.led = sink_led,
			.volume = sink_volume,
			.complain = sink_complain,
		},
		.world = w,
	};
}

int shared_start(struct world *w, struct error *err)
{
	if (!w->shared)
		return 0;
	return w->store->ops->start(w->store, &w->store_listener.sink, err);
}
