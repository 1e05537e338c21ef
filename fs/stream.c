/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `events`: the lines of a log as a stream.  The log itself is what all readers
 * share; an open file keeps where it stands, and the lines that it got last:
 * dash reads byte by byte, and bash reads a block and then seeks back to the end
 * of the first line.  Other seeks mean nothing.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

int stream_open(struct fs *fs, struct handle *h)
{
	const struct lines *lines = tree_lines(fs, inode_parse(h->ino));

	if (lines)
		h->cursor = lines->gone;
	return handle_follow(fs, h);
}

static void keep(struct handle *h, const char *data, size_t len)
{
	buf_reset(&h->text);
	buf_add(&h->text, data, len);
}

static void keep_notice(struct fs *fs, struct handle *h, uint64_t lost)
{
	struct inode node = inode_parse(h->ino);
	const struct replication *r = tree_replication(fs, node);
	const struct who nobody = {0};

	buf_reset(&h->text);
	line_format(&h->text, world_now(fs->world), r ? r->ns->name : NULL,
		    r ? r->name : NULL, &nobody, "lost",
		    "this reader was too slow for %" PRIu64 " lines", lost);
	buf_putc(&h->text, '\n');
}

/* How much is kept from @off on. */
static size_t kept(const struct handle *h, uint64_t off)
{
	if (off < h->base || off - h->base >= h->text.len)
		return 0;
	return h->text.len - (size_t)(off - h->base);
}

/* The next lines, for who has read all that is kept. */
static void fetch(struct fs *fs, struct handle *h, const struct lines *lines,
		  const struct stream_read *read)
{
	const struct line_cursor before = h->cursor;
	const char *data;
	uint64_t lost;
	size_t len;

	data = lines_next(lines, &h->cursor, read->size, &len, &lost);
	if (len)
		keep(h, data, len);
	else if (lost)
		keep_notice(fs, h, lost);
	else
		return;
	h->base = read->off;
	if (!h->text.failed)
		h->text.failed = -holder_charge(h);
	if (h->text.failed)	/* to be read again */
		h->cursor = before;
}

bool stream_answer(struct fs *fs, fuse_req_t req, struct handle *h,
		   const struct stream_read *read)
{
	const struct lines *lines = tree_lines(fs, inode_parse(h->ino));
	size_t n;

	if (!kept(h, read->off) && lines)
		fetch(fs, h, lines, read);
	n = kept(h, read->off);
	if (!n && lines && !h->text.failed)
		return false;
	if (n > read->size)
		n = read->size;
	h->next = read->off + n;
	if (h->text.failed)
		fuse_reply_err(req, h->text.failed);
	else	/* nothing: its replication was removed */
		fuse_reply_buf(req, n ? h->text.data + (read->off - h->base)
				      : NULL, n);
	return true;
}

void stream_read(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct stream_read *read,
		 const struct fuse_file_info *fi)
{
	if (read->size == 0)
		fuse_reply_buf(req, NULL, 0);
	else if (stream_answer(fs, req, h, read))
		return;
	else if (fi->flags & O_NONBLOCK)
		fuse_reply_err(req, EAGAIN);
	else
		wait_stream(fs, req, h, read);
}

bool stream_is_ready(struct fs *fs, const struct handle *h)
{
	const struct lines *lines = tree_lines(fs, inode_parse(h->ino));

	return kept(h, h->next) || !lines ||
	       h->cursor.byte < lines->gone.byte + lines->len;
}

static void keep_the_rest(const struct lines *lines, struct handle *h)
{
	const char *data;
	uint64_t lost;
	size_t len;

	do {
		data = lines_next(lines, &h->cursor, lines->len, &len, &lost);
		buf_add(&h->text, data, len);
	} while (len || lost);
}

void stream_end(struct fs *fs, struct note *note)
{
	const struct lines *lines;
	struct handle *h;

	for (h = note->told; h; h = h->next_told) {
		struct inode node = inode_parse(h->ino);
		const struct file *f = tree_file(node);

		lines = tree_lines(fs, node);
		if (lines && f->flags & FILE_STREAM)
			keep_the_rest(lines, h);
	}
}
