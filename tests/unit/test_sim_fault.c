/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend's faults on demand: it lies, hangs, fails, refuses, is
 * down or in use; and a fault that is not understood.
 */
#include "sim_scene.h"

#include <pthread.h>

static bool is_lie(const struct observation *o)
{
	return o->peer.claim == ROLE_REPLICA && o->peer.fact == ROLE_SOURCE;
}

static bool is_lie_here(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE && o->here.fact == ROLE_REPLICA;
}

START_TEST(test_lie)
{
	uint64_t serial;

	begin("truth\n");
	put(PROD "/faults", "lie demote\n");
	ACT(ACT_DEMOTE_PEER);
	serial = t.serial;
	AWAIT(is_lie);
	ck_assert_int_eq(count_lines("journal", "demote"), 0);
	ck_assert_int_eq(act(ACT_PROMOTE), -EBUSY);
	put(SOURCE_FILE, "written all the same\n");
	/* The same act again does what it did not. */
	put(PROD "/faults", "");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, serial, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_str_eq(get(REPLICA_FILE), "written all the same\n");
	ck_assert_int_eq(count_lines("journal", "demote"), 1);

	put(DR "/faults", "lie promote\n");
	ACT(ACT_PROMOTE);
	AWAIT(is_lie_here);
	put(DR "/faults", "no-second-fact\n");
	ck_assert_int_eq(look().here.fact, ROLE_UNKNOWN);
	put(DR "/faults", "");
	ACT(ACT_PROMOTE);
	AWAIT(is_promoted);
}
END_TEST

/* A rebuild that is only claimed never overwrites a writable volume. */
START_TEST(test_lying_resync)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(REPLICA_FILE, "written here\n");
	put(PROD "/faults", "lie resync\n");
	AWAIT(is_split);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_lie);
	ck_assert_str_eq(get(SOURCE_FILE), "common\n");
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	put(PROD "/faults", "");
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "written here\n");
}
END_TEST

START_TEST(test_hang)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", "hang 600000\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, ++t.serial, 50),
			 -ETIMEDOUT);
	/* A call has found out: the watch need not wait longer. */
	AWAIT(is_peer_silent);
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 50, &o, &t.err), 0);
	ck_assert(is_peer_silent(&o));
	put(PROD "/faults", "");
	AWAIT(is_peer_ok);
	put(DR "/faults", "hang 1\n");
	AWAIT(is_here_silent);
}
END_TEST

static void *hanging_call(void *ctx)
{
	struct order o = {ACT_DEMOTE_PEER, 77, 600000};
	struct error err;
	int *rc = ctx;

	*rc = t.b->ops->act(t.b, &t.target, &o, &err);
	return NULL;
}

static bool is_peer_busy(const struct observation *o)
{
	return o->peer.busy;
}

START_TEST(test_stop_cuts_a_hang_short)
{
	pthread_t thread;
	int rc = 1;

	begin("data\n");
	/* slow, not hang: then the watch goes on and shows the call */
	put(PROD "/faults", "slow 600000\n");
	ck_assert_int_eq(pthread_create(&thread, NULL, hanging_call, &rc), 0);
	AWAIT(is_peer_busy);
	t.b->ops->stop(t.b);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(rc, -ECANCELED);
	ck_assert_int_eq(count_lines("journal", "demote"), 0);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -ECANCELED);
}
END_TEST

START_TEST(test_hang_that_ends)
{
	pthread_t thread;
	int rc = 1;

	begin("data\n");
	put(PROD "/faults", "database/db hang 1\n");
	ck_assert_int_eq(pthread_create(&thread, NULL, hanging_call, &rc), 0);
	AWAIT(is_peer_silent);
	put(PROD "/faults", "database/other hang\n");
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(rc, 0);
	AWAIT(is_caught_up);
}
END_TEST

START_TEST(test_answer_lost)
{
	begin("data\n");
	put(PROD "/faults", "slow 100\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 50, 10), -ETIMEDOUT);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 50, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "demote-peer 50\n"), 1);
}
END_TEST

START_TEST(test_fail_and_final)
{
	begin("data\n");
	put(PROD "/faults", "fail demote 2\n");
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_int_eq(look().peer.fact, ROLE_SOURCE);
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	put(DR "/faults", "final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EPERM);
	put(DR "/faults", "database/db-replica fail promote 1\n"
			  "database/other final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	/* The same order given again counts anew. */
	put(DR "/faults", "database/db-replica fail promote 1\n"
			  "database/other final promote\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	ACT(ACT_PROMOTE);
}
END_TEST

static const struct {
	const char *fault;
	enum reach reach;
	int rc;
	bool alive;
} answers[] = {
	{"down", REACH_SILENT, -EHOSTUNREACH, false},
	{"mute", REACH_SILENT, -EHOSTUNREACH, true},
	{"refuse", REACH_REFUSED, -EACCES, true},
	{"unconfigured", REACH_UNCONFIGURED, -EHOSTUNREACH, true},
};

START_TEST(test_answers)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", answers[_i].fault);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), answers[_i].rc);
	o = look();
	ck_assert_int_eq(o.peer.reach, answers[_i].reach);
	ck_assert_int_eq(o.peer.claim, ROLE_UNKNOWN);
	ck_assert_int_ne(o.peer.why[0], '\0');
	ck_assert_int_eq(o.peer_alive, answers[_i].alive);
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	ck_assert(o.here.has_last_copy);
	/* Data goes on where only the management is away. */
	put(SOURCE_FILE, "newer\n");
	unlink(PROD "/faults");
	put(PROD "/faults", "");
	AWAIT(has_new_data);
}
END_TEST

START_TEST(test_in_use)
{
	struct observation o;

	begin("data\n");
	put(PROD "/faults", "in-use pod web-0\n");
	o = look();
	ck_assert_int_eq(o.peer.in_use, TRI_YES);
	ck_assert_str_eq(o.peer.in_use_by, "pod web-0");
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EBUSY);
	put(PROD "/faults", "in-use-unknown\n");
	ck_assert_int_eq(look().peer.in_use, TRI_UNKNOWN);
	put(PROD "/faults", "in-use\nin-use-ignored\n");
	ck_assert_str_eq(look().peer.in_use_by, "somebody");
	ACT(ACT_DEMOTE_PEER);
}
END_TEST

static bool is_complaining(const struct observation *o)
{
	return strstr(o->peer.why, "line 2") && o->peer.reach == REACH_OK;
}

static bool is_content(const struct observation *o)
{
	return !*o->peer.why;
}

START_TEST(test_wrong_faults)
{
	begin("data\n");
	put(PROD "/faults", "# a comment\nfrobnicate 7\nslow many\n");
	AWAIT(is_complaining);
	ck_assert_str_eq(get(PROD "/faults.error"),
			 "faults line 2 is not understood: frobnicate 7\n");
	put(PROD "/faults", "slow 1\n");
	AWAIT(is_content);
	ck_assert(!exists(PROD "/faults.error"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_fault");
	TCase *c = sim_case(suite, "sim_fault");

	tcase_add_test(c, test_lie);
	tcase_add_test(c, test_lying_resync);
	tcase_add_test(c, test_hang);
	tcase_add_test(c, test_stop_cuts_a_hang_short);
	tcase_add_test(c, test_hang_that_ends);
	tcase_add_test(c, test_answer_lost);
	tcase_add_test(c, test_fail_and_final);
	tcase_add_loop_test(c, test_answers, 0,
			    sizeof answers / sizeof *answers);
	tcase_add_test(c, test_in_use);
	tcase_add_test(c, test_wrong_faults);
	return run_suite(suite);
}
