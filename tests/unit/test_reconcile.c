/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world and its reconcile over a store in memory and a storage of two
 * switches: jobs run in place, so every interleaving is the test's choice.
 */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "manifest.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake {
	struct jobs jobs;
	struct job *first, **last;
	struct store store;
	uint64_t next_id;
	int save_rc;			/* what the next saves answer */
	unsigned saves, removes;
	struct backend backend;
	struct backend_ops ops;
	struct observation truth;
	int act_rc;			/* what the next acts answer */
	bool lie;			/* take acts, change nothing but claims */
	unsigned acts;
	enum act did[64];
	uint64_t serials[64];
	struct world *world;
	struct world_config config;
	int64_t now;
};

static struct fake *f;

/* ---- jobs ---- */

static void submit(struct jobs *jobs, struct job *job)
{
	job->next = NULL;
	*f->last = job;
	f->last = &job->next;
}

static bool run_one(void)
{
	struct job *job = f->first;

	if (!job)
		return false;
	f->first = job->next;
	if (!f->first)
		f->last = &f->first;
	if (job->run)
		job->run(job);
	job->done(job);
	return true;
}

static void run_all(void)
{
	while (run_one())
		;
}

static void advance(int64_t ms)
{
	f->now += ms;
	world_tick(f->world, f->now);
	run_all();
}

/* ---- store ---- */

static int load(struct store *s, struct store_visitor *v, struct error *err)
{
	return 0;
}

static uint64_t new_id(struct store *s, struct error *err)
{
	return ++f->next_id;
}

static int save(struct store *s, const char *namespace, const char *name,
		const struct spec *spec, const struct status *status,
		uint64_t expected, struct error *err)
{
	ck_assert_uint_eq(status->resource_version, expected + 1);
	if (f->save_rc)
		return fail(err, -f->save_rc, "the disk says no");
	f->saves++;
	return 0;
}

static int remove_one(struct store *s, const char *namespace, const char *name,
		      struct error *err)
{
	f->removes++;
	return 0;
}

static int mkdir_one(struct store *s, const char *namespace, uint64_t id,
		     struct error *err)
{
	return 0;
}

static int rmdir_one(struct store *s, const char *namespace, struct error *err)
{
	return 0;
}

static int audit(struct store *s, const char *line, struct error *err)
{
	return 0;
}

static const struct store_ops store_ops = {
	"fake", load, new_id, save, remove_one, mkdir_one, rmdir_one, audit,
	NULL,
};

/* ---- storage ---- */

static void key(struct backend *b, const struct target *t,
		char out[static BACKEND_KEY_MAX])
{
	snprintf(out, BACKEND_KEY_MAX, "%s", t->spec->volume_handle);
}

static int start(struct backend *b, struct sink *sink, struct error *err)
{
	return 0;
}

static int track(struct backend *b, const struct target *t, struct error *err)
{
	return 0;
}

static void untrack(struct backend *b, const char *k)
{
}

static void describe(struct backend *b, const struct target *t, enum act act,
		     struct buf *out)
{
	buf_printf(out, "fake %s\n", act_text(act));
}

static void set_role(struct side *side, enum role role)
{
	side->claim = role;
	if (!f->lie)
		side->fact = role;
}

static int act(struct backend *b, const struct target *t,
	       const struct order *order, struct error *err)
{
	struct side *here = &f->truth.here, *peer = &f->truth.peer;

	ck_assert_uint_lt(f->acts, 64);
	f->serials[f->acts] = order->serial;
	f->did[f->acts++] = order->act;
	if (f->act_rc)
		return fail(err, -f->act_rc, "the array says no");
	switch ((int)order->act) {
	case ACT_DEMOTE_PEER:
		set_role(peer, ROLE_REPLICA);
		here->caught_up = true;
		break;
	case ACT_PROMOTE:
	case ACT_FORCE_PROMOTE:
		set_role(here, ROLE_SOURCE);
		here->following = false;
		break;
	case ACT_PROMOTE_PEER:
		set_role(peer, ROLE_SOURCE);
		break;
	case ACT_DEMOTE:
		set_role(here, ROLE_REPLICA);
		peer->caught_up = true;
		break;
	case ACT_RESYNC_PEER:
		set_role(peer, ROLE_REPLICA);
		peer->following = peer->complete = true;
		peer->diverged = false;
		break;
	case ACT_RESYNC:
		set_role(here, ROLE_REPLICA);
		here->following = here->complete = true;
		here->diverged = false;
		break;
	case ACT_CREATE:
		set_role(here, ROLE_REPLICA);
		set_role(peer, ROLE_SOURCE);
		here->complete = here->following = true;
		break;
	default:
		ck_abort_msg("act %s is no call", act_text(order->act));
	}
	return 0;
}

static int observe(struct backend *b, const struct target *t, int timeout_ms,
		   struct observation *o, struct error *err)
{
	*o = f->truth;
	o->at = f->now;
	return 0;
}

/* ---- the scene: dr-cluster's replica of prod-cluster's volume ---- */

static const char manifest[] =
	"spec:\n"
	"  sourceEndpoint: {cluster: prod, region: east, storageClass: fast}\n"
	"  destinationEndpoint: {cluster: dr, region: west, storageClass: fast}\n"
	"  volumeMapping:\n"
	"    source: {pvcName: db, namespace: database}\n"
	"    destination: {volumeHandle: vol-1, namespace: database}\n"
	"  replicationState: replica\n"
	"  replicationMode: asynchronous\n"
	"  schedule: {mode: continuous}\n";

static const struct select_rule everything = {"*", "fake"};
static const struct who me = {0, 42, "bash"};
static int answer;

static void answered(struct edit *e, int rc)
{
	answer = rc;
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
static void ask(enum edit_kind kind, const char *text)
{
	struct edit *e = edit_new(kind, text, strlen(text), &me);

	answer = 1;
	e->done = answered;
	world_edit(f->world, the(), e);
}

static int put(enum edit_kind kind, const char *text)
{
	ask(kind, text);
	run_all();
	ck_assert_int_ne(answer, 1);
	return answer;
}

/* The storage looks as it does now, and the world is told. */
static void look(void);

static void setup(void)
{
	struct namespace_edit ns = {.name = "database", .who = me, .done = made};
	struct error err;

	f = calloc(1, sizeof *f);
	f->last = &f->first;
	f->jobs.submit = f->jobs.post = submit;
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
	f->world = world_new(&f->config, &f->store, &f->jobs);
	ck_assert_int_eq(world_add_backend(f->world, &f->backend, &err), 0);
	ck_assert_int_eq(world_load(f->world, f->now, &err), 0);
	world_edit_namespace(f->world, &ns);
	run_all();
	ck_assert_int_eq(answer, 0);
	ck_assert_ptr_nonnull(world_new_draft(
		f->world, world_namespace(f->world, "database"), "db", &me,
		&err));
	ck_assert_int_eq(put(EDIT_SPEC, manifest), 0);
	look();
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	f->acts = 0;
}

static void teardown(void)
{
	run_all();
	world_free(f->world);
	free(f);
}

/* The scene's backend pushes nothing by itself: this is its watch. */
void world_observe(struct world *w, struct replication *r,
		   const struct observation *seen);

static void look(void)
{
	struct observation o = f->truth;

	advance(1);
	o.at = f->now;
	world_observe(f->world, the(), &o);
	run_all();
}

static const struct condition *condition(enum condition_type type)
{
	return &the()->status->conditions[type];
}

static bool is_acted(enum act a, enum act b, enum act c)
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

START_TEST(a_planned_failover_demotes_the_peer_first)
{
	ck_assert_int_eq(put(EDIT_STATE, " promoting\n"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_PLANNED);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_TRUE);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "Unprotected");
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_str_eq(the()->spec->source.cluster, "dr");
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_str_eq(the()->spec->source.cluster, "dr");
}
END_TEST

START_TEST(nothing_is_acted_before_its_intent_is_durable)
{
	f->save_rc = -ENOSPC;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -ENOSPC);
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
	f->save_rc = 0;
	advance(2000);
	ask(EDIT_STATE, "promoting");
	run_one();			/* the save of the request */
	ck_assert_int_eq(answer, 0);
	f->save_rc = -EIO;		/* the intent can't be kept */
	run_all();
	ck_assert_uint_eq(f->acts, 0);
	f->save_rc = 0;
	advance(2000);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
}
END_TEST

START_TEST(a_silent_peer_makes_it_unplanned)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.failover, FAILOVER_UNPLANNED);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(a_peer_that_refuses_needs_force)
{
	f->truth.peer.reach = REACH_REFUSED;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "force"));
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert(is_acted(ACT_FORCE_PROMOTE, ACT_NONE, ACT_NONE));
}
END_TEST

START_TEST(an_incomplete_copy_is_never_promoted)
{
	f->truth.here.complete = false;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_lying_storage_is_not_believed)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->lie = true;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Unverified");
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), -EBUSY);
	ck_assert_uint_eq(f->acts, 1);
}
END_TEST

START_TEST(without_a_second_fact_only_force_accepts)
{
	f->truth.here.fact = f->truth.peer.fact = ROLE_UNKNOWN;
	look();
	f->lie = true;			/* facts stay unknown */
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
	ck_assert_int_eq(put(EDIT_STATE, "source"), -EBUSY);
	ck_assert_int_eq(put(EDIT_STATE, "source force"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
	ck_assert_int_eq(condition(CONDITION_READY)->status, CONDITION_UNKNOWN);
}
END_TEST

START_TEST(a_roll_back_gives_the_role_back)
{
	ask(EDIT_STATE, "promoting");
	while (f->acts < 1)
		ck_assert(run_one());
	f->act_rc = -EAGAIN;		/* the promotion does not come about */
	run_all();
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_PENDING);
	ck_assert(the()->status->request.asked_peer);
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(is_acted(ACT_PROMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_int_eq(f->truth.peer.fact, ROLE_SOURCE);
}
END_TEST

START_TEST(transient_errors_are_retried_with_the_same_serial)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->act_rc = -EIO;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 1);
	ck_assert_ptr_nonnull(the()->status->failure);
	advance(500);
	ck_assert_uint_eq(f->acts, 1);	/* not before its time */
	advance(700);
	ck_assert_uint_eq(f->acts, 2);
	f->act_rc = 0;
	advance(3000);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
	ck_assert_ptr_null(the()->status->failure);
}
END_TEST

START_TEST(a_final_error_fails_and_can_be_retried)
{
	f->truth.peer.reach = REACH_SILENT;
	look();
	f->act_rc = -EPERM;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
	ck_assert_int_eq(replication_wait_result(the(), 2), -EIO);
	advance(1000000);
	ck_assert_uint_eq(f->acts, 1);	/* nothing happens by itself */
	ck_assert_int_eq(put(EDIT_STATE, "failed"), -EPERM);
	ck_assert_int_eq(put(EDIT_STATE, "demoting"), -EPERM);
	f->act_rc = 0;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
}
END_TEST

START_TEST(the_deadline_fails_a_request_that_waits)
{
	f->truth.here.following = true;
	ask(EDIT_STATE, "promoting");
	run_one();
	f->truth.peer.reach = REACH_SILENT;
	f->act_rc = -EHOSTUNREACH;
	look();
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnreachable");
	advance(900001);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
}
END_TEST

START_TEST(a_robot_with_yesterdays_manifest_changes_nothing)
{
	uint64_t version;

	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	version = the()->status->request.id;
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_uint_eq(the()->status->request.id, version);
	f->act_rc = 0;
	advance(10000);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_int_eq(replication_state(the()), STATE_SOURCE);
}
END_TEST

START_TEST(a_held_replication_refuses_everything_else)
{
	ck_assert_int_eq(put(EDIT_HOLD, "maintenance\n"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "maintenance"));
	ck_assert_int_eq(put(EDIT_REMOVE, ""), -EPERM);
	ck_assert_int_eq(put(EDIT_HOLD, "\n"), 0);
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	ck_assert_uint_eq(f->removes, 1);
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(a_steady_state_never_acts)
{
	f->truth.here.claim = f->truth.here.fact = ROLE_SOURCE;
	look();
	advance(10000000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "SplitBrain");
	ck_assert_int_eq(condition(CONDITION_DRIFTED)->status, CONDITION_TRUE);
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
}
END_TEST

START_TEST(since_moves_only_when_the_status_flips)
{
	int64_t since = condition(CONDITION_DEGRADED)->since;

	ck_assert_int_eq(condition(CONDITION_DEGRADED)->status, CONDITION_FALSE);
	advance(1000);
	f->truth.peer.reach = REACH_SILENT;
	look();
	ck_assert_int_eq(condition(CONDITION_DEGRADED)->status, CONDITION_TRUE);
	ck_assert_int_gt(condition(CONDITION_DEGRADED)->since, since);
	since = condition(CONDITION_DEGRADED)->since;
	advance(1000);
	f->truth.peer.reach = REACH_REFUSED;
	look();
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "PeerRefused");
	ck_assert_int_eq(condition(CONDITION_DEGRADED)->since, since);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reconcile");
	TCase *c = tcase_create("reconcile");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_planned_failover_demotes_the_peer_first);
	tcase_add_test(c, nothing_is_acted_before_its_intent_is_durable);
	tcase_add_test(c, a_silent_peer_makes_it_unplanned);
	tcase_add_test(c, a_peer_that_refuses_needs_force);
	tcase_add_test(c, an_incomplete_copy_is_never_promoted);
	tcase_add_test(c, a_lying_storage_is_not_believed);
	tcase_add_test(c, without_a_second_fact_only_force_accepts);
	tcase_add_test(c, a_roll_back_gives_the_role_back);
	tcase_add_test(c, transient_errors_are_retried_with_the_same_serial);
	tcase_add_test(c, a_final_error_fails_and_can_be_retried);
	tcase_add_test(c, the_deadline_fails_a_request_that_waits);
	tcase_add_test(c, a_robot_with_yesterdays_manifest_changes_nothing);
	tcase_add_test(c, a_held_replication_refuses_everything_else);
	tcase_add_test(c, a_steady_state_never_acts);
	tcase_add_test(c, since_moves_only_when_the_status_flips);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
