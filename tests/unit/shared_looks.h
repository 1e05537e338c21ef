/* SPDX-License-Identifier: Apache-2.0 */
/* A shared store's replication, as users and conditions show it. */
#ifndef UVRFS_SHARED_LOOKS_H
#define UVRFS_SHARED_LOOKS_H

#include "fake_cluster.h"
#include "suite.h"

static inline const char *state(void)
{
	return state_text(replication_state(the()));
}

static inline const char *ready_reason(void)
{
	return condition(CONDITION_READY)->reason;
}

/* For main(): runs these as a suite, each on a cluster of its own. */
static inline int run_shared_tests(const char *name,
				   const TTest *const tests[], size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	size_t i;

	tcase_add_checked_fixture(tc, setup_cluster, teardown_cluster);
	for (i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

#endif
