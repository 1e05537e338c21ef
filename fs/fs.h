/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree as users see it, served over libfuse's low-level API on the event
 * loop.  One struct fs, one thread.
 */
#ifndef UVRFS_FS_H
#define UVRFS_FS_H

#include "error.h"
#include "world.h"

#include <sys/types.h>

struct fs;

/* Ownership and modes of one namespace; "" matches every namespace. */
struct access_rule {
	const char *namespace;
	uid_t owner;
	gid_t group;
	mode_t directory_mode;		/* 0755 */
	mode_t file_mode;		/* 0644: of files that can be written;
					   the others lose the write bits */
};

/* What a daemon that takes a mount over has to know of an open file, */
struct fs_kept_handle {
	uint64_t fh;			/* 0: free */
	uint64_t request;		/* what its reader or its close waits
					   for; 0: for nothing */
	uint64_t len, hash;		/* of the text that its reader has begun;
					   hash 0: none */
};

/* and of the mount. */
struct fs_kept {
	uint64_t mount_id;		/* of this mount and no other */
	uint64_t last_id;		/* the greatest that was ever shown */
	int64_t told;			/* of all changes until then */
#define FS_POLLED_MAX 4096
	uint64_t polled[FS_POLLED_MAX];	/* the kernel's numbers of the open
					   files that somebody polls */
#define FS_NUDGERS_MAX 8
	pid_t nudgers[FS_NUDGERS_MAX];	/* the last ones */
	unsigned nudger_count;		/* how many there have been */
#define FS_REMOVALS_MAX 1024
	struct {
		uint64_t call, id;
	} removals[FS_REMOVALS_MAX];	/* of replications, the last ones */
	unsigned removal_count;
#define FS_HANDLES_MAX 4096
	struct fs_kept_handle handles[FS_HANDLES_MAX];	/* by fh, about */
	bool handles_lost;		/* there was no room for some */
};

struct fs_options {
	const struct access_rule *access;	/* first match wins; without a
						   match: us, 0755, 0644 */
	size_t access_count;
	const char *mount_options;	/* libfuse -o options, or NULL */
	bool read_only;			/* every write is EROFS */
	bool basic;			/* asks nothing of the kernel that old
					   ones don't have: for tests */
	bool allow_other;
	struct fs_kept *kept;		/* in memory that the next daemon gets
					   as we leave it; NULL: there is none,
					   and no taking over */
	bool debug;			/* libfuse prints each request */
};

/* Listens to @w from now on.  Options are copied shallowly. */
struct fs *fs_new(struct world *w, const struct fs_options *options);

/* Mounts; afterwards fs_fd is readable when there are requests. */
int fs_mount(struct fs *fs, const char *mountpoint, struct error *err);
int fs_fd(const struct fs *fs);

/*
 * Taking over.  A mount lives as long as anybody holds its descriptor: one that
 * another process keeps for us outlives a daemon that is killed.  The next one
 * goes on with it, and the kernel sends it again what was not answered, so that
 * nobody notices but for the time that it took.  Gone are scratch files, drafts
 * and what was written to a YAML file and not applied yet.
 */

/* Can the kernel send again?  (Linux 6.9.)  Its first request tells. */
bool fs_can_be_taken_over(const struct fs *fs);

/*
 * In the place of fs_mount: goes on with the mount behind @fd, which it owns.
 * -ESTALE when nobody can go on with it: what it has shown is not known to the
 * world, or the kernel has given it up.  With any other error the next one may.
 */
int fs_take_over(struct fs *fs, int fd, struct error *err);

/*
 * In the place of fs_unmount: leaves the mount to the next daemon.  Those who
 * wait go on waiting.
 */
void fs_leave(struct fs *fs);

/*
 * Serves what is there without blocking.  -ENODEV: unmounted from outside.
 */
int fs_serve(struct fs *fs, struct error *err);

/*
 * inotify.  The kernel raises no event for what changes on our side, so another
 * process, the nudger, opens each file that has changed and sets its time, and
 * makes or removes the directories of replications that others have made or
 * removed; what comes from it is answered with success and changes nothing.
 */

/* Its pid, as the requests have it; 0 when it has ended. */
void fs_set_nudger(struct fs *fs, pid_t pid);

/* What it is to do with a path. */
enum fs_nudge {
	NUDGE_FILE,		/* open it and set its time */
	NUDGE_MADE,		/* make this directory, which is there already */
	NUDGE_GONE,		/* remove this one, which is gone */
};

/* Hands it @path, below the mountpoint; false when that can't be done now. */
typedef bool fs_send(void *ctx, enum fs_nudge what, const char *path);

/* Sends what is due: at the end of each round of the loop. */
void fs_nudge(struct fs *fs, fs_send *send, void *ctx);

/* The next @count of those sent are done. */
void fs_nudged(struct fs *fs, unsigned count);

/* Answers those who wait: nothing is going to be decided any more. */
void fs_abandon(struct fs *fs);

/* The same, and unmounts what fs_mount has mounted. */
void fs_unmount(struct fs *fs);
void fs_free(struct fs *fs);

/*
 * The table of attribute files as a man page section: made here so that it
 * can't drift from what is served.  Appends roff.
 */
void fs_describe(struct buf *out);

#endif
