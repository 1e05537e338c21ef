/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole requests over two replication groups, with the plan of core, and a
 * sidecar and arrays that behave as their sources say, a second at a time.
 */
#include "plan.h"
#include "powerstore_groups.h"
#include "spec.h"
#include "status.h"
#include "suite.h"

#include <errno.h>

#define POLL_S 60

/* ---- two arrays and the session between them ---- */

static struct array {
	struct shape *group, *peer;
	struct array *other;
	bool is_source;
	const char *link;
	bool is_down;			/* gives nobody an answer */
	int phase;			/* of its sidecar's polls */
	bool has_sidecar;
	unsigned runs;			/* how often the driver was called */
	const char *error;		/* that it answers with, for good */
	unsigned swallow;		/* so many orders come to nothing */
	bool pauses;			/* the final copy fails */
	int takes;			/* seconds for a failover, of which the
					   driver does not see the end */
} arrays[2];

static int rebuild_left;
static int failover_left;
static struct array *failover_to;
static bool is_cut;			/* the arrays can't reach each other */

static void set_links(const char *link)
{
	arrays[0].link = arrays[1].link = link;
}

static void fail_over_to(struct array *to)
{
	to->is_source = true;
	to->link = "FAILEDOVER";
	if (is_cut || to->other->is_down)
		return;
	to->other->is_source = false;
	to->other->link = "FAILEDOVER";
}

/* Now, or later, as its array has it. */
static void begin_failover(struct array *r, struct array *to)
{
	failover_left = r->takes;
	failover_to = to;
	if (failover_left)
		set_links("SYNC_IN_PROGRESS");
	else
		fail_over_to(to);
}

/* As array and driver between them carry it out. */
static void execute(struct array *r, const char *action)
{
	r->runs++;
	if (r->swallow) {
		r->swallow--;
	} else if (strstr(action, "FAILOVER") &&
		   strcmp(r->link, "FAILEDOVER") == 0) {
		/* "already in desired state" */
	} else if (strcmp(action, "FAILOVER_REMOTE") == 0) {
		if (r->pauses || is_cut)
			set_links("SUSPENDED");
		else if (r->is_source)
			begin_failover(r, r->other);
	} else if (strcmp(action, "UNPLANNED_FAILOVER_LOCAL") == 0) {
		begin_failover(r, r);
	} else if (strcmp(action, "REPROTECT_LOCAL") == 0) {
		ck_assert(r->is_source);
		r->other->is_source = false;
		set_links("SYNC_IN_PROGRESS");
		rebuild_left = 200;
	} else if (strcmp(action, "SYNC") == 0 &&
		   strcmp(r->link, "SUSPENDED") == 0) {
		set_links("SYNCHRONIZED");
	}
}

/* ---- a sidecar: each write a second of its own ---- */

static void poll_array(struct array *r)
{
	struct shape *s = r->group;

	s->poll_error = r->is_down ? "the array gives no answer" : NULL;
	if (r->is_down) {
		s->link = "UNKNOWN";
		return;
	}
	s->link = r->link;
	s->polled = 1;
	if (s->is_source != r->is_source)
		moved(s, r->is_source, 1);
}

static bool is_supported(const char *action)
{
	return strcmp(action, "FAILBACK_LOCAL") != 0;
}

static void end_action(struct array *r)
{
	struct shape *s = r->group;
	const char *name = s->note;

	if (!r->is_down && !r->error)
		execute(r, name);
	s->spec_action = "";
	if (r->is_down || r->error) {
		s->completed = true;
		s->finished = 1;
		s->final_error = r->error ? r->error : "no such session";
		return;
	}
	s->final_error = NULL;
	ended(s, name, 1);
}

static bool is_in_progress(const struct shape *s)
{
	return strstr(s->state, "_IN_PROGRESS");
}

static void step_sidecar(struct array *r)
{
	static char states[2][64], notes[2][64];
	struct shape *s = r->group;
	char *state = states[r - arrays], *note = notes[r - arrays];

	if (is_in_progress(s) && s->completed) {
		s->state = s->final_error ? "Error" : "Ready";
		if (!s->final_error)
			poll_array(r);
	} else if (is_in_progress(s)) {
		end_action(r);
	} else if (*s->spec_action && !is_supported(s->spec_action)) {
		s->spec_action = "";
	} else if (*s->spec_action && (!s->note || s->completed)) {
		snprintf(note, sizeof notes[0], "%s", s->spec_action);
		s->note = note;
		s->completed = false;
		s->finished = 0;
		s->final_error = NULL;
	} else if (*s->spec_action) {
		snprintf(state, sizeof states[0], "%s_IN_PROGRESS", s->note);
		s->state = state;
	}
}

static void age(struct shape *s)
{
	size_t i;

	s->polled += s->polled != 0;
	s->finished += s->finished != 0;
	for (i = 0; i < sizeof s->events / sizeof *s->events; i++)
		s->events[i].ago++;
}

static void second(void)
{
	int i;

	if (rebuild_left && --rebuild_left == 0)
		set_links("SYNCHRONIZED");
	if (failover_left && --failover_left == 0)
		fail_over_to(failover_to);
	for (i = 0; i < 2; i++) {
		struct array *r = &arrays[i];

		age(r->group);
		if (!r->has_sidecar)
			continue;
		step_sidecar(r);
		if (++r->phase % POLL_S == 0 && !*r->group->spec_action &&
		    r->group->polled >= POLL_S)
			poll_array(r);
	}
}

/* ---- the API server ---- */

static bool was_told;
static uint64_t told_serial;

static const char *number_text(uint64_t number)
{
	static char text[24];

	snprintf(text, sizeof text, "%d", (int)number);
	return text;
}

static bool carries(const json_t *object, const char *key, uint64_t number)
{
	return strcmp(csi_annotation(object, key), number_text(number)) == 0;
}

#define put_text(to, text) snprintf(to, sizeof to, "%s", text)

bool csi_is_of_act(const struct csi_call *c, const json_t *object)
{
	return carries(object, "uvrfs/serial", c->order->serial);
}

bool csi_is_of_request(const struct csi_call *c, const json_t *object)
{
	return carries(object, "uvrfs/request", c->order->request);
}

bool csi_was_told(struct csi_call *c)
{
	was_told = told_serial == c->order->serial;
	told_serial = c->order->serial;
	return was_told;
}

int csi_patch(struct csi_call *c, const struct csi_view *view, unsigned part,
	      json_t *body, struct error *e)
{
	static struct {
		char action[64], before[64], serial[24], request[24], asked[64];
	} texts[2], *t;
	int i = strcmp(view->cluster, "site-a") != 0;
	struct shape *s = arrays[i].group;

	ck_assert(!is_in_progress(s));
	/* One at a time: what is written now would be lost.  And what has begun
	   can't be taken back. */
	if (*csi_spec(body, "action"))
		ck_assert_str_eq(s->spec_action, "");
	else
		ck_assert(!s->note || s->completed);
	t = &texts[i];
	put_text(t->action, csi_spec(body, "action"));
	put_text(t->before, csi_annotation(body, RG_BEFORE));
	put_text(t->serial, number_text(c->order->serial));
	put_text(t->request, number_text(c->order->request));
	put_text(t->asked, csi_annotation(body, RG_ASKED));
	s->asked = t->asked;
	s->spec_action = t->action;
	s->before = t->before;
	s->serial = t->serial;
	s->request = t->request;
	json_decref(body);
	return 0;
}

/* ---- core: a request at one of the sites ---- */

static struct status status;
static struct spec spec;
static struct policy policy;
static struct plan plan;
static struct observation seen;		/* from the site that asks */
static bool at_b;
static struct error err;
static char last_error[ERROR_MSG_MAX];
static int failed_rc;

/* As csi_view.c does it. */
static void judge_both(const struct csi_view *here, const struct csi_view *peer,
		       struct observation *to)
{
	*to = (struct observation){
		.at = NOW,
		.here = {.reach = here->reach, .in_use = here->in_use},
		.peer = {.reach = peer->reach, .in_use = peer->in_use},
	};
	powerstore_judge(here, peer, to);
}

static void look(void)
{
	judge();
	judge_both(at_b ? &view_b : &view_a, at_b ? &view_a : &view_b, &seen);
}

static struct plan_input input(void)
{
	return (struct plan_input){
		.spec = &spec, .status = &status, .seen = &seen,
		.capabilities = CAP_STEP_DOWN_PEER | CAP_SECOND_FACT,
		.has_backend = true, .policy = &policy, .now = NOW,
		.here = at_b ? "site-b" : "site-a",
		.peer = at_b ? "site-a" : "site-b",
		.here_is_source = !at_b,
	};
}

/* As reconcile.c does it: an answered intent is gone, another keeps its name. */
static void make(enum act what)
{
	struct order order = {.act = what, .request = status.request.id,
			      .overrides = status.request.overrides};
	bool is_at_a = act_is_at_peer(what) == at_b;
	struct csi_call c = {.order = &order};
	int rc;

	if (status.intent.act != what ||
	    status.intent.request != status.request.id)
		status.intent = (struct intent){
			.act = what, .request = status.request.id,
			.serial = ++status.last_serial};
	if (what == ACT_DEMOTE_PEER)
		status.request.asked_peer = true;
	order.serial = status.intent.serial;
	c.at = is_at_a ? &view_a : &view_b;
	c.other = is_at_a ? &view_b : &view_a;
	judge_both(c.at, c.other, &c.seen);
	rc = powerstore_act(&c, &err);
	if (rc == 0 || backend_error_is_final(rc))
		status.intent.act = ACT_NONE;
	status.attempts = rc < 0 ? status.attempts + 1 : 0;
	if (rc < 0)
		snprintf(last_error, sizeof last_error, "%s", err.msg);
	failed_rc = backend_error_is_final(rc) ? rc : 0;
}

static void request(enum word word, bool force)
{
	struct plan_input in = input();

	look();
	in.seen = &seen;
	plan_request(&in, word, force, &plan);
	ck_assert_msg(plan.verdict == VERDICT_ALLOWED ||
			      (force && plan.verdict == VERDICT_NEEDS_FORCE),
		      "%s: %s", word_text(word), plan_why(&plan));
	status.request = (struct request){
		.id = status.request.id + 1, .word = word, .from = plan.from,
		.force = force, .overrides = force ? plan.overrides : 0,
		.failover = plan.failover, .outcome = OUTCOME_PENDING,
		.asked_peer = status.request.asked_peer,
	};
	if (word < WORD_SWAP)
		spec.state = (enum state)word;
	status.failed = false;
	*last_error = '\0';
	failed_rc = 0;
}

static int has_failed(void)
{
	status.failed = true;
	status.request.outcome = OUTCOME_FAILED;
	return -1;
}

/* Seconds until it is done, -1: it failed or was not in time. */
static int finish(int limit)
{
	int wait = 0, attempts = 0, i;

	for (i = 0; i < limit; i++) {
		struct plan_input in = input();

		second();
		look();
		plan_progress(&in, &plan);
		if (plan.done)
			return i;
		if (wait-- > 0 || !plan.step_count ||
		    act_is_wait(plan.steps[0]))
			continue;
		make(plan.steps[0]);
		if (failed_rc)
			return has_failed();
		wait = ++attempts < 6 ? 1 << attempts : 60;
	}
	return has_failed();
}

/* It is done, and has become what the word stands for. */
static void settle(enum state state)
{
	status.request.outcome = OUTCOME_VERIFIED;
	status.request.asked_peer = false;
	spec.state = state;
}

static void pass(int seconds)
{
	while (seconds--)
		second();
}

static void setup(void)
{
	int i;

	pair();
	for (i = 0; i < 2; i++)
		arrays[i] = (struct array){
			.group = i ? &b : &a, .peer = i ? &a : &b,
			.other = &arrays[!i], .is_source = !i,
			.link = "SYNCHRONIZED", .has_sidecar = true,
			.phase = 17 * i,
		};
	rebuild_left = failover_left = 0;
	is_cut = false;
	status = (struct status){.request = {.id = 1}};
	spec = (struct spec){.state = STATE_REPLICA};
	at_b = true;
	told_serial = 0;
}

/* ---- planned ---- */

START_TEST(there_and_back)
{
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(plan.failover, FAILOVER_PLANNED);
	ck_assert_int_le(finish(900), 2 * POLL_S + 20);
	ck_assert(arrays[1].is_source && !arrays[0].is_source);
	ck_assert_uint_eq(arrays[0].runs, 1);
	ck_assert_uint_eq(arrays[1].runs, 0);
	settle(STATE_SOURCE);
	request(WORD_SWAP, false);
	ck_assert_int_ge(finish(900), 190);
	ck_assert_str_eq(arrays[0].link, "SYNCHRONIZED");
	ck_assert_uint_eq(arrays[1].runs, 1);
	ck_assert(seen.peer.following && seen.peer.complete);
	settle(STATE_SOURCE);
	/* Back by the same: the source steps down, and its peer has it all. */
	request(WORD_DEMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert(arrays[0].is_source && !arrays[1].is_source);
	ck_assert_uint_eq(arrays[1].runs, 2);
	settle(STATE_REPLICA);
	request(WORD_SYNCING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 2);
	ck_assert(seen.here.following && seen.here.complete);
	ck_assert_str_eq(last_error, "");
}
END_TEST

START_TEST(an_order_that_was_swallowed)
{
	arrays[0].swallow = 1;
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 2);
	ck_assert_ptr_nonnull(strstr(last_error, "not believed"));
	ck_assert(arrays[1].is_source && !arrays[0].is_source);
}
END_TEST

/* The driver has lost its connection, and says that it has succeeded. */
START_TEST(an_array_that_takes_its_time)
{
	struct plan_input in;

	arrays[0].takes = 300;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(200), -1);
	ck_assert_str_eq(a.state, "Ready");
	ck_assert_str_eq(a.spec_action, "");
	ck_assert_uint_eq(arrays[0].runs, 1);
	ck_assert_int_eq(plan.waits_for, REASON_BUSY);
	ck_assert_str_eq(last_error, "");
	/* It can't be said yet that it has not stepped down. */
	in = input();
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_NOT_NOW);
	/* Within its deadline. */
	status.failed = false;
	status.request.outcome = OUTCOME_PENDING;
	ck_assert_int_ge(finish(600), 0);
	ck_assert_uint_eq(arrays[0].runs, 1);
	ck_assert(arrays[1].is_source && !arrays[0].is_source);
}
END_TEST

START_TEST(an_array_that_takes_its_time_alone)
{
	a.reach = REACH_SILENT;
	arrays[0].is_down = is_cut = true;
	arrays[1].takes = 300;
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[1].runs, 1);
	ck_assert(arrays[1].is_source);
}
END_TEST

START_TEST(an_order_that_failed)
{
	arrays[0].error = "missing globalID";
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(900), -1);
	ck_assert_ptr_nonnull(strstr(last_error, "missing globalID"));
	ck_assert_uint_eq(arrays[0].runs, 0);
	ck_assert_int_eq(failed_rc, -EINVAL);
	/* Somebody has mended it, and asks again. */
	arrays[0].error = NULL;
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 1);
}
END_TEST

START_TEST(a_final_copy_that_failed)
{
	arrays[0].pauses = true;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(400), -1);
	ck_assert_ptr_nonnull(strstr(last_error, "ask for SYNC"));
	ck_assert_uint_eq(arrays[0].runs, 1);
	/* Somebody does. */
	arrays[0].pauses = false;
	a.spec_action = "SYNC";
	a.serial = a.request = NULL;
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 3);
	ck_assert(arrays[1].is_source);
}
END_TEST

START_TEST(an_action_of_somebody_else)
{
	a.spec_action = "SYNC";
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 2);
	/* The very same: it is joined. */
	setup();
	request(WORD_PROMOTING, false);
	a.spec_action = "FAILOVER_REMOTE";
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[0].runs, 1);
}
END_TEST

START_TEST(a_sidecar_that_is_away)
{
	struct plan_input in;

	arrays[0].has_sidecar = false;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(600), -1);
	ck_assert_str_eq(a.spec_action, "FAILOVER_REMOTE");
	ck_assert_int_eq(plan.waits_for, REASON_PEER_UNVERIFIED);
	ck_assert_ptr_nonnull(strstr(plan.waits_text, "unless it is taken back"));
	/* Nothing is written until somebody asks: it may be carried out yet. */
	in = input();
	plan_request(&in, WORD_REPLICA, false, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_ALLOWED);
	ck_assert_int_eq(plan.steps[0], ACT_PROMOTE_PEER);
	ck_assert_str_eq(a.spec_action, "FAILOVER_REMOTE");
	arrays[0].has_sidecar = true;
	request(WORD_PROMOTING, true);
	ck_assert_int_ge(finish(600), 0);
	ck_assert_uint_eq(arrays[0].runs, 1);
}
END_TEST

/* Nobody has begun with it, and nobody will. */
START_TEST(a_step_down_is_taken_back)
{
	arrays[0].has_sidecar = false;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(600), -1);
	request(WORD_REPLICA, false);
	ck_assert_int_eq(finish(10), -1);
	ck_assert_str_eq(a.spec_action, "");
	ck_assert_ptr_nonnull(strstr(last_error, "can't be told"));
	/* Its sidecar runs again: it is the source, as it was. */
	arrays[0].has_sidecar = true;
	status.request.outcome = OUTCOME_PENDING;
	status.failed = false;
	ck_assert_int_ge(finish(600), 0);
	ck_assert_uint_eq(arrays[0].runs, 0);
	ck_assert(arrays[0].is_source && !arrays[1].is_source);
	/* It can be asked for again. */
	settle(STATE_REPLICA);
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(600), 0);
	ck_assert_uint_eq(arrays[0].runs, 1);
}
END_TEST

/* Its polls are not old: it may begin any moment. */
START_TEST(a_step_down_that_may_begin_is_awaited)
{
	struct plan_input in;

	arrays[0].has_sidecar = false;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(20), -1);
	ck_assert(seen.peer.busy);
	in = input();
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_NOT_NOW);
}
END_TEST

/* At the source itself, by demoting. */
START_TEST(to_step_down_oneself_is_taken_back)
{
	at_b = false;
	spec.state = STATE_SOURCE;
	arrays[0].has_sidecar = false;
	request(WORD_DEMOTING, false);
	ck_assert_int_eq(finish(20), -1);
	ck_assert_str_eq(a.spec_action, "FAILOVER_REMOTE");
	request(WORD_SOURCE, false);
	ck_assert_int_ge(finish(10), 0);
	ck_assert_str_eq(a.spec_action, "");
	arrays[0].has_sidecar = true;
	pass(130);
	ck_assert_uint_eq(arrays[0].runs, 0);
	ck_assert(arrays[0].is_source);
}
END_TEST

START_TEST(a_promotion_is_taken_back)
{
	a.reach = REACH_SILENT;
	arrays[1].has_sidecar = false;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(600), -1);
	ck_assert_str_eq(b.spec_action, "UNPLANNED_FAILOVER_LOCAL");
	ck_assert_ptr_nonnull(strstr(last_error, "unless that is taken back by "
						 "writing replica"));
	/* The role here can't be told for so long. */
	request(WORD_REPLICA, true);
	ck_assert_int_eq(plan.steps[0], ACT_DEMOTE);
	ck_assert_int_eq(finish(10), -1);
	ck_assert_str_eq(b.spec_action, "");
	arrays[1].has_sidecar = true;
	status.request.outcome = OUTCOME_PENDING;
	status.failed = false;
	ck_assert_int_ge(finish(600), 0);
	ck_assert_uint_eq(arrays[1].runs, 0);
	ck_assert(!arrays[1].is_source);
}
END_TEST

/* Dell's sidecar has begun meanwhile: then it is what it is. */
START_TEST(it_is_too_late_to_take_it_back)
{
	struct plan_input in;

	arrays[0].has_sidecar = false;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(finish(600), -1);
	arrays[0].has_sidecar = true;
	second();
	look();
	in = input();
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_NOT_NOW);
	ck_assert_ptr_null(strstr(seen.peer.native, "taken back"));
}
END_TEST

/* The driver says for up to an hour why it is tried again. */
START_TEST(a_failover_that_is_tried_again)
{
	struct plan_input in = input();

	request(WORD_PROMOTING, false);
	status.request.asked_peer = true;
	arrays[0].has_sidecar = false;
	runs(&a, "FAILOVER_REMOTE", "FAILOVER_REMOTE_IN_PROGRESS");
	a.last_error = "rpc error: no answer";
	look();
	ck_assert(!seen.peer.busy);
	/* It has not stepped down, so there is nothing to be promoted there. */
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_NOT_NOW);
	ck_assert_ptr_nonnull(strstr(plan_why(&plan), "is tried again: rpc"));
	/* Nor once its last poll is old. */
	a.polled = 300;
	look();
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_NOT_NOW);
	/* Now it has, and nobody has taken over. */
	a.spec_action = "";
	ended(&a, "FAILOVER_REMOTE", 60);
	a.state = "Ready";
	moved(&a, false, 60);
	a.polled = b.polled = 20;
	look();
	plan_request(&in, WORD_REPLICA, true, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_FORBIDDEN);
}
END_TEST

/* ---- unplanned ---- */

START_TEST(the_site_is_lost_and_comes_back)
{
	a.reach = REACH_SILENT;
	arrays[0].is_down = is_cut = true;
	request(WORD_PROMOTING, false);
	ck_assert_int_eq(plan.failover, FAILOVER_UNPLANNED);
	ck_assert_int_le(finish(900), 2 * POLL_S + 20);
	ck_assert_uint_eq(arrays[1].runs, 1);
	settle(STATE_SOURCE);
	/* It comes back and does not know. */
	a.reach = REACH_OK;
	arrays[0].is_down = is_cut = false;
	arrays[0].link = "SUSPENDED";
	pass(130);
	look();
	ck_assert(observation_is_split(&seen));
	request(WORD_SWAP, true);
	ck_assert_int_ge(finish(900), 0);
	ck_assert(arrays[1].is_source && !arrays[0].is_source);
	ck_assert_uint_eq(arrays[1].runs, 2);
	ck_assert_uint_eq(arrays[0].runs, 0);
}
END_TEST

START_TEST(it_comes_back_as_a_destination)
{
	a.reach = REACH_SILENT;
	arrays[0].is_down = true;
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	settle(STATE_SOURCE);
	a.reach = REACH_OK;
	arrays[0].is_down = false;
	arrays[0].is_source = false;
	arrays[0].link = "FAILEDOVER";
	pass(130);
	look();
	ck_assert(seen.peer.diverged);
	request(WORD_SWAP, true);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[1].runs, 2);
}
END_TEST

/* It is paused, and answers: whoever knows better writes force once more. */
START_TEST(a_source_that_does_not_step_down)
{
	/* There and back, so that there is a whole copy. */
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	settle(STATE_SOURCE);
	request(WORD_SWAP, false);
	ck_assert_int_ge(finish(900), 0);
	request(WORD_DEMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	settle(STATE_REPLICA);
	request(WORD_SYNCING, true);
	ck_assert_int_ge(finish(900), 0);
	settle(STATE_REPLICA);
	pass(3600);
	arrays[0].link = arrays[1].link = "SUSPENDED";
	arrays[0].runs = arrays[1].runs = 0;
	pass(130);
	request(WORD_PROMOTING, true);
	ck_assert_int_eq(finish(200), -1);
	ck_assert_ptr_nonnull(strstr(last_error, "'promoting force' once more"));
	ck_assert_uint_eq(arrays[0].runs + arrays[1].runs, 0);
	/* Within its deadline. */
	status.failed = false;
	status.request.outcome = OUTCOME_PENDING;
	request(WORD_PROMOTING, true);
	ck_assert_ptr_nonnull(strstr(plan.cost, "both sides may be written to"));
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[1].runs, 1);
	ck_assert_uint_eq(arrays[0].runs, 0);
}
END_TEST

START_TEST(only_the_array_is_lost)
{
	arrays[0].is_down = is_cut = true;
	pass(130);
	/* Its cluster answers, and can't tell what the array is. */
	look();
	ck_assert_int_eq(seen.peer.claim, ROLE_UNKNOWN);
	request(WORD_PROMOTING, true);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[1].runs, 1);
	ck_assert(arrays[1].is_source);
}
END_TEST

START_TEST(a_promotion_that_was_swallowed)
{
	a.reach = REACH_SILENT;
	arrays[0].is_down = is_cut = true;
	arrays[1].swallow = 1;
	request(WORD_PROMOTING, false);
	ck_assert_int_ge(finish(900), 0);
	ck_assert_uint_eq(arrays[1].runs, 2);
	ck_assert_ptr_nonnull(strstr(last_error, "not believed"));
	ck_assert(arrays[1].is_source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("powerstore_flow");
	TCase *c = tcase_create("powerstore_flow");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, there_and_back);
	tcase_add_test(c, an_order_that_was_swallowed);
	tcase_add_test(c, an_array_that_takes_its_time);
	tcase_add_test(c, an_array_that_takes_its_time_alone);
	tcase_add_test(c, an_order_that_failed);
	tcase_add_test(c, a_final_copy_that_failed);
	tcase_add_test(c, an_action_of_somebody_else);
	tcase_add_test(c, a_sidecar_that_is_away);
	tcase_add_test(c, a_step_down_is_taken_back);
	tcase_add_test(c, a_step_down_that_may_begin_is_awaited);
	tcase_add_test(c, to_step_down_oneself_is_taken_back);
	tcase_add_test(c, a_promotion_is_taken_back);
	tcase_add_test(c, it_is_too_late_to_take_it_back);
	tcase_add_test(c, a_failover_that_is_tried_again);
	tcase_add_test(c, the_site_is_lost_and_comes_back);
	tcase_add_test(c, it_comes_back_as_a_destination);
	tcase_add_test(c, a_source_that_does_not_step_down);
	tcase_add_test(c, only_the_array_is_lost);
	tcase_add_test(c, a_promotion_that_was_swallowed);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
