/* SPDX-License-Identifier: Apache-2.0 */
/* `events` and poll, as the kernel sees them. */
#include "fs_fixture.h"
#include "suite.h"

#include <poll.h>

#define URGENT (POLLPRI | POLLERR)

/* Starts a read of at most @size bytes. */
static uint64_t start_fetch(struct kernel *k, uint64_t ino, uint64_t fh,
			   uint32_t size, uint32_t flags)
{
	const struct handle *h = handle_find(k->fs, fh);
	struct fuse_read_in in = {.fh = fh, .size = size, .flags = flags,
				  .offset = h->next};

	return ask(k, FUSE_READ, ino, IN(PART(&in)));
}

/* What a read gives, which must not wait; in a buffer that is used again. */
static const char *fetch(struct kernel *k, uint64_t ino, uint64_t fh,
			uint32_t size)
{
	static char text[1 << 16];
	const struct reply *r;
	uint64_t mark = k->unique;

	ck_assert_int_eq(answer(k, start_fetch(k, ino, fh, size, 0), &r), 0);
	memcpy(text, r->data, r->len);
	text[r->len] = '\0';
	forget_replies(k, mark);
	return text;
}

static int fetch_now(struct kernel *k, uint64_t ino, uint64_t fh)
{
	return answer(k, start_fetch(k, ino, fh, 65000, O_NONBLOCK), NULL);
}

/* Adds a line that holds @word to the log of ns/a. */
static void say(struct kernel *k, const char *word)
{
	const struct who who = {.uid = 1, .pid = 2, .command = "test"};

	world_refuse(k->world, world_next(k->world, 0), &who, word);
	serve(k);
}

static unsigned poll_of(struct kernel *k, uint64_t ino, uint64_t fh,
			uint64_t kh)
{
	struct fuse_poll_in in = {
		.fh = fh, .kh = kh,
		.flags = kh ? FUSE_POLL_SCHEDULE_NOTIFY : 0,
	};
	const struct reply *r;

	ck_assert_int_eq(answer(k, ask(k, FUSE_POLL, ino, IN(PART(&in))), &r),
			 0);
	return ((const struct fuse_poll_out *)(const void *)r->data)->revents;
}

START_TEST(all_lines_and_then_a_wait)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY), u;
	char log[1 << 16];
	const struct reply *r;

	snprintf(log, sizeof log, "%s", read_file(k, dir, "log"));
	ck_assert_str_eq(fetch(k, ino, fh, 65000), log);
	ck_assert_int_eq(fetch_now(k, ino, fh), -EAGAIN);
	u = start_fetch(k, ino, fh, 65000, 0);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	say(k, "apple");
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_uint_eq(r->data[r->len - 1], '\n');
	ck_assert_ptr_nonnull(memmem(r->data, r->len, "refused: apple", 14));
	ck_assert_ptr_null(memchr(r->data, '\n', r->len - 1));
	do_release(k, ino, fh);
	kernel_free(k);
}
END_TEST

START_TEST(of_all_replications)
{
	struct kernel *k = kernel_new(false);
	uint64_t ino, fh, u;
	const struct reply *r;

	make_replication(k);
	ino = PATH(".uvrfs", "events");
	fh = do_open(k, ino, O_RDONLY);
	fetch(k, ino, fh, 65000);
	u = start_fetch(k, ino, fh, 65000, 0);
	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	say(k, "apple");
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_ptr_nonnull(memmem(r->data, r->len, "ns/a ", 5));
	kernel_free(k);
}
END_TEST

/* A shell reads a byte at a time. */
START_TEST(lines_come_whole_by_bytes)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	char line[1024];
	size_t n = 0;

	fetch(k, ino, fh, 65000);
	say(k, "apple");
	do
		line[n] = *fetch(k, ino, fh, 1);
	while (line[n++] != '\n');
	line[n] = '\0';
	ck_assert_ptr_nonnull(strstr(line, "refused: apple\n"));
	ck_assert_int_eq(fetch_now(k, ino, fh), -EAGAIN);
	kernel_free(k);
}
END_TEST

/* bash reads a block, and seeks back to the end of the first line. */
START_TEST(a_reader_may_step_back)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY), end;
	char first[1 << 16], *second;
	struct handle *h = handle_find(k->fs, fh);

	fetch(k, ino, fh, 65000);
	say(k, "apple");
	say(k, "berry");
	end = h->next;
	snprintf(first, sizeof first, "%s", fetch(k, ino, fh, 65000));
	second = strchr(first, '\n') + 1;
	h->next = end + (uint64_t)(second - first);
	ck_assert_str_eq(fetch(k, ino, fh, 65000), second);
	ck_assert_int_eq(fetch_now(k, ino, fh), -EAGAIN);
	/* Nowhere: goes on with what is next. */
	h->next = 1;
	say(k, "cherry");
	ck_assert_ptr_nonnull(strstr(fetch(k, ino, fh, 65000), "cherry\n"));
	kernel_free(k);
}
END_TEST

START_TEST(only_whole_lines_at_once)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	size_t line;

	fetch(k, ino, fh, 65000);
	say(k, "apple");
	line = strlen(fetch(k, ino, fh, 65000));
	say(k, "berry");
	say(k, "cherry");
	/* One fits, and half of the other. */
	ck_assert_ptr_nonnull(strstr(fetch(k, ino, fh, (uint32_t)line + 20),
				     "berry\n"));
	ck_assert_ptr_nonnull(strstr(fetch(k, ino, fh, 65000), "cherry\n"));
	kernel_free(k);
}
END_TEST

START_TEST(a_slow_reader_is_told_what_it_lost)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	const char *text, *p;
	unsigned lost = 0, got = 0, said = 3000, i;
	char word[16], half[8];

	fetch(k, ino, fh, 65000);
	say(k, "apple");
	/* It stands in the middle of a line that then goes. */
	snprintf(half, sizeof half, "%s", fetch(k, ino, fh, 3));
	for (i = 0; i < said; i++) {
		snprintf(word, sizeof word, "w%u", i);
		say(k, word);
	}
	text = fetch(k, ino, fh, 65000);
	ck_assert_ptr_nonnull(strstr(text, "refused: apple\n"));
	text = fetch(k, ino, fh, 65000);
	p = strstr(text, " lost: this reader was too slow for ");
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(sscanf(strstr(p, "for "), "for %u lines", &lost), 1);
	ck_assert_ptr_nonnull(strstr(text, "ns/a uvrfs "));
	while (stream_is_ready(k->fs, handle_find(k->fs, fh)))
		for (p = fetch(k, ino, fh, 65000); (p = strchr(p, '\n')); p++)
			got++;
	ck_assert_uint_gt(got, 0);
	ck_assert_uint_eq(lost + got, said);
	kernel_free(k);
}
END_TEST

START_TEST(a_reader_is_interrupted)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY), u;
	struct fuse_interrupt_in in;

	fetch(k, ino, fh, 65000);
	u = start_fetch(k, ino, fh, 100, 0);
	in.unique = u;
	ask(k, FUSE_INTERRUPT, 0, IN(PART(&in)));
	ck_assert_int_eq(answer(k, u, NULL), -EINTR);
	say(k, "apple");
	ck_assert_ptr_nonnull(strstr(fetch(k, ino, fh, 65000), "apple"));
	kernel_free(k);
}
END_TEST

START_TEST(it_ends_with_its_replication)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "events");
	uint64_t fh = do_open(k, ino, O_RDONLY);
	uint64_t slow = do_open(k, ino, O_RDONLY), u;
	const struct reply *r;

	fetch(k, ino, fh, 65000);
	say(k, "apple");
	fetch(k, ino, fh, 65000);
	u = start_fetch(k, ino, fh, 65000, 0);
	k->fs->listener.vanishing(&k->fs->listener, world_next(k->world, 0));
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_uint_eq(r->len, 0);
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, PATH("ns"), "a"), 0);
	ck_assert_ptr_nonnull(strstr(fetch(k, ino, slow, 65000), "apple\n"));
	ck_assert_str_eq(fetch(k, ino, slow, 65000), "");
	ck_assert_uint_eq(poll_of(k, ino, slow, 0),
			  POLLIN | POLLRDNORM | POLLHUP | URGENT);
	do_release(k, ino, slow);
	kernel_free(k);
}
END_TEST

/* Gone for users at once, though the storage is still to be told. */
START_TEST(a_removal_that_goes_on_unseen)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ns = PATH("ns"), ino, fh, u;
	const struct reply *r;

	ck_assert_int_eq(write_file(k, dir, "spec.yaml",
				    "metadata: {annotations: {uvrfs/"
				    "deletion-policy: delete}}\n" MANIFEST), 0);
	settle(k);
	ino = look(k, dir, "events");
	fh = do_open(k, ino, O_RDONLY);
	fetch(k, ino, fh, 65000);
	u = start_fetch(k, ino, fh, 100, 0);
	k->act_rc = -EAGAIN;
	ck_assert_int_eq(ask_name(k, FUSE_RMDIR, ns, "a"), 0);
	ck_assert_int_eq(answer(k, u, &r), 0);
	ck_assert_uint_eq(look(k, ns, "a"), 0);
	ck_assert_ptr_null(note_find(k->fs, inode_parse(dir)));
	k->act_rc = 0;
	world_tick(k->world, world_now(k->world) + 300000);
	settle(k);
	ck_assert_ptr_null(note_find(k->fs, inode_parse(dir)));
	kernel_free(k);
}
END_TEST

START_TEST(the_log_of_all_is_urgent_when_it_grows)
{
	struct kernel *k = kernel_new(false);
	uint64_t ino, fh;
	const unsigned quiet = POLLIN | POLLRDNORM;

	make_replication(k);
	ino = PATH(".uvrfs", "log");
	fh = do_open(k, ino, O_RDONLY);
	ck_assert_uint_eq(poll_of(k, ino, fh, 1), quiet);
	say(k, "apple");
	ck_assert_uint_eq(k->polled, 1);
	ck_assert_uint_eq(poll_of(k, ino, fh, 1), quiet | URGENT);
	start_read(k, ino, fh, 0, 0);
	ck_assert_uint_eq(poll_of(k, ino, fh, 1), quiet);
	kernel_free(k);
}
END_TEST

START_TEST(a_draft_has_none)
{
	struct kernel *k = kernel_new(false);

	ck_assert_uint_eq(look(k, look(k, make_draft(k), "a"), "events"), 0);
	kernel_free(k);
}
END_TEST

START_TEST(a_change_is_urgent_until_it_is_read)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "state");
	uint64_t fh = do_open(k, ino, O_RDWR), other, mode;
	const unsigned quiet = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;

	mode = look(k, dir, "mode");
	other = do_open(k, mode, O_RDONLY);
	ck_assert_uint_eq(poll_of(k, ino, fh, 1), quiet);
	ck_assert_uint_eq(poll_of(k, mode, other, 2), quiet);
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	/* One for each change of state, none for mode. */
	ck_assert_uint_eq(k->polled, 1);
	ck_assert_uint_eq(poll_of(k, ino, fh, 1), quiet | URGENT);
	ck_assert_uint_eq(poll_of(k, mode, other, 2), quiet);
	start_read(k, ino, fh, 0, 0);
	ck_assert_uint_eq(poll_of(k, ino, fh, 0), quiet);
	settle(k);
	ck_assert_int_eq(write_file(k, dir, "state", "source"), 0);
	ck_assert_uint_eq(k->polled, 2);
	ck_assert_uint_eq(poll_of(k, ino, fh, 0), quiet | URGENT);
	/* What is read in the middle is still the old text. */
	start_read(k, ino, fh, 3, 0);
	ck_assert_uint_eq(poll_of(k, ino, fh, 0), quiet | URGENT);
	do_release(k, ino, fh);
	ck_assert_int_eq(write_file(k, dir, "state", "demoting force"),
			 0);
	ck_assert_uint_eq(k->polled, 2);
	kernel_free(k);
}
END_TEST

/* Edge-triggered users are told again though they have not read. */
START_TEST(each_change_is_told)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "hold");
	uint64_t fh = do_open(k, ino, O_RDONLY);

	poll_of(k, ino, fh, 1);
	poll_of(k, ino, fh, 1);		/* replaces the first */
	ck_assert_int_eq(write_file(k, dir, "hold", "one"), 0);
	ck_assert_int_eq(write_file(k, dir, "hold", "two"), 0);
	ck_assert_int_eq(write_file(k, dir, "hold", "two"), 0);
	ck_assert_uint_eq(k->polled, 2);
	kernel_free(k);
}
END_TEST

START_TEST(streams_and_waits_poll)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), events = look(k, dir, "events");
	uint64_t wait = look(k, dir, "wait"), w, e, all, fh;
	const unsigned quiet = POLLIN | POLLRDNORM;

	all = PATH(".uvrfs", "events");
	k->act_rc = -EAGAIN;
	ck_assert_int_eq(write_file(k, dir, "state", "promoting"), 0);
	e = do_open(k, events, O_RDONLY);
	w = do_open(k, wait, O_RDONLY);
	fh = do_open(k, all, O_RDONLY);
	ck_assert_uint_eq(poll_of(k, events, e, 1), quiet);
	fetch(k, events, e, 65000);
	fetch(k, all, fh, 65000);
	ck_assert_uint_eq(poll_of(k, events, e, 1), 0);
	ck_assert_uint_eq(poll_of(k, wait, w, 2), 0);
	ck_assert_uint_eq(poll_of(k, all, fh, 3), 0);
	k->polled = 0;
	say(k, "apple");
	ck_assert_uint_ge(k->polled, 3);
	ck_assert_uint_eq(poll_of(k, events, e, 1), quiet);
	ck_assert_uint_eq(poll_of(k, wait, w, 2), 0);
	ck_assert_uint_eq(poll_of(k, all, fh, 3), quiet);
	k->act_rc = 0;
	ck_assert_int_eq(write_file(k, dir, "state", "replica"), 0);
	ck_assert_uint_eq(poll_of(k, wait, w, 2), quiet);
	kernel_free(k);
}
END_TEST

START_TEST(what_else_is_polled_is_ready)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino;
	const unsigned quiet = POLLIN | POLLRDNORM;

	ino = look(k, dir, "lag");
	ck_assert_uint_eq(poll_of(k, ino, do_open(k, ino, 0), 1), quiet);
	ino = PATH(".uvrfs", "help");
	ck_assert_uint_eq(poll_of(k, ino, do_open(k, ino, 0), 2), quiet);
	kernel_free(k);
}
END_TEST

START_TEST(two_changes_in_a_moment_have_two_times)
{
	struct kernel *k = kernel_new(false);
	struct inode node;
	uint64_t dir = make_replication(k);
	int64_t before;

	node = inode_parse(look(k, dir, "log"));
	before = note_version(k->fs, node);
	say(k, "apple");
	ck_assert_int_gt(note_version(k->fs, node), before);
	before = note_version(k->fs, node);
	say(k, "berry");
	ck_assert_int_gt(note_version(k->fs, node), before);
	/* Somebody has set the clock back. */
	world_tick(k->world, world_now(k->world) - 3600000);
	say(k, "cherry");
	ck_assert_int_eq(note_version(k->fs, node), world_now(k->world));
	kernel_free(k);
}
END_TEST

START_TEST(who_polls_is_not_told_after_the_unmount)
{
	struct kernel *k = kernel_new(false);
	uint64_t dir = make_replication(k), ino = look(k, dir, "hold");
	uint64_t fh = do_open(k, ino, O_WRONLY);

	poll_of(k, ino, fh, 1);
	start_write(k, ino, fh, 0, "x");
	fs_unmount(k->fs);
	ck_assert_ptr_null(handle_find(k->fs, fh)->poll);
	settle(k);
	ck_assert_str_eq(world_next(k->world, 0)->status->hold, "x");
	kernel_free(k);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fs_stream");
	TCase *c = tcase_create("streams and poll");

	tcase_add_test(c, all_lines_and_then_a_wait);
	tcase_add_test(c, of_all_replications);
	tcase_add_test(c, lines_come_whole_by_bytes);
	tcase_add_test(c, a_reader_may_step_back);
	tcase_add_test(c, only_whole_lines_at_once);
	tcase_add_test(c, a_slow_reader_is_told_what_it_lost);
	tcase_add_test(c, a_reader_is_interrupted);
	tcase_add_test(c, it_ends_with_its_replication);
	tcase_add_test(c, a_removal_that_goes_on_unseen);
	tcase_add_test(c, the_log_of_all_is_urgent_when_it_grows);
	tcase_add_test(c, a_draft_has_none);
	tcase_add_test(c, a_change_is_urgent_until_it_is_read);
	tcase_add_test(c, each_change_is_told);
	tcase_add_test(c, streams_and_waits_poll);
	tcase_add_test(c, what_else_is_polled_is_ready);
	tcase_add_test(c, two_changes_in_a_moment_have_two_times);
	tcase_add_test(c, who_polls_is_not_told_after_the_unmount);
	suite_add_tcase(s, c);
	return run_suite(s);
}
