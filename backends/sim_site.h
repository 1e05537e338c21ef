/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disk of one simulated site holds for one volume: the data file, the
 * array's record of its own belief beside it, and the copy that is arriving.
 * Every function here may block on the disk; none takes a lock.
 */
#ifndef UVRFS_SIM_SITE_H
#define UVRFS_SIM_SITE_H

#include "act.h"
#include "error.h"
#include "observation.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A name as a path component, with its NUL. */
#define SIM_NAME_MAX 208
#define SIM_PATH_MAX 704

/* Where a volume lives: three path components below the root. */
struct place {
	int root;			/* directory descriptor, borrowed */
	const char *cluster;
	const char *namespace;
	const char *volume;
};

/* A common snapshot: both sides held exactly these bytes.  id 0: none yet. */
struct snapshot {
	uint64_t id;
	uint64_t digest;
};

/* An act that was made here; @effect: and changed something. */
struct done {
	uint64_t serial;
	enum act act;
	bool effect;
};

#define DONE_MAX 8

/* What the array believes about one side; kept as .VOLUME.json. */
struct belief {
	enum role role;			/* claimed */
	char peer[SIM_PATH_MAX];	/* CLUSTER/NAMESPACE/VOLUME */
	bool pvc_side;			/* of the volume mapping */
	bool complete;			/* holds a whole, consistent copy */
	bool following;			/* a replica of the peer */
	bool followed;			/* a source with a replica, as far as
					   this side has been told */
	bool caught_up;			/* holds the peer's final snapshot */
	bool turning;			/* an act is about to change the volume's
					   mode, and has not noted that it did */
	bool unlisted;			/* done[0] may lack its line in the
					   journal */
	struct snapshot base;		/* the last common one */
	struct snapshot next;		/* being put in place: the volume holds
					   either base or this */
	uint64_t final;			/* the snapshot that a step down owes to
					   the peer, 0: none */
	int64_t data_time;
	struct done done[DONE_MAX];	/* newest first */
};

/* What changes when a file's bytes may have changed. */
struct stamp {
	uint64_t inode;
	int64_t size;
	int64_t changed;		/* ns */
};

void stamp_from(struct stamp *stamp, const struct stat *st);
bool stamp_equal(const struct stamp *a, const struct stamp *b);

/*
 * Writes @name as one safe path component, the same for the same name and
 * another for every other; @reserved may not be the result.
 */
void place_escape(const char *name, const char *reserved,
		  char out[static SIM_NAME_MAX]);

/* The path below the root: before and after the volume's name, @pre, @post. */
const char *place_path(const struct place *p, const char *pre, const char *post,
		       char out[static SIM_PATH_MAX]);

#define VOLUME_PATH "", ""
#define RECORD_PATH ".", ".json"
#define RECORD_TMP_PATH ".", ".json.tmp"
#define INCOMING_PATH ".", ".incoming"

/* Makes the folders that @p lies in. */
int place_make(const struct place *p, struct error *err);

/* -ENOENT: there is no record; -EIO: it can't be read.  */
int belief_read(const struct place *p, struct belief *out, struct error *err);

/* Durable and atomic: after a crash the old or the new one is there. */
int belief_write(const struct place *p, const struct belief *r,
		 struct error *err);

/* As belief_write, without waiting for the disk: the system's crash may lose
   it, the daemon's does not. */
int belief_note(const struct place *p, const struct belief *r,
		struct error *err);
int belief_remove(const struct place *p, struct error *err);

/* @r, a replica, lacks nothing that the other side ever had as the source. */
bool belief_has_all(const struct belief *r, const struct belief *other);

bool belief_has_done(const struct belief *r, uint64_t serial, enum act act);
void belief_add_done(struct belief *r, const struct done *done);

/* Makes the volume writable or not; with @create also when it is missing. */
int volume_set_writable(const struct place *p, bool writable, bool create,
			struct error *err);

/* A hash of bytes that is fed with multiples of 8 but for the last time. */
struct digest {
	uint64_t state;
	uint64_t length;
};

#define DIGEST_CHUNK ((size_t)1 << 20)

void digest_init(struct digest *h);
void digest_add(struct digest *h, const void *data, size_t n);
uint64_t digest_value(const struct digest *h);

/* Reads until @n bytes or the end; the count, or a negative errno. */
ssize_t volume_read(int fd, void *data, size_t n);
int volume_write(int fd, const void *data, size_t n);

#endif
