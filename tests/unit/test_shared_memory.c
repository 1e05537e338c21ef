/* SPDX-License-Identifier: Apache-2.0 */
/* What a shared store tells while there is no memory for it comes all the same. */
#include "shared_looks.h"

#include "memory_fails.h"

#ifdef CAN_FAIL

/* The next allocation fails, and those after it don't. */
static void run_out(void)
{
	memory_failed = false;
	memory_fails_once = true;
	memory_left = 0;
}

static void arrives(void)
{
	memory_left = -1;
	ck_assert(memory_failed);
	run_all();
}

START_TEST(what_was_patched)
{
	struct error err;
	struct object *o;

	patch_silently("{\"spec\": {\"replicationState\": \"promoting\"}}");
	o = object_read(cluster->object, &err);
	ck_assert_msg(o, "%s", err.msg);
	run_out();
	cluster->sink->changed(cluster->sink, o);
	arrives();
	ck_assert_str_eq(state(), "promoting");
}
END_TEST

/* Wherever it is that memory lacks, that is no reason to refuse it. */
START_TEST(what_was_patched_is_asked_again)
{
	struct error err;
	long i = 0;

	do {
		teardown_cluster();
		setup_cluster();
		patch_silently("{\"spec\": {\"replicationState\": "
			       "\"promoting\"}}");
		cluster->sink->changed(cluster->sink,
				       object_read(cluster->object, &err));
		run_out();
		memory_left = i++;
		run_one();
		memory_left = -1;
		run_all();
		advance(2000);
		ck_assert_msg(strcmp(state(), "promoting") == 0,
			      "without allocation %ld", i);
	} while (memory_failed);
	ck_assert_int_gt(i, 5);
}
END_TEST

START_TEST(that_it_was_removed)
{
	run_out();
	cluster->sink->vanished(cluster->sink, "database", "db", "u");
	arrives();
	ck_assert_ptr_null(the());
}
END_TEST

/* Who leads no longer acts no longer. */
START_TEST(that_another_one_leads)
{
	run_out();
	cluster->sink->led(cluster->sink, false, "them");
	arrives();
	ck_assert_int_eq(put(EDIT_STATE, "promoting"), 0);
	ck_assert_uint_eq(f->acts, 0);
}
END_TEST

START_TEST(that_the_store_is_away)
{
	run_out();
	cluster->sink->reached(cluster->sink, "no route to host");
	arrives();
	ck_assert_str_eq(ready_reason(), "StoreUnreachable");
	run_out();
	cluster->sink->reached(cluster->sink, "");
	arrives();
	ck_assert_str_eq(ready_reason(), "Verified");
}
END_TEST
#endif

int main(void)
{
#ifdef CAN_FAIL
	const TTest *const tests[] = {
		what_was_patched, what_was_patched_is_asked_again,
		that_it_was_removed, that_another_one_leads,
		that_the_store_is_away,
	};

	if (!memory_can_fail())
		return 77;
	return run_shared_tests("shared_memory", tests,
				sizeof tests / sizeof *tests);
#else
	return 77;
#endif
}
