/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replication's life on a local store in memory, a step at a time, through
 * the requests of a kernel that takes any errno for an answer.  What a step has
 * to come to is known, so a test can let it fail anywhere and do it again.
 */
#ifndef UVRFS_FS_SCENARIO_H
#define UVRFS_FS_SCENARIO_H

#include "fs_fixture.h"
#include "store.h"

#include <ftw.h>

#define TEXT_MAX (1 << 16)

static char store_dir[64];
static struct store *disk;

/* --- requests that may fail: 0 or a negative errno --- */

static int reply_to(struct kernel *k, uint64_t unique, struct reply *out)
{
	const struct reply *r;
	int rc = answer(k, unique, &r);

	if (rc == 0 && out)
		*out = *r;
	forget_replies(k, 0);
	return rc;
}

/* The same once everything that is under way has ended: nobody is forgotten. */
static int late_reply_to(struct kernel *k, uint64_t unique)
{
	int rc;

	settle(k);
	rc = reply_to(k, unique, NULL);
	ck_assert_int_ne(rc, NO_REPLY);
	return rc;
}

static struct reply reply_room;

static int walk(struct kernel *k, const char *names, uint64_t *ino)
{
	char copy[256], *name, *rest = copy;
	struct fuse_entry_out entry;
	int rc = 0;

	snprintf(copy, sizeof copy, "%s", names);
	*ino = 1;
	while (rc == 0 && (name = strsep(&rest, "/"))) {
		rc = reply_to(k, ask(k, FUSE_LOOKUP, *ino, IN(NAME(name))),
			      &reply_room);
		memcpy(&entry, reply_room.data, sizeof entry);
		if (rc == 0)
			*ino = entry.nodeid;
	}
	return rc;
}

static int open_at(struct kernel *k, const char *names, uint32_t flags,
		   uint64_t *ino, uint64_t *fh)
{
	int rc = walk(k, names, ino);

	if (rc == 0)
		rc = try_open(k, *ino, flags, fh);
	forget_replies(k, 0);
	return rc;
}

static void close_at(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	reply_to(k, ask(k, FUSE_RELEASE, ino, IN(PART(&in))), NULL);
}

static int put_text(struct kernel *k, const char *names, const char *text)
{
	uint64_t ino, fh;
	int rc = open_at(k, names, O_WRONLY | O_TRUNC, &ino, &fh);

	if (rc)
		return rc;
	rc = late_reply_to(k, start_write(k, ino, fh, 0, text));
	if (rc == 0)
		rc = late_reply_to(k, start_flush(k, ino, fh));
	close_at(k, ino, fh);
	return rc;
}

static int get_text(struct kernel *k, const char *names,
		    char text[static TEXT_MAX])
{
	uint64_t ino, fh;
	int rc = open_at(k, names, O_RDONLY, &ino, &fh);

	*text = '\0';
	if (rc)
		return rc;
	rc = reply_to(k, start_read(k, ino, fh, 0, 0), &reply_room);
	if (rc == 0)
		memcpy(text, reply_room.data, reply_room.len);
	if (rc == 0)
		text[reply_room.len] = '\0';
	close_at(k, ino, fh);
	return rc;
}

static int make_at(struct kernel *k, const char *parent, const char *name)
{
	uint64_t ino = 1;
	int rc = *parent ? walk(k, parent, &ino) : 0;

	return rc ? rc : late_reply_to(k, start_mkdir(k, ino, name));
}

static int remove_at(struct kernel *k, const char *parent, const char *name)
{
	uint64_t ino = 1;
	int rc = *parent ? walk(k, parent, &ino) : 0;

	return rc ? rc : late_reply_to(k, ask(k, FUSE_RMDIR, ino,
					      IN(NAME(name))));
}

/* --- the steps --- */

static int make_namespace(struct kernel *k)
{
	return make_at(k, "", "ns");
}

static int draft(struct kernel *k)
{
	return make_at(k, "ns", "a");
}

static int write_spec(struct kernel *k)
{
	return put_text(k, "ns/a/spec.yaml", MANIFEST);
}

static int hold(struct kernel *k)
{
	return put_text(k, "ns/a/hold", "not now\n");
}

static int let_go(struct kernel *k)
{
	return put_text(k, "ns/a/hold", "\n");
}

static int set_mode(struct kernel *k)
{
	return put_text(k, "ns/a/mode", "synchronous\n");
}

/* Opens a scratch file, that of a try before if it is there. */
static int open_scratch(struct kernel *k, const char *name, uint64_t *ino,
			uint64_t *fh)
{
	struct fuse_create_in in = {
		.flags = O_WRONLY | O_CREAT, .mode = S_IFREG | 0644};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	char path[64];
	uint64_t dir;
	int rc;

	snprintf(path, sizeof path, "ns/a/%s", name);
	rc = open_at(k, path, O_WRONLY | O_TRUNC, ino, fh);
	if (rc != -ENOENT)
		return rc;
	rc = walk(k, "ns/a", &dir);
	if (rc == 0)
		rc = reply_to(k, ask(k, FUSE_CREATE, dir,
				     IN(PART(&in), NAME(name))), &reply_room);
	memcpy(&out, reply_room.data, sizeof out);
	*ino = out.entry.nodeid;
	*fh = out.open.fh;
	return rc;
}

/* As Ansible does: beside it, and renamed over it. */
static int replace_schedule(struct kernel *k)
{
	static const char names[] = ".t\0schedule";
	struct fuse_rename2_in to = {0};
	uint64_t ino, fh;
	int rc = open_scratch(k, ".t", &ino, &fh);

	if (rc)
		return rc;
	rc = late_reply_to(k, start_write(k, ino, fh, 0,
					  "mode: interval\nrpo: 7m\n"));
	close_at(k, ino, fh);
	if (rc == 0)
		rc = walk(k, "ns/a", &to.newdir);
	if (rc)
		return rc;
	return late_reply_to(k, ask(k, FUSE_RENAME2, to.newdir,
				    IN(PART(&to), {(void *)(uintptr_t)names,
						   sizeof names})));
}

static int promote(struct kernel *k)
{
	return put_text(k, "ns/a/state", "promoting\n");
}

static int become_source(struct kernel *k)
{
	return put_text(k, "ns/a/state", "source\n");
}

static int swap(struct kernel *k)
{
	return put_text(k, "ns/a/endpoints", "swap\n");
}

static int remove_replication(struct kernel *k)
{
	return remove_at(k, "ns", "a");
}

static int remove_namespace(struct kernel *k)
{
	return remove_at(k, "", "ns");
}

/* In their order; and what is true once one is done. */
static const struct step {
	int (*run)(struct kernel *k);
	const char *file;
	const char *text;		/* NULL: it is not there */
} steps[] = {
	{make_namespace, "ns/a", NULL},
	{draft, "ns/a/error", ""},
	{write_spec, "ns/a/wait", "verified: replica\n"},
	{hold, "ns/a/hold", "not now\n"},
	{let_go, "ns/a/hold", ""},
	{set_mode, "ns/a/mode", "synchronous\n"},
	{replace_schedule, "ns/a/schedule", "mode: interval\nrpo: 7m\n"},
	{promote, "ns/a/wait", "verified: promoting\n"},
	{become_source, "ns/a/wait", "verified: source\n"},
	{swap, "ns/a/wait", "verified: source\n"},
	{remove_replication, "ns/a", NULL},
	{remove_namespace, "ns", NULL},
};

#define STEPS ((int)(sizeof steps / sizeof *steps))

/* Time goes by, with all that is done in it. */
static void pass(struct kernel *k, int64_t ms)
{
	OURS(true);
	world_tick(k->world, world_now(k->world) + ms);
	OURS(false);
	settle(k);
	serve(k);
	forget_replies(k, 0);
}

static bool is_done(struct kernel *k, const struct step *s)
{
	char text[TEXT_MAX];
	uint64_t ino;

	if (!s->text)
		return walk(k, s->file, &ino) == -ENOENT;
	return get_text(k, s->file, text) == 0 && strcmp(text, s->text) == 0;
}

/* What was accepted comes about by itself, well within its deadline. */
static void await(struct kernel *k, const struct step *s)
{
	char text[TEXT_MAX];
	int i;

	for (i = 0; i < 20 && !is_done(k, s); i++)
		pass(k, 1000);
	if (!is_done(k, s)) {
		get_text(k, s->file, text);
		ck_abort_msg("%s is '%s', not '%s'", s->file, text,
			     s->text ? s->text : "gone");
	}
}

/* --- daemons --- */

static struct kernel *start(const struct observation *seen)
{
	struct error err;

	disk = store_local_open(store_dir, "", &err);
	ck_assert_msg(disk != NULL, "%s", err.msg);
	return kernel_over(disk, seen, false);
}

/* What kill -9 would leave: nothing is written at an end. */
static UNUSED void stop(struct kernel *k)
{
	kernel_free(k);
	disk->ops->close(disk);
}

/* A new daemon finds the storage as this one left it. */
static UNUSED struct kernel *restart(struct kernel *k)
{
	struct observation seen = k->seen;

	stop(k);
	k = start(&seen);
	pass(k, 1000);
	return k;
}

/* What users see that has to be there after a restart. */
static void picture(struct kernel *k, char out[static TEXT_MAX])
{
	static const char *const files[] = {"state", "endpoints", "mode",
					    "schedule", "hold", "history"};
	char name[64], text[TEXT_MAX];
	size_t i, n = 0;
	uint64_t ino;
	int rc;

	n += (size_t)snprintf(out, TEXT_MAX, "ns: %d\n", walk(k, "ns", &ino));
	for (i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(name, sizeof name, "ns/a/%s", files[i]);
		rc = get_text(k, name, text);
		if (rc == -ESTALE)
			rc = -ENOENT;
		n += (size_t)snprintf(out + n, TEXT_MAX - n, "%s: %d %.4000s\n",
				      files[i], rc, rc ? "" : text);
	}
}

static UNUSED bool is_draft(struct kernel *k)
{
	uint64_t ino;

	return walk(k, "ns/a", &ino) == 0 &&
	       walk(k, "ns/a/state", &ino) == -ENOENT;
}

/* In memory where there is a file system of it: thousands are made. */
static void make_store(void)
{
	snprintf(store_dir, sizeof store_dir, "%s/uvrfs-store.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(store_dir));
}

static int remove_one(const char *name, const struct stat *st, int kind,
		      struct FTW *at)
{
	return remove(name);
}

static void remove_store(void)
{
	ck_assert_int_eq(nftw(store_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS),
			 0);
}

/* A daemon with the first @count steps done. */
static struct kernel *begin(int count)
{
	struct observation seen = {0};
	struct kernel *k;
	int i;

	make_store();
	make_storage(&seen);
	k = start(&seen);
	for (i = 0; i < count; i++) {
		ck_assert_int_eq(steps[i].run(k), 0);
		await(k, &steps[i]);
	}
	/* At rest: no look that was due anyway helps what comes now. */
	pass(k, 5000);
	return k;
}

#endif
