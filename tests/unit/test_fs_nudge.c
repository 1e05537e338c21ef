/* SPDX-License-Identifier: Apache-2.0 */
/* What the nudger is told of, and what it is answered. */
#include "fs_fixture.h"
#include "suite.h"

#define NUDGER 4242

/* What was sent: names with a blank after each. */
struct sent {
	char text[8192];
	unsigned room;		/* how many more can be taken */
	unsigned count;
};

static bool take_path(void *ctx, enum fs_nudge what, const char *path)
{
	struct sent *s = ctx;

	if (!s->room)
		return false;
	s->room--;
	s->count++;
	snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text),
		 "%s ", path);
	return true;
}

/* A round's end; what it sent, of which all is done at once. */
static const char *flush(struct kernel *k)
{
	static struct sent s;

	s = (struct sent){.room = 1000};
	do {
		s.count = 0;
		fs_nudge(k->fs, take_path, &s);
		fs_nudged(k->fs, s.count);
	} while (s.count);
	return s.text;
}

static bool has(const char *text, const char *word)
{
	return strstr(text, word);
}

static struct kernel *watched_kernel(uint64_t *dir)
{
	struct kernel *k = kernel_new(false);

	*dir = make_replication(k);
	fs_set_nudger(k->fs, NUDGER);
	flush(k);
	return k;
}

static void forget(struct kernel *k, uint64_t ino, uint64_t lookups)
{
	struct fuse_forget_in in = {.nlookup = lookups};

	ask(k, FUSE_FORGET, ino, IN(PART(&in)));
}

static uint32_t lookups_of(struct kernel *k, uint64_t dir)
{
	return note_find(k->fs, inode_parse(dir))->lookups[0];
}

START_TEST(what_changed_is_told_once)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	const char *text;

	ck_assert_int_eq(write_file(k, dir, "hold", "a drill"), 0);
	ck_assert_int_eq(write_file(k, dir, "hold", "another"), 0);
	text = flush(k);
	ck_assert(has(text, "ns/a/status.json "));
	ck_assert(has(text, "ns/a/log "));
	ck_assert(!has(strstr(text, "ns/a/log ") + 1, "ns/a/log "));
	/* The kernel has told of these writes itself. */
	ck_assert(!has(text, "ns/a/hold "));
	ck_assert(!has(text, "ns/a/state "));
	ck_assert(!has(text, "events") && !has(text, "wait"));
	ck_assert(!has(text, "lag") && !has(text, "plan"));
	ck_assert_str_eq(flush(k), "");
	kernel_free(k);
}
END_TEST

START_TEST(what_did_not_change_is_not_told)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);

	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	ck_assert_str_eq(flush(k), "");
	ck_assert_int_eq(write_file(k, dir, "state", "sauce"), -EINVAL);
	ck_assert_str_eq(flush(k), "ns/a/error ns/a/log ");
	kernel_free(k);
}
END_TEST

START_TEST(nobody_looks_nobody_is_told)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	uint32_t lookups = lookups_of(k, dir);
	const struct who who = {.command = "test"};
	unsigned invalidated;

	ck_assert_uint_gt(lookups, 0);
	forget(k, dir, lookups - 1);
	ck_assert_uint_eq(lookups_of(k, dir), 1);
	forget(k, dir, 1);
	ck_assert_uint_eq(lookups_of(k, dir), 0);
	invalidated = k->invalidated;
	world_refuse(k->world, world_next(k->world, 0), &who, "apple");
	serve(k);
	ck_assert_str_eq(flush(k), "");
	ck_assert_uint_eq(k->invalidated, invalidated);
	look(k, PATH("ns"), "a");
	world_refuse(k->world, world_next(k->world, 0), &who, "berry");
	ck_assert_str_eq(flush(k), "ns/a/error ns/a/log ");
	/* More than there were, of something else, of what is gone. */
	forget(k, dir, 1000);
	ck_assert_uint_eq(lookups_of(k, dir), 0);
	forget(k, look(k, dir, "state"), 1);
	forget(k, inode_number((struct inode){KIND_REPLICATION, 99, 0}), 1);
	kernel_free(k);
}
END_TEST

/* The kernel may forget the way to what is watched, or only have listed it. */
START_TEST(a_file_is_known_without_its_directory)
{
	uint64_t dir, ino, ns;
	struct kernel *k = watched_kernel(&dir);
	const struct who who = {.command = "test"};
	struct fuse_read_in in = {.size = 4096};
	unsigned i;

	ns = PATH("ns");
	ino = look(k, dir, "error");
	forget(k, dir, 1000);
	world_refuse(k->world, world_next(k->world, 0), &who, "apple");
	ck_assert_str_eq(flush(k), "ns/a/error ");
	look(k, dir, "error");
	forget(k, ino, 1);
	world_refuse(k->world, world_next(k->world, 0), &who, "berry");
	ck_assert_str_eq(flush(k), "ns/a/error ");
	forget(k, ino, 1);
	world_refuse(k->world, world_next(k->world, 0), &who, "cherry");
	ck_assert_str_eq(flush(k), "");
	/* A listing with attributes is a look-up of all in it. */
	ask(k, FUSE_READDIRPLUS, dir, IN(PART(&in)));
	world_refuse(k->world, world_next(k->world, 0), &who, "apple");
	ck_assert_str_eq(flush(k), "ns/a/error ns/a/log ");
	/* More often than is counted: until the kernel forgets all. */
	for (i = 0; i <= UINT16_MAX; i++)
		note_look_up(k->fs, inode_parse(ino));
	forget(k, ino, UINT64_C(1) << 40);
	world_refuse(k->world, world_next(k->world, 0), &who, "berry");
	ck_assert_str_eq(flush(k), "ns/a/log ");
	ck_assert_uint_ne(look(k, ns, "a"), 0);
	kernel_free(k);
}
END_TEST

/* `install`: the kernel knows what was made again by the answer to that. */
START_TEST(a_file_that_is_made_again_is_known)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	struct fuse_create_in in = {.flags = O_CREAT | O_EXCL | O_WRONLY};
	uint64_t ino = look(k, dir, "state");

	forget(k, dir, 1000);
	forget(k, ino, 1000);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	ck_assert_int_eq(answer(k, ask(k, FUSE_CREATE, dir,
				       IN(PART(&in), NAME("state"))), NULL), 0);
	nudge_file(k->fs, inode_parse(ino));
	ck_assert_str_eq(flush(k), "ns/a/state ");
	kernel_free(k);
}
END_TEST

START_TEST(a_listing_with_attributes_counts)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	struct fuse_read_in in = {.size = 4096};
	uint32_t lookups = lookups_of(k, dir);
	uint64_t ns = PATH("ns");

	ask(k, FUSE_READDIRPLUS, ns, IN(PART(&in)));
	ck_assert_uint_eq(lookups_of(k, dir), lookups + 1);
	ask(k, FUSE_READDIR, ns, IN(PART(&in)));
	ck_assert_uint_eq(lookups_of(k, dir), lookups + 1);
	kernel_free(k);
}
END_TEST

START_TEST(a_draft_that_becomes_real)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = look(k, make_draft(k), "a");
	const char *text;

	fs_set_nudger(k->fs, NUDGER);
	flush(k);
	ck_assert_int_eq(write_file(k, dir, "spec.yaml", MANIFEST), 0);
	text = flush(k);
	ck_assert(has(text, "ns/a/state ") && has(text, "ns/a/volumes "));
	ck_assert(has(text, "ns/a/spec.yaml "));
	kernel_free(k);
}
END_TEST

START_TEST(a_write_under_way_is_waited_for)
{
	uint64_t dir, ino, fh, u;
	struct kernel *k = watched_kernel(&dir);

	ino = look(k, dir, "state");
	fh = do_open(k, ino, O_WRONLY);
	u = start_write(k, ino, fh, 0, "promoting");
	/* Something else changes it meanwhile. */
	nudge_file(k->fs, inode_parse(ino));
	ck_assert(!has(flush(k), "state "));
	k->save_rc = -ENOSPC;
	settle(k);
	k->save_rc = 0;
	ck_assert_int_eq(answer(k, u, NULL), -ENOSPC);
	ck_assert(has(flush(k), "state "));
	/* Now it succeeds: the kernel tells of that. */
	u = start_write(k, ino, fh, 0, "promoting");
	nudge_file(k->fs, inode_parse(ino));
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert(!has(flush(k), "state "));
	kernel_free(k);
}
END_TEST

/* The kernel has cached all names: the next daemon hears of the WRITE first. */
START_TEST(the_first_write_after_a_takeover_is_told_once)
{
	uint64_t dir, ino, fh, u;
	struct kernel *k = watched_kernel(&dir);
	const char *text;

	ino = look(k, dir, "state");
	k->fs->taken_over = true;
	note_drop(k->fs, inode_parse(dir));
	fh = do_open(k, ino, O_WRONLY);
	u = start_write(k, ino, fh, 0, "promoting");
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	text = flush(k);
	ck_assert(has(text, "ns/a/status.json "));
	ck_assert(!has(text, "ns/a/state "));
	kernel_free(k);
}
END_TEST

START_TEST(a_rename_is_told)
{
	uint64_t dir, u;
	struct kernel *k = watched_kernel(&dir);
	struct fuse_create_in in = {.flags = O_CREAT | O_WRONLY};
	struct fuse_rename_in to = {.newdir = dir};
	struct fuse_write_in w = {.size = 9};
	static const char names[] = ".tmp\0state";

	ask(k, FUSE_CREATE, dir, IN(PART(&in), NAME(".tmp")));
	ask(k, FUSE_WRITE, look(k, dir, ".tmp"),
	    IN(PART(&w), TEXT("promoting")));
	u = ask(k, FUSE_RENAME, dir,
		IN(PART(&to), {(void *)(uintptr_t)names, sizeof names}));
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert(has(flush(k), "ns/a/state "));
	kernel_free(k);
}
END_TEST

START_TEST(only_so_much_at_once)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	struct sent s = {.room = 2};

	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	fs_nudge(k->fs, take_path, &s);
	ck_assert_uint_eq(s.count, 2);
	fs_nudge(k->fs, take_path, &s);
	ck_assert_uint_eq(s.count, 2);
	s.room = 1000;
	fs_nudge(k->fs, take_path, &s);
	ck_assert_uint_gt(s.count, 3);
	ck_assert_uint_eq(k->fs->nudges, s.count);
	fs_nudged(k->fs, 1);
	ck_assert_uint_eq(k->fs->nudges, s.count - 1);
	fs_nudged(k->fs, 1000);
	ck_assert_uint_eq(k->fs->nudges, 0);
	kernel_free(k);
}
END_TEST

START_TEST(no_more_than_can_be_remembered)
{
	uint64_t dir, ns;
	struct kernel *k = watched_kernel(&dir);
	struct sent s = {.room = 1000};
	char name[8];
	int i;

	ns = PATH("ns");
	for (i = 0; i <= NUDGES_MAX; i++) {
		snprintf(name, sizeof name, "d%d", i);
		start_mkdir(k, ns, name);
		write_file(k, look(k, ns, name), "spec.yaml", "nonsense");
		forget_replies(k, 0);
	}
	fs_nudge(k->fs, take_path, &s);
	ck_assert_uint_eq(s.count, NUDGES_MAX);
	fs_nudged(k->fs, s.count);
	fs_nudge(k->fs, take_path, &s);
	ck_assert_uint_eq(s.count, NUDGES_MAX + 1);
	kernel_free(k);
}
END_TEST

START_TEST(what_was_under_way_is_told_again)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);
	struct sent s = {.room = 1000};

	ck_assert_int_eq(write_file(k, dir, "state", "sauce"), -EINVAL);
	fs_nudge(k->fs, take_path, &s);
	ck_assert_str_eq(s.text, "ns/a/error ns/a/log ");
	fs_nudged(k->fs, 1);
	fs_set_nudger(k->fs, 0);
	ck_assert_str_eq(flush(k), "");
	fs_set_nudger(k->fs, NUDGER + 1);
	ck_assert_str_eq(flush(k), "ns/a/log ");
	kernel_free(k);
}
END_TEST

START_TEST(what_is_removed_is_not_told)
{
	uint64_t dir;
	struct kernel *k = watched_kernel(&dir);

	ck_assert_int_eq(write_file(k, dir, "state", "sauce"), -EINVAL);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, PATH("ns"), "a"), 0);
	ck_assert_str_eq(flush(k), "");
	kernel_free(k);
}
END_TEST

/* It may open what nobody may write, and changes nothing. */
START_TEST(the_nudger_is_known)
{
	struct kernel *k;
	uint64_t dir, ino, fh = 1;
	struct fuse_setattr_in in = {.valid = FATTR_MTIME | FATTR_MTIME_NOW};
	int read_only;

	for (read_only = 0; read_only < 2; read_only++) {
		k = watched_kernel(&dir);
		k->fs->options.read_only = read_only;
		ino = look(k, dir, "conditions");
		ck_assert_int_eq(try_open(k, ino, O_WRONLY, &fh),
				 read_only ? -EROFS : -EACCES);
		k->pid = NUDGER;
		ck_assert_int_eq(try_open(k, ino, O_WRONLY, &fh), 0);
		ck_assert_uint_eq(fh, 0);
		ck_assert_int_eq(answer(k, ask(k, FUSE_SETATTR, ino,
					       IN(PART(&in))), NULL), 0);
		ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
		do_release(k, ino, fh);
		ck_assert_str_eq(flush(k), "");
		kernel_free(k);
	}
}
END_TEST

/* Whoever got its pid can't write by it what he could not write before. */
START_TEST(the_pid_alone_gives_no_right)
{
	uint64_t dir, ino, fh = 1;
	struct kernel *k = watched_kernel(&dir);

	ino = look(k, dir, "conditions");
	k->pid = NUDGER;
	ck_assert_int_eq(try_open(k, ino, O_WRONLY, &fh), 0);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, "x"), NULL),
			 -EACCES);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_nudge");
	TCase *c = tcase_create("nudges");

	tcase_add_test(c, what_changed_is_told_once);
	tcase_add_test(c, what_did_not_change_is_not_told);
	tcase_add_test(c, nobody_looks_nobody_is_told);
	tcase_add_test(c, a_file_is_known_without_its_directory);
	tcase_add_test(c, a_file_that_is_made_again_is_known);
	tcase_add_test(c, a_listing_with_attributes_counts);
	tcase_add_test(c, a_draft_that_becomes_real);
	tcase_add_test(c, a_write_under_way_is_waited_for);
	tcase_add_test(c, the_first_write_after_a_takeover_is_told_once);
	tcase_add_test(c, a_rename_is_told);
	tcase_add_test(c, only_so_much_at_once);
	tcase_add_test(c, no_more_than_can_be_remembered);
	tcase_add_test(c, what_was_under_way_is_told_again);
	tcase_add_test(c, what_is_removed_is_not_told);
	tcase_add_test(c, the_nudger_is_known);
	tcase_add_test(c, the_pid_alone_gives_no_right);
	suite_add_tcase(s, c);
	return run_suite(s);
}
