/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the audit that find no room. */
#include "fake_world.h"
#include "suite.h"

static size_t waiting(void)
{
	size_t count;
	const char *why = world_audit_trouble(f->world, &count);

	ck_assert_int_eq(why != NULL, count != 0);
	ck_assert(!why || strcmp(why, "no room for it") == 0);
	return count;
}

static unsigned said(const char *text)
{
	const struct lines *log = world_log(f->world);
	const char *at = log->data, *end = at + log->len;
	unsigned count = 0;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
		at++;
		count++;
	}
	return count;
}

static void add(const char *text)
{
	ck_assert_int_lt(put(EDIT_STATE, text), 0);
}

START_TEST(they_wait_and_nothing_else_does)
{
	unsigned before = f->audited;

	ck_assert_uint_eq(waiting(), 0);
	f->audit_rc = -ENOSPC;
	add("a");
	add("b");
	add("c");
	ck_assert_uint_eq(waiting(), 3);
	ck_assert_uint_eq(said("can't be written"), 1);
	advance(5000);
	ck_assert_uint_eq(waiting(), 3);
	ck_assert_uint_eq(f->audited, before);
	f->audit_rc = 0;
	advance(4999);
	ck_assert_uint_eq(waiting(), 3);
	advance(1);
	ck_assert_uint_eq(waiting(), 0);
	ck_assert_uint_eq(f->audited, before + 3);
	ck_assert_ptr_nonnull(strstr(f->audit, "'c'"));
	ck_assert_uint_eq(said("can't be written"), 1);
	ck_assert_uint_eq(said("all lines are written"), 1);
	add("d");
	ck_assert_uint_eq(f->audited, before + 4);
	ck_assert_uint_eq(said("all lines are written"), 1);
}
END_TEST

START_TEST(not_without_end)
{
	char text[32];
	int i;

	f->audit_rc = -ENOSPC;
	for (i = 0; i < 10003; i++) {
		snprintf(text, sizeof text, "%d", i);
		add(text);
	}
	ck_assert_uint_eq(waiting(), 10000);
	f->audit_rc = 0;
	f->audited = 0;
	advance(5000);
	ck_assert_uint_eq(f->audited, 10000);
	ck_assert_ptr_nonnull(strstr(f->audit, "'10002'"));
}
END_TEST

START_TEST(they_wait_until_they_are_written)
{
	unsigned before = f->audited;

	f->audit_rc = -ENOSPC;
	add("a");
	add("b");
	f->audit_rc = 0;
	f->now += 5000;
	world_tick(f->world, f->now);
	ck_assert_uint_eq(waiting(), 2);
	while (f->audited == before)
		ck_assert(run_one());
	ck_assert_uint_eq(waiting(), 1);
	ck_assert_uint_eq(said("all lines are written"), 0);
	run_all();
	ck_assert_uint_eq(f->audited, before + 2);
	ck_assert_uint_eq(waiting(), 0);
	ck_assert_uint_eq(said("all lines are written"), 1);
}
END_TEST

START_TEST(once_more_at_the_end)
{
	f->audit_rc = -ENOSPC;
	add("a");
	f->audit_rc = 0;
	world_stop(f->world);
	run_all();
	ck_assert_uint_eq(waiting(), 0);
	f->audit_rc = -ENOSPC;
	add("b");
	world_stop(f->world);
	run_all();
	ck_assert_uint_eq(waiting(), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record");
	TCase *c = tcase_create("record");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, they_wait_and_nothing_else_does);
	tcase_add_test(c, they_wait_until_they_are_written);
	tcase_add_test(c, not_without_end);
	tcase_add_test(c, once_more_at_the_end);
	suite_add_tcase(s, c);
	return run_suite(s);
}
