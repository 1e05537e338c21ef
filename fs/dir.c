/* SPDX-License-Identifier: Apache-2.0 */
/* Names: looking them up and listing them. */
#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * Absent names are answered by the error, never by a negative entry, so that
 * the kernel caches none and a name that appears is there at once.
 */
int dir_entry(struct fs *fs, struct inode node, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof *e);
	e->ino = inode_number(node);
	takeover_show(fs, node);
	if (!unlink_is_fresh(fs, node))
		e->entry_timeout = tree_name_timeout(fs, node);
	e->attr_timeout = tree_attr_timeout(node);
	return tree_stat(fs, node, &e->attr);
}

void dir_reply(struct fs *fs, fuse_req_t req, struct inode node)
{
	struct fuse_entry_param e;
	int rc = dir_entry(fs, node, &e);

	if (rc)
		fuse_reply_err(req, -rc);
	else if (fuse_reply_entry(req, &e) == 0)
		note_look_up(fs, node);
}

void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode node = {.kind = KIND_NONE};
	int rc;

	if (arrive_lookup(fs, req, inode_parse(parent), name))
		return;
	rc = tree_lookup(fs, inode_parse(parent), name, &node);
	if (rc == -ENOENT && strlen(name) > NAME_MAX)
		rc = -ENAMETOOLONG;
	if (rc == 0 && unlink_hides(fs, req, node))
		rc = -ENOENT;
	if (rc)
		fuse_reply_err(req, -rc);
	else
		dir_reply(fs, req, node);
}

/* The words that may be written, a bit for each, and one more: never 0. */
static uint16_t plans_of(struct fs *fs, struct replication *r)
{
	unsigned word, plans = 1 << WORD_COUNT;

	for (word = 0; word < WORD_COUNT; word++)
		if (world_may_write(fs->world, r, (enum word)word))
			plans |= 1U << word;
	return (uint16_t)plans;
}

_Static_assert(WORD_COUNT < 16, "plans_of() has no bit for each word");

/* Nothing tells of these: each opening sees whether they are others now. */
static void keep_plans(struct fs *fs, struct inode dir,
		       struct fuse_file_info *fi)
{
	struct replication *r = tree_replication(fs, dir);
	struct note *n = r && r->spec ? note_get(fs, tree_parent(fs, dir))
				      : NULL;
	uint16_t plans;

	if (!n)
		return;
	plans = plans_of(fs, r);
	fi->cache_readdir = 1;
	fi->keep_cache = n->plans == plans;
	n->plans = plans;
}

/*
 * Of directories that change only when note_touch() tells, the kernel keeps the
 * listing: from one opening to the next it is asked for once.  Scratch files go
 * when somebody looks, so with these it is not kept.
 */
void dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(ino);
	struct note *n = NULL;

	if (!tree_is_removed(fs, dir) &&
	    (dir.kind == KIND_NAMESPACE ||
	     (dir.kind == KIND_REPLICATION && !tree_is_draft(fs, dir))))
		n = note_get(fs, dir);
	if (n && !n->scratch) {
		fi->cache_readdir = 1;
		fi->keep_cache = n->listed;
		n->listed = true;
	}
	if (dir.kind == KIND_PLAN)
		keep_plans(fs, dir, fi);
	fuse_reply_open(req, fi);
}

/* A listing under way: what has been put into the answer. */
struct listing {
	fuse_req_t req;
	char *data;
	size_t size;
	size_t used;
	bool plus;
};

/* Returns false when it did not fit. */
static bool put(struct listing *l, const struct fuse_entry_param *e,
		const char *name, off_t next)
{
	char *at = l->data + l->used;
	size_t room = l->size - l->used, n;

	n = l->plus ? fuse_add_direntry_plus(l->req, at, room, name, e, next)
		    : fuse_add_direntry(l->req, at, room, name, &e->attr, next);
	if (n > room)
		return false;
	l->used += n;
	return true;
}

/* `.` and `..`: number 0 in the entry says that they are no look-ups. */
static bool put_dots(struct fs *fs, struct listing *l, struct inode dir,
		     off_t off)
{
	struct fuse_entry_param e = {.ino = 0};

	e.attr.st_mode = S_IFDIR;
	e.attr.st_ino = inode_number(dir);
	if (off < 1 && !put(l, &e, ".", 1))
		return false;
	e.attr.st_ino = inode_number(tree_parent(fs, dir));
	return off >= 2 || put(l, &e, "..", 2);
}

static bool put_entry(struct fs *fs, struct listing *l,
		      const struct entry *entry)
{
	struct fuse_entry_param e = {.ino = 0};

	/* What can't be told now is looked up when it is wanted. */
	if (!l->plus || dir_entry(fs, entry->node, &e)) {
		memset(&e, 0, sizeof e);
		e.attr.st_ino = inode_number(entry->node);
		e.attr.st_mode = tree_type(entry->node);
	}
	if (!put(l, &e, entry->name, (off_t)entry->cursor + 2))
		return false;
	/* Should the answer fail to arrive, the count is too high: no harm. */
	if (e.ino)
		note_look_up(fs, entry->node);
	return true;
}

/*
 * An offset is a cursor and two, for the dots.  Cursors are ids or the like, so
 * what is added or removed meanwhile moves no other entry.
 */
static void list(fuse_req_t req, fuse_ino_t ino, off_t off, struct listing *l)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(ino);
	struct entry entry = {.cursor = off > 2 ? (uint64_t)off - 2 : 0};

	l->req = req;
	if (tree_is_removed(fs, dir)) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (tree_check(fs, dir)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	l->data = malloc(l->size);
	if (!l->data) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (put_dots(fs, l, dir, off))
		while (tree_next(fs, dir, entry.cursor, &entry) &&
		       put_entry(fs, l, &entry))
			;
	fuse_reply_buf(req, l->data, l->used);
	free(l->data);
}

void dir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	list(req, ino, off, &(struct listing){.size = size});
}

void dir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	list(req, ino, off, &(struct listing){.size = size, .plus = true});
}
