/* SPDX-License-Identifier: Apache-2.0 */
/* Making files: scratch files, and an attribute that was unlinked before. */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

void refuse(struct fs *fs, fuse_req_t req, struct replication *r, int code,
	    const char *sentence)
{
	struct error err;

	fail(&err, code, "%s", sentence);
	write_refuse(fs, req, r, &err);
}

#define GROUPS_MAX 256

static bool is_in_group(fuse_req_t req, gid_t group)
{
	const struct fs *fs = fuse_req_userdata(req);
	gid_t list[GROUPS_MAX];
	int i, count;

	if (fuse_req_ctx(req)->gid == group)
		return true;
	if (!fs->has_proc)	/* libfuse reads them there */
		return false;
	count = fuse_req_getgroups(req, GROUPS_MAX, list);
	for (i = 0; i < count && i < GROUPS_MAX; i++)
		if (list[i] == group)
			return true;
	return false;
}

int change_check_write(struct fs *fs, fuse_req_t req, struct inode node)
{
	const struct file *f = tree_file(node);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct stat st;
	mode_t bit = S_IWOTH;
	int rc;

	if (!f || !file_is_writable(f))
		return -EACCES;
	rc = tree_stat(fs, node, &st);
	if (rc || uid == 0)
		return rc;
	if (uid == st.st_uid)
		bit = S_IWUSR;
	else if (is_in_group(req, st.st_gid))
		bit = S_IWGRP;
	return st.st_mode & bit ? 0 : -EACCES;
}

void refuse_name(struct fs *fs, fuse_req_t req, struct replication *r,
		 const char *name)
{
	const char *like = file_suggest(&attribute_files, name);
	struct error err;

	if (!r->spec && file_find(&attribute_files, name))
		fail(&err, EINVAL,
		     "a draft has no file '%s': write a manifest to spec.yaml "
		     "first",
		     name);
	else if (like)
		fail(&err, EINVAL,
		     "there is no file '%s' here; did you mean '%s'?", name,
		     like);
	else
		fail(&err, EINVAL,
		     "there is no file '%s' here; a file of yours must begin "
		     "with a dot, or with the name of one and a suffix",
		     name);
	write_refuse(fs, req, r, &err);
}

/* Who unlinked it makes it again: the write that follows is one to it. */
static void open_attribute(struct fs *fs, fuse_req_t req, struct inode node,
			   struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct handle *h;
	int rc = change_check_write(fs, req, node), sent;

	if (rc == 0) {
		unlink_undo(fs, req, node);
		rc = dir_entry(fs, node, &e);
	}
	if (rc == 0)
		rc = handle_open(req, e.ino, fi->flags, &h);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	fi->direct_io = 1;
	fi->fh = h->link.key;
	sent = fuse_reply_create(req, &e, fi);
	if (sent == 0)
		note_look_up(fs, node);
	else if (sent == -ENOENT)
		handle_close(fs, fi->fh);
}

static void create_existing(struct fs *fs, fuse_req_t req, struct inode node,
			    struct fuse_file_info *fi)
{
	if (node.kind == KIND_ATTRIBUTE &&
	    (!(fi->flags & O_EXCL) || unlink_hides(fs, req, node)))
		open_attribute(fs, req, node, fi);
	else
		fuse_reply_err(req, EEXIST);
}

static struct scratch *make_scratch(struct fs *fs, fuse_req_t req,
				    struct inode dir,
				    struct scratch_wish *wish)
{
	struct scratch *s;
	struct error err;

	wish->uid = fuse_req_ctx(req)->uid;
	wish->gid = fuse_req_ctx(req)->gid;
	s = scratch_new(fs, dir, wish, &err);
	if (s)
		note_touch(fs, dir);
	else
		write_refuse(fs, req, tree_replication(fs, dir), &err);
	return s;
}

static void create_scratch(struct fs *fs, fuse_req_t req, struct inode dir,
			   struct scratch_wish *wish,
			   struct fuse_file_info *fi)
{
	struct scratch *s = make_scratch(fs, req, dir, wish);
	struct fuse_entry_param e;

	if (!s)
		return;
	dir_entry(fs, scratch_inode(s), &e);
	s->opens++;
	fi->direct_io = 1;
	if (fuse_reply_create(req, &e, fi) == -ENOENT)
		scratch_close(fs, s);
}

void create_directory(struct fs *fs, fuse_req_t req, struct inode dir,
		      struct scratch_wish *wish)
{
	struct inode node;
	struct scratch *s;

	if (tree_lookup(fs, dir, wish->name, &node) == 0) {
		fuse_reply_err(req, EEXIST);
		return;
	}
	if (!scratch_name_fits(wish->name, false)) {
		refuse_name(fs, req, tree_replication(fs, dir), wish->name);
		return;
	}
	s = make_scratch(fs, req, dir, wish);
	if (s)
		dir_reply(fs, req, scratch_inode(s));
}

void change_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		   mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent), node;
	struct scratch_wish wish = {.name = name,
				    .mode = S_IFREG | (mode & 07777)};
	struct replication *r = tree_replication(fs, dir);

	if (change_is_refused(fs, req))
		return;
	if (tree_lookup(fs, dir, name, &node) == 0)
		create_existing(fs, req, node, fi);
	else if (!r || dir.kind != KIND_REPLICATION)
		fuse_reply_err(req, EPERM);
	else if (!scratch_name_fits(name, fi->flags & O_EXCL))
		refuse_name(fs, req, r, name);
	else
		create_scratch(fs, req, dir, &wish, fi);
}
