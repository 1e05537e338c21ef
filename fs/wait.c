/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that come later: reads of `wait`, and the close of a handle that
 * sync(1) has marked, when a request has been decided; reads of `events` when
 * there is a new line.  A waiter is a few bytes in a list
 * of its replication's note: no thread, no timer.
 *
 * FSYNC itself is never answered late, since the kernel holds the inode's lock
 * for as long as it runs and every writer would hang behind it; FLUSH holds no
 * lock.
 */
#include "tree.h"

#include "render.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct waiter {
	struct waiter *next;
	struct waiter **link;		/* what points to this one */
	struct fs *fs;
	fuse_req_t req;
	uint64_t request;		/* which must be decided */
	uint64_t fh;
	enum { WAIT_FLUSH, WAIT_READ, WAIT_STREAM } kind;
	struct stream_read read;
};

static void reply_text(fuse_req_t req, const struct buf *text, size_t size,
		       off_t off)
{
	if (off < 0 || (size_t)off >= text->len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > text->len - (size_t)off)
		size = text->len - (size_t)off;
	fuse_reply_buf(req, text->data + off, size);
}

static struct waiter *unlink_waiter(struct waiter *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	return w;
}

static void give_up(struct waiter *w, int code)
{
	unlink_waiter(w);
	fs_dismiss(w->fs, w->req, code);
	free(w);
}

static void interrupted(fuse_req_t req, void *data)
{
	give_up(data, EINTR);
}

/* The reader's line stays with its handle, for readers of single bytes. */
static void answer_read(struct fs *fs, fuse_req_t req, struct handle *h,
			size_t size, const struct replication *r)
{
	auto_buf line;

	buf_init(&line, RENDER_MAX);
	render_verified(r, &line);
	if (line.failed) {
		fuse_reply_err(req, line.failed);
		return;
	}
	if (h) {
		buf_reset(&h->text);
		buf_add(&h->text, line.data, line.len);
		h->has_text = !h->text.failed;
	}
	reply_text(req, &line, size, 0);
}

static void answer(struct waiter *w, const struct replication *r, int rc)
{
	unlink_waiter(w);
	if (rc == 0 && w->kind == WAIT_READ)
		answer_read(w->fs, w->req, handle_find(w->fs, w->fh),
			    w->read.size, r);
	else
		fuse_reply_err(w->req, -rc);
	free(w);
}

static void wake_stream(struct waiter *w)
{
	struct handle *h = handle_find(w->fs, w->fh);

	/* A kernel closes no file that is still read. */
	if (!h) {
		give_up(w, EBADF);
	} else if (stream_answer(w->fs, w->req, h, &w->read)) {
		unlink_waiter(w);
		free(w);
	}
}

void wait_wake(struct fs *fs, struct note *note, const struct replication *r)
{
	struct waiter *w, *next;
	int rc;

	for (w = note->waiters; w; w = next) {
		next = w->next;
		if (w->kind == WAIT_STREAM) {
			wake_stream(w);
			continue;
		}
		rc = replication_wait_result(r, w->request);
		if (rc != -EINPROGRESS)
			answer(w, r, rc);
	}
}

/* What those are told who wait for something that is removed. */
static void abandon(struct waiter *w)
{
	if (w->kind == WAIT_FLUSH) {
		give_up(w, ECANCELED);
	} else if (w->kind == WAIT_READ) {
		give_up(w, ENOENT);
	} else {
		unlink_waiter(w);
		fuse_reply_buf(w->req, NULL, 0);
		free(w);
	}
}

void wait_abandon(struct fs *fs, struct note *note, bool vanished)
{
	while (note->waiters) {
		struct waiter *w = note->waiters;

		if (vanished)
			abandon(w);
		else
			give_up(w, EINTR);
	}
}

static void start(struct fs *fs, fuse_req_t req, const struct waiter *as)
{
	struct waiter *w = NULL;
	struct inode dir = inode_parse(handle_find(fs, as->fh)->ino);
	struct note *note;

	/* Before it is in a list: libfuse would call back at once. */
	if (fuse_req_interrupted(req)) {
		fuse_reply_err(req, EINTR);
		return;
	}
	dir = tree_parent(fs, dir);
	note = note_get(fs, dir);
	if (note)
		w = malloc(sizeof *w);
	if (!w) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*w = *as;
	w->fs = fs;
	w->req = req;
	w->next = note->waiters;
	w->link = &note->waiters;
	if (w->next)
		w->next->link = &w->next;
	note->waiters = w;
	fuse_req_interrupt_func(req, interrupted, w);
}

void wait_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size,
	       const struct fuse_file_info *fi, off_t off)
{
	struct replication *r = tree_replication(fs, inode_parse(h->ino));
	int rc;

	if (h->has_text || off > 0) {
		reply_text(req, &h->text, size, off);
		return;
	}
	if (!r || !r->spec) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	rc = replication_wait_result(r, h->request);
	if (rc == -EINPROGRESS && !(fi->flags & O_NONBLOCK))
		start(fs, req, &(struct waiter){.request = h->request,
						.fh = h->link.key,
						.kind = WAIT_READ,
						.read.size = size});
	else if (rc == 0)
		answer_read(fs, req, h, size, r);
	else
		fuse_reply_err(req, rc == -EINPROGRESS ? EAGAIN : -rc);
}

/* Answers the close of a marked handle. */
void wait_flush(struct fs *fs, fuse_req_t req, struct handle *h)
{
	struct replication *r = tree_replication(fs, inode_parse(h->ino));
	int rc;

	h->marked = false;
	if (!r || !r->spec) {
		fuse_reply_err(req, ECANCELED);
		return;
	}
	rc = replication_wait_result(r, h->request);
	if (rc == -EINPROGRESS)
		start(fs, req, &(struct waiter){.request = h->request,
						.fh = h->link.key});
	else
		fuse_reply_err(req, -rc);
}

void wait_stream(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct stream_read *read)
{
	start(fs, req, &(struct waiter){.fh = h->link.key,
					.kind = WAIT_STREAM,
					.read = *read});
}

bool wait_is_over(struct fs *fs, const struct handle *h)
{
	const struct replication *r = tree_replication(fs, inode_parse(h->ino));

	return h->has_text || !r || !r->spec ||
	       replication_wait_result(r, h->request) != -EINPROGRESS;
}
