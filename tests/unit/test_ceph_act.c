/* SPDX-License-Identifier: Apache-2.0 */
/* What ceph writes, what it refuses to, and how it is told. */
#include "fake_ceph.h"
#include "suite.h"

static void setup(void)
{
	setup_clusters();
	put_pair();
	start(60000);
	AWAIT(is_steady);
}

static const char *body(struct api *a, const char *one, const char *two)
{
	return json_string_value(json_object_get(
		json_object_get(json_object_get(a->body, "metadata"), one),
		two));
}

/* ---- telling ---- */

static bool is_caught_up(const struct observation *o)
{
	return o->here.caught_up &&
	       side_verified_role(&o->peer) == ROLE_REPLICA;
}

static bool is_deserted(const struct observation *o)
{
	return o->peer.claim == ROLE_ABSENT;
}

START_TEST(a_change_is_told)
{
	ck_assert_int_eq(t.ear.last[0].here.data_time, time_parse(T1));
	becomes(&t.prod, REPLICA("TFF"));
	AWAIT(is_caught_up);
	api_drop(&t.prod, VR);
	AWAIT(is_deserted);
	put_vr(&t.prod, VR, "db", SOURCE);
	AWAIT(is_steady);
}
END_TEST

/* One that is tracked anew is told at once, news or not. */
START_TEST(whoever_tracks_is_told)
{
	track_anew();
}
END_TEST

/* ---- the way of a write ---- */

static bool is_asked(const struct observation *o)
{
	return o->peer.busy;
}

START_TEST(an_act_is_one_patch)
{
	char version[256];
	json_t *spec;

	snprintf(version, sizeof version, "%s",
		 get(&t.prod, VR, "metadata", "resourceVersion"));
	t.request = 0xabc;
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 0x123), 0);
	ck_assert_str_eq(t.prod.last, "PATCH " VR "?fieldManager=uvrfs");
	ck_assert_uint_eq(writes(), 1);
	spec = json_object_get(t.prod.body, "spec");
	ck_assert_str_eq(json_string_value(json_object_get(
				 spec, "replicationState")), "secondary");
	ck_assert(json_is_false(json_object_get(spec, "autoResync")));
	ck_assert_uint_eq(json_object_size(spec), 2);
	ck_assert_str_eq(body(&t.prod, "annotations", "uvrfs/serial"),
			 "0000000000000123");
	ck_assert_str_eq(body(&t.prod, "annotations", "uvrfs/request"),
			 "0000000000000abc");
	ck_assert_str_eq(api_text(t.prod.body, "resourceVersion"), version);
	AWAIT(is_asked);
	/* Again, by the same name and by another. */
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 0x123), 0);
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, REPLICA("TFF"));
	AWAIT(is_caught_up);
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_uint_eq(writes(), 1);
}
END_TEST

static void intrude(struct api *a, json_t *object)
{
	json_object_set_new(api_meta(object), "labels",
			    json_pack("{s:s}", "a", "b"));
	api_tell(a, VR, object, "MODIFIED");
}

START_TEST(who_comes_between_is_not_overwritten)
{
	t.prod.before_patch = intrude;
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "just now: " PROD ": http"));
	ck_assert_ptr_nonnull(strstr(t.err.msg, "Conflict: says the server"));
	ck_assert_str_eq(ASKED(&t.prod), "primary");
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "secondary");
}
END_TEST

static bool is_another_asked(const struct observation *o)
{
	return o->here.claim == ROLE_SOURCE;
}

/* What a watch still has to tell is older than what a call has answered. */
START_TEST(old_news_is_no_news)
{
	struct spec spec = t.spec;
	struct target other = {&spec, DR, PROD, true};
	char key[BACKEND_KEY_MAX];
	struct observation o;

	put_claim(&t.dr, "dc", "vol-2");
	put_vr(&t.dr, VRS "dc", "dc", REPLICA("TTT"));
	spec.pvc_name = "dc";
	spec.volume_handle = "vol-2";
	t.b->ops->key(t.b, &other, key);
	ck_assert_int_eq(t.b->ops->track(t.b, &other, &t.err), 0);
	api_withhold(&t.dr, true);
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF"});
	says_at(&t.dr, VRS "dc", (struct vr){.state = "Primary",
					     .cdr = "TFF"});
	TAKES(ACT_DEMOTE);
	says(&t.dr, REPLICA("TTT"));
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 10000, &o, &t.err),
			 0);
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	/* It was Primary before; and then the other's, on the same watch. */
	pthread_mutex_lock(&t.dr.lock);
	t.dr.told += 3;
	pthread_cond_broadcast(&t.dr.turn);
	pthread_mutex_unlock(&t.dr.lock);
	await_key(key, is_another_asked, "the other one");
	ck_assert_int_eq(AWAIT(is_steady).here.claim, ROLE_REPLICA);
	ck_assert_int_eq(t.b->ops->observe(t.b, &t.target, 10000, &o, &t.err),
			 0);
	ck_assert_int_eq(o.here.claim, ROLE_REPLICA);
	/* From there on it is believed again. */
	api_withhold(&t.dr, false);
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF"});
	AWAIT(is_another_asked);
}
END_TEST

/* ---- promoting ---- */

static bool is_reversed(const struct observation *o)
{
	return side_verified_role(&o->here) == ROLE_SOURCE &&
	       side_verified_role(&o->peer) == ROLE_REPLICA &&
	       o->peer.complete && o->peer.data_time == time_parse(T1);
}

START_TEST(nobody_is_promoted_without_the_final_copy)
{
	becomes(&t.prod, REPLICA("TTT"));
	becomes(&t.dr, SOURCE);
	AWAIT(is_reversed);
	becomes(&t.dr, REPLICA("TTT"));
	REFUSES(ACT_PROMOTE, EAGAIN);
	says(&t.dr, REPLICA("TFF"));
	REFUSES(ACT_PROMOTE, EAGAIN);	/* the other way */
	TAKES(ACT_PROMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "primary");
}
END_TEST

START_TEST(nobody_is_promoted_beside_a_primary)
{
	REFUSES(ACT_PROMOTE, EBUSY);
	becomes(&t.prod, REPLICA("TTF"));
	REFUSES(ACT_PROMOTE, EBUSY);	/* nobody vouches for it */
	says(&t.prod, REPLICA("TFF"));
	TAKES(ACT_PROMOTE);
	ck_assert_str_eq(ASKED(&t.dr), "primary");
	ck_assert_str_eq(get(&t.dr, VR, "spec", "autoResync"), "false");
	TAKES(ACT_PROMOTE);
	ck_assert_uint_eq(t.dr.writes, 1);
	ck_assert_uint_eq(t.prod.writes, 0);
}
END_TEST

START_TEST(an_act_looks_for_itself)
{
	becomes(&t.prod, REPLICA("TFF"));
	AWAIT(is_caught_up);
	api_withhold(&t.prod, true);
	becomes(&t.prod, SOURCE);
	REFUSES(ACT_PROMOTE, EBUSY);
	/* Only the spec; csi-addons has not looked at it. */
	becomes(&t.prod, REPLICA("TFF"));
	api_edit(&t.prod, VR, "{\"spec\": {\"replicationState\": "
			      "\"primary\"}}");
	REFUSES(ACT_PROMOTE, EBUSY);
	api_drop(&t.prod, VR);
	REFUSES(ACT_PROMOTE, EBUSY);
}
END_TEST

START_TEST(nobody_is_promoted_beside_a_silent_one)
{
	becomes(&t.prod, REPLICA("TFF"));
	AWAIT(is_caught_up);
	api_fault(&t.prod, "", API_HANG);
	t.timeout_ms = 700;
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	REFUSES(ACT_DEMOTE_PEER, ETIMEDOUT);
	api_fault(&t.prod, "", 500);
	REFUSES(ACT_PROMOTE, EHOSTUNREACH);
	api_fault(&t.prod, "", 0);
	t.timeout_ms = 10000;
	TAKES(ACT_PROMOTE);
}
END_TEST

START_TEST(force_is_for_what_it_was_given_for)
{
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	t.overrides = ~0U & ~(unsigned)OVERRIDE_PEER;
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	/* It was for one that gave no answer: this one steps down first. */
	t.overrides = ~0U & ~(unsigned)OVERRIDE_STEP_DOWN;
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	t.overrides = OVERRIDE_PEER | OVERRIDE_STEP_DOWN;
	TAKES(ACT_FORCE_PROMOTE);
	ck_assert_str_eq(ASKED(&t.dr), "primary");
	TAKES(ACT_FORCE_PROMOTE);
	ck_assert_uint_eq(writes(), 1);
}
END_TEST

/* It may be primary any moment, or be it without saying so. */
START_TEST(force_is_not_for_a_peer_that_is_being_promoted)
{
	becomes(&t.prod, REPLICA("TFF"));
	api_edit(&t.prod, VR, "{\"spec\": {\"replicationState\": "
			      "\"primary\"}}");
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	says(&t.prod, (struct vr){.state = "Unknown", .cdr = "UFF"});
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	t.overrides = ~0U & ~(unsigned)OVERRIDE_STEP_DOWN;
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	t.overrides = 0;
	says(&t.prod, (struct vr){.state = "Secondary", .cdr = "FTF",
				  .reason = "FailedToPromote"});
	REFUSES(ACT_FORCE_PROMOTE, EBUSY);
	t.overrides = OVERRIDE_PEER;
	TAKES(ACT_FORCE_PROMOTE);
}
END_TEST

/* csi-addons tries to promote here for ever: there would be two. */
START_TEST(the_role_is_not_given_back_while_it_is_asked_for_here)
{
	becomes(&t.prod, REPLICA("TFF"));
	becomes(&t.dr, (struct vr){.asked = "primary", .state = "Secondary",
				   .cdr = "FTF",
				   .reason = "FailedToPromote"});
	ck_assert_int_lt(act(ACT_PROMOTE_PEER), 0);
	ck_assert_str_eq(ASKED(&t.prod), "secondary");
	becomes(&t.dr, REPLICA("TFF"));
	TAKES(ACT_PROMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "primary");
}
END_TEST

static const char *note(struct api *a)
{
	static char text[256];

	snprintf(text, sizeof text, "%s",
		 get(a, VR, "metadata", "annotations"));
	return strstr(text, "uvrfs/stepped-down");
}

/* Its last copy is on its way, or never arrives: nothing is at the other side that
   is not here. */
START_TEST(the_role_is_given_back_before_the_final_copy)
{
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_ptr_nonnull(note(&t.prod));
	says(&t.prod, REPLICA("TTT"));
	if (_i)
		says(&t.dr, (struct vr){.cdr = "FTF",
					.reason = "FailedToResync"});
	ck_assert_int_lt(act(ACT_PROMOTE), 0);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
	TAKES(ACT_PROMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "primary");
	ck_assert_ptr_null(note(&t.prod));
}
END_TEST

/* Whatever was asked of the other one since may have been done. */
START_TEST(the_role_is_not_given_back_past_another_source)
{
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, REPLICA("TFF"));
	TAKES(ACT_PROMOTE);
	TAKES(ACT_DEMOTE);
	REFUSES(ACT_PROMOTE_PEER, EBUSY);
	says(&t.dr, REPLICA("TTT"));
	REFUSES(ACT_PROMOTE_PEER, EAGAIN);
	says(&t.dr, REPLICA("TFF"));
	TAKES(ACT_PROMOTE_PEER);
}
END_TEST

START_TEST(what_was_no_source_has_nothing_to_take_back)
{
	/* Nobody vouches for it. */
	says(&t.prod, (struct vr){.cdr = "TFF"});
	says(&t.dr, REPLICA("TTF"));
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, REPLICA("TTT"));
	ck_assert_int_lt(act(ACT_PROMOTE_PEER), 0);
	ck_assert_str_eq(ASKED(&t.prod), "secondary");
	/* The other one is not known to have come to rest. */
	becomes(&t.prod, SOURCE);
	api_edit(&t.dr, VR, "{\"spec\": {\"replicationState\": "
			    "\"primary\"}}");
	api_edit(&t.dr, VR, "{\"spec\": {\"replicationState\": "
			    "\"secondary\"}}");
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, REPLICA("TTT"));
	says(&t.dr, REPLICA("TTT"));
	REFUSES(ACT_PROMOTE_PEER, EAGAIN);
}
END_TEST

/* Nobody has begun with it; what somebody else has asked for is theirs. */
START_TEST(a_step_down_is_taken_back)
{
	TAKES(ACT_DEMOTE_PEER);
	TAKES(ACT_PROMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "primary");
	ck_assert_ptr_null(note(&t.prod));
	says(&t.prod, SOURCE);
	AWAIT(is_steady);
	/* It is tried again and again. */
	TAKES(ACT_DEMOTE_PEER);
	says(&t.prod, (struct vr){.state = "Primary", .cdr = "FTF",
				  .reason = "FailedToDemote"});
	TAKES(ACT_PROMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "primary");
	says(&t.prod, SOURCE);
	api_edit(&t.prod, VR, "{\"spec\": {\"replicationState\": "
			      "\"secondary\"}}");
	REFUSES(ACT_PROMOTE_PEER, EAGAIN);
}
END_TEST

START_TEST(a_step_down_for_a_source_is_not_taken_back)
{
	TAKES(ACT_DEMOTE_PEER);
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF"});
	REFUSES(ACT_PROMOTE_PEER, EBUSY);
}
END_TEST

/* ---- stepping down ---- */

static const struct {
	const char *path, *text, *who;
	bool counts;
} users[] = {
	{CORE "pods/app",
	 "{\"metadata\": {\"namespace\": \"database\", \"name\": \"app\"}, "
	 "\"spec\": {\"nodeName\": \"n1\", \"volumes\": [{\"name\": \"x\"}, {"
	 "\"persistentVolumeClaim\": {\"claimName\": \"db\"}}]}, \"status\": "
	 "{\"phase\": \"Running\"}}", "pod database/app on n1", true},
	{CORE "pods/app",
	 "{\"metadata\": {\"namespace\": \"database\", \"name\": \"app\"}, "
	 "\"spec\": {\"volumes\": [{\"persistentVolumeClaim\": {"
	 "\"claimName\": \"db\"}}]}, \"status\": {\"phase\": \"Pending\"}}",
	 "pod database/app", true},
	{"/apis/storage.k8s.io/v1/volumeattachments/va",
	 "{\"metadata\": {\"name\": \"va\"}, \"spec\": {\"nodeName\": \"n2\", "
	 "\"source\": {\"persistentVolumeName\": \"pv-db\"}}}", "node n2",
	 true},
	{CORE "pods/job",
	 "{\"metadata\": {\"namespace\": \"database\", \"name\": \"job\"}, "
	 "\"spec\": {\"volumes\": [{\"persistentVolumeClaim\": {"
	 "\"claimName\": \"db\"}}]}, \"status\": {\"phase\": "
	 "\"Succeeded\"}}", "", false},
	{CORE "pods/other",
	 "{\"metadata\": {\"namespace\": \"database\", \"name\": \"other\"}, "
	 "\"spec\": {\"volumes\": [{\"persistentVolumeClaim\": {"
	 "\"claimName\": \"dc\"}}]}, \"status\": {\"phase\": \"Running\"}}",
	 "", false},
};

START_TEST(a_volume_in_use_is_not_pulled_away)
{
	api_put(&t.prod, users[_i].path, users[_i].text);
	if (users[_i].counts) {
		AWAIT(is_in_use);
		REFUSES(ACT_DEMOTE_PEER, EBUSY);
		ck_assert_ptr_nonnull(strstr(t.err.msg, users[_i].who));
		t.overrides = ~0U & ~(unsigned)OVERRIDE_IN_USE;
		REFUSES(ACT_DEMOTE_PEER, EBUSY);
		t.overrides = OVERRIDE_IN_USE;
	}
	TAKES(ACT_DEMOTE_PEER);
	ck_assert_str_eq(ASKED(&t.prod), "secondary");
}
END_TEST

START_TEST(who_stops_using_it_lets_it_go)
{
	api_put(&t.prod, users[0].path, users[0].text);
	AWAIT(is_in_use);
	api_edit(&t.prod, users[0].path, "{\"status\": {\"phase\": "
					 "\"Failed\"}}");
	AWAIT(is_steady);
	TAKES(ACT_DEMOTE_PEER);
}
END_TEST

static bool is_promised(const struct observation *o)
{
	return o->here.promotes && o->here.busy && o->here.in_use == TRI_YES;
}

static bool is_told_to_fail(const struct observation *o)
{
	return o->here.promotes && !o->here.busy;
}

/* Nobody has taken it up, for all that is told: whoever uses the volume waits for
   it, or has it since a moment ago. */
START_TEST(a_promotion_is_taken_back)
{
	api_put(&t.dr, users[0].path, users[0].text);
	api_edit(&t.dr, VR, "{\"spec\": {\"replicationState\": "
			    "\"primary\"}}");
	AWAIT(is_promised);
	REFUSES(ACT_DEMOTE, EBUSY);
	ck_assert_ptr_nonnull(strstr(t.err.msg, users[0].who));
	api_drop(&t.dr, users[0].path);
	TAKES(ACT_DEMOTE);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
	/* It is known to be none. */
	api_edit(&t.dr, VR, "{\"spec\": {\"replicationState\": "
			    "\"primary\"}}");
	api_put(&t.dr, users[0].path, users[0].text);
	says(&t.dr, (struct vr){.state = "Secondary", .cdr = "FTF",
				.reason = "FailedToPromote"});
	AWAIT(is_told_to_fail);
	TAKES(ACT_DEMOTE);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
}
END_TEST

/* ---- following ---- */

static bool is_rebuilt(const struct observation *o)
{
	return o->here.complete && o->here.data_time == time_parse(T2);
}

START_TEST(a_resync_is_taken_back_when_it_is_done)
{
	TAKES(ACT_RESYNC);
	ck_assert_str_eq(ASKED(&t.dr), "resync");
	ck_assert_int_eq(time_parse(body(&t.dr, "annotations",
					 "uvrfs/synced-before")),
			 time_parse(T1));
	says(&t.dr, (struct vr){.cdr = "TTT"});
	TAKES(ACT_RESYNC);
	ck_assert_uint_eq(writes(), 1);
	says(&t.prod, (struct vr){.cdr = "TFF", .replicating = "T",
				  .synced = T2});
	AWAIT(is_rebuilt);
	TAKES(ACT_RESYNC);
	ck_assert_str_eq(ASKED(&t.dr), "secondary");
	ck_assert_str_eq(get(&t.dr, VR, "spec", "autoResync"), "false");
	says(&t.dr, REPLICA("TTT"));
	AWAIT(is_steady);
}
END_TEST

START_TEST(nothing_is_rebuilt_from_nothing)
{
	REFUSES(ACT_RESYNC_PEER, EAGAIN);	/* here is no source */
	becomes(&t.prod, REPLICA("TFF"));
	REFUSES(ACT_RESYNC, EAGAIN);
	becomes(&t.prod, (struct vr){.asked = "primary", .cdr = "TFF"});
	says(&t.dr, REPLICA("TTF"));
	REFUSES(ACT_RESYNC, EAGAIN);		/* nobody vouches for it */
	becomes(&t.prod, SOURCE);
	becomes(&t.dr, (struct vr){.asked = "primary", .cdr = "TFF",
				   .replicating = "F"});
	REFUSES(ACT_RESYNC, EAGAIN);		/* step down first */
	becomes(&t.dr, REPLICA("TTF"));
	TAKES(ACT_RESYNC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ceph_act");
	TCase *c = tcase_create("ceph_act");

	tcase_add_checked_fixture(c, setup, teardown_clusters);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_change_is_told);
	tcase_add_test(c, whoever_tracks_is_told);
	tcase_add_test(c, an_act_is_one_patch);
	tcase_add_test(c, who_comes_between_is_not_overwritten);
	tcase_add_test(c, old_news_is_no_news);
	tcase_add_test(c, nobody_is_promoted_without_the_final_copy);
	tcase_add_test(c, nobody_is_promoted_beside_a_primary);
	tcase_add_test(c, an_act_looks_for_itself);
	tcase_add_test(c, nobody_is_promoted_beside_a_silent_one);
	tcase_add_test(c, force_is_for_what_it_was_given_for);
	tcase_add_test(c, force_is_not_for_a_peer_that_is_being_promoted);
	tcase_add_test(c,
		       the_role_is_not_given_back_while_it_is_asked_for_here);
	tcase_add_loop_test(c, the_role_is_given_back_before_the_final_copy, 0,
			    2);
	tcase_add_test(c, the_role_is_not_given_back_past_another_source);
	tcase_add_test(c, what_was_no_source_has_nothing_to_take_back);
	tcase_add_test(c, a_step_down_is_taken_back);
	tcase_add_test(c, a_step_down_for_a_source_is_not_taken_back);
	tcase_add_loop_test(c, a_volume_in_use_is_not_pulled_away, 0,
			    sizeof users / sizeof *users);
	tcase_add_test(c, who_stops_using_it_lets_it_go);
	tcase_add_test(c, a_promotion_is_taken_back);
	tcase_add_test(c, a_resync_is_taken_back_when_it_is_done);
	tcase_add_test(c, nothing_is_rebuilt_from_nothing);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
