/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on open scratch files: plain bytes in memory. */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

void scratch_open(struct fs *fs, fuse_req_t req, struct scratch *s,
		  struct fuse_file_info *fi)
{
	int rc = fi->flags & O_TRUNC ? scratch_resize(fs, s, 0) : 0;

	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	s->opens++;
	fi->direct_io = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		scratch_close(fs, s);
}

void scratch_read(fuse_req_t req, const struct scratch *s, size_t size,
		  off_t off)
{
	if ((uint64_t)off >= s->len)
		size = 0;
	else if (size > s->len - (size_t)off)
		size = s->len - (size_t)off;
	fuse_reply_buf(req, size ? s->data + off : NULL, size);
}

void scratch_write_data(struct fs *fs, fuse_req_t req, struct scratch *s,
			const struct chunk *chunk, int flags)
{
	/* Who appends has the size that the kernel remembers for offset. */
	uint64_t off = flags & O_APPEND ? s->len : (uint64_t)chunk->off;
	int rc = scratch_write(fs, s, chunk->data, chunk->size, off);

	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, chunk->size);
}

static int64_t to_ms(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

/* The kernel has checked who may. */
void scratch_setattr(struct fs *fs, fuse_req_t req, struct scratch *s,
		     const struct stat *attr, int to_set)
{
	struct stat st = {0};
	int rc = 0;

	if (to_set & FUSE_SET_ATTR_SIZE)
		rc = scratch_resize(fs, s, (uint64_t)attr->st_size);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (to_set & FUSE_SET_ATTR_MODE)
		s->mode = (s->mode & S_IFMT) | (attr->st_mode & 07777);
	if (to_set & FUSE_SET_ATTR_UID)
		s->uid = attr->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		s->gid = attr->st_gid;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		s->mtime = world_now(fs->world);
	else if (to_set & FUSE_SET_ATTR_MTIME)
		s->mtime = to_ms(&attr->st_mtim);
	scratch_stat(s, &st);
	fuse_reply_attr(req, &st, 0);
}
