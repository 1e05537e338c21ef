/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes right again: a daemon that was killed, a store that is full, a
 * storage that fails, a peer that was away, a removal that meets something else
 * on its way, a clock that is set back.
 */
#include "fake_world.h"
#include "suite.h"

/* What a peer is like that was made anew while it was away. */
static const struct side bare_replica = {
	.reach = REACH_OK,
	.claim = ROLE_REPLICA,
	.fact = ROLE_REPLICA,
	.in_use = TRI_NO,
	.progress = -1,
};

static unsigned count(const struct lines *l, const char *text)
{
	const char *s = l->data, *end = l->data + l->len;
	unsigned n = 0;

	while (s && (s = memmem(s, (size_t)(end - s), text, strlen(text)))) {
		s += strlen(text);
		n++;
	}
	return n;
}

/* Up to the end of the first act's call, whose answer is @rc. */
static void run_to_the_act(int rc)
{
	f->acts = 0;
	while (!f->acts) {
		ck_assert_ptr_nonnull(f->first);
		if (f->first->lane == LANE_BACKEND)
			f->act_rc = rc;
		run_one();
	}
}

/* ---- a daemon that was killed ---- */

START_TEST(an_act_that_took_effect_before_a_crash_is_not_made_again)
{
	lose_peer();
	ask(EDIT_STATE, "promoting");
	while (f->first->lane != LANE_BACKEND)
		run_one();
	f->first->run(f->first);	/* and nobody hears of it */
	ck_assert_int_eq(f->truth.here.fact, ROLE_SOURCE);
	f->now += 1200000;		/* past the deadline */
	restart();
	run_all();
	look();
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_int_eq(replication_state(the()), STATE_PROMOTING);
	ck_assert_uint_eq(f->acts, 1);
}
END_TEST

START_TEST(an_act_that_a_crash_cut_short_is_asked_again_by_its_name)
{
	uint64_t serial;

	lose_peer();
	f->act_rc = -ETIMEDOUT;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	serial = f->serials[0];
	f->act_rc = 0;
	restart();
	look();
	advance(2000);
	ck_assert_uint_eq(f->acts, 2);
	ck_assert_uint_eq(f->serials[1], serial);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

/* Its volume was made read-only, and its record does not say so yet. */
START_TEST(a_step_down_that_was_cut_short_is_asked_again)
{
	f->act_rc = -ENOSPC;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_NONE, ACT_NONE));
	f->truth.peer.fact = ROLE_REPLICA;
	f->act_rc = 0;
	restart();
	look();
	advance(2000);
	ck_assert_uint_eq(f->serials[1], f->serials[0]);
	ck_assert(f->did[1] == ACT_DEMOTE_PEER && f->did[2] == ACT_PROMOTE);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

/* The same picture without a call of ours is nothing to act on. */
START_TEST(a_peer_that_contradicts_itself_is_left_alone)
{
	f->act_rc = -EAGAIN;
	set_role(&f->truth.peer, ROLE_REPLICA);
	f->truth.here.caught_up = true;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->acts = 0;
	f->act_rc = 0;
	f->truth.peer.claim = ROLE_SOURCE;
	look();
	advance(2000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "PeerUnverified");
}
END_TEST

START_TEST(what_is_pending_waits_for_a_backend_that_is_gone)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	f->acts = 0;
	f->config.select_count = 0;
	restart();
	advance(2000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "NoBackend");
}
END_TEST

START_TEST(a_restart_moves_no_time_and_writes_nothing)
{
	int64_t since = condition(CONDITION_READY)->since;
	unsigned saves = f->saves;

	advance(100000);
	restart();
	run_all();
	look();
	ck_assert_int_eq(condition(CONDITION_READY)->since, since);
	ck_assert_uint_eq(f->saves, saves);
}
END_TEST

/* ---- a store that is full ---- */

START_TEST(an_act_refused_for_good_is_not_repeated_for_a_full_store)
{
	int i;

	lose_peer();
	ask(EDIT_STATE, "promoting");
	run_to_the_act(-EPERM);
	f->save_rc = -ENOSPC;
	run_all();
	for (i = 0; i < 20; i++)
		advance(1100);
	ck_assert_uint_eq(f->acts, 1);
	f->save_rc = 0;
	advance(1100);
	ck_assert_int_eq(replication_state(the()), STATE_FAILED);
	ck_assert_uint_eq(f->acts, 1);
}
END_TEST

START_TEST(log_calls_verified_what_is_kept)
{
	const struct lines *log = &the()->log;
	int i;

	lose_peer();
	ask(EDIT_STATE, "promoting");
	run_to_the_act(0);
	run_one();
	f->save_rc = -ENOSPC;
	run_all();
	for (i = 0; i < 10; i++)
		advance(1100);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	ck_assert_uint_eq(count(log, "verified: promoting"), 0);
	f->save_rc = 0;
	advance(1100);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	ck_assert_uint_eq(count(log, "verified: promoting"), 1);
}
END_TEST

/* ---- removal ---- */

/* rmdir is to delete the relationship. */
static void ask_for_deletion(void)
{
	static const char policy[] =
		"metadata: {annotations: {uvrfs/deletion-policy: delete}}\n"
		MANIFEST("prod", "db", "vol-1", "replica", "asynchronous");

	ck_assert_int_eq(put(EDIT_SPEC, policy), 0);
}

START_TEST(what_would_delete_a_copy_is_not_deleted)
{
	f->ops.capabilities &= ~(unsigned)CAP_DELETE;
	ask_for_deletion();
	ck_assert_int_eq(put(EDIT_REMOVE, ""), -EPERM);
	ck_assert_ptr_nonnull(strstr(the()->refusal.sentence,
				     "would delete a copy"));
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_word_behind_a_removal_comes_too_late)
{
	ask_for_deletion();
	ask(EDIT_REMOVE, "");
	ask(EDIT_STATE, "promoting");
	run_all();
	ck_assert_int_eq(answer, -ENOENT);
	ck_assert(is_acted(ACT_DELETE, ACT_NONE, ACT_NONE));
	ck_assert_uint_eq(f->removes, 1);
	ck_assert_ptr_null(the());
}
END_TEST

START_TEST(what_is_being_removed_takes_no_words_and_keeps_its_name)
{
	struct namespace *ns = world_namespace(f->world, "database");
	unsigned answers = f->answers + 4;
	struct error err;

	ask_for_deletion();
	f->act_rc = -EAGAIN;
	ask(EDIT_REMOVE, "");
	ask(EDIT_STATE, "promoting");
	ask(EDIT_REMOVE, "");
	run_all();
	ck_assert_uint_eq(f->answers, answers);
	ck_assert_int_eq(answer, -ENOENT);
	ck_assert_ptr_null(the());
	ck_assert_ptr_null(world_new_draft(f->world, ns, "db", &me, &err));
	ck_assert_int_eq(err.code, EBUSY);
	ck_assert_uint_eq(f->removes, 0);
	f->act_rc = 0;
	advance(2000);
	ck_assert_uint_eq(f->removes, 1);
	ck_assert(!did(ACT_DEMOTE_PEER));
	draft("db");
}
END_TEST

START_TEST(a_removal_is_audited_once_when_it_is_done)
{
	const struct lines *audit_lines = world_audit(f->world);
	int i;

	ask_for_deletion();
	f->act_rc = -EPERM;		/* so the relationship is kept */
	f->remove_rc = -ENOSPC;
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	for (i = 0; i < 5; i++)
		advance(1100);
	ck_assert_uint_eq(count(audit_lines, "removed:"), 0);
	f->remove_rc = 0;
	advance(1100);
	ck_assert_uint_eq(f->removes, 1);
	ck_assert_uint_eq(f->acts, 1);
	ck_assert_uint_eq(count(audit_lines, "removed:"), 1);
	ck_assert_uint_eq(count(audit_lines, "removed: the relationship is "
					     "kept: delete at dr"), 1);
}
END_TEST

/* ---- deadlines, and what can be done after them ---- */

START_TEST(a_roll_back_that_failed_is_retried_by_its_own_word)
{
	ask(EDIT_STATE, "promoting");
	run_to_the_act(0);
	f->act_rc = -EAGAIN;
	run_all();
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	advance(900001);
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	f->act_rc = 0;
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(is_acted(ACT_PROMOTE_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_birth_that_failed_is_retried_by_its_own_word)
{
	ck_assert_int_eq(put(EDIT_REMOVE, ""), 0);
	f->truth.here.claim = f->truth.here.fact = ROLE_ABSENT;
	f->truth.peer.reach = REACH_SILENT;
	advance(1000);
	ck_assert_int_eq(put_to(draft("db"), EDIT_SPEC, manifest), 0);
	look();
	advance(900001);
	ck_assert_int_eq(outcome(), OUTCOME_FAILED);
	ck_assert_uint_eq(f->acts, 0);	/* there may be one at the peer */
	f->truth.peer.reach = REACH_OK;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "replica"), 0);
	ck_assert(is_acted(ACT_CREATE, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_swap_waits_for_an_absent_peer_without_a_deadline)
{
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	advance(3600000);
	ck_assert_int_eq(outcome(), OUTCOME_PENDING);
	f->truth.peer = bare_replica;
	f->acts = 0;
	look();
	ck_assert(is_acted(ACT_RESYNC_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_swap_mends_a_peer_that_does_not_follow_any_more)
{
	become_source();
	f->truth.peer.following = false;
	look();
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason, "Unprotected");
	ck_assert_ptr_nonnull(strstr(condition(CONDITION_DEGRADED)->message,
				     "write swap"));
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert(is_acted(ACT_RESYNC_PEER, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_swap_that_was_replaced_can_be_asked_for_again)
{
	lose_peer();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(put(EDIT_STATE, "demoting force"), 0);
	f->truth.peer = bare_replica;
	look();
	ck_assert_int_eq(put(EDIT_STATE, "source"), 0);
	ck_assert_int_eq(outcome(), OUTCOME_VERIFIED);
	f->acts = 0;
	ck_assert_int_eq(put(EDIT_ENDPOINTS, "swap"), 0);
	ck_assert(is_acted(ACT_RESYNC_PEER, ACT_NONE, ACT_NONE));
}
END_TEST

/* ---- a storage that fails ---- */

START_TEST(an_act_without_an_answer_keeps_its_serial)
{
	lose_peer();
	f->act_rc = -ETIMEDOUT;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	advance(1500);
	ck_assert_uint_eq(f->acts, 2);
	ck_assert_uint_eq(f->serials[0], f->serials[1]);
}
END_TEST

START_TEST(a_busy_volume_opens_no_circuit)
{
	int i;

	lose_peer();
	f->act_rc = -EBUSY;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	for (i = 0; i < 4; i++)
		advance(40000);
	ck_assert_uint_ge(f->acts, 5);
	ck_assert_int_eq(world_cluster(f->world, 0)->open_until, 0);
	ck_assert_int_eq(world_cluster(f->world, 1)->open_until, 0);
}
END_TEST

START_TEST(a_dead_site_opens_its_circuit_and_a_new_word_tries_it)
{
	lose_peer();
	f->act_rc = -ETIMEDOUT;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	while (f->acts < 5)
		advance(1000);
	ck_assert_str_eq(condition(CONDITION_READY)->reason, "CircuitOpen");
	advance(59000);
	ck_assert_uint_eq(f->acts, 5);
	ck_assert_int_eq(put(EDIT_STATE, "promoting force"), 0);
	ck_assert_uint_eq(f->acts, 6);
}
END_TEST

/* ---- clocks ---- */

START_TEST(a_clock_that_is_set_back_makes_nobody_blind)
{
	advance(7200000);
	look();
	advance(-3600000);
	lose_peer();
	ck_assert_int_eq(seen_of(the()).peer.reach, REACH_SILENT);
	ck_assert_str_eq(condition(CONDITION_DEGRADED)->reason,
			 "PeerUnreachable");
}
END_TEST

START_TEST(a_clock_that_is_set_back_stops_no_retry)
{
	advance(7200000);
	lose_peer();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 1);
	f->act_rc = 0;
	advance(-3600000);
	advance(2000);
	look();
	ck_assert_uint_eq(f->acts, 2);
	ck_assert_int_eq(the()->status->request.outcome, OUTCOME_VERIFIED);
}
END_TEST

static const TTest *const *const tests[] = {
	&an_act_that_took_effect_before_a_crash_is_not_made_again,
	&an_act_that_a_crash_cut_short_is_asked_again_by_its_name,
	&a_step_down_that_was_cut_short_is_asked_again,
	&a_peer_that_contradicts_itself_is_left_alone,
	&what_is_pending_waits_for_a_backend_that_is_gone,
	&a_restart_moves_no_time_and_writes_nothing,
	&an_act_refused_for_good_is_not_repeated_for_a_full_store,
	&log_calls_verified_what_is_kept,
	&a_word_behind_a_removal_comes_too_late,
	&what_would_delete_a_copy_is_not_deleted,
	&what_is_being_removed_takes_no_words_and_keeps_its_name,
	&a_removal_is_audited_once_when_it_is_done,
	&a_roll_back_that_failed_is_retried_by_its_own_word,
	&a_birth_that_failed_is_retried_by_its_own_word,
	&a_swap_waits_for_an_absent_peer_without_a_deadline,
	&a_swap_mends_a_peer_that_does_not_follow_any_more,
	&a_swap_that_was_replaced_can_be_asked_for_again,
	&an_act_without_an_answer_keeps_its_serial,
	&a_busy_volume_opens_no_circuit,
	&a_dead_site_opens_its_circuit_and_a_new_word_tries_it,
	&a_clock_that_is_set_back_makes_nobody_blind,
	&a_clock_that_is_set_back_stops_no_retry,
};

int main(void)
{
	Suite *suite = suite_create("recovery");
	TCase *c = tcase_create("recovery");
	size_t i;

	tcase_add_checked_fixture(c, setup, teardown);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(c, *tests[i]);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
