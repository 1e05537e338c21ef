/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend: its keys and folders, what it tells, and what it makes
 * of what others do to its files.
 */
#include "sim_scene.h"

#include <pthread.h>

START_TEST(test_key)
{
	char key[BACKEND_KEY_MAX], other[BACKEND_KEY_MAX];
	struct target at_source = {&t.spec, PROD, DR, false};
	struct spec swapped = t.spec;
	char longest[300];

	ck_assert_str_eq(t.key, PROD "/database/db <-> " DR
				     "/database/db-replica");
	t.b->ops->key(t.b, &at_source, key);
	ck_assert_str_eq(key, t.key);
	swapped.source = t.spec.destination;
	swapped.destination = t.spec.source;
	t.target.spec = &swapped;
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_str_eq(key, t.key);

	/* Names that are no file names, and that no name may collide with. */
	swapped.volume_handle = "../a/b";
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_ptr_nonnull(strstr(key, "/%2E.%2Fa%2Fb"));
	swapped.pvc_namespace = "faults";
	t.b->ops->key(t.b, &t.target, key);
	ck_assert_ptr_nonnull(strstr(key, "/%66aults/"));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	swapped.volume_handle = longest;
	t.b->ops->key(t.b, &t.target, key);
	longest[298] = 'y';
	t.b->ops->key(t.b, &t.target, other);
	ck_assert_str_ne(key, other);
	swapped.pvc_name = longest;
	t.b->ops->key(t.b, &t.target, key);
	longest[298] = 'x';
	t.b->ops->key(t.b, &t.target, other);
	ck_assert_str_ne(key, other);
	longest[250] = '\0';
	ACT(ACT_CREATE);
	ck_assert_int_eq(look().here.claim, ROLE_REPLICA);
}
END_TEST

/* Somebody writes to a replica behind everybody's back. */
START_TEST(test_tampered_replica)
{
	begin("common\n");
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1h";
	track();
	put(REPLICA_FILE, "tampered\n");	/* root may */
	AWAIT(is_here_diverged);
}
END_TEST

/* A faults file and a folder that appear later, also by rename. */
START_TEST(test_late_folders)
{
	char from[128], to[128];

	t.target.peer = "late";
	t.spec.source.cluster = "late";
	t.b->ops->key(t.b, &t.target, t.key);
	track();
	AWAIT(is_absent);
	make_dir("late");
	put("late/new-faults", "refuse\n");
	snprintf(from, sizeof from, "%s/late/new-faults", t.dir);
	snprintf(to, sizeof to, "%s/late/faults", t.dir);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EACCES);
	ck_assert_int_eq(unlink(to), 0);
	AWAIT(is_absent);
	make_dir("late/database");
	put("late/database/db", "late data\n");
	ACT(ACT_CREATE);
	AWAIT(is_protected);
	ck_assert_str_eq(get(REPLICA_FILE), "late data\n");
}
END_TEST

static bool is_damaged(const struct observation *o)
{
	return o->here.claim == ROLE_UNKNOWN && o->here.fact == ROLE_UNKNOWN;
}

START_TEST(test_damaged_record)
{
	begin("data\n");
	put(DR "/database/.db-replica.json", "{\"role\": \"sou");
	AWAIT(is_damaged);
	ck_assert_int_eq(act(ACT_PROMOTE), -EIO);
	ck_assert_int_eq(act(ACT_FORCE_PROMOTE), -EIO);
	ck_assert_int_eq(act(ACT_DELETE), -EIO);
	ck_assert_int_eq(act(ACT_CREATE), -EPERM);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

static bool is_without_volume(const struct observation *o)
{
	return o->peer.fact == ROLE_ABSENT && o->peer.claim == ROLE_SOURCE;
}

START_TEST(test_missing_volume)
{
	char path[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	ck_assert_int_eq(unlink(path), 0);
	AWAIT(is_without_volume);
	ck_assert_int_eq(act(ACT_DEMOTE_PEER), -EIO);
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
}
END_TEST

/* Somebody changes the array behind our back. */
START_TEST(test_change_from_outside)
{
	char path[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/%s", t.dir, REPLICA_FILE);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(look().here.fact, ROLE_SOURCE);
	/* A writable volume is not overwritten. */
	put(REPLICA_FILE, "mine\n");
	put(SOURCE_FILE, "theirs\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "mine\n");
	AWAIT(is_here_diverged);
}
END_TEST

START_TEST(test_bulk_start)
{
	struct target here = t.target;
	struct spec second = t.spec;
	char key[BACKEND_KEY_MAX];

	begin("data\n");
	second.pvc_name = "other";
	second.volume_handle = "other";
	t.target.spec = &second;
	ACT(ACT_CREATE);
	t.b->ops->key(t.b, &t.target, key);
	stop();
	t.ear.keys = 0;
	t.target = here;
	start();
	ear_await(&t.ear, t.key, is_protected, "first");
	ear_await(&t.ear, key, is_any, "second");
	ck_assert_uint_eq(t.ear.keys, 2);
}
END_TEST

START_TEST(test_untrack_stops_copies)
{
	begin("data\n");
	t.b->ops->untrack(t.b, t.key);
	t.b->ops->untrack(t.b, "no such key");
	AWAIT(is_protected);
	look();
	put(SOURCE_FILE, "newer\n");
	look();
	ck_assert_str_eq(get(REPLICA_FILE), "data\n");
	track();
	AWAIT(has_new_data);
}
END_TEST

static bool is_heard_again(const struct observation *o)
{
	return is_protected(o) && t.ear.count > t.serial;
}

static struct observation seen;

static bool is_as_seen(const struct observation *o)
{
	return observation_equal(o, &seen);
}

static unsigned count_told(void)
{
	unsigned count;

	pthread_mutex_lock(&t.ear.lock);
	count = t.ear.count;
	pthread_mutex_unlock(&t.ear.lock);
	return count;
}

START_TEST(test_silence_when_nothing_happens)
{
	unsigned before, told;
	int tries = 0;

	begin("data\n");
	t.spec.schedule = SCHEDULE_INTERVAL;
	t.spec.rpo = "1h";
	t.serial = count_told();
	track();
	AWAIT(is_heard_again);
	seen = look();
	/* Touching without changing raises no observation; but the beginning may
	   have something still to tell the first times. */
	do {
		put(DR "/faults", "");
		AWAIT(is_as_seen);
		before = count_told();
		put(DR "/faults", "# nothing\n");
		look();
		put(DR "/faults", "down\n");
		AWAIT(is_here_silent);
		told = count_told() - before;
	} while (told > 1 && ++tries < 10);
	ck_assert_uint_le(told, 1);
}
END_TEST

START_TEST(test_describe)
{
	enum act a;
	struct buf out;

	buf_init(&out, 65536);
	t.b->ops->describe(t.b, &t.target, ACT_DEMOTE_PEER, &out);
	ck_assert_str_eq(buf_str(&out), "sim prod-cluster: demote database/db "
					"(final sync to dr-cluster)\n");
	for (a = ACT_CREATE; a < ACT_COUNT; a++) {
		buf_reset(&out);
		t.b->ops->describe(t.b, &t.target, a, &out);
		ck_assert_int_eq(out.len > 0,
				 !act_is_wait(a) && !act_is_look(a));
	}
	buf_finish(&out);
}
END_TEST

START_TEST(test_bad_folder)
{
	char path[128];

	put("file", "x");
	snprintf(path, sizeof path, "%s/file/sim", t.dir);
	ck_assert_ptr_null(sim_new("sim", path, &t.err));
	ck_assert_int_eq(t.err.code, ENOTDIR);
	snprintf(path, sizeof path, "%s/a/b/c", t.dir);
	stop();
	t.b = sim_new("sim", path, &t.err);
	ck_assert_ptr_nonnull(t.b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim");
	TCase *c = sim_case(suite, "sim");

	tcase_add_test(c, test_key);
	tcase_add_test(c, test_tampered_replica);
	tcase_add_test(c, test_late_folders);
	tcase_add_test(c, test_damaged_record);
	tcase_add_test(c, test_missing_volume);
	tcase_add_test(c, test_change_from_outside);
	tcase_add_test(c, test_bulk_start);
	tcase_add_test(c, test_untrack_stops_copies);
	tcase_add_test(c, test_silence_when_nothing_happens);
	tcase_add_test(c, test_describe);
	tcase_add_test(c, test_bad_folder);
	return run_suite(suite);
}
