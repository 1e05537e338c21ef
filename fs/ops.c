/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations, and those on files.  Each decodes, calls, and
 * answers exactly once, now or later.
 */
#include "text.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>

/*
 * No write-back cache, which would report refusals to nobody; O_TRUNC comes
 * with the open, so that a reader never sees a file that is empty in between.
 */
static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct fs *fs = userdata;

	if (fs->options.basic) {
		conn->want = 0;
		return;
	}
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	conn->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE |
				  FUSE_CAP_AUTO_INVAL_DATA |
				  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE);
}

static void reply_attr(struct fs *fs, fuse_req_t req, uint64_t ino)
{
	struct inode node = inode_parse(ino);
	struct stat st;
	int rc = 0;

	if (tree_is_removed(fs, node))
		tree_stat_removed(node, &st);
	else
		rc = tree_stat(fs, node, &st);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_attr(req, &st, tree_attr_timeout(node));
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	reply_attr(fuse_req_userdata(req), req, ino);
}

/* On attributes chmod, chown, utimes and truncation succeed and do nothing. */
static void ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
			int to_set, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	const struct file *f = tree_file(inode_parse(ino));
	struct scratch *s = scratch_get(fs, inode_parse(ino));

	if (nudge_is_asking(fs, req)) {
		reply_attr(fs, req, ino);
		return;
	}
	if (change_is_refused(fs, req))
		return;
	if (s)
		scratch_setattr(fs, req, s, attr, to_set);
	else if (to_set & FUSE_SET_ATTR_SIZE && (!f || !file_is_writable(f)))
		fuse_reply_err(req, EACCES);
	else
		reply_attr(fs, req, ino);
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fuse_req_userdata(req);
	auto_buf target;
	int rc;

	buf_init(&target, PATH_MAX);
	rc = tree_readlink(fs, inode_parse(ino), &target);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, target.data);
}

static void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node = inode_parse(ino);
	const struct file *f = tree_file(node);
	bool writes = (fi->flags & O_ACCMODE) != O_RDONLY;
	struct handle *h;
	int rc;

	if (tree_check(fs, node)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (nudge_is_asking(fs, req)) {
		fi->direct_io = 1;
		fi->noflush = 1;
		fuse_reply_open(req, fi);
		return;
	}
	if (writes && change_is_refused(fs, req))
		return;
	if (scratch_get(fs, node)) {
		scratch_open(fs, req, scratch_get(fs, node), fi);
		return;
	}
	if (writes && (!f || !file_is_writable(f))) {
		fuse_reply_err(req, EACCES);
		return;
	}
	rc = handle_open(req, ino, fi->flags, &h);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	/* The kernel's page cache tears when size and content change. */
	fi->direct_io = 1;
	/* Its close has nothing to tell us: one round trip less. */
	fi->noflush = !writes && !handle_may_mark(h->link.key);
	fi->fh = h->link.key;
	/* -ENOENT: the opener is gone, and no release will come. */
	if (fuse_reply_open(req, fi) == -ENOENT)
		handle_close(fs, fi->fh);
}

static void reply_slice(fuse_req_t req, const char *data, size_t len,
			size_t size, off_t off)
{
	if (off < 0 || (size_t)off >= len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > len - (size_t)off)
		size = len - (size_t)off;
	fuse_reply_buf(req, data + off, size);
}

/* What a reader sees is of one moment, until it reads from the start again. */
static int renew(struct fs *fs, struct handle *h)
{
	auto_buf text;
	int rc;

	buf_init(&text, RENDER_MAX);
	rc = tree_render(fs, inode_parse(h->ino), &text);
	if (rc)
		return rc;
	buf_finish(&h->text);
	h->text = text;
	h->has_text = true;
	h->seen = note_version(fs, inode_parse(h->ino));
	buf_init(&text, 0);
	return holder_charge(h);
}

/* To compare more would take longer than to render it. */
#define COMPARED_MAX 16384

static uint64_t hash_of(const struct buf *text)
{
	return text_hash_bytes(text->data,
			       text->len < COMPARED_MAX ? text->len : 0) | 1;
}

static int begin_text(struct fs *fs, struct handle *h)
{
	int rc = renew(fs, h);
	struct fs_kept_handle *kept =
		rc ? NULL : takeover_keep_handle(fs, h->link.key);

	if (kept) {
		kept->len = h->text.len;
		kept->hash = hash_of(&h->text);
	}
	return rc;
}

/*
 * What was begun at a former daemon goes on with the same text only: with
 * another it would be torn.
 */
static int go_on(struct fs *fs, struct handle *h, uint64_t off)
{
	const struct fs_kept_handle *kept = takeover_handle(fs, h->link.key);
	int rc;

	if ((!kept || !kept->hash) && h->inherited && takeover_lost_handles(fs))
		return -EIO;
	if (!kept || !kept->hash)
		return begin_text(fs, h);
	if (off >= kept->len)
		return 0;		/* at its end, without a text */
	rc = renew(fs, h);
	if (rc)
		return rc;
	if (h->text.len == kept->len && kept->len < COMPARED_MAX &&
	    hash_of(&h->text) == kept->hash)
		return 0;
	buf_finish(&h->text);
	h->has_text = false;
	return -EIO;
}

static void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node = inode_parse(ino);
	const struct lines *lines = tree_lines(fs, node);
	const struct file *f = tree_file(node);
	struct handle *h;
	int rc;

	if (scratch_get(fs, node)) {
		scratch_read(req, scratch_get(fs, node), size, off);
		return;
	}
	rc = handle_get(req, ino, fi->fh, &h);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (f && f->flags & FILE_STREAM) {
		stream_read(fs, req, h,
			    &(struct stream_read){size, (uint64_t)off}, fi);
		return;
	}
	if (lines) {
		h->seen = note_version(fs, node);
		reply_slice(req, lines->data, lines->len, size, off);
		return;
	}
	if (f && f->flags & FILE_WAIT) {
		wait_read(fs, req, h, size, fi, off);
		return;
	}
	if (off == 0)
		rc = begin_text(fs, h);
	else if (!h->has_text)
		rc = go_on(fs, h, (uint64_t)off);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		reply_slice(req, h->text.data, h->text.len, size, off);
}

static void ops_write(fuse_req_t req, fuse_ino_t ino, const char *data,
		      size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct chunk chunk = {.data = data, .size = size, .off = off};
	struct scratch *s = scratch_get(fs, inode_parse(ino));

	if (s)
		scratch_write_data(fs, req, s, &chunk, fi->flags);
	else
		write_data(fs, req, ino, &chunk, fi);
}

static bool can_sync(uint64_t ino)
{
	const struct file *f = tree_file(inode_parse(ino));

	return f && f->flags & FILE_SYNC;
}

static void ops_flush(fuse_req_t req, fuse_ino_t ino,
		      struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct handle *h = handle_find(fs, fi->fh);
	int rc = 0;

	if (!h && (handle_may_mark(fi->fh) || handle_may_hold_text(fi->fh)))
		rc = handle_get(req, ino, fi->fh, &h);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (h && write_apply(fs, req, h))
		return;
	if (h && h->marked && can_sync(ino))
		wait_flush(fs, req, h);
	else
		fuse_reply_err(req, 0);
}

static void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		      struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct replication *r = tree_replication(fs, inode_parse(ino));
	struct handle *h;
	int rc;

	if (scratch_get(fs, inode_parse(ino))) {
		fuse_reply_err(req, 0);
		return;
	}
	rc = handle_get(req, ino, fi->fh, &h);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (write_apply(fs, req, h))
		return;
	if (handle_may_mark(fi->fh) && can_sync(ino) && r && r->status) {
		h->marked = true;
		handle_await(fs, h);
	}
	fuse_reply_err(req, 0);
}

static void ops_release(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct scratch *s = scratch_get(fs, inode_parse(ino));

	if (s)
		scratch_close(fs, s);
	else
		handle_close(fs, fi->fh);
	fuse_reply_err(req, 0);
}

static void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	note_forget(fuse_req_userdata(req), inode_parse(ino), lookups);
	fuse_reply_none(req);
}

static void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = 1 << 20,
		.f_bfree = 1 << 20,
		.f_bavail = 1 << 20,
		.f_files = 1 << 20,
		.f_ffree = 1 << 20,
		.f_favail = 1 << 20,
		.f_namemax = NAME_MAX,
	};

	fuse_reply_statfs(req, &st);
}

/*
 * Without getxattr and its like libfuse answers ENOSYS, and the kernel does not
 * ask again before each write.
 */
const struct fuse_lowlevel_ops fs_ops = {
	.init = ops_init,
	.lookup = dir_lookup,
	.forget = ops_forget,
	.getattr = ops_getattr,
	.setattr = ops_setattr,
	.readlink = ops_readlink,
	.mknod = change_mknod,
	.mkdir = change_mkdir,
	.unlink = change_unlink,
	.rmdir = change_rmdir,
	.symlink = change_symlink,
	.rename = change_rename,
	.link = change_link,
	.create = change_create,
	.open = ops_open,
	.read = ops_read,
	.write = ops_write,
	.flush = ops_flush,
	.fsync = ops_fsync,
	.release = ops_release,
	.opendir = dir_open,
	.readdir = dir_readdir,
	.readdirplus = dir_readdirplus,
	.statfs = ops_statfs,
	.poll = poll_file,
};
