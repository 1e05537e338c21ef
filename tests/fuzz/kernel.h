/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel, for fs.c: what it asks, and that it is answered, once and rightly.
 */
#ifndef UVRFS_FUZZ_KERNEL_H
#define UVRFS_FUZZ_KERNEL_H

#include "scene.h"

#include "file.h"
#include "tree.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define RESENT (UINT64_C(1) << 63)	/* FUSE_UNIQUE_RESEND, of Linux 6.9 */

struct asked {
	uint32_t opcode;
	uint64_t node;
	uint64_t size;			/* of a READ from the start, else 0 */
	bool answered;
	char *request;			/* until then; sent again to a daemon */
	size_t len;			/* that takes over */
};

static struct {
	struct fs *fs;
	struct fs_options options;
	struct fs_kept kept;
	uint64_t nodes[256];
	unsigned node_count;
	struct { uint64_t node, fh; } handles[64];
	unsigned handle_count;
	struct asked asked[512];
	unsigned count;
	unsigned interrupts;
	bool lazy;			/* jobs run only when a line says so */
	unsigned sent;			/* to the nudger */
	pid_t pid;
	uid_t uid;
	char request[8192];
	size_t len;			/* 0: it has been read */
} k;

/* ---- answers ---- */

static void learn_node(uint64_t node)
{
	unsigned i;

	for (i = 0; i < k.node_count; i++)
		if (k.nodes[i] == node)
			return;
	if (node && k.node_count < COUNT(k.nodes))
		k.nodes[k.node_count++] = node;
}

/* The newest is the first. */
static void learn_handle(uint64_t node, uint64_t fh)
{
	if (k.handle_count == COUNT(k.handles))
		k.handle_count--;
	memmove(k.handles + 1, k.handles, k.handle_count * sizeof *k.handles);
	k.handles[0].node = node;
	k.handles[0].fh = fh;
	k.handle_count++;
}

static void check_text(const struct asked *a, const char *data, size_t len)
{
	if (len < a->size && inode_parse(a->node).kind != KIND_SCRATCH)
		ck_assert_msg(text_is_utf8(data, len), "%.*s", (int)len, data);
}

static void check_names(const char *data, size_t len, size_t before)
{
	const struct fuse_dirent *d;
	size_t at = 0, n;
	uint64_t off = 0;

	while (at < len) {
		ck_assert_uint_ge(len - at, before + FUSE_NAME_OFFSET);
		d = (const void *)(data + at + before);
		n = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + d->namelen);
		ck_assert_uint_ge(len - at, n);
		ck_assert_uint_ne(d->namelen, 0);
		ck_assert_ptr_null(memchr(d->name, '/', d->namelen));
		ck_assert_uint_gt(d->off, off);
		off = d->off;
		at += n;
	}
}

static void learn(const struct asked *a, const char *data, size_t len)
{
	const struct fuse_entry_out *entry = (const void *)data;
	const struct fuse_open_out *open = (const void *)data;

	switch (a->opcode) {
	case FUSE_CREATE:
		open = (const void *)(entry + 1);
		learn_handle(entry->nodeid, open->fh);
		learn_node(entry->nodeid);
		break;
	case FUSE_LOOKUP:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
		learn_node(entry->nodeid);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		learn_handle(a->node, open->fh);
		break;
	case FUSE_READ:
		check_text(a, data, len);
		break;
	case FUSE_READDIR:
		check_names(data, len, 0);
		break;
	case FUSE_READDIRPLUS:
		check_names(data, len, sizeof *entry);
		break;
	default:
		break;
	}
}

static void forget_request(struct asked *a)
{
	free(a->request);
	a->request = NULL;
}

static ssize_t give(int fd, struct iovec *iov, int count, void *userdata)
{
	static char data[2 << 20];
	const struct fuse_out_header *h = iov->iov_base;
	const uint64_t number = h->unique & ~RESENT;
	struct asked *a;
	size_t len = 0;
	int i;

	for (i = 1; i < count; i++) {
		ck_assert_uint_le(len + iov[i].iov_len, sizeof data);
		if (iov[i].iov_len)
			memcpy(data + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	ck_assert_uint_eq(h->len, sizeof *h + len);
	if (!h->unique) {
		ck_assert(h->error == FUSE_NOTIFY_POLL ||
			  h->error == FUSE_NOTIFY_INVAL_INODE);
		return (ssize_t)h->len;
	}
	ck_assert(number % 2 == 0 && number / 2 <= k.count);
	a = &k.asked[number / 2 - 1];
	ck_assert_msg(!a->answered, "request %u is answered again", a->opcode);
	ck_assert(h->error <= 0 && h->error > -4096);
	a->answered = true;
	forget_request(a);
	if (!h->error)
		learn(a, data, len);
	return (ssize_t)h->len;
}

/* ---- requests ---- */

static ssize_t take(int fd, void *data, size_t size, void *userdata)
{
	size_t n = k.len;

	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	ck_assert_uint_ge(size, n);
	memcpy(data, k.request, n);
	k.len = 0;
	return (ssize_t)n;
}

static const struct fuse_custom_io custom_io = {.read = take, .writev = give};

static void add(const void *data, size_t n)
{
	memcpy(k.request + k.len, data, n);
	k.len += n;
}

/* @in, when there is one, then @text. */
static void ask_kernel(uint32_t opcode, uint64_t node, const void *in,
		       size_t in_size, const char *text, size_t len)
{
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof h + in_size + len),
		.opcode = opcode,
		.unique = 2 * (k.count + 1),
		.nodeid = node,
		.pid = (uint32_t)k.pid,
		.uid = (uint32_t)k.uid,
		.gid = (uint32_t)k.uid,
	};
	struct error err;

	if (k.count == COUNT(k.asked))
		return;
	k.asked[k.count++] = (struct asked){.opcode = opcode, .node = node};
	if (opcode == FUSE_READ &&
	    !((const struct fuse_read_in *)in)->offset)
		k.asked[k.count - 1].size =
			((const struct fuse_read_in *)in)->size;
	add(&h, sizeof h);
	if (in_size)
		add(in, in_size);
	if (len)
		add(text, len);
	k.asked[k.count - 1].request = malloc(k.len);
	k.asked[k.count - 1].len = k.len;
	memcpy(k.asked[k.count - 1].request, k.request, k.len);
	ck_assert_int_eq(fs_serve(k.fs, &err), 0);
}

#endif
