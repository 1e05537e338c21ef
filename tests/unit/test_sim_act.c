/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated backend's acts: what each does, and when it is refused. */
#include "sim_scene.h"

START_TEST(test_create_and_copy)
{
	struct observation o;

	begin("one\n");
	o = look();
	ck_assert(is_protected(&o));
	ck_assert_int_gt(o.here.data_time, 0);
	ck_assert_int_eq(o.peer.data_time, 0);
	ck_assert_int_eq(o.here.in_use, TRI_NO);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0444);
	ck_assert_str_eq(o.peer.native, "Promoted");
	put(SOURCE_FILE, "two\n");
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), "two\n");

	/* A relationship that exists is not made again. */
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ACT(ACT_DELETE);
	AWAIT(is_absent);
	ck_assert_str_eq(get(REPLICA_FILE), "two\n");
	ck_assert_str_eq(get(SOURCE_FILE), "two\n");
	/* What holds the same bytes may be a replica again, */
	ACT(ACT_CREATE);
	AWAIT(has_new_data);
	ACT(ACT_DELETE);
	/* but other data is not overwritten unasked. */
	put(REPLICA_FILE, "precious\n");
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ck_assert_str_eq(get(REPLICA_FILE), "precious\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -ENOENT);
	ck_assert_int_eq(act(ACT_AWAIT_FINAL_COPY), -EINVAL);
}
END_TEST

START_TEST(test_create_provisions)
{
	t.spec.state = STATE_SOURCE;	/* here, the volume handle's side */
	track();
	ACT(ACT_CREATE);
	AWAIT(is_reversed);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0644);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
	t.spec.state = STATE_PROMOTING;
	ck_assert_int_eq(act(ACT_DELETE), 0);
	ck_assert_int_eq(act(ACT_CREATE), -EINVAL);
}
END_TEST

START_TEST(test_planned_failover_and_swap)
{
	begin("before\n");
	put(SOURCE_FILE, "last words\n");
	ck_assert_int_eq(act(ACT_PROMOTE), -EBUSY);
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
	ck_assert_str_eq(get(REPLICA_FILE), "last words\n");
	ACT(ACT_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_int_eq(mode_of(REPLICA_FILE), 0644);
	ck_assert(!look().here.diverged);
	ck_assert(!look().peer.diverged);
	put(REPLICA_FILE, "after\n");
	AWAIT(is_here_diverged);
	ck_assert(!look().peer.diverged);

	/* Reverse the direction, and go back the same way. */
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "after\n");
	put(REPLICA_FILE, "more\n");
	ACT(ACT_DEMOTE);
	AWAIT(is_peer_caught_up);
	ck_assert_str_eq(get(SOURCE_FILE), "more\n");
	/* Taking it back loses nothing: nobody was promoted. */
	ACT(ACT_PROMOTE);
	AWAIT(is_reversed);
	ck_assert_int_eq(count_lines("journal", "\n"), t.serial - 1);
}
END_TEST

START_TEST(test_roll_back)
{
	begin("data\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE_PEER);
	AWAIT(is_protected);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	put(SOURCE_FILE, "goes on\n");
	AWAIT(has_new_data);
	/* Not while here is writable. */
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE);
	ck_assert_int_eq(act(ACT_PROMOTE_PEER), -EBUSY);
	/* Nor when here has stepped down and the peer lacks its data. */
	put(REPLICA_FILE, "newest\n");
	ACT(ACT_DEMOTE);
	ck_assert_int_eq(act(ACT_PROMOTE_PEER), -EAGAIN);
	ACT(ACT_PROMOTE);
}
END_TEST

static bool is_split_and_both_diverged(const struct observation *o)
{
	return is_split(o) && o->here.diverged && o->peer.diverged;
}

START_TEST(test_unplanned_failover)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ck_assert(!look().peer_alive);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EHOSTUNREACH);
	ck_assert_int_eq(act(ACT_PROMOTE), -EAGAIN);
	ck_assert_int_eq(act(ACT_RESYNC), -EHOSTUNREACH);
	put(SOURCE_FILE, "written while apart\n");
	ck_assert(look().here.has_last_copy);
	ACT(ACT_FORCE_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_str_eq(get(REPLICA_FILE), "common\n");
	put(REPLICA_FILE, "written here\n");
	AWAIT(is_here_diverged);
	unlink(SOURCE_FILE);
	put(PROD "/faults", "");
	AWAIT(is_split_and_both_diverged);
	ck_assert_str_eq(get(SOURCE_FILE), "written while apart\n");

	/* A rebuild needs a source, discards, and is incomplete until whole. */
	put(DR "/faults", "rate 1\n");
	ACT(ACT_DEMOTE_PEER);
	ck_assert_int_eq(act(ACT_RESYNC), -EINVAL);
	ck_assert(look().peer.diverged);
	ACT(ACT_RESYNC_PEER);
	ck_assert(!look().peer.complete);
	ck_assert(!look().peer.diverged);
	ck_assert(look().here.has_last_copy);
	ck_assert_str_eq(get(SOURCE_FILE), "written while apart\n");
	t.target = (struct target){&t.spec, PROD, DR, false};
	ck_assert_int_eq(act(ACT_FORCE_PROMOTE), -EINVAL);
	t.target = (struct target){&t.spec, DR, PROD, true};
	put(DR "/faults", "# rate 1\n");
	AWAIT(is_reversed);
	ck_assert_str_eq(get(SOURCE_FILE), "written here\n");
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0444);
}
END_TEST

START_TEST(test_unplanned_without_writes)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(PROD "/faults", "");
	AWAIT(is_split);
	ck_assert(!look().here.diverged);
	ck_assert(!look().peer.diverged);
	ACT(ACT_DEMOTE_PEER);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
}
END_TEST

START_TEST(test_resync_here)
{
	begin("common\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	ACT(ACT_FORCE_PROMOTE);
	put(REPLICA_FILE, "to be given up\n");
	put(PROD "/faults", "");
	AWAIT(is_split);
	ACT(ACT_DEMOTE);
	ck_assert(look().here.diverged);
	ACT(ACT_RESYNC);
	AWAIT(has_new_data);
	ck_assert_str_eq(get(REPLICA_FILE), "common\n");
}
END_TEST

START_TEST(test_serials)
{
	begin("data\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 100, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 101, 1000), 0);
	AWAIT(is_protected);
	/* The same act again is not a second one. */
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 100, 1000), 0);
	ck_assert_int_eq(look().peer.fact, ROLE_SOURCE);
	ck_assert_int_eq(count_lines("journal", "demote-peer 100\n"), 1);
	/* Nor is one that found nothing to do. */
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 102, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "promote-peer 102\n"), 0);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 103, 1000), 0);
	ck_assert_int_eq(act_again(ACT_PROMOTE_PEER, 102, 1000), 0);
	ck_assert_int_eq(look().peer.fact, ROLE_REPLICA);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_act");
	TCase *c = sim_case(suite, "sim_act");

	tcase_add_test(c, test_create_and_copy);
	tcase_add_test(c, test_create_provisions);
	tcase_add_test(c, test_planned_failover_and_swap);
	tcase_add_test(c, test_roll_back);
	tcase_add_test(c, test_unplanned_failover);
	tcase_add_test(c, test_unplanned_without_writes);
	tcase_add_test(c, test_resync_here);
	tcase_add_test(c, test_serials);
	return run_suite(suite);
}
