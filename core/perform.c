/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying one act out: the call on a worker, then a fresh look. */
#include "world_private.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that the worker needs is in here, and nobody else's. */
struct act_job {
	struct job job;
	struct world *world;
	struct replication *r;		/* kept alive by work->acting */
	struct backend *backend;
	struct spec *spec;
	struct target target;
	struct order order;
	uint64_t request;
	struct cluster *cluster;
	int64_t begun;
	int rc;
	struct error err;
	struct act_result *result;	/* until it is the replication's */
	bool observed;
	struct observation seen;
};

static void leave_fence(void *ctx)
{
	struct store *s = ctx;

	s->ops->unfence(s);
}

/*
 * worker.  Of several daemons one acts.  It may have been stopped since it was
 * told that it is this one, so it asks again here, and its call ends before
 * another can begin.
 */
static int act(struct act_job *j)
{
	const struct store_ops *store = j->world->store->ops;
	struct outlast outlast = {leave_fence, j->world->store, false};
	int left = 0, rc = 0;

	if (store->fence)
		rc = store->fence(j->world->store, &left, &j->err);
	if (rc < 0)
		return rc;
	if (store->fence && left < j->order.timeout_ms)
		j->order.timeout_ms = left;
	if (store->fence)
		j->order.outlast = &outlast;
	rc = j->backend->ops->act(j->backend, &j->target, &j->order, &j->err);
	if (store->fence && !outlast.taken)
		leave_fence(j->world->store);
	return rc;
}

/* worker */
static void run(struct job *job)
{
	struct act_job *j = (struct act_job *)job;
	const struct backend_ops *ops = j->backend->ops;
	struct error err;

	if (j->order.act != ACT_NONE)
		j->rc = act(j);
	j->observed = ops->observe(j->backend, &j->target,
				   j->order.timeout_ms, &j->seen, &err) == 0;
}

static void job_free(struct act_job *j)
{
	spec_unref(j->spec);
	free((char *)j->target.here);
	free((char *)j->target.peer);
	free(j->result);
	free(j);
}

void result_drop(struct work *work)
{
	free(work->result);
	work->result = NULL;
}

/* Leaves what came of the act for the next round to write down. */
static void report(struct world *w, struct act_job *j)
{
	struct act_result *result = j->result;
	const char *act = act_text(j->order.act);

	*result = (struct act_result){
		.act = j->order.act,
		.request = j->request,
		.rc = j->rc,
	};
	if (j->rc < 0)
		snprintf(result->sentence, sizeof result->sentence,
			 "%s at %s: %.800s", act, j->cluster->name, j->err.msg);
	text_clip(result->sentence);
	result_drop(j->r->work);
	j->r->work->result = result;
	j->result = NULL;
	world_note(w, j->r, &(struct who){0}, j->rc < 0 ? "failing" : "did",
		   "%s at %s%s%s", act, j->cluster->name,
		   j->rc < 0 ? ": " : "", j->rc < 0 ? j->err.msg : "");
}

static void count(struct world *w, const struct act_job *j)
{
	struct backend_counts *counts = counts_of(w, j->r);
	struct act_counts *c = counts ? &counts->acts[j->order.act] : NULL;

	if (!c)
		return;
	durations_add(&c->took, w->now - j->begun);
	if (j->rc < 0)
		c->failed++;
	else
		c->done++;
}

static void end(struct world *w, struct act_job *j)
{
	/* It may have been the last that had to do with it. */
	cluster_tidy(w, j->cluster);
	job_free(j);
}

static void done(struct job *job)
{
	struct act_job *j = (struct act_job *)job;
	struct world *w = j->world;
	struct replication *r = j->r;

	r->work->acting = false;
	j->cluster->running--;
	count(w, j);
	if (j->order.act != ACT_NONE)
		circuit_record(j->cluster, !circuit_counts(j->rc), w->now);
	if (r->work->gone) {
		replication_free_when_idle(r);
		end(w, j);
		return;
	}
	if (j->order.act != ACT_NONE)
		report(w, j);
	/* A call that timed out may run still: only later looks count. */
	if (j->observed)
		r->work->trust_after = j->seen.at;
	else if (j->order.act != ACT_NONE)
		r->work->trust_after = w->now;
	if (j->observed)
		world_observe(w, r, &j->seen);
	reconcile(w, r);
	end(w, j);
}

/*
 * Intents and requests are counted per replication; the storage outlives those,
 * so their names hold the replication's uid too.  Two uids meet by a chance of
 * 2^-64.
 */
static uint64_t number_for_ever(const struct status *s, uint64_t number)
{
	return text_hash(s->uid) + number;
}

bool act_is_intended(const struct replication *r, enum act act)
{
	const struct status *s = r->status;

	return s->intent.act == act && s->intent.request == s->request.id;
}

int act_intend(struct world *w, struct replication *r, enum act act,
	       const char *why)
{
	struct status draft = *r->status;
	struct error err;

	if (!act_is_intended(r, act))
		draft.intent = (struct intent){
			.act = act,
			.request = draft.request.id,
			.serial = ++draft.last_serial,
		};
	draft.intent.at = w->now;
	if (act == ACT_DEMOTE_PEER && draft.request.word == WORD_PROMOTING)
		draft.request.asked_peer = true;
	if (why) {
		draft.failure = why;
		draft.failure_at = w->now;
	}
	return commit_start(w, r, r->spec, &draft, NULL, "", &err);
}

int act_begin(struct world *w, struct replication *r, enum act act)
{
	struct act_job *j = calloc(1, sizeof *j);
	struct target t;

	if (!j)
		return -ENOMEM;
	replication_target(r, &t);
	j->job.lane = LANE_BACKEND;
	j->job.run = run;
	j->job.done = done;
	j->world = w;
	j->r = r;
	j->begun = w->now;
	j->backend = r->backend;
	j->spec = spec_ref(r->spec);
	j->target = t;
	j->target.spec = j->spec;
	j->target.here = strdup(t.here);
	j->target.peer = strdup(t.peer);
	j->order = (struct order){
		.act = act,
		.serial = number_for_ever(r->status, r->status->intent.serial),
		.request = number_for_ever(r->status, r->status->request.id),
		.timeout_ms = w->config->act_timeout_ms,
		.overrides = r->status->request.overrides,
	};
	j->request = r->status->request.id;
	j->result = calloc(1, sizeof *j->result);
	/* A look asks both; the peer is the one that may hang. */
	j->cluster = world_find_cluster(
		w, act_is_at_peer(act) || act == ACT_NONE ? t.peer : t.here);
	if (!j->target.here || !j->target.peer || !j->cluster || !j->result) {
		job_free(j);
		return -ENOMEM;
	}
	j->cluster->running++;
	r->work->acting = true;
	w->jobs->submit(w->jobs, &j->job);
	return 0;
}
