/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a former daemon had already, as the kernel sends them again;
 * handles and pollers of its.
 */
#include "fs_fixture.h"
#include "suite.h"

#include <poll.h>
#include <sys/stat.h>

#define RESENT (UINT64_C(1) << 63)

static struct fs_kept kept;

static struct kernel *kernel_kept(void)
{
	struct kernel *k = kernel_new(false);

	k->options.kept = k->fs->options.kept = &kept;
	takeover_begin(k->fs);
	return k;
}

/* The daemon leaves, and the next one answers at the same mount. */
static void restart(struct kernel *k)
{
	fs_leave(k->fs);
	fs_free(k->fs);
	close(k->socket);
	connect_kernel(k);
	k->fs->taken_over = true;
}

/* The next request of ours will be the one of this number, once more. */
static uint64_t again(struct kernel *k, uint64_t unique)
{
	uint64_t last = k->unique;

	k->unique = (unique | RESENT) - 2;
	return last;
}

static uint64_t write_word(struct kernel *k, uint64_t dir, const char *text)
{
	uint64_t ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_WRONLY);
	uint64_t u = start_write(k, ino, fh, 0, text);

	settle(k);
	return u;
}

/* A promotion that is accepted and comes to nothing yet. */
static uint64_t ask_in_vain(struct kernel *k, uint64_t dir)
{
	uint64_t u;

	k->act_rc = -EAGAIN;
	u = write_word(k, dir, "promoting");
	ck_assert_int_eq(answer(k, u, NULL), 0);
	return u;
}

/* The same write comes again; its answer. */
static int write_again(struct kernel *k, uint64_t dir, const char *text,
		       uint64_t unique)
{
	uint64_t ino = look(k, dir, "state"), last = again(k, unique), u;
	int rc;

	u = start_write(k, ino, 40, 0, text);
	settle(k);
	rc = answer(k, u, NULL);
	k->unique = last;
	forget_replies(k, RESENT);
	return rc;
}

START_TEST(what_was_accepted_is_not_asked_again)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k);
	uint64_t u = ask_in_vain(k, dir);

	/* Somebody else rolls it back, by way of another daemon it may be. */
	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	restart(k);
	ck_assert_int_eq(write_again(k, dir, "promoting", u), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	kernel_free(k);
}
END_TEST

START_TEST(what_was_not_accepted_is)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k);
	uint64_t u = k->unique += 2;

	restart(k);
	ck_assert_int_eq(write_again(k, dir, "nonsense", u), -EINVAL);
	ck_assert_int_eq(write_again(k, dir, "promoting", u), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "promoting\n");
	kernel_free(k);
}
END_TEST

/* The numbers of requests begin anew with each mount. */
START_TEST(what_another_mount_asked_is_something_else)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k);
	uint64_t u = ask_in_vain(k, dir);

	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	restart(k);
	kept.mount_id++;
	ck_assert_int_eq(write_again(k, dir, "promoting", u), 0);
	ck_assert_str_eq(read_file(k, dir, "state"), "promoting\n");
	kernel_free(k);
}
END_TEST

static uint64_t start_rename(struct kernel *k, uint64_t dir)
{
	static char names[] = "state.tmp\0state";
	struct fuse_rename_in in = {.newdir = dir};

	return ask(k, FUSE_RENAME, dir, IN(PART(&in), {names, sizeof names}));
}

START_TEST(a_rename_that_was_accepted_has_succeeded)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), u;
	struct fuse_create_in in = {.flags = O_CREAT | O_EXCL | O_WRONLY,
				    .mode = S_IFREG | 0600};
	const struct reply *r;

	u = ask(k, FUSE_CREATE, dir, IN(PART(&in), NAME("state.tmp")));
	ck_assert_int_eq(answer(k, u, &r), 0);
	u = start_write(k, ((const struct fuse_entry_out *)(const void *)
			    r->data)->nodeid, 0, 0, "promoting");
	ck_assert_int_eq(answer(k, u, NULL), 0);
	u = start_rename(k, dir);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	restart(k);
	/* The text is gone with the former daemon. */
	ck_assert_int_eq(answer(k, start_rename(k, dir), NULL), -ENOENT);
	again(k, u);
	ck_assert_int_eq(answer(k, start_rename(k, dir), NULL), 0);
	kernel_free(k);
}
END_TEST

static void make_again(struct kernel *k, uint64_t ns)
{
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "a"), NULL), 0);
	ck_assert_int_eq(write_file(k, look(k, ns, "a"), "spec.yaml", MANIFEST),
			 0);
	settle(k);
}

/* Others have made another one of that name before the rmdir was answered. */
START_TEST(what_was_removed_takes_no_other_along)
{
	struct kernel *k = kernel_kept();
	uint64_t ns, dir, u, last;

	make_replication(k);
	ns = look(k, 1, "ns");
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	u = k->unique;
	restart(k);
	make_again(k, ns);
	dir = look(k, ns, "a");
	last = again(k, u);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_uint_eq(look(k, ns, "a"), dir);
	k->unique = last + 2;
	forget_replies(k, RESENT);
	/* One that was read and not carried out is. */
	again(k, last + 100);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_uint_eq(look(k, ns, "a"), 0);
	kernel_free(k);
}
END_TEST

/* It told watchers, and meant no more than that. */
START_TEST(a_dead_nudger_changes_nothing)
{
	struct kernel *k = kernel_kept();
	uint64_t ns, dir;

	dir = make_replication(k);
	ns = look(k, 1, "ns");
	fs_set_nudger(k->fs, k->pid);
	restart(k);
	again(k, k->unique + 2);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -ENOENT);
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "b"), NULL), -EEXIST);
	ck_assert_uint_eq(look(k, ns, "a"), dir);
	ck_assert_uint_eq(look(k, ns, "b"), 0);
	/* By now the number may be anybody's. */
	k->unique &= ~RESENT;
	forget_replies(k, 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	kernel_free(k);
}
END_TEST

/* So much that one user may hold, in files that a former daemon opened. */
START_TEST(what_is_held_is_held_against_its_user)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "status.json");
	uint64_t fh = do_open(k, ino, O_RDONLY);

	restart(k);
	k->uid = 1000;
	ck_assert_ptr_null(map_find(&k->fs->holders, 1000));
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), NULL), 0);
	ck_assert_ptr_nonnull(map_find(&k->fs->holders, 1000));
	do_release(k, ino, fh);
	ck_assert_ptr_null(map_find(&k->fs->holders, 1000));
	kernel_free(k);
}
END_TEST

/* So much that there is no room for another handle; one more, meanwhile. */
START_TEST(too_much_is_told_as_such)
{
	static char text[(128 << 10) + 1];
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "spec.yaml");
	uint64_t fh = 0, before;
	unsigned i;
	int rc = 0;

	before = do_open(k, ino, O_WRONLY);
	restart(k);
	memset(text, ' ', sizeof text - 1);
	k->uid = 1000;
	for (i = 0; i < 1000 && rc == 0; i++) {
		rc = try_open(k, ino, O_WRONLY, &fh);
		if (rc == 0)
			rc = answer(k, start_write(k, ino, fh, 0, text), NULL);
		forget_replies(k, 0);
	}
	ck_assert_int_eq(rc, -EDQUOT);
	/* Small ones take what is left. */
	for (rc = 0; rc == 0; forget_replies(k, 0))
		rc = try_open(k, look(k, dir, "state"), O_RDONLY, &fh);
	ck_assert_int_eq(rc, -EDQUOT);
	ck_assert_int_eq(answer(k, start_read(k, ino, before, 0, 0), NULL),
			 -EDQUOT);
	ck_assert_int_eq(answer(k, start_write(k, ino, before, 0, "x"), NULL),
			 -EDQUOT);
	ck_assert_int_eq(do_fsync(k, ino, before), -EDQUOT);
	/* Not a success for what he may have written. */
	ck_assert_int_eq(answer(k, start_flush(k, ino, before), NULL), -EDQUOT);
	k->uid = 0;
	ck_assert_int_eq(answer(k, start_flush(k, ino, before), NULL), -EIO);
	kernel_free(k);
}
END_TEST

START_TEST(what_was_made_or_removed_is)
{
	struct kernel *k = kernel_kept();
	uint64_t ns;

	make_replication(k);
	ns = look(k, 1, "ns");
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	restart(k);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), -ENOENT);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, ns, "a"), -ENOENT);
	ck_assert_int_eq(answer(k, start_mkdir(k, 1, "ns"), NULL), -EEXIST);
	again(k, k->unique + 2);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_int_eq(ask_name(k, FUSE_UNLINK, ns, "a"), 0);
	ck_assert_int_eq(answer(k, start_mkdir(k, 1, "ns"), NULL), 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, 1, "ns"), 0);
	kernel_free(k);
}
END_TEST

/* What was collected went with the former daemon, and must not seem applied. */
START_TEST(a_text_that_was_lost_is_an_error)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "spec.yaml");
	uint64_t fh = do_open(k, ino, O_WRONLY), other, u;

	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, "spec:"), NULL),
			 0);
	other = do_open(k, look(k, dir, "state"), O_WRONLY);
	restart(k);
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), -EIO);
	ck_assert_ptr_nonnull(strstr(read_file(k, dir, "error"), "again"));
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	ck_assert_int_eq(answer(k, start_flush(k, look(k, dir, "state"), other),
				NULL), 0);
	restart(k);
	ck_assert_int_eq(do_fsync(k, ino, fh), -EIO);
	restart(k);
	/* Written from the beginning it is whole. */
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, MANIFEST), NULL),
			 0);
	u = start_flush(k, ino, fh);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	kernel_free(k);
}
END_TEST

static uint64_t append(struct kernel *k, uint64_t ino, uint64_t fh,
		       const char *text)
{
	struct fuse_write_in in = {
		.fh = fh,
		.size = (uint32_t)strlen(text),
		.flags = O_WRONLY | O_APPEND,
	};

	return ask(k, FUSE_WRITE, ino, IN(PART(&in), TEXT(text)));
}

/* Who appends says nothing of where his text began. */
START_TEST(the_end_of_a_text_is_no_text)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "schedule");
	uint64_t fh = do_open(k, ino, O_WRONLY | O_APPEND);
	const char *before = strdup(read_file(k, dir, "schedule"));

	ck_assert_int_eq(answer(k, append(k, ino, fh, "mode: interval\n"), NULL),
			 0);
	restart(k);
	ck_assert_int_eq(answer(k, append(k, ino, fh, "rpo: 1h\n"), NULL), -EIO);
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), -EIO);
	settle(k);
	ck_assert_str_eq(read_file(k, dir, "schedule"), before);
	free((char *)before);
	kernel_free(k);
}
END_TEST

/* `printf maintenance; printf '\n'` must not end what it began. */
START_TEST(the_end_of_a_line_is_no_word)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "hold");
	uint64_t fh = do_open(k, ino, O_WRONLY), u;

	u = start_write(k, ino, fh, 0, "maintenance");
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	restart(k);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 11, "\n"), NULL),
			 -EIO);
	ck_assert_str_eq(read_file(k, dir, "hold"), "maintenance\n");
	u = start_write(k, ino, fh, 12, "drill");
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 17, "\n"), NULL), 0);
	ck_assert_str_eq(read_file(k, dir, "hold"), "drill\n");
	kernel_free(k);
}
END_TEST

/* A word to endpoints is answered at once, and its close has no text to lose. */
START_TEST(a_word_among_yaml_is_whole)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "endpoints");
	uint64_t fh = do_open(k, ino, O_WRONLY);

	restart(k);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, "swap\n"), NULL),
			 -EPERM);	/* of a replica */
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	kernel_free(k);
}
END_TEST

/* A text that was accepted, and the close not answered. */
START_TEST(a_text_that_was_accepted_is)
{
	struct kernel *k = kernel_kept();
	uint64_t dir, ino, fh, u, ns = make_draft(k);

	dir = look(k, ns, "a");
	ino = look(k, dir, "spec.yaml");
	fh = do_open(k, ino, O_WRONLY);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, MANIFEST), NULL),
			 0);
	u = start_flush(k, ino, fh);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	restart(k);
	again(k, u);
	ck_assert_int_eq(answer(k, start_flush(k, ino, fh), NULL), 0);
	ck_assert_str_eq(read_file(k, dir, "error"), "");
	kernel_free(k);
}
END_TEST

/* What @fh reads from @off, or an errno. */
static const char *read_at(struct kernel *k, uint64_t ino, uint64_t fh,
			   uint64_t off)
{
	static char text[1 << 16];
	const struct reply *r = NULL;
	int rc = answer(k, start_read(k, ino, fh, off, 0), &r);

	if (rc)
		snprintf(text, sizeof text, "%d", rc);
	else
		snprintf(text, sizeof text, "%.*s", (int)r->len, r->data);
	forget_replies(k, 0);
	return text;
}

/* Two daemons have two texts, of which a reader sees one. */
START_TEST(what_was_begun_is_not_ended_by_another_text)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_RDONLY), late;

	late = do_open(k, ino, O_RDONLY);
	ck_assert_str_eq(read_at(k, ino, fh, 0), "replica\n");
	restart(k);
	/* The same goes on. */
	ck_assert_str_eq(read_at(k, ino, fh, 3), "lica\n");
	restart(k);
	ask_in_vain(k, dir);
	ck_assert_str_eq(read_at(k, ino, fh, 8), "");
	ck_assert_str_eq(read_at(k, ino, fh, 3), "-5");
	ck_assert_str_eq(read_at(k, ino, fh, 8), "");
	ck_assert_str_eq(read_at(k, ino, fh, 0), "promoting\n");
	ck_assert_str_eq(read_at(k, ino, fh, 8), "g\n");
	/* What was not begun begins anywhere. */
	ck_assert_str_eq(read_at(k, ino, late, 8), "g\n");
	late = do_open(k, ino, O_RDONLY);
	ck_assert_str_eq(read_at(k, ino, late, 8), "g\n");
	kernel_free(k);
}
END_TEST

START_TEST(what_is_closed_is_not_kept)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t first = do_open(k, ino, O_RDONLY);
	uint64_t second = do_open(k, ino, O_RDONLY);
	unsigned i, count = 0;

	ck_assert_str_eq(read_at(k, ino, first, 0), "replica\n");
	ck_assert_str_eq(read_at(k, ino, second, 0), "replica\n");
	ck_assert_ptr_nonnull(takeover_handle(k->fs, first));
	do_release(k, ino, first);
	ck_assert_ptr_null(takeover_handle(k->fs, first));
	restart(k);
	do_release(k, ino, second);
	for (i = 0; i < FS_HANDLES_MAX; i++)
		count += kept.handles[i].fh != 0;
	ck_assert_uint_eq(count, 0);
	/* Without room only the daemon that began may go on. */
	memset(kept.handles, 0xff, sizeof kept.handles);
	first = do_open(k, ino, O_RDONLY);
	ck_assert_str_eq(read_at(k, ino, first, 0), "replica\n");
	ck_assert_str_eq(read_at(k, ino, first, 3), "lica\n");
	second = do_open(k, look(k, dir, "wait"), O_RDONLY);
	restart(k);
	ck_assert_str_eq(read_at(k, ino, first, 3), "-5");
	ck_assert_int_eq(answer(k, start_read(k, look(k, dir, "wait"), second,
					      0, 0), NULL), -ECANCELED);
	kernel_free(k);
}
END_TEST

static int close_of(struct kernel *k, uint64_t ino, uint64_t fh)
{
	return answer(k, start_flush(k, ino, fh), NULL);
}

/* They wait for a request, not for whatever is current at the next daemon. */
START_TEST(who_waits_waits_for_the_same)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t wait = look(k, dir, "wait"), synced, waits, same, u;

	ask_in_vain(k, dir);
	synced = do_open(k, ino, O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(do_fsync(k, ino, synced), 0);
	waits = do_open(k, wait, O_RDONLY);
	same = do_open(k, wait, O_RDONLY);
	ck_assert_int_eq(close_of(k, ino, synced), NO_REPLY);
	u = start_read(k, wait, same, 0, 0);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	restart(k);
	ck_assert_int_eq(answer(k, start_read(k, wait, same, 0, 0), NULL),
			 NO_REPLY);
	/* Another node's, which is verified at once. */
	k->act_rc = 0;
	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	settle(k);
	ck_assert_str_eq(read_file(k, dir, "wait"), "verified: replica\n");
	ck_assert_int_eq(close_of(k, ino, synced), -ECANCELED);
	ck_assert_int_eq(answer(k, start_read(k, wait, waits, 0, 0), NULL),
			 -ECANCELED);
	kernel_free(k);
}
END_TEST

/* The next daemon may have been started with -o ro. */
START_TEST(what_is_open_may_be_read_only_now)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_WRONLY);

	k->options.read_only = true;
	restart(k);
	ck_assert_int_eq(answer(k, start_write(k, ino, fh, 0, "promoting"),
				NULL), -EROFS);
	kernel_free(k);
}
END_TEST

/* Its ids were given out again: names would lead to others. */
START_TEST(a_store_from_a_backup_is_no_heir)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k);
	struct error err;

	ck_assert_uint_eq(kept.last_id, inode_parse(dir).id);
	k->next_id = 0;
	ck_assert_int_eq(fs_take_over(k->fs, -1, &err), -ESTALE);
	kernel_free(k);
}
END_TEST

START_TEST(waiters_are_left_to_the_next)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "wait"), u;

	ask_in_vain(k, dir);
	u = start_read(k, ino, do_open(k, ino, O_RDONLY), 0, 0);
	fs_leave(k->fs);
	/* Nothing but the end of it. */
	ck_assert_int_eq(recv(k->socket, &(char){0}, 1, MSG_DONTWAIT), 0);
	k->fs->leaving = false;
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	kernel_free(k);
}
END_TEST

static unsigned do_poll(struct kernel *k, uint64_t ino, uint64_t fh,
			uint64_t kh)
{
	struct fuse_poll_in in = {.fh = fh, .kh = kh,
				  .flags = FUSE_POLL_SCHEDULE_NOTIFY};
	const struct reply *r;

	ck_assert_int_eq(answer(k, ask(k, FUSE_POLL, ino, IN(PART(&in))), &r),
			 0);
	return ((const struct fuse_poll_out *)(const void *)r->data)->revents;
}

START_TEST(pollers_are_woken_by_the_next)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "mode");
	uint64_t fh = do_open(k, ino, O_RDONLY), gone;

	ck_assert_uint_eq(do_poll(k, ino, fh, 71) & POLLPRI, 0);
	ck_assert_uint_eq(do_poll(k, ino, fh, 71) & POLLPRI, 0);
	gone = do_open(k, ino, O_RDONLY);
	ck_assert_uint_eq(do_poll(k, ino, gone, 72) & POLLPRI, 0);
	ck_assert_uint_eq(kept.polled[0], 71);
	ck_assert_uint_eq(kept.polled[1], 72);
	do_release(k, ino, gone);
	ck_assert_uint_eq(kept.polled[1], 0);
	restart(k);
	k->polled = 0;
	poll_take_over(k->fs);
	serve(k);
	ck_assert_uint_eq(k->polled, 1);
	ck_assert_uint_eq(kept.polled[0], 0);
	ck_assert_uint_ne(do_poll(k, ino, fh, 71) & POLLPRI, 0);
	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), NULL), 0);
	ck_assert_uint_eq(do_poll(k, ino, fh, 71) & POLLPRI, 0);
	/* And by the one after that. */
	ck_assert_uint_eq(kept.polled[0], 71);
	kernel_free(k);
}
END_TEST

START_TEST(more_pollers_than_room)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "mode");

	memset(kept.polled, 0xff, sizeof kept.polled);
	ck_assert_uint_eq(do_poll(k, ino, do_open(k, ino, O_RDONLY), 71) &
			  POLLPRI, 0);
	kernel_free(k);
}
END_TEST

static unsigned polled(void)
{
	unsigned i, count = 0;

	for (i = 0; i < FS_POLLED_MAX; i++)
		count += kept.polled[i] != 0;
	return count;
}

/* There is room left for others. */
START_TEST(pollers_of_one_user)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k), ino = look(k, dir, "mode"), fh = 0;
	unsigned i;

	k->uid = 1000;
	for (i = 0; i <= FS_POLLED_MAX; i++) {
		fh = do_open(k, ino, O_RDONLY);
		do_poll(k, ino, fh, 71 + i);
		if (i == 0)
			do_release(k, ino, fh);
		forget_replies(k, 0);
	}
	ck_assert_uint_eq(polled(), FS_POLLED_MAX / 4);
	k->uid = 1001;
	do_poll(k, ino, do_open(k, ino, O_RDONLY), 70);
	ck_assert_uint_eq(polled(), FS_POLLED_MAX / 4 + 1);
	kernel_free(k);
}
END_TEST

/* What the kernel holds of a former daemon counts, until it is forgotten. */
START_TEST(watchers_are_told_by_the_next)
{
	struct kernel *k = kernel_kept();
	uint64_t dir = make_replication(k);
	struct inode node = inode_parse(dir);
	struct inode state = inode_parse(look(k, dir, "state"));

	restart(k);
	k->invalidated = 0;
	kept.told = world_now(k->world) + 3600000;
	note_take_over(k->fs);
	serve(k);
	/* Its files' attributes; nothing that watchers would hear. */
	ck_assert_uint_gt(k->invalidated, 10);
	ck_assert_ptr_null(k->fs->nudge_first);
	kept.told = world_now(k->world);
	note_take_over(k->fs);
	ck_assert_ptr_nonnull(k->fs->nudge_first);
	ck_assert(note_is_known(note_find(k->fs, node), state.row));
	note_forget(k->fs, node, 3);
	ck_assert(note_is_known(note_find(k->fs, node), state.row));
	note_forget(k->fs, state, 3);
	ck_assert(!note_is_known(note_find(k->fs, node), state.row));
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_takeover");
	TCase *c = tcase_create("requests");

	tcase_add_test(c, what_was_accepted_is_not_asked_again);
	tcase_add_test(c, what_was_not_accepted_is);
	tcase_add_test(c, what_another_mount_asked_is_something_else);
	tcase_add_test(c, a_rename_that_was_accepted_has_succeeded);
	tcase_add_test(c, what_was_made_or_removed_is);
	tcase_add_test(c, what_was_removed_takes_no_other_along);
	tcase_add_test(c, a_dead_nudger_changes_nothing);
	tcase_add_test(c, what_is_held_is_held_against_its_user);
	tcase_add_test(c, too_much_is_told_as_such);
	suite_add_tcase(s, c);
	c = tcase_create("handles");
	tcase_add_test(c, a_text_that_was_lost_is_an_error);
	tcase_add_test(c, the_end_of_a_text_is_no_text);
	tcase_add_test(c, the_end_of_a_line_is_no_word);
	tcase_add_test(c, a_word_among_yaml_is_whole);
	tcase_add_test(c, a_text_that_was_accepted_is);
	tcase_add_test(c, what_was_begun_is_not_ended_by_another_text);
	tcase_add_test(c, what_is_closed_is_not_kept);
	tcase_add_test(c, who_waits_waits_for_the_same);
	tcase_add_test(c, what_is_open_may_be_read_only_now);
	tcase_add_test(c, a_store_from_a_backup_is_no_heir);
	tcase_add_test(c, waiters_are_left_to_the_next);
	tcase_add_test(c, pollers_are_woken_by_the_next);
	tcase_add_test(c, more_pollers_than_room);
	tcase_add_test(c, pollers_of_one_user);
	tcase_add_test(c, watchers_are_told_by_the_next);
	suite_add_tcase(s, c);
	return run_suite(s);
}
