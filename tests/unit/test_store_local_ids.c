/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of the local store: whose it is, and the ids that uvrfs.yaml in
 * it gives, none of them twice.
 */
#include "store_local_scene.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

START_TEST(second_daemon)
{
	char pid[32];

	ck_assert_ptr_null(store_local_open(dir, "", &err));
	ck_assert_int_eq(err.code, EBUSY);
	snprintf(pid, sizeof pid, "process %d", (int)getpid());
	ck_assert_ptr_nonnull(strstr(err.msg, pid));
	ck_assert_ptr_nonnull(strstr(err.msg, dir));
	again();
}
END_TEST

/* What a file says reaches a terminal as one harmless line. */
START_TEST(a_site_of_several_lines)
{
	close_store();
	put_text(path_of("uvrfs.yaml"), "site: \"a\\n\\e[2J\"\nnextId: 4\n");
	ck_assert_ptr_null(store_local_open(dir, "", &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "'a\\x0a\\x1b[2J'"));
	put_text(path_of("uvrfs.yaml"), "site: ''\nnextId: 4\n");
	open_site("");
}
END_TEST

START_TEST(site_never_changes)
{
	close_store();
	ck_assert_ptr_null(store_local_open(dir, "dr", &err));
	ck_assert_int_eq(err.code, EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "'dr'"));
	open_site("");
}
END_TEST

START_TEST(damaged_uvrfs_yaml)
{
	static const char *const texts[] = {
		"", "{", "7\n", "site: ''\n", "nextId: 4\n",
		"site: ''\nnextId: x\n", "site: ''\nnextId: 0\n",
		"site: [a]\nnextId: 4\n",
		"site: ''\nnextId: 99999999999999999999\n",
	};
	size_t i;

	close_store();
	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		put_text(path_of("uvrfs.yaml"), texts[i]);
		ck_assert_msg(!store_local_open(dir, "", &err), "took: %s",
			      texts[i]);
		ck_assert_int_eq(err.code, EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, "uvrfs.yaml"));
	}
	put_text(path_of("uvrfs.yaml"), "site: ''\nnextId: 1125899906842623\n");
	open_site("");
	ck_assert_uint_eq(store->ops->new_id(store, &err), 0);
	ck_assert_int_eq(err.code, EOVERFLOW);
}
END_TEST

START_TEST(makes_its_directories)
{
	char path[128];

	snprintf(path, sizeof path, "%s/a/b//c/", dir);
	close_store();
	store = store_local_open(path, "dr", &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
	ck_assert(exists(path_of("a/b/c/uvrfs.yaml")));
	close_store();
	put_text(path_of("file"), "x");
	snprintf(path, sizeof path, "%s/file/x", dir);
	ck_assert_ptr_null(store_local_open(path, "", &err));
	ck_assert_int_eq(err.code, ENOTDIR);
	ck_assert_ptr_null(store_local_open("", "", &err));
	ck_assert_int_eq(err.code, EINVAL);
}
END_TEST

START_TEST(ids_are_never_used_twice)
{
	uint64_t last = 0, id, i;

	for (i = 0; i < 1500; i++) {
		id = new_id();
		ck_assert(id > last);
		last = id;
	}
	again();
	id = new_id();
	ck_assert(id > last);
	/* Also past what was reserved at once. */
	for (i = 0; i < 1100000; i++)
		last = store->ops->new_id(store, &err);
	ck_assert(last > id);
	again();
	ck_assert(new_id() > last);
}
END_TEST

START_TEST(ids_survive_kill)
{
	uint64_t last = 0, id;
	int fds[2], i, status;
	pid_t pid;

	close_store();
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			store = store_local_open(dir, "", &err);
			for (;;) {
				id = store->ops->new_id(store, &err);
				if (write(fds[1], &id, sizeof id) < 0)
					_exit(1);
			}
		}
		close(fds[1]);
		for (int k = 0; k < 1 + i * 7; k++) {
			ck_assert_int_eq(read(fds[0], &id, sizeof id),
					 sizeof id);
			ck_assert_msg(id > last, "%" PRIu64 " again", id);
			last = id;
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &id, sizeof id) == sizeof id) {
			ck_assert_msg(id > last, "%" PRIu64 " again", id);
			last = id;
		}
		close(fds[0]);
	}
	open_site("");
	ck_assert(new_id() > last);
}
END_TEST

START_TEST(ids_of_files_push_on)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(50000000);

	make_namespace("database");
	save("database", "db", &spec, &status, 0);
	again();
	ck_assert(new_id() > 50000000);
	again();
	ck_assert_int_eq(try_remove("db"), 0);
	again();
	ck_assert(new_id() > 50000000);
	status.id = UINT64_C(1) << 55;
	save("database", "big", &spec, &status, 0);
	again();
	ck_assert(only()->status->id < UINT64_C(1) << 50);
}
END_TEST

/* Its loss must not bring back the ids of what was removed. */
START_TEST(lost_uvrfs_yaml)
{
	uint64_t id = make_replication("db");

	close_store();
	unlink(path_of("uvrfs.yaml"));
	open_site("");
	load();
	ck_assert_uint_eq(only()->status->id, id);
	ck_assert(new_id() > UINT64_C(1000000000000));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		second_daemon, site_never_changes, a_site_of_several_lines,
		damaged_uvrfs_yaml, makes_its_directories,
		ids_are_never_used_twice, ids_survive_kill,
		ids_of_files_push_on, lost_uvrfs_yaml,
	};

	return run_store_tests("store_local_ids", tests,
			       sizeof tests / sizeof *tests);
}
