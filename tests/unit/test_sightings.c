/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of relationships that nobody is bound to. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "world_private.h"
#include "suite.h"

#include <stdlib.h>

static void run_now(struct jobs *jobs, struct job *job)
{
	job->done(job);
}

static void untrack(struct backend *b, const char *key)
{
}

static const struct backend_ops ops = {.type = "fake", .untrack = untrack};
static struct backend backend = {&ops, "fake"};
static struct jobs jobs = {.post = run_now};
static struct world w;

static void setup(void)
{
	struct error err;

	w = (struct world){.jobs = &jobs};
	ck_assert_int_eq(world_add_backend(&w, &backend, &err), 0);
}

static void teardown(void)
{
	world_free_sightings(&w);
	free(w.sinks[0]);
	free(w.sinks);
}

static void tell(int64_t at, enum reach reach, enum role role)
{
	struct observation o = {
		.at = at,
		.here = {.reach = REACH_OK,
			 .claim = ROLE_ABSENT, .fact = ROLE_ABSENT},
		.peer = {.reach = reach, .claim = role, .fact = role},
	};

	w.sinks[0]->sink.observed(&w.sinks[0]->sink, "vol", &o);
}

START_TEST(what_is_not_there_is_not_remembered)
{
	tell(1, REACH_OK, ROLE_ABSENT);
	ck_assert_ptr_null(w.by_key);
	tell(2, REACH_UNCONFIGURED, ROLE_UNKNOWN);
	ck_assert_ptr_null(w.by_key);
	tell(3, REACH_OK, ROLE_SOURCE);
	ck_assert_ptr_nonnull(w.by_key);
	/* Older news. */
	tell(2, REACH_OK, ROLE_ABSENT);
	ck_assert_ptr_nonnull(w.by_key);
	tell(4, REACH_OK, ROLE_ABSENT);
	ck_assert_ptr_null(w.by_key);
	/* One that can't be told is something. */
	tell(5, REACH_OK, ROLE_UNKNOWN);
	ck_assert_ptr_nonnull(w.by_key);
}
END_TEST

/* Whoever may make replications could name volumes without end. */
START_TEST(it_goes_with_who_was_bound_to_it)
{
	struct work work = {.sighting = world_sighting(&w, &backend, "vol")};
	struct replication r = {.backend = &backend, .work = &work};

	ck_assert_ptr_nonnull(work.sighting);
	work.sighting->r = &r;
	tell(1, REACH_OK, _i ? ROLE_SOURCE : ROLE_ABSENT);
	ck_assert_ptr_eq(work.sighting->r, &r);
	world_unbind(&w, &r);
	ck_assert_ptr_null(work.sighting);
	ck_assert_int_eq(w.by_key != NULL, _i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sightings");
	TCase *c = tcase_create("sightings");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_not_there_is_not_remembered);
	tcase_add_loop_test(c, it_goes_with_who_was_bound_to_it, 0, 2);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
