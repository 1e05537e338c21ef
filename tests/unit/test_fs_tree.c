/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of the tree: names, listings, making and removing. */
#include "fs_fixture.h"
#include "suite.h"

static int create(struct kernel *k, uint64_t dir, const char *name)
{
	struct fuse_create_in in = {.flags = O_CREAT | O_WRONLY};

	return answer(k, ask(k, FUSE_CREATE, dir, IN(PART(&in), NAME(name))),
		      NULL);
}

/*
 * Lists @dir from @off on, at most @size bytes at once; puts the names with a
 * blank after each into @out and returns where to go on.
 */
static uint64_t list(struct kernel *k, uint64_t dir, uint64_t off,
		     uint32_t size, char *out)
{
	struct fuse_read_in in = {.offset = off, .size = size};
	const struct fuse_dirent *d;
	const struct reply *r;
	size_t at = 0;

	ck_assert_int_eq(answer(k, ask(k, FUSE_READDIR, dir, IN(PART(&in))),
				&r), 0);
	*out = '\0';
	while (at < r->len) {
		d = (const struct fuse_dirent *)(const void *)(r->data + at);
		out += snprintf(out, 320, "%.*s ", (int)d->namelen, d->name);
		off = d->off;
		at += (size_t)FUSE_DIRENT_SIZE(d);
	}
	return off;
}

START_TEST(names_are_as_in_the_table)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	char names[4096];

	list(k, dir, 0, 4096, names);
	ck_assert_str_eq(names, ". .. state conditions endpoints mode "
				"schedule volumes spec.yaml status.json "
				"backend lag progress error hold log history "
				"plan ");
	ck_assert_uint_ne(look(k, dir, "wait"), 0);
	list(k, look(k, dir, "plan"), 0, 4096, names);
	ck_assert_str_eq(names, ". .. promoting syncing remove ");
	list(k, 1, 0, 4096, names);
	ck_assert_str_eq(names, ". .. .uvrfs ns ");
	kernel_free(k);
}
END_TEST

START_TEST(every_file_reads)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	unsigned i;

	for (i = 0; i < attribute_files.count; i++)
		if (attribute_files.rows[i].kind == KIND_ATTRIBUTE)
			read_file(k, dir, attribute_files.rows[i].name);
	ck_assert_int_eq(strncmp(read_file(k, look(k, dir, "plan"),
					   "promoting"), "allowed\n", 8), 0);
	ck_assert_str_eq(read_file(k, dir, "lag"), "unknown\n");
	ck_assert_str_eq(read_file(k, dir, "progress"), "-\n");
	forget_replies(k, 0);
	dir = look(k, 1, ".uvrfs");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "summary"), "replica"));
	ck_assert_str_eq(read_file(k, dir, "health"), "ok\n");
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "audit"), "created"));
	ck_assert_str_eq(read_file(k, PATH(".uvrfs", "backends", "fake"),
				   "type"), "fake\n");
	ck_assert_str_eq(read_file(k, PATH(".uvrfs", "backends", "fake"),
				   "available"), "yes\n");
	kernel_free(k);
}
END_TEST

START_TEST(views_lead_to_replications)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), link;
	const struct reply *r;
	char names[4096];

	link = PATH(".uvrfs", "by-state", "replica", "ns:a");
	ck_assert_int_eq(answer(k, ask(k, FUSE_READLINK, link, IN({0})), &r),
			 0);
	ck_assert_mem_eq(r->data, "../../../ns/a", 13);
	ck_assert_uint_eq(PATH(".uvrfs", "by-source", "prod", "ns:a"), link);
	ck_assert_uint_eq(PATH(".uvrfs", "by-source", "east", "ns:a"), link);
	ck_assert_uint_eq(look(k, PATH(".uvrfs", "by-source"), "dr"), 0);
	ck_assert_uint_eq(look(k, PATH(".uvrfs", "by-state", "source"),
			       "ns:a"), 0);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	ck_assert_uint_eq(look(k, PATH(".uvrfs", "by-state", "replica"),
			       "ns:a"), 0);
	list(k, PATH(".uvrfs", "by-state", "promoting"), 0, 4096, names);
	ck_assert_str_eq(names, ". .. ns:a ");
	kernel_free(k);
}
END_TEST

/* What is removed between two parts of a listing moves nothing else. */
START_TEST(listing_goes_on_after_a_removal)
{
	struct kernel *k = kernel_new(false);
	uint64_t ns = make_draft(k), next;
	char names[4096];

	start_mkdir(k, ns, "b");
	start_mkdir(k, ns, "c");
	start_mkdir(k, ns, "d");
	next = list(k, ns, 0, 3 * 32, names);
	ck_assert_str_eq(names, ". .. a ");
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "b"), 0);
	start_mkdir(k, ns, "e");
	list(k, ns, next, 4096, names);
	ck_assert_str_eq(names, "c d e ");
	kernel_free(k);
}
END_TEST

START_TEST(typos_get_a_sentence)
{
	struct kernel *k = kernel_new(false);
	uint64_t ns = make_draft(k), dir = look(k, ns, "a");

	ck_assert_int_eq(create(k, dir, "state"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "draft"));
	ck_assert_int_eq(write_file(k, dir, "spec.yaml", MANIFEST), 0);
	ck_assert_int_eq(create(k, dir, "staet"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"),
				     "did you mean 'state'?"));
	ck_assert_int_eq(create(k, dir, "zzzzzzzzzz"), -EINVAL);
	/* One that appeared between the look-up and this. */
	ck_assert_int_eq(create(k, dir, "state"), 0);
	ck_assert_int_eq(create(k, dir, "lag"), -EACCES);
	ck_assert_int_eq(create(k, 1, "file"), -EPERM);
	ck_assert_int_eq(create(k, ns, "file"), -EPERM);
	kernel_free(k);
}
END_TEST

START_TEST(directories_that_can_not_be_made)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	ck_assert_int_eq(answer(k, start_mkdir(k, 1, "Bad_"), NULL), -EINVAL);
	ck_assert_int_eq(answer(k, start_mkdir(k, 1, ".uvrfs"), NULL),
			 -EINVAL);
	ck_assert_int_eq(answer(k, start_mkdir(k, dir, "x"), NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "'x'"));
	ck_assert_int_eq(answer(k, start_mkdir(k, look(k, dir, "plan"), "x"),
				NULL), -EPERM);
	ck_assert_int_eq(answer(k, start_mkdir(k, PATH("ns"), "a"), NULL),
			 -EEXIST);
	ck_assert_int_eq(answer(k, start_mkdir(k, PATH("ns"), "A"), NULL),
			 -EINVAL);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, 1, ".uvrfs"), -EPERM);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, dir, "plan"), -EPERM);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, dir, "state"), -ENOTDIR);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, dir, "nothing"), -ENOENT);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, 1, "ns"), -ENOTEMPTY);
	kernel_free(k);
}
END_TEST

START_TEST(removing_a_tree_removes_nothing)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns");

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -ENOTEMPTY);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "mode"), -EPERM);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "rmdir"));
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -ENOTEMPTY);
	k->pid = getppid();
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	k->pid = getpid();
	ck_assert_uint_eq(look(k, ns, "a"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, 1, "ns"), 0);
	ck_assert_uint_eq(look(k, 1, "ns"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(an_unlink_is_remembered_for_minutes)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns");

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	/* An `rm -ri` waits for its user between one file and the next. */
	world_tick(k->world, world_now(k->world) + 599900);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "mode"), -EPERM);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -ENOTEMPTY);
	world_tick(k->world, world_now(k->world) + 100);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(removed_directory_is_stale_but_can_be_left)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns");
	uint64_t state = look(k, dir, "state"), fh = do_open(k, state, 0);
	struct fuse_getattr_in in = {0};
	char names[64];

	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_int_eq(answer(k, start_read(k, state, fh, 0, 0), NULL),
			 -ESTALE);
	ck_assert_int_eq(try_open(k, state, 0, &fh), -ESTALE);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, dir, "state"), -ESTALE);
	ck_assert_int_eq(answer(k, ask(k, FUSE_GETATTR, dir, IN(PART(&in))),
				NULL), 0);
	list(k, dir, 0, 4096, names);
	ck_assert_str_eq(names, "");
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "a"), NULL), 0);
	ck_assert_uint_ne(look(k, ns, "a"), dir);
	kernel_free(k);
}
END_TEST

START_TEST(waiters_of_a_removed_replication)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns"), u;
	uint64_t ino = look(k, dir, "wait");

	/* Nothing is seen of it, so that it stays undecided. */
	k->act_rc = -EAGAIN;
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	u = start_read(k, ino, do_open(k, ino, 0), 0, 0);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -EBUSY);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	k->fs->listener.vanishing(&k->fs->listener,
				  world_next(k->world, 0));
	ck_assert_int_eq(answer(k, u, NULL), -ENOENT);
	kernel_free(k);
}
END_TEST

START_TEST(read_only_is_our_own_answer)
{
	struct kernel *k = kernel_new(true);
	uint64_t fh;

	ck_assert_int_eq(answer(k, start_mkdir(k, 1, "ns"), NULL), -EROFS);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, 1, "ns"), -EROFS);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, 1, "ns"), -EROFS);
	ck_assert_int_eq(create(k, 1, "ns"), -EROFS);
	ck_assert_int_eq(try_open(k, PATH(".uvrfs", "help"), O_WRONLY, &fh),
			 -EROFS);
	ck_assert_int_eq(try_open(k, PATH(".uvrfs", "help"), 0, &fh), 0);
	kernel_free(k);
}
END_TEST

START_TEST(what_can_not_be_written)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), fh;

	ck_assert_int_eq(try_open(k, look(k, dir, "lag"), O_WRONLY, &fh),
			 -EACCES);
	ck_assert_int_eq(try_open(k, look(k, dir, "log"), O_RDWR, &fh),
			 -EACCES);
	ck_assert_int_eq(answer(k, start_write(k, look(k, dir, "lag"), 1, 0,
					       "x"), NULL), -EACCES);
	ck_assert_int_eq(answer(k, start_write(k, 12345678, 1, 0, "x"), NULL),
			 -ESTALE);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_tree");
	TCase *c = tcase_create("directories");

	tcase_add_test(c, names_are_as_in_the_table);
	tcase_add_test(c, every_file_reads);
	tcase_add_test(c, views_lead_to_replications);
	tcase_add_test(c, listing_goes_on_after_a_removal);
	tcase_add_test(c, typos_get_a_sentence);
	tcase_add_test(c, directories_that_can_not_be_made);
	tcase_add_test(c, removing_a_tree_removes_nothing);
	tcase_add_test(c, an_unlink_is_remembered_for_minutes);
	tcase_add_test(c, removed_directory_is_stale_but_can_be_left);
	tcase_add_test(c, waiters_of_a_removed_replication);
	tcase_add_test(c, read_only_is_our_own_answer);
	tcase_add_test(c, what_can_not_be_written);
	suite_add_tcase(s, c);
	return run_suite(s);
}
