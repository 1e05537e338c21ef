/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch files, renames over attributes, and unlinks that are replacements. */
#include "fs_fixture.h"

#include "manifest.h"
#include "suite.h"

/* Opens a new file; its inode and, when asked for, its handle. */
static int create(struct kernel *k, uint64_t dir, const char *name,
		  uint32_t flags, uint64_t *ino)
{
	struct fuse_create_in in = {.flags = O_CREAT | O_WRONLY | flags,
				    .mode = S_IFREG | 0600};
	const struct reply *r;
	int rc = answer(k, ask(k, FUSE_CREATE, dir, IN(PART(&in), NAME(name))),
			&r);

	if (rc == 0 && ino)
		*ino = ((const struct fuse_entry_out *)(const void *)r->data)
			       ->nodeid;
	return rc;
}

static int write_at(struct kernel *k, uint64_t ino, uint64_t off,
		    const char *text)
{
	return answer(k, start_write(k, ino, 0, off, text), NULL);
}

/* A closed scratch file that holds @text. */
static uint64_t scratch(struct kernel *k, uint64_t dir, const char *name,
			const char *text)
{
	uint64_t ino = 0;

	ck_assert_int_eq(create(k, dir, name, O_EXCL, &ino), 0);
	if (*text)
		ck_assert_int_eq(write_at(k, ino, 0, text), 0);
	do_release(k, ino, 0);
	forget_replies(k, 0);
	return ino;
}

static uint64_t start_rename(struct kernel *k, uint64_t dir, const char *from,
			     const char *to)
{
	struct fuse_rename_in in = {.newdir = dir};
	char names[1024];
	size_t n = strlen(from) + 1, m = strlen(to) + 1;

	memcpy(names, from, n);
	memcpy(names + n, to, m);
	return ask(k, FUSE_RENAME, dir, IN(PART(&in), {names, n + m}));
}

static int do_rename(struct kernel *k, uint64_t dir, const char *from,
		     const char *to)
{
	uint64_t u = start_rename(k, dir, from, to);

	settle(k);
	return answer(k, u, NULL);
}

static int rename2(struct kernel *k, uint64_t dir, const char *from,
		   const char *to, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = dir, .flags = flags};
	char names[64];
	size_t n = strlen(from) + 1, m = strlen(to) + 1;

	memcpy(names, from, n);
	memcpy(names + n, to, m);
	return answer(k, ask(k, FUSE_RENAME2, dir,
			     IN(PART(&in), {names, n + m})), NULL);
}

static const struct fuse_attr *attributes(struct kernel *k, uint64_t ino)
{
	struct fuse_getattr_in in = {0};
	const struct reply *r;

	ck_assert_int_eq(answer(k, ask(k, FUSE_GETATTR, ino, IN(PART(&in))),
				&r), 0);
	return &((const struct fuse_attr_out *)(const void *)r->data)->attr;
}

static int set_attributes(struct kernel *k, uint64_t ino,
			  const struct fuse_setattr_in *in)
{
	return answer(k, ask(k, FUSE_SETATTR, ino, IN(PART(in))), NULL);
}

static const char *error_of(struct kernel *k, uint64_t dir)
{
	return read_file(k, dir, "error");
}

START_TEST(names_that_fit)
{
	const char *fit[] = {".state.swp", ".#x", "state.tmp", "state~",
			     "spec.yaml.new", "spec.yaml20261122-1.lock",
			     "log2", "hold_", "stateXYZ"};
	const char *unfit[] = {"staet", "states", "state", "x", "sed12ab",
			       "tate.tmp", "logs", "4913"};
	size_t i;

	for (i = 0; i < sizeof fit / sizeof *fit; i++)
		ck_assert_msg(scratch_name_fits(fit[i], false), "%s", fit[i]);
	for (i = 0; i < sizeof unfit / sizeof *unfit; i++) {
		ck_assert_msg(!scratch_name_fits(unfit[i], false), "%s",
			      unfit[i]);
		ck_assert(scratch_name_fits(unfit[i], true));
	}
}
END_TEST

START_TEST(bytes_are_kept)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	uint64_t ino = scratch(k, dir, "sedX", "hello"), fh;

	ck_assert_str_eq(read_file(k, dir, "sedX"), "hello");
	ck_assert_uint_eq(look(k, dir, "sedX"), ino);
	fh = do_open(k, ino, O_RDWR);
	ck_assert_int_eq(write_at(k, ino, 7, "x"), 0);
	ck_assert_uint_eq(attributes(k, ino)->size, 8);
	ck_assert_int_eq(write_at(k, ino, 0, "J"), 0);
	do_release(k, ino, fh);
	ck_assert_int_eq(memcmp(read_file(k, dir, "sedX"), "Jello\0\0x", 8), 0);
	do_release(k, ino, do_open(k, ino, O_WRONLY | O_TRUNC));
	ck_assert_str_eq(read_file(k, dir, "sedX"), "");
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "sedX"), 0);
	ck_assert_uint_eq(look(k, dir, "sedX"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(appending_goes_to_the_end)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	uint64_t ino = scratch(k, dir, ".s", "one");
	struct fuse_write_in in = {.size = 3, .flags = O_WRONLY | O_APPEND};

	ck_assert_int_eq(answer(k, ask(k, FUSE_WRITE, ino,
				       IN(PART(&in), TEXT("two"))), NULL), 0);
	ck_assert_str_eq(read_file(k, dir, ".s"), "onetwo");
	kernel_free(k);
}
END_TEST

START_TEST(attributes_are_as_they_were_set)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	uint64_t ino = scratch(k, dir, ".s", "one");
	struct fuse_setattr_in in = {
		.valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_MTIME |
			 FATTR_SIZE,
		.mode = 0640, .uid = 7, .gid = 8, .mtime = 99, .size = 2,
	};
	const struct fuse_attr *a = attributes(k, ino);

	ck_assert_uint_eq(a->mode, S_IFREG | 0600);
	ck_assert_uint_eq(a->nlink, 1);
	ck_assert_int_eq(set_attributes(k, ino, &in), 0);
	a = attributes(k, ino);
	ck_assert_uint_eq(a->mode, S_IFREG | 0640);
	ck_assert_uint_eq(a->uid, 7);
	ck_assert_uint_eq(a->gid, 8);
	ck_assert_uint_eq(a->mtime, 99);
	ck_assert_str_eq(read_file(k, dir, ".s"), "on");
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE,
				      .size = SCRATCH_SIZE_MAX + 1};
	ck_assert_int_eq(set_attributes(k, ino, &in), -EFBIG);
	in = (struct fuse_setattr_in){.valid = FATTR_MTIME | FATTR_MTIME_NOW};
	ck_assert_int_eq(set_attributes(k, ino, &in), 0);
	ck_assert_uint_eq(attributes(k, ino)->mtime,
			  (uint64_t)world_now(k->world) / 1000);
	kernel_free(k);
}
END_TEST

START_TEST(a_file_that_is_open_outlives_its_name)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	uint64_t ino = scratch(k, dir, ".s", "one"), fh = do_open(k, ino, 0);
	uint64_t again;
	const struct reply *r;

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, ".s"), 0);
	ck_assert_uint_eq(look(k, dir, ".s"), 0);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), &r), 0);
	ck_assert_uint_eq(r->len, 3);
	ck_assert_uint_eq(attributes(k, ino)->nlink, 0);
	do_release(k, ino, fh);
	ck_assert_int_eq(try_open(k, ino, 0, &fh), -ESTALE);
	again = scratch(k, dir, ".s", "");
	ck_assert_uint_ne(again, ino);
	kernel_free(k);
}
END_TEST

START_TEST(a_rename_writes)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), u, ino;
	const struct reply *r;

	ino = scratch(k, dir, "state.tmp", " promoting \n");
	u = start_rename(k, dir, "state.tmp", "state");
	/* Not before it is durable. */
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	settle(k);
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "promoting\n");
	ck_assert_uint_eq(look(k, dir, "state.tmp"), 0);
	ck_assert_int_eq(try_open(k, ino, 0, &u), -ESTALE);
	kernel_free(k);
}
END_TEST

START_TEST(a_rename_of_a_manifest_makes_it_real)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = look(k, make_draft(k), "a");

	scratch(k, dir, ".tmp", MANIFEST);
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_of(k, dir), "draft"));
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "spec.yaml"), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	ck_assert_str_eq(read_file(k, dir, "spec.yaml"), MANIFEST);
	kernel_free(k);
}
END_TEST

START_TEST(a_rename_is_refused_and_keeps_both)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	const struct {
		const char *text, *to;
		int code;
		const char *sentence;
	} cases[] = {
		{"demoting", "state", -EPERM, "demoting"},
		{"nonsense", "state", -EINVAL, "nonsense"},
		{"", "state", -EINVAL, "white space"},
		{"", "spec.yaml", -EINVAL, ""},
		{"a: b\n", "spec.yaml", -EINVAL, "a"},
		{"x", "lag", -EACCES, ""},
		{"x", "plan", -EISDIR, ""},
		{"x", "staet", -EINVAL, "did you mean 'state'?"},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		scratch(k, dir, ".tmp", cases[i].text);
		ck_assert_int_eq(do_rename(k, dir, ".tmp", cases[i].to),
				 cases[i].code);
		ck_assert_ptr_nonnull(strstr(error_of(k, dir),
					     cases[i].sentence));
		ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
		ck_assert_str_eq(read_file(k, dir, ".tmp"), cases[i].text);
		ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, ".tmp"), 0);
		forget_replies(k, 0);
	}
	kernel_free(k);
}
END_TEST

START_TEST(a_rename_that_the_store_refuses)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	scratch(k, dir, ".tmp", "promoting");
	k->save_rc = -ENOSPC;
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), -ENOSPC);
	k->save_rc = 0;
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(too_much_to_be_a_manifest)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	struct fuse_setattr_in in = {.valid = FATTR_SIZE,
				     .size = MANIFEST_MAX + 1};

	ck_assert_int_eq(set_attributes(k, scratch(k, dir, ".tmp", ""), &in),
			 0);
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "spec.yaml"), -EFBIG);
	ck_assert_ptr_nonnull(strstr(error_of(k, dir), "longer"));
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), -EFBIG);
	kernel_free(k);
}
END_TEST

START_TEST(other_renames)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns"), a, b;
	struct fuse_rename_in in = {.newdir = ns};
	const char names[] = ".b\0.c";

	a = scratch(k, dir, ".a", "a");
	b = scratch(k, dir, ".b", "b");
	ck_assert_int_eq(do_rename(k, dir, ".a", ".a"), 0);
	ck_assert_int_eq(rename2(k, dir, ".a", ".b", RENAME_NOREPLACE),
			 -EEXIST);
	ck_assert_int_eq(rename2(k, dir, ".a", ".b", RENAME_EXCHANGE), -EINVAL);
	ck_assert_int_eq(do_rename(k, dir, ".a", ".b"), 0);
	ck_assert_uint_eq(look(k, dir, ".b"), a);
	ck_assert_uint_eq(look(k, dir, ".a"), 0);
	ck_assert_int_eq(try_open(k, b, 0, &b), -ESTALE);
	ck_assert_int_eq(do_rename(k, dir, ".b", "state.bak"), 0);
	ck_assert_int_eq(do_rename(k, dir, "state.bak", ".b"), 0);
	ck_assert_int_eq(answer(k, ask(k, FUSE_RENAME, dir,
				       IN(PART(&in), {(void *)(uintptr_t)names,
						      sizeof names})), NULL),
			 -EXDEV);
	ck_assert_int_eq(do_rename(k, dir, "state", "state.bak"), -EPERM);
	ck_assert_ptr_nonnull(strstr(error_of(k, dir), "copy it"));
	ck_assert_int_eq(do_rename(k, dir, ".none", "state"), -ENOENT);
	ck_assert_int_eq(do_rename(k, ns, "a", "b"), -EPERM);
	ck_assert_int_eq(do_rename(k, 1, "ns", "sn"), -EPERM);
	kernel_free(k);
}
END_TEST

START_TEST(directories_serve_as_locks)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), lock;

	ck_assert_int_eq(answer(k, start_mkdir(k, dir, "state2026.lock"), NULL),
			 0);
	ck_assert_int_eq(answer(k, start_mkdir(k, dir, "state2026.lock"), NULL),
			 -EEXIST);
	lock = look(k, dir, "state2026.lock");
	ck_assert_uint_eq(attributes(k, lock)->mode, S_IFDIR | 0755);
	ck_assert_int_eq(create(k, lock, ".x", O_EXCL, NULL), -EPERM);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, lock, "x"), -ENOENT);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state2026.lock"),
			 -EISDIR);
	ck_assert_int_eq(do_rename(k, dir, "state2026.lock", "state"),
			 -ENOTDIR);
	scratch(k, dir, ".f", "");
	ck_assert_int_eq(do_rename(k, dir, ".f", "state2026.lock"), -EISDIR);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, dir, ".f"), -ENOTDIR);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, dir, "state2026.lock"), 0);
	ck_assert_uint_eq(look(k, dir, "state2026.lock"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(there_are_only_so_many_here)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	char name[32];
	unsigned i;

	for (i = 0; i < SCRATCH_HERE_MAX; i++) {
		snprintf(name, sizeof name, ".%u", i);
		scratch(k, dir, name, "");
	}
	ck_assert_int_eq(create(k, dir, ".more", O_EXCL, NULL), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error_of(k, dir), "scratch files"));
	/* One that is in use does not go by its age. */
	do_open(k, look(k, dir, ".7"), O_WRONLY);
	world_tick(k->world, world_now(k->world) + SCRATCH_AGE_MS);
	ck_assert_int_eq(create(k, dir, ".more", O_EXCL, NULL), 0);
	ck_assert_uint_eq(look(k, dir, ".0"), 0);
	ck_assert_uint_ne(look(k, dir, ".7"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(a_user_has_only_so_many_bytes)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = 0;
	struct fuse_setattr_in in = {.valid = FATTR_SIZE,
				     .size = SCRATCH_SIZE_MAX};
	char name[32];
	unsigned i;

	for (i = 0; i < SCRATCH_USER_BYTES / SCRATCH_SIZE_MAX; i++) {
		snprintf(name, sizeof name, ".%u", i);
		ino = scratch(k, dir, name, "");
		ck_assert_int_eq(set_attributes(k, ino, &in), 0);
	}
	ino = scratch(k, dir, ".more", "");
	ck_assert_int_eq(set_attributes(k, ino, &in), -EDQUOT);
	ck_assert_int_eq(write_at(k, ino, 0, "x"), -EDQUOT);
	ck_assert_int_eq(write_at(k, ino, UINT64_MAX - 1, "x"), -EFBIG);
	ck_assert_uint_eq(attributes(k, ino)->size, 0);
	/* What nobody needs any more makes room, but not the file itself. */
	world_tick(k->world, world_now(k->world) + SCRATCH_AGE_MS);
	ck_assert_int_eq(set_attributes(k, ino, &in), 0);
	kernel_free(k);
}
END_TEST

START_TEST(names_that_are_too_long)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	char name[300];

	memset(name, '.', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ck_assert_int_eq(create(k, dir, name, O_EXCL, NULL), -ENAMETOOLONG);
	kernel_free(k);
}
END_TEST

START_TEST(removal_takes_them_along)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns"), fh;
	uint64_t ino = scratch(k, dir, ".a", "a");
	uint64_t open = scratch(k, dir, ".b", "b");
	const struct reply *r;

	fh = do_open(k, open, 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_int_eq(try_open(k, ino, 0, &ino), -ESTALE);
	ck_assert_int_eq(answer(k, start_read(k, open, fh, 0, 0), &r), 0);
	do_release(k, open, fh);
	kernel_free(k);
}
END_TEST

/* install(1): unlink, then create exclusively. */
START_TEST(unlink_then_create_is_a_write)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), state = look(k, dir, "state");
	uint64_t ino = 0, u;

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, dir, "state"), -ENOENT);
	k->pid = getppid();	/* to others it is there, and can't be made */
	ck_assert_uint_eq(look(k, dir, "state"), state);
	ck_assert_int_eq(create(k, dir, "state", O_EXCL, NULL), -EEXIST);
	k->pid = getpid();
	ck_assert_int_eq(create(k, dir, "state", O_EXCL, &ino), 0);
	ck_assert_uint_eq(ino, state);
	ck_assert_uint_eq(look(k, dir, "state"), state);
	u = start_write(k, ino, do_open(k, ino, O_WRONLY), 0, "promoting\n");
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "promoting\n");
	/* It has made again what it took away: this is no rm -r. */
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "mode"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(a_hidden_name_comes_back)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	world_tick(k->world, world_now(k->world) + 1900);
	ck_assert_int_eq(ask_name(k, FUSE_LOOKUP, dir, "state"), -ENOENT);
	world_tick(k->world, world_now(k->world) + 100);
	ck_assert_uint_ne(look(k, dir, "state"), 0);
	kernel_free(k);
}
END_TEST

/* Two users in other pid namespaces: both are process 0. */
START_TEST(who_can_not_be_seen_is_nobody_for_long)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	k->pid = 0;
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	world_tick(k->world, world_now(k->world) + 1900);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "mode"), -EPERM);
	world_tick(k->world, world_now(k->world) + 100);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "mode"), 0);
	kernel_free(k);
}
END_TEST

/* While it is hidden from somebody nobody may cache the name. */
START_TEST(a_hidden_name_is_not_cached)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);
	const struct fuse_entry_out *e;
	const struct reply *r;

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	k->pid = getppid();
	ck_assert_int_eq(answer(k, ask(k, FUSE_LOOKUP, dir, IN(NAME("state"))),
				&r), 0);
	e = (const struct fuse_entry_out *)(const void *)r->data;
	ck_assert_uint_eq(e->entry_valid, 0);
	ck_assert_uint_eq(e->attr.nlink, 2);
	ck_assert_int_eq(answer(k, ask(k, FUSE_LOOKUP, dir, IN(NAME("mode"))),
				&r), 0);
	e = (const struct fuse_entry_out *)(const void *)r->data;
	ck_assert_uint_gt(e->entry_valid, 0);
	kernel_free(k);
}
END_TEST

START_TEST(what_can_not_be_unlinked)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "plan"), -EISDIR);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "none"), -ENOENT);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, look(k, dir, "plan"),
				  "promoting"), -EPERM);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, PATH(".uvrfs"), "help"),
			 -EPERM);
	kernel_free(k);
}
END_TEST

/* The kernel asks for the directory's permissions only. */
START_TEST(who_may_not_write_may_not_replace)
{
	static const struct access_rule rule = {
		.namespace = "", .owner = 1, .group = 2,
		.directory_mode = 0777, .file_mode = 0644,
	};
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k);

	k->fs->options.access = &rule;
	k->fs->options.access_count = 1;
	k->uid = 3;
	scratch(k, dir, ".tmp", "promoting");
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), -EACCES);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, dir, "state"), 0);
	ck_assert_int_eq(create(k, dir, "state", O_EXCL, NULL), -EACCES);
	k->uid = 1;
	ck_assert_int_eq(do_rename(k, dir, ".tmp", "state"), 0);
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_scratch");
	TCase *c = tcase_create("scratch");

	tcase_add_test(c, names_that_fit);
	tcase_add_test(c, bytes_are_kept);
	tcase_add_test(c, appending_goes_to_the_end);
	tcase_add_test(c, attributes_are_as_they_were_set);
	tcase_add_test(c, a_file_that_is_open_outlives_its_name);
	tcase_add_test(c, a_rename_writes);
	tcase_add_test(c, a_rename_of_a_manifest_makes_it_real);
	tcase_add_test(c, a_rename_is_refused_and_keeps_both);
	tcase_add_test(c, a_rename_that_the_store_refuses);
	tcase_add_test(c, too_much_to_be_a_manifest);
	tcase_add_test(c, other_renames);
	tcase_add_test(c, directories_serve_as_locks);
	tcase_add_test(c, there_are_only_so_many_here);
	tcase_add_test(c, a_user_has_only_so_many_bytes);
	tcase_add_test(c, names_that_are_too_long);
	tcase_add_test(c, removal_takes_them_along);
	tcase_add_test(c, unlink_then_create_is_a_write);
	tcase_add_test(c, a_hidden_name_comes_back);
	tcase_add_test(c, who_can_not_be_seen_is_nobody_for_long);
	tcase_add_test(c, a_hidden_name_is_not_cached);
	tcase_add_test(c, what_can_not_be_unlinked);
	tcase_add_test(c, who_may_not_write_may_not_replace);
	suite_add_tcase(s, c);
	return run_suite(s);
}
