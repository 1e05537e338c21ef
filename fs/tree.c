/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds: looking up and listing. */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One kind of inode. */
struct row {
	mode_t type;
	enum kind parent;
	bool parent_has_id;	/* the parent has the same id */
	bool lasting;		/* its name may be cached */
	const struct file_table *files;	/* of a directory of fixed names */
	const struct file_table *row_of;	/* where a file's row is */
	int (*lookup)(struct fs *fs, struct inode dir, const char *name,
		      struct inode *out);
	bool (*next)(struct fs *fs, struct inode dir, uint64_t after,
		     struct entry *out);
};

static const struct row *row_of(struct inode node);

mode_t tree_type(struct inode node)
{
	return row_of(node)->type;
}

struct replication *tree_replication(const struct fs *fs, struct inode node)
{
	switch ((int)node.kind) {
	case KIND_REPLICATION:
	case KIND_ATTRIBUTE:
	case KIND_PLAN:
	case KIND_PLAN_WORD:
	case KIND_LINK:
		return world_by_id(fs->world, node.id);
	default:
		return NULL;
	}
}

struct cluster *tree_cluster(const struct fs *fs, struct inode node)
{
	struct cluster *c = world_next_cluster(fs->world, node.id - 1);

	return c && c->id == node.id ? c : NULL;
}

struct namespace *tree_namespace(const struct fs *fs, struct inode node)
{
	if (node.kind != KIND_NAMESPACE)
		return NULL;
	return world_namespace_by_id(fs->world, node.id);
}

/* Fills an entry and returns true, so that callers can return it. */
static bool give(struct entry *out, struct inode node, uint64_t cursor,
		 const char *name)
{
	out->node = node;
	out->cursor = cursor;
	snprintf(out->name, sizeof out->name, "%s", name);
	return true;
}

static struct inode file_node(const struct file_table *t, struct inode dir,
			      const struct file *f)
{
	struct inode node = {.kind = f->kind, .id = dir.id};

	if (!S_ISDIR(tree_type(node)))
		node.row = file_number(t, f);
	return node;
}

bool tree_is_draft(const struct fs *fs, struct inode dir)
{
	const struct replication *r = tree_replication(fs, dir);

	return r && !r->spec;
}

static int files_lookup(struct fs *fs, struct inode dir, const char *name,
			struct inode *out)
{
	const struct file_table *t = row_of(dir)->files;
	const struct file *f = file_find(t, name);

	if (!f || (tree_is_draft(fs, dir) && !(f->flags & FILE_DRAFT)))
		return -ENOENT;
	*out = file_node(t, dir, f);
	return 0;
}

static bool files_next(struct fs *fs, struct inode dir, uint64_t after,
		       struct entry *out)
{
	const struct file_table *t = row_of(dir)->files;
	unsigned must = tree_is_draft(fs, dir) ? FILE_DRAFT : 0;
	uint64_t i;

	for (i = after; i < t->count; i++) {
		const struct file *f = &t->rows[i];

		if ((f->flags & (FILE_UNLISTED | must)) == must)
			return give(out, file_node(t, dir, f), i + 1, f->name);
	}
	return false;
}

/* The files of the table, then the scratch files. */
static int replication_lookup(struct fs *fs, struct inode dir,
			      const char *name, struct inode *out)
{
	const struct scratch *s;

	if (files_lookup(fs, dir, name, out) == 0)
		return 0;
	s = scratch_find(fs, dir, name);
	if (!s)
		return -ENOENT;
	*out = scratch_inode(s);
	return 0;
}

static bool replication_next(struct fs *fs, struct inode dir, uint64_t after,
			     struct entry *out)
{
	const struct scratch *s;

	if (files_next(fs, dir, after, out))
		return true;
	s = scratch_next(fs, dir, after);
	return s && give(out, scratch_inode(s), s->link.key, s->name);
}

static bool nothing_next(struct fs *fs, struct inode dir, uint64_t after,
			 struct entry *out)
{
	return false;
}

static int root_lookup(struct fs *fs, struct inode dir, const char *name,
		       struct inode *out)
{
	const struct namespace *ns;

	if (strcmp(name, DAEMON_NAME) == 0) {
		*out = (struct inode){.kind = KIND_DAEMON};
		return 0;
	}
	ns = world_namespace(fs->world, name);
	if (!ns)
		return -ENOENT;
	*out = (struct inode){.kind = KIND_NAMESPACE, .id = ns->id};
	return 0;
}

/* The cursor of a namespace is its id and one, after that of .uvrfs. */
static bool root_next(struct fs *fs, struct inode dir, uint64_t after,
		      struct entry *out)
{
	struct inode node = {.kind = KIND_DAEMON};
	const struct namespace *ns;

	if (after == 0)
		return give(out, node, 1, DAEMON_NAME);
	ns = world_next_namespace(fs->world, after - 1);
	if (!ns)
		return false;
	node = (struct inode){.kind = KIND_NAMESPACE, .id = ns->id};
	return give(out, node, ns->id + 1, ns->name);
}

static int namespace_lookup(struct fs *fs, struct inode dir, const char *name,
			    struct inode *out)
{
	const struct replication *r = namespace_find(tree_namespace(fs, dir),
						     name);

	if (!r)
		return -ENOENT;
	*out = inode_replication(r->id);
	return 0;
}

static bool next_in_namespace(struct fs *fs, struct inode dir, uint64_t after,
			      struct entry *out)
{
	const struct replication *r;

	r = namespace_next(tree_namespace(fs, dir), after);
	if (!r)
		return false;
	return give(out, inode_replication(r->id), r->id, r->name);
}

static bool plan_next(struct fs *fs, struct inode dir, uint64_t after,
		      struct entry *out)
{
	struct replication *r = tree_replication(fs, dir);
	struct inode node = {.kind = KIND_PLAN_WORD, .id = dir.id};
	uint64_t word;

	for (word = after + 1; r && word < WORD_COUNT; word++) {
		if (!world_may_write(fs->world, r, (enum word)word))
			continue;
		node.row = (unsigned)word;
		return give(out, node, word, word_text((enum word)word));
	}
	return false;
}

/* Their indices, which start at 0, are the ids. */
static bool backends_next(struct fs *fs, struct inode dir, uint64_t after,
			  struct entry *out)
{
	const struct backend *b = world_backend(fs->world, after);

	return b && give(out, (struct inode){KIND_BACKEND, after, 0},
			 after + 1, b->name);
}

static bool clusters_next(struct fs *fs, struct inode dir, uint64_t after,
			  struct entry *out)
{
	const struct cluster *c = world_next_cluster(fs->world, after);

	return c && give(out, (struct inode){KIND_CLUSTER, c->id, 0}, c->id,
			 c->name);
}

/* For directories that are short enough to look through. */
static int scan_lookup(struct fs *fs, struct inode dir, const char *name,
		       struct inode *out)
{
	struct entry e = {.cursor = 0};

	while (tree_next(fs, dir, e.cursor, &e)) {
		if (strcmp(e.name, name) != 0)
			continue;
		*out = e.node;
		return 0;
	}
	return -ENOENT;
}

#define DIR(up, look, list)                                                    \
	.type = S_IFDIR, .parent = up, .lookup = look, .next = list
#define FILES(up, table)                                                       \
	DIR(up, files_lookup, files_next), .files = &table, .lasting = true

static const struct row rows[KIND_COUNT] = {
	[KIND_ROOT] = {DIR(KIND_ROOT, root_lookup, root_next),
		       .lasting = true},
	[KIND_NAMESPACE] = {DIR(KIND_ROOT, namespace_lookup,
				next_in_namespace), .lasting = true},
	[KIND_REPLICATION] = {DIR(KIND_NAMESPACE, replication_lookup,
				  replication_next),
			      .files = &attribute_files, .lasting = true},
	[KIND_ATTRIBUTE] = {.type = S_IFREG, .parent = KIND_REPLICATION,
			    .parent_has_id = true, .lasting = true,
			    .row_of = &attribute_files},
	[KIND_PLAN] = {DIR(KIND_REPLICATION, scan_lookup, plan_next),
		       .parent_has_id = true, .lasting = true},
	[KIND_PLAN_WORD] = {.type = S_IFREG, .parent = KIND_PLAN,
			    .parent_has_id = true},
	[KIND_DAEMON] = {FILES(KIND_ROOT, daemon_files)},
	[KIND_DAEMON_FILE] = {.type = S_IFREG, .parent = KIND_DAEMON,
			      .lasting = true, .row_of = &daemon_files},
	[KIND_BACKENDS] = {DIR(KIND_DAEMON, scan_lookup, backends_next)},
	[KIND_BACKEND] = {FILES(KIND_BACKENDS, backend_files)},
	[KIND_BACKEND_FILE] = {.type = S_IFREG, .parent = KIND_BACKEND,
			       .parent_has_id = true, .lasting = true,
			       .row_of = &backend_files},
	[KIND_CLUSTERS] = {DIR(KIND_DAEMON, scan_lookup, clusters_next)},
	/* They come and go. */
	[KIND_CLUSTER] = {DIR(KIND_CLUSTERS, files_lookup, files_next),
			  .files = &cluster_files},
	[KIND_CLUSTER_FILE] = {.type = S_IFREG, .parent = KIND_CLUSTER,
			       .parent_has_id = true, .lasting = true,
			       .row_of = &cluster_files},
	[KIND_BY_STATE] = {DIR(KIND_DAEMON, scan_lookup, view_next)},
	[KIND_STATE] = {DIR(KIND_BY_STATE, view_lookup, view_next)},
	[KIND_BY_SOURCE] = {DIR(KIND_DAEMON, view_lookup, view_next)},
	[KIND_PLACE] = {DIR(KIND_BY_SOURCE, view_lookup, view_next)},
	[KIND_LINK] = {.type = S_IFLNK, .parent = KIND_DAEMON},
	[KIND_SCRATCH] = {.type = S_IFREG, .parent = KIND_REPLICATION},
	[KIND_SCRATCH_DIR] = {DIR(KIND_REPLICATION, scan_lookup,
				  nothing_next)},
};

static const struct row *row_of(struct inode node)
{
	return &rows[node.kind];
}

/* True when plan/ has this file now: no other word may be planned for. */
static bool is_word(struct fs *fs, struct inode node)
{
	struct replication *r = tree_replication(fs, node);

	return r && r->spec && node.row > WORD_NONE && node.row < WORD_COUNT &&
	       world_may_write(fs->world, r, (enum word)node.row);
}

/* True when what @node belongs to is still there. */
static bool is_alive(struct fs *fs, struct inode node)
{
	const struct replication *r;
	const struct file *f;

	switch ((int)node.kind) {
	case KIND_NONE:
		return false;
	case KIND_NAMESPACE:
		return tree_namespace(fs, node);
	case KIND_ATTRIBUTE:
		f = tree_file(node);
		r = tree_replication(fs, node);
		return f && r && (r->spec || f->flags & FILE_DRAFT);
	case KIND_REPLICATION:
		return tree_replication(fs, node);
	case KIND_PLAN_WORD:
		return is_word(fs, node);
	case KIND_PLAN:
	case KIND_LINK:
		r = tree_replication(fs, node);
		return r && r->spec;
	case KIND_BACKEND:
	case KIND_BACKEND_FILE:
		return world_backend(fs->world, node.id);
	case KIND_CLUSTER:
	case KIND_CLUSTER_FILE:
		return tree_cluster(fs, node);
	case KIND_STATE:
		return node.row > STATE_NONE && node.row < STATE_COUNT;
	case KIND_PLACE:
		return place_find(fs, node.id);
	case KIND_SCRATCH:
	case KIND_SCRATCH_DIR:
		return scratch_get(fs, node);
	default:
		return true;
	}
}

int tree_check(struct fs *fs, struct inode node)
{
	const struct row *row = row_of(node);

	if (!is_alive(fs, node) || (row->row_of && !tree_file(node)))
		return -ESTALE;
	return 0;
}

bool tree_is_removed(struct fs *fs, struct inode node)
{
	return (node.kind == KIND_NAMESPACE ||
		node.kind == KIND_REPLICATION) &&
	       tree_check(fs, node);
}

int tree_lookup(struct fs *fs, struct inode dir, const char *name,
		struct inode *out)
{
	if (tree_check(fs, dir))
		return -ESTALE;
	if (!row_of(dir)->lookup)
		return -ENOTDIR;
	return row_of(dir)->lookup(fs, dir, name, out);
}

bool tree_next(struct fs *fs, struct inode dir, uint64_t after,
	       struct entry *out)
{
	if (tree_check(fs, dir) || !row_of(dir)->next)
		return false;
	return row_of(dir)->next(fs, dir, after, out);
}

struct inode tree_parent(const struct fs *fs, struct inode node)
{
	const struct row *row = row_of(node);
	const struct replication *r = tree_replication(fs, node);
	const struct scratch *s = scratch_get(fs, node);
	struct inode up = {.kind = row->parent};

	if (row->parent_has_id)
		up.id = node.id;
	else if (s)
		up.id = s->directory;
	else if (node.kind == KIND_REPLICATION)
		up.id = r ? r->ns->id : 0;
	return up;
}

const struct file *tree_file(struct inode node)
{
	const struct file_table *t = row_of(node)->row_of;
	const struct file *f = t ? file_row(t, node.row) : NULL;

	return f && f->kind == node.kind ? f : NULL;
}

/* Where others remove replications too, a name may be gone at any moment. */
double tree_name_timeout(const struct fs *fs, struct inode node)
{
	if (world_leader(fs->world) &&
	    (node.kind == KIND_NAMESPACE || node.kind == KIND_REPLICATION))
		return 0;
	/* It is lost with the daemon. */
	if (tree_is_draft(fs, node))
		return 0;
	return row_of(node)->lasting ? TIMEOUT_LASTING : 0;
}

/* The listener tells of nothing else, so the rest is not cached. */
double tree_attr_timeout(struct inode node)
{
	const struct file *f = tree_file(node);

	/* Each path begins there; without a daemon it is not to stand for long. */
	if (node.kind == KIND_ROOT)
		return TIMEOUT_ROOT;
	if (node.kind == KIND_NAMESPACE || node.kind == KIND_REPLICATION ||
	    node.kind == KIND_PLAN)
		return TIMEOUT_LASTING;
	return node.kind == KIND_ATTRIBUTE && !(f->flags & FILE_VOLATILE)
		       ? TIMEOUT_LASTING
		       : 0;
}
