/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the kernel that are answered later: when what was asked is durable
 * or refused, and the audit says so.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>

struct pending *pending_new(struct fs *fs, fuse_req_t req)
{
	struct pending *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->fs = fs;
	p->req = req;
	p->next = fs->pending;
	p->link = &fs->pending;
	if (p->next)
		p->next->link = &p->next;
	fs->pending = p;
	return p;
}

static void take_out(struct pending *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
}

void pending_abandon(struct fs *fs)
{
	struct pending *p;

	while ((p = fs->pending)) {
		take_out(p);
		fs_dismiss(fs, p->req, ENODEV);
		p->req = NULL;
	}
}

static void reply(struct pending *p)
{
	struct inode node;

	if (p->rc)
		fuse_reply_err(p->req, -p->rc);
	else if (p->size)
		fuse_reply_write(p->req, p->size);
	else if (!*p->made)
		fuse_reply_err(p->req, 0);
	else if (tree_lookup(p->fs, p->made_in, p->made, &node) == 0)
		dir_reply(p->fs, p->req, node);
	else
		fuse_reply_err(p->req, ENOENT);
}

static void audited(struct job *job)
{
	struct pending *p = (struct pending *)job;

	/* A request that was abandoned has had its answer. */
	if (p->req) {
		take_out(p);
		reply(p);
	}
	free(p);
}

void pending_answer(struct pending *p, int rc)
{
	p->rc = rc;
	p->job.done = audited;
	world_after_audit(p->fs->world, &p->job);
}
