/* SPDX-License-Identifier: Apache-2.0 */
/* trident: following, the beginning, whole requests, texts. */
#include "trident_pair.h"

/* ---- following ---- */

START_TEST(to_resync)
{
	verified_pair();
	ck_assert_int_eq(act_at(ACT_RESYNC, B), 0);
	ck_assert_int_eq(act_at(ACT_RESYNC, A), -EAGAIN);
	step_down(A);
	act_at(ACT_PROMOTE, B);
	controllers();
	/* It is not verified yet. */
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EAGAIN);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	controllers();
	ck_assert_int_eq(act_at(ACT_VERIFY, B), 0);
	fake_volumes[B].data = 3;
	fake_sites[A].in_use = TRI_YES;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EBUSY);
	fake_sites[A].in_use = TRI_NO;
	/* What was written then is nowhere else. */
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EBUSY);
	overrides = OVERRIDE_DATA;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	ck_assert_str_eq(fake_log, "a patch db to reestablished\n");
	ck_assert_str_eq(fake_text(fake_mapping(A), "remoteVolumeHandle"),
			 "svm_b:vol");
	ck_assert_str_eq(fake_text(fake_mapping(A), "localPVCName"), "db");
	/* Should it fail, for the generation that this has made. */
	ck_assert_int_eq(strtoll(csi_annotation(fake_tmr(A),
						"uvrfs/stepped-down"),
				 NULL, 10),
			 csi_generation(fake_tmr(A)));
	judge();
	ck_assert(o.here.busy);
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	ck_assert_str_eq(fake_log, "");
	fake_tridents[A].stuck = "reestablishing";
	controllers();
	judge();
	ck_assert(!o.here.busy && o.here.following && !o.here.complete);
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	fake_tridents[A].stuck = NULL;
	controllers();
	judge();
	ck_assert(o.here.following && o.here.complete);
	ck_assert_int_eq(fake_volumes[A].data, 3);
}
END_TEST

START_TEST(not_to_resync)
{
	/* Both are sources, and verified as such. */
	verified_pair();
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	act_at(ACT_FORCE_PROMOTE, B);
	controllers();
	act_at(ACT_VERIFY, B);
	controllers();
	act_at(ACT_VERIFY, B);
	ck_assert_int_eq(act_at(ACT_RESYNC, A), -EAGAIN);
	ck_says(err.msg, "has not stepped down");
	fake_edit(fake_tmr(A), "{\"metadata\": {\"deletionTimestamp\": \"x\"}}");
	ck_assert_int_eq(act_at(ACT_RESYNC, A), -EAGAIN);
	ck_says(err.msg, "is being deleted");
	fake_edit(fake_tmr(A), "{\"metadata\": {\"deletionTimestamp\": null}}");
	ck_assert_int_eq(act_at(ACT_DEMOTE, A), 0);
	/* What it is to follow has no name. */
	json_object_del(json_array_get(
		json_object_get(json_object_get(fake_tmr(B), "status"),
				"conditions"), 0), "localVolumeHandle");
	ck_assert_int_eq(act_at(ACT_RESYNC, A), -EAGAIN);
	ck_says(err.msg, "does not tell the handle");
	ck_assert_str_eq(fake_log, "");
}
END_TEST

START_TEST(a_resync_that_fails)
{
	verified_pair();
	step_down(A);
	act_at(ACT_PROMOTE, B);
	controllers();
	act_at(ACT_VERIFY, B);
	controllers();
	act_at(ACT_VERIFY, B);
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	fake_tridents[A].ontap_down = true;
	controllers();
	judge();
	/* What it was: one that has stepped down, and nobody uses it. */
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.here.following && o.here.complete && !o.here.diverged);
	fake_sites[A].in_use = TRI_YES;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_SOURCE);
	fake_sites[A].in_use = TRI_NO;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EBUSY);
	overrides = OVERRIDE_DATA;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EINVAL);
	ck_says(err.msg, "Could not reestablish mirror");
	request++;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	controllers();
	/* Trident that fails again says nothing new. */
	fake_now += 17 * 60 * 1000 - 2000;
	judge();
	ck_assert(o.here.busy);
	fake_now += 2000;
	judge();
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	request++;
	fake_tridents[A].ontap_down = false;
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	controllers();
	judge();
	ck_assert(o.here.following && o.here.complete);
}
END_TEST

/* ---- the beginning ---- */

START_TEST(to_create)
{
	fake_sites[B].no_claim = true;
	fake_sites[A].no_claim = true;
	ck_assert_int_eq(act_at(ACT_CREATE, B), -ENOENT);
	fake_sites[A].no_claim = false;
	fake_sites[A].reach = REACH_SILENT;
	ck_assert_int_eq(act_at(ACT_CREATE, B), -EHOSTUNREACH);
	fake_sites[A].reach = REACH_OK;
	ck_assert_int_eq(act_at(ACT_CREATE, B), 0);
	ck_assert_str_eq(fake_log, "a create TridentMirrorRelationship\n");
	ck_assert_str_eq(csi_spec(fake_tmr(A), "state"), "promoted");
	judge();
	ck_assert(o.here.busy);
	ck_assert_int_eq(act_at(ACT_CREATE, B), -EAGAIN);
	controllers();
	ck_assert_int_eq(act_at(ACT_CREATE, B), 0);
	ck_assert_str_eq(fake_log, "b create TridentMirrorRelationship\n");
	ck_assert_str_eq(csi_spec(fake_tmr(B), "state"), "established");
	ck_assert_str_eq(fake_text(fake_mapping(B), "remoteVolumeHandle"),
			 "svm_a:vol");
	/* There is no volume that could be written to: it is to come. */
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(!o.peer.complete && o.peer.following && !o.peer.busy);
	ck_says(o.peer.native, "no PersistentVolumeClaim");
	ck_assert_int_eq(act_at(ACT_CREATE, B), 0);
	ck_assert_str_eq(fake_log, "");
	/* However long it takes. */
	fake_now += 86400000;
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	fake_sites[B].no_claim = false;
	json_object_set_new(json_object_get(fake_claim, "metadata"),
			    "creationTimestamp",
			    json_string(time_text(fake_now,
						  (char[TIME_TEXT_MAX]){0})));
	judge();
	ck_assert(o.peer.busy);
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	ck_assert(o.peer.complete && o.peer.following);
}
END_TEST

START_TEST(a_claim_that_came_first)
{
	fake_add_tmr(A, "promoted", false);
	controllers();
	ck_assert_int_eq(act_at(ACT_CREATE, B), -EPERM);
	ck_says(err.msg, "trident.netapp.io/mirrorRelationship: db");
	ck_assert_int_eq(act_at(ACT_DELETE, B), -EOPNOTSUPP);
	ck_assert_int_eq(act_at(ACT_NONE, B), -EINVAL);
	ck_assert_int_eq(act_at(ACT_PROMOTE, B), -ENOENT);
	ck_assert_int_eq(act_at(ACT_RESYNC, B), -ENOENT);
	ck_assert_int_eq(act_at(ACT_VERIFY, B), -ENOENT);
}
END_TEST

/* ---- whole requests, by the plan ---- */

START_TEST(there_and_back)
{
	struct drive made = {.here = B, .word = WORD_REPLICA};

	fake_sites[B].no_claim = true;
	request_word(&made);
	carry_out(&made, 10);
	ck_assert(!made.plan.done);
	ck_says(made.plan.waits_text, "no PersistentVolumeClaim");
	fake_sites[B].no_claim = false;
	carry_out(&made, 60);
	ck_assert(made.plan.done);
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	fake_volumes[A].data = 100;
	drive(B, STATE_REPLICA, WORD_PROMOTING, false);
	ck_role(o.peer, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(fake_volumes[B].data, 100);
	fake_volumes[B].data = 200;
	drive(B, STATE_SOURCE, WORD_SWAP, false);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(o.here.following && o.here.complete);
	ck_assert_int_eq(fake_volumes[A].data, 200);
	/* And the other way round. */
	fake_volumes[B].data = 300;
	drive(B, STATE_SOURCE, WORD_DEMOTING, false);
	ck_assert_int_eq(fake_volumes[A].data, 300);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	drive(A, STATE_REPLICA, WORD_PROMOTING, false);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_assert_int_eq(fake_volumes[A].data, 300);
	fake_volumes[A].data = 400;
	drive(B, STATE_REPLICA, WORD_SYNCING, true);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(fake_volumes[B].data, 400);
	drive(B, STATE_REPLICA, WORD_PROMOTING, false);
	ck_assert_int_eq(fake_volumes[B].data, 400);
}
END_TEST

START_TEST(a_lost_site)
{
	verified_pair();
	fake_volumes[A].data = 50;
	fake_sites[A].reach = REACH_SILENT;
	drive(B, STATE_REPLICA, WORD_PROMOTING, false);
	ck_role(o.peer, ROLE_SOURCE, ROLE_SOURCE);
	fake_volumes[B].data = 60;
	/* It comes back, and both are. */
	fake_sites[A].reach = REACH_OK;
	judge();
	ck_assert(observation_is_split(&o));
	drive(B, STATE_SOURCE, WORD_SWAP, true);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(fake_volumes[A].data, 60);
	ck_assert(!fake_volumes[A].writable);
}
END_TEST

START_TEST(stepping_down_and_back)
{
	verified_pair();
	drive(A, STATE_SOURCE, WORD_DEMOTING, false);
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	drive(A, STATE_DEMOTING, WORD_SOURCE, false);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	drive(A, STATE_SOURCE, WORD_DEMOTING, false);
	drive(A, STATE_REPLICA, WORD_PROMOTING, false);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
}
END_TEST

START_TEST(rolled_back_in_the_middle)
{
	struct drive d = {.here = B, .word = WORD_PROMOTING,
			  .from = STATE_REPLICA};
	struct drive back = {.here = B, .word = WORD_REPLICA,
			     .from = STATE_PROMOTING};

	verified_pair();
	request_word(&d);
	while (o.here.claim == ROLE_SOURCE) {
		progress(&d);
		controllers();
		judge();
	}
	back.status.request.asked_peer = true;
	request_word(&back);
	ck_assert_msg(back.plan.verdict == VERDICT_ALLOWED, "%s",
		      plan_why(&back.plan));
	carry_out(&back, 20);
	ck_assert(back.plan.done);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
}
END_TEST

START_TEST(two_sources_and_one_gives_in)
{
	verified_pair();
	overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	act_at(ACT_FORCE_PROMOTE, B);
	controllers();
	act_at(ACT_VERIFY, B);
	controllers();
	act_at(ACT_VERIFY, B);
	act_at(ACT_VERIFY, A);
	controllers();
	act_at(ACT_VERIFY, A);
	fake_volumes[A].data = 11;
	fake_volumes[B].data = 22;
	drive(B, STATE_REPLICA, WORD_SYNCING, true);
	ck_role(o.here, ROLE_SOURCE, ROLE_SOURCE);
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert_int_eq(fake_volumes[B].data, 11);
}
END_TEST

START_TEST(a_forced_one_with_a_peer_that_answers)
{
	verified_pair();
	fake_tridents[B].fails = "no licence";
	fake_volumes[A].data = 33;
	/* The final copy can't be had, and that is said, and waited for. */
	{
		struct drive d = {.here = B, .word = WORD_PROMOTING,
				  .from = STATE_REPLICA};

		request_word(&d);
		ck_assert_int_eq(d.plan.verdict, VERDICT_ALLOWED);
		carry_out(&d, 30);
		ck_assert(!d.plan.done);
		ck_assert_int_eq(o.here.claim, ROLE_SOURCE);
		ck_says(err.msg, "no licence");
	}
	/* Nothing but `promoting' again: without what is not here. */
	request++;
	overrides = OVERRIDE_PEER;
	while (o.here.claim == ROLE_SOURCE) {
		act_at(ACT_DEMOTE_PEER, A);
		controllers();
		judge();
	}
	ck_role(o.here, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.peer.caught_up);
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	controllers();
	judge();
	ck_assert_int_eq(o.peer.claim, ROLE_SOURCE);
	ck_assert(o.here.diverged);
}
END_TEST

/* ---- texts ---- */

static const char *describe(enum act act, int site, struct buf *out)
{
	judge();
	buf_reset(out);
	csi_trident.describe(site == A ? &va : &vb, site == A ? &vb : &va, act,
			     out);
	ck_assert_int_eq(out->failed, 0);
	return buf_str(out);
}

START_TEST(as_a_person_would_type_it)
{
	const char *text;
	auto_buf out;
	enum act act;

	buf_init(&out, 4096);
	for (act = ACT_NONE; act < ACT_COUNT; act++)
		describe(act, B, &out);
	text = describe(ACT_CREATE, B, &out);
	ck_says(text, "kubectl --context site-a -n ns create -f - <<< '{");
	ck_says(text, "\"remoteVolumeHandle\":\"SVM:VOLUME-OF-THE-SOURCE\"");
	verified_pair();
	text = describe(ACT_DEMOTE_PEER, A, &out);
	ck_says(text, "\"kind\":\"VolumeSnapshot\"");
	ck_says(text, "\"kind\":\"TridentSnapshotInfo\"");
	ck_says(text, "kubectl --context site-b -n ns create -f - <<< "
		      "'{\"apiVersion\":\"trident.netapp.io/v1\",\"kind\":"
		      "\"TridentActionMirrorUpdate\"");
	ck_says(text, "kubectl --context site-a -n ns patch "
		      "tridentmirrorrelationship db --type merge -p "
		      "'{\"metadata\":{\"annotations\":{\"uvrfs/stepped-down\":");
	text = describe(ACT_PROMOTE, B, &out);
	ck_says(text, "\"state\":\"promoted\",\"volumeMappings\":[{"
		      "\"localPVCName\":\"db\",\"remoteVolumeHandle\":"
		      "\"svm_a:vol\",\"promotedSnapshotHandle\":\"HANDLE");
	ck_assert_ptr_null(strstr(describe(ACT_FORCE_PROMOTE, B, &out),
				  "promotedSnapshotHandle"));
	ck_says(describe(ACT_VERIFY, B, &out), "TridentActionMirrorUpdate");
	ck_says(describe(ACT_VERIFY_PEER, A, &out), "uvrfs-probe");
	step_down(A);
	ck_says(describe(ACT_PROMOTE, B, &out), "VolumeSnapshot");
	ck_says(describe(ACT_PROMOTE_PEER, A, &out), "\"uvrfs/stepped-down\":"
						     "null");
	ck_says(describe(ACT_RESYNC_PEER, A, &out),
		"\"remoteVolumeHandle\":\"svm_b:vol\"");
	/* What is foreign ends no quotes. */
	fake_edit(fake_tmr(B), "{\"spec\": {\"volumeMappings\": [{"
			       "\"localPVCName\": \"db\", \"x\": "
			       "\"'; rm -r /\\n\"}]}}");
	text = describe(ACT_FORCE_PROMOTE, B, &out);
	ck_says(text, "\\u0027; rm -r /\\n");
	ck_assert_ptr_null(strstr(text, "';"));
}
END_TEST

START_TEST(which_manifests)
{
	struct spec s = {.mode = MODE_ASYNCHRONOUS};

	s.source.cluster = "one";
	s.destination.cluster = "two";
	ck_assert_int_eq(csi_trident.check(&s, &err), 0);
	s.mode = MODE_SYNCHRONOUS;
	ck_assert_int_eq(csi_trident.check(&s, &err), -EINVAL);
	ck_says(err.msg, "spec.replicationMode");
}
END_TEST

START_TEST(long_and_odd_texts)
{
	char text[2000];
	json_t *patch;

	verified_pair();
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	patch = json_pack("{s:{s:[{s:s, s:s, s:s, s:s}]}}", "status",
			  "conditions", "state", "failed", "message", text,
			  "lastTransitionTime", text, "localVolumeHandle", text);
	fake_change(fake_tmr(B), patch);
	json_decref(patch);
	judge();
	ck_assert_uint_lt(strlen(o.peer.native), NATIVE_MAX);
	fake_sites[A].reach = REACH_SILENT;
	request++;
	ck_assert_int_eq(act_at(ACT_FORCE_PROMOTE, B), 0);
	/* A time that can't be kept is unchanged as long as it can't be. */
	judge();
	ck_assert(o.peer.busy);
	fake_edit(fake_tmr(B), "{\"status\": {\"conditions\": [{\"state\": "
			       "\"failed now\"}]}}");
	judge();
	ck_assert(o.peer.busy);
	fake_edit(fake_tmr(B), "{\"metadata\": {\"annotations\": {"
			       "\"uvrfs/written\": \"u2 x y\", "
			       "\"uvrfs/stepped-down\": \"1/u2\", "
			       "\"uvrfs/transferred\": \"\"}}}");
	judge();
	fake_edit(fake_tmr(B), "{\"spec\": {\"volumeMappings\": 7}, "
			       "\"status\": 3}");
	judge();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trident");
	TCase *c = trident_case(suite);

	add(c, to_resync);
	add(c, not_to_resync);
	add(c, a_resync_that_fails);
	add(c, to_create);
	add(c, a_claim_that_came_first);
	add(c, there_and_back);
	add(c, a_lost_site);
	add(c, stepping_down_and_back);
	add(c, rolled_back_in_the_middle);
	add(c, two_sources_and_one_gives_in);
	add(c, a_forced_one_with_a_peer_that_answers);
	add(c, as_a_person_would_type_it);
	add(c, which_manifests);
	add(c, long_and_odd_texts);
	return run_suite(suite);
}
