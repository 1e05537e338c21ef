/* SPDX-License-Identifier: Apache-2.0 */
/* Writes, waits and refusals of the tree, as the kernel sees them. */
#include "fs_fixture.h"
#include "suite.h"

START_TEST(draft_becomes_real)
{
	struct kernel *k = kernel_new(false);
	uint64_t ns = make_draft(k), dir = look(k, ns, "a");

	ck_assert_uint_eq(look(k, dir, "state"), 0);
	ck_assert_uint_eq(look(k, dir, "plan"), 0);
	ck_assert_uint_ne(look(k, dir, "error"), 0);
	ck_assert_int_eq(write_file(k, dir, "spec.yaml", "nonsense"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "spec.yaml"));
	k->invalidated = 0;
	ck_assert_int_eq(write_file(k, dir, "spec.yaml", MANIFEST), 0);
	ck_assert_uint_gt(k->invalidated, 0);
	ck_assert_str_eq(read_file(k, dir, "spec.yaml"), MANIFEST);
	ck_assert_uint_ne(look(k, dir, "state"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(write_is_answered_when_durable)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_WRONLY);
	uint64_t u = start_write(k, ino, fh, 77, "  promoting\n");

	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "promoting\n");
	kernel_free(k);
}
END_TEST

START_TEST(store_failure_reaches_the_writer)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	k->save_rc = -ENOSPC;
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), -ENOSPC);
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "store"));
	ck_assert_int_eq(answer(k, start_mkdir(k, 1, "more"), NULL), NO_REPLY);
	settle(k);
	ck_assert_int_eq(k->save_rc, -ENOSPC);
	ck_assert_uint_eq(look(k, 1, "more"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(bad_words)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	char longer[2000];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	ck_assert_int_eq(write_file(k, dir, "state", " \n"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "white"));
	ck_assert_int_eq(write_file(k, dir, "state", longer), -EFBIG);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "1023"));
	ck_assert_int_eq(write_file(k, dir, "state", "bogus"), -EINVAL);
	ck_assert_int_eq(write_file(k, dir, "endpoints", "swp"), -EINVAL);
	ck_assert_int_eq(write_file(k, dir, "hold", "drill\n"), 0);
	ck_assert_str_eq(read_file(k, dir, "hold"), "drill\n");
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), -EPERM);
	ck_assert_int_eq(write_file(k, dir, "hold", "\n"), 0);
	ck_assert_str_eq(read_file(k, dir, "hold"), "");
	kernel_free(k);
}
END_TEST

/* Also that of a refusal, and of what is kept in memory only. */
START_TEST(an_answer_waits_for_the_audit)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_WRONLY), asked[3];
	const int wanted[] = {-EINVAL, -EPERM, 0};
	size_t i;

	k->audit_is_slow = true;
	asked[0] = start_write(k, ino, fh, 0, " ");
	asked[1] = start_write(k, ino, fh, 0, "source");
	asked[2] = start_mkdir(k, PATH("ns"), "b");
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(answer(k, asked[i], NULL), NO_REPLY);
	settle(k);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(answer(k, asked[i], NULL), wanted[i]);
	kernel_free(k);
}
END_TEST

START_TEST(yaml_is_applied_once_and_whole)
{
	static const char manifest[] = MANIFEST;
	struct kernel *k = kernel_new(false);
	uint64_t ns = make_draft(k), dir = look(k, ns, "a");
	uint64_t ino = look(k, dir, "spec.yaml");
	uint64_t fh = do_open(k, ino, O_WRONLY), u;

	/* The flush of the shell's dup2 comes before the write. */
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	start_write(k, ino, fh, 0, "spec:\n");
	u = start_write(k, ino, fh, 6, &manifest[6]);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert_str_eq(read_file(k, dir, "spec.yaml"), "");
	u = start_flush(k, ino, fh);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	do_release(k, ino, fh);
	ck_assert_str_eq(read_file(k, dir, "spec.yaml"), MANIFEST);
	kernel_free(k);
}
END_TEST

START_TEST(yaml_gap_applies_nothing)
{
	struct kernel *k = kernel_new(false);
	uint64_t ns = make_draft(k), dir = look(k, ns, "a");
	uint64_t ino = look(k, dir, "spec.yaml");
	uint64_t fh = do_open(k, ino, O_WRONLY), u;

	start_write(k, ino, fh, 0, MANIFEST);
	u = start_write(k, ino, fh, 9999, "x");
	ck_assert_int_eq(answer(k, u, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "9999"));
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	ck_assert_int_eq(do_fsync(k, ino, fh), 0);
	ck_assert_uint_eq(look(k, dir, "state"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(snapshot_until_offset_zero)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	const struct reply *r;

	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), &r), 0);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 3, 0), &r), 0);
	ck_assert_mem_eq(r->data, "lica\n", 5);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 8, 0), &r), 0);
	ck_assert_uint_eq(r->len, 0);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), &r), 0);
	ck_assert_mem_eq(r->data, "promoting\n", 10);
	kernel_free(k);
}
END_TEST

/* A request that stays undecided, for those who wait. */
static uint64_t stall(struct kernel *k)
{
	uint64_t dir = make_replication(k);

	k->act_rc = -EAGAIN;
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	return dir;
}

START_TEST(wait_waits)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), ino = look(k, dir, "wait");
	uint64_t fh = do_open(k, ino, O_RDONLY), u;
	const struct reply *r;

	u = start_read(k, ino, fh, 0, O_NONBLOCK);
	ck_assert_int_eq(answer(k, u, NULL), -EAGAIN);
	u = start_read(k, ino, fh, 0, 0);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	k->act_rc = 0;
	world_tick(k->world, world_now(k->world) + 300000);
	settle(k);
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_mem_eq(r->data, "verified: promoting\n", 20);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 9, 0), &r), 0);
	ck_assert_uint_eq(r->len, 11);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 20, 0), &r), 0);
	ck_assert_uint_eq(r->len, 0);
	kernel_free(k);
}
END_TEST

START_TEST(waiter_is_interrupted)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), ino = look(k, dir, "wait");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	uint64_t u = start_read(k, ino, fh, 0, 0);
	uint64_t other = start_read(k, ino, fh, 0, 0);
	struct fuse_interrupt_in in = {.unique = u};

	ask(k, FUSE_INTERRUPT, 0, IN(PART(&in)));
	ck_assert_int_eq(answer(k, u, NULL), -EINTR);
	ck_assert_int_eq(answer(k, other, NULL), NO_REPLY);
	/* An interrupt that comes before its request. */
	in.unique = k->unique + 4;
	ask(k, FUSE_INTERRUPT, 0, IN(PART(&in)));
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), NULL),
			 -EINTR);
	kernel_free(k);
}
END_TEST

/* Opens and syncs as sync(1) does, and begins to close. */
static uint64_t start_sync(struct kernel *k, uint64_t dir, const char *name)
{
	uint64_t ino = look(k, dir, name);
	uint64_t fh = do_open(k, ino, O_RDONLY | O_NONBLOCK);

	ck_assert_int_eq(do_fsync(k, ino, fh), 0);
	return start_flush(k, ino, fh);
}

START_TEST(sync_answers_the_close)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), u = start_sync(k, dir, "state");

	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	ck_assert_int_eq(answer(k, start_sync(k, dir, "conditions"), NULL), 0);
	k->act_rc = -EPERM;
	world_tick(k->world, world_now(k->world) + 300000);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), -EIO);
	ck_assert_str_eq(read_file(k, dir, "state"), "failed\n");
	kernel_free(k);
}
END_TEST

START_TEST(sync_of_a_replaced_request)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), u = start_sync(k, dir, "endpoints");

	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), -ECANCELED);
	kernel_free(k);
}
END_TEST

START_TEST(writer_does_not_wait_at_close)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_RDWR | O_NONBLOCK);

	ck_assert_int_eq(do_fsync(k, ino, fh), 0);
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	kernel_free(k);
}
END_TEST

START_TEST(unmount_answers_everybody)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), ino = look(k, dir, "wait");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	uint64_t reader = start_read(k, ino, fh, 0, 0);
	uint64_t closer = start_sync(k, dir, "state"), writer;

	ino = look(k, dir, "hold");
	writer = start_write(k, ino, do_open(k, ino, O_WRONLY), 0, "x");
	fs_unmount(k->fs);
	ck_assert_int_eq(answer(k, reader, NULL), -EINTR);
	ck_assert_int_eq(answer(k, closer, NULL), -EINTR);
	ck_assert_int_eq(answer(k, writer, NULL), -ENODEV);
	settle(k);
	kernel_free(k);
}
END_TEST

START_TEST(handles_survive_a_restart)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = stall(k), ino = look(k, dir, "state");
	const struct reply *r;

	ck_assert_int_eq(answer(k, start_read(k, ino, 4244, 2, 0), &r), 0);
	ck_assert_mem_eq(r->data, "omoting\n", 8);
	ck_assert_int_eq(answer(k, start_flush(k, ino, 4244), NULL), 0);
	ck_assert_int_eq(answer(k, start_flush(k, ino, 4245), NULL),
			 NO_REPLY);
	do_release(k, ino, 7777);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_session");
	TCase *c = tcase_create("files");

	tcase_add_test(c, draft_becomes_real);
	tcase_add_test(c, write_is_answered_when_durable);
	tcase_add_test(c, store_failure_reaches_the_writer);
	tcase_add_test(c, bad_words);
	tcase_add_test(c, an_answer_waits_for_the_audit);
	tcase_add_test(c, yaml_is_applied_once_and_whole);
	tcase_add_test(c, yaml_gap_applies_nothing);
	tcase_add_test(c, snapshot_until_offset_zero);
	tcase_add_test(c, wait_waits);
	tcase_add_test(c, waiter_is_interrupted);
	tcase_add_test(c, sync_answers_the_close);
	tcase_add_test(c, sync_of_a_replaced_request);
	tcase_add_test(c, writer_does_not_wait_at_close);
	tcase_add_test(c, unmount_answers_everybody);
	tcase_add_test(c, handles_survive_a_restart);
	suite_add_tcase(s, c);
	return run_suite(s);
}
