/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of trident: judged, asked for acts, and driven by the plan. */
#ifndef UVRFS_TRIDENT_PAIR_H
#define UVRFS_TRIDENT_PAIR_H

#include "fake_trident.h"
#include "plan.h"
#include "suite.h"

static struct csi_view va, vb;
static struct observation o;		/* here: A, peer: B */
static struct error err;
static uint64_t serial, request;
static unsigned overrides;
static int last_rc;

static inline void forget(void)
{
	fake_forget(&va);
	fake_forget(&vb);
}

static inline void judge_views(const struct csi_view *here, const struct csi_view *peer,
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

static inline void judge(void)
{
	forget();
	fake_look(A, csi_trident.gather, &va);
	fake_look(B, csi_trident.gather, &vb);
	judge_views(&va, &vb, &o);
}

/* Makes @act at @site; what has no answer that counts keeps its serial. */
static inline int act_at(enum act act, int site)
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

static inline void controllers(void)
{
	fake_controllers(A);
	fake_controllers(B);
	fake_now += 1000;
}

static inline void setup(void)
{
	fake_setup();
	fake_trident_setup();
	va = vb = (struct csi_view){0};
	serial = overrides = 0;
	request = 0xabc;
	last_rc = 0;
}

static inline void teardown(void)
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

static inline void plan_input(struct drive *d, struct plan_input *in)
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

static inline void request_word(struct drive *d)
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
static inline int progress(struct drive *d)
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
static inline int carry_out(struct drive *d, int rounds)
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

static inline void drive(int here, enum state from, enum word word, bool force)
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
static inline void verified_pair(void)
{
	fake_pair();
	drive(B, STATE_NONE, WORD_REPLICA, false);
}

static inline void step_down(int site)
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

static inline void add(TCase *c, const TTest *test)
{
	tcase_add_test(c, test);
}

/* For main(): a suite of one case, with the fixture. */
static inline TCase *trident_case(Suite *suite)
{
	TCase *c = tcase_create("trident");

	tcase_add_checked_fixture(c, setup, teardown);
	suite_add_tcase(suite, c);
	return c;
}

#endif
