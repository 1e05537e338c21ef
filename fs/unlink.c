/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unlinking.  An attribute can't be removed, but install(1) and mv(1) unlink
 * what they are about to write, so the first one is granted and its name hidden
 * from that process alone.  What is remembered of it tells an `rm -r`, which
 * goes on to the next file and the directory, from a program that replaces.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>

/* The name stays hidden so long, unless it is made again. */
#define HIDDEN_MS 2000

/* An `rm -ri` asks between one file and the next. */
#define REMEMBERED_MS 600000
#define REMEMBERED_MAX 64

struct unlinked {
	struct unlinked *next;
	pid_t process;
	unsigned row;
	int64_t at;
	bool told;			/* one sentence for an `rm -r` */
};

static int64_t age(const struct fs *fs, const struct unlinked *u)
{
	return world_now(fs->world) - u->at;
}

static struct unlinked **find(struct note *note, pid_t process)
{
	struct unlinked **at = &note->unlinked;

	while (*at && (*at)->process != process)
		at = &(*at)->next;
	return at;
}

static void forget(struct unlinked **at)
{
	struct unlinked *u = *at;

	*at = u->next;
	free(u);
}

void unlink_drop(struct note *note)
{
	while (note->unlinked)
		forget(&note->unlinked);
}

/* Process 0 is all those that we can't see: what one did says little of another. */
static bool is_over(const struct fs *fs, const struct unlinked *u)
{
	return age(fs, u) >= (u->process ? REMEMBERED_MS : HIDDEN_MS);
}

/* Newest first: too much is at the end. */
static void trim(const struct fs *fs, struct note *note)
{
	struct unlinked **at = &note->unlinked;
	unsigned count = 0;

	while (*at) {
		if (++count > REMEMBERED_MAX || is_over(fs, *at))
			forget(at);
		else
			at = &(*at)->next;
	}
}

static int remember(struct fs *fs, struct note *note, pid_t process,
		    unsigned row)
{
	struct unlinked *u = malloc(sizeof *u);

	if (!u)
		return -ENOMEM;
	*u = (struct unlinked){.next = note->unlinked, .process = process,
			       .row = row, .at = world_now(fs->world)};
	note->unlinked = u;
	trim(fs, note);
	return 0;
}

static struct note *note_of(struct fs *fs, struct inode node)
{
	if (node.kind != KIND_ATTRIBUTE)
		return NULL;
	return note_find(fs, inode_replication(node.id));
}

bool unlink_hides(struct fs *fs, fuse_req_t req, struct inode node)
{
	struct note *note = note_of(fs, node);
	const struct unlinked *u;

	if (!note || !note->unlinked)
		return false;
	u = *find(note, caller_process(req));
	return u && u->row == node.row && age(fs, u) < HIDDEN_MS;
}

bool unlink_is_fresh(struct fs *fs, struct inode node)
{
	const struct note *note = note_of(fs, node);
	const struct unlinked *u;

	for (u = note ? note->unlinked : NULL; u; u = u->next)
		if (u->row == node.row && age(fs, u) < HIDDEN_MS)
			return true;
	return false;
}

void unlink_undo(struct fs *fs, fuse_req_t req, struct inode node)
{
	struct note *note = note_of(fs, node);
	struct unlinked **at;

	if (!note || !note->unlinked)
		return;
	at = find(note, caller_process(req));
	if (*at && (*at)->row == node.row)
		forget(at);
}

bool unlink_precedes(struct fs *fs, fuse_req_t req, struct inode dir)
{
	struct note *note = note_find(fs, dir);

	if (!note || !note->unlinked)
		return false;
	trim(fs, note);
	return *find(note, caller_process(req));
}

static void refuse_next(struct fs *fs, fuse_req_t req, struct inode dir,
			struct unlinked *u)
{
	if (u->told)
		fuse_reply_err(req, EPERM);
	else
		refuse(fs, req, tree_replication(fs, dir), EPERM,
		       "the files here can't be removed: rmdir removes the "
		       "replication and keeps the storage as it is");
	u->told = true;
}

static void unlink_attribute(struct fs *fs, fuse_req_t req, struct inode node)
{
	struct inode dir = inode_replication(node.id);
	pid_t process = caller_process(req);
	struct note *note = note_get(fs, dir);
	struct unlinked *u;

	if (!note) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	trim(fs, note);
	u = *find(note, process);
	if (u)
		refuse_next(fs, req, dir, u);
	else
		fuse_reply_err(req, -remember(fs, note, process, node.row));
}

void change_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct inode dir = inode_parse(parent), node;
	struct scratch *s;
	int rc;

	if (change_is_refused(fs, req))
		return;
	rc = tree_lookup(fs, dir, name, &node);
	s = rc ? NULL : scratch_get(fs, node);
	if (rc == 0 && S_ISDIR(tree_type(node)))
		rc = -EISDIR;
	if (rc) {
		fuse_reply_err(req, takeover_has_removed(fs, rc) ? 0 : -rc);
	} else if (s) {
		scratch_unlink(fs, s);
		note_touch(fs, dir);
		fuse_reply_err(req, 0);
	} else if (node.kind == KIND_ATTRIBUTE) {
		unlink_attribute(fs, req, node);
	} else {
		fuse_reply_err(req, EPERM);
	}
}
