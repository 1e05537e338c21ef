/* SPDX-License-Identifier: Apache-2.0 */
/* Replications that their storage moves as one. */
#include "fake_world.h"
#include "suite.h"

static struct replication *named(const char *name)
{
	return namespace_find(world_namespace(f->world, "database"), name);
}

static int put_in(const char *name, const char *word)
{
	return put_to(named(name), EDIT_STATE, word);
}

static enum outcome outcome_of(const char *name)
{
	return named(name)->status->request.outcome;
}

static const struct condition *ready(const char *name)
{
	return &named(name)->status->conditions[CONDITION_READY];
}

static unsigned count(enum act act)
{
	unsigned i, n = 0;

	for (i = 0; i < f->acts; i++)
		n += f->did[i] == act;
	return n;
}

/* The storage tells of all of them; they have one pair of roles. */
static void look_at_all(void)
{
	struct replication *r;
	struct observation o = f->truth;
	uint64_t id;

	advance(1);
	o.at = f->now;
	for (id = 0; (r = world_next(f->world, id)); id = r->id)
		world_observe(f->world, r, &o);
	run_all();
}

static void setup_group(void)
{
	setup();
	ck_assert_int_eq(put_to(draft("dc"), EDIT_SPEC, other_manifest), 0);
	strcpy(f->truth.group, "group g");
	look_at_all();
	ck_assert_ptr_eq(world_group_next(named("db"), NULL), named("dc"));
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
	f->acts = 0;
}

static void check_waits(const char *name, const char *what)
{
	advance(10000);
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(outcome_of(name), OUTCOME_PENDING);
	ck_assert_str_eq(ready(name)->reason, "GroupIncomplete");
	ck_assert_msg(strstr(ready(name)->message, what), "%s",
		      ready(name)->message);
}

/* ---- everybody asks ---- */

START_TEST(a_word_waits_until_all_have_asked)
{
	struct plan plan;

	world_plan(f->world, named("db"), WORD_PROMOTING, false, &plan);
	ck_assert_int_eq(plan.verdict, VERDICT_ALLOWED);
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "write promoting to database/dc too");
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
	ck_assert_uint_ge(count(ACT_DEMOTE_PEER), 1);
	ck_assert_uint_le(count(ACT_DEMOTE_PEER), 2);
	ck_assert_uint_ge(count(ACT_PROMOTE), 1);
	ck_assert_uint_le(count(ACT_PROMOTE), 2);
	ck_assert_int_eq(named("db")->status->request.overrides, 0);
	/* To complete it concerns one alone. */
	strcpy(f->truth.strangers, "database/dd");
	look_at_all();
	f->acts = 0;
	ck_assert_int_eq(put_in("db", "source"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(what_is_there_already_has_asked)
{
	ck_assert_int_eq(put_in("db", "promoting force"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert_int_eq(put_in("db", "source"), 0);
	f->truth.here.claim = f->truth.here.fact = ROLE_REPLICA;
	f->truth.here.complete = f->truth.here.following = true;
	look_at_all();
	f->acts = 0;
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
	ck_assert(did(ACT_PROMOTE));
}
END_TEST

/* Both sides have what they were made with; all is the source here. */
static void become_sources(void)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(put_in("db", "source"), 0);
	ck_assert_int_eq(put_in("dc", "source"), 0);
	ck_assert_int_eq(put_to(named("db"), EDIT_ENDPOINTS, "swap"), 0);
	f->acts = 0;
}

START_TEST(a_swap_waits_too)
{
	become_sources();
	check_waits("db", "database/dc");
	ck_assert_int_eq(put_to(named("dc"), EDIT_ENDPOINTS, "swap"), 0);
	ck_assert(did(ACT_RESYNC_PEER));
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
	/* And so does a step down. */
	f->acts = 0;
	ck_assert_int_eq(put_in("dc", "demoting"), 0);
	check_waits("dc", "write demoting to database/db too");
	ck_assert_int_eq(put_in("db", "demoting"), 0);
	ck_assert(did(ACT_DEMOTE));
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
}
END_TEST

/* It can't be written there again: the word would mean nothing new. */
START_TEST(who_is_source_needs_not_ask_for_it_to_be_taken_back)
{
	become_sources();
	ck_assert_int_eq(put_to(named("dc"), EDIT_ENDPOINTS, "swap"), 0);
	ck_assert_int_eq(put_in("db", "demoting force"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	f->acts = 0;
	ck_assert_int_eq(put_in("db", "source"), 0);
	ck_assert_int_eq(put_in("dc", "source"), 0);
	ck_assert(did(ACT_PROMOTE));
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(who_failed_has_not_asked)
{
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	advance(f->config.min_deadline_ms + 1);
	ck_assert_int_eq(replication_state(named("dc")), STATE_FAILED);
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "database/dc");
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(who_takes_it_back_has_not_asked)
{
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(put_in("dc", "replica"), 0);
	ck_assert_int_eq(outcome_of("dc"), OUTCOME_VERIFIED);
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "database/dc");
}
END_TEST

/* A member that fails on the way holds the others up no more than itself. */
START_TEST(one_whose_act_fails)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	ask_of(named("dc"), EDIT_STATE, "promoting");
	while (!f->acts)
		ck_assert(run_one());
	f->act_rc = -EINVAL;
	while (f->acts < 2)
		ck_assert(run_one());
	f->act_rc = 0;
	run_all();
	ck_assert_int_eq(outcome_of("db") == OUTCOME_FAILED ||
			 outcome_of("dc") == OUTCOME_FAILED, 1);
	ck_assert_int_eq(outcome_of("db") == OUTCOME_FAILED &&
			 outcome_of("dc") == OUTCOME_FAILED, 0);
	f->acts = 0;
	advance(10000);
	/* Who has not failed says for whom it waits. */
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_str_eq(ready(outcome_of("db") == OUTCOME_FAILED ? "dc"
								  : "db")
				 ->reason, "GroupIncomplete");
}
END_TEST

/* ---- strangers ---- */

START_TEST(strangers_need_force)
{
	strcpy(f->truth.strangers, "database/dd, other/de");
	look_at_all();
	ck_assert_int_eq(put_in("dc", "promoting"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(named("dc")->refusal.sentence,
				     "database/dd, other/de"));
	ck_assert_ptr_nonnull(strstr(named("dc")->refusal.sentence, "force"));
	ck_assert_uint_eq(f->acts, 0);
	ck_assert_int_eq(put_in("db", "promoting force"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_uint_eq(named("db")->status->request.overrides,
			  OVERRIDE_GROUP);
	ck_assert_uint_eq(f->overrides, OVERRIDE_GROUP);
}
END_TEST

START_TEST(force_takes_those_along_that_have_not_asked)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "promoting force");
	ck_assert_int_eq(put_in("db", "promoting force"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
	ck_assert(is_acted(ACT_DEMOTE_PEER, ACT_PROMOTE, ACT_NONE));
	ck_assert_uint_eq(named("db")->status->request.overrides,
			  OVERRIDE_GROUP);
	/* Nobody has asked it, so that its storage differs is shown. */
	look_at_all();
	ck_assert_int_eq(replication_state(named("dc")), STATE_REPLICA);
	ck_assert_int_eq(named("dc")->status->conditions[CONDITION_DRIFTED]
				 .status, CONDITION_TRUE);
}
END_TEST

START_TEST(a_stranger_who_comes_later_is_waited_for)
{
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	f->act_rc = 0;
	strcpy(f->truth.strangers, "database/dd");
	look_at_all();
	f->acts = 0;
	check_waits("db", "no replication is for database/dd");
	f->truth.strangers[0] = '\0';
	look_at_all();
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(a_force_for_something_else_takes_nobody_along)
{
	f->truth.group[0] = '\0';
	f->truth.peer.in_use = TRI_YES;
	look_at_all();
	f->act_rc = -EAGAIN;
	ck_assert_int_eq(put_in("db", "promoting force"), 0);
	ck_assert_uint_eq(named("db")->status->request.overrides,
			  OVERRIDE_IN_USE);
	f->act_rc = 0;
	strcpy(f->truth.group, "group g");
	look_at_all();
	f->acts = 0;
	check_waits("db", "database/dc");
}
END_TEST

/* ---- who belongs to it ---- */

/* Its volume is there still, and moves along: now nobody is for it. */
static void untrack_and_tell(struct backend *b, const char *k)
{
	if (strcmp(k, "vol-2") == 0)
		strcpy(f->truth.strangers, "database/dc");
}

START_TEST(who_is_removed_is_a_stranger)
{
	f->ops.untrack = untrack_and_tell;
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "database/dc");
	ck_assert_int_eq(put_to(named("dc"), EDIT_REMOVE, ""), 0);
	ck_assert_ptr_null(named("dc"));
	ck_assert_ptr_null(world_group_next(named("db"), NULL));
	check_waits("db", "no replication is for database/dc");
	ck_assert_int_eq(put_in("db", "promoting force"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

/* Its volume went, too. */
START_TEST(who_leaves_is_not_waited_for)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "database/dc");
	ck_assert_int_eq(put_to(named("dc"), EDIT_REMOVE, ""), 0);
	advance(10000);
	look();
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

START_TEST(silence_is_no_farewell)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	f->truth.here.reach = REACH_SILENT;
	f->truth.group[0] = '\0';
	look_at_all();
	ck_assert_ptr_eq(world_group_next(named("db"), NULL), named("dc"));
	f->truth.here.reach = REACH_OK;
	look_at_all();
	ck_assert_ptr_null(world_group_next(named("db"), NULL));
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

static struct spec *kept_spec[2];
static struct status *kept_status[2];

static int load_both(struct store *s, struct store_visitor *v,
		     struct error *err)
{
	static const char *const names[] = {"db", "dc"};
	int rc = v->found_namespace(v, "database", 1), i;

	for (i = 0; i < 2 && rc >= 0; i++)
		rc = v->found(v, "database", names[i], kept_spec[i],
			      kept_status[i]);
	return rc;
}

static void restart_both(void)
{
	struct store_ops ops = store_ops;
	int i;

	for (i = 0; i < 2; i++) {
		struct replication *r = named(i ? "dc" : "db");

		kept_spec[i] = spec_ref(r->spec);
		kept_status[i] = status_ref(r->status);
	}
	ops.load = load_both;
	f->store.ops = &ops;
	f->dead = true;
	run_all();
	world_free(f->world);
	f->dead = false;
	begin();
	f->store.ops = &store_ops;
	for (i = 0; i < 2; i++) {
		spec_unref(kept_spec[i]);
		status_unref(kept_status[i]);
	}
}

/* It is told of one after the other, and all of them belong to it. */
START_TEST(after_a_restart_it_waits_as_before)
{
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	check_waits("db", "database/dc");
	restart_both();
	look();
	ck_assert_uint_eq(f->acts, 0);
	look_at_all();
	check_waits("db", "database/dc");
	ck_assert_int_eq(put_in("dc", "promoting"), 0);
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

static const char elsewhere[] =
	MANIFEST("moon", "dd", "vol-3", "source", "asynchronous");

/* Names are of a cluster: two may have a group of the same name. */
START_TEST(a_group_is_of_one_cluster)
{
	struct observation o = f->truth;

	f->truth.here.claim = f->truth.here.fact = ROLE_SOURCE;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_REPLICA;
	ck_assert_int_eq(put_to(draft("dd"), EDIT_SPEC, elsewhere), 0);
	ck_assert_str_eq(replication_here(named("dd"))->cluster, "moon");
	f->truth = o;
	look();
	ck_assert_ptr_eq(world_group_next(named("db"), NULL), named("dc"));
	ck_assert_ptr_null(world_group_next(named("db"), named("dc")));
}
END_TEST

START_TEST(one_that_is_adopted_asks_nobody)
{
	strcpy(f->truth.strangers, "database/dd");
	look_at_all();
	ck_assert_int_eq(put_to(draft("dd"), EDIT_SPEC,
				MANIFEST("prod", "dd", "vol-3", "replica",
					 "asynchronous")), 0);
	ck_assert_int_eq(outcome_of("dd"), OUTCOME_VERIFIED);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(a_look_moves_nobody)
{
	f->truth.here.claim = ROLE_SOURCE;
	f->truth.peer.claim = f->truth.peer.fact = ROLE_REPLICA;
	doubt(&f->truth.here);
	look_at_all();
	ck_assert_int_eq(put_in("db", "promoting"), 0);
	ck_assert(is_acted(ACT_VERIFY, ACT_NONE, ACT_NONE));
	ck_assert_int_eq(outcome_of("db"), OUTCOME_VERIFIED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("group");
	TCase *c = tcase_create("group");

	tcase_add_checked_fixture(c, setup_group, teardown);
	tcase_add_test(c, a_word_waits_until_all_have_asked);
	tcase_add_test(c, what_is_there_already_has_asked);
	tcase_add_test(c, a_swap_waits_too);
	tcase_add_test(c,
		       who_is_source_needs_not_ask_for_it_to_be_taken_back);
	tcase_add_test(c, who_failed_has_not_asked);
	tcase_add_test(c, who_takes_it_back_has_not_asked);
	tcase_add_test(c, one_whose_act_fails);
	tcase_add_test(c, strangers_need_force);
	tcase_add_test(c, force_takes_those_along_that_have_not_asked);
	tcase_add_test(c, a_stranger_who_comes_later_is_waited_for);
	tcase_add_test(c, a_force_for_something_else_takes_nobody_along);
	tcase_add_test(c, who_is_removed_is_a_stranger);
	tcase_add_test(c, who_leaves_is_not_waited_for);
	tcase_add_test(c, silence_is_no_farewell);
	tcase_add_test(c, after_a_restart_it_waits_as_before);
	tcase_add_test(c, a_group_is_of_one_cluster);
	tcase_add_test(c, one_that_is_adopted_asks_nobody);
	tcase_add_test(c, a_look_moves_nobody);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
