/* SPDX-License-Identifier: Apache-2.0 */
/* trident: stepping down, and promoting what was handed over. */
#include "trident_pair.h"

/* ---- stepping down ---- */

START_TEST(the_stages_of_stepping_down)
{
	verified_pair();
	fake_volumes[A].data = 5;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	judge();
	ck_assert(o.here.busy);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_assert_str_eq(csi_label(fake_find(A, CSI_SNAPSHOT, NULL),
				   "uvrfs/final"), "0000000000000abd");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "");
	controllers();
	judge();
	ck_assert(!o.here.busy);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a create TridentSnapshotInfo\n");
	judge();
	ck_assert(o.here.busy);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b delete TridentActionMirrorUpdate\n"
				   "b create TridentActionMirrorUpdate\n");
	judge();
	ck_assert(!o.here.busy && o.peer.busy && !o.peer.caught_up);
	/* The source's going away does not hold up who has to take over. */
	fake_sites[A].reach = REACH_SILENT;
	judge();
	ck_assert(!o.peer.busy);
	fake_sites[A].reach = REACH_OK;
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b patch db\na patch db\n");
	ck_assert_int_eq(fake_volumes[B].data, 5);
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.here.complete && !o.here.following && !o.here.diverged);
	ck_assert(o.peer.caught_up && o.peer.following && o.peer.complete);
	ck_says(o.here.native, "stepped down: nobody uses it (Trident can't "
			       "make it read-only)");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "");
}
END_TEST

START_TEST(stepped_down_and_used)
{
	verified_pair();
	step_down(A);
	fake_sites[A].in_use = TRI_UNKNOWN;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_UNKNOWN);
	fake_sites[A].in_use = TRI_YES;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_SOURCE);
	ck_says(o.here.native, "in use again");
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EBUSY);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EBUSY);
	ck_assert_str_eq(fake_log, "");
	/* Whatever is asked of it makes it a source again. */
	fake_sites[A].in_use = TRI_NO;
	fake_edit(fake_tmr(A), "{\"spec\": {\"replicationPolicy\": \"x\"}}");
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	/* A backup of it is no note of another one. */
	fake_edit(fake_tmr(A), "{\"metadata\": {\"generation\": 1}}");
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	fake_edit(fake_tmr(A), "{\"metadata\": {\"uid\": \"new\"}}");
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
}
END_TEST

/* B, verified, of what A handed over. */
static void fail_over(void)
{
	verified_pair();
	drive(B, STATE_REPLICA, WORD_PROMOTING, false);
	ck_role(o.peer, ROLE_SOURCE, ROLE_SOURCE);
	ck_assert(!o.here.diverged);
}

START_TEST(what_was_written_after_the_failover_is_not_there)
{
	fail_over();
	fake_sites[A].in_use = TRI_YES;
	fake_volumes[A].data = 77;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_SOURCE);
	fake_now += 1;
	fake_sites[A].in_use = TRI_NO;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.here.diverged);
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EBUSY);
	ck_says(err.msg, "writes that site-b lacks");
	/* What has gone on is asked: it alone makes writes of others' lost. */
	fake_sites[B].reach = REACH_SILENT;
	judge();
	ck_assert(!o.here.diverged);
	fake_sites[B].reach = REACH_OK;
	drive(B, STATE_SOURCE, WORD_SWAP, true);
	ck_assert(o.here.following && !o.here.diverged);
	ck_assert(!fake_volumes[A].writable);
}
END_TEST

/* Until it stepped down it was used, and that is there. */
START_TEST(what_was_written_before_the_failover_is_there)
{
	verified_pair();
	fake_sites[A].in_use = TRI_YES;
	judge();
	fake_sites[A].in_use = TRI_NO;
	/* Also when all of it is within a second. */
	fake_now += 1;
	drive(B, STATE_REPLICA, WORD_PROMOTING, false);
	ck_assert(!o.here.diverged);
	drive(B, STATE_SOURCE, WORD_SWAP, false);
	ck_assert(o.here.following);
}
END_TEST

START_TEST(what_is_in_use_stays)
{
	verified_pair();
	fake_sites[A].in_use = TRI_YES;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EBUSY);
	ck_says(err.msg, "pod ns/app on n1");
	fake_sites[A].in_use = TRI_UNKNOWN;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EBUSY);
	ck_assert_str_eq(fake_log, "");
	fake_sites[A].in_use = TRI_YES;
	overrides = OVERRIDE_IN_USE;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	/* It has ended by now: a snapshot of when it had not is not enough. */
	fake_sites[A].in_use = TRI_NO;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	/* Somebody has begun to use it meanwhile. */
	overrides = 0;
	fake_sites[A].in_use = TRI_YES;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EBUSY);
}
END_TEST

START_TEST(the_used_is_fetched_once_more)
{
	verified_pair();
	fake_sites[A].in_use = TRI_YES;
	overrides = OVERRIDE_IN_USE;
	step_down(A);
	ck_role(o.here, ROLE_REPLICA, ROLE_SOURCE);
	fake_volumes[A].data = 9;
	fake_sites[A].in_use = TRI_NO;
	judge();
	ck_assert(o.peer.caught_up);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	while (!strstr(fake_log, "to promoted")) {
		controllers();
		ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	}
	ck_assert_str_eq(fake_log, "a patch db\nb patch db to promoted\n");
	controllers();
	ck_assert_int_eq(fake_volumes[B].data, 9);
}
END_TEST

START_TEST(what_is_needed_to_step_down)
{
	verified_pair();
	fake_sites[A].no_snapshots = true;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EOPNOTSUPP);
	ck_says(err.msg, "external-snapshotter");
	/* By force it is done without, after it was said. */
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.peer.caught_up);
	overrides = 0;
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EOPNOTSUPP);
}
END_TEST

START_TEST(nobody_would_have_it)
{
	verified_pair();
	fake_sites[B].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_says(err.msg, "nobody would have the data");
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	/* It is not there, and may not be told to do anything. */
	fake_sites[B].reach = REACH_OK;
	judge();
	ck_assert(!o.peer.caught_up && o.here.caught_up);
}
END_TEST

START_TEST(a_mirror_that_is_broken_is_found_out)
{
	verified_pair();
	fake_tridents[B].broken = true;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_says(err.msg, "the mirror is broken off");
	ck_assert_str_eq(fake_log, "");
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
	fake_now += CSI_RETRY_MS;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b delete TridentActionMirrorUpdate\n"
				   "b create TridentActionMirrorUpdate\n");
	controllers();
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.peer.caught_up);
}
END_TEST

START_TEST(controllers_that_sleep)
{
	verified_pair();
	fake_tridents[A].off = fake_tridents[B].off = true;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	fake_now += CSI_PATIENCE_MS;
	judge();
	ck_assert(!o.here.busy);
	ck_says(o.here.native, "the final snapshot failed: not ready after");
	/* What is late has failed: another one. */
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a delete VolumeSnapshot\n"
				   "a create VolumeSnapshot\n");
	fake_controllers(A);
	fake_tridents[A].off = false;
	fake_controllers(A);
	fake_tridents[A].off = true;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	fake_now += CSI_PATIENCE_MS;
	judge();
	ck_assert(!o.here.busy);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	fake_tridents[A].off = false;
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	judge();
	ck_assert(o.peer.busy);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	fake_now += CSI_PATIENCE_MS;
	judge();
	ck_assert(!o.peer.busy);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_says(err.msg, "runs since");
	/* Another one would be no faster. */
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	fake_tridents[B].off = false;
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
}
END_TEST

START_TEST(a_final_snapshot_that_fails)
{
	verified_pair();
	fake_tridents[A].ontap_down = true;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	judge();
	ck_assert(!o.here.busy);
	ck_says(o.here.native, "the final snapshot failed: the volume is");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_says(err.msg, "the volume is read-only");
	ck_assert_str_eq(fake_log, "");
	fake_now += CSI_RETRY_MS;
	fake_refuse = -EHOSTUNREACH;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EHOSTUNREACH);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a delete VolumeSnapshot\n"
				   "a create VolumeSnapshot\n");
	controllers();
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	/* Without it nothing is promoted but by force. */
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EAGAIN);
	ck_says(err.msg, "the final copy from site-a is not here");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
}
END_TEST

START_TEST(a_mirror_that_is_none_any_more)
{
	verified_pair();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	controllers();
	/* Copied, and since then it was another relationship for a while. */
	fake_tell(B, "establishing", "");
	fake_now += 1000;
	fake_tell(B, "established", "");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b delete TridentActionMirrorUpdate\n"
				   "b create TridentActionMirrorUpdate\n");
	fake_tell(B, "failed", "");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	fake_edit(fake_tmr(A), "{\"spec\": {\"state\": \"\"}}");
	fake_tell(A, "", "");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	ck_says(err.msg, "can't be told");
}
END_TEST

START_TEST(somebody_else_is_faster)
{
	verified_pair();
	act_at(ACT_DEMOTE, A);
	controllers();
	act_at(ACT_DEMOTE, A);
	controllers();
	act_at(ACT_DEMOTE, A);
	controllers();
	fake_refuse = -EAGAIN;
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), -EAGAIN);
	judge();
	ck_assert(!o.peer.caught_up);
	/* That is no reason to go without. */
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	ck_assert_str_eq(fake_log, "b patch db\na patch db\n");
	judge();
	ck_assert(o.peer.caught_up);
}
END_TEST

/* ---- promoting ---- */

START_TEST(to_promote)
{
	verified_pair();
	ck_assert_int_eq(act_at(ACT_PROMOTE, A), 0);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EBUSY);
	/* No force makes two sources by this act. */
	overrides = ~0u;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EBUSY);
	fake_sites[A].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EHOSTUNREACH);
	fake_sites[A].reach = REACH_OK;
	overrides = 0;
	step_down(A);
	fake_sites[A].in_use = TRI_UNKNOWN;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EBUSY);
	fake_sites[A].in_use = TRI_NO;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to promoted\n");
	ck_assert_str_eq(fake_text(fake_mapping(B), "promotedSnapshotHandle"),
			 "pvc-a/db-uvrfs-final-0000000000000004");
	ck_assert_str_eq(fake_text(fake_mapping(B), "remoteVolumeHandle"),
			 "svm_a:vol");
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "");
	controllers();
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
	/* What stepped down has nothing that is not there. */
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.here.diverged && !o.here.caught_up && !o.here.following);
	ck_assert_int_eq(act_at(ACT_PROMOTE, A), -EBUSY);
}
END_TEST

START_TEST(neither_is_the_source)
{
	verified_pair();
	fake_edit(fake_tmr(A),
		  "{\"spec\": {\"state\": \"reestablished\", "
		  "\"volumeMappings\": [{\"localPVCName\": \"db\", "
		  "\"remoteVolumeHandle\": \"svm_b:vol\"}]}}");
	fake_tell(A, "reestablished", "");
	judge();
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EAGAIN);
	ck_says(err.msg, "has not stepped down");
	ck_assert_int_eq(act_at(ACT_RESYNC, B), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to promoted\n");
}
END_TEST

START_TEST(to_force_promote)
{
	verified_pair();
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EBUSY);
	/* It was for one that gave no answer: this one steps down first. */
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EBUSY);
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_ptr_null(json_object_get(fake_mapping(B),
					   "promotedSnapshotHandle"));
	controllers();
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
}
END_TEST

START_TEST(without_the_final_copy_there_is_more_at_the_old_side)
{
	verified_pair();
	fake_volumes[A].data = 4;
	step_down(A);
	fake_edit(fake_tmr(B), "{\"metadata\": {\"annotations\": "
			       "{\"uvrfs/transferred\": null}}}");
	/* The update itself proves it, too, as long as it is there. */
	judge();
	ck_assert(o.peer.caught_up);
	while (fake_find(B, TRIDENT_TAMU, NULL))
		fake_remove(B, fake_find(B, TRIDENT_TAMU, NULL));
	judge();
	ck_assert(!o.peer.caught_up);
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert(o.here.diverged);
}
END_TEST

START_TEST(of_long_ago)
{
	verified_pair();
	step_down(A);
	/* Somebody has used it meanwhile, and nobody looked. */
	fake_volumes[A].data = 7;
	fake_now += 86400000;
	request++;
	judge();
	ck_assert(o.peer.caught_up);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "a create VolumeSnapshot\n");
	judge();
	ck_assert(o.here.busy);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	while (!strstr(fake_log, "to promoted")) {
		controllers();
		ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	}
	controllers();
	judge();
	ck_assert_int_eq(fake_volumes[B].data, 7);
	ck_assert(!o.here.diverged);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
}
END_TEST

START_TEST(to_take_back)
{
	verified_pair();
	step_down(A);
	judge();
	ck_assert(o.here.caught_up);
	ck_assert_int_eq(act_at(ACT_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_assert(!o.peer.caught_up);
	step_down(A);
	fake_sites[B].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_PROMOTE, A), -EHOSTUNREACH);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	fake_sites[B].reach = REACH_OK;
	request++;
	step_down(A);
	/* The other one is about to be promoted. */
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), -EBUSY);
	controllers();
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), -EBUSY);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), -EBUSY);
	overrides = OVERRIDE_PEER;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), -EBUSY);
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, A), 0);
	judge();
	ck_assert(observation_is_split(&o));
}
END_TEST

START_TEST(a_planned_one_that_failed_is_tried_again)
{
	verified_pair();
	step_down(A);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	fake_tell(B, "failed", "Could not promote mirror");
	fake_tridents[B].seen[0] = csi_generation(fake_tmr(B));
	fake_now += 1000;
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(o.peer.complete && o.peer.caught_up);
	/* Tried again: first a mirror, and all that is needed then. */
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	ck_assert_ptr_null(json_object_get(fake_mapping(B),
					   "promotedSnapshotHandle"));
	controllers();
	judge();
	ck_assert(o.peer.following && o.peer.caught_up);
	do {
		ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
		controllers();
	} while (!strstr(fake_log, "to promoted"));
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
}
END_TEST

START_TEST(a_planned_one_that_failed_is_given_up)
{
	verified_pair();
	step_down(A);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	fake_tell(B, "failed", "Could not promote mirror");
	fake_tridents[B].seen[0] = csi_generation(fake_tmr(B));
	fake_now += 1000;
	/* Trident that starts anew must not promote it then. */
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), 0);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.peer.busy);
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), -EBUSY);
	controllers();
	ck_assert_int_eq(act_at(ACT_PROMOTE_PEER, A), 0);
	ck_assert_str_eq(fake_log, "a patch db\n");
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.peer.following && !o.peer.caught_up);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trident_hand");
	TCase *c = trident_case(suite);

	add(c, the_stages_of_stepping_down);
	add(c, stepped_down_and_used);
	add(c, what_was_written_after_the_failover_is_not_there);
	add(c, what_was_written_before_the_failover_is_there);
	add(c, what_is_in_use_stays);
	add(c, the_used_is_fetched_once_more);
	add(c, what_is_needed_to_step_down);
	add(c, nobody_would_have_it);
	add(c, a_mirror_that_is_broken_is_found_out);
	add(c, controllers_that_sleep);
	add(c, a_final_snapshot_that_fails);
	add(c, a_mirror_that_is_none_any_more);
	add(c, somebody_else_is_faster);
	add(c, to_promote);
	add(c, neither_is_the_source);
	add(c, to_force_promote);
	add(c, without_the_final_copy_there_is_more_at_the_old_side);
	add(c, of_long_ago);
	add(c, to_take_back);
	add(c, a_planned_one_that_failed_is_tried_again);
	add(c, a_planned_one_that_failed_is_given_up);
	return run_suite(suite);
}
