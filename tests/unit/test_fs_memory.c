/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation fails once, and all from each on, in every step of a
 * replication's life and in every look at it: the caller gets ENOMEM or what it
 * asked for, nothing is half done, and what was accepted comes about.
 */
#include "memory_fails.h"

#ifdef CAN_FAIL
#define OURS(on) ((on) ? memory_enter() : memory_leave())

/* What is left for the daemon's part; the test itself has all it wants. */
static long memory_ours = -1;

static void memory_enter(void)
{
	memory_left = memory_ours;
}

static void memory_leave(void)
{
	memory_ours = memory_left;
	memory_left = -1;
}

#include "fs_scenario.h"
#include "suite.h"
#include "text.h"

#include <limits.h>
#include <unwind.h>

/*
 * Where the allocations of a step are made from, as far as matters: a thousand
 * of a parser's, all from one place, are one way to fail.
 */
#define SITES_MAX (1 << 20)
#define FRAMES 10

static bool is_tried[SITES_MAX];	/* by a digest of the frames */
static long list[SITES_MAX], list_count, allocations;

struct frames {
	uintptr_t at[FRAMES];
	unsigned count;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *c, void *ctx)
{
	struct frames *f = ctx;

	f->at[f->count++] = _Unwind_GetIP(c);
	return f->count < FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void note_site(void)
{
	struct frames f = {.count = 0};
	uint64_t digest;

	if (memory_left < 0)
		return;
	_Unwind_Backtrace(add_frame, &f);
	digest = text_hash_bytes((const char *)f.at, sizeof f.at) % SITES_MAX;
	if (!is_tried[digest])
		list[list_count++] = allocations;
	is_tried[digest] = true;
	allocations++;
}

/* From here on @n allocations of the daemon succeed. */
static void spare(long n, bool once)
{
	memory_failed = false;
	memory_fails_once = once;
	memory_ours = n;
}

/* Memory is back.  True: it had run out. */
static bool back(void)
{
	memory_ours = -1;
	return memory_failed;
}

/* After a failure nothing differs between what is shown and what is kept. */
static struct kernel *check_kept(struct kernel *k, long n)
{
	char before[TEXT_MAX], after[TEXT_MAX];

	if (is_draft(k))
		return k;
	picture(k, before);
	k = restart(k);
	picture(k, after);
	ck_assert_msg(strcmp(before, after) == 0, "after %ld:\n%s\n--- is not\n%s",
		      n, before, after);
	return k;
}

/* Step @i with @n allocations. */
static void try_step(int i, long n, bool once)
{
	long before = memory_live;
	struct kernel *k = begin(i);
	char text[TEXT_MAX];
	bool ran_out;
	int rc;

	spare(n, once);
	rc = steps[i].run(k);
	ran_out = back();
	ck_assert_msg(rc == 0 || (ran_out && rc == -ENOMEM),
		      "step %d after %ld: %d", i, n, rc);
	if (rc)
		rc = steps[i].run(k);
	ck_assert_msg(rc == 0, "step %d again after %ld: %d", i, n, rc);
	await(k, &steps[i]);
	k = check_kept(k, n);
	if (i + 1 < STEPS && !is_draft(k) && i > 1) {
		rc = steps[i + 1].run(k);
		get_text(k, "ns/a/error", text);
		ck_assert_msg(rc == 0, "step %d after %ld and %d: %d %s", i + 1,
			      n, i, rc, text);
		await(k, &steps[i + 1]);
	}
	stop(k);
	remove_store();
	ck_assert_msg(n < 0 || n == LONG_MAX || memory_live == before,
		      "step %d after %ld: %ld blocks stay", i, n,
		      memory_live - before);
}

/* --- looking --- */

static struct kernel *viewed;

static const char *const names[] = {
	"ns/a/state", "ns/a/conditions", "ns/a/endpoints", "ns/a/mode",
	"ns/a/schedule", "ns/a/volumes", "ns/a/spec.yaml", "ns/a/status.json",
	"ns/a/backend", "ns/a/lag", "ns/a/progress", "ns/a/error", "ns/a/hold",
	"ns/a/log", "ns/a/history", "ns/a/wait", "ns/a/events",
	"ns/a/plan/promoting", "ns/a/plan/syncing", "ns/a/plan/remove",
	".uvrfs/help", ".uvrfs/version", ".uvrfs/site", ".uvrfs/health",
	".uvrfs/summary", ".uvrfs/log", ".uvrfs/events",
	".uvrfs/audit", ".uvrfs/backends/fake/capabilities",
	".uvrfs/clusters/dr/reachable"};

static const char *const directories[] = {
	"ns", "ns/a", "ns/a/plan", ".uvrfs", ".uvrfs/backends",
	".uvrfs/clusters", ".uvrfs/by-state", ".uvrfs/by-state/replica",
	".uvrfs/by-source", ".uvrfs/by-source/prod"};

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* A file is read and polled, and synced as sync(1) does. */
static int look_into(struct kernel *k, const char *name)
{
	struct fuse_poll_in poll = {.kh = 7, .flags = FUSE_POLL_SCHEDULE_NOTIFY};
	struct fuse_fsync_in sync = {0};
	char text[TEXT_MAX];
	uint64_t ino, fh;
	int rc = get_text(k, name, text);

	ck_assert(rc || *text || strstr(name, "hold") || strstr(name, "error"));
	if (rc == 0)
		rc = open_at(k, name, O_RDONLY | O_NONBLOCK, &ino, &fh);
	if (rc)
		return rc;
	poll.fh = sync.fh = fh;
	rc = reply_to(k, ask(k, FUSE_POLL, ino, IN(PART(&poll))), NULL);
	if (rc == 0)
		rc = reply_to(k, ask(k, FUSE_FSYNC, ino, IN(PART(&sync))),
			      NULL);
	if (rc == 0)
		rc = late_reply_to(k, start_flush(k, ino, fh));
	close_at(k, ino, fh);
	return rc;
}

static int list_names(struct kernel *k, const char *name)
{
	struct fuse_read_in in = {.size = 60000};
	uint64_t ino;
	int rc = walk(k, name, &ino);

	if (rc == 0)
		rc = reply_to(k, ask(k, FUSE_READDIRPLUS, ino, IN(PART(&in))),
			      &reply_room);
	ck_assert(rc || reply_room.len > 200);
	return rc;
}

static void try_look(int i, long n, bool once)
{
	int rc;

	spare(n, once);
	rc = i < COUNT(names) ? look_into(viewed, names[i])
			      : list_names(viewed, directories[i - COUNT(names)]);
	ck_assert_msg(back() ? rc == 0 || rc == -ENOMEM : rc == 0,
		      "look %d after %ld: %d", i, n, rc);
}

/* --- starting --- */

static bool is_stored(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/replications/ns/%s", store_dir, name);
	return access(path, F_OK) == 0;
}

static int load(struct error *err)
{
	struct kernel *k = viewed;

	disk = store_local_open(store_dir, "", err);
	k->world = disk ? world_new(&k->config, disk, &k->jobs) : NULL;
	if (!k->world)
		return -ENOMEM;
	if (world_add_backend(k->world, &k->backend, err) < 0)
		return -err->code;
	return world_load(k->world, 1000000, err);
}

/* It starts with all that there is, or not at all; no file is called bad. */
static void try_start(int i, long n, bool once)
{
	struct error err = {0};
	struct replication *r;
	unsigned found = 0;
	uint64_t id = 0;
	int rc;

	spare(n, once);
	OURS(true);
	rc = load(&err);
	OURS(false);
	ck_assert_msg(back() ? rc == 0 || rc == -ENOMEM : rc == 0,
		      "starting after %ld: %d %s", n, rc, err.msg);
	while (rc == 0 && (r = world_next(viewed->world, id))) {
		id = r->id;
		found++;
	}
	ck_assert_msg(rc || found == 2, "after %ld: %u found", n, found);
	ck_assert(is_stored("a.yaml") && is_stored("b.yaml"));
	if (viewed->world)
		settle(viewed);
	world_free(viewed->world);
	if (disk)
		disk->ops->close(disk);
}

/* --- all of it --- */

/* Calls @try, first to learn where it allocates, then with each that fails. */
static void each_site(int i, void (*try)(int i, long n, bool once))
{
	long k;

	list_count = allocations = 0;
	/* What libraries keep for ever is there from then on. */
	try(i, -1, false);
	memory_watch = note_site;
	try(i, LONG_MAX, false);
	memory_watch = NULL;
	for (k = 0; k < 2 * list_count; k++)
		try(i, list[k / 2], k % 2);
	ck_assert_int_gt(allocations, 1);
}

START_TEST(each_step)
{
	int i;

	for (i = 0; i < STEPS; i++)
		each_site(i, try_step);
}
END_TEST

START_TEST(each_look)
{
	long before = 0;
	int i, round;

	for (round = 0; round < 2; round++) {
		before = memory_live;
		viewed = begin(3);
		for (i = 0; i < COUNT(names) + COUNT(directories); i++)
			if (round == 0)
				try_look(i, -1, false);
			else
				each_site(i, try_look);
		stop(viewed);
		remove_store();
	}
	ck_assert_int_eq(memory_live, before);
}
END_TEST

/* Another's file beside it, which is taken over at the first start. */
static void put_by_hand(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/replications/ns/b.yaml", store_dir);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "%s", MANIFEST), 0);
	fclose(f);
}

START_TEST(each_start)
{
	viewed = begin(8);
	fs_unmount(viewed->fs);
	fs_free(viewed->fs);
	world_free(viewed->world);
	disk->ops->close(disk);
	put_by_hand();
	each_site(0, try_start);
	close(viewed->socket);
	free(viewed);
	remove_store();
}
END_TEST
#endif

int main(void)
{
#ifdef CAN_FAIL
	Suite *suite;
	TCase *tc;

	if (!memory_can_fail())
		return 77;
	suite = suite_create("fs_memory");
	tc = tcase_create("fs_memory");
	tcase_set_timeout(tc, 500);
	tcase_add_test(tc, each_start);
	tcase_add_test(tc, each_look);
	tcase_add_test(tc, each_step);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
#else
	return 77;
#endif
}
