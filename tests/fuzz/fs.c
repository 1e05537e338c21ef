/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree, as a kernel may ask for it.  An input is a script, a line a step: a
 * letter for the request, then a letter each for the inode, for the handle (or
 * flags, or a second inode), and for a number, then a name or data.  Between
 * them jobs run, time passes and the storage changes (scene.h).
 *
 * The kernel is trusted to frame its requests: names end, sizes are right.  All
 * else may be anything.  Whatever is asked is answered once, by this daemon or by
 * one that takes over.
 */
#include "kernel.h"

#define NUDGER 4242

/* What one line means, whichever request it is. */
struct wish {
	uint64_t node;
	uint64_t other;			/* inode */
	uint64_t open;			/* the inode that is open as fh */
	uint64_t fh;
	uint32_t flags;
	uint64_t number;
	char *text;
	size_t len;			/* without its NUL */
};

struct bodies {
	struct fuse_open_in open;
	struct fuse_create_in create;
	struct fuse_release_in release;
	struct fuse_flush_in flush;
	struct fuse_fsync_in sync;
	struct fuse_read_in read;
	struct fuse_write_in write;
	struct fuse_poll_in poll;
	struct fuse_mkdir_in mkdir;
	struct fuse_mknod_in mknod;
	struct fuse_rename2_in rename;
	struct fuse_link_in link;
	struct fuse_getattr_in get;
	struct fuse_setattr_in set;
	struct fuse_forget_in forget;
	struct fuse_interrupt_in interrupt;
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[2];
	} batch;
};

static struct bodies bodies_of(const struct wish *w)
{
	const uint32_t number = (uint32_t)w->number;

	return (struct bodies){
		.open = {.flags = w->flags},
		.create = {.flags = w->flags,
			   .mode = S_IFREG | number % 0777},
		.release = {.fh = w->fh},
		.flush = {.fh = w->fh},
		.sync = {.fh = w->fh},
		.read = {.fh = w->fh, .offset = w->number, .size = 1 << 16,
			 .flags = w->len ? O_NONBLOCK : 0},
		.write = {.fh = w->fh, .offset = w->number,
			  .size = (uint32_t)w->len, .flags = O_WRONLY},
		.poll = {.fh = w->fh, .kh = w->fh,
			 .flags = number ? FUSE_POLL_SCHEDULE_NOTIFY : 0},
		.mkdir = {.mode = 0755},
		.mknod = {.mode = number},
		.rename = {.newdir = w->other, .flags = number},
		.link = {.oldnodeid = w->other},
		.get = {.fh = w->fh},
		.set = {.valid = w->flags, .fh = w->fh, .size = w->number},
		.forget = {.nlookup = w->number},
		/* Of the requests, counted from the newest. */
		.interrupt = {2 * (k.count - w->number % (k.count + 1))},
		.batch = {{.count = 2}, {{w->node, w->number}, {w->other, 1}}},
	};
}

enum follows { NOTHING, DATA, NAME, NAMES };

#define BODY(field) offsetof(struct bodies, field), \
		    sizeof ((struct bodies *)0)->field
#define NO_BODY 0, 0

static const struct row {
	char letter;
	uint32_t opcode;
	size_t offset, size;		/* in struct bodies */
	bool is_open;			/* of a file that is open */
	enum follows follows;
} rows[] = {
	{'l', FUSE_LOOKUP, NO_BODY, false, NAME},
	{'u', FUSE_UNLINK, NO_BODY, false, NAME},
	{'d', FUSE_RMDIR, NO_BODY, false, NAME},
	{'m', FUSE_MKDIR, BODY(mkdir), false, NAME},
	{'k', FUSE_MKNOD, BODY(mknod), false, NAME},
	{'L', FUSE_LINK, BODY(link), false, NAME},
	{'c', FUSE_CREATE, BODY(create), false, NAME},
	{'n', FUSE_RENAME2, BODY(rename), false, NAMES},
	{'s', FUSE_SYMLINK, NO_BODY, false, NAMES},
	{'o', FUSE_OPEN, BODY(open), false, NOTHING},
	{'D', FUSE_OPENDIR, BODY(open), false, NOTHING},
	{'x', FUSE_RELEASE, BODY(release), true, NOTHING},
	{'X', FUSE_RELEASEDIR, BODY(release), true, NOTHING},
	{'f', FUSE_FLUSH, BODY(flush), true, NOTHING},
	{'y', FUSE_FSYNC, BODY(sync), true, NOTHING},
	{'r', FUSE_READ, BODY(read), true, NOTHING},
	{'e', FUSE_READDIR, BODY(read), true, NOTHING},
	{'p', FUSE_READDIRPLUS, BODY(read), true, NOTHING},
	{'w', FUSE_WRITE, BODY(write), true, DATA},
	{'P', FUSE_POLL, BODY(poll), true, NOTHING},
	{'g', FUSE_GETATTR, BODY(get), false, NOTHING},
	{'t', FUSE_SETATTR, BODY(set), false, NOTHING},
	{'a', FUSE_READLINK, NO_BODY, false, NOTHING},
	{'v', FUSE_STATFS, NO_BODY, false, NOTHING},
	{'G', FUSE_FORGET, BODY(forget), false, NOTHING},
	{'B', FUSE_BATCH_FORGET, BODY(batch), false, NOTHING},
	{'i', FUSE_INTERRUPT, BODY(interrupt), false, NOTHING},
};

/* The kernel knows how long a name may be, and what may be in one. */
static bool is_name(const char *text)
{
	return *text && strlen(text) <= 255 && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

/* Two names are parted by a slash. */
static bool has_names(const struct wish *w, enum follows what)
{
	char *slash = strchr(w->text, '/');

	if (what == NAME)
		return !slash && is_name(w->text);
	if (what != NAMES)
		return true;
	if (!slash || strchr(slash + 1, '/'))
		return false;
	*slash = '\0';
	return is_name(w->text) && is_name(slash + 1);
}

static void ask_row(const struct row *row, const struct wish *w)
{
	const struct bodies bodies = bodies_of(w);
	size_t len = row->follows == NOTHING ? 0
		     : row->follows == DATA  ? w->len
					     : w->len + 1;

	if (!has_names(w, row->follows))
		return;
	k.interrupts += row->opcode == FUSE_INTERRUPT;
	ask_kernel(row->opcode, row->is_open ? w->open : w->node,
		   (const char *)&bodies + row->offset, row->size, w->text,
		   len);
}

/* `^' is the newest. */
static uint64_t pick_node(const struct line *line, size_t i)
{
	return k.nodes[i < line->len && line->text[i] == '^'
			       ? k.node_count - 1
			       : line_pick(line, i, k.node_count)];
}

static void wish(struct line *line)
{
	static const uint32_t flags[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK,
		O_WRONLY | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL,
		O_WRONLY | O_APPEND, FATTR_SIZE | FATTR_FH, FATTR_MODE,
		FATTR_ATIME | FATTR_MTIME, FATTR_UID | FATTR_GID,
	};
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 5, 10, 31, S_IFREG | 0644, S_IFIFO, 4096, 65536,
		1 << 20, UINT64_C(1) << 40, INT64_MAX,
	};
	unsigned handle = line_pick(line, 2, k.handle_count + 1);
	struct wish w = {
		.node = pick_node(line, 1),
		.other = pick_node(line, 2),
		.flags = flags[line_pick(line, 2, COUNT(flags))],
		.number = numbers[line_pick(line, 3, COUNT(numbers))],
		.text = line_rest(line, 4),
	};
	char *p;
	size_t i;

	for (p = line->text; *p; p++)
		*p = *p == '~' ? '\n' : *p;
	w.len = strlen(w.text);
	w.open = w.node;
	w.fh = 4 * w.node + handle % 4;	/* of a daemon before this one */
	if (handle < k.handle_count) {
		w.open = k.handles[handle].node;
		w.fh = k.handles[handle].fh;
	}
	for (i = 0; i < COUNT(rows); i++)
		if (rows[i].letter == line->text[0])
			ask_row(&rows[i], &w);
}

/* ---- the mount ---- */

static void open_session(void)
{
	struct error err;

	k.fs = fs_new(f->world, &k.options);
	ck_assert_ptr_nonnull(k.fs);
	ck_assert_int_eq(fs_open_session(k.fs, &err), 0);
	ck_assert_int_eq(fuse_session_custom_io(k.fs->session, &custom_io,
						open("/dev/null", O_RDWR)), 0);
}

static void introduce(void)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 36,
		.max_readahead = 1 << 17,
		.flags = FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS,
	};

	ask_kernel(FUSE_INIT, 0, &in, sizeof in, NULL, 0);
}

static void connect_kernel(void)
{
	open_session();
	takeover_begin(k.fs);
	introduce();
}

static bool is_answered(const struct asked *a)
{
	return a->answered || a->opcode == FUSE_FORGET ||
	       a->opcode == FUSE_BATCH_FORGET || a->opcode == FUSE_INTERRUPT;
}

static void send_again(const struct asked *a)
{
	struct fuse_in_header *h = (struct fuse_in_header *)k.request;
	struct error err;

	add(a->request, a->len);
	h->unique |= RESENT;
	ck_assert_int_eq(fs_serve(k.fs, &err), 0);
}

/* libfuse keeps an interrupt until another request comes. */
static void flush_interrupts(void)
{
	struct fuse_getattr_in in = {0};

	for (; k.interrupts; k.interrupts--)
		ask_kernel(FUSE_GETATTR, 1, &in, sizeof in, NULL, 0);
}

/*
 * The daemon ends, whoever waits, and the next one goes on: with what is not
 * answered.  It does what fs_take_over() does but for what needs a device.
 */
static void take_over(void)
{
	unsigned i, count;

	flush_interrupts();
	fs_leave(k.fs);
	run_all();
	fs_free(k.fs);
	open_session();
	k.fs->taken_over = true;
	k.sent = 0;
	count = k.count;
	introduce();
	note_take_over(k.fs);
	poll_take_over(k.fs);
	for (i = 0; i < count; i++)
		if (!is_answered(&k.asked[i]))
			send_again(&k.asked[i]);
}

/* Nobody is left hanging.  Afterwards there is no request. */
static void disconnect(void)
{
	unsigned i;

	flush_interrupts();
	fs_unmount(k.fs);
	for (i = 0; i < k.count; i++)
		ck_assert_msg(is_answered(&k.asked[i]), "no answer to %u",
			      k.asked[i].opcode);
	for (i = 0; i < COUNT(k.asked); i++)
		forget_request(&k.asked[i]);
	k.count = 0;
	run_all();
	fs_free(k.fs);
}

/* All that there is at the start, so that scripts can name it. */
static void learn_tree(void)
{
	static const enum kind kinds[] = {
		KIND_ATTRIBUTE, KIND_PLAN, KIND_PLAN_WORD, KIND_DAEMON,
		KIND_DAEMON_FILE, KIND_BACKENDS, KIND_BACKEND,
		KIND_BACKEND_FILE, KIND_CLUSTERS, KIND_CLUSTER,
		KIND_CLUSTER_FILE, KIND_BY_STATE, KIND_STATE, KIND_BY_SOURCE,
	};
	struct inode node = {KIND_NAMESPACE, the()->ns->id, 0};
	struct stat st;
	size_t i;

	learn_node(1);
	learn_node(inode_number(node));
	node = (struct inode){KIND_REPLICATION, the()->id, 0};
	learn_node(inode_number(node));
	for (i = 0; i < COUNT(kinds); i++) {
		node.kind = kinds[i];
		node.id = kinds[i] == KIND_ATTRIBUTE ||
					  kinds[i] == KIND_PLAN ||
					  kinds[i] == KIND_PLAN_WORD
				  ? the()->id
				  : 0;
		for (node.row = 0; node.row < 24; node.row++)
			if (tree_stat(k.fs, node, &st) == 0)
				learn_node(inode_number(node));
	}
}

static bool send_nudge(void *ctx, enum fs_nudge what, const char *path)
{
	k.sent++;
	return true;
}

/* False: it is no request. */
static bool do_step(struct line *line)
{
	const pid_t pids[] = {getpid(), getppid(), NUDGER};

	switch (line->text[0]) {
	case '!':
		k.lazy = !k.lazy;
		return true;
	case 'I':
		k.pid = pids[line_pick(line, 1, 3)];
		k.uid = line_pick(line, 2, 3) * 1000;
		return true;
	case 'N':
		fs_set_nudger(k.fs, line_pick(line, 1, 2) ? 0 : NUDGER);
		return true;
	case 'R':
		disconnect();
		connect_kernel();
		return true;
	case 'K':
		if (k.options.kept)
			take_over();
		return true;
	default:
		return scene_do(line);
	}
}

static void step(struct line *line)
{
	if (!do_step(line))
		wish(line);
	if (!k.lazy)
		run_all();
	fs_nudge(k.fs, send_nudge, NULL);
	if (!k.lazy)
		fs_nudged(k.fs, k.sent);
	k.sent = k.lazy ? k.sent : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct access_rule access[] = {
		{"other", 1000, 1000, 0750, 0640},
	};
	struct line line;
	int steps = 0;

	scene_begin();
	memset(&k, 0, sizeof k);
	k.pid = getpid();
	k.options = (struct fs_options){
		.access = access,
		.access_count = COUNT(access),
		.read_only = size && data[0] == 'O',
		.basic = size && data[0] == 'o',
	};
	k.options.kept = k.options.basic ? NULL : &k.kept;
	connect_kernel();
	learn_tree();
	while (steps++ < 100 && line_next(&line, &data, &size))
		step(&line);
	disconnect();
	scene_end();
	return 0;
}
