/* SPDX-License-Identifier: Apache-2.0 */
/* An uvrfs that was built without librbd, and is told to use it. */
#include "rbd.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>

START_TEST(says_so)
{
	struct rbd_access access = {.cluster = "a", .conf = "/etc/ceph.conf"};
	struct error err;

	ck_assert(!rbd_is_built());
	ck_assert_ptr_null(rbd_new("rbd", &access, 1, 1000, &err));
	ck_assert_int_eq(err.code, EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.msg, "built without librbd"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rbd_none");
	TCase *c = tcase_create("rbd_none");

	tcase_add_test(c, says_so);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
