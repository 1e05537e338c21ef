/* SPDX-License-Identifier: Apache-2.0 */
/* trident: what is made of two looks, and what is written for each act. */
#include "fake_trident.h"
#include "plan.h"
#include "suite.h"

static struct csi_view va, vb;
static struct observation o;		/* here: A, peer: B */
static struct error err;
static uint64_t serial, request;
static unsigned overrides;
static int last_rc;

static void forget(void)
{
	fake_forget(&va);
	fake_forget(&vb);
}

static void judge_views(const struct csi_view *here, const struct csi_view *peer,
			struct observation *out)
{
	const struct csi_view *views[] = {here, peer};
	struct side *sides[] = {&out->here, &out->peer};
	int i;

	*out = (struct observation){.at = fake_now};
	for (i = 0; i < 2; i++) {
		*sides[i] = (struct side){.reach = views[i]->reach,
					  .progress = -1};
		if (views[i]->reach == REACH_OK)
			sides[i]->in_use = views[i]->in_use;
	}
	csi_trident.judge(here, peer, out);
}

static void judge(void)
{
	forget();
	fake_look(A, csi_trident.gather, &va);
	fake_look(B, csi_trident.gather, &vb);
	judge_views(&va, &vb, &o);
}

/* Makes @act at @site; what has no answer that counts keeps its serial. */
static int act_at(enum act act, int site)
{
	struct order order = {.act = act, .request = request,
			      .overrides = overrides};
	struct csi_call c = {.order = &order, .at_holder = site == A};

	err = (struct error){0};
	*fake_log = '\0';
	judge();
	c.at = site == A ? &va : &vb;
	c.other = site == A ? &vb : &va;
	judge_views(c.at, c.other, &c.seen);
	if (last_rc == 0) {
		serial++;
		fake_told = false;
	}
	order.serial = serial;
	last_rc = csi_trident.act(&c, &err);
	if (last_rc < 0)
		ck_assert_msg(*err.msg && err.code == -last_rc, "%d %d %s",
			      last_rc, err.code, err.msg);
	if (last_rc < 0 && backend_error_is_final(last_rc)) {
		int rc = last_rc;

		last_rc = 0;
		return rc;
	}
	return last_rc;
}

static void controllers(void)
{
	fake_controllers(A);
	fake_controllers(B);
	fake_now += 1000;
}

static void setup(void)
{
	fake_setup();
	fake_trident_setup();
	va = vb = (struct csi_view){0};
	serial = overrides = 0;
	request = 0xabc;
	last_rc = 0;
}

static void teardown(void)
{
	forget();
	fake_teardown();
}

#define ck_role(side, of_claim, of_fact) do {                                  \
	ck_assert_str_eq(role_text((side).claim), role_text(of_claim));        \
	ck_assert_str_eq(role_text((side).fact), role_text(of_fact));          \
} while (0)

#define ck_says(text, part) \
	ck_assert_msg(strstr(text, part), "'%s' lacks '%s'", text, part)

/* ---- one request, planned as the core does ---- */

struct drive {
	int here;
	enum word word;
	enum state from;
	bool force;
	struct spec spec;
	struct status status;
	struct plan plan;
	struct policy policy;
	struct observation seen;
};

static void plan_input(struct drive *d, struct plan_input *in)
{
	judge();
	d->seen = o;
	if (d->here == B) {
		d->seen.here = o.peer;
		d->seen.peer = o.here;
	}
	*in = (struct plan_input){
		.spec = &d->spec,
		.status = &d->status,
		.seen = &d->seen,
		.capabilities = csi_trident.capabilities,
		.has_backend = true,
		.policy = &d->policy,
		.now = fake_now,
		.here = d->here == A ? "site-a" : "site-b",
		.peer = d->here == A ? "site-b" : "site-a",
		.here_is_source = d->here == A,
	};
}

static void request_word(struct drive *d)
{
	struct plan_input in;

	d->spec.state = d->from;
	d->status.request.id = d->from == STATE_NONE ? 0 : 1;
	d->status.request.from = d->from;
	plan_input(d, &in);
	plan_request(&in, d->word, d->force, &d->plan);
	d->status.request.id = 2;
	d->status.request.word = d->word;
	d->status.request.from = d->plan.from;
	d->status.request.force = d->force;
	d->status.request.overrides = d->force ? d->plan.overrides : 0;
	d->status.request.failover = d->plan.failover;
	d->status.request.outcome = OUTCOME_PENDING;
	overrides = d->status.request.overrides;
	request++;
}

/* One round: an act, or nothing.  Returns what came of it. */
static int progress(struct drive *d)
{
	enum act act;
	struct plan_input in;
	int rc = 0;

	plan_input(d, &in);
	plan_progress(&in, &d->plan);
	act = d->plan.step_count ? d->plan.steps[0] : ACT_NONE;
	if (d->plan.done || act == ACT_NONE || act_is_wait(act))
		return 0;
	if (act == ACT_DEMOTE_PEER && d->word == WORD_PROMOTING)
		d->status.request.asked_peer = true;
	rc = act_at(act, act_is_at_peer(act) ? 1 - d->here : d->here);
	return rc;
}

/* Until it is done, or fails for good; @rounds at most.  The last error. */
static int carry_out(struct drive *d, int rounds)
{
	int rc = 0;

	while (rounds-- > 0 && !d->plan.done) {
		rc = progress(d);
		if (rc < 0 && backend_error_is_final(rc))
			return rc;
		controllers();
	}
	return rc;
}

static void drive(int here, enum state from, enum word word, bool force)
{
	struct drive d = {.here = here, .word = word, .from = from,
			  .force = force};

	request_word(&d);
	ck_assert_msg(d.plan.verdict == VERDICT_ALLOWED, "%s",
		      plan_why(&d.plan));
	carry_out(&d, 60);
	ck_assert_msg(d.plan.done, "%s: %s; %s", word_text(word),
		      d.plan.waits_text, err.msg);
	judge();
}

/* A pair of which both sides are verified. */
static void verified_pair(void)
{
	fake_pair();
	drive(B, STATE_NONE, WORD_REPLICA, false);
}

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

static void step_down(int site);

/* ---- what was written, and what answers it ---- */

START_TEST(back_and_forth)
{
	verified_pair();
	/* A mirror that is promoted, and follows again, and is promoted. */
	overrides = OVERRIDE_PEER;
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
	fake_now += 2 * 60 * 1000 - 1;
	judge();
	ck_assert(o.peer.busy);
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

static void step_down(int site)
{
	int rounds = 10;

	do {
		ck_assert_int_ge(act_at(ACT_DEMOTE, site), 0);
		controllers();
		judge();
	} while ((site == A ? o.here : o.peer).claim != ROLE_REPLICA &&
		 --rounds);
	ck_assert_int_gt(rounds, 0);
}

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
	overrides = OVERRIDE_PEER;
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
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), 0);
	ck_assert_str_eq(fake_log, "a patch db to reestablished\n");
	ck_assert_str_eq(fake_text(fake_mapping(A), "remoteVolumeHandle"),
			 "svm_b:vol");
	ck_assert_str_eq(fake_text(fake_mapping(A), "localPVCName"), "db");
	ck_assert_str_eq(csi_annotation(fake_tmr(A), "uvrfs/stepped-down"), "");
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
	overrides = OVERRIDE_PEER;
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
	ck_role(o.here, ROLE_UNKNOWN, ROLE_UNKNOWN);
	ck_assert(!o.here.following && o.here.complete);
	ck_assert_int_eq(act_at(ACT_RESYNC_PEER, A), -EINVAL);
	ck_says(err.msg, "Could not reestablish mirror");
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
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
	ck_assert(!o.peer.complete && o.peer.following && !o.peer.busy);
	ck_says(o.peer.native, "no PersistentVolumeClaim");
	ck_assert_int_eq(act_at(ACT_CREATE, B), 0);
	ck_assert_str_eq(fake_log, "");
	/* However long it takes. */
	fake_now += 86400000;
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_REPLICA);
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
	fake_sites[B].no_claim = true;
	drive(B, STATE_NONE, WORD_REPLICA, false);
	fake_sites[B].no_claim = false;
	controllers();
	judge();
	ck_role(o.peer, ROLE_REPLICA, ROLE_UNKNOWN);
	/* Nobody has looked at it yet. */
	drive(B, STATE_FAILED, WORD_REPLICA, false);
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
	overrides = OVERRIDE_PEER;
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
	s.destination.cluster = "one";
	ck_assert_int_eq(csi_trident.check(&s, &err), -EINVAL);
	s.destination.cluster = "two";
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
	ck_assert_uint_lt(strlen(o.peer.native), SIDE_TEXT_MAX);
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

static void add(TCase *c, const TTest *test)
{
	tcase_add_test(c, test);
}

int main(void)
{
	Suite *suite = suite_create("trident");
	TCase *c = tcase_create("trident");

	tcase_add_checked_fixture(c, setup, teardown);
	add(c, what_is_asked_and_what_is_told);
	add(c, there_is_none);
	add(c, there_are_two);
	add(c, a_word_is_no_fact);
	add(c, what_was_copied_before_is_no_fact);
	add(c, updates_of_others_count);
	add(c, an_update_fails);
	add(c, a_missing_kind_fails_no_verification);
	add(c, a_mirror_of_something_else);
	add(c, a_promotion_that_was_none);
	add(c, back_and_forth);
	add(c, trident_gives_no_answer);
	add(c, a_failure_is_final_for_its_request);
	add(c, a_failure_half_way);
	add(c, a_failure_that_stays);
	add(c, a_failure_of_others_making);
	add(c, a_copy_on_its_way);
	add(c, the_stages_of_stepping_down);
	add(c, stepped_down_and_used);
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
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
