/* SPDX-License-Identifier: Apache-2.0 */
/* The session with the kernel: mounting, serving, unmounting. */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Other sources of events get their turn after so many requests. */
#define SERVE_AT_ONCE 64

/*
 * Numbers of handles must not meet those that a former daemon gave out, so
 * they start anywhere.  The lowest bits are handle.c's.
 */
static uint64_t first_fh(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof n, GRND_NONBLOCK) != sizeof n)
		n = 0;
	return n & ~UINT64_C(3);
}

/*
 * In a container /proc may be that of another pid namespace, whose processes
 * have nothing to do with the numbers that the kernel tells us.
 */
static bool proc_is_ours(void)
{
	char link[32] = "", own[32];

	snprintf(own, sizeof own, "%d", (int)getpid());
	return readlink("/proc/self", link, sizeof link - 1) > 0 &&
	       strcmp(link, own) == 0;
}

struct fs *fs_new(struct world *w, const struct fs_options *options)
{
	struct fs *fs = calloc(1, sizeof *fs);

	if (!fs)
		return NULL;
	fs->world = w;
	fs->options = *options;
	fs->last_fh = first_fh();
	fs->started = world_now(w);
	fs->changed = fs->started;
	fs->places.stale = true;
	fs->nudge_last = &fs->nudge_first;
	arrive_init(fs);
	fs->has_proc = proc_is_ours();
	fs->scratches.last_id = (uint64_t)fs->started;
	buf_init(&fs->summary, RENDER_MAX);
	note_listen(fs);
	return fs;
}

static int add_option(struct fuse_args *args, const char *option)
{
	return fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, option);
}

static int fill_args(const struct fs_options *o, struct fuse_args *args)
{
	if (fuse_opt_add_arg(args, "uvrfs") ||
	    add_option(args, "default_permissions,fsname=uvrfs,subtype=uvrfs"))
		return -ENOMEM;
	if (o->allow_other && add_option(args, "allow_other"))
		return -ENOMEM;
	if (o->mount_options && *o->mount_options &&
	    add_option(args, o->mount_options))
		return -ENOMEM;
	if (o->debug && fuse_opt_add_arg(args, "-d"))
		return -ENOMEM;
	return 0;
}

int fs_attach(struct fs *fs, const char *place, struct error *err)
{
	int fd, flags;

	if (fuse_session_mount(fs->session, place))
		return fail(err, EIO, "can't mount at %s", place);
	fd = fuse_session_fd(fs->session);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		fuse_session_unmount(fs->session);
		return fail(err, EIO, "can't serve the mount at %s without "
			    "blocking", place);
	}
	return 0;
}

int fs_open_session(struct fs *fs, struct error *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	if (fill_args(&fs->options, &args)) {
		fuse_opt_free_args(&args);
		return fail(err, ENOMEM, "no memory to mount");
	}
	fs->session = fuse_session_new(&args, &fs_ops, sizeof fs_ops, fs);
	fuse_opt_free_args(&args);
	if (!fs->session)
		return fail(err, EINVAL, "bad mount options '%s'",
			    fs->options.mount_options
				    ? fs->options.mount_options
				    : "");
	return 0;
}

static void close_session(struct fs *fs)
{
	fuse_session_destroy(fs->session);
	fs->session = NULL;
}

int fs_mount(struct fs *fs, const char *mountpoint, struct error *err)
{
	int rc = fs_open_session(fs, err);

	if (rc)
		return rc;
	rc = fs_attach(fs, mountpoint, err);
	if (rc)
		close_session(fs);
	else
		takeover_begin(fs);
	return rc;
}

int fs_fd(const struct fs *fs)
{
	return fuse_session_fd(fs->session);
}

int fs_serve(struct fs *fs, struct error *err)
{
	int i, rc;

	for (i = 0; i < SERVE_AT_ONCE; i++) {
		rc = fuse_session_receive_buf(fs->session, &fs->request);
		if (rc == -EINTR)
			continue;
		if (rc == -EAGAIN)
			return 0;
		if (rc == 0)
			return fail(err, ENODEV, "unmounted from outside");
		if (rc < 0)
			return fail(err, -rc,
				    "reading requests failed with errno %d",
				    -rc);
		takeover_look(fs);
		fuse_session_process_buf(fs->session, &fs->request);
		if (fuse_session_exited(fs->session))
			return fail(err, ENODEV, "unmounted from outside");
	}
	return 0;
}

/* Nobody may be left hanging, unless the next daemon is to answer. */
void fs_dismiss(const struct fs *fs, fuse_req_t req, int code)
{
	if (fs->leaving)
		fuse_reply_none(req);
	else
		fuse_reply_err(req, code);
}

void fs_abandon(struct fs *fs)
{
	struct map_link *l = NULL;

	while ((l = map_next(&fs->notes, l)))
		wait_abandon(fs, (struct note *)l, false);
	pending_abandon(fs);
	poll_abandon(fs);
}

void fs_unmount(struct fs *fs)
{
	if (!fs->session)
		return;
	fs_abandon(fs);
	fuse_session_unmount(fs->session);
	close_session(fs);
}

void fs_leave(struct fs *fs)
{
	fs->leaving = true;
	fs_abandon(fs);
	if (fs->session)
		close_session(fs);
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	fs_unmount(fs);
	world_set_listener(fs->world, NULL);
	handle_finish(fs);
	scratch_finish(fs);
	arrive_finish(fs);
	note_finish(fs);
	place_finish(fs);
	text_times_finish(fs);
	buf_finish(&fs->summary);
	free(fs->request.mem);
	free(fs);
}
