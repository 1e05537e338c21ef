/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated backend's records and journal after a crash: what is missing is
 * made up for, and nothing is done twice.
 */
#include "sim_scene.h"

#include <sys/wait.h>

/* A daemon that dies in the middle of an act; the next one repeats it. */
static void crash(const char *fault, enum act what)
{
	int status;
	pid_t pid;

	stop();
	put(PROD "/faults", fault);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		start();
		act_again(what, 500, 10000);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 137);
	put(PROD "/faults", "");
	start();
}

START_TEST(test_crash)
{
	const char *fault = _i ? "crash-after demote" : "crash-before demote";

	begin("data\n");
	crash(fault, ACT_DEMOTE_PEER);
	while (_i && !count_lines("journal", "demote-peer 500\n"))
		usleep(1000);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), _i);
	ck_assert_int_eq(look().peer.fact,
			 _i ? ROLE_REPLICA : ROLE_SOURCE);
	track();
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* Killed in the middle of a final sync: it is taken up without being asked. */
START_TEST(test_crash_resumes_final_sync)
{
	begin("data\n");
	put(DR "/faults", "no-final-sync-end\n");
	put(SOURCE_FILE, "final\n");
	crash("crash-after demote", ACT_DEMOTE_PEER);
	put(DR "/database/.db-replica.incoming", "half a co");
	stop();
	put(DR "/faults", "");
	start();
	AWAIT(is_caught_up);	/* not tracked: found on the disk */
	ck_assert_str_eq(get(REPLICA_FILE), "final\n");
	ck_assert(!exists(DR "/database/.db-replica.incoming"));
}
END_TEST

/* kill -9 between the rename of a snapshot and its record. */
START_TEST(test_snapshot_in_place_but_not_noted)
{
	const char *record = DR "/database/.db-replica.json";
	char text[4096], *at;

	begin("data\n");
	put(PROD "/faults", "down\n");
	AWAIT(is_peer_silent);
	stop();
	/* As it stands then: `next` is what lies there, `base` is older. */
	strcpy(text, get(record));
	at = strstr(text, "\"base\"");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"next\"", 6);
	at = strstr(at + 6, "\"next\"");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"base\"", 6);
	at = strstr(at, "\"id\": 0");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"id\": 9", 7);
	put(record, text);
	start();
	track();
	AWAIT(is_peer_silent);
	ck_assert(!look().here.diverged);
}
END_TEST

/* Killed between the record and the journal: the line is made up for, whether
   the act is asked for again, or another one, or none. */
START_TEST(test_journal_is_made_up_for)
{
	begin("data\n");
	crash("crash-after demote", ACT_DEMOTE_PEER);
	if (_i == 0) {
		ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	} else if (_i == 1) {
		ck_assert_int_eq(act_again(ACT_RESYNC, 501, 1000), -EINVAL);
	} else {
		while (!count_lines("journal", "demote-peer 500\n"))
			usleep(1000);
	}
	ck_assert_int_eq(count_lines("journal", "\n"), 2);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* Killed between the journal and the note that it has the line. */
START_TEST(test_journal_has_it_already)
{
	const char *record = PROD "/database/.db.json";
	char text[4096], *at;

	begin("data\n");
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	stop();
	strcpy(text, get(record));
	at = strstr(text, "\"unlisted\": false");
	ck_assert_ptr_nonnull(at);
	memcpy(at, "\"unlisted\": true ", 17);
	put(record, text);
	start();
	while (strstr(get(record), "\"unlisted\": true"))
		usleep(1000);
	ck_assert_int_eq(count_lines("journal", "demote-peer 500\n"), 1);
}
END_TEST

/* What was done is told so, and nothing more is done before it is listed. */
START_TEST(test_journal_that_can_not_be_written)
{
	char path[128], aside[128];

	begin("data\n");
	snprintf(path, sizeof path, "%s/journal", t.dir);
	snprintf(aside, sizeof aside, "%s/aside", t.dir);
	ck_assert_int_eq(rename(path, aside), 0);
	ck_assert_int_eq(symlink("nowhere/journal", path), 0);
	ck_assert_int_eq(act_again(ACT_DEMOTE_PEER, 500, 1000), 0);
	AWAIT(is_caught_up);
	ck_assert_int_eq(act_again(ACT_PROMOTE, 501, 1000), -EIO);
	ck_assert_ptr_nonnull(strstr(t.err.msg, "journal: can't write"));
	ck_assert_int_eq(look().here.fact, ROLE_REPLICA);
	/* In one step: the engine tries, too. */
	ck_assert_int_eq(rename(aside, path), 0);
	ck_assert_int_eq(act_again(ACT_PROMOTE, 501, 1000), 0);
	ck_assert_int_eq(count_lines("journal", "\n"), 3);
	ck_assert_ptr_nonnull(strstr(strstr(get("journal"), "demote-peer 500\n"),
				     "promote 501\n"));
}
END_TEST

/* Killed in the middle of a create. */
/* One side is lost, before the first copy or after it. */
START_TEST(test_half_made)
{
	bool copied = _i;
	char path[128];

	put(DR "/faults", "no-copy\n");
	track();
	ACT(ACT_CREATE);
	if (copied) {
		put(DR "/faults", "");
		AWAIT(is_protected);
	}
	stop();
	snprintf(path, sizeof path, "%s/%s", t.dir,
		 DR "/database/.db-replica.json");
	ck_assert_int_eq(unlink(path), 0);
	start();
	track();
	/* With a common snapshot it is more than half: not touched. */
	ck_assert_int_eq(act(ACT_CREATE), copied ? -EPERM : 0);
}
END_TEST

static void edit(const char *path, const char *old, const char *new)
{
	char text[4096], *at;

	strcpy(text, get(path));
	at = strstr(text, old);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(old), strlen(new));
	memcpy(at, new, strlen(new));
	put(path, text);
}

/* Killed when the volume had its new mode, and its record did not say so. */
START_TEST(test_half_demoted)
{
	char path[128];

	begin("data\n");
	AWAIT(is_protected);
	stop();
	t.ear.keys = 0;
	edit(PROD "/database/.db.json", "\"turning\": false",
	     "\"turning\": true ");
	snprintf(path, sizeof path, "%s/%s", t.dir, SOURCE_FILE);
	ck_assert_int_eq(chmod(path, 0444), 0);
	start();
	track();
	AWAIT(is_protected);
	ck_assert_int_eq(mode_of(SOURCE_FILE), 0644);
	ck_assert_ptr_nonnull(strstr(get(PROD "/database/.db.json"),
				     "\"turning\": false"));
}
END_TEST

/* A record of before that flag. */
START_TEST(test_older_record)
{
	begin("data\n");
	AWAIT(is_protected);
	stop();
	t.ear.keys = 0;
	edit(PROD "/database/.db.json", "\"turning\"", "\"formerl\"");
	start();
	track();
	AWAIT(is_protected);
}
END_TEST

/* Killed when the role was given back at one of the two ends only. */
START_TEST(test_half_given_back)
{
	begin("data\n");
	ACT(ACT_DEMOTE_PEER);
	AWAIT(is_caught_up);
	ACT(ACT_PROMOTE);
	ACT(ACT_RESYNC_PEER);
	AWAIT(is_reversed);
	ACT(ACT_DEMOTE);
	AWAIT(is_peer_caught_up);
	stop();
	edit(DR "/database/.db-replica.json", "\"following\": false",
	     "\"following\":  true");
	start();
	track();
	ACT(ACT_PROMOTE_PEER);
	AWAIT(is_protected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim_crash");
	TCase *c = sim_case(suite, "sim_crash");

	tcase_add_loop_test(c, test_crash, 0, 2);
	tcase_add_test(c, test_crash_resumes_final_sync);
	tcase_add_test(c, test_snapshot_in_place_but_not_noted);
	tcase_add_loop_test(c, test_journal_is_made_up_for, 0, 3);
	tcase_add_test(c, test_journal_has_it_already);
	tcase_add_test(c, test_journal_that_can_not_be_written);
	tcase_add_loop_test(c, test_half_made, 0, 2);
	tcase_add_test(c, test_half_demoted);
	tcase_add_test(c, test_older_record);
	tcase_add_test(c, test_half_given_back);
	return run_suite(suite);
}
