/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, select and epoll.  One poll handle is kept for each open file until its
 * release, and told of every change, also while the file is ready: dropping it
 * then would lose the later wake-ups of an edge-triggered epoll.
 */
#include "tree.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/uio.h>

static unsigned ready(struct fs *fs, const struct handle *h)
{
	struct inode node = inode_parse(h->ino);
	const struct file *f = tree_file(node);
	const unsigned readable = POLLIN | POLLRDNORM;
	unsigned events = readable;

	if (tree_check(fs, node))
		return readable | POLLHUP | POLLERR | POLLPRI;
	if (f && f->flags & FILE_STREAM)
		return stream_is_ready(fs, h) ? readable : 0;
	if (f && f->flags & FILE_WAIT)
		return wait_is_over(fs, h) ? readable : 0;
	if (f && file_is_writable(f))
		events |= POLLOUT | POLLWRNORM;
	if (h->seen != note_version(fs, node))
		events |= POLLPRI | POLLERR;
	return events;
}

void poll_drop(struct handle *h)
{
	if (h->poll)
		fuse_pollhandle_destroy(h->poll);
	h->poll = NULL;
	if (h->polled) {
		*h->polled = 0;
		holder_drop_poll(h);
	}
	h->polled = NULL;
}

/* For the next daemon, which the kernel tells nothing of who waits already. */
static void note_polled(struct fs *fs, struct handle *h)
{
	uint64_t *polled = fs->options.kept ? fs->options.kept->polled : NULL;
	size_t i = 0;

	while (polled && i < FS_POLLED_MAX && polled[i])
		i++;
	if (!polled || i == FS_POLLED_MAX || !holder_add_poll(h))
		return;
	polled[i] = fs->poll_number;
	h->polled = &polled[i];
}

void poll_abandon(struct fs *fs)
{
	struct map_link *l = NULL;

	while ((l = map_next(&fs->handles, l))) {
		struct handle *h = (struct handle *)l;

		if (fs->leaving)
			h->polled = NULL;
		poll_drop(h);
	}
}

static void wake(struct fs *fs, uint64_t number)
{
	struct fuse_notify_poll_wakeup_out what = {.kh = number};
	struct fuse_out_header head = {
		.len = sizeof head + sizeof what,
		.error = FUSE_NOTIFY_POLL,
	};
	struct iovec all[] = {{&head, sizeof head}, {&what, sizeof what}};

	/* It may have been closed since: nobody is there to wake. */
	if (writev(fuse_session_fd(fs->session), all, 2) < 0)
		return;
}

void poll_take_over(struct fs *fs)
{
	uint64_t *polled = fs->options.kept->polled;
	size_t i;

	for (i = 0; i < FS_POLLED_MAX; i++) {
		if (polled[i])
			wake(fs, polled[i]);
		polled[i] = 0;
	}
}

void poll_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	       struct fuse_pollhandle *ph)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node = inode_parse(ino);
	struct handle *h = NULL;

	if (!scratch_get(fs, node))
		handle_get(req, ino, fi->fh, &h);
	if (h && ph && !tree_check(fs, node) && !handle_follow(fs, h)) {
		poll_drop(h);
		h->poll = ph;
		note_polled(fs, h);
	} else if (ph) {
		fuse_pollhandle_destroy(ph);
	}
	fuse_reply_poll(req, h ? ready(fs, h) : POLLIN | POLLOUT);
}

void poll_wake(struct fs *fs, const struct note *note, struct inode node)
{
	uint64_t ino = inode_number(node);
	const struct handle *h;

	for (h = note->told; h; h = h->next_told)
		if (h->ino == ino && h->poll)
			fuse_lowlevel_notify_poll(h->poll);
}

/* What they belong to goes: they see that it has, and hear no more. */
void poll_end(struct note *note)
{
	while (note->told) {
		struct handle *h = note->told;

		handle_unfollow(h);
		if (h->poll)
			fuse_lowlevel_notify_poll(h->poll);
	}
}
