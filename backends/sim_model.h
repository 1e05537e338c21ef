/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated arrays in memory: sites, bonds of volumes, and the engine's
 * thread.  The disk is the truth; here is only what serves to find it fast.
 *
 * Locks: `faults_lock` (reading a faults file) before a bond's `disk` (its
 * records and the files' modes) before `lock` (everything in memory, never
 * held over anything that blocks).
 */
#ifndef UVRFS_SIM_MODEL_H
#define UVRFS_SIM_MODEL_H

#include "backend.h"
#include "clock.h"
#include "sim_fault.h"
#include "sim_site.h"
#include "timers.h"

#include <pthread.h>
#include <sys/stat.h>

struct copy;
struct bond;
struct sim;

struct site {
	struct site *next;
	char *name;			/* as its folder */
	struct sim_faults faults;
	struct stamp faults_stamp;	/* of what `faults` was read from, and */
	uint64_t faults_content;	/* the hash of its text */
	bool loaded;
	bool known;			/* the engine has loaded it once */
	int64_t hung_since;		/* monotonic ms, 0: it does not hang */
	bool silent;			/* it has hung for so long that those
					   who watch it call it silent */
};

/* One side of a bond: a volume. */
struct end {
	struct bond *bond;
	struct site *site;
	char *namespace;
	char *volume;			/* as folder and file */
	struct end *same;		/* another bond's end, same volume */
	struct stamp stamp;		/* what `content` is the hash of */
	uint64_t content;
	bool touched;			/* bytes may have changed since the last
					   snapshot was begun */
	unsigned acts;			/* running there */
};

struct bond {
	struct bond *next;
	char *key;
	struct end end[2];		/* the PVC's side first */
	pthread_mutex_t disk;

	/* Under sim->lock. */
	struct bond *next_dirty;
	bool dirty;
	bool tracked;
	bool anew;			/* tell the sink, news or not */
	int here;			/* which end `here` is */
	enum mode mode;
	enum schedule_mode schedule;
	int64_t rpo;			/* ms, 0: none */
	int progress;			/* of the running copy, -1: none */
	int64_t current;		/* ms: the replica was found up to date */
	int64_t looked_at;		/* the last glance was begun */
	uint64_t pushed;		/* digest of what the sink was told */

	/* The engine's own. */
	struct copy *copy;		/* the one that runs, or NULL */
	struct stamp copied;		/* of the source at the last snapshot */
	int64_t begun;			/* monotonic ms, of that snapshot */
	int64_t due;			/* monotonic ms, INT64_MAX: never */
	struct timer timer;		/* armed to it, if there was memory */
	int64_t not_before;		/* monotonic ms: after a failed try */
};

struct watch {
	int wd;
	struct site *site;		/* NULL: the root */
	char *namespace;		/* NULL: the cluster's folder */
};

struct sim {
	struct backend backend;		/* first: they are cast */
	char *name;
	char *dir;
	int root;
	struct sink *sink;

	pthread_mutex_t faults_lock;
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* faults, or the end */
	struct site *sites;
	struct bond *bonds;
	void *by_key;			/* trees of bonds and ends */
	void *by_volume;
	struct bond *dirty;
	unsigned calls;			/* act and observe in flight */
	bool scanned;			/* what a crash left is cleared up */
	bool shared;			/* other processes use it as well, */
	bool is_array;			/* and this one moves the data: always,
					   unless shared */
	int share;			/* DIR/.lock, -1: not shared */
	bool stopping;

	bool started;
	pthread_t thread;
	int inotify;
	int wake;
	/* The engine's own. */
	struct copy *copies;
	struct watch *watches;
	size_t watch_count;
	bool blind;			/* a folder can't be watched */
	struct timers timers;
	int64_t due;			/* then all bonds are looked through */
};

/* ---- sim_model.c ---- */

void sim_key(struct backend *b, const struct target *t,
	     char key[static BACKEND_KEY_MAX]);


struct sim *sim_of(struct backend *b);
struct place end_place(const struct sim *sim, const struct end *e);

/* Takes the lock; for both, NULL without memory. */
struct site *sim_site(struct sim *sim, const char *folder);
struct bond *sim_bond(struct sim *sim, const struct target *t);

/* With the lock held; NULL: there is none. */
struct bond *sim_bond_by_key(struct sim *sim, const char *key);

/* The bond of which these folders and file are one end; both are CLUSTER/
   NAMESPACE/VOLUME, the PVC's first. */
struct bond *sim_bond_of_paths(struct sim *sim, const char *const paths[2]);

/* The first end of a volume.  With the lock held. */
struct end *sim_end(struct sim *sim, struct site *site, const char *namespace,
		    const char *volume);

/* Has the engine look at the bond, or all of the site's.  With the lock. */
void bond_mark(struct sim *sim, struct bond *p);

/* The same, and has it tell the sink, news or not. */
void bond_tell_anew(struct sim *sim, struct bond *p);
void site_mark(struct sim *sim, struct site *site);
void sim_wake(struct sim *sim);
void sim_free_model(struct sim *sim);

/* ---- sim_share.c ---- */

/* The bond's records, also against other processes. */
void bond_lock(struct sim *sim, struct bond *p);
void bond_unlock(struct sim *sim, struct bond *p);

/* True when this process moves the data, from now on.  The engine's thread. */
bool sim_becomes_array(struct sim *sim);

/* ---- sim_health.c ---- */

/* Reads the site's faults file again when it has changed.  Blocks. */
void site_refresh(struct sim *sim, struct site *site);

/* With the lock held. */
struct fault *end_fault(const struct end *e, enum fault_kind kind,
			enum act act);
bool end_has(const struct end *e, enum fault_kind kind);
int64_t end_hang_ms(const struct end *e);
bool bond_is_linked(const struct bond *p);	/* data can flow */

/* ---- sim_look.c ---- */

/* What the disk says about both ends at one moment. */
struct glance {
	int64_t at;			/* when it was begun; no two of a bond are
					   of one time */
	struct belief belief[2];
	int rc[2];			/* 0, -ENOENT, -EIO */
	bool has_file[2];
	bool writable[2];
	struct stamp stamp[2];
};

/* Waits for a millisecond when somebody has just done so. */
void bond_read(struct sim *sim, struct bond *p, struct glance *out);
bool bond_can_be_read(struct sim *sim, const struct bond *p);
void bond_read_locked(struct sim *sim, struct bond *p, struct glance *out);

/* The hash of the volume's bytes; reads them when they may have changed. */
int end_content(struct sim *sim, struct end *e, uint64_t *out);
void end_remember(struct sim *sim, struct end *e, const struct stamp *stamp,
		  uint64_t content);

/* Fills @o as seen from end @here; blocks on the disk only. */
void bond_observe(struct sim *sim, struct bond *p, const struct glance *s,
		  int here, struct observation *o);

/* What tells two observations from each other; never 0. */
uint64_t bond_digest(const struct observation *o);

/* Which end a copy is due from, -1: none; @final: it ends a step down. */
int sight_direction(const struct glance *s, bool *final);

/* An id that no snapshot of the bond has. */
uint64_t sight_next_id(const struct glance *s);

/* ---- sim_deed.c ---- */

/* Where an act was killed: makes the modes fit the records, and lists it in the
   journal. */
int deed_clear_up(struct sim *sim, struct bond *p);

/* ---- sim_call.c ---- */

int sim_act(struct backend *b, const struct target *t, const struct order *o,
	    struct error *err);
int sim_observe(struct backend *b, const struct target *t, int timeout_ms,
		struct observation *o, struct error *err);

/* ---- sim_schedule.c, sim_copy.c: called by the engine's thread ---- */

#define FAILED_RETRY_MS 1000

/* Begins, goes on with or gives up the bond's copy; sets p->due. */
void bond_schedule(struct sim *sim, struct bond *p, const struct glance *s);

/* Begins one if it can, else p->not_before says when to try again. */
void copy_begin(struct sim *sim, struct bond *p, const struct glance *s,
		int from);
bool copy_is(const struct copy *c, int from, bool final);
void copy_poke(struct copy *c);		/* faults may have changed */
void copy_step(struct sim *sim, struct copy *c);
bool copy_is_ready(const struct copy *c);	/* has work to do now */
int64_t copy_due(const struct copy *c);
struct copy *copy_next(const struct copy *c);
void copy_abandon(struct sim *sim, struct copy *c);

/* ---- sim_engine.c, sim_watch.c ---- */

int engine_start(struct sim *sim, struct error *err);
void engine_stop(struct sim *sim);

/* Watches everything there is and marks all bonds found. */
void watch_all(struct sim *sim);

/* Takes what inotify has to say, without blocking. */
void watch_read(struct sim *sim);
void watch_finish(struct sim *sim);

#endif
