/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scene of the world's tests: one replication over a faked store and
 * storage.  Jobs run in place, so every interleaving is the test's choice.
 */
#ifndef UVRFS_FAKE_WORLD_H
#define UVRFS_FAKE_WORLD_H

#include "fake_storage.h"

/* ---- the scene: dr-cluster's replica of prod-cluster's volume ---- */

#define MANIFEST(cluster, pvc, handle, state, mode) \
	"spec:\n" \
	"  sourceEndpoint: {cluster: " cluster ", region: east, " \
	"storageClass: fast}\n" \
	"  destinationEndpoint: {cluster: dr, region: west, " \
	"storageClass: fast}\n" \
	"  volumeMapping:\n" \
	"    source: {pvcName: " pvc ", namespace: database}\n" \
	"    destination: {volumeHandle: " handle ", namespace: database}\n" \
	"  replicationState: " state "\n" \
	"  replicationMode: " mode "\n" \
	"  schedule: {mode: continuous}\n"

static const char manifest[] =
	MANIFEST("prod", "db", "vol-1", "replica", "asynchronous");
UNUSED static const char other_manifest[] =
	MANIFEST("prod", "dc", "vol-2", "replica", "asynchronous");

static const struct select_rule everything = {"*", "fake"};
static const struct who me = {0, 42, "bash"};
static int answer;

static void answered(struct edit *e, int rc)
{
	answer = rc;
	f->answers++;
	edit_free(e);
}

static void made(struct namespace_edit *e, int rc)
{
	answer = rc;
}

static struct replication *the(void)
{
	return world_next(f->world, 0);
}

/* Writes, without waiting for anything that follows. */
static void ask_of(struct replication *r, enum edit_kind kind, const char *text)
{
	struct edit *e = edit_new(kind, text, strlen(text), &me);

	answer = 1;
	e->done = answered;
	world_edit(f->world, r, e);
}

UNUSED static void ask(enum edit_kind kind, const char *text)
{
	ask_of(the(), kind, text);
}

static int put_to(struct replication *r, enum edit_kind kind, const char *text)
{
	ask_of(r, kind, text);
	run_all();
	ck_assert_int_ne(answer, 1);
	return answer;
}

static int put(enum edit_kind kind, const char *text)
{
	return put_to(the(), kind, text);
}

static struct replication *draft(const char *name)
{
	struct namespace *ns = world_namespace(f->world, "database");
	struct error err;
	struct replication *r = world_new_draft(f->world, ns, name, &me, &err);

	ck_assert_ptr_nonnull(r);
	return r;
}

/* The scene's backend pushes nothing by itself: this is its watch. */
void world_observe(struct world *w, struct replication *r,
		   const struct observation *seen);

static inline struct observation seen_of(const struct replication *r)
{
	struct observation o;

	sight_read(r->seen, &o);
	return o;
}

/* The storage looks as it does now, and the world is told. */
static void look(void)
{
	struct observation o = f->truth;

	advance(1);
	o.at = f->now;
	o.holds_pvc = the()->status->holds_pvc;
	world_observe(f->world, the(), &o);
	run_all();
}

/* A daemon comes up. */
static void begin(void)
{
	struct error err;

	f->world = world_new(&f->config, &f->store, &f->jobs);
	ck_assert_int_eq(world_add_backend(f->world, &f->backend, &err), 0);
	ck_assert_int_eq(world_load(f->world, f->now, &err), 0);
}

/*
 * kill -9, and another daemon on the same store.  The dead one's jobs are run
 * to their end so that their memory is freed, and nothing comes of them.
 */
UNUSED static void restart(void)
{
	spec_unref(f->kept);
	status_unref(f->kept_status);
	f->kept = spec_ref(the()->spec);
	f->kept_status = status_ref(the()->status);
	f->dead = true;
	run_all();
	world_free(f->world);
	f->dead = false;
	begin();
}

/* Everything but a world. */
static void prepare(void)
{
	f = calloc(1, sizeof *f);
	ck_assert_ptr_nonnull(f);
	f->last = &f->first;
	f->jobs.submit = f->jobs.post = submit;
	f->jobs.hurry = hurry;
	f->store.ops = &store_ops;
	f->ops = (struct backend_ops){
		.type = "fake",
		.capabilities = ~0U,
		.start = start,
		.key = key,
		.track = track,
		.untrack = untrack,
		.describe = describe,
		.act = act,
		.observe = observe,
	};
	f->backend = (struct backend){&f->ops, "fake"};
	f->config = (struct world_config){
		.site = "",
		.select = &everything,
		.select_count = 1,
		.act_timeout_ms = 1000,
		.min_deadline_ms = 900000,
		.retry_first_ms = 1000,
		.retry_max_ms = 300000,
	};
	f->now = 1000000;
	f->truth.here = f->truth.peer = (struct side){
		.reach = REACH_OK,
		.claim = ROLE_ABSENT,
		.fact = ROLE_ABSENT,
		.in_use = TRI_NO,
		.progress = -1,
	};
}

UNUSED static void setup(void)
{
	struct namespace_edit ns = {
		.name = "database",
		.who = me,
		.done = made,
	};

	prepare();
	begin();
	world_edit_namespace(f->world, &ns);
	run_all();
	ck_assert_int_eq(answer, 0);
	ck_assert_int_eq(put_to(draft("db"), EDIT_SPEC, manifest), 0);
	look();
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	f->acts = 0;
}

static void teardown(void)
{
	run_all();
	world_free(f->world);
	spec_unref(f->kept);
	status_unref(f->kept_status);
	free(f);
}

static enum outcome outcome(void)
{
	return the()->status->request.outcome;
}

UNUSED static const struct condition *condition(enum condition_type type)
{
	return &the()->status->conditions[type];
}

UNUSED static bool is_acted(enum act a, enum act b, enum act c)
{
	enum act want[3] = {a, b, c};
	unsigned i, n = 0;

	while (n < 3 && want[n] != ACT_NONE)
		n++;
	if (f->acts != n)
		return false;
	for (i = 0; i < n; i++)
		if (f->did[i] != want[i])
			return false;
	return true;
}

/* It is among what was done since f->acts was set to 0. */
UNUSED static bool did(enum act act)
{
	unsigned i;

	for (i = 0; i < f->acts; i++)
		if (f->did[i] == act)
			return true;
	return false;
}

UNUSED static void lose_peer(void)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
}

/* Only an act would tell what it is. */
UNUSED static void doubt(struct side *side)
{
	side->fact = ROLE_UNKNOWN;
	side->can_verify = true;
}

/* The whole way: this site is the source, and prod follows it. */
UNUSED static void become_source(void)
{
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	f->acts = 0;
}

#endif
