/* SPDX-License-Identifier: Apache-2.0 */
/* What decides when something is tried: the heap of timers, the circuits. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "world_private.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- timers.c ---- */

#define TIMERS 60

/* The earliest that is armed, by looking at all of them. */
static int64_t earliest(const struct timer *all)
{
	int64_t due = INT64_MAX;
	size_t i;

	for (i = 0; i < TIMERS; i++)
		if (all[i].slot && all[i].due < due)
			due = all[i].due;
	return due;
}

static void check_heap(const struct timers *t, const struct timer *all)
{
	struct timer *first = timers_first(t);
	size_t i, armed = 0;

	for (i = 0; i < TIMERS; i++)
		armed += all[i].slot != 0;
	ck_assert_uint_eq(t->count, armed);
	for (i = 0; i < t->count; i++)
		ck_assert_uint_eq(t->heap[i]->slot, i + 1);
	ck_assert_int_eq(first ? first->due : INT64_MAX, earliest(all));
}

/* Armed, moved both ways and disarmed in no order at all, but the same one. */
START_TEST(the_first_timer_is_the_earliest)
{
	struct timer all[TIMERS] = {{0}};
	struct timers t = {0};
	unsigned seed = 1, i;

	ck_assert_ptr_null(timers_first(&t));
	ck_assert_int_eq(timers_reserve(&t, TIMERS), 0);
	for (i = 0; i < 5000; i++) {
		unsigned which, due;

		seed = seed * 1103515245 + 12345;
		which = seed / 65536 % TIMERS;
		seed = seed * 1103515245 + 12345;
		due = seed / 65536 % 50;
		timer_arm(&t, &all[which], due < 15 ? INT64_MAX : due);
		ck_assert_int_eq(all[which].slot == 0, due < 15);
		check_heap(&t, all);
	}
	while (t.count) {
		timer_arm(&t, timers_first(&t), INT64_MAX);
		check_heap(&t, all);
	}
	timers_finish(&t);
	ck_assert_uint_eq(t.cap, 0);
}
END_TEST

START_TEST(arming_within_the_room_moves_no_memory)
{
	struct timer all[TIMERS] = {{0}};
	struct timers t = {0};
	struct timer **heap;
	size_t i;

	ck_assert_int_eq(timers_reserve(&t, TIMERS), 0);
	heap = t.heap;
	ck_assert_uint_ge(t.cap, TIMERS);
	ck_assert_int_eq(timers_reserve(&t, 1), 0);
	for (i = 0; i < TIMERS; i++)
		timer_arm(&t, &all[i], (int64_t)(TIMERS - i));
	ck_assert_ptr_eq(t.heap, heap);
	ck_assert_ptr_eq(timers_first(&t), &all[TIMERS - 1]);
	timers_finish(&t);
}
END_TEST

/* Sanitizers end a program that asks for more than there is. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifndef SANITIZED
START_TEST(without_memory_the_timers_that_are_armed_stay)
{
	struct timer one = {0};
	struct timers t = {0};

	ck_assert_int_eq(timers_reserve(&t, 1), 0);
	timer_arm(&t, &one, 5);
	ck_assert_int_eq(timers_reserve(&t, (size_t)1 << 50), -ENOMEM);
	ck_assert_ptr_eq(timers_first(&t), &one);
	timers_finish(&t);
}
END_TEST
#endif

/* ---- circuit.c ---- */

static void fail_times(struct cluster *c, int n, int64_t now)
{
	while (n--)
		circuit_record(c, false, now);
}

START_TEST(five_failures_in_a_row_open_it_for_a_minute)
{
	struct cluster c = {0};

	fail_times(&c, 4, 1000);
	circuit_record(&c, true, 1000);
	fail_times(&c, 4, 1000);
	ck_assert(circuit_allows(&c, 1000));
	ck_assert_str_eq(circuit_text(&c, 1000), "closed");
	circuit_record(&c, false, 2000);
	ck_assert_int_eq(c.open_until, 62000);
	ck_assert(!circuit_allows(&c, 61999));
	ck_assert_str_eq(circuit_text(&c, 61999), "open");
	ck_assert(circuit_allows(&c, 62000));
	ck_assert_str_eq(circuit_text(&c, 62000), "half-open");
}
END_TEST

START_TEST(half_open_it_tries_one_and_closes_after_two)
{
	struct cluster c = {0};

	fail_times(&c, 5, 0);
	c.running = 1;
	ck_assert(!circuit_allows(&c, 60000));
	c.running = 0;
	circuit_record(&c, true, 60000);
	ck_assert_str_eq(circuit_text(&c, 60000), "half-open");
	/* One failure is enough now, and the first success is forgotten. */
	circuit_record(&c, false, 61000);
	ck_assert_int_eq(c.open_until, 121000);
	circuit_record(&c, true, 121000);
	ck_assert_str_eq(circuit_text(&c, 121000), "half-open");
	circuit_record(&c, true, 121000);
	ck_assert_str_eq(circuit_text(&c, 121000), "closed");
	fail_times(&c, 4, 122000);
	ck_assert(circuit_allows(&c, 122000));
}
END_TEST

/* Nobody has anything to try there: it is not half-open for ever. */
START_TEST(what_was_long_ago_is_forgotten)
{
	struct cluster c = {0};

	fail_times(&c, 5, 0);
	circuit_record(&c, true, 60000);
	ck_assert_int_eq(circuit_state(&c, 659999), CIRCUIT_HALF_OPEN);
	ck_assert_int_eq(circuit_state(&c, 660000), CIRCUIT_CLOSED);
	ck_assert_str_eq(circuit_text(&c, 660000), "closed");
	c.running = 3;
	ck_assert(circuit_allows(&c, 660000));
	/* One failure is one again. */
	fail_times(&c, 4, 660000);
	ck_assert_int_eq(circuit_state(&c, 660000), CIRCUIT_CLOSED);
	fail_times(&c, 1, 660000);
	ck_assert_int_eq(circuit_state(&c, 660000), CIRCUIT_OPEN);
}
END_TEST

START_TEST(what_fails_as_rarely_as_can_be_is_not_forgotten)
{
	int64_t now = 0;
	struct cluster c = {0};

	fail_times(&c, 5, now);
	/* The longest backoff, its tenth, and a call. */
	for (; now < 10000000; now += 360000) {
		ck_assert_int_ne(circuit_state(&c, now), CIRCUIT_CLOSED);
		circuit_record(&c, false, now);
	}
}
END_TEST

START_TEST(a_site_does_not_take_all_the_workers)
{
	struct cluster c = {.running = 3};

	ck_assert(circuit_allows(&c, 0));
	c.running++;
	ck_assert(!circuit_allows(&c, 0));
}
END_TEST

START_TEST(a_new_word_may_try_at_once)
{
	struct cluster c = {0};

	circuit_probe(&c, 1000);
	ck_assert_str_eq(circuit_text(&c, 1000), "closed");
	fail_times(&c, 5, 1000);
	circuit_probe(&c, 2000);
	ck_assert_str_eq(circuit_text(&c, 2000), "half-open");
	ck_assert(circuit_allows(&c, 2000));
	circuit_probe(&c, 3000);
	ck_assert_int_eq(c.open_until, 2000);
}
END_TEST

static const struct {
	int rc;
	bool counts;
} answers[] = {
	{-ETIMEDOUT, true}, {-EHOSTUNREACH, true}, {-ECONNREFUSED, true},
	{-EIO, true}, {0, false}, {-EBUSY, false}, {-EAGAIN, false},
	{-EPERM, false}, {-EINVAL, false}, {-ENOENT, false},
	{-EOPNOTSUPP, false},
};

START_TEST(only_what_tells_of_a_cluster_counts)
{
	ck_assert_int_eq(circuit_counts(answers[_i].rc), answers[_i].counts);
	/* What is final is an answer. */
	ck_assert(!circuit_counts(answers[_i].rc) ||
		  !backend_error_is_final(answers[_i].rc));
}
END_TEST

START_TEST(clusters_are_found_by_name)
{
	struct world w = {0};
	struct cluster *dr = world_find_cluster(&w, "dr");
	size_t i;

	ck_assert_ptr_nonnull(dr);
	ck_assert_ptr_ne(world_find_cluster(&w, "prod"), dr);
	ck_assert_ptr_eq(world_find_cluster(&w, "dr"), dr);
	ck_assert_uint_eq(w.cluster_count, 2);
	ck_assert_ptr_eq(world_next_cluster(&w, dr->id - 1), dr);
	ck_assert_uint_lt(world_cluster(&w, 0)->id, world_cluster(&w, 1)->id);
	ck_assert_ptr_null(world_cluster(&w, 2));
	fail_times(dr, 5, 1000);
	ck_assert_int_eq(world_open_until(&w, "dr"), 61000);
	ck_assert_int_eq(world_open_until(&w, "prod"), 0);
	ck_assert_int_eq(world_open_until(&w, "elsewhere"), 0);
	ck_assert_uint_eq(w.cluster_count, 2);
	for (i = 0; i < w.cluster_count; i++) {
		free(w.clusters[i]->name);
		free(w.clusters[i]);
	}
	free(w.clusters);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timers");
	TCase *c = tcase_create("timers");

	tcase_add_test(c, the_first_timer_is_the_earliest);
	tcase_add_test(c, arming_within_the_room_moves_no_memory);
#ifndef SANITIZED
	tcase_add_test(c, without_memory_the_timers_that_are_armed_stay);
#endif
	tcase_add_test(c, five_failures_in_a_row_open_it_for_a_minute);
	tcase_add_test(c, half_open_it_tries_one_and_closes_after_two);
	tcase_add_test(c, what_was_long_ago_is_forgotten);
	tcase_add_test(c, what_fails_as_rarely_as_can_be_is_not_forgotten);
	tcase_add_test(c, a_site_does_not_take_all_the_workers);
	tcase_add_test(c, a_new_word_may_try_at_once);
	tcase_add_loop_test(c, only_what_tells_of_a_cluster_counts, 0,
			    sizeof answers / sizeof *answers);
	tcase_add_test(c, clusters_are_found_by_name);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
