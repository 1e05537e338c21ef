/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the local store that fail: what it had stays as it was, and nothing
 * half done is left.
 */
#include "store_local_scene.h"

#include <errno.h>
#include <sys/syscall.h>

/* The n-th call from now on fails with EIO; 0: none does. */
static int fsync_fails_at, renameat2_fails_at;
static int renameat2_errno = EIO;
static bool renameat2_fails_on;		/* all later ones, too */

int fsync(int fd)
{
	if (fsync_fails_at && --fsync_fails_at == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	if (renameat2_fails_at && --renameat2_fails_at == 0) {
		if (renameat2_fails_on)
			renameat2_fails_at = 1;
		errno = renameat2_errno;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* A save that fails at its @step-th call leaves the old one and no rest. */
static void save_fails(const char *name, uint64_t expected)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(77);
	int before = count_entries(file_of("database"));

	status.resource_version = expected + 1;
	status.hold = "new";
	ck_assert_int_eq(try_save("database", name, &spec, &status, expected),
			 -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "replications/database/"));
	ck_assert_ptr_nonnull(strstr(err.msg, "Input/output error"));
	ck_assert_int_eq(count_entries(file_of("database")), before);
	fsync_fails_at = renameat2_fails_at = 0;
}

START_TEST(save_that_fails)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	int step;

	for (step = 1; step <= 2; step++) {
		fsync_fails_at = step;
		save_fails("db", 1);
		fsync_fails_at = step;
		save_fails("new", 0);
	}
	renameat2_fails_at = 1;
	save_fails("db", 1);
	renameat2_fails_at = 1;
	save_fails("new", 0);
	again();
	ck_assert_str_eq(only()->name, "database/db");
	ck_assert_ptr_null(only()->status->hold);
	ck_assert_uint_eq(only()->status->resource_version, 1);
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	save("database", "new", &spec, &status, 0);
}
END_TEST

START_TEST(remove_that_fails)
{
	int step;

	make_replication("db");
	for (step = 0; step <= 1; step++) {
		*(step ? &fsync_fails_at : &renameat2_fails_at) = 1;
		ck_assert_int_eq(try_remove("db"), -EIO);
		ck_assert(exists(file_of("database/db.yaml")));
		ck_assert_int_eq(count_entries(file_of("database")), 2);
	}
	ck_assert_int_eq(try_remove("db"), 0);
}
END_TEST

START_TEST(namespace_that_fails)
{
	int step;

	for (step = 1; step <= 3; step++) {
		fsync_fails_at = step;
		ck_assert_int_eq(store->ops->mkdir(store, "n", 5, &err), -EIO);
		ck_assert_int_eq(count_entries(path_of("replications")), 0);
	}
	make_namespace("n");
	fsync_fails_at = 1;
	ck_assert_int_eq(store->ops->rmdir(store, "n", &err), -EIO);
	ck_assert(exists(file_of("n/.namespace")));
	ck_assert_int_eq(count_entries(path_of("replications")), 1);
	ck_assert_int_eq(store->ops->rmdir(store, "n", &err), 0);
}
END_TEST

START_TEST(open_that_fails)
{
	int step;

	close_store();
	unlink(path_of("uvrfs.yaml"));
	rmdir(path_of("replications"));
	for (step = 1; step <= 3; step++) {
		fsync_fails_at = step;
		ck_assert_ptr_null(store_local_open(dir, "", &err));
		ck_assert_int_eq(err.code, EIO);
		rmdir(path_of("replications"));
		if (step < 3)
			ck_assert(!exists(path_of("uvrfs.yaml")));
	}
	fsync_fails_at = 0;
	open_site("");
	fsync_fails_at = 1;
	ck_assert_uint_eq(store->ops->new_id(store, &err), 0);
	ck_assert_int_eq(err.code, EIO);
	new_id();
}
END_TEST

/* File systems that know no flags of rename. */
START_TEST(plain_rename)
{
	struct spec spec = sample_spec();
	struct status status;

	renameat2_errno = EINVAL;
	renameat2_fails_on = true;
	renameat2_fails_at = 1;
	status = sample_status(make_replication("db"));
	status.resource_version = 2;
	save("database", "db", &spec, &status, 1);
	put_text(file_of("database/x.yaml"), "not known");
	ck_assert_int_eq(try_save("database", "x", &spec, &status, 0),
			 -EEXIST);
	/* What can't be undone is not made worse. */
	fsync_fails_at = 2;
	status.resource_version = 3;
	ck_assert_int_eq(try_save("database", "db", &spec, &status, 2),
			 -EUCLEAN);
	unlink(file_of("database/x.yaml"));
	again();
	ck_assert(only()->status->resource_version >= 2);
	fsync_fails_at = 1;
	ck_assert_int_eq(try_remove("db"),
			 -EIO);
	ck_assert(exists(file_of("database/db.yaml")));
	ck_assert_int_eq(try_remove("db"), 0);
	ck_assert_int_eq(store->ops->rmdir(store, "database", &err), 0);
}
END_TEST

/* A mend that can't be written is made again at the next start. */
START_TEST(mend_that_fails)
{
	make_replication("db");
	edit(file_of("database/db.yaml"), "rpo: 15m", "rpo: 30m");
	close_store();
	open_site("");
	fsync_fails_at = 1;
	load();
	ck_complained("Input/output error");
	ck_assert_int_eq(only()->status->generation, 2);
	again();
	ck_assert_int_eq(only()->status->generation, 2);
	again();
	ck_assert_str_eq(found.complaints, "");
	put_text(file_of("database/bad.yaml"), "bad");
	close_store();
	open_site("");
	renameat2_fails_at = 1;
	load();
	ck_complained("could not be set aside");
	ck_assert(exists(file_of("database/bad.yaml")));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		save_that_fails, remove_that_fails, namespace_that_fails,
		open_that_fails, plain_rename, mend_that_fails,
	};

	return run_store_tests("store_local_fails", tests,
			       sizeof tests / sizeof *tests);
}
