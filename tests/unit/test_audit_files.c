/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the audit, small ones: what is moved and what goes, what is
 * noticed when one of them or its beginning is missing, and that neither a crash
 * nor a full disk at any moment makes the chain break.
 */
#include "memory_fails.h"

#include "disk_fails.h"

#include "audit_scene.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define KEPT (AUDIT_OLDER + 1)

/* ---- a disk that fails ---- */

static bool is_broken;
static const char *only;		/* NULL: any call */
static int fails_with;
static long calls, fails_at, fails_for;	/* the n-th call, and so many more */

static int fault(const char *call)
{
	if (!is_broken || (only && strcmp(call, only) != 0) ||
	    (fails_with == DISK_SHORT && strcmp(call, "write") != 0))
		return 0;
	if (calls++ < fails_at || calls > fails_at + fails_for)
		return 0;
	return fails_with;
}

static int disk_fault(const char *call, int at, const char *path)
{
	return fault(call);
}

#define MAY_FAIL()                                                             \
	do {                                                                   \
		int code_ = fault(__func__);                                   \
		if (code_) {                                                   \
			errno = code_;                                         \
			return -1;                                             \
		}                                                              \
	} while (0)

static bool stays_long;

int ftruncate(int fd, off_t size)
{
	MAY_FAIL();
	errno = EIO;
	return stays_long ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fdatasync(int fd)
{
	MAY_FAIL();
	return (int)syscall(SYS_fdatasync, fd);
}

int fstatat(int at, const char *path, struct stat *st, int flags)
{
	MAY_FAIL();
	return (int)syscall(SYS_newfstatat, at, path, st, flags);
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
	MAY_FAIL();
	return syscall(SYS_pread64, fd, data, size, at);
}

static void spoil(long at, long how_many, int with)
{
	calls = 0;
	fails_at = at;
	fails_for = how_many;
	fails_with = with;
	is_broken = true;
}

/* Returns whether it has failed at all. */
static bool mend(void)
{
	is_broken = false;
	only = NULL;
	return calls > fails_at;
}

/* A daemon is at work while the check opens its files; @age is the next. */
static void (*before_open)(int age);
static int next_age;

FILE *fopen(const char *path, const char *mode)
{
	int flags = *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
	int fd;

	if (before_open)
		before_open(next_age++);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

/* ---- files ---- */

static int said;		/* how many lines were appended */

static void set_up(void)
{
	file_max = 600;
	said = 0;
	make_dir();
}

static int try_say(void)
{
	char line[32];
	int rc;

	snprintf(line, sizeof line, "line %d", said);
	rc = audit_file_append(&audit, line, &err);
	said += rc == 0;
	return rc;
}

static void say(void)
{
	ck_assert_msg(try_say() == 0, "%s", err.msg);
}

/* Until the newest file is the @number-th and has three lines of ours. */
static void fill(uint64_t number)
{
	int i;

	while (audit.number < number)
		say();
	for (i = 0; i < 2; i++)
		say();
	ck_assert_uint_eq(audit.number, number);
}

static bool is_kept(unsigned age)
{
	char name[AUDIT_NAME_MAX];
	struct stat st;

	return fstatat(audit.dir, audit_name(age, name), &st, 0) == 0;
}

static char *get_age(unsigned age)
{
	char name[AUDIT_NAME_MAX];

	return get(audit_name(age, name));
}

static void put_age(unsigned age, const char *text)
{
	char name[AUDIT_NAME_MAX];

	put(audit_name(age, name), text, strlen(text));
}

static void remove_age(unsigned age)
{
	char name[AUDIT_NAME_MAX];

	ck_assert_int_eq(unlinkat(audit.dir, audit_name(age, name), 0), 0);
}

/* "audit.3:1 " and more, of which the check is to speak. */
static void breaks_in(unsigned age, const char *what)
{
	char name[AUDIT_NAME_MAX], place[256];

	snprintf(place, sizeof place, "%s%s", audit_name(age, name), what);
	breaks_at(place);
}

/* What follows the first @n lines of @text. */
static const char *after_lines(const char *text, int n)
{
	while (n--)
		text = strchr(text, '\n') + 1;
	return text;
}

static int count_lines(const char *text)
{
	int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* What the file says of itself; false: nothing. */
static bool begins(unsigned age, struct audit_begin *begin)
{
	auto_free char *text = get_age(age);
	char hash[AUDIT_HASH_MAX];
	size_t len = strcspn(text, "\n");

	return audit_begin_parse(text, audit_chain_split(text, len, hash),
				 begin);
}

static int heard;		/* -1: whatever is the first */

static void hear(void *ctx, const char *line)
{
	char due[32];

	if (heard < 0)
		ck_assert_int_eq(sscanf(line, "line %d", &heard), 1);
	snprintf(due, sizeof due, "line %d", heard++);
	ck_assert_str_eq(line, due);
}

/* Every line that was said since the @first is there, in its order, once. */
static void all_is_there(int first)
{
	heard = first;
	ck_assert_int_eq(audit_file_feed(&audit, hear, NULL, &err), 0);
	ck_assert_int_eq(heard, said);
}

START_TEST(each_says_which_it_is)
{
	uint64_t before = 0;
	unsigned age;

	fill(6);
	for (age = 5; age + 1 > 0; age--) {
		auto_free char *text = get_age(age);
		struct audit_begin begin = {0};

		ck_assert_int_eq(begins(age, &begin), age < 5);
		ck_assert_uint_eq(begin.number, age < 5 ? 6 - age : 0);
		ck_assert_uint_eq(begin.lines, before);
		before += (uint64_t)count_lines(text);
		ck_assert_uint_le(strlen(text), 600 + 128);
	}
	ck_assert_uint_eq(audit.lines, before);
	ck_assert(!is_kept(6));
	is_well("ok: ");
	all_is_there(0);
}
END_TEST

START_TEST(the_oldest_goes_when_all_names_are_taken)
{
	struct audit_begin begin;
	uint64_t number;
	unsigned age;

	for (number = 2; number < 3 * KEPT; number++) {
		fill(number);
		is_well("ok: ");
		reopen();
		for (age = 0; age < KEPT; age++) {
			ck_assert_int_eq(is_kept(age), age < number);
			if (age + 1 >= number)
				continue;
			ck_assert(begins(age, &begin));
			ck_assert_uint_eq(begin.number, number - age);
		}
		ck_assert(!is_kept(KEPT));
	}
}
END_TEST

START_TEST(a_restart_after_each_line)
{
	char before[4096];
	struct audit_file kept;
	int i;

	for (i = 0; i < 200; i++) {
		say();
		kept = audit;
		reopen();
		ck_assert_uint_eq(audit.number, kept.number);
		ck_assert_uint_eq(audit.lines, kept.lines);
		ck_assert_int_eq(audit.whole, kept.size);
		ck_assert_str_eq(audit.last, kept.last);
		ck_assert(audit.begun);
		snprintf(before, sizeof before, "sha256=%s\n", kept.last);
		is_well(before);
	}
	all_is_there(-1);
}
END_TEST

static const char *const no_begins[] = {
	"", "line 1", "2026-11-22T23:17:12Z - uvrfs begun: file 2",
	"2026-11-22T23:17:12Z - uvrfs begun: file 2, after 3 lines more",
	"2026-11-22T23:17:12Z - uvrfs begun: file , after 3 lines",
	"2026-11-22T23:17:12Z - uvrfs begun: file -2, after 3 lines",
	"2026-11-22T23:17:12Z - uvrfs begun: file 2, after three lines",
	"2026-11-22T23:17:12Z - uvrfs begun: file 99999999999999999999, "
	"after 3 lines",
	"2026-11-22T23:17:12Z a/- uvrfs begun: file 2, after 3 lines",
	"2026-11-22T23:17:12Z - uid=0,pid=1,comm=x begun: file 2, after 3 lines",
	"2026-11-22T23:17:12Z - uvrfs begun: file 2, after 3 lines             "
	"                                                                    ",
};

START_TEST(what_is_no_beginning)
{
	const char *line = no_begins[_i];
	struct audit_begin begin = {7, 8};

	ck_assert(!audit_begin_parse(line, strlen(line), &begin));
	ck_assert_uint_eq(begin.number, 7);
	append(line);
	reopen();
	ck_assert_uint_eq(audit.number, 1);
	is_well("ok: 1 lines");
}
END_TEST

/* ---- what is done to them ---- */

START_TEST(any_byte_of_any_file)
{
	uint64_t number = _i ? KEPT + 3 : 4;
	unsigned age, oldest = _i ? AUDIT_OLDER : 3;
	size_t i, len;

	fill(number);
	for (age = 0; age <= oldest; age++) {
		auto_free char *text = get_age(age);

		if (age && age + 2 < oldest)
			continue;
		len = strlen(text);
		/* Nothing proves the time in the oldest line. */
		for (i = _i && age == oldest ? 20 : 0; i < len; i++) {
			text[i] ^= 1;
			put_age(age, text);
			text[i] ^= 1;
			if (age || i < len - 1)
				ck_assert_str_ne(where(), "");
			else
				is_well("torn");
		}
		put_age(age, text);
		is_well("ok: ");
	}
}
END_TEST

/* Of a file that was the first of all, or is the oldest since others went. */
START_TEST(the_first_lines_of_any_file)
{
	unsigned age, oldest = _i ? AUDIT_OLDER : 3;
	int i, n;

	fill(_i ? KEPT + 3 : 4);
	for (age = 0; age <= oldest; age++) {
		auto_free char *text = get_age(age);

		n = count_lines(text);
		for (i = 1; i <= n; i++) {
			put_age(age, after_lines(text, i));
			/* The end can be cut, and nobody knows. */
			if (i == n && !age)
				is_well("ok: ");
			else if (i == n)
				breaks_in(age, " is empty: its lines were");
			else if (age == oldest)
				breaks_in(age - 1, ":1 begins file ");
			else if (age == oldest - 1 && !_i)
				breaks_in(age, ":1 does not follow");
			else
				breaks_in(age, ":1 is not the line that a file "
					       "begins with");
		}
		put_age(age, text);
		is_well("ok: ");
	}
}
END_TEST

START_TEST(the_last_lines_of_an_older_file)
{
	unsigned age;
	char *end;

	fill(5);
	for (age = 1; age <= 4; age++) {
		auto_free char *text = get_age(age);
		auto_free char *cut = strdup(text);

		cut[strlen(cut) - 1] = '\0';
		put_age(age, cut);
		breaks_in(age - 1, ":1 comes after a line without an end");
		end = strrchr(cut, '\n');
		end[1] = '\0';
		put_age(age, cut);
		breaks_in(age - 1, ":1 says that ");
		put_age(age, text);
	}
	is_well("ok: ");
}
END_TEST

START_TEST(a_file_that_was_removed)
{
	unsigned age, oldest = _i ? AUDIT_OLDER : 5;
	char *text;

	fill(_i ? KEPT + 4 : 6);
	for (age = 1; age <= oldest; age++) {
		text = get_age(age);
		remove_age(age);
		if (age < oldest)
			breaks_in(age - 1, ":1 begins file ");
		else
			breaks_in(age - 1, _i ? " is file 6 of 20, and the "
						"oldest: those from 1 on"
					      : " is file 2 of 6, and the "
						"oldest: those from 1 on");
		/* Writing on and a restart mend nothing. */
		reopen();
		if (age == 1)
			say();
		ck_assert_str_ne(where(), "");
		put_age(age, text);
		free(text);
		is_well("ok: ");
	}
	remove_age(0);
	ck_assert_str_ne(where(), "");
	ck_assert_ptr_nonnull(strstr(err.msg, "/audit: No such file"));
}
END_TEST

START_TEST(all_the_older_ones)
{
	unsigned age;

	fill(_i ? KEPT + 4 : 3);
	for (age = 1; age < KEPT; age++)
		if (is_kept(age))
			remove_age(age);
	breaks_at(_i ? "audit is file 20 of 20" : "audit is file 3 of 3");
}
END_TEST

/* They end up in names of which none is missing. */
START_TEST(the_oldest_is_taken_away_and_the_others_moved)
{
	char from[AUDIT_NAME_MAX], to[AUDIT_NAME_MAX];
	unsigned age, gone;

	for (gone = 1; gone <= 3; gone++) {
		empty_dir();
		reopen();
		fill(KEPT + 4);
		for (age = AUDIT_OLDER; age > gone; age--)
			ck_assert_int_eq(
				renameat(audit.dir, audit_name(age - gone, from),
					 audit.dir, audit_name(age, to)), 0);
		/* As if it had been about to move the others. */
		if (gone == 1)
			is_well("ok: ");
		else
			breaks_at("audit.15 is file ");
	}
}
END_TEST

START_TEST(files_in_another_order)
{
	auto_free char *one = NULL;
	auto_free char *two = NULL;

	fill(5);
	one = get_age(1);
	two = get_age(2);
	put_age(1, two);
	put_age(2, one);
	breaks_in(2, ":1 begins file 4, and 3 is due");
	put_age(2, two);
	breaks_in(1, ":1 begins file 3, and 4 is due");
	/* It would be the first, which says nothing. */
	empty_dir();
	put_age(0, "2026-11-22T23:17:12Z - uvrfs begun: file 1, after 0 lines"
		   "\n");
	breaks_at("audit:1 begins file 1, and 2 is due");
}
END_TEST

static int moved_at;

static void move_on(int age)
{
	if (age != moved_at)
		return;
	audit.max = 1;
	say();
	audit.max = file_max;
}

START_TEST(while_a_daemon_moves_them)
{
	for (moved_at = 0; moved_at < KEPT; moved_at++) {
		fill(audit.number + (_i ? KEPT : 1));
		next_age = 0;
		before_open = move_on;
		is_well("ok: ");
		before_open = NULL;
		ck_assert_int_eq(next_age, KEPT);
	}
}
END_TEST

/* ---- from an older uvrfs ---- */

static void make_old(void)
{
	auto_free char *text = NULL;
	char *second, *third;

	audit.max = 4096;
	while (said < 12)
		say();
	text = get_age(0);
	second = (char *)after_lines(text, 4);
	third = (char *)after_lines(text, 8);
	put_age(0, third);
	*third = '\0';
	put_age(1, second);
	reopen();
}

START_TEST(what_an_older_uvrfs_has_left)
{
	auto_free char *old = NULL;
	auto_free char *older = NULL;
	struct audit_begin begin;

	make_old();
	is_well("ok: 8 lines");
	old = get_age(0);
	fill(5);
	is_well("ok: ");
	all_is_there(4);
	ck_assert(!begins(4, &begin) && !begins(3, &begin));
	ck_assert(begins(2, &begin));
	ck_assert_uint_eq(begin.number, 3);
	free(old);
	old = get_age(3);
	older = get_age(4);
	ck_assert_uint_eq(begin.lines, (uint64_t)count_lines(old));
	put_age(3, after_lines(old, 1));
	breaks_in(3, ":1 does not follow");
	remove_age(4);
	breaks_in(2, ":1 says that ");
	put_age(3, old);
	/* Of what was before nobody has ever kept an account. */
	is_well("ok: ");
	put_age(4, after_lines(older, 1));
	is_well("ok: ");
	put_age(4, "");
	breaks_at("audit.4 is empty");
	put_age(4, older);
	fill(40);
	is_well("ok: ");
	ck_assert(begins(AUDIT_OLDER, &begin));
	ck_assert_uint_eq(begin.number, 25);
}
END_TEST

/* It has moved its file once: the chain begins in the older one. */
START_TEST(an_older_uvrfs_that_began_the_chain)
{
	auto_free char *text = NULL;
	struct audit_begin begin;
	char *second;

	audit.max = 4096;
	while (said < 8)
		say();
	text = get_age(0);
	second = (char *)after_lines(text, 4);
	put_age(0, second);
	*second = '\0';
	put_age(1, text);
	is_well("ok: 8 lines");
	reopen();
	ck_assert_uint_eq(audit.number, 2);
	fill(4);
	is_well("ok: ");
	ck_assert(begins(1, &begin));
	ck_assert_uint_eq(begin.number, 3);
	remove_age(3);
	/* Nothing says that there was one. */
	is_well("ok: ");
	remove_age(2);
	breaks_at("audit.1 is file 3 of 4");
}
END_TEST

START_TEST(an_older_uvrfs_had_two)
{
	auto_free char *text = NULL;
	auto_free char *last = NULL;

	make_old();
	text = get_age(1);
	remove_age(1);
	breaks_at("audit:1 does not follow");
	last = get_age(0);
	put_age(2, text);
	put_age(0, after_lines(last, 2));
	((char *)after_lines(last, 2))[0] = '\0';
	put_age(1, last);
	breaks_at("audit:1 is not the line that a file begins with");
}
END_TEST

START_TEST(what_had_no_hashes)
{
	put_age(1, "one\ntwo\n");
	put_age(0, _i ? "" : "three\nfour\n");
	is_well("ok: 0 lines");
	reopen();
	say();
	ck_assert_uint_eq(audit.number, _i ? 3 : 2);
	fill(4);
	is_well(_i ? "2 lines of an older uvrfs" : "4 lines of an older uvrfs");
}
END_TEST

/* ---- at any moment ---- */

/* All names are taken, and the next line moves all. */
static void be_full(void)
{
	empty_dir();
	said = 0;
	reopen();
	fill(KEPT + 2);
	while (audit.size + 8 <= file_max)
		say();
}

static void only_one_has_gone(void)
{
	struct audit_begin begin = {0};

	is_well("ok: ");
	ck_assert_uint_eq(audit.number, KEPT + 3);
	ck_assert(begins(AUDIT_OLDER, &begin));
	ck_assert_uint_eq(begin.number, 4);
	ck_assert(begins(0, &begin));
	ck_assert_uint_eq(begin.number, KEPT + 3);
	ck_assert_uint_ge(audit.lines, begin.lines + 2);
	/* It may have been torn, too. */
	ck_assert_uint_le(audit.lines, begin.lines + 3);
}

static const struct {
	int with, tries;
	bool dies, stays_long;
} failures[] = {
	{EIO, 1, false, false}, {EIO, 1, true, false},
	{ENOSPC, 50, false, false}, {ENOSPC, 50, true, false},
	{DISK_SHORT, 1, false, false}, {DISK_SHORT, 1, true, false},
	{DISK_SHORT, 20, false, false}, {DISK_SHORT, 1, true, true},
	{DISK_SHORT, 1, false, true},
};

/* Once or for long; the daemon dies of it, or not. */
START_TEST(where_each_call_fails)
{
	int i, first;
	long at;

	for (at = 0;; at++) {
		be_full();
		first = said;
		spoil(at, failures[_i].tries > 1 ? 1000 : 1, failures[_i].with);
		stays_long = failures[_i].stays_long;
		for (i = 0; i < failures[_i].tries && said == first; i++)
			(void)try_say();
		stays_long = false;
		if (!mend())
			break;
		if (failures[_i].dies)
			reopen();
		if (said == first)
			say();
		only_one_has_gone();
		reopen();
		only_one_has_gone();
	}
	ck_assert_int_ge(at, failures[_i].with == DISK_SHORT ? 2 : 20);
	only_one_has_gone();
}
END_TEST

START_TEST(a_start_that_fails)
{
	long at;

	for (at = 0;; at++) {
		be_full();
		put_age(0, "");
		audit_file_close(&audit);
		err.msg[0] = '\0';
		spoil(at, 1, EIO);
		if (audit_file_open(&audit, &err) < 0)
			ck_assert_ptr_nonnull(strstr(err.msg, "/audit"));
		if (!mend())
			break;
		reopen();
		ck_assert_uint_eq(audit.number, KEPT + 2);
		say();
		is_well("ok: ");
	}
	ck_assert_int_ge(at, 3);
}
END_TEST

START_TEST(nothing_is_left_of_the_newest)
{
	struct audit_begin begin;

	be_full();
	if (_i)
		remove_age(0);
	else
		put_age(0, "");
	reopen();
	is_well("ok: ");
	ck_assert(!audit.begun);
	say();
	is_well("ok: ");
	ck_assert(begins(0, &begin));
	ck_assert_uint_eq(begin.number, KEPT + 2);
}
END_TEST

START_TEST(a_beginning_that_is_torn)
{
	auto_free char *text = NULL;
	char *end;
	size_t i;

	fill(3);
	text = get_age(0);
	end = strchr(text, '\n');
	end[1] = '\0';
	for (i = 1; text + i <= end; i++) {
		put(AUDIT_FILE, text, i);
		is_well("the last line is torn");
		reopen();
		is_well("ok: ");
		say();
		is_well("ok: ");
		ck_assert_uint_eq(audit.number, 3);
	}
	put_age(0, text);
	reopen();
	say();
	is_well("ok: ");
	/* Nothing of it is there but its place. */
	memset(text, 0, 100);
	put(AUDIT_FILE, text, 100);
	reopen();
	say();
	is_well("ok: ");
	ck_assert_uint_eq(audit.number, 3);
}
END_TEST

/* Of the first file, and of another, at its beginning and later. */
START_TEST(a_torn_line_and_a_full_disk)
{
	static const uint64_t numbers[] = {1, 3, 3};
	auto_free char *text = NULL;

	fill(numbers[_i]);
	text = get_age(0);
	put(AUDIT_FILE, text, _i == 2 ? 20 : strlen(text) - 20);
	audit_file_close(&audit);
	only = _i == 2 ? "ftruncate" : "write";
	spoil(0, 1000, ENOSPC);
	ck_assert_int_eq(audit_file_open(&audit, &err), 0);
	audit.max = file_max;
	is_well("the last line is torn");
	ck_assert_int_eq(try_say(), -ENOSPC);
	ck_assert_int_eq(try_say(), -ENOSPC);
	is_well("the last line is torn");
	mend();
	say();
	is_well("ok: ");
	free(text);
	text = get_age(0);
	ck_assert_int_eq(strstr(text, " (torn) sha256=") != NULL, _i != 2);
	ck_assert_uint_eq(audit.number, numbers[_i]);
}
END_TEST

START_TEST(a_torn_line_that_is_long)
{
	auto_free char *text = malloc(200000);

	ck_assert_ptr_nonnull(text);
	say();
	memset(text, 'x', 200000);
	append("before");
	audit_file_close(&audit);
	audit.fd = openat(audit.dir, AUDIT_FILE, O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(audit.fd, text, 200000), 200000);
	only = "pread";
	spoil(0, 2, EIO);
	reopen();
	ck_assert_int_eq(try_say(), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "can't read the end of "));
	mend();
	say();
	is_well("ok: ");
	ck_assert_uint_eq(audit.number, 2);
}
END_TEST

/* Somebody has made a directory of that name. */
START_TEST(what_is_no_file)
{
	fill(KEPT - 1);
	while (audit.size + 8 <= file_max)
		say();
	ck_assert_int_eq(mkdirat(audit.dir, "audit.15", 0700), 0);
	ck_assert_int_lt(try_say(), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "/audit.14 to audit.15: "));
	ck_assert_str_ne(where(), "");
	ck_assert_ptr_nonnull(strstr(err.msg, "can't read "));
	ck_assert_int_eq(unlinkat(audit.dir, "audit.15", AT_REMOVEDIR), 0);
	say();
	is_well("ok: ");
	all_is_there(0);
	empty_dir();
	ck_assert_int_eq(mkdirat(audit.dir, "audit.1", 0700), 0);
	audit_file_close(&audit);
	ck_assert_int_eq(audit_file_open(&audit, &err), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, "/audit.1 failed: Is a dir"));
	ck_assert_int_eq(unlinkat(audit.dir, "audit.1", AT_REMOVEDIR), 0);
}
END_TEST

START_TEST(it_can_not_be_shown)
{
	fill(3);
	only = "pread";
	spoil(0, 1, EIO);
	ck_assert_int_eq(audit_file_feed(&audit, hear, NULL, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "reading the audit in "));
	only = "openat";
	spoil(1, 1, EACCES);
	heard = 0;
	ck_assert_int_eq(audit_file_feed(&audit, hear, NULL, &err), -EACCES);
	mend();
	all_is_there(0);
}
END_TEST

#ifdef CAN_FAIL
static int open_again(void)
{
	int rc;

	audit_file_close(&audit);
	rc = audit_file_open(&audit, &err);
	audit.max = file_max;
	return rc;
}

static int check(void)
{
	static char room[4096];
	struct buf out = {.data = room, .cap = sizeof room,
			  .max = sizeof room - 1};

	return audit_chain_check(dir, &out, &err);
}

static void hear_nothing(void *ctx, const char *line)
{
}

static int feed(void)
{
	return audit_file_feed(&audit, hear_nothing, NULL, &err);
}

static int (*const acts[])(void) = {try_say, open_again, check, feed};

START_TEST(without_memory)
{
	int rc, first;
	long left;

	if (!memory_can_fail())
		return;
	for (left = 0;; left++) {
		be_full();
		put(AUDIT_FILE, "torn", _i == 1 ? 4 : 0);
		if (_i != 1)
			be_full();
		first = said;
		memory_fails_once = true;
		memory_failed = false;
		memory_left = left;
		rc = acts[_i]();
		memory_left = -1;
		ck_assert(rc == 0 || rc == -ENOMEM || (_i == 2 && rc == -EIO));
		if (!memory_failed)
			break;
		if (rc < 0)
			ck_assert_str_ne(err.msg, "");
		if (_i == 1)
			reopen();
		if (said == first)
			say();
		is_well("ok: ");
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_gt(left, 1);
}
END_TEST
#endif

static void add_loops(TCase *all)
{
	tcase_add_loop_test(all, what_is_no_beginning, 0,
			    sizeof no_begins / sizeof *no_begins);
	tcase_add_loop_test(all, any_byte_of_any_file, 0, 2);
	tcase_add_loop_test(all, the_first_lines_of_any_file, 0, 2);
	tcase_add_loop_test(all, a_file_that_was_removed, 0, 2);
	tcase_add_loop_test(all, all_the_older_ones, 0, 2);
	tcase_add_loop_test(all, while_a_daemon_moves_them, 0, 2);
	tcase_add_loop_test(all, what_had_no_hashes, 0, 2);
	tcase_add_loop_test(all, where_each_call_fails, 0,
			    sizeof failures / sizeof *failures);
	tcase_add_loop_test(all, nothing_is_left_of_the_newest, 0, 2);
	tcase_add_loop_test(all, a_torn_line_and_a_full_disk, 0, 3);
#ifdef CAN_FAIL
	tcase_add_loop_test(all, without_memory, 0,
			    sizeof acts / sizeof *acts);
#endif
}

int main(void)
{
	const TTest *const tests[] = {
		each_says_which_it_is,
		the_oldest_goes_when_all_names_are_taken,
		a_restart_after_each_line, the_last_lines_of_an_older_file,
		the_oldest_is_taken_away_and_the_others_moved,
		files_in_another_order, what_an_older_uvrfs_has_left,
		an_older_uvrfs_that_began_the_chain, an_older_uvrfs_had_two,
		a_start_that_fails,
		a_beginning_that_is_torn, a_torn_line_that_is_long,
		what_is_no_file, it_can_not_be_shown,
	};
	Suite *suite = suite_create("audit_files");
	TCase *all = tcase_create("files");
	size_t i;

	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, set_up, tear_down);
	for (i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(all, tests[i]);
	add_loops(all);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
