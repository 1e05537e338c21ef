/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files.  The number of one is a serial and, in its lowest bits, whether it
 * was opened as sync(1) does and whether what is written to it is collected; it
 * is all that the next daemon has to go by.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define MAY_MARK 1
#define MAY_HOLD_TEXT 2

/*
 * Only sync(1) opens like this and goes on to fsync; a writer that fsyncs must
 * not wait at its close, where nothing could interrupt an exiting program.
 */
static bool opened_like_sync(int flags)
{
	return (flags & O_ACCMODE) == O_RDONLY && flags & O_NONBLOCK;
}

bool handle_may_mark(uint64_t fh)
{
	return fh & MAY_MARK;
}

bool handle_may_hold_text(uint64_t fh)
{
	return fh & MAY_HOLD_TEXT;
}

static bool collects(uint64_t ino, int flags)
{
	const struct file *f = tree_file(inode_parse(ino));

	return (flags & O_ACCMODE) != O_RDONLY && f && !(f->flags & FILE_WORD);
}

static uint64_t current_request(const struct fs *fs, uint64_t ino)
{
	const struct replication *r = tree_replication(fs, inode_parse(ino));

	return r && r->status ? r->status->request.id : 0;
}

void handle_await(struct fs *fs, struct handle *h)
{
	struct fs_kept_handle *kept = takeover_keep_handle(fs, h->link.key);

	h->request = current_request(fs, h->ino);
	if (kept)
		kept->request = h->request;
}

static struct handle *add(struct fs *fs, uint64_t ino, uint64_t fh)
{
	struct handle *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->link.key = fh;
	h->ino = ino;
	h->seen = note_version(fs, inode_parse(ino));
	buf_init(&h->text, RENDER_MAX);
	collect_init(&h->collect);
	h->request = current_request(fs, ino);
	if (map_add(&fs->handles, &h->link)) {
		free(h);
		return NULL;
	}
	return h;
}

/* The directory whose note tells of the file @ino. */
static struct inode directory_of(const struct fs *fs, uint64_t ino)
{
	return tree_parent(fs, inode_parse(ino));
}

int handle_follow(struct fs *fs, struct handle *h)
{
	struct note *note;

	if (h->told_link)
		return 0;
	note = note_get(fs, directory_of(fs, h->ino));
	if (!note)
		return -ENOMEM;
	h->next_told = note->told;
	h->told_link = &note->told;
	if (h->next_told)
		h->next_told->told_link = &h->next_told;
	note->told = h;
	return 0;
}

void handle_unfollow(struct handle *h)
{
	if (!h->told_link)
		return;
	*h->told_link = h->next_told;
	if (h->next_told)
		h->next_told->told_link = h->told_link;
	h->told_link = NULL;
}

struct handle *handle_find(const struct fs *fs, uint64_t fh)
{
	return (struct handle *)map_find(&fs->handles, fh);
}

static void destroy(struct fs *fs, struct handle *h)
{
	map_remove(&fs->handles, &h->link);
	handle_unfollow(h);
	poll_drop(h);
	holder_release(fs, h);
	buf_finish(&h->text);
	collect_finish(&h->collect);
	free(h);
}

/* Charges the caller for it, and opens what it reads; or it is no more. */
static int take(fuse_req_t req, struct handle *h)
{
	struct fs *fs = fuse_req_userdata(req);
	const struct file *f = tree_file(inode_parse(h->ino));
	int rc = holder_take(fs, h, fuse_req_ctx(req)->uid);

	if (rc == 0 && f && f->flags & FILE_STREAM)
		rc = stream_open(fs, h);
	if (rc)
		destroy(fs, h);
	return rc;
}

/*
 * A handle of a former daemon may have been synced, so its close waits; a
 * marked one that was not costs a reader at most a wait that it can end.
 */
int handle_get(fuse_req_t req, uint64_t ino, uint64_t fh, struct handle **out)
{
	struct fs *fs = fuse_req_userdata(req);
	const struct fs_kept_handle *kept = takeover_handle(fs, fh);
	struct handle *h = *out = handle_find(fs, fh);
	int rc;

	if (h)
		return 0;
	h = add(fs, ino, fh);
	if (!h)
		return -ENOMEM;
	/* For want of room: not what is current, which may be another's. */
	if (kept && kept->request)
		h->request = kept->request;
	else if (takeover_lost_handles(fs))
		h->request = 0;
	h->marked = handle_may_mark(fh);
	h->inherited = true;
	h->seen = -1;	/* who polls is told that it may have changed */
	/* Who has opened it is not known any more: who uses it first pays. */
	rc = take(req, h);
	if (rc == 0)
		*out = h;
	return rc;
}

int handle_open(fuse_req_t req, uint64_t ino, int flags, struct handle **out)
{
	struct fs *fs = fuse_req_userdata(req);
	const struct file *f = tree_file(inode_parse(ino));
	struct handle *h;
	int rc;

	fs->last_fh += HANDLE_SERIAL;
	h = add(fs, ino, fs->last_fh |
			 (opened_like_sync(flags) ? MAY_MARK : 0) |
			 (collects(ino, flags) ? MAY_HOLD_TEXT : 0));
	rc = h ? take(req, h) : -ENOMEM;
	*out = rc ? NULL : h;
	if (rc == 0 && f && f->flags & FILE_WAIT)
		handle_await(fs, h);
	return rc;
}

void handle_close(struct fs *fs, uint64_t fh)
{
	struct handle *h = handle_find(fs, fh);

	if (h)
		destroy(fs, h);
	takeover_drop_handle(fs, fh);
}

void handle_finish(struct fs *fs)
{
	struct map_link *l;

	while ((l = map_next(&fs->handles, NULL)))
		destroy(fs, (struct handle *)l);
	map_finish(&fs->handles);
	map_finish(&fs->holders);
}
