/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local store on a disk that is full or read-only, among files that it may
 * not read, and killed at any moment.
 */
#include "store_local_scene.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

/*
 * Runs @body in a process of its own; 77 from it says that the kernel permits
 * no such thing here.
 */
static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unshare(CLONE_NEWNS);
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL);
		_exit(body());
	}
	waitpid(pid, &status, 0);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		fprintf(stderr, "skipped: not permitted here\n");
	else
		ck_assert_msg(WEXITSTATUS(status) == 0, "check %d failed",
			      WEXITSTATUS(status));
}

/* In a child a failed check can only be a number. */
#define CHECK(what) do { if (!(what)) return __COUNTER__ + 1; } while (0)

static int full_disk(void)
{
	struct spec spec = sample_spec();
	struct status status;
	int i, rc = 0;

	if (mount("tmpfs", dir, "tmpfs", 0, "size=256k") < 0)
		return 77;
	open_site("");
	make_replication("db");
	status = sample_status(2);
	status.resource_version = 2;
	for (i = 0; i < 200 && rc == 0; i++) {
		char name[16];

		snprintf(name, sizeof name, "fill%d", i);
		status.id = 1000 + (uint64_t)i;
		rc = try_save("database", name, &spec, &status, 0);
	}
	CHECK(rc == -ENOSPC);
	CHECK(strstr(err.msg, "No space left on device"));
	CHECK(count_entries(file_of("database")) == i + 1);
	CHECK(try_save("database", "db", &spec, &status, 1) == -ENOSPC);
	CHECK(count_entries(file_of("database")) == i + 1);
	CHECK(store->ops->mkdir(store, "n", 9, &err) == -ENOSPC);
	CHECK(count_entries(path_of("replications")) == 1);
	again();
	CHECK(found.count == (size_t)i);
	CHECK(!*found.complaints);
	CHECK(found.items[0].status->resource_version == 1);
	/* One without an id can't be given one now: it is left out. */
	close_store();
	put_text(file_of("database/db.yaml"), dump);
	open_site("");
	load();
	CHECK(found.count == (size_t)i - 1);
	CHECK(complained("uvrfs.yaml: No space left on device"));
	CHECK(complained("it is left out"));
	CHECK(try_remove("fill1") == 0);
	CHECK(try_remove("fill2") == 0);
	again();
	CHECK(found.count == (size_t)i - 2);
	status.id = 1;
	/* Room again: all is well. */
	CHECK(try_remove("fill0") == 0);
	CHECK(try_save("database", "db", &spec, &status, 1) == 0);
	/* The audit writes whole lines or none. */
	for (rc = 0, i = 0; i < 100 && rc == 0; i++) {
		char line[3001];

		memset(line, 'x', 3000);
		line[3000] = '\0';
		rc = store->ops->audit(store, line, &err);
	}
	CHECK(rc == -ENOSPC);
	again();
	CHECK(strlen(found.last_line) == sizeof found.last_line - 1);
	CHECK(found.lines == (size_t)i - 1);
	return 0;
}

START_TEST(no_space)
{
	close_store();
	in_child(full_disk);
}
END_TEST

/* The whole of tmpfs turns read-only under a running store, and back. */
static int freeze(unsigned long flag)
{
	return mount("none", dir, "none", MS_REMOUNT | flag, NULL);
}

static int frozen_disk(void)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(9);

	status.resource_version = 2;
	if (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
		return 77;
	open_site("");
	make_replication("db");
	close_store();
	CHECK(freeze(MS_RDONLY) == 0);
	CHECK(!store_local_open(dir, "", &err));
	CHECK(err.code == EROFS);
	CHECK(strstr(err.msg, "Read-only file system"));
	CHECK(freeze(0) == 0);
	put_text(file_of("database/bad.yaml"), "bad");
	open_site("");
	/* What is open for writing would keep it from turning. */
	CHECK(mount(file_of("database"), file_of("database"), "none", MS_BIND,
		    NULL) == 0);
	CHECK(mount("none", file_of("database"), "none",
		    MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	load();
	CHECK(found.count == 1);
	CHECK(complained("could not be set aside"));
	CHECK(exists(file_of("database/bad.yaml")));
	CHECK(try_save("database", "db", &spec, &status, 1) == -EROFS);
	CHECK(try_save("database", "x", &spec, &status, 0) == -EROFS);
	CHECK(try_remove("db") == -EROFS);
	return 0;
}

START_TEST(read_only)
{
	close_store();
	in_child(frozen_disk);
}
END_TEST

/* A file that can't be read is left alone, also by a later save. */
static int unreadable_file(void)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(99);
	char command[300];

	open_site("");
	make_replication("a");
	make_replication("b");
	make_namespace("other");
	close_store();
	snprintf(command, sizeof command,
		 "chown -R 65534 %s && chown 0 %s && chown 0 %s", dir,
		 file_of("database/b.yaml"), file_of("other"));
	if (geteuid() != 0 || system(command) != 0)
		return 77;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 77;
	open_site("");
	load();
	CHECK(found.count == 1);
	CHECK(found.namespace_count == 1);
	CHECK(complained("b.yaml: Permission denied"));
	CHECK(complained("replications/other"));
	CHECK(exists(file_of("database/b.yaml")));
	CHECK(try_save("database", "b", &spec, &status, 0) == -EEXIST);
	CHECK(store->ops->mkdir(store, "other", 5, &err) == -EEXIST);
	return 0;
}

START_TEST(unreadable)
{
	close_store();
	in_child(unreadable_file);
}
END_TEST

/* Killed at any moment, each file is the old one or the new one. */
START_TEST(survives_kill)
{
	struct spec spec = sample_spec();
	struct status status = sample_status(make_replication("db"));
	uint64_t seen = 1, known = 1;
	int fds[2], i, wstatus;
	pid_t pid;

	close_store();
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			open_site("");
			load();
			status.resource_version = known;
			for (;;) {
				status.resource_version++;
				if (try_save("database", "db", &spec, &status,
					     status.resource_version - 1) < 0)
					_exit(1);
				if (write(fds[1], &status.resource_version,
					  8) != 8)
					_exit(1);
			}
		}
		close(fds[1]);
		for (int k = 0; k < i % 5 + 1; k++)
			if (read(fds[0], &seen, 8) != 8)
				break;
		usleep((useconds_t)(i * 37 % 900));
		kill(pid, SIGKILL);
		waitpid(pid, &wstatus, 0);
		ck_assert(WIFSIGNALED(wstatus));
		while (read(fds[0], &seen, 8) == 8)
			;
		close(fds[0]);
		open_site("");
		load();
		ck_assert_str_eq(found.complaints, "");
		known = only()->status->resource_version;
		ck_assert(known == seen || known == seen + 1);
		ck_assert_int_eq(count_entries(file_of("database")), 2);
		close_store();
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_space, read_only, unreadable, survives_kill,
	};

	return run_store_tests("store_local_disk", tests,
			       sizeof tests / sizeof *tests);
}
