/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on with a mount whose daemon is dead (fs.h).
 *
 * What the kernel holds of us are inode numbers and handles, both of which mean
 * the same to every daemon (inode.h, handle.c), and requests.  Those that were
 * not answered come again, marked; one may have been carried out all the same.
 * Most can be done twice.  What asks for a transition may not, since others may
 * have asked for another one since: so the store keeps with each request which
 * call it came from.
 */
#include "tree.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

/* FUSE 7.40 (include/uapi/linux/fuse.h of Linux 6.9). */
#define HAS_RESEND (UINT32_C(1) << (39 - 32))
#define NOTIFY_RESEND 7
#define UNIQUE_RESEND (UINT64_C(1) << 63)

/* A number that every reader of JSON takes for what it is. */
#define CALL_MASK ((UINT64_C(1) << 53) - 1)

bool fs_can_be_taken_over(const struct fs *fs)
{
	return fs->can_resend && fs->options.kept && !fs->options.basic;
}

void takeover_begin(struct fs *fs)
{
	struct fs_kept *k = fs->options.kept;
	const struct replication *r = NULL;

	if (!k)
		return;
	*k = (struct fs_kept){.told = fs->started};
	/* Nobody watches yet: what is there is no news. */
	while ((r = world_next(fs->world, r ? r->id : 0)))
		world_told(fs->world, r->id);
	if (getrandom(&k->mount_id, sizeof k->mount_id, 0) != sizeof k->mount_id)
		k->mount_id = (uint64_t)fs->started;
}

static void look_at_init(struct fs *fs)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in init;
	} in;

	if (fs->request.size < sizeof in)
		return;
	memcpy(&in, fs->request.mem, sizeof in);
	fs->can_resend = in.init.flags & FUSE_INIT_EXT &&
			 in.init.flags2 & HAS_RESEND;
}

/* libfuse keeps this for itself. */
static void look_at_poll(struct fs *fs)
{
	struct {
		struct fuse_in_header header;
		struct fuse_poll_in poll;
	} in = {.poll.kh = 0};

	if (fs->request.size >= sizeof in)
		memcpy(&in, fs->request.mem, sizeof in);
	fs->poll_number = in.poll.kh;
}

/* Numbers of requests are counted up for each mount. */
void takeover_look(struct fs *fs)
{
	struct fuse_in_header header;

	memcpy(&header, fs->request.mem, sizeof header);
	fs->resent = header.unique & UNIQUE_RESEND;
	if (fs->options.kept)
		fs->call = (fs->options.kept->mount_id +
			    (header.unique & ~UNIQUE_RESEND)) & CALL_MASK;
	if (header.opcode == FUSE_INIT)
		look_at_init(fs);
	else if (header.opcode == FUSE_POLL)
		look_at_poll(fs);
}

bool takeover_is_done(const struct fs *fs, const struct replication *r)
{
	return r && r->status && status_has_call(r->status, fs->call);
}

void takeover_show(const struct fs *fs, struct inode node)
{
	struct fs_kept *k = fs->options.kept;

	if (k && node.id > k->last_id &&
	    (node.kind == KIND_NAMESPACE || node.kind == KIND_REPLICATION))
		k->last_id = node.id;
}

bool takeover_has_removed(const struct fs *fs, int rc)
{
	return fs->resent && rc == -ENOENT;
}

void takeover_keep_nudger(const struct fs *fs, pid_t pid)
{
	struct fs_kept *k = fs->options.kept;

	if (k)
		k->nudgers[k->nudger_count++ % FS_NUDGERS_MAX] = pid;
}

bool takeover_was_nudger(const struct fs *fs, pid_t pid)
{
	const struct fs_kept *k = fs->options.kept;
	unsigned i;

	for (i = 0; k && fs->resent && i < FS_NUDGERS_MAX; i++)
		if (k->nudgers[i] == pid && pid)
			return true;
	return false;
}

bool takeover_may_remove(const struct fs *fs, uint64_t id)
{
	struct fs_kept *k = fs->options.kept;
	unsigned i;

	for (i = 0; k && fs->resent && i < FS_REMOVALS_MAX; i++)
		if (k->removals[i].call == fs->call && k->removals[i].id)
			return k->removals[i].id == id;
	if (!k)
		return true;
	i = k->removal_count++ % FS_REMOVALS_MAX;
	k->removals[i].call = fs->call;
	k->removals[i].id = id;
	return true;
}

/* Numbers of handles count up, so that those of one time are side by side. */
static struct fs_kept_handle *find_handle(const struct fs *fs, uint64_t fh,
					  uint64_t as)
{
	struct fs_kept *k = fs->options.kept;
	uint64_t at = fh / HANDLE_SERIAL;
	unsigned i;

	for (i = 0; k && i < 16; i++)
		if (k->handles[(at + i) % FS_HANDLES_MAX].fh == as)
			return &k->handles[(at + i) % FS_HANDLES_MAX];
	return NULL;
}

struct fs_kept_handle *takeover_handle(const struct fs *fs, uint64_t fh)
{
	return find_handle(fs, fh, fh);
}

struct fs_kept_handle *takeover_keep_handle(const struct fs *fs, uint64_t fh)
{
	struct fs_kept_handle *h = takeover_handle(fs, fh);

	if (!h)
		h = find_handle(fs, fh, 0);
	if (h)
		h->fh = fh;
	else if (fs->options.kept)
		fs->options.kept->handles_lost = true;
	return h;
}

void takeover_drop_handle(const struct fs *fs, uint64_t fh)
{
	struct fs_kept_handle *h = takeover_handle(fs, fh);

	if (h)
		*h = (struct fs_kept_handle){.fh = 0};
}

bool takeover_lost_handles(const struct fs *fs)
{
	return fs->options.kept && fs->options.kept->handles_lost;
}

/*
 * The kernel has introduced itself to the first daemon and does not do so again.
 * What libfuse takes from this is how large requests can be; the answer goes to
 * a request that the kernel does not know, as odd ones are no requests.
 */
static void introduce(struct fs *fs)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in init;
	} in = {
		.header = {.len = sizeof in, .opcode = FUSE_INIT, .unique = 1},
		.init = {
			.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES |
				 FUSE_ATOMIC_O_TRUNC,
		},
	};
	struct fuse_buf buf = {.mem = &in, .size = sizeof in};

	fuse_session_process_buf(fs->session, &buf);
}

static int ask_again(struct fs *fs, struct error *err)
{
	const struct fuse_out_header again = {
		.len = sizeof again,
		.error = NOTIFY_RESEND,
	};

	if (write(fuse_session_fd(fs->session), &again, sizeof again) !=
	    sizeof again)
		return fail(err, ESTALE, "can't go on with the mount: %m");
	return 0;
}

/*
 * A store that was brought back from a backup gives ids out again: what the
 * kernel knows by the name of one may be another by now.
 */
static int check_ids(struct fs *fs, struct error *err)
{
	return world_last_id(fs->world) >= fs->options.kept->last_id ? 0
		: fail(err, ESTALE, "what was mounted has shown more than is "
				    "in the store");
}

int fs_take_over(struct fs *fs, int fd, struct error *err)
{
	char place[32];
	int rc = check_ids(fs, err);

	if (rc == 0)
		rc = fs_open_session(fs, err);
	if (rc)
		return rc;
	fs->taken_over = true;
	snprintf(place, sizeof place, "/dev/fd/%d", fd);
	rc = fs_attach(fs, place, err);
	if (rc == 0) {
		introduce(fs);
		rc = ask_again(fs, err);
	}
	if (rc) {
		fs_unmount(fs);
		return rc;
	}
	note_take_over(fs);
	poll_take_over(fs);
	return 0;
}
