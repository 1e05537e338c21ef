/* SPDX-License-Identifier: Apache-2.0 */
/* Making and removing directories, and what is never made. */
#include "tree.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>

bool change_is_refused(struct fs *fs, fuse_req_t req)
{
	if (fs->options.read_only)
		fuse_reply_err(req, EROFS);
	return fs->options.read_only;
}

static void make_draft(struct fs *fs, fuse_req_t req, struct namespace *ns,
		       const char *name)
{
	struct replication *r;
	struct caller c;
	struct error err;
	struct inode node = {.kind = KIND_REPLICATION};
	struct pending *p;

	if (fuse_req_ctx(req)->uid && !note_has_room(fs, ns)) {
		fuse_reply_err(req, EDQUOT);
		return;
	}
	p = pending_new(fs, req);
	if (!p) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	caller_init(&c, req);
	r = world_new_draft(fs->world, ns, name, &c.who, &err);
	if (!r) {
		pending_answer(p, -err.code);
		return;
	}
	node.id = r->id;
	note_touch(fs, node);
	note_touch(fs, tree_parent(fs, node));
	note_draft(fs, r, true);
	fs->version++;
	p->made_in = tree_parent(fs, node);
	snprintf(p->made, sizeof p->made, "%s", name);
	pending_answer(p, 0);
}

void change_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		  mode_t mode)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent), node;
	struct namespace *ns = tree_namespace(fs, dir);
	struct scratch_wish wish = {.name = name,
				    .mode = S_IFDIR | (mode & 07777)};

	if (arrive_mkdir(fs, req, dir, name) || change_is_refused(fs, req))
		return;
	if (dir.kind == KIND_ROOT && !name_is_dns_label(name))
		fuse_reply_err(req, EINVAL);
	else if (dir.kind == KIND_ROOT && fs->resent &&
		 tree_lookup(fs, dir, name, &node) == 0)
		dir_reply(fs, req, node);	/* by a former daemon */
	else if (dir.kind == KIND_ROOT)
		write_namespace(fs, req, name, false);
	else if (ns)
		make_draft(fs, req, ns, name);
	else if (dir.kind == KIND_REPLICATION && !tree_check(fs, dir))
		create_directory(fs, req, dir, &wish);
	else
		fuse_reply_err(req, EPERM);
}

static void remove_replication(struct fs *fs, fuse_req_t req,
			       struct inode node)
{
	struct replication *r = tree_replication(fs, node);

	if (!takeover_may_remove(fs, node.id))
		fuse_reply_err(req, 0);
	else if (unlink_precedes(fs, req, node))
		refuse(fs, req, r, ENOTEMPTY,
		       "rm -r removes no replication: use rmdir, which keeps "
		       "the storage as it is");
	else
		write_remove(fs, req, node, r);
}

static void remove_scratch(struct fs *fs, fuse_req_t req, struct inode node)
{
	note_touch(fs, tree_parent(fs, node));
	scratch_unlink(fs, scratch_get(fs, node));
	fuse_reply_err(req, 0);
}

void change_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node;
	int rc;

	if (arrive_rmdir(fs, req, inode_parse(parent), name) ||
	    change_is_refused(fs, req))
		return;
	rc = tree_lookup(fs, inode_parse(parent), name, &node);
	if (rc)
		fuse_reply_err(req, takeover_has_removed(fs, rc) ? 0 : -rc);
	else if (node.kind == KIND_NAMESPACE)
		write_namespace(fs, req, name, true);
	else if (node.kind == KIND_REPLICATION)
		remove_replication(fs, req, node);
	else if (node.kind == KIND_SCRATCH_DIR)
		remove_scratch(fs, req, node);
	else
		fuse_reply_err(req, S_ISDIR(tree_type(node)) ? EPERM
							     : ENOTDIR);
}

static void deny(fuse_req_t req)
{
	if (!change_is_refused(fuse_req_userdata(req), req))
		fuse_reply_err(req, EPERM);
}

void change_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		  mode_t mode, dev_t rdev)
{
	deny(req);
}

void change_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		    const char *name)
{
	deny(req);
}

void change_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		 const char *name)
{
	deny(req);
}
