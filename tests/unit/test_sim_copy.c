/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated backend's copies: when they are made, and how they get on. */
#include "sim_scene.h"

#include <fcntl.h>

START_TEST(test_synchronous)
{
	t.spec.mode = MODE_SYNCHRONOUS;
	begin("one\n");
	put(SOURCE_FILE, "two\n");
	AWAIT(has_new_data);
	put(SOURCE_FILE, "three\n");
	AWAIT(has_new_data);
}
END_TEST

static bool is_synced_by_interval(const struct observation *o)
{
	return has_new_data(o) && strcmp(get(REPLICA_FILE), "new\n") == 0;
}

START_TEST(test_interval)
{
	struct observation first, second;

	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1s";
	begin("old\n");
	first = look();
	put(SOURCE_FILE, "new\n");
	second = AWAIT(is_synced_by_interval);
	ck_assert_int_ge(second.here.data_time - first.here.data_time, 900);

	/* Long intervals are not started early. */
	t.spec.rpo = "1h";
	track();
	put(SOURCE_FILE, "newer\n");
	AWAIT(is_any);
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "new\n");
}
END_TEST

static bool is_later(const struct observation *o)
{
	return is_protected(o) && o->here.data_time > (int64_t)t.serial;
}

START_TEST(test_empty_snapshots_are_current)
{
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1s";
	begin("same\n");
	t.serial = (uint64_t)look().here.data_time;
	AWAIT(is_later);
}
END_TEST

static bool is_stuck(const struct observation *o)
{
	return o->here.progress == 99 && !o->here.caught_up &&
	       strcmp(o->here.native, "FinalSync 99%") == 0;
}

START_TEST(test_final_sync_that_does_not_end)
{
	begin("data\n");
	put(DR "/faults", "no-final-sync-end\n");
	put(SOURCE_FILE, "final\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_stuck);
	ck_assert_int_eq(act(ACT_PROMOTE), -EAGAIN);
	/* By force: what the final sync would have brought is not here. */
	ACT(ACT_FORCE_PROMOTE);
	AWAIT(is_promoted);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	ck_assert(look().peer.diverged);
	put(DR "/faults", "");
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

static bool is_under_way(const struct observation *o)
{
	return o->here.progress > 0 && o->here.progress < 100;
}

START_TEST(test_rate_and_progress)
{
	char big[4001];

	memset(big, 'b', 4000);
	big[4000] = '\0';
	begin("small\n");
	put(PROD "/faults", "rate 8000\n");
	put(SOURCE_FILE, big);
	AWAIT(is_under_way);
	/* The old copy stays whole and readable meanwhile; what is written
	   after the snapshot is in the next one. */
	ck_assert_str_eq(get(REPLICA_FILE), "small\n");
	put(SOURCE_FILE, "tiny\n");
	AWAIT(has_new_data);
	ck_assert_int_lt(t.ear.progress_min, t.ear.progress_max);
}
END_TEST

static bool is_suspended(const struct observation *o)
{
	return strcmp(o->here.native, "Suspended") == 0 && !o->peer_alive;
}

START_TEST(test_no_copy)
{
	begin("data\n");
	put(DR "/faults", "no-copy\n");
	AWAIT(is_suspended);
	put(SOURCE_FILE, "newer\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	put(DR "/faults", "\n");
	AWAIT(has_new_data);
}
END_TEST

START_TEST(test_big_file)
{
	char path[512];
	char *data = malloc(1 << 20);
	int fd, i;

	make_dir(PROD "/database");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	for (i = 0; i < 33; i++) {
		memset(data, i, 1 << 20);
		ck_assert_int_eq(write(fd, data, 1 << 20), 1 << 20);
	}
	close(fd);
	free(data);
	track();
	ACT(ACT_CREATE);
	AWAIT(is_protected);
	snprintf(path, sizeof path, "cmp %s/%s %s/%s", t.dir, SOURCE_FILE,
		 t.dir, REPLICA_FILE);
	ck_assert_int_eq(system(path), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_copy");
	TCase *c = sim_case(suite, "sim_copy");

	tcase_add_test(c, test_synchronous);
	tcase_add_test(c, test_interval);
	tcase_add_test(c, test_empty_snapshots_are_current);
	tcase_add_test(c, test_final_sync_that_does_not_end);
	tcase_add_test(c, test_rate_and_progress);
	tcase_add_test(c, test_no_copy);
	tcase_add_test(c, test_big_file);
	return run_suite(suite);
}
