/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs, private to this folder, and what its files do for each other.
 * Everything runs on the event loop.
 *
 * No thread of the daemon ever touches its own mount, and the only notification
 * that it sends is inval_inode of attributes (offset -1): that one waits for
 * nothing, whereas dropping pages or names waits for locks which a request that
 * we have not answered yet may hold, and a daemon killed in that moment leaves
 * tasks that nobody can kill.
 */
#ifndef UVRFS_SESSION_H
#define UVRFS_SESSION_H

#include "collect.h"
#include "file.h"
#include "fs.h"
#include "map.h"
#include "scratch.h"

#include <fuse_lowlevel.h>

/* Names and attributes that last are cached this long, in seconds. */
#define TIMEOUT_LASTING 3600.0
#define TIMEOUT_ROOT 1.0

/* The longest name: NAMESPACE:NAME in the views. */
#define ENTRY_NAME_MAX 320

/* Greater than any text that a file shows. */
#define RENDER_MAX ((size_t)1 << 30)

/* by-source: the clusters and regions that are the source of some. */
struct places {
	struct place {
		uint64_t hash;
		char *name;
	} *list;		/* by hash, ascending */
	size_t count;
	bool stale;
};

/* So many are sent to the nudger and not done at a time. */
#define NUDGES_MAX 64

struct fs {
	struct world_listener listener;	/* first: told() relies on it */
	struct world *world;
	struct fs_options options;
	struct fuse_session *session;	/* NULL: not mounted */
	struct fuse_buf request;
	uint64_t call;			/* the system call that is served, for
					   struct who */
	bool resent;			/* and a former daemon had it, too */
	uint64_t poll_number;		/* the kernel's, of what is polled now */
	bool can_resend;		/* the kernel */
	bool taken_over;		/* from a former daemon */
	bool leaving;			/* to the next one */
	struct map handles;		/* struct handle by fh */
	struct map holders;		/* struct holder by uid */
	struct map notes;		/* struct note by inode number */
	struct scratches scratches;
	struct pending *pending;	/* what was not answered yet */
	uint64_t last_fh;
	bool has_proc;			/* /proc is of our pid namespace */
	int64_t started;
	int64_t changed;		/* when the listener was last told */
	uint64_t version;		/* counts what it was told */
	pid_t nudger;			/* 0: there is none */
	bool has_nudger;		/* or will have one again */
	uint64_t nudged[NUDGES_MAX];	/* the files that it was sent; 0: the
					   first of the arrivals */
	unsigned nudges;		/* how many */
	struct note *nudge_first, **nudge_last;	/* with changes to tell of */
	struct arrival *arrivals, **arrival_last;
	struct places places;
	struct map texts;		/* struct text_time by inode number */
	struct buf summary;		/* as of summary_version */
	uint64_t summary_version;
};

/* A file that the listener tells nothing of: what it last said, and since. */
struct text_time {
	struct map_link link;
	uint64_t version;		/* a hash, or where a log ends */
	int64_t since;
};

/* What is remembered of a replication or namespace; by its inode number. */
struct note {
	struct map_link link;
	int64_t changed;		/* the directory; 0: as created */
	int64_t mtimes[ATTRIBUTE_MAX];	/* by row - 1; 0: as in status */
	struct waiter *waiters;
	struct handle *told;		/* whose readers follow changes here */
	uint32_t changes;		/* by row: files to be nudged */
	uint32_t writes;		/* not yet: a WRITE is not answered */
	uint16_t lookups[ATTRIBUTE_MAX + 1];	/* the kernel's references to
						   its files, by row, and to it
						   itself, at 0 */
	bool leaving;			/* an rmdir here has asked for that */
	bool listed;			/* what the kernel keeps of its listing
					   is as it is */
	bool is_draft;			/* counted in its namespace's */
	uint16_t drafts;		/* of a namespace */
	uint16_t plans;			/* what its plan/ was listed for; 0: not */
	struct note *nudge_next, **nudge_link;	/* NULL: in no list */
	struct scratch *scratch;	/* the files of this directory */
	struct unlinked *unlinked;
};

/* fs.c: all of fs_mount but the mounting, so that tests do without one. */
int fs_open_session(struct fs *fs, struct error *err);

/* At a mountpoint, or /dev/fd/N for what is mounted already. */
int fs_attach(struct fs *fs, const char *place, struct error *err);

/* For a request that there is no answer to any more. */
void fs_dismiss(const struct fs *fs, fuse_req_t req, int code);

/*
 * takeover.c: what a mount needs so that another daemon can go on with it.
 * takeover_look sees each request before libfuse does.
 */
void takeover_begin(struct fs *fs);
void takeover_look(struct fs *fs);

/* This call was accepted, by a daemon that did not come to answer it. */
bool takeover_is_done(const struct fs *fs, const struct replication *r);

/* The kernel is going to know @node. */
void takeover_show(const struct fs *fs, struct inode node);

/* It removed what is not to be found: so says the @rc of a look-up. */
bool takeover_has_removed(const struct fs *fs, int rc);

/* A nudger dies with its daemon; what it had asked comes again all the same. */
void takeover_keep_nudger(const struct fs *fs, pid_t pid);
bool takeover_was_nudger(const struct fs *fs, pid_t pid);

/*
 * What is kept of the open file @fh: NULL when nothing is; room for it, or NULL;
 * nothing any more.
 */
struct fs_kept_handle *takeover_handle(const struct fs *fs, uint64_t fh);
struct fs_kept_handle *takeover_keep_handle(const struct fs *fs, uint64_t fh);
void takeover_drop_handle(const struct fs *fs, uint64_t fh);
bool takeover_lost_handles(const struct fs *fs);	/* there was none for some */

/*
 * The replication @id is about to be removed.  False: the call that is served
 * has removed one of that name already, and @id is another.
 */
bool takeover_may_remove(const struct fs *fs, uint64_t id);

/* note.c: what is remembered, and what the world tells. */
struct note *note_find(const struct fs *fs, struct inode directory);
struct note *note_get(struct fs *fs, struct inode directory);	/* or NULL */
void note_drop(struct fs *fs, struct inode directory);
void note_touch(struct fs *fs, struct inode directory);

/*
 * Drafts are in memory only.  @r is one, or no more; may a user who is not root
 * make another in @ns?
 */
#define DRAFTS_MAX 1024
void note_draft(struct fs *fs, const struct replication *r, bool is_one);
bool note_has_room(const struct fs *fs, const struct namespace *ns);

/* What the kernel has is from a former daemon, and watchers were told by it. */
void note_take_over(struct fs *fs);

/* Differs whenever the text of the file @node has changed in between. */
int64_t note_version(struct fs *fs, struct inode node);
void note_listen(struct fs *fs);
void note_finish(struct fs *fs);

/*
 * nudge.c: what the nudger is to be told of.  Held back is a file with a WRITE
 * that is not answered yet: the kernel holds its lock, the nudger would wait
 * for it.  When that WRITE is @done the kernel itself tells of it.
 */
void nudge_file(struct fs *fs, struct inode node);
void nudge_hold(struct fs *fs, struct inode node);
void nudge_release(struct fs *fs, struct inode node, bool done);
void nudge_dequeue(struct fs *fs, struct note *note);
bool nudge_is_asking(const struct fs *fs, fuse_req_t req);

/*
 * arrive.c: directories of replications that others made or removed.  The first
 * two note one; the next three answer the nudger, false: it is not for them.
 */
void arrive_init(struct fs *fs);
void arrive_made(struct fs *fs, const struct replication *r);
void arrive_gone(struct fs *fs, const struct replication *r);
/* Made, or removed from @path, and the last daemon has not told. */
void arrive_unseen(struct fs *fs, const struct replication *r);
void arrive_lost(struct fs *fs, const char *path, uint64_t id);
bool arrive_lookup(struct fs *fs, fuse_req_t req, struct inode parent,
		   const char *name);
bool arrive_mkdir(struct fs *fs, fuse_req_t req, struct inode parent,
		  const char *name);
bool arrive_rmdir(struct fs *fs, fuse_req_t req, struct inode parent,
		  const char *name);
/* Sends what was not sent; false when no more can be sent now. */
bool arrive_send(struct fs *fs, fs_send *send, void *ctx);
void arrive_told(struct fs *fs);	/* the first one is done */
void arrive_again(struct fs *fs);	/* the nudger has ended */
void arrive_finish(struct fs *fs);

/*
 * The kernel has been told of @node, the directory of a replication or a file in
 * it, or forgets it; others are not counted.
 */
void note_look_up(struct fs *fs, struct inode node);
void note_forget(struct fs *fs, struct inode node, uint64_t lookups);

/*
 * May anybody watch the file @row of @n, or have its attributes?  A watch keeps
 * what it is of, and neither the name that led there nor the files in it.
 */
bool note_is_known(const struct note *n, unsigned row);

/* An open file. */
struct handle {
	struct map_link link;		/* its key is the fh */
	uint64_t ino;
	bool has_text;
	struct buf text;		/* what readers get until offset 0 */
	struct collect collect;
	struct holder *holder;		/* who is charged for it, */
	size_t charged;			/* and how much so far */
	uint64_t request;		/* current at open, or when marked */
	bool marked;			/* its flush is answered late */
	bool inherited;			/* and not written to since: a former
					   daemon may have had a part */
	bool has_word;			/* a word was written through it */
	int64_t seen;			/* the file's note_version when read */
	struct line_cursor cursor;	/* of a stream */
	uint64_t base;			/* the offset of text in a stream */
	uint64_t next;			/* and that of what was not read yet */
	struct fuse_pollhandle *poll;
	uint64_t *polled;		/* where the kernel's number of it is
					   noted, or NULL */
	struct handle *next_told;	/* in its note's list */
	struct handle **told_link;	/* NULL: in none */
};

/* Numbers of handles differ by so much; the bits below are handle.c's. */
#define HANDLE_SERIAL 4

/*
 * handle.c.  A number holds no pointer: a handle that a former daemon gave out
 * is made again when it is first seen.  0, or -ENOMEM or -EDQUOT and no handle.
 */
int handle_open(fuse_req_t req, uint64_t ino, int flags, struct handle **out);
int handle_get(fuse_req_t req, uint64_t ino, uint64_t fh, struct handle **out);
struct handle *handle_find(const struct fs *fs, uint64_t fh);
void handle_close(struct fs *fs, uint64_t fh);
/* The request that is current now is what its user waits for. */
void handle_await(struct fs *fs, struct handle *h);
void handle_finish(struct fs *fs);
bool handle_may_mark(uint64_t fh);
bool handle_may_hold_text(uint64_t fh);

/*
 * holder.c: charges @uid for a new handle; for what it holds by now; and no more.
 * -EDQUOT: too much.  Then the handle has lost its texts.
 */
int holder_take(struct fs *fs, struct handle *h, uid_t uid);
int holder_charge(struct handle *h);
/* It is noted for the next daemon that he polls; false: too many of his are. */
bool holder_add_poll(struct handle *h);
void holder_drop_poll(struct handle *h);
void holder_release(struct fs *fs, struct handle *h);

/* poll_ and stream_ functions see this handle from now on: 0 or -ENOMEM. */
int handle_follow(struct fs *fs, struct handle *h);
void handle_unfollow(struct handle *h);

/* wait.c: answers that come when a request has been decided. */
void wait_read(struct fs *fs, fuse_req_t req, struct handle *h, size_t size,
	       const struct fuse_file_info *fi, off_t off);
void wait_flush(struct fs *fs, fuse_req_t req, struct handle *h);
struct stream_read {
	size_t size;
	uint64_t off;
};
void wait_stream(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct stream_read *read);
bool wait_is_over(struct fs *fs, const struct handle *h);
/* @r is NULL for the daemon's own files. */
void wait_wake(struct fs *fs, struct note *note, const struct replication *r);
void wait_abandon(struct fs *fs, struct note *note, bool vanished);

/*
 * stream.c: `events`.  stream_answer returns false when there is nothing to
 * answer with; stream_end keeps what is left for the readers of a replication
 * that is removed.
 */
int stream_open(struct fs *fs, struct handle *h);
void stream_read(struct fs *fs, fuse_req_t req, struct handle *h,
		 const struct stream_read *read,
		 const struct fuse_file_info *fi);
bool stream_answer(struct fs *fs, fuse_req_t req, struct handle *h,
		   const struct stream_read *read);
bool stream_is_ready(struct fs *fs, const struct handle *h);
void stream_end(struct fs *fs, struct note *note);

/*
 * poll.c: as for sysfs, a file that has changed since it was read has POLLPRI
 * and POLLERR.
 */
void poll_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	       struct fuse_pollhandle *ph);
/* The file @node of @note has changed. */
void poll_wake(struct fs *fs, const struct note *note, struct inode node);
void poll_end(struct note *note);
void poll_drop(struct handle *h);

/*
 * The mount goes, and the kernel wakes who polls; or it is left to the next
 * daemon, which has the numbers of what is polled and tells them to ask again.
 */
void poll_abandon(struct fs *fs);
void poll_take_over(struct fs *fs);

/*
 * pending.c: requests of the kernel that are answered later.  The caller fills
 * in what follows `rc`.
 */
struct pending {
	struct job job;
	struct pending *next;
	struct pending **link;
	struct fs *fs;
	fuse_req_t req;			/* NULL: abandoned */
	int rc;
	size_t size;			/* of a write, else 0 */
	struct inode made_in;		/* where a directory is made, */
	char made[64];			/* and its name, or "" */
	struct inode node;		/* whose WRITE this is, or none */
	struct inode scratch;		/* that was renamed over a file */
};
struct pending *pending_new(struct fs *fs, fuse_req_t req);
/* Takes it away; answers with @rc when the audit has all that was said. */
void pending_answer(struct pending *p, int rc);
void pending_abandon(struct fs *fs);

/* write.c: requests to the world. */
struct caller {
	struct who who;
	char command[32];
};
void caller_init(struct caller *c, fuse_req_t req);

/* The process whose task asks; the task where that can't be told. */
pid_t caller_process(fuse_req_t req);
struct chunk {
	const char *data;
	size_t size;
	off_t off;
};
void write_data(struct fs *fs, fuse_req_t req, uint64_t ino,
		const struct chunk *chunk, const struct fuse_file_info *fi);
/* Applies what was collected, if anything, and answers; false: nothing. */
bool write_apply(struct fs *fs, fuse_req_t req, struct handle *h);
/* Writes the text of @s to the file @node; @s goes when that was accepted. */
void write_replace(struct fs *fs, fuse_req_t req, struct inode node,
		   const struct scratch *s);
void write_remove(struct fs *fs, fuse_req_t req, struct inode node,
		  struct replication *r);
void write_namespace(struct fs *fs, fuse_req_t req, const char *name,
		     bool remove);
/* Answers with -rc, and notes why, where there is an `error` to read it in. */
void write_refuse(struct fs *fs, fuse_req_t req, struct replication *r,
		  const struct error *err);

/* scratch_io.c: operations on scratch files. */
void scratch_open(struct fs *fs, fuse_req_t req, struct scratch *s,
		  struct fuse_file_info *fi);
void scratch_read(fuse_req_t req, const struct scratch *s, size_t size,
		  off_t off);
void scratch_write_data(struct fs *fs, fuse_req_t req, struct scratch *s,
			const struct chunk *chunk, int flags);
void scratch_setattr(struct fs *fs, fuse_req_t req, struct scratch *s,
		     const struct stat *attr, int to_set);

/*
 * unlink.c: install and mv(1) unlink the file that they then make again, so a
 * process that has unlinked an attribute does not see it for two seconds.  It
 * is there all the same.
 */
bool unlink_hides(struct fs *fs, fuse_req_t req, struct inode node);

/* True while the name of @node must be looked up each time. */
bool unlink_is_fresh(struct fs *fs, struct inode node);

/* The caller has made again what it had unlinked. */
void unlink_undo(struct fs *fs, fuse_req_t req, struct inode node);

/* True when the caller has unlinked here, as `rm -r` does on its way. */
bool unlink_precedes(struct fs *fs, fuse_req_t req, struct inode dir);
void unlink_drop(struct note *note);

/*
 * 0 when the caller may write to the file @node, else -EACCES or -ENOMEM.  The
 * kernel asks only whether he may write to the directory when something is
 * created or renamed there.
 */
int change_check_write(struct fs *fs, fuse_req_t req, struct inode node);

/* EROFS as our own answer: an -o ro superblock could not be watched. */
bool change_is_refused(struct fs *fs, fuse_req_t req);

/*
 * dir.c, change.c, create.c, unlink.c, rename.c: the operations on directories;
 * ops.c has the others.
 */
void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void dir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 struct fuse_file_info *fi);
void dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void dir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);
int dir_entry(struct fs *fs, struct inode node, struct fuse_entry_param *e);
void dir_reply(struct fs *fs, fuse_req_t req, struct inode node);

void change_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		  mode_t mode);
void change_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void change_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void change_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		   mode_t mode, struct fuse_file_info *fi);
void change_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		  mode_t mode, dev_t rdev);
void change_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		    const char *name);
void change_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		 const char *name);
void change_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		   fuse_ino_t newparent, const char *newname, unsigned flags);

/* create.c: a scratch directory. */
void create_directory(struct fs *fs, fuse_req_t req, struct inode dir,
		      struct scratch_wish *wish);

/* Refuses @name, which nothing may be called here. */
void refuse_name(struct fs *fs, fuse_req_t req, struct replication *r,
		 const char *name);
void refuse(struct fs *fs, fuse_req_t req, struct replication *r, int code,
	    const char *sentence);

/* show.c */
void text_times_finish(struct fs *fs);

extern const struct fuse_lowlevel_ops fs_ops;

#endif
