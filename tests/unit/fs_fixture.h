/* SPDX-License-Identifier: Apache-2.0 */
/* The test is the kernel: a socket in the place of /dev/fuse. */
#ifndef UVRFS_FS_FIXTURE_H
#define UVRFS_FS_FIXTURE_H

#include "fs_fixture_world.h"

static ssize_t take(int fd, void *data, size_t size, void *userdata)
{
	return read(fd, data, size);
}

static ssize_t give(int fd, struct iovec *iov, int count, void *userdata)
{
	return writev(fd, iov, count);
}

static const struct fuse_custom_io custom_io = {.read = take, .writev = give};

/* --- what a kernel does --- */

static void serve(struct kernel *k)
{
	static struct {
		struct fuse_out_header h;
		char data[1 << 20];
	} m;
	struct error err;
	ssize_t n;
	size_t i;
	int rc = 0;

	OURS(true);
	if (k->fs->session)
		rc = fs_serve(k->fs, &err);
	OURS(false);
	ck_assert_int_eq(rc, 0);
	while ((n = recv(k->socket, &m, sizeof m, MSG_DONTWAIT)) > 0) {
		if (m.h.unique == 0 && m.h.error == FUSE_NOTIFY_POLL)
			k->polled++;
		else
			k->invalidated += m.h.unique == 0;
		if (m.h.unique == 0)
			continue;
		for (i = 0; k->replies[i].unique; i++)
			/* A second answer to one request is the worst. */
			ck_assert_uint_ne(k->replies[i].unique, m.h.unique);
		k->replies[i].unique = m.h.unique;
		k->replies[i].error = m.h.error;
		k->replies[i].len = (size_t)n - sizeof m.h;
		memcpy(k->replies[i].data, m.data, k->replies[i].len);
	}
}

static uint64_t ask(struct kernel *k, uint32_t opcode, uint64_t node,
		    const struct iovec in[2])
{
	struct fuse_in_header h = {
		.opcode = opcode,
		.unique = k->unique += 2,
		.nodeid = node,
		.pid = (uint32_t)k->pid,
		.uid = (uint32_t)k->uid,
	};
	struct iovec all[3] = {{&h, sizeof h}, in[0], in[1]};

	h.len = (uint32_t)(sizeof h + in[0].iov_len + in[1].iov_len);
	ck_assert_int_eq(writev(k->socket, all, 3), (ssize_t)h.len);
	serve(k);
	return h.unique;
}

/* The answer to @unique: its errno, or NO_REPLY; *@out is good until next. */
static int answer(struct kernel *k, uint64_t unique, const struct reply **out)
{
	size_t i;

	serve(k);
	for (i = 0; i < REPLIES; i++) {
		if (k->replies[i].unique != unique)
			continue;
		if (out)
			*out = &k->replies[i];
		return k->replies[i].error;
	}
	return NO_REPLY;
}

/* Those to requests after @mark, a former k->unique. */
static UNUSED void forget_replies(struct kernel *k, uint64_t mark)
{
	size_t i;

	for (i = 0; i < REPLIES; i++)
		if (k->replies[i].unique > mark)
			k->replies[i].unique = 0;
}

#define PART(p) {(void *)(uintptr_t)(p), sizeof *(p)}
#define TEXT(s) {(void *)(uintptr_t)(s), strlen(s)}
#define NAME(s) {(void *)(uintptr_t)(s), strlen(s) + 1}
#define IN(...) ((const struct iovec[2]){__VA_ARGS__})

/* The inode of @name in @dir, 0 when there is none. */
static UNUSED uint64_t look(struct kernel *k, uint64_t dir, const char *name)
{
	const struct reply *r;
	uint64_t u = ask(k, FUSE_LOOKUP, dir, IN(NAME(name)));

	if (answer(k, u, &r))
		return 0;
	return ((const struct fuse_entry_out *)(const void *)r->data)->nodeid;
}

static UNUSED uint64_t start_mkdir(struct kernel *k, uint64_t dir,
				   const char *name)
{
	struct fuse_mkdir_in in = {.mode = 0755};

	return ask(k, FUSE_MKDIR, dir, IN(PART(&in), NAME(name)));
}

static UNUSED int try_open(struct kernel *k, uint64_t ino, uint32_t flags,
			   uint64_t *fh)
{
	struct fuse_open_in in = {.flags = flags};
	const struct reply *r;
	uint64_t u = ask(k, FUSE_OPEN, ino, IN(PART(&in)));
	int rc = answer(k, u, &r);

	if (rc == 0)
		*fh = ((const struct fuse_open_out *)(const void *)r->data)->fh;
	return rc;
}

static UNUSED uint64_t do_open(struct kernel *k, uint64_t ino, uint32_t flags)
{
	uint64_t fh = 0;

	ck_assert_int_eq(try_open(k, ino, flags, &fh), 0);
	return fh;
}

static UNUSED uint64_t start_write(struct kernel *k, uint64_t ino, uint64_t fh,
				   uint64_t off, const char *text)
{
	struct fuse_write_in in = {
		.fh = fh,
		.offset = off,
		.size = (uint32_t)strlen(text),
		.flags = O_WRONLY,
	};

	return ask(k, FUSE_WRITE, ino, IN(PART(&in), TEXT(text)));
}

static UNUSED uint64_t start_read(struct kernel *k, uint64_t ino, uint64_t fh,
				  uint64_t off, uint32_t flags)
{
	struct fuse_read_in in = {
		.fh = fh, .offset = off, .size = 65000, .flags = flags};

	return ask(k, FUSE_READ, ino, IN(PART(&in)));
}

static UNUSED uint64_t start_flush(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_flush_in in = {.fh = fh};

	return ask(k, FUSE_FLUSH, ino, IN(PART(&in)));
}

static UNUSED int do_fsync(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_fsync_in in = {.fh = fh};

	return answer(k, ask(k, FUSE_FSYNC, ino, IN(PART(&in))), NULL);
}

static UNUSED void do_release(struct kernel *k, uint64_t ino, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	ck_assert_int_eq(answer(k, ask(k, FUSE_RELEASE, ino, IN(PART(&in))),
				NULL),
			 0);
}

/* Opens, writes, and gives what WRITE, else FLUSH, answered. */
static UNUSED int write_file(struct kernel *k, uint64_t dir, const char *name,
			     const char *text)
{
	uint64_t mark = k->unique, ino = look(k, dir, name);
	uint64_t fh = do_open(k, ino, O_WRONLY | O_TRUNC);
	uint64_t u = start_write(k, ino, fh, 0, text);
	int rc;

	settle(k);
	rc = answer(k, u, NULL);
	u = start_flush(k, ino, fh);
	settle(k);
	if (!rc)
		rc = answer(k, u, NULL);
	do_release(k, ino, fh);
	forget_replies(k, mark);
	return rc;
}

/* Its text, in a buffer that the next call uses again. */
static UNUSED const char *read_file(struct kernel *k, uint64_t dir,
				    const char *name)
{
	static char text[1 << 16];
	const struct reply *r;
	uint64_t mark = k->unique, ino = look(k, dir, name);
	uint64_t fh = do_open(k, ino, O_RDONLY);

	ck_assert_int_eq(answer(k, start_read(k, ino, fh, 0, 0), &r), 0);
	memcpy(text, r->data, r->len);
	text[r->len] = '\0';
	do_release(k, ino, fh);
	forget_replies(k, mark);
	return text;
}

static void connect_kernel(struct kernel *k)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 36,
		.max_readahead = 1 << 17,
		.flags = FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS,
	};
	struct error err;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
				    ends), 0);
	k->fs = fs_new(k->world, &k->options);
	ck_assert_ptr_nonnull(k->fs);
	ck_assert_int_eq(fs_open_session(k->fs, &err), 0);
	ck_assert_int_eq(fuse_session_custom_io(k->fs->session, &custom_io,
						ends[0]), 0);
	k->socket = ends[1];
	ck_assert_int_eq(answer(k, ask(k, FUSE_INIT, 0, IN(PART(&in))), NULL),
			 0);
}

/* A storage that has the relationship already: a replica here. */
static void make_storage(struct observation *seen)
{
	struct side *here = &seen->here, *peer = &seen->peer;

	here->reach = peer->reach = REACH_OK;
	here->in_use = peer->in_use = TRI_NO;
	here->progress = peer->progress = -1;
	here->complete = here->following = true;
	change_role(here, ROLE_REPLICA);
	change_role(peer, ROLE_SOURCE);
}

static void make_world(struct kernel *k)
{
	struct error err;

	k->world = world_new(&k->config, k->disk ? k->disk : &k->store,
			     &k->jobs);
	ck_assert_ptr_nonnull(k->world);
	ck_assert_int_eq(world_add_backend(k->world, &k->backend, &err), 0);
	ck_assert_int_eq(world_load(k->world, 1000000, &err), 0);
}

/*
 * Over store @disk, which stays the caller's, or NULL for one in memory, and
 * over a storage that looks so.
 */
static UNUSED struct kernel *kernel_over(struct store *disk,
					 const struct observation *seen,
					 bool read_only)
{
	struct kernel *k = calloc(1, sizeof *k);

	ck_assert_ptr_nonnull(k);
	k->store.ops = &store_table;
	k->disk = disk;
	k->seen = *seen;
	k->last = &k->first;
	k->jobs = (struct jobs){.submit = submit,
				.hurry = hurry,
				.post = post};
	k->backend = (struct backend){.ops = &backend_table, .name = "fake"};
	k->rule = (struct select_rule){"*", "fake"};
	k->config = (struct world_config){
		.site = "",
		.select = &k->rule,
		.select_count = 1,
		.act_timeout_ms = 1000,
		.min_deadline_ms = 900000,
		.retry_first_ms = 1000,
		.retry_max_ms = 300000,
	};
	k->options.read_only = read_only;
	/* Another's is getppid(): the next number may be a thread of ours. */
	k->pid = getpid();
	make_world(k);
	connect_kernel(k);
	return k;
}

static UNUSED struct kernel *kernel_new(bool read_only)
{
	struct observation seen = {0};

	make_storage(&seen);
	return kernel_over(NULL, &seen, read_only);
}

static UNUSED void kernel_free(struct kernel *k)
{
	fs_unmount(k->fs);
	settle(k);
	fs_free(k->fs);
	settle(k);
	world_free(k->world);
	close(k->socket);
	free(k);
}

static UNUSED int ask_name(struct kernel *k, uint32_t opcode, uint64_t dir,
			   const char *name)
{
	uint64_t u = ask(k, opcode, dir, IN(NAME(name)));

	settle(k);
	return answer(k, u, NULL);
}

/* The inode that these names lead to. */
static UNUSED uint64_t path(struct kernel *k, const char *const *names)
{
	uint64_t node = 1;

	for (; *names; names++) {
		node = look(k, node, *names);
		ck_assert_uint_ne(node, 0);
	}
	forget_replies(k, 0);
	return node;
}

#define PATH(...) path(k, (const char *const[]){__VA_ARGS__, NULL})

#define MANIFEST                                                               \
	"spec:\n"                                                              \
	"  sourceEndpoint: {cluster: prod, region: east, storageClass: rbd}\n" \
	"  destinationEndpoint: {cluster: dr, region: west, "                  \
	"storageClass: rbd}\n"                                                 \
	"  volumeMapping:\n"                                                   \
	"    source: {pvcName: claim, namespace: ns}\n"                        \
	"    destination: {volumeHandle: handle, namespace: ns}\n"             \
	"  replicationState: replica\n"                                        \
	"  replicationMode: asynchronous\n"                                    \
	"  schedule: {mode: interval, rpo: 5m, rto: 15m}\n"

/* Makes ns and ns/a, a draft; returns the inode of ns. */
static UNUSED uint64_t make_draft(struct kernel *k)
{
	uint64_t ns, u = start_mkdir(k, 1, "ns");

	ck_assert_int_eq(answer(k, u, NULL), NO_REPLY);
	settle(k);
	ck_assert_int_eq(answer(k, u, NULL), 0);
	ns = look(k, 1, "ns");
	ck_assert_int_eq(answer(k, start_mkdir(k, ns, "a"), NULL), 0);
	forget_replies(k, 0);
	return ns;
}

/* A replication that is verified; returns the inode of its directory. */
static UNUSED uint64_t make_replication(struct kernel *k)
{
	uint64_t ns = make_draft(k), dir = look(k, ns, "a");

	ck_assert_int_eq(write_file(k, dir, "spec.yaml", MANIFEST), 0);
	settle(k);
	ck_assert_str_eq(read_file(k, dir, "state"), "replica\n");
	ck_assert_str_eq(read_file(k, dir, "wait"), "verified: replica\n");
	forget_replies(k, 0);
	return dir;
}

#endif
