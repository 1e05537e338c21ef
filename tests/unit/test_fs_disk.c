/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call on the disk fails, once or from then on, in every step of a
 * replication's life, with each errno that disks have.  A step that returned 0
 * is kept; one that did not has changed nothing, here and after a restart, or
 * says that it can't be told; nothing is done to storage that was not stored
 * before; and when the disk works again, so does everything.
 */
#include "disk_fails.h"

#include <stdbool.h>
#include <string.h>

#define OURS(on) (is_ours = (on))

static bool is_ours;
static bool is_broken, fails_once;
static int fails_with;
static long calls, fails_at;

static int disk_fault(const char *call, int at, const char *path)
{
	if (!is_ours || !is_broken)
		return 0;
	if (fails_with == DISK_SHORT && strcmp(call, "write") != 0)
		return 0;
	if (calls++ < fails_at || (fails_once && calls - 1 > fails_at))
		return 0;
	return fails_with;
}

#include "fs_scenario.h"
#include "suite.h"

/* From its @n-th call on the disk fails with @errno. */
static void spoil(long n, int with, bool once)
{
	calls = 0;
	fails_at = n;
	fails_with = with;
	fails_once = once;
	is_broken = true;
}

static void mend_disk(void)
{
	is_broken = false;
}

/* What a file of the store says; it is not there: "". */
static void read_stored(char text[static TEXT_MAX])
{
	char path[128];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/replications/ns/a.yaml", store_dir);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, TEXT_MAX - 1, f);
		fclose(f);
	}
	text[n] = '\0';
}

/* An act whose intent is not stored is the worst. */
static int act_as_stored(struct backend *b, const struct target *t,
			 const struct order *order, struct error *err)
{
	char text[TEXT_MAX], intent[64];

	read_stored(text);
	snprintf(intent, sizeof intent, "act: %s\n", act_text(order->act));
	ck_assert_msg(strstr(text, intent) != NULL, "no '%s' in %s", intent,
		      text);
	return backend_act(b, t, order, err);
}

static struct backend_ops checked;

static struct kernel *check_acts(struct kernel *k)
{
	checked = backend_table;
	checked.act = act_as_stored;
	k->backend.ops = &checked;
	return k;
}

/* What is said of a step that failed with @rc; true: that it is unknown. */
static bool check_said(struct kernel *k, int rc)
{
	char text[TEXT_MAX];

	if (get_text(k, "ns/a/error", text))
		return rc == -EIO;	/* nowhere to say it but the audit */
	ck_assert_msg(*text, "nothing in error");
	if (strstr(text, "can't be told") || strstr(text, "can't be taken back"))
		return true;
	errno = -rc;
	snprintf(reply_room.data, sizeof reply_room.data, "%m");
	ck_assert_msg(strstr(text, reply_room.data) != NULL, "%d, but: %s", rc,
		      text);
	return false;
}

/* Nothing more of it reaches the disk, which works for the next one. */
static struct kernel *kill_9(struct kernel *k)
{
	struct observation seen = k->seen;

	kernel_free(k);
	spoil(0, EIO, false);
	is_ours = true;
	disk->ops->close(disk);
	is_ours = false;
	mend_disk();
	return start(&seen);
}

enum how { ONCE, FOR_THE_STEP, UNTIL_THE_END, HOWS };

/*
 * What could not be taken back of a replication is put right by itself; that of
 * a namespace, or of one that was to be born, before the store's next change.
 */
static bool may_stay(int i, enum how how)
{
	return how == UNTIL_THE_END || steps[i].run == make_namespace ||
	       steps[i].run == remove_namespace || steps[i].run == write_spec;
}

/* Step @i on a disk that breaks at its @n-th call: false when it came to no
   such call. */
static bool try_step(int i, long n, int with, enum how how)
{
	struct kernel *k = check_acts(begin(i));
	char before[TEXT_MAX], shown[TEXT_MAX], after[TEXT_MAX], text[TEXT_MAX];
	bool broke, unknown = false;
	int rc;

	picture(k, before);
	spoil(n, with, how == ONCE);
	rc = steps[i].run(k);
	broke = calls > fails_at;
	ck_assert_msg(rc == 0 || (broke && (rc == -with || rc == -EIO)),
		      "step %d after %ld with %d: %d", i, n, with, rc);
	/* Reads go on. */
	picture(k, shown);
	if (rc) {
		ck_assert_str_eq(shown, before);
		unknown = check_said(k, rc);
	}
	if (how != UNTIL_THE_END)
		mend_disk();
	if (how != UNTIL_THE_END && rc == 0)
		await(k, &steps[i]);
	pass(k, 3000);
	picture(k, shown);
	unknown |= get_text(k, "ns/a/log", text) == 0 &&
		   strstr(text, "can't be told");
	k = kill_9(k);
	picture(k, after);
	ck_assert_msg(strcmp(shown, after) == 0 || (unknown && may_stay(i, how)),
		      "step %d after %ld with %d: %d\n%s\n--- is not\n%s", i, n,
		      with, rc, shown, after);
	stop(k);
	remove_store();
	return broke;
}

START_TEST(each_call)
{
	static const int codes[] = {EIO, ENOSPC, EROFS, EDQUOT};
	enum how how;
	long n;
	int i;

	for (i = 0; i < STEPS; i++)
		for (how = 0; how < HOWS; how++) {
			for (n = 0; try_step(i, n, codes[_i], how); n++)
				;
			ck_assert(n > 3 || i == 1);
		}
}
END_TEST

START_TEST(short_writes)
{
	struct kernel *k = begin(2);
	char shown[TEXT_MAX], after[TEXT_MAX];
	int i;

	spoil(0, DISK_SHORT, false);
	for (i = 2; i < 9; i++) {
		ck_assert_int_eq(steps[i].run(k), 0);
		await(k, &steps[i]);
	}
	mend_disk();
	ck_assert_int_gt(calls, 50);
	picture(k, shown);
	k = kill_9(k);
	picture(k, after);
	ck_assert_str_eq(shown, after);
	stop(k);
	remove_store();
}
END_TEST

/* Somebody has put a manifest into the store by hand, as after a loss. */
START_TEST(put_there_by_hand)
{
	struct observation seen = {0};
	char path[128], text[TEXT_MAX];
	struct kernel *k = begin(2);
	FILE *f;

	stop(k);
	snprintf(path, sizeof path, "%s/replications/ns/a.yaml", store_dir);
	f = fopen(path, "we");
	ck_assert_int_gt(fprintf(f, "%s", MANIFEST), 0);
	fclose(f);
	make_storage(&seen);
	k = start(&seen);
	pass(k, 1000);
	ck_assert_int_eq(get_text(k, "ns/a/wait", text), 0);
	ck_assert_str_eq(text, "verified: replica\n");
	ck_assert_int_eq(get_text(k, "ns/a/conditions", text), 0);
	ck_assert_ptr_nonnull(strstr(text, "dr is verified as the replica"));
	stop(k);
	remove_store();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fs_disk");
	TCase *tc = tcase_create("fs_disk");

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, each_call, 0, 4);
	tcase_add_test(tc, short_writes);
	tcase_add_test(tc, put_there_by_hand);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
