/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of directories, and the listener: from what the world
 * tells, it moves the times of the files whose text differs, makes the kernel
 * ask for their attributes again, and wakes those who wait.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many look-ups that it is not known how many. */
#define MANY UINT16_MAX

struct note *note_find(const struct fs *fs, struct inode directory)
{
	return (struct note *)map_find(&fs->notes, inode_number(directory));
}

struct note *note_get(struct fs *fs, struct inode directory)
{
	struct note *n = note_find(fs, directory);

	if (n)
		return n;
	n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	n->link.key = inode_number(directory);
	/* A former daemon has counted. */
	if (fs->taken_over)
		memset(n->lookups, 0xff, sizeof n->lookups);
	if (map_add(&fs->notes, &n->link)) {
		free(n);
		return NULL;
	}
	return n;
}

static void destroy(struct fs *fs, struct note *n)
{
	map_remove(&fs->notes, &n->link);
	nudge_dequeue(fs, n);
	unlink_drop(n);
	free(n);
}

void note_drop(struct fs *fs, struct inode directory)
{
	struct note *n = note_find(fs, directory);

	if (!n)
		return;
	stream_end(fs, n);
	wait_abandon(fs, n, true);
	poll_end(n);
	scratch_drop(fs, n);
	destroy(fs, n);
}

void note_finish(struct fs *fs)
{
	struct map_link *l;

	while ((l = map_next(&fs->notes, NULL)))
		destroy(fs, (struct note *)l);
	map_finish(&fs->notes);
}

/*
 * Of the attributes only (offset -1).  Dropping pages would wait for a folio
 * lock that a read in flight holds, and there are none to drop: all files are
 * opened with direct_io.
 */
static int forget_attributes(struct fs *fs, struct inode node)
{
	return fs->session ? fuse_lowlevel_notify_inval_inode(
				     fs->session, inode_number(node), -1, 0)
			   : 0;
}

/*
 * Two changes have two times, so that a time is a version, too: for pollers,
 * and for programs that compare times.
 */
static void move_time(struct fs *fs, int64_t *time)
{
	int64_t now = world_now(fs->world), ahead = *time - now;

	*time = ahead >= 0 && ahead < 1000 ? *time + 1 : now;
}

/*
 * The entries of @directory are others now.  What the kernel has of them goes
 * when it is opened next, or, for who has it open, with the time: dropping the
 * pages from here would wait for whoever is copying names out of one.
 */
void note_touch(struct fs *fs, struct inode directory)
{
	struct note *n = note_get(fs, directory);

	if (n) {
		move_time(fs, &n->changed);
		n->listed = false;
	}
	forget_attributes(fs, directory);
}

/* True when @f reads differently for @a and for @b, or that can't be told. */
static bool differs(struct fs *fs, const struct file *f,
		    const struct replication *a, const struct replication *b)
{
	struct subject sa = {.world = fs->world, .r = a};
	struct subject sb = {.world = fs->world, .r = b};
	auto_buf x, y;

	buf_init(&x, RENDER_MAX);
	buf_init(&y, RENDER_MAX);
	if (f->flags & FILE_GROWING || !a->spec || !b->spec)
		return true;
	f->render(&sa, &x);
	f->render(&sb, &y);
	return x.failed || y.failed || x.len != y.len ||
	       (x.len && memcmp(x.data, y.data, x.len) != 0);
}

static void touch_file(struct fs *fs, struct note *n, struct inode file)
{
	if (!n || note_is_known(n, file.row))
		forget_attributes(fs, file);
	if (!n)
		return;
	move_time(fs, &n->mtimes[file.row - 1]);
	poll_wake(fs, n, file);
	nudge_file(fs, file);
}

/* Where look-ups of @node are counted, in a note; NULL: they are not. */
static uint16_t *lookups_of(struct note *n, struct inode node)
{
	if (n && node.kind == KIND_REPLICATION)
		return &n->lookups[0];
	return n && node.kind == KIND_ATTRIBUTE && tree_file(node)
		       ? &n->lookups[node.row] : NULL;
}

void note_look_up(struct fs *fs, struct inode node)
{
	uint16_t *lookups = NULL;

	if (node.kind == KIND_REPLICATION || node.kind == KIND_ATTRIBUTE)
		lookups = lookups_of(note_get(fs, inode_replication(node.id)), node);
	if (lookups && *lookups < MANY)
		(*lookups)++;
}

/* Mostly the kernel forgets all at once. */
void note_forget(struct fs *fs, struct inode node, uint64_t count)
{
	struct note *n = note_find(fs, inode_replication(node.id));
	uint16_t *lookups = lookups_of(n, node);

	if (lookups && (*lookups == MANY || count >= *lookups))
		*lookups = 0;
	else if (lookups)
		*lookups -= (uint16_t)count;
}

bool note_is_known(const struct note *n, unsigned row)
{
	return n->lookups[0] || n->lookups[row];
}

int64_t note_version(struct fs *fs, struct inode node)
{
	const struct lines *log = world_log(fs->world);
	const struct note *n;

	if (node.kind == KIND_DAEMON_FILE && tree_lines(fs, node) == log)
		return (int64_t)(log->gone.byte + log->len);
	if (node.kind != KIND_ATTRIBUTE)
		return 0;
	n = note_find(fs, inode_replication(node.id));
	return n ? n->mtimes[node.row - 1] : 0;
}

/* Were the views by source right for @before, and are wrong now? */
static bool has_moved(const struct replication *r,
		      const struct replication *before)
{
	return !r->spec || !before->spec ||
	       !endpoint_equal(&r->spec->source, &before->spec->source);
}

static struct inode namespace_of(const struct namespace *ns)
{
	return (struct inode){.kind = KIND_NAMESPACE, .id = ns->id};
}

void note_draft(struct fs *fs, const struct replication *r, bool is_one)
{
	struct note *n = note_find(fs, inode_replication(r->id));
	struct note *in = note_find(fs, namespace_of(r->ns));

	if (!n || !in || n->is_draft == is_one)
		return;
	n->is_draft = is_one;
	in->drafts += is_one ? 1 : -1;
}

bool note_has_room(const struct fs *fs, const struct namespace *ns)
{
	const struct note *in = note_find(fs, namespace_of(ns));

	return !in || in->drafts < DRAFTS_MAX;
}

static struct fs *told(struct world_listener *l)
{
	struct fs *fs = (struct fs *)l;

	fs->version++;
	fs->changed = world_now(fs->world);
	return fs;
}

/* `wait` and `events` have no text that could differ. */
static void wake_unlisted(struct fs *fs, const struct note *n, uint64_t id)
{
	struct inode node = {.kind = KIND_ATTRIBUTE, .id = id};

	if (!n->told)
		return;
	for (node.row = 1; node.row <= attribute_files.count; node.row++)
		if (file_row(&attribute_files, node.row)->flags & FILE_UNLISTED)
			poll_wake(fs, n, node);
}

static void changed(struct world_listener *l, struct replication *r,
		    const struct replication *before, unsigned facets)
{
	struct fs *fs = told(l);
	struct inode node = {.kind = KIND_ATTRIBUTE, .id = r->id};
	struct note *n;

	/* Removed, and the storage is still to be told: nobody sees it. */
	if (!tree_replication(fs, node))
		return;
	n = note_get(fs, inode_replication(r->id));
	if (facets & FACET_SPEC && has_moved(r, before))
		fs->places.stale = true;
	for (node.row = 1; node.row <= attribute_files.count; node.row++) {
		const struct file *f = file_row(&attribute_files, node.row);

		if (file_is_directory(f) || f->flags & FILE_VOLATILE ||
		    !(f->facets & facets))
			continue;
		if (!r->spec && !(f->flags & FILE_DRAFT))
			continue;
		/* What the world does not hold is as it is now for both. */
		if (facets & FACET_VOLUME || differs(fs, f, before, r))
			touch_file(fs, n, node);
	}
	if (n)
		wait_wake(fs, n, r);
	if (n)
		wake_unlisted(fs, n, r->id);
}

static void touch_all(struct fs *fs, const struct replication *r)
{
	struct inode node = {.kind = KIND_ATTRIBUTE, .id = r->id, .row = 1};
	struct note *n = note_get(fs, inode_replication(r->id));

	for (; node.row <= attribute_files.count; node.row++)
		touch_file(fs, n, node);
	note_touch(fs, inode_replication(r->id));
	note_touch(fs, namespace_of(r->ns));
	/* Others have made the namespace with it, it may be. */
	if (r->ns->count <= 1)
		note_touch(fs, (struct inode){.kind = KIND_ROOT});
	fs->places.stale = true;
}

static void appeared(struct world_listener *l, struct replication *r)
{
	struct fs *fs = told(l);

	note_draft(fs, r, false);
	arrive_made(fs, r);
	touch_all(fs, r);
}

static void vanishing(struct world_listener *l, struct replication *r)
{
	struct fs *fs = told(l);

	note_draft(fs, r, false);
	arrive_gone(fs, r);
	touch_all(fs, r);
	note_drop(fs, inode_replication(r->id));
}

static void logged(struct world_listener *l)
{
	struct fs *fs = (struct fs *)l;
	struct inode node = {.kind = KIND_DAEMON};
	struct note *n = note_find(fs, node);

	if (!n)
		return;
	wait_wake(fs, n, NULL);
	node = (struct inode){.kind = KIND_DAEMON_FILE, .row = 1};
	for (; node.row <= daemon_files.count; node.row++)
		if (tree_lines(fs, node) == world_log(fs->world))
			poll_wake(fs, n, node);
}

/* From the decision on a version until it is stored, at most. */
#define STORING_MS 5000

/* What was published, and maybe nobody was told any more. */
static bool is_untold(const struct fs *fs, const struct replication *r)
{
	return r->status &&
	       r->status->updated >= fs->options.kept->told - STORING_MS;
}

/* Of a replication and its files. */
static void forget(struct fs *fs, uint64_t id)
{
	struct inode node = inode_replication(id);

	/* Where the kernel does not know the directory it hardly knows a file. */
	if (forget_attributes(fs, node) == -ENOENT)
		return;
	node.kind = KIND_ATTRIBUTE;
	for (node.row = 1; node.row <= attribute_files.count; node.row++)
		forget_attributes(fs, node);
}

static void take_over(struct fs *fs, const struct replication *r)
{
	if (world_is_untold(r))
		arrive_unseen(fs, r);
	if (is_untold(fs, r))
		touch_all(fs, r);
	else
		forget(fs, r->id);
}

void note_take_over(struct fs *fs)
{
	struct replication *r = NULL;
	struct namespace *ns = NULL;
	const char *path;
	uint64_t id;

	while ((ns = world_next_namespace(fs->world, ns ? ns->id : 0)))
		forget_attributes(fs, namespace_of(ns));
	/* Others have removed it meanwhile: who has cached its name and
	   attributes asks again, and is told ESTALE. */
	while ((id = world_lost_id(fs->world, &path))) {
		forget(fs, id);
		if (*path)
			arrive_lost(fs, path, id);
	}
	while ((r = world_next(fs->world, r ? r->id : 0)))
		take_over(fs, r);
}

void note_listen(struct fs *fs)
{
	fs->listener = (struct world_listener){
		.changed = changed,
		.appeared = appeared,
		.vanishing = vanishing,
		.logged = logged,
	};
	world_set_listener(fs->world, &fs->listener);
}
