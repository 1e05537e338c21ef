/* SPDX-License-Identifier: Apache-2.0 */
/* Making and removing names, and refusing to. */
#include "tree.h"

#include "text.h"

#include <errno.h>
#include <string.h>

/* rmdir by a task that tried to unlink here so long ago is an `rm -r`. */
#define UNLINK_MEMORY_MS 2000

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

	caller_init(&c, req);
	r = world_new_draft(fs->world, ns, name, &c.who, &err);
	if (!r) {
		fuse_reply_err(req, err.code);
		return;
	}
	node.id = r->id;
	note_touch(fs, node);
	note_touch(fs, tree_parent(fs, node));
	fs->version++;
	dir_reply(fs, req, node);
}

void change_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		  mode_t mode)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent);
	struct namespace *ns = tree_namespace(fs, dir);

	if (change_is_refused(fs, req))
		return;
	if (dir.kind == KIND_ROOT && !name_is_dns_label(name))
		fuse_reply_err(req, EINVAL);
	else if (dir.kind == KIND_ROOT)
		write_namespace(fs, req, name, false);
	else if (ns)
		make_draft(fs, req, ns, name);
	else
		fuse_reply_err(req, EPERM);
}

static void refuse(struct fs *fs, fuse_req_t req, struct replication *r,
		   int code, const char *sentence)
{
	struct error err;

	fail(&err, code, "%s", sentence);
	write_refuse(fs, req, r, &err);
}

static bool has_unlinked(struct fs *fs, fuse_req_t req, struct inode dir)
{
	const struct note *n = note_find(fs, dir);

	return n && n->unlinker == fuse_req_ctx(req)->pid &&
	       world_now(fs->world) - n->unlinked < UNLINK_MEMORY_MS;
}

static void remove_replication(struct fs *fs, fuse_req_t req,
			       struct inode node)
{
	struct replication *r = tree_replication(fs, node);

	if (has_unlinked(fs, req, node))
		refuse(fs, req, r, ENOTEMPTY,
		       "rm -r removes no replication: use rmdir, which keeps "
		       "the storage as it is");
	else
		write_remove(fs, req, r);
}

void change_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node;
	int rc;

	if (change_is_refused(fs, req))
		return;
	rc = tree_lookup(fs, inode_parse(parent), name, &node);
	if (rc)
		fuse_reply_err(req, -rc);
	else if (node.kind == KIND_NAMESPACE)
		write_namespace(fs, req, name, true);
	else if (node.kind == KIND_REPLICATION)
		remove_replication(fs, req, node);
	else
		fuse_reply_err(req, S_ISDIR(tree_type(node)) ? EPERM
							     : ENOTDIR);
}

/*
 * The files come and go with their directory.  That somebody tried is
 * remembered, since programs that remove trees go on to the rmdir, some of them
 * whatever was answered here.
 */
void change_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent);
	struct replication *r = tree_replication(fs, dir);
	struct note *n = NULL;
	bool again;

	if (change_is_refused(fs, req))
		return;
	dir = (struct inode){.kind = KIND_REPLICATION, .id = dir.id};
	if (r)
		n = note_get(fs, dir);
	if (!n) {
		fuse_reply_err(req, EPERM);
		return;
	}
	again = has_unlinked(fs, req, dir);
	n->unlinker = fuse_req_ctx(req)->pid;
	n->unlinked = world_now(fs->world);
	if (again)	/* one sentence for an rm -r */
		fuse_reply_err(req, EPERM);
	else
		refuse(fs, req, r, EPERM,
		       "the files here can't be removed one by one: rmdir "
		       "removes the replication and keeps the storage as it "
		       "is");
}

/* There are no other names here than those of the table. */
static void refuse_name(struct fs *fs, fuse_req_t req, struct replication *r,
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
		fail(&err, EINVAL, "there is no file '%s' here", name);
	write_refuse(fs, req, r, &err);
}

void change_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		   mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent), node;
	struct replication *r = NULL;

	if (change_is_refused(fs, req))
		return;
	if (dir.kind == KIND_REPLICATION)
		r = tree_replication(fs, dir);
	if (tree_lookup(fs, dir, name, &node) == 0)
		fuse_reply_err(req, EEXIST);
	else if (r)
		refuse_name(fs, req, r, name);
	else
		fuse_reply_err(req, EPERM);
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

void change_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		   fuse_ino_t newparent, const char *newname, unsigned flags)
{
	deny(req);
}
