/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes: words at once, YAML when it is complete, each one edit of the world.
 * The kernel is answered when the edit is durable or refused, not before.
 */
#include "tree.h"

#include "manifest.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A word is shorter, and a reason to hold is a sentence. */
#define WORD_TEXT_MAX 1024

#define LOST "the daemon was started anew while this was being written: write " \
	     "it again"

/* A file of the calling task: it is in the request, so it still waits. */
static FILE *open_proc(fuse_req_t req, const char *name)
{
	const struct fs *fs = fuse_req_userdata(req);
	char path[40];

	if (!fs->has_proc)
		return NULL;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)fuse_req_ctx(req)->pid,
		 name);
	return fopen(path, "re");
}

void caller_init(struct caller *c, fuse_req_t req)
{
	const struct fs *fs = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	FILE *f;

	*c = (struct caller){.who = {.uid = ctx->uid, .pid = ctx->pid,
				     .call = fs->call}};
	snprintf(c->command, sizeof c->command, "?");
	c->who.command = c->command;
	f = open_proc(req, "comm");
	if (!f)
		return;
	if (fgets(c->command, sizeof c->command, f))
		c->command[strcspn(c->command, "\n")] = '\0';
	fclose(f);
}

pid_t caller_process(fuse_req_t req)
{
	pid_t process = fuse_req_ctx(req)->pid;
	FILE *f = open_proc(req, "status");
	char line[256];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Tgid: %d", &process) == 1)
			break;
	if (f)
		fclose(f);
	return process;
}

/* It was not removed after all: by others, next time. */
static void stay(struct fs *fs, struct inode node)
{
	struct note *n = note_find(fs, node);

	if (n)
		n->leaving = false;
}

/* What was renamed over a file has no name any more. */
static void consume_scratch(struct fs *fs, struct inode node)
{
	struct scratch *s = scratch_get(fs, node);

	if (s && s->name) {
		note_touch(fs, tree_parent(fs, node));
		scratch_unlink(fs, s);
	}
}

static void edit_done(struct edit *e, int rc)
{
	struct pending *p = e->ctx;

	edit_free(e);
	if (rc == 0)
		consume_scratch(p->fs, p->scratch);
	if (p->node.kind == KIND_REPLICATION && rc < 0)
		stay(p->fs, p->node);
	else if (p->node.kind)
		nudge_release(p->fs, p->node, rc == 0);
	pending_answer(p, rc);
}

static void namespace_done(struct namespace_edit *e, int rc)
{
	struct pending *p = e->ctx;

	free(e);
	if (rc == 0)
		note_touch(p->fs, p->made_in);
	pending_answer(p, rc);
}

void write_refuse(struct fs *fs, fuse_req_t req, struct replication *r,
		  const struct error *err)
{
	struct pending *p = r ? pending_new(fs, req) : NULL;
	struct caller c;

	if (r) {
		caller_init(&c, req);
		world_refuse(fs->world, r, &c.who, err->msg);
	}
	if (p)
		pending_answer(p, -err->code);
	else
		fuse_reply_err(req, err->code);
}

/* What is asked of the world. */
struct asked {
	struct replication *r;
	enum edit_kind kind;
	const char *text;
	size_t len;
	size_t size;			/* the write to answer, or 0 */
	struct inode node;		/* what a write is to, or an rmdir of */
	struct inode scratch;		/* whose text it is, or none */
};

/* May the caller write to all that `WORD force' moves? */
static int check_members(struct fs *fs, fuse_req_t req, const struct asked *a,
			 struct error *err)
{
	struct inode node = {.kind = KIND_ATTRIBUTE};
	struct replication *r = NULL;
	int rc;

	if (!edit_is_forced(a->text, a->len))
		return 0;
	if (fuse_req_ctx(req)->uid && !world_group_is_known(a->r))
		return fail(err, EBUSY, "this moves others as well, and not "
			    "all were looked at yet: try again in a moment");
	node.row = (unsigned)(file_find(&attribute_files, "state") -
			      attribute_files.rows) + 1;
	while ((r = world_group_next(a->r, r))) {
		node.id = r->id;
		rc = change_check_write(fs, req, node);
		if (rc)
			return fail(err, rc == -EACCES ? EACCES : EBUSY,
				    "this moves %s/%s as well, which %s",
				    r->ns->name, r->name,
				    rc == -EACCES ? "you may not write to"
						  : "can't be looked at now");
	}
	return 0;
}

static void submit(struct fs *fs, fuse_req_t req, const struct asked *a)
{
	struct error err;
	struct pending *p;
	struct caller c;
	struct edit *e;

	if (check_members(fs, req, a, &err) < 0) {
		write_refuse(fs, req, a->r, &err);
		return;
	}
	caller_init(&c, req);
	e = edit_new(a->kind, a->text, a->len, &c.who);
	p = e ? pending_new(fs, req) : NULL;
	if (!p) {
		edit_free(e);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	e->done = edit_done;
	e->ctx = p;
	p->size = a->size;
	p->scratch = a->scratch;
	p->node = a->node;
	if (a->size)
		nudge_hold(fs, a->node);
	world_edit(fs->world, a->r, e);
}

void write_remove(struct fs *fs, fuse_req_t req, struct inode node,
		  struct replication *r)
{
	struct note *n = note_get(fs, node);

	/* The kernel tells of it itself. */
	if (n)
		n->leaving = true;
	submit(fs, req, &(struct asked){.r = r, .kind = EDIT_REMOVE,
					.text = "", .node = node});
}

void write_namespace(struct fs *fs, fuse_req_t req, const char *name,
		     bool remove)
{
	struct namespace_edit *e = calloc(1, sizeof *e);
	struct pending *p = e ? pending_new(fs, req) : NULL;
	struct caller c;

	if (!p) {
		free(e);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	caller_init(&c, req);
	snprintf(e->name, sizeof e->name, "%s", name);
	e->remove = remove;
	e->who = c.who;
	memcpy(e->command, c.command, sizeof e->command);
	e->who.command = e->command;
	e->done = namespace_done;
	e->ctx = p;
	p->made_in.kind = KIND_ROOT;
	if (!remove)
		snprintf(p->made, sizeof p->made, "%s", e->name);
	world_edit_namespace(fs->world, e);
}

static int trim_word(const struct file *f, const struct asked *a, char *word,
		     struct error *err)
{
	if (a->len >= WORD_TEXT_MAX)
		return fail(err, EFBIG,
			    "more than %d bytes were written to %s",
			    WORD_TEXT_MAX - 1, f->name);
	if (!text_trim(a->text, a->len, word, WORD_TEXT_MAX))
		return fail(err, EINVAL, "a NUL was written to %s", f->name);
	if (!*word && !(f->flags & FILE_EMPTY_OK))
		return fail(err, EINVAL,
			    "nothing but white space was written to %s: write "
			    "a word",
			    f->name);
	return 0;
}

static void write_word(struct fs *fs, fuse_req_t req, const struct file *f,
		       struct asked *a)
{
	char word[WORD_TEXT_MAX];
	struct error err;

	if (trim_word(f, a, word, &err)) {
		write_refuse(fs, req, a->r, &err);
		return;
	}
	a->text = word;
	a->len = strlen(word);
	submit(fs, req, a);
}

/*
 * White space around a word counts for nothing, also when a shell sends what
 * follows the word as a write of its own.
 */
static void write_to_word_file(struct fs *fs, fuse_req_t req, struct handle *h,
			       struct asked *a)
{
	char rest[WORD_TEXT_MAX];

	bool is_blank = text_trim(a->text, a->len, rest, sizeof rest) && !*rest;

	if (is_blank && h->inherited) {
		refuse(fs, req, a->r, EIO, LOST);
		return;
	}
	if (is_blank && h->has_word) {
		fuse_reply_write(req, a->size);
		return;
	}
	h->has_word = true;
	h->inherited = false;
	write_word(fs, req, tree_file(inode_parse(h->ino)), a);
}

/*
 * A word among YAML: nothing else, written from the beginning in one piece.  A
 * single byte is the start of a text that comes by bytes.
 */
static bool is_word(const struct file *f, const struct asked *a, off_t off,
		    int flags)
{
	return f->flags & FILE_SWAP && (off == 0 || flags & O_APPEND) &&
	       a->len > 1 && edit_is_words(a->text, a->len);
}

static void collect(struct fs *fs, fuse_req_t req, struct handle *h,
		    const struct asked *a, uint64_t off)
{
	struct error err;
	int rc = collect_add(&h->collect, off, a->text, a->len, &err);

	if (rc == 0 && holder_charge(h) < 0)
		rc = fail(&err, EDQUOT, "uid %u holds too much in open files: "
			  "close some", (unsigned)fuse_req_ctx(req)->uid);
	if (rc < 0)
		write_refuse(fs, req, a->r, &err);
	else
		fuse_reply_write(req, a->size);
}

static void write_bytes(struct fs *fs, fuse_req_t req, struct asked *a,
			off_t off, const struct fuse_file_info *fi,
			uint64_t ino)
{
	const struct file *f = tree_file(inode_parse(ino));
	struct handle *h;
	int rc = handle_get(req, ino, fi->fh, &h);

	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (f->flags & FILE_WORD) {
		write_to_word_file(fs, req, h, a);
		return;
	}
	if (!h->collect.dirty && !h->collect.broken && is_word(f, a, off, fi->flags)) {
		h->inherited = false;
		write_word(fs, req, f, a);
		return;
	}
	/* Only what starts at the beginning is known to be whole. */
	if (h->inherited && (off > 0 || fi->flags & O_APPEND)) {
		refuse(fs, req, a->r, EIO, LOST);
		return;
	}
	h->inherited = false;
	/* Who appends has the file's size for offset, which means nothing. */
	if (fi->flags & O_APPEND)
		off = (off_t)collect_end(&h->collect);
	collect(fs, req, h, a, (uint64_t)off);
}

void write_data(struct fs *fs, fuse_req_t req, uint64_t ino,
		const struct chunk *chunk, const struct fuse_file_info *fi)
{
	struct inode node = inode_parse(ino);
	const struct file *f = tree_file(node);
	struct asked a = {
		.r = tree_replication(fs, node),
		.node = node,
		.text = chunk->data,
		.len = chunk->size,
		.size = chunk->size,
	};

	if (tree_check(fs, node)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (!f || !file_is_writable(f)) {
		fuse_reply_err(req, EACCES);
		return;
	}
	/* It may have been opened with a daemon that allowed it. */
	if (change_is_refused(fs, req))
		return;
	a.kind = f->edit;
	write_bytes(fs, req, &a, chunk->off, fi, ino);
}

void write_replace(struct fs *fs, fuse_req_t req, struct inode node,
		   const struct scratch *s)
{
	const struct file *f = tree_file(node);
	struct asked a = {
		.r = tree_replication(fs, node),
		.kind = f->edit,
		.text = s->len ? s->data : "",
		.len = s->len,
		.scratch = scratch_inode(s),
	};
	struct error err;

	if (f->flags & FILE_WORD) {
		write_word(fs, req, f, &a);
	} else if (s->len > MANIFEST_MAX) {
		fail(&err, EFBIG, "the text is longer than %d bytes",
		     MANIFEST_MAX);
		write_refuse(fs, req, a.r, &err);
	} else {
		submit(fs, req, &a);
	}
}

bool write_apply(struct fs *fs, fuse_req_t req, struct handle *h)
{
	const struct file *f = tree_file(inode_parse(h->ino));
	struct asked a = {
		.r = tree_replication(fs, inode_parse(h->ino)),
		.text = h->collect.text.data,
		.len = h->collect.text.len,
	};

	if (h->inherited && handle_may_hold_text(h->link.key)) {
		h->inherited = false;
		if (takeover_is_done(fs, a.r))
			fuse_reply_err(req, 0);
		else
			refuse(fs, req, a.r, EIO, LOST);
		return true;
	}
	if (!f || !collect_take(&h->collect))
		return false;
	if (!a.r) {
		fuse_reply_err(req, ESTALE);
		return true;
	}
	a.kind = f->edit;
	submit(fs, req, &a);
	return true;
}
