/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications that others made or removed: their directories come and go
 * without a mkdir or an rmdir of this kernel's, so nobody who watches the
 * namespace's would hear of it.  The nudger makes the call, and for it alone the
 * name is, until then, as it was before: absent, or still there.
 */
#include "text.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they are to be told, and are told. */
struct arrival {
	struct arrival *next;
	bool gone;			/* removed, else made */
	bool sent;
	uint64_t namespace;
	uint64_t id;			/* of the replication */
	char path[64 + 256];		/* NAMESPACE/NAME */
};

void arrive_init(struct fs *fs)
{
	fs->arrival_last = &fs->arrivals;
}

static struct arrival *add(struct fs *fs, uint64_t namespace, uint64_t id)
{
	struct arrival *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->namespace = namespace;
	a->id = id;
	*fs->arrival_last = a;
	fs->arrival_last = &a->next;
	return a;
}

static void add_known(struct fs *fs, const struct replication *r, bool gone)
{
	struct arrival *a = add(fs, r->ns->id, r->id);

	if (!a)
		return;
	a->gone = gone;
	snprintf(a->path, sizeof a->path, "%s/%s", r->ns->name, r->name);
}

/* Whoever makes one here has had a directory of it before. */
void arrive_made(struct fs *fs, const struct replication *r)
{
	if (fs->has_nudger && world_leader(fs->world) &&
	    !note_find(fs, inode_replication(r->id)))
		add_known(fs, r, false);
	else
		world_told(fs->world, r->id);
}

void arrive_gone(struct fs *fs, const struct replication *r)
{
	const struct note *n = note_find(fs, inode_replication(r->id));

	if (fs->has_nudger && world_leader(fs->world) && !(n && n->leaving))
		add_known(fs, r, true);
	else
		world_told(fs->world, r->id);
}

/* The nudger comes later. */
void arrive_unseen(struct fs *fs, const struct replication *r)
{
	if (world_leader(fs->world))
		add_known(fs, r, false);
}

void arrive_lost(struct fs *fs, const char *path, uint64_t id)
{
	auto_free char *namespace = strndup(path, strcspn(path, "/"));
	const struct namespace *ns =
		namespace ? world_namespace(fs->world, namespace) : NULL;
	struct arrival *a = ns ? add(fs, ns->id, id) : NULL;

	if (!a)
		return;
	a->gone = true;
	snprintf(a->path, sizeof a->path, "%s", path);
}

/* The one that the nudger asks about when it asks about this name. */
static struct arrival *find(struct fs *fs, struct inode parent,
			    const char *name)
{
	struct arrival *a;

	if (parent.kind != KIND_NAMESPACE)
		return NULL;
	for (a = fs->arrivals; a && a->sent; a = a->next)
		if (a->namespace == parent.id &&
		    strcmp(strchr(a->path, '/') + 1, name) == 0)
			return a;
	return NULL;
}

/* A directory that is about to be removed, and has been. */
static void reply_ghost(fuse_req_t req, uint64_t id)
{
	struct fuse_entry_param e = {
		.ino = inode_number(inode_replication(id)),
		.attr = {.st_mode = S_IFDIR | 0755, .st_nlink = 2},
	};

	e.attr.st_ino = e.ino;
	fuse_reply_entry(req, &e);
}

bool arrive_lookup(struct fs *fs, fuse_req_t req, struct inode parent,
		   const char *name)
{
	const struct arrival *a = nudge_is_asking(fs, req)
					  ? find(fs, parent, name)
					  : NULL;

	if (!a)
		return false;
	if (a->gone)
		reply_ghost(req, a->id);
	else
		fuse_reply_err(req, ENOENT);
	return true;
}

bool arrive_mkdir(struct fs *fs, fuse_req_t req, struct inode parent,
		  const char *name)
{
	const struct arrival *a;
	struct inode node = {.kind = KIND_REPLICATION};

	if (!nudge_is_asking(fs, req))
		return false;
	a = find(fs, parent, name);
	node.id = a ? a->id : 0;
	if (a && !a->gone && tree_replication(fs, node))
		dir_reply(fs, req, node);
	else
		fuse_reply_err(req, EEXIST);
	return true;
}

bool arrive_rmdir(struct fs *fs, fuse_req_t req, struct inode parent,
		  const char *name)
{
	const struct arrival *a;

	if (!nudge_is_asking(fs, req))
		return false;
	a = find(fs, parent, name);
	fuse_reply_err(req, a && a->gone ? 0 : ENOENT);
	return true;
}

/* Of the same name: what the nudger asks of it could be meant for either. */
static bool has_another(const struct fs *fs, const struct arrival *a)
{
	const struct arrival *before;

	for (before = fs->arrivals; before != a; before = before->next)
		if (strcmp(before->path, a->path) == 0)
			return true;
	return false;
}

bool arrive_send(struct fs *fs, fs_send *send, void *ctx)
{
	struct arrival *a;

	for (a = fs->arrivals; a; a = a->next) {
		if (a->sent)
			continue;
		if (fs->nudges == NUDGES_MAX || has_another(fs, a))
			return false;
		if (!send(ctx, a->gone ? NUDGE_GONE : NUDGE_MADE, a->path))
			return false;
		a->sent = true;
		fs->nudged[fs->nudges++] = 0;
	}
	return true;
}

static void drop_first(struct fs *fs)
{
	struct arrival *a = fs->arrivals;

	fs->arrivals = a->next;
	if (!a->next)
		fs->arrival_last = &fs->arrivals;
	free(a);
}

void arrive_told(struct fs *fs)
{
	if (!fs->arrivals)
		return;
	world_told(fs->world, fs->arrivals->id);
	drop_first(fs);
}

void arrive_again(struct fs *fs)
{
	struct arrival *a;

	for (a = fs->arrivals; a; a = a->next)
		a->sent = false;
}

void arrive_finish(struct fs *fs)
{
	while (fs->arrivals)
		drop_first(fs);
}
