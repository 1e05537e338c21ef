/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a replication comes to be, and what may change in it: what it adopts, and
 * on whose word; which volumes, which site; what a manifest may not smuggle in.
 */
#include "fake_world.h"
#include "suite.h"

START_TEST(what_was_seen_before_its_birth_verifies_nothing)
{
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->truth.here.claim = f->truth.here.fact = ROLE_ABSENT;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_ABSENT;
	f->now += 86400000;
	world_tick(f->world, f->now);
	ck_assert_int_eq(put_to(draft("db"), EDIT_SPEC, manifest), 0);
	/* The storage was asked, and it had forgotten. */
	ck_assert_int_eq(seen_of(the()).at, f->now);
	ck_assert(is_acted(ACT_CREATE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(of_two_drafts_with_the_same_volumes_one_becomes_real)
{
	struct replication *x = draft("x"), *y = draft("y");

	ask_of(x, EDIT_SPEC, other_manifest);
	ask_of(y, EDIT_SPEC, other_manifest);
	ck_assert_int_eq(answer, -EPERM);
	run_all();
	ck_assert_int_eq(answer, 0);
	ck_assert_ptr_nonnull(x->spec);
	ck_assert_ptr_null(y->spec);
	ck_assert_ptr_nonnull(strstr(y->refusal.sentence, "'x'"));
}
END_TEST

START_TEST(a_refused_birth_leaves_its_volumes_free)
{
	struct replication *x = draft("x"), *y = draft("y");

	f->save_rc = -ENOSPC;
	ck_assert_int_eq(put_to(x, EDIT_SPEC, other_manifest), -ENOSPC);
	f->save_rc = 0;
	ck_assert_int_eq(put_to(y, EDIT_SPEC, other_manifest), 0);
	ck_assert_ptr_nonnull(y->spec);
}
END_TEST

/* The watch may tell at any moment, also between acceptance and the save. */
START_TEST(what_is_seen_during_its_birth_is_taken_along)
{
	struct replication *r;
	struct observation o;

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	advance(1000);
	o = f->truth;
	o.at = f->now;
	o.here.progress = 42;
	r = draft("db");
	f->sink->observed(f->sink, "vol-1", &o);
	ask_of(r, EDIT_SPEC, manifest);
	run_one();
	ck_assert_ptr_null(r->spec);
	run_all();
	ck_assert_int_eq(answer, 0);
	ck_assert_int_eq(seen_of(the()).at, f->now);
	ck_assert_int_eq(seen_of(the()).here.progress, 42);
}
END_TEST

/* And what it told is not forgotten when the save fails. */
START_TEST(what_is_seen_during_a_failed_birth_is_kept)
{
	struct replication *x = draft("x"), *y = draft("y");
	struct observation o = f->truth;

	o.at = ++f->now;
	o.here.in_use = TRI_YES;
	f->sink->observed(f->sink, "vol-2", &o);
	f->save_rc = -ENOSPC;
	ck_assert_int_eq(put_to(x, EDIT_SPEC, other_manifest), -ENOSPC);
	f->save_rc = 0;
	ask_of(y, EDIT_SPEC, other_manifest);
	ck_assert_int_eq(seen_of(y).at, o.at);
	ck_assert_int_eq(seen_of(y).here.in_use, TRI_YES);
	run_all();
	ck_assert_int_eq(answer, 0);
}
END_TEST

START_TEST(a_draft_can_go_behind_a_failed_save)
{
	struct replication *d = draft("d2");
	unsigned answers = f->answers;

	f->save_rc = -ENOSPC;
	ask_of(d, EDIT_SPEC, other_manifest);
	ask_of(d, EDIT_REMOVE, "");
	run_all();
	ck_assert_uint_eq(f->answers, answers + 2);
	ck_assert_int_eq(answer, 0);
	ck_assert_ptr_null(namespace_find(world_namespace(f->world, "database"),
					  "d2"));
}
END_TEST

#define ONE_CLUSTER(state) MANIFEST("dr", "dc", "vol-2", state, "asynchronous")

/* Two regions of one cluster are told apart, and the right one is here. */
START_TEST(endpoints_in_one_cluster_are_told_by_their_regions)
{
	struct replication *r = draft("x");
	struct target t;

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->truth.here.claim = f->truth.here.fact = ROLE_ABSENT;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_ABSENT;
	advance(1000);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, ONE_CLUSTER("replica")), 0);
	look();
	ck_assert_str_eq(r->status->site, "west");
	ck_assert_ptr_eq(replication_here(r), &r->spec->destination);
	replication_target(r, &t);
	ck_assert(t.here_is_destination);
	ck_assert(is_acted(ACT_CREATE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_site_that_is_a_region_finds_its_endpoint)
{
	struct replication *r = draft("x");

	f->config.site = "east";
	f->truth.here.claim = f->truth.here.fact = ROLE_SOURCE;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_REPLICA;
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	advance(1000);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, ONE_CLUSTER("source")), 0);
	look();
	ck_assert_str_eq(r->status->site, "east");
	ck_assert_ptr_eq(replication_here(r), &r->spec->source);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

#define OF_SOURCE(state) MANIFEST("prod", "dc", "vol-2", state, "asynchronous")

/* Of a relationship that nobody serves, the watch tells as either side sees it:
   here the one with the volume handle, and we are the other. */
static void told_from_the_other_side(enum role here, enum role peer)
{
	struct observation o = f->truth;

	f->config.site = "prod";
	o.at = ++f->now;
	o.holds_pvc = false;
	o.peer_alive = true;
	o.here.claim = o.here.fact = here;
	o.peer.claim = o.peer.fact = peer;
	f->sink->observed(f->sink, "vol-2", &o);
	run_all();
	/* And this is what our own look says. */
	f->truth.here = o.peer;
	f->truth.peer = o.here;
}

START_TEST(a_birth_is_judged_from_its_own_side)
{
	struct replication *r = draft("x");

	told_from_the_other_side(ROLE_REPLICA, ROLE_SOURCE);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("replica")), -EPERM);
	ck_assert_ptr_nonnull(strstr(r->refusal.sentence, "source"));
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), 0);
	ck_assert_int_eq(seen_of(r).here.claim, ROLE_SOURCE);
	ck_assert_int_eq(seen_of(r).peer.claim, ROLE_REPLICA);
	ck_assert(seen_of(r).holds_pvc);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_wrong_role_is_refused_from_its_own_side)
{
	struct replication *r = draft("x");

	told_from_the_other_side(ROLE_SOURCE, ROLE_REPLICA);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), -EPERM);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("replica")), 0);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* Not even where its own volume is not in any relationship. */
START_TEST(no_source_is_born_beside_a_source)
{
	struct replication *r = draft("x");

	told_from_the_other_side(ROLE_SOURCE, ROLE_ABSENT);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), -EPERM);
	ck_assert_ptr_nonnull(strstr(r->refusal.sentence,
				     "there would be two"));
	told_from_the_other_side(ROLE_ABSENT, ROLE_ABSENT);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), 0);
	ck_assert(is_acted(ACT_CREATE, ACT_NONE, ACT_NONE));
}
END_TEST

/* Nobody had looked when it was accepted; either look counts. */
START_TEST(no_source_is_made_beside_a_source)
{
	struct replication *r = draft("x");

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->config.site = "prod";
	f->truth.here.claim = f->truth.here.fact = ROLE_ABSENT;
	f->truth.peer.claim = _i ? ROLE_SOURCE : ROLE_REPLICA;
	f->truth.peer.fact = _i ? ROLE_UNKNOWN : ROLE_SOURCE;
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), 0);
	look();
	advance(10000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "RoleConflict");
	ck_assert_int_eq(put(EDIT_STATE, "source force"), -EPERM);
	f->truth.peer.claim = f->truth.peer.fact = ROLE_REPLICA;
	look();
	ck_assert(is_acted(ACT_CREATE, ACT_NONE, ACT_NONE));
}
END_TEST

/* A daemon's start tells of all that there is, before it is told who is here. */
START_TEST(what_the_start_tells_is_turned_or_dropped)
{
	struct replication *r = draft("x");
	struct observation o;
	int64_t at;

	told_from_the_other_side(ROLE_REPLICA, ROLE_SOURCE);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, OF_SOURCE("source")), 0);
	at = seen_of(r).at;
	o = f->truth;
	o.at = ++f->now;
	o.holds_pvc = false;
	f->sink->observed(f->sink, "vol-2", &o);
	run_all();
	ck_assert_int_eq(seen_of(r).at, at);
	o.holds_pvc = true;
	f->sink->observed(f->sink, "vol-2", &o);
	run_all();
	ck_assert_int_eq(seen_of(r).at, o.at);
}
END_TEST

#define EXCHANGED(state) \
	"spec:\n" \
	"  sourceEndpoint: {cluster: dr, region: west, storageClass: fast}\n" \
	"  destinationEndpoint: {cluster: prod, region: east, " \
	"storageClass: fast}\n" \
	"  volumeMapping:\n" \
	"    source: {pvcName: db, namespace: database}\n" \
	"    destination: {volumeHandle: vol-1, namespace: database}\n" \
	"  replicationState: " state "\n" \
	"  replicationMode: asynchronous\n" \
	"  schedule: {mode: continuous}\n"

/* The key of some backends is that of the volume, whoever has the PVC. */
START_TEST(endpoints_that_are_exchanged_do_not_turn_what_was_seen)
{
	struct replication *r;

	become_source();
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->config.site = "dr";
	r = draft("db");
	ck_assert_int_eq(put_to(r, EDIT_SPEC, EXCHANGED("replica")), -EPERM);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, EXCHANGED("source")), 0);
	ck_assert_int_eq(seen_of(r).here.claim, ROLE_SOURCE);
	ck_assert(seen_of(r).holds_pvc);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(the_same_volumes_at_the_other_site_turn_it)
{
	struct replication *r;

	become_source();
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->config.site = "prod";
	r = draft("db");
	ck_assert_int_eq(put_to(r, EDIT_SPEC, EXCHANGED("source")), -EPERM);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, EXCHANGED("replica")), 0);
}
END_TEST

START_TEST(a_mode_that_is_fixed_is_not_smuggled_in_with_a_state)
{
	f->ops.capabilities &= ~(unsigned)CAP_MODE_IN_PLACE;
	ck_assert_int_eq(put(EDIT_MODE, "synchronous"), -EPERM);
	ck_assert_int_eq(put(EDIT_SPEC, MANIFEST("prod", "db", "vol-1",
						 "promoting", "synchronous")),
			 -EPERM);
	ck_assert_int_eq(the()->spec->mode, MODE_ASYNCHRONOUS);
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* A backend that has no use for this handle. */
static int refuse_vol_1(struct backend *b, const struct spec *spec,
			struct error *err)
{
	if (strcmp(spec->volume_handle, "vol-1") == 0)
		return fail(err, EINVAL, "vol-1 is no name for a volume");
	return 0;
}

START_TEST(what_the_backend_can_not_serve_is_refused_when_it_is_written)
{
	struct replication *r;

	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->ops.check = refuse_vol_1;
	r = draft("db");
	ck_assert_int_eq(put_to(r, EDIT_SPEC, manifest), -EINVAL);
	ck_assert_ptr_nonnull(strstr(r->refusal.sentence,
				     "vol-1 is no name for a volume"));
	ck_assert_ptr_null(r->spec);
	f->ops.check = NULL;
	ck_assert_int_eq(put_to(r, EDIT_SPEC, manifest), 0);
}
END_TEST

/* Another version of the daemon, or a file that was put there by hand. */
START_TEST(what_the_backend_can_not_serve_is_kept_and_left_alone)
{
	f->ops.check = refuse_vol_1;
	restart();
	ck_assert_ptr_null(the()->backend);
	ck_assert_ptr_nonnull(strstr(the()->backend_why, "can't serve"));
	ck_assert_int_eq(replication_state(the()), STATE_REPLICA);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

/* A daemon starts, and finds what it knows nothing of but its manifest. */
static void put_by_hand(enum state state, const char *hold)
{
	struct spec spec = spec_draft(the()->spec);
	struct status status = *the()->status;

	spec.state = state;
	spec.written = NULL;
	status.site = NULL;
	status.hold = hold;
	status.request = (struct request){0};
	status.history_count = 0;
	f->kept = spec_new(&spec);
	f->kept_status = status_new(&status);
	world_free(f->world);
	begin();
}

static const enum state half_way[] = {STATE_PROMOTING, STATE_DEMOTING,
				      STATE_SYNCING};

static void by_hand_is_refused(enum edit_kind kind, const char *text)
{
	ck_assert_int_eq(put(kind, text), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "by hand"));
}

START_TEST(half_a_transition_is_not_adopted_by_a_word_either)
{
	enum state state = half_way[_i];
	struct plan plan;

	put_by_hand(state, "a copy");
	ck_assert_int_eq(put(EDIT_HOLD, ""), 0);
	by_hand_is_refused(EDIT_STATE, "source");
	by_hand_is_refused(EDIT_STATE, "replica force");
	by_hand_is_refused(EDIT_MODE, "synchronous");
	by_hand_is_refused(EDIT_SPEC, manifest);
	world_plan(f->world, the(),
		   state == STATE_PROMOTING ? WORD_SOURCE : WORD_REPLICA, true,
		   &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_FORBIDDEN);
	ck_assert_int_eq(replication_state(the()), state);
	ck_assert_int_eq(outcome(), OUTCOME_NONE);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(what_is_put_there_by_hand_is_adopted)
{
	put_by_hand(STATE_REPLICA, NULL);
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_str_eq(the()->status->site, "dr");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
}
END_TEST

static size_t clusters(void)
{
	size_t n = 0;

	while (world_cluster(f->world, n))
		n++;
	return n;
}

static bool has_cluster(const char *name)
{
	const struct cluster *c;
	size_t i;

	for (i = 0; (c = world_cluster(f->world, i)); i++)
		if (strcmp(c->name, name) == 0)
			return true;
	return false;
}

#define AT(cluster) MANIFEST(cluster, "dc", "vol-2", "replica", "asynchronous")

/* Whoever may make replications could fill the memory, and each plan's time. */
START_TEST(a_cluster_goes_with_the_last_that_has_an_end_there)
{
	struct replication *r = draft("x");

	ck_assert_uint_eq(clusters(), 2);
	ck_assert_int_eq(put_to(r, EDIT_SPEC, AT("far-away")), 0);
	ck_assert_uint_eq(clusters(), 3);
	ck_assert(has_cluster("far-away"));
	ck_assert_int_eq(put_to(r, EDIT_REMOVE, ""), 0);
	ck_assert_uint_eq(clusters(), 2);
	ck_assert(has_cluster("prod") && has_cluster("dr"));
	/* Which two change places with each other is nothing to that. */
	become_source();
	ck_assert_uint_eq(clusters(), 2);
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	ck_assert_uint_eq(clusters(), 0);
}
END_TEST

/* Its breaker counts the call. */
START_TEST(a_cluster_stays_while_a_call_is_under_way)
{
	struct replication *r = draft("x");
	struct job *job;

	f->truth.here.claim = f->truth.here.fact = ROLE_ABSENT;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_ABSENT;
	ask_of(r, EDIT_SPEC, AT("far-away"));
	while ((job = take_job(false)))
		finish_job(job);
	ck_assert_int_eq(answer, 0);
	ask_of(r, EDIT_REMOVE, "");
	while ((job = take_job(false)))
		finish_job(job);
	ck_assert_int_eq(answer, 0);
	ck_assert(has_cluster("far-away"));
	run_all();
	ck_assert(!has_cluster("far-away"));
	ck_assert_uint_eq(clusters(), 2);
}
END_TEST

/* ---- whose it is ---- */

#define NAMING(extensions, mode) \
	MANIFEST("prod", "db", "vol-1", "replica", mode) \
	"  extensions: {" extensions "}\n"

static struct backend netapp;

static void add_netapp(void)
{
	static struct backend_ops ops;
	struct error err;

	ops = f->ops;
	ops.type = "trident";
	netapp = (struct backend){&ops, "netapp"};
	ck_assert_int_eq(world_add_backend(f->world, &netapp, &err), 0);
}

/* It would see nothing of what the other has made, after the next start. */
START_TEST(a_manifest_takes_no_relationship_to_another_backend)
{
	add_netapp();
	ck_assert_int_eq(put(EDIT_SPEC, NAMING("trident: {}", "asynchronous")),
			 -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence,
				     "backend fake serves"));
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "netapp"));
	ck_assert_uint_eq(the()->spec->extensions, 0);
	/* One that leads to the same is no other. */
	ck_assert_int_eq(put(EDIT_SPEC, NAMING("ceph: {}", "asynchronous")), 0);
	ck_assert_uint_ne(the()->spec->extensions, 0);
	f->config.select_count = 0;
	ck_assert_int_eq(put(EDIT_SPEC, manifest), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence, "none would"));
}
END_TEST

static int refuse_synchronous(struct backend *b, const struct spec *spec,
			      struct error *err)
{
	if (spec->mode == MODE_SYNCHRONOUS)
		return fail(err, EINVAL, "nothing is synchronous here");
	return 0;
}

START_TEST(a_manifest_gets_a_backend_without_a_restart)
{
	f->config.select_count = 0;
	restart();
	ck_assert_ptr_null(the()->backend);
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), -EBUSY);
	f->ops.type = "trident";
	f->ops.check = refuse_synchronous;
	ck_assert_int_eq(put(EDIT_SPEC, NAMING("trident: {}", "synchronous")),
			 -EINVAL);
	ck_assert_int_eq(put(EDIT_SPEC, NAMING("trident: {}", "asynchronous")),
			 0);
	ck_assert_ptr_eq(the()->backend, &f->backend);
	look();
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "Verified");
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("birth");
	TCase *c = tcase_create("birth");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_was_seen_before_its_birth_verifies_nothing);
	tcase_add_test(c, of_two_drafts_with_the_same_volumes_one_becomes_real);
	tcase_add_test(c, a_refused_birth_leaves_its_volumes_free);
	tcase_add_test(c, what_is_seen_during_its_birth_is_taken_along);
	tcase_add_test(c, what_is_seen_during_a_failed_birth_is_kept);
	tcase_add_test(c, a_draft_can_go_behind_a_failed_save);
	tcase_add_test(c, endpoints_in_one_cluster_are_told_by_their_regions);
	tcase_add_test(c, a_site_that_is_a_region_finds_its_endpoint);
	tcase_add_test(c, a_birth_is_judged_from_its_own_side);
	tcase_add_test(c, a_wrong_role_is_refused_from_its_own_side);
	tcase_add_test(c, no_source_is_born_beside_a_source);
	tcase_add_loop_test(c, no_source_is_made_beside_a_source, 0, 2);
	tcase_add_test(c, what_the_start_tells_is_turned_or_dropped);
	tcase_add_test(
		c, endpoints_that_are_exchanged_do_not_turn_what_was_seen);
	tcase_add_test(c, the_same_volumes_at_the_other_site_turn_it);
	tcase_add_test(c, a_mode_that_is_fixed_is_not_smuggled_in_with_a_state);
	tcase_add_test(
		c, what_the_backend_can_not_serve_is_refused_when_it_is_written);
	tcase_add_test(
		c, what_the_backend_can_not_serve_is_kept_and_left_alone);
	tcase_add_loop_test(
		c, half_a_transition_is_not_adopted_by_a_word_either, 0,
		sizeof half_way / sizeof *half_way);
	tcase_add_test(c, what_is_put_there_by_hand_is_adopted);
	tcase_add_test(c, a_cluster_goes_with_the_last_that_has_an_end_there);
	tcase_add_test(c, a_cluster_stays_while_a_call_is_under_way);
	tcase_add_test(c, a_manifest_takes_no_relationship_to_another_backend);
	tcase_add_test(c, a_manifest_gets_a_backend_without_a_restart);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
