/* SPDX-License-Identifier: Apache-2.0 */
/* Ids as one daemon notes them and the next one finds them. */
#include <check.h>
#undef fail		/* ours is the one of error.h */

#include "store_kube_private.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define USED 100		/* of the memory, by others */

static int memory;
static struct kube_ids ids;
static struct error err;

/* A daemon starts. */
static void begin(void)
{
	ids = (struct kube_ids){.last = 5};
	ck_assert_int_eq(kube_ids_open(&ids, memory, USED, &err), 0);
}

static void restart(void)
{
	kube_ids_finish(&ids);
	begin();
}

static off_t size(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(memory, &st), 0);
	return st.st_size;
}

static void setup(void)
{
	memory = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(ftruncate(memory, USED), 0);
	begin();
}

static void teardown(void)
{
	kube_ids_finish(&ids);
	close(memory);
}

static void note(uint64_t id, const char *key)
{
	ck_assert_int_eq(kube_ids_note(&ids, id, key, ""), 0);
}

static void gone(uint64_t id)
{
	ck_assert_int_eq(kube_ids_note_gone(&ids, id), 0);
}

static void told(uint64_t id)
{
	ck_assert_int_eq(kube_ids_note_told(&ids, id), 0);
}

static uint64_t find(const char *key)
{
	bool is_told;

	return kube_ids_find(&ids, key, &is_told);
}

static uint64_t lost(void)
{
	const char *path;

	return kube_ids_lost(&ids, &path);
}

START_TEST(the_next_one_finds_them)
{
	note(7, "uid");
	note(9, "/database");
	ck_assert_uint_eq(ids.last, 5);
	restart();
	ck_assert_uint_eq(find("uid"), 7);
	ck_assert_uint_eq(find("uid"), 0);
	ck_assert_uint_eq(find("/database"), 9);
	ck_assert_uint_eq(find("database"), 0);
	ck_assert_uint_eq(ids.last, 9);
	ck_assert_uint_eq(lost(), 0);
}
END_TEST

START_TEST(the_last_one_counts)
{
	note(7, "/database");
	gone(7);
	note(8, "/billing");
	gone(8);
	note(6, "/billing");
	restart();
	ck_assert_uint_eq(find("/database"), 0);
	ck_assert_uint_eq(find("/billing"), 6);
	/* Also one that is no more is not given again. */
	ck_assert_uint_eq(ids.last, 8);
}
END_TEST

/* Also when it becomes what a former daemon has left. */
START_TEST(a_name_that_comes_and_goes)
{
	note(7, "/database");
	gone(7);
	told(7);
	restart();
	note(8, "/database");
	ck_assert_uint_eq(lost(), 0);
	gone(8);
	restart();
	ck_assert_uint_eq(find("/database"), 0);
}
END_TEST

START_TEST(what_is_gone_is_told_once)
{
	note(7, "gone");
	note(8, "there");
	note(9, "removed");
	gone(9);
	told(9);
	note(10, "gone, too");
	restart();
	ck_assert_uint_eq(find("there"), 8);
	ck_assert_uint_eq(lost() + lost(), 17);
	ck_assert_uint_eq(lost(), 0);
}
END_TEST

/* Of what was made, of what is gone. */
START_TEST(what_watchers_were_told_of)
{
	char longest[321] = "database/";
	const char *path;
	bool is_told;

	memset(longest + strlen(longest), 'n', 320 - strlen(longest));
	kube_ids_note(&ids, 7, "a", "database/a");
	told(7);
	kube_ids_note(&ids, 8, "b", "database/b");
	kube_ids_note(&ids, 9, "c", "database/c");
	told(9);
	gone(9);
	kube_ids_note(&ids, 10, "d", longest);
	told(10);
	kube_ids_note(&ids, 11, "e", "database/e");
	gone(11);
	told(11);
	kube_ids_note(&ids, 12, "f", "database/f");
	restart();
	ck_assert_uint_eq(kube_ids_find(&ids, "a", &is_told), 7);
	ck_assert(is_told);
	ck_assert_uint_eq(kube_ids_find(&ids, "b", &is_told), 8);
	ck_assert(!is_told);
	ck_assert_uint_eq(kube_ids_find(&ids, "none", &is_told), 0);
	ck_assert(!is_told);
	/* It is removed before the mount is gone on with. */
	gone(7);
	/* The last one is the first; nobody knew of it. */
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 12);
	ck_assert_str_eq(path, "");
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 10);
	ck_assert_str_eq(path, longest);
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 9);
	ck_assert_str_eq(path, "database/c");
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 7);
	ck_assert_str_eq(path, "database/a");
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 0);
	/* It died before it told of one. */
	told(10);
	told(9);
	restart();
	ck_assert_uint_eq(find("b"), 8);
	ck_assert_uint_eq(kube_ids_lost(&ids, &path), 7);
	ck_assert_str_eq(path, "database/a");
	ck_assert_uint_eq(lost(), 0);
}
END_TEST

/* Of another form, it may be. */
START_TEST(what_can_not_be_is_not_read)
{
	char record[100];

	memset(record, 0xff, sizeof record);
	ck_assert_int_eq(pwrite(memory, record, sizeof record, USED),
			 sizeof record);
	kube_ids_finish(&ids);
	ids = (struct kube_ids){.last = 5};
	ck_assert_int_eq(kube_ids_open(&ids, memory, USED, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "can't read which ids"));
}
END_TEST

START_TEST(nothing_grows_by_starting_again)
{
	off_t before;

	note(7, "uid");
	before = size();
	restart();
	note(find("uid"), "uid");
	ck_assert_int_eq(size(), before);
}
END_TEST

/* It died as it noted the second one. */
START_TEST(half_a_record_is_none)
{
	off_t one;

	note(7, "a");
	one = size();
	note(8, "b");
	ck_assert_int_eq(ftruncate(memory, size() - 1), 0);
	restart();
	ck_assert_uint_eq(find("a"), 7);
	ck_assert_uint_eq(find("b"), 0);
	note(9, "c");
	ck_assert_int_eq(size(), one + (one - USED));
	restart();
	ck_assert_uint_eq(find("a"), 7);
	ck_assert_uint_eq(find("c"), 9);
}
END_TEST

START_TEST(what_others_have_there_stays)
{
	char text[USED] = "theirs", now[USED];

	ck_assert_int_eq(pwrite(memory, text, USED, 0), USED);
	note(7, "uid");
	restart();
	note(8, "another");
	ck_assert_int_eq(pread(memory, now, USED, 0), USED);
	ck_assert_int_eq(memcmp(text, now, USED), 0);
}
END_TEST

START_TEST(no_room)
{
	struct kube_ids full = {.last = 5};

	/* Which reads as zeros without an end. */
	full.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(full.fd, 0);
	ck_assert_int_eq(kube_ids_note(&full, 7, "uid", ""), -ENOSPC);
	ck_assert_int_eq(full.end, 0);
	kube_ids_finish(&full);
}
END_TEST

START_TEST(it_can_not_be_read)
{
	struct kube_ids none = {.last = 5};

	ck_assert_int_eq(kube_ids_open(&none, 1 << 20, USED, &err), -EBADF);
	kube_ids_finish(&none);
}
END_TEST

START_TEST(nobody_goes_on)
{
	struct kube_ids none = {.last = 5};
	bool is_told;

	ck_assert_int_eq(kube_ids_open(&none, -1, USED, &err), 0);
	ck_assert_int_eq(kube_ids_note(&none, 7, "uid", ""), 0);
	ck_assert_int_eq(kube_ids_note_gone(&none, 7), 0);
	ck_assert_int_eq(kube_ids_note_told(&none, 7), 0);
	ck_assert_uint_eq(kube_ids_find(&none, "uid", &is_told), 0);
	kube_ids_finish(&none);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_kube_ids");
	TCase *c = tcase_create("ids");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, the_next_one_finds_them);
	tcase_add_test(c, the_last_one_counts);
	tcase_add_test(c, a_name_that_comes_and_goes);
	tcase_add_test(c, what_is_gone_is_told_once);
	tcase_add_test(c, what_watchers_were_told_of);
	tcase_add_test(c, what_can_not_be_is_not_read);
	tcase_add_test(c, nothing_grows_by_starting_again);
	tcase_add_test(c, half_a_record_is_none);
	tcase_add_test(c, what_others_have_there_stays);
	tcase_add_test(c, no_room);
	tcase_add_test(c, it_can_not_be_read);
	tcase_add_test(c, nobody_goes_on);
	suite_add_tcase(s, c);
	return run_suite(s);
}
