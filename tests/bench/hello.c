/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a file system of libfuse's low-level interface can do: files
 * of one directory that all hold the same line.  It is what others are measured
 * against; like libfuse's own example it lets the library make threads.
 *
 *     hello [-d] COUNT MOUNTPOINT     files 0 to COUNT-1; -d: nothing is cached
 *
 * It stays in the foreground and ends on SIGTERM.
 */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 2			/* the inode of file 0 */
#define TIMEOUT 1.0		/* seconds */

static const char line[] = "replica\n";
static unsigned long count;
static bool is_direct;

static bool stat_of(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){.st_ino = ino, .st_nlink = 1};
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else if (ino < FIRST + count) {
		st->st_mode = S_IFREG | 0444;
		st->st_size = sizeof line - 1;
	} else {
		return false;
	}
	return true;
}

static void hello_getattr(fuse_req_t req, fuse_ino_t ino,
			  struct fuse_file_info *fi)
{
	struct stat st;

	if (stat_of(ino, &st))
		fuse_reply_attr(req, &st, TIMEOUT);
	else
		fuse_reply_err(req, ENOENT);
}

static void hello_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.attr_timeout = TIMEOUT,
		.entry_timeout = TIMEOUT,
	};
	char *end;

	e.ino = FIRST + strtoul(name, &end, 10);
	if (parent != FUSE_ROOT_ID || *end || !stat_of(e.ino, &e.attr))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void hello_open(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EACCES);
		return;
	}
	fi->direct_io = is_direct;
	fuse_reply_open(req, fi);
}

static void hello_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	size_t left = off < (off_t)sizeof line - 1
			      ? sizeof line - 1 - (size_t)off
			      : 0;

	fuse_reply_buf(req, line + off, size < left ? size : left);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = hello_lookup,
	.getattr = hello_getattr,
	.open = hello_open,
	.read = hello_read,
};

int main(int argc, char **argv)
{
	char *args[] = {"hello", NULL};
	struct fuse_args fuse = FUSE_ARGS_INIT(1, args);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct fuse_session *session;
	int rc = 1;

	is_direct = argc > 1 && strcmp(argv[1], "-d") == 0;
	argv += is_direct;
	if (argc - is_direct != 3) {
		fprintf(stderr, "usage: hello [-d] COUNT MOUNTPOINT\n");
		return 2;
	}
	count = strtoul(argv[1], NULL, 10);
	session = fuse_session_new(&fuse, &ops, sizeof ops, NULL);
	if (session && fuse_set_signal_handlers(session) == 0 &&
	    fuse_session_mount(session, argv[2]) == 0) {
		rc = fuse_session_loop_mt(session, config) < 0;
		fuse_session_unmount(session);
	}
	if (session) {
		fuse_remove_signal_handlers(session);
		fuse_session_destroy(session);
	}
	fuse_loop_cfg_destroy(config);
	fuse_opt_free_args(&fuse);
	return rc;
}
