/* SPDX-License-Identifier: Apache-2.0 */
/* How a program of unit tests ends. */
#ifndef UVRFS_SUITE_H
#define UVRFS_SUITE_H

#include <check.h>

/* Runs @suite, as the environment says, and frees it: the exit status. */
static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
