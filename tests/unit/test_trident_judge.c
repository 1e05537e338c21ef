/* SPDX-License-Identifier: Apache-2.0 */
/* trident: what is made of two looks. */
#include "trident_pair.h"

/* ---- phases ---- */

static enum tmr_phase phase(void)
{
	struct tmr t;

	judge();
	tmr_read(&vb, &t);
	return t.phase;
}

START_TEST(what_is_asked_and_what_is_told)
{
	static const struct {
		const char *asked, *says;
		enum tmr_phase phase;
	} rows[] = {
		{"established", "establishing", TMR_COPYING},
		{"established", "established", TMR_FOLLOWS},
		{"reestablished", "reestablishing", TMR_COPYING},
		{"reestablished", "reestablished", TMR_FOLLOWS},
		/* What it says of a mirror follows what it is asked for. */
		{"reestablished", "established", TMR_FOLLOWS},
		{"promoted", "promoted", TMR_SOURCE},
		{"", "promoted", TMR_SOURCE},
		{"promoted", "promoting", TMR_PENDING},
		{"promoted", "established", TMR_PENDING},
		{"promoted", "establishing", TMR_PENDING},
		{"promoted", "", TMR_PENDING},
		{"reestablished", "promoted", TMR_PENDING},
		{"established", "", TMR_PENDING},
		{"established", "new-in-25.10", TMR_PENDING},
		{"promoted", "failed", TMR_FAILED},
		{"established", "invalid", TMR_FAILED},
	};
	size_t i;

	ck_assert_int_eq(phase(), TMR_NONE);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		fake_add_tmr(B, rows[i].asked, true);
		fake_tell(B, rows[i].says, "");
		ck_assert_msg(phase() == rows[i].phase, "%s, %s: %d",
			      rows[i].asked, rows[i].says, phase());
		fake_remove(B, fake_tmr(B));
	}
}
END_TEST

START_TEST(there_is_none)
{
	judge();
	ck_role(o.here, ROLE_ABSENT, ROLE_ABSENT);
	ck_assert_str_eq(o.here.native, "no TridentMirrorRelationship");
	fake_sites[B].no_claim = true;
	judge();
	ck_assert_str_eq(o.peer.native, "no TridentMirrorRelationship, no "
					"PersistentVolumeClaim");
	fake_sites[B].reach = REACH_SILENT;
	judge();
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_assert_str_eq(o.peer.native, "");
}
END_TEST

START_TEST(there_are_two)
{
	verified_pair();
	fake_edit(fake_add_tmr(B, "promoted", false),
		  "{\"metadata\": {\"name\": \"other\"}}");
	judge();
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_says(o.peer.native, "db is not the only one");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EBUSY);
	overrides = ~0u;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EAGAIN);
	ck_assert_str_eq(fake_log, "");
	fake_remove(B, fake_find(B, TRIDENT_TMR, "other"));
	fake_edit(fake_tmr(B), "{\"metadata\": {\"deletionTimestamp\": \"x\"}}");
	judge();
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_says(o.peer.native, "is being deleted");
}
END_TEST

/* ---- facts ---- */

START_TEST(a_word_is_no_fact)
{
	fake_pair();
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(o.peer.complete && o.peer.following && !o.peer.caught_up);
	ck_assert(!o.peer.diverged && !o.peer.busy && !o.peer.has_last_copy);
	ck_assert(o.here.can_verify && o.peer.can_verify);
	ck_assert_int_eq(o.peer.data_time, 0);
	/* A copy that arrived is one for both. */
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	ck_assert_str_eq(fake_log, "b create TridentActionMirrorUpdate\n");
	judge();
	ck_assert(o.peer.busy && !o.peer.can_verify);
	fake_now += 7000;
	controllers();
	judge();
	ck_assert(!o.peer.busy && o.peer.can_verify);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	ck_assert_str_eq(fake_log, "b patch db\n");
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.here.can_verify && !o.peer.can_verify);
	/* The data is of when the transfer began. */
	ck_assert_int_eq(o.peer.data_time, FAKE_START + 60000);
	/* It is kept, whatever becomes of that object. */
	fake_remove(B, fake_find(B, TRIDENT_TAMU, NULL));
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.data_time, FAKE_START + 60000);
	/* Without the other side, too; that one can't be told without this. */
	fake_sites[A].reach = REACH_SILENT;
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.peer.has_last_copy && !o.peer.can_verify);
	fake_sites[A].reach = REACH_OK;
	fake_sites[B].reach = REACH_SILENT;
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

static const struct {
	const char *text;
	int64_t ms;
} times[] = {
	{"2026-09-21T14:13:20Z", FAKE_START},
	{"2026-09-21T14:13:20.000Z", FAKE_START},
	{"2026-09-21T14:13:20.1234567Z", FAKE_START + 123},
	{"2026-09-21T14:13:20.5Z", FAKE_START + 500},
	{"2026-09-21T16:13:20+02:00", FAKE_START},
	{"2026-09-21T19:58:20+05:45", FAKE_START},
	{"2026-09-21T14:13:20-00:00", FAKE_START},
	{"2026-09-20T23:13:20.25-15:00", FAKE_START + 250},
	{"", 0},
	{"2026-09-21T14:13:20", 0},
	{"2026-09-21T14:13:20.5", 0},
	{"2026-09-21T14:13:20+0200", 0},
	{"2026-09-21T14:13:20+02:0", 0},
	{"2026-09-21T14:13:20+02:00Z", 0},
	{"2026-09-21T14:13:20+-2:00", 0},
	{"2026-09-21T14:13:20+02:-1", 0},
	{"2026-09-21T14:13:20+24:00", 0},
	{"2026-09-21T14:13:20 02:00", 0},
	{"2026-02-30T14:13:20+02:00", 0},
	{"2026-9-21T14:13:20+02:000", 0},
	{"never", 0},
	{"never, and that is long ago.5Z", 0},
	{"1970-01-01T01:00:00+02:00", 0},
	{"2026-02-30T14:13:20.5Z", 0},
};

START_TEST(times_of_any_zone)
{
	json_t *map = json_pack("{s:s}", "time", times[_i].text);

	ck_assert_int_eq(csi_time(map, "time"), times[_i].ms);
	json_decref(map);
}
END_TEST

/* Trident tells the time of its pod. */
START_TEST(trident_has_a_zone)
{
	verified_pair();
	fake_edit(fake_tmr(A), "{\"status\": {\"conditions\": [{\"state\": "
			       "\"promoted\", \"localVolumeHandle\": \"svm_a:vol\", "
			       "\"lastTransitionTime\": "
			       "\"2026-09-21T10:13:20-04:00\"}]}}");
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	/* That copy is of before it was promoted. */
	fake_edit(fake_tmr(A), "{\"status\": {\"conditions\": [{\"state\": "
			       "\"promoted\", \"localVolumeHandle\": \"svm_a:vol\", "
			       "\"lastTransitionTime\": "
			       "\"2026-09-21T14:13:20-04:00\"}]}}");
	judge();
	ck_role(o.here, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

START_TEST(what_was_copied_before_is_no_fact)
{
	verified_pair();
	/* Whatever is asked of it since. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_role(o.here, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_assert(o.peer.can_verify);
	/* The update that succeeded was of the relationship before this one. */
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	ck_assert_str_eq(fake_log, "b delete TridentActionMirrorUpdate\n"
				   "b create TridentActionMirrorUpdate\n");
}
END_TEST

START_TEST(updates_of_others_count)
{
	json_t *update;
	char stamp[TIME_TEXT_MAX];

	fake_pair();
	update = fake_add(B, TRIDENT_TAMU,
			  json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name",
				    "nightly", "spec",
				    "tridentMirrorRelationshipName", "db"));
	fake_now += 9000;
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_assert_int_eq(o.peer.data_time, FAKE_START + 60000);
	/* Of which time somebody else's snapshot is, nobody knows. */
	fake_edit(update, "{\"spec\": {\"snapshotHandle\": \"pvc-a/old\"}}");
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(o.peer.data_time, 0);
	/* Before it was established it can't have been of this. */
	fake_edit(update, "{\"status\": {\"completionTime\": "
			  "\"2020-01-01T00:00:00Z\"}}");
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	fake_edit(update, "{\"status\": {\"state\": \"Failed\"}}");
	json_object_set_new(json_object_get(update, "status"), "completionTime",
			    json_string(fake_stamp(stamp)));
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
}
END_TEST

START_TEST(an_update_fails)
{
	fake_pair();
	fake_tridents[B].fails = "the feature is not licensed";
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(!o.peer.can_verify && !o.peer.busy);
	ck_says(o.peer.native, "established; the last update failed: the "
			       "feature is not licensed");
	ck_assert_int_eq(act_at(ACT_VERIFY, B), -EAGAIN);
	ck_says(err.msg, "the feature is not licensed");
	fake_now += CSI_RETRY_MS;
	judge();
	ck_assert(o.peer.can_verify);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	ck_assert_str_eq(fake_log, "b delete TridentActionMirrorUpdate\n"
				   "b create TridentActionMirrorUpdate\n");
	/* One that never ends is waited for, for a while. */
	fake_now += CSI_PATIENCE_MS - 1;
	judge();
	ck_assert(o.peer.busy);
	fake_now++;
	judge();
	ck_assert(!o.peer.busy && !o.peer.can_verify);
}
END_TEST

START_TEST(a_missing_kind_fails_no_verification)
{
	fake_pair();
	fake_refuse = -ENOENT;
	ck_assert_int_eq(act_at(ACT_VERIFY, B), -EAGAIN);
	ck_says(err.msg, "not installed");
	fake_refuse = -EPERM;
	ck_assert_int_eq(act_at(ACT_VERIFY_PEER, A), -EAGAIN);
}
END_TEST

START_TEST(a_mirror_of_something_else)
{
	verified_pair();
	fake_edit(fake_tmr(B),
		  "{\"spec\": {\"volumeMappings\": [{\"localPVCName\": \"db\", "
		  "\"remoteVolumeHandle\": \"svm_c:vol\"}]}}");
	judge();
	ck_assert(!o.peer.following && !o.peer.can_verify);
	ck_role(o.here, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_says(o.peer.native, "established, and copies from svm_c:vol");
	/* It can't be turned. */
	ck_assert_int_eq(act_at(ACT_VERIFY, A), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_VERIFY, A), 0);
	ck_assert_int_eq(act_at(ACT_RESYNC, B), -EOPNOTSUPP);
	ck_says(err.msg, "svm_c:vol");
	ck_assert_str_eq(fake_log, "");
}
END_TEST

START_TEST(a_promotion_that_was_none)
{
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	fake_tridents[B].ontap_down = true;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_assert(o.peer.can_verify);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	judge();
	ck_assert(o.peer.busy);
	controllers();
	judge();
	ck_says(o.peer.native, "a snapshot fails: the volume is read-only");
	ck_assert_int_eq(act_at(ACT_VERIFY, B), -EAGAIN);
	/* Trident has done with it: it is asked again, in other words. */
	fake_tridents[B].ontap_down = false;
	controllers();
	ck_assert(!fake_volumes[B].writable);
	fake_now += CSI_RETRY_MS;
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to promoted\n");
	controllers();
	ck_assert(fake_volumes[B].writable);
	/* It says what it said: that is believed after a while, and not as a
	   fact. */
	judge();
	ck_assert(o.peer.busy);
	fake_now += 3 * 60 * 1000;
	judge();
	ck_assert(!o.peer.busy && o.peer.can_verify);
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	judge();
	ck_role(o.peer, ROLE_SOURCE, ROLE_SOURCE);
}
END_TEST

/* ---- what was written, and what answers it ---- */

START_TEST(back_and_forth)
{
	verified_pair();
	/* A mirror that is promoted, and follows again, and is promoted. */
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	judge();
	ck_assert(o.peer.busy);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_says(o.peer.native, "asked for promoted, not done yet (it says "
			       "established)");
	/* Once more is the same act. */
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "");
	controllers();
	judge();
	ck_assert(!o.peer.busy);
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
	ck_assert(observation_is_split(&o));
	/* A human's turn, of which we know nothing. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	judge();
	ck_assert(o.peer.busy);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"promoted\"}}");
	judge();
	/* It says promoted, of which moment nobody knows: no fact. */
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert(!o.peer.busy);
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

START_TEST(trident_gives_no_answer)
{
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	fake_tridents[B].off = true;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	fake_now += 20 * 60 * 1000 - 1;
	judge();
	ck_assert(o.peer.busy && o.peer.complete);
	fake_now++;
	judge();
	ck_assert(!o.peer.busy && o.peer.complete);
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_says(o.peer.native, "not done for long");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EAGAIN);
	ck_assert_str_eq(fake_log, "");
	fake_tridents[B].off = false;
	controllers();
	judge();
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

static bool a_is_waited_for(void)
{
	judge();
	return o.here.busy;
}

/* Nobody knows when they did it, but from when on it was seen. */
START_TEST(others_ask_and_trident_gives_no_answer)
{
	struct drive d = {.here = B, .word = WORD_PROMOTING,
			  .from = STATE_REPLICA, .force = true};

	verified_pair();
	fake_tridents[A].off = true;
	fake_now += 86400000;
	fake_edit(fake_tmr(A), "{\"spec\": {\"state\": \"established\"}}");
	ck_assert(a_is_waited_for());
	fake_now += 20 * 60 * 1000 - 1;
	ck_assert(a_is_waited_for());
	/* Whatever else is written there is no news. */
	fake_edit(fake_tmr(A), "{\"metadata\": {\"labels\": {\"a\": \"b\"}}}");
	fake_now++;
	ck_assert(!a_is_waited_for());
	ck_role(o.here, ROLE_UNKNOWN, ROLE_UNKNOWN);
	request_word(&d);
	carry_out(&d, 30);
	ck_assert_msg(d.plan.done, "%s", d.plan.waits_text);
	/* Asked once more, it has time once more. */
	fake_edit(fake_tmr(A), "{\"spec\": {\"state\": \"reestablished\"}}");
	ck_assert(a_is_waited_for());
}
END_TEST

/* What was written by us long before that says nothing of it. */
START_TEST(others_ask_after_us)
{
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	fake_now += 86400000;
	fake_tridents[B].off = true;
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	judge();
	ck_assert(o.peer.busy);
	ck_says(o.peer.native, "not done yet");
	fake_now += 20 * 60 * 1000;
	judge();
	ck_assert(!o.peer.busy);
	ck_says(o.peer.native, "not done for long");
}
END_TEST

/* B fails to be promoted, for this request. */
static void fail_to_promote(void)
{
	verified_pair();
	fake_sites[A].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	fake_tridents[B].off = true;
	fake_tell(B, "failed", "Could not promote mirror");
	fake_tridents[B].seen[0] = csi_generation(fake_tmr(B));
	fake_now += 1000;
}

START_TEST(a_failure_is_final_for_its_request)
{
	fail_to_promote();
	judge();
	ck_assert(!o.peer.busy && o.peer.complete && !o.peer.following);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_says(o.peer.native, "asked for promoted: failed: Could not promote "
			       "mirror");
	fake_refuse = -EAGAIN;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EAGAIN);
	/* What can't be is not asked for any longer, */
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to established\n");
	judge();
	ck_assert(o.peer.busy);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EAGAIN);
	fake_tridents[B].off = false;
	controllers();
	judge();
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EINVAL);
	ck_says(err.msg, "Could not promote mirror");
	ck_assert_str_eq(fake_log, "");
	/* and it is what it was. */
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.peer.complete && o.peer.following && !o.peer.busy);
	request++;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
}
END_TEST

START_TEST(a_failure_half_way)
{
	fail_to_promote();
	/* It was made writable, and what came after that failed. */
	fake_volumes[B].writable = true;
	fake_volumes[B].mirrored = false;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	fake_tridents[B].off = false;
	controllers();
	fake_now += 2 * 60 * 1000;
	judge();
	ck_assert(!o.peer.busy && o.peer.complete);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EINVAL);
	ck_says(err.msg, "Could not promote mirror");
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	/* A planned one can't go on from there. */
	fake_sites[A].reach = REACH_OK;
	overrides = OVERRIDE_PEER;
	step_down(A);
	overrides = 0;
	request++;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), 0);
	controllers();
	fake_now += 2 * 60 * 1000;
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -EINVAL);
	ck_assert_str_eq(fake_log, "");
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
}
END_TEST

START_TEST(a_failure_that_stays)
{
	int64_t generation;

	fail_to_promote();
	request++;
	generation = csi_generation(fake_tmr(B));
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	/* The same words would be no news. */
	ck_assert_int_gt(csi_generation(fake_tmr(B)), generation);
	ck_assert_str_eq(fake_text(fake_mapping(B), "promotedSnapshotHandle"),
			 "");
	ck_assert_ptr_nonnull(json_object_get(fake_mapping(B),
					      "promotedSnapshotHandle"));
	judge();
	ck_assert(o.peer.busy);
	ck_says(o.peer.native, "asked for promoted, not done yet (it says "
			       "failed, of before: Could not promote mirror)");
	/* For as long as Trident takes to look again: it may be at it. */
	fake_now += 17 * 60 * 1000 - 1;
	judge();
	ck_assert(o.peer.busy && o.peer.promotes);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "");
	/* It failed again, of which Trident says nothing. */
	fake_now++;
	judge();
	ck_assert(!o.peer.busy && o.peer.complete);
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	/* And again, which takes that handle away. */
	request++;
	generation = csi_generation(fake_tmr(B));
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_int_gt(csi_generation(fake_tmr(B)), generation);
	ck_assert_ptr_null(json_object_get(fake_mapping(B),
					   "promotedSnapshotHandle"));
	/* This time it says so at once. */
	fake_tell(B, "promoting", "");
	fake_now += 1000;
	fake_tell(B, "failed", "Could not promote mirror");
	judge();
	ck_assert(!o.peer.busy);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	request++;
	/* Whatever becomes of that, to be promoted is another thing. */
	fake_now += 2 * 60 * 1000;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "b patch db to promoted\n");
	fake_tridents[B].off = false;
	controllers();
	judge();
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

/* ONTAP was not ready, of which Trident says nothing. */
START_TEST(a_retry_that_takes_its_time)
{
	fail_to_promote();
	request++;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	fake_now += 16 * 60 * 1000;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	ck_assert_str_eq(fake_log, "");
	fake_tridents[B].off = false;
	controllers();
	ck_assert(fake_volumes[B].writable);
	judge();
	ck_role(o.peer, ROLE_SOURCE, ROLE_UNKNOWN);
}
END_TEST

START_TEST(a_failure_of_others_making)
{
	verified_pair();
	fake_tridents[B].off = true;
	/* Presumed in place, and nobody vouches for it. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"promoted\"}}");
	fake_tell(B, "failed", "Could not promote mirror");
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	/* What was promoted may be anything. */
	fake_tell(B, "promoted", "");
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	fake_tell(B, "failed", "Could not reestablish mirror");
	judge();
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_assert(!o.peer.following && !o.peer.busy);
	/* But something whole. */
	ck_assert(o.peer.complete);
	/* What never was established has not even that. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"established\"}, "
			       "\"metadata\": {\"annotations\": {"
			       "\"uvrfs/transferred\": null}}}");
	judge();
	ck_role(o.peer, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_assert(!o.peer.complete);
	overrides = ~0u;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EINVAL);
	ck_says(err.msg, "no whole copy");
}
END_TEST

/* ---- copying ---- */

START_TEST(a_copy_on_its_way)
{
	fake_pair();
	fake_tell(B, "establishing", "");
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(!o.peer.busy && !o.peer.complete && o.peer.following);
	ck_assert_int_eq(o.peer.progress, 0);
	fake_sites[A].reach = REACH_SILENT;
	judge();
	ck_assert(!o.peer.complete);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), -EINVAL);
	/* Another one begins at a snapshot that is whole: without a source it
	   is all that there is. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	fake_tell(B, "reestablishing", "");
	judge();
	ck_assert(o.peer.complete);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	fake_sites[A].reach = REACH_OK;
	fake_edit(fake_tmr(B), "{\"spec\": {\"state\": \"reestablished\"}}");
	judge();
	ck_assert(!o.peer.complete);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trident_judge");
	TCase *c = trident_case(suite);

	add(c, what_is_asked_and_what_is_told);
	add(c, there_is_none);
	add(c, there_are_two);
	add(c, a_word_is_no_fact);
	tcase_add_loop_test(c, times_of_any_zone, 0,
			    sizeof times / sizeof *times);
	add(c, trident_has_a_zone);
	add(c, what_was_copied_before_is_no_fact);
	add(c, updates_of_others_count);
	add(c, an_update_fails);
	add(c, a_missing_kind_fails_no_verification);
	add(c, a_mirror_of_something_else);
	add(c, a_promotion_that_was_none);
	add(c, back_and_forth);
	add(c, trident_gives_no_answer);
	add(c, others_ask_and_trident_gives_no_answer);
	add(c, others_ask_after_us);
	add(c, a_failure_is_final_for_its_request);
	add(c, a_failure_half_way);
	add(c, a_failure_that_stays);
	add(c, a_retry_that_takes_its_time);
	add(c, a_failure_of_others_making);
	add(c, a_copy_on_its_way);
	return run_suite(suite);
}
