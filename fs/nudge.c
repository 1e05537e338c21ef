/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to tell the watchers of: the files that have changed, and that the kernel
 * knows, or the directory of, since one can't watch others.  The nudger (fs.h)
 * does the telling.
 */
#include "tree.h"

#include <stdio.h>

void fs_set_nudger(struct fs *fs, pid_t pid)
{
	unsigned i;

	fs->nudger = pid;
	if (pid) {
		fs->has_nudger = true;
		takeover_keep_nudger(fs, pid);
		return;
	}
	/* What was under way may or may not have been done. */
	for (i = 0; i < fs->nudges; i++)
		if (fs->nudged[i])
			nudge_file(fs, inode_parse(fs->nudged[i]));
	arrive_again(fs);
	fs->nudges = 0;
}

void fs_nudged(struct fs *fs, unsigned count)
{
	unsigned i;

	if (count > fs->nudges)
		count = fs->nudges;
	for (i = 0; i < count; i++)
		if (!fs->nudged[i])
			arrive_told(fs);
	fs->nudges -= count;
	for (i = 0; i < fs->nudges; i++)
		fs->nudged[i] = fs->nudged[i + count];
}

bool nudge_is_asking(const struct fs *fs, fuse_req_t req)
{
	pid_t pid = fuse_req_ctx(req)->pid;

	return (fs->nudger && pid == fs->nudger) ||
	       takeover_was_nudger(fs, pid);
}

static uint32_t bit_of(struct inode node)
{
	return UINT32_C(1) << node.row;
}

static void enqueue(struct fs *fs, struct note *note)
{
	if (note->nudge_link)
		return;
	note->nudge_next = NULL;
	note->nudge_link = fs->nudge_last;
	*fs->nudge_last = note;
	fs->nudge_last = &note->nudge_next;
}

void nudge_dequeue(struct fs *fs, struct note *note)
{
	if (!note->nudge_link)
		return;
	*note->nudge_link = note->nudge_next;
	if (note->nudge_next)
		note->nudge_next->nudge_link = note->nudge_link;
	else
		fs->nudge_last = note->nudge_link;
	note->nudge_link = NULL;
}

void nudge_file(struct fs *fs, struct inode node)
{
	const struct file *f = tree_file(node);
	struct note *note = note_find(fs, inode_replication(node.id));

	if (!note || !f || !note_is_known(note, node.row) ||
	    f->flags & (FILE_VOLATILE | FILE_UNLISTED))
		return;
	note->changes |= bit_of(node);
	if (note->changes & ~note->writes)
		enqueue(fs, note);
}

void nudge_hold(struct fs *fs, struct inode node)
{
	struct note *note = note_get(fs, inode_replication(node.id));

	if (note)
		note->writes |= bit_of(node);
}

void nudge_release(struct fs *fs, struct inode node, bool done)
{
	struct note *note = note_find(fs, inode_replication(node.id));

	if (!note || !(note->writes & bit_of(node)))
		return;
	note->writes &= ~bit_of(node);
	if (done)
		note->changes &= ~bit_of(node);
	else if (note->changes)
		enqueue(fs, note);
}

/* Sends the nudges of one directory; false when no more can be sent now. */
static bool send_all(struct fs *fs, struct note *note, fs_send *send, void *ctx)
{
	struct inode node = {.kind = KIND_ATTRIBUTE,
			     .id = inode_parse(note->link.key).id, .row = 1};
	const struct replication *r = tree_replication(fs, node);
	char path[ENTRY_NAME_MAX + 64];

	for (; r && node.row <= attribute_files.count; node.row++) {
		if (!(note->changes & ~note->writes & bit_of(node)))
			continue;
		if (fs->nudges == NUDGES_MAX)
			return false;
		snprintf(path, sizeof path, "%s/%s/%s", r->ns->name, r->name,
			 file_row(&attribute_files, node.row)->name);
		if (!send(ctx, NUDGE_FILE, path))
			return false;
		note->changes &= ~bit_of(node);
		fs->nudged[fs->nudges++] = inode_number(node);
	}
	return true;
}

void fs_nudge(struct fs *fs, fs_send *send, void *ctx)
{
	struct note *note;

	if (fs->nudger && !arrive_send(fs, send, ctx))
		return;
	while (fs->nudger && (note = fs->nudge_first)) {
		if (!send_all(fs, note, send, ctx))
			return;
		nudge_dequeue(fs, note);
	}
	if (fs->options.kept && !fs->nudge_first && !fs->nudges)
		fs->options.kept->told = world_now(fs->world);
}
