/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renaming: a scratch file over an attribute is a write of its text, and the
 * rename's errno the answer.  Other files stay where they are.
 */
#include "tree.h"

#include <errno.h>
#include <stdio.h>

static void rename_scratch(struct fs *fs, fuse_req_t req, struct scratch *s,
			   const char *name)
{
	struct inode dir = tree_parent(fs, scratch_inode(s));
	struct scratch *old = scratch_find(fs, dir, name);
	int rc;

	if (old == s) {
		fuse_reply_err(req, 0);
		return;
	}
	rc = scratch_rename(fs, s, name);
	if (rc == 0 && old)
		scratch_unlink(fs, old);
	if (rc == 0)
		note_touch(fs, dir);
	fuse_reply_err(req, -rc);
}

static void replace(struct fs *fs, fuse_req_t req, struct scratch *s,
		    struct inode node)
{
	int rc = change_check_write(fs, req, node);

	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	unlink_undo(fs, req, node);
	write_replace(fs, req, node, s);
}

/* Moves @s to where @node is. */
static void rename_over(struct fs *fs, fuse_req_t req, struct scratch *s,
			struct inode node, unsigned flags)
{
	bool is_directory = S_ISDIR(tree_type(node));

	if (flags & RENAME_NOREPLACE)
		fuse_reply_err(req, EEXIST);
	else if (is_directory != S_ISDIR(s->mode))
		fuse_reply_err(req, is_directory ? EISDIR : ENOTDIR);
	else if (node.kind == KIND_ATTRIBUTE)
		replace(fs, req, s, node);
	else if (scratch_get(fs, node))
		rename_scratch(fs, req, s, scratch_get(fs, node)->name);
	else
		fuse_reply_err(req, EPERM);
}

/* @name in @dir is no scratch file: it can't be renamed, if it is there. */
static void refuse_to_move(struct fs *fs, fuse_req_t req, struct inode dir,
			   const char *name)
{
	struct replication *r = tree_replication(fs, dir);
	struct inode node;
	struct error err;
	int rc = tree_lookup(fs, dir, name, &node);

	if (rc) {
		/* A former daemon has taken it, with the text that it had. */
		fuse_reply_err(req, takeover_is_done(fs, r) ? 0 : -rc);
		return;
	}
	fail(&err, EPERM, "'%s' can't be renamed: copy it", name);
	write_refuse(fs, req, dir.kind == KIND_REPLICATION ? r : NULL, &err);
}

void change_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		   fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent), node;
	struct scratch *s = NULL;

	if (change_is_refused(fs, req))
		return;
	if (dir.kind == KIND_REPLICATION)
		s = scratch_find(fs, dir, name);
	if (!s)
		refuse_to_move(fs, req, dir, name);
	else if (flags & ~(unsigned)RENAME_NOREPLACE)
		fuse_reply_err(req, EINVAL);
	else if (parent != newparent)
		fuse_reply_err(req, EXDEV);	/* mv(1) copies then */
	else if (tree_lookup(fs, dir, newname, &node) == 0)
		rename_over(fs, req, s, node, flags);
	else if (!scratch_name_fits(newname, false))
		refuse_name(fs, req, tree_replication(fs, dir), newname);
	else
		rename_scratch(fs, req, s, newname);
}
