/* SPDX-License-Identifier: Apache-2.0 */
/* What an inode is like: its text, size, owner, mode and times. */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void subject(struct fs *fs, struct inode node, struct subject *s)
{
	*s = (struct subject){
		.world = fs->world,
		.r = tree_replication(fs, node),
	};
	if (node.kind == KIND_BACKEND_FILE)
		s->backend = world_backend(fs->world, node.id);
	if (node.kind == KIND_CLUSTER_FILE)
		s->cluster = tree_cluster(fs, node);
}

static void render_plan(struct fs *fs, struct inode node, struct buf *out)
{
	struct replication *r = tree_replication(fs, node);
	struct target target;
	struct plan plan;

	world_plan(fs->world, r, (enum word)node.row, false, &plan);
	replication_target(r, &target);
	plan_render(&plan, r->backend, &target, out);
}

/* A long text that is asked for size and content: made once per change. */
static void render_summary(struct fs *fs, const struct file *f,
			   const struct subject *s, struct buf *out)
{
	if (fs->summary_version != fs->version || !fs->summary.len) {
		buf_reset(&fs->summary);
		f->render(s, &fs->summary);
		fs->summary_version = fs->version;
	}
	buf_add(out, fs->summary.data, fs->summary.len);
	out->failed |= fs->summary.failed;
}

int tree_render(struct fs *fs, struct inode node, struct buf *out)
{
	const struct file *f = tree_file(node);
	struct subject s;

	if (tree_check(fs, node))
		return -ESTALE;
	subject(fs, node, &s);
	if (node.kind == KIND_PLAN_WORD)
		render_plan(fs, node, out);
	else if (node.kind == KIND_DAEMON_FILE &&
		 strcmp(f->name, "summary") == 0)
		render_summary(fs, f, &s, out);
	else if (f && f->render)
		f->render(&s, out);
	return -out->failed;
}

const struct lines *tree_lines(struct fs *fs, struct inode node)
{
	const struct file *f = tree_file(node);

	if (!f || !(f->flags & (FILE_GROWING | FILE_STREAM)) ||
	    tree_check(fs, node))
		return NULL;
	if (node.kind == KIND_ATTRIBUTE)
		return &tree_replication(fs, node)->log;
	return f->flags & FILE_PRIVATE ? world_audit(fs->world)
				       : world_log(fs->world);
}

int tree_readlink(struct fs *fs, struct inode node, struct buf *out)
{
	const struct replication *r = tree_replication(fs, node);

	if (node.kind != KIND_LINK)
		return -EINVAL;
	if (tree_check(fs, node))
		return -ESTALE;
	buf_printf(out, "../../../%s/%s", r->ns->name, r->name);
	return -out->failed;
}

/*
 * The rule for @namespace; NULL is the root, which has none.  A rule for every
 * namespace is none for .uvrfs.
 */
static struct access_rule access_of(const struct fs *fs, const char *namespace)
{
	struct access_rule rule = {
		.owner = geteuid(),
		.group = getegid(),
		.directory_mode = 0755,
		.file_mode = 0644,
	};
	size_t i;

	for (i = 0; namespace && i < fs->options.access_count; i++) {
		const struct access_rule *a = &fs->options.access[i];

		if ((!*a->namespace && strcmp(namespace, DAEMON_NAME) != 0) ||
		    strcmp(a->namespace, namespace) == 0)
			return *a;
	}
	return rule;
}

static void fill_access(struct fs *fs, struct inode node, struct stat *st)
{
	const struct replication *r = tree_replication(fs, node);
	const struct namespace *ns = tree_namespace(fs, node);
	const struct file *f = tree_file(node);
	struct access_rule rule;

	if (r)
		ns = r->ns;
	rule = access_of(fs, ns			     ? ns->name
			     : node.kind == KIND_ROOT ? NULL
						      : DAEMON_NAME);
	st->st_uid = rule.owner;
	st->st_gid = rule.group;
	st->st_mode = rule.file_mode;
	if (!f || !file_is_writable(f))
		st->st_mode &= ~(mode_t)0222;
	if (f && f->flags & FILE_PRIVATE)
		st->st_mode = 0640 & rule.file_mode;
	if (S_ISDIR(tree_type(node)))
		st->st_mode = rule.directory_mode;
	if (S_ISLNK(tree_type(node)))
		st->st_mode = 0777;
	st->st_mode |= tree_type(node);
}

static int64_t mtime_of_attribute(struct fs *fs, struct inode node,
				  const struct note *note)
{
	const struct replication *r = tree_replication(fs, node);
	const struct file *f = tree_file(node);

	if (note && note->mtimes[node.row - 1])
		return note->mtimes[node.row - 1];
	if (!r->status)
		return note ? note->changed : fs->started;
	/* Where that was not kept, a time that no former text had. */
	return f->facets == FACET_SPEC && r->status->spec_changed
		       ? r->status->spec_changed : r->status->updated;
}

/*
 * When the text of a file of .uvrfs became what it is, as far as somebody has
 * looked: when it is seen for the first time it may just have changed.
 */
static int64_t mtime_of_text(struct fs *fs, struct inode node, uint64_t version)
{
	uint64_t ino = inode_number(node);
	struct text_time *t = (struct text_time *)map_find(&fs->texts, ino);

	if (t && t->version == version)
		return t->since;
	if (!t) {
		t = calloc(1, sizeof *t);
		if (!t)
			return fs->changed;
		t->link.key = ino;
		if (map_add(&fs->texts, &t->link)) {
			free(t);
			return fs->changed;
		}
	}
	t->since = fs->changed;
	t->version = version;
	return t->since;
}

void text_times_finish(struct fs *fs)
{
	struct map_link *l;

	while ((l = map_next(&fs->texts, NULL))) {
		map_remove(&fs->texts, l);
		free(l);
	}
	map_finish(&fs->texts);
}

static bool is_of_daemon(struct inode node)
{
	return node.kind == KIND_DAEMON_FILE ||
	       node.kind == KIND_BACKEND_FILE ||
	       node.kind == KIND_CLUSTER_FILE;
}

static int64_t mtime_of(struct fs *fs, struct inode node, uint64_t version)
{
	const struct replication *r = tree_replication(fs, node);
	const struct file *f = tree_file(node);
	struct inode dir = node;
	const struct note *note;

	if (f && f->flags & FILE_FIXED)
		return fs->started;
	if (f && f->flags & FILE_UNSIZED)
		return world_now(fs->world);
	if (is_of_daemon(node))
		return mtime_of_text(fs, node, version);
	if (node.kind == KIND_ATTRIBUTE)
		dir = tree_parent(fs, node);
	note = note_find(fs, dir);
	if (node.kind == KIND_ATTRIBUTE)
		return mtime_of_attribute(fs, node, note);
	if (note && note->changed)
		return note->changed;
	if (node.kind == KIND_ROOT || node.kind == KIND_NAMESPACE)
		return fs->started;
	return r && r->status ? r->status->created : fs->changed;
}

/* The size of the text, and what is another number when it is another text. */
static int text_size(struct fs *fs, struct inode node, off_t *size,
		     uint64_t *version)
{
	const struct lines *lines = tree_lines(fs, node);
	const struct file *f = tree_file(node);
	auto_buf text;
	int rc;

	buf_init(&text, RENDER_MAX);
	if (lines) {
		*size = f->flags & FILE_STREAM ? 0 : (off_t)lines->len;
		*version = lines->gone.byte + lines->len;
		return 0;
	}
	if (S_ISDIR(tree_type(node)) || (f && f->flags & FILE_UNSIZED))
		return 0;
	rc = S_ISLNK(tree_type(node)) ? tree_readlink(fs, node, &text)
				      : tree_render(fs, node, &text);
	*size = (off_t)text.len;
	if (is_of_daemon(node))
		*version = inode_hash(buf_str(&text));
	return rc;
}

void tree_stat_removed(struct inode node, struct stat *st)
{
	*st = (struct stat){
		.st_ino = inode_number(node),
		.st_mode = S_IFDIR | 0555,
		.st_uid = geteuid(),
		.st_gid = getegid(),
	};
}

int tree_stat(struct fs *fs, struct inode node, struct stat *st)
{
	uint64_t version = 0;
	int64_t mtime;
	int rc;

	memset(st, 0, sizeof *st);
	if (tree_check(fs, node))
		return -ESTALE;
	if (scratch_get(fs, node)) {
		scratch_stat(scratch_get(fs, node), st);
		return 0;
	}
	st->st_ino = inode_number(node);
	/*
	 * Two links, though there is one name: a file that is renamed over or
	 * unlinked loses a link in the kernel's eyes, and with the last one
	 * every watch on it.
	 */
	st->st_nlink = S_ISLNK(tree_type(node)) ? 1 : 2;
	st->st_blksize = 4096;
	fill_access(fs, node, st);
	rc = text_size(fs, node, &st->st_size, &version);
	st->st_blocks = (st->st_size + 511) / 512;
	mtime = mtime_of(fs, node, version);
	st->st_mtim = (struct timespec){mtime / 1000, mtime % 1000 * 1000000};
	st->st_ctim = st->st_mtim;
	st->st_atim = st->st_mtim;
	return rc;
}
